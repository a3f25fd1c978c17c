"""What every check and cause must keep, whatever it is called."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from importlib import resources

import pytest

from postmortem import rules
from postmortem.checklist import ITEMS
from postmortem.diagnose import run_check, weigh
from postmortem.fitted import WEIGHTS
from postmortem.log_next import ADVICE
from postmortem.model import Cause, Check, Evidence, Example, Finding, Measurement, Missing, Outcome, Status
from postmortem.rivalry import LIKELY

CHECKS = list(rules.checks().values())
CAUSES = list(rules.causes().values())
SCHEMA = json.loads(resources.files("postmortem").joinpath("render/report.schema.json").read_text(encoding="utf-8"))
CAUSE_IDS = set(SCHEMA["$defs"]["cause"]["properties"]["id"]["enum"])
VERBS = re.compile(r"^(no|avoid|use|do|dont|check|prefer|is|has)-")

each_check = pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
each_cause = pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.id)
each_example = pytest.mark.parametrize(
    ("check", "example"), [pytest.param(check, each, id=f"{check.id}: {each.name}") for check in CHECKS for each in check.examples]
)


def judged(check: Check, given: tuple[Measurement, ...]) -> Outcome:
    """The check's outcome on these measurements, every other one missing."""
    values = {each.name: each for each in given}
    missing = {name: Missing(name, f"there is no {name}", "checkpoint") for name in (*check.needs, *check.uses) if name not in values}
    return run_check(check, values, missing)


def test_there_are_at_least_as_many_as_promised() -> None:
    """At least 20 checks and 14 causes are found by walking the folders."""
    assert len(CHECKS) >= 20
    assert len(CAUSES) >= 14


@each_check
def test_check_is_named_as_a_state(check: Check) -> None:
    """A check's id is kebab case, no verb, and neither a cause's nor a checklist item's."""
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", check.id)
    assert not VERBS.match(check.id)
    assert check.id not in CAUSE_IDS
    assert check.id not in ITEMS


@each_check
def test_check_docs_are_complete_and_in_order(check: Check) -> None:
    """Every heading is there, in order, with text under it."""
    assert tuple(check.docs) == rules.CHECK_HEADINGS
    assert all(check.docs.values())
    assert check.title


