"""Tags of single classes, as trainers write them, and what is measured of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from postmortem.measure.data_sets import natural
from postmortem.measure.per_class import find, measure_per_class, ranks, set_apart
from postmortem.measure.roles import Roled, assign, main
from postmortem.model import Manifest, Measurement, Missing, ReadOptions, Series

COUNTS = {"cat": 900, "dog": 300, "sea lion": 40, "lion": 12}
ANIMALS = Manifest(
    source="manifest.csv",
    rows=1400,
    label_column="label",
    split_column="split",
    key_column=None,
    counts={"train": COUNTS, "validation": {"cat": 90, "dog": 30, "sea lion": 4, "lion": 0}},
    missing_labels=0,
    duplicate_keys=None,
    shared_keys={},
    features={},
)


def curve(tag: str, *values: float) -> Series:
    """One drawn series."""
    array = np.asarray(values, dtype=np.float64)
    return Series(tag, "", np.arange(array.size), array, np.full(array.size, np.nan), "events")


def roled(series: Iterable[Series]) -> tuple[Roled, ...]:
    """The series with their roles."""
    return assign(list(series), ReadOptions())


@pytest.mark.parametrize(
    "pattern",
    ["val/acc/{}", "recall_{}", "bbox/AP-{}", "coco/{}_precision", "metrics/per_class/iou_{}", "eval/{}/f1-score", "val {} Recall"],
)
def test_names_of_classes_are_found_in_tags(pattern: str) -> None:
    """Each usual way to write a metric of a class, with names of one word and of two."""
    (family,) = find(roled(curve(pattern.format(name.replace(" ", "_")), 0.5) for name in COUNTS), (ANIMALS,))
    assert sorted(family.members) == sorted(COUNTS)


@pytest.mark.parametrize("pattern", ["val_acc_class_{}", "class_{}/f1", "cls{}_recall", "recall_{}", "iou/{}"])
def test_numbers_of_classes_are_found_in_a_row_of_them(pattern: str) -> None:
    """Classes that are numbers, by the word class before them or because nearly all of them are there."""
    numbered = replace(ANIMALS, counts={"train": {str(label): 10 + label for label in range(6)}})
    (family,) = find(roled(curve(pattern.format(label), 0.5) for label in range(6)), (numbered,))
    assert sorted(family.members) == [str(label) for label in range(6)]


def test_an_index_is_the_declared_class() -> None:
    """Where the manifest declares the order, class 1 is the second name."""
    declared = replace(ANIMALS, classes=tuple(COUNTS))
    (family,) = find(roled(curve(f"val/recall/class_{index}", 0.5) for index in range(4)), (declared,))
    assert tuple(family.members) == tuple(COUNTS)


def test_an_index_without_an_order_names_no_class() -> None:
    """Names without a declared order leave open which class index 1 is: it stays an index."""
    (family,) = find(roled(curve(f"val/recall/class_{index}", 0.5) for index in range(4)), (ANIMALS,))
    assert tuple(family.members) == ("0", "1", "2", "3")


@pytest.mark.parametrize(
    "tags",
    [
        ("recall_1", "recall_5", "recall_10"),
        ("val/acc", "train/acc", "test/acc"),
        ("acc/top1", "acc/top5"),
        ("precision@1", "precision@3"),
        ("AP50", "AP75", "AP"),
        ("loss/cat", "loss/dog", "loss/lion"),
        ("val/acc/cat",),
    ],
    ids=lambda tags: tags[0],
)
def test_other_numbers_and_words_are_no_classes(tags: tuple[str, ...]) -> None:
    """Recall at k, splits, thresholds of overlap, losses and a single tag are not metrics of classes."""
    numbered = replace(ANIMALS, counts={"train": {**COUNTS, **{str(label): 5 for label in range(20)}, "train": 7}})
    assert find(roled(curve(tag, 0.5) for tag in tags), (numbered,)) == ()


def test_the_accuracy_of_one_class_is_not_the_accuracy() -> None:
    """The accuracy of all records stays the run's, however long the curves of single classes are."""
    every = roled([curve("val_acc", 0.6, 0.7), *(curve(f"val_acc_{name}", 0.1, 0.2, 0.3) for name in COUNTS)])
    apart = set_apart(every, find(every, (ANIMALS,)))
    found = main(apart, "accuracy", "validation")
    assert found is not None and found.series.tag == "val_acc"
    assert [one.role for one in apart] == ["accuracy", "other", "other", "other", "other"]
    assert "one class, 'cat'" in apart[1].why


def measured(manifest: Manifest = ANIMALS, **last: float) -> dict[str, Measurement | Missing]:
    """What is measured of these last recalls."""
    families = find(roled(curve(f"val/recall/{name}", value) for name, value in last.items()), (manifest,))
    return {one.name: one for one in measure_per_class(families, (manifest,))}


def test_last_values_are_by_class() -> None:
    """The lowest comes first; percentages become shares; a value below 0 was not measured."""
    found = measured(cat=95.0, dog=80.0, lion=-1.0, sea_lion=12.0)["classes.metric"]
    assert isinstance(found, Measurement)
    assert (found.value, found.text) == (0.12, "recall")
    assert dict(found.items) == pytest.approx({"sea lion": 0.12, "dog": 0.8, "cat": 0.95})


def test_validation_records_are_those_of_the_split() -> None:
    """A class without one record there is listed with 0."""
    found = measured(cat=0.9, dog=0.8, lion=0.0)["classes.validation_records"]
    assert isinstance(found, Measurement)
    assert dict(found.items) == {"cat": 90, "dog": 30, "lion": 0}


def test_metric_that_follows_class_size_has_rank_correlation_one() -> None:
    """Five classes whose recall rises with their size; the other way round it is -1; four classes are too few."""
    sizes = {"ant": 10, "bee": 20, "cow": 30, "doe": 40, "eel": 50}
    five = replace(ANIMALS, counts={"train": sizes})
    for sign in (1, -1):
        found = measured(five, **{name: 0.5 + sign * size / 200 for name, size in sizes.items()})["classes.metric_trend"]
        assert isinstance(found, Measurement)
        assert found.value == pytest.approx(sign)
    assert isinstance(measured(cat=0.9, dog=0.8, lion=0.1, sea_lion=0.2)["classes.metric_trend"], Missing)


def test_ranks_share_ties() -> None:
    """Equal values share the mean of their places."""
    assert ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]


def test_nothing_logged_by_class_is_missing() -> None:
    """All three say what to log."""
    found = list(measure_per_class((), (ANIMALS,)))
    assert len(found) == 3
    assert all(isinstance(one, Missing) and one.log_next == "per-class" for one in found)


def test_labels_of_thousands_of_digits() -> None:
    """Python refuses to convert such numbers; as labels they are names."""
    digits = "9" * 5000
    odd = replace(ANIMALS, counts={"train": {"0": 9, digits: 3}})
    assert find(roled([curve(f"val/acc/{digits}", 0.1, 0.2)]), [odd]) is not None
    assert sorted(["a10", f"a{digits}", "a9"], key=natural) == ["a9", "a10", f"a{digits}"]
