"""Regularization over data loss, with ratios that were drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from postmortem.measure.regularization import NAMES, measure_regularization
from postmortem.measure.roles import assign
from postmortem.model import Measurement, Missing, ReadOptions, Series


def drawn(tag: str, values: Sequence[float] | NDArray[np.float64]) -> Series:
    """One drawn series, a point every ten steps."""
    array = np.asarray(values, dtype=np.float64)
    return Series(tag, "", np.arange(array.size) * 10, array, np.full(array.size, np.nan), "events")


def ratios(*series: Series, penalties: Mapping[int, float] | None = None, reg_tag: str | None = None) -> dict[str, float]:
    """Values by name; empty where all are missing."""
    found = list(measure_regularization(assign(series, ReadOptions(reg_tag=reg_tag)), penalties))
    assert [one.name for one in found if isinstance(one, Missing)] in ([], list(NAMES))
    return {one.name: one.value for one in found if isinstance(one, Measurement)}


DATA = np.linspace(2.0, 1.0, 100)


def test_both_logged_apart() -> None:
    """Twelve times the data loss throughout is a ratio of twelve, in the median and beyond."""
    found = ratios(drawn("train/data_loss", DATA), drawn("train/regularization_loss", 12 * DATA))
    assert found["regularization.ratio"] == pytest.approx(12)
    assert found["regularization.ratio_p80"] == pytest.approx(12)
    assert found["regularization.data_share"] == pytest.approx(0.53, abs=0.02)


def test_the_total_less_the_regularization() -> None:
    """Where only the total and the regularization are logged, the data loss is their difference."""
    assert ratios(drawn("total_loss", 4 * DATA), drawn("reg_loss", 3 * DATA))["regularization.ratio"] == pytest.approx(3)


def test_the_total_less_the_data_loss() -> None:
    """Where only the total and the data loss are logged, the regularization is their difference."""
    assert ratios(drawn("total_loss", 4 * DATA), drawn("data_loss", DATA))["regularization.ratio"] == pytest.approx(3)


def test_a_loss_below_its_regularization_is_the_data_loss() -> None:
    """A loss that lies below the regularization cannot hold it, and is taken for the data loss."""
    assert ratios(drawn("loss", DATA), drawn("l2_loss", 20 * DATA))["regularization.ratio"] == pytest.approx(20)


def test_a_fifth_of_the_run_is_above_the_percentile() -> None:
    """A ratio of 50 for a quarter of the run and 0.1 for the rest shows in the percentile, not in the median."""
    penalty = np.where(np.arange(100) < 25, 50 * DATA, 0.1 * DATA)
    found = ratios(drawn("data_loss", DATA), drawn("reg_loss", penalty))
    assert found["regularization.ratio_p80"] == pytest.approx(50)
    assert found["regularization.ratio"] == pytest.approx(0.1)
    assert found["regularization.ratio_start"] == pytest.approx(50)


def test_the_users_tag() -> None:
    """A tag named by --reg-tag is the regularization."""
    assert ratios(drawn("loss", 3 * DATA), drawn("beta", 2 * DATA), reg_tag="beta")["regularization.ratio"] == pytest.approx(2)


def test_penalties_stand_in() -> None:
    """Weight decay's penalty from checkpoints is used where nothing was logged."""
    found = ratios(drawn("loss", np.full(100, 2.0)), penalties={0: 4.0, 500: 2.0, 990: 1.0})
    assert found["regularization.ratio"] == pytest.approx(1.0)
    assert found["regularization.ratio_start"] == pytest.approx(1.0)


def test_nothing_logged_is_missing() -> None:
    """A loss alone says nothing of regularization."""
    assert ratios(drawn("loss", DATA)) == {}
    assert ratios(drawn("data_loss", [np.nan] * 20), drawn("reg_loss", DATA)) == {}
