"""Closed forms of losses that are not the one that was meant, held against the accuracy and the batch size.

Softmax applied twice: probabilities of 0 and 1 taken for logits give ln(e + C - 1) - 1 where the model is right and 1 more where it is
wrong, so that the loss lies on ln(e + C - 1) - accuracy once the model is sure, whatever it learned. Softmax over the records of a batch
of B: the first loss is ln B, not ln C.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from postmortem.measure.roles import Roled, main, main_training_loss, main_validation_loss
from postmortem.measure.smooth import finite_points
from postmortem.model import Measurement, Missing, counted

NAMES = ("loss.doubled_softmax", "loss.first_to_batch")
LEAST_POINTS = 5
SURE = 0.6
"""Accuracy from which on points are compared: a model that knows little is not sure of what it says."""
USUAL_BATCHES = tuple(2**power for power in range(3, 13))
ASSUMED = 0.012
"""How near the first loss must be to ln B, as a share of it, for a B that nothing tells: one loss in ten is so by chance."""
LEAST_CLASSES = 4
"""With fewer the formula lies within what sound losses pass through."""


def measure_misread(roled: Sequence[Roled], chance: float | None, batch: float | None) -> Iterator[Measurement | Missing]:
    """`loss.doubled_softmax` and `loss.first_to_batch`. `chance`: ln C; `batch`: records a step."""
    training = main_training_loss(roled)
    validation = main_validation_loss(roled, training)
    yield _doubled(((validation, main(roled, "accuracy", "validation")), (training, main(roled, "accuracy", "train"))), chance)
    yield _first_to_batch(training, batch)


def _doubled(pairs: Sequence[tuple[Roled | None, Roled | None]], chance: float | None) -> Measurement | Missing:
    """Mean distance of the loss from ln(e + C - 1) - accuracy, over the last half of the points, nats; the pair with the most points.

    Text `below`: some loss lies under ln(e + C - 1) - 1, which softmax applied twice cannot reach.
    """
    name = NAMES[0]
    if chance is None:
        return Missing(name, "the number of classes is not known", "num-classes")
    classes = math.exp(chance)
    if classes < LEAST_CLASSES - 0.5:
        return Missing(name, f"{classes:.0f} classes are too few to tell by", "", applies=False)
    floor = math.log(math.e + classes - 1) - 1
    found: list[tuple[int, float, float, str, str]] = []
    for loss, accuracy in pairs:
        if loss is None or accuracy is None:
            continue
        steps, values = finite_points(loss.series)
        other_steps, others = finite_points(accuracy.series)
        others = others / 100.0 if others.size and others.max() > 1.5 else others
        _, at, other_at = np.intersect1d(steps, other_steps, return_indices=True)
        at, other_at = at[at.size // 2 :], other_at[other_at.size // 2 :]
        sure = others[other_at] >= SURE
        if int(sure.sum()) < LEAST_POINTS:
            continue
        losses, right = values[at][sure], others[other_at][sure]
        word = "below" if float(losses.min()) < floor - 0.01 else ""
        distance = float(np.mean(np.abs(losses - (math.log(math.e + classes - 1) - right))))
        found.append((int(sure.sum()), distance, float(np.median(losses)), f"{loss.series.tag!r} beside {accuracy.series.tag!r}", word))
    if not found:
        return Missing(name, f"no loss and accuracy share {LEAST_POINTS} points at which the model is sure", "accuracy")
    points, distance, level, told, word = max(found)
    return Measurement(
        name, distance, "nats", f"{told}, {counted(points, 'point')} about a loss of {level:.4g}, {classes:.0f} classes", text=word
    )


def _first_to_batch(training: Roled | None, batch: float | None) -> Measurement | Missing:
    """The first loss over ln B. Where no setting gives B, the power of two whose logarithm the loss is; then the text is `assumed`."""
    name = NAMES[1]
    steps, values = finite_points(training.series) if training is not None else (np.zeros(0, np.int64), np.zeros(0))
    if not values.size:
        return Missing(name, "no training loss was logged", "training-loss")
    if batch is not None and batch >= 2:
        told = f"first loss {values[0]:.4g} over ln({batch:.0f})"
        return Measurement(name, float(values[0]) / math.log(batch), "ratio", told, int(steps[0]))
    likely = min(USUAL_BATCHES, key=lambda size: abs(float(values[0]) - math.log(size)))
    if abs(float(values[0]) / math.log(likely) - 1) > ASSUMED:
        return Missing(name, "no setting gives the batch size", "batch-size")
    told = f"first loss {values[0]:.4g} over ln({likely}), a usual batch size; no setting gives it"
    return Measurement(name, float(values[0]) / math.log(likely), "ratio", told, int(steps[0]), text="assumed")
