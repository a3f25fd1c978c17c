"""How much of each run a page of many runs shows: the worst in full, the rest in brief, and nothing dropped in silence."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from postmortem.model import Curve, LinePlot, Report, RunReport, Verdict
from postmortem.render.fitting import GLIMPSE_POINTS, at_most, fitted, glimpse
from postmortem.render.html import render_html
from postmortem.render.json import parse_report, render_json

SIZES = {"row": 1, "brief": 10, "full": 100}


def _size(run: RunReport, _index: int) -> int:
    return SIZES[run.detail]


def _report(report: Report, *verdicts: Verdict) -> Report:
    runs = tuple(replace(report.runs[0], name=f"run {number}", verdict=verdict) for number, verdict in enumerate(verdicts))
    return replace(report, runs=runs)


def _runs(verdict: Verdict, count: int) -> list[Verdict]:
    return [verdict] * count


def _details(report: Report) -> list[str]:
    return [run.detail for run in report.runs]


def test_what_fits_is_shown_in_full(rich_report: Report) -> None:
    """Nothing is cut for its own sake."""
    report = _report(rich_report, "failed", "healthy")
    assert fitted(report, _size, 200) == report


def test_the_worst_runs_keep_their_detail(rich_report: Report) -> None:
    """Wherever they stand; the order of the report stays."""
    report = _report(rich_report, "healthy", "healthy", "failed", "suspect", *_runs("healthy", 4))
    assert _details(fitted(report, _size, 8 + 2 * 99 + 4 * 9)) == ["brief", "brief", "full", "full", "brief", "brief", "row", "row"]


def test_the_first_few_are_shown_in_full_before_all_are_in_brief(rich_report: Report) -> None:
    """A page of nothing but short notes would explain no failure."""
    report = _report(rich_report, *_runs("failed", 60))
    details = _details(fitted(report, _size, 60 + 5 * 99 + 10 * 9))
    assert details == ["full"] * 5 + ["brief"] * 10 + ["row"] * 45


def test_a_run_too_large_for_the_page_does_not_cost_the_others_their_place(rich_report: Report) -> None:
    """It is shown in brief."""
    report = _report(rich_report, *_runs("failed", 4))
    fit = fitted(report, lambda run, index: 10_000 if index == 0 and run.detail == "full" else _size(run, index), 400)
    assert _details(fit) == ["brief", "full", "full", "full"]


def test_fitting_twice_changes_nothing(rich_report: Report) -> None:
    """A page that is rendered again from itself has the same bytes."""
    once = fitted(_report(rich_report, *_runs("failed", 3), *_runs("healthy", 20)), _size, 450)
    assert fitted(once, _size, 450) == once
    assert fitted(once, _size, 10_000) == once


def test_what_is_cut_is_counted(rich_report: Report) -> None:
    """The numbers of checks by status stay true in any detail."""
    whole = rich_report.runs[0]
    brief, row = at_most(whole, "brief"), at_most(whole, "row")
    assert len(brief.checks) + sum(brief.left_out.values()) == len(whole.checks)
    assert sum(row.left_out.values()) == len(whole.checks)
    assert at_most(brief, "row").left_out == row.left_out
    assert {outcome.id for cause in whole.causes for outcome in whole.checks if outcome.id in cause.evidence} <= {
        outcome.id for outcome in brief.checks
    }
    assert [item.status for item in brief.checklist] == [item.status for item in whole.checklist]
    assert not brief.exhibits


@pytest.mark.parametrize("detail", ["brief", "row"])
def test_a_cut_run_survives_its_json(rich_report: Report, detail: str) -> None:
    """What was cut, and that it was, is read back."""
    report = rich_report
    cut = replace(report, runs=tuple(at_most(run, "brief" if detail == "brief" else "row") for run in report.runs))
    back = parse_report(render_json(cut))
    assert render_json(back) == render_json(cut)
    assert [(run.detail, run.left_out) for run in back.runs] == [(run.detail, run.left_out) for run in cut.runs]


def test_a_glimpse_keeps_extremes_and_the_first_value_that_is_none(rich_report: Report) -> None:
    """A spike of one point is what a small picture must show."""
    values = [1.0 + 0.001 * step for step in range(5000)]
    values[777], values[1234], values[2001] = 90.0, -5.0, math.nan
    run = rich_report.runs[0]
    plot = run.exhibits[0]
    assert isinstance(plot, LinePlot)
    plot = replace(plot, curves=(Curve("loss", "train", tuple(range(5000)), tuple(values), 5000),))
    seen = glimpse(replace(run, exhibits=(plot,)))
    assert seen is not None
    assert len(seen.steps) <= GLIMPSE_POINTS + 4
    assert {0, 777, 1234, 2001, 4999} <= set(seen.steps)
    assert glimpse(replace(run, exhibits=())) is None


def test_a_page_of_many_runs_stays_small_says_what_it_cut_and_renders_again(rich_report: Report) -> None:
    """Two megabytes is what a tracker takes; the table of runs lists all."""
    report = _report(rich_report, *_runs("failed", 30), *_runs("healthy", 170))
    page = render_html(report)
    assert len(page.encode()) < 2_000_000
    assert page.count('<th scope="row">') >= 200
    assert "So that this page stays below 2 MB" in page
    assert render_html(parse_report(page)) == page
