"""Takes CSV and its like apart, a line at a time: commas, semicolons, tabs or spaces between the cells.

A damaged line costs itself alone: a quotation mark that is never closed does not swallow what follows, and rows with another number of
cells than the header are lost one by one, counted, with the line of the first.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from postmortem.read.plain import flatten
from postmortem.read.tables.rows import CONFLICT_MARKS, Column, Floats, Table, as_number, close
from postmortem.read.words import counted

_CHUNK = 4096
_MOST_COLUMNS = 4096
_LONGEST_CELL_LINES = 20
"""Lines that one quoted cell may span."""
_BLANK = 7e300
"""Stands for an empty cell while a block of lines is read at once; no training writes it."""


@dataclass(slots=True, eq=False)
class _Rows:
    """A table being read."""

    table: Table
    delimiter: str | None
    """None for any white space."""
    names: list[str]
    columns: dict[str, Column] = field(default_factory=dict)
    pending: list[str] = field(default_factory=list)
    """Lines of rows not yet turned into numbers, with the right number of cells."""
    lines: list[int] = field(default_factory=list)
    wordy: set[int] = field(default_factory=set)
    """Places of columns that hold words."""
    odd: int = 0
    """Rows with another number of cells than the header."""
    first_odd: int = 0
    conflicts: int = 0
    tries: int = 100
    """Rows over several lines that may still be looked for: where quotation marks are inch marks, none is ever found."""
    headers: int = 0
    """Times that a header stood in the middle again."""


def csv_table(lines: Iterable[str], name: str) -> Table:
    """A table whose first line names its columns; comments before it may hold settings as JSON. `name` tells tabs from commas."""
    table = Table()
    numbered = enumerate(lines, start=1)
    header, first = _header(numbered, table)
    if header is None:
        table.problems.append(("truncated", "holds no header and no rows"))
        return table
    delimiter = _delimiter(header, first[1] if first else "", name)
    names = _names(header, delimiter)
    if sum(as_number(cell) is not None for cell in names) > len(names) / 2:
        table.problems.append(("unsupported", "has no header row that names its columns"))
        return table
    if len(names) > _MOST_COLUMNS:
        table.problems.append(("unsupported", f"has {len(names)} columns, too many for a log; none is read"))
        return table
    rows = _Rows(table, delimiter, names)
    _use(rows, names)
    number, line = _read(rows, _chained(first, numbered))
    ends, kept = line.endswith("\n"), bool(rows.lines) and rows.lines[-1] == number
    if not ends and kept:
        _leave_last_cell(rows)
    _flush(rows)
    _tell(rows, number, cut=not ends and not kept)
    close(table, rows.columns)
    return table


def _header(numbered: Iterator[tuple[int, str]], table: Table) -> tuple[str | None, tuple[int, str] | None]:
    """The line that names the columns, and the line behind it where that had to be looked at."""
    comment = ""
    for number, line in numbered:
        if line.startswith("#"):
            _settings_line(line, table)
            comment = line.lstrip("#")
        elif line.strip() and not line.startswith(CONFLICT_MARKS):
            cells = re.split(r"[,;\t ]+", line.strip())
            numbers = sum(as_number(cell) is not None for cell in cells)
            # As NumPy saves a table: the names in a comment, then figures.
            if numbers > len(cells) / 2 and len(re.split(r"[,;\t ]+", comment.strip())) == len(cells) > 1:
                return comment, (number, line)
            return line, next(numbered, None)
    return None, None


def _settings_line(line: str, table: Table) -> None:
    """A first line as `monitor.csv` has it: `#{json}`."""
    if line.startswith("#{"):
        try:
            table.hyperparameters.update(flatten(json.loads(line[1:])))
        except (ValueError, RecursionError, AttributeError):
            table.notes.append("its first line looks like JSON and is none")


def _delimiter(header: str, first: str, name: str) -> str | None:
    if name.lower().removesuffix(".gz").endswith(".tsv") and "\t" in header:
        return "\t"
    best = max((",", "\t", ";"), key=header.count)
    if best in header:
        return best
    words = len(header.split())
    return None if words > 1 and len(first.split()) == words else ","


def _names(header: str, delimiter: str | None) -> list[str]:
    cells = _cells(header, delimiter)
    return [cell.strip().lstrip("\ufeff") for cell in (header.split(delimiter) if cells is None else cells)]


def _chained(first: tuple[int, str] | None, numbered: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    if first is not None:
        yield first
    yield from numbered


def _use(rows: _Rows, names: list[str]) -> None:
    """Makes these names the header from here on."""
    rows.names = names
    rows.wordy = set()
    times = Counter(names)
    twice = sorted(name for name in times if name and times[name] > 1)
    if twice:
        rows.table.notes.append(f"{', '.join(map(repr, twice[:3]))} names several columns; the first of each is read")
    for name in names:
        if name:
            rows.columns.setdefault(name, Column())


def _read(rows: _Rows, numbered: Iterator[tuple[int, str]]) -> tuple[int, str]:
    """Takes all lines in; the answer is the last row's line, for what its end tells."""
    last = (0, "\n")
    marker = max(rows.names, key=len)
    held: list[tuple[int, str]] = []
    while True:
        if not held:
            block = list(islice(numbered, _CHUNK))
            if not block:
                return last
            if _is_plain(rows, [line for _, line in block], marker):
                _flush(rows)
                rows.lines, rows.pending = (list(each) for each in zip(*block, strict=True))
                last = block[-1]
                continue
            held = block[::-1]
        entry = held.pop()
        number, line = entry
        if line.startswith(CONFLICT_MARKS):
            rows.conflicts += 1
            continue
        if not line.strip():
            continue
        last = entry
        wanted = len(rows.names)
        if '"' not in line:
            count = _most_cells(line, rows.delimiter)
            # A delimiter behind the last cell is no further cell.
            if count == wanted + 1 and rows.delimiter is not None and line.rstrip(" \r\n").endswith(rows.delimiter):
                line, count = line.rstrip(" \r\n")[: -len(rows.delimiter)] + "\n", wanted
            whole = count == wanted
        else:
            cells = _cells(line, rows.delimiter)
            if cells is None:
                line, cells = _spanning(line, numbered, held, rows)
            whole = cells is not None and len(cells) == wanted
        # A header that comes again has half of the names at least: a short line need not be held against thousands of them.
        if marker in line or (not whole and 2 * _most_cells(line, rows.delimiter) >= wanted):
            names = _names(line, rows.delimiter)
            if _is_header(names, rows.names) and len(rows.columns.keys() | set(names)) <= _MOST_COLUMNS:
                rows.headers += 1
                if names != rows.names:
                    _flush(rows)
                    _use(rows, names)
                    marker = max(names, key=len)
                last = (0, "\n")
                continue
        if not whole:
            rows.odd += 1
            rows.first_odd = rows.first_odd or number
            continue
        # Not behind the row: of the last one, the last cell may have to be left aside.
        if len(rows.pending) >= _CHUNK:
            _flush(rows)
        rows.pending.append(line)
        rows.lines.append(number)


