"""Patterns within an epoch that were drawn, and noise that has none."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from postmortem.measure.epoch_pattern import epoch_pattern, explained
from postmortem.measure.roles import assign
from postmortem.model import Measurement, Missing, ReadOptions, Series

STEPS = np.arange(0, 3000, 5)


def pattern(values: NDArray[np.float64], records: float | None = 3200, batch: float | None = 32) -> Measurement | Missing:
    """The pattern of a training loss at every fifth step."""
    series = Series("train/loss", "", STEPS[: values.size], values, np.full(values.size, np.nan), "events")
    return epoch_pattern(assign([series], ReadOptions())[0], records, batch)


def test_a_loss_that_repeats_itself_each_epoch_is_explained_by_it() -> None:
    """A wave of one epoch on a falling loss is explained almost wholly; its swing is twice its height, over the fall."""
    falling = 2.3 * np.exp(-STEPS / 600)
    found = pattern(falling + 0.2 * np.sin(2 * np.pi * STEPS / 100))
    assert isinstance(found, Measurement)
    assert found.value > 0.9
    assert found.items["period"] == 100 and found.items["cycles"] == pytest.approx(28.95)
    assert found.items["swing"] == pytest.approx(0.4 / 2.3, rel=0.15)


def test_noise_and_other_periods_are_not_explained() -> None:
    """Noise on a falling loss has no pattern, and neither has a wave of another length."""
    noise = np.random.default_rng(0).normal(0, 0.2, STEPS.size)
    for values in (2.3 * np.exp(-STEPS / 600) + noise, 1 + 0.2 * np.sin(2 * np.pi * STEPS / 73)):
        found = pattern(values)
        assert isinstance(found, Measurement)
        assert abs(found.value) < 0.05


@pytest.mark.parametrize(("records", "batch"), [(None, 32), (3200, None), (32000, 32), (320, 32)])
def test_what_is_no_epoch_is_missing(records: float | None, batch: float | None) -> None:
    """Unknown epochs, fewer than four of them, or fewer than four points in each say nothing."""
    assert isinstance(pattern(np.linspace(2, 1, STEPS.size), records, batch), Missing)
    assert isinstance(epoch_pattern(None, 100, 10), Missing)


def test_explained_share_of_ranks() -> None:
    """Two groups that do not overlap, of 50 each, explain three quarters of the variance of ranks; groups at random explain none."""
    groups = np.repeat([0, 1], 50)
    assert explained(np.arange(100.0), groups) == pytest.approx(0.75, abs=0.01)
    assert explained(np.zeros(4), np.array([0, 0, 1, 1])) == 0
    assert abs(explained(np.random.default_rng(1).normal(size=100), groups)) < 0.06
