"""Repeats, zeros, agreement, chance, noise and the best step kept, on curves whose shape is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from postmortem.measure.curve_states import (
    accuracy_repeats,
    agreement,
    best_distance,
    best_to_chance,
    jitter,
    measure_states,
    ramp,
    repeated,
    stretches,
    zeros,
)
from postmortem.measure.roled import Roled
from postmortem.model import Checkpoint, Measurement, Missing, Series


def curve(values: Any, tag: str = "train/loss", role: Any = "training-loss", split: str = "train") -> Roled:
    """A series at steps 0, 1, 2 ... with its role."""
    array = np.asarray(values, np.float64)
    return Roled(Series(tag, "", np.arange(array.size), array, np.full(array.size, np.nan), "log.csv"), role, split, "told")


def noisy(seed: int, values: Any, size: float) -> Any:
    """The values with normal noise."""
    return np.asarray(values) + size * np.random.default_rng(seed).normal(size=len(values))


def test_stretches_are_lengths_of_equal_neighbours() -> None:
    """Each stretch counts its points."""
    assert stretches(np.array([1.0, 1.0, 2.0, 3.0, 3.0, 3.0])) == [2, 1, 3]
    assert stretches(np.array([5.0])) == [1]


def test_a_loss_that_repeats_itself_at_the_end() -> None:
    """The last 40 of 100 points are one number: a share of 0.4, from the step at which it began."""
    values = [*noisy(0, np.linspace(2.3, 1.0, 60), 0.01), *[0.97] * 40]
    found = repeated(curve(values))
    assert found.value == pytest.approx(0.4) and found.first_step == 60 and found.items["points"] == 40


@pytest.mark.parametrize("held", [5, 10])
def test_a_logger_that_holds_values_repeats_nothing(held: int) -> None:
    """Each value written several times is how the log is made, and so is noise that differs in its last digits."""
    values = np.repeat(noisy(0, np.linspace(2.3, 1.0, 20), 0.01), held)
    assert repeated(curve(values)).value == 0
    assert repeated(curve(noisy(0, np.full(100, 2.3), 1e-6))).value == 0


def test_zeros_are_dated_only_where_the_first_is_one() -> None:
    """A loss that is zero throughout begins so; one that was fitted does not."""
    assert (zeros(curve(np.zeros(20))).value, zeros(curve(np.zeros(20))).first_step) == (1, 0)
    fitted = zeros(curve([1.0, 0.5, 0.0, 0.0]))
    assert (fitted.value, fitted.first_step) == (0.5, None)


def test_loss_and_accuracy_that_agree_and_that_do_not() -> None:
    """A falling loss with rising accuracy is -1; with falling accuracy +1, and the changes are told, percentages as shares."""
    loss = np.linspace(2.0, 0.2, 50)
    up, down = np.linspace(20.0, 90.0, 50), np.linspace(0.6, 0.1, 50)
    good = agreement(curve(loss), curve(up, "train/acc", "accuracy"))
    bad = agreement(curve(loss), curve(down, "train/acc", "accuracy"))
    assert isinstance(good, Measurement) and isinstance(bad, Measurement)
    assert good.value == pytest.approx(-1) and good.items["change"] == pytest.approx(0.64, abs=0.02)
    assert bad.value == pytest.approx(1) and bad.items["change"] == pytest.approx(-0.45, abs=0.02)
    assert bad.items["fall"] == pytest.approx(0.85, abs=0.05)
    assert isinstance(agreement(curve(loss), None), Missing)


def test_best_validation_over_chance() -> None:
    """One lucky point is no level: the median of three counts."""
    values = np.full(30, 2.5)
    values[10] = 0.1
    chance = Measurement("loss.chance", 2.5, "nats", "ln C")
    found = best_to_chance(curve(values, "val/loss", "validation-loss", "validation"), chance)
    assert isinstance(found, Measurement) and found.value == 1
    assert isinstance(best_to_chance(curve(values), None), Missing)


def test_jitter_is_noise_over_the_fall() -> None:
    """A fall of 2 with noise of 0.2 has a jitter of a tenth; without a fall there is nothing to compare with."""
    values = noisy(3, np.linspace(3.0, 1.0, 400), 0.2)
    found = jitter(curve(values, "val/loss", "validation-loss", "validation"))
    assert isinstance(found, Measurement) and found.value == pytest.approx(0.1, rel=0.25)
    assert isinstance(jitter(curve(noisy(3, np.full(400, 3.0), 0.01))), Missing)


def test_the_nearest_checkpoint_to_the_best_step() -> None:
    """The best step 300 of 1000 lies a tenth of the run away from the checkpoint at 400."""
    saved = [Checkpoint(f"step_{step}.pt", step, "file name", None, {}, "", (), {}, 0) for step in (0, 400, 1000)]
    rise = Measurement("validation.rise", 0.3, "share", "", 300)
    last = Measurement("steps.last", 1000.0, "steps", "")
    found = best_distance(rise, last, saved)
    assert isinstance(found, Measurement) and found.value == pytest.approx(0.1) and found.text == "step_400.pt"
    assert isinstance(best_distance(rise, last, []), Missing)
    assert isinstance(best_distance(None, last, saved), Missing)


def test_an_accuracy_that_repeats_itself() -> None:
    """One class named each time is one number each time; chance wanders, and rounded numbers repeat by chance."""
    guesses = np.random.default_rng(0).binomial(450, 0.16, 40) / 450
    constant = np.concatenate([[0.1111], np.full(39, 71 / 450)])
    one = accuracy_repeats(curve(constant, "val/acc", "accuracy", "validation"))
    other = accuracy_repeats(curve(100 * guesses, "val/acc", "accuracy", "validation"))
    assert isinstance(one, Measurement) and one.value == 1 and one.items["last"] == pytest.approx(71 / 450)
    assert isinstance(other, Measurement) and other.value < 0.2 and other.items["last"] == pytest.approx(0.16, abs=0.03)
    assert isinstance(accuracy_repeats(curve(np.round(guesses, 2), "val/acc", "accuracy", "validation")), Missing)


def test_curves_without_a_finite_point_are_missing() -> None:
    """A loss of NaN throughout breaks nothing: each number says why it is not there."""
    nothing = np.full(50, np.nan)
    rows = [
        curve(nothing),
        curve(nothing, "val/loss", "validation-loss", "validation"),
        curve(nothing, "val/acc", "accuracy", "validation"),
    ]
    found = list(measure_states(rows[0], rows[1], rows, [], {}))
    assert len(found) == 8 and all(isinstance(one, Missing) and one.reason for one in found)


def test_a_weight_that_a_schedule_raises_is_a_straight_line_from_near_0() -> None:
    """A loss in proportion to the step is one; a constant, a fall, a jump, and a rise from a half of its end are none."""
    steps = np.arange(100.0)
    noise = np.random.default_rng(0).normal(0, 0.2, 100)
    assert ramp(curve(np.abs(0.1 * steps + noise))).value > 0.95
    for other in (
        np.ones(100),
        10 - 0.1 * steps,
        2.3 + 1.7 * steps,
        np.where(steps < 50, 0.1, 10.0),
        10 + 0.1 * steps,
        np.exp(0.1 * steps),
    ):
        assert ramp(curve(other)).value < 0.9
