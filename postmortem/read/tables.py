"""Reads logs that are tables: CSV and TSV, JSON lines, `trainer_state.json`, Keras histories; and settings files.

A table becomes one series a numeric column, by its step, iteration or epoch column. Blank cells are no points; NaN is data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from postmortem.model import FoundFile, Plain, Problem, Series
from postmortem.read.event_problems import counted
from postmortem.read.rows import Floats, Table, csv_table, json_table
from postmortem.read.settings import read_settings
from postmortem.read.texts import read_text

_STEP_NAMES = (
    ("step", "global_step", "_step", "steps", "num_steps", "train_step", "total_steps", "trainer/global_step"),
    ("iteration", "iter", "iterations", "iters", "training_iteration", "update", "updates", "n_iter", "global_iter"),
    ("timesteps", "total_timesteps", "time/total_timesteps", "num_timesteps", "timesteps_total", "num_env_steps_sampled", "env_steps"),
    ("epoch", "epochs", "epoch_num", "ep"),
    ("batch", "batches", "batch_idx", "episode", "episodes", "num_updates"),
)
_TIME_NAMES = ("wall_time", "timestamp", "_timestamp", "time", "date", "created_at")
_EARLIEST_UNIX_TIME = 1e9  # 2001: smaller times are durations


@dataclass(frozen=True, slots=True, eq=False)
class LogData:
    """What one table or settings file holds."""

    series: tuple[Series, ...] = ()
    hyperparameters: Mapping[str, Plain] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def read_log(file: FoundFile) -> LogData:
    """All curves and settings of one file of role `log` or `config`; never raises for what the file holds."""
    if file.role == "config":
        settings, problems = read_settings(file)
        return LogData(hyperparameters=settings, problems=problems)
    try:
        text, undecoded = read_text(file.path)
    except OSError as error:
        return LogData(problems=(Problem(file.name, "unreadable", f"could not be read: {error.strerror or error}"),))
    if not text.strip():
        return LogData(problems=(Problem(file.name, "truncated", f"holds nothing ({file.bytes} bytes)"),))
    if text.startswith("version https://git-lfs"):
        return LogData(problems=(Problem(file.name, "unsupported", "is a git-LFS pointer: the file itself was never fetched"),))
    table = json_table(text) if file.name.lower().endswith((".json", ".jsonl", ".ndjson")) else csv_table(text, file.name)
    if undecoded:
        table.problems.append(("corrupt", f"{counted(undecoded, 'character')} could not be decoded"))
    series = _series(table, file)
    if not series and not table.problems:
        table.notes.append("holds no numeric column beside its step")
    return LogData(
        series,
        table.hyperparameters,
        tuple(Problem(file.name, kind, detail) for kind, detail in table.problems),
        tuple(f"{file.name}: {note}" for note in table.notes),
    )


def _series(table: Table, file: FoundFile) -> tuple[Series, ...]:
    if not table.columns:
        return ()
    whole = [name for name in table.columns if _is_whole(table.columns[name][1])]
    step_name = _step_name(whole)
    if step_name is not None and _is_shared(table, step_name):
        # Many rows to each epoch: the batch counts, and where there is none, the row.
        step_name = next((name for name in whole if _plain(name) in _STEP_NAMES[-1] and name != step_name), None)
    steps = np.full(table.rows, np.nan)
    if step_name is None:
        steps[:] = np.arange(table.rows)
        table.notes.append("has no column of whole steps, iterations or epochs; rows are numbered instead")
    else:
        rows, values = table.columns[step_name]
        steps[rows] = values
        lost = int(table.rows - rows.size)
        if lost:
            table.notes.append(f"{counted(lost, 'row')} without a {step_name} left aside")
    steps = _in_order(steps, step_name, table)
    walls = _wall_seconds(table)
    series: list[Series] = []
    for name, (rows, values) in table.columns.items():
        if name == step_name or (step_name is not None and _plain(name) in _TIME_NAMES and not np.all(np.isnan(walls))):
            continue
        keep = ~np.isnan(steps[rows])
        rows, values = rows[keep], values[keep]
        if not rows.size:
            continue
        own_steps = steps[rows].astype(np.int64)
        order = np.argsort(own_steps, kind="stable")
        series.append(Series(name, file.group, own_steps[order], values[order], walls[rows][order], file.name))
    return tuple(series)


def _step_name(names: Sequence[str]) -> str | None:
    """The column that counts: steps before iterations, time steps, epochs and batches."""
    by_plain = {_plain(name): name for name in reversed(names)}
    for wanted in _STEP_NAMES:
        for name in wanted:
            if name in by_plain:
                return by_plain[name]
    return None


def _is_shared(table: Table, step_name: str) -> bool:
    """Whether most points of the fullest column share their step with others of the same column."""
    steps = np.full(table.rows, np.nan)
    steps[table.columns[step_name][0]] = table.columns[step_name][1]
    fullest = max((rows for name, (rows, _) in table.columns.items() if name != step_name), key=len, default=None)
    if fullest is None:
        return False
    # A number that falls back may begin anew each epoch or after a restart: `_in_order` deals with it.
    known = steps[fullest][~np.isnan(steps[fullest])]
    return bool(known.size >= 4 and np.all(np.diff(known) >= 0) and np.unique(known).size < known.size / 2)


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_").replace(".", "/")


def _is_whole(values: Floats) -> bool:
    finite = values[np.isfinite(values)]
    return bool(finite.size and np.all(finite == np.floor(finite)) and np.all(np.abs(finite) < 2.0**62))


def _in_order(steps: Floats, name: str | None, table: Table) -> Floats:
    """Steps that fall back made fit: a number within the epoch goes on; of a log that was appended to, the later rows win."""
    steps = np.where(np.isfinite(steps), steps, np.nan)
    known = np.flatnonzero(~np.isnan(steps))
    falls = np.flatnonzero(np.diff(steps[known]) < 0) + 1
    if not falls.size:
        return steps
    epochs = next((table.columns[each] for each in table.columns if _plain(each) in ("epoch", "epochs") and each != name), None)
    if epochs is not None and np.unique(epochs[1]).size > 1 and np.all(np.diff(epochs[1]) >= 0):
        for fall in falls:
            steps[known[fall:]] += steps[known[fall - 1]] + 1 - steps[known[fall]]
        table.notes.append(f"{name} begins anew each epoch; its rows keep the order of writing")
        return steps
    replaced = 0
    for fall in falls:
        earlier = known[:fall]
        late = earlier[steps[earlier] >= steps[known[fall]]]
        # A row or two out of order is no restart.
        if late.size >= 3:
            replaced += late.size
            steps[late] = np.nan
    if replaced:
        gone = f"{counted(replaced, 'earlier row')} gave way to later ones"
        table.notes.append(f"{name} falls back {counted(len(falls), 'time')} (the log was appended to); {gone}")
    return steps


def _wall_seconds(table: Table) -> Floats:
    walls = np.full(table.rows, math.nan)
    for name, (rows, values) in table.columns.items():
        if _plain(name) in _TIME_NAMES and values.size and np.nanmin(values) > _EARLIEST_UNIX_TIME:
            # Seconds, or milliseconds where seconds would lie tens of thousands of years ahead.
            walls[rows] = values / 1000 if np.nanmin(values) > _EARLIEST_UNIX_TIME * 1000 else values
            break
    return walls
