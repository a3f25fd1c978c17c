"""The judging stage, on checks and causes made up for the purpose: it knows none by name."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from postmortem import rules
from postmortem.answers import answer_checklist
from postmortem.checklist import ITEMS
from postmortem.diagnose import (
    DOUBT,
    MOST_BEHIND,
    Selection,
    decide,
    find_onset,
    headline,
    judge,
    rank,
    run_check,
    weigh,
)
from postmortem.model import (
    Artifacts,
    Case,
    Cause,
    Check,
    Evidence,
    Finding,
    Measured,
    Measurement,
    Missing,
    Onset,
    Outcome,
    Problem,
    RankedCause,
    RunMeasurements,
    Status,
)
from postmortem.rivalry import BESIDE, BEST, CERTAINTY, FOLLOWING, LEAD, RIVALRY, SHOWN, contend, listed


def outcome(id: str, status: Status, first_step: int | None = None, checklist: tuple[str, ...] = (), vital: bool = False) -> Outcome:
    """An outcome that says `seen`."""
    return Outcome(id, id, "made up", Finding(status, f"{id} seen", 1.0, first_step=first_step), checklist, "", vital=vital)


def cause(id: str, *evidence: Evidence, explains: tuple[str, ...] = (), prior: float = 0.1) -> Cause:
    """A cause with this evidence."""
    return Cause(id, id, {}, prior, evidence, explains, (), lambda _: "Seen.", lambda _: "Mend.", lambda _: "Try.", ())


def check(id: str = "made-up", needs: tuple[str, ...] = ("a.number",), finding: Finding | None = None, excuse: str = "") -> Check:
    """A check that always finds the same."""
    found = finding or Finding("pass", "fine")
    return Check(id, id, "made up", {}, needs, ("b.number",), (), "", False, lambda _: excuse, lambda _: found, {}, ())


NUMBER = Measurement("a.number", 1.0, "", "made up")


def test_missing_measurement_says_why_and_what_to_log() -> None:
    """A check whose need is missing gives the reason of the one who looked for it, and the advice."""
    found = run_check(check(), {}, {"a.number": Missing("a.number", "there is no file", "checkpoint")})
    assert (found.status, found.finding.reason, found.log_next) == ("not-checked", "there is no file", ("checkpoint",))


def test_unknown_measurement_is_not_checked() -> None:
    """A need that nobody measured, nor reported missing, does not pass either."""
    assert run_check(check(), {}, {}).finding.reason == "a.number was not measured"


def test_what_there_is_none_of_in_a_run_needs_no_log() -> None:
    """A network without recurrence will not tell more of it next time, whatever is logged."""
    found = run_check(check(), {}, {"a.number": Missing("a.number", "the net has no recurrence", "checkpoint", applies=False)})
    assert (found.status, found.finding.reason, found.log_next) == ("not-applicable", "the net has no recurrence", ())


def test_excuse_comes_before_what_is_missing() -> None:
    """A check that does not apply says so even where its need is missing."""
    found = run_check(check(excuse="no classes"), {}, {})
    assert (found.status, found.finding.reason) == ("not-applicable", "no classes")


def test_broken_check_is_shown_as_broken() -> None:
    """An exception in a check is an error of that check in the report, not a crash and not a pass."""

    def judge_badly(_measured: Measured) -> Finding:
        raise ZeroDivisionError("by nothing")

    broken = Check("broken", "Broken", "made up", {}, ("a.number",), (), (), "", False, lambda _: "", judge_badly, {}, ())
    found = run_check(broken, {"a.number": NUMBER}, {})
    assert found.status == "not-checked"
    assert found.error == "ZeroDivisionError: by nothing"


def test_check_sees_only_what_it_declared() -> None:
    """Reading an undeclared measurement is an error of the check."""
    greedy = Check(
        "greedy", "Greedy", "", {}, ("a.number",), (), (), "", False, lambda _: "", lambda m: Finding("pass", m["c.number"].text), {}, ()
    )
    found = run_check(greedy, {"a.number": NUMBER, "c.number": NUMBER}, {})
    assert "c.number" in found.error


def test_log_odds_add_up() -> None:
    """The probability is the logistic of the prior's log-odds and all evidence that counts."""
    evidence = (Evidence(2.0, "x", alarm=("a",)), Evidence(-1.0, "y", passed=("b",)), Evidence(9.0, "z", alarm=("c",)))
    outcomes = {"a": outcome("a", "fail"), "b": outcome("b", "pass"), "c": outcome("c", "pass")}
    ranked = weigh(cause("one", *evidence), outcomes, {})
    assert math.isclose(ranked.probability, 1 / (1 + math.exp(-(math.log(0.1 / 0.9) + 1))), abs_tol=1e-3)
    assert ranked.evidence == ("a",)
    assert ranked.against == ("b",)


