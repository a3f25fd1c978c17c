"""What the optimizer's moments say of the gradients: their size by depth, and how far consecutive ones agree."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from postmortem.measure.gaps import moments_gap, no_gradient
from postmortem.measure.layers import Layer
from postmortem.measure.table import CheckpointRow, TensorTable
from postmortem.measure.view import (
    ADAM_KIN,
    Found,
    View,
    at_step,
    highest_rate,
    missing,
    peak_row,
    slope_by_depth,
    update_items,
    updates_done,
    view_of,
)
from postmortem.model import Checkpoint, Measurement, Missing, counted

NAMES = ("gradients.depth_slope", "gradients.first_to_last", "gradients.snr", "gradients.moment_norm")

FEWEST_LAYERS = 4
_SETTLED_UPDATES = 10
_UNDERFLOW_RMS = 1e-22
"""Square root of the smallest numbers that Adam's float32 second moment holds."""
_NEAR_UNDERFLOW = 1e-8
_FAR_APART = 1e-2
"""Adam's ways differ by less between layers that all get gradients."""
_USUAL_BETA1 = (0.85, 0.95)


def measure_gradients(table: TensorTable, checkpoints: Sequence[Checkpoint]) -> Iterator[Found]:
    """All `gradients.*` measurements of one run."""
    if not table.rows:
        yield from missing(NAMES, "the run has no readable checkpoint", "checkpoint")
        return
    view = view_of(table, checkpoints)
    yield from _by_depth(view)
    yield _snr(view)
    yield _moment_norm(view)


def gradient_sizes(view: View, row: CheckpointRow) -> dict[str, float]:
    """Gradient rms of each hidden matrix in depth order.

    Exact zeros are left out (a frozen, detached or dead layer has no gradient), unless the next layer's gradients are next to
    nothing as well: then they underflowed, and stand at the smallest number there is.
    """
    raw = {layer.name: update.gradient_rms for layer, update in update_items(view, row) if layer.is_parameter}
    positive = [value for value in raw.values() if value > 0]
    if not positive:
        return {}
    largest = max(positive)
    sizes: dict[str, float] = {}
    behind = largest
    for name, value in reversed(raw.items()):
        if value > 0 and math.isfinite(value):
            sizes[name] = behind = value
        elif value == 0 and behind < _NEAR_UNDERFLOW * largest:
            sizes[name] = _UNDERFLOW_RMS
    hidden = {layer.name for layer in view.hidden}
    return {name: sizes[name] for name in reversed(sizes) if name in hidden}


def _displaced_sizes(view: View) -> tuple[dict[str, float], str]:
    """For optimizers without state: rms displacement in the first window, proportional to the mean gradient under one learning rate."""
    for before, after in zip(view.rows, view.rows[1:], strict=False):
        sizes: dict[str, float] = {}
        for layer in view.hidden:
            delta = after.deltas.get(layer.name)
            if delta is not None and math.isfinite(delta.norm) and delta.norm > 0:
                sizes[layer.name] = delta.norm / math.sqrt(layer.elements)
        if sizes:
            return sizes, f"rms displacement between {at_step(before)} and {at_step(after)}"
    return {}, ""


def _sizes(view: View) -> tuple[dict[str, float], str, int | None]:
    row = peak_row(view)
    if row is not None:
        sizes = gradient_sizes(view, row)
        if sizes:
            return sizes, f"second moments at {at_step(row)}", row.step
    if any(optimizer.algorithm not in {"sgd"} for checkpoint in view.checkpoints.values() for optimizer in checkpoint.optimizers):
        return {}, "", None
    # Only plain SGD moves every element in proportion to its gradient; without any optimizer's state nobody knows.
    if any(checkpoint.optimizers for checkpoint in view.checkpoints.values()):
        sizes, basis = _displaced_sizes(view)
        return sizes, basis, view.rows[0].step
    if not view.checkpoints or view.normalizations:
        return {}, "", None
    # Without any list of an optimizer: optimizers that divide by the gradient's size move all layers alike, so that only ways which
    # differ by decades say something, and even ones nothing.
    sizes, basis = _displaced_sizes(view)
    if len(sizes) >= FEWEST_LAYERS and min(sizes.values()) < _FAR_APART * max(sizes.values()):
        return sizes, basis, view.rows[0].step
    return {}, "", None


