"""The validation loss and accuracy against those of training: rise after the best point, gap at the end, accuracy levels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from postmortem.measure.loss import basis_of, lost_from, missing
from postmortem.measure.roles import Roled, main, same_steps
from postmortem.measure.smooth import MEDIAN_TO_MEAN, Floats, Ints, Smooth, finite_points, level_near, ratio, rolling_median, smooth
from postmortem.measure.tags import words
from postmortem.model import Measurement, Missing, counted

OF_EVALUATION = frozenset({"map", "map50", "map75", "ap", "ap50", "ap75"})
"""Metrics of detectors, which nobody takes on training data."""
HIGHER_IS_BETTER = OF_EVALUATION | {"iou", "miou", "dice", "f1", "auc", "auroc", "jaccard", "kappa", "mcc"}
"""Metrics between 0 and 1 (or 100) that a run without an accuracy is judged by."""
LEAST_POINTS = 5
LEAST_ACCURACY_POINTS = 3

RISE = ("validation.rise", "validation.rise_noise", "validation.rise_progress", "validation.train_fall_after_best")
GAP = ("validation.gap", "validation.gap_share")


def measure_validation(training: Roled | None, validation: Roled | None, chance: float | None) -> Iterator[Measurement | Missing]:
    """Every `validation.*` measurement that rests on the two losses. `chance` is ln C, where it is known."""
    if validation is None:
        yield from missing(("validation.points", "validation.nonfinite", *RISE, *GAP), "no validation loss was logged", "validation-loss")
        return
    yield _nonfinite(validation)
    points = int(np.isfinite(validation.series.values).sum())
    yield Measurement(
        "validation.points", float(points), "points", f"finite points of {validation.series.tag!r} of {validation.series.source}"
    )
    curve = smooth(validation.series, LEAST_POINTS)
    if curve is None:
        yield from missing((*RISE, *GAP), f"only {counted(points, 'finite point')} of {validation.series.tag!r}", "validation-loss")
        return
    trained = None if training is None else smooth(training.series, LEAST_POINTS)
    apart = training is not None and not same_steps(training.series, validation.series)
    yield from _rise(curve, trained, apart, lost_from(validation))
    yield from _gap(curve, trained, chance, lost_from(validation))


def _nonfinite(validation: Roled) -> Measurement | Missing:
    """Evaluations whose loss is NaN or infinite, after the first that was finite; items: `evaluations`, and how many are the `last`."""
    series, name = validation.series, "validation.nonfinite"
    good = np.flatnonzero(np.isfinite(series.values))
    if not good.size:
        return Missing(name, f"{series.tag!r} has no finite point, as where nothing was evaluated", "validation-loss")
    every = _evaluated(series.values, good)
    bad = every[~np.isfinite(series.values[every])]
    items = {"evaluations": float(every.size), "last": float(np.count_nonzero(every > good[-1]))}
    basis = f"{counted(series.values.size, 'evaluation')} of {series.tag!r} of {series.source}"
    return Measurement(name, float(bad.size), "evaluations", basis, int(series.steps[bad[0]]) if bad.size else None, items)


def _evaluated(values: Floats, good: Ints) -> Ints:
    """Points from the first finite one on; of a column that is written each epoch and holds NaN between evaluations these alone."""
    interval = int(np.diff(good).min()) if good.size > 1 else 1
    # Two finite points are always at one distance; three are a rhythm.
    regular = good.size > 2 and bool(np.all(np.diff(good) == interval)) and not np.isinf(values[good[0] :]).any()
    return np.arange(good[0], values.size, interval if regular else 1)


def _best(curve: Smooth) -> tuple[int, float]:
    """Point and level of the best validation loss: the lowest median of three neighbours, ends included."""
    levels = np.concatenate([[np.median(curve.values[:2])], rolling_median(curve.values, 3), [np.median(curve.values[-2:])]])
    point = int(np.argmin(levels))
    return point, float(levels[point])


def _rise(curve: Smooth, trained: Smooth | None, apart: bool, lost: dict[str, float]) -> Iterator[Measurement | Missing]:
    point, best = _best(curve)
    last = float(np.median(curve.values[-max(3, curve.points // 10) :])) if point < curve.points - 3 else best
    # The level says how good, a point says where: the lowest of the three that the level is the median of.
    near = max(0, point - 1)
    point = near + int(np.argmin(curve.values[near : point + 2]))
    step = int(curve.steps[point])
    rise = last - best
    basis = f"best {best:.4g} about step {step}, last {last:.4g}; {basis_of(curve)}"
    items = {"best": float(curve.values[point]), "last": last, "logged": float(curve.values[-1])} | lost
    yield Measurement("validation.rise", ratio(rise, abs(best)), "share", basis, step, items)
    noise = MEDIAN_TO_MEAN * curve.noise / math.sqrt(3)
    yield Measurement(
        "validation.rise_noise", ratio(rise, noise), "ratio", f"rise {rise:.3g} over the noise {noise:.2g} of a level; {basis}", step
    )
    fall = float(np.median(curve.values[:2])) - best
    yield Measurement(
        "validation.rise_progress", ratio(rise, max(fall, 0.05 * abs(best))), "ratio", f"rise over the fall before; {basis}", step
    )
    name = "validation.train_fall_after_best"
    if trained is None:
        yield Missing(name, f"fewer than {LEAST_POINTS} points of a training loss", "training-loss")
        return
    if apart:
        ends = f"{curve.tag!r} ends at step {curve.steps[-1]}, {trained.tag!r} at {trained.steps[-1]}"
        yield Missing(name, f"{ends}: their steps count different things", "validation-loss")
        return
    at_best = level_near(trained, step)
    yield Measurement(
        name,
        ratio(at_best - trained.last, abs(at_best)),
        "share",
        f"training loss {at_best:.4g} about step {step}, {trained.last:.4g} at the end; {basis_of(trained)}",
        step,
    )


def _gap(curve: Smooth, trained: Smooth | None, chance: float | None, lost: dict[str, float]) -> Iterator[Measurement | Missing]:
    if trained is None:
        yield from missing(GAP, f"fewer than {LEAST_POINTS} points of a training loss", "training-loss")
        return
    last = float(np.median(curve.values[-max(3, curve.points // 10) :]))
    basis = f"validation {last:.4g}, training {trained.last:.4g} at the end; {basis_of(curve)}; {basis_of(trained)}"
    if last > 0 and trained.last > 0:
        logged = {"logged": ratio(float(curve.values[-1]), float(trained.values[-1]))} | lost
        yield Measurement("validation.gap", ratio(last, trained.last), "ratio", basis, items=logged)
    else:
        yield Missing("validation.gap", "the losses do not end above 0, so that their ratio means nothing", "", applies=False)
    scale = chance if chance is not None else max(abs(trained.start), abs(float(curve.values[0])))
    of = "ln C" if chance is not None else "the larger first loss"
    if scale > 0:
        yield Measurement("validation.gap_share", ratio(last - trained.last, scale), "share", f"difference over {of} {scale:.4g}; {basis}")
    else:
        yield Missing("validation.gap_share", "the first losses are 0", "training-loss")


def _unit(*accuracies: Roled | None) -> float:
    """100 where any of these accuracies passes 1.5, so that they are percentages; else 1. All splits of a run use one unit."""
    highest = [float(np.max(finite_points(one.series)[1], initial=0.0)) for one in accuracies if one is not None]
    return 100.0 if max(highest, default=0.0) > 1.5 else 1.0


def _last_accuracy(name: str, one: Roled | None, split: str, unit: float) -> Measurement | Missing:
    if one is None:
        return Missing(name, f"no accuracy on {split} data was logged", "accuracy")
    steps, values = finite_points(one.series)
    if values.size < LEAST_ACCURACY_POINTS:
        return Missing(name, f"only {counted(values.size, 'finite point')} of {one.series.tag!r}", "accuracy")
    last = float(np.median(values[-max(3, values.size // 10) :])) / unit
    basis = f"median of the last tenth of {counted(values.size, 'point')} of {one.series.tag!r}"
    return Measurement(name, last, "share", basis, int(steps[-1]), {"logged": float(values[-1]) / unit})


def measure_accuracy(roled: Sequence[Roled], best_step: int | None) -> Iterator[Measurement | Missing]:
    """Last accuracies as shares (percentages are known by a value above 1.5), and how the validation accuracy moved after `best_step`.

    `best_step`: the step with the best validation loss, where there is one.
    """
    training, validation = main(roled, "accuracy", "train"), main(roled, "accuracy", "validation")
    unit = _unit(training, validation)
    yield _last_accuracy("accuracy.train_last", training, "training", unit)
    yield _last_accuracy("accuracy.validation_last", validation, "validation", unit)
    likewise = validation if validation is not None else like_accuracy(roled)
    yield _change_after_best(likewise, best_step, unit if validation is not None else _unit(likewise))


def like_accuracy(roled: Sequence[Roled]) -> Roled | None:
    """The longest metric on validation data that is a share and better when higher, as detectors and segmenters log one for accuracy."""
    likely = [
        one
        for one in roled
        if one.role == "metric"
        and (HIGHER_IS_BETTER if one.split in ("validation", "test") else OF_EVALUATION if not one.split else frozenset())
        & set(words(one.series.tag))
    ]
    return max(likely, key=lambda one: (one.split == "validation", one.series.values.size), default=None)


def _change_after_best(validation: Roled | None, best_step: int | None, unit: float) -> Measurement | Missing:
    name = "validation.accuracy_change_after_best"
    if validation is None:
        return Missing(name, "no accuracy on validation data was logged", "accuracy")
    if best_step is None:
        return Missing(name, "no validation loss with enough points was logged", "validation-loss")
    steps, values = finite_points(validation.series)
    if values.size < LEAST_POINTS:
        return Missing(name, f"only {counted(values.size, 'finite point')} of {validation.series.tag!r}", "accuracy")
    middle = int(np.clip(np.searchsorted(steps, best_step), 1, values.size - 2))
    at_best = float(np.median(values[middle - 1 : middle + 2])) / unit
    last = float(np.median(values[-max(3, values.size // 10) :])) / unit
    where = f"{validation.series.tag!r} of {validation.series.source}, {counted(values.size, 'finite point')}"
    return Measurement(
        name,
        last - at_best,
        "share",
        f"{at_best:.4g} about step {best_step}, {last:.4g} at the end; {where}",
        best_step,
        text="accuracy" if validation.role == "accuracy" else f"{validation.series.tag!r}",
    )