@pytest.mark.parametrize("status", ["not-checked", "not-applicable"])
def test_what_was_not_looked_at_is_no_evidence(status: Status) -> None:
    """A check that could not look neither speaks for nor against."""
    evidence = (Evidence(5.0, "x", alarm=("a",)), Evidence(-5.0, "y", passed=("a",)))
    assert weigh(cause("one", *evidence), {"a": outcome("a", status)}, {}).probability == 0.1


@pytest.mark.parametrize(("status", "counts"), [("not-applicable", True), ("not-checked", False), ("pass", False), ("fail", False)])
def test_what_a_run_does_not_have_is_evidence(status: Status, counts: bool) -> None:
    """A check that does not apply speaks where the evidence says so, and one that could not look does not."""
    evidence = Evidence(-5.0, "x", inapplicable=("a",))
    assert evidence.key == "a does not apply"
    ranked = weigh(cause("one", evidence), {"a": outcome("a", status)}, {})
    assert (ranked.probability < 0.1) == counts
    assert weigh(cause("one", evidence), {}, {}).probability == 0.1


def test_nothing_is_certain() -> None:
    """No amount of evidence gives a probability of 1."""
    ranked = weigh(cause("one", Evidence(99.0, "x", alarm=("a",))), {"a": outcome("a", "fail")}, {})
    assert ranked.probability == CERTAINTY


def test_root_stands_before_what_it_brings_about() -> None:
    """A likely cause that explains a likelier one is ranked above it, and the other says so."""
    root = cause("root", Evidence(4.0, "x", alarm=("a",)), explains=("leaf",))
    leaf = cause("leaf", Evidence(6.0, "x", alarm=("b",)))
    other = cause("other", Evidence(5.0, "x", alarm=("a",)))
    ranked = rank([leaf, other, root], {"a": outcome("a", "fail"), "b": outcome("b", "fail")}, {})
    assert [(each.id, each.explained_by) for each in ranked] == [("root", ""), ("leaf", "root"), ("other", "")]


def test_consequence_that_came_first_is_no_consequence() -> None:
    """What showed before the supposed root is not explained by it."""
    root = cause("root", Evidence(4.0, "x", alarm=("a",)), explains=("leaf",))
    leaf = cause("leaf", Evidence(6.0, "x", alarm=("b",)))
    ranked = rank([leaf, root], {"a": outcome("a", "fail", first_step=300), "b": outcome("b", "fail", first_step=100)}, {})
    assert [(each.id, each.explained_by) for each in ranked] == [("leaf", ""), ("root", "")]


def test_a_root_with_far_weaker_evidence_does_not_stand_first() -> None:
    """What just comes out likely does not explain away a cause that is all but certain."""
    root = cause("root", Evidence(4.0, "x", alarm=("a",)), explains=("leaf",))
    leaf = cause("leaf", Evidence(4.1 + MOST_BEHIND, "x", alarm=("b",)))
    ranked = rank([leaf, root], {"a": outcome("a", "fail"), "b": outcome("b", "fail")}, {})
    assert [(each.id, each.explained_by) for each in ranked] == [("leaf", ""), ("root", "")]


def test_causes_that_explain_each_other_do_not_loop() -> None:
    """Of two causes that explain each other the likelier is the root."""
    one = cause("one", Evidence(6.0, "x", alarm=("a",)), explains=("two",))
    two = cause("two", Evidence(5.0, "x", alarm=("a",)), explains=("one",))
    ranked = rank([two, one], {"a": outcome("a", "fail")}, {})
    assert [(each.id, each.explained_by) for each in ranked] == [("one", ""), ("two", "one")]


