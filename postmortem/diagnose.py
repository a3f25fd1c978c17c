"""Judges one run's measurements: symptoms, then causes with evidence for and against, then a verdict.

Knows no check and no cause by name. Two rules hold everything together. A check that could not look says so and never passes. A cause
is a sum of evidence in log-odds on top of a prior: what could not be looked at adds nothing, so that ignorance leaves every cause
unlikely instead of clearing it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from postmortem import rules
from postmortem.answers import answer_checklist, inside
from postmortem.model import (
    Argument,
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
    RunReport,
    Verdict,
    counted,
    percent,
)
from postmortem.rivalry import CERTAINTY, LEAD, LIKELY, SHOWN, contend, listed

DOUBT = 0.2
"""No run is called healthy beside a cause at or above this. Of runs of the tuning half that had learned with no failed check, 14
of 26 were faulty where a cause stood between this and LIKELY, and 31 of 1058 where none did."""
MOST_BEHIND = 4.0
"""Nats by which a cause may have the weaker evidence and still stand before one that it would bring about."""
WARN_WEIGHT = 0.5
"""A warning is half a failure's evidence."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which checks and causes the user wants, by id; an empty `select` is all of them."""

    select: frozenset[str] = frozenset()
    ignore: frozenset[str] = frozenset()

    def wants(self, id: str, others: Iterable[str]) -> bool:
        """Whether `id` is wanted. A `select` that names none of its kind (`others`) does not narrow that kind."""
        narrowed = self.select.intersection(others)
        return id not in self.ignore and (not narrowed or id in narrowed)


def judge(run: RunMeasurements, selection: Selection | None = None) -> RunReport:
    """All checks, causes, checklist items and the verdict of one run."""
    selection = selection or Selection()
    values = {found.name: found for found in run.measurements}
    missing = {found.name: found for found in run.missing}
    checks, causes = rules.checks(), rules.causes()
    outcomes = {
        check.id: run_check(check, values, missing) if selection.wants(check.id, checks) else _left_out(check) for check in checks.values()
    }
    considered = [cause for cause in causes.values() if selection.wants(cause.id, causes)]
    suspected = contend([cause for cause in rank(considered, outcomes, values) if cause.probability >= LEAD and cause.evidence])
    verdict = decide(suspected, tuple(outcomes.values()), readable=_anything_read(run))
    shown = () if verdict == "healthy" else listed(suspected)
    return RunReport(
        name=run.name,
        path=run.path,
        verdict=verdict,
        headline=headline(verdict, shown, tuple(outcomes.values()), run.problems),
        causes=shown,
        checks=tuple(outcomes.values()),
        checklist=answer_checklist(tuple(outcomes.values())),
        artifacts=run.artifacts,
        problems=run.problems,
        exhibits=run.exhibits,
        inputs=run.inputs,
        notes=run.notes,
        tags=run.tags,
        onset=find_onset(shown, outcomes),
    )


# --- checks -----------------------------------------------------------------------------------------------------------


def run_check(check: Check, values: Mapping[str, Measurement], missing: Mapping[str, Missing]) -> Outcome:
    """One check's outcome. A measurement that it needs and that is not there makes it `not-checked`; so does an error of its own.

    Where there is nothing of the kind in the run, the check does not apply.
    """
    declared = frozenset(check.needs) | frozenset(check.uses)
    measured = Measured({name: values[name] for name in declared if name in values}, declared)
    error = ""
    lacking = [name for name in check.needs if name not in values or _is_no_number(values[name])]
    try:
        if excuse := check.applies(measured):
            finding = Finding("not-applicable", excuse)
        elif beside := [name for name in lacking if name in missing and not missing[name].applies]:
            finding = Finding("not-applicable", _why_missing(beside, values, missing))
        elif lacking:
            finding = Finding("not-checked", _why_missing(lacking, values, missing))
        else:
            finding = check.judge(measured)
            if finding.status == "not-checked" and any(name in missing for name in finding.lacks):
                # Where one of them was not measurable here and another does not arise, the reader is told of the first alone.
                open_still = [name for name in finding.lacks if name in missing and missing[name].applies]
                lacking = open_still or [name for name in finding.lacks if name in missing]
                finding = Finding("not-checked" if open_still else "not-applicable", _why_missing(lacking, values, missing))
    except Exception as broken:  # noqa: BLE001 - a check that breaks is shown as broken, the rest go on
        error = f"{type(broken).__name__}: {broken}"
        finding = Finding("not-checked", f"this check itself broke ({error}); please report it")
    asked = (
        lacking
        if finding.status == "not-checked" and lacking
        else [*check.needs, *(name for name in check.uses if name not in check.asides)]
    )
    keys = dict.fromkeys(missing[name].log_next for name in asked if name in missing)
    advice = tuple(key for key in keys if key) if finding.status == "not-checked" else ()
    return Outcome(
        id=check.id,
        title=check.title,
        family=check.family,
        finding=finding,
        checklist=check.checklist,
        figure=check.figure,
        log_next=advice,
        error=error,
        vital=check.vital,
        decisive=check.decisive,
        grave=check.grave,
    )


