"""The shape of the training loss: early drop, divergence, plateaus, oscillation. All in units of its own progress and noise."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from postmortem.measure.loss import LEAST_POINTS, basis_of, lost_from, missing
from postmortem.measure.plateaus import plateaus
from postmortem.measure.roles import Roled
from postmortem.measure.smooth import Smooth, ratio, smooth
from postmortem.model import Measurement, Missing, counted

EARLY = 0.02
"""Share of the run in which an early drop falls."""
EARLY_WIDEST = 0.05
"""Widest share that is still called early where points are sparse."""

SHAPES = (
    "loss.early_drop",
    "loss.divergence",
    "loss.divergence_noise",
    "loss.plateau",
    "loss.plateau_last",
    "loss.oscillation",
    "loss.late_start",
    "loss.relapse",
)
FEW = 5
"""Points of the shortest stretch that has a level."""
STARTED = 0.1
"""Share of the whole fall that is a start."""


def measure_shape(training: Roled | None) -> Iterator[Measurement | Missing]:
    """Early drop, divergence, plateaus and oscillation of the training loss."""
    if training is None:
        yield from missing(SHAPES, "no training loss was logged", "training-loss")
        return
    curve = smooth(training.series, LEAST_POINTS)
    if curve is None:
        finite = int(np.isfinite(training.series.values).sum())
        yield from missing(SHAPES, f"only {counted(finite, 'finite point')} of {training.series.tag!r}", "longer-curve")
        return
    if curve.span <= 0:
        yield from missing(SHAPES, f"all points of {training.series.tag!r} stand at one step", "longer-curve")
        return
    yield early_drop(curve)
    yield from divergence(curve, "before it became NaN or infinite" if lost_from(training) else "at the end")
    yield from plateaus(curve)
    yield oscillation(curve)
    yield late_start(curve)
    yield relapse(curve)


def relapse(curve: Smooth) -> Measurement | Missing:
    """Last level over the start, where the loss is positive; dated by the first point above the start after the lowest.

    Items: the `lowest` median of five points over the start, and the lowest of these five points as it was logged (`low`, `low_step`).
    Unlike `loss.divergence` it asks for no quiet curve: a loss that blew up again and again has none.
    """
    name = "loss.relapse"
    if curve.start <= 0 or float(curve.values.min()) <= 0 or curve.points < 2 * FEW:
        return Missing(name, f"{curve.tag!r} has no points that are all above 0", "longer-curve")
    medians = np.median(sliding_window_view(curve.values, FEW), axis=1)
    at = int(np.argmin(medians))
    lowest = float(medians[at])
    above = np.flatnonzero(curve.values[at:] > curve.start)
    step = int(curve.steps[at + above[0]]) if above.size else None
    basis = f"last {curve.last:.4g}, start {curve.start:.4g}, lowest {lowest:.4g} at step {int(curve.steps[at])}; {basis_of(curve)}"
    bottom = at + int(np.argmin(curve.values[at : at + FEW]))
    items = {
        "lowest": lowest / curve.start,
        "low": float(curve.values[bottom]),
        "low_step": float(curve.steps[bottom]),
        "start": curve.start,
    }
    return Measurement(name, ratio(curve.last, curve.start), "ratio", basis, step, items)


def late_start(curve: Smooth) -> Measurement | Missing:
    """Share of the run's steps that go by before the loss has made a tenth of its fall. Where it never falls there is no start."""
    name, fall = "loss.late_start", curve.start - curve.lowest
    if fall <= max(5 * curve.level_noise, 3 * curve.noise / STARTED):
        return Missing(name, f"{curve.tag!r} did not fall far beyond its noise, so that no fall could start late", "", applies=False)
    fallen = np.flatnonzero(curve.blocks <= curve.start - STARTED * fall)
    if not fallen.size:
        return Missing(name, f"no stretch of {curve.tag!r} lies below its start", "longer-curve")
    step = int(curve.block_steps[fallen[0]])
    share = (step - int(curve.steps[0])) / curve.span
    basis = f"a tenth of the fall from {curve.start:.4g} to {curve.lowest:.4g} is made by step {step}; {basis_of(curve)}"
    return Measurement(name, share, "share", basis, step)


