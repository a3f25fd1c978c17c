"""Closed-form truth for class counts and record counts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from postmortem.log_next import ADVICE
from postmortem.measure.class_shares import odd_names
from postmortem.measure.classes import (
    CLASS_NAMES,
    RECORD_NAMES,
    cross_entropy,
    entropy,
    main_manifest,
    measure_classes,
    runs_z,
    split_counts,
    training_records,
)
from postmortem.model import Manifest, Measurement, Missing, Plain, Targets

SPLIT = Manifest(
    source="manifest.csv",
    rows=200,
    label_column="label",
    split_column="split",
    key_column="id",
    counts={"train": {"cat": 120, "dog": 30, "emu": 10}, "validation": {"cat": 20, "dog": 10, "owl": 5}},
    missing_labels=5,
    duplicate_keys=4,
    shared_keys={"train|validation": 7},
    features={},
    order_runs=100,
    records={"train": 160, "validation": 40},
)


def measured(*manifests: Manifest, settings: Mapping[str, Plain] | None = None, last: int | None = 500) -> dict[str, Measurement | Missing]:
    """All that is measured of a model with 4 head rows and 3200 parameters, by name; a name that comes twice is an error."""
    found = list(measure_classes(manifests, 4, 3200, settings or {}, last))
    assert len({one.name for one in found}) == len(found)
    return {one.name: one for one in found}


def value(found: dict[str, Measurement | Missing], name: str) -> float:
    """The value of a measurement that must be there."""
    one = found[name]
    assert isinstance(one, Measurement), one
    return one.value


def test_entropy_of_even_classes_is_the_logarithm_of_their_number() -> None:
    """Eight equal counts have entropy ln 8; one class has none; zeros add nothing."""
    assert entropy([5] * 8) == pytest.approx(math.log(8))
    assert entropy([9]) == 0
    assert entropy([3, 0, 1]) == pytest.approx(0.75 * math.log(4 / 3) + 0.25 * math.log(4))


def test_cross_entropy_against_itself_is_the_entropy() -> None:
    """It is least against the own shares, and infinite where the model lacks a label that occurs."""
    counts = {"a": 3, "b": 1}
    assert cross_entropy(counts, counts) == pytest.approx(entropy(counts.values()))
    assert cross_entropy(counts, {"a": 1, "b": 1}) == pytest.approx(math.log(2))
    assert cross_entropy(counts, {"a": 1}) == math.inf
    assert cross_entropy({"a": 3, "b": 0}, {"a": 1}) == 0


def test_runs_score_is_standard_over_all_orders() -> None:
    """Over every order of a small multiset the score has mean 0 and variance 1: expectation and variance are exact."""
    labels = "aaabbcc"
    orders = [sum(1 for _ in itertools.groupby(order)) for order in itertools.permutations(labels)]
    scores = np.array([runs_z([3, 2, 2], runs) for runs in orders])
    assert scores.mean() == pytest.approx(0, abs=1e-12)
    assert scores.var() == pytest.approx(1)


def test_runs_score_tells_sorted_from_shuffled() -> None:
    """Sorted labels are far below random order; one class alone has no order."""
    assert runs_z([500, 500], 2) < -30
    assert math.isnan(runs_z([10], 1))


def test_every_name_is_yielded_whatever_there_is() -> None:
    """With and without a manifest each name comes exactly once, and what is missing points to advice that there is."""
    for manifests in ((), (SPLIT,), (replace(SPLIT, counts={}, key_column=None, order_runs=None),), (replace(SPLIT, rows=0, counts={}),)):
        found = measured(*manifests)
        assert set(found) == {*CLASS_NAMES, *RECORD_NAMES}
        assert {one.log_next for one in found.values() if isinstance(one, Missing)} <= set(ADVICE)


def test_without_a_manifest_all_is_missing() -> None:
    """No manifest gives no number, and says so."""
    found = measured()
    assert all(isinstance(one, Missing) for one in found.values())


def test_class_numbers_follow_from_the_counts() -> None:
    """Ratio, share, entropy and effective classes are those of the training split; labels of any split count as classes."""
    found = measured(SPLIT)
    shares = [120 / 160, 30 / 160, 10 / 160]
    nats = -sum(share * math.log(share) for share in shares)
    assert value(found, "classes.count") == 4
    assert value(found, "classes.imbalance") == 12
    assert value(found, "classes.prior_entropy") == pytest.approx(nats)
    assert value(found, "classes.effective") == pytest.approx(math.exp(nats) / 4)
    assert value(found, "classes.largest_share") == 0.75
    assert value(found, "classes.head_difference") == 0
    counted = found["classes.count"]
    assert isinstance(counted, Measurement)
    assert list(counted.items.items()) == [("cat", 120), ("dog", 30), ("emu", 10), ("owl", 0)]


def test_missing_classes_carry_the_records_expected_of_them() -> None:
    """A class's share of all records times the split's size is what an even spread would give."""
    missing = measured(SPLIT)["classes.missing"]
    assert isinstance(missing, Measurement)
    assert missing.value == 2
    assert missing.items == {"train: owl": pytest.approx(5 * 160 / 195), "validation: emu": pytest.approx(10 * 35 / 195)}
    assert next(iter(missing.items)) == "train: owl"


def test_validation_cross_entropy_needs_every_class_in_training() -> None:
    """It is missing where a validation class has no training record, else the mean of -ln p."""
    assert isinstance(measured(SPLIT)["classes.validation_cross_entropy"], Missing)
    whole = replace(SPLIT, counts={"train": {"a": 30, "b": 10}, "validation": {"a": 5, "b": 5}})
    expected = -0.5 * math.log(0.75) - 0.5 * math.log(0.25)
    assert value(measured(whole), "classes.validation_cross_entropy") == pytest.approx(expected)


def test_shares_of_records_are_of_their_split() -> None:
    """Shared keys count against the held-out split, duplicates and blank labels against all rows."""
    found = measured(SPLIT)
    assert value(found, "data.shared") == pytest.approx(7 / 40)
    assert value(found, "data.duplicates") == pytest.approx(4 / 200)
    assert value(found, "data.unlabelled") == pytest.approx(5 / 200)
    assert value(found, "data.records") == 200
    assert value(found, "data.training_records") == 160
    assert value(found, "data.parameters_per_record") == 20


def test_keys_shared_by_held_out_splits_are_no_leak_from_training() -> None:
    """Validation and test sharing keys are an item, and leave the value at 0."""
    found = measured(replace(SPLIT, shared_keys={"validation|test": 4}, records={"train": 160, "validation": 30, "test": 10}))[
        "data.shared"
    ]
    assert isinstance(found, Measurement)
    assert found.value == 0
    assert found.items == {"validation|test": 0.4}


def test_without_keys_nothing_is_called_shared_or_repeated() -> None:
    """No key column makes both numbers missing, not zero."""
    found = measured(replace(SPLIT, key_column=None, duplicate_keys=None, shared_keys={}))
    assert isinstance(found["data.shared"], Missing)
    assert isinstance(found["data.duplicates"], Missing)


def test_one_split_cannot_share() -> None:
    """A manifest that names one split says nothing of shared records."""
    one = replace(SPLIT, counts={"": {"a": 5}}, records={"": 5}, shared_keys={})
    assert isinstance(measured(one)["data.shared"], Missing)


@pytest.mark.parametrize(
    ("settings", "last", "expected"),
    [
        ({"batch_size": 32}, 500, 500 * 32 / 160),
        ({"batch_size": "32"}, 500, 500 * 32 / 160),
        ({"batch_size": 32, "epochs": 20}, 20, 20),
        ({"batch_size": 32, "epochs": 100}, 500, 100),
        ({"epochs": 7}, 500, 7),
    ],
    ids=["steps", "text", "steps are epochs", "steps beyond epochs", "settings only"],
)
def test_epochs_from_steps_or_settings(settings: dict[str, Plain], last: int, expected: float) -> None:
    """Steps times batch over records; but a last step within the planned epochs counts epochs."""
    assert value(measured(SPLIT, settings=settings, last=last), "data.epochs") == pytest.approx(expected)


def test_epochs_are_missing_without_settings() -> None:
    """Steps alone do not tell how many records each took."""
    assert isinstance(measured(SPLIT)["data.epochs"], Missing)


@pytest.mark.parametrize(("setting", "word"), [(True, "true"), (False, "false"), ("False", "false"), (0, "false"), ("yes", "true")])
def test_shuffling_is_read_from_the_settings(setting: Plain, word: str) -> None:
    """Whether data are shuffled is a word, whatever type the setting has."""
    found = measured(SPLIT, settings={"shuffle": setting})["data.shuffled"]
    assert isinstance(found, Measurement)
    assert found.text == word


def test_order_of_few_labels_is_not_scored() -> None:
    """Fewer than 20 labelled records make no score."""
    few = replace(SPLIT, counts={"": {"a": 9, "b": 9}}, order_runs=2)
    assert isinstance(measured(few)["data.label_order_z"], Missing)
    assert value(measured(replace(few, counts={"": {"a": 90, "b": 90}})), "data.label_order_z") < -10


def test_numeric_targets_are_no_classes() -> None:
    """A regression manifest has records, and no class."""
    found = measured(replace(SPLIT, counts={}, targets=Targets(10, 1.0, 2.0, -3.0, 5.0, 10)))
    assert all(isinstance(found[name], Missing) for name in CLASS_NAMES if name != "classes.kind")
    assert found["classes.kind"] == Measurement("classes.kind", math.nan, "", "labels of manifest.csv", text="targets")
    assert value(found, "data.training_records") == 160


def test_training_is_what_is_not_held_out() -> None:
    """Without a split called train, all but validation and test is training."""
    folds = replace(SPLIT, counts={"pool": {"a": 3}, "extra": {"b": 2}, "test": {"a": 9}}, records={"pool": 3, "extra": 2, "test": 9})
    assert split_counts(folds, "train") == {"a": 3, "b": 2}
    assert training_records(folds) == 5
    assert split_counts(folds, "test") == {"a": 9, "b": 0}


def test_largest_labelled_manifest_speaks() -> None:
    """Labels win over size, then size counts."""
    bare = replace(SPLIT, rows=10_000, counts={})
    small = replace(SPLIT, rows=10)
    assert main_manifest([bare, small, SPLIT]) is SPLIT
    assert main_manifest([]) is None


def test_labels_of_records_with_several_are_no_prior() -> None:
    """Two labels of 100 records at 80 and 10: ratio and shares are there, entropies of a record's class are not; H of yes and no is."""
    several = replace(SPLIT, counts={"train": {"a": 80, "b": 10}}, rows=100, records={"train": 100}, labels="multiple")
    found = measured(several)
    assert value(found, "classes.imbalance") == 8
    for name in ("classes.prior_entropy", "classes.largest_share", "classes.validation_cross_entropy"):
        assert isinstance(found[name], Missing)
    expected = [-p * math.log(p) - (1 - p) * math.log(1 - p) for p in (0.8, 0.1)]
    assert value(found, "classes.binary_entropy") == pytest.approx(sum(expected) / 2)
    assert isinstance(measured(SPLIT)["classes.binary_entropy"], Missing)