def _is_no_number(found: Measurement) -> bool:
    """Whether a measurement came out as NaN. Comparisons with NaN are false, so that a check could take it for fine."""
    return math.isnan(found.value) and not found.text


def _why_missing(lacking: Sequence[str], values: Mapping[str, Measurement], missing: Mapping[str, Missing]) -> str:
    reasons = []
    for name in lacking:
        if name in values:
            reasons.append(f"{name} came out as NaN ({values[name].basis})")
        else:
            reasons.append(missing[name].reason if name in missing else f"{name} was not measured")
    return "; ".join(dict.fromkeys(part for reason in reasons for part in reason.split("; ")))


def _left_out(check: Check) -> Outcome:
    finding = Finding("not-checked", "left out by --select or --ignore")
    return Outcome(check.id, check.title, check.family, finding, check.checklist, check.figure)


# --- causes -----------------------------------------------------------------------------------------------------------


def rank(causes: Iterable[Cause], outcomes: Mapping[str, Outcome], values: Mapping[str, Measurement]) -> tuple[RankedCause, ...]:
    """Causes, most likely first; one that another likely cause brings about stands right behind that one."""
    by_id = {cause.id: cause for cause in causes}
    scored = [(log_odds(cause, outcomes), weigh(cause, outcomes, values)) for cause in by_id.values()]
    # Log-odds order what the bounded probabilities no longer tell apart; the id settles the rest.
    ordered = [ranked for _, ranked in sorted(scored, key=lambda pair: (-pair[0], pair[1].id))]
    roots: dict[str, str] = {}
    strength_of = {ranked.id: score for score, ranked in scored}
    for root in ordered:
        for consequence in ordered:
            rivals = consequence.id in by_id[root.id].explains and consequence.id not in roots
            near = strength_of[root.id] >= strength_of[consequence.id] - MOST_BEHIND
            if rivals and near and _explains(root, consequence, roots):
                roots[consequence.id] = root.id
    result: list[RankedCause] = []

    def place(cause: RankedCause) -> None:
        result.append(replace(cause, explained_by=roots.get(cause.id, "")))
        for other in ordered:
            if roots.get(other.id) == cause.id:
                place(other)

    for cause in _roots_in_order(ordered, roots):
        place(cause)
    return tuple(result)


def _roots_in_order(ordered: Sequence[RankedCause], roots: Mapping[str, str]) -> list[RankedCause]:
    """Roots, each at the rank of the most likely cause of its tree: a cause that explains the top one is the top one."""
    by_id = {cause.id: cause for cause in ordered}
    found: dict[str, RankedCause] = {}
    for cause in ordered:
        top = cause.id
        while top in roots:
            top = roots[top]
        found.setdefault(top, by_id[top])
    return list(found.values())


def _explains(root: RankedCause, consequence: RankedCause, roots: Mapping[str, str]) -> bool:
    if root.probability < LIKELY or consequence.probability < LIKELY:
        return False
    if root.first_step is not None and consequence.first_step is not None and root.first_step > consequence.first_step:
        return False
    above: str | None = root.id
    while above is not None:
        if above == consequence.id:
            return False
        above = roots.get(above)
    return True


