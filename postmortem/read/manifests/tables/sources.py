"""Manifest files as SQL relations: CSV, TSV, JSON lines and Parquet, in whatever encoding, without loading them.

A relation's columns are called c0, c1, ... whatever the file calls them, so that no name that a stranger chose becomes part of a
statement; the file's own names travel beside them, and its path is a parameter. The database lives in memory, may open files in the
manifest's folder and in its own scratch folder, and installs and loads nothing.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import gzip
import io
import json
import re
import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING

from postmortem.model import ProblemKind
from postmortem.read.manifests.tables.columns import is_number, known_name

if TYPE_CHECKING:
    import duckdb

HEAD_BYTES = 1 << 18
"""How much of a file is looked at to tell its encoding and its dialect."""
MEMORY_LIMIT = "768MB"
REJECTS_LIMIT = 100_000
"""Broken lines beyond these are no longer kept apart."""
LONGEST_LINE_BYTES = 1 << 24
SAMPLE_ROWS = 1000

_LINES = (".jsonl", ".ndjson", ".json")
_PARQUET = (".parquet", ".pq")
_DELIMITERS = (",", "\t", ";", "|")
_BOMS = (("utf-32", codecs.BOM_UTF32_LE), ("utf-32", codecs.BOM_UTF32_BE), ("utf-16", codecs.BOM_UTF16_LE), ("utf-16", codecs.BOM_UTF16_BE))


class SourceError(Exception):
    """The file cannot be read as a table; `kind` is a `ProblemKind` and `detail` a sentence for the report."""

    def __init__(self, kind: ProblemKind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Source:
    """One file as a relation."""

    relation: str
    """What stands behind FROM: its columns are c0, c1, ... as text, NULL where a cell is absent."""
    parameters: tuple[str, ...]
    columns: tuple[str, ...]
    """The file's own names of c0, c1, ..."""
    sample: tuple[tuple[str | None, ...], ...]
    """First rows, as text."""
    lists: frozenset[int]
    """Columns whose cells are lists or structures rather than one value."""
    reading: Path
    """The file that the relation reads: the manifest itself, or its copy as UTF-8."""
    broken: str = ""
    """A relation of the numbers (column `line`) of lines that are not records, where rejected lines do not tell; same parameters' last."""
    lost: str = ""
    """What is missing of a damaged file, one clause; empty for a whole one."""
    notes: tuple[str, ...] = ()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _pattern(path: Path) -> str:
    """The path as a glob pattern that matches only itself: DuckDB takes every path for a pattern."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


@contextmanager
def database(*folders: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """An in-memory database that can open files in these folders, spills only into the first of them, and is locked."""
    import duckdb

    settings = (
        "SET autoinstall_known_extensions = false",
        "SET autoload_known_extensions = false",
        "SET threads = 2",
        f"SET memory_limit = '{MEMORY_LIMIT}'",
        "SET enable_progress_bar = false",
        f"SET temp_directory = {_quoted(str(folders[0]))}",
        f"SET allowed_directories = [{', '.join(_quoted(str(folder)) for folder in folders)}]",
        "SET enable_external_access = false",
        "SET lock_configuration = true",
    )
    with duckdb.connect(":memory:") as connection:
        for setting in settings:
            connection.execute(setting)
        yield connection


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
        salvaged = _salvaged(path, scratch)
        return replace(_source(connection, salvaged, suffix, scratch), lost=f"the compressed data is cut short or damaged ({damage})")


def _salvaged(path: Path, scratch: Path) -> Path:
    """A copy of the whole lines that a damaged gzip file still gives."""
    copy = scratch / f"manifest-{len(list(scratch.iterdir()))}.txt"
    with path.open("rb") as raw, copy.open("wb") as target:
        unzip = zlib.decompressobj(wbits=31)
        rest = b""
        with contextlib.suppress(zlib.error):
            while chunk := raw.read(1 << 12):
                *whole, rest = (rest + unzip.decompress(chunk)).split(b"\n")
                target.writelines(line + b"\n" for line in whole)
        if unzip.eof:
            target.write(rest)
    if not copy.stat().st_size:
        raise SourceError("truncated", "the compressed data is cut short or damaged before the first line ends; nothing could be read")
    return copy


def _source(connection: duckdb.DuckDBPyConnection, path: Path, suffix: str, scratch: Path) -> Source:
    with _bytes(path) as stream:
        head = stream.read(HEAD_BYTES)
    if not head.strip(b"\x00\r\n\t \xef\xbb\xbf"):
        raise SourceError("corrupt", "the file is empty" if not head else "the file holds nothing but blanks")
    if head.startswith(b"version https://git-lfs"):
        raise SourceError("unsupported", "a git-LFS pointer: the data itself was not fetched")
    if head.startswith(b"PAR1") or suffix in _PARQUET:
        return _parquet(connection, path, head)
    reading, notes = _as_utf8(path, head, scratch)
    if reading != path:
        with reading.open("rb") as copy:
            head = copy.read(HEAD_BYTES)
    text = _cut(head).decode("utf-8-sig", errors="replace")
    if suffix in _LINES:
        return _json_lines(connection, reading, text, notes)
    return _separated(connection, reading, text, suffix, notes)


def _is_zipped(path: Path) -> bool:
    """Whether a file is gzip by its first bytes; names lie."""
    with path.open("rb") as raw:
        return raw.read(2) == b"\x1f\x8b"


@contextmanager
def _bytes(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as raw:
        if not _is_zipped(path):
            yield raw
            return
        with gzip.GzipFile(fileobj=raw) as unzipped:
            yield unzipped  # type: ignore[misc]  # GzipFile is a readable binary stream, though not typed as IO[bytes]


def _cut(head: bytes) -> bytes:
    """The head without its last, possibly incomplete line."""
    return head if len(head) < HEAD_BYTES else head[: max(head.rfind(b"\n"), head.rfind(b"\r")) + 1] or head


def _is_utf8(stream: IO[bytes]) -> bool:
    """Whether a stream is UTF-8 throughout, or nearly so: a few broken characters in otherwise valid multi-byte text are damage."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    surplus = broken = 0
    while chunk := stream.read(HEAD_BYTES):
        if chunk.isascii() and not decoder.getstate()[0]:
            continue
        text = decoder.decode(chunk)
        broken += text.count("\ufffd")
        surplus += max(0, len(chunk) - len(text))
    # A character of two bytes or more leaves one byte or more over, a broken byte none.
    return broken == 0 or surplus > 10 * broken


