"""Counts the lines that print scalars: by step, by batch within the epoch, by epoch, or one by one, and makes series of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from postmortem.model import FoundFile, Plain, Series
from postmortem.read.console.printed import INF, MINUS_INF, NAN, Printed
from postmortem.read.tables.files import Counted, LogData, resumes_of, series_of_part
from postmortem.read.tables.rows import Floats, Ints, Table
from postmortem.read.tables.shapes import Mask, Part
from postmortem.read.tables.steps import in_order
from postmortem.read.words import counted

LEAST_POINTS = 5
"""Points that make a tag a series: fewer are a summary, or words that look like one."""
_HIGHEST = 2.0**53


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """All lines of one kind."""

    kind: Printed
    lines: Ints
    """What orders them in the file."""
    numbers: Floats
    """A row a line, a column a number."""
    every: int = 1
    """Which of the lines are held: every line, every second, ..."""

    def column(self, place: int | None) -> Floats:
        """The numbers at one place; NaN where there is none."""
        if place is None or place == NAN:
            return np.full(self.lines.size, np.nan)
        if place in (INF, MINUS_INF):
            return np.full(self.lines.size, np.inf if place == INF else -np.inf)
        column: Floats = self.numbers[:, place]
        return column


@dataclass(slots=True, eq=False)
class _Lines:
    """Counters of all lines that print scalars, in the order of the file; NaN where a line has none."""

    step: Floats
    total: Floats
    batch: Floats
    epoch: Floats
    epochs: Floats
    drawn: Mask
    validation: Mask
    columns: dict[tuple[str, str], tuple[Ints, Floats]]


def series_of(rows: Sequence[Row], file: FoundFile) -> LogData:
    """Series of all lines of a log, and the number of steps or epochs that it prints as planned."""
    rows = _of_one_rank(rows)
    heads = [row for row in rows if row.kind.is_head]
    bodies = [row for row in rows if not row.kind.is_head]
    if not bodies:
        return LogData()
    lines = _lines(bodies, heads)
    table = Table(rows=lines.step.size)
    table.columns = {_key(*name): column for name, column in lines.columns.items()}
    steps, planned = _steps(lines, table)
    usable = ~np.isnan(steps) & (np.abs(steps) < _HIGHEST)
    steps = np.where(usable, steps, np.nan)
    if np.count_nonzero(usable) < LEAST_POINTS:
        return LogData()
    if not np.all(np.isnan(lines.epoch)):
        known = np.flatnonzero(~np.isnan(lines.epoch) & usable)
        table.columns["epoch"] = (known, lines.epoch[known])
    steps, restarts = in_order(steps, "step", table)
    found = _series(lines, steps, table, Counted("step", steps, restarts), file)
    curves = [series for series in found if series.tag != "epoch"]
    if not curves:
        return LogData()
    tags = counted(len({(series.tag, series.group) for series in curves}), "tag")
    thinned = max(row.every for row in bodies)
    share = f", one of {thinned} of a kind" if thinned > 1 else ""
    notes = (f"{tags} from {counted(int(np.count_nonzero(usable)), 'line')}{share}", *dict.fromkeys(table.notes))
    return LogData(
        series=tuple(found),
        hyperparameters=planned,
        notes=tuple(f"{file.name}: {note}" for note in notes),
        resumes=resumes_of(table, file),
        kind="text",
    )


def _key(tag: str, group: str) -> str:
    return f"{group}\n{tag}"


def _of_one_rank(rows: Sequence[Row]) -> list[Row]:
    """Lines of the lowest rank where several print, and of no rank."""
    lowest = min((float(row.column(row.kind.rank).min()) for row in rows if row.kind.rank is not None), default=None)
    kept: list[Row] = []
    for row in rows:
        if row.kind.rank is not None:
            mine = row.column(row.kind.rank) == lowest
            row = replace(row, lines=row.lines[mine], numbers=row.numbers[mine])
        if row.lines.size:
            kept.append(row)
    return kept


def _lines(bodies: Sequence[Row], heads: Sequence[Row]) -> _Lines:
    order = np.concatenate([row.lines for row in bodies])
    ranked = np.empty(order.size, dtype=np.int64)
    ranked[np.argsort(order, kind="stable")] = np.arange(order.size)

    def placed(parts: Sequence[Floats]) -> Floats:
        joined = np.empty(order.size)
        joined[ranked] = np.concatenate(parts)
        return joined

    columns: dict[tuple[str, str], list[tuple[Ints, Floats]]] = defaultdict(list)
    begin = 0
    for row in bodies:
        mine = ranked[begin : begin + row.lines.size]
        begin += row.lines.size
        for tag, group, place in row.kind.tags:
            columns[tag, group].append((mine, row.column(place)))
    joined: dict[tuple[str, str], tuple[Ints, Floats]] = {}
    for name, parts in columns.items():
        at, values = np.concatenate([each for each, _ in parts]), np.concatenate([each for _, each in parts])
        ascending = np.argsort(at)
        joined[name] = (at[ascending], values[ascending])
    epoch = placed([row.column(row.kind.epoch) for row in bodies])
    epochs = placed([row.column(row.kind.epochs) for row in bodies])
    if heads:
        begun = np.concatenate([row.lines for row in heads])
        ascending = np.argsort(begun)
        last = np.searchsorted(begun[ascending], np.sort(order)) - 1
        numbers = [row.column(row.kind.epoch) for row in heads], [row.column(row.kind.epochs) for row in heads]
        for own, heard in zip((epoch, epochs), numbers, strict=True):
            told = np.concatenate(heard)[ascending]
            missing = np.isnan(own) & (last >= 0)
            own[missing] = told[last[missing]]
    return _Lines(
        step=np.abs(placed([row.column(row.kind.step) for row in bodies])),
        total=placed([row.column(row.kind.total) for row in bodies]),
        batch=np.abs(placed([row.column(row.kind.batch) for row in bodies])),
        epoch=np.abs(epoch),
        epochs=epochs,
        drawn=placed([np.full(row.lines.size, float(row.kind.drawn)) for row in bodies]) > 0,
        validation=placed([np.full(row.lines.size, float(row.kind.validation)) for row in bodies]) > 0,
        columns=joined,
    )


def _steps(lines: _Lines, table: Table) -> tuple[Floats, dict[str, Plain]]:
    """The step of each line, and what is planned."""
    drawn_alone = lines.drawn & np.isnan(lines.epoch) & ~lines.validation
    bars = np.flatnonzero(drawn_alone)
    if bars.size and np.any(np.diff(lines.batch[bars]) < 0):
        # Bars one after the other, without a word about epochs: each is one.
        lines.epoch[bars] = np.concatenate([[0], np.cumsum(np.diff(lines.batch[bars]) < 0)])
    counts_batches = np.isnan(lines.step) & ~lines.validation & (~lines.drawn | np.isnan(lines.epoch))
    steps = np.where(counts_batches, lines.batch, lines.step)
    # A bar that was only just drawn repeats what the one before it ended with.
    blank = lines.drawn & (lines.batch == 0)
    epoch = np.where(blank, np.nan, lines.epoch)
    steps[blank] = np.nan
    planned: dict[str, Plain] = {}
    epochs, totals = _one_number(lines.epochs), _one_number(lines.total[~np.isnan(lines.step)])
    if epochs is not None:
        planned["epochs"] = epochs
    main = np.flatnonzero(~np.isnan(steps))
    if main.size:
        within = _counted_on(steps, lines, main)
        if within is None and totals is not None and epochs is None:
            planned["max_steps"] = totals
        steps = steps if within is None else within
        others = np.isnan(steps) & (~np.isnan(epoch) | (lines.validation & ~np.isnan(lines.batch)))
        return np.where(others, _last_before(steps), steps), planned
    finite = epoch[~np.isnan(epoch)]
    if finite.size and np.all(finite == np.floor(finite)):
        return epoch, planned
    return _one_by_one(epoch, lines, table), {}


def _counted_on(steps: Floats, lines: _Lines, main: Ints) -> Floats | None:
    """Batches within the epoch counted on over epochs, by the number of batches that is printed; None where they are no such."""
    known = main[~np.isnan(lines.epoch[main]) & ~np.isnan(lines.total[main]) & ~lines.validation[main]]
    if known.size < 2 or known.size < np.count_nonzero(~lines.validation[main]):
        return None
    own, epochs = steps[known], lines.epoch[known]
    begins = np.diff(epochs) > 0
    # A number that was counted on would rise from epoch to epoch; one that is printed at the end of each alone stays.
    if not begins.any() or np.any(np.diff(epochs) < 0) or np.any(np.diff(own)[begins] > 0) or np.any(np.diff(own)[~begins] < 0):
        return None
    length = max(float(np.max(lines.total[known])), float(own.max()))
    begun: Floats = (lines.epoch - (1.0 if epochs.min() >= 1 else 0.0)) * length
    counted_on: Floats = steps + begun
    return counted_on


def _last_before(steps: Floats) -> Floats:
    """For each line the step of the last counted line before it; the first one's where there is none."""
    counted_at = np.where(np.isnan(steps), -1, np.arange(steps.size))
    last = np.maximum.accumulate(counted_at)
    first = steps[np.argmax(counted_at >= 0)]
    found: Floats = np.where(last >= 0, steps[np.maximum(last, 0)], first)
    return found


