"""Lines of a manifest that are no records: counted, and the first of them named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from postmortem.model import FoundFile, Problem
from postmortem.read.manifests.tables.sources import REJECTS_LIMIT, Source, line_of

if TYPE_CHECKING:
    import duckdb

_LINES_NAMED = 5


def count_of(connection: duckdb.DuckDBPyConnection, question: str) -> int:
    """The whole number that answers a question; 0 where nothing does."""
    row = connection.execute(question).fetchone()
    return int(row[0] or 0) if row is not None else 0


def rejected(connection: duckdb.DuckDBPyConnection, found: Source, file: FoundFile, rows: int) -> Iterator[Problem]:
    """What was lost with a damaged file, and lines that are no records, counted and the first of them named."""
    if found.lost:
        yield Problem(file.name, "truncated", f"{found.lost}: {rows} records could be read, and what came after them is lost")
    bad: list[tuple[int, str]] = []
    count = 0
    if count_of(connection, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'rejects'"):
        count = count_of(connection, "SELECT count(DISTINCT line_byte_position) FROM rejects")
        found_at = connection.execute(
            "SELECT line_byte_position, min(error_type::VARCHAR) FROM rejects GROUP BY 1 ORDER BY 1 LIMIT ?", [_LINES_NAMED]
        ).fetchall()
        bad = [(line_of(found.reading, int(at)), str(kind).lower()) for at, kind in found_at]
    if found.broken:
        parameters = found.parameters[-1:]
        row = connection.execute(f"SELECT count(*) FROM {found.broken}", list(parameters)).fetchone()
        count += int(row[0]) if row is not None else 0
        lines = connection.execute(f"SELECT line FROM {found.broken} ORDER BY line LIMIT {_LINES_NAMED}", list(parameters)).fetchall()
        bad += [(int(line), "no JSON object") for (line,) in lines]
    if count:
        named = ", ".join(f"line {line} ({why})" for line, why in sorted(bad)[:_LINES_NAMED])
        many = f"{count} or more" if count >= REJECTS_LIMIT else f"{count}"
        more = ", ..." if count > _LINES_NAMED else ""
        yield Problem(file.name, "corrupt", f"{many} of {rows + count} records are broken and left out: {named}{more}")
