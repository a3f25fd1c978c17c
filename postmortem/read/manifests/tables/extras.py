"""What else is asked of a table: order of labels, names of classes, images without objects, durations, features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from postmortem.read.manifests.tables.columns import finite
from postmortem.read.manifests.tables.labels import MANY_CLASSES, clean
from postmortem.read.manifests.tables.load import CLEAN, NO_KEYS, number, split_order
from postmortem.read.manifests.tables.relation import Source
from postmortem.read.manifests.tables.targets import LARGEST

if TYPE_CHECKING:
    import duckdb

FEATURES_AT_ONCE = 1024
"""Columns of one scan of the file: a block of each is held several times over."""


def runs(connection: duckdb.DuckDBPyConnection, merged: bool) -> int:
    """Runs of equal labels in row order, blank labels passed over; `merged` says that labels must be cleaned to be compared."""
    question = f"SELECT DISTINCT label FROM pairs WHERE label IS NOT NULL AND {CLEAN} IS NULL"
    blank = [row[0] for row in connection.execute(question).fetchall()]
    where = "label IS NOT NULL" + (f" AND label NOT IN ({', '.join('?' * len(blank))})" if blank else "")
    label = CLEAN if merged else "label"
    return number(
        connection,
        f"SELECT count(*) FROM (SELECT label, lag(label) OVER () AS before FROM (SELECT {label} AS label FROM records WHERE {where}))"
        " WHERE label IS DISTINCT FROM before",
        blank,
    )


def named_classes(
    connection: duckdb.DuckDBPyConnection,
    found: Source,
    numbers: int,
    names: int,
    counts: Mapping[str, Mapping[str, int]],
    notes: list[str],
) -> tuple[Mapping[str, Mapping[str, int]], tuple[str, ...]]:
    """Counts by name and the names in order of their numbers, where the columns of both agree one to one; else what was given."""
    question = f"SELECT DISTINCT c{numbers}, c{names} FROM {found.relation} LIMIT {2 * MANY_CLASSES}"
    pairs = {
        (clean(one), (other or "").strip())
        for one, other in connection.execute(question, list(found.parameters)).fetchall()
        if clean(one) or (other or "").strip()
    }
    called = dict(pairs)
    number_column, name_column = found.columns[numbers], found.columns[names]
    labels = {label for of_split in counts.values() for label in of_split}
    if len(called) != len(pairs) or len(set(called.values())) != len(pairs) or "" in called.values() or not labels <= called.keys():
        notes.append(f"columns {number_column!r} and {name_column!r} do not agree one to one; {number_column!r} is counted")
        return counts, ()
    notes.append(f"classes are numbered in column {number_column!r} and named in column {name_column!r}")
    renamed = {split: {called[label]: count for label, count in of_split.items()} for split, of_split in counts.items()}
    if {*called} != {str(place) for place in range(len(called))}:
        return renamed, ()
    return renamed, tuple(called[str(place)] for place in range(len(called)))


def background(connection: duckdb.DuckDBPyConnection) -> tuple[dict[str, int], int]:
    """Images by split, and those of them whose rows have no label, where each row is an object in an image."""
    rows = connection.execute(
        "SELECT name, count(*), count(*) FILTER (WHERE label IS NULL)"
        f" FROM (SELECT s.name, r.key, max({CLEAN}) AS label FROM records r JOIN split_names s ON r.split IS NOT DISTINCT FROM s.raw"
        f" WHERE r.key NOT IN {NO_KEYS} GROUP BY s.name, r.key) GROUP BY name"
    ).fetchall()
    images = {str(name): int(count) for name, count, _ in sorted(rows, key=lambda row: split_order(row[0]))}
    return images, sum(int(empty) for *_, empty in rows)


def durations(connection: duckdb.DuckDBPyConnection, found: Source, column: int) -> float | None:
    """Total of a column of seconds; None where a record gives none."""
    seconds = f"SELECT try_cast(trim(c{column}) AS DOUBLE) AS x FROM {found.relation}"
    question = f"SELECT sum(x), count(*), count(x) FILTER (WHERE isfinite(x)) FROM ({seconds})"
    row = connection.execute(question, list(found.parameters)).fetchone()
    return float(row[0]) if row is not None and row[1] == row[2] and finite(row[0]) else None


def features(
    connection: duckdb.DuckDBPyConnection, found: Source, columns: Sequence[int], notes: list[str]
) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of numeric columns, over their finite cells."""
    if not columns:
        return {}
    means: dict[str, tuple[float, float]] = {}
    for begin in range(0, len(columns), FEATURES_AT_ONCE):
        means |= _moments(connection, found, columns[begin : begin + FEATURES_AT_ONCE])
    notes.append(f"{len(means)} numeric columns are taken for features")
    return means


def _moments(connection: duckdb.DuckDBPyConnection, found: Source, chosen: Sequence[int]) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of a few columns."""
    # trim() keeps DuckDB from moving the cast into the file's scan, where a cell that is no number would cost its whole line. No FILTER
    # on the sums: each of them would hold a block of all columns.
    cells = ", ".join(f"try_cast(trim(c{index}) AS DOUBLE) AS x{index}" for index in chosen)
    usable = ", ".join(f"CASE WHEN isfinite(x{index}) AND abs(x{index}) < {LARGEST} THEN x{index} END AS x{index}" for index in chosen)
    sums = ", ".join(f"avg(x{index}), stddev_pop(x{index})" for index in chosen)
    scan = f"(SELECT {usable} FROM (SELECT {cells} FROM {found.relation}))"
    row = connection.execute(f"SELECT {sums} FROM {scan}", list(found.parameters)).fetchone()
    numbers = row or ()
    pairs = {found.columns[index]: (numbers[2 * place], numbers[2 * place + 1]) for place, index in enumerate(chosen)}
    return {name: (float(mean), float(deviation)) for name, (mean, deviation) in pairs.items() if finite(mean) and finite(deviation)}
