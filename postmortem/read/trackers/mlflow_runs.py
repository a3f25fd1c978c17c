"""Reads one run of MLflow's file store: the folder that its `meta.yaml` stands for.

`metrics/<name>`, `params/<name>` and `tags/<name>` are one file a name, and a name with slashes is a path. `metric_lines` says what the
lines of a metric hold; parameters and tags hold one text. Source of the layout: MLflow's `store/tracking/file_store.py`, and the stores
that public repositories hold.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from postmortem.model import FoundFile, Plain, Problem, Series
from postmortem.read.plain import plain_value
from postmortem.read.tables.files import LogData
from postmortem.read.tables.settings import read_settings
from postmortem.read.trackers.metric_lines import parse_lines
from postmortem.read.trackers.single_values import with_single_values_apart
from postmortem.read.words import counted

_DEEPEST = 16
_LONGEST_TEXT_BYTES = 64 << 10
_READ_TAGS = ("mlflow.runName", "mlflow.parentRunId")
"""Of the tags that MLflow sets itself; others tell who started what from where."""
_LATEST_MILLISECONDS = 1e15
_STATUS = {"1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED"}
"""MLflow's enumeration, which file stores hold as numbers."""


def read_mlflow_run(file: FoundFile) -> LogData:
    """Curves, parameters and the state of the run whose `meta.yaml` this is; never raises for what the store holds."""
    folder = file.path.parent
    shown = file.name.rpartition("/")[0]
    shown = f"{shown}/" if shown else ""
    meta, meta_problems = read_settings(file)
    problems = list(meta_problems)
    tags = dict(_texts(folder / "tags", f"{shown}tags", problems))
    series, notes = _metrics(folder / "metrics", f"{shown}metrics", file, problems)
    settings = settings_of_run(meta, dict(_texts(folder / "params", f"{shown}params", problems)), tags)
    return LogData(series, settings, tuple(problems), (*notes_of_run(meta, tags, _experiment(folder), series), *notes))


# --- metrics ----------------------------------------------------------------------------------------------------------


def _metrics(folder: Path, shown: str, file: FoundFile, problems: list[Problem]) -> tuple[tuple[Series, ...], list[str]]:
    found: list[Series] = []
    notes: dict[str, list[str]] = {}
    for tag, path in _files(folder, shown, problems):
        data = _bytes_of(path, f"{shown}/{tag}", problems)
        if data is None:
            continue
        if not data.strip():
            problems.append(Problem(f"{shown}/{tag}", "truncated", f"holds no point ({len(data)} bytes)"))
            continue
        if data.startswith(b"version https://git-lfs"):
            problems.append(Problem(f"{shown}/{tag}", "unsupported", "is a git-LFS pointer: the file itself was never fetched"))
            continue
        lines = parse_lines(data)
        read = f"{counted(lines.values.size, 'point')} read"
        if lines.cut:
            problems.append(Problem(f"{shown}/{tag}", "truncated", f"ends within its last line: 1 point lost; {read}"))
        elif lines.bad:
            what = f"{counted(lines.bad, 'line')} without time, value and step"
            problems.append(Problem(f"{shown}/{tag}", "corrupt", f"{what} lost; {read}"))
        if lines.note:
            notes.setdefault(lines.note, []).append(tag)
        if lines.values.size:
            found.append(Series(tag, file.group, lines.steps, lines.values, lines.wall_seconds, file.name))
    series, single = with_single_values_apart(found, shown)
    told = [f"{_few(tags)} {'each ' if len(tags) > 1 else ''}{note}" for note, tags in notes.items()]
    return series, [*told, *single]


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _files(folder: Path, shown: str, problems: list[Problem]) -> Iterator[tuple[str, Path]]:
    """Name and place of every file below a folder; a name is the path below it."""
    pending = [("", folder)]
    while pending:
        prefix, below = pending.pop()
        try:
            with os.scandir(below) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except FileNotFoundError:
            continue  # git and some archives drop empty folders
        except OSError as error:
            problems.append(Problem(f"{shown}/{prefix}".rstrip("/"), "unreadable", f"could not be listed: {error.strerror or error}"))
            continue
        for entry in entries:
            name = entry.name.encode("utf-8", "backslashreplace").decode()
            if entry.is_dir(follow_symlinks=False):
                if prefix.count("/") < _DEEPEST:
                    pending.append((f"{prefix}{name}/", Path(entry.path)))
            elif entry.is_file() and not name.startswith(("._", ".DS_Store")):
                yield f"{prefix}{name}", Path(entry.path)


