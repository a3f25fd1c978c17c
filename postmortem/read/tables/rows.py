"""Tables of numbers as they are put together from text: columns that fill up row by row, and what was lost on the way."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from sys import intern
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from postmortem.model import Plain, ProblemKind, Series
from postmortem.read.words import counted

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]

NO_VALUE = frozenset(("", "none", "null", "na", "n/a", "-", "--", "<na>"))
"""Cells that say that there is no value, in lower case. `nan` is none of them: it is data."""
CONFLICT_MARKS = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")
_TENSOR = re.compile(r"(?:tensor|array|np\.float\d+)\(\s*([-+.\w]+)")


@dataclass(slots=True, eq=False)
class Table:
    """The columns of one table, and what stands beside them."""

    columns: dict[str, tuple[Ints, Floats]] = field(default_factory=dict)
    """Numeric columns: name -> numbers of the rows that hold a value, and the values."""
    texts: dict[str, dict[int, str]] = field(default_factory=dict)
    """Columns of words: name -> row -> word."""
    rows: int = 0
    hyperparameters: dict[str, Plain] = field(default_factory=dict)
    problems: list[tuple[ProblemKind, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    apart: dict[str, Ints] = field(default_factory=dict)
    """Rows that are counted by themselves: those of each metric, where a row holds one; ascending."""
    shared: tuple[str, ...] = ()
    """Numeric columns beside the metrics, where `apart` names these."""
    taken_up: list[tuple[float, Series]] = field(default_factory=list)
    """Where the log was appended to: the first step behind it, and the points of a column that gave way to later ones."""
    kind: str = ""
    """What its layout gives away: `trainer state`, `history`, `summary`, or empty for rows."""


@dataclass(slots=True, eq=False)
class Column:
    """One column while its table is read: numbers, words, and where the first word among numbers stood."""

    rows: list[Ints] = field(default_factory=list)
    values: list[Floats] = field(default_factory=list)
    words: dict[int, str] = field(default_factory=dict)
    first_word: str = ""
    """`line 7`, or `row 7`."""

    def add(self, rows: Ints, values: Floats) -> None:
        """Numbers of further rows."""
        self.rows.append(rows)
        self.values.append(values)

    def add_cells(self, cells: Sequence[str], first_row: int, lines: Sequence[int], comma: bool) -> None:
        """Cells of consecutive rows. `comma` says that figures may have a decimal comma."""
        filled = [index for index, cell in enumerate(cells) if cell and not cell.isspace()]
        rows: list[int] = []
        values: list[float] = []
        known: dict[str, float | None] = {}  # words repeat
        for index in filled:
            cell = cells[index]
            if cell not in known:
                known[cell] = as_number(cell, comma)
            number = known[cell]
            if number is not None:
                rows.append(index + first_row)
                values.append(number)
            elif (word := cells[index].strip()).lower() not in NO_VALUE:
                self.words[index + first_row] = intern(word) if len(word) <= 40 else word
                self.first_word = self.first_word or f"line {lines[index]}"
        self.add(np.array(rows, dtype=np.int64), np.array(values, dtype=np.float64))


def close(table: Table, columns: dict[str, Column]) -> None:
    """Puts finished columns into the table: mostly numbers -> a numeric column, else words. Words among numbers are lost and told."""
    lost = 0
    where = ""
    for name, column in columns.items():
        rows = np.concatenate(column.rows) if column.rows else np.zeros(0, dtype=np.int64)
        if rows.size > len(column.words):
            values = np.concatenate(column.values)
            if np.any(np.diff(rows) < 0):
                order = np.argsort(rows)
                rows, values = rows[order], values[order]
            table.columns[name] = (rows, values)
            lost += len(column.words)
            where = where or (f"the first in {column.first_word}, column {name!r}" if column.words else "")
        elif column.words:
            table.texts[name] = column.words
    if lost:
        table.problems.append(("corrupt", f"{counted(lost, 'cell')} of numeric columns hold no number and are lost, {where}"))


def as_number(cell: str, comma: bool = False) -> float | None:
    """The number that a cell holds; None where it holds none. Reads `95.3%`, and `tensor(0.5)` as scripts print it."""
    cell = cell.strip()
    try:
        # Python reads `1_000` as a number; a log that writes it means a name.
        return None if "_" in cell else float(cell)
    except ValueError:
        pass
    if cell.endswith("%"):
        return as_number(cell[:-1], comma)
    tensor = _TENSOR.match(cell)
    if tensor:
        return as_number(tensor[1])
    if comma and cell.count(",") == 1 and "." not in cell:
        return as_number(cell.replace(",", "."))
    return None
