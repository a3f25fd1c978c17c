"""Spikes of the training loss: single points or short stretches far above what came before.

A point is a spike where it stands above the level that went before by more than eight local noises, in plain and (for positive losses)
in logarithmic terms, and by more than 5 % of the curve's progress. The level before, not the mean of both sides, so that a descent is
no spike; the noise of the neighbourhood, upper quantiles included, so that a small batch's heavy tail is none; both scales, so that a loss
bouncing near zero is none. Rises at a jump of the learning rate (warm restarts) are left out and counted in the basis.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from postmortem.measure.loss import basis_of, missing
from postmortem.measure.roles import Roled
from postmortem.measure.smooth import Floats, Ints, Smooth, block_starts, ratio, smooth
from postmortem.model import Measurement, Missing, Series, counted, number

LEAST_POINTS = 40
"""Two windows of twenty points: one gives the level, the next can rise above it."""
WINDOW_POINTS = 20
MAX_WINDOWS = 50
CALM_WINDOWS = 5
"""Windows before a point that give its noise."""
FEW_WINDOWS = 10
"""With fewer windows the noise of one of them is uncertain: the run's own is its floor, and it counts for more."""
UNCERTAIN = 1.4
NOISES = 8.0
"""The z of 6 to 8 that is usual for spike alarms; 8 with quantile-based noise is met by noise less than once in 1e6 points."""
LOG_NOISES = 5.0
LEAST_HEIGHT = 0.05
"""Of the progress."""
RECOVERED = 0.25
"""A spike has recovered when the level is back within this share of its height."""
RATE_JUMP = 1.5
"""A learning rate that rises by this factor within one window explains a rise of the loss."""
MAX_ITEMS = 50


def measure_spikes(training: Roled | None, rate: Series | None) -> Iterator[Measurement | Missing]:
    """`loss.spikes` and `loss.spikes_unrecovered`, dated by the first; items: step -> height in units of progress, highest first.

    The text is the loss at the highest one.
    """
    names = ("loss.spikes", "loss.spikes_unrecovered")
    if training is None:
        yield from missing(names, "no training loss was logged", "training-loss")
        return
    curve = smooth(training.series, LEAST_POINTS)
    if curve is None:
        finite = int(np.isfinite(training.series.values).sum())
        yield from missing(
            names, f"only {counted(finite, 'finite point')} of {training.series.tag!r}; spikes need {LEAST_POINTS}", "longer-curve"
        )
        return
    found = find_spikes(curve)
    kept = [spike for spike in found if not _at_rate_jump(curve, spike.begin, rate)]
    left_out = f", {len(found) - len(kept)} at jumps of the learning rate left out" if len(kept) < len(found) else ""
    basis = f"heights in units of progress {curve.progress:.3g}{left_out}; {basis_of(curve)}"
    for name, chosen in (("loss.spikes", kept), ("loss.spikes_unrecovered", [spike for spike in kept if not spike.recovered])):
        highest = sorted(chosen, key=lambda spike: -spike.height)[:MAX_ITEMS]
        items = {str(int(curve.steps[spike.peak])): spike.height for spike in highest}
        first = int(curve.steps[chosen[0].begin]) if chosen else None
        peak = number(float(curve.values[highest[0].peak]), 3) if highest else ""
        yield Measurement(name, float(len(chosen)), "spikes", basis, first, items, peak)


@dataclass(frozen=True, slots=True)
class Spike:
    """One stretch of points above the line."""

    begin: int
    """Its first point."""
    peak: int
    """Its highest point."""
    height: float
    """Peak over the level before, in units of progress."""
    recovered: bool


def find_spikes(curve: Smooth) -> list[Spike]:
    """Every spike, in order."""
    windows = max(2, min(MAX_WINDOWS, curve.points // WINDOW_POINTS))
    starts = block_starts(curve.points, windows)
    flagged, base = _flag(curve.values, starts, LEAST_HEIGHT * curve.progress, NOISES)
    if flagged.any() and float(curve.values.min()) > 0:
        logs = np.log(curve.values)
        flagged &= _flag(logs, starts, 0.0, LOG_NOISES)[0]
    points = np.flatnonzero(flagged)
    if not points.size:
        return []
    gap = max(2, curve.points // windows)
    found: list[Spike] = []
    for group in np.split(points, np.flatnonzero(np.diff(points) > gap) + 1):
        peak = int(group[np.argmax(curve.values[group])])
        before = float(base[group[0]])
        height = float(curve.values[peak]) - before
        recovered = _recovered(curve.values[group[0] + 1 :], before + RECOVERED * height, gap)
        found.append(Spike(int(group[0]), peak, ratio(height, curve.progress), recovered))
    return found


def _flag(values: Floats, starts: Ints, least: float, noises: float) -> tuple[NDArray[np.bool_], Floats]:
    """Points above the level before by more than `least` and so many local noises; and that level at each point."""
    ends = np.append(starts[1:], values.size)
    pieces = [values[begin:end] for begin, end in zip(starts, ends, strict=True)]
    quantiles = np.array([np.quantile(piece, [0.25, 0.5, 0.9]) for piece in pieces])
    level = quantiles[:, 1]
    # The wider of the robust deviation and the upper tail's, so that a skewed distribution is not taken for outliers.
    spread = np.maximum((quantiles[:, 1] - quantiles[:, 0]) / 0.6745, (quantiles[:, 2] - quantiles[:, 1]) / 1.2816)
    # The noise that went before, as the level: a spike's own window and those after it are disturbed by it.
    padded = np.pad(spread[:-1], (CALM_WINDOWS, 0), mode="edge")
    before_noise = np.median(sliding_window_view(padded, CALM_WINDOWS), axis=1)
    # In a short run what went before may be the first descent: then the noise about the window is the calmer one.
    about = np.pad(spread, CALM_WINDOWS // 2, mode="edge")
    noise = np.minimum(before_noise, np.median(sliding_window_view(about, CALM_WINDOWS), axis=1))
    if spread.size < FEW_WINDOWS:
        noise = UNCERTAIN * np.maximum(noise, np.median(spread))
    # The first window has no window before it: it is judged against the highest of the run's first three points.
    before = np.concatenate([[float(values[:3].max())], level[:-1]])
    counts = ends - starts
    base = np.repeat(before, counts)
    line = base + np.maximum(least, noises * np.repeat(noise, counts))
    return values > line, base


def _recovered(after: Floats, line: float, window: int) -> bool:
    """Whether the level after a spike's first point comes back under the line; True where too few points follow to tell."""
    if after.size < max(5, window // 2):
        return True
    width = min(window, after.size)
    ends = np.append(np.arange(width, after.size, width), after.size)
    return any(float(np.median(after[max(0, end - width) : end])) <= line for end in ends)


def _at_rate_jump(curve: Smooth, point: int, rate: Series | None) -> bool:
    if rate is None or rate.values.size < 3:
        return False
    width = max(2, curve.points // min(MAX_WINDOWS, max(2, curve.points // WINDOW_POINTS)))
    begin, end = int(curve.steps[max(0, point - width)]), int(curve.steps[point])
    low, high = np.searchsorted(rate.steps, [begin, end])
    seen = rate.values[max(0, low - 1) : high + 1]
    seen = seen[np.isfinite(seen)]
    if seen.size < 2:
        return False
    rises = seen[1:] > RATE_JUMP * np.maximum(seen[:-1], 1e-300)
    # A warm-up rises too, but from the run's start: there a spike is news.
    return bool(rises.any()) and not bool(np.all(np.diff(rate.values[: high + 1]) >= 0))