def _is_plain(rows: _Rows, lines: list[str], marker: str) -> bool:
    """Whether all of these lines are rows with the right number of cells and nothing else, as nearly all lines of a log are."""
    if rows.delimiter is None or len(rows.names) == 1:
        return False
    text = "".join(lines)
    if '"' in text or marker in text or any(mark in text for mark in CONFLICT_MARKS):
        return False
    delimiter, marks = rows.delimiter, len(rows.names) - 1
    return text.count(delimiter) == marks * len(lines) and all(line.count(delimiter) == marks for line in lines)


def _most_cells(line: str, delimiter: str | None) -> int:
    """Cells of a line, or more where some are quoted."""
    return len(line.split()) if delimiter is None else line.count(delimiter) + 1


def _cells(line: str, delimiter: str | None) -> list[str] | None:
    """The cells of a line; None where a quotation mark is not closed in it."""
    line = line.rstrip("\r\n")
    if '"' not in line or delimiter is None:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True, strict=True))
    except (csv.Error, StopIteration):
        return None


def _first_cells(line: str, delimiter: str | None, wanted: int) -> list[str]:
    """The first cells of a sound line, as many as wanted."""
    if '"' not in line:
        return line.rstrip("\r\n").split(delimiter, wanted)[:wanted]
    return (_cells(line, delimiter) or [])[:wanted]


def _spanning(line: str, numbered: Iterator[tuple[int, str]], held: list[tuple[int, str]], rows: _Rows) -> tuple[str, list[str] | None]:
    """A row whose quoted cell spans several lines; where that does not come out even, the lines are handed back."""
    if rows.tries <= 0:
        return line, None
    taken: list[tuple[int, str]] = []
    joined = line.rstrip("\n")
    for _ in range(_LONGEST_CELL_LINES):
        entry = held.pop() if held else next(numbered, None)
        if entry is None:
            break
        taken.append(entry)
        joined += " " + entry[1].rstrip("\n")
        cells = _cells(joined, rows.delimiter)
        if cells is not None:
            if len(cells) == len(rows.names):
                rows.tries += 1
                return joined + "\n", cells
            break
    held.extend(reversed(taken))
    rows.tries -= 1
    return line, None


