"""Takes lines of JSON apart, one object a line, into the columns of a table. A damaged line costs itself alone."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from sys import intern

import numpy as np

from postmortem.model import Plain
from postmortem.read.plain import LONGEST_LIST, flatten
from postmortem.read.tables.rows import CONFLICT_MARKS, NO_VALUE, Column, Table, close
from postmortem.read.words import counted

_CHUNK = 1024
_LONGEST_SETTING = 200
_MOST_COLUMNS = 10_000
"""Names in all rows together; where each row has names of its own, they are no names of curves."""
COUNTERS = frozenset(("step", "global_step", "iteration", "iter", "epoch", "current_steps", "training_iteration", "timesteps_total"))
"""Keys that a row of a log has, one of them at least."""
_NUMBER_TYPES = frozenset((int, float))
_PLAIN_TYPES = frozenset((int, float, str, bool, type(None)))


class Builder:
    """Columns that fill up row by row."""

    def __init__(self) -> None:
        self.table = Table()
        self._columns: dict[str, Column] = {}
        self._pending: dict[tuple[str, ...], tuple[list[int], list[tuple[object, ...]]]] = {}
        self.nameless = 0
        self._aside = 0

    def add(self, found: object) -> None:
        """One row; what is no mapping is counted."""
        if not isinstance(found, dict):
            self.nameless += 1
            return
        row = self.table.rows
        self.table.rows += 1
        if not (set(map(type, found.values())) <= _PLAIN_TYPES):
            found = self._flat(found)
        # Rows of the same names are turned into numbers together.
        rows, values = self._pending.setdefault(tuple(found), ([], []))
        rows.append(row)
        values.append(tuple(found.values()))
        if self.table.rows % _CHUNK == 0:
            self._flush()

    def _flush(self) -> None:
        for names, (rows, values) in self._pending.items():
            for name, cells in zip(names, zip(*values, strict=True), strict=True):
                column = self._columns.get(name)
                if column is None:
                    if len(self._columns) == _MOST_COLUMNS:
                        self._aside += len(cells)
                        continue
                    column = self._columns[name] = Column()
                if set(map(type, cells)) <= _NUMBER_TYPES:
                    try:
                        column.add(np.array(rows, dtype=np.int64), np.array(cells, dtype=np.float64))
                        continue
                    except OverflowError:
                        pass
                _add_one_by_one(column, rows, cells)
        self._pending = {}

    def _flat(self, found: dict[object, object]) -> dict[str, Plain]:
        config = found.pop("config", None)
        if isinstance(config, dict):  # Ray repeats all settings in every line
            if not self.table.hyperparameters:
                self.table.hyperparameters.update(flatten(config))
        elif config is not None:
            found["config"] = config
        return flatten(_without_long_lists(found))

    def finish(self) -> Table:
        """The table of all rows."""
        self._flush()
        close(self.table, self._columns)
        if self.nameless:
            detail = f"{counted(self.nameless, 'row')} that hold no names lost; {self.table.rows} read"
            self.table.problems.append(("corrupt", detail))
        if self._aside:
            detail = f"holds values under more than {_MOST_COLUMNS} names; {counted(self._aside, 'value')} under further names not read"
            self.table.problems.append(("unsupported", detail))
        return self.table


def _add_one_by_one(column: Column, rows: Sequence[int], cells: Sequence[object]) -> None:
    """Cells that are not all numbers. In JSON a number is a number: texts that look like one are names, but for NaN, which strict writers
    put in quotes."""
    kept: list[int] = []
    values: list[float] = []
    for row, cell in zip(rows, cells, strict=True):
        number = number_in_json(cell)
        if number is not None:
            kept.append(row)
            values.append(number)
        elif isinstance(cell, str) and cell.strip().lower() not in NO_VALUE:
            column.words[row] = intern(cell) if len(cell) <= 40 else cell
            column.first_word = column.first_word or f"row {row + 1}"
    column.add(np.array(kept, dtype=np.int64), np.array(values, dtype=np.float64))


def number_in_json(cell: object) -> float | None:
    """The number that a value is, NaN and infinities in quotes among them; None for other values."""
    if isinstance(cell, str):
        return float(cell) if cell.strip().lower().lstrip("+-") in ("nan", "inf", "infinity") else None
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return None
    try:
        return float(cell)
    except OverflowError:  # an integer beyond 1e308
        return math.inf if cell > 0 else -math.inf


def _without_long_lists(found: Mapping[object, object]) -> dict[object, object]:
    """The same without lists of which only their length would be known: that is no value."""
    return {
        key: _without_long_lists(value) if isinstance(value, Mapping) else value
        for key, value in found.items()
        if not (isinstance(value, list) and len(value) > LONGEST_LIST)
    }


def lines_table(lines: Iterable[str]) -> Table:
    """One JSON object a line. A first line without a counter holds settings; of a last line that is cut the earlier ones remain."""
    builder = Builder()
    bad = first_bad = conflicts = 0
    number = read = 0
    cut = False
    for start, block in _blocks(lines):
        parsed = _parsed(block)
        for offset, (line, found) in enumerate(zip(block, parsed, strict=True)):
            number = start + offset
            if found is NO_JSON:
                if line.startswith(CONFLICT_MARKS):
                    conflicts += 1
                elif line.strip():
                    cut = not line.endswith("\n")
                    bad += not cut
                    first_bad = first_bad or number * (not cut)
                continue
            read += 1
            if read == 1 and _is_settings(found):
                builder.table.hyperparameters.update(short_settings(found))
            else:
                builder.add(found)
    table = builder.finish()
    if not read:
        table.problems.append(("corrupt", f"is neither JSON nor lines of JSON; all {counted(number, 'line')} lost"))
        return table
    if bad or conflicts:
        marks = f" and {counted(conflicts, 'line')} of an unfinished merge" if conflicts else ""
        where = f" (the first is line {first_bad})" if bad else ""
        table.problems.append(
            ("corrupt", f"{counted(bad, 'line')} that {'is' if bad == 1 else 'are'} no JSON{where}{marks} lost; {read} read")
        )
    if cut:
        table.problems.append(("truncated", f"ends within line {number}: 1 line lost; {read} read"))
    return table


def _blocks(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    block: list[str] = []
    start = 1
    for line in lines:
        block.append(line)
        if len(block) == _CHUNK:
            yield start, block
            start += len(block)
            block = []
    if block:
        yield start, block


NO_JSON = object()
"""Stands for a line that is no JSON."""


def _parsed(block: list[str]) -> list[object]:
    """Each line parsed, many at a time where all of them look whole."""
    stripped = [line.strip() for line in block]
    if all(line[:1] == "{" and line[-1:] == "}" for line in stripped):
        try:
            found = json.loads(f"[{','.join(stripped)}]")
            if len(found) == len(block):
                return list(found)
        except (ValueError, RecursionError):
            pass
    return [parsed_line(line) for line in stripped]


def parsed_line(line: str) -> object:
    """The value that a line holds; `NO_JSON` where it holds none."""
    try:
        return json.loads(line) if line else NO_JSON
    except (ValueError, RecursionError):
        return NO_JSON


def _is_settings(found: object) -> bool:
    """Whether a first line describes the run, as mmcv's does: words and no counter."""
    return isinstance(found, dict) and not COUNTERS & set(found) and any(isinstance(value, str | dict) for value in found.values())


def short_settings(found: object) -> dict[str, Plain]:
    """Settings without whole files and listings that stand among them."""
    flat = flatten(found) if isinstance(found, dict) else {}
    return {key: value for key, value in flat.items() if not (isinstance(value, str) and len(value) > _LONGEST_SETTING)}


def by_line(lines: Iterator[str]) -> tuple[bool, Iterator[str]]:
    """Whether lines hold one JSON object each, as far as the first two filled ones tell; and the lines, none of them lost."""
    seen: list[str] = []
    filled: list[object] = []
    for line in lines:
        seen.append(line)
        if line.strip():
            filled.append(parsed_line(line.strip()))
        if len(filled) == 2 or len(seen) == _CHUNK:
            break
    in_list = "".join(seen).lstrip().startswith("[")
    return len(filled) == 2 and not in_list and any(isinstance(each, dict) for each in filled), chain(seen, lines)
