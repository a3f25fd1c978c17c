"""Spikes drawn at known steps, and curves that have none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from postmortem.measure.roles import Roled
from postmortem.measure.spikes import measure_spikes
from postmortem.model import Measurement, Missing, Series

Floats = NDArray[np.float64]


def series(values: Sequence[float] | Floats, tag: str = "loss") -> Series:
    """One drawn series, a point every ten steps."""
    array = np.asarray(values, dtype=np.float64)
    return Series(tag, "", np.arange(array.size) * 10, array, np.full(array.size, np.nan), "events")


def spikes(values: Sequence[float] | Floats, rate: Sequence[float] | Floats | None = None) -> tuple[Measurement, Measurement]:
    """All spikes, and those that did not recover."""
    found = measure_spikes(Roled(series(values), "training-loss", "", ""), None if rate is None else series(rate, "lr"))
    every, lasting = found
    assert isinstance(every, Measurement)
    assert isinstance(lasting, Measurement)
    return every, lasting


def falling(points: int, seed: int = 0, noise: float = 0.02) -> Floats:
    """A healthy exponential fall from 2.3 to 0.3."""
    return 0.3 + 2 * np.exp(-8 * np.linspace(0, 1, points)) + np.random.default_rng(seed).normal(0, noise, points)


@pytest.mark.parametrize("points", [60, 600, 20_000])
def test_one_high_point_is_one_spike_that_recovers(points: int) -> None:
    """A single point 3 above the curve is one spike, dated, 1.5 times the progress high, and recovered."""
    values = falling(points)
    values[points // 2] += 3
    every, lasting = spikes(values)
    assert (every.value, every.first_step, lasting.value) == (1, points // 2 * 10, 0)
    # In a short run the level before still holds some of the descent.
    assert every.items[str(points // 2 * 10)] == pytest.approx(1.5, abs=0.3 if points == 60 else 0.1)


@pytest.mark.parametrize("points", [600, 20_000])
def test_a_step_up_does_not_recover(points: int) -> None:
    """A level that jumps by 1.5 and stays is one spike without recovery."""
    values = falling(points)
    values[points // 2 :] += 1.5
    every, lasting = spikes(values)
    assert (every.value, lasting.value, lasting.first_step) == (1, 1, points // 2 * 10)


def test_spikes_apart_are_counted_apart() -> None:
    """Three spikes far from each other are three, the highest first."""
    values = falling(1000)
    for point, height in ((400, 1.0), (600, 3.0), (800, 2.0)):
        values[point] += height
    every, _ = spikes(values)
    assert every.value == 3
    assert list(every.items) == ["6000", "8000", "4000"]
    assert float(every.text) == pytest.approx(float(values[600]), rel=0.01)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("points", [40, 60, 600, 5000])
def test_healthy_curves_have_no_notable_spike(points: int, seed: int) -> None:
    """A descent, noise, heavy tails, small batches, a bounce near zero, negative likelihoods: no spike of a tenth of the progress."""
    at = np.linspace(0, 1, points)
    random = np.random.default_rng(seed)
    curves = {
        "descent": falling(points, seed),
        "steep": 10 * np.exp(-80 * at) + 0.1 + random.normal(0, 0.005, points),
        "flat": 2.3 + random.normal(0, 0.1, points),
        "heavy": 2.3 * np.exp(random.normal(0, 0.5, points)),
        "batches of four": (0.4 + 1.9 * np.exp(-6 * at)) * random.gamma(1.5, 1 / 1.5, points),
        "near zero": 2.3 * np.exp(-20 * at) + 1e-3 * np.exp(random.normal(0, 1.0, points)),
        "negative": 1.2 - 3 * (1 - np.exp(-5 * at)) + random.normal(0, 0.2, points),
        "rising": 2.3 + 5 * at + random.normal(0, 0.05, points),
    }
    for name, values in curves.items():
        every, _ = spikes(values)
        assert max(every.items.values(), default=0.0) < 0.1, (name, every.items)


def test_a_jump_of_the_learning_rate_explains_a_rise() -> None:
    """A rise at a warm restart is left out and said to be; the same rise without the restart is a spike."""
    values = falling(600)
    values[300:320] += 1.0
    restart = np.concatenate([np.linspace(1, 0.01, 300), np.linspace(1, 0.01, 300)])
    without, _ = spikes(values)
    explained, _ = spikes(values, restart)
    assert without.value == 1
    assert explained.value == 0
    assert "learning rate left out" in explained.basis


def test_a_warm_up_explains_nothing() -> None:
    """While the learning rate still climbs for the first time, a spike is one."""
    values = falling(600)
    values[300] += 3
    every, _ = spikes(values, np.concatenate([np.geomspace(1e-6, 1, 590), np.ones(10)]))
    assert every.value == 1


def test_short_curves_are_missing() -> None:
    """Thirty points are too few to tell a spike."""
    assert all(isinstance(one, Missing) for one in measure_spikes(Roled(series(falling(30)), "training-loss", "", ""), None))
