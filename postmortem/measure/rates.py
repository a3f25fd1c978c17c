"""Learning rate and gradient norm over the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from postmortem.measure.loss import missing
from postmortem.measure.roles import Roled
from postmortem.measure.settings import RATE, number_of, settings
from postmortem.measure.smooth import Floats, Ints, finite_points, ratio
from postmortem.model import Checkpoint, Measurement, Missing, RunData, Series, counted

LEAST_POINTS = 10
DEAD = 1e-3
"""A learning rate below this share of its peak is as good as 0."""
SAME = 0.005
"""Gradient norms within 0.5 % of the maximum count as equal to it."""
FEWEST_TOGETHER = 4
TOGETHER = 1e-3
"""Rates within this share of each other are one."""
_OWN = ("epoch", "learning-rate")
_ROUNDING = 1e-4
EARLY = 0.05
"""Share of the points in which gradients may be wild."""

LR = ("lr.first", "lr.max", "lr.last", "lr.max_step", "lr.dead_share", "lr.late_rise")
NORM = ("gradnorm.median", "gradnorm.burst", "gradnorm.constant_share", "gradnorm.growth")


def main_rate(roled: Sequence[Roled]) -> Series | None:
    """The learning rate that stands for the run: of the longest series the one with the highest peak (groups of parameters differ).

    Of groups that come to one and the same rate it is the one with the lowest peak: YOLO's trainers let the rate of biases fall from 0.1
    while all others rise from 0.
    """
    rates = [one.series for one in roled if one.role == "learning-rate" and np.isfinite(one.series.values).any()]
    highest = max(rates, key=lambda one: (one.values.size, _peak(one)), default=None)
    return None if highest is None else min((one for one in rates if one is highest or _come_together(one, highest)), key=_peak)


def _peak(series: Series) -> float:
    return float(np.nanmax(series.values))


def _come_together(one: Series, other: Series) -> bool:
    """Whether two rates of the same steps come nearer and nearer, and are equal in the last quarter of the run."""
    size = one.values.size
    if size < FEWEST_TOGETHER or one.values.shape != other.values.shape or not np.array_equal(one.steps, other.steps):
        return False
    apart = np.abs(one.values - other.values)
    apart[apart <= TOGETHER * np.abs(other.values)] = 0.0
    late = slice(size - max(2, size // 4), size)
    return bool(np.any(other.values[late] > 0) and np.all(apart[late] == 0) and np.all(np.diff(apart) <= 0))


def _group_rate(checkpoint: Checkpoint, key: str = "lr") -> float | None:
    rates = [group.get(key) for optimizer in checkpoint.optimizers for group in optimizer.groups]
    numbers = [float(rate) for rate in rates if isinstance(rate, (int, float)) and not isinstance(rate, bool)]
    return max(numbers, default=None)


def _rates(run: RunData, roled: Sequence[Roled]) -> tuple[Ints, Floats, str] | None:
    """Steps and learning rates with their basis: from tags, else from the optimizers' groups, else the one of the settings."""
    series = main_rate(roled)
    if series is not None:
        steps, values = finite_points(series)
        basis = f"{series.tag!r} of {series.source}, {counted(values.size, 'point')}"
        if values.max() > 0 or not any((_group_rate(one) or 0.0) > 0 for one in run.checkpoints):
            return steps, values, basis
        # What was logged is the rate of one group that stands still; others do not.
    saved = [(one.step, _group_rate(one)) for one in run.checkpoints]
    known = [(step, rate) for step, rate in saved if step is not None and rate is not None]
    base = _group_rate(run.checkpoints[0], "initial_lr") if run.checkpoints else None
    falls = all(later[1] <= earlier[1] for earlier, later in pairwise(known)) and len({rate for _, rate in known}) > 1
    if falls and known[0][0] > 0 and base is not None and base > known[0][1]:
        known.insert(0, (0, base))  # a schedule that falls had begun before the first checkpoint; in a warm-up it begins elsewhere
    if known:
        return (
            np.array([step for step, _ in known]),
            np.array([rate for _, rate in known]),
            f"optimizer groups of {counted(len(known), 'checkpoint')}",
        )
    setting = number_of(settings(run), RATE)
    if setting is not None:
        return np.array([0]), np.array([setting[1]]), f"setting {setting[0]!r}"
    return None


