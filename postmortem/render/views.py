"""A `Report` arranged for a page: what stands where, with every reference between its parts looked up."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from postmortem.log_next import ADVICE, Advice
from postmortem.model import (
    ALARMS,
    Argument,
    ChecklistItem,
    Finding,
    Outcome,
    Page,
    RankedCause,
    Report,
    RunReport,
    Status,
    TagRole,
    Verdict,
)
from postmortem.render.briefs import wanted
from postmortem.render.figure_views import FigureView, SectionView, figures_of, loss_spark, sections_of, trained
from postmortem.render.figures import sparkline
from postmortem.render.stills import Still, still_of
from postmortem.render.wording import label, sentence

STATUS_WORDS: dict[Status, str] = {
    "fail": "failed",
    "warn": "warned",
    "pass": "passed",
    "not-checked": "not checked",
    "not-applicable": "not applicable",
}
VERDICT_SIGNS: dict[Verdict, Status] = {
    "failed": "fail",
    "suspect": "warn",
    "healthy": "pass",
    "inconclusive": "not-checked",
    "unreadable": "not-checked",
}
"""The status whose sign and colour a verdict wears."""
SHOWN_TAGS = 400
"""Rows of tags that a page lists in all its runs together; each run has at least its first ten."""
DECADES_TOLD = 12
"""Farther from its line than this a number is none that a ratio explains."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """How far a measured number lies from the line that it crossed."""

    ratio: float
    """Value over threshold, both above 0, in two digits."""
    place: float
    """From 0 to 1, the line at a half: what lies a decade or more beside it stands at an end."""


@dataclass(frozen=True, slots=True)
class CheckView:
    """A check's outcome with its figure and docs."""

    id: str
    """Of the place where it stands in full, if it does."""
    outcome: Outcome
    figure: FigureView | None
    page: Page | None
    advice: tuple[Advice, ...]
    gauge: Gauge | None

    @property
    def status(self) -> Status:
        """The outcome's status."""
        return self.outcome.status


@dataclass(frozen=True, slots=True)
class CauseView:
    """A cause with its evidence looked up, and the causes that it brings about."""

    id: str
    rank: int
    cause: RankedCause
    evidence: tuple[CheckView, ...]
    """Checks that raised an alarm and speak for it, but for those that stand in full under an earlier cause."""
    evidence_above: tuple[CheckView, ...]
    """Those that do."""
    agreeing: tuple[CheckView, ...]
    """Checks that speak for it by having passed."""
    against: tuple[CheckView, ...]
    arguments_for: tuple[Argument, ...]
    arguments_against: tuple[Argument, ...]
    still: Still | None
    """The first figure of its evidence that can be shown small."""
    page: Page | None
    brings_about: tuple[CauseView, ...]


@dataclass(frozen=True, slots=True)
class ReasonView:
    """A reason why checks could not be made, or do not apply, and the titles of all these checks."""

    reason: str
    titles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ItemView:
    """An item of the checklist with its advice."""

    item: ChecklistItem
    advice: tuple[Advice, ...]


@dataclass(frozen=True, slots=True)
class AdviceView:
    """One thing to log next time, and the checks that it would make possible."""

    advice: Advice
    checks: tuple[CheckView, ...]


@dataclass(frozen=True, slots=True)
class RunView:
    """One run, arranged."""

    key: str
    """Stands before every id of the run's section, so that ids are unique on the page."""
    run: RunReport
    label: str
    """What tells it from the other runs of the report."""
    title: str
    """What the verdict says in a few words: the likely cause, or that there is none."""
    sentence: str
    lead: CauseView | None
    """The cause that the verdict names."""
    causes: tuple[CauseView, ...]
    """Roots only; what they bring about stands within them."""
    steps: tuple[CauseView, ...]
    """Causes worth acting on, most likely first: what to do next."""
    other_alarms: tuple[CheckView, ...]
    """Failed and warned checks that no listed cause rests on."""
    proofs: tuple[CheckView, ...]
    """Passed checks that prove that the run learned."""
    passed: tuple[CheckView, ...]
    not_checked: tuple[ReasonView, ...]
    not_applicable: tuple[ReasonView, ...]
    checklist: tuple[ItemView, ...]
    log_next: tuple[AdviceView, ...]
    sections: tuple[SectionView, ...]
    tags: tuple[TagRole, ...]
    """What the first tags were taken for: as many as the page has room for."""
    counts: Mapping[Status, int]
    """Checks by status."""
    item_counts: Mapping[Status, int]
    """Checklist items by status."""
    spark: str
    glance: FigureView | None
    """The figure that `spark` is a small picture of."""

    @property
    def sign(self) -> Status:
        """The status whose sign and colour the verdict wears."""
        return VERDICT_SIGNS[self.run.verdict]


