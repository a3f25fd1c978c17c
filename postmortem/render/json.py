"""The machine-readable result: a `Report` to JSON and back.

The document's stable names stand in the contract (`report.schema.json`); what is added to it (exhibits, arguments, thresholds'
sources) is what the other renderers need, so that a saved JSON can be rendered again, by this or a later version. JSON has no NaN and no
infinity: a value that must be a number or null becomes null, and inside exhibits they are the strings `NaN`, `Infinity`, `-Infinity`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

from cattrs import Converter
from cattrs.strategies import configure_union_passthrough

from postmortem.model import (
    SCHEMA_VERSION,
    Argument,
    Artifacts,
    ChecklistItem,
    CountPlot,
    Curve,
    DepthPlot,
    Exhibit,
    Finding,
    Heatmap,
    InputFile,
    LinePlot,
    Onset,
    Outcome,
    Page,
    Problem,
    RankedCause,
    Report,
    RunMeasurements,
    RunReport,
    Table,
    TagRole,
    Threshold,
)
from postmortem.render.page_docs import docs_in
from postmortem.render.shorthand import restored

T = TypeVar("T")
JsonObject = dict[str, Any]

_SHAPES: dict[str, type[Any]] = {"lines": LinePlot, "depth": DepthPlot, "heatmap": Heatmap, "counts": CountPlot, "table": Table}
_NOT_FINITE = ("NaN", "Infinity", "-Infinity")
_EMBEDDED = re.compile(r'<script type="application/json" id="postmortem-report">(.*?)</script>', re.DOTALL)


class NotAReportError(ValueError):
    """The text is neither a JSON result nor an HTML report of this program, or is of a schema that this version cannot read."""


def render_json(report: Report) -> str:
    """One JSON document, in ASCII, ended by a newline. The same report gives the same bytes."""
    return json.dumps(document_of(report), allow_nan=False, separators=(",", ":")) + "\n"


def document_of(report: Report) -> JsonObject:
    """The document as values that JSON knows."""
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "postmortem", "version": report.version},
        "runs": [_run(run) for run in report.runs],
        "command": report.command,
        "pages": _plain(list(report.pages), list[Page]),
    }


def parse_report(text: str) -> Report:
    """The report in a JSON document, or in the HTML page that carries one.

    Raises:
        NotAReportError: where there is none, or it does not follow the schema.
    """
    embedded = _EMBEDDED.search(text)
    try:
        document = json.loads(embedded.group(1) if embedded else text)
        if document["schema_version"] != SCHEMA_VERSION:
            raise NotAReportError(f"this is schema version {document['schema_version']!r}; this version reads {SCHEMA_VERSION!r}")
        runs = tuple(_parse_run(restored(run) if embedded else run) for run in document["runs"])
        pages = _structured(document.get("pages", []), tuple[Page, ...])
        return Report(
            version=document["tool"]["version"],
            runs=runs,
            pages=docs_in(text, _titles(runs)) if embedded and not pages else pages,
            command=document.get("command", ""),
        )
    except NotAReportError:
        raise
    except json.JSONDecodeError as error:
        raise NotAReportError(f"no JSON result in it (line {error.lineno}: {error.msg})") from error
    except Exception as error:
        raise NotAReportError(f"the JSON does not follow the schema ({type(error).__name__}: {error})") from error


def _titles(runs: tuple[RunReport, ...]) -> dict[str, str]:
    checks = {outcome.id: outcome.title for run in runs for outcome in run.checks}
    return checks | {cause.id: cause.title for run in runs for cause in run.causes}


def dump_measurements(runs: tuple[RunMeasurements, ...], version: str) -> str:
    """Saved measurements as one JSON document."""
    document = {
        "measurements_version": SCHEMA_VERSION,
        "tool": {"name": "postmortem", "version": version},
        "runs": _plain(runs, tuple[RunMeasurements, ...]),
    }
    return json.dumps(document, allow_nan=False, separators=(",", ":")) + "\n"


def parse_measurements(text: str) -> tuple[RunMeasurements, ...]:
    """The runs in a document that `dump_measurements` made.

    Raises:
        NotAReportError: where the text is something else.
    """
    try:
        document = json.loads(text)
        if "measurements_version" not in document and "schema_version" in document:
            raise NotAReportError("this is a report; `diagnose` takes what `analyze --save-measurements` wrote")
        if document["measurements_version"] != SCHEMA_VERSION:
            raise NotAReportError(f"measurements of version {document['measurements_version']!r}; this version reads {SCHEMA_VERSION!r}")
        return _structured(document["runs"], tuple[RunMeasurements, ...])
    except NotAReportError:
        raise
    except json.JSONDecodeError as error:
        raise NotAReportError("these are no saved measurements: `diagnose` takes what `analyze --save-measurements` wrote") from error
    except Exception as error:
        raise NotAReportError(f"these are no saved measurements ({type(error).__name__}: {error})") from error


@cache
def _converter() -> Converter:
    converter = Converter()
    converter.register_unstructure_hook(float, _number)
    converter.register_structure_hook(float, lambda value, _type: float(value))
    configure_union_passthrough(str | int | float | bool | None, converter)
    # A cell of a table may be a float, whose hook the passthrough of the union would leave out.
    converter.register_unstructure_hook(str | int | float | None, lambda cell: _number(cell) if isinstance(cell, float) else cell)
    # By predicate: the passthrough registers itself so too, and the last such hook that fits wins.
    converter.register_structure_hook_func(
        lambda kind: bool(kind == str | int | float | None), lambda cell, _type: float(cell) if cell in _NOT_FINITE else cell
    )
    converter.register_structure_hook(Exhibit, lambda data, _type: converter.structure(data, _SHAPES[data["kind"]]))
    return converter


def _plain(value: object, kind: object) -> Any:
    return _converter().unstructure(value, unstructure_as=kind)


def _structured(data: object, kind: type[T]) -> T:
    return _converter().structure(data, kind)


def _number(value: float) -> float | str:
    """A float as JSON can hold it: non-finite ones by name, which `float` reads back; whole numbers as the float that comes back."""
    if math.isfinite(value):
        return float(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _or_null(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _run(run: RunReport) -> JsonObject:
    return {
        "name": run.name,
        "path": run.path,
        "verdict": run.verdict,
        "headline": run.headline,
        "causes": [_cause(cause) for cause in run.causes],
        "checks": [_check(outcome) for outcome in run.checks],
        "checklist": _plain(run.checklist, tuple[ChecklistItem, ...]),
        "artifacts": _plain(run.artifacts, Artifacts),
        "problems": _plain(run.problems, tuple[Problem, ...]),
        "inputs": _plain(run.inputs, tuple[InputFile, ...]),
        "notes": list(run.notes),
        "tags": _plain(run.tags, tuple[TagRole, ...]),
        "exhibits": _plain(run.exhibits, tuple[Exhibit, ...]),
        "onset": None if run.onset is None else _plain(run.onset, Onset),
        **_cut(run),
    }


def _cut(run: RunReport) -> JsonObject:
    """What is said of a run that a page of many runs cut; nothing of a whole one."""
    if run.detail == "full":
        return {}
    return {"detail": run.detail, "left_out": dict(run.left_out), "glimpse": None if run.glimpse is None else _plain(run.glimpse, Curve)}


def _parse_run(data: JsonObject) -> RunReport:
    return RunReport(
        name=data["name"],
        path=data["path"],
        verdict=data["verdict"],
        headline=data.get("headline", ""),
        causes=tuple(_parse_cause(cause) for cause in data["causes"]),
        checks=tuple(_parse_check(check) for check in data["checks"]),
        checklist=_structured(data["checklist"], tuple[ChecklistItem, ...]),
        artifacts=_structured(data["artifacts"], Artifacts),
        problems=_structured(data["problems"], tuple[Problem, ...]),
        exhibits=_structured(data.get("exhibits", []), tuple[Exhibit, ...]),
        inputs=_structured(data.get("inputs", []), tuple[InputFile, ...]),
        notes=tuple(data.get("notes", ())),
        tags=_structured(data.get("tags", []), tuple[TagRole, ...]),
        onset=_structured(data["onset"], Onset) if data.get("onset") else None,
        detail=data.get("detail", "full"),
        left_out=dict(data.get("left_out", {})),
        glimpse=_structured(data["glimpse"], Curve) if data.get("glimpse") else None,
    )


def _cause(cause: RankedCause) -> JsonObject:
    return {
        "id": cause.id,
        "probability": cause.probability,
        "summary": cause.summary,
        "first_step": cause.first_step,
        "where": list(cause.where),
        "evidence": list(cause.evidence),
        "against": list(cause.against),
        "fix": cause.fix,
        "confirm": cause.confirm,
        "title": cause.title,
        "explained_by": cause.explained_by,
        "arguments": _plain(cause.arguments, tuple[Argument, ...]),
    }


def _parse_cause(data: JsonObject) -> RankedCause:
    return RankedCause(
        id=data["id"],
        title=data["title"],
        probability=float(data["probability"]),
        summary=data["summary"],
        first_step=data["first_step"],
        where=tuple(data["where"]),
        evidence=tuple(data["evidence"]),
        against=tuple(data["against"]),
        fix=data["fix"],
        confirm=data["confirm"],
        arguments=_structured(data.get("arguments", []), tuple[Argument, ...]),
        explained_by=data.get("explained_by", ""),
    )


def _check(outcome: Outcome) -> JsonObject:
    finding = outcome.finding
    threshold = finding.threshold
    return {
        "id": outcome.id,
        "title": outcome.title,
        "status": finding.status,
        "value": _or_null(finding.value),
        "threshold": None if threshold is None else _or_null(threshold.value),
        "unit": finding.unit,
        "first_step": finding.first_step,
        "where": list(finding.where),
        "reason": finding.reason,
        "checklist": list(outcome.checklist),
        "family": outcome.family,
        "figure": outcome.figure,
        "threshold_basis": None if threshold is None else _plain(threshold, Threshold),
        "log_next": list(outcome.log_next),
        "error": outcome.error,
        "vital": outcome.vital,
        "decisive": outcome.decisive,
        "grave": outcome.grave,
    }


def _parse_check(data: JsonObject) -> Outcome:
    return Outcome(
        id=data["id"],
        title=data["title"],
        family=data.get("family", ""),
        finding=Finding(
            status=data["status"],
            reason=data["reason"],
            value=data["value"],
            threshold=_parse_threshold(data),
            unit=data["unit"],
            first_step=data["first_step"],
            where=tuple(data["where"]),
        ),
        checklist=tuple(data["checklist"]),
        figure=data.get("figure", ""),
        log_next=tuple(data.get("log_next", ())),
        error=data.get("error", ""),
        vital=data.get("vital", False),
        decisive=data.get("decisive", False),
        grave=data.get("grave", False),
    )


def _parse_threshold(check: JsonObject) -> Threshold | None:
    """The threshold with its source; where that was left out, the number that the contract names, in the unit of the value."""
    basis: Mapping[str, object] | None = check.get("threshold_basis")
    if basis is not None:
        return _structured(basis, Threshold)
    return None if check["threshold"] is None else Threshold(float(check["threshold"]), check["unit"], "", "", "")
