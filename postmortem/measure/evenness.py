"""The cross-entropy beside the largest that its accuracy allows: how evenly the errors lie over the records.

A model that is right with probability a on every record, and spreads what is left over the other classes, has a cross-entropy of
H = -a ln a - (1 - a) ln((1 - a) / (C - 1)): no sound model of this accuracy has more (Fano's inequality). Whoever knows some records
and not others has less, since the entropy is concave. Labels that are wrong at random leave every record equally uncertain, and the
loss comes to H and stays there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from postmortem.measure.roles import Roled, main, main_training_loss, main_validation_loss
from postmortem.measure.smooth import Floats, finite_points
from postmortem.model import Measurement, Missing, counted

NAMES = ("loss.train_evenness", "loss.validation_evenness")
LEAST_POINTS = 5
"""Points that loss and accuracy share in the last third of those."""


def measure_evenness(roled: Sequence[Roled], chance: float | None, smoothing: float) -> Iterator[Measurement | Missing]:
    """Both of `NAMES`: mean loss over the largest entropy with the mean accuracy, of the last third of the points. `chance`: ln C.

    With label `smoothing` the loss is another than the cross-entropy of the labels, and nothing is told.

    Items: `accuracy` (share), `guess` (1 / C), `error` (standard error of the ratio), `points`.
    """
    if smoothing > 0:
        for name in NAMES:
            yield Missing(name, f"label smoothing of {smoothing:g} lifts the loss above what errors cost", "", applies=False)
        return
    training = main_training_loss(roled)
    validation = main_validation_loss(roled, training)
    yield _evenness(NAMES[0], training, main(roled, "accuracy", "train"), chance)
    yield _evenness(NAMES[1], validation, main(roled, "accuracy", "validation"), chance)


def largest_entropy(accuracy: float, classes: float) -> float:
    """Largest cross-entropy in nats of a calibrated model of this accuracy."""
    wrong = 1 - accuracy
    entropy = -accuracy * math.log(accuracy) if accuracy > 0 else 0.0
    return entropy - (wrong * math.log(wrong / (classes - 1)) if wrong > 0 else 0.0)


def _evenness(name: str, loss: Roled | None, accuracy: Roled | None, chance: float | None) -> Measurement | Missing:
    if chance is None:
        return Missing(name, "the number of classes is not known", "num-classes")
    if loss is None or accuracy is None:
        return Missing(name, "loss and accuracy of one split were not both logged", "accuracy")
    shared = _shared(loss, accuracy)
    if shared is None:
        return Missing(name, f"{loss.series.tag!r} and {accuracy.series.tag!r} share fewer than {LEAST_POINTS} points", "accuracy")
    losses, right = shared
    level, share, classes = float(losses.mean()), float(right.mean()), math.exp(chance)
    largest = largest_entropy(share, classes)
    if largest <= 0:
        return Missing(name, f"{accuracy.series.tag!r} ends at 1, which leaves no errors to look at", "", applies=False)
    # Noise of points within one record's cost of each other is in both means; that of the accuracy counts by the slope of the entropy.
    errors = (losses - largest - (right - share) * _slope(share, classes)) / largest
    items = {
        "accuracy": share,
        "guess": 1 / classes,
        "error": float(errors.std(ddof=1)) / math.sqrt(losses.size),
        "points": float(losses.size),
    }
    told = f"{loss.series.tag!r} beside {accuracy.series.tag!r}, last {counted(losses.size, 'shared point')}"
    return Measurement(name, level / largest, "ratio", f"{level:.4g} over {largest:.4g}; {told}, {classes:.0f} classes", items=items)


def _shared(loss: Roled, accuracy: Roled) -> tuple[Floats, Floats] | None:
    """Loss and accuracy (as a share of 1) at the last third of the steps at which both were logged."""
    steps, losses = finite_points(loss.series)
    other_steps, right = finite_points(accuracy.series)
    right = right / 100.0 if right.size and right.max() > 1.5 else right
    _, at, other_at = np.intersect1d(steps, other_steps, return_indices=True)
    if at.size < LEAST_POINTS:
        return None
    last = max(LEAST_POINTS, at.size // 3)
    return losses[at[-last:]], np.clip(right[other_at[-last:]], 0.0, 1.0)


def _slope(accuracy: float, classes: float) -> float:
    """Slope of the largest entropy at this accuracy, cut where it runs to infinity."""
    inside = min(max(accuracy, 1e-3), 1 - 1e-3)
    return math.log((1 - inside) / ((classes - 1) * inside))
