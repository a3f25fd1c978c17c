"""Low precision: updates that rounding swallows, weights at the ends of the range, and the gradient scaler's scale."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

import numpy as np

from postmortem.measure.gaps import moments_gap
from postmortem.measure.kept_state import why_no_state
from postmortem.measure.roled import LEAST_POINTS
from postmortem.measure.roles import Roled, main
from postmortem.measure.smooth import finite_points
from postmortem.measure.table import CheckpointRow, TensorTable
from postmortem.measure.view import ADAM_KIN, Found, View, at_step, missing, peak_row, view_of
from postmortem.model import Checkpoint, Measurement, Missing, counted

NAMES = (
    "precision.stored",
    "precision.stuck",
    "precision.state",
    "precision.underflow",
    "precision.clipped",
    "precision.subnormal",
    "precision.scale",
    "precision.scale_first",
    "precision.scale_grown",
)

_HALF_TYPES = {"bfloat16", "float16"}


def measure_precision(table: TensorTable, checkpoints: Sequence[Checkpoint]) -> Iterator[Found]:
    """All `precision.*` measurements of one run."""
    if not table.rows:
        yield from missing(NAMES[:6], "the run has no readable checkpoint", "checkpoint")
    else:
        view = view_of(table, checkpoints)
        yield _stored(view)
        yield _stuck(view)
        yield from _state(view)
        yield _clipped(view)
        yield _subnormal(view)
    yield from _scale(checkpoints)


def logged_scale(roled: Sequence[Roled]) -> Iterator[Measurement]:
    """`precision.scale` and `precision.scale_first` as the run's log tells them; nothing where it does not, or the scale never moved.

    The first is the highest value of the last tenth of the points; `precision.scale_grown` counts the times that it rose after the middle.
    """
    one = main(roled, "loss-scale", "")
    if one is None:
        return
    steps, values = finite_points(one.series)
    if values.size < LEAST_POINTS or float(np.ptp(values)) == 0:
        return
    last = max(1, values.size // 10)
    where = f"of {one.series.tag!r} in {one.series.source}"
    begun = _fallen(list(zip(steps.tolist(), values.tolist(), strict=True)))
    yield Measurement(NAMES[6], float(values[-last:].max()), "", f"highest of the last {last} points {where}", begun)
    yield Measurement(NAMES[7], float(values[0]), "", f"first point {where}", int(steps[0]))
    rises = np.count_nonzero(np.diff(values[values.size // 2 :]) > 0)
    yield Measurement(NAMES[8], float(rises), "times", f"rises in the second half {where}", int(steps[-1]))


def _state_types(view: View, source: str) -> dict[str, set[str]]:
    """Parameter -> types of its optimizer slots that are as long as itself."""
    found: dict[str, set[str]] = {}
    checkpoint = view.checkpoints.get(source)
    for optimizer in checkpoint.optimizers if checkpoint else ():
        for name, slots in optimizer.slots.items():
            # Codes of 8 bits tell nothing of a master copy, nor do their tables and scales.
            found[name] = {
                tensor.dtype for slot, tensor in slots.items() if len(tensor.shape) > 0 and not slot.startswith(("state", "qmap", "absmax"))
            }
    return found


def _stored(view: View) -> Found:
    """Share of the parameters' elements that are trained in half precision.

    `text` is the type that most elements are stored as; with ` copy` behind it where the optimizer's state is float32 (it kept a
    float32 master copy, and the file is an export of it), and with ` alone` where there is no state to tell.
    """
    name = "precision.stored"
    row = view.rows[-1]
    types = _state_types(view, row.source)
    words: dict[str, int] = {}
    for layer in view.parameters:
        dtype = row.tensors[layer.name].dtype
        kept = types.get(layer.name, set())
        word = dtype if dtype not in _HALF_TYPES or (kept and kept <= {dtype}) else f"{dtype} copy" if kept else f"{dtype} alone"
        words[word] = words.get(word, 0) + layer.elements
    total = sum(words.values())
    if not total:
        return Missing(name, "the checkpoint holds no parameters", "checkpoint")
    share = sum(elements for word, elements in words.items() if word in _HALF_TYPES) / total
    return Measurement(
        name,
        share,
        "share",
        f"types of {counted(len(view.parameters), 'tensor')} at {at_step(row)}",
        row.step,
        text=max(words, key=lambda word: words[word]),
    )


def _stuck(view: View) -> Found:
    """Share of elements whose last update is below half a unit in the last place of the stored weight.

    `text` is the type that most elements are stored as. Half-precision weights count only where the optimizer's state is in half
    precision too: otherwise the optimizer kept a float32 master copy, and the file is an export of it.
    """
    name = "precision.stuck"
    row = peak_row(view)
    if row is None:
        why = why_no_state(view.checkpoints)
        early = any(other.updates for other in view.rows)
        reason = "no optimizer state after the first update, from which to rebuild it" if early else why.reason
        return Missing(name, reason, why.log_next, early or why.applies)
    types = _state_types(view, row.source)
    stuck: dict[str, float] = {}
    elements: dict[str, int] = {}
    stored: dict[str, int] = {}
    exported = False
    for layer in view.parameters:
        update, stats = row.updates.get(layer.name), row.tensors.get(layer.name)
        if update is None or stats is None or update.stuck < 0 or not layer.elements or update.update_norm == 0:
            continue
        if stats.dtype in _HALF_TYPES and not types.get(layer.name, set()) <= {stats.dtype}:
            exported = True
            continue
        stuck[layer.name] = update.stuck / layer.elements
        elements[layer.name] = layer.elements
        stored[stats.dtype] = stored.get(stats.dtype, 0) + layer.elements
    if not stuck:
        reason = (
            "the optimizer's state is float32: the half-precision weights are a copy" if exported else "the last update cannot be rebuilt"
        )
        return Missing(name, reason, "optimizer-state")
    total = sum(elements.values())
    share = sum(stuck[label] * elements[label] for label in stuck) / total
    word = max(stored, key=lambda dtype: stored[dtype])
    basis = f"last update rebuilt at {at_step(row)} beside half a unit in the last place, {counted(len(stuck), 'tensor')}, mostly {word}"
    return Measurement(name, share, "share", basis, row.step, stuck, word)


def _state(view: View) -> Iterator[Found]:
    """In which types moments are kept (share of elements in less than float32), and second moments that are too small for theirs.

    An element whose second moment is exactly zero while its first is not moves by its first moment over epsilon. Codes of 8 bits keep
    zeros for all that is small beside its block, so that these count in `precision.state` only.
    """
    names = NAMES[2:4]
    row = next((row for row in reversed(view.rows) if any(update.state_dtype for update in row.updates.values())), None)
    if row is None:
        kept_by = ADAM_KIN | {"sgd", "rmsprop"}
        yield from (moments_gap(name, view, "the optimizer's entries could not be joined to the parameters", kept_by) for name in names)
        return
    types: dict[str, float] = {}
    under: dict[str, float] = {}
    elements: dict[str, int] = {}
    for layer in view.parameters:
        update = row.updates.get(layer.name)
        if update is None or not update.state_dtype or not layer.elements:
            continue
        types[update.state_dtype] = types.get(update.state_dtype, 0.0) + layer.elements
        if update.state_dtype != "8-bit":
            elements[layer.name] = layer.elements
            if update.underflow:
                under[layer.name] = update.underflow / layer.elements
    total = sum(types.values())
    if not total:
        yield from missing(names, "the optimizer's entries could not be joined to the parameters", "optimizer-state")
        return
    coarse = sum(count for dtype, count in types.items() if dtype not in ("float32", "float64"))
    word = max(types, key=lambda dtype: types[dtype])
    yield Measurement(names[0], coarse / total, "share", f"moments of {int(total)} elements at {at_step(row)}", row.step, types, word)
    if not elements:
        yield Missing(names[1], "moments of 8 bits have zeros by design", "optimizer-state")
        return
    share = sum(under[name] * elements[name] for name in under) / sum(elements.values())
    basis = f"second moments that are zero beside first ones that are not, {counted(len(elements), 'tensor')} at {at_step(row)}"
    yield Measurement(names[1], share, "share", basis, row.step if under else None, under, word)


def _clipped(view: View) -> Found:
    """Finite elements of half-precision parameters that are as large as the type can hold, in the checkpoint that has most of them.

    Types of 8 bits are left out: their weights are scaled so that the largest fills the range.
    """
    name = "precision.clipped"
    counts: list[tuple[int, CheckpointRow, dict[str, float]]] = []
    seen = 0
    for row in view.rows:
        halves = [(layer.name, row.tensors[layer.name]) for layer in view.parameters if layer.name in row.tensors]
        halves = [(label, stats) for label, stats in halves if stats.dtype in _HALF_TYPES]
        seen = max(seen, len(halves))
        items = {label: float(stats.clipped) for label, stats in halves if stats.clipped}
        counts.append((int(sum(items.values())), row, items))
    if not seen:
        return Missing(name, "no parameter is stored in half precision", "checkpoint")
    worst, row, items = max(counts, key=lambda entry: entry[0])
    basis = f"{seen} half-precision parameters in {counted(len(counts), 'checkpoint')}" + (f", most at {at_step(row)}" if worst else "")
    return Measurement(name, worst, "elements", basis, row.step if worst else None, items)


def _subnormal(view: View) -> Found:
    """Largest share, over the float16 matrices of the last checkpoint, of elements below the type's smallest normal number (6.1e-5)."""
    name = "precision.subnormal"
    row = view.rows[-1]
    items: dict[str, float] = {}
    for layer in view.matrices:
        stats = row.tensors.get(layer.name)
        if stats is not None and layer.is_parameter and stats.dtype == "float16" and stats.elements:
            items[layer.name] = stats.subnormal / stats.elements
    if not items:
        return Missing(name, "no weight matrix is stored as float16", "checkpoint")
    basis = f"elements below 6.1e-5 but not zero at {at_step(row)}, {len(items)} float16 matrices"
    return Measurement(name, max(items.values()), "share", basis, row.step, items)


