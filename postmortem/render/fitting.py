"""How much of each run a page of many runs shows, so that it stays small enough to be attached to a ticket.

The worst runs are shown in full, the others in brief (verdict, causes, findings, checklist), and where even that is too much as a row of
the overview. Nothing is dropped in silence: what a run lacks is counted in its value, and the page says which runs are cut.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from postmortem.model import ChecklistItem, Curve, Detail, Outcome, Report, RunReport, Status
from postmortem.render.briefs import worst_first
from postmortem.render.figure_views import trained

BUDGET_BYTES = 1_900_000
"""What all runs of a page may take together; with its head, style and script it then stays below 2 MB."""
FIRST_IN_FULL = 5
"""So many of the worst runs are shown in full before others are shown in brief."""
GLIMPSE_POINTS = 60

MORE: tuple[Detail, ...] = ("brief", "full")
_ORDER: tuple[Detail, ...] = ("row", *MORE)

Sizer = Callable[[RunReport, int], int]
"""Bytes that a run takes on the page; the second argument is its place in the report."""


def fitted(report: Report, size: Sizer, budget: int = BUDGET_BYTES) -> Report:
    """The report with as much of each run as the budget has room for. A run that was cut before does not grow again."""
    runs = [at_most(run, "row") for run in report.runs]
    left = budget - sum(size(run, index) for index, run in enumerate(runs))
    worst = worst_first(report.runs)

    def grow(index: int, detail: Detail) -> bool:
        nonlocal left
        wanted = at_most(report.runs[index], detail)
        if wanted.detail == runs[index].detail:
            return True
        more = size(wanted, index) - size(runs[index], index)
        if more > left:
            return False
        runs[index] = wanted
        left -= more
        return True

    for detail in MORE:
        for index in worst[:FIRST_IN_FULL]:
            grow(index, detail)
    # The first that finds no room ends it: thousands of runs are not laid out in vain.
    for detail in MORE:
        for index in worst[FIRST_IN_FULL:]:
            if not grow(index, detail):
                break
    return replace(report, runs=tuple(runs))


def at_most(run: RunReport, detail: Detail) -> RunReport:
    """The run in this detail, or in less where it was cut before."""
    if _ORDER.index(run.detail) <= _ORDER.index(detail):
        return run
    return _brief(run) if detail == "brief" else _row(run)


def _brief(run: RunReport) -> RunReport:
    cited = {id for cause in run.causes for id in (*cause.evidence, *cause.against)}
    kept = tuple(outcome for outcome in run.checks if outcome.alarmed or outcome.id in cited)
    return replace(
        run,
        detail="brief",
        checks=tuple(replace(outcome, figure="") for outcome in kept),
        checklist=tuple(item if item.status in ("fail", "warn") else _bare(item) for item in run.checklist),
        exhibits=(),
        inputs=(),
        notes=(),
        tags=(),
        left_out=_count(outcome for outcome in run.checks if not outcome.alarmed and outcome.id not in cited),
        glimpse=glimpse(run),
    )


def _row(run: RunReport) -> RunReport:
    return replace(
        run,
        detail="row",
        causes=run.causes[:1],
        checks=(),
        checklist=(),
        exhibits=(),
        inputs=(),
        notes=(),
        tags=(),
        problems=run.problems[:1],
        left_out=_count(run.checks, run.left_out),
        glimpse=None,
    )


def _bare(item: ChecklistItem) -> ChecklistItem:
    return replace(item, reason="", log_next=())


def _count(outcomes: Iterable[Outcome], before: Mapping[Status, int] | None = None) -> dict[Status, int]:
    counts = Counter(outcome.status for outcome in outcomes)
    counts.update(before or {})
    return dict(sorted(counts.items()))


def glimpse(run: RunReport) -> Curve | None:
    """The training loss in a few points: every so many, with the lowest, the highest and the first that is no number."""
    if run.glimpse is not None:
        return run.glimpse
    found = next((curves for exhibit in run.exhibits if (curves := trained(exhibit))), [])
    if not found:
        return None
    curve = max(found, key=lambda one: one.points)
    places = range(len(curve.steps))
    finite = [place for place in places if math.isfinite(curve.values[place])]
    every = math.ceil(len(curve.steps) / GLIMPSE_POINTS) or 1
    kept = {*places[::every], *places[-1:]}
    if finite:
        kept |= {min(finite, key=lambda place: curve.values[place]), max(finite, key=lambda place: curve.values[place])}
    kept |= set([place for place in places if not math.isfinite(curve.values[place])][:1])
    chosen = sorted(kept)
    return replace(curve, steps=tuple(curve.steps[at] for at in chosen), values=tuple(curve.values[at] for at in chosen))