def _as_utf8(path: Path, head: bytes, scratch: Path) -> tuple[Path, tuple[str, ...]]:
    """The file itself where DuckDB can read it as it is, else a copy in UTF-8 with one kind of line end."""
    encoding = next((name for name, bom in _BOMS if head.startswith(bom)), "")
    if not encoding and b"\x00" in head:
        raise SourceError("unsupported", "binary data, not a table of text")
    if not encoding:
        with _bytes(path) as stream:
            if not _is_utf8(stream):
                # Every byte is a character in Latin-1, so that nothing is lost even where the guess is wrong.
                encoding = "latin-1"
    returns, feeds, both = head.count(b"\r"), head.count(b"\n"), head.count(b"\r\n")
    mixed = both != max(returns, feeds) and returns > 0
    if not encoding and not mixed:
        return path, ()
    copy = scratch / f"manifest-{len(list(scratch.iterdir()))}.txt"
    # Reading as text makes every line end one line feed.
    with (
        _bytes(path) as stream,
        io.TextIOWrapper(stream, encoding=encoding or "utf-8-sig", errors="replace") as text,
        copy.open("w", encoding="utf-8", newline="") as target,
    ):
        shutil.copyfileobj(text, target, HEAD_BYTES)
    said = f"read as {encoding.upper()}" if encoding else "line ends of several kinds were made one"
    return copy, (said,)


def _sample(connection: duckdb.DuckDBPyConnection, relation: str, parameters: Sequence[str]) -> tuple[tuple[str | None, ...], ...]:
    return tuple(connection.execute(f"SELECT * FROM {relation} LIMIT {SAMPLE_ROWS}", list(parameters)).fetchall())


