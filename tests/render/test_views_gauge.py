"""How far a number lies from the line that it crossed, as the evidence shows it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postmortem.model import Finding, Report, Threshold
from postmortem.render.views import Gauge, view_runs

LINE = Threshold(0.1, "share", "made up", "", "")


def _gauge(report: Report, value: float | None, limit: Threshold | None) -> Gauge | None:
    run = report.runs[0]
    outcome = replace(run.checks[0], finding=Finding("fail", "seen", value, limit, "share"))
    view = view_runs(replace(report, runs=(replace(run, checks=(outcome,), causes=()),)))[0]
    return view.other_alarms[0].gauge


@pytest.mark.parametrize(
    ("value", "ratio", "place"), [(0.1, 1.0, 0.5), (1.0, 10.0, 1.0), (0.01, 0.1, 0.0), (50.0, 500.0, 1.0), (0.1234567, 1.2, 0.5457)]
)
def test_a_decade_reaches_the_end_of_the_gauge(rich_report: Report, value: float, ratio: float, place: float) -> None:
    """By logarithm, the line in the middle."""
    gauge = _gauge(rich_report, value, LINE)
    assert gauge is not None
    assert gauge.ratio == pytest.approx(ratio)
    assert gauge.place == pytest.approx(place, abs=1e-3)


@pytest.mark.parametrize("value", [None, 0.0, -1.0, float("inf"), float("nan"), 1e-30])
def test_what_no_ratio_explains_has_no_gauge(rich_report: Report, value: float | None) -> None:
    """Nothing, below zero, no number, or so far off that the line says nothing."""
    assert _gauge(rich_report, value, LINE) is None
    assert _gauge(rich_report, 1.0, None) is None
    assert _gauge(rich_report, 1.0, replace(LINE, value=0.0)) is None
