"""JSON tables: one object a line, one array of objects, and objects that hold such arrays."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from postmortem.read.manifests.tables.encodings import copy_path, is_zipped, unzipped
from postmortem.read.manifests.tables.relation import SAMPLE_ROWS, Sample, Source, SourceError, looked_at, pattern, sample_rows
from postmortem.read.manifests.tables.separated import LONGEST_LINE_BYTES, read_csv
from postmortem.read.manifests.tables.vocabulary import SPLIT_ALIASES

if TYPE_CHECKING:
    import duckdb
    import msgspec

SAMPLE_BYTES = 1 << 24
"""Of JSON text that is parsed here to learn its names; at least one line always is."""
MOST_WRAPPED_BYTES = 1 << 29
"""Of a JSON object that holds the records in an array: it is taken apart in memory."""


def _text(value: object) -> str | None:
    """A JSON value as the database gives it as text."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def _sample(objects: Sequence[Mapping[str, object]]) -> tuple[tuple[str, ...], frozenset[int], Sample, tuple[str, ...]]:
    """Names in order of their first appearance, positions of lists and structures, rows as text, and what is said of the names."""
    every = tuple(dict.fromkeys(name for each in objects for name in each))
    kept, said = looked_at(every)
    names = tuple(every[at] for at in kept)
    rows = objects[: sample_rows(len(names))]
    lists = frozenset(place for place, name in enumerate(names) if any(isinstance(each.get(name), list | dict) for each in rows))
    return names, lists, tuple(tuple(_text(each.get(name)) for name in names) for each in rows), said


def _objects(path: Path) -> Iterator[dict[str, object]]:
    """The objects of the first lines; what is none is passed over."""
    left = SAMPLE_BYTES
    with unzipped(path) as stream:
        while left > 0 and (line := stream.readline(LONGEST_LINE_BYTES)):
            left -= len(line)
            try:
                value = json.loads(line.removeprefix(b"\xef\xbb\xbf"))
            except (ValueError, RecursionError):
                continue
            if isinstance(value, dict):
                yield value


def _relation(path: Path, names: Sequence[str], form: str) -> str:
    """A scan by the database's own JSON reader; parameters are the path and the columns' names with their types."""
    aliases = ", ".join(f"c{index}" for index in range(len(names)))
    zipped = "gzip" if is_zipped(path) else "uncompressed"
    options = f"format = '{form}', records = true, columns = ?, compression = '{zipped}', maximum_object_size = {LONGEST_LINE_BYTES}"
    return f"(SELECT * FROM read_json(?, {options}, hive_partitioning = false) AS t({aliases}))"


def json_lines(path: Path, notes: tuple[str, ...]) -> Source:
    """One JSON object a line, by the reader that takes nothing but sound lines."""
    names, lists, sample, left = _sample(list(islice(_objects(path), SAMPLE_ROWS)))
    notes = (*notes, *left)
    if not names:
        raise SourceError("corrupt", "no line of it is a JSON object")
    slow = broken_json_lines(path, names, lists, sample, notes)
    # Names that differ in nothing but case, or an empty one, are no columns to that reader.
    if len({name.lower() for name in names}) != len(names) or "" in names:
        return slow
    parameters = (pattern(path), dict.fromkeys(names, "VARCHAR"))
    return Source(
        _relation(path, names, "newline_delimited"), parameters, names, sample, lists, path, "JSON lines", notes=notes, again=lambda: slow
    )


def broken_json_lines(path: Path, names: tuple[str, ...], lists: frozenset[int], sample: Sample, notes: tuple[str, ...]) -> Source:
    """The same with broken lines among them: split by the CSV reader, so that each is seen and costs only itself."""
    # A byte that no JSON text may hold is the separator, so that a line is always one cell. The reader must not be left to cast the
    # cell to JSON itself (DuckDB pushes such casts into the scan, where one broken line fails the file): hence the CASE.
    raw = read_csv(path, 1, delimiter="\x01", header=False, quote="")
    sound = "CASE WHEN json_valid(c0) THEN json_type(c0) = 'OBJECT' ELSE false END"
    cells = ", ".join(f"json_extract_string(line, ?) AS c{index}" for index in range(len(names)))
    relation = f"(SELECT {cells} FROM (SELECT CASE WHEN {sound} THEN c0 END AS line FROM {raw}) WHERE line IS NOT NULL)"
    broken = f"(SELECT line FROM (SELECT c0, row_number() OVER () AS line FROM {raw}) WHERE trim(c0) <> '' AND NOT {sound})"
    parameters = (*("/" + name.replace("~", "~0").replace("/", "~1") for name in names), pattern(path))
    return Source(relation, parameters, names, sample, lists, path, "JSON lines", broken, notes=notes)


