"""Every noun that two stages of the program share. Standard library only.

The stages hand these values on in one direction: `FoundRun` (discover) -> `RunData` (read) -> `Measurement` and `Missing`
(measure) -> `Finding` and `Outcome` (check) -> `RankedCause` (diagnose) -> `Report` (render). None of them holds a decision that
belongs to a later stage. Classes that hold arrays compare by identity, because arrays do not compare to one truth value.
"""

from postmortem.model.artifacts import (
    Checkpoint,
    Console,
    FoundFile,
    FoundRun,
    Histogram,
    Incident,
    LoggedImages,
    Optimizer,
    Problem,
    ReadOptions,
    Replica,
    Resume,
    RunData,
    Series,
    Tensor,
)
from postmortem.model.causes import Argument, Case, Cause, CauseExample, Evidence, RankedCause
from postmortem.model.checks import Check, Example, Finding, Outcome, Threshold
from postmortem.model.exhibits import CountPlot, Curve, DepthPlot, Exhibit, Heatmap, LinePlot, Mark, Table
from postmortem.model.fleets import Fleet, FleetRow
from postmortem.model.manifests import FilesSeen, ImageSample, LabelKind, Manifest, Targets
from postmortem.model.measurements import Measured, Measurement, Missing
from postmortem.model.reports import Artifacts, ChecklistItem, InputFile, Onset, Page, Report, RunMeasurements, RunReport, TagRole
from postmortem.model.words import ALARMS, SCHEMA_VERSION, Algorithm, Detail, FileRole, IncidentKind, Plain, ProblemKind, Status, Verdict
from postmortem.model.writing import counted, kind_of_run, level, multiple, number, percent, share_of, times

__all__ = [
    "ALARMS",
    "SCHEMA_VERSION",
    "Algorithm",
    "Argument",
    "Artifacts",
    "Case",
    "Cause",
    "CauseExample",
    "Check",
    "ChecklistItem",
    "Checkpoint",
    "Console",
    "CountPlot",
    "Curve",
    "DepthPlot",
    "Detail",
    "Evidence",
    "Example",
    "Exhibit",
    "FileRole",
    "FilesSeen",
    "Finding",
    "Fleet",
    "FleetRow",
    "FoundFile",
    "FoundRun",
    "Heatmap",
    "Histogram",
    "ImageSample",
    "Incident",
    "IncidentKind",
    "InputFile",
    "LabelKind",
    "LinePlot",
    "LoggedImages",
    "Manifest",
    "Mark",
    "Measured",
    "Measurement",
    "Missing",
    "Onset",
    "Optimizer",
    "Outcome",
    "Page",
    "Plain",
    "Problem",
    "ProblemKind",
    "RankedCause",
    "ReadOptions",
    "Replica",
    "Report",
    "Resume",
    "RunData",
    "RunMeasurements",
    "RunReport",
    "Series",
    "Status",
    "Table",
    "TagRole",
    "Targets",
    "Tensor",
    "Threshold",
    "Verdict",
    "counted",
    "kind_of_run",
    "level",
    "multiple",
    "number",
    "percent",
    "share_of",
    "times",
]