def measure_rate(run: RunData, roled: Sequence[Roled], last_step: int | None) -> Iterator[Measurement | Missing]:
    """First, highest and last learning rate, and the share of the run at its end that was spent at as good as 0.

    `last_step`: the last step that anything was logged at; a rate that stays at 0 counts up to it.
    """
    found = _rates(run, roled)
    if found is None:
        yield from missing(LR, "no learning rate was logged, stored or set", "learning-rate")
        return
    steps, values, basis = found
    highest = int(np.argmax(values))
    peak = float(values[highest])
    yield Measurement("lr.first", float(values[0]), "per step", basis, int(steps[0]))
    yield Measurement("lr.max", peak, "per step", basis, int(steps[highest]))
    yield Measurement("lr.last", float(values[-1]), "per step", basis, int(steps[-1]))
    yield Measurement("lr.max_step", float(steps[highest]), "step", basis, int(steps[highest]))
    yield _late_rise(steps, values, basis)
    if values.size < 4:
        yield Missing("lr.dead_share", f"only {counted(values.size, 'value')} of the learning rate", "learning-rate")
        return
    if peak <= 0:
        yield Measurement("lr.dead_share", 1.0, "share", f"the learning rate is 0 throughout; {basis}", int(steps[0]))
        return
    # Where the rate is logged as long as anything is, a checkpoint further on counts in other units: logs in epochs beside steps.
    logged = max((int(one.series.steps[-1]) for one in roled if one.series.steps.size and one.role not in _OWN), default=None)
    end = int(steps[-1]) if logged is not None and int(steps[-1]) >= logged else max(int(steps[-1]), last_step or 0)
    # Three milestones that divide by ten come to a thousandth as floats have it.
    alive = np.flatnonzero(values > DEAD * peak * (1 + _ROUNDING))
    from_step = int(steps[alive[-1] + 1]) if alive[-1] + 1 < values.size else end
    span = end - min(0, int(steps[0]))
    share = (end - from_step) / span if span > 0 else 0.0
    said = f"at most {DEAD:g} of the peak {peak:.3g} from step {from_step} to {end}; {basis}"
    yield Measurement("lr.dead_share", share, "share", said, from_step if share > 0 else None)


def _late_rise(steps: Ints, values: Floats, basis: str) -> Measurement | Missing:
    """The last rate over that of the middle of the run; 1 where it falls anywhere in the second half.

    Items: both rates, `middle` and `end`.
    """
    name = "lr.late_rise"
    if values.size < 3 or steps[-1] <= steps[0]:
        return Missing(name, f"only {counted(values.size, 'value')} of the learning rate", "learning-rate")
    middle = int(np.searchsorted(steps, (int(steps[0]) + int(steps[-1])) / 2))
    later = values[middle:]
    falls = bool((np.diff(later) < 0).any()) or later.size < 2
    value = 1.0 if falls else ratio(float(later[-1]), float(later[0]))
    said = "it falls again in the second half" if falls else f"{later[-1]:.3g} over {later[0]:.3g} at step {int(steps[middle])}"
    begin = values.size - 1
    while begin > 0 and values[begin - 1] <= values[begin]:
        begin -= 1
    # Where it rests before it rises, the rise begins at the end of the rest.
    begin = int(np.flatnonzero(values[begin:] <= values[begin])[-1]) + begin
    items = {"middle": float(later[0]), "end": float(later[-1])}
    return Measurement(name, value, "ratio", f"{said}; {basis}", int(steps[begin]), items)


def logged_rate(roled: Sequence[Roled]) -> tuple[Ints, Floats] | None:
    """Steps and values of the learning rate that was logged."""
    series = main_rate(roled)
    return None if series is None else finite_points(series)