def _texts(folder: Path, shown: str, problems: list[Problem]) -> Iterator[tuple[str, str]]:
    for name, path in _files(folder, shown, problems):
        if name.startswith("mlflow.") and name not in _READ_TAGS:
            continue
        data = _bytes_of(path, f"{shown}/{name}", problems)
        if data is not None:
            yield name, data[:_LONGEST_TEXT_BYTES].decode("utf-8", "replace")


def _bytes_of(path: Path, shown: str, problems: list[Problem]) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError as error:
        problems.append(Problem(shown, "unreadable", f"could not be read: {error.strerror or error}"))
        return None


# --- the run itself ---------------------------------------------------------------------------------------------------


def _status(meta: Mapping[str, Plain]) -> str:
    status = str(meta.get("status") or "").upper()
    return _STATUS.get(status, status)


def settings_of_run(meta: Mapping[str, Plain], params: Mapping[str, str], tags: Mapping[str, str]) -> dict[str, Plain]:
    """Parameters, the user's own tags where no parameter has their name, and how MLflow holds that the run ended.

    The latter as `mlflow.status` (a word), `mlflow.start_seconds` and `mlflow.end_seconds` (Unix time).
    """
    settings = {name: plain_value(text) for name, text in params.items()}
    for name, text in tags.items():
        if not name.startswith("mlflow."):
            settings.setdefault(name, plain_value(text))
    if _status(meta):
        settings["mlflow.status"] = _status(meta)
    for key in ("start", "end"):
        milliseconds = meta.get(f"{key}_time")
        if isinstance(milliseconds, int | float) and 0 < milliseconds < _LATEST_MILLISECONDS:
            settings[f"mlflow.{key}_seconds"] = milliseconds / 1000
    return settings


def notes_of_run(meta: Mapping[str, Plain], tags: Mapping[str, str], experiment: str, series: Sequence[Series]) -> tuple[str, ...]:
    """What MLflow says of the run: its name, its experiment, the run that it is a part of, and an end that is not as it should be."""
    told = []
    name = tags.get("mlflow.runName") or str(meta.get("run_name") or meta.get("name") or "")
    named = (f"run {name.strip()!r}" if name.strip() else "", f"experiment {experiment!r}" if experiment else "")
    of = " of ".join(part for part in named if part)
    parent = tags.get("mlflow.parentRunId", "").strip()
    under = f", a part of run {parent}" if parent else ""
    if of or parent:
        told.append(f"MLflow calls it {of or 'a run without a name'}{under}")
    status = _status(meta)
    if status in ("FAILED", "KILLED"):
        told.append(f"MLflow holds the run as {status}")
    elif status in ("RUNNING", "SCHEDULED"):
        last = max((float(np.nanmax(one.wall_seconds)) for one in series if np.isfinite(one.wall_seconds).any()), default=None)
        written = f"; its last point was written {_date(last)}" if last is not None else ""
        told.append(f"MLflow holds the run as {status} and knows no end of it: the process died, or had not ended yet{written}")
    if meta.get("lifecycle_stage") == "deleted":
        told.append("MLflow holds the run as deleted")
    return tuple(told)


def _experiment(folder: Path) -> str:
    path = folder.parent / "meta.yaml"
    try:
        told = path.stat()
    except OSError:
        return ""
    if not stat.S_ISREG(told.st_mode):  # a pipe of that name would never end
        return ""
    found, _ = read_settings(FoundFile(path, path.name, "config", told.st_size))
    return str(found.get("name") or "") if "experiment_id" in found else ""


def _date(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return "at a time that is none"
