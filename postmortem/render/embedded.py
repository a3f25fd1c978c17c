"""The result as the page carries it: all that the contract names and all that the page shows, and no text that it shows nowhere.

Written out in full, the JSON would be half of the page. Left out are docs (those that the page shows are read back from its HTML), sources
of thresholds of checks that raised no alarm, and what a reader of the JSON takes for granted. What is read back renders to the same bytes.
"""

from __future__ import annotations

import json
from dataclasses import replace

from postmortem.model import Outcome, Report, RunReport
from postmortem.render.briefs import LOOKED, ONLY_IN
from postmortem.render.json import document_of
from postmortem.render.shorthand import shortened


def embedded_json(report: Report) -> str:
    """One line of JSON from which the page can be rendered again; `<` stands in it as an escape, so that it can end no element."""
    document = document_of(replace(report, pages=(), runs=tuple(map(_without_unseen_texts, report.runs))))
    document["runs"] = [shortened(run) for run in document["runs"]]
    return embeddable(json.dumps(document, allow_nan=False, separators=(",", ":")) + "\n")


def embeddable(json_text: str) -> str:
    """JSON that can stand in a script element: no `<` that could end it."""
    return json_text.replace("<", "\\u003c")


def _without_unseen_texts(run: RunReport) -> RunReport:
    return replace(run, checks=tuple(outcome if outcome.alarmed else _quiet(outcome) for outcome in run.checks))


def _quiet(outcome: Outcome) -> Outcome:
    """The outcome with no more than the line of a passed check shows: of its threshold, number and unit."""
    # Whether checks of one kind of run could look decides what is advised.
    family = outcome.family if outcome.family in ONLY_IN and outcome.status in LOOKED else ""
    outcome = replace(outcome, family=family, figure=outcome.figure if outcome.status == "pass" else "")
    threshold = outcome.finding.threshold
    if threshold is None:
        return outcome
    return replace(outcome, finding=replace(outcome.finding, threshold=replace(threshold, source="", half="", double="")))