def test_shares_of_objects_are_no_prior() -> None:
    """The loss of a detector has no floor in the shares of objects."""
    found = measured(replace(SPLIT, labels="objects"))
    assert value(found, "classes.imbalance") == 12
    assert isinstance(found["classes.prior_entropy"], Missing)
    assert isinstance(found["classes.binary_entropy"], Missing)


def test_declared_classes_without_a_record_are_unused() -> None:
    """They count as classes, by the label map or by a count of 0; placeholders do not, and are told."""
    found = measured(replace(SPLIT, classes=("cat", "dog", "emu", "owl", "yak"), placeholders=("animals",)))
    assert value(found, "classes.count") == 5
    unused = found["classes.unused"]
    assert isinstance(unused, Measurement)
    assert unused.items == {"yak": 195 / 5}
    counted = found["classes.count"]
    assert isinstance(counted, Measurement)
    assert "placeholders, 'animals'" in counted.basis
    zero = measured(replace(SPLIT, counts={"train": {"cat": 5, "dog": 0}}))["classes.unused"]
    assert isinstance(zero, Measurement)
    assert list(zero.items) == ["dog"]
    assert isinstance(measured(SPLIT)["classes.unused"], Missing)


def test_a_few_validation_records_of_unknown_classes_are_left_out() -> None:
    """One record in 200 does not make the cross-entropy infinite; the basis says that it is a lower bound."""
    counts = {"train": {"a": 30, "b": 10}, "validation": {"a": 100, "b": 99, "c": 1}}
    found = measured(replace(SPLIT, counts=counts))["classes.validation_cross_entropy"]
    assert isinstance(found, Measurement)
    assert found.value == pytest.approx(-(100 * math.log(0.75) + 99 * math.log(0.25)) / 199)
    assert "lower bound" in found.basis


