"""What a stretch of a loss looks like: steady, falling, rising or swinging, on curves whose course was drawn."""

from __future__ import annotations

import re

import numpy as np
import pytest
from numpy.typing import NDArray

from postmortem.checks.loss import plateaued_loss
from postmortem.measure.plateaus import plateaus, seen
from postmortem.measure.smooth import smooth
from postmortem.model import Measured, Measurement, Series

Values = NDArray[np.float64]
AT = np.linspace(0, 1, 200)


def noise(width: float, points: int = 200) -> Values:
    """Normal noise."""
    return np.random.default_rng(5).normal(0, width, points)


def last(values: Values) -> Measurement:
    """The plateau that reaches to the end."""
    curve = smooth(Series("loss", "", np.arange(values.size) * 10, values, np.full(values.size, np.nan), "events"), 10)
    assert curve is not None
    return {one.name: one for one in plateaus(curve)}["loss.plateau_last"]


def sentence(values: Values) -> str:
    """What the check for plateaus says of a curve without a known chance level."""
    found = (
        last(values),
        Measurement("loss.first", float(values[0]), "loss", ""),
        Measurement("loss.last", float(np.median(values[-20:])), "loss", "", items={"logged": float(values[-1])}),
    )
    declared = frozenset((*plateaued_loss.NEEDS, *plateaued_loss.USES))
    return plateaued_loss.judge(Measured({one.name: one for one in found}, declared)).reason


@pytest.mark.parametrize(
    ("values", "course"),
    [
        (2.0 + noise(0.02), "steady"),
        (2.0 - 0.003 * AT + noise(0.0001), "steady"),
        (2.0 - 0.4 * AT + noise(0.05), "falls"),
        (2.0 + 0.4 * AT + noise(0.05), "rises"),
        (2.0 + noise(0.5), "swings"),
        (np.full(200, 0.0), "steady"),
        (np.geomspace(0.05, 0.002, 200), "falls"),
    ],
)
def test_a_stretch_is_told_by_its_course(values: Values, course: str) -> None:
    """A trend that is no more than its error or a fiftieth of the level is none, and nor is one that is a tenth of the whole fall."""
    assert seen(values, float(np.median(values)), 1.0).course == course


def test_a_slight_trend_that_is_all_the_loss_fell_is_a_fall() -> None:
    """Of a loss that falls by half a per cent in all, evenly, nobody who sees the curve would say that it stays."""
    assert seen(2.3 - 0.011 * AT + noise(0.0002), 2.295, 0.011).course == "falls"


def test_levels_within_the_noise_of_a_steep_start_are_no_standstill() -> None:
    """A loss that goes from 285 to 15 with noise in proportion still halves within its last plateau: that is said, and the share of it."""
    values = (270 * np.exp(-5 * AT) + 14) * (1 + noise(0.15))
    found = last(values)
    assert found.value > 0.4
    assert found.text == "falls"
    assert found.items["from"] > 1.8 * found.items["to"]
    assert 0.02 < found.items["fallen"] < 0.2
    assert re.match(r"the loss makes only [\d.]+% of its fall in the last \d+% of the run, \d+(\.\d+)? to 1\d", sentence(values))


def test_a_fall_that_fits_into_the_band_is_not_part_of_the_standstill() -> None:
    """A loss that falls from 2.29 to 2.18 by a twentieth of the run and then stands is steady from there on, and is dated there."""
    values = np.maximum(2.29 - 0.11 * np.linspace(0, 1, 100) / 0.05, 2.18) + noise(0.015, 100)
    found = last(values)
    assert found.text == "steady"
    assert found.items["begin"] == 0
    assert found.items["settled"] == pytest.approx(50, abs=10)
    assert sentence(values).startswith("for the last 9")
    assert "of the run the loss stays about 2.17" in sentence(values)
    assert last(2.18 + noise(0.015)).items["settled"] == 0


def test_a_loss_that_swings_is_not_said_to_stay() -> None:
    """Noise of a quarter of the level is no level to a reader."""
    values = np.where(AT < 0.1, 2.3 - 10 * AT, 1.8) + noise(0.45)
    assert last(values).text == "swings"
    assert "swings between" in sentence(values)
