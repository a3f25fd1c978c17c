"""The table of data sets says what was taken for what, a row a split."""

from __future__ import annotations

from dataclasses import replace

from postmortem.measure.data_table import COLUMNS, MAX_SPLITS, data_sets
from postmortem.model import Manifest, Targets

TABLE = Manifest(
    source="labels.csv",
    rows=110,
    label_column="species",
    split_column="split",
    key_column="path",
    counts={"validation": {"cat": 4, "dog": 6}, "train": {"cat": 80, "dog": 16}},
    missing_labels=4,
    duplicate_keys=0,
    shared_keys={},
    features={},
    records={"validation": 10, "train": 100},
    format="CSV",
    labels="single",
)


def test_each_split_has_a_row_with_the_training_split_first() -> None:
    """Records, labelled ones, classes and their ratio stand beside where labels and keys come from."""
    (table,) = data_sets([TABLE])
    assert table.columns == COLUMNS
    assert table.rows == (
        ("labels.csv", "CSV", "train", 100, 96, 2, 5.0, "species", "path"),
        ("labels.csv", "CSV", "validation", 10, 10, 2, 1.5, "species", "path"),
    )


def test_objects_and_several_labels_are_not_called_records() -> None:
    """What was counted is named where it is not the record."""
    (objects,) = data_sets([replace(TABLE, labels="objects")])
    (several,) = data_sets([replace(TABLE, labels="multiple")])
    assert objects.rows[0][4] == "96 objects"
    assert several.rows[0][4] == "96 labels"


def test_what_was_not_counted_is_left_open() -> None:
    """A declared number of records has no labelled ones beside it, and the caption says that it is declared."""
    (table,) = data_sets([replace(TABLE, counts={}, declared=True)])
    assert table.rows[0][3:7] == (100, None, None, None)
    assert "labels.csv are what it declares" in table.caption


def test_targets_are_counted_by_split() -> None:
    """A regression set shows how many records have a target."""
    targets = Targets(105, 0.0, 1.0, -3.0, 3.0, 105, splits={"train": (97, 0.0, 1.0), "validation": (8, 0.0, 1.0)})
    (table,) = data_sets([replace(TABLE, counts={}, targets=targets, labels="targets")])
    assert [row[4] for row in table.rows] == [97, 8]


def test_many_folds_are_folded() -> None:
    """A hundred splits do not make a hundred rows, and none of their records is lost."""
    records = {f"fold {index:03}": 10 for index in range(100)}
    (table,) = data_sets([replace(TABLE, counts={}, records=records)])
    assert len(table.rows) == MAX_SPLITS + 1
    assert table.rows[-1][2:4] == (f"{100 - MAX_SPLITS} more", 10 * (100 - MAX_SPLITS))


def test_without_manifest_there_is_no_table() -> None:
    """Nothing is drawn of nothing."""
    assert list(data_sets([])) == []