def test_ranking_does_not_depend_on_the_order_given() -> None:
    """Ties go to the alphabet."""
    causes = [cause(id, Evidence(5.0, "x", alarm=("a",))) for id in ("c", "a", "b")]
    outcomes = {"a": outcome("a", "fail")}
    assert [each.id for each in rank(causes, outcomes, {})] == [each.id for each in rank(causes[::-1], outcomes, {})] == ["a", "b", "c"]


LIKELY_CAUSE = weigh(cause("one", Evidence(9.0, "x", alarm=("a",))), {"a": outcome("a", "fail")}, {})


@pytest.mark.parametrize(
    ("causes", "outcomes", "readable", "verdict"),
    [
        ((LIKELY_CAUSE,), (outcome("a", "fail"),), True, "failed"),
        ((LIKELY_CAUSE,), (outcome("a", "warn"),), True, "suspect"),
        ((), (outcome("a", "fail"), outcome("b", "pass", vital=True)), True, "inconclusive"),
        ((), (replace(outcome("a", "fail"), decisive=True), outcome("b", "pass", vital=True)), True, "suspect"),
        ((), (replace(outcome("a", "fail"), decisive=True), outcome("b", "not-checked", vital=True)), True, "failed"),
        ((), (outcome("a", "fail"), outcome("c", "fail"), outcome("b", "pass", vital=True)), True, "suspect"),
        ((), (outcome("a", "fail"), outcome("b", "not-checked", vital=True)), True, "suspect"),
        ((), (outcome("a", "warn"), outcome("b", "pass", vital=True)), True, "healthy"),
        ((), (outcome("a", "warn", vital=True), outcome("b", "pass", vital=True)), True, "inconclusive"),
        ((replace(LIKELY_CAUSE, probability=DOUBT),), (outcome("a", "warn"), outcome("b", "pass", vital=True)), True, "inconclusive"),
        ((replace(LIKELY_CAUSE, probability=DOUBT / 2),), (outcome("a", "warn"), outcome("b", "pass", vital=True)), True, "healthy"),
        ((), (replace(outcome("a", "warn"), grave=True), outcome("b", "pass", vital=True)), True, "inconclusive"),
        ((), (replace(outcome("a", "pass"), grave=True), outcome("b", "not-checked", vital=True)), True, "inconclusive"),
        ((), (outcome("b", "pass"),), True, "inconclusive"),
        ((), (outcome("b", "not-checked", vital=True),), True, "inconclusive"),
        ((), (), False, "unreadable"),
    ],
)
def test_verdict(causes: tuple[RankedCause, ...], outcomes: tuple[Outcome, ...], readable: bool, verdict: str) -> None:
    """Healthy needs proof of learning and no cause in doubt; a likely cause with a failed check is a failure; a failed check alone says
    little."""
    assert decide(causes, outcomes, readable) == verdict


def test_checklist_takes_the_worst_that_looked() -> None:
    """An item fails where any of its checks fails, and passes only where one passed; what was left out is named."""
    items = {
        item.id: item
        for item in answer_checklist(
            (
                outcome("a", "pass", checklist=("learning-rate", "update-ratio")),
                outcome("b", "fail", checklist=("learning-rate",)),
                outcome("c", "not-checked", checklist=("update-ratio", "dead-relus")),
                outcome("d", "not-applicable", checklist=("dead-relus", "init-deep")),
            )
        )
    }
    assert list(items) == list(ITEMS)
    assert items["learning-rate"].status == "fail"
    assert items["update-ratio"].status == "pass"
    assert "not checked: c" in items["update-ratio"].reason
    assert items["dead-relus"].status == "not-checked"
    assert items["init-deep"].status == "not-applicable"
    assert items["overfit-small-set"].status == "not-checked"


