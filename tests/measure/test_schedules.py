"""How far a decay of the learning rate had come."""

from __future__ import annotations

import numpy as np
import pytest

from postmortem.measure.roles import Roled, assign
from postmortem.measure.schedules import measure_schedule
from postmortem.model import Measurement, Missing, ReadOptions, Series


def _roled(values: np.ndarray, spacing: int = 10) -> list[Roled]:
    steps = np.arange(values.size, dtype=np.int64) * spacing
    series = Series("lr", "", steps, values.astype(np.float64), np.full(values.size, np.nan), "events")
    return list(assign((series,), ReadOptions()))


@pytest.mark.parametrize("done", [0.3, 0.5, 0.8, 1.0])
def test_a_cosine_tells_where_it_would_have_ended(done: float) -> None:
    """Of (1 + cos(pi t / T)) / 2, cut at a share of T, that share and T itself are found to a hundredth."""
    part = np.linspace(0, done, 41)
    found = measure_schedule(_roled(1e-3 * (1 + np.cos(np.pi * part)) / 2))
    assert isinstance(found, Measurement)
    assert found.value == pytest.approx(done, abs=0.01)
    assert found.first_step == pytest.approx(400 / done, rel=0.02)
    assert found.text == "cosine"


def test_a_line_behind_a_warm_up_counts_from_its_peak() -> None:
    """Ten points up and thirty down to two fifths: 60 % of the fall, which began at step 90."""
    values = np.concatenate([np.linspace(0.1, 1, 10), np.linspace(1, 0.4, 31)[1:]])
    found = measure_schedule(_roled(values))
    assert isinstance(found, Measurement)
    assert found.value == pytest.approx(0.6)
    assert found.text == "linear"
    assert found.first_step == pytest.approx(90 + 300 / 0.6, abs=1)


@pytest.mark.parametrize(
    "values",
    [
        np.full(40, 1e-3),
        np.repeat([1.0, 0.1, 0.01, 0.001], 10),
        0.1 + 0.9 * (1 + np.cos(np.pi * np.linspace(0, 1, 41))) / 2,
        0.99 ** np.arange(300),
        np.concatenate([np.linspace(1, 0.5, 20), np.linspace(0.9, 0.4, 20)]),
    ],
    ids=["constant", "staircase", "cosine to a floor", "exponential", "a restart below the peak"],
)
def test_other_schedules_are_not_judged(values: np.ndarray) -> None:
    """What is no cosine and no line to zero says nothing of the run's length."""
    assert isinstance(measure_schedule(_roled(values)), Missing)