def _by_depth(view: View) -> Iterator[Found]:
    names = NAMES[:2]
    sizes, basis, step = _sizes(view)
    if not sizes:
        for name in names:
            yield _silent(name, view)
        return
    families: dict[str, list[Layer]] = {}
    for layer in view.hidden:
        if layer.name in sizes:
            families.setdefault(f"{layer.net}|{layer.kind}|{layer.family}", []).append(layer)
    several = [members for members in families.values() if len(members) >= 2]
    if not several:
        alike = Counter((layer.net, layer.kind, layer.family) for layer in view.hidden)
        deep = max(alike.values(), default=0) >= 2
        told = (
            "fewer than 2 hidden layers of one kind have a gradient that is known"
            if deep
            else "no two hidden layers of the net are of one kind"
        )
        yield from missing(names, told, "layer-gradients" if deep else "", applies=deep)
        return
    long = [members for members in several if len(members) >= FEWEST_LAYERS]
    if not long:
        yield Missing(names[0], f"fewer than {FEWEST_LAYERS} hidden layers of one kind have gradients", "")
        yield _first_to_last(min(several, key=lambda members: _ends(members, sizes)), sizes, basis, step)
        return
    slopes = [slope_by_depth([math.log10(sizes[layer.name]) for layer in members]) for members in long]
    steepest = max(range(len(long)), key=lambda index: abs(slopes[index]))
    members = long[steepest]
    items = {layer.name: sizes[layer.name] for layer in members}
    fitted = f"{basis}, Theil-Sen over {counted(len(members), 'layer')} like {members[0].name}"
    yield Measurement(names[0], slopes[steepest], "decades per layer", fitted, step, items)
    yield _first_to_last(members, sizes, basis, step)


def _silent(name: str, view: View) -> Missing:
    """Why no hidden layer has a gradient whose size is known."""
    told = "the optimizer's state tells of no hidden layer's gradients"
    reason = moments_gap(name, view, told, ADAM_KIN | {"sgd"}, "sizes of gradients").reason
    # Gradients that are logged by layer tell it whatever the optimizer keeps.
    return Missing(name, reason, "layer-gradients")


def _ends(members: Sequence[Layer], sizes: Mapping[str, float]) -> float:
    return sizes[members[0].name] / sizes[members[-1].name]


def _first_to_last(members: Sequence[Layer], sizes: Mapping[str, float], basis: str, step: int | None) -> Measurement:
    items = {layer.name: sizes[layer.name] for layer in members}
    told = f"{basis}, first over last of {counted(len(members), 'layer')} like {members[0].name}"
    return Measurement("gradients.first_to_last", _ends(members, sizes), "ratio", told, step, items)


def _snr(view: View) -> Found:
    name = "gradients.snr"
    # The last one: gradients of any run agree at its beginning.
    row = peak_row(view, _SETTLED_UPDATES, latest=True)
    if row is None or (updates_done(row) or 0) < _SETTLED_UPDATES:
        return moments_gap(name, view, f"no optimizer state after {_SETTLED_UPDATES} updates")
    items: dict[str, float] = {}
    for layer, update in update_items(view, row):
        betas = view.betas(row, layer.name)
        usual = betas is None or _USUAL_BETA1[0] <= betas[0] <= _USUAL_BETA1[1]
        if math.isfinite(update.snr) and layer.elements >= 16 and usual:
            items[layer.name] = update.snr
    if not items:
        if no_gradient(view):
            return Missing(name, "every moment is zero: no gradient has reached a matrix", "", applies=False)
        return moments_gap(name, view, "no matrix has Adam's moments with a beta1 near 0.9")
    basis = f"|m| / sqrt(v) at {at_step(row)} (learning rate {highest_rate(row):.3g}), {counted(len(items), 'matrix', 'matrices')}"
    return Measurement(name, float(np.median(list(items.values()))), "ratio", basis, row.step, items)


def _moment_norm(view: View) -> Found:
    """Largest norm of the whole gradient that the moments of any checkpoint remember."""
    name = "gradients.moment_norm"
    items: dict[str, float] = {}
    steps: dict[str, int | None] = {}
    for row in view.rows:
        updates = {layer: update for layer, update in row.updates.items() if layer in row.tensors and not update.nonfinite}
        if not updates or (updates_done(row) or 0) < _SETTLED_UPDATES:
            continue
        items[at_step(row)] = math.sqrt(
            math.fsum(update.gradient_rms**2 * row.tensors[layer].elements for layer, update in updates.items())
        )
        steps[at_step(row)] = row.step
    if not items:
        return moments_gap(name, view, f"no optimizer state after {_SETTLED_UPDATES} updates", ADAM_KIN | {"sgd", "rmsprop"}, "such sizes")
    worst = max(items, key=lambda key: items[key])
    basis = f"root of the sum of all second moments, highest at {worst} of {len(items)} checkpoints"
    return Measurement(name, items[worst], "gradient norm", basis, steps[worst], items)
