"""Heads of known width and bias beside manifests of known counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from postmortem.measure.heads import class_order, correlation, expected_widths, label_span, measure_heads
from postmortem.measure.tensors import pass_over
from postmortem.model import Manifest, Measurement, Missing

COUNTS = {"0": 400, "1": 200, "2": 100, "3": 50, "4": 25}
SET = Manifest(
    source="manifest.csv",
    rows=775,
    label_column="label",
    split_column=None,
    key_column=None,
    counts={"train": COUNTS},
    missing_labels=0,
    duplicate_keys=None,
    shared_keys={},
    features={},
)
PRIOR = np.log(np.array(list(COUNTS.values())) / 775)


def measured(lab: Any, bias: Sequence[float] | None, manifest: Manifest = SET, rows: int = 5) -> dict[str, Measurement | Missing]:
    """What is measured of a net whose head has this bias."""
    draw = np.random.default_rng(0)
    tensors = {"fc1.weight": draw.normal(size=(16, 8)).astype(np.float32), "fc2.weight": draw.normal(size=(rows, 16)).astype(np.float32)}
    if bias is not None:
        tensors["fc2.bias"] = np.array(bias, dtype=np.float32)
    checkpoints = [lab.bare(0, tensors)]
    found = list(measure_heads(pass_over(checkpoints), checkpoints, (manifest,)))
    assert len({one.name for one in found}) == len(found) == 3
    return {one.name: one for one in found}


def test_a_bias_of_the_logarithm_has_slope_one(lab: Any) -> None:
    """ln p, whatever constant is added to it, correlates at 1 and differs by nothing."""
    found = measured(lab, list(PRIOR + 2.5))["head.bias_prior"]
    assert isinstance(found, Measurement)
    assert found.value == pytest.approx(1) and found.text == "numbers" and found.first_step == 0
    assert found.items["slope"] == pytest.approx(1) and found.items["spread"] == pytest.approx(1)
    assert found.items["sorted_error"] == pytest.approx(0, abs=1e-6)


def test_the_same_bias_in_another_order_is_the_logarithm_all_the_same(lab: Any) -> None:
    """Turned round it correlates at less, and sorted by size it still differs by nothing."""
    found = measured(lab, list(PRIOR[::-1]))["head.bias_prior"]
    assert isinstance(found, Measurement)
    assert found.value == pytest.approx(-1, abs=0.05)
    assert found.items["sorted_error"] == pytest.approx(0, abs=1e-6)


def test_a_bias_of_zero_says_nothing(lab: Any) -> None:
    """It correlates with nothing, and differs by the whole deviation."""
    found = measured(lab, [0.0] * 5)["head.bias_prior"]
    assert isinstance(found, Measurement)
    assert found.value == 0 and found.items["sorted_error"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("bias", "rows", "manifest"),
    [
        (None, 5, SET),
        (list(range(6)), 6, SET),
        ([0.1, math.nan, 0, 0, 0], 5, SET),
        ([0.0] * 5, 5, replace(SET, counts={"train": dict.fromkeys(COUNTS, 100)})),
        ([0.0] * 5, 5, replace(SET, counts={})),
        ([0.0] * 5, 5, replace(SET, counts={"train": dict.fromkeys(map(str, range(1_000_001)), 1)})),
    ],
    ids=["no bias", "another width", "not finite", "even classes", "no labels", "a million labels"],
)
def test_what_cannot_be_compared_is_missing(lab: Any, bias: list[float] | None, rows: int, manifest: Manifest) -> None:
    """Without a bias, of another width, not finite, or beside even classes nothing is said."""
    assert isinstance(measured(lab, bias, manifest, rows)["head.bias_prior"], Missing)


@pytest.mark.parametrize(("rows", "fits"), [(5, True), (6, True), (7, True), (8, True), (9, True), (10, False)])
def test_widths_that_a_manifest_explains(lab: Any, rows: int, fits: bool) -> None:
    """Five classes, six with a background, eight declared, nine with a placeholder or background; and seven: five, and two placeholders."""
    manifest = replace(SET, classes=tuple("abcdefgh"), placeholders=("objects", "void") if rows == 7 else ("objects",))
    found = measured(lab, None, manifest, rows)["classes.head_fit"]
    assert isinstance(found, Measurement)
    assert (found.value == 0) == fits
    assert bool(found.text) == fits


def test_one_unit_is_enough_for_two_classes_only() -> None:
    """A single output tells two classes apart, not five, and not two labels that a record may both have."""
    assert 1 in expected_widths(SET, 2)
    assert 1 not in expected_widths(SET, 5)
    assert 1 not in expected_widths(replace(SET, labels="multiple"), 2)


def test_labels_that_are_numbers_have_a_span() -> None:
    """Lowest and highest of whole numbers; names, and declared names, are none."""
    found = label_span(replace(SET, counts={"train": {"1": 5, "-1": 3, "10": 2, "7": 0}}))
    assert isinstance(found, Measurement)
    assert found.value == 10 and dict(found.items) == {"lowest": -1, "highest": 10, "classes": 3}
    for names in (replace(SET, counts={"train": {"cat": 5, "1": 3}}), replace(SET, classes=("a", "b"))):
        word = label_span(names)
        assert isinstance(word, Measurement) and word.text == "names"


def test_the_order_of_classes_and_how_sure_it_is() -> None:
    """Declared before numbers before the alphabet; numbers are sorted as numbers, and have to begin at 0 or 1 without a gap."""
    assert class_order(replace(SET, classes=("b", "a")), ("a", "b")) == (("b", "a"), "declared")
    ten = tuple(str(label) for label in range(1, 11))
    assert class_order(SET, tuple(reversed(ten))) == (ten, "numbers")
    assert class_order(SET, ("3", "17"))[1] == "alphabet"
    assert class_order(SET, ("dog", "cat")) == (("cat", "dog"), "alphabet")


def test_correlation_of_a_constant_is_zero() -> None:
    """Where nothing varies nothing is shared."""
    assert correlation(np.zeros(4), np.arange(4.0)) == 0
    assert correlation(np.arange(4.0), 3 - np.arange(4.0)) == pytest.approx(-1)
