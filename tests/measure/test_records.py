"""Closed-form truth for what a manifest tells of its records, targets and files."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest

from postmortem.measure.named_files import FILE_NAMES, measure_named_files
from postmortem.measure.records import RECORD_NAMES, measure_records
from postmortem.measure.targets import TARGET_NAMES, measure_targets
from postmortem.model import FilesSeen, ImageSample, Manifest, Measurement, Missing, Targets

TABLE = Manifest(
    source="manifest.csv",
    rows=200,
    label_column="label",
    split_column="split",
    key_column="id",
    counts={"train": {"a": 100, "b": 40}, "test": {"a": 20, "b": 20}},
    missing_labels=20,
    duplicate_keys=50,
    shared_keys={},
    features={},
    records={"train": 160, "test": 40},
    labels="single",
)
Found = Measurement | Missing


def by_name(found: Iterator[Found], names: tuple[str, ...]) -> dict[str, Found]:
    """All that was measured, each name once."""
    every = {one.name: one for one in found}
    assert set(every) == set(names)
    return every


def records(manifest: Manifest) -> dict[str, Found]:
    """What is measured of a manifest's records."""
    return by_name(measure_records(manifest), tuple(name for name in RECORD_NAMES if name != "data.shuffled"))


def measurement(found: Found) -> Measurement:
    """A measurement that must be there."""
    assert isinstance(found, Measurement), found
    return found


def test_conflicts_are_a_share_of_the_keys() -> None:
    """150 different keys, 30 of them with two labels: a fifth."""
    found = measurement(records(replace(TABLE, conflicting_keys=30))["data.conflicting"])
    assert found.value == pytest.approx(0.2)
    assert "30 of about 150 keys" in found.basis


def test_several_labels_do_not_conflict() -> None:
    """Where a record may have several labels, and where nobody looked, there is no number."""
    assert isinstance(records(TABLE)["data.conflicting"], Missing)
    assert isinstance(records(replace(TABLE, conflicting_keys=30, labels="multiple"))["data.conflicting"], Missing)
    assert isinstance(records(replace(TABLE, conflicting_keys=30, labels="objects"))["data.conflicting"], Missing)


def test_names_alone_tell_of_no_shared_record() -> None:
    """Where nothing but names of files agrees, how many records are shared is not known, and how many names is."""
    named = replace(TABLE, records={"train": 100, "validation": 50}, key_column="image name", named_alike={"train|validation": 25})
    found = records(named)
    assert isinstance(found["data.shared"], Missing) and measurement(found["data.shared_names"]).value == 0.5
    found = records(replace(named, shared_keys={"train|validation": 5}))
    assert measurement(found["data.shared"]).value == 0.1 and measurement(found["data.shared_names"]).value == 0.5


def test_groups_are_shared_with_training_only() -> None:
    """Groups that validation and test share are no leak from training."""
    shared = {"train|test": 12, "validation|test": 40}
    found = measurement(records(replace(TABLE, group_column="patient", shared_groups=shared))["data.shared_groups"])
    assert found.value == 12
    assert found.items == {"train|test": 12}
    assert measurement(records(replace(TABLE, group_column="patient"))["data.shared_groups"]).value == 0


def test_groups_that_are_the_classes_have_to_be_shared() -> None:
    """Speakers to be identified stand in every split."""
    assert isinstance(records(replace(TABLE, group_column="label", shared_groups={"train|test": 9}))["data.shared_groups"], Missing)
    assert isinstance(records(TABLE)["data.shared_groups"], Missing)


def test_unlabelled_records_are_told_by_split() -> None:
    """Records less labelled records, over the split's records: 20 of 160 in training, none in test."""
    found = measurement(records(TABLE)["data.unlabelled_training"])
    assert found.value == pytest.approx(20 / 160)
    assert found.items == {"train": pytest.approx(20 / 160), "test": 0}


def test_a_test_split_without_labels_is_no_fault_of_training() -> None:
    """All that lacks a label is held out."""
    found = records(replace(TABLE, counts={"train": {"a": 160}, "test": {}}, missing_labels=40))["data.unlabelled_training"]
    assert measurement(found).value == 0
    assert measurement(found).items["test"] == 1


def test_unlabelled_targets_are_counted_from_the_splits() -> None:
    """Numeric targets by split tell how many records have one."""
    targets = Targets(180, 0.0, 1.0, -2.0, 2.0, 100, splits={"train": (140, 0.0, 1.0), "test": (40, 0.0, 1.0)})
    found = records(replace(TABLE, counts={}, labels="targets", targets=targets))["data.unlabelled_training"]
    assert measurement(found).value == pytest.approx(20 / 160)


def test_labels_of_records_with_several_tell_no_gap() -> None:
    """Where records have several labels, counts of labels do not tell which records have none."""
    assert isinstance(records(replace(TABLE, labels="multiple"))["data.unlabelled_training"], Missing)


def test_labels_a_record_and_background() -> None:
    """180 objects in 200 images, 30 of them empty."""
    found = records(replace(TABLE, labels="objects", background=30))
    assert measurement(found["data.labels_per_record"]).value == pytest.approx(0.9)
    assert measurement(found["data.background"]).value == pytest.approx(0.15)
    assert isinstance(records(TABLE)["data.labels_per_record"], Missing)
    assert isinstance(records(TABLE)["data.background"], Missing)


def test_rejected_rows_are_a_share_of_all_rows() -> None:
    """50 broken rows beside 200 whole ones are a fifth; a description that lists no record has none."""
    assert measurement(records(replace(TABLE, rejected=50))["data.rejected"]).value == pytest.approx(0.2)
    assert isinstance(records(replace(TABLE, declared=True))["data.rejected"], Missing)


