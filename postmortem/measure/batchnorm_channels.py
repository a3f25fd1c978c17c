"""Channels of batch normalization that carry nothing, statistics that stopped on the way, and scales of norms that left their size.

After normalization a channel is about N(0, 1), so that scale g and shift b make it N(b, g^2): before a ReLU it is above zero with
probability Phi(b / |g|), which is 0.0013 at -3. A running variance far below the normalization's own epsilon (1e-5) means that the
channel is constant: what comes out of it is b alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from postmortem.measure.layers import Layer
from postmortem.measure.table import CheckpointRow, TensorTable
from postmortem.measure.vectors import share, vector
from postmortem.measure.view import Found, View, at_step, missing, view_of
from postmortem.model import Checkpoint, Measurement, Missing, counted

NAMES = (
    "batchnorm.halted",
    "batchnorm.aged",
    "batchnorm.silent_share",
    "batchnorm.collapsed_share",
    "norms.scale_growth",
    "norms.scale_shrinkage",
)

_SILENT = -3.0
"""Shift over scale below which one in 770 inputs passes a ReLU."""
_NO_SCALE = 1e-3
"""A scale below this share of the layer's largest lets nothing through."""
_CONSTANT = 1e-8
"""Running variance below which a channel is constant: 1e-3 of the usual epsilon, which leaves 3 % of a unit deviation."""
_FEWEST_CHANNELS = 4
_LEAST_SCALE = 0.05
"""Median scale below which a norm started at zero by design."""
_FEWEST_WINDOWS = 3
_NEARER = 0.5
"""Statistics are an earlier checkpoint's where they are less than half as far from these as from the last ones."""


def measure_batchnorm_channels(table: TensorTable, checkpoints: Sequence[Checkpoint]) -> Iterator[Found]:
    """The measurements named in `NAMES`."""
    if not table.rows:
        yield from missing(NAMES, "the run has no readable checkpoint", "checkpoint")
        return
    view = view_of(table, checkpoints)
    modules = [name.removesuffix("running_var") for name in view.layers if name.endswith("running_var")]
    if modules:
        yield _halted(view, modules)
        yield _aged(view, modules)
        yield from _channels(view, modules)
    else:
        yield from missing(NAMES[:4], "the net has no batch normalization with running statistics", "checkpoint")
    yield from _scales(view)


# --- statistics that stopped ------------------------------------------------------------------------------------------


def _trained(view: View, before: CheckpointRow, after: CheckpointRow) -> bool:
    """Whether parameters moved between two checkpoints."""
    return (after.step or 0) > (before.step or 0) and any(
        layer.name in after.deltas and after.deltas[layer.name].norm > 0 for layer in view.matrices
    )


def _changed(row: CheckpointRow, module: str) -> bool:
    names = (f"{module}running_mean", f"{module}running_var")
    return any(name in row.deltas and row.deltas[name].equal < row.tensors[name].elements for name in names)


def _halted(view: View, modules: Sequence[str]) -> Found:
    """Share of the steps, at the end, over which weights moved and a layer's statistics, which moved before, did not change a bit."""
    name = "batchnorm.halted"
    windows = [(before, after) for before, after in pairwise(view.rows) if _trained(view, before, after)]
    if len(windows) < _FEWEST_WINDOWS:
        return Missing(
            name, f"{counted(len(windows), 'interval')} between checkpoints in which weights moved, three are needed", "two-checkpoints"
        )
    lengths = [(after.step or 0) - (before.step or 0) for before, after in windows]
    items: dict[str, float] = {}
    since: list[int] = []
    frozen = 0
    for module in modules:
        moving = [place for place, (_, after) in enumerate(windows) if _changed(after, module)]
        if not moving:
            frozen += 1
            continue
        items[module.rstrip(".")] = sum(lengths[moving[-1] + 1 :]) / sum(lengths)
        if moving[-1] + 1 < len(windows):
            since.append(windows[moving[-1] + 1][0].step or 0)
    if not items:
        return Missing(name, "no running statistic ever changed: whether it should have is for another measure", "checkpoint")
    basis = (
        f"bits of running statistics of {len(modules)} layers over {len(windows)} intervals in which weights moved, {frozen} never changed"
    )
    return Measurement(name, max(items.values()), "share", basis, min(since, default=None), items, "part" if frozen else "")


