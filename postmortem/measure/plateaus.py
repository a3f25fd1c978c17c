"""Stretches of a loss whose level moves by no more than its noise, and what they look like to someone who reads the curve.

A level may stand within its noise and the curve be falling all the same: noise of the early run widens the band. So each stretch is told
by what it is: steady, falling, rising or swinging.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from postmortem.measure.loss import basis_of
from postmortem.measure.smooth import MEDIAN_TO_MEAN, Floats, Smooth, point_noise, ratio, rolling_median
from postmortem.model import Measurement

NARROWEST_BAND = 0.02
"""A plateau is a stretch whose level stays within 2 % of the progress, or within its noise."""
BAND_NOISES = 5.0
"""Expected range of the level over a long stretch of pure noise, in standard errors of one level, and a little."""
LEVEL_TREND = 0.02
"""A trend over a whole stretch of so small a share of its level is none to a reader of the curve."""
FALL_TREND = 0.1
"""Nor is one that is so small a share of all that the loss fell: on a plot that shows the fall it is a tenth of the height."""
CLEAR = 2.0
"""Standard errors of a trend from which on it is one."""
LEVEL_RANGE = 0.2
"""A curve whose points lie mostly within 10 % on either side of their level stays there; a wider one swings."""
MOST = (0.05, 0.95)
"""Quantiles between which most points lie."""
BEGINNING = 4.0
"""A stretch whose first points lie so many noises above its level begins with the end of the fall that led to it."""
MAX_SLOPES = 200
"""Points whose pairs give a slope; of a longer stretch as many medians."""

Course = Literal["steady", "falls", "rises", "swings"]


def plateaus(curve: Smooth) -> Iterator[Measurement]:
    """`loss.plateau` and `loss.plateau_last`: the longest stretch with a level that does not move, and the one that reaches to the end.

    As shares of the run. The text is what the curve does within it: `steady`, `falls`, `rises` or `swings`. Items: `begin` and `end`
    (steps), `level`, `settled` (step from which on its points are at the level; `begin` where they never leave it), `from` and `to`
    (medians of the first and last three points), `low` and `high` (between which nine tenths of the points lie), and `fallen`, the
    share of the whole fall that was made within it.
    """
    window = min(3, curve.blocks.size)
    levels = rolling_median(curve.blocks, window)
    per_block = curve.points / curve.blocks.size
    error = MEDIAN_TO_MEAN * max(curve.noise / math.sqrt(per_block * window), point_noise(curve.blocks) / math.sqrt(window))
    band = max(NARROWEST_BAND * max(curve.start - curve.lowest, 0.05 * curve.size), BAND_NOISES * error)
    # Level k stands for blocks k .. k + window - 1: a stretch of levels covers the steps of all of its blocks.
    firsts = curve.steps[curve.block_of]
    lasts = np.append(curve.steps[curve.block_of[1:] - 1], curve.steps[-1])
    best = (0, 0, 0)
    low = 0
    for high in range(levels.size):
        while np.ptp(levels[low : high + 1]) > band:
            low += 1
        length = int(lasts[high + window - 1] - firsts[low]) if high > low else 0
        if length > best[0]:
            best = (length, low, high)
    yield _plateau("loss.plateau", curve, levels, best[1], best[2], window, band)
    yield _plateau("loss.plateau_last", curve, levels, low, levels.size - 1, window, band)


def _plateau(name: str, curve: Smooth, levels: Floats, low: int, high: int, window: int, band: float) -> Measurement:
    first = int(curve.block_of[low])
    after = high + window
    behind = int(curve.block_of[after]) if after < curve.block_of.size else curve.points
    begin, end = int(curve.steps[first]), int(curve.steps[behind - 1])
    level = float(np.median(levels[low : high + 1]))
    share = (end - begin) / curve.span if high > low else 0.0
    basis = f"level {level:.4g} within {band:.2g}, steps {begin} to {end}; {basis_of(curve)}"
    look = seen(curve.values[first:behind], level, curve.start - curve.lowest)
    items = {
        "begin": float(begin),
        "end": float(end),
        "level": level,
        "settled": float(curve.steps[first + look.settled]),
        "from": look.begins,
        "to": look.ends,
        "low": look.low,
        "high": look.high,
        "fallen": ratio(look.begins - look.ends, curve.start - curve.lowest),
    }
    return Measurement(name, share, "share", basis, begin, items, look.course)


@dataclass(frozen=True, slots=True)
class Look:
    """What a stretch of a curve looks like."""

    course: Course
    settled: int
    """Points at its beginning that are not yet at its level; 0 unless the rest is steady."""
    begins: float
    ends: float
    low: float
    high: float


def seen(values: Floats, level: float, fall: float) -> Look:
    """The look of a stretch, at least one point. `level`: the one it is known by; `fall`: what the whole curve fell."""
    begins, ends = float(np.median(values[:3])), float(np.median(values[-3:]))
    low, high = (float(one) for one in np.quantile(values, MOST))
    settled = _settled(values, level)
    if settled and _course(values[settled:], fall) == "steady":
        return Look("steady", settled, begins, ends, low, high)
    return Look(_course(values, fall), 0, begins, ends, low, high)


def _settled(values: Floats, level: float) -> int:
    """Points before the first within a noise of the level, where the first three lie far above it; 0 where they do not."""
    if values.size < 6:
        return 0
    noise = point_noise(values[values.size // 2 :])
    if float(np.median(values[:3])) - level <= max(BEGINNING * noise, LEVEL_TREND * abs(level)):
        return 0
    near = np.flatnonzero(values[: values.size // 2] <= level + noise)
    return int(near[0]) if near.size else 0


def _course(values: Floats, fall: float) -> Course:
    """A reader's word for it: flat where neither trend nor range show, else where it goes."""
    level = abs(float(np.median(values)))
    trend, error = _trend(values)
    low, high = np.quantile(values, MOST)
    clear = abs(trend) > CLEAR * error
    if clear and abs(trend) > min(LEVEL_TREND * level, FALL_TREND * max(fall, 0.0)):
        return "falls" if trend < 0 else "rises"
    return "steady" if float(high - low) <= LEVEL_RANGE * level else "swings"


def _trend(values: Floats) -> tuple[float, float]:
    """Theil-Sen's slope times the points, and its standard error for the noise about that line.

    That of least squares is noise x sqrt(12 / n); the Theil-Sen estimator's is 1.02 times as large for normal noise (Sen 1968).
    """
    if values.size > MAX_SLOPES:
        values = np.array([np.median(part) for part in np.array_split(values, MAX_SLOPES)])
    points = values.size
    if points < 3:
        return float(values[-1] - values[0]), 0.0
    place = np.arange(points, dtype=np.float64)
    low, high = np.triu_indices(points, 1)
    slope = float(np.median((values[high] - values[low]) / (place[high] - place[low])))
    rest = values - slope * place
    noise = 1.4826 * float(np.median(np.abs(rest - np.median(rest))))
    return slope * points, noise * math.sqrt(12 / points)
