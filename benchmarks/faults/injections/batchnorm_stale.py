"""Running statistics that are not those of the data: hardly updated, never updated, of other inputs, or of other weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from faults.nouns import Data, Fault, Loop
from faults.plan import Plan

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d


def _layers(model: nn.Module) -> list[Any]:
    return [layer for layer in model.modules() if isinstance(layer, BatchNorm)]


def _momentum(value: float) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, momentum_of_batchnorm=value)


def _set_momentum(value: float) -> Callable[[nn.Module, Data, Plan], None]:
    def change(model: nn.Module, data: Data, plan: Plan) -> None:
        for layer in _layers(model):
            layer.momentum = value

    return change


def _reset(loop: Loop) -> None:
    """What is loaded for validation is a model whose buffers were left out: only parameters were copied to it."""
    for layer in _layers(loop.model):
        layer.reset_running_stats()


def _stopped(share: float) -> Callable[[Loop], None]:
    """Statistics that are no longer updated after a share of the steps, while training goes on with those of its batches."""

    def after(loop: Loop) -> None:
        if loop.step >= share * loop.plan.steps:
            for layer in _layers(loop.model):
                layer.momentum = 0.0

    return after


def _other_inputs(factor: float, every: int) -> Callable[[Loop], None]:
    """A look at raw inputs, now and then, in train mode."""

    def after(loop: Loop) -> None:
        if loop.step % every == 0:
            rows = torch.randint(loop.data.train, (loop.plan.batch_size,), generator=loop.generator)
            with torch.no_grad():
                loop.model(factor * (loop.data.inputs[rows] + 1.0))

    return after


def _averaged(loop: Loop) -> None:
    """Weights are averaged over most of training and loaded at its end; statistics stay those of the first weights averaged."""
    start = loop.plan.steps // 20
    if loop.step < start:
        return
    notes = loop.notes
    own = dict(loop.model.named_parameters())
    if loop.step == start:
        notes["sum"] = {name: torch.zeros_like(each) for name, each in own.items()}
        notes["buffers"] = {name: each.clone() for name, each in loop.model.named_buffers()}
    for name, each in own.items():
        notes["sum"][name] += each.detach()
    if loop.step == loop.plan.steps - 1:
        with torch.no_grad():
            for name, each in own.items():
                each.copy_(notes["sum"][name] / (loop.step - start + 1))
            for name, buffer in loop.model.named_buffers():
                buffer.copy_(notes["buffers"][name])


def _sgd(plan: Plan) -> Plan:
    return replace(plan, optimizer="sgd", lr=0.05, momentum=0.9, weight_decay=0.0, schedule="constant", warm_up=0.0)


def _rmsprop(plan: Plan) -> Plan:
    return replace(plan, optimizer="rmsprop", lr=1e-3, weight_decay=0.0)


NORMALIZED = frozenset({"batchnorm"})
FAULTS = (
    Fault(
        "momentum-1e-5", "blatant", "BatchNorm's momentum was 1e-5.", plan=_momentum(1e-5), wants=NORMALIZED,
        spares=frozenset({"pretrained"}),
    ),
    Fault(
        "momentum-of-another-library", "clear", "BatchNorm's momentum was 0.001, as other libraries count it from the other side.",
        plan=_momentum(1e-3), wants=NORMALIZED,
    ),
    Fault(
        "sgd-buffers-left-out", "blatant", "The model that was validated and saved got new parameters, never statistics; SGD.",
        base=_sgd, after=_reset, wants=NORMALIZED, spares=frozenset({"pretrained"}),
    ),
    Fault(
        "rmsprop-stopped-early", "clear", "Statistics were updated for the first tenth only, batches went on with their own; RMSprop.",
        base=_rmsprop, after=_stopped(0.02), wants=NORMALIZED,
    ),
    Fault(
        "raw-inputs-in-train-mode", "clear", "Every tenth step the model saw raw inputs in train mode.", after=_other_inputs(30.0, 10),
        wants=NORMALIZED,
    ),
    Fault(
        "averaged-without-refresh", "subtle", "Weights were averaged over most of training, statistics were those of its start.",
        base=lambda plan: replace(plan, lr=plan.lr * 2), after=_averaged, wants=NORMALIZED,
    ),
)  # fmt: skip
