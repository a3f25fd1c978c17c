"""What causes advise: numbers that follow from those beside them, experiments that would show, and the file to go back to."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest

from postmortem import rules
from postmortem.answers import answer_checklist
from postmortem.checks.updates import large_updates, small_updates
from postmortem.diagnose import run_check
from postmortem.model import Case, Finding, Measured, Measurement, Outcome, RankedCause, Status
from postmortem.rivalry import contend


def seen(id: str, status: Status = "fail", value: float | None = None, first_step: int | None = None) -> Outcome:
    """A check's outcome."""
    check = rules.checks()[id]
    return Outcome(
        id, check.title, check.family, Finding(status, f"{id} saw it", value, first_step=first_step), check.checklist, check.figure
    )


def case(cause: str, outcomes: Iterable[Outcome] = (), *measurements: Measurement) -> Case:
    """What a cause looks at, with the measurements that it may see."""
    values = {one.name: one for one in measurements}
    return Case({one.id: one for one in outcomes}, Measured(values, frozenset(rules.causes()[cause].uses)))


def told(name: str, value: float, first_step: int | None = None, text: str = "", items: dict[str, float] | None = None) -> Measurement:
    """A measurement."""
    return Measurement(name, value, "", "somewhere", first_step, items or {}, text)


def numbers(text: str) -> list[float]:
    """Every number of a sentence, in order."""
    return [float(found) for found in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?:e-?\d+)?", text)]


def test_experiment_of_a_low_rate_uses_the_advised_rate() -> None:
    """A rate 350 times too low is not shown by ten times of it: fix and experiment name one rate, which follows from the ratio."""
    cause = rules.causes()["lr-too-low"]
    given = case("lr-too-low", (), told("lr.max", 5e-7), told("updates.ratio", 2.9e-6))
    assert numbers(cause.fix(given)) == [5e-7, 2e-4, 2.9e-6, 1e-3]
    assert numbers(cause.confirm(given)) == [200, 2e-4]
    bare = case("lr-too-low", (), told("lr.max", 1e-6))
    assert numbers(cause.fix(bare)) == [1e-6, 1e-5]
    assert numbers(cause.confirm(bare)) == [200, 1e-5]


@pytest.mark.parametrize(("last", "large", "words"), [(0.0056, 0.34, "distance moved per step"), (0.34, 0.34, "last update")])
def test_advice_on_a_high_rate_says_which_ratio_it_divides(last: float, large: float, words: str) -> None:
    """The last update and the distance between checkpoints are two numbers; the rate divides by the one that is named."""
    cause = rules.causes()["lr-too-high"]
    given = case("lr-too-high", [seen("large-updates", value=large)], told("lr.max", 1.0), told("updates.ratio", last))
    assert numbers(cause.fix(given)) == [1.0, 0.003, 0.34, 0.001]
    assert f"median {words} over weight" in cause.fix(given)
    assert numbers(cause.confirm(given)) == [200, 0.003]


@pytest.mark.parametrize(("id", "gain"), [("init-too-large", 6.9), ("init-too-small", 0.02)])
def test_factor_of_initial_weights_follows_from_the_deviation_beside_it(id: str, gain: float) -> None:
    """Deviation over the right one, both by fan_in, is the factor that is named."""
    factor, deviation, right, *_ = numbers(rules.causes()[id].fix(case(id, (), told("weights.initial_gain", gain))))
    assert deviation == gain
    assert factor == pytest.approx(max(deviation / right, right / deviation), rel=0.02)


def test_saturated_units_are_mended_where_they_come_from() -> None:
    """Weights that began too large are scaled, inputs are where they are not of unit scale, and what is known to be fine is left alone."""
    fix = rules.causes()["saturated-activations"].fix
    gain = told("weights.initial_gain", 6.9)
    weights = fix(case("saturated-activations", [seen("large-initial-weights"), seen("unscaled-inputs", "pass")], gain))
    inputs = fix(case("saturated-activations", [seen("large-initial-weights", "pass"), seen("unscaled-inputs")], gain))
    grown = fix(case("saturated-activations", [seen("growing-weights"), seen("unscaled-inputs", "pass")]))
    fine = fix(case("saturated-activations", [seen("unscaled-inputs", "pass")]))
    assert numbers(weights)[:2] == [6.9, 6.9]
    assert "inputs" not in weights
    assert inputs == "Scale the inputs to mean 0 and variance 1."
    assert grown.startswith("Lower the learning rate")
    assert "inputs" not in fine
    assert "inputs" in fix(case("saturated-activations"))


@pytest.mark.parametrize(("step", "named"), [(100, True), (130, False), (200, False)])
def test_a_jump_is_left_by_the_checkpoint_before_it(step: int, named: bool) -> None:
    """The file to go back to is named where it lies before the jump, and only there."""
    cause = rules.causes()["loss-spike"]
    given = case("loss-spike", [seen("lasting-jump", first_step=130)], told("checkpoint.before_rise", step, step, "ckpt/a.pt"))
    assert ("ckpt/a.pt (step 100)" in cause.fix(given)) is named
    assert ("ckpt/a.pt (step 100)" in cause.confirm(given)) is named


