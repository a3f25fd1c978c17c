"""A lasting jump of the training loss: from one level, reached by learning, to a higher one, within a few points."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from postmortem.measure.loss import basis_of, missing
from postmortem.measure.roles import Roled
from postmortem.measure.smooth import Smooth, point_noise, ratio, smooth
from postmortem.model import Measurement, Missing, Series

NAMES = ("loss.jump",)
LEAST_POINTS = 20
SHARE = 0.05
"""Points on each side that give a level: a twentieth, at least three."""
NOISES = 6.0
"""Deviations of the points about a level by which a jump rises above it."""
LEARNED = 0.1
"""Share of the start by which the loss must have fallen before: a loss that never fell cannot lose what it learned."""
RATE_JUMP = 1.5
EARLIEST = 5


def measure_jumps(training: Roled | None, rate: Series | None) -> Iterator[Measurement | Missing]:
    """`loss.jump`: the highest rise between neighbouring levels, over all that was learned before; dated by its first high point.

    A level is the median of a twentieth of the points. One point between the two is left out. Rises at a rising learning rate are none.
    Items: `before`, `after`, and `end`, the run's last level.
    """
    if training is None:
        yield from missing(NAMES, "no training loss was logged", "training-loss")
        return
    curve = smooth(training.series, LEAST_POINTS)
    if curve is None:
        yield from missing(NAMES, f"fewer than {LEAST_POINTS} finite points of {training.series.tag!r}", "longer-curve")
        return
    yield _highest(curve, rate)


def _highest(curve: Smooth, rate: Series | None) -> Measurement:
    width = max(3, round(SHARE * curve.points))
    best: tuple[float, int, float, float] = (0.0, 0, 0.0, 0.0)
    lowest = curve.start
    for at in range(max(EARLIEST, width), curve.points - width + 1):
        earlier, later = curve.values[at - width : at], curve.values[at : at + width]
        before, after = float(np.median(earlier)), float(np.median(later))
        lowest = min(lowest, before)
        learned = curve.start - lowest
        around = curve.values[max(0, at - 3 * width) : at]
        noise = max(point_noise(around), curve.level_noise, 1e-12)
        if learned < LEARNED * abs(curve.start) or after - before < NOISES * noise or _rate_rises(curve, at, width, rate):
            continue
        rise = ratio(after - before, learned)
        if rise > best[0]:
            best = rise, at, before, after
    value, at, before, after = best
    if value == 0:
        return Measurement(NAMES[0], 0.0, "ratio", f"no level rises above the one before by its noise; {basis_of(curve)}")
    # The level rises as soon as most of its points are high: the first high one is the jump.
    line = 0.5 * (before + after)
    first = next(index for index in range(max(0, at - width), curve.points) if curve.values[index] > line)
    basis = f"{before:.4g} to {after:.4g}; {basis_of(curve)}"
    return Measurement(NAMES[0], value, "ratio", basis, int(curve.steps[first]), {"before": before, "after": after, "end": curve.last})


def _rate_rises(curve: Smooth, at: int, width: int, rate: Series | None) -> bool:
    if rate is None or rate.values.size < 3:
        return False
    begin, end = int(curve.steps[max(0, at - 2 * width)]), int(curve.steps[min(at + width, curve.points - 1)])
    low, high = np.searchsorted(rate.steps, [begin, end])
    seen = rate.values[max(0, low - 1) : high + 1]
    seen = seen[np.isfinite(seen)]
    return bool(seen.size >= 2 and seen[-1] > RATE_JUMP * max(float(seen[0]), 1e-300))
