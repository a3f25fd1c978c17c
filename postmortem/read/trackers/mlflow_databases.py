"""Reads the runs in MLflow's SQLite store: `mlflow.db`, its default since MLflow 3.

The file is opened as one that nobody changes: no lock is taken and no journal beside it is looked at. Only tables are read, never views.
MLflow keeps a NaN as 0 with a mark, and infinity as the largest number. Source: the tables that MLflow 3.17 creates.
"""

from __future__ import annotations

import sqlite3
import sys
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from urllib.parse import quote

import numpy as np

from postmortem.model import FoundFile, Plain, Problem, ProblemKind, Series
from postmortem.read.tables.files import LogData
from postmortem.read.trackers.metric_lines import points_of
from postmortem.read.trackers.mlflow_runs import notes_of_run, settings_of_run
from postmortem.read.trackers.single_values import with_single_values_apart

_TABLES: dict[str, tuple[str, ...]] = {
    "experiments": ("experiment_id", "name"),
    "runs": ("run_uuid", "name", "status", "start_time", "end_time", "lifecycle_stage", "experiment_id"),
    "metrics": ("run_uuid", "key", "timestamp", "value", "step", "is_nan"),
    "params": ("run_uuid", "key", "value"),
    "tags": ("run_uuid", "key", "value"),
}
_MOST_TEXT = 8
"""Characters of text that rows may hold, in sizes of the file."""
_LARGEST = sys.float_info.max


@dataclass(frozen=True, slots=True, eq=False)
class KeptRun:
    """One run of a database."""

    name: str
    """As MLflow calls it; its id where that is no name of one run only; empty where the file gave no run at all."""
    data: LogData


def read_mlflow_database(file: FoundFile) -> tuple[KeptRun, ...]:
    """The runs of a database in order of their start; never raises for what it holds. Without any, one that holds the problem."""
    try:
        if not file.path.stat().st_size:
            return _nothing(file, "truncated", "is empty (0 bytes)")
        journal = file.path.with_name(f"{file.path.name}-wal")
        unread = journal.stat().st_size if journal.exists() else 0
        with closing(sqlite3.connect(f"file:{quote(str(file.path.absolute()))}?mode=ro&immutable=1", uri=True)) as database:
            database.execute("PRAGMA trusted_schema = OFF")
            database.text_factory = lambda text: text.decode("utf-8", "replace")
            found = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            missing = sorted(_TABLES.keys() - found)
            if missing:
                return _nothing(file, "unsupported", f"is no store of MLflow's runs: it has no table {', '.join(missing)}")
            computed = [table for table in _TABLES if any(row[6] for row in database.execute(f"PRAGMA table_xinfo({table})"))]
            if computed:  # a formula can make any number of bytes of none
                return _nothing(file, "unsupported", f"is no store of MLflow's runs: columns of {', '.join(computed)} are computed")
            room = _Room(_MOST_TEXT * file.path.stat().st_size + (1 << 20))
            tables = {table: list(_rows_of(database, table, room)) for table in _TABLES if table != "metrics"}
            points, bad = _points(_rows_of(database, "metrics", room))
    except _NoRoomError:
        return _nothing(file, "unsupported", "holds rows of many times its own size: default values, as no store of MLflow's has them")
    except sqlite3.Error as error:
        return _nothing(file, "corrupt", f"cannot be read as a SQLite database: {error}; all {file.bytes} bytes are lost")
    except OSError as error:
        return _nothing(file, "unreadable", f"could not be read: {error.strerror or error}")
    runs = _runs(file, tables, points, bad)
    if unread:
        detail = f"holds the last changes to {file.path.name} ({unread} bytes), which are not read before SQLite has written them into it"
        problem = Problem(f"{file.name}-wal", "unsupported", detail)
        runs = tuple(replace(run, data=replace(run.data, problems=(*run.data.problems, problem))) for run in runs)
    return runs or _nothing(file, "unsupported", "is a store of MLflow's that holds no run")


