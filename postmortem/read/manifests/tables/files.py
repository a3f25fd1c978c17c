"""Dataset manifests: records, labels, splits, shared keys and feature statistics, all counted in SQL.

A table is read once into three narrow columns (split, label, hash of the key) of an in-memory database, which spills to a scratch
folder when its memory is used up; nothing of the size of the table ever reaches Python.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from postmortem.model import FoundFile, Manifest, Problem, ReadOptions, Targets
from postmortem.read.manifests.data import ManifestData, failed, first_line
from postmortem.read.manifests.tables.columns import (
    SPLIT_ALIASES,
    Columns,
    choose,
    finite,
    holds_curves,
    is_training_log,
    plain,
    split_name,
    whole,
)
from postmortem.read.manifests.tables.keys import key_counts
from postmortem.read.manifests.tables.rejects import count_of, rejected
from postmortem.read.manifests.tables.sources import Source, SourceError, database, opened, source

if TYPE_CHECKING:
    import duckdb

MANY_CLASSES = 10_000
"""Beyond these a label must recur to be one."""
MOST_CLASSES = 1_000_000
MOST_FEATURES = 2048
LONGEST_LABEL = 256
"""Characters of a label that are kept; what is longer is a text."""
# DuckDB gives even NULL a hash.
_HASH = "CASE WHEN key IS NOT NULL THEN hash(key) END"


@dataclass(frozen=True, slots=True)
class _Labels:
    """What the label column turned out to be."""

    column: int
    counts: Mapping[str, Mapping[str, int]]
    records: Mapping[str, int]
    missing: int
    targets: Targets | None = None
    refused: str = ""
    """Why it does not hold classes, one clause; empty where it does."""


def read_table(file: FoundFile, options: ReadOptions) -> ManifestData:
    """What one table says. Damage, and files that are no manifest, come back as problems; nothing is raised for the file's content."""
    import duckdb

    try:
        with opened(file.path) as (connection, found):
            return _read(connection, found, file)
    except SourceError as problem:
        return failed(file, problem.kind, problem.detail)
    except duckdb.Error as problem:
        return failed(file, "corrupt", f"cannot be read as a table: {first_line(problem, file.path)}")
    except (EOFError, zlib.error) as problem:
        return failed(file, "truncated", f"the compressed data ends early or is damaged: {problem}; no record was read")
    except (OSError, UnicodeError, MemoryError) as problem:
        return failed(file, "unreadable", f"cannot be read: {first_line(problem, file.path)}")