def early_drop(curve: Smooth) -> Measurement | Missing:
    """Share of the whole fall, from the first point, that lies within the first 2 % of the run's steps.

    Needs a second point within the first 5 %. Items: the level after the drop (median of the last three points of the window), the
    step of its last point, and the `part` of the run until there.
    """
    name = "loss.early_drop"
    first, begin = float(curve.values[0]), int(curve.steps[0])
    second = int(curve.steps[1])
    if second - begin > EARLY_WIDEST * curve.span:
        share = (second - begin) / curve.span
        return Missing(name, f"the second point of {curve.tag!r} stands {share:.0%} into the run", "longer-curve")
    end = max(begin + EARLY * curve.span, second)
    inside = int(np.searchsorted(curve.steps, end, side="right"))
    after = float(np.median(curve.values[max(1, inside - 3) : inside]))
    whole = first - curve.lowest
    reached = int(curve.steps[inside - 1])
    items = {"level_after": after, "end": float(reached), "part": (reached - begin) / curve.span}
    basis = f"{first:.4g} to {after:.4g} of the fall to {curve.lowest:.4g}, by step {int(curve.steps[inside - 1])}; {basis_of(curve)}"
    if whole <= max(5 * curve.level_noise, 4 * curve.noise):
        return Measurement(name, 0.0, "share", f"the loss did not fall beyond its noise; {basis_of(curve)}", begin, items)
    return Measurement(name, max(0.0, ratio(first - after, whole)), "share", basis, begin, items)


def divergence(curve: Smooth, end: str) -> Iterator[Measurement]:
    """Rise of the last level over the lowest one, in units of progress; `first_step`: from there on the loss is mostly above `line`."""
    rise = curve.last - curve.lowest
    line = curve.lowest + max(0.1 * rise, min(3 * curve.noise, 0.5 * rise))
    onset = _onset(curve, rise, line)
    basis = (
        f"level {curve.last:.4g} {end}, lowest level {curve.lowest:.4g} about step {curve.lowest_step}, "
        f"progress {curve.progress:.3g}; {basis_of(curve)}"
    )
    items = {"line": line} if rise > 0 else {}
    yield Measurement("loss.divergence", ratio(rise, curve.progress), "ratio", basis, onset, items)
    yield Measurement(
        "loss.divergence_noise", ratio(rise, curve.level_noise), "ratio", f"rise {rise:.3g} over {curve.level_noise:.2g}; {basis}", onset
    )


def _onset(curve: Smooth, rise: float, line: float) -> int | None:
    """The first step after the last block that was still below the line."""
    if rise <= 0:
        return None
    low = np.flatnonzero(curve.blocks <= line)
    begin = int(curve.block_of[low[-1]]) if low.size else 0
    above = np.flatnonzero(curve.values[begin:] > line)
    if not above.size:
        return int(curve.steps[-1])
    # Within the last low block single points may lie above the line too: the onset is where most of what follows does.
    for index in above:
        following = curve.values[begin + index : begin + index + 5]
        if np.median(following) > line:
            return int(curve.steps[begin + index])
    return int(curve.steps[begin + int(above[0])])


def oscillation(curve: Smooth) -> Measurement:
    """Robust standard deviation of the second half about its own trend, in units of progress.

    Items: `deviation`, the `level` of the second half, `lag1` (correlation of neighbouring residuals: 0 for the noise of batches, towards
    +-1 where the weights themselves swing) and `lag1_noise` (what pure noise of this length gives, one standard deviation).
    """
    half = curve.values[curve.points // 2 :]
    level = float(np.median(half))
    index = np.arange(half.size, dtype=np.float64)
    third = max(1, half.size // 3)
    # The line through the medians of the outer thirds: robust, and exact for a straight line.
    rise = (float(np.median(half[-third:])) - float(np.median(half[:third]))) / max(1, half.size - third)
    residual = half - (level + rise * (index - index.mean()))
    low, high = np.quantile(residual, [0.16, 0.84])
    deviation = float(high - low) / 2
    clipped = np.clip(residual - np.median(residual), -3 * deviation, 3 * deviation)
    power = float(np.dot(clipped, clipped))
    lag1 = float(np.dot(clipped[:-1], clipped[1:]) / power) if power > 0 else 0.0
    items = {"deviation": deviation, "level": level, "lag1": lag1, "lag1_noise": 1 / math.sqrt(half.size)}
    basis = f"deviation {deviation:.3g} about level {level:.4g}, progress {curve.progress:.3g}; second half of {basis_of(curve)}"
    return Measurement("loss.oscillation", ratio(deviation, curve.progress), "ratio", basis, int(curve.steps[curve.points // 2]), items)
