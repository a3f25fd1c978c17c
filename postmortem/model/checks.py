"""One symptom: its thresholds, what it saw, and the file that declares it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from postmortem.model.measurements import Measured, Measurement
from postmortem.model.words import ALARMS, Status


@dataclass(frozen=True, slots=True)
class Threshold:
    """A number that a judgement rests on, and why it is that number."""

    value: float
    unit: str
    source: str
    """Article, paper, or the project's own measurement."""
    half: str
    """What happens at half the number."""
    double: str
    """What happens at twice the number."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check saw."""

    status: Status
    reason: str
    """One sentence: what was seen, the number, the line. No advice."""
    value: float | None = None
    threshold: Threshold | None = None
    unit: str = ""
    first_step: int | None = None
    where: tuple[str, ...] = ()
    """Layer or tag names, worst first."""
    leaves: tuple[str, ...] = ()
    """Items of the checklist that this pass does not answer, though a pass of the check may: what it looks for could not have shown."""
    lacks: tuple[str, ...] = ()
    """Of one that could not be made for want of measurements, any of which would do: their names. The report tells why each is missing."""


@dataclass(frozen=True, slots=True)
class Example:
    """Measurements for which the author of a check knows the answer."""

    name: str
    given: tuple[Measurement, ...]
    expect: Status


@dataclass(frozen=True, slots=True)
class Check:
    """One symptom, as its file declares it."""

    id: str
    title: str
    family: str
    docs: Mapping[str, str]
    """Heading -> text, in the order of the file."""
    needs: tuple[str, ...]
    uses: tuple[str, ...]
    checklist: tuple[str, ...]
    figure: str
    """Id of the exhibit that shows it, or empty."""
    vital: bool
    """Whether a pass is proof that the run learned: without one, no run is called healthy."""
    applies: Callable[[Measured], str]
    """Empty where the check applies, else the reason why it does not."""
    judge: Callable[[Measured], Finding]
    thresholds: Mapping[str, Threshold]
    examples: tuple[Example, ...]
    leads: tuple[str, ...] = ()
    """Items of the checklist that it answers most to the point: of twenty that pass, a reader wants one or two numbers."""
    doubts: tuple[str, ...] = ()
    """Items of the checklist that an alarm of it fails, though its pass does not answer them: a finite loss may start anywhere."""
    asides: tuple[str, ...] = ()
    """Those of `uses` that only soften what it says: where it could not be made, nobody is told to log them for it."""
    decisive: bool = False
    """Whether a failure alone is enough to suspect a run that learned: what is seen is no matter of degree."""
    grave: bool = False
    """Whether an alarm, a warning too, keeps a run from being called healthy; that it passes proves nothing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A check's finding in one run, with what a reader of the report needs beside it."""

    id: str
    title: str
    family: str
    finding: Finding
    checklist: tuple[str, ...]
    figure: str
    log_next: tuple[str, ...] = ()
    """Keys of `log_next.ADVICE`."""
    error: str = ""
    """Where the check itself broke: type and message. The status is then `not-checked`."""
    vital: bool = False
    decisive: bool = False
    grave: bool = False

    @property
    def status(self) -> Status:
        """The finding's status."""
        return self.finding.status

    @property
    def alarmed(self) -> bool:
        """Whether it failed or warned."""
        return self.finding.status in ALARMS
