"""The result of an analysis, and what of it can be saved before it is judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from postmortem.model.artifacts import Problem
from postmortem.model.causes import RankedCause
from postmortem.model.checks import Outcome, Threshold
from postmortem.model.exhibits import Curve, Exhibit
from postmortem.model.measurements import Measurement, Missing
from postmortem.model.words import Detail, FileRole, Status, Verdict


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """One item of the debugging checklist, answered."""

    id: str
    title: str
    status: Status
    checks: tuple[str, ...]
    reason: str
    """What answers it, in one sentence."""
    log_next: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Artifacts:
    """What a run left behind, counted."""

    event_files: int = 0
    scalars: int = 0
    checkpoints: int = 0
    parameters: int = 0
    manifests: int = 0
    bytes: int = 0
    logs: int = 0
    """Tables, JSON logs, runs of trackers and text logs."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file of a run, as the report's list of inputs shows it."""

    name: str
    role: FileRole
    bytes: int
    note: str = ""
    """What was taken from it: `3 tags, steps 0 to 600`, `step 400, 12 tensors`."""


@dataclass(frozen=True, slots=True)
class TagRole:
    """What one scalar tag was taken for."""

    tag: str
    group: str
    """`train`, `validation`, `test` or empty: the split that its folder or file speaks for."""
    role: str
    """`training-loss`, `validation-loss`, `part-of-loss`, `learning-rate`, `accuracy`, ...: one of `measure.roles.ROLES`."""
    split: str
    """`train`, `validation`, `test`, or empty where neither the tag nor its group says."""
    why: str
    """One clause: which words, neighbours or numbers decided."""
    points: int
    first_step: int | None
    last_step: int | None
    main: bool = False
    """Whether it stands for the run wherever a check asks for its role."""


@dataclass(frozen=True, slots=True)
class RunMeasurements:
    """All that the judging stages need of one run: it can be saved, and judged again without touching a file."""

    name: str
    path: str
    measurements: tuple[Measurement, ...]
    missing: tuple[Missing, ...]
    exhibits: tuple[Exhibit, ...]
    artifacts: Artifacts
    inputs: tuple[InputFile, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    tags: tuple[TagRole, ...] = ()


@dataclass(frozen=True, slots=True)
class Onset:
    """Where trouble showed first: the earliest sign among the evidence for the first cause and for what it brings about."""

    step: int
    check: str
    """Id of the check that saw it."""
    place: str = ""
    """The layer or tag that it names first; empty where it names none."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """One run, judged."""

    name: str
    path: str
    verdict: Verdict
    headline: str
    """The verdict in one sentence, with the grounds for it."""
    causes: tuple[RankedCause, ...]
    checks: tuple[Outcome, ...]
    checklist: tuple[ChecklistItem, ...]
    artifacts: Artifacts
    problems: tuple[Problem, ...]
    exhibits: tuple[Exhibit, ...] = ()
    inputs: tuple[InputFile, ...] = ()
    notes: tuple[str, ...] = ()
    tags: tuple[TagRole, ...] = ()
    """What each scalar tag was taken for, by role; those that stand for the run come first."""
    onset: Onset | None = None
    """None where no cause is likely, or none of its evidence has a step."""
    detail: Detail = "full"
    """Less than `full` where it was read back from a page of so many runs that some were cut."""
    left_out: Mapping[Status, int] = field(default_factory=dict)
    """Checks that were cut, by status."""
    glimpse: Curve | None = None
    """The training loss in a few points, where the exhibits were cut."""


@dataclass(frozen=True, slots=True)
class Page:
    """The documentation of a check or cause, carried in the report so that it can be read without the program."""

    id: str
    kind: Literal["check", "cause"]
    title: str
    sections: Mapping[str, str]
    thresholds: tuple[Threshold, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """The result of one analysis: what every output format is a function of."""

    version: str
    runs: tuple[RunReport, ...]
    pages: tuple[Page, ...] = ()
    command: str = ""
    """The command line that made it, as typed."""

    def __iter__(self) -> Iterator[RunReport]:
        return iter(self.runs)