def test_a_checklist_item_answers_in_a_sentence() -> None:
    """Of many checks that pass the one that is most to the point speaks, the others are counted; of alarms three speak."""
    passing = [outcome(id, "pass", checklist=("learning-rate",)) for id in ("a", "b", "large-rate", "c")]
    unlooked = [outcome(id, "not-checked", checklist=("learning-rate",)) for id in ("d", "e", "f")]
    found = {item.id: item for item in answer_checklist((*passing, *unlooked))}["learning-rate"]
    assert found.reason == "large-rate seen; 3 more checks passed (3 could not be made)"
    alarms = [outcome(id, "fail", checklist=("learning-rate",)) for id in ("a", "b", "c", "d")]
    found = {item.id: item for item in answer_checklist(tuple(alarms))}["learning-rate"]
    assert found.reason == "a seen; b seen; c seen; 1 more check failed"


EMPTY = RunMeasurements("r", "runs/r", (), (), (), Artifacts(), (), (), ())


def test_empty_run_is_inconclusive_and_answers_everything() -> None:
    """A run of which nothing is known has no cause, no pass and no failure, and all items are answered."""
    report = judge(EMPTY)
    assert report.verdict == "inconclusive"
    assert report.causes == ()
    assert {found.status for found in report.checks} <= {"not-checked", "not-applicable"}
    assert {item.status for item in report.checklist} <= {"not-checked", "not-applicable"}


def test_run_of_damaged_files_is_unreadable() -> None:
    """Where nothing could be read and something was damaged, the verdict says that."""
    damaged = RunMeasurements("r", "runs/r", (), (), (), Artifacts(), (), (Problem("x.pt", "corrupt", "no zip"),), ())
    assert judge(damaged).verdict == "unreadable"


def test_selection_narrows_each_kind_for_itself() -> None:
    """Naming a check narrows the checks and leaves the causes, and a check that was left out says so."""
    report = judge(EMPTY, Selection(select=frozenset({"small-updates"})))
    reasons = {found.id: found.finding.reason for found in report.checks}
    assert reasons["small-updates"] != "left out by --select or --ignore"
    assert {reason for id, reason in reasons.items() if id != "small-updates"} == {"left out by --select or --ignore"}


def test_case_words_what_alarmed() -> None:
    """A cause's summary joins the reasons of the checks that raised an alarm, at most two, and falls back to its own words."""
    outcomes = {"a": outcome("a", "fail"), "b": outcome("b", "pass"), "c": outcome("c", "warn"), "d": outcome("d", "fail")}
    case = Case(outcomes, Measured({}, frozenset()))
    assert case.said("b", "c", "a", "d", otherwise="Nothing.") == "C seen; a seen."
    assert case.said("b", "x", otherwise="Nothing.") == "Nothing."


def test_headline_of_a_healthy_run_names_what_could_not_be_read() -> None:
    """A sound curve beside a checkpoint that could not be read is no clean bill: the headline counts the problem."""
    outcomes = (outcome("a", "pass", vital=True),)
    cut, unsafe = Problem("x.pt", "truncated", "ends early"), Problem("y.pt", "unsafe-pickle", "would call os.system")
    assert "1 file could not be read whole" in headline("healthy", (), outcomes, (cut, unsafe))
    read_all_the_same = headline("healthy", (), outcomes, (unsafe,))
    assert "kept files" not in read_all_the_same and "1 file would run code" in read_all_the_same
    assert "problem" not in headline("healthy", (), outcomes, ())


def test_trouble_begins_at_the_earliest_sign_of_the_first_cause_and_its_consequences() -> None:
    """A consequence that shows first is where it began, however it ranks; signs of causes beside the first, and a first below even, do not
    count."""
    outcomes = {
        "late": Outcome("late", "", "", Finding("fail", "", first_step=50, where=("head",)), (), ""),
        "early": Outcome("early", "", "", Finding("warn", "", first_step=7, where=("fc2", "fc1")), (), ""),
        "blunt": Outcome("blunt", "", "", Finding("fail", "", first_step=7), (), ""),
        "other": Outcome("other", "", "", Finding("fail", "", first_step=1), (), ""),
    }

    def ranked(id: str, evidence: str, probability: float = 0.9, by: str = "") -> RankedCause:
        return RankedCause(id, "", probability, "", None, (), tuple(evidence.split()), (), "", "", explained_by=by)

    tree = (ranked("root", "late"), ranked("leaf", "blunt early", by="root"), ranked("beside", "other"))
    assert find_onset(tree, outcomes) == Onset(7, "early", "fc2")
    assert find_onset((ranked("root", "late"), ranked("leaf", "early", 0.3, "root")), outcomes) == Onset(7, "early", "fc2")
    assert find_onset((ranked("root", "late", 0.4),), outcomes) is None
    assert find_onset((ranked("root", "unheard-of"),), outcomes) is None


