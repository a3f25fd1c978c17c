"""Losses beside the largest that their accuracy allows: in closed form, and of labels that are wrong at random."""

from __future__ import annotations

import math

import numpy as np
import pytest

from postmortem.measure.evenness import LEAST_POINTS, largest_entropy, measure_evenness
from postmortem.measure.roles import Roled
from postmortem.model import Measurement, Missing, Series

CLASSES = 5


def roled(role: str, split: str, values: np.ndarray) -> Roled:
    """A series of this role, at every tenth step."""
    tag, steps = f"{split}/{'acc' if role == 'accuracy' else 'loss'}", np.arange(values.size) * 10
    series = Series(tag, split, steps, values.astype(np.float64), np.zeros(values.size), "log.csv")
    return Roled(series, role, split, "given")  # type: ignore[arg-type]


def evenness(loss: np.ndarray, accuracy: np.ndarray, smoothing: float = 0.0) -> Measurement | Missing:
    """What is measured of a validation loss and its accuracy."""
    both = (roled("validation-loss", "validation", loss), roled("accuracy", "validation", accuracy))
    return {one.name: one for one in measure_evenness(both, math.log(CLASSES), smoothing)}["loss.validation_evenness"]


def test_the_largest_entropy_is_that_of_its_distribution() -> None:
    """0.6 for the right class of three and 0.2 for each other; ln C for a guess; 0 for a model that is always right."""
    assert largest_entropy(0.6, 3) == pytest.approx(-0.6 * math.log(0.6) - 2 * 0.2 * math.log(0.2))
    assert largest_entropy(1 / 7, 7) == pytest.approx(math.log(7))
    assert largest_entropy(1.0, 4) == 0


@pytest.mark.parametrize("percent", [1.0, 100.0])
def test_records_that_are_equally_uncertain_reach_it(percent: float) -> None:
    """A model that gives the right class 0.52 on each record, logged as a share or in per cent."""
    found = evenness(np.full(30, largest_entropy(0.52, CLASSES)), np.full(30, 0.52 * percent))
    assert isinstance(found, Measurement) and found.value == pytest.approx(1)
    assert found.items["accuracy"] == pytest.approx(0.52) and found.items["guess"] == pytest.approx(0.2)
    assert found.items["error"] == pytest.approx(0, abs=1e-12)


def test_records_that_are_known_and_records_that_are_not_stay_below_it() -> None:
    """Half of the records known for sure, the other half guessed: as accurate as 0.6 for each, and (ln 5 / 2) / 1.228 of the entropy."""
    found = evenness(np.full(30, math.log(5) / 2), np.full(30, 0.6))
    assert isinstance(found, Measurement)
    assert found.value == pytest.approx(math.log(5) / 2 / (-0.6 * math.log(0.6) - 0.4 * math.log(0.1))) and found.value < 0.7


def test_noise_that_is_in_both_leaves_no_error() -> None:
    """Loss and accuracy of batches go together: points along the entropy's slope have an error of their curvature only."""
    right = 0.5 + 0.02 * np.random.default_rng(0).standard_normal(60)
    found = evenness(np.array([largest_entropy(each, CLASSES) for each in right]), right)
    assert isinstance(found, Measurement) and found.value == pytest.approx(1, abs=2e-3) and found.items["error"] < 1e-3


def test_what_cannot_be_told_is_missing() -> None:
    """Too few points, no errors at all, and a loss that label smoothing lifts."""
    few = evenness(np.ones(LEAST_POINTS - 1), np.full(LEAST_POINTS - 1, 0.5))
    assert isinstance(few, Missing) and few.log_next == "accuracy"
    assert isinstance(evenness(np.zeros(30), np.ones(30)), Missing)
    smoothed = evenness(np.ones(30), np.full(30, 0.5), smoothing=0.1)
    assert isinstance(smoothed, Missing) and not smoothed.applies
