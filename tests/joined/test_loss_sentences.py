"""What checks say of drawn losses: sentences that hold against the curve, whatever their status."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from postmortem import rules
from postmortem.diagnose import log_odds, run_check
from postmortem.measure.chance import Classes
from postmortem.measure.curves import measure_curves
from postmortem.measure.roles import assign
from postmortem.model import Finding, Measurement, Missing, Outcome, ReadOptions, RunData, Series, Status

Values = Sequence[float] | NDArray[np.float64]
AT = np.linspace(0, 1, 101)


def noise(width: float, seed: int = 3) -> NDArray[np.float64]:
    """Normal noise for 101 points."""
    return np.random.default_rng(seed).normal(0, width, 101)


def finding(check: str, curves: Mapping[str, Values], classes: int = 10) -> Finding:
    """What one check finds in a run of a classifier with these curves by tag, a point every five steps."""
    series = []
    for tag, values in curves.items():
        array = np.asarray(values, dtype=np.float64)
        series.append(Series(tag, "", np.arange(array.size) * 5, array, np.full(array.size, np.nan), "events"))
    roled = assign(series, ReadOptions())
    run = RunData(".", ".", (), tuple(series), (), {}, (), (), (), (), ReadOptions())
    found: dict[str, Measurement] = {}
    missing: dict[str, Missing] = {}
    for one in measure_curves(run, roled, Classes(classes, "labels")):
        if isinstance(one, Measurement):
            found[one.name] = one
        else:
            missing[one.name] = one
    outcome = run_check(rules.checks()[check], found, missing)
    assert outcome.error == ""
    return outcome.finding


def test_a_loss_that_fell_and_came_back_is_not_dated_to_its_start() -> None:
    """Down to 0.5 by a tenth of the run and back to 2: the low point is what it is dated to, and the way is told."""
    way = np.maximum(np.interp(AT, [0, 0.02, 0.12, 0.4, 1], [2.3, 1.3, 0.6, 1.4, 2.1]) + noise(0.35), 0.5)
    way[0], way[12] = 2.3, 0.4
    found = finding("flat-loss", {"loss": way, "accuracy": AT})
    assert found.status == "fail"
    assert found.first_step == 60
    assert found.reason.startswith("the loss fell from 2.3 to 0.4 at step 60, and came back to end around 2")


def test_a_loss_at_chance_is_said_to_be_there() -> None:
    """`1 times its noise` and `100% of chance level` are no sentences."""
    found = finding("flat-loss", {"loss": math.log(10) + 0.03 + noise(0.02), "accuracy": np.full(101, 0.1)})
    assert found.status == "fail"
    assert "below chance level" in found.reason
    assert "100%" not in found.reason
    assert "1 times" not in found.reason


def test_the_first_loss_beside_chance_is_the_data_loss_where_a_penalty_was_logged() -> None:
    """A total of 61 is not 100 % of chance: the data loss is."""
    curves = {"total_loss": 1.1 + 60 * np.exp(-5 * AT), "data_loss": 1.1 + noise(0.01), "regularization_loss": 60 * np.exp(-5 * AT)}
    curves["data_loss"][0] = 1.1
    found = finding("initial-loss-off", {"accuracy": np.full(101, 0.3), **curves}, 3)
    assert found.reason.startswith("the first data loss is 1.1, 100% of chance level")
    assert "61" not in found.reason
    assert finding("high-final-loss", {"accuracy": np.full(101, 0.3), **curves}, 3).reason.startswith("the data loss ends")


def test_the_end_of_a_loss_that_became_nan_is_its_last_finite_point() -> None:
    """The last finite value stands with its step, and the level before it is told as one."""
    values = np.where(AT < 0.6, 1.5, 2.4) + noise(0.02)
    values[70], values[71:] = 22_900.0, math.nan
    reason = finding("high-final-loss", {"loss": values, "accuracy": AT}).reason
    assert "no finite number from step 355 on" in reason
    assert "at step 350, is 22,900" in reason
    assert "ends at" not in reason
    assert "is no finite number from step 355 on" in finding("spiky-loss", {"loss": values}).reason


def test_a_slow_start_says_which_part_of_the_run_was_looked_at() -> None:
    """A fall that is over by a twentieth of the run is no early drop by the first fiftieth: the sentence names the part."""
    found = finding("steep-early-drop", {"loss": 0.7 + 9 * np.exp(-60 * AT), "accuracy": AT})
    assert "in the first 2% of the run, by step 10" in found.reason


def test_one_highest_gradient_norm_is_no_constant_one() -> None:
    """One of 101 norms always equals the maximum: that is not given as a share."""
    found = finding("constant-gradient-norm", {"loss": 2 - AT, "grad_norm": 1.0 + np.abs(noise(0.2))})
    assert found.status == "pass"
    assert found.reason.startswith("no two gradient norms share their maximum")


def test_a_validation_loss_that_never_moves_is_not_said_to_jitter() -> None:
    """0 % is no amount of jitter."""
    found = finding("still-validation", {"loss": 2.3 + noise(0.01), "val_loss": np.full(51, 2.3)})
    assert found.status == "warn"
    assert found.reason.startswith("at most evaluations the validation loss is what its neighbours give, to the last digit")


@pytest.mark.parametrize(("finite", "counts"), [("pass", True), ("fail", False)])
def test_a_jump_speaks_against_exploding_gradients_only_where_the_loss_went_on(finite: Status, counts: bool) -> None:
    """A loss that jumped and was NaN soon after did not go on from there."""
    cause = rules.causes()["exploding-gradients"]

    def weight(jumped: Status) -> float:
        states: dict[str, Status] = {"lasting-jump": jumped, "oversized-moments": "pass", "nonfinite-loss": finite}
        outcomes = {id: Outcome(id, id, "loss", Finding(status, ""), (), "") for id, status in states.items()}
        return log_odds(cause, outcomes)

    assert (weight("warn") < weight("pass")) == counts


def test_an_empty_validation_set_says_nothing_of_the_model() -> None:
    """0 at each evaluation, losses and metrics, is told as what it is; it is no sign that nothing trains, and no gap."""
    zeros = np.zeros(101)
    curves = {"train/box_loss": 2.4 - AT, "val/box_loss": zeros, "metrics/mAP50(B)": zeros, "metrics/recall(B)": zeros}
    empty = finding("empty-validation", curves)
    assert empty.status == "warn" and "the validation set is empty" in empty.reason
    for check in ("unchanging-validation", "still-validation", "swinging-validation", "wide-generalization-gap", "absent-validation"):
        found = finding(check, curves)
        assert found.status == "not-checked" and "the validation set is empty" in found.reason, check
    learned = {**curves, "val/box_loss": 2.4 - AT, "metrics/mAP50(B)": AT}
    assert finding("empty-validation", learned).status == "pass"
    assert finding("unchanging-validation", {"train/box_loss": 2.4 - AT, "val/box_loss": zeros + 2.4}).status == "fail"