def find_onset(causes: Sequence[RankedCause], outcomes: Mapping[str, Outcome]) -> Onset | None:
    """The earliest alarm with a step in the evidence of the first cause and of those that it brings about, directly or not."""
    tree: list[RankedCause] = []
    for cause in causes:
        if cause.explained_by in {each.id for each in tree} or (not tree and cause.probability >= LIKELY):
            tree.append(cause)
    signs = [outcomes[id] for cause in tree for id in cause.evidence if id in outcomes and outcomes[id].alarmed]
    dated = [(sign.finding.first_step, sign) for sign in signs if sign.finding.first_step is not None]
    if not dated:
        return None
    # Of signs at one step the one that names a place tells more; else the stronger evidence, which comes first.
    step, sign = min(dated, key=lambda pair: (pair[0], not pair[1].finding.where))
    return Onset(step, sign.id, sign.finding.where[0] if sign.finding.where else "")


def log_odds(cause: Cause, outcomes: Mapping[str, Outcome]) -> float:
    """Log-odds of a cause: those of its prior, and all evidence that counts."""
    return math.log(cause.prior / (1 - cause.prior)) + sum(argument.log_odds for argument in _arguments(cause, outcomes))


def weigh(cause: Cause, outcomes: Mapping[str, Outcome], values: Mapping[str, Measurement]) -> RankedCause:
    """One cause with its probability and what speaks for and against it."""
    arguments = _arguments(cause, outcomes)
    probability = 1 / (1 + math.exp(-log_odds(cause, outcomes)))
    probability = min(max(probability, 1 - CERTAINTY), CERTAINTY)
    declared = frozenset(cause.uses)
    case = Case(outcomes, Measured({name: values[name] for name in declared if name in values}, declared))
    pro = [argument for argument in arguments if argument.log_odds > 0]
    contra = [argument for argument in arguments if argument.log_odds < 0]
    supporting = [outcomes[id] for argument in pro for id in argument.checks if outcomes[id].alarmed]
    steps = [outcome.finding.first_step for outcome in supporting if outcome.finding.first_step is not None]
    summary = cause.summary(case)
    if probability < SHOWN and pro:
        # A cause's own sentence says that it is so. Of a lead only what was seen may be said.
        summary = case.said(*(outcome.id for outcome in supporting), otherwise=f"What speaks for it: {pro[0].says}.")
    return RankedCause(
        id=cause.id,
        title=cause.title,
        probability=round(probability, 3),
        summary=summary,
        first_step=min(steps, default=None),
        where=next((outcome.finding.where for outcome in supporting if outcome.finding.where), ()),
        evidence=tuple(dict.fromkeys(id for argument in pro for id in argument.checks)),
        against=tuple(dict.fromkeys(id for argument in contra for id in argument.checks)),
        fix=cause.fix(case),
        confirm=cause.confirm(case),
        arguments=tuple(arguments),
    )


def _arguments(cause: Cause, outcomes: Mapping[str, Outcome]) -> list[Argument]:
    """Evidence that counts, strongest first."""
    found = [
        Argument(evidence.checks, evidence.says, round(evidence.log_odds * weight, 3))
        for evidence in cause.evidence
        if (weight := strength(evidence, outcomes)) > 0 and evidence.log_odds
    ]
    return sorted(found, key=lambda argument: -abs(argument.log_odds))


def strength(evidence: Evidence, outcomes: Mapping[str, Outcome]) -> float:
    """1 where all that the evidence names is as it says, half where an alarm is a warning only, else 0."""
    alarms = [outcomes[id] for id in evidence.alarm if id in outcomes]
    passes = [outcomes[id] for id in evidence.passed if id in outcomes]
    if len(alarms) < len(evidence.alarm) or len(passes) < len(evidence.passed):
        return 0.0
    if not all(id in outcomes and outcomes[id].status == "not-applicable" for id in evidence.inapplicable):
        return 0.0
    if not all(outcome.alarmed for outcome in alarms) or not all(outcome.status == "pass" for outcome in passes):
        return 0.0
    return WARN_WEIGHT if any(outcome.status == "warn" for outcome in alarms) else 1.0


# --- verdict ----------------------------------------------------------------------------------------------------------


