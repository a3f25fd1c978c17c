"""Data that looks like trouble: classes of very different sizes, raw columns, images of bytes, easy records, noise on inputs."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from faults.nouns import Data, Fault, Trained
from faults.plan import Plan

_COMMON = frozenset({"adversarial", "policy"})
_CLASSES = frozenset({"classes"})
_ONE_IN = (1.0, 1.0, 0.5, 0.12, 1.0, 0.08, 0.6, 0.15, 1.0, 0.3)


def _imbalanced(data: Data, plan: Plan) -> Data:
    """Classes are thinned out, the rarest to a twelfth, in training and validation alike."""
    draw = torch.rand(len(data.targets), generator=torch.Generator().manual_seed(plan.seed))
    share = torch.tensor(_ONE_IN)[data.targets % len(_ONE_IN)]
    kept = torch.nonzero(draw < share)[:, 0]
    keys = tuple(data.keys[row] for row in kept.tolist()) if data.keys else ()
    return replace(data, inputs=data.inputs[kept], targets=data.targets[kept], train=int((kept < data.train).sum()), keys=keys)


def _raw(data: Data, plan: Plan) -> Data:
    """Columns in units of their own, from thousandths to thousands, with means far from 0."""
    draw = torch.Generator().manual_seed(plan.seed)
    width = data.inputs.shape[1]
    scale = 10 ** (6 * torch.rand(width, generator=draw) - 3)
    return replace(data, inputs=data.inputs * scale + 3 * scale)


class _First(nn.Module):
    """A network behind its own normalization of inputs."""

    def __init__(self, first: nn.Module, body: nn.Module) -> None:
        super().__init__()
        self.normalize, self.body = first, body

    def forward(self, inputs: Tensor) -> Tensor:
        """As the body answers."""
        answers: Tensor = self.body(self.normalize(inputs))
        return answers


class _FromBytes(nn.Module):
    """Pixels from 0 to 255 to those of mean 0 and deviation 1."""

    def __init__(self, mean: float, deviation: float) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(deviation))

    def forward(self, pixels: Tensor) -> Tensor:
        """Of the same shape."""
        made: Tensor = (pixels - self.mean) / self.std
        return made


def _normalized_first(model: nn.Module, data: Data, plan: Plan) -> nn.Module:
    return _First(nn.BatchNorm1d(data.inputs.shape[1]), model)


def _bytes(data: Data, plan: Plan) -> Data:
    low, high = float(data.inputs.min()), float(data.inputs.max())
    return replace(data, inputs=(255 * (data.inputs - low) / (high - low)).round())


def _from_bytes(model: nn.Module, data: Data, plan: Plan) -> nn.Module:
    rows = data.inputs[: data.train]
    return _First(_FromBytes(float(rows.mean()), float(rows.std())), model)


def _few_rare(data: Data, plan: Plan) -> Data:
    """Two more classes of which only a handful of records exist."""
    names = (*data.class_names, "rare-one", "rare-two")
    targets = data.targets.clone()
    targets[7:19:2] = data.classes
    targets[8:20:2] = data.classes + 1
    return replace(data, targets=targets, classes=data.classes + 2, class_names=names)


def _by_own_loss(trained: Trained) -> Trained:
    """Judge what was learned on the data that it had, which is not that of the task."""
    known = [point.values["validation_loss"] for point in trained.points if "validation_loss" in point.values]
    return replace(trained, score=known[-1], untrained=known[0])


def _easy(data: Data, plan: Plan) -> Data:
    """Every class has a mark that gives it away: the loss falls to almost nothing."""
    inputs = data.inputs.clone()
    flat = inputs.flatten(1)
    flat[torch.arange(len(flat)), data.targets % flat.shape[1]] = 6.0
    return replace(data, inputs=flat.view_as(inputs))


def _repeated(data: Data, plan: Plan) -> Data:
    """Each training record stands three times in the set, slightly moved: augmentation on the disk."""
    noise = torch.Generator().manual_seed(plan.seed)
    rows = torch.arange(data.train).repeat(3)
    inputs = data.inputs[rows]
    inputs = inputs + 0.1 * torch.randn(inputs.shape, generator=noise)
    rest = slice(data.train, None)
    keys = tuple(f"{row:05d}_aug{copy}" for copy in range(3) for row in range(data.train))
    keys += tuple(f"{row:05d}_val" for row in range(len(data.targets) - data.train))
    return replace(
        data,
        inputs=torch.cat([inputs, data.inputs[rest]]),
        targets=torch.cat([data.targets[rows], data.targets[rest]]),
        train=3 * data.train,
        keys=keys,
    )


def _sorted(data: Data, plan: Plan) -> Data:
    """The list is in order of classes; the loader shuffles."""
    order = torch.cat([torch.argsort(data.targets[: data.train], stable=True), torch.arange(data.train, len(data.targets))])
    return replace(data, inputs=data.inputs[order], targets=data.targets[order])


TRAPS = (
    Fault(
        "imbalance-learned",
        "clear",
        "One class has twelve times the records of another, and all were learned.",
        data=_imbalanced,
        wants=_CLASSES,
        spares=_COMMON,
    ),
    Fault(
        "class-weights",
        "clear",
        "Rare classes weigh more: the loss is on another scale.",
        data=_imbalanced,
        plan=lambda plan: replace(plan, class_weights=True),
        wants=_CLASSES,
        spares=_COMMON,
    ),
    Fault(
        "label-smoothing",
        "clear",
        "Smoothed targets: the loss ends far above 0.",
        plan=lambda plan: replace(plan, label_smoothing=0.1),
        wants=_CLASSES,
        spares=_COMMON,
    ),
    Fault(
        "augmentation",
        "clear",
        "Noise on training inputs: validation is better than training.",
        plan=lambda plan: replace(plan, augmentation=0.8),
        wants=_CLASSES,
        spares=_COMMON | {"text", "saturating"},
    ),
    Fault(
        "raw-columns",
        "clear",
        "Columns as they come, normalized by a layer of the network.",
        data=_raw,
        model=_normalized_first,
        trained=_by_own_loss,
        style=lambda style: replace(style, manifest="csv"),
        wants=frozenset({"table"}),
        spares=_COMMON,
    ),
    Fault(
        "images-of-bytes",
        "clear",
        "Pixels from 0 to 255, normalized by buffers of the network.",
        data=_bytes,
        model=_from_bytes,
        trained=_by_own_loss,
        wants=frozenset({"images"}),
        spares=_COMMON,
    ),
    Fault(
        "loss-near-zero",
        "clear",
        "Easy records: the loss falls to almost nothing, and bounces there.",
        data=_easy,
        trained=_by_own_loss,
        wants=_CLASSES,
        spares=_COMMON | {"text"},
    ),
    Fault(
        "copies-within-training",
        "clear",
        "Augmented copies of each training record, in training only.",
        data=_repeated,
        wants=_CLASSES,
        spares=_COMMON | {"text"},
        style=lambda style: replace(style, manifest="csv"),
    ),
    Fault(
        "sorted-list",
        "clear",
        "The manifest is in order of classes.",
        data=_sorted,
        wants=_CLASSES,
        spares=_COMMON,
        style=lambda style: replace(style, manifest="csv"),
    ),
)
