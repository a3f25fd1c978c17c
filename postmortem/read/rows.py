"""Takes tables in text apart: CSV, TSV, JSON, JSON lines -> numeric columns, settings, and what was lost."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from postmortem.model import Plain, ProblemKind
from postmortem.read.event_problems import counted
from postmortem.read.plain import flatten

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]

_NO_VALUE = frozenset(("", "none", "null", "na", "n/a", "-", "--"))
_COUNTERS = frozenset(("step", "global_step", "iteration", "epoch"))
_CONFLICT_MARKS = ("<<<<<<<", "=======", ">>>>>>>")


@dataclass(slots=True, eq=False)
class Table:
    """The numeric columns of one table, and what stands beside them."""

    columns: dict[str, tuple[Ints, Floats]] = field(default_factory=dict)
    """Name -> numbers of the rows that hold a value, and the values."""
    rows: int = 0
    hyperparameters: dict[str, Plain] = field(default_factory=dict)
    problems: list[tuple[ProblemKind, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


# --- CSV --------------------------------------------------------------------------------------------------------------


def csv_table(text: str, name: str) -> Table:
    """A table whose first line names its columns; comments before it may hold settings as JSON. `name` tells tabs from commas."""
    table = Table()
    ends_whole = text.endswith("\n")
    lines = text.split("\n")
    while lines and (lines[0].startswith("#") or not lines[0].strip()):
        _settings_line(lines.pop(0), table)
    if not lines:
        table.problems.append(("truncated", "holds no header and no rows"))
        return table
    delimiter = _delimiter(lines[0], name)
    conflicts = sum(line.startswith(_CONFLICT_MARKS) for line in lines)
    kept = [line for line in lines if line.strip() and not line.startswith(_CONFLICT_MARKS)]
    try:
        header, *rows = list(csv.reader(kept, delimiter=delimiter))
    except csv.Error as error:
        table.problems.append(("corrupt", f"is no valid table: {error}; all of it is lost"))
        return table
    names = [cell.strip() for cell in header]
    if sum(_as_number(cell) is not None for cell in names) > len(names) / 2:
        table.problems.append(("unsupported", "has no header row that names its columns"))
        return table
    repeats = [index for index, row in enumerate(rows) if [cell.strip() for cell in row] == names]
    sound = [row for index, row in enumerate(rows) if len(row) == len(names) and index not in set(repeats)]
    bad = len(rows) - len(sound) - len(repeats)
    if rows and len(rows[-1]) != len(names) and not ends_whole:
        bad -= 1
        table.problems.append(("truncated", f"ends within row {len(rows)}: 1 row lost; {counted(len(sound), 'row')} read"))
    if bad or conflicts:
        marks = f" and {conflicts} lines of an unfinished merge" if conflicts else ""
        table.problems.append(
            ("corrupt", f"{counted(bad, 'row')} with another number of cells than the header{marks} lost; {len(sound)} read")
        )
    if repeats:
        table.notes.append(f"the header stands in the middle again ({len(repeats)} x): the log was appended to")
    table.rows = len(sound)
    unread = 0
    for column, title in enumerate(names):
        found, lost = _numbers([row[column] for row in sound])
        unread += lost
        if found is not None and title and title not in table.columns:
            table.columns[title] = found
    if unread:
        table.problems.append(("corrupt", f"{counted(unread, 'cell')} of numeric columns hold no number and are lost"))
    return table


def _settings_line(line: str, table: Table) -> None:
    """A first line as `monitor.csv` has it: `#{json}`."""
    if line.startswith("#{"):
        try:
            table.hyperparameters.update(flatten(json.loads(line[1:])))
        except (ValueError, RecursionError):
            table.notes.append("its first line looks like JSON and is none")


def _delimiter(header: str, name: str) -> str:
    if name.lower().endswith(".tsv"):
        return "\t"
    return max((",", "\t", ";"), key=header.count)


def _numbers(cells: Sequence[object]) -> tuple[tuple[Ints, Floats] | None, int]:
    """Rows and values of a column that is mostly numbers, and how many of its cells are none; None for other columns."""
    rows: list[int] = []
    values: list[float] = []
    others = 0
    for row, cell in enumerate(cells):
        number = _as_number(cell)
        if number is not None:
            rows.append(row)
            values.append(number)
        elif not (cell is None or (isinstance(cell, str) and cell.strip().lower() in _NO_VALUE)):
            others += 1
    if len(values) <= others:
        return None, 0
    return (np.array(rows, dtype=np.int64), np.array(values, dtype=np.float64)), others


def _as_number(cell: object) -> float | None:
    if isinstance(cell, bool) or cell is None:
        return None
    if isinstance(cell, int | float | str):
        try:
            # Python reads `1_000` as a number; a log that writes it means a name.
            return None if isinstance(cell, str) and "_" in cell else float(cell)
        except (ValueError, OverflowError):
            return None
    return None


# --- JSON -------------------------------------------------------------------------------------------------------------


def json_table(text: str) -> Table:
    """Rows as a list or as lines of JSON, the `log_history` of a trainer's state, or lists by name as Keras keeps its history."""
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return _json_lines(text)
    if isinstance(parsed, dict) and isinstance(parsed.get("log_history"), list):
        table = _rows_table(parsed["log_history"])
        # The state of the trainer itself: planned steps, epochs, batch size, intervals.
        table.hyperparameters.update(
            {key: value for key, value in flatten(parsed).items() if not key.startswith(("log_history", "stateful"))}
        )
        return table
    if isinstance(parsed, list):
        return _rows_table(parsed)
    if isinstance(parsed, dict) and _COUNTERS & set(parsed) and not any(map(_is_sequence, parsed.values())):  # lines of JSON, only one yet
        return _rows_table([parsed])
    table = Table()
    curves = {str(key): value for key, value in parsed.items() if _is_sequence(value)} if isinstance(parsed, dict) else {}
    for name, values in curves.items():
        found, lost = _numbers(values)
        if found is not None:
            table.columns[name] = found
            table.rows = max(table.rows, len(values))
        if lost:
            table.problems.append(("corrupt", f"{counted(lost, 'value')} of {name} hold no number and are lost"))
    return table


