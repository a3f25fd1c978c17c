"""Finds what a table counts in (steps, iterations, epochs), and makes its rows follow one another.

A number within the epoch goes on from epoch to epoch; of a log that was appended to, the later rows win; rows of a kind of their own that
count something else (validation by epochs among iterations of training) stand where they were written.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from postmortem.read.restarts import begins_anew
from postmortem.read.tables.rows import Floats, Ints, Table
from postmortem.read.words import counted

_STEP_NAMES = (
    (
        "step", "global_step", "_step", "steps", "num_steps", "train_step", "total_steps", "trainer/global_step", "train/global_step",
        "current_steps", "current_step", "training_step", "train/step", "trainer_step", "step_num", "global_steps",
    ),
    ("iteration", "iter", "iterations", "iters", "training_iteration", "update", "updates", "n_iter", "global_iter", "itr", "num_iter"),
    (
        "timesteps", "total_timesteps", "time/total_timesteps", "num_timesteps", "timesteps_total", "num_env_steps_sampled", "env_steps",
        "env_step", "totalenvinteracts", "total_env_steps", "total_num_steps", "num_env_steps", "frames", "total_frames", "num_frames",
        "progress/kimg",
    ),
    ("epoch", "epochs", "epoch_num", "ep", "train/epoch", "epoch_number", "epoch_idx", "current_epoch", "n_epoch"),
    ("batch", "batches", "batch_idx", "episode", "episodes", "num_updates", "round", "generation"),
)  # fmt: skip
EPOCH_NAMES = frozenset(_STEP_NAMES[3])
TIME_NAMES = ("wall_time", "timestamp", "_timestamp", "time", "date", "datetime", "created_at", "date_time")
_HIGHEST_STEP = 2.0**62
_TELLING_ROWS = 2
"""Rows behind a fall of the step that tell how often the log is written to, and so whether they are from the first step on."""
MANY_RESTARTS = 4
"""A job is seldom restarted so often; a table of several settings tried one after the other looks the same."""
_BEGUN_ANEW = 0.9
"""Share of the epochs of a log that was appended to in which a number within the epoch falls back; one that is printed seldom need not."""
_EARLIEST_UNIX_TIME = 1e9  # 2001: smaller times are durations


def plain(name: str) -> str:
    """The name as the lists here hold it: lower case, `_` for spaces and hyphens, `/` for dots."""
    return name.strip().lower().replace(" ", "_").replace("-", "_").replace(".", "/")


def is_step_name(name: str) -> bool:
    """Whether a column of this name counts steps, iterations, time steps, epochs or batches."""
    return any(plain(name) in names for names in _STEP_NAMES)


def whole_columns(table: Table) -> list[str]:
    """Columns of whole numbers that could count rows."""
    # `total_steps` may count, or say in each row how many there are to be.
    return [
        name
        for name, (_, values) in table.columns.items()
        if is_step_name(name) and _is_whole(values) and (table.rows < 3 or np.ptp(values) > 0)
    ]


def step_column(table: Table, rows: NDArray[np.bool_], whole: Sequence[str]) -> str | None:
    """The one of these columns that counts the given rows: steps before iterations, time steps, epochs and batches."""
    name = _first_named(whole)
    shared = _is_shared(table, name, rows) if name is not None else None
    if shared is not None:
        # Many rows to each epoch: the batch counts, and where there is none, the row; but of no log that was begun again.
        batch = next((each for each in whole if plain(each) in _STEP_NAMES[-1] and each != name), None)
        return batch if batch is not None or shared == 0 else name
    return name


def _first_named(names: Sequence[str]) -> str | None:
    by_plain = {plain(name): name for name in reversed(names)}
    for wanted in _STEP_NAMES:
        for name in wanted:
            if name in by_plain:
                return by_plain[name]
    return None


def _is_shared(table: Table, step_name: str, among: NDArray[np.bool_]) -> int | None:
    """How often the step falls back, where most points of the fullest column share theirs with the one before; else None."""
    steps = dense(table, step_name)
    others = (rows[among[rows]] for name, (rows, _) in table.columns.items() if name != step_name)
    fullest = max(others, key=len, default=None)
    if fullest is None:
        return None
    # A number that falls back may begin anew each epoch or after a restart: `in_order` deals with it.
    known = steps[fullest][~np.isnan(steps[fullest])]
    falls, same = int(np.count_nonzero(np.diff(known) < 0)), int(np.count_nonzero(np.diff(known) == 0))
    return falls if known.size >= 4 and falls < MANY_RESTARTS and same > known.size / 2 else None


def _is_whole(values: Floats) -> bool:
    finite = values[np.isfinite(values)]
    return bool(finite.size and np.all(finite == np.floor(finite)) and np.all(np.abs(finite) < _HIGHEST_STEP))


def dense(table: Table, name: str) -> Floats:
    """A column with a value for every row; NaN where it has none or none that is finite."""
    found = np.full(table.rows, np.nan)
    rows, values = table.columns[name]
    found[rows] = np.where(np.isfinite(values), values, np.nan)
    return found


class Restart(NamedTuple):
    """A place at which a log was appended to by a new start."""

    row: int
    step: float
    anew: bool = False
    """A new training was begun: all that was written before is of another."""

    def replaces(self, rows: Ints, steps: Floats) -> NDArray[np.bool_]:
        """Which points of a column give way to its points behind the restart; none where it has none there."""
        if not np.any(rows >= self.row):
            return np.zeros(rows.size, dtype=bool)
        replaced: NDArray[np.bool_] = (rows < self.row) & (self.anew | (steps[rows] >= self.step))
        return replaced


def in_order(steps: Floats, name: str, table: Table) -> tuple[Floats, tuple[Restart, ...]]:
    """Steps that fall back made fit: a number within the epoch goes on; of a log that was appended to, the later rows win.

    Rows of the fullest column tell: where those of validation stand behind all of training, the step falls back and nothing was restarted.

    Args:
        steps: by row; NaN for rows that have none, or are not of the kind looked at.
        name: the column that they stand in.
        table: takes the notes.
    """
    among = ~np.isnan(steps)
    known = _fullest(table, name, among)
    moves = np.diff(steps[known])
    # A number that is always the same was written once an epoch.
    falls = np.flatnonzero(moves < 0 if moves.any() else moves == 0) + 1
    if not falls.size:
        return steps, ()
    within = _within_epoch(steps, known, falls, name, table)
    if within is not None:
        table.notes.append(f"{name} begins anew each epoch; its rows are counted on from epoch to epoch")
        steps, moves = within, np.diff(within[known])
        falls = np.flatnonzero(moves < 0) + 1
    if not moves.any() or not falls.size:
        return steps, ()
    restarts: list[Restart] = []
    gone = np.zeros(known.size, dtype=bool)
    for fall, end in zip(falls, [*falls[1:], known.size], strict=True):
        step = float(steps[known[fall]])
        anew = end - fall >= _TELLING_ROWS and begins_anew(steps[known[:fall]], steps[known[fall:end]])
        late = (np.arange(known.size) < fall) & ~gone & (anew | (steps[known] >= step))
        if not late.any():
            continue
        beyond = np.flatnonzero(steps[known[fall:]] > np.max(steps[known[late]]))
        run_over = int(beyond[0]) if beyond.size else known.size - int(fall)
        # One row out of order, or with a damaged step, is no restart.
        if run_over >= 2:
            gone |= late
            restarts.append(Restart(int(known[fall]), step, anew))
        elif not beyond.size:
            steps = steps.copy()
            steps[known[fall]] = np.nan
            table.notes.append(f"{name} falls back to {step:.0f} in the last row, which is left aside: one row tells no restart")
    if restarts:
        said = f"{counted(int(np.count_nonzero(gone)), 'earlier row')} gave way to later ones"
        several = len(restarts) >= MANY_RESTARTS or any(restart.anew for restart in restarts)
        why = "the log was appended to, or holds several trainings" if several else "the log was appended to"
        table.notes.append(f"{name} falls back {counted(len(restarts), 'time')} ({why}); {said}")
    return steps, tuple(restarts)


def _fullest(table: Table, name: str, among: NDArray[np.bool_]) -> Ints:
    """Rows of the column with most points that is no counter; all rows where there is none."""
    found = (rows[among[rows]] for each, (rows, _) in table.columns.items() if each != name and not is_step_name(each))
    fullest = max(found, key=len, default=None)
    return np.flatnonzero(among) if fullest is None or not fullest.size else fullest


def _within_epoch(steps: Floats, known: NDArray[np.int64], falls: NDArray[np.int64], name: str, table: Table) -> Floats | None:
    """Steps counted on over epochs; None where the falls are not those from one epoch to the next."""
    epoch_name = next((each for each in table.columns if plain(each) in EPOCH_NAMES and each != name), None)
    if epoch_name is None:
        return None
    epochs = dense(table, epoch_name)
    own = epochs[known]
    if np.any(np.isnan(own)):
        return None
    begins = np.flatnonzero(np.diff(own) > 0) + 1
    again = np.setdiff1d(falls, begins)
    # A log that was appended to falls back within an epoch or to an earlier one as well; that each epoch begins anew shows all the same:
    # a number that is counted on falls back at no begin of the next epoch.
    appended_to = again.size > 0 or bool(np.any(np.diff(own) < 0))
    if appended_to and (2 * again.size > begins.size or np.mean(np.isin(begins, falls)) < _BEGUN_ANEW):
        return None
    # An epoch has as many steps as the highest number seen in one, and one more where the count begins at 0.
    length = float(steps[known].max()) + (1.0 if steps[known].min() == 0 else 0.0)
    counted_on: Floats = steps + (epochs - (1.0 if own.min() >= 1 else 0.0)) * length
    return counted_on if np.nanmax(np.abs(counted_on)) < _HIGHEST_STEP else None


def placed(steps: Floats, main: Floats) -> Floats:
    """Steps of rows that count something else than the rows of `main` (NaN elsewhere): that of the last main row written before them."""
    last: Floats = np.maximum.accumulate(np.where(np.isnan(main), -np.inf, main))
    found: Floats = np.where(np.isnan(steps) | np.isneginf(last), steps, last)
    return found


def wall_seconds(table: Table) -> Floats:
    """Unix time of each row, from a column of times or dates; NaN where there is none. Dates without a zone are taken as UTC."""
    walls = np.full(table.rows, math.nan)
    for name, (rows, values) in table.columns.items():
        if plain(name) in TIME_NAMES and values.size and np.nanmin(np.append(values, np.inf)) > _EARLIEST_UNIX_TIME:
            # Seconds, or milliseconds where seconds would lie tens of thousands of years ahead.
            walls[rows] = values / 1000 if np.nanmin(values) > _EARLIEST_UNIX_TIME * 1000 else values
            return walls
    for name, words in table.texts.items():
        if plain(name) in TIME_NAMES:
            for row, word in words.items():
                walls[row] = _unix_time(word)
            if not np.all(np.isnan(walls)):
                return walls
    return walls


def _unix_time(word: str) -> float:
    """A date in the forms of ISO 8601, of Python's loggers (a comma before the milliseconds) and of Ray (2026-01-31_12-00-00)."""
    date, separator, clock = word[:10], word[10:11], word[11:]
    text = f"{date}T{clock.replace('-', ':')}" if separator == "_" else word.replace("Z", "+00:00").replace(",", ".")
    try:
        when = datetime.fromisoformat(text)
        return (when if when.tzinfo else when.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        return math.nan
