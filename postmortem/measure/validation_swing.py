"""How the validation loss goes from one evaluation to the next: its records are the same each time, so that only weights move it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from postmortem.measure.loss import missing
from postmortem.measure.roles import Roled
from postmortem.measure.smooth import finite_points, point_noise, ratio
from postmortem.model import Measurement, Missing, counted

NAMES = ("validation.swing", "validation.values")
LEAST_POINTS = 5


def measure_validation_swing(validation: Roled | None) -> Iterator[Measurement | Missing]:
    """`validation.swing`: robust deviation of each value about the line through its neighbours, over the first value.

    `validation.values`: distinct values among the points; 1 where the model did not change at all.
    """
    if validation is None:
        yield from missing(NAMES, "no validation loss was logged", "validation-loss")
        return
    steps, values = finite_points(validation.series)
    where = f"{validation.series.tag!r} of {validation.series.source}"
    if values.size < LEAST_POINTS:
        yield from missing(NAMES, f"only {counted(values.size, 'finite point')} of {validation.series.tag!r}", "longer-curve")
        return
    basis = f"{where}, {counted(values.size, 'evaluation')}"
    yield Measurement(NAMES[0], ratio(point_noise(values), abs(float(values[0]))), "ratio", f"over the first, {values[0]:.4g}; {basis}")
    yield Measurement(NAMES[1], float(np.unique(values).size), "values", basis, int(steps[0]), {"evaluations": float(values.size)})
