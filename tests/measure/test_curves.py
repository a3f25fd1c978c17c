"""All measurements of curves together: each name once, on any input, in little time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from postmortem.log_next import ADVICE
from postmortem.measure.chance import Classes
from postmortem.measure.curves import measure_curves
from postmortem.measure.roles import assign
from postmortem.model import Measurement, Missing, ReadOptions, RunData, Series

KNOWN = Classes(10, "given", math.log(10), math.log(10))


def drawn(tag: str, values: Sequence[float] | NDArray[np.float64], every: int = 1) -> Series:
    """One drawn series, a point every so many steps."""
    array = np.asarray(values, dtype=np.float64)
    return Series(tag, "", every * np.arange(array.size), array, np.full(array.size, np.nan), "events")


def measure(*series: Series, classes: Classes = KNOWN) -> dict[str, Measurement | Missing]:
    """All measurements by name; each name once."""
    run = RunData("run", "run", (), series, (), {"max_grad_norm": 1.0, "batch_size": 8}, (), (), (), (), ReadOptions())
    found = list(measure_curves(run, assign(series, run.options), classes))
    assert len({one.name for one in found}) == len(found)
    return {one.name: one for one in found}


FULL = (
    drawn("train/loss", np.geomspace(2.3, 0.1, 300)),
    drawn("train/data_loss", np.geomspace(2.2, 0.09, 300)),
    drawn("train/reg_loss", np.geomspace(0.1, 0.01, 300)),
    drawn("val/loss", np.geomspace(2.3, 0.2, 30), every=10),
    drawn("train/accuracy", np.linspace(0.1, 0.95, 300)),
    drawn("val/accuracy", np.linspace(0.1, 0.9, 30), every=10),
    drawn("lr", np.linspace(1, 0, 300)),
    drawn("grad_norm", np.linspace(2, 1, 300)),
)


def test_the_names_do_not_depend_on_the_input() -> None:
    """A run with everything, with nothing and with too little yields the same names."""
    full, empty, short = measure(*FULL), measure(), measure(drawn("loss", [2.0, 1.0]), drawn("val_loss", [2.0]), classes=Classes())
    assert set(full) == set(empty) == set(short)
    told = {name for name, one in empty.items() if isinstance(one, Measurement)}
    assert told == {"run.family", "run.clip_norm", "run.batch_size", "loss.chance", "resume.count", "run.snapshot"}


def test_a_full_run_misses_little() -> None:
    """With all tags logged, only what settings, a manifest or checkpoints would say is missing."""
    absent = {one.name for one in measure(*FULL).values() if isinstance(one, Missing)}
    assert absent == {
        "checkpoints.best_distance",
        "data.corpus",
        "run.settings_activation",
        "run.goes_on",
        "run.pretrained",
        "run.class_weights",
        "run.early_stopping",
        "loss.before_nonfinite",
        "resume.loss_jump",
        "resume.rate_ratio",
        "run.optimizer",
        "steps.planned",
        "steps.done",
    }


def test_all_advice_is_known() -> None:
    """Each missing measurement points to advice that exists and gives a reason."""
    for one in measure().values():
        if isinstance(one, Missing):
            assert one.log_next in ADVICE
            assert one.reason


VALUES = st.lists(st.floats(allow_nan=True, allow_infinity=True, width=64), max_size=60)


@settings(max_examples=60, deadline=None)
@given(VALUES, VALUES, VALUES, VALUES)
def test_any_numbers_are_measured(loss: list[float], validation: list[float], rate: list[float], norm: list[float]) -> None:
    """No floats, huge, tiny, NaN or infinite ones included, make it fail or warn, and no measured value is NaN or infinite."""
    series = (
        drawn("train/loss", loss),
        drawn("val/loss", validation),
        drawn("lr", rate),
        drawn("grad_norm", norm),
        drawn("reg_loss", rate),
    )
    for one in measure(*series).values():
        if isinstance(one, Measurement) and not one.text:
            assert math.isfinite(one.value), one


def test_every_point_of_half_a_million_counts() -> None:
    """A long tag is measured whole: its levels are those that it was drawn with, to a twentieth of the noise."""
    values = 0.3 + 2 * np.exp(-8 * np.linspace(0, 1, 500_000)) + np.random.default_rng(0).normal(0, 0.05, 500_000)
    found = measure(drawn("train/loss", values))
    last = found["loss.last"]
    assert isinstance(last, Measurement) and last.value == pytest.approx(0.3 + 2 * math.exp(-7.8), abs=2e-3)
