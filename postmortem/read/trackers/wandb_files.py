"""Reads the file in which Weights & Biases keeps a run: `run-<id>.wandb`, with its history, settings and end.

It is read from the file itself; neither the wandb package nor an account is needed.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from postmortem.model import FoundFile, Histogram, Problem, ProblemKind, Series
from postmortem.read.damaged import DamagedError
from postmortem.read.events.records import Bytes, Damage
from postmortem.read.plain import flatten
from postmortem.read.snapshots import snapshot
from postmortem.read.tables.files import LogData
from postmortem.read.trackers.single_values import with_single_values_apart
from postmortem.read.trackers.wandb_messages import WandbRun, take_record
from postmortem.read.trackers.wandb_records import FILE_HEADER, walk
from postmortem.read.words import counted

_COUNTERS = ("trainer/global_step", "train/global_step", "global_step", "step", "iteration", "iter", "iterations", "iters")
"""Steps of the trainer, as the integrations of Lightning and of Hugging Face, and many loops, log them beside every value."""
_OWN_KEYS = frozenset(("_step", "_runtime", "_timestamp"))
_STOPPED_BY_HAND = 255
"""What the wandb package keeps for a KeyboardInterrupt; for any other exception it keeps 1."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def read_wandb_run(file: FoundFile) -> LogData:
    """Curves, histograms and settings of one `.wandb` file; never raises for what the file holds."""
    try:
        data = snapshot(file.path)
        return _read(file, data) if data else _refused(file, "truncated", "is empty (0 bytes)")
    except (OSError, ValueError) as error:
        return _refused(file, "unreadable", f"could not be read: {getattr(error, 'strerror', None) or error}")


def _read(file: FoundFile, data: Bytes) -> LogData:
    head = data[: len(FILE_HEADER)]
    if head.startswith(b"version"):
        return _refused(file, "unsupported", "is a git-LFS pointer: the file itself was never fetched")
    if not head.startswith(FILE_HEADER[:4]):
        return _refused(file, "corrupt", f"does not begin as a history of Weights & Biases does; all {len(data)} bytes are lost")
    if len(head) == len(FILE_HEADER) and head != FILE_HEADER:
        return _refused(file, "unsupported", f"is of version {head[6]} of the format; version {FILE_HEADER[6]} is read")
    return _decode(file, data)


def _refused(file: FoundFile, kind: ProblemKind, detail: str) -> LogData:
    return LogData(problems=(Problem(file.name, kind, detail),))


def _decode(file: FoundFile, data: Bytes) -> LogData:
    run, records = WandbRun(), 0
    damage: list[Damage] = []
    undecodable: list[int] = []
    for offset, payload in walk(data, damage):
        records += 1
        try:
            take_record(run, payload)
        except DamagedError:
            undecodable.append(offset)
    series, notes = with_single_values_apart(_series(run, file), file.name)
    histograms, bad_histograms = _histograms(run, file)
    settings = flatten({key: value for key, value in run.config.items() if key != "_wandb"})
    if records:
        settings["wandb.exit_code"] = run.facts.get("exit_code")  # None: no record of an end
    if "runtime_seconds" in run.facts:
        settings["wandb.runtime_seconds"] = run.facts["runtime_seconds"]
    problems = _problems(file, len(data), records, damage, undecodable)
    if bad_histograms:
        detail = f"{counted(bad_histograms, 'histogram')} lost that contradict themselves"
        problems = (*problems, Problem(file.name, "corrupt", detail))
    return LogData(series, settings, problems, (*_told(run, file, records), *notes), histograms=histograms)


# --- curves -----------------------------------------------------------------------------------------------------------


def _series(run: WandbRun, file: FoundFile) -> list[Series]:
    steps, _ = _steps(run)
    walls = np.full(run.rows, math.nan)
    if "_timestamp" in run.columns:
        rows, values = _column(run, "_timestamp")
        walls[rows] = values
    series: list[Series] = []
    for key in run.columns:
        if key not in _OWN_KEYS:
            rows, values = _column(run, key)
            series.append(Series(key, file.group, steps[rows], values, walls[rows], file.name))
    return series


def _column(run: WandbRun, key: str) -> tuple[Ints, Floats]:
    rows, values = run.columns[key]
    return np.frombuffer(rows, np.int64), np.frombuffer(values, np.float64)


def _steps(run: WandbRun) -> tuple[Ints, str]:
    """Step of each row, and the key that gave it: one for all, so that curves can be held against each other and against checkpoints.

    `_step` numbers the calls that logged something. The trainer's own step counts instead where every row has it.
    """
    logged = np.zeros(run.rows, dtype=np.bool_)
    for key in run.columns:
        if key not in _OWN_KEYS:
            logged[_column(run, key)[0]] = True
    for key in (*_COUNTERS, *(run.step_metrics[name] for name in ("*",) if name in run.step_metrics), "_step"):
        if key in run.columns:
            rows, values = _column(run, key)
            whole = bool(np.all(np.isfinite(values)) and np.all(values == np.floor(values)) and np.all(np.abs(values) < 2.0**62))
            rises = bool(np.all(np.diff(values) >= 0) and (values.size < 2 or values[-1] > values[0]))
            if whole and rises and np.isin(np.flatnonzero(logged), rows).all():
                steps = np.zeros(run.rows, dtype=np.int64)
                steps[rows] = values.astype(np.int64)
                return steps, key
    return np.arange(run.rows), ""