def _read_csv(path: Path, columns: int, *, delimiter: str, header: bool, quote: str, skip: int = 0) -> str:
    """A scan of the file (its path is a parameter) with nothing left to guess."""
    types = ", ".join(f"'c{index}': 'VARCHAR'" for index in range(columns))
    return (
        f"read_csv(?, auto_detect = false, header = {str(header).lower()}, delim = {_quoted(delimiter)}, quote = {_quoted(quote)}, "
        f"escape = {_quoted(quote)}, columns = {{{types}}}, skip = {skip}, hive_partitioning = false, "
        f"compression = '{'gzip' if _is_zipped(path) else 'none'}', max_line_size = {LONGEST_LINE_BYTES}, "
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


def _separated(connection: duckdb.DuckDBPyConnection, path: Path, text: str, suffix: str, notes: tuple[str, ...]) -> Source:
    lines = text.splitlines(keepends=True)
    skip = 0
    # `monitor.csv` and its like begin with comments.
    while skip < len(lines) and (lines[skip].startswith("#") or not lines[skip].strip()):
        skip += 1
    csv.field_size_limit(LONGEST_LINE_BYTES)
    sample = lines[skip : skip + 200]
    delimiter = _delimiter(sample, suffix)
    rows = [row for row in csv.reader(sample, delimiter=delimiter) if row]
    if not rows:
        raise SourceError("corrupt", "the file holds no line of data")
    first, rest = rows[0], rows[1:]
    header = _is_header(first, rest)
    names = (
        tuple(cell.strip().lstrip("\ufeff") for cell in first) if header else tuple(f"column {index + 1}" for index in range(len(first)))
    )
    relation = _read_csv(path, len(names), delimiter=delimiter, header=header, quote='"', skip=skip)
    parameters = (_pattern(path),)
    if not header:
        notes = (*notes, "the first line is no header; columns are numbered")
    return Source(relation, parameters, names, _sample(connection, relation, parameters), frozenset(), path, notes=notes)


def _json_lines(connection: duckdb.DuckDBPyConnection, path: Path, text: str, notes: tuple[str, ...]) -> Source:
    """One JSON object a line. Lines are split by the CSV reader, so that a broken one is seen and costs only itself."""
    if text.lstrip("\ufeff \t\r\n").startswith("["):
        raise SourceError("unsupported", "one JSON array, not one JSON object a line; write it as JSON lines or CSV")
    names: dict[str, int] = {}
    lists: set[int] = set()
    for line in text.splitlines()[:SAMPLE_ROWS]:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        for name, value in found.items() if isinstance(found, dict) else ():
            index = names.setdefault(name, len(names))
            if isinstance(value, list | dict):
                lists.add(index)
    if not names:
        raise SourceError("corrupt", "no line of it is a JSON object")
    # A byte that no JSON text may hold is the separator, so that a line is always one cell. The reader must not be left to cast the
    # cell to JSON itself (DuckDB pushes such casts into the scan, where one broken line fails the file): hence the CASE.
    raw = _read_csv(path, 1, delimiter="\x01", header=False, quote="")
    sound = "CASE WHEN json_valid(c0) THEN json_type(c0) = 'OBJECT' ELSE false END"
    cells = ", ".join(f"json_extract_string(line, ?) AS c{index}" for index in range(len(names)))
    relation = f"(SELECT {cells} FROM (SELECT CASE WHEN {sound} THEN c0 END AS line FROM {raw}) WHERE line IS NOT NULL)"
    broken = f"(SELECT line FROM (SELECT c0, row_number() OVER () AS line FROM {raw}) WHERE trim(c0) <> '' AND NOT {sound})"
    parameters = (*("/" + name.replace("~", "~0").replace("/", "~1") for name in names), _pattern(path))
    sample = _sample(connection, relation, parameters)
    return Source(relation, parameters, tuple(names), sample, frozenset(lists), path, broken, notes=notes)


def _parquet(connection: duckdb.DuckDBPyConnection, path: Path, head: bytes) -> Source:
    if not head.startswith(b"PAR1"):
        raise SourceError("corrupt", "named Parquet, but does not begin as a Parquet file does")
    described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?, hive_partitioning = false)", [_pattern(path)]).fetchall()
    names = tuple(str(row[0]) for row in described)
    types = [str(row[1]).upper() for row in described]
    lists = frozenset(
        i for i, kind in enumerate(types) if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION", "BLOB", "LIST"))
    )
    aliases = ", ".join(f"c{index}" for index in range(len(names)))
    cells = ", ".join(f"NULL::VARCHAR AS c{i}" if i in lists else f"c{i}::VARCHAR AS c{i}" for i in range(len(names)))
    relation = f"(SELECT {cells} FROM (SELECT * FROM read_parquet(?, hive_partitioning = false)) AS t({aliases}))"
    parameters = (_pattern(path),)
    return Source(relation, parameters, names, _sample(connection, relation, parameters), lists, path)


def line_of(path: Path, offset: int) -> int:
    """Number of the line (from 1) that holds this byte of the (uncompressed) text."""
    line, left = 1, offset
    with _bytes(path) as stream:
        while left > 0 and (chunk := stream.read(min(left, HEAD_BYTES))):
            line += chunk.count(b"\n")
            left -= len(chunk)
    return line
