"""States of curves beside each other: repeats and zeros, loss against accuracy, validation against chance, noise and the best step kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy.stats import spearmanr

from postmortem.measure.loss import missing
from postmortem.measure.roles import Roled, main
from postmortem.measure.smooth import Floats, finite_points, ratio, rolling_median, smooth
from postmortem.model import Checkpoint, Measurement, Missing, counted

NAMES = (
    "loss.repeated",
    "loss.zeros",
    "agreement.training",
    "validation.best_to_chance",
    "validation.jitter",
    "accuracy.validation_repeats",
    "checkpoints.best_distance",
    "loss.ramp",
)
LEAST_POINTS = 10
RAMP_BEGINS, RAMP_FIRST = 0.1, 0.1
LEAST_REPEATS = 5
STANDS_OUT = 3
"""The last stretch of one value must be so many times as long as is usual before it: loggers hold a value for several steps."""


def measure_states(
    training: Roled | None,
    validation: Roled | None,
    roled: Sequence[Roled],
    checkpoints: Sequence[Checkpoint],
    seen: Mapping[str, Measurement],
) -> Iterator[Measurement | Missing]:
    """The measurements named in `NAMES`; `seen` are those made before."""
    if training is None or finite_points(training.series)[1].size < LEAST_POINTS:
        yield from missing((*NAMES[:3], NAMES[7]), f"a training loss with {LEAST_POINTS} finite points was not logged", "training-loss")
    else:
        yield repeated(training)
        yield zeros(training)
        yield ramp(training)
        yield agreement(training, main(roled, "accuracy", "train"))
    yield accuracy_repeats(main(roled, "accuracy", "validation"))
    if validation is None:
        yield from missing((*NAMES[3:5], NAMES[6]), "no validation loss was logged", "validation-loss")
        return
    yield best_to_chance(validation, seen.get("loss.chance"))
    yield jitter(validation)
    yield best_distance(seen.get("validation.rise"), seen.get("steps.last"), checkpoints)


def stretches(values: Floats) -> list[int]:
    """Lengths of the stretches of equal neighbours, in order."""
    edges = np.flatnonzero(np.diff(values) != 0) + 1
    return [int(length) for length in np.diff(np.concatenate([[0], edges, [values.size]]))]


def repeated(training: Roled) -> Measurement:
    """Share of the points that the last stretch of one and the same value makes; 0 where such stretches are usual in this log."""
    steps, values = finite_points(training.series)
    lengths = stretches(values)
    last, before = lengths[-1], lengths[:-1]
    usual = float(np.median(before)) if before else 1.0
    longest = max(before, default=1)
    counts = last >= LEAST_REPEATS and last > STANDS_OUT * usual and last > longest
    share = last / values.size if counts else 0.0
    start = float(values[0])
    items = {"points": float(last), "value": float(values[-1]), "to_first": ratio(float(values[-1]), abs(start)) if start else 0.0}
    basis = f"last {last} of {values.size} points of {training.series.tag!r} are one value, {usual:g} is usual before"
    return Measurement("loss.repeated", share, "share", basis, int(steps[-last]) if counts else None, items)


def zeros(training: Roled) -> Measurement:
    """Share of the finite points that are exactly 0; `first_step` where the very first is."""
    steps, values = finite_points(training.series)
    share = float(np.mean(values == 0)) if values.size else 0.0
    basis = f"{counted(values.size, 'finite point')} of {training.series.tag!r}"
    first = int(steps[0]) if values.size and values[0] == 0 else None
    return Measurement("loss.zeros", share, "share", basis, first, text=training.series.tag)


def ramp(training: Roled) -> Measurement:
    """How well a straight line through the steps tells a loss that rises from near 0: its share of the variance; 0 for any other loss.

    Near 0: the first loss is 0.1 at most, which none is that starts from a guess, and the line begins below a tenth of where it ends. What
    rises so is the weight of the loss, and no divergence.
    """
    steps, values = finite_points(training.series)
    basis = f"straight line through {counted(values.size, 'finite point')} of {training.series.tag!r}"
    at = steps.astype(np.float64) - float(steps[0])
    spread = float(np.var(at))
    slope = float(np.mean((at - at.mean()) * (values - values.mean()))) / spread if spread > 0 else 0.0
    begins = float(values.mean() - slope * at.mean())
    ends = begins + slope * float(at[-1])
    variance = float(np.var(values))
    near_0 = values.size > 0 and values[0] <= RAMP_FIRST and abs(begins) <= RAMP_BEGINS * ends
    rises = slope > 0 and near_0 and values.min() >= 0 and variance > 0
    told = 1 - float(np.var(values - slope * at)) / variance if rises else 0.0
    return Measurement("loss.ramp", max(0.0, told), "share", basis, None, {"begins": begins, "ends": ends})


def agreement(training: Roled, accuracy: Roled | None) -> Measurement | Missing:
    """Spearman's correlation of the training loss with the training accuracy at the steps they share: near -1 where both tell the same.

    Items: `fall` of the loss and `change` of the accuracy from the first to the last tenth, both as shares (of the loss's start, of 1).
    """
    name = "agreement.training"
    if accuracy is None:
        return Missing(name, "no accuracy on training data was logged", "accuracy")
    (steps, losses), (others, accuracies) = finite_points(training.series), finite_points(accuracy.series)
    _, left, right = np.intersect1d(steps, others, return_indices=True)
    if left.size < LEAST_POINTS:
        return Missing(name, f"training loss and accuracy share {counted(left.size, 'step')}", "accuracy")
    losses, accuracies = losses[left], accuracies[right]
    unit = 100.0 if float(accuracies.max()) > 1.5 else 1.0
    tenth = max(3, left.size // 10)
    fall = float(np.median(losses[:tenth]) - np.median(losses[-tenth:]))
    change = float(np.median(accuracies[-tenth:]) - np.median(accuracies[:tenth])) / unit
    constant = not np.ptp(losses) > 0 or not np.ptp(accuracies) > 0
    value = 0.0 if constant else float(spearmanr(losses, accuracies).statistic)
    items = {
        "fall": ratio(fall, abs(float(np.median(losses[:tenth])))),
        "change": change,
        "last": float(np.median(accuracies[-tenth:])) / unit,
    }
    basis = f"{counted(left.size, 'step')} of {training.series.tag!r} and {accuracy.series.tag!r}"
    return Measurement(name, value, "correlation", basis, int(steps[left[0]]), items)


def best_to_chance(validation: Roled, chance: Measurement | None) -> Measurement | Missing:
    """Lowest validation loss (median of three neighbours) over that of a guess."""
    name = "validation.best_to_chance"
    if chance is None or not chance.value > 0:
        return Missing(name, "the number of classes is not known", "num-classes")
    steps, values = finite_points(validation.series)
    if values.size < 3:
        return Missing(name, f"only {counted(values.size, 'finite point')} of {validation.series.tag!r}", "validation-loss")
    levels = rolling_median(values, 3)
    place = int(np.argmin(levels))
    basis = f"lowest median of three of {counted(values.size, 'point')} of {validation.series.tag!r} over {chance.value:.4g}"
    return Measurement(name, float(levels[place]) / chance.value, "ratio", basis, int(steps[place + 1]))


def jitter(validation: Roled) -> Measurement | Missing:
    """Robust deviation from point to point of the validation loss over the fall from its first to its lowest level."""
    name = "validation.jitter"
    curve = smooth(validation.series, LEAST_POINTS)
    if curve is None:
        return Missing(name, f"fewer than {LEAST_POINTS} finite points of {validation.series.tag!r}", "validation-loss")
    fall = float(np.median(curve.values[:2])) - curve.lowest
    if not fall > 0.05 * curve.size:
        told = f"{validation.series.tag!r} never fell by 5% of its size, so that there is no fall to hold its noise against"
        return Missing(name, told, "", applies=False)
    basis = f"noise {curve.noise:.3g} over a fall of {fall:.3g} of {validation.series.tag!r}"
    return Measurement(name, ratio(curve.noise, fall), "ratio", basis)


def accuracy_repeats(accuracy: Roled | None) -> Measurement | Missing:
    """Share of the neighbouring points of the validation accuracy that are one number to the last digit, after the first tenth.

    Items: `last` level as a share. A model that names one class whatever it is shown has the accuracy of that class, each time.
    """
    name = "accuracy.validation_repeats"
    if accuracy is None:
        return Missing(name, "no accuracy on validation data was logged", "accuracy")
    steps, values = finite_points(accuracy.series)
    if values.size < LEAST_POINTS:
        return Missing(name, f"only {counted(values.size, 'finite point')} of {accuracy.series.tag!r}", "accuracy")
    unit = 100.0 if float(values.max()) > 1.5 else 1.0
    shares = values / unit
    if bool(np.allclose(shares, np.round(shares, 2), rtol=0, atol=1e-6)):
        return Missing(name, f"{accuracy.series.tag!r} is rounded to hundredths, which repeat by chance", "accuracy")
    late = shares[shares.size // 10 :]
    repeats = float(np.mean(np.diff(late) == 0))
    items = {"last": float(np.median(shares[-max(3, shares.size // 10) :]))}
    return Measurement(name, repeats, "share", f"{counted(late.size, 'point')} of {accuracy.series.tag!r}", int(steps[0]), items)


def best_distance(rise: Measurement | None, last: Measurement | None, checkpoints: Sequence[Checkpoint]) -> Measurement | Missing:
    """Steps from the best validation loss to the nearest checkpoint, as a share of the run; text and items: that checkpoint, its step."""
    name = "checkpoints.best_distance"
    saved = [(checkpoint.step, checkpoint.source) for checkpoint in checkpoints if checkpoint.step is not None]
    if rise is None or rise.first_step is None or last is None or not last.value > 0:
        return Missing(name, "the best step of a validation loss is not known", "validation-loss")
    if not saved:
        return Missing(name, "no checkpoint tells its step", "checkpoint")
    step, source = min(saved, key=lambda pair: (abs(pair[0] - (rise.first_step or 0)), pair[1]))
    share = abs(step - rise.first_step) / last.value
    basis = f"best validation at step {rise.first_step}, nearest of {counted(len(saved), 'checkpoint')} at step {step}"
    return Measurement(name, share, "share", basis, rise.first_step, {source: float(step)}, source)
