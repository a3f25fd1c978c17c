"""How far the weights move: exactly, from the optimizer's state, and between checkpoints.

The ratio of an update to its weight is exact where the checkpoint holds the optimizer's state. Between two checkpoints n steps apart
only an interval is known: the distance divided by n is a lower bound (steps that turn back cancel), and divided by sqrt(n) an upper
one (steps that agree add up).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from postmortem.measure.gaps import movement_gap
from postmortem.measure.kept_state import why_no_state
from postmortem.measure.layers import Layer
from postmortem.measure.optimizer import idle_reason
from postmortem.measure.table import CheckpointRow, TensorTable
from postmortem.measure.view import (
    EARLIEST_JUDGED_STEP,
    Found,
    View,
    at_step,
    highest_rate,
    missing,
    peak_row,
    span,
    update_items,
    updates_done,
    view_of,
)
from postmortem.model import Checkpoint, Measurement, Missing, counted

NAMES = (
    "updates.moved",
    "updates.frozen",
    "updates.equal_share",
    "updates.ratio",
    "updates.ratio_max",
    "updates.ratio_lower",
    "updates.ratio_upper",
    "updates.displacement_low",
    "updates.displacement_high",
    "updates.displacement",
    "updates.displacement_cosine",
    "updates.decay_only",
    "updates.decay_error",
    "updates.decay_share",
)
_TWO = NAMES[:3] + NAMES[7:13]

_COLLINEAR = 0.999
"""Share of a displacement that lies along the weights where only decay acts; a gradient adds a sideways part."""
_ABOVE_ROUNDING = 1e-6


def measure_updates(table: TensorTable, checkpoints: Sequence[Checkpoint]) -> Iterator[Found]:
    """All `updates.*` measurements of one run."""
    if not table.rows:
        yield from missing(NAMES, "the run has no readable checkpoint", "checkpoint")
        return
    view = view_of(table, checkpoints)
    exact = tuple(_ratios(view))
    yield from exact
    yield _decay_share(view)
    if len(view.rows) < 2:
        yield from _bounds(exact, {}, {})
        yield from missing(_TWO, "one checkpoint, two are needed", "two-checkpoints")
        return
    yield from _moved(view)
    yield _equal(view)
    low, high = _intervals(view)
    yield from _bounds(exact, low, high)
    yield from _displacement_bounds(view, low, high)
    yield _displacement(view)
    yield _cosine(view)
    yield _decay_only(view)
    yield _decay_error(view)


END_OF_SCHEDULE = 0.1
"""Share of the rate that a schedule began with, below which one checkpoint's updates do not stand for the run's."""


# --- from the optimizer's state ---------------------------------------------------------------------------------------


def _judgeable(view: View, layer: Layer) -> bool:
    """Whether a ratio to the weight's norm means something: a matrix that did not start at zero, and is not tiny."""
    start = view.rows[0].tensors.get(layer.name)
    return layer.is_parameter and layer.fan_out >= 2 and layer.elements >= 16 and (start is None or start.norm > 0)


def _base_rate(view: View, row: CheckpointRow) -> float:
    """The rate that a scheduler began with, as torch's write it into the groups; 0 where none did."""
    checkpoint = view.checkpoints.get(row.source)
    bases = [group.get("initial_lr") for optimizer in (checkpoint.optimizers if checkpoint else ()) for group in optimizer.groups]
    return max((float(base) for base in bases if isinstance(base, int | float) and math.isfinite(base)), default=0.0)


