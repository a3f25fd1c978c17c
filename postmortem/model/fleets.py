"""What a scan of an archive keeps: one small row a run, whatever its files weigh."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from postmortem.model.words import Verdict


@dataclass(frozen=True, slots=True)
class FleetRow:
    """One run of a scan, as its page of all runs shows it."""

    name: str
    path: str
    verdict: Verdict
    headline: str
    """What was seen, in one sentence, without the title of the cause; for a run that broke the analysis, the error."""
    cause: str = ""
    """Id of the cause that the verdict names; empty where it names none."""
    title: str = ""
    probability: float | None = None
    first_step: int | None = None
    """Step at which trouble shows first."""
    place: str = ""
    """Layer or tag at which it does."""
    spark: str = ""
    """Path data of a small picture of the training loss, for a box of 120 by 28."""
    parameters: int = 0
    checkpoints: int = 0
    bytes: int = 0
    problems: int = 0
    """How many files, or parts of files, could not be read."""
    page: str = ""
    """The run's own page, relative to the page of all runs; empty where none was written."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """The result of one scan: what the page of all runs is a function of."""

    version: str
    rows: tuple[FleetRow, ...]
    """In the order in which the runs were found."""
    command: str = ""
    """The command line that made it, as typed."""
    missing: int = 0
    """Runs that were found and not analyzed, because the scan was interrupted."""

    def __iter__(self) -> Iterator[FleetRow]:
        return iter(self.rows)
