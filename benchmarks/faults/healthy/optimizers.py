"""Ways to optimize that leave odd states: other optimizers, few records a step, gradients over several steps, averages, strong decay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from faults.nouns import Fault, Loop, Trained
from faults.plan import Plan

_COMMON = frozenset({"adversarial", "policy"})
_HARD = _COMMON | {"saturating", "text"}
_ACCUMULATED = 4


def _accumulate(loop: Loop) -> bool:
    """Update with the mean gradient of four steps; the scheduler steps with the update."""
    parameters = list(loop.model.parameters())
    kept = loop.notes.setdefault("gradients", [torch.zeros_like(each) for each in parameters])
    for total, each in zip(kept, parameters, strict=True):
        if each.grad is not None:
            total += each.grad / _ACCUMULATED
    if (loop.step + 1) % _ACCUMULATED:
        return False
    for total, each in zip(kept, parameters, strict=True):
        each.grad = total.clone()
        total.zero_()
    loop.optimizer.step()
    return True


def _clip_now_and_then(loop: Loop) -> None:
    """What is clipped is rare: a few batches in a hundred are three times as steep as the rest."""
    if float(torch.rand((), generator=loop.generator)) < 0.04:
        for each in loop.model.parameters():
            if each.grad is not None:
                each.grad.mul_(3.0)


def _overflow_at_first(loop: Loop) -> None:
    """The first eight steps overflow, while the scaler finds its scale, and one later."""
    if loop.step < 8 or loop.step == 150:
        first = next(each for each in loop.model.parameters() if each.dim() >= 2)
        if first.grad is not None:
            first.grad.flatten()[0] = torch.inf


def _small_batches(steps: int) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, batch_size=4, steps=steps, lr=0.3 * plan.lr)


def _moving_average(trained: Trained) -> Trained:
    snapshots = [replace(each, other={**each.other, "ema": _averaged(trained, at)}) for at, each in enumerate(trained.snapshots)]
    return replace(trained, snapshots=tuple(snapshots))


def _averaged(trained: Trained, at: int) -> dict[str, Tensor]:
    """The mean of this snapshot and the one before, weighted as an average of a short memory is."""
    now, before = trained.snapshots[at].model, trained.snapshots[max(0, at - 1)].model
    return {name: 0.85 * each + 0.15 * before[name] if each.is_floating_point() else each for name, each in now.items()}


TRAPS = (
    Fault(
        "other-optimizers/sgd",
        "clear",
        "SGD with momentum, which keeps no second moments.",
        plan=lambda plan: replace(plan, optimizer="sgd", lr=0.03, weight_decay=0.0),
        wants=frozenset({"classes"}),
        spares=_HARD,
    ),
    Fault(
        "other-optimizers/rmsprop",
        "clear",
        "RMSprop without momentum.",
        plan=lambda plan: replace(plan, optimizer="rmsprop", lr=1e-3),
        spares=_HARD,
    ),
    Fault(
        "other-optimizers/sgd-bare",
        "clear",
        "SGD without momentum, which keeps no state at all.",
        plan=lambda plan: replace(plan, optimizer="sgd", lr=0.15, momentum=0.0, weight_decay=0.0, steps=600),
        wants=frozenset({"classes"}),
        spares=_HARD,
    ),
    Fault(
        "batches-of-four", "clear", "Four records a step: the loss is noise around its trend.", plan=_small_batches(1200), spares=_COMMON
    ),
    Fault(
        "whole-set-batches",
        "clear",
        "Every step sees half of all records: no noise at all.",
        plan=lambda plan: replace(plan, batch_size=600, steps=250),
        spares=_HARD | {"images"},
    ),
    Fault(
        "accumulated-gradients",
        "clear",
        "One update for four steps: the optimizer counts a quarter of them.",
        update=_accumulate,
        plan=lambda plan: replace(plan, steps=1000, batch_size=16),
        spares=_COMMON | {"saturating"},
    ),
    Fault("moving-average", "clear", "An average of the weights is saved beside them.", trained=_moving_average, spares=_COMMON),
    Fault(
        "strong-decay",
        "clear",
        "AdamW with a decay of 0.3: what gets no gradient shrinks.",
        plan=lambda plan: replace(plan, optimizer="adamw", weight_decay=0.3),
        spares=_COMMON,
    ),
    Fault(
        "clipping-now-and-then",
        "clear",
        "A threshold that a few batches exceed.",
        gradients=_clip_now_and_then,
        plan=lambda plan: replace(plan, clip_norm=2.5),
        spares=_COMMON,
    ),
    Fault(
        "scaler-at-work",
        "clear",
        "Mixed precision whose first eight steps overflow, as they do until the scale is found.",
        plan=lambda plan: replace(plan, mixed=True),
        gradients=_overflow_at_first,
        spares=_COMMON,
        style=lambda style: replace(style, roles=(*style.roles, "loss_scale")),
    ),
    Fault(
        "bfloat16-that-moves",
        "clear",
        "Weights in bfloat16 at a rate that they can follow.",
        plan=lambda plan: replace(plan, weights="bfloat16", lr=max(plan.lr, 2e-3)),
        spares=_COMMON | {"saturating", "batchnorm"},
    ),
    Fault(
        "low-momentum-of-norms",
        "clear",
        "Batch normalization that averages over 20 batches, of 8 records each.",
        plan=lambda plan: replace(plan, momentum_of_batchnorm=0.05, batch_size=8, steps=800),
        wants=frozenset({"batchnorm"}),
    ),
    Fault(
        "replicas",
        "clear",
        "Two ranks that agree to the last bit, a file each.",
        plan=lambda plan: replace(plan, ranks=2),
        style=lambda style: replace(style, layout="rank-files", checkpoints=3),
        spares=_COMMON,
    ),
)
