"""Whether an evaluation looked at anything: over no record every loss and every metric is exactly 0."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from postmortem.measure.loss import missing
from postmortem.measure.roles import Roled
from postmortem.measure.smooth import finite_points
from postmortem.model import Measurement, Missing, counted

ZEROS = "validation.zeros"
FEWEST = 3
_LOSSES = ("validation-loss", "part-of-loss")
_METRICS = ("accuracy", "metric")
_HELD_OUT = ("validation", "test")


def measure_empty_validation(roled: Sequence[Roled], validation: Roled | None) -> Iterator[Measurement | Missing]:
    """`validation.zeros`: share of the losses and metrics of an evaluation that are exactly 0 at every point.

    A metric whose tag names no split is of the evaluation, unless one says that it is of validation. Item: `evaluations`.
    """
    if validation is None:
        yield from missing((ZEROS,), "no validation loss was logged", "validation-loss")
        return
    losses = [one for one in roled if one.role in _LOSSES and one.split == validation.split]
    metrics = [one for one in roled if one.role in _METRICS and one.split in _HELD_OUT]
    metrics = metrics or [one for one in roled if one.role in _METRICS and not one.split]
    every = [values for one in (*losses, *metrics) if (values := finite_points(one.series)[1]).size]
    steps, values = finite_points(validation.series)
    # What is NaN was evaluated: of nothing every sum is 0.
    broken = any(not np.isfinite(one.series.values).all() for one in losses)
    if not metrics or not every or broken or values.size < FEWEST:
        reason, log_next = "no metric of an evaluation was logged beside the validation loss", "accuracy"
        if broken:
            reason, log_next = "a loss of the evaluations is no finite number", ""
        elif metrics:
            reason, log_next = f"only {counted(values.size, 'finite point')} of {validation.series.tag!r}", "validation-loss"
        yield Missing(ZEROS, reason, log_next)
        return
    share = sum(not np.any(each) for each in every) / len(every)
    said = f"{counted(len(losses), 'loss', 'losses')} and {counted(len(metrics), 'metric')} of {validation.series.source}"
    yield Measurement(ZEROS, share, "share", said, int(steps[0]) if steps.size else None, {"evaluations": float(values.size)})
