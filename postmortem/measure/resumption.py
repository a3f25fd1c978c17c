"""Which checkpoint to go back to: the best by validation, and the last one before the training loss left its lowest level."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from postmortem.measure.loss import basis_of, missing
from postmortem.measure.roles import Roled, main_training_loss, main_validation_loss
from postmortem.measure.smooth import rolling_median, smooth
from postmortem.measure.table import TensorTable
from postmortem.measure.view import view_of
from postmortem.model import Checkpoint, Measurement, Missing

NAMES = ("checkpoint.best", "checkpoint.before_rise")
LEAST_POINTS = 5
SAME_COUNT = 3
"""Checkpoints and a curve whose ends are further apart than this do not count the same."""


def measure_resumption(table: TensorTable, checkpoints: Sequence[Checkpoint], roled: Sequence[Roled]) -> Iterator[Measurement | Missing]:
    """`checkpoint.best` and `checkpoint.before_rise`: value is the step, text the file's name.

    The best is the sound checkpoint nearest to the step with the lowest validation loss (median of three points). The other is the last
    sound one at or before the step with the lowest training loss: what came after it is to be thrown away where a run was lost. Sound is a
    checkpoint whose parameters are all finite.
    """
    seen = view_of(table, checkpoints)
    sound = {row.step: row.source for row in seen.sound_rows if row.step is not None}
    last = max((row.step for row in seen.rows if row.step is not None), default=0)
    if not sound:
        yield from missing(NAMES, "there is no checkpoint with a step and finite weights", "checkpoint")
        return
    training = main_training_loss(roled)
    validation = main_validation_loss(roled, training)
    yield _nearest("checkpoint.best", validation, sound, last, earlier=False)
    yield _nearest("checkpoint.before_rise", training, sound, last, earlier=True)


def _nearest(name: str, loss: Roled | None, sound: dict[int, str], last: int, earlier: bool) -> Measurement | Missing:
    kind = "training-loss" if earlier else "validation-loss"
    curve = None if loss is None else smooth(loss.series, LEAST_POINTS)
    if curve is None:
        return Missing(name, f"there are fewer than {LEAST_POINTS} finite points of a {kind.replace('-', ' ')}", kind)
    levels = np.concatenate([[np.median(curve.values[:2])], rolling_median(curve.values, 3), [np.median(curve.values[-2:])]])
    lowest = int(curve.steps[int(np.argmin(levels))])
    steps = sorted(sound)
    end = int(curve.steps[-1])
    if last > SAME_COUNT * max(1, end) or end > SAME_COUNT * max(1, last):
        return Missing(name, f"checkpoints end at {last} and the loss at {end}: one counts steps, the other epochs", "checkpoint")
    if earlier:
        reached = [step for step in steps if step <= lowest]
        if not reached:
            return Missing(name, f"no sound checkpoint was saved by step {lowest}, where the training loss was lowest", "checkpoint")
        step = reached[-1]
    else:
        step = min(steps, key=lambda each: abs(each - lowest))
    basis = f"lowest level at step {lowest}; {len(steps)} sound checkpoints; {basis_of(curve)}"
    return Measurement(name, float(step), "steps", basis, step, text=sound[step])