def _scale_of(checkpoint: Checkpoint) -> float | None:
    """By its name, or by what torch's scaler saves beside it: Lightning keeps it under the name of a plugin."""
    for key, value in checkpoint.values.items():
        parts = re.split(r"[._]", key.lower())
        if parts[-1:] == ["scale"] and isinstance(value, int | float):
            beside = f"{key[: -len('scale')]}backoff_factor"
            if {"scaler", "amp", "loss"} & set(parts) or beside in checkpoint.values:
                return float(value)
    return None


def _scale(checkpoints: Sequence[Checkpoint]) -> Iterator[Found]:
    known = [(checkpoint, scale) for checkpoint in checkpoints if (scale := _scale_of(checkpoint)) is not None]
    if not known:
        yield from missing(NAMES[6:], "no checkpoint holds a gradient scaler's state", "scaler-state")
        return
    yield Missing(NAMES[8], "no log of the gradient scaler's scale", "scaler-state")
    items = {f"step {checkpoint.step}" if checkpoint.step is not None else checkpoint.source: scale for checkpoint, scale in known}
    begun = _fallen([(checkpoint.step, scale) for checkpoint, scale in known])
    for name, (checkpoint, scale) in zip(NAMES[6:8], (known[-1], known[0]), strict=True):
        step = begun if name == NAMES[6] else checkpoint.step
        yield Measurement(name, scale, "", f"gradient scaler in {checkpoint.source}", step, items)


def _fallen(scales: Sequence[tuple[int | None, float]]) -> int | None:
    """The first step at which the scale had lost half of the halvings that it lost by the end; the last step where it lost none."""
    first, last = scales[0][1], scales[-1][1]
    if not last < first:
        return scales[-1][0]
    # A scale of 0 has lost more halvings than can be counted.
    middle = math.sqrt(first) * math.sqrt(last)
    return next((step for step, scale in scales if scale <= middle), scales[-1][0])
