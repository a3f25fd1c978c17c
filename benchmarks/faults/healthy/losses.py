"""Losses that naive rules misjudge: several parts, hinges, contrasts, sums below 0, plateaus before a drop, targets of unit variance."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from faults.nouns import Data, Fault, Losses, LossFunction, Trained
from faults.plan import Plan

_COMMON = frozenset({"adversarial", "policy"})
_TEMPERATURE = 0.2
_CHOSEN = (1, 4, 7)


def _by_own_loss(trained: Trained) -> Trained:
    """Judge what was learned by the loss that it had, which is not that of the task."""
    known = [point.values["validation_loss"] for point in trained.points if "validation_loss" in point.values]
    return replace(trained, score=known[-1] - min(0.0, known[-1]), untrained=known[0])


def _hinge(plain: LossFunction) -> LossFunction:
    def loss(model: nn.Module, inputs: Tensor, targets: Tensor, data: Data, plan: Plan) -> Losses:
        found = plain(model, inputs, targets, data, plan)
        logits = model(inputs)
        return Losses(nn.functional.multi_margin_loss(logits, targets, margin=4.0), accuracy=found.accuracy)

    return loss


def _contrast(plain: LossFunction) -> LossFunction:
    """Two noisy views of each record must find each other in the batch: it begins at ln(batch)."""

    def loss(model: nn.Module, inputs: Tensor, targets: Tensor, data: Data, plan: Plan) -> Losses:
        # Validation comes as one large batch; a contrast is of the size that it was trained with.
        inputs = inputs[: plan.batch_size]
        noise = torch.Generator().manual_seed(int(inputs.sum().abs() * 1000) % 2**31)
        views = [inputs + 0.3 * torch.randn(inputs.shape, generator=noise) for _ in range(2)]
        one, two = (nn.functional.normalize(model(view), dim=1) for view in views)
        likeness = one @ two.T / _TEMPERATURE
        return Losses(nn.functional.cross_entropy(likeness, torch.arange(len(inputs))))

    return loss


def _parts(plain: LossFunction) -> LossFunction:
    """The loss of the answer, and a second one of its square, weighted: each is logged."""

    def loss(model: nn.Module, inputs: Tensor, targets: Tensor, data: Data, plan: Plan) -> Losses:
        found = plain(model, inputs, targets, data, plan)
        logits = model(inputs)
        aside = 0.3 * nn.functional.cross_entropy(logits / 2, targets)
        calm = 1e-3 * logits.square().mean()
        return Losses(found.data + aside + calm, {"main_loss": found.data, "aux_loss": aside, "z_loss": calm}, found.accuracy)

    return loss


def _below_zero(plain: LossFunction) -> LossFunction:
    """The mean of log-probabilities of a density: below 0 where it is sharp."""

    def loss(model: nn.Module, inputs: Tensor, targets: Tensor, data: Data, plan: Plan) -> Losses:
        mean = model(inputs)[:, 0]
        width = 0.12
        terms = 0.5 * ((targets - mean) / width).square().clamp(max=200) + torch.log(torch.tensor(width)) + 0.9189
        return Losses(terms.mean())

    return loss


def _parity(data: Data, plan: Plan) -> Data:
    """Whether an odd number of three bits is set, of as many as the task has columns, as 1 or -1: nothing for long, then all at once."""
    draw = torch.Generator().manual_seed(plan.seed)
    columns = data.inputs.shape[1]
    bits = torch.randint(0, 2, (2400, columns), generator=draw)
    odd = bits[:, [column % columns for column in _CHOSEN]].sum(dim=1) % 2
    return replace(data, inputs=2.0 * bits - 1, targets=2.0 * odd - 1, train=1800, columns=(), keys=())


def _wide(model: nn.Module, data: Data, plan: Plan) -> nn.Module:
    """One wide hidden layer."""
    torch.manual_seed(plan.seed + 3)
    return nn.Sequential(nn.Linear(data.inputs.shape[1], 128), nn.ReLU(), nn.Linear(128, 1))


TRAPS = (
    Fault(
        "hinge",
        "clear",
        "A hinge loss, which ends at exactly 0 for many batches.",
        loss=_hinge,
        trained=_by_own_loss,
        wants=frozenset({"classes"}),
        spares=_COMMON | {"saturating", "text"},
    ),
    Fault(
        "contrast",
        "clear",
        "A contrastive loss, which begins at ln(batch).",
        loss=_contrast,
        trained=_by_own_loss,
        wants=frozenset({"classes", "dense"}),
        spares=_COMMON | {"saturating", "deep"},
        style=lambda style: replace(style, manifest="none", roles=("loss", "validation_loss", "lr")),
    ),
    Fault(
        "several-losses",
        "clear",
        "A loss of three parts, each logged.",
        loss=_parts,
        wants=frozenset({"classes"}),
        spares=_COMMON,
        style=lambda style: replace(style, roles=(*style.roles, "main_loss", "aux_loss", "z_loss")),
    ),
    Fault(
        "below-zero",
        "clear",
        "A negative log-likelihood that falls below 0.",
        loss=_below_zero,
        trained=_by_own_loss,
        wants=frozenset({"dense", "table"}),
        spares=_COMMON | {"classes", "negative"},
        plan=lambda plan: replace(plan, lr=1e-3, steps=600),
    ),
    Fault(
        "plateau-then-drop",
        "clear",
        "Parity of three bits: a plateau, then a drop.",
        data=_parity,
        model=_wide,
        trained=_by_own_loss,
        plan=lambda plan: replace(plan, optimizer="adam", lr=3e-3, steps=900, batch_size=64, schedule="constant", warm_up=0.0),
        style=lambda style: replace(style, manifest="none"),
        wants=frozenset({"dense", "table"}),
        spares=_COMMON | {"classes", "negative"},
    ),
    Fault(
        "overlong",
        "clear",
        "Trained on long after the validation loss stood still, with weight decay.",
        wants=frozenset({"classes"}),
        spares=_COMMON,
        plan=lambda plan: replace(plan, steps=2 * plan.steps, optimizer="adamw", weight_decay=0.05, schedule="cosine"),
    ),
)