def _is_header(cells: list[str], names: list[str]) -> bool:
    """Whether a line names columns again: no figures, and at least half of the names known."""
    if cells == names:
        return True
    shared = len(set(cells) & set(names) - {""})
    return 2 * shared >= len(names) and shared > 0 and all(as_number(cell) is None for cell in cells if cell)


def _leave_last_cell(rows: _Rows) -> None:
    """A last line without its end may be cut within its last cell, where 1.5e-05 reads as 1.5."""
    line = rows.pending[-1]
    cell = line.rpartition(rows.delimiter)[2] if rows.delimiter is not None else line
    if rows.delimiter is None or len(rows.names) == 1:
        del rows.pending[-1], rows.lines[-1]
    else:
        rows.pending[-1] = line[: len(line) - len(cell)]
    rows.table.notes.append("its last line has no end and may be cut within its last cell, which is left aside")


def _flush(rows: _Rows) -> None:
    """Turns the pending lines into numbers."""
    if not rows.pending:
        return
    first = rows.table.rows
    rows.table.rows += len(rows.pending)
    first_of = {name: index for index, name in reversed(list(enumerate(rows.names)))}
    read = [index for name, index in reversed(first_of.items()) if name]
    figures = [index for index in read if index not in rows.wordy]
    block = _block(rows, figures) if figures else None
    if block is not None:
        for place, index in enumerate(figures):
            filled = np.flatnonzero(block[:, place] != _BLANK)
            rows.columns[rows.names[index]].add(filled + first, np.ascontiguousarray(block[filled, place]))
    one_by_one = read if block is None else [index for index in read if index in rows.wordy]
    if one_by_one:
        split = list(zip(*(_first_cells(line, rows.delimiter, max(one_by_one) + 1) for line in rows.pending), strict=True))
        for index in one_by_one:
            column = rows.columns[rows.names[index]]
            column.add_cells(split[index], first, rows.lines, rows.delimiter == ";")
            if not column.rows[-1].size and column.words:
                rows.wordy.add(index)
    rows.pending, rows.lines = [], []


def _block(rows: _Rows, figures: list[int]) -> Floats | None:
    """The pending lines as one array, where these columns hold figures or nothing; None where they do not."""
    text = "".join(rows.pending)
    if '"' in text or (rows.delimiter == ";" and "," in text):
        return None
    lines = rows.pending
    if rows.delimiter is not None and len(rows.names) > 1:
        mark = rows.delimiter
        if mark * 2 in text or f"\n{mark}" in text or text[:1] == mark or f"{mark}\n" in text or text[-1:] == mark:
            # Twice, because neighbours share a mark.
            text = f"\n{text.rstrip(chr(10))}\n".replace(mark * 2, f"{mark}{_BLANK}{mark}").replace(mark * 2, f"{mark}{_BLANK}{mark}")
            lines = text.replace(f"\n{mark}", f"\n{_BLANK}{mark}").replace(f"{mark}\n", f"{mark}{_BLANK}\n")[1:-1].split("\n")
    columns = None if len(figures) == len(rows.names) else figures
    try:
        block: Floats = np.loadtxt(lines, dtype=np.float64, delimiter=rows.delimiter, comments=None, ndmin=2, usecols=columns)
    except (ValueError, OverflowError):
        return None
    return block if block.shape == (len(rows.pending), len(figures)) else None


def _tell(rows: _Rows, number: int, cut: bool) -> None:
    """Words what was lost. `cut` says that the last line, of this number, has the wrong number of cells and no end."""
    table = rows.table
    if cut:
        rows.odd -= 1
        table.problems.append(("truncated", f"ends within line {number}: 1 row lost; {counted(table.rows, 'row')} read"))
    if rows.odd or rows.conflicts:
        marks = f" and {counted(rows.conflicts, 'line')} of an unfinished merge" if rows.conflicts else ""
        where = f" (the first in line {rows.first_odd})" if rows.odd else ""
        table.problems.append(
            ("corrupt", f"{counted(rows.odd, 'row')} with another number of cells than the header{where}{marks} lost; {table.rows} read")
        )
    if rows.headers:
        table.notes.append(f"the header stands in the middle again ({rows.headers} x): the log was appended to")
    if not table.rows and not table.problems:
        table.notes.append("holds a header and no rows")
