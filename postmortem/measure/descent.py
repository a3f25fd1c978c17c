"""How the fall of the training loss is spread over the run: all of it early, as where it is learned, or as much late as early."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from postmortem.measure.loss import LEAST_POINTS, basis_of, missing
from postmortem.measure.roles import Roled
from postmortem.measure.smooth import Smooth, finite_points, level_near, ratio, smooth
from postmortem.model import Measurement, Missing, Series

NAMES = ("loss.late_fall", "loss.late_fall_noise")
NARROWEST = 0.1
"""The middle lies at least this share of the run from both ends, so that there are levels on both sides."""
CLIMBED = 5.0
"""A level so many noises above the start is a climb: what the first half brought is counted from its top."""


def measure_descent(training: Roled | None, rate: Series | None) -> Iterator[Measurement | Missing]:
    """Fall over the second half of the run beside that over the first, and how many noises of a level the second is.

    Halves are equal in the sum of the learning rates, where they were logged, else in steps: what a gradient can do is counted in that.
    A loss that decays exponentially with rate k (per run) gives exp(-k / 2): 0.61 where it came 63 % of its way, 0.22 where it came 95 %,
    1 for a straight line, which is the beginning of any descent. Both are 0 or less where the second half fell by nothing.

    A loss that climbed and came back has fallen by the way down from its top, and what it comes back to its start is no fall of the
    second half: nothing is learned by it. Item `top`: the highest level before the middle, where the loss climbed.
    """
    if training is None:
        yield from missing(NAMES, "no training loss was logged", "training-loss")
        return
    curve = smooth(training.series, LEAST_POINTS)
    if curve is None or curve.span <= 0:
        yield from missing(NAMES, f"too few finite points of {training.series.tag!r} at steps that differ", "longer-curve")
        return
    middle_step, clock = _middle(curve, rate)
    middle = level_near(curve, middle_step)
    top = _top(curve, middle_step)
    climbed = top - curve.start > CLIMBED * math.hypot(curve.level_noise, curve.start_noise)
    early = (top if climbed else curve.start) - middle
    late = (min(middle, curve.start) if climbed else middle) - curve.last
    way = f"{curve.start:.4g} over {top:.4g}" if climbed else f"{curve.start:.4g}"
    basis = f"{way} to {middle:.4g} at step {middle_step} ({clock}) to {curve.last:.4g}; {basis_of(curve)}"
    items = {"start": curve.start, "middle": middle, "last": curve.last} | ({"top": top} if climbed else {})
    # Where the first half rose or rested, all of the fall is late: as late as that of a straight line, or later.
    share = ratio(late, early) if early > 0 else float(late > 0)
    yield Measurement(NAMES[0], min(share, 10.0), "ratio", basis, None, items)
    yield Measurement(NAMES[1], ratio(late, 1.414 * curve.level_noise), "ratio", f"{late:.3g} over the noise of two levels; {basis}")


def _top(curve: Smooth, middle_step: int) -> float:
    """The highest level whose window ends before the middle of the run; the start where there is none."""
    ends = curve.block_of[curve.window :]
    inside = int(np.searchsorted(curve.steps[ends], middle_step, side="right"))
    return float(curve.levels[:inside].max(initial=curve.start))


def _middle(curve: Smooth, rate: Series | None) -> tuple[int, str]:
    begin, end = int(curve.steps[0]), int(curve.steps[-1])
    half = begin + curve.span // 2
    if rate is None:
        return half, "half of the steps"
    steps, values = finite_points(rate)
    inside = (steps >= begin) & (steps <= end)
    steps, values = steps[inside].astype(np.float64), np.maximum(values[inside], 0.0)
    if steps.size < LEAST_POINTS or values.max(initial=0.0) <= 0:
        return half, "half of the steps"
    done = np.concatenate([[0.0], np.cumsum(0.5 * (values[1:] + values[:-1]) * np.diff(steps))])
    if done[-1] <= 0:
        return half, "half of the steps"
    middle = float(np.interp(0.5 * done[-1], done, steps))
    return int(min(max(middle, begin + NARROWEST * curve.span), end - NARROWEST * curve.span)), "half of all learning rates"
