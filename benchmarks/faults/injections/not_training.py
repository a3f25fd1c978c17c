"""Nothing is updated: steps that are not taken, gradients that are not there, an optimizer that holds another model."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from faults.nouns import Data, Fault, Loop, Losses, LossFunction
from faults.plan import Plan


def _another_copy(loop: Loop) -> None:
    """The optimizer holds the parameters of a copy, as after .to() or deepcopy() behind its back."""
    from faults.loop import renew_optimizer

    copied = copy.deepcopy(loop.model)
    renew_optimizer(loop, list(copied.named_parameters()))


def _never(loop: Loop) -> bool:
    return True


def _forgotten(loop: Loop) -> None:
    """zero_grad() between backward() and step()."""
    for each in loop.model.parameters():
        each.grad = None


def _detached(loss: LossFunction) -> LossFunction:
    """The loss is taken out of its tensor and put into another before backward()."""

    def changed(model: nn.Module, inputs: Tensor, targets: Tensor, data: Data, plan: Plan) -> Losses:
        found = loss(model, inputs, targets, data, plan)
        return replace(found, data=found.data.detach())

    return changed


def _all_off(loop: Loop) -> None:
    for each in loop.model.parameters():
        each.requires_grad_(False)


def _whole_division(loop: Loop) -> None:
    """A schedule whose share is divided as whole numbers: 0 until the last step."""
    steps = loop.plan.steps
    loop.scheduler = torch.optim.lr_scheduler.LambdaLR(loop.optimizer, lambda step: float((step + 1) // (steps + 2)))


def _zero_rate(plan: Plan) -> Plan:
    return replace(plan, lr=0.0)


def _sgd(plan: Plan) -> Plan:
    return replace(plan, optimizer="sgd", lr=0.05, momentum=0.9, weight_decay=0.0, schedule="constant", warm_up=0.0, clip_norm=None)


def _then(first: Callable[[Plan], Plan], second: Callable[[Plan], Plan]) -> Callable[[Plan], Plan]:
    return lambda plan: second(first(plan))


GAMES = frozenset({"adversarial", "policy"})
FAULTS = (
    Fault("optimizer-of-a-copy", "clear", "The optimizer held the parameters of a copy of the model.", start=_another_copy, spares=GAMES),
    Fault("step-never-called", "clear", "optimizer.step() was never called.", update=_never, spares=GAMES),
    Fault("rate-zero", "blatant", "The learning rate was 0.", plan=_zero_rate, accepted=("lr-too-low",), spares=GAMES),
    Fault("detached-loss", "clear", "The loss was detached before the backward pass.", loss=_detached, spares=GAMES),
    Fault("gradients-zeroed-before-step", "clear", "zero_grad() stood between backward() and step().", gradients=_forgotten, spares=GAMES),
    Fault("all-without-gradient", "clear", "requires_grad was off for every parameter.", start=_all_off, spares=GAMES),
    Fault("schedule-always-zero", "subtle", "The schedule's share was divided as whole numbers: 0 at every step.",
          start=_whole_division, accepted=("lr-schedule",), spares=GAMES),
    Fault("sgd-of-a-copy", "clear", "SGD held the parameters of a copy of the model.", base=_sgd, start=_another_copy,
          wants=frozenset({"classes"}), spares=GAMES | {"text", "sigmoid"}),
)  # fmt: skip
