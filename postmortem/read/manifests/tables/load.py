"""A table read once into a narrow one: what its cells hold is judged on the few different values of it, not row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from postmortem.read.manifests.tables.columns import Columns
from postmortem.read.manifests.tables.relation import Source
from postmortem.read.manifests.tables.vocabulary import split_value

if TYPE_CHECKING:
    import duckdb

LONGEST_LABEL = 256
"""Characters of a label that are kept; what is longer is a text."""
MOST_SPLITS = 60
"""Splits are bits of one 64-bit number while keys are compared; a column of more names is none of splits."""
BETWEEN = "\x1f"
"""Stands between the positions of one-hot columns that are set; no label holds it."""
NO_KEYS = "(hash(''), hash(NULL::VARCHAR))"
"""What blank keys and groups become."""
CLEAN = "CASE WHEN lower(trim(label)) IN ('', 'nan', '<na>') THEN NULL ELSE regexp_replace(trim(label), '^(-?[0-9]+)\\.0$', '\\1') END"
"""A label as `labels.clean` makes it. `NA` and `null` stay: they are labels in real data sets."""
_SPLIT_ORDER = {"train": 0, "validation": 1, "test": 2}


@dataclass(frozen=True, slots=True)
class Label:
    """Where labels are taken from."""

    column: int | None
    """None for one-hot columns, and where nothing holds labels."""
    name: str
    members: str = ""
    """How several classes stand in one cell: `list`, `one-hot`, or the character between them; empty where a cell holds one."""
    one_hot: tuple[int, ...] = ()


def number(connection: duckdb.DuckDBPyConnection, question: str, parameters: Sequence[object] = ()) -> int:
    """The whole number that answers a question; 0 where nothing does."""
    row = connection.execute(question, list(parameters)).fetchone()
    return int(row[0] or 0) if row is not None else 0


def _padded(found: Source, column: int) -> bool:
    return any(cell is not None and cell != cell.strip() for row in found.sample for cell in (row[column],))


def _label(found: Source, label: Label) -> str:
    if label.one_hot:
        marks = (f"CASE WHEN lower(trim(c{i})) IN ('1', '1.0', 'true') THEN '{place}' END" for place, i in enumerate(label.one_hot))
        return f"concat_ws('{BETWEEN}', {', '.join(marks)})"
    if label.column is None:
        return "NULL::VARCHAR"
    long = any(len(cell) > LONGEST_LABEL // 2 for row in found.sample if (cell := row[label.column]) is not None)
    # Lists are not cut: half a list is no list.
    return f"left(c{label.column}, {LONGEST_LABEL})" if long and not label.members else f"c{label.column}"


def _key(found: Source, column: int) -> str:
    # Trimming a whole column costs as much as reading it; where the sampled cells are not padded, none is.
    return f"trim(c{column})" if _padded(found, column) else f"c{column}"


def cells(found: Source, columns: Columns, label: Label) -> str:
    """A statement for split, label and key of every record, as the file's text."""
    split = "0::UTINYINT" if columns.split is None else f"c{columns.split}"
    key = "NULL::VARCHAR" if columns.key is None else _key(found, columns.key)
    return f"SELECT {split} AS split, {_label(found, label)} AS label, {key} AS key FROM {found.relation}"


def load(connection: duckdb.DuckDBPyConnection, found: Source, columns: Columns, label: Label, file: int | None = None) -> int:
    """Fill the table `records` (split and label as they stand there; key and group as hashes) and return its number of rows.

    With a number of a file the rows are added to the table, and the number stands for their split.
    """
    split = f"{file}::UTINYINT" if file is not None else "0::UTINYINT" if columns.split is None else f"c{columns.split}"
    narrow = [f"{split} AS split", f"{_label(found, label)} AS label"]
    if columns.key is not None:
        narrow.append(f"hash({_key(found, columns.key)}) AS key")
    if columns.group is not None:
        narrow.append(f"hash(trim(c{columns.group})) AS grouped")
    into = "INSERT INTO records" if file else "CREATE OR REPLACE TABLE records AS"
    return number(connection, f"{into} SELECT {', '.join(narrow)} FROM {found.relation}", found.parameters)


def split_order(name: str) -> tuple[int, str]:
    """Training first, test last, others behind by name."""
    return (_SPLIT_ORDER.get(name, 3), name)


def name_splits(
    connection: duckdb.DuckDBPyConnection, column: str | None, named: str, tallied: bool
) -> tuple[Mapping[object, str] | None, dict[str, int]]:
    """Write the table `split_names` (what stands in `records`, its name, its bit).

    Args:
        connection: holds `records`.
        column: the split column's own name; None where the file has none.
        named: the split of all records then.
        tallied: whether the table `pairs` counts the records already.

    Returns:
        What stands in `records` -> split, None where those are too many to be splits; and the records of each split.
    """
    question = "SELECT split, sum(n) FROM pairs GROUP BY split" if tallied else "SELECT split, count(*) FROM records GROUP BY split"
    found = connection.execute(question).fetchall()
    names = {raw: named if column is None else split_value(raw, column) for raw, _ in found}
    records: dict[str, int] = {}
    for raw, count in found:
        records[names[raw]] = records.get(names[raw], 0) + int(count)
    ordered = dict(sorted(records.items(), key=lambda pair: split_order(pair[0])))
    return write_splits(connection, names, "UTINYINT" if column is None else "VARCHAR"), ordered


def write_splits(connection: duckdb.DuckDBPyConnection, names: Mapping[object, str], kind: str) -> Mapping[object, str] | None:
    """Write the table `split_names` from names that are known; None where there are too many for it."""
    connection.execute(f"CREATE OR REPLACE TABLE split_names (raw {kind}, name VARCHAR, bit BIGINT)")
    places = {name: place for place, name in enumerate(sorted(set(names.values()), key=split_order))}
    if len(places) > MOST_SPLITS:
        return None
    for raw, name in names.items():
        connection.execute("INSERT INTO split_names VALUES (?, ?, ?)", [raw, name, 1 << places[name]])
    return names
