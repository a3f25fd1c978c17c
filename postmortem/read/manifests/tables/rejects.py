"""Lines of a manifest that are no records: counted, and the first of them named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postmortem.model import FoundFile, Problem
from postmortem.read.manifests.tables.encodings import line_of, lines_longer
from postmortem.read.manifests.tables.load import number
from postmortem.read.manifests.tables.relation import Source
from postmortem.read.manifests.tables.separated import LONGEST_LINE_BYTES, REJECTS_LIMIT

if TYPE_CHECKING:
    import duckdb

_LINES_NAMED = 5


def _kept(connection: duckdb.DuckDBPyConnection) -> bool:
    return bool(number(connection, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'rejects'"))


def wrongly_encoded(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether lines were rejected because they are no UTF-8."""
    return _kept(connection) and bool(number(connection, "SELECT count(*) FROM rejects WHERE error_type::VARCHAR = 'INVALID ENCODING'"))


def forget(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop what was rejected, before a file is read in another way."""
    connection.execute("DROP TABLE IF EXISTS rejects")
    connection.execute("DROP TABLE IF EXISTS scans")


def rejected(connection: duckdb.DuckDBPyConnection, found: Source, file: FoundFile, rows: int) -> tuple[int, list[Problem]]:
    """How many lines are no records, and what is said of them and of what was lost with a damaged file."""
    problems: list[Problem] = []
    if found.lost:
        detail = f"{found.lost}: {rows} records could be read, and what came after them is lost"
        problems.append(Problem(file.name, "truncated", detail))
    bad: list[tuple[int, str]] = []
    count = longer = 0
    if _kept(connection):
        count = number(connection, "SELECT count(DISTINCT line_byte_position) FROM rejects")
        found_at = connection.execute(
            "SELECT line_byte_position, min(error_type::VARCHAR) FROM rejects GROUP BY 1 ORDER BY 1 LIMIT ?", [_LINES_NAMED]
        ).fetchall()
        bad = [(line_of(found.reading, int(at)), str(kind).lower()) for at, kind in found_at]
        # Lines longer than the database's buffer are passed over without a word.
        told = number(connection, "SELECT count(*) FROM rejects WHERE error_type::VARCHAR = 'LINE SIZE OVER MAXIMUM'")
        longer = lines_longer(found.reading, LONGEST_LINE_BYTES) - told
        if longer > 0:
            detail = f"{longer} {'line is' if longer == 1 else 'lines are'} longer than {LONGEST_LINE_BYTES >> 20} MiB: left out"
            problems.append(Problem(file.name, "corrupt", detail))
    if found.broken:
        question = f"SELECT count(*), min(line, {_LINES_NAMED}) FROM {found.broken}"
        row = connection.execute(question, list(found.parameters[-1:])).fetchone()
        count += int(row[0]) if row is not None else 0
        bad += [(int(line), "no JSON object") for line in (row[1] or ())] if row is not None else []
    if count:
        named = ", ".join(f"line {line} ({why})" for line, why in sorted(bad)[:_LINES_NAMED])
        many = f"{count} or more" if count >= REJECTS_LIMIT else f"{count}"
        more = ", ..." if count > _LINES_NAMED else ""
        problems.append(Problem(file.name, "corrupt", f"{many} of {rows + count} records are broken and left out: {named}{more}"))
    return count + max(0, longer), problems
