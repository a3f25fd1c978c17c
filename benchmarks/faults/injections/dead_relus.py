"""ReLU units that never fire: negative biases, weights of a negative mean, or a shock that threw them there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from faults.loop import make_optimizer, share_of_rate
from faults.nouns import Data, Fault, Loop
from faults.plan import Plan
from faults.reach import fan_in, hidden, hidden_biases, redraw

_WANTS = frozenset({"relu"})
_NOT_FOR = frozenset({"pretrained", "adversarial", "policy"})


def _biases(value: float, share: float = 1.0) -> Callable[[nn.Module, Data, Plan], None]:
    """Hidden biases start at `value` in the first `share` of each layer's units."""

    def start(model: nn.Module, data: Data, plan: Plan) -> None:
        redraw(hidden_biases(model), lambda each: each[: max(1, round(share * len(each)))].fill_(value))

    return start


def _negative_mean(model: nn.Module, data: Data, plan: Plan) -> None:
    """Weights behind the first layer scatter around a mean below zero; what ReLUs give is not, so that sums fall below zero."""

    def draw(each: Tensor) -> None:
        deviation = (2.0 / fan_in(each)) ** 0.5
        nn.init.normal_(each, mean=-1.5 * deviation, std=deviation)

    redraw([layer.weight for layer in hidden(model)[1:]], draw)


def _shock(times: float, steps: int) -> Callable[[Loop], None]:
    """The rate of the first steps is `times` the usual one, as with a warm-up factor that multiplies instead of divides."""

    def start(loop: Loop) -> None:
        plan = loop.plan
        loop.scheduler = torch.optim.lr_scheduler.LambdaLR(
            loop.optimizer, lambda step: times if step < steps else share_of_rate(plan, step)
        )

    return start


def _fast_biases(loop: Loop) -> None:
    """Biases are a group of their own, whose rate was meant for a loss of another scale."""
    plan = loop.plan
    named = list(loop.model.named_parameters())
    parted = [[pair for pair in named if pair[1].dim() >= 2], [pair for pair in named if pair[1].dim() < 2]]
    loop.parameters = tuple(name for part in parted for name, _ in part)
    loop.optimizer = make_optimizer(plan, [{"params": [each for _, each in parted[0]]}, {"params": [each for _, each in parted[1]]}])
    loop.optimizer.param_groups[1]["lr"] = plan.lr * 3000
    loop.scheduler = torch.optim.lr_scheduler.LambdaLR(loop.optimizer, lambda step: share_of_rate(plan, step))


def _sgd(plan: Plan) -> Plan:
    return replace(plan, optimizer="sgd", lr=0.02, momentum=0.9)


def _rmsprop(plan: Plan) -> Plan:
    return replace(plan, optimizer="rmsprop", lr=1e-3)


FAULTS = (
    Fault("biases-minus-6", "blatant", "Hidden biases start at -6.", model=_biases(-6.0), wants=_WANTS, spares=_NOT_FOR),
    Fault("shock", "clear", "The first 20 steps have 200 times the usual rate, which throws ReLUs where they never fire.",
          start=_shock(200.0, 20), accepted=("lr-too-high", "lr-schedule"), wants=_WANTS, spares=_NOT_FOR | {"batchnorm"}),
    Fault("negative-mean", "clear", "Weights behind the first layer scatter around a mean far below zero.", model=_negative_mean,
          wants=_WANTS, spares=_NOT_FOR | {"batchnorm", "variational"}),
    Fault("sgd-biases-minus-4", "clear", "Hidden biases start at -4; SGD with momentum.", base=_sgd, model=_biases(-4.0),
          wants=_WANTS, spares=_NOT_FOR),
    Fault("fast-biases", "clear", "Biases are trained at 3,000 times the rate of the weights.", start=_fast_biases,
          accepted=("lr-too-high",), wants=_WANTS, spares=_NOT_FOR | {"batchnorm"}),
    Fault("rmsprop-most-minus-8", "subtle", "Biases of nine in ten hidden units start at -8; RMSProp.", base=_rmsprop,
          model=_biases(-8.0, 0.9), wants=_WANTS, spares=_NOT_FOR),
)  # fmt: skip