def _ratios(view: View) -> Iterator[Found]:
    row = peak_row(view)
    names = ("updates.ratio", "updates.ratio_max")
    if row is None:
        why = why_no_state(view.checkpoints)
        early = any(other.updates for other in view.rows)
        reason = "the optimizer's state is from before the second update" if early else why.reason
        yield from missing(names, reason, "two-checkpoints" if early else why.log_next)
        return
    base, rate = _base_rate(view, row), view.rate(row)
    if len(view.rows) == 1 and 0 < rate < END_OF_SCHEDULE * base:
        reason = f"the one checkpoint is from the end of its schedule, at a rate of {rate:.3g} of {base:.3g}"
        yield from missing(names, f"{reason}: its updates say nothing of those before", "two-checkpoints")
        return
    items: dict[str, float] = {}
    for layer, update in update_items(view, row):
        # An update of exactly zero belongs to a tensor without gradients: the checks of frozen and dead layers tell of it.
        if _judgeable(view, layer) and update.weight_norm > 0 and update.update_norm > 0 and math.isfinite(update.update_norm):
            items[layer.name] = update.update_norm / update.weight_norm
    if not items:
        still = all(update.update_norm == 0 for _, update in update_items(view, row))
        reason = (
            "the last update of every matrix is exactly zero" if still else "the optimizer's state and settings do not give the last update"
        )
        yield from missing(names, reason, "" if still or len(view.rows) > 1 else "two-checkpoints")
        return
    those = counted(len(items), "matrix", "matrices")
    basis = f"rebuilt from the optimizer's state at {at_step(row)} (learning rate {highest_rate(row):.3g}), {those}"
    yield Measurement(names[0], float(np.median(list(items.values()))), "per step", basis, row.step, items)
    yield Measurement(names[1], max(items.values()), "per step", basis, row.step, items)


def _bounds(exact: Sequence[Found], low: dict[str, float], high: dict[str, float]) -> Iterator[Found]:
    """The ratio where it is exact, else bounds on it from two checkpoints: so that a run of plain SGD can be judged too."""
    for name, interval, how in (("updates.ratio_lower", low, "steps"), ("updates.ratio_upper", high, "the square root of the steps")):
        known = next((found for found in exact if isinstance(found, Measurement)), None)
        lacking = next((found for found in exact if isinstance(found, Missing)), None)
        if known is not None:
            yield Measurement(name, known.value, known.unit, known.basis, known.first_step, known.items)
        elif interval:
            basis = f"distance between two checkpoints over the norm and {how}, {counted(len(interval), 'matrix', 'matrices')}"
            yield Measurement(name, float(np.median(list(interval.values()))), "per step", basis, None, interval)
        elif lacking is not None:
            yield Missing(name, f"{lacking.reason}, and no two checkpoints of known steps differ", lacking.log_next)


# --- between checkpoints ----------------------------------------------------------------------------------------------


def _moved_names(view: View) -> dict[str, bool]:
    """Parameter -> whether any of its bits changed over the series. What was NaN all along cannot change, and tells nothing."""
    found: dict[str, bool] = {}
    for layer in view.parameters:
        deltas = [row.deltas[layer.name] for row in view.rows if layer.name in row.deltas]
        held = [row.tensors[layer.name] for row in view.rows if layer.name in row.tensors]
        if deltas and not all(stats.nonfinite == stats.elements for stats in held):
            found[layer.name] = any(delta.equal < layer.elements for delta in deltas)
    return found


def _without_adapted(view: View, moved: dict[str, bool]) -> dict[str, bool]:
    """Where low-rank adapters train, what they adapt stands still by design, and a first update moves their second factors only."""
    adapters = {name for name in moved if view.layers[name].kind == "lora"}
    if not any(moved[name] for name in adapters):
        return moved
    early = (_steps_between(view) or EARLIEST_JUDGED_STEP) < EARLIEST_JUDGED_STEP
    return {name: value for name, value in moved.items() if value or (name in adapters and not early)}


def _steps_between(view: View) -> int | None:
    first, last = view.rows[0].step, view.rows[-1].step
    return None if first is None or last is None else last - first


def _moved(view: View) -> Iterator[Found]:
    names = ("updates.moved", "updates.frozen")
    moved = _moved_names(view)
    if not moved:
        if any(row.deltas for row in view.rows):
            yield from missing(names, "no parameter has a finite number in any checkpoint, and NaN stays NaN whatever is added", "")
        else:
            yield from missing(names, "no parameter has the same shape in two checkpoints", "two-checkpoints")
        return
    if (_steps_between(view) or 1) < 1:
        yield from missing(names, "the checkpoints are from one and the same step", "two-checkpoints")
        return
    moved = _without_adapted(view, moved)
    basis = f"bits of {len(moved)} parameter tensors between {at_step(view.rows[0])} and {at_step(view.rows[-1])}"
    share = sum(moved.values()) / len(moved)
    yield Measurement(names[0], share, "share", basis, view.rows[-1].step, {name: float(value) for name, value in moved.items()})
    still = {name: float(view.layers[name].elements) for name, value in moved.items() if not value}
    total = sum(view.layers[name].elements for name in moved)
    reasons = sorted({idle_reason(view, view.rows[-1], name) for name in still})
    yield Measurement(names[1], sum(still.values()) / total, "share", basis, view.rows[-1].step, still, ", ".join(reasons))


