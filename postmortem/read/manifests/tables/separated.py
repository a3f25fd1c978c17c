"""Tables of separated text: which character separates, whether a header stands above, and the scan of them."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from postmortem.read.manifests.tables.encodings import is_zipped
from postmortem.read.manifests.tables.relation import Source, SourceError, looked_at, pattern, quoted, sampled
from postmortem.read.manifests.tables.vocabulary import is_number, known_name

if TYPE_CHECKING:
    import duckdb

REJECTS_LIMIT = 100_000
"""Broken lines beyond these are no longer kept apart."""
LONGEST_LINE_BYTES = 1 << 24
MOST_READ = 25_000
"""Columns: 20,000 take 7 seconds, and 50,000 more than a minute and a gigabyte."""
_NO_QUOTING = re.compile(r'^[^"]+"|^"(?:[^"]|"")*"[^"]|^"$')
"""A cell of tabs in which a quotation mark stands inside, or closes before the end: there it is a mark like any other."""
_SEPARATOR_LINE = re.compile(r'"?sep=(?P<separator>[,;|\t])"?', re.IGNORECASE)
_DELIMITERS = (",", "\t", ";", "|")


def read_csv(path: Path, columns: int, *, delimiter: str, header: bool, quote: str, skip: int = 0) -> str:
    """A scan of the file (its path is a parameter) with nothing left to guess."""
    types = ", ".join(f"'c{index}': 'VARCHAR'" for index in range(columns))
    return (
        f"read_csv(?, auto_detect = false, header = {str(header).lower()}, delim = {quoted(delimiter)}, quote = {quoted(quote)}, "
        f"escape = {quoted(quote)}, columns = {{{types}}}, skip = {skip}, hive_partitioning = false, "
        f"compression = '{'gzip' if is_zipped(path) else 'none'}', max_line_size = {LONGEST_LINE_BYTES}, "
        f"buffer_size = {2 * LONGEST_LINE_BYTES}, "
        f"store_rejects = true, rejects_table = 'rejects', rejects_scan = 'scans', "
        f"rejects_limit = {REJECTS_LIMIT})"
    )


def _is_header(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns: by a known name, else because nothing in it looks like data."""
    cells = [cell.strip() for cell in first]
    if not rest or any(known_name(cell) for cell in cells):
        return True
    numbers = [cell for cell in cells if is_number(cell)]
    # Columns of pixels are named 0, 1, 2, ... by some writers.
    if numbers and numbers != [str(index) for index in range(len(numbers))]:
        return False
    words = [(index, cell) for index, cell in enumerate(cells) if cell and not is_number(cell)]
    if any("/" in cell or re.search(r"\.[A-Za-z]\w{1,4}$", cell) for _, cell in words):
        return False
    return bool(words or len(numbers) > 2) and not any(row[index : index + 1] == [cell] for index, cell in words for row in rest)


def _delimiter(lines: Sequence[str], suffix: str) -> str:
    """The separator that splits the most lines into the same number of cells, two or more; the suffix decides ties."""
    order = ("\t", ",", ";", "|") if suffix in (".tsv", ".tab") else _DELIMITERS
    best, most = order[0], 0
    for candidate in order:
        widths = [len(row) for row in csv.reader(lines, delimiter=candidate) if row]
        common = max(set(widths), key=widths.count) if widths else 1
        agreeing = widths.count(common) if common > 1 else 0
        if agreeing > most:
            best, most = candidate, agreeing
    return best


def separated(connection: duckdb.DuckDBPyConnection, path: Path, text: str, suffix: str, notes: tuple[str, ...]) -> Source:
    """A table of separated text as a relation; `text` is its beginning."""
    lines = text.splitlines(keepends=True)
    skip = 0
    # `monitor.csv` and its like begin with comments.
    while skip < len(lines) and (lines[skip].startswith("#") or not lines[skip].strip()):
        skip += 1
    csv.field_size_limit(LONGEST_LINE_BYTES)
    # Excel is told the separator by a line of its own.
    told = _SEPARATOR_LINE.fullmatch(lines[skip].strip()) if skip < len(lines) else None
    skip += told is not None
    sample = lines[skip : skip + 200]
    delimiter = told["separator"] if told is not None else _delimiter(sample, suffix)
    plain = delimiter == "\t" and any(_NO_QUOTING.search(cell) for line in sample for cell in line.rstrip("\r\n").split(delimiter))
    reader = csv.reader(sample, delimiter=delimiter, quoting=csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL)
    rows = [row for row in reader if row]
    if not rows:
        raise SourceError("corrupt", "the file holds no line of data")
    first, rest = rows[0], rows[1:]
    header = _is_header(first, rest)
    names = (
        tuple(cell.strip().lstrip("\ufeff") for cell in first) if header else tuple(f"column {index + 1}" for index in range(len(first)))
    )
    if len(names) > MOST_READ:
        raise SourceError("unsupported", f"more than {MOST_READ} columns, which are not read: write the labels to a file of their own")
    relation = read_csv(path, len(names), delimiter=delimiter, header=header, quote="" if plain else '"', skip=skip)
    parameters = (pattern(path),)
    kept, left = looked_at(names)
    if left:
        relation = f"(SELECT {', '.join(f'c{at} AS c{place}' for place, at in enumerate(kept))} FROM {relation})"
        names, notes = tuple(names[at] for at in kept), (*notes, *left)
    if plain:
        notes = (*notes, "quotation marks are taken for text")
    if not header:
        notes = (*notes, "the first line is no header; columns are numbered")
    cells = sampled(connection, relation, parameters, len(names))
    return Source(relation, parameters, names, cells, frozenset(), path, format="TSV" if delimiter == "\t" else "CSV", notes=notes)
