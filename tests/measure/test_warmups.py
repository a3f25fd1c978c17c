"""First steps, rates that come back, and what a run lost by it, on curves whose shape is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from postmortem.measure.roled import Roled
from postmortem.measure.warmups import cut, early_burst, early_rise, jumps, restarts, setback
from postmortem.model import Measurement, Missing, Series


def series(values: Any, tag: str = "lr") -> Series:
    """A series at steps 0, 10, 20 ..."""
    array = np.asarray(values, np.float64)
    return Series(tag, "", 10 * np.arange(array.size), array, np.full(array.size, np.nan), "log.csv")


def loss(values: Any) -> Roled:
    """A training loss with a little noise."""
    array = np.asarray(values, np.float64)
    return Roled(series(array + 1e-3 * np.random.default_rng(0).normal(size=array.size), "train/loss"), "training-loss", "train", "told")


def cosine(points: int) -> Any:
    """A rate from 1 to 0."""
    return 0.5 * (1 + np.cos(np.pi * np.arange(points) / points))


def value(found: Measurement | Missing) -> float:
    """The number, which must be there."""
    assert isinstance(found, Measurement), found
    return found.value


def test_a_start_that_rises_before_it_falls() -> None:
    """A loss thrown from 2 to 3 in its first points rose by half of its start; one that falls at once rose by nothing."""
    thrown = np.concatenate([[2.0, 2.5], np.linspace(3.0, 1.0, 98)])
    assert value(early_rise(loss(thrown))) == pytest.approx(0.49, abs=0.03)
    assert value(early_rise(loss(np.linspace(2.0, 1.0, 100)))) == 0
    assert isinstance(early_rise(loss([2.0, 1.0])), Missing)


def test_a_burst_of_the_first_gradients() -> None:
    """The second point at ten times what is usual is a burst of ten; a first point that high is how runs start."""
    norms = np.ones(200)
    norms[1] = 10.0
    assert value(early_burst(series(norms, "grad_norm"))) == pytest.approx(10)
    norms[0], norms[1] = 10.0, 1.0
    assert value(early_burst(series(norms, "grad_norm"))) == pytest.approx(0.1)


def test_restarts_are_counted_where_the_rate_turned() -> None:
    """Two periods are one restart; warm-up and one cosine are none; small steps back up are none."""
    assert restarts(np.concatenate([cosine(50), cosine(50)])) == [49]
    assert restarts(np.concatenate([np.linspace(0, 1, 10), cosine(90)])) == []
    assert restarts(np.concatenate([cosine(30)[:15], [0.6], cosine(30)[16:]])) == []
    assert len(restarts(np.tile(cosine(25), 4))) == 3


def test_a_restart_that_set_the_run_back() -> None:
    """Half of the progress lost at the end is a setback of about half; a restart that paid is below 0; cycles are not judged."""
    rate = series(np.concatenate([cosine(50), np.ones(50)]))
    before = np.linspace(2.0, 1.0, 50)
    assert value(setback(loss(np.concatenate([before, np.full(50, 1.5)])), rate)) == pytest.approx(0.45, abs=0.15)
    assert value(setback(loss(np.concatenate([before, np.linspace(1.0, 0.5, 50)])), rate)) < 0
    cycles = setback(loss(np.linspace(2.0, 1.0, 100)), series(np.tile(cosine(25), 4)))
    assert isinstance(cycles, Measurement) and cycles.text == "cycles"
    assert value(setback(loss(np.linspace(2.0, 1.0, 100)), series(cosine(100)))) == 0
    assert isinstance(setback(None, rate), Missing)


def test_a_schedule_that_was_cut_off() -> None:
    """A cosine that is begun again half way stood at half of its peak; one that ended stood near 0; cycles and warm-ups are none."""
    half = np.concatenate([cosine(80)[:40], cosine(80)[:60]])
    found = cut(series(half))
    assert value(found) == pytest.approx(0.5, abs=0.03) and isinstance(found, Measurement) and found.first_step == 400
    assert value(cut(series(np.concatenate([cosine(50), cosine(50)])))) < 0.01
    assert value(cut(series(np.tile(cosine(25), 4)))) == 0
    assert value(cut(series(np.concatenate([np.linspace(0, 1, 10), cosine(90)])))) == 0
    assert isinstance(cut(None), Missing)


def test_a_slow_way_back_is_no_jump() -> None:
    """A second warm-up takes its points; only a jump from one point to the next is one."""
    assert jumps(np.concatenate([cosine(50), np.linspace(0, 1, 20)])) == []
    assert jumps(np.array([1.0, 0.5, 1.0])) == [2]