def main_gradient_norm(roled: Sequence[Roled]) -> Series | None:
    """The gradient norm of the whole model: the longest series, the shortest tag among equals."""
    norms = [one.series for one in roled if one.role == "gradient-norm" and one.series.values.size]
    return max(norms, key=lambda one: (one.values.size, -len(one.tag)), default=None)


def measure_gradient_norm(roled: Sequence[Roled], clip_norm: float | None) -> Iterator[Measurement | Missing]:
    """Median, bursts, growth and constancy of the gradient norm, and how often it lay above the clip norm."""
    series = main_gradient_norm(roled)
    extra = ("gradnorm.nonfinite", "gradnorm.nonfinite_share", "gradnorm.clipped_share")
    if series is None:
        yield from missing((*NORM, *extra), "no gradient norm was logged", "gradient-norm")
        return
    where = f"{series.tag!r} of {series.source}"
    bad = ~np.isfinite(series.values)
    first_bad = int(series.steps[int(np.argmax(bad))]) if bad.any() else None
    yield Measurement("gradnorm.nonfinite", float(bad.sum()), "points", f"{counted(series.values.size, 'point')} of {where}", first_bad)
    yield Measurement(
        "gradnorm.nonfinite_share", float(bad.mean()), "share", f"{counted(series.values.size, 'point')} of {where}", first_bad
    )
    steps, values = finite_points(series)
    if values.size < LEAST_POINTS:
        yield from missing(
            (*NORM, "gradnorm.clipped_share"), f"only {counted(values.size, 'finite point')} of {series.tag!r}", "gradient-norm"
        )
        return
    basis = f"{where}, {counted(values.size, 'finite point')}"
    skipped = max(1, int(EARLY * values.size))
    tenth = max(3, values.size // 10)
    middle = float(np.median(values))
    early = float(np.median(values[skipped : skipped + tenth]))
    late = float(np.median(values[-tenth:]))
    highest = float(values.max())
    yield Measurement("gradnorm.median", middle, "gradient norm", basis)
    yield _burst(steps, values, skipped, max(middle, early, float(np.median(values[:skipped]))), basis)
    same = float(np.mean(values >= highest * (1 - SAME))) if highest > 0 else 1.0
    items = {"points": float(round(same * values.size))}
    yield Measurement("gradnorm.constant_share", same, "share", f"within {SAME:.1%} of the maximum {highest:.4g}; {basis}", items=items)
    yield Measurement(
        "gradnorm.growth",
        ratio(late, early),
        "ratio",
        f"last tenth {late:.4g} over {early:.4g} early, the first {skipped} points left out; {basis}",
    )
    if clip_norm is None:
        yield Missing("gradnorm.clipped_share", "no setting gives a clip norm", "clip-norm")
    else:
        over = float(np.mean(values > clip_norm * (1 + SAME)))
        yield Measurement(
            "gradnorm.clipped_share",
            over,
            "share",
            f"above the clip norm {clip_norm:g}; {basis}",
            None,
            {"median_over_clip": middle / clip_norm},
        )


def _burst(steps: Ints, values: Floats, skipped: int, usual: float, basis: str) -> Measurement:
    """Highest norm after the start over the usual norm: the largest of the run's median, that of the start and that shortly after.

    Early in a run the norm is at its healthy size; against the median alone, a model that has converged (norms near 0) would burst.
    `first_step` is the first step above a tenth of the way, in ratio, to the highest. Item: the `usual` norm.
    """
    later = values[skipped:]
    value = ratio(float(later.max()), usual)
    line = usual * max(1.0, value) ** 0.9
    first = int(steps[skipped + int(np.argmax(later >= min(line, float(later.max()))))])
    told = f"highest after the first {skipped} points over the usual {usual:.4g}; {basis}"
    return Measurement("gradnorm.burst", value, "ratio", told, first, {"usual": usual})