def json_array(connection: duckdb.DuckDBPyConnection, path: Path, notes: tuple[str, ...]) -> Source:
    """One array of objects, streamed by the database."""
    zipped = "gzip" if is_zipped(path) else "uncompressed"
    question = (
        f"SELECT json::VARCHAR FROM read_json_objects(?, format = 'array', compression = '{zipped}',"
        f" maximum_object_size = {LONGEST_LINE_BYTES}, hive_partitioning = false) LIMIT {SAMPLE_ROWS}"
    )
    first = [json.loads(text) for (text,) in connection.execute(question, [pattern(path)]).fetchall()]
    names, lists, sample, left = _sample([each for each in first if isinstance(each, dict)])
    if not names or not all(isinstance(each, dict) for each in first):
        raise SourceError("unsupported", "a JSON array of something else than objects; a table is an array of objects")
    if len({name.lower() for name in names}) != len(names) or "" in names:
        raise SourceError("unsupported", "a JSON array of objects whose names are empty or differ only in case")
    parameters = (pattern(path), dict.fromkeys(names, "VARCHAR"))
    return Source(_relation(path, names, "array"), parameters, names, sample, lists, path, "JSON", notes=(*notes, *left))


def json_object(path: Path, scratch: Path, notes: tuple[str, ...]) -> Source:
    """An object that holds the records: an array of objects (of each split), or an array of cells of each column. Copied as JSON lines."""
    import msgspec

    with unzipped(path) as stream:
        data = stream.read(MOST_WRAPPED_BYTES + 1)
    if len(data) > MOST_WRAPPED_BYTES:
        raise SourceError("unsupported", f"one JSON object of more than {MOST_WRAPPED_BYTES >> 20} MB; write it as JSON lines or CSV")
    try:
        members = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=dict[str, msgspec.Raw])
        arrays = {
            name: msgspec.json.decode(raw, type=list[msgspec.Raw]) for name, raw in members.items() if bytes(raw).lstrip().startswith(b"[")
        }
    except (msgspec.DecodeError, RecursionError) as problem:
        raise SourceError("corrupt", f"no sound JSON ({problem})") from None
    tables = {name: rows for name, rows in arrays.items() if rows and all(bytes(row).startswith(b"{") for row in rows)}
    of_splits = {name: rows for name, rows in tables.items() if name.lower() in SPLIT_ALIASES}
    copy = copy_path(scratch)
    if of_splits:
        said = f"its lists {', '.join(map(repr, of_splits))} are taken for splits"
        lines: Iterator[bytes] = (
            _line(row, split if b'"split"' not in bytes(rows[0]) else "") for split, rows in of_splits.items() for row in rows
        )
    elif tables:
        name = max(tables, key=lambda each: len(tables[each]))
        said = f"its list {name[:60]!r} holds the records"
        lines = (_line(row) for row in tables[name])
    elif len(arrays) > 1 and len({len(cells) for cells in arrays.values()}) == 1:
        said = "its lists are taken for columns"
        lines = _transposed(arrays)
    else:
        listed = ", ".join(repr(name[:60]) for name in list(members)[:8])
        raise SourceError("unsupported", f"a JSON object of no known layout, members {listed}", is_other=True)
    with copy.open("wb") as target:
        target.writelines(lines)
    return replace(json_lines(copy, (*notes, said)), format="JSON")


def _line(raw: msgspec.Raw, split: str = "") -> bytes:
    """An object on one line, with its split in front where that is given."""
    # No line end stands within a string of JSON.
    body = bytes(raw).replace(b"\n", b" ").replace(b"\r", b" ")
    if not split:
        return body + b"\n"
    inside = body[1:].lstrip()
    between = b"" if inside == b"}" else b","
    return b'{"split":' + json.dumps(split).encode() + between + inside + b"\n"


def _transposed(columns: Mapping[str, list[msgspec.Raw]]) -> Iterator[bytes]:
    """Objects made of lists of cells."""
    names = [json.dumps(name).encode() for name in columns]
    for row in zip(*columns.values(), strict=True):
        body = b",".join(name + b":" + bytes(cell) for name, cell in zip(names, row, strict=True))
        yield b"{" + body.replace(b"\n", b" ").replace(b"\r", b" ") + b"}\n"


def is_lines(text: str) -> bool:
    """Whether text that begins with an object goes on with another one on the next line, or ends after the first line."""
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        return isinstance(json.loads(lines[0]), dict) and len(lines) > 1
    except (ValueError, RecursionError, IndexError):
        return False
