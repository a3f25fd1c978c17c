"""Whether the training loss repeats itself from epoch to epoch, as it does where records come in the same order each time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from postmortem.measure.roles import Roled
from postmortem.measure.smooth import Floats, finite_points, ratio, smooth
from postmortem.model import Measurement, Missing

NAME = "loss.epoch_pattern"
LEAST_CYCLES = 4
"""Epochs that have to be seen, after the first."""
LEAST_POINTS = 4
"""Points of the loss in one epoch."""
MOST_PHASES = 12


def epoch_pattern(training: Roled | None, records: float | None, batch: float | None) -> Measurement | Missing:
    """Share of the loss's variance that its place within the epoch explains (adjusted R², 0 for none), the trend over an epoch taken out.

    Ranks, so that a few jumps decide nothing. Items: `period` (steps in an epoch: records over batch size), `cycles`, `swing` (highest
    less lowest mean of a phase, over the fall of the loss). A staircase, where each epoch remembers the last, repeats itself as well.
    """
    if training is None:
        return Missing(NAME, "no training loss was logged", "training-loss")
    if records is None or batch is None or records <= 0 or batch <= 0:
        if not batch or batch <= 0:
            return Missing(NAME, "the batch size is not known, and so not the steps of an epoch", "batch-size")
        return Missing(NAME, "the number of training records is not known, and so not the steps of an epoch", "manifest")
    period = records / batch
    steps, values = finite_points(training.series)
    inside = steps >= (steps[0] + period if steps.size else 0)
    at, level = steps[inside].astype(np.float64), values[inside]
    cycles = (at[-1] - at[0]) / period if at.size else 0.0
    per_cycle = at.size / cycles if cycles > 0 else 0.0
    if cycles < LEAST_CYCLES or per_cycle < LEAST_POINTS:
        seen = f"{training.series.tag!r} has {cycles:.1f} epochs of {period:.0f} steps after the first, with {per_cycle:.1f} points each"
        return Missing(NAME, seen, "longer-curve")
    window = round(per_cycle)
    trend = np.convolve(level, np.full(window, 1 / window), mode="valid")
    begin = (window - 1) // 2
    left = level[begin : begin + trend.size] - trend
    phase = np.floor((at[begin : begin + trend.size] % period) / period * min(MOST_PHASES, window)).astype(np.int64)
    curve = smooth(training.series, 3)
    fall = 0.0 if curve is None else curve.progress
    means = [float(left[phase == one].mean()) for one in np.unique(phase)]
    items = {"period": period, "cycles": float(cycles), "swing": ratio(max(means) - min(means), fall) if fall else 0.0}
    basis = (
        f"{training.series.tag!r}, {left.size} points in {cycles:.1f} epochs of {period:.0f} steps ({records:.0f} records by {batch:.0f})"
    )
    return Measurement(NAME, explained(left, phase), "share", basis, int(steps[0]), items)


def explained(values: Floats, groups: NDArray[np.int64]) -> float:
    """Adjusted share of the variance of the values' ranks that their group explains; 0 where nothing varies."""
    if not values.size or float(np.ptp(values)) == 0:
        return 0.0
    ranks = np.argsort(np.argsort(values, kind="stable"), kind="stable").astype(np.float64)
    total = float(np.sum((ranks - ranks.mean()) ** 2))
    names = np.unique(groups)
    within = sum(float(np.sum((ranks[groups == one] - ranks[groups == one].mean()) ** 2)) for one in names)
    freedom = ranks.size - names.size
    return 1 - (within / freedom) / (total / (ranks.size - 1)) if freedom > 0 else 0.0