def decide(causes: Sequence[RankedCause], outcomes: Sequence[Outcome], readable: bool) -> Verdict:
    """The verdict. `healthy` needs proof that the run learned, and none against it; without, silence is `inconclusive`."""
    if not readable:
        return "unreadable"
    failed = {outcome.id for outcome in outcomes if outcome.status == "fail"}
    likely = [cause for cause in causes if cause.probability >= LIKELY]
    doubtful = any(cause.probability >= DOUBT for cause in causes)
    if any(failed.intersection(cause.evidence) for cause in likely):
        return "failed"
    vital = [outcome for outcome in outcomes if outcome.vital]
    learned = any(outcome.status == "pass" for outcome in vital)
    decided = any(outcome.decisive and outcome.status == "fail" for outcome in outcomes)
    if decided and not learned:
        return "failed"  # numbers that are not finite end a run, whatever made them so
    if likely or decided or len(failed) > 1 or (failed and not learned):
        return "suspect"
    # One check in a hundred and more that fails alone, in a run that learned, is as often the check's error as the run's.
    silent = not failed and not doubtful and not any(outcome.alarmed and (outcome.vital or outcome.grave) for outcome in outcomes)
    return "healthy" if learned and silent else "inconclusive"


def headline(verdict: Verdict, causes: Sequence[RankedCause], outcomes: Sequence[Outcome], problems: Sequence[Problem]) -> str:
    """The verdict in one or two sentences, with its grounds."""
    passed = sum(outcome.status == "pass" for outcome in outcomes)
    unlooked = sum(outcome.status == "not-checked" for outcome in outcomes)
    coverage = f"{counted(passed, 'check')} passed, {unlooked} could not be made."
    risky = {problem.path for problem in problems if problem.kind == "unsafe-pickle"}
    damaged = {problem.path for problem in problems if problem.kind != "unsafe-pickle"}
    if damaged:
        coverage += f" {counted(len(damaged), 'file')} could not be read whole."
    if risky:
        coverage += f" {counted(len(risky), 'file')} would run code if it were loaded."
    if verdict == "unreadable":
        files = len({problem.path for problem in problems})
        return f"Nothing could be read: {counted(files, 'file')} damaged or of an unknown kind."
    likely = [cause for cause in causes if cause.probability >= LIKELY]
    if likely:
        return f"{likely[0].title}. {likely[0].summary}"
    if verdict in ("failed", "suspect"):
        alarms = sorted((outcome for outcome in outcomes if outcome.status == "fail"), key=lambda outcome: not outcome.decisive)
        return f"{alarms[0].title}: {alarms[0].finding.reason}. No single cause explains it from these files."
    if verdict == "healthy":
        grounds = next(outcome.finding.reason for outcome in outcomes if outcome.vital and outcome.status == "pass")
        return f"The run looks healthy: {grounds}. {coverage}"
    alone = next((outcome for outcome in outcomes if outcome.status == "fail"), None)
    if alone is not None:
        grounds = next(outcome.finding.reason for outcome in outcomes if outcome.vital and outcome.status == "pass")
        return f"The run learned ({grounds}), and one check failed alone: {inside(alone.title)} ({alone.finding.reason}). {coverage}"
    doubt = next((outcome.finding.reason for outcome in outcomes if outcome.vital and outcome.alarmed), "")
    if doubt:
        return f"The files do not show that this run learned enough: {doubt}. {coverage}"
    learned = next((outcome.finding.reason for outcome in outcomes if outcome.vital and outcome.status == "pass"), "")
    if learned and (grave := next((outcome.finding.reason for outcome in outcomes if outcome.grave and outcome.alarmed), "")):
        return f"The run learned ({learned}), and yet {grave}. {coverage}"
    if learned and causes and causes[0].probability >= DOUBT:
        open_still = f"{inside(causes[0].title)} ({percent(causes[0].probability)})"
        return f"The run learned ({learned}), and trouble cannot be ruled out: {open_still}. {coverage}"
    return f"The files do not show whether this run learned. {coverage}"


def _anything_read(run: RunMeasurements) -> bool:
    counted = run.artifacts
    return bool(counted.scalars or counted.checkpoints or counted.manifests) or not run.problems