def _listed(names: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(repr(name[:60]) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def _read(connection: duckdb.DuckDBPyConnection, found: Source, file: FoundFile) -> ManifestData:
    notes = list(found.notes)
    if is_training_log(found.columns):
        return ManifestData(
            None, (), (f"{file.name}: a training log (columns {_listed(found.columns)}), not a manifest",), holds_curves(found.columns)
        )
    columns = choose(found.columns, found.sample, found.lists)
    notes.extend(columns.said)
    named = (
        ""
        if columns.split is not None
        else file.group or split_name(Path(file.name).name.split(".")[0]) or split_name(Path(file.name).parent.name)
    )
    label = _labels(connection, found, columns, named)
    rows = sum(label.records.values()) if label else _load(connection, found, None, columns, named)
    problems = list(rejected(connection, found, file, rows))
    if rows == 0:
        if not problems:
            problems.append(Problem(file.name, "corrupt", f"a header and no record (columns {_listed(found.columns)})"))
        return ManifestData(None, tuple(problems), _said(file, notes))
    is_other = not problems and (label is None or bool(label.refused))
    if label is None or label.refused:
        why = label.refused if label else "no column of labels was found"
        problems.append(Problem(file.name, "unsupported", f"{why}; classes cannot be counted; its columns are {_listed(found.columns)}"))
    manifest, said = _manifest(connection, found, file, columns, label, named)
    notes.extend(said)
    # Without labels a table still tells of records and of keys that splits share, where it has splits.
    kept = (
        manifest if label is not None and not label.refused else manifest if columns.key is not None and len(manifest.records) > 1 else None
    )
    return ManifestData(kept, tuple(problems), _said(file, notes), is_other=is_other)


def _said(file: FoundFile, notes: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{file.name}: {note}" for note in notes)


def _manifest(
    connection: duckdb.DuckDBPyConnection, found: Source, file: FoundFile, columns: Columns, label: _Labels | None, named: str
) -> tuple[Manifest, list[str]]:
    notes: list[str] = []
    usable = label is not None and not label.refused
    column = label.column if label is not None and usable else None
    counts = dict(label.counts) if label is not None and usable else {}
    records = dict(label.records) if label is not None else _records(connection)
    taken = [(what, at) for what, at in (("label", column), ("split", columns.split), ("key", columns.key)) if at is not None]
    if taken:
        notes.append(
            ", ".join(f"{what} is column {found.columns[at]!r}" for what, at in taken) + (f"; split {named!r} by its name" if named else "")
        )
    if label is not None and label.targets is not None:
        found_targets = label.targets
        notes.append(
            f"labels are numbers, not classes: regression targets with mean {found_targets.mean:.4g} and standard deviation "
            f"{found_targets.deviation:.4g}"
        )
    duplicates: int | None = None
    shared: dict[str, int] = {}
    if columns.key is not None:
        duplicates, shared, said = key_counts(connection, [(_cells(found, column, columns, named), found.parameters)])
        notes.extend(said)
    features, said = _features(connection, found, columns)
    notes.extend(said)
    runs = _runs(connection) if counts else None
    manifest = Manifest(
        source=file.name,
        rows=sum(records.values()),
        label_column=found.columns[column] if column is not None else "",
        split_column=found.columns[columns.split] if columns.split is not None else None,
        key_column=found.columns[columns.key] if columns.key is not None and duplicates is not None else None,
        counts=counts,
        missing_labels=label.missing if label is not None and usable else 0,
        duplicate_keys=duplicates,
        shared_keys=shared,
        features=features,
        order_runs=runs,
        records=records,
        targets=label.targets if label is not None else None,
    )
    return manifest, notes


# --- the narrow table -------------------------------------------------------------------------------------------------


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _cells(found: Source, label: int | None, columns: Columns, named: str) -> str:
    """A statement for split, label and key of every record, as text."""
    split = _literal(named)
    if columns.split is not None:
        text = f"lower(trim(coalesce(c{columns.split}, '')))"
        column = plain(found.columns[columns.split])
        aliases = dict(SPLIT_ALIASES)
        if column.startswith("is_"):
            yes = SPLIT_ALIASES.get(column[3:], "validation")
            aliases |= dict.fromkeys(("true", "1", "1.0", "yes", "t"), yes)
            aliases |= dict.fromkeys(("false", "0", "0.0", "no", "f"), "train" if yes != "train" else "validation")
        cases = " ".join(f"WHEN {_literal(alias)} THEN {_literal(name)}" for alias, name in aliases.items())
        split = f"CASE {text} {cases} ELSE {text} END"
    text = "NULL::VARCHAR" if label is None else f"trim(left(c{label}, {LONGEST_LABEL}))"
    # Only what no class is called: `NA` and `null` are labels in real data sets.
    labels = f"CASE WHEN lower({text}) IN ('', 'nan', '<na>') THEN NULL ELSE {text} END"
    key = "NULL::VARCHAR" if columns.key is None else f"nullif(trim(c{columns.key}), '')"
    return f"SELECT {split} AS split, {labels} AS label, {key} AS key FROM {found.relation}"


def _load(connection: duckdb.DuckDBPyConnection, found: Source, label: int | None, columns: Columns, named: str) -> int:
    """Fill the table `records` (split, label, hash of the key) and return its number of rows."""
    cells = _cells(found, label, columns, named)
    connection.execute(f"CREATE OR REPLACE TABLE records AS SELECT split, label, {_HASH} AS key FROM ({cells})", list(found.parameters))
    if columns.key is not None:
        return count_of(connection, "SELECT count(*) FROM records")
    connection.execute("ALTER TABLE records DROP COLUMN key")
    return count_of(connection, "SELECT count(*) FROM records")


def _records(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    rows = connection.execute("SELECT split, count(*) FROM records GROUP BY split").fetchall()
    order = {"train": 0, "validation": 1, "test": 2}
    return {str(split): int(count) for split, count in sorted(rows, key=lambda row: (order.get(row[0], 3), row[0]))}


def _labels(connection: duckdb.DuckDBPyConnection, found: Source, columns: Columns, named: str) -> _Labels | None:
    """The first candidate that holds classes or numeric targets; else the last one, with why it was refused; None without candidates."""
    tried: _Labels | None = None
    for column in columns.labels:
        _load(connection, found, column, columns, named)
        tried = _judge(connection, column, found.columns[column])
        if not tried.refused:
            return tried
    return tried


def _judge(connection: duckdb.DuckDBPyConnection, column: int, name: str) -> _Labels:
    records = _records(connection)
    rows = sum(records.values())
    labelled, different = _pair(connection, "SELECT count(label), count(DISTINCT label) FROM records")
    empty: dict[str, dict[str, int]] = {split: {} for split in records}
    if labelled == 0:
        return _Labels(column, {}, records, rows, refused=f"column {name!r} is empty throughout" if rows else "")
    targets = _targets(connection, labelled, different)
    if targets is not None:
        return _Labels(column, {}, records, rows - labelled, targets)
    recurring = different <= labelled / 2 if different > MANY_CLASSES else labelled < 100 or different < 0.9 * labelled
    if different > MOST_CLASSES or not recurring:
        why = f"column {name!r} holds {different} different values in {labelled} rows: a key or a text, not classes"
        return _Labels(column, {}, records, rows - labelled, refused=why)
    counted = connection.execute("SELECT split, label, count(*) FROM records WHERE label IS NOT NULL GROUP BY split, label").fetchall()
    # `1` and `1.0` are one class: a column of integers turns into floats where a cell is missing.
    floats = all(whole(str(label)).lstrip("-").isdigit() for _, label, _ in counted)
    for split, label, count in sorted(counted, key=lambda row: (-row[2], row[1])):
        text = whole(str(label)) if floats else str(label)
        empty[split][text] = empty[split].get(text, 0) + int(count)
    return _Labels(column, empty, records, rows - labelled)


def _pair(connection: duckdb.DuckDBPyConnection, question: str) -> tuple[int, int]:
    row = connection.execute(question).fetchone()
    return (int(row[0]), int(row[1])) if row is not None else (0, 0)


def _targets(connection: duckdb.DuckDBPyConnection, labelled: int, different: int) -> Targets | None:
    """Labels that are numbers but not classes: many fractions, or very many integers."""
    row = connection.execute(
        "SELECT count(x), count(*) FILTER (WHERE x <> trunc(x)), avg(x) FILTER (WHERE isfinite(x)),"
        " sqrt(greatest(0, avg(x * x) FILTER (WHERE isfinite(x)) - avg(x) FILTER (WHERE isfinite(x)) ** 2)),"
        " count(x) FILTER (WHERE isfinite(x)), min(x) FILTER (WHERE isfinite(x)), max(x) FILTER (WHERE isfinite(x))"
        " FROM (SELECT try_cast(label AS DOUBLE) AS x FROM records WHERE label IS NOT NULL)"
    ).fetchone()
    if row is None or row[0] < labelled or not finite(row[2]) or not finite(row[3]):
        return None
    fractions = row[1] > 0 and different > min(20, labelled / 2)
    integers = different > 256 and different > labelled / 20
    if not fractions and not integers:
        return None
    return Targets(int(row[4]), float(row[2]), float(row[3]), float(row[5]), float(row[6]), different, not_finite=int(row[0] - row[4]))


def _runs(connection: duckdb.DuckDBPyConnection) -> int:
    """Runs of equal labels in row order, blank labels passed over."""
    return count_of(
        connection,
        "SELECT count(*) FROM (SELECT label, lag(label) OVER () AS before FROM (SELECT label FROM records WHERE label IS NOT NULL))"
        " WHERE label IS DISTINCT FROM before",
    )


# --- features and damage ----------------------------------------------------------------------------------------------


def _features(connection: duckdb.DuckDBPyConnection, found: Source, columns: Columns) -> tuple[dict[str, tuple[float, float]], list[str]]:
    """Mean and standard deviation of numeric columns, over their finite cells."""
    if not columns.features:
        return {}, []
    chosen = columns.features[:MOST_FEATURES]
    # trim() keeps DuckDB from moving the cast into the file's scan, where a cell that is no number would cost its whole line.
    cells = ", ".join(f"try_cast(trim(c{index}) AS DOUBLE) AS x{index}" for index in chosen)
    sums = ", ".join(
        f"avg(x{index}) FILTER (WHERE isfinite(x{index})), stddev_pop(x{index}) FILTER (WHERE isfinite(x{index}) AND abs(x{index}) < 1e150)"
        for index in chosen
    )
    row = connection.execute(f"SELECT {sums} FROM (SELECT {cells} FROM {found.relation})", list(found.parameters)).fetchone()
    numbers = row or ()
    pairs = {found.columns[index]: (numbers[2 * place], numbers[2 * place + 1]) for place, index in enumerate(chosen)}
    features = {name: (float(mean), float(deviation)) for name, (mean, deviation) in pairs.items() if finite(mean) and finite(deviation)}
    notes = [f"{len(features)} numeric columns are taken for features"]
    if len(columns.features) > MOST_FEATURES:
        notes.append(f"only the first {MOST_FEATURES} of {len(columns.features)} numeric columns were looked at")
    return features, notes


def keys_across(group: Sequence[Manifest], known: Mapping[str, FoundFile]) -> tuple[int | None, dict[str, int], list[str]]:
    """What `key_counts` says of several files together."""
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(TemporaryDirectory(prefix="postmortem-")))
        paths = [known[manifest.source].path.absolute() for manifest in group]
        connection = stack.enter_context(database(scratch, *{path.parent for path in paths}))
        parts: list[tuple[str, tuple[str, ...]]] = []
        connection.execute("CREATE TABLE records (split VARCHAR, label VARCHAR, key UBIGINT)")
        for manifest, path in zip(group, paths, strict=True):
            found = source(connection, path, scratch)
            label = found.columns.index(manifest.label_column) if manifest.label_column in found.columns else None
            columns = Columns((), None, found.columns.index(str(manifest.key_column)), (), ())
            cells = _cells(found, label, columns, next(iter(manifest.records)))
            connection.execute(f"INSERT INTO records SELECT split, label, {_HASH} FROM ({cells})", list(found.parameters))
            parts.append((cells, found.parameters))
        return key_counts(connection, parts)