@pytest.mark.parametrize(
    ("totals", "odd"),
    [
        ({"cat": 9, "Cat": 2, "dog": 5}, ["Cat"]),
        ({"hair dryer": 3, "hair_dryer": 8, "hair-dryer": 1}, ["hair dryer", "hair-dryer"]),
        ({"1": 5, "1.0": 4, "2": 3}, ["1.0"]),
        ({".ipynb_checkpoints": 1, "__MACOSX": 1, "git": 2, "digit": 4}, [".ipynb_checkpoints", "__MACOSX"]),
        ({"a": 5, "A": 5, "b": 1, " ": 2}, []),
        ({"-1": 4, "1": 5, "10": 3, "1.05": 2, "AB": 3, "AB-": 2}, []),
    ],
    ids=["case", "separators", "floats", "editors", "letters", "numbers"],
)
def test_odd_names(totals: dict[str, int], odd: list[str]) -> None:
    """Twins but for case, separators or `.0`, of which the smaller is named, and folders of editors; letters and numbers stay apart."""
    assert list(odd_names(totals)) == odd


def test_gaps_of_very_many_classes_are_counted_and_the_largest_named() -> None:
    """Of 20,000 classes that validation lacks the 10,000 with the most records are named; the number is that of all."""
    train = {f"c{index}": 1 + index % 7 for index in range(20_000)}
    missing = measured(replace(SPLIT, counts={"train": {**train, "x": 5}, "validation": {"x": 50}}))["classes.missing"]
    assert isinstance(missing, Measurement)
    assert missing.value == 20_000
    assert len(missing.items) == 10_000
    assert min(missing.items.values()) >= 4 * 50 / (sum(train.values()) + 55) * 0.99


@pytest.mark.parametrize(("name", "told"), [("good", True), ("Normal", True), ("cat", False)])
def test_sets_for_finding_anomalies_have_no_classes_to_balance(name: str, told: bool) -> None:
    """Training that holds the normal class alone lacks no class; one that holds any other class alone does."""
    found = measured(replace(SPLIT, counts={"train": {name: 200}, "test": {name: 40, "scratch": 40}}, records={"train": 200, "test": 80}))
    for number in ("classes.missing", "classes.imbalance", "classes.effective", "classes.drift"):
        gap = found[number]
        assert isinstance(gap, Missing) == told, number
        assert not told or (isinstance(gap, Missing) and "finding anomalies" in gap.reason)
