"""How a run's first steps went at the rate that it began with, and whether a rate that rose again set it back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from postmortem.measure.loss import missing
from postmortem.measure.rates import main_gradient_norm
from postmortem.measure.roles import Roled
from postmortem.measure.smooth import MEDIAN_TO_MEAN, Floats, finite_points, level_near, ratio, rolling_median, smooth
from postmortem.model import Measurement, Missing, Series, counted

NAMES = ("loss.early_rise", "gradnorm.early_burst", "lr.setback", "lr.cut")
EARLY_LOSS, EARLY_NORM = 0.1, 0.05
"""Shares of the points in which a start without warm-up shows."""
LEAST_POINTS = 20
NOISES = 8.0
FALLEN, RISEN = 0.5, 0.9
"""A rate was restarted where it had fallen to half of its peak and came back to nine tenths of it."""
LEAST_AFTER = 0.25
"""Share of the run that must lie behind a restart before its end is compared with what was before."""


def measure_warmups(training: Roled | None, rate: Series | None, roled: Sequence[Roled]) -> Iterator[Measurement | Missing]:
    """The measurements named in `NAMES`."""
    yield early_rise(training)
    yield early_burst(main_gradient_norm(roled))
    yield setback(training, rate)
    yield cut(rate)


def early_rise(training: Roled | None) -> Measurement | Missing:
    """Highest level of the first tenth above the start, as a share of the start; 0 where noise explains it."""
    name = "loss.early_rise"
    curve = None if training is None else smooth(training.series, LEAST_POINTS)
    if curve is None:
        return next(missing((name,), f"a training loss with {LEAST_POINTS} finite points was not logged", "longer-curve"))
    early = curve.values[: max(6, int(EARLY_LOSS * curve.points))]
    levels = rolling_median(early, 3)
    place = int(np.argmax(levels))
    start = float(curve.values[0])
    rise = float(levels[place]) - start
    seen = rise > NOISES * MEDIAN_TO_MEAN * curve.noise and start > 0
    basis = (
        f"highest median of three {levels[place]:.4g} within the first {early.size} points of {curve.tag!r}, which begins at {start:.4g}"
    )
    return Measurement(name, ratio(rise, start) if seen else 0.0, "share", basis, int(curve.steps[place + 1]) if seen else None)


def early_burst(norms: Series | None) -> Measurement | Missing:
    """Highest gradient norm of the first twentieth, after the very first point, over the median of the rest."""
    name = "gradnorm.early_burst"
    if norms is None:
        return Missing(name, "no gradient norm was logged", "gradient-norm")
    steps, values = finite_points(norms)
    early = max(4, int(EARLY_NORM * values.size))
    if values.size < 2 * LEAST_POINTS:
        return Missing(name, f"only {counted(values.size, 'finite point')} of {norms.tag!r}", "gradient-norm")
    place = 1 + int(np.argmax(values[1:early]))
    usual = max(float(np.median(values[early:])), float(values[0]))
    basis = f"highest of points 2 to {early} of {norms.tag!r} over {usual:.4g}, the larger of its first and its later median"
    return Measurement(name, ratio(float(values[place]), usual), "ratio", basis, int(steps[place]))


def restarts(values: Floats) -> list[int]:
    """Points at which a rate that had fallen to half of its peak so far turned up, to come back to nine tenths of it."""
    found: list[int] = []
    peak, lowest, place = float(values[0]), float(values[0]), 0
    for index, value in enumerate(values):
        if value < lowest:
            lowest, place = float(value), index
        if peak > 0 and lowest <= FALLEN * peak and value >= RISEN * peak:
            found.append(place)
            lowest, place = float(value), index
        if value > peak:
            peak, lowest, place = float(value), float(value), index
    return found


def setback(training: Roled | None, rate: Series | None) -> Measurement | Missing:
    """By how much of the progress before the one restart of the rate the loss ended above its level there; negative where it went on.

    Items: `restarts`; text `cycles` where there are several, as in schedules that are made of them: these are not judged.
    """
    name = "lr.setback"
    if rate is None:
        return Missing(name, "no learning rate was logged", "learning-rate")
    steps, values = finite_points(rate)
    if values.size < LEAST_POINTS or not float(values.max()) > 0:
        return Missing(name, f"only {counted(values.size, 'value')} of the learning rate, or none above 0", "learning-rate")
    places = restarts(values)
    items = {"restarts": float(len(places))}
    basis = f"{len(places)} restarts among {counted(values.size, 'point')} of {rate.tag!r}"
    if not places:
        return Measurement(name, 0.0, "ratio", f"the rate never came back; {basis}", None, items)
    step = int(steps[places[-1]])
    if len(places) > 1:
        return Measurement(name, 0.0, "ratio", basis, step, items, "cycles")
    curve = None if training is None else smooth(training.series, LEAST_POINTS)
    if curve is None:
        return Missing(name, "the rate came back, and no training loss tells what that did", "training-loss")
    if int(curve.steps[-1]) - step < LEAST_AFTER * curve.span or step - int(curve.steps[0]) < EARLY_NORM * curve.span:
        return Missing(name, f"the rate came back at step {step}, too near to an end of the run to compare", "longer-curve")
    back = step - int(EARLY_NORM * curve.span)
    before = level_near(curve, back)
    gained, lost = curve.start - before, curve.last - before
    if abs(lost) <= NOISES * curve.level_noise or not gained > NOISES * curve.level_noise:
        lost = 0.0
    return Measurement(
        name,
        ratio(lost, gained) if lost else 0.0,
        "ratio",
        f"{before:.4g} before step {step}, {curve.last:.4g} at the end; {basis}",
        step,
        items,
    )


def jumps(values: Floats) -> list[int]:
    """Points at which a rate that had fallen from its peak is back at nine tenths of it from one point to the next."""
    peaks = np.maximum.accumulate(values)
    highest = float(values.max())
    back = (values[1:] >= RISEN * highest) & (peaks[:-1] >= RISEN * highest) & (values[:-1] < RISEN * values[1:])
    return [int(index) + 1 for index in np.flatnonzero(back)]


def cut(rate: Series | None) -> Measurement | Missing:
    """Share of the peak at which a rate stood when it jumped back, once, to where it began; 0 where it never did, or often.

    A schedule that ran to its end stands near 0 there; one that was cut off and begun again stands anywhere.
    """
    name = "lr.cut"
    if rate is None:
        return Missing(name, "no learning rate was logged", "learning-rate")
    steps, values = finite_points(rate)
    if values.size < LEAST_POINTS or not float(values.max()) > 0:
        return Missing(name, f"only {counted(values.size, 'value')} of the learning rate, or none above 0", "learning-rate")
    places = jumps(values)
    items = {"jumps": float(len(places))}
    basis = f"{len(places)} jumps back to the peak among {counted(values.size, 'point')} of {rate.tag!r}"
    if len(places) != 1:
        return Measurement(name, 0.0, "share", basis, None, items)
    place = places[0]
    return Measurement(name, float(values[place - 1]) / float(values.max()), "share", basis, int(steps[place]), items)
