"""Validation curves with a best point, a rise and a gap that were drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from postmortem.measure.roles import Roled, assign, main_training_loss, main_validation_loss
from postmortem.measure.validation import measure_accuracy, measure_validation
from postmortem.model import Measurement, Missing, ReadOptions, Series


def drawn(tag: str, values: Sequence[float] | NDArray[np.float64], every: int = 10) -> Series:
    """One drawn series."""
    array = np.asarray(values, dtype=np.float64)
    return Series(tag, "", np.arange(array.size) * every, array, np.full(array.size, np.nan), "events")


def roled(*series: Series) -> tuple[Roled, ...]:
    """The series with their roles."""
    return assign(series, ReadOptions())


def validation(*series: Series, chance: float | None = None) -> dict[str, Measurement | Missing]:
    """All validation measurements of these series."""
    every = roled(*series)
    training = main_training_loss(every)
    return {one.name: one for one in measure_validation(training, main_validation_loss(every, training), chance)}


def accuracy(best_step: int | None, *series: Series) -> dict[str, Measurement | Missing]:
    """All accuracy measurements of these series."""
    return {one.name: one for one in measure_accuracy(roled(*series), best_step)}


def measured(found: dict[str, Measurement | Missing], name: str) -> Measurement:
    """The measurement, which must be there."""
    one = found[name]
    assert isinstance(one, Measurement), one
    return one


TRAIN = drawn("train/loss", np.geomspace(2.0, 0.02, 400), every=1)
V_SHAPE = np.concatenate([np.linspace(2.0, 1.0, 16)[:-1], np.linspace(1.0, 1.5, 26)])


def test_rise_from_the_best_point() -> None:
    """A loss that falls to 1 at step 150 and rises to 1.5 has risen by about a half since; training fell on."""
    found = validation(TRAIN, drawn("val/loss", V_SHAPE))
    assert measured(found, "validation.rise").first_step == 150
    assert measured(found, "validation.rise").value == pytest.approx(0.45, abs=0.03)
    assert measured(found, "validation.rise_progress").value == pytest.approx(0.46, abs=0.05)
    assert measured(found, "validation.train_fall_after_best").value > 0.7
    assert measured(found, "validation.points").value == 41


def test_the_best_step_is_one_at_which_a_low_was_logged() -> None:
    """The level of three neighbours says how good the best was; the step is that of the lowest of them, and not of the middle one."""
    values = [2.0, 1.5, 1.2, 1.0, 0.98, 0.9, 1.1, 1.3, 1.5, 1.7, 1.9, 2.1]
    rise = measured(validation(drawn("val/loss", values)), "validation.rise")
    assert (rise.first_step, rise.items["best"]) == (50, 0.9)
    assert rise.value == pytest.approx(1.9 / 0.98 - 1)


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_no_rise(seed: int) -> None:
    """A level validation loss with noise of 5 % never ends 15 % and 3 noises above its best."""
    for points in (6, 12, 40, 300):
        values = 1 + np.random.default_rng(seed).normal(0, 0.05, points)
        found = validation(TRAIN, drawn("val/loss", values))
        assert measured(found, "validation.rise").value < 0.15 or measured(found, "validation.rise_noise").value < 3


def test_a_falling_curve_has_no_rise() -> None:
    """A loss whose best point is its last has risen by nothing."""
    assert measured(validation(TRAIN, drawn("val/loss", np.linspace(2, 1, 30))), "validation.rise").value == 0


def test_gap_at_the_end() -> None:
    """Validation at 1 over training at 0.1 is a ratio of 10 and 0.9 of a chance of 1."""
    found = validation(drawn("train/loss", np.full(50, 0.1)), drawn("val/loss", np.full(20, 1.0)), chance=1.0)
    assert measured(found, "validation.gap").value == pytest.approx(10)
    assert measured(found, "validation.gap_share").value == pytest.approx(0.9)


def test_negative_losses_have_no_ratio() -> None:
    """Losses below zero have a difference and no ratio."""
    found = validation(drawn("train/loss", np.full(50, -2.0)), drawn("val/loss", np.full(20, -1.0)))
    assert isinstance(found["validation.gap"], Missing)
    assert measured(found, "validation.gap_share").value == pytest.approx(0.5)


def test_four_points_are_missing() -> None:
    """Four validation points are counted and not judged."""
    found = validation(TRAIN, drawn("val/loss", [2, 1, 1, 2]))
    assert measured(found, "validation.points").value == 4
    assert isinstance(found["validation.rise"], Missing)


def test_no_validation_loss_is_missing() -> None:
    """Without a validation loss everything is missing, with what to log."""
    assert all(isinstance(one, Missing) and one.log_next == "validation-loss" for one in validation(TRAIN).values())


def test_no_training_loss_leaves_the_rise() -> None:
    """A validation loss alone still shows its rise; the comparison with training is missing."""
    found = validation(drawn("val/loss", V_SHAPE))
    assert measured(found, "validation.rise").value > 0.4
    assert isinstance(found["validation.gap"], Missing)


def test_accuracies_are_shares_whatever_their_unit() -> None:
    """Percentages and shares come out alike, also where only one split passed 1.5 %."""
    shares = accuracy(None, drawn("train/accuracy", [0.5, 0.9, 0.9]), drawn("val/accuracy", [0.5, 0.6, 0.6]))
    percent = accuracy(None, drawn("train/accuracy", [50, 90, 90]), drawn("val/accuracy", [1.0, 1.2, 1.2]))
    assert measured(shares, "accuracy.train_last").value == pytest.approx(0.9)
    assert measured(percent, "accuracy.train_last").value == pytest.approx(0.9)
    assert measured(percent, "accuracy.validation_last").value == pytest.approx(0.012)


def test_accuracy_after_the_best_step() -> None:
    """An accuracy that goes from 0.7 to 0.6 after step 100 changed by -0.1."""
    found = accuracy(100, drawn("val/accuracy", [0.7] * 15 + [0.6] * 15))
    assert measured(found, "validation.accuracy_change_after_best").value == pytest.approx(-0.1)
    assert isinstance(accuracy(None, drawn("val/accuracy", [0.7] * 15))["validation.accuracy_change_after_best"], Missing)


@pytest.mark.parametrize(
    ("tag", "counts"),
    [("val/f1", True), ("metrics/mAP50(B)", True), ("f1", False), ("train/f1", False), ("val/wer", False), ("val/perplexity", False)],
)
def test_metric_stands_for_an_accuracy_that_was_not_logged(tag: str, counts: bool) -> None:
    """A share that is better when higher does, on validation data or where only evaluation takes it; an error rate does not."""
    found = accuracy(100, drawn(tag, [0.4] * 15 + [0.5] * 15))["validation.accuracy_change_after_best"]
    assert isinstance(found, Measurement) == counts
    if isinstance(found, Measurement):
        assert found.value == pytest.approx(0.1) and found.text == f"{tag!r}"
    both = accuracy(100, drawn(tag, [0.4] * 15 + [0.5] * 15), drawn("val/accuracy", [0.7] * 15 + [0.6] * 15))
    assert measured(both, "validation.accuracy_change_after_best").value == pytest.approx(-0.1)


def test_an_unlabelled_accuracy_is_of_training() -> None:
    """A tag that names no split counts for training alone."""
    found = accuracy(None, drawn("accuracy", [0.1, 0.2, 0.3]))
    assert math.isclose(measured(found, "accuracy.train_last").value, 0.2)
    assert isinstance(found["accuracy.validation_last"], Missing)


def test_evaluations_that_are_no_numbers_are_counted_after_the_first_that_is() -> None:
    """Two before the first finite one were not evaluated; of the eight from there on three are NaN or infinite, two of them at the end."""
    values = [math.nan, math.nan, 1.0, 0.9, math.inf, 0.8, 0.7, 0.6, math.nan, math.nan]
    found = validation(drawn("train/loss", np.linspace(2, 1, 10)), drawn("val/loss", values))["validation.nonfinite"]
    assert isinstance(found, Measurement) and found.value == 3 and found.first_step == 40
    assert found.items == {"evaluations": 8.0, "last": 2.0}
    never = validation(drawn("train/loss", np.linspace(2, 1, 10)), drawn("val/loss", [math.nan] * 10))
    assert isinstance(never["validation.nonfinite"], Missing)


def test_epochs_between_evaluations_are_none_that_failed() -> None:
    """A column that is written each epoch and filled every fifth: NaN in between is no evaluation, and one at its turn is."""
    values = np.full(50, math.nan)
    values[4::5] = np.linspace(1.0, 0.5, 10)
    training = drawn("train/loss", np.linspace(2, 1, 50))
    found = validation(training, drawn("val/loss", values))["validation.nonfinite"]
    assert isinstance(found, Measurement) and found.value == 0 and found.items["evaluations"] == 10
    twice = np.full(30, math.nan)
    twice[[0, 29]] = 1.0
    seldom = validation(training, drawn("val/loss", twice))["validation.nonfinite"]
    assert isinstance(seldom, Measurement) and seldom.value == 28
    values[44:] = math.nan
    lost = validation(training, drawn("val/loss", values))["validation.nonfinite"]
    assert isinstance(lost, Measurement) and lost.value == 2 and lost.items["last"] == 2
