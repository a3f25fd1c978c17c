"""A table as something that SQL can ask, and the locked database that asks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from postmortem.model import ProblemKind
from postmortem.read.manifests.tables.vocabulary import known_name

if TYPE_CHECKING:
    import duckdb

MEMORY_LIMIT = "600MB"
"""Of the database; the interpreter, NumPy and keys while they are sorted come on top, 250 MB at most."""
SAMPLE_ROWS = 1000
MOST_COLUMNS = 2048
MOST_SAMPLE_CELLS = 400_000
"""A wide table is sampled in fewer rows."""
Sample: TypeAlias = tuple[tuple[str | None, ...], ...]
Parameter: TypeAlias = "str | Mapping[str, str]"


class SourceError(Exception):
    """The file cannot be read as a table; `kind` is a `ProblemKind` and `detail` a sentence for the report.

    `is_other` says that it is sound and something else.
    """

    def __init__(self, kind: ProblemKind, detail: str, is_other: bool = False) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.is_other = is_other


@dataclass(frozen=True, slots=True)
class Source:
    """One file as a relation."""

    relation: str
    """What stands behind FROM: its columns are c0, c1, ... as text, NULL where a cell is absent."""
    parameters: tuple[Parameter, ...]
    columns: tuple[str, ...]
    """The file's own names of c0, c1, ..."""
    sample: Sample
    """First rows, as text; lists as JSON."""
    lists: frozenset[int]
    """Columns whose cells are lists or structures rather than one value."""
    reading: Path
    """The file that the relation reads: the manifest itself, or its copy as UTF-8."""
    format: str = "table"
    broken: str = ""
    """A relation of the numbers (column `line`) of lines that are not records, where rejected lines do not tell; same parameters' last."""
    lost: str = ""
    """What is missing of a damaged file, one clause; empty for a whole one."""
    notes: tuple[str, ...] = ()
    again: Callable[[], Source] | None = None
    """Another way to read the file, slower and for worse files: for when the database refuses it, or rejects lines for their encoding."""


def looked_at(names: Sequence[str]) -> tuple[list[int], tuple[str, ...]]:
    """Positions of the columns of a very wide table that are looked at, and what is said of the others.

    The database holds 2,048 cells of each column at once, and some readers take time with the square of the columns.
    """
    if len(names) <= MOST_COLUMNS:
        return list(range(len(names))), ()
    known = [index for index, name in enumerate(names) if known_name(name)][:MOST_COLUMNS]
    first = [index for index in range(len(names)) if index not in {*known}][: MOST_COLUMNS - len(known)]
    return sorted(known + first), (f"only {MOST_COLUMNS} of {len(names)} columns were looked at",)


def quoted(text: str) -> str:
    """A literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def pattern(path: Path) -> str:
    """The path as a glob pattern that matches only itself: DuckDB takes every path for a pattern."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


def sample_rows(columns: int) -> int:
    """How many rows of a table of so many columns are looked at."""
    return max(20, min(SAMPLE_ROWS, MOST_SAMPLE_CELLS // max(1, columns)))


def sampled(connection: duckdb.DuckDBPyConnection, relation: str, parameters: tuple[Parameter, ...], columns: int) -> Sample:
    """The first rows of a relation."""
    return tuple(connection.execute(f"SELECT * FROM {relation} LIMIT {sample_rows(columns)}", list(parameters)).fetchall())


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
        f"SET temp_directory = {quoted(str(folders[0]))}",
        f"SET allowed_directories = [{', '.join(quoted(str(folder)) for folder in folders)}]",
        "SET enable_external_access = false",
        "SET lock_configuration = true",
    )
    with duckdb.connect(":memory:") as connection:
        for setting in settings:
            connection.execute(setting)
        yield connection
