"""A lasting jump of the training loss: from one level, reached by learning, to a higher one, within a few points."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from postmortem.measure.loss import basis_of, missing
from postmortem.measure.roles import Roled
from postmortem.measure.smooth import Floats, Ints, Smooth, block_medians, block_starts, point_noise, ratio, smooth
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
MOST_POINTS = 2000


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
    steps, values = _thinned(curve)
    points = values.size
    width = max(3, round(SHARE * points))
    medians = np.median(np.lib.stride_tricks.sliding_window_view(values, width), axis=1)
    best: tuple[float, int, float, float] = (0.0, 0, 0.0, 0.0)
    places = np.arange(max(EARLIEST, width), points - width + 1)
    levels, later = medians[places - width], medians[places]
    learned = curve.start - np.minimum.accumulate(np.minimum(levels, curve.start))
    quiet = NOISES * max(curve.level_noise, 1e-12)
    for index in np.flatnonzero((learned >= LEARNED * abs(curve.start)) & (later - levels >= quiet)).tolist():
        at, before, after = int(places[index]), float(levels[index]), float(later[index])
        noise = point_noise(values[max(0, at - 3 * width) : at])
        if after - before < NOISES * noise or _rate_rises(steps, at, width, rate):
            continue
        rise = ratio(after - before, float(learned[index]))
        if rise > best[0]:
            best = rise, at, before, after
    value, at, before, after = best
    if value == 0:
        return Measurement(NAMES[0], 0.0, "ratio", f"no level rises above the one before by its noise; {basis_of(curve)}")
    # The level rises as soon as most of its points are high: the first high one is the jump.
    line = 0.5 * (before + after)
    first = next(index for index in range(max(0, at - width), points) if values[index] > line)
    basis = f"{before:.4g} to {after:.4g}; {basis_of(curve)}"
    return Measurement(NAMES[0], value, "ratio", basis, int(steps[first]), {"before": before, "after": after, "end": curve.last})


def _thinned(curve: Smooth) -> tuple[Ints, Floats]:
    """Steps and values; of a very long curve the medians of blocks, so that the time stays in proportion."""
    if curve.points <= MOST_POINTS:
        return curve.steps, curve.values
    starts = block_starts(curve.points, MOST_POINTS)
    return curve.steps[starts], block_medians(curve.values, starts)


def _rate_rises(steps: Ints, at: int, width: int, rate: Series | None) -> bool:
    if rate is None or rate.values.size < 3:
        return False
    begin, end = int(steps[max(0, at - 2 * width)]), int(steps[min(at + width, steps.size - 1)])
    low, high = np.searchsorted(rate.steps, [begin, end])
    seen = rate.values[max(0, low - 1) : high + 1]
    seen = seen[np.isfinite(seen)]
    return bool(seen.size >= 2 and seen[-1] > RATE_JUMP * max(float(seen[0]), 1e-300))
