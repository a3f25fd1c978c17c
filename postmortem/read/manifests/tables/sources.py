"""Manifest files as SQL relations: CSV, TSV, JSON and Parquet, in whatever encoding, without loading them.

A relation's columns are called c0, c1, ... whatever the file calls them, so that no name that a stranger chose becomes part of a
statement; the file's own names travel beside them, and its path is a parameter. The database lives in memory, may open files in the
manifest's folder and in its own scratch folder, and installs and loads nothing.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from postmortem.read.manifests.tables.encodings import as_utf8, checked_head, head_of, is_zipped, salvaged, whole_lines
from postmortem.read.manifests.tables.json_text import is_lines, json_array, json_lines, json_object
from postmortem.read.manifests.tables.relation import Source, SourceError, database, looked_at, pattern, sampled
from postmortem.read.manifests.tables.separated import separated

if TYPE_CHECKING:
    import duckdb

__all__ = ["Source", "SourceError", "database", "opened", "source"]

_JSON = (".jsonl", ".ndjson", ".json", ".manifest")
_NESTED = ("STRUCT", "MAP", "UNION", "BLOB", "LIST")
_LISTED = frozenset(("VARCHAR", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"))
_PARQUET = (".parquet", ".pq")


@contextmanager
def opened(path: Path) -> Iterator[tuple[duckdb.DuckDBPyConnection, Source]]:
    """A locked database and the file as a relation in it.

    Raises:
        SourceError: the file is empty, a pointer, binary, or no table.
        OSError, EOFError, zlib.error: it cannot be opened or decompressed.
        duckdb.Error: DuckDB cannot read it.
    """
    with TemporaryDirectory(prefix="postmortem-") as scratch, database(Path(scratch), path.absolute().parent) as connection:
        yield connection, source(connection, path.absolute(), Path(scratch))


def source(connection: duckdb.DuckDBPyConnection, path: Path, scratch: Path) -> Source:
    """The file as a relation in this database; raises what `opened` raises."""
    suffix = path.with_suffix("").suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    try:
        return _source(connection, path, suffix, scratch)
    except (EOFError, zlib.error, gzip.BadGzipFile) as damage:
        copy = salvaged(path, scratch)
        return replace(_source(connection, copy, suffix, scratch), lost=f"the compressed data is cut short or damaged ({damage})")


def _source(connection: duckdb.DuckDBPyConnection, path: Path, suffix: str, scratch: Path) -> Source:
    if not path.is_file():
        raise SourceError("unreadable", "neither a file nor a folder of a known layout" if path.exists() else "there is no such file")
    # The database reads on behind damage in compressed data, or gives nothing at all: checksums are looked at first.
    head = checked_head(path) if is_zipped(path) else head_of(path)
    if not head.strip(b"\x00\r\n\t \xef\xbb\xbf"):
        raise SourceError("corrupt", "the file is empty" if not head else "the file holds nothing but blanks")
    if head.startswith(b"version https://git-lfs"):
        raise SourceError("unsupported", "a git-LFS pointer: the data itself was not fetched", is_other=True)
    if head.startswith(b"PAR1") or suffix in _PARQUET:
        return _parquet(connection, path, head)
    return _of_text(connection, path, head, suffix, scratch)


def _of_text(connection: duckdb.DuckDBPyConnection, path: Path, head: bytes, suffix: str, scratch: Path, suspect: bool = False) -> Source:
    """A text file as it is, where its head is sound; `suspect` looks at all of it and copies what the database could not read."""
    reading, notes = as_utf8(path, head, scratch, suspect)
    if reading != path:
        head = head_of(reading)
    text = whole_lines(head).decode("utf-8-sig", errors="replace")
    begins = text.lstrip()[:1]
    if suffix not in _JSON:
        found = separated(connection, reading, text, suffix, notes)
    elif begins == "[" and not (suffix != ".json" and text.count("\n{")):
        found = json_array(connection, reading, notes)
    elif suffix == ".json" and begins == "{" and not is_lines(text):
        found = json_object(reading, scratch, notes)
    else:
        found = json_lines(reading, notes)
    if suspect:
        # Sound bytes that the fast reader of lines refused: there are lines that are no objects.
        return found.again() if reading == path and found.again is not None else found

    def again() -> Source:
        """All bytes are looked at, and where they are sound the next slower way is taken."""
        return _of_text(connection, path, head, suffix, scratch, suspect=True)

    return replace(found, again=again)


def _parquet(connection: duckdb.DuckDBPyConnection, path: Path, head: bytes) -> Source:
    if not head.startswith(b"PAR1"):
        raise SourceError("corrupt", "named Parquet, but does not begin as a Parquet file does")
    described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?, hive_partitioning = false)", [pattern(path)]).fetchall()
    names = tuple(str(row[0]) for row in described)
    types = [str(row[1]).upper() for row in described]
    lists = frozenset(i for i, kind in enumerate(types) if kind.endswith("]") or kind.startswith(_NESTED))
    # Lists of plain values may be labels; images and structures are not looked at.
    plain = frozenset(i for i in lists if types[i].endswith("[]") and types[i][:-2] in _LISTED)
    kept, notes = looked_at(names)
    aliases = ", ".join(f"c{index}" for index in range(len(names)))
    cells = ", ".join(
        f"to_json(c{at})::VARCHAR AS c{place}"
        if at in plain
        else f"NULL::VARCHAR AS c{place}"
        if at in lists
        else f"c{at}::VARCHAR AS c{place}"
        for place, at in enumerate(kept)
    )
    relation = f"(SELECT {cells} FROM (SELECT * FROM read_parquet(?, hive_partitioning = false)) AS t({aliases}))"
    parameters = (pattern(path),)
    sample = sampled(connection, relation, parameters, len(kept))
    nested = frozenset(place for place, at in enumerate(kept) if at in lists)
    return Source(relation, parameters, tuple(names[at] for at in kept), sample, nested, path, "Parquet", notes=notes)