def _equal(view: View) -> Found:
    last = view.rows[-1]
    watched = {
        layer.name: last.deltas[layer.name].equal / layer.elements
        for layer in view.matrices
        if layer.name in last.deltas and last.deltas[layer.name].equal < layer.elements and layer.elements
    }
    if not watched:
        return Missing("updates.equal_share", "no matrix moved between the last two checkpoints", "two-checkpoints")
    elements = sum(view.layers[name].elements for name in watched)
    share = sum(value * view.layers[name].elements for name, value in watched.items()) / elements
    basis = f"elements equal bit for bit in {counted(len(watched), 'matrix', 'matrices')} that moved, {span(view.rows[-2], last)}"
    return Measurement("updates.equal_share", share, "share", basis, last.step, watched)


def _best_interval(view: View) -> tuple[CheckpointRow, CheckpointRow, int] | None:
    """The first pair of consecutive checkpoints after which the learning rate was highest: models converge, schedules end at zero."""
    pairs: list[tuple[float, CheckpointRow, CheckpointRow, int]] = []
    for before, after in zip(view.rows, view.rows[1:], strict=False):
        done, begun = updates_done(after), updates_done(before)
        steps = done - begun if done is not None and begun is not None else 0
        if steps <= 0 and after.step is not None and before.step is not None:
            steps = after.step - before.step
        if steps > 0 and after.deltas:
            pairs.append((view.rate(after), before, after, steps))
    if not pairs:
        return None
    _, before, after, steps = max(pairs, key=lambda pair: pair[0])
    return before, after, steps


def _intervals(view: View) -> tuple[dict[str, float], dict[str, float]]:
    chosen = _best_interval(view)
    if chosen is None:
        return {}, {}
    before, after, steps = chosen
    low: dict[str, float] = {}
    high: dict[str, float] = {}
    for layer in view.matrices:
        delta, weight = after.deltas.get(layer.name), before.tensors.get(layer.name)
        if delta is None or weight is None or not _judgeable(view, layer) or weight.norm == 0:
            continue
        if math.isfinite(delta.norm) and delta.norm > 0:
            low[layer.name] = delta.norm / (steps * weight.norm)
            high[layer.name] = delta.norm / (math.sqrt(steps) * weight.norm)
    return low, high


def _displacement_bounds(view: View, low: dict[str, float], high: dict[str, float]) -> Iterator[Found]:
    chosen = _best_interval(view)
    if not low or chosen is None:
        yield from missing(
            ("updates.displacement_low", "updates.displacement_high"),
            "no matrix moved between checkpoints of known steps",
            "two-checkpoints",
        )
        return
    before, after, steps = chosen
    basis = f"{span(before, after)}, {steps} updates, {counted(len(low), 'matrix', 'matrices')}"
    yield Measurement("updates.displacement_low", float(np.median(list(low.values()))), "per step", basis, after.step, low)
    yield Measurement("updates.displacement_high", float(np.median(list(high.values()))), "per step", basis, after.step, high)


def _displacement(view: View) -> Found:
    first, last = view.rows[0], view.rows[-1]
    items: dict[str, float] = {}
    for layer in view.matrices:
        distance, start = last.from_first.get(layer.name), first.tensors.get(layer.name)
        if distance is not None and start is not None and start.norm > 0 and math.isfinite(distance):
            items[layer.name] = distance / start.norm
    if not items:
        return movement_gap("updates.displacement", view, "no matrix has one shape in the first and the last checkpoint", 2)
    moved = [value for value in items.values() if value > 0]
    basis = f"distance between {at_step(first)} and {at_step(last)} over the norm at {at_step(first)}, median of {len(moved)} that moved"
    return Measurement("updates.displacement", float(np.median(moved)) if moved else 0.0, "share", basis, last.step, items)


