"""Levels of drawn loss curves whose first, last, lowest value, fall and noise are known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from postmortem.measure.loss import compared_loss, measure_levels, measure_nonfinite
from postmortem.measure.roles import Roled, assign, main_training_loss
from postmortem.measure.smooth import ratio
from postmortem.model import Measurement, Missing, ReadOptions, Series


def drawn(tag: str, values: Sequence[float] | NDArray[np.float64], every: int = 10, begin: int = 0) -> Series:
    """One drawn series."""
    array = np.asarray(values, dtype=np.float64)
    return Series(tag, "", np.arange(array.size) * every + begin, array, np.full(array.size, np.nan), "events")


def roled(*series: Series) -> tuple[Roled, ...]:
    """The series with their roles."""
    return assign(series, ReadOptions())


def by_name(found: Iterable[Measurement | Missing]) -> dict[str, Measurement | Missing]:
    """Measurements by name."""
    return {one.name: one for one in found}


def levels(*series: Series) -> dict[str, Measurement | Missing]:
    """Levels of the main loss of these series."""
    every = roled(*series)
    return by_name(measure_levels(main_training_loss(every), compared_loss(every)))


def value(found: dict[str, Measurement | Missing], name: str) -> float:
    """The value of a measurement that must be there."""
    one = found[name]
    assert isinstance(one, Measurement), one
    return one.value


def test_levels_of_a_straight_line() -> None:
    """On a line from 2 to 1 first, last and lowest level and the fall are those of the line."""
    found = levels(drawn("loss", np.linspace(2.0, 1.0, 201)))
    assert value(found, "loss.first") == 2.0
    assert value(found, "loss.last") == pytest.approx(1.0475, abs=0.01)
    assert value(found, "loss.lowest") == pytest.approx(1.0475, abs=0.01)
    assert value(found, "loss.improvement") == pytest.approx(0.475, abs=0.01)
    assert value(found, "loss.noise") == pytest.approx(0.0, abs=1e-12)


def test_noise_is_the_standard_deviation() -> None:
    """Normal noise of 0.3 on a slope is measured as 0.3."""
    noise = np.random.default_rng(0).normal(0, 0.3, 20_000)
    assert value(levels(drawn("loss", np.linspace(5, 1, 20_000) + noise)), "loss.noise") == pytest.approx(0.3, rel=0.03)


@pytest.mark.parametrize("points", [20, 60, 600, 5000])
def test_a_flat_noisy_curve_does_not_fall(points: int) -> None:
    """Of flat curves, with normal or heavy-tailed noise, 19 in 20 fall by less than three of their own noises."""
    random = np.random.default_rng(0)
    curves = [2.3 + random.normal(0, 0.1, points) for _ in range(40)] + [2.3 * np.exp(random.normal(0, 0.5, points)) for _ in range(40)]
    falls = [value(levels(drawn("loss", curve)), "loss.improvement_noise") for curve in curves]
    assert np.quantile(falls, 0.95) < 3


@pytest.mark.parametrize("seed", range(5))
def test_a_fall_under_the_noise_of_small_batches_is_seen(seed: int) -> None:
    """A fall from 2.3 to 0.4 under gamma noise as wide as that of batches of four is clear of its noise."""
    falling = 0.4 + 1.9 * np.exp(-6 * np.linspace(0, 1, 600))
    values = falling * np.random.default_rng(seed).gamma(1.5, 1 / 1.5, 600)
    assert value(levels(drawn("loss", values)), "loss.improvement_noise") > 4


def test_a_fall_from_an_early_jump_is_no_progress() -> None:
    """A loss that begins at chance, jumps tenfold in its first steps and comes back to chance has not fallen."""
    values = 2.3 + np.concatenate([[0.0], 20 * np.exp(-np.arange(599) / 20)]) + np.random.default_rng(0).normal(0, 0.02, 600)
    assert value(levels(drawn("loss", values)), "loss.improvement") < 0.02


def test_a_fast_descent_is_progress() -> None:
    """A loss that is down after a hundredth of the run has fallen all the same."""
    values = 0.3 + 2 * np.exp(-np.arange(600) / 3) + np.random.default_rng(0).normal(0, 0.02, 600)
    assert value(levels(drawn("loss", values)), "loss.improvement") > 0.7


def test_one_low_outlier_is_no_level() -> None:
    """A single point at -100 moves neither the lowest nor the last level."""
    values = np.full(200, 2.0)
    values[150] = -100.0
    found = levels(drawn("loss", values))
    assert value(found, "loss.lowest") == 2.0
    assert value(found, "loss.negative") == 1


def test_negative_losses_fall_by_their_magnitude() -> None:
    """A likelihood that falls from 1 to -2 falls by 1.5 of the larger magnitude."""
    values = np.concatenate([np.ones(40), np.linspace(1, -2, 120), np.full(40, -2.0)])
    found = levels(drawn("loss", values))
    assert value(found, "loss.improvement") == pytest.approx(1.5)
    assert isinstance(negative := found["loss.negative"], Measurement)
    assert negative.first_step == 10 * int(np.argmax(values < 0))


def test_non_finite_points_are_left_out_of_levels() -> None:
    """NaN and Inf between finite points change no level."""
    values = np.tile([2.0, np.nan, 2.0, np.inf, 2.0], 20)
    found = levels(drawn("loss", values))
    assert value(found, "loss.last") == 2.0
    assert value(found, "loss.points") == 60


def test_five_points_have_no_shape() -> None:
    """Five points have a first value; levels are missing, with the count and what to log."""
    found = levels(drawn("loss", [5, 4, 3, 2, 1]))
    assert value(found, "loss.first") == 5
    last = found["loss.last"]
    assert isinstance(last, Missing)
    assert "5 finite points" in last.reason
    assert last.log_next == "longer-curve"


def test_no_loss_is_missing_by_name() -> None:
    """Without a training loss every level is missing."""
    assert all(isinstance(one, Missing) and one.log_next == "training-loss" for one in levels().values())


def test_an_empty_loss_is_missing() -> None:
    """A loss of nothing but NaN has no first value."""
    assert all(isinstance(one, Missing) for one in levels(drawn("loss", [np.nan] * 30)).values())


def test_a_shrinking_penalty_is_no_learning() -> None:
    """Where regularization is logged, the fall is that of the rest: a penalty that goes from 200 to 0 beside a flat 2.3 is no fall."""
    penalty = 200 * np.exp(-np.linspace(0, 20, 100))
    found = levels(drawn("total_loss", 2.3 + penalty), drawn("l2_loss", penalty))
    assert value(found, "loss.first") == pytest.approx(202.3)
    assert value(found, "loss.improvement") == pytest.approx(0.0, abs=1e-6)


def nonfinite(*series: Series) -> dict[str, Measurement | Missing]:
    """Non-finite points of these series."""
    return by_name(measure_nonfinite(roled(*series)))


def test_non_finite_points_are_counted_and_dated() -> None:
    """NaN and Inf of all training losses are counted by tag and dated by the first; validation is not counted."""
    values = np.concatenate([np.full(80, 2.0), np.linspace(2, 20, 10), np.full(10, np.nan)])
    found = nonfinite(drawn("train/loss", values), drawn("val/loss", [np.nan] * 5))
    count = found["loss.nonfinite"]
    assert isinstance(count, Measurement)
    assert (count.value, count.first_step, dict(count.items)) == (10, 900, {"train/loss": 10})
    assert value(found, "loss.nonfinite_tail") == 1.0
    assert value(found, "loss.before_nonfinite") == pytest.approx(10)


def test_a_calm_curve_before_nan_has_ratio_one() -> None:
    """A loss that was level before it became NaN stood at once its early median."""
    assert value(nonfinite(drawn("loss", [2.0] * 50 + [np.nan] * 50)), "loss.before_nonfinite") == 1.0


def test_finite_losses_have_nothing_before() -> None:
    """A finite loss counts no point and has no date."""
    found = nonfinite(drawn("loss", [2.0] * 50))
    count = found["loss.nonfinite"]
    assert isinstance(count, Measurement)
    assert (count.value, count.first_step) == (0, None)
    assert isinstance(found["loss.before_nonfinite"], Missing)


@pytest.mark.parametrize(
    ("part", "whole", "expected"), [(1, 2, 0.5), (0, 0, 0), (1, 0, 1e6), (-1, 0, -1e6), (1e300, 1e-300, 1e6), (-3, -2, 1.5)]
)
def test_ratios_are_cut(part: float, whole: float, expected: float) -> None:
    """A ratio over nothing is a million, not infinite."""
    assert ratio(part, whole) == expected


@pytest.mark.parametrize(
    ("values", "before", "step"), [([np.nan, 1.0, 2.0], 0, 0), ([2.0, 1.0, np.inf, 1.0], 2, 20), ([2.0, 1.0], 2, None)]
)
def test_points_before_the_first_that_is_not_finite(values: list[float], before: int, step: int | None) -> None:
    """They are counted from the start of the log, all of them where every point is finite."""
    found = nonfinite(drawn("train/loss", values))["loss.finite_before"]
    assert isinstance(found, Measurement)
    assert (found.value, found.first_step) == (before, step)
