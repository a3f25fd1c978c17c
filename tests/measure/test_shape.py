"""Shapes of drawn curves: early drops, divergence, plateaus and oscillation at places that were chosen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from postmortem.measure.roles import Roled
from postmortem.measure.shape import SHAPES, measure_shape
from postmortem.model import Measurement, Missing, Series

Floats = NDArray[np.float64]


def shape(values: Sequence[float] | Floats, every: int = 1) -> dict[str, Measurement | Missing]:
    """All shapes of one drawn loss."""
    array = np.asarray(values, dtype=np.float64)
    series = Series("loss", "", np.arange(array.size) * every, array, np.full(array.size, np.nan), "events")
    return {one.name: one for one in measure_shape(Roled(series, "training-loss", "", ""))}


def measured(found: dict[str, Measurement | Missing], name: str) -> Measurement:
    """The measurement, which must be there."""
    one = found[name]
    assert isinstance(one, Measurement), one
    return one


def falling(points: int, rate: float = 8.0) -> Floats:
    """A healthy exponential fall from 2.3 to 0.3."""
    return np.asarray(0.3 + 2 * np.exp(-rate * np.linspace(0, 1, points)))


def noise(points: int, seed: int, width: float = 0.05) -> Floats:
    """Normal noise."""
    return np.random.default_rng(seed).normal(0, width, points)


@pytest.mark.parametrize("points", [60, 600, 20_000])
def test_divergence_is_dated(points: int) -> None:
    """A loss that falls until six tenths and then climbs by 2 has lost its progress, from there on."""
    at = np.linspace(0, 1, points)
    values = np.where(at < 0.6, falling(points), 0.3 + 5 * (at - 0.6)) + noise(points, 1)
    found = measured(shape(values), "loss.divergence")
    assert found.value == pytest.approx(0.93, abs=0.12)
    assert found.first_step is not None
    assert found.first_step / points == pytest.approx(0.62, abs=0.04)
    assert measured(shape(values), "loss.divergence_noise").value > 10


def test_divergence_from_the_first_step() -> None:
    """A loss that only climbs, with no progress to lose, diverges by many times its size."""
    found = measured(shape(2.3 + 50 * np.linspace(0, 1, 200)), "loss.divergence")
    assert found.value > 100
    assert found.first_step is not None
    assert found.first_step < 40


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("points", [20, 60, 600, 5000])
def test_healthy_curves_do_not_diverge(points: int, seed: int) -> None:
    """Noise, small batches, a bounce near zero, negative likelihoods, warm restarts: no rise of a quarter beyond 8 noises."""
    at = np.linspace(0, 1, points)
    random = np.random.default_rng(seed)
    curves = {
        "flat": 2.3 + random.normal(0, 0.1, points),
        "heavy": 2.3 * np.exp(random.normal(0, 0.5, points)),
        "batches of four": (0.4 + 1.9 * np.exp(-6 * at)) * random.gamma(1.5, 1 / 1.5, points),
        "near zero": 2.3 * np.exp(-20 * at) + 1e-3 * np.exp(random.normal(0, 1.5, points)),
        "negative": 1.2 - 3 * (1 - np.exp(-5 * at)) + random.normal(0, 0.2, points),
        "warm restarts": 0.5 + 1.8 * np.exp(-3 * at) + 0.15 * (1 - (4 * at % 1)) * (at > 0.25) + random.normal(0, 0.03, points),
    }
    for name, values in curves.items():
        found = shape(values)
        rise, over_noise = measured(found, "loss.divergence").value, measured(found, "loss.divergence_noise").value
        assert not (rise >= 0.25 and over_noise >= 8), (name, rise, over_noise)


@pytest.mark.parametrize("points", [200, 600, 20_000])
def test_a_plateau_to_the_end(points: int) -> None:
    """A loss that falls for two fifths and then stands still has a plateau of three fifths, from there to the end."""
    at = np.linspace(0, 1, points)
    values = np.where(at < 0.4, 2.3 - 2 * at, 1.5) + noise(points, 2, 0.002)
    for name in ("loss.plateau", "loss.plateau_last"):
        found = measured(shape(values), name)
        assert found.value == pytest.approx(0.6, abs=0.05)
        assert found.first_step == pytest.approx(0.4 * points, abs=0.05 * points)
        assert found.items["level"] == pytest.approx(1.5, abs=0.02)
        assert found.items["end"] == points - 1


def test_a_plateau_in_the_middle_is_not_the_last() -> None:
    """A standstill between two falls is the longest plateau, and not the one that reaches to the end."""
    values = np.concatenate([np.linspace(3, 2, 100), np.full(300, 2.0), np.linspace(2, 0, 200)])
    found = shape(values)
    assert measured(found, "loss.plateau").value == pytest.approx(0.5, abs=0.04)
    assert measured(found, "loss.plateau").items["begin"] == pytest.approx(100, abs=15)
    assert measured(found, "loss.plateau_last").value < 0.05


def test_a_straight_fall_has_no_plateau() -> None:
    """A loss that falls evenly stands still nowhere."""
    assert measured(shape(np.linspace(3, 1, 600)), "loss.plateau").value < 0.08


def test_early_drop_is_the_share_within_two_percent() -> None:
    """A loss that goes from 10 to 2 at once and from 2 to 1 over the rest loses eight ninths early."""
    values = np.concatenate([[10.0], np.linspace(2, 1, 999)])
    found = measured(shape(values), "loss.early_drop")
    assert found.value == pytest.approx(8 / 9, abs=0.02)
    assert found.items["level_after"] == pytest.approx(2, abs=0.03)
    assert found.items["end"] == pytest.approx(20, abs=1)


def test_a_straight_fall_has_no_early_drop() -> None:
    """An even fall has about 2 % in the first 2 % of its steps."""
    assert measured(shape(np.linspace(3, 1, 1000)), "loss.early_drop").value == pytest.approx(0.02, abs=0.005)


def test_early_drop_needs_an_early_point() -> None:
    """Where the second point stands a tenth into the run, an early drop cannot be seen."""
    assert isinstance(shape(np.linspace(3, 1, 11), every=100)["loss.early_drop"], Missing)


def test_noise_has_no_early_drop() -> None:
    """A flat loss did not drop, however its first point fell out."""
    values = 2.3 + noise(600, 3)
    assert measured(shape(values), "loss.early_drop").value == 0


def test_oscillation_is_the_deviation_over_the_progress() -> None:
    """Noise of 0.2 about a level, after a fall of 2, swings by a tenth of the progress, independently from point to point."""
    values = np.concatenate([np.linspace(2.5, 0.5, 1000), np.full(3000, 0.5)]) + noise(4000, 4, 0.2)
    found = measured(shape(values), "loss.oscillation")
    assert found.value == pytest.approx(0.1, rel=0.1)
    assert found.items["deviation"] == pytest.approx(0.2, rel=0.05)
    assert abs(found.items["lag1"]) < 4 * found.items["lag1_noise"]


def test_slow_swings_hang_together() -> None:
    """A sine of a long period is correlated from point to point."""
    values = 5 + 3 * np.sin(np.arange(600) / 5)
    assert measured(shape(values), "loss.oscillation").items["lag1"] > 0.9


def test_a_trend_is_no_oscillation() -> None:
    """A straight fall has no deviation about its own trend."""
    assert measured(shape(np.linspace(3, 1, 600)), "loss.oscillation").value == pytest.approx(0, abs=1e-9)


def test_too_few_points_are_missing() -> None:
    """Nine points, and points that all stand at one step, have no shape."""
    assert all(isinstance(one, Missing) for one in shape(np.linspace(3, 1, 9)).values())
    assert all(isinstance(one, Missing) for one in shape(np.linspace(3, 1, 30), every=0).values())


@pytest.mark.parametrize("level", [0.0, 1e-300, 1e300, -5.0])
def test_constant_losses_are_measured(level: float) -> None:
    """A constant loss, zero and huge included, has a plateau over the whole run and nothing else."""
    found = shape(np.full(100, level))
    assert set(found) == set(SHAPES)
    assert measured(found, "loss.plateau_last").value == 1
    assert measured(found, "loss.divergence").value == 0
    assert measured(found, "loss.oscillation").value == 0


def test_late_start_is_the_step_of_a_tenth_of_the_fall() -> None:
    """A curve that stands still for 40 % of the run and then falls straight starts when a tenth of that is done."""
    values = np.concatenate([np.full(400, 2.3), np.linspace(2.3, 0.3, 600)])
    assert measured(shape(values), "loss.late_start").value == pytest.approx(0.4 + 0.6 * 0.1, abs=0.02)


def test_an_exponential_fall_starts_at_once() -> None:
    """A healthy fall makes a tenth of its way in the first hundredth or two."""
    assert measured(shape(falling(500)), "loss.late_start").value < 0.03


def test_a_loss_that_never_falls_has_no_start() -> None:
    """Pure noise about a level has no start, early or late."""
    assert isinstance(shape(2.3 + noise(200, 1))["loss.late_start"], Missing)


def test_relapse_is_the_end_over_the_start() -> None:
    """A loss that falls to a quarter, bursts again and again and ends at three times its start is told with both shares."""
    values = np.concatenate([np.linspace(2.0, 0.5, 50), np.tile([2.0, 9.0, 30.0, 12.0, 6.0], 20), np.full(50, 6.0)])
    found = measured(shape(values), "loss.relapse")
    assert found.value == pytest.approx(3.0, rel=0.1)
    assert found.items["lowest"] == pytest.approx(0.27, abs=0.05)
    assert (found.items["low"], found.items["low_step"]) == (0.5, 49)
    assert found.first_step == 50


def test_losses_below_zero_have_no_relapse() -> None:
    """A likelihood that passes zero has no ratio to its start."""
    assert isinstance(shape(np.linspace(2.0, -3.0, 100))["loss.relapse"], Missing)