def _cosine(view: View) -> Found:
    name = "updates.displacement_cosine"
    decayed = set(_decaying(view))
    items: dict[str, float] = {}
    for layer in view.matrices:
        cosines = [row.deltas[layer.name].cosine_before for row in view.rows if layer.name in row.deltas]
        known = [value for value in cosines if math.isfinite(value)]
        if known and layer.name not in decayed and layer.elements >= 16:
            items[layer.name] = float(np.median(known))
    if not items:
        return movement_gap(name, view, "no matrix moved between three checkpoints by anything but weight decay", 3)
    basis = f"consecutive displacements of {counted(len(items), 'matrix', 'matrices')} over {counted(len(view.rows), 'checkpoint')}"
    return Measurement(name, float(np.median(list(items.values()))), "cosine", basis, view.rows[-1].step, items)


def _decaying(view: View) -> dict[str, float]:
    """Matrix -> share by which it shrank in the last window, where it did nothing but shrink."""
    found: dict[str, float] = {}
    before, after = view.rows[-2], view.rows[-1]
    for layer in view.matrices:
        delta, start, end = after.deltas.get(layer.name), before.tensors.get(layer.name), after.tensors.get(layer.name)
        if delta is None or start is None or end is None or layer.elements < 16 or start.norm == 0 or not math.isfinite(delta.norm):
            continue
        shrunk = start.norm - end.norm
        if delta.norm > _ABOVE_ROUNDING * start.norm and shrunk > _COLLINEAR * delta.norm:
            found[layer.name] = shrunk / start.norm
    return found


def _decay_only(view: View) -> Found:
    judged = [layer.name for layer in view.matrices if layer.name in view.rows[-1].deltas]
    if not judged:
        return Missing("updates.decay_only", "no matrix has one shape in the last two checkpoints", "two-checkpoints")
    after = view.rows[-1]
    shrunk = _decaying(view)
    # What a saved decay of 0 did not do: gradients along the weights, as constant matrices have them.
    found = {name: share for name, share in shrunk.items() if view.setting(after, name, "weight_decay") != 0}
    basis = f"{counted(len(judged), 'matrix', 'matrices')}, {span(view.rows[-2], after)}: displaced along themselves only"
    without = [name for name in shrunk if name not in found]
    return Measurement("updates.decay_only", len(found), "layers", basis, after.step, found, ", ".join(without))


def _decay_share(view: View) -> Found:
    """How long one step of decoupled decay is beside the update by the gradient, at the checkpoint where updates are judged."""
    name = "updates.decay_share"
    row = peak_row(view)
    if row is None:
        return Missing(name, why_no_state(view.checkpoints).reason, why_no_state(view.checkpoints).log_next)
    items: dict[str, float] = {}
    for layer, update in update_items(view, row):
        if _judgeable(view, layer) and update.update_norm > 0 and math.isfinite(update.update_norm):
            items[layer.name] = update.decay_norm / update.update_norm
    if not items:
        return Missing(name, "the optimizer's state and settings do not give the last update", "two-checkpoints")
    basis = (
        f"learning rate times weight decay times norm, over the last update, at {at_step(row)}, {counted(len(items), 'matrix', 'matrices')}"
    )
    return Measurement(name, float(np.median(list(items.values()))), "ratio", basis, row.step, items)


def _decay_error(view: View) -> Found:
    """How far matrices that did nothing but shrink are from the shrinking that settings give: 1 - (1 - rate * decay)^steps.

    The rate is the mean of both ends', which a straight schedule makes exact. Items: predicted shrinking by matrix.
    """
    name = "updates.decay_error"
    found = _decaying(view)
    before, after = view.rows[-2], view.rows[-1]
    done, begun = updates_done(after), updates_done(before)
    steps = done - begun if done is not None and begun is not None else 0
    items: dict[str, float] = {}
    errors: list[float] = []
    for layer, shrunk in found.items():
        decay = view.setting(after, layer, "weight_decay")
        rates = [rate for rate in (view.setting(row, layer, "lr") for row in (before, after)) if rate is not None]
        if decay is None or not rates or steps <= 0:
            continue
        factor = 1.0 - decay * sum(rates) / len(rates)
        if 0 < factor < 1:
            items[layer] = 1.0 - factor**steps
            errors.append(abs(shrunk / items[layer] - 1.0))
    if not items:
        reason = "no matrix did nothing but shrink" if not found else "the groups' rate and decay do not tell how matrices should shrink"
        return Missing(name, reason, "two-checkpoints")
    basis = f"{counted(len(items), 'matrix', 'matrices')} over {steps} updates, {span(before, after)}"
    return Measurement(name, max(errors), "share", basis, after.step, items)
