"""The scan itself: run by run, from files to a page and small rows, so that memory does not grow with the archive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from postmortem.analysis import Options, Progress, discovered, judge_all, measured_trainings
from postmortem.archive.folder import INDEX_PAGE, INDEX_ROWS, PAGES, ScanFolder, inspected, made, without_stale, written
from postmortem.archive.slugs import page_name
from postmortem.model import Fleet, FleetRow, FoundRun, RunMeasurements, RunReport, Verdict
from postmortem.render.figure_views import loss_spark
from postmortem.render.fleet import LONGEST_COMMAND, render_fleet
from postmortem.render.fleet_json import dump_fleet
from postmortem.render.html import render_html
from postmortem.render.views import leading_cause, seen
from postmortem.version import VERSION

Reports = Literal["failed", "all", "none"]
"""Which runs get a page of their own."""

REPORTED: dict[Reports, frozenset[Verdict]] = {
    "failed": frozenset(("failed", "suspect", "unreadable")),
    "all": frozenset(("failed", "suspect", "unreadable", "inconclusive", "healthy")),
    "none": frozenset(),
}


@dataclass(frozen=True, slots=True)
class Task:
    """What is the same for every run of a scan."""

    options: Options
    folder: ScanFolder
    reports: Reports = "failed"
    several: bool = False
    """Whether there are several archives, so that a run's name alone does not tell it."""


def scan(paths: Sequence[Path], output: Path, options: Options, reports: Reports = "failed", progress: Progress | None = None) -> Fleet:
    """Analyze every run under these paths and write the pages into a folder.

    Args:
        paths: archives; each is a run, a folder of runs, or a file.
        output: folder of `index.html`, `index.json` and `runs/`. What an earlier scan wrote there is replaced; other files stay.
        options: what `analyze` takes, too.
        reports: which runs get a page of their own: those with a verdict that calls for one, all, or none.
        progress: called before each run.

    Interrupted, it leaves the pages of all runs that it has done, and says how many are missing.

    Raises:
        discover.NoSuchPath, discover.NothingFound: where a path is not there, or holds nothing to analyze.
        RefusedFolderError: where the folder cannot be used.
    """
    folder = inspected(output)
    found = discovered(paths, folder.own)
    made(folder)
    # A glob that a shell expanded would be longer than the page of a run, in each of them.
    short = options.command if len(options.command) <= LONGEST_COMMAND else f"{options.command[:LONGEST_COMMAND]} ..."
    task = Task(replace(options, command=short), folder, reports, len(paths) > 1)
    rows: list[FleetRow] = []
    done = 0
    try:
        for index, run in enumerate(found):
            if progress is not None:
                progress(index, len(found), run.name)
            rows.extend(scan_run(run, task))
            done += 1
    finally:
        # What hours of reading have given is kept where they are cut short.
        fleet = Fleet(VERSION, tuple(rows), options.command, len(found) - done)
        if rows or not fleet.missing:
            without_stale(folder, frozenset(row.page.removeprefix(f"{PAGES}/") for row in rows if row.page))
            written(folder.path / INDEX_ROWS, dump_fleet(fleet))
            written(folder.path / INDEX_PAGE, render_fleet(fleet))
    return fleet


def scan_run(found: FoundRun, task: Task) -> tuple[FleetRow, ...]:
    """The rows of one discovered run, its pages written: one row a training. A run that breaks the analysis becomes a row that says so.

    Raises:
        RefusedFolderError: where a page cannot be written.
    """
    rows: list[FleetRow] = []
    times: Counter[str] = Counter()
    for row, page in _analyzed(found, task):
        if page:
            name = _page_key(row, found, task)
            times[name] += 1
            # Names of runs in a tracker's database may be the same.
            named = page_name(name if times[name] == 1 else f"{name}\n{times[name]}", task.folder.taken)
            written(task.folder.page(named), page)
            row = replace(row, page=f"{PAGES}/{named}")
        rows.append(row)
    return tuple(rows)


def _page_key(row: FleetRow, found: FoundRun, task: Task) -> str:
    """What the name of a run's page is made of: the run's name, or what tells it from the runs of other archives."""
    if task.several:
        return row.path
    # An archive that is one run calls it `.`, and trainings in it `.#1`.
    return f"{found.path.resolve().name}{row.name[1:]}" if found.name == "." else row.name


def _analyzed(found: FoundRun, task: Task) -> Iterator[tuple[FleetRow, str]]:
    """Row and page of each training in a run, one at a time; the page is empty where none is wanted."""
    steps = (_judged(measured, task) for measured in measured_trainings(found, task.options))
    while True:
        try:
            result = next(steps, None)
        except Exception as error:  # noqa: BLE001 - whatever one run does to the analysis, the other thousands are analyzed
            yield _broken(found, error), ""
            return
        if result is None:
            return
        yield result


def _judged(measured: RunMeasurements, task: Task) -> tuple[FleetRow, str]:
    report = judge_all((measured,), task.options)
    (run,) = report.runs
    return fleet_row(run), render_html(report) if run.verdict in REPORTED[task.reports] else ""


def fleet_row(run: RunReport) -> FleetRow:
    """What the page of all runs keeps of one that has no page of its own yet."""
    cause = leading_cause(run)
    return FleetRow(
        name=run.name,
        path=run.path,
        verdict=run.verdict,
        headline=seen(run),
        cause=cause.id if cause else "",
        title=cause.title if cause else "",
        probability=cause.probability if cause else None,
        first_step=run.onset.step if run.onset else cause.first_step if cause else None,
        place=run.onset.place if run.onset else next(iter(cause.where), "") if cause else "",
        spark=loss_spark(run.exhibits),
        parameters=run.artifacts.parameters,
        checkpoints=run.artifacts.checkpoints,
        bytes=run.artifacts.bytes,
        problems=len(run.problems),
    )


def _broken(found: FoundRun, error: Exception) -> FleetRow:
    """The row of a run that the analysis broke on."""
    said = " ".join(str(error).split())
    headline = f"The analysis broke on this run: {type(error).__name__}{f': {said}' if said else ''}."
    size = sum(file.bytes for file in found.files)
    return FleetRow(found.name, str(found.path), "unreadable", headline, bytes=size, problems=1)
