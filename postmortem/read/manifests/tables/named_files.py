"""A sample of the files that a table names, a split at a time: for a look at whether they are there, and at the images among them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from postmortem.read.manifests.tables.columns import Columns
from postmortem.read.manifests.tables.relation import Source
from postmortem.read.manifests.tables.vocabulary import SPLIT_ALIASES, plain

if TYPE_CHECKING:
    import duckdb

MOST_NAMES = 2000
FEWEST_SAMPLED = 3
_FILE = re.compile(r"[^\n\r]{0,1000}\.[A-Za-z][A-Za-z0-9]{1,4}")
_NOT_FILES = re.compile(r"[a-z][a-z0-9+.-]+://|.*@", re.IGNORECASE)
"""Addresses of the network and of people end like names of files."""


def file_column(found: Source, columns: Columns) -> int | None:
    """The column whose cells are names of files: the key, else the first that is called so; None where none is."""
    order: list[int] = [
        *((columns.key,) if columns.key is not None else ()),
        *(at for at, name in enumerate(found.columns) if _is_place(name)),
    ]
    for at in order:
        values = [text.strip() for row in found.sample if at < len(row) and (text := row[at]) is not None and text.strip()]
        if len(values) >= FEWEST_SAMPLED and all(_FILE.fullmatch(each) and not _NOT_FILES.match(each) for each in values):
            return at
    return None


def named_files(connection: duckdb.DuckDBPyConnection, found: Source, column: int, split: int | None, named: str) -> dict[str, list[str]]:
    """Split -> names of files in the order of their hashes, which is the same each time: at most `MOST_NAMES` in all.

    Args:
        connection: holds the table.
        found: the table.
        column: of names of files.
        split: column of splits, if there is one.
        named: the split of the whole table.
    """
    text = f"c{split}" if split is not None else "NULL::VARCHAR"
    rows = connection.execute(
        f"SELECT split, name FROM (SELECT {text} AS split, trim(c{column}) AS name FROM {found.relation}) WHERE name <> ''"
        f" ORDER BY hash(name), name LIMIT {MOST_NAMES}",
        list(found.parameters),
    ).fetchall()
    by_split: dict[str, list[str]] = {}
    for cell, name in rows:
        word = str(cell or "").strip().lower() if split is not None else named
        by_split.setdefault(SPLIT_ALIASES.get(word, word), []).append(str(name))
    return by_split


def _is_place(name: str) -> bool:
    words = set(re.split(r"[^a-z]+", plain(name)))
    return bool(words & {"path", "file", "filename", "filepath", "image", "img", "audio", "video", "wav"})
