"""How a fall is spread over a run, for exponentials whose rate was chosen, and jumps at steps that were chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from postmortem.measure.descent import measure_descent
from postmortem.measure.empty_validation import measure_empty_validation
from postmortem.measure.jumps import measure_jumps
from postmortem.measure.roles import Roled, assign, main_validation_loss
from postmortem.measure.validation_swing import measure_validation_swing
from postmortem.model import Measurement, ReadOptions, Series

Values = Sequence[float] | NDArray[np.float64]


def drawn(values: Values, tag: str = "loss") -> Series:
    """One drawn series, a point every ten steps."""
    array = np.asarray(values, dtype=np.float64)
    return Series(tag, "", np.arange(array.size) * 10, array, np.full(array.size, np.nan), "events")


def descent(values: Values, rate: Values | None = None) -> dict[str, Measurement]:
    """Measurements of the descent of one loss, by name."""
    found = measure_descent(Roled(drawn(values), "training-loss", "", ""), None if rate is None else drawn(rate, "lr"))
    return {one.name: one for one in found if isinstance(one, Measurement)}


def jump(values: Values, rate: Values | None = None) -> Measurement:
    """The highest jump of one loss."""
    found = next(measure_jumps(Roled(drawn(values), "training-loss", "", ""), None if rate is None else drawn(rate, "lr")))
    assert isinstance(found, Measurement)
    return found


def noise(points: int, width: float = 0.02) -> NDArray[np.float64]:
    """Normal noise."""
    return np.random.default_rng(3).normal(0, width, points)


AT = np.linspace(0, 1, 400)


@pytest.mark.parametrize("rate", [0.5, 1.4, 4.0])
def test_an_exponential_falls_late_by_its_rate(rate: float) -> None:
    """The second half brings exp(-k / 2) of what the first did."""
    assert descent(2 + np.exp(-rate * AT))["loss.late_fall"].value == pytest.approx(math.exp(-rate / 2), abs=0.08)


def test_a_straight_line_falls_as_much_late_as_early() -> None:
    """A loss that has only begun its way falls evenly, many times its noise."""
    found = descent(2.3 - 0.3 * AT + noise(400))
    assert found["loss.late_fall"].value == pytest.approx(1.0, abs=0.15)
    assert found["loss.late_fall_noise"].value > 10


def test_halves_are_halves_of_the_sum_of_the_rates() -> None:
    """A loss that falls in proportion to the rates that were spent falls evenly, whatever the schedule."""
    cosine = 0.5 * (1 + np.cos(np.pi * AT))
    spent = np.cumsum(cosine) / cosine.sum()
    assert descent(2.3 - 0.3 * spent)["loss.late_fall"].value < 0.4
    assert descent(2.3 - 0.3 * spent, cosine)["loss.late_fall"].value == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("turn", [0.3, 0.45])
def test_what_a_loss_climbed_to_is_no_start_of_learning(turn: float) -> None:
    """A loss that climbs from 3.4 to 50, is back at 2.8 by `turn` of the run and flat from there on brought nothing late."""
    climb = np.interp(AT, [0, 0.1, turn, 1], [3.4, 50.0, 2.8, 2.8]) + noise(400)
    found = descent(climb, np.interp(AT, [0, 1], [1.0, 0.0]))
    assert abs(found["loss.late_fall"].value) < 0.05
    assert found["loss.late_fall"].items["top"] == pytest.approx(50, rel=0.3)


def test_a_loss_that_comes_back_late_to_its_start_did_not_learn_by_it() -> None:
    """Of a climb to 10, half of it made good by the middle, only what goes below the start of 3 counts as a late fall."""
    found = descent(np.interp(AT, [0, 0.2, 0.5, 1], [3.0, 10.0, 6.5, 2.0]) + noise(400))
    late = found["loss.late_fall"]
    assert late.value == pytest.approx((3.0 - late.items["last"]) / (10.0 - 6.5), abs=0.1)
    assert late.value < 0.3


def test_a_warm_up_that_only_rests_leaves_all_of_the_fall_late() -> None:
    """A loss that stands still for half of the run and then falls has no climb, and falls late by more than it did early."""
    found = descent(np.interp(AT, [0, 0.5, 1], [2.3, 2.3, 1.9]) + noise(400))
    assert "top" not in found["loss.late_fall"].items
    assert found["loss.late_fall"].value >= 1


def test_a_flat_loss_does_not_fall_late_by_more_than_its_noise() -> None:
    """What the second half of pure noise brings is within three noises."""
    assert abs(descent(2.3 + noise(400))["loss.late_fall_noise"].value) < 3


def test_a_jump_is_dated_and_measured_in_what_was_learned() -> None:
    """A loss that falls from 2.3 to 0.3 and is thrown back to 1.3 at one step has lost half of what it learned there."""
    values = np.where(AT < 0.6, 0.3 + 2 * np.exp(-12 * AT), 1.3) + noise(400)
    found = jump(values)
    assert found.value == pytest.approx(0.5, abs=0.06)  # the start is a level, a little below 2.3
    assert found.first_step == pytest.approx(2400, abs=20)
    assert found.items["end"] == pytest.approx(1.3, abs=0.05)


def test_what_was_never_learned_cannot_be_lost() -> None:
    """A loss that diverges from its first steps has no jump."""
    assert jump(2.3 + 5 * AT + noise(400)).value == 0


def test_falls_and_noise_are_no_jumps() -> None:
    """A healthy fall with noise has none."""
    assert jump(0.3 + 2 * np.exp(-8 * AT) + noise(400, 0.05)).value == 0


def test_a_rise_with_the_rate_is_no_jump() -> None:
    """A warm restart lifts the loss on purpose."""
    values = np.where(AT < 0.6, 0.3 + 2 * np.exp(-12 * AT), 1.3) + noise(400)
    assert jump(values, np.where(AT < 0.6, 1e-3, 1e-2)).value == 0


def swing(values: Values) -> dict[str, Measurement]:
    """How one validation loss goes from evaluation to evaluation."""
    found = measure_validation_swing(Roled(drawn(values, "val_loss"), "validation-loss", "val", ""))
    return {one.name: one for one in found if isinstance(one, Measurement)}


def test_a_straight_validation_loss_does_not_swing() -> None:
    """What moves along a line swings by nothing; what carries noise of 0.1 swings by that over its first value."""
    line = 2.0 - 0.5 * np.linspace(0, 1, 60)
    assert swing(line)["validation.swing"].value == pytest.approx(0.0, abs=1e-12)
    assert swing(line + np.r_[0, noise(59, 0.1)])["validation.swing"].value == pytest.approx(0.05, rel=0.3)


def test_a_model_that_does_not_change_has_one_value() -> None:
    """Equal losses at all evaluations are one value; the last digit makes two."""
    values = np.full(20, 2.3025)
    assert swing(values)["validation.values"].value == 1
    values[7] = np.nextafter(2.3025, 3)
    assert swing(values)["validation.values"].value == 2


def test_an_evaluation_over_nothing_is_zero_throughout() -> None:
    """Losses and metrics that are 0 at each evaluation are told by their share; a metric of training is none of an evaluation."""

    def zeros(*values: tuple[str, float]) -> float | None:
        roled = assign([drawn(np.full(6, value), tag) for tag, value in values], ReadOptions())
        found = {one.name: one for one in measure_empty_validation(roled, main_validation_loss(roled, None))}
        one = found["validation.zeros"]
        return one.value if isinstance(one, Measurement) else None

    assert zeros(("train/loss", 1.0), ("val/loss", 0.0), ("metrics/mAP50(B)", 0.0)) == 1
    assert zeros(("train/loss", 1.0), ("val/loss", 0.4), ("metrics/mAP50(B)", 0.0)) == 0.5
    assert zeros(("train/loss", 1.0), ("val/loss", 0.0), ("val/accuracy", 1.0), ("accuracy", 0.0)) == 0.5
    assert zeros(("train/loss", 1.0), ("val/loss", 0.0), ("train/accuracy", 0.0)) is None
    assert zeros(("train/loss", 1.0)) is None
    # A part that is NaN was evaluated, whatever the metrics say: of nothing every sum is 0.
    assert zeros(("train/loss", 1.0), ("val/box_loss", 0.0), ("val/cls_loss", math.nan), ("metrics/mAP50(B)", 0.0)) is None


def test_four_evaluations_are_too_few() -> None:
    """Nothing is said of a validation loss with four points."""
    assert swing([2.3, 2.2, 2.1, 2.0]) == {}
