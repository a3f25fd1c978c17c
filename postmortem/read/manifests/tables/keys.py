"""Keys and groups of a manifest: what recurs within a split, what splits share, and what recurs with another label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

from postmortem.read.manifests.tables.load import CLEAN, NO_KEYS, number
from postmortem.read.manifests.tables.relation import Parameter

if TYPE_CHECKING:
    import duckdb

FEWEST_FOR_COUNTERS = 3
NEARLY_ALL = 0.8
"""Not all, because folders of classes count apart, and a class may be rarer in training than in validation."""
KEYS_AT_ONCE = 1 << 23
"""Sorted in memory in one go, 8 bytes each and three copies; more of them are sorted in several passes over ranges of the hash."""
FEWEST_GROUPS = 10
"""Fewer are kinds of record (a device, one of two sites) that every split must hold."""
_BITS = "JOIN split_names s ON r.split IS NOT DISTINCT FROM s.raw"


@dataclass(frozen=True, slots=True)
class KeysFound:
    """What keys tell."""

    duplicates: int | None
    """Rows beyond the first of each key within its split; None where the key is no identity."""
    shared: dict[str, int] = field(default_factory=dict)
    """`train|validation` -> keys in both."""
    conflicts: int | None = None
    """Keys with different labels."""
    notes: tuple[str, ...] = ()


def _recurring(connection: duckdb.DuckDBPyConnection) -> None:
    """Fill the table `twice` with the keys that stand in more than one row.

    Sorting hashes takes a quarter of the time of grouping them, and a known amount of memory.
    """
    import numpy as np

    connection.execute("CREATE OR REPLACE TABLE twice (key UBIGINT)")
    rows = number(connection, "SELECT count(*) FROM records")
    passes = max(1, -(-rows // KEYS_AT_ONCE))
    bounds = [(1 << 64) * place // passes for place in range(passes + 1)]
    for low, high in pairwise(bounds):
        where = f"key NOT IN {NO_KEYS}" + (f" AND key BETWEEN {low} AND {high - 1}" if passes > 1 else "")
        keys = np.asarray(connection.execute(f"SELECT key FROM records WHERE {where}").fetchnumpy()["key"], np.uint64)
        keys.sort()
        again = np.unique(keys[1:][keys[1:] == keys[:-1]])
        if not len(again):
            continue
        connection.register("again", {"key": again})
        connection.execute("INSERT INTO twice SELECT key FROM again")
        connection.unregister("again")


def key_counts(
    connection: duckdb.DuckDBPyConnection,
    parts: Sequence[tuple[str, Sequence[Parameter]]],
    labelled: bool = True,
    records: Mapping[str, int] | None = None,
) -> KeysFound:
    """Count duplicate, shared and conflicting keys in the tables `records` and `split_names`.

    Args:
        connection: holds the tables.
        parts: statements with their parameters that yield split, label and key as text again: asked only where keys are shared.
        labelled: whether each record carries one label, so that two of one key may contradict each other.
        records: split -> records, where they are counted already.
    """
    _recurring(connection)
    connection.execute(
        "CREATE OR REPLACE TABLE repeated AS SELECT r.key, s.name AS split, s.bit, " + CLEAN + " AS label, count(*) AS n"
        f" FROM (SELECT key, split, label FROM records SEMI JOIN twice USING (key)) r {_BITS} GROUP BY ALL"
    )
    groups = connection.execute(
        "SELECT inside, count(*), sum(n) FROM (SELECT key, bit_or(bit) AS inside, sum(n) AS n FROM repeated GROUP BY key) GROUP BY inside"
    ).fetchall()
    splits = _splits(connection)
    duplicates = sum(int(rows) - int(keys) * int(inside).bit_count() for inside, keys, rows in groups)
    shared = _shared(groups, splits)
    # Two splits that both count from 0 share every number of the smaller one.
    if shared and _contained(connection, groups, splits, records) and _are_counters(connection, parts):
        note = "its key is a running number that starts anew in every split: it does not tell records apart"
        return KeysFound(None, notes=(note,))
    conflicts = None
    if labelled:
        differing = "SELECT key FROM repeated GROUP BY key HAVING min(label) <> max(label)"
        conflicts = number(connection, f"SELECT count(*) FROM ({differing})")
    return KeysFound(duplicates, shared, conflicts)


def _splits(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, int]]:
    """Names of splits and their bits."""
    rows = connection.execute("SELECT DISTINCT name, bit FROM split_names ORDER BY bit").fetchall()
    return [(str(name), int(bit)) for name, bit in rows]


def _shared(groups: Sequence[tuple[int, int, int]], splits: Sequence[tuple[str, int]]) -> dict[str, int]:
    shared: dict[str, int] = {}
    for (first, one), (second, other) in combinations(splits, 2):
        count = sum(int(keys) for inside, keys, *_ in groups if int(inside) & one and int(inside) & other)
        if count:
            shared[f"{first}|{second}"] = count
    return shared


def _contained(
    connection: duckdb.DuckDBPyConnection,
    groups: Sequence[tuple[int, int, int]],
    splits: Sequence[tuple[str, int]],
    records: Mapping[str, int] | None,
) -> bool:
    """Whether nearly all keys of a split stand in another one as well."""
    # Rows of a split whose keys recur nowhere are all of its rows less the repeated ones: no join of the whole table is needed.
    if records is not None and number(connection, f"SELECT count(*) FROM records WHERE key IN {NO_KEYS}") == 0:
        keyed = {bit: records.get(name, 0) for name, bit in splits}
    else:
        counted = f"SELECT split, count(*) AS n FROM records WHERE key NOT IN {NO_KEYS} GROUP BY split"
        keyed = dict(connection.execute(f"SELECT s.bit, sum(r.n) FROM ({counted}) r {_BITS} GROUP BY s.bit").fetchall())
    again = dict(connection.execute("SELECT bit, sum(n) FROM repeated GROUP BY bit").fetchall())
    once = {bit: int(rows) - int(again.get(bit, 0)) for bit, rows in keyed.items()}
    for _, bit in splits:
        common = sum(int(keys) for inside, keys, _ in groups if int(inside) & bit and int(inside) != bit)
        alone = sum(int(keys) for inside, keys, _ in groups if int(inside) == bit)
        if common >= NEARLY_ALL * (common + alone + int(once.get(bit, 0))) > 0:
            return True
    return False


def group_counts(connection: duckdb.DuckDBPyConnection) -> tuple[int, dict[str, int]]:
    """Different groups of `records`, and those that splits share."""
    known = f"FROM records r {_BITS} WHERE r.grouped NOT IN {NO_KEYS} GROUP BY r.grouped"
    groups = connection.execute(f"SELECT inside, count(*), 0 FROM (SELECT bit_or(s.bit) AS inside {known}) GROUP BY inside").fetchall()
    splits = _splits(connection)
    return sum(int(count) for _, count, _ in groups), _shared(groups, splits)


def _are_counters(connection: duckdb.DuckDBPyConnection, parts: Sequence[tuple[str, Sequence[Parameter]]]) -> bool:
    """Whether the shared keys are running numbers that every split counts from 0 or 1, so that equal keys mean nothing.

    Shared records that happen to be the first ones of a split have such keys as well; they differ in that their labels agree
    between the splits although labels change from one number to the next.
    """
    connection.execute("CREATE OR REPLACE TABLE inboth AS SELECT key FROM repeated GROUP BY key HAVING count(DISTINCT split) > 1")
    connection.execute("CREATE OR REPLACE TABLE common (label VARCHAR, key VARCHAR)")
    for statement, parameters in parts:
        connection.execute(
            f"INSERT INTO common SELECT {CLEAN}, key FROM ({statement}) WHERE hash(key) IN (SELECT key FROM inboth)", list(parameters)
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