def _one_by_one(epoch: Floats, lines: _Lines, table: Table) -> Floats:
    """Lines of the training loss numbered, as epochs are parts of one; those of validation stand behind the last of them."""
    known = ~np.isnan(epoch)
    if not known.any():
        return epoch
    fullest = max(lines.columns.values(), key=lambda column: int(np.count_nonzero(known[column[0]])))[0]
    main = np.zeros(epoch.size, dtype=bool)
    main[fullest] = known[fullest]
    steps = np.where(main, np.cumsum(main) - 1.0, np.nan)
    table.notes.append("epochs are printed in parts, without a step: lines are numbered instead")
    return np.where(known, np.where(main, steps, _last_before(steps)), np.nan)


def _one_number(values: Floats) -> int | None:
    """The whole number that is printed in all of these places."""
    known = np.unique(values[~np.isnan(values)])
    return int(known[0]) if known.size == 1 and 1 < known[0] < _HIGHEST else None


def _series(lines: _Lines, steps: Floats, table: Table, count: Counted, file: FoundFile) -> list[Series]:
    everything = ~np.isnan(steps)
    walls = np.full(steps.size, np.nan)
    found: list[Series] = []
    by_group: dict[str, dict[str, tuple[Ints, Floats]]] = defaultdict(dict)
    for (tag, group), column in lines.columns.items():
        by_group[group or file.group][tag] = column
    if "epoch" in table.columns:
        by_group[file.group]["epoch"] = table.columns["epoch"]
    for group, columns in by_group.items():
        part = Table(columns=columns, rows=table.rows, taken_up=table.taken_up)
        found.extend(series_of_part(part, file, Part(everything, group), count, walls))
    last = (_last_of_each_step(series) for series in found)
    return [series for series in last if series.steps.size >= LEAST_POINTS]


def _last_of_each_step(series: Series) -> Series:
    """A bar that draws over itself, or two printers of one step: the last counts."""
    last = np.append(np.diff(series.steps) != 0, True)
    if last.all():
        return series
    return replace(series, steps=series.steps[last], values=series.values[last], wall_seconds=series.wall_seconds[last])
