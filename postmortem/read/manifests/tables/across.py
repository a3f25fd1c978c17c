"""Keys and groups of several files of one data set, compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from postmortem.model import FoundFile, Manifest
from postmortem.read.manifests.tables.columns import Columns
from postmortem.read.manifests.tables.keys import FEWEST_GROUPS, KeysFound, group_counts, key_counts
from postmortem.read.manifests.tables.load import Label, cells, load, write_splits
from postmortem.read.manifests.tables.rejects import forget, wrongly_encoded
from postmortem.read.manifests.tables.relation import Parameter, Source, database
from postmortem.read.manifests.tables.sources import source

if TYPE_CHECKING:
    import duckdb

MOST_FILES = 250
"""A file's number is one byte in the table."""


def keys_across(one: Manifest, group: Sequence[Manifest], known: Mapping[str, FoundFile]) -> tuple[Manifest, tuple[str, ...]]:
    """The joined manifest with what its files' keys and groups say together, and notes.

    Args:
        one: what `merged` made of the files.
        group: what each file says.
        known: the file behind each source.
    """
    found, groups, grouped = _asked_together(group, known)
    joined = replace(
        one,
        key_column=group[0].key_column if found.duplicates is not None else None,
        duplicate_keys=found.duplicates if all(each.labels != "objects" for each in group) else None,
        shared_keys=found.shared,
        conflicting_keys=found.conflicts,
        group_column=grouped,
        shared_groups=groups,
    )
    return joined, found.notes


def _asked_together(group: Sequence[Manifest], known: Mapping[str, FoundFile]) -> tuple[KeysFound, dict[str, int], str | None]:
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(TemporaryDirectory(prefix="postmortem-")))
        paths = [known[manifest.source].path.absolute() for manifest in group]
        connection = stack.enter_context(database(scratch, *{path.parent for path in paths}))
        if len(group) > MOST_FILES:
            return KeysFound(None, notes=(f"keys were not compared: there are {len(group)} files",)), {}, None
        grouped = group[0].group_column if len({each.group_column for each in group}) == 1 else None
        parts = [
            _append(connection, source(connection, path, scratch), manifest, grouped, place)
            for place, (manifest, path) in enumerate(zip(group, paths, strict=True))
        ]
        splits: dict[object, str] = {place: next(iter(manifest.records)) for place, manifest in enumerate(group)}
        if write_splits(connection, splits, "UTINYINT") is None:
            return KeysFound(None, notes=(f"keys were not compared: there are {len(group)} files of different splits",)), {}, None
        found = key_counts(connection, parts, labelled=all(manifest.labels == "single" for manifest in group))
        groups, shared = group_counts(connection) if grouped is not None else (0, {})
        return (found, shared, grouped) if groups >= FEWEST_GROUPS else (found, {}, None)


def _append(
    connection: duckdb.DuckDBPyConnection, found: Source, manifest: Manifest, grouped: str | None, place: int
) -> tuple[str, tuple[Parameter, ...]]:
    """Add a file's records to the table, read in the way that gives all of them; the statement that gives its text again."""
    import duckdb

    while True:
        at = found.columns.index
        label = Label(at(manifest.label_column) if manifest.label_column in found.columns else None, manifest.label_column)
        columns = Columns((), None, at(str(manifest.key_column)), (), (), group=at(grouped) if grouped is not None else None)
        try:
            load(connection, found, columns, label, place)
            if found.again is None or not wrongly_encoded(connection):
                return cells(found, columns, label), found.parameters
            connection.execute("DELETE FROM records WHERE split = ?", [place])
        except duckdb.Error:
            if found.again is None:
                raise
        found = found.again()
        forget(connection)
