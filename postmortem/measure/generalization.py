"""Where training and validation stand beside each other and beside knowing nothing, in one unit: shares of the ignorance level.

The ignorance level is ln C where the loss is a cross-entropy over a known number of classes, and else the larger first level of the two
curves. Shares of it tell apart what looks alike on one curve: learned by heart, labels without information, another mode in validation,
too small a model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from postmortem.measure.loss import basis_of, lost_from, missing
from postmortem.measure.roles import Roled, same_steps
from postmortem.measure.smooth import Floats, Smooth, finite_points, level_near, ratio, smooth
from postmortem.model import Measurement, Missing, counted

NAMES = (
    "fit.train_share",
    "fit.validation_best",
    "fit.validation_last",
    "fit.train_at_best",
    "fit.late_progress",
    "fit.fitted_part",
)
LEAST_POINTS = 5
FITTED = 0.05
"""Share of ignorance below which training counts as learned by heart."""


def measure_generalization(training: Roled | None, validation: Roled | None, chance: float | None) -> Iterator[Measurement | Missing]:
    """All of `NAMES`. `chance`: ln C where the loss is known to be a cross-entropy over C classes. Items: `logged`, of the last
    finite point, `noise`, the standard error of the level, and `lost`, where a curve ends as NaN or infinity.

    `fit.train_share`, `fit.validation_best`, `fit.validation_last`: levels over ignorance. `fit.train_at_best`: training's level about the
    step at which validation was best, over ignorance. `fit.late_progress`: what the last third of the steps brought, of all that training
    fell. `fit.fitted_part`: share of the steps after training first came below 0.05 of ignorance.
    """
    if training is None or validation is None:
        yield from missing(NAMES, "training and validation loss were not both logged", "validation-loss")
        return
    trained, held = smooth(training.series, LEAST_POINTS), smooth(validation.series, LEAST_POINTS)
    if trained is None or held is None:
        yield from missing(NAMES, f"fewer than {LEAST_POINTS} finite points of a loss", "longer-curve")
        return
    if not same_steps(training.series, validation.series):
        yield from missing(NAMES, "steps of training and validation count different things", "validation-loss")
        return
    if min(float(trained.values.min()), float(held.values.min())) < 0:
        yield from missing(NAMES, "the loss goes below 0, so that shares of it mean nothing", "", applies=False)
        return
    ignorance = chance if chance is not None else max(trained.start, float(held.values[0]))
    if ignorance <= 0:
        yield from missing(NAMES, "the first losses are 0", "training-loss")
        return
    of = f"{'ln C' if chance is not None else 'the larger first level'} = {ignorance:.4g}"
    yield from _shares(trained, held, (lost_from(training), lost_from(validation)), ignorance, of)


def _shares(
    trained: Smooth, held: Smooth, losts: tuple[dict[str, float], dict[str, float]], ignorance: float, of: str
) -> Iterator[Measurement | Missing]:
    best = _levels(held)
    at = int(np.argmin(best))
    step, last = int(held.steps[at]), float(np.median(held.values[-max(3, held.points // 10) :]))
    near = max(0, at - 1)
    # Of the points that the best level stands for the lowest one is dated, as in `validation.rise`.
    best_step = int(held.steps[near + int(np.argmin(held.values[near : at + 2]))])
    both = f"{basis_of(trained)}; {basis_of(held)}"
    end, ended = (int(one.steps[-1]) for one in (trained, held))
    points = [
        {"logged": ratio(float(one.values[-1]), ignorance), "noise": ratio(one.level_noise, ignorance)} | lost
        for one, lost in ((trained, losts[0]), (held, losts[1]))
    ]
    yield Measurement(NAMES[0], ratio(trained.last, ignorance), "share", f"{trained.last:.4g} over {of}; {both}", end, points[0])
    yield Measurement(NAMES[1], ratio(float(best[at]), ignorance), "share", f"{best[at]:.4g} over {of}; {both}", best_step)
    yield Measurement(NAMES[2], ratio(last, ignorance), "share", f"{last:.4g} over {of}; {both}", ended, points[1])
    beside = level_near(trained, step)
    yield Measurement(NAMES[3], ratio(beside, ignorance), "share", f"{beside:.4g} about step {step} over {of}; {both}", step)
    two_thirds = level_near(trained, int(trained.steps[0]) + 2 * trained.span // 3)
    brought = ratio(two_thirds - trained.last, max(trained.start - trained.last, 1e-12))
    yield Measurement(NAMES[4], brought, "share", f"{two_thirds:.4g} at two thirds of the steps, {trained.last:.4g} at the end; {both}")
    low = np.flatnonzero(trained.blocks <= FITTED * ignorance)
    since = int(trained.block_steps[low[0]]) if low.size else int(trained.steps[-1])
    part = (int(trained.steps[-1]) - since) / trained.span if trained.span else 0.0
    yield Measurement(NAMES[5], part, "share", f"steps from {since} on, below {FITTED:g} of {of}; {both}", since)


def _levels(curve: Smooth) -> Floats:
    """Median of each point and its neighbours; ends with one neighbour."""
    values = curve.values
    return np.array([np.median(values[max(0, at - 1) : at + 2]) for at in range(values.size)])


def measure_accuracy_turn(accuracy: Roled | None) -> Measurement | Missing:
    """`accuracy.validation_fall`: the best level of the validation accuracy (median of three) less its last, as a share of 1."""
    name = "accuracy.validation_fall"
    if accuracy is None:
        return Missing(name, "no accuracy on validation data was logged", "accuracy")
    steps, values = finite_points(accuracy.series)
    if values.size < LEAST_POINTS:
        return Missing(name, f"only {counted(values.size, 'finite point')} of {accuracy.series.tag!r}", "accuracy")
    values = values / 100.0 if values.max() > 1.5 else values
    levels = [float(np.median(values[max(0, at - 1) : at + 2])) for at in range(values.size)]
    last = float(np.median(values[-max(3, values.size // 10) :]))
    best = int(np.argmax(levels))
    return Measurement(name, levels[best] - last, "share", f"{levels[best]:.4g} at best, {last:.4g} at the end", int(steps[best]))


def measure_accuracy_rise(accuracy: Roled | None) -> Measurement | Missing:
    """`accuracy.validation_rise`: the last level of the validation accuracy less that at its start, as a share of 1.

    Items: `noise`, its standard error, and `last`. The text names a metric that stands in for the accuracy, as detectors have one.
    """
    name = "accuracy.validation_rise"
    if accuracy is None:
        return Missing(name, "no accuracy on validation data was logged", "accuracy")
    # Turned over it is a curve that should fall, as the measures of curves expect.
    turned = smooth(replace(accuracy.series, values=-accuracy.series.values), LEAST_POINTS)
    if turned is None:
        return Missing(name, f"fewer than {LEAST_POINTS} finite points of {accuracy.series.tag!r}", "accuracy")
    scale = 100.0 if float(turned.values.min()) < -1.5 else 1.0
    start, last = -turned.start / scale, -turned.last / scale
    noise = float(np.hypot(turned.start_noise, turned.level_noise)) / scale
    basis = f"{start:.4g} to {last:.4g}; {basis_of(turned)}"
    said = "validation accuracy" if accuracy.role == "accuracy" else repr(accuracy.series.tag)
    return Measurement(name, last - start, "share", basis, int(turned.steps[-1]), {"noise": noise, "last": last}, said)