def _aged(view: View, modules: Sequence[str]) -> Found:
    """Share of the layers whose counter of batches fell, and whose statistics are those of an earlier checkpoint and not of the last.

    A refresh of statistics begins a counter again too, but finds what the last ones were near to.
    """
    name = "batchnorm.aged"
    rows = [row for row in view.sound_rows if row.step is not None]
    items: dict[str, float] = {}
    since: int | None = None
    counted = [module for module in modules if all(f"{module}num_batches_tracked" in row.tensors for row in rows)]
    for place, (before, after) in enumerate(pairwise(rows)):
        earlier = rows[:place]
        for module in counted:
            counter, variance = f"{module}num_batches_tracked", f"{module}running_var"
            held = after.tensors[counter].mean
            if not earlier or held >= before.tensors[counter].mean:
                continue
            nearest = min(earlier, key=lambda row: abs(row.tensors[counter].mean - held))
            now, then, last = (vector(view, row, variance) for row in (after, nearest, before))
            if now is None or then is None or last is None or not now.size == then.size == last.size:
                continue
            far = float(np.linalg.norm(now - last))
            if far > 0 and float(np.linalg.norm(now - then)) < _NEARER * far:
                items[module.rstrip(".")] = before.tensors[counter].mean - held
                since = after.step if since is None else since
    if not counted or len(rows) < 2:
        return Missing(name, "no two checkpoints hold counters of batches", "two-checkpoints")
    basis = f"counters and running variances of {len(modules)} layers in {len(rows)} checkpoints"
    return Measurement(name, len(items) / len(modules), "share", basis, since, items)


# --- channels that carry nothing --------------------------------------------------------------------------------------


def _ends_a_block(modules: Sequence[str], module: str) -> bool:
    """Whether it is the last normalization of its block, so that a skip connection may be added before the activation."""
    parent = module.rstrip(".").rpartition(".")[0]
    if not parent:
        return False
    siblings = [other for other in modules if other.rstrip(".").rpartition(".")[0] == parent]
    return module == siblings[-1] or bool(re.search(r"downsample|shortcut|skip|residual", module.lower()))


def _channels(view: View, modules: Sequence[str]) -> Iterator[Found]:
    silent: dict[str, float] = {}
    constant: dict[str, float] = {}
    row = view.sound_rows[-1] if view.sound_rows else view.rows[-1]
    order = list(view.layers)
    for module in modules:
        label = module.rstrip(".")
        behind_matrix = any(view.layers[name].is_matrix for name in order[: order.index(f"{module}running_var")])
        variance = vector(view, row, f"{module}running_var")
        if behind_matrix and variance is not None and variance.size >= _FEWEST_CHANNELS:
            constant[label] = share(variance < _CONSTANT)
        scale, shift = vector(view, row, f"{module}weight"), vector(view, row, f"{module}bias")
        if scale is None or shift is None or scale.size != shift.size or scale.size < _FEWEST_CHANNELS:
            continue
        largest = float(np.abs(scale).max())
        if largest < _LEAST_SCALE or (view.skips and _ends_a_block(modules, module)):
            continue  # begun at zero on purpose, or added to a skip connection before it is cut off
        gone = (np.abs(scale) < _NO_SCALE * largest) & (shift <= 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            silent[label] = share(gone | (shift / np.abs(scale) < _SILENT))
    for name, items, what in (
        ("batchnorm.silent_share", silent, "shift over scale below -3"),
        ("batchnorm.collapsed_share", constant, "running variance below 1e-8"),
    ):
        if items:
            basis = f"channels with a {what}, {counted(len(items), 'layer')} at {at_step(row)}"
            yield Measurement(name, max(items.values()), "share", basis, row.step, items)
        else:
            yield Missing(name, "no batch normalization whose channels could be read stands behind a weight matrix", "checkpoint")


# --- scales of norms --------------------------------------------------------------------------------------------------


def _middle(row: CheckpointRow, layer: Layer) -> float:
    stats = row.tensors.get(layer.name)
    return stats.quantiles.median if stats is not None and stats.quantiles is not None else 0.0


def _scales(view: View) -> Iterator[Found]:
    """Median scale of each norm in the last checkpoint over that in the first: outlying channels do not move it."""
    names = NAMES[4:]
    rows = view.sound_rows
    if len(rows) < 2:
        yield from missing(names, "one checkpoint with finite weights, two are needed", "two-checkpoints")
        return
    scales = [layer for layer in view.layers.values() if layer.kind == "norm-scale" and layer.is_parameter]
    items = {
        layer.name: _middle(rows[-1], layer) / _middle(rows[0], layer)
        for layer in scales
        if layer.elements >= _FEWEST_CHANNELS and _middle(rows[0], layer) > _LEAST_SCALE
    }
    if not items:
        yield from missing(names, "no norm has a scale that started above zero", "checkpoint", applies=bool(scales))
        return
    basis = f"median scale at {at_step(rows[-1])} over that at {at_step(rows[0])}, {counted(len(items), 'norm')}"
    yield Measurement(names[0], max(items.values()), "ratio", basis, rows[-1].step, items)
    yield Measurement(names[1], min(items.values()), "ratio", basis, rows[-1].step, items)
