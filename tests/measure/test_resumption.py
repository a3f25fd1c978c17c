"""Which checkpoint to go back to, on curves that were drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from postmortem.measure.resumption import measure_resumption
from postmortem.measure.roles import assign
from postmortem.measure.tensors import pass_over
from postmortem.model import Measurement, Missing, ReadOptions, Series

STEPS = np.arange(0, 1010, 10)


def _curve(tag: str, lowest: int, steps: Any = STEPS) -> Series:
    """A loss that falls by one a step to 1 at the step `lowest`, and rises as fast."""
    return Series(tag, "", steps, 1.0 + np.abs(steps - float(lowest)), np.full(steps.size, np.nan), "events")


def _found(lab: Any, saved: dict[int, float], *series: Series) -> dict[str, Measurement | Missing]:
    weights = [lab.bare(step, {"fc.weight": np.full((3, 3), value, dtype=np.float32)}) for step, value in saved.items()]
    return {one.name: one for one in measure_resumption(pass_over(weights), weights, assign(series, ReadOptions()))}


def test_the_best_is_nearest_and_the_other_comes_before(lab: Any) -> None:
    """Validation is lowest at 620 and training at 590: of checkpoints every 200 steps, 600 is the best and 400 the last before the rise."""
    found = _found(lab, {0: 0.1, 200: 0.2, 400: 0.3, 600: 0.4, 800: 0.5, 1000: 0.6}, _curve("train/loss", 590), _curve("val/loss", 620))
    best, before = found["checkpoint.best"], found["checkpoint.before_rise"]
    assert isinstance(best, Measurement)
    assert isinstance(before, Measurement)
    assert (best.value, before.value) == (600, 400)
    assert "400" in before.text


def test_a_checkpoint_that_is_not_finite_is_none_to_go_back_to(lab: Any) -> None:
    """The checkpoint at the lowest loss holds NaN: the one before it is named."""
    found = _found(lab, {0: 0.1, 300: 0.2, 600: float("nan"), 900: float("nan")}, _curve("train/loss", 610))
    before = found["checkpoint.before_rise"]
    assert isinstance(before, Measurement)
    assert before.value == 300


def test_epochs_are_not_compared_with_steps(lab: Any) -> None:
    """A loss by epoch beside checkpoints by step names none, and says why."""
    found = _found(lab, {0: 0.1, 500: 0.2, 1000: 0.3}, _curve("train/loss", 6, np.arange(10)))
    before = found["checkpoint.before_rise"]
    assert isinstance(before, Missing)
    assert "epochs" in before.reason


def test_nothing_is_named_where_nothing_is_known(lab: Any) -> None:
    """Without checkpoints, and without a loss, both are missing with a reason."""
    assert all(isinstance(one, Missing) for one in _found(lab, {}, _curve("train/loss", 500)).values())
    assert all(isinstance(one, Missing) for one in _found(lab, {0: 0.1, 100: 0.2}).values())
