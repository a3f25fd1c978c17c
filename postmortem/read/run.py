"""Opens one discovered run: every file goes to the reader of its role, and what they say becomes one `RunData`, or several.

Several trainings can lie in one folder; event files tell them apart by their steps, times and tags. They are then named `#1`, `#2`
behind the folder's name. A file that breaks its reader becomes a problem of the run, and reading goes on.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from postmortem.discover.names import is_database
from postmortem.model import FileRole, FoundFile, FoundRun, Problem, ReadOptions, RunData, Series
from postmortem.read.checkpoints.files import CheckpointData, read_checkpoints
from postmortem.read.console.files import ConsoleData, read_console
from postmortem.read.console.scalars import holds_training_loss, read_scalars, with_printed
from postmortem.read.events.files import EventData, split_runs
from postmortem.read.manifests.data import ManifestsData
from postmortem.read.manifests.files import read_manifests
from postmortem.read.tables.files import LogData
from postmortem.read.tables.union import united
from postmortem.read.trackers.logs import read_any_log
from postmortem.read.trackers.mlflow_databases import KeptRun, read_mlflow_database

T = TypeVar("T")
_OF_LAST: tuple[FileRole, ...] = ("checkpoint", "checkpoint-index", "log", "console")
"""Files that each training writes over: of several in one folder they are the last one's."""


@contextmanager
def reading(run: FoundRun, options: ReadOptions) -> Iterator[tuple[RunData, ...]]:
    """The trainings in one discovered run, for as long as the context lasts: tensors are read from files only when asked for."""
    with tempfile.TemporaryDirectory(prefix="postmortem-") as scratch:
        yield _read(run, options, Path(scratch))