@each_check
def test_check_thresholds_are_sourced_and_quoted(check: Check) -> None:
    """Every threshold says where it comes from and what half and double do, and its number stands in the docs."""
    prose = " ".join(check.docs.values())
    numbers = {float(found) for found in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?", prose)}
    # "1 %" in prose is 0.01, and "a tenth" of a share is rarely written as 0.1.
    numbers |= {round(float(found) / 100, 12) for found in re.findall(r"(-?\d+(?:\.\d+)?) %", prose)}
    for name, limit in check.thresholds.items():
        assert limit.source, name
        assert limit.half, name
        assert limit.double, name
        assert any(math.isclose(limit.value, number, rel_tol=1e-9) for number in numbers), f"{name} = {limit.value:g} is not in the docs"


@each_check
def test_check_serves_known_checklist_items(check: Check) -> None:
    """A check names checklist items that exist."""
    assert set(check.checklist) <= set(ITEMS)
    assert set(check.leads) | set(check.doubts) <= set(check.checklist)


EXHIBITS = {
    *("loss", "regularization", "gradient-norm", "accuracy", "pace", "weight-variance", "update-ratio", "gradient-rms", "dead-units"),
    *("saturation", "silent-units", "tensors", "data-sets", "classes", "class-weights"),
}


@each_check
def test_check_points_at_a_figure_that_exists(check: Check) -> None:
    """A check's figure is one that some report has, or none."""
    assert check.figure in EXHIBITS | {""}


@each_check
def test_check_has_the_three_kinds_of_example(check: Check) -> None:
    """At least one sick, one healthy (or excused) and one unknowable example each."""
    expected = {example.expect for example in check.examples}
    assert expected & {"fail", "warn"} or check.id in WITHOUT_ALARM, "no sick example"
    assert expected & {"pass", "not-applicable"}, "no healthy example"
    assert "not-checked" in expected, "no example where it cannot know"


WITHOUT_ALARM = {check.id for check in CHECKS if not check.thresholds}
"""Checks that only tell whether something was looked at have no line to cross."""


@each_example
def test_example_of_check_holds(check: Check, example: Example) -> None:
    """A check says of each example what its author knows, and does not break."""
    outcome = judged(check, example.given)
    assert outcome.error == ""
    assert outcome.status == example.expect, outcome.finding.reason


@each_example
def test_lost_measurement_is_never_a_pass(check: Check, example: Example) -> None:
    """Dropping any needed measurement gives `not-checked` (or the check does not apply), never `pass` and never an alarm."""
    for name in check.needs:
        outcome = judged(check, tuple(each for each in example.given if each.name != name))
        assert outcome.status in ("not-checked", "not-applicable")
        if outcome.status == "not-checked":
            assert outcome.finding.reason
            assert outcome.error == ""


@each_example
def test_not_a_number_is_never_a_pass(check: Check, example: Example) -> None:
    """A needed number that is NaN does not read as fine, and does not break the check."""
    if example.expect != "pass":
        return
    for name in check.needs:
        spoiled = tuple(replace(each, value=math.nan) if each.name == name and not each.text else each for each in example.given)
        if spoiled == example.given or all(each.text for each in example.given if each.name == name):
            continue
        outcome = judged(check, spoiled)
        assert outcome.status != "pass", outcome.finding.reason


@each_example
def test_finding_is_one_plain_sentence(check: Check, example: Example) -> None:
    """A reason is one clause without line breaks or exclamation marks, with the number where there is a threshold."""
    finding = judged(check, example.given).finding
    assert finding.reason
    assert "\n" not in finding.reason
    assert "!" not in finding.reason
    if finding.status in ("fail", "warn") and check.thresholds:
        assert finding.threshold is not None
        assert re.search(r"\d|NaN|infinite|non-finite", finding.reason)


@each_cause
def test_cause_is_of_the_contract(cause: Cause) -> None:
    """A cause's id is one of the contract's."""
    assert cause.id in CAUSE_IDS


@each_cause
def test_cause_docs_are_complete_and_in_order(cause: Cause) -> None:
    """Every heading is there, in order, with text under it."""
    assert tuple(cause.docs) == rules.CAUSE_HEADINGS
    assert all(cause.docs.values())


@each_cause
def test_cause_names_checks_and_causes_that_exist(cause: Cause) -> None:
    """Evidence names checks, and `explains` names causes, that are there."""
    known = set(rules.checks())
    for evidence in cause.evidence:
        assert set(evidence.checks) <= known, evidence
        assert evidence.checks
        assert evidence.log_odds != 0
    assert set(cause.explains) <= set(rules.causes())
    assert cause.id not in cause.explains


@each_cause
def test_cause_has_evidence_for_and_against(cause: Cause) -> None:
    """Something speaks for each cause and something can speak against it."""
    assert any(evidence.log_odds > 0 for evidence in cause.evidence)
    assert any(evidence.log_odds < 0 for evidence in cause.evidence)
    assert {example.expect for example in cause.examples} == {"likely", "unlikely"}


@each_cause
def test_prior_alone_names_no_cause(cause: Cause) -> None:
    """Of a run of which nothing is known, no cause is likely, and its words are whole sentences all the same."""
    ranked = weigh(cause, {}, {})
    assert ranked.probability < 0.1
    for text in (ranked.summary, ranked.fix, ranked.confirm):
        assert text[0].isupper() or text[0] == "'"
        assert text.endswith(".")


@pytest.mark.parametrize(
    ("cause", "index"), [pytest.param(cause, i, id=f"{cause.id}: {each.name}") for cause in CAUSES for i, each in enumerate(cause.examples)]
)
def test_example_of_cause_holds(cause: Cause, index: int) -> None:
    """A cause is as likely on each example as its author knows."""
    example = cause.examples[index]
    states: list[tuple[Status, tuple[str, ...]]] = [("fail", example.fail), ("warn", example.warn), ("pass", example.passed)]
    outcomes = {id: Outcome(id, id, "", Finding(status, "seen"), (), "") for status, ids in states for id in ids}
    assert set(outcomes) <= set(rules.checks())
    probability = weigh(cause, outcomes, {}).probability
    assert (probability >= LIKELY) == (example.expect == "likely"), probability


def test_every_checklist_item_is_served() -> None:
    """Each of the 19 items has at least one check that answers it."""
    assert len(ITEMS) == 19
    served = {item for check in CHECKS for item in check.checklist}
    assert served == set(ITEMS)


def test_every_checklist_item_has_a_check_that_leads() -> None:
    """Each item has a check that speaks for it, and checks lead only items that they serve."""
    assert {item for check in CHECKS for item in check.leads} == set(ITEMS)
    assert all(set(check.leads) <= set(check.checklist) for check in CHECKS)


def test_every_check_is_evidence_or_answers_the_checklist() -> None:
    """No check is an orphan: each is evidence of a cause or answers an item."""
    weighed = {id for cause in CAUSES for each in cause.evidence for id in each.checks}
    orphans = {check.id for check in CHECKS if check.id not in weighed and not check.checklist}
    assert not orphans


def test_advice_is_code_that_parses() -> None:
    """The lines of code that reports print are Python."""
    for key, advice in ADVICE.items():
        compile(advice.code, key, "exec", dont_inherit=True)


def test_evidence_of_a_warning_counts_half() -> None:
    """A check that warned is half the evidence of one that failed."""
    cause = replace(CAUSES[0], prior=0.5, evidence=(Evidence(2.0, "seen", alarm=("a",)),))
    failed = weigh(cause, {"a": Outcome("a", "a", "", Finding("fail", "seen"), (), "")}, {})
    warned = weigh(cause, {"a": Outcome("a", "a", "", Finding("warn", "seen"), (), "")}, {})
    assert math.isclose(failed.probability, 1 / (1 + math.exp(-2)), abs_tol=1e-3)
    assert math.isclose(warned.probability, 1 / (1 + math.exp(-1)), abs_tol=1e-3)


@each_cause
def test_fitted_weights_keep_what_the_author_knew(cause: Cause) -> None:
    """A fitted weight belongs to evidence that is there, keeps its sign, and is at most twice its author's."""
    _, evidence = rules.authored(cause.id)
    by_key = {each.key: each.log_odds for each in evidence}
    assert len(by_key) == len(evidence), "two pieces of evidence ask for the same"
    fitted = {key: weight for key, weight in WEIGHTS.get(cause.id, {}).items() if key != rules.PRIOR_KEY}
    assert set(fitted) <= set(by_key)
    for key, weight in fitted.items():
        assert weight * by_key[key] >= 0, key
        assert abs(weight) <= 2 * abs(by_key[key]) + 0.01, key


def test_fitted_weights_are_of_causes_that_exist() -> None:
    """A cause that was renamed or removed leaves no weights behind."""
    assert set(WEIGHTS) <= set(rules.causes())


@each_example
def test_value_and_line_of_a_finding_are_one_quantity(check: Check, example: Example) -> None:
    """What was measured has the unit of the threshold beside it, so that a reader can compare the two."""
    finding = judged(check, example.given).finding
    if finding.threshold is not None and finding.value is not None:
        assert finding.unit == finding.threshold.unit


@each_example
def test_measured_number_is_the_one_in_the_reason(check: Check, example: Example) -> None:
    """Of an alarm, the number beside the threshold stands in the sentence too: as it is, as per cent, or as what is beyond 1."""
    finding = judged(check, example.given).finding
    if finding.status not in ("fail", "warn") or finding.value is None or not 0 < abs(finding.value) < math.inf:
        return
    told = [float(each.replace(",", "")) for each in re.findall(r"\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?", finding.reason)]
    value = abs(finding.value)
    written = (value, value * 100, (value - 1) * 100)
    same = any(math.isclose(one, each, rel_tol=0.05, abs_tol=1e-9) for one in written for each in told)
    assert same or (value < 1e-3 and "less than 0.1%" in finding.reason), finding.reason


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_flags_of_a_check_are_yes_or_no(check: Check) -> None:
    """A threshold that bears the name of a flag would be taken for it."""
    assert all(isinstance(flag, bool) for flag in (check.vital, check.decisive, check.grave))
