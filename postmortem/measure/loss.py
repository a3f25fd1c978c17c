"""Levels of the training loss: first, last, lowest, how far it fell, and non-finite points."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from postmortem.measure.roles import Roled, main
from postmortem.measure.smooth import Smooth, finite_points, ratio, smooth
from postmortem.model import Measurement, Missing, Series, counted

LEAST_POINTS = 10
"""Fewer points than this have a first and a last value, but no shape."""
IS_TOTAL = 0.9
"""Share of the points at which a total must be at least its regularization to be a total of both."""


def missing(names: Sequence[str], reason: str, log_next: str, applies: bool = True) -> Iterator[Missing]:
    """The same reason for several measurements."""
    for name in names:
        yield Missing(name, reason, log_next, applies)


def basis_of(curve: Smooth) -> str:
    """Tag, file, points and steps of a curve."""
    return f"{curve.tag!r} of {curve.source}, {curve.points} finite points, steps {curve.steps[0]} to {curve.steps[-1]}"


DATA_LOSS = "data loss"
"""What the loss without regularization is called in a sentence, where a total was logged beside it."""
LEVELS = ("loss.last", "loss.lowest", "loss.improvement", "loss.improvement_noise", "loss.noise")


def measure_levels(training: Roled | None, data: Roled | None = None) -> Iterator[Measurement | Missing]:
    """First, last and lowest level of the training loss, its noise and its fall.

    The fall is that of `data`, the loss without regularization, where it is known: a penalty that shrinks is no learning. Then its text is
    `data loss`. Levels are medians; what was logged there are the items `logged` (of `loss.last` the last finite point, at its
    `first_step`; of `loss.lowest` the lowest point that the level stands for, at `logged_step`). `loss.last` has an item `lost` where the
    curve ends as NaN or infinity: the step from which on it does.
    """
    names = ("loss.first", "loss.points", *LEVELS, "loss.negative")
    if training is None:
        yield from missing(names, "no training loss was logged", "training-loss")
        return
    steps, values = finite_points(training.series)
    if not values.size:
        yield from missing(names, f"{training.series.tag!r} has no finite point", "training-loss")
        return
    where = f"{training.series.tag!r} of {training.series.source}"
    yield Measurement("loss.first", float(values[0]), "loss", f"{where}, first finite point", int(steps[0]))
    yield Measurement("loss.points", float(values.size), "points", f"finite points of {where}")
    below = values < 0
    first_below = int(steps[int(np.argmax(below))]) if below.any() else None
    yield Measurement("loss.negative", float(below.sum()), "points", f"points below 0 of {values.size} of {where}", first_below)
    curve = smooth(training.series, LEAST_POINTS)
    if curve is None:
        yield from missing(LEVELS, f"only {counted(values.size, 'finite point')} of {training.series.tag!r}", "longer-curve")
        return
    basis = basis_of(curve)
    logged = {"logged": float(curve.values[-1])} | lost_from(training)
    yield Measurement("loss.last", curve.last, "loss", f"median of the last tenth of {basis}", int(curve.steps[-1]), logged)
    low = {"logged": curve.low, "logged_step": float(curve.low_step)}
    yield Measurement("loss.lowest", curve.lowest, "loss", f"lowest median over a tenth of {basis}", curve.lowest_step, low)
    yield Measurement("loss.noise", curve.noise, "loss", f"robust standard deviation about the line through both neighbours; {basis}")
    fitted = None if data is None else smooth(data.series, LEAST_POINTS)
    yield from _fall(fitted or curve, DATA_LOSS if fitted is not None else "")


def lost_from(training: Roled) -> dict[str, float]:
    """An item `lost`: the step from which on no point is finite, where the curve ends so."""
    finite = np.isfinite(training.series.values)
    return {} if finite[-1] else {"lost": float(training.series.steps[int(np.flatnonzero(finite)[-1]) + 1])}


def _fall(curve: Smooth, of: str) -> Iterator[Measurement]:
    basis = basis_of(curve)
    fall = curve.start - curve.lowest
    noise = math.hypot(curve.level_noise, curve.start_noise)
    yield Measurement(
        "loss.improvement", ratio(fall, curve.size), "share", f"start {curve.start:.4g} less lowest {curve.lowest:.4g}; {basis}", text=of
    )
    yield Measurement(
        "loss.improvement_noise",
        ratio(fall, noise),
        "ratio",
        f"fall {fall:.3g} over {noise:.2g}, the noise of the difference of both levels; {basis}",
    )


LOSS_ROLES = ("training-loss", "data-loss", "part-of-loss", "regularization")


def measure_nonfinite(roled: Sequence[Roled]) -> Iterator[Measurement | Missing]:
    """Non-finite points of all training losses; where the first came, what went before it, and whether the end is finite."""
    names = ("loss.nonfinite", "loss.before_nonfinite", "loss.nonfinite_tail", "loss.finite_before")
    losses = [one for one in roled if one.role in LOSS_ROLES and one.split in ("train", "") and one.series.values.size]
    if not losses:
        yield from missing(names, "no training loss was logged", "training-loss")
        return
    bad = {one.series.tag: ~np.isfinite(one.series.values) for one in losses}
    items = {tag: float(flags.sum()) for tag, flags in bad.items() if flags.any()}
    firsts = [int(one.series.steps[int(np.argmax(bad[one.series.tag]))]) for one in losses if one.series.tag in items]
    points = sum(one.series.values.size for one in losses)
    basis = f"{counted(points, 'point')} of {len(losses)} training-loss tags"
    yield Measurement("loss.nonfinite", sum(items.values()), "points", basis, min(firsts, default=None), items)
    # Where none is bad, all points of the shortest are before the first that would be.
    counts = {tag: float(np.argmax(flags)) for tag, flags in bad.items() if tag in items}
    counts = counts or {tag: float(flags.size) for tag, flags in bad.items()}
    yield Measurement("loss.finite_before", min(counts.values()), "points", basis, min(firsts, default=None), counts)
    worst = max(losses, key=lambda one: int(bad[one.series.tag].sum()))
    yield _tail(worst)
    yield _before(worst) if items else Missing("loss.before_nonfinite", "no loss is non-finite", "training-loss")


def _tail(one: Roled) -> Measurement:
    tail = one.series.values[-max(1, one.series.values.size // 10) :]
    basis = f"last {counted(tail.size, 'point')} of {one.series.tag!r}"
    return Measurement("loss.nonfinite_tail", float(np.mean(~np.isfinite(tail))), "share", basis)


def _before(one: Roled) -> Measurement | Missing:
    """Highest value shortly before the first non-finite point, over the early median."""
    values, steps = one.series.values, one.series.steps
    first = int(np.argmax(~np.isfinite(values)))
    if first < 3:
        return Missing(
            "loss.before_nonfinite", f"only {first} points of {one.series.tag!r} before the first non-finite one", "longer-curve"
        )
    early = values[: max(3, min(first // 2, values.size // 20))]
    before = values[max(0, first - max(5, first // 20)) : first]
    basis = f"highest of {before.size} points before step {int(steps[first])} over the median of the first {early.size}, {one.series.tag!r}"
    level = float(np.median(early))
    return Measurement("loss.before_nonfinite", ratio(float(before.max()), abs(level)), "ratio", basis, int(steps[first]))


def compared_loss(roled: Sequence[Roled]) -> Roled | None:
    """The training loss without regularization: logged apart, or the total less what was logged as regularization; else None.

    It alone compares with chance, and its fall alone is learning.
    """
    data, total, regularization = main(roled, "data-loss"), main(roled, "training-loss"), main(roled, "regularization")
    if data is not None or total is None or regularization is None:
        return data
    steps, values = finite_points(total.series)
    at, penalty = finite_points(regularization.series)
    if not steps.size or not at.size:
        return None
    inside = (steps >= at[0]) & (steps <= at[-1])
    steps, rest = steps[inside], values[inside] - np.interp(steps[inside], at, penalty)
    if rest.size < LEAST_POINTS or float(np.mean(rest >= -1e-6 * np.abs(values[inside]))) < IS_TOTAL:
        return None
    tag = f"{total.series.tag} less {regularization.series.tag}"
    series = Series(tag, total.series.group, steps, rest, np.full(rest.size, np.nan), total.series.source)
    return Roled(series, "data-loss", total.split, "the total less the regularization")