def _nothing(file: FoundFile, kind: ProblemKind, detail: str) -> tuple[KeptRun, ...]:
    return (KeptRun("", LogData(problems=(Problem(file.name, kind, detail),))),)


class _NoRoomError(Exception):
    """Rows hold more text than a file of this size can."""


@dataclass(slots=True)
class _Room:
    """Characters that may still be read."""

    left: int


def _rows_of(database: sqlite3.Connection, table: str, room: _Room) -> Iterator[tuple[Plain, ...]]:
    """Rows in the order in which they were written. Raises _NoRoomError."""
    for row in database.execute(f"SELECT {', '.join(_TABLES[table])} FROM {table} ORDER BY rowid"):
        room.left -= sum(len(each) for each in row if isinstance(each, str | bytes))
        if room.left < 0:
            raise _NoRoomError
        yield row


def _points(rows: Iterable[tuple[Plain, ...]]) -> tuple[dict[str, dict[str, array[float]]], Counter[str]]:
    """Times, values and steps one after the other, by run and metric; and points without a number, by run."""
    points: dict[str, dict[str, array[float]]] = defaultdict(lambda: defaultdict(lambda: array("d")))
    bad: Counter[str] = Counter()
    for run, key, written, value, step, is_nan in rows:
        # SQLite keeps whatever was written into a column, whatever its type.
        if not all(isinstance(each, int | float) for each in (written, value, step)) or abs(step) >= 2**53:  # type: ignore[arg-type]
            bad[str(run)] += 1
            continue
        number = float("nan") if is_nan else _with_infinity(float(value))  # type: ignore[arg-type]
        points[str(run)][str(key)].extend((float(written), number, float(step)))  # type: ignore[arg-type]
    return points, bad


def _runs(
    file: FoundFile, tables: dict[str, list[tuple[Plain, ...]]], points: dict[str, dict[str, array[float]]], bad: Counter[str]
) -> tuple[KeptRun, ...]:
    experiments = {row[0]: str(row[1]) for row in tables["experiments"]}
    texts: dict[str, dict[str, dict[str, str]]] = {"params": defaultdict(dict), "tags": defaultdict(dict)}
    for table, by_run in texts.items():
        for run, key, text in tables[table]:
            by_run[str(run)][str(key)] = "" if text is None else str(text)
    names = Counter(str(row[1] or "") for row in tables["runs"])
    kept: list[KeptRun] = []
    for row in tables["runs"]:
        meta = dict(zip(("run_uuid", "name", "status", "start_time", "end_time", "lifecycle_stage"), row[:6], strict=True))
        run, name = str(row[0]), str(row[1] or "")
        series, notes = _series(file, points.get(run, {}))
        problems = (Problem(file.name, "corrupt", f"{bad[run]} points of run {run} lost that hold no number"),) if bad[run] else ()
        data = LogData(
            series,
            settings_of_run(meta, texts["params"][run], texts["tags"][run]),
            problems,
            (*notes_of_run(meta, texts["tags"][run], experiments.get(row[6], ""), series), *notes),
        )
        kept.append(KeptRun(name if name and names[name] == 1 else run, data))
    return tuple(kept)


def _series(file: FoundFile, points: dict[str, array[float]]) -> tuple[tuple[Series, ...], list[str]]:
    found: list[Series] = []
    notes: list[str] = []
    for tag, rows in points.items():
        lines = points_of(np.frombuffer(rows, dtype=np.float64).reshape(-1, 3))
        found.append(Series(tag, file.group, lines.steps, lines.values, lines.wall_seconds, file.name))
        if lines.note:
            notes.append(f"{tag} {lines.note}")
    series, single = with_single_values_apart(found, file.name)
    return series, [*notes, *single]


def _with_infinity(value: float) -> float:
    return float("inf") if value >= _LARGEST else float("-inf") if value <= -_LARGEST else value