def test_what_one_cause_accounts_for_is_no_evidence_for_two() -> None:
    """Beside a first cause of 0.9 a rival of 0.8 keeps 0.8 (1 - 0.75 0.9), a consequence more, and all say why; the first gains by being
    the best there is."""

    def ranked(id: str, probability: float, by: str = "") -> RankedCause:
        return RankedCause(id, f"Title of {id}", probability, "", None, (), (), (), "", "", explained_by=by)

    first, leaf, rival = contend((ranked("root", 0.9), ranked("leaf", 0.8, "root"), ranked("rival", 0.8)))
    assert first.arguments[-1].says == "no other cause explains the run better"
    assert math.log(first.probability / (1 - first.probability)) == pytest.approx(math.log(9) + BEST, abs=0.02)
    assert rival.probability == pytest.approx(0.8 * (1 - RIVALRY * 0.9), abs=1e-3)
    assert leaf.probability == pytest.approx(0.8 * (1 - FOLLOWING * 0.9), abs=1e-3)
    assert rival.arguments[-1].says == "another cause accounts for the run: title of root"
    # The arguments still add up to the probability.
    before, after = math.log(0.8 / 0.2), math.log(rival.probability / (1 - rival.probability))
    assert rival.arguments[-1].log_odds == pytest.approx(after - before, abs=1e-3)
    assert contend(()) == ()


def _listed(*probabilities: float) -> list[float]:
    ranked = [RankedCause(str(at), str(at), p, "", None, (), (), (), "", "") for at, p in enumerate(probabilities)]
    return [each.probability for each in listed(ranked)]


def test_leads_are_listed_where_no_cause_is_likely() -> None:
    """Three leads at most, none below a fiftieth; beside a likely cause a rival must keep more; whatever is shown by itself is listed."""
    assert _listed(0.1, 0.05, LEAD, LEAD) == [0.1, 0.05, LEAD]
    assert _listed(0.1, LEAD / 2) == [0.1]
    assert _listed(0.9, 0.03, BESIDE) == [0.9, BESIDE]
    assert _listed(0.3, 0.25, 0.2, SHOWN, 0.1) == [0.3, 0.25, 0.2, SHOWN]


def test_a_lead_says_what_was_seen_and_not_that_it_is_so() -> None:
    """A cause's own sentence is for one that the files show."""
    lead = cause("one", Evidence(1.5, "the loss is odd", alarm=("a",)))
    weak, strong = (weigh(replace(lead, prior=prior), {"a": outcome("a", "fail")}, {}) for prior in (0.01, 0.5))
    assert weak.probability < SHOWN and weak.summary != lead.summary(Case({}, Measured({}, frozenset())))
    assert strong.summary == lead.summary(Case({}, Measured({}, frozenset())))


def test_beside_an_unlikely_first_cause_a_rival_keeps_most() -> None:
    """Nothing is accounted for by a cause of 0.3: one of 0.25 keeps nearly eight tenths of it."""
    ranked = tuple(RankedCause(id, id, p, "", None, (), (), (), "", "") for id, p in (("one", 0.3), ("two", 0.25)))
    assert contend(ranked)[1].probability == pytest.approx(0.25 * (1 - RIVALRY * 0.3), abs=1e-3)