def test_order_of_several_labels_a_record_is_no_order() -> None:
    """The runs test is for one label a record."""
    sorted_rows = replace(TABLE, order_runs=2)
    assert measurement(records(sorted_rows)["data.label_order_z"]).value < -5
    assert isinstance(records(replace(sorted_rows, labels="multiple"))["data.label_order_z"], Missing)


def test_durations_are_told_where_they_are_known() -> None:
    """Seconds of all records."""
    assert measurement(records(replace(TABLE, seconds=7200.0))["data.seconds"]).value == 7200
    assert isinstance(records(TABLE)["data.seconds"], Missing)


# --- targets ----------------------------------------------------------------------------------------------------------

TARGETS = Targets(100, 3.0, 4.0, -5.0, 43.0, 80, quartiles=(1.0, 2.0, 4.0), far_out=2, not_finite=25)


def targets(given: Targets | None) -> dict[str, Found]:
    """What is measured of numeric targets."""
    return by_name(measure_targets(replace(TABLE, counts={}, targets=given)), TARGET_NAMES)


def test_level_is_what_an_answer_of_zero_loses() -> None:
    """Mean 3 and deviation 4 make a root mean square of 5, and a squared error of 25."""
    found = measurement(targets(TARGETS)["data.target_level"])
    assert found.value == 5
    assert "squared error of 25" in found.basis


def test_the_farthest_target_is_weighed() -> None:
    """(43 - 3) / 4 = 10 deviations hold 100 / 100 of the squares at most; the item says which value it is."""
    found = targets(TARGETS)
    assert measurement(found["data.target_extreme"]).value == 10
    assert measurement(found["data.target_extreme_weight"]).value == 1
    assert measurement(found["data.target_extreme"]).items["farthest"] == 43
    many = targets(replace(TARGETS, count=1000, maximum=7.0))
    assert measurement(many["data.target_extreme_weight"]).value == pytest.approx(4 / 1000)
    assert measurement(many["data.target_extreme"]).items["farthest"] == -5


def test_weight_of_one_outlier_is_that_of_the_sum() -> None:
    """Of 99 zeros and one 100, that one holds 99 % of the squared deviations."""
    values = [0.0] * 99 + [100.0]
    mean = sum(values) / 100
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / 100)
    found = targets(Targets(100, mean, deviation, 0.0, 100.0, 2))
    assert measurement(found["data.target_extreme_weight"]).value == pytest.approx(0.99)


def test_shares_of_targets() -> None:
    """Far-out ones of the finite, NaN ones of all."""
    found = targets(TARGETS)
    assert measurement(found["data.target_far_out"]).value == pytest.approx(0.02)
    assert measurement(found["data.target_not_finite"]).value == pytest.approx(0.2)
    assert isinstance(targets(replace(TARGETS, far_out=None))["data.target_far_out"], Missing)


def test_moments_are_those_of_training() -> None:
    """Where splits are told apart the training split's mean and deviation count."""
    splits = {"train": (60, 1.0, 0.5), "test": (40, 6.0, 2.0)}
    found = targets(replace(TARGETS, splits=splits))
    assert (measurement(found["data.target_mean"]).value, measurement(found["data.target_deviation"]).value) == (1, 0.5)


def test_constant_and_absent_targets() -> None:
    """A constant has a deviation of 0 and no farthest; classes and targets that are all NaN have nothing."""
    found = targets(Targets(10, 7.0, 0.0, 7.0, 7.0, 1))
    assert measurement(found["data.target_deviation"]).value == 0
    assert isinstance(found["data.target_extreme_weight"], Missing)
    for nothing in (None, Targets(0, math.nan, math.nan, math.nan, math.nan, 0, not_finite=9)):
        assert all(isinstance(one, Missing) for one in targets(nothing).values())


# --- files ------------------------------------------------------------------------------------------------------------


def files(*manifests: Manifest) -> dict[str, Found]:
    """What is measured of named files; the first manifest is the one that speaks."""
    return by_name(measure_named_files(manifests, manifests[0]), FILE_NAMES)


def test_files_that_are_gone_or_empty() -> None:
    """Missing ones are a share of those looked for, empty ones of those found."""
    found = files(replace(TABLE, files=FilesSeen(100, 80, 8, ("a.png",))))
    assert measurement(found["data.missing_files"]).value == pytest.approx(0.2)
    assert measurement(found["data.empty_files"]).value == pytest.approx(0.1)
    assert "'a.png'" in measurement(found["data.missing_files"]).basis


def test_files_of_another_machine_are_unknown() -> None:
    """None found is a folder that is not here, and no share of missing files."""
    found = files(replace(TABLE, files=FilesSeen(100, 0, 0)))
    assert isinstance(found["data.missing_files"], Missing)
    assert all(isinstance(one, Missing) for one in files(TABLE).values())


def test_images_that_cannot_be_read_or_are_copies() -> None:
    """Shares of the sample; another manifest's sample serves where the main one has none."""
    sample = ImageSample(50, (0.5,), (0.2,), unreadable=("a.jpg", "b.jpg"), identical=5)
    found = files(TABLE, replace(TABLE, source="other.csv", images=sample))
    assert measurement(found["data.unreadable_images"]).value == pytest.approx(0.04)
    assert measurement(found["data.identical_images"]).value == pytest.approx(0.1)
    assert list(measurement(found["data.unreadable_images"]).items) == ["a.jpg", "b.jpg"]
