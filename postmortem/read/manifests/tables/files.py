"""Dataset manifests: records, labels, splits, shared keys and feature statistics, all counted in SQL.

A table is read once into a few narrow columns (split, label, hashes of key and group) of an in-memory database, which spills to a
scratch folder when its memory is used up; nothing of the size of the table ever reaches Python but one range of hashes at a time.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from postmortem.model import FoundFile, LabelKind, Manifest, Problem, ReadOptions
from postmortem.read.manifests.companions import look
from postmortem.read.manifests.data import ManifestData, failed, first_line
from postmortem.read.manifests.tables.columns import Columns, choose, holds_curves, is_training_log
from postmortem.read.manifests.tables.extras import background, durations, features, named_classes, runs
from postmortem.read.manifests.tables.keys import FEWEST_GROUPS, KeysFound, group_counts, key_counts
from postmortem.read.manifests.tables.labels import Labels, judge, separator, tally
from postmortem.read.manifests.tables.load import MOST_SPLITS, Label, cells, load, name_splits, number
from postmortem.read.manifests.tables.named_files import file_column, named_files
from postmortem.read.manifests.tables.rejects import forget, rejected, wrongly_encoded
from postmortem.read.manifests.tables.relation import Source, SourceError
from postmortem.read.manifests.tables.sources import opened
from postmortem.read.manifests.tables.vocabulary import split_name

if TYPE_CHECKING:
    import duckdb

NOT_GROUPS = 0.9
"""Share of the records, from which different groups are no groups but one for each record."""


def read_table(file: FoundFile, options: ReadOptions) -> ManifestData:
    """What one table says. Damage, and files that are no manifest, come back as problems; nothing is raised for the file's content."""
    import duckdb

    try:
        with opened(file.path) as (connection, found):
            return _read_some_way(connection, found, file, options)
    except SourceError as problem:
        return replace(failed(file, problem.kind, problem.detail), is_other=problem.is_other)
    except duckdb.Error as problem:
        return failed(file, "corrupt", f"cannot be read as a table: {first_line(problem, file.path)}")
    except (EOFError, zlib.error) as problem:
        return failed(file, "truncated", f"the compressed data ends early or is damaged: {problem}; no record was read")
    except (OSError, UnicodeError, MemoryError) as problem:
        return failed(file, "unreadable", f"cannot be read: {first_line(problem, file.path)}")


def _read_some_way(connection: duckdb.DuckDBPyConnection, found: Source, file: FoundFile, options: ReadOptions) -> ManifestData:
    """What a table says, read in the fastest way that gives all its lines."""
    import duckdb

    while found.again is not None:
        try:
            read = _read(connection, found, file, options)
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error:
            read = None
        if read is not None:
            return read
        found = found.again()
        forget(connection)
    read = _read(connection, found, file, options)
    assert read is not None  # there is no other way to read it
    return read


