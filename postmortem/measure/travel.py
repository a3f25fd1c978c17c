"""How fast weights leave where they started, by the distance between checkpoints, and how long one step of a signed update is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from postmortem.measure.gaps import movement_gap
from postmortem.measure.smooth import Floats, Ints
from postmortem.measure.table import TensorTable
from postmortem.measure.view import ADAM_KIN, Found, View, at_step, missing, span, updates_done, view_of
from postmortem.model import Checkpoint, Measurement, Missing, counted, multiple

NAMES = ("updates.overwritten", "updates.reach", "updates.faded")
FADED = 1e-3
"""Updates have faded where they are below this share of the largest, as a learning rate is dead below it."""
SIGNED = ADAM_KIN | {"rmsprop", "adagrad"}
"""Algorithms that divide gradients by their own size: no element moves by more than about the learning rate in a step."""


def measure_travel(
    table: TensorTable, checkpoints: Sequence[Checkpoint], algorithm: str, logged: tuple[Ints, Floats] | None
) -> Iterator[Measurement | Missing]:
    """`updates.overwritten`: the longest interval's distance over the weights before it and the square root of its updates, median of
    matrices. A random walk whose steps are the share r of the weights gives r times the square root of the correlation time (19 updates
    for a momentum of 0.9).

    `updates.reach`: the sum of all learning rates over the rms of the first weights, median of matrices: what an element can move at
    most, in units of a usual element, where the algorithm is a signed one.

    `updates.faded`: the share of the run's steps, at its end, in whose intervals between checkpoints matrices moved at less than a
    thousandth of their fastest pace; the median over matrices that moved at all. `logged`: steps and values of the learning rate.
    """
    if not table.rows:
        yield from missing(NAMES, "the run has no readable checkpoint", "checkpoint")
        return
    view = view_of(table, checkpoints)
    yield _overwritten(view)
    yield _reach(view, algorithm, logged)
    yield _faded(view)


def _faded(view: View) -> Found:
    name = NAMES[2]
    rows = [row for row in view.rows if row.step is not None]
    lengths = [(after.step or 0) - (before.step or 0) for before, after in pairwise(rows)]
    if len(rows) < 4 or len(rows) < len(view.rows) or min(lengths) <= 0:
        few = f"{counted(len(view.rows), 'checkpoint')}, four are needed"
        unknown = "the steps of some checkpoints are not known, or do not rise"
        return Missing(name, few if len(view.rows) < 4 else unknown, "more-checkpoints" if len(view.rows) < 4 else "step-in-checkpoint")
    items: dict[str, float] = {}
    for layer in view.matrices:
        deltas = [row.deltas.get(layer.name) for row in rows[1:]]
        if layer.elements < 16 or any(delta is None or not math.isfinite(delta.norm) for delta in deltas):
            continue
        paces = [delta.norm / length for delta, length in zip(deltas, lengths, strict=True) if delta is not None]
        if max(paces) > 0:
            alive = max(at for at, pace in enumerate(paces) if pace >= FADED * max(paces))
            items[layer.name] = sum(lengths[alive + 1 :]) / sum(lengths)
    if not items:
        return movement_gap(name, view, "no matrix of 16 weights stands in all checkpoints", 4)
    value = float(np.median(list(items.values())))
    since = (rows[0].step or 0) + round((1 - value) * sum(lengths))
    basis = f"{counted(len(rows), 'checkpoint')}, {span(rows[0], rows[-1])}, {counted(len(items), 'matrix', 'matrices')}"
    return Measurement(name, value, "share", basis, since if value > 0 else None, items)


def _overwritten(view: View) -> Found:
    best: tuple[float, str, int | None, dict[str, float]] | None = None
    for before, after in zip(view.rows, view.rows[1:], strict=False):
        done, begun = updates_done(after), updates_done(before)
        steps = done - begun if done is not None and begun is not None else 0
        if steps <= 0 and after.step is not None and before.step is not None:
            steps = after.step - before.step
        items: dict[str, float] = {}
        for layer in view.matrices:
            delta, weight = after.deltas.get(layer.name), before.tensors.get(layer.name)
            if delta is not None and weight is not None and weight.norm > 0 and layer.elements >= 16 and math.isfinite(delta.norm):
                items[layer.name] = delta.norm / (weight.norm * math.sqrt(max(1, steps)))
        if steps > 0 and items:
            value = float(np.median(list(items.values())))
            if best is None or value > best[0]:
                far = multiple(value * math.sqrt(steps))
                best = (
                    value,
                    f"{far} their norm in {steps} updates ({span(before, after)}, {counted(len(items), 'matrix', 'matrices')})",
                    after.step,
                    items,
                )
    if best is None:
        return Missing(NAMES[0], "no two checkpoints of known steps hold finite matrices of one shape", "two-checkpoints")
    value, basis, step, items = best
    return Measurement(NAMES[0], value, "per root of step", basis, step, items)


def _reach(view: View, algorithm: str, logged: tuple[Ints, Floats] | None) -> Found:
    name = NAMES[1]
    if algorithm not in SIGNED:
        return Missing(name, f"only signed updates have a reach, not those of {algorithm or 'an unknown optimizer'}", "optimizer-state")
    steps, rates = logged if logged is not None and len(logged[0]) >= 2 else _saved(view)
    if len(steps) < 2:
        return Missing(name, "the learning rate is known at fewer than two steps", "learning-rate")
    total = float(np.dot(0.5 * (rates[1:] + rates[:-1]), np.diff(steps)))
    first = view.rows[0]
    items = {
        layer.name: total / (first.tensors[layer.name].norm / math.sqrt(layer.elements))
        for layer in view.matrices
        if layer.name in first.tensors and layer.elements >= 16 and 0 < first.tensors[layer.name].norm < math.inf
    }
    if not items:
        return Missing(name, "no finite matrix that is not zero in the first checkpoint", "checkpoint")
    rates_of = f"learning rates sum to {total:.3g} over steps {steps[0]} to {steps[-1]} ({algorithm})"
    basis = f"{rates_of}, rms of {counted(len(items), 'matrix', 'matrices')}, {at_step(first)}"
    return Measurement(name, float(np.median(list(items.values()))), "ratio", basis, None, items)


def _saved(view: View) -> tuple[Ints, Floats]:
    known = [(row.step, view.rate(row)) for row in view.rows if row.step is not None]
    return np.array([step for step, _ in known], dtype=np.int64), np.array([rate for _, rate in known], dtype=np.float64)
