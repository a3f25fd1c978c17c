"""What is said where options name columns that no manifest has."""

from __future__ import annotations

from dataclasses import replace

from postmortem.measure.column_options import unmatched_columns
from postmortem.model import Manifest, ReadOptions

TABLE = Manifest("labels.csv", 2, "species", "fold", None, {"": {"cat": 2}}, 0, None, {}, {})


def test_a_column_that_was_used_is_not_talked_of() -> None:
    """In any capitals, and where one manifest of several has it."""
    other = replace(TABLE, label_column="breed", split_column=None)
    options = ReadOptions(label_column="Species", split_column="fold")
    assert list(unmatched_columns([other, TABLE], options)) == []
    assert list(unmatched_columns([other, TABLE], ReadOptions())) == []


def test_a_column_that_no_manifest_has_is_said_with_what_was_used() -> None:
    """One sentence an option."""
    said = list(unmatched_columns([TABLE], ReadOptions(label_column="kind", key_column="id")))
    assert said == [
        "--label-column 'kind' matches no column of this run's manifests; used is 'species'",
        "--key-column 'id' matches no column of this run's manifests; none was used",
    ]


def test_without_a_manifest_no_column_is_used() -> None:
    """The option was given all the same."""
    assert list(unmatched_columns([], ReadOptions(label_column="kind"))) == [
        "--label-column 'kind' matches no column of this run's manifests; none was used"
    ]