def _listed(names: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(repr(name[:60]) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def _read(connection: duckdb.DuckDBPyConnection, found: Source, file: FoundFile, options: ReadOptions) -> ManifestData | None:
    """What a table says; None where it is to be read in another way because of its encoding."""
    if is_training_log(found.columns):
        note = f"{file.name}: a training log (columns {_listed(found.columns)}), not a manifest"
        return ManifestData(None, (), (note,), holds_curves(found.columns))
    columns = choose(found.columns, found.sample, found.lists, options)
    notes = [*found.notes, *(f"{said}; its columns are {_listed(found.columns)}" if "no column" in said else said for said in columns.said)]
    named = file.group or split_name(Path(file.name).name.split(".")[0]) or split_name(Path(file.name).parent.name)
    labels, columns, records = _labels(connection, found, columns, named, notes)
    if found.again is not None and wrongly_encoded(connection):
        return None
    rows = sum(records.values())
    broken, problems = rejected(connection, found, file, rows)
    if rows == 0:
        if not problems:
            problems.append(Problem(file.name, "corrupt", f"a header and no record (columns {_listed(found.columns)})"))
        return ManifestData(None, tuple(problems), _said(file, notes))
    text = columns.transcript is not None and (labels is None or bool(labels.refused))
    is_other = not problems and not text and (labels is None or bool(labels.refused))
    if (labels is None or labels.refused) and not text:
        why = labels.refused if labels else "no column of labels was found"
        problems.append(Problem(file.name, "unsupported", f"{why}; classes cannot be counted; its columns are {_listed(found.columns)}"))
    if labels is not None and labels.refused:
        labels = None
    problems.extend(_headers(file, labels))
    notes.extend(_same_names(found, columns))
    manifest = _manifest(connection, found, file, columns, labels, records, "" if columns.split is not None else named, notes)
    # Without labels a table still tells of records and of keys that splits share, where it has splits.
    kept = labels is not None or text or (columns.key is not None and len(manifest.records) > 1)
    whole = replace(manifest, rejected=broken, names_files=file_column(found, columns) is not None) if kept else None
    names = _file_names(connection, found, file, columns, named) if kept else {}
    return ManifestData(whole, tuple(problems), _said(file, notes), is_other=is_other, file_names=names)


def _headers(file: FoundFile, labels: Labels | None) -> list[Problem]:
    """What is said of rows that are the header once more, as where files were joined."""
    count = sum(numbers.get(labels.label.name, 0) for numbers in labels.counts.values()) if labels is not None else 0
    if labels is None or not count or labels.label.column is None:
        return []
    repeat = "1 record repeats" if count == 1 else f"{count} records repeat"
    return [Problem(file.name, "corrupt", f"{repeat} the header, and {labels.label.name!r} is counted as a class")]


def _same_names(found: Source, columns: Columns) -> list[str]:
    """What is said of columns of one name, where the first of them was taken."""
    taken = {at for at in (columns.split, columns.key, *columns.labels[:1]) if at is not None}
    counts = {at: found.columns.count(found.columns[at]) for at in sorted(taken)}
    return [f"{count} columns are called {found.columns[at]!r}; the first is taken" for at, count in counts.items() if count > 1]


def _file_names(
    connection: duckdb.DuckDBPyConnection, found: Source, file: FoundFile, columns: Columns, named: str
) -> Mapping[str, Sequence[str]]:
    """Files that a table names, where the first of them are there: else the data lie elsewhere, and the table is not gone over for them."""
    column = file_column(found, columns)
    if column is None:
        return {}
    first = [text for row in found.sample if (text := row[column]) is not None]
    return named_files(connection, found, column, columns.split, named) if look(first, file.path.parent) is not None else {}


def _said(file: FoundFile, notes: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{file.name}: {note}" for note in notes)


def _candidates(found: Source, columns: Columns) -> list[tuple[Label, tuple[str, ...]]]:
    """What labels may be taken from, with the sampled cells of each."""
    if columns.one_hot:
        called = ", ".join(found.columns[i] for i in columns.one_hot[:6]) + (", ..." if len(columns.one_hot) > 6 else "")
        return [(Label(None, called, "one-hot", columns.one_hot), ())]
    listed: list[tuple[Label, tuple[str, ...]]] = []
    for column in columns.labels:
        values = tuple(text.strip() for row in found.sample if (text := row[column]) is not None and text.strip())
        listed.append((Label(column, found.columns[column], separator(values)), values))
    return listed


def _labels(
    connection: duckdb.DuckDBPyConnection, found: Source, columns: Columns, named: str, notes: list[str]
) -> tuple[Labels | None, Columns, Mapping[str, int]]:
    """The first candidate that holds classes or numeric targets; else the last one, with why it was refused; None without candidates."""
    tried: Labels | None = None
    records: Mapping[str, int] = {}
    for label, values in _candidates(found, columns) or [(Label(columns.transcript, ""), ())]:
        load(connection, found, columns, label)
        counted = _tallied(connection, found, columns, label, values)
        names, records = name_splits(connection, found.columns[columns.split] if columns.split is not None else None, named, counted)
        if names is None and columns.split is not None:
            column = found.columns[columns.split]
            notes.append(f"column {column!r} holds {len(records)} different values, more than {MOST_SPLITS}: no splits")
            columns = replace(columns, split=None)
            load(connection, found, columns, label)
            counted = _tallied(connection, found, columns, label, values)
            names, records = name_splits(connection, None, named, counted)
        if not label.name:
            break
        tried = judge(connection, label, names or {}, counted, found.columns) if records else None
        if tried is None or not tried.refused:
            break
    return tried, columns, records


def _tallied(connection: duckdb.DuckDBPyConnection, found: Source, columns: Columns, label: Label, values: Sequence[str]) -> bool:
    """Whether labels are few enough to be counted, and are."""
    if found.format != "Parquet":
        return tally(connection, values)
    # Parquet holds words once and their numbers in each row, and the database counts the numbers.
    return tally(connection, values, f"({cells(found, columns, label)})", found.parameters)


def _manifest(
    connection: duckdb.DuckDBPyConnection,
    found: Source,
    file: FoundFile,
    columns: Columns,
    labels: Labels | None,
    records: Mapping[str, int],
    named: str,
    notes: list[str],
) -> Manifest:
    label = labels.label if labels is not None else Label(columns.transcript, "")
    counts = labels.counts if labels is not None else {}
    kind = _kind(columns, labels)
    text = found.columns[columns.transcript] if labels is None and columns.transcript is not None else ""
    taken = [("label", label.column), ("split", columns.split), ("key", columns.key), ("group", columns.group)]
    said = ", ".join(f"{what} is column {found.columns[at]!r}" for what, at in taken if at is not None)
    if label.one_hot:
        said = f"labels are the columns of 0 and 1 {label.name}" + (f", {said}" if said else "")
    if said:
        notes.append(said + (f"; split {named!r} by its name" if named else ""))
    notes.extend(_label_notes(labels, kind))
    missing = labels.missing if labels is not None else 0
    if text:
        missing = number(connection, "SELECT count(*) FROM records WHERE trim(coalesce(label, '')) = ''")
    classes: tuple[str, ...] = ()
    if kind == "single" and columns.names is not None and label.column is not None and counts:
        counts, classes = named_classes(connection, found, label.column, columns.names, counts, notes)
    keys = KeysFound(None)
    if columns.key is not None:
        keys = key_counts(connection, [(cells(found, columns, label), found.parameters)], labelled=kind == "single", records=records)
        notes.extend(keys.notes)
    known = columns.key is not None and not keys.notes
    group, shared_groups = _groups(connection, found, columns, records, notes)
    empty = 0
    if kind == "objects" and known:
        records, empty = background(connection)
        notes.append(f"rows are objects in {sum(records.values())} images, {empty} of them without one")
        missing = 0
    means = features(connection, found, columns.features, notes)
    return Manifest(
        source=file.name,
        rows=sum(records.values()),
        label_column=label.name or text,
        split_column=found.columns[columns.split] if columns.split is not None else None,
        key_column=found.columns[columns.key] if columns.key is not None and known else None,
        counts=counts,
        missing_labels=missing,
        # Objects of one image repeat its key, and that is no duplicate.
        duplicate_keys=keys.duplicates if kind != "objects" else None,
        shared_keys=keys.shared,
        features=means,
        order_runs=runs(connection, labels.merged) if labels is not None and kind == "single" and counts else None,
        records=dict(records),
        targets=labels.targets if labels is not None else None,
        format=_format(found),
        labels=kind,
        classes=classes,
        background=empty,
        conflicting_keys=keys.conflicts,
        group_column=group,
        shared_groups=shared_groups,
        seconds=durations(connection, found, columns.seconds) if columns.seconds is not None else None,
    )


def _format(found: Source) -> str:
    speech = found.format.startswith("JSON") and {"audio_filepath", "duration"} <= set(found.columns)
    return "NeMo manifest" if speech else found.format


def _kind(columns: Columns, labels: Labels | None) -> LabelKind:
    if labels is None:
        return "text" if columns.transcript is not None else ""
    if labels.targets is not None:
        return "targets"
    if labels.several:
        return "multiple"
    return "objects" if columns.objects else "single"


def _label_notes(labels: Labels | None, kind: LabelKind) -> list[str]:
    if labels is None:
        return ["labels are texts, not classes"] if kind == "text" else []
    if labels.targets is not None:
        mean, deviation = labels.targets.mean, labels.targets.deviation
        return [f"labels are numbers, not classes: regression targets with mean {mean:.4g} and standard deviation {deviation:.4g}"]
    if kind == "multiple":
        how = {"list": "lists", "one-hot": "several columns of 0 and 1"}.get(labels.label.members, f"separated by {labels.label.members!r}")
        return [f"a record may carry several classes ({how}); each class is counted once a record; {labels.none} records carry none"]
    return []


def _groups(
    connection: duckdb.DuckDBPyConnection, found: Source, columns: Columns, records: Mapping[str, int], notes: list[str]
) -> tuple[str | None, dict[str, int]]:
    """The column of groups, where it holds enough of them and they recur, and what splits share of them."""
    if columns.group is None:
        return None, {}
    rows = sum(records.values())
    groups, shared = group_counts(connection)
    # A file of one split may hold few, and be compared with the files of others.
    if (FEWEST_GROUPS if len(records) > 1 else 2) <= groups < NOT_GROUPS * rows:
        return found.columns[columns.group], shared
    notes.append(f"column {found.columns[columns.group]!r} holds {groups} different values in {rows} rows, no groups to compare")
    return None, {}