def test_penalty_is_divided_by_what_it_is_at_the_step_that_is_named() -> None:
    """A penalty shrinks weights and itself: its start counts; where it began small, what it was for a fifth of the run does."""
    fix = rules.causes()["regularization-dominates"].fix
    high = told("regularization.ratio_p80", 21.0, 4)
    assert numbers(fix(case("regularization-dominates", (), told("regularization.ratio_start", 55.0, 0), high)))[:3] == [550, 0, 55]
    later = fix(case("regularization-dominates", (), told("regularization.ratio_start", 0.5, 0), high))
    assert numbers(later) == [210, 21]
    assert "a fifth of the run" in later


def test_nearest_checkpoint_comes_with_its_own_step() -> None:
    """A file named by its epoch does not tell how far it is from the best step."""
    rise = told("validation.rise", 0.2, 84)
    nearest = told("checkpoints.best_distance", 0.11, 84, "ckpt/epoch_050.pth", {"ckpt/epoch_050.pth": 150.0})
    assert "ckpt/epoch_050.pth of step 150" in rules.causes()["overfitting"].fix(case("overfitting", (), rise, nearest))


def ranked(id: str, probability: float) -> RankedCause:
    """A cause with nothing but its probability."""
    return RankedCause(id, rules.causes()[id].title, probability, "", None, (), (), (), "", "")


def test_what_brings_the_first_cause_about_is_not_told_that_another_accounts_for_the_run() -> None:
    """Large initial weights saturate units: their lesser signs are said to be lesser; an unrelated cause is told of the rival."""
    first, initial, noise = contend([ranked("saturated-activations", 0.7), ranked("init-too-large", 0.2), ranked("label-noise", 0.2)])
    assert [argument.says for argument in first.arguments] == ["no other cause explains the run better"]
    assert initial.arguments[-1].says.startswith("it could bring about another cause")
    assert noise.arguments[-1].says.startswith("another cause accounts for the run")
    assert initial.probability == noise.probability


def test_updates_that_are_accepted_are_so_by_both_checks() -> None:
    """The upper end of what small-updates calls accepted is where large-updates begins to warn."""
    assert large_updates.HIGH.value == small_updates.ACCEPTED
    check = rules.checks()["small-updates"]
    values = {name: told(name, 0.019, 150, items={"a": 0.019}) for name in ("updates.ratio_lower", "updates.ratio_upper")}
    assert "0.019 at step 150, within 1e-4 to 0.05" in run_check(check, values, {}).finding.reason


def test_distance_between_checkpoints_is_not_called_the_last_update() -> None:
    """One median is of the optimizer's last update, the other of the distance moved; each has its own words."""
    check = rules.checks()["large-updates"]
    last = {name: told(name, 0.2, 125, items={"a": 0.2}) for name in ("updates.ratio_lower", "updates.ratio")}
    far = Measurement("updates.displacement_low", 0.34, "per step", "steps 0 to 125, 125 updates, 1 matrix", 125, {"a": 0.34})
    grown = (told("weights.growth", 40.0, items={"a": 40.0}), told("weights.final_gain", 20.0, items={"a": 20.0}))
    assert "the median last update over weight is 0.2 at step 125" in run_check(check, last, {}).finding.reason
    away = run_check(check, {**last, **{one.name: one for one in (far, *grown)}}, {})
    assert "the median distance moved per step over weight is 0.34 over steps 0 to 125" in away.finding.reason


@pytest.mark.parametrize(
    ("algorithm", "words"), [("sgd", "SGD's momentum"), ("adamw", "Adam's moments"), ("adam, sgd", "the optimizer's state")]
)
def test_scale_of_inputs_names_the_state_that_told_it(algorithm: str, words: str) -> None:
    """A run under SGD has no moments of Adam."""
    values = {"inputs.rms": told("inputs.rms", 1.1), "optimizer.algorithm": told("optimizer.algorithm", float("nan"), text=algorithm)}
    assert f"(from {words})" in run_check(rules.checks()["unscaled-inputs"], values, {}).finding.reason


@pytest.mark.parametrize(("share", "status"), [(0.0, "fail"), (1.0, "pass")])
def test_weights_that_stood_still_fail_the_ratio_of_updates(share: float, status: Status) -> None:
    """Distances of 0 between checkpoints are no sound ratio of updates to weights."""
    moved = Measurement("updates.moved", share, "share", "bits of 1 parameter tensors between step 0 and step 500", 500, {"a": share})
    pace = Measurement("updates.overwritten", 0.01 * share, "per root of step", "so far in 500 updates", 500, {"a": 0.01 * share})
    found = [
        run_check(rules.checks()[id], {one.name: one for one in (moved, pace)}, {}) for id in ("unmoved-weights", "overwritten-weights")
    ]
    item = next(item for item in answer_checklist(found) if item.id == "update-ratio")
    assert item.status == status
    assert ("ratio of updates to weights of 0" in item.reason) is (status == "fail")
