"""What a report draws of the layers: variance, updates and gradients by depth, dead units, and a table of all tensors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from postmortem.measure.figure_titles import gradient_title, tensors_title, units_title, update_title, variance_title
from postmortem.measure.kept_state import why_no_state
from postmortem.measure.layers import Layer
from postmortem.measure.table import CheckpointRow, UpdateStats
from postmortem.measure.view import View, at_step, peak_row
from postmortem.model import DepthPlot, Exhibit, Heatmap, Measurement, Table

Item = TypeVar("Item")

MAX_ROWS = 400
"""Layers that a chart shows; deeper models show their first and last half of these."""
MAX_COLUMNS = 60
"""Checkpoints that a heatmap shows, evenly chosen, the last one among them."""
MAX_TENSORS = 1000

INITIAL_VARIANCES = {"He": 2.0, "Glorot and LeCun": 1.0, "torch's default": 1 / 3}
"""Variance times fan-in that usual initializations give."""
USUAL_RATIOS = {"usual": 1e-3, "floor": 1e-4}
"""Update over weight per step: about 1e-3 is healthy (CS231n), a decade less is slow."""

TENSOR_COLUMNS = (
    *("tensor", "shape", "dtype", "mean", "std", "min", "max"),
    *("zeros", "non-finite", "norm", "change since first", "update ratio"),
)


def build(view: View, order: str, measurements: Mapping[str, Measurement]) -> Iterator[Exhibit]:
    """Every exhibit about layers for which there are data; `order` says how depth order was found."""
    matrices = _shown(view.matrices)
    first, last = view.rows[0], view.rows[-1]
    ends = (first,) if first is last else (first, last)
    if matrices:
        names = tuple(layer.name for layer in matrices)
        variances = {at_step(row): tuple(_scaled_variance(row, layer) for layer in matrices) for row in ends}
        yield DepthPlot(
            "weight-variance",
            "layers",
            variance_title(names, variances, INITIAL_VARIANCES),
            _and_cut("Variance of each weight matrix times its fan-in, in depth order. Even across depth is healthy.", view),
            "variance times fan-in",
            names,
            variances,
            INITIAL_VARIANCES,
        )
    yield from _updates(view, matrices)
    yield from _gradients(view, matrices)
    yield from _units(measurements)
    yield _tensors(view, order)


def _shown(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    half = MAX_ROWS // 2
    return tuple(layers) if len(layers) <= MAX_ROWS else (*layers[:half], *layers[-half:])


def _and_cut(caption: str, view: View) -> str:
    """The caption, and how many layers the figure leaves out."""
    if len(view.matrices) <= MAX_ROWS:
        return caption
    return f"{caption} The first and the last {MAX_ROWS // 2} of {len(view.matrices)} layers are shown."


def _scaled_variance(row: CheckpointRow, layer: Layer) -> float:
    stats = row.tensors.get(layer.name)
    return math.nan if stats is None else rounded(stats.variance * max(layer.fan_in, 1))


# --- updates and gradients --------------------------------------------------------------------------------------------


def _updates(view: View, matrices: Sequence[Layer]) -> Iterator[Heatmap]:
    """Last updates where the state gives any at a learning rate above 0, else distances between checkpoints, else what there is."""
    last, moved = _last_updates(view, matrices), _distances(view, matrices)
    idle = {row.source for row in view.rows if row.updates and all(update.lr == 0 for update in row.updates.values())}
    exact = bool(last) and (not moved or any(row.source not in idle for row in last))
    usable = last if exact else moved
    rows = spread(list(usable))
    if not rows:
        return
    values = tuple(zip(*(usable[row] for row in rows), strict=True))
    what = "last update over weight" if exact else "distance moved per step over weight"
    caption = (
        "Norm of the optimizer's last update before each checkpoint over the norm of the weight matrix, rebuilt from the optimizer's state."
        if exact
        else _why_distances(view, bool(last))
    )
    if len(rows) < len(usable):
        caption += f" {len(rows)} of {len(usable)} checkpoints are shown, evenly chosen."
    columns = tuple(map(at_step, rows))
    stopped = {at_step(row) for row in rows if exact and row.source in idle}
    if stopped:
        caption += f" The learning rate was 0 at {', '.join(sorted(stopped))}: nothing moves there."
    title = update_title(what, columns, values, USUAL_RATIOS["usual"], stopped)
    names = tuple(layer.name for layer in matrices)
    yield Heatmap("update-ratio", "layers", title, _and_cut(caption, view), "per step", names, columns, values, USUAL_RATIOS)


def _last_updates(view: View, matrices: Sequence[Layer]) -> dict[CheckpointRow, tuple[float, ...]]:
    """Last update over weight by layer, of checkpoints whose state gives any."""
    found = {row: tuple(_update_ratio(row.updates.get(layer.name)) for layer in matrices) for row in view.rows}
    return {row: values for row, values in found.items() if any(map(math.isfinite, values))}


def _distances(view: View, matrices: Sequence[Layer]) -> dict[CheckpointRow, tuple[float, ...]]:
    """Distance moved per step over weight by layer, of checkpoints before which another one lies."""
    pairs = zip(view.rows, view.rows[1:], strict=False)
    found = {row: tuple(_displacement(before, row, layer.name) for layer in matrices) for before, row in pairs}
    return {row: values for row, values in found.items() if any(map(math.isfinite, values))}


def _why_distances(view: View, idle: bool) -> str:
    """The caption of a figure of distances: why not of updates, and what a distance is."""
    why = why_no_state(view.checkpoints).reason
    if idle:
        why = "the optimizer's state was saved only where the learning rate was 0"
    elif any(row.updates for row in view.rows):
        why = "the optimizer's state does not give the last update"
    return (
        f"{why[0].upper()}{why[1:]}: this is the distance between two checkpoints per step over the weight's norm, which is "
        "less than single updates are, for steps that turn back cancel."
    )


def _update_ratio(update: UpdateStats | None) -> float:
    return math.nan if update is None or not update.weight_norm > 0 else rounded(update.update_norm / update.weight_norm)


def _displacement(before: CheckpointRow, row: CheckpointRow, name: str) -> float:
    if name not in row.deltas or name not in before.tensors or row.step is None or before.step is None or row.step <= before.step:
        return math.nan
    norm = before.tensors[name].norm
    return rounded(row.deltas[name].norm / norm / (row.step - before.step)) if norm > 0 else math.nan


def _gradients(view: View, matrices: Sequence[Layer]) -> Iterator[DepthPlot]:
    saved = [row for row in view.rows if any(_gradient(row, layer) > 0 for layer in matrices)]
    if not saved:
        return
    peak = peak_row(view)
    chosen = dict.fromkeys([saved[0] if peak is None or peak not in saved else peak, saved[-1]])
    layers = tuple(layer for layer in matrices if any(math.isfinite(_gradient(row, layer)) for row in chosen))
    names = tuple(layer.name for layer in layers)
    values = {at_step(row): tuple(_gradient(row, layer) for layer in layers) for row in chosen}
    shown = next(iter(values))
    yield DepthPlot(
        "gradient-rms",
        "layers",
        gradient_title(names, shown, values[shown]),
        _and_cut("Root mean square of each matrix's gradient, from the optimizer's state, in depth order.", view),
        "gradient rms",
        names,
        values,
    )


def _gradient(row: CheckpointRow, layer: Layer) -> float:
    update = row.updates.get(layer.name)
    return math.nan if update is None else rounded(update.gradient_rms)


# --- units and tensors ------------------------------------------------------------------------------------------------


def _units(measurements: Mapping[str, Measurement]) -> Iterator[DepthPlot]:
    shown = (
        ("units.dead", "dead-units", "units", "Share of each layer's units that are proved dead", "dead"),
        ("units.saturated", "saturation", "activations", "Share of activations at their extremes", "saturated"),
    )
    for name, id, what, caption, label in shown:
        measured = measurements.get(name)
        if measured is None or not measured.items:
            continue
        items = dict(list(measured.items.items())[:MAX_ROWS])
        values = {label: tuple(map(rounded, items.values()))}
        title = units_title(label, what, measured.items)
        yield DepthPlot(id, "layers", title, f"{caption}: {measured.basis}.", "share", tuple(items), values, log=False)


def _tensors(view: View, order: str) -> Table:
    last = view.rows[-1]
    names = list(last.tensors)
    first = view.rows[0]
    rows = tuple(_tensor_row(name, first, last) for name in names[:MAX_TENSORS])
    left_out = len(names) - len(rows)
    caption = f"Every tensor of {last.source}, in depth order ({order})."
    if left_out:
        caption += f" {left_out} more are not listed."
    moved = ((str(row[0]), row[TENSOR_COLUMNS.index("change since first")]) for row in rows)
    changes = {name: change for name, change in moved if isinstance(change, float) and math.isfinite(change)}
    return Table("tensors", "layers", tensors_title(len(names), last.source, changes), caption, TENSOR_COLUMNS, rows)


def _tensor_row(name: str, first: CheckpointRow, last: CheckpointRow) -> tuple[str | int | float | None, ...]:
    stats = last.tensors[name]
    start = first.tensors.get(name)
    moved = last.from_first.get(name)
    change = moved / start.norm if moved is not None and start is not None and start.norm > 0 else None
    ratio = _update_ratio(last.updates.get(name))
    return (
        name,
        " x ".join(map(str, stats.shape)) or "scalar",
        stats.dtype,
        rounded(stats.mean),
        rounded(math.sqrt(stats.variance)) if stats.variance >= 0 else math.nan,
        rounded(stats.minimum),
        rounded(stats.maximum),
        rounded(stats.zeros / stats.elements) if stats.elements else None,
        stats.nonfinite,
        # Sums are over finite elements: of none of them there is no norm.
        rounded(stats.norm) if stats.nonfinite < stats.elements else math.nan,
        None if change is None else rounded(change),
        None if math.isnan(ratio) else ratio,
    )


def spread(rows: Sequence[Item]) -> list[Item]:
    """At most MAX_COLUMNS of them, evenly chosen, first and last among them."""
    if len(rows) <= MAX_COLUMNS:
        return list(rows)
    return [rows[round(index * (len(rows) - 1) / (MAX_COLUMNS - 1))] for index in range(MAX_COLUMNS)]


def rounded(value: float) -> float:
    """Four digits are more than a chart or table shows."""
    return float(f"{value:.4g}")
