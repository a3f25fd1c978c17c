"""Keys of a manifest: those that recur within a split, and those that splits share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

MOST_SPLITS = 60
"""Splits are bits of one 64-bit number while keys are compared."""
FEWEST_FOR_COUNTERS = 3
NEARLY_ALL = 0.8
"""Not all, because folders of classes count apart, and a class may be rarer in training than in validation."""


def key_counts(
    connection: duckdb.DuckDBPyConnection, parts: Sequence[tuple[str, Sequence[str]]]
) -> tuple[int | None, dict[str, int], list[str]]:
    """Count duplicate and shared keys in the table `records` (split, label, key as a hash).

    Args:
        connection: holds the table.
        parts: statements with their parameters that yield split, label and key as text again: asked only where keys are shared.

    Returns:
        Rows beyond the first of each key within its split (None where the key is no identity), keys in both of each pair of
        splits (`train|validation`), and notes.
    """
    order = {"train": 0, "validation": 1, "test": 2}
    found = [str(row[0]) for row in connection.execute("SELECT DISTINCT split FROM records").fetchall()]
    splits = sorted(found, key=lambda name: (order.get(name, 3), name))
    if len(splits) > MOST_SPLITS:
        return None, {}, [f"keys were not compared: there are {len(splits)} splits"]
    bits = " ".join(f"WHEN ? THEN {1 << index}" for index in range(len(splits)))
    groups = connection.execute(
        f"SELECT inside, count(*), sum(n) FROM (SELECT key, bit_or(CASE split {bits} END::BIGINT) AS inside, count(*) AS n"
        " FROM records WHERE key IS NOT NULL GROUP BY key) GROUP BY inside",
        splits,
    ).fetchall()
    duplicates = sum(int(rows) - int(keys) * int(inside).bit_count() for inside, keys, rows in groups)
    shared: dict[str, int] = {}
    for (i, first), (j, second) in combinations(enumerate(splits), 2):
        both = (1 << i) | (1 << j)
        count = sum(int(keys) for inside, keys, _ in groups if int(inside) & both == both)
        if count:
            shared[f"{first}|{second}"] = count
    # Two splits that both count from 0 share every number of the smaller one.
    alike = [(_keys(groups, 1 << index, several=True), _keys(groups, 1 << index)) for index in range(len(splits))]
    contained = any(common >= NEARLY_ALL * keys > 0 for common, keys in alike)
    if shared and contained and _are_counters(connection, parts):
        return None, {}, ["its key is a running number that starts anew in every split: it does not tell records apart"]
    return duplicates, shared, []


def _keys(groups: Sequence[tuple[int, int, int]], bit: int, several: bool = False) -> int:
    """Different keys of one split; with `several` only those that another split has as well."""
    return sum(int(keys) for inside, keys, _ in groups if int(inside) & bit and (not several or int(inside) != bit))


def _are_counters(connection: duckdb.DuckDBPyConnection, parts: Sequence[tuple[str, Sequence[str]]]) -> bool:
    """Whether the shared keys are running numbers that every split counts from 0 or 1, so that equal keys mean nothing.

    Shared records that happen to be the first ones of a split have such keys as well; they differ in that their labels agree
    between the splits although labels change from one number to the next.
    """
    connection.execute(
        "CREATE OR REPLACE TABLE twice AS SELECT key FROM records WHERE key IS NOT NULL GROUP BY key HAVING count(DISTINCT split) > 1"
    )
    connection.execute("CREATE OR REPLACE TABLE common (split VARCHAR, label VARCHAR, key VARCHAR)")
    for statement, parameters in parts:
        connection.execute(
            f"INSERT INTO common SELECT split, label, key FROM ({statement}) WHERE hash(key) IN (SELECT key FROM twice)", list(parameters)
        )
    connection.execute(
        "CREATE OR REPLACE TABLE numbered AS SELECT regexp_replace(key, '[0-9]+', '#', 'g') AS stem,"
        " try_cast(regexp_extract(key, '([0-9]+)[^0-9]*$', 1) AS BIGINT) AS number, min(label) AS label,"
        " min(label) IS NOT DISTINCT FROM max(label) AS agrees FROM common GROUP BY key"
    )
    row = connection.execute(
        "SELECT bool_and(lowest IN (0, 1) AND highest - lowest + 1 = n), sum(n), count(*)"
        " FROM (SELECT stem, min(number) AS lowest, max(number) AS highest, count(*) AS n FROM numbered GROUP BY stem)"
    ).fetchone()
    if row is None or not row[0] or row[1] < FEWEST_FOR_COUNTERS * row[2]:
        return False
    neighbours = (
        "SELECT agrees, label, number, stem, lag(label) OVER (PARTITION BY stem ORDER BY number) AS before"
        " FROM numbered WHERE label IS NOT NULL"
    )
    labels = connection.execute(
        f"SELECT avg(agrees::INT), avg((label <> before)::INT) FROM ({neighbours}) WHERE before IS NOT NULL"
    ).fetchone()
    spread = connection.execute(
        "SELECT 1 - sum(p * p) FROM (SELECT count(*) / sum(count(*)) OVER () AS p FROM numbered WHERE label IS NOT NULL GROUP BY label)"
    ).fetchone()
    if labels is None or labels[0] is None or spread is None or not spread[0]:
        return True
    return bool(labels[0] < 0.9 or labels[1] < 0.5 * spread[0])
