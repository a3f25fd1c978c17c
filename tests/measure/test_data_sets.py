"""Which manifest speaks for a run, and what its splits and classes are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postmortem.measure.data_sets import (
    class_names,
    compared_pairs,
    label_kind,
    label_totals,
    main_manifest,
    speaker_notes,
    split_counts,
    training_records,
    training_splits,
)
from postmortem.model import Manifest, Targets

TRAIN = Manifest("train.csv", 100, "label", "split", "id", {"train": {"a": 60, "b": 40}}, 0, 0, {}, {}, records={"train": 100})


@pytest.mark.parametrize(
    ("better", "worse", "why"),
    [
        (replace(TRAIN, given=True, rows=5), replace(TRAIN, source="found.csv"), "was given"),
        (replace(TRAIN, rows=5), replace(TRAIN, source="paths.csv", rows=900, counts={}), "has labels"),
        (replace(TRAIN, rows=5), replace(TRAIN, source="predictions.csv", rows=900), "is no table of predictions"),
        (replace(TRAIN, rows=5), replace(TRAIN, source="eval.csv", rows=900, features={"pred": (0.0, 1.0)}), "is no table of predictions"),
        (replace(TRAIN, rows=5), replace(TRAIN, source="dataset_info.json", rows=900, declared=True), "was counted"),
        (
            replace(TRAIN, rows=5),
            replace(TRAIN, source="test.csv", rows=900, counts={"test": {"a": 900}}, records={"test": 900}),
            "has records to train on",
        ),
        (TRAIN, replace(TRAIN, source="small.csv", rows=5), "has the most records"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_the_better_manifest_speaks_and_says_why(better: Manifest, worse: Manifest, why: str) -> None:
    """Given, labelled, true, counted, trained on, large: the first of these that differs decides, in whatever order they come."""
    for both in ((better, worse), (worse, better)):
        assert main_manifest(both) is better
        (note,) = speaker_notes(both)
        assert why in note
        assert worse.source in note


def test_one_manifest_needs_no_reason() -> None:
    """Without a choice there is nothing to tell."""
    assert speaker_notes(()) == speaker_notes((TRAIN,)) == ()
    assert main_manifest(()) is None


def test_numeric_targets_count_as_labels() -> None:
    """A table to predict numbers from is preferred to one without labels."""
    targets = replace(TRAIN, counts={}, targets=Targets(100, 0.0, 1.0, -2.0, 2.0, 90))
    assert main_manifest((replace(TRAIN, counts={}, rows=999), targets)) is targets


def test_kind_of_labels_is_told_or_follows() -> None:
    """What the reader says comes first; else targets, classes or none."""
    assert label_kind(replace(TRAIN, labels="multiple")) == "multiple"
    assert label_kind(TRAIN) == "single"
    assert label_kind(replace(TRAIN, counts={}, targets=Targets(1, 0.0, 0.0, 0.0, 0.0, 1))) == "targets"
    assert label_kind(replace(TRAIN, counts={"train": {}})) == ""


def test_training_is_what_is_not_held_out() -> None:
    """`train` where there is one, else every split that is neither validation nor test."""
    assert training_splits(["train", "unlabeled", "test"]) == ["train"]
    assert training_splits(["0", "1", "test"]) == ["0", "1"]
    folds = replace(TRAIN, records={"0": 10, "1": 20, "test": 5}, counts={"0": {"a": 10}, "1": {"a": 20}, "test": {"b": 5}})
    assert training_records(folds) == 30
    assert split_counts(folds, "train") == {"a": 30, "b": 0}


def test_pairs_of_splits() -> None:
    """Held-out splits against training; folds against all others; a single split against nothing."""
    assert compared_pairs(["train", "validation", "test"]) == [(("train",), "validation"), (("train",), "test")]
    assert compared_pairs(["0", "1", "2"]) == [(("1", "2"), "0"), (("0", "2"), "1"), (("0", "1"), "2")]
    assert compared_pairs(["0", "1", "test"]) == [(("0", "1"), "test")]
    assert compared_pairs(["validation", "test"]) == [(("test",), "validation"), (("validation",), "test")]
    assert compared_pairs(["train"]) == []


def test_declared_classes_count_where_labels_are_called_so() -> None:
    """Names that no label bears are another map, and add no class."""
    assert label_totals(replace(TRAIN, classes=("a", "b", "c"))) == {"a": 60, "b": 40, "c": 0}
    assert class_names(replace(TRAIN, classes=("cat", "dog"))) == ()
    assert label_totals(replace(TRAIN, classes=("cat", "dog"))) == {"a": 60, "b": 40}
