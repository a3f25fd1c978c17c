"""The report as SARIF 2.1.0, for code-scanning dashboards: causes are results, layers and tags logical locations, damaged files artifacts.

Source: OASIS, Static Analysis Results Interchange Format 2.1.0.
"""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from postmortem.model import Problem, RankedCause, Report, RunReport

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = (("error", 0.5), ("warning", 0.15), ("note", 0.0))
"""Level by the least probability of a cause: likely, possible, a lead where none is likely."""
"""A cause at or above this is an error, below it a warning."""


def render_sarif(report: Report) -> str:
    """One SARIF log with one run of the tool, in ASCII."""
    causes = {cause.id: cause for run in report.runs for cause in run.causes}
    rules: list[dict[str, Any]] = [{"id": cause.id, "shortDescription": {"text": cause.title}} for cause in causes.values()]
    kinds = dict.fromkeys(problem.kind for run in report.runs for problem in run.problems)
    rules += [{"id": f"problem/{kind}", "shortDescription": {"text": f"A file is {kind}"}} for kind in kinds]
    results = [_cause(run, cause) for run in report.runs for cause in run.causes]
    results += [_problem(run, problem) for run in report.runs for problem in run.problems]
    driver = {"name": "postmortem", "version": report.version, "rules": rules}
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
    return json.dumps(log, allow_nan=False, indent=1) + "\n"


def _cause(run: RunReport, cause: RankedCause) -> dict[str, Any]:
    logical = [{"name": name, "kind": "element", "fullyQualifiedName": f"{run.name}::{name}"} for name in cause.where]
    location: dict[str, Any] = {"physicalLocation": {"artifactLocation": {"uri": _uri(run.path)}}}
    if logical:
        location["logicalLocations"] = logical
    return {
        "ruleId": cause.id,
        "level": next(level for level, least in LEVELS if cause.probability >= least),
        "rank": round(cause.probability * 100, 1),
        "message": {"text": f"{cause.summary} {cause.fix}"},
        "locations": [location],
    }


def _problem(run: RunReport, problem: Problem) -> dict[str, Any]:
    return {
        "ruleId": f"problem/{problem.kind}",
        "level": "note",
        "message": {"text": problem.detail},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": _uri(f"{run.path}/{problem.path}")}}}],
    }


def _uri(path: str) -> str:
    return quote(PurePosixPath(path.replace("\\", "/")).as_posix(), safe="/", errors="surrogateescape")
