"""Curves of known levels, as shares of ignorance; and closed forms of mistaken losses."""

from __future__ import annotations

import math

import numpy as np
import pytest

from postmortem.measure.generalization import measure_accuracy_rise, measure_accuracy_turn, measure_generalization
from postmortem.measure.misread_loss import measure_misread
from postmortem.measure.rare import measure_rare
from postmortem.measure.roles import Roled
from postmortem.model import Manifest, Measurement, Missing, Series

STEPS = np.arange(0, 200, 10)


def roled(role: str, split: str, values: np.ndarray) -> Roled:
    """A series of this role."""
    tag = f"{split}/{'acc' if role == 'accuracy' else 'loss'}"
    series = Series(tag, split, STEPS[: values.size], values.astype(np.float64), np.zeros(values.size), "log.csv")
    return Roled(series, role, split, "given")  # type: ignore[arg-type]


def shares(train: np.ndarray, held: np.ndarray, chance: float | None = None) -> dict[str, float]:
    """All that is measured of two curves."""
    found = measure_generalization(roled("training-loss", "train", train), roled("validation-loss", "validation", held), chance)
    return {one.name: one.value for one in found if isinstance(one, Measurement)}


def test_levels_are_shares_of_ignorance() -> None:
    """Training falls from ln 10 to a hundredth of it half way; validation turns at a half and ends at three quarters."""
    chance = math.log(10)
    train = chance * np.where(np.arange(20) < 10, 1.0, 0.01)
    held = chance * np.where(np.arange(20) < 10, 0.5, 0.75)
    found = shares(train, held, chance)
    assert found["fit.train_share"] == pytest.approx(0.01)
    assert found["fit.validation_best"] == pytest.approx(0.5) and found["fit.validation_last"] == pytest.approx(0.75)
    assert found["fit.train_at_best"] == pytest.approx(1.0)
    assert found["fit.late_progress"] == pytest.approx(0.0)
    assert found["fit.fitted_part"] == pytest.approx(0.5, abs=0.1)


def test_levels_have_the_standard_error_of_their_noise() -> None:
    """Noise of 0.02 of ignorance about a level leaves less than that on the median of a tenth; a smooth curve has none."""
    noise = 0.02 * np.random.default_rng(0).normal(size=20)
    given = [roled("training-loss", "train", 0.9 + noise), roled("validation-loss", "validation", np.linspace(1.0, 0.9, 20))]
    found = {one.name: one for one in measure_generalization(given[0], given[1], 1.0)}
    train, held = found["fit.train_share"], found["fit.validation_last"]
    assert isinstance(train, Measurement) and 0.003 < train.items["noise"] < 0.04
    assert isinstance(held, Measurement) and held.items["noise"] < 0.003


def test_an_even_fall_brings_a_third_in_the_last_third() -> None:
    """A straight line from 3 to 1 has a third of its fall before it at two thirds, but for the width of a level."""
    assert shares(np.linspace(3, 1, 20), np.linspace(3, 1, 20))["fit.late_progress"] == pytest.approx(1 / 3, abs=0.08)


def test_losses_below_zero_have_no_share() -> None:
    """A likelihood is not held against ignorance."""
    assert not shares(np.linspace(1, -1, 20), np.linspace(1, -1, 20))


def test_the_fall_of_an_accuracy_is_from_its_best_level() -> None:
    """From 90 percent to 70, given in percent."""
    values = np.concatenate([np.full(10, 90.0), np.full(10, 70.0)])
    found = measure_accuracy_turn(roled("accuracy", "validation", values))
    assert isinstance(found, Measurement) and found.value == pytest.approx(0.2)


def misread(loss: np.ndarray, accuracy: np.ndarray, classes: int, batch: float | None = 32) -> dict[str, Measurement | Missing]:
    """What is measured of a validation loss beside its accuracy."""
    both = (roled("training-loss", "train", loss), roled("validation-loss", "validation", loss), roled("accuracy", "validation", accuracy))
    return {one.name: one for one in measure_misread(both, math.log(classes), batch)}


def test_the_rise_of_an_accuracy_is_between_its_first_and_last_level() -> None:
    """From 60 percent to 80, given in percent, with no noise on a straight line."""
    found = measure_accuracy_rise(roled("accuracy", "validation", np.linspace(60.0, 80.0, 20)))
    assert isinstance(found, Measurement) and found.value == pytest.approx(0.2, abs=0.03) and found.items["noise"] < 0.02
    wobble = 0.1 + 0.05 * np.resize([1.0, -1.0, 0.5], 20)
    flat = measure_accuracy_rise(roled("accuracy", "validation", wobble))
    assert isinstance(flat, Measurement) and abs(flat.value) < 5 * flat.items["noise"]


def test_softmax_applied_twice_lies_on_its_formula() -> None:
    """Probabilities of 0 and 1 as logits cost ln(e + C - 1) less the accuracy; the same accuracy by one softmax costs far less."""
    accuracy, classes = np.linspace(0.6, 0.95, 20), 10
    doubled = misread(math.log(math.e + classes - 1) - accuracy, accuracy, classes)["loss.doubled_softmax"]
    sound = misread(1.2 - accuracy, accuracy, classes)["loss.doubled_softmax"]
    assert isinstance(doubled, Measurement) and doubled.value == pytest.approx(0) and doubled.text == ""
    assert isinstance(sound, Measurement) and sound.value > 1 and sound.text == "below"


def test_the_first_loss_over_the_batch_is_its_logarithm() -> None:
    """ln 32 for 32 records."""
    found = misread(np.full(20, math.log(32)), np.full(20, 0.7), 10)["loss.first_to_batch"]
    assert isinstance(found, Measurement) and found.value == pytest.approx(1)


def test_rare_records_that_are_never_found_cost_their_share() -> None:
    """90 and 10 of 1000 and 10: the ten cost 0.1 x -ln(10/1010), and are a tenth of the errors."""
    manifest = Manifest(
        "manifest.csv", 1110, "label", "split", None, {"train": {"a": 1000, "b": 10}, "validation": {"a": 90, "b": 10}}, 0, None, {}, {}
    )
    cost = 0.1 * math.log(1010 / 10)
    given = (roled("validation-loss", "validation", np.full(20, cost)), roled("accuracy", "validation", np.full(20, 0.9)))
    found = {one.name: one.value for one in measure_rare(given, (manifest,), "classification") if isinstance(one, Measurement)}
    assert found == {"loss.validation_to_rare": pytest.approx(1), "accuracy.errors_to_rare": pytest.approx(1)}


@pytest.mark.parametrize(("first", "told"), [(math.log(64) * 1.005, 1.005), (math.log(64) * 1.05, None)])
def test_a_first_loss_at_the_logarithm_of_a_usual_batch_is_told_without_a_setting(first: float, told: float | None) -> None:
    """Half a percent from ln 64 is near enough, five percent is not."""
    found = misread(np.full(20, first), np.full(20, 0.3), 10, None)["loss.first_to_batch"]
    if told is None:
        assert isinstance(found, Missing)
    else:
        assert isinstance(found, Measurement) and found.value == pytest.approx(told) and found.text == "assumed"