def test_pass_that_does_not_answer_an_item_leaves_it_open() -> None:
    """A loss that was finite does not say that it began at ln(classes): only its alarm speaks for the item."""
    doubting = next(check for check in rules.checks().values() if check.id == "nonfinite-first-loss")
    item = doubting.doubts[0]
    finite = replace(outcome(doubting.id, "pass"), checklist=(item,))
    unlooked = replace(outcome("first", "not-checked"), checklist=(item,))
    answers = {each.id: each for each in answer_checklist((finite, unlooked))}
    assert answers[item].status == "not-checked"
    broken = replace(outcome(doubting.id, "fail"), checklist=(item,))
    assert {each.id: each for each in answer_checklist((broken, unlooked))}[item].status == "fail"


def test_item_names_what_is_lacking_once() -> None:
    """Two checks that lack the same file say so once in the item's answer."""
    both = (
        Outcome("a", "A", "made up", Finding("not-checked", "no checkpoint; no log"), ("dead-relus",), ""),
        Outcome("b", "B", "made up", Finding("not-checked", "no checkpoint"), ("dead-relus",), ""),
    )
    answers = {each.id: each.reason for each in answer_checklist(both)}
    assert answers["dead-relus"] == "no checkpoint; no log"


def test_unreadable_run_counts_files_not_problems() -> None:
    """Two problems of one file are one damaged file."""
    problems = (Problem("x.pt", "truncated", "ends early"), Problem("x.pt", "corrupt", "no zip"))
    assert headline("unreadable", (), (), problems) == "Nothing could be read: 1 file damaged or of an unknown kind."


def _lacking(*gaps: Missing) -> Outcome:
    """The outcome of a check that would take any of two measurements."""

    def judge(measured: Measured) -> Finding:
        return Finding("not-checked", "nothing tells", lacks=("first.one", "second.one"))

    check = replace(next(iter(rules.checks().values())), needs=(), uses=("first.one", "second.one"), applies=lambda _: "", judge=judge)
    return run_check(check, {}, {gap.name: gap for gap in gaps})


def test_a_check_that_lacks_all_it_could_use_tells_why_each_is_missing() -> None:
    """Its reason is that of this run, and the advice is what these measurements lack; where nothing would help there is none."""
    both = _lacking(Missing("first.one", "one checkpoint", "checkpoint"), Missing("second.one", "no histogram", ""))
    assert (both.status, both.finding.reason, both.log_next) == ("not-checked", "one checkpoint; no histogram", ("checkpoint",))


def test_what_does_not_arise_hides_nothing_that_is_open() -> None:
    """Of two ways to look, one that does not apply is not told of while the other is open; where neither applies the check does not."""
    beside = Missing("second.one", "the optimizer is SGD", "", applies=False)
    half = _lacking(Missing("first.one", "one checkpoint", "checkpoint"), beside)
    assert (half.status, half.finding.reason) == ("not-checked", "one checkpoint")
    assert _lacking(Missing("first.one", "the net has no experts", "", applies=False), beside).status == "not-applicable"


def test_a_pass_may_leave_an_item_open() -> None:
    """A pass that says so answers no item, an alarm of the same check does."""
    passed = replace(outcome("silent-units", "pass", None, ("dead-relus",)), finding=Finding("pass", "seen", leaves=("dead-relus",)))
    assert {item.id: item for item in answer_checklist((passed,))}["dead-relus"].status == "not-checked"
    alarm = replace(passed, finding=Finding("fail", "seen", leaves=("dead-relus",)))
    assert {item.id: item for item in answer_checklist((alarm,))}["dead-relus"].status == "fail"


def test_a_loss_that_stands_does_not_fail_the_learning_rate() -> None:
    """Where only the loss is bad, nothing was seen of the rate; a rate out of its range is."""
    for id in ("flat-loss", "plateaued-loss", "worse-than-guessing"):
        assert "learning-rate" not in rules.checks()[id].checklist
    assert "learning-rate" in rules.checks()["small-rate"].checklist


def test_headline_says_what_was_lost_of_what_was_learned() -> None:
    """A grave warning beside a loss that fell is told, not the absence of proof."""
    outcomes = (replace(outcome("a", "warn"), grave=True), outcome("b", "pass", vital=True))
    assert headline("inconclusive", (), outcomes, ()).startswith("The run learned (") and ", and yet " in headline(
        "inconclusive", (), outcomes, ()
    )