def view_runs(report: Report) -> tuple[RunView, ...]:
    """Every run of a report, arranged for the page."""
    pages = pages_by_id(report)
    return tuple(view_at(report, run, index, pages) for index, run in enumerate(report.runs))


def pages_by_id(report: Report) -> dict[tuple[str, str], Page]:
    """The docs that a report carries, by kind and id."""
    return {(page.kind, page.id): page for page in report.pages}


def view_at(report: Report, run: RunReport, index: int, pages: Mapping[tuple[str, str], Page]) -> RunView:
    """A run as it is arranged at this place of a report; one that is shown in brief, without docs."""
    key = f"run-{index + 1}-" if len(report.runs) > 1 else ""
    room = max(10, SHOWN_TAGS // max(1, len(report.runs)))
    return view_run(run, index, pages if run.detail == "full" else {}, key, room)


def view_run(run: RunReport, index: int, pages: Mapping[tuple[str, str], Page], key: str, room: int = SHOWN_TAGS) -> RunView:
    """One run. Names of checks, figures and advice that stand for nothing are left out, whoever wrote the report."""
    figures = figures_of(run, index, key)
    by_exhibit = {figure.exhibit.id: figure for figure in figures}
    checks = {outcome.id: _check(outcome, by_exhibit, pages, key) for outcome in run.checks}
    causes = _causes(run.causes, checks, pages, key)
    roots = _roots(causes)
    leading = leading_cause(run)
    lead = next((view for view in causes if view.cause is leading), None)
    cited = {id for cause in run.causes for id in cause.evidence}
    views = tuple(checks.values())
    # Failed ones first: the band names no more than a few.
    alarms = tuple(view for view in views if view.status == "fail" and view.outcome.id not in cited)
    alarms += tuple(view for view in views if view.status == "warn" and view.outcome.id not in cited)
    return RunView(
        key=key,
        run=run,
        label=label(run),
        title=lead.cause.title if lead else leading_finding(run) or _verdict_title(run.verdict),
        sentence=seen(run),
        lead=lead,
        causes=roots,
        steps=_steps(roots, lead),
        other_alarms=alarms,
        proofs=tuple(view for view in views if view.outcome.vital and view.status == "pass"),
        passed=tuple(view for view in views if view.status == "pass"),
        not_checked=_by_reason(views, "not-checked"),
        not_applicable=_by_reason(views, "not-applicable"),
        checklist=tuple(ItemView(item, _advice(item.log_next)) for item in run.checklist),
        log_next=_log_next(run, checks),
        sections=sections_of(figures, key),
        tags=run.tags[:room],
        counts=_count((view.status for view in views), run.left_out),
        item_counts=_count(item.status for item in run.checklist),
        spark=sparkline(run.glimpse) if run.glimpse else loss_spark(run.exhibits),
        glance=next((figure for figure in figures if trained(figure.exhibit)), None),
    )


def leading_cause(run: RunReport) -> RankedCause | None:
    """The cause that the verdict names."""
    return next((cause for cause in run.causes if run.headline.startswith(f"{cause.title}.")), None)


def seen(run: RunReport) -> str:
    """What the verdict rests on, in one sentence: the headline without the title of the cause or check that it names."""
    cause = leading_cause(run)
    if cause:
        return run.headline.removeprefix(f"{cause.title}.").strip()
    finding = leading_finding(run)
    return sentence(run.headline.removeprefix(f"{finding}:").strip()) if finding else run.headline


def leading_finding(run: RunReport) -> str:
    """Title of the check that the verdict names where no cause is likely; else empty."""
    return next((outcome.title for outcome in run.checks if run.headline.startswith(f"{outcome.title}:")), "")


def _verdict_title(verdict: Verdict) -> str:
    return {
        "failed": "This run failed",
        "suspect": "Something is wrong in this run",
        "healthy": "No fault found",
        "inconclusive": "The files do not tell",
        "unreadable": "Nothing could be read",
    }[verdict]


def _count(statuses: Iterable[Status], others: Mapping[Status, int] | None = None) -> dict[Status, int]:
    counts: dict[Status, int] = dict.fromkeys(STATUS_WORDS, 0) | dict(others or {})
    for status in statuses:
        counts[status] += 1
    return counts


# --- checks, causes, advice -------------------------------------------------------------------------------------------


def _check(outcome: Outcome, figures: Mapping[str, FigureView], pages: Mapping[tuple[str, str], Page], key: str) -> CheckView:
    id = f"{key}check-{re.sub(r'[^a-z0-9]+', '-', outcome.id.lower())}"
    page = pages.get(("check", outcome.id))
    return CheckView(id, outcome, figures.get(outcome.figure), page, _advice(outcome.log_next), _gauge(outcome.finding))


def _gauge(finding: Finding) -> Gauge | None:
    value, limit = (
        finding.value,
        finding.threshold.value if finding.threshold is not None and finding.threshold.unit == finding.unit else None,
    )
    if value is None or limit is None or not (0 < value < math.inf and 0 < limit < math.inf):
        return None
    decades = math.log10(value) - math.log10(limit)
    return Gauge(float(f"{value / limit:.2g}"), 0.5 + min(max(decades, -1.0), 1.0) / 2) if abs(decades) < DECADES_TOLD else None


def _advice(keys: Iterable[str]) -> tuple[Advice, ...]:
    return tuple(ADVICE[key] for key in keys if key in ADVICE)


def _causes(
    causes: Sequence[RankedCause], checks: Mapping[str, CheckView], pages: Mapping[tuple[str, str], Page], key: str
) -> tuple[CauseView, ...]:
    ranks = {cause.id: rank for rank, cause in enumerate(causes, start=1)}
    first_under = {id: cause.id for cause in reversed(causes) for id in cause.evidence}

    def view(cause: RankedCause, above: frozenset[str]) -> CauseView:
        speaking = tuple(checks[id] for id in cause.evidence if id in checks)
        inside = above | {cause.id}
        return CauseView(
            id=f"{key}cause-{ranks[cause.id]}",
            rank=ranks[cause.id],
            cause=cause,
            evidence=tuple(check for check in speaking if check.status in ALARMS and first_under[check.outcome.id] == cause.id),
            evidence_above=tuple(check for check in speaking if check.status in ALARMS and first_under[check.outcome.id] != cause.id),
            agreeing=tuple(check for check in speaking if check.status not in ALARMS),
            # One that speaks for it alone, and against it together with others, stands once; both arguments are listed.
            against=tuple(checks[id] for id in cause.against if id in checks and id not in cause.evidence),
            arguments_for=_strongest_first(argument for argument in cause.arguments if argument.log_odds > 0),
            arguments_against=_strongest_first(argument for argument in cause.arguments if argument.log_odds < 0),
            still=still_of(check.figure for check in speaking if check.status in ALARMS),
            page=pages.get(("cause", cause.id)),
            # A circle of explanations, which only a stranger's report can hold, must not hang the page.
            brings_about=tuple(view(each, inside) for each in causes if each.explained_by == cause.id and each.id not in inside),
        )

    return tuple(view(cause, frozenset()) for cause in causes)


def _strongest_first(arguments: Iterable[Argument]) -> tuple[Argument, ...]:
    return tuple(sorted(arguments, key=lambda argument: -abs(argument.log_odds)))


def _roots(views: Sequence[CauseView]) -> tuple[CauseView, ...]:
    """Causes that stand within no other one; in a circle of explanations, the first of it."""
    listed = {view.cause.id for view in views}
    shown: set[str] = set()
    roots: list[CauseView] = []

    def show(view: CauseView) -> None:
        shown.add(view.cause.id)
        for other in view.brings_about:
            show(other)

    independent = [view for view in views if view.cause.explained_by not in listed]
    for view in [*independent, *views]:
        if view.cause.id not in shown:
            roots.append(view)
            show(view)
    return tuple(sorted(roots, key=lambda view: view.rank))


def _steps(roots: Sequence[CauseView], lead: CauseView | None) -> tuple[CauseView, ...]:
    """The cause that the verdict names, then other roots that are no less likely than not."""
    likely = [view for view in roots if view is lead or view.cause.probability >= 0.5]
    return tuple(sorted(likely, key=lambda view: view is not lead))


def _by_reason(views: Sequence[CheckView], status: Status) -> tuple[ReasonView, ...]:
    titles: dict[str, list[str]] = {}
    for view in views:
        if view.status == status:
            titles.setdefault(view.outcome.finding.reason, []).append(view.outcome.title)
    # What stops the most checks first.
    ordered = sorted(titles.items(), key=lambda pair: -len(pair[1]))
    return tuple(ReasonView(reason, tuple(found)) for reason, found in ordered)


def _log_next(run: RunReport, checks: Mapping[str, CheckView]) -> tuple[AdviceView, ...]:
    return tuple(AdviceView(ADVICE[key], tuple(checks[outcome.id] for outcome in missed)) for key, missed in wanted(run).items())