def _histograms(run: WandbRun, file: FoundFile) -> tuple[tuple[Histogram, ...], int]:
    """Histograms by key, and how many contradict themselves."""
    steps, _ = _steps(run)
    found: list[Histogram] = []
    bad = 0
    for key, points in run.objects.items():
        sound = [(int(steps[row]), *buckets) for row, value in points if (buckets := _buckets(value)) is not None]
        bad += len(points) - len(sound)
        if sound:
            at, edges, counts = zip(*sound, strict=True)
            limits = tuple(each[1:] for each in edges)
            minimum, maximum = tuple(float(each[0]) for each in edges), tuple(float(each[-1]) for each in edges)
            found.append(Histogram(key, file.group, at, limits, counts, minimum, maximum, file.name))
    return tuple(found), bad


def _buckets(value: dict[str, object]) -> tuple[Floats, Floats] | None:
    """Edges of the buckets, one more than there are, and their counts; None where they do not fit each other."""
    try:
        counts = np.array(value.get("values"), dtype=np.float64)
        packed = value.get("packedBins")
        if isinstance(packed, dict) and packed["count"] == counts.size:
            edges = float(packed["min"]) + float(packed["size"]) * np.arange(counts.size + 1, dtype=np.float64)
        else:
            edges = np.array(value.get("bins"), dtype=np.float64)
    except (TypeError, ValueError, KeyError, OverflowError):
        return None
    sound = counts.ndim == edges.ndim == 1 and counts.size > 0 and edges.size == counts.size + 1
    return (edges, counts) if sound and np.isfinite(edges).all() and np.all(np.diff(edges) >= 0) and np.all(counts >= 0) else None


# --- what is said of it -----------------------------------------------------------------------------------------------


def _told(run: WandbRun, file: FoundFile, records: int) -> tuple[str, ...]:
    told = []
    parts = [f"{kind} {run.facts[key]!r}" for kind, key in (("run", "name"), ("project", "project")) if key in run.facts]
    if parts:
        told.append(f"Weights & Biases calls it {' of '.join(parts)}")
    if run.facts.get("resumed") or run.facts.get("starting_step"):
        told.append(f"{file.name} resumes an earlier run at step {run.facts.get('starting_step', 0)}; what that logged lies elsewhere")
    code = run.facts.get("exit_code")
    after = f" after {run.facts['runtime_seconds']} s" if run.facts.get("runtime_seconds") else ""
    if code is None and records:
        told.append(f"{file.name} ends without the record of how the process ended: it was killed, or had not ended yet")
    elif code:
        meaning = "it was stopped from the keyboard" if code == _STOPPED_BY_HAND else "it failed"
        told.append(f"Weights & Biases holds exit code {code} of the process{after}: {meaning}")
    _, counter = _steps(run)
    if run.rows and counter != "_step":
        told.append(f"{file.name}: steps are those of {counter!r}" if counter else f"{file.name}: rows are numbered, as no key counts them")
    if run.left_aside:
        told.append(f"{file.name}: left aside {', '.join(counted(count, kind) for kind, count in sorted(run.left_aside.items()))}")
    return tuple(told)


def _problems(file: FoundFile, size: int, records: int, damage: list[Damage], undecodable: list[int]) -> tuple[Problem, ...]:
    read = f"{counted(records, 'record')} read"
    found: list[Problem] = []
    if not records and not damage:
        detail = f"holds no record ({size} bytes): the process ended before anything was written out"
        return (Problem(file.name, "truncated", detail),)
    gaps = [each for each in damage if each.kind == "gap"]
    if gaps:
        lost = sum(each.bytes_lost for each in gaps)
        where = "1 stretch" if len(gaps) == 1 else f"{len(gaps)} stretches"
        found.append(
            Problem(
                file.name, "corrupt", f"{where} of {lost} bytes in all without a sound record, the first at byte {gaps[0].offset}; {read}"
            )
        )
    for each in damage:
        if each.kind == "cut":
            detail = f"ends within a record at byte {each.offset}: 1 record ({each.bytes_lost} bytes) lost; {read}"
            found.append(Problem(file.name, "truncated", detail))
        elif each.kind == "tail":
            detail = f"nothing is readable from byte {each.offset} to the end: at least 1 record ({each.bytes_lost} bytes) lost; {read}"
            found.append(Problem(file.name, "corrupt", detail))
    if undecodable:
        detail = f"{counted(len(undecodable), 'record')} lost that cannot be decoded, the first at byte {undecodable[0]}; {read}"
        found.append(Problem(file.name, "corrupt", detail))
    return tuple(found)