def _json_lines(text: str) -> Table:
    lines = [line for line in text.split("\n") if line.strip()]
    parsed = [_parsed_line(line) for line in lines]
    rows = [row for row in parsed if row is not _NO_JSON]
    cut = parsed[-1] is _NO_JSON and not text.endswith("\n")
    bad = len(lines) - len(rows) - cut
    table = _rows_table(rows)
    if not rows:
        table.problems.append(("corrupt", f"is neither JSON nor lines of JSON; all {counted(len(lines), 'line')} lost"))
        return table
    if bad:
        table.problems.append(("corrupt", f"{counted(bad, 'line')} that are no JSON lost; {len(rows)} read"))
    if cut:
        table.problems.append(("truncated", f"ends within line {len(lines)}: 1 line lost; {len(rows)} read"))
    return table


_NO_JSON = object()


def _parsed_line(line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return _NO_JSON


def _rows_table(found: Iterable[object]) -> Table:
    table = Table()
    rows: list[dict[str, Plain]] = []
    others = 0
    for each in found:
        if isinstance(each, dict):
            rows.append(flatten(each))
        else:
            others += 1
    if others:
        table.problems.append(("corrupt", f"{counted(others, 'row')} that hold no names lost; {len(rows)} read"))
    table.rows = len(rows)
    for name in dict.fromkeys(name for row in rows for name in row):
        if name.startswith("config."):  # Ray repeats all settings in every line
            table.hyperparameters.update({name.removeprefix("config."): row[name] for row in rows[:1] if name in row})
            continue
        # In JSON a number is a number: texts that look like one are names, but for NaN, which strict writers put in quotes.
        column, _ = _numbers([_json_number(row.get(name)) for row in rows])
        if column is not None:
            table.columns[name] = column
    return table


def _json_number(value: object) -> object:
    return value if not isinstance(value, str) or value.strip().lower().lstrip("+-") in ("nan", "inf", "infinity") else None


def _is_sequence(value: object) -> bool:
    return isinstance(value, list) and len(value) > 0 and not isinstance(value[0], dict | list)