def _read(run: FoundRun, options: ReadOptions, scratch: Path) -> tuple[RunData, ...]:
    problems: list[Problem] = []
    notes: list[str] = list(run.notes)
    given = tuple(_given_manifest(path) for path in options.manifests)

    def guarded(role: FileRole, reader: Callable[[Sequence[FoundFile]], T], files: Sequence[FoundFile]) -> T | None:
        try:
            return reader(files)
        except Exception as error:  # noqa: BLE001 - whatever a stranger's file does to a reader is a problem of the run
            names = ", ".join(file.name for file in files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
            problems.append(Problem(names, "unreadable", f"the reader of {role} files broke on it: {type(error).__name__}: {error}"))
            return None

    def of(role: FileRole) -> tuple[FoundFile, ...]:
        return tuple(file for file in run.files if file.role == role)

    trainings: tuple[EventData, ...] = guarded("events", split_runs, of("events")) or ()
    checkpoints: CheckpointData | None = guarded(
        "checkpoint",
        lambda files: read_checkpoints(files, scratch),
        tuple(file for file in run.files if file.role in ("checkpoint", "checkpoint-index")),
    )
    logs: list[LogData] = []
    told: list[ConsoleData] = []
    texts: list[FoundFile] = []
    databases = tuple(file for file in of("log") if is_database(file.path.name))
    for file in (*of("log"), *of("console"), *of("config")):
        if file in databases:
            continue
        log = guarded(file.role, _one(read_any_log), (file,))
        if log is not None and log.kind != "text":
            logs.append(log)
        elif log is not None and (text := guarded("console", _one(read_console), (file,))) is not None:
            # Some tables are called like text logs (`training.log`, `log.txt`), and the other way round: the content tells.
            told.append(text)
            texts.append(file)
    manifests: ManifestsData | None = guarded("manifest", lambda files: read_manifests(files, options), (*of("manifest"), *given))
    # Tables with names that say nothing, or speak of data (`resnet18.csv`, `training.csv`); one in a folder above may be another run's.
    tables = {
        file.name: replace(file, role="log")
        for file in (manifests.logs if manifests is not None else ())
        if file not in given and not file.name.startswith("../")
    }
    read = (guarded("log", _one(read_any_log), (file,)) for file in tables.values())
    logs.extend(log for log in read if log is not None)
    curves = guarded("log", lambda _: united(logs), (*of("log"), *tables.values())) or LogData()
    logged = (*curves.series, *(series for training in trainings for series in training.series))
    if texts and not databases and not any(holds_training_loss(series) for series in logged):
        printed = [one for file in texts if (one := guarded("console", _one(read_scalars), (file,))) is not None]
        curves = with_printed(curves, united(printed), logged)
    for part in (checkpoints, curves, *told, manifests):
        if part is not None:
            problems.extend(part.problems)
            notes.extend(part.notes)

    kept = tuple(one for file in databases for one in guarded("log", _one(read_mlflow_database), (file,)) or ())
    whole = RunData(
        name=run.name,
        path=str(run.path),
        files=(*(tables.get(file.name, file) for file in run.files), *given),
        series=curves.series,
        histograms=curves.histograms,
        hyperparameters=curves.hyperparameters,
        checkpoints=() if checkpoints is None else checkpoints.checkpoints,
        manifests=() if manifests is None else manifests.manifests,
        problems=tuple(problems),
        notes=tuple(notes),
        options=options,
        resumes=curves.resumes,
        consoles=tuple(text.console for text in told if text.console is not None),
    )
    if databases:
        return tuple(_kept(whole, one) for one in kept) or (whole,)
    if not trainings:
        return (whole,)
    return tuple(_with_events(whole, data, index, len(trainings)) for index, data in enumerate(trainings, start=1))


def _kept(whole: RunData, run: KeptRun) -> RunData:
    """One run of a database that holds many: discovery gives such a file a run of its own, with nothing beside it."""
    # A name that MLflow was given may hold anything; names of files were written out by discovery.
    name = f"#{run.name.encode('unicode_escape').decode() if not run.name.isprintable() else run.name}" if run.name else ""
    return replace(
        whole,
        name=f"{whole.name}{name}",
        path=f"{whole.path}{name}",
        series=run.data.series,
        hyperparameters=run.data.hyperparameters,
        problems=(*whole.problems, *run.data.problems),
        notes=(*whole.notes, *run.data.notes),
    )


def _with_events(whole: RunData, data: EventData, index: int, trainings: int) -> RunData:
    """One training: its own event files, and what the folder holds beside them."""
    one = replace(
        whole,
        series=(*data.series, *_not_logged_twice(whole.series, data.series)),
        histograms=data.histograms or whole.histograms,
        hyperparameters={**whole.hyperparameters, **data.hyperparameters},
        problems=(*whole.problems, *data.problems),
        notes=(*whole.notes, *data.notes),
        event_files=len(data.files),
        images=data.images,
        resumes=data.resumes or whole.resumes,
    )
    if trainings == 1:
        return one
    # Trainings that write into one folder overwrite each other's checkpoints: what is left was saved by the last.
    last = index == trainings
    elsewhere = {file.name for file in whole.files if file.role == "events"} - set(data.files)
    if not last:
        elsewhere |= {file.name for file in whole.files if file.role in _OF_LAST}
    note = f"{trainings} trainings lie in this folder; this is number {index}, by its event files {', '.join(data.files)}"
    beside = (
        "checkpoints and logs beside them are taken for the last training's" if whole.checkpoints or whole.series or whole.consoles else ""
    )
    return replace(
        one,
        name=f"{whole.name}#{index}",
        path=f"{whole.path}#{index}",
        series=one.series if last else data.series,
        checkpoints=whole.checkpoints if last else (),
        consoles=whole.consoles if last else (),
        resumes=one.resumes if last else data.resumes,
        files=tuple(file for file in whole.files if file.name not in elsewhere),
        problems=tuple(problem for problem in one.problems if problem.path not in elsewhere),
        notes=(*one.notes, note, *((beside,) if beside else ())),
    )


def _not_logged_twice(logs: Sequence[Series], events: Sequence[Series]) -> tuple[Series, ...]:
    """Series of text logs whose tag the event files do not hold already: trainers write the same curve to both."""
    known = {(series.tag.lower(), series.group) for series in events}
    return tuple(series for series in logs if (series.tag.lower(), series.group) not in known)


def _one(reader: Callable[[FoundFile], T]) -> Callable[[Sequence[FoundFile]], T]:
    """A reader of one file as a reader of a sequence that holds one."""
    return lambda files: reader(files[0])


def _given_manifest(path: Path) -> FoundFile:
    """A manifest that the user named, file or folder."""
    size = _bytes_below(path.resolve()) if path.is_dir() else path.stat().st_size
    return FoundFile(path, path.name or path.resolve().name, "manifest", size)


@lru_cache(maxsize=64)
def _bytes_below(folder: Path) -> int:
    """Bytes of all files of a folder; kept, because each of many runs asks for it."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
