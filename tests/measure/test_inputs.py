"""Closed-form truth for declared and tabulated input statistics."""

from __future__ import annotations

import math

import pytest

from postmortem.measure.inputs import measure_inputs, pooled
from postmortem.model import Manifest, Measurement, Missing, Plain

NAMES = {
    "inputs.declared_mean",
    "inputs.declared_std",
    "inputs.normalized",
    "inputs.image_mean",
    "inputs.feature_mean",
    "inputs.feature_scale",
    "inputs.feature_rms",
}


def table(**features: tuple[float, float]) -> Manifest:
    """A manifest with these numeric columns."""
    return Manifest("manifest.csv", 10, "label", None, None, {"": {"a": 5, "b": 5}}, 0, None, {}, features)


def measured(*manifests: Manifest, **settings: Plain) -> dict[str, Measurement | Missing]:
    """All that is measured, by name."""
    found = list(measure_inputs(manifests, settings))
    assert {one.name for one in found} == NAMES
    assert len(found) == len(NAMES)
    return {one.name: one for one in found}


def number(found: Measurement | Missing) -> float:
    """The value of a measurement that must be there."""
    assert isinstance(found, Measurement), found
    return found.value


def test_nothing_known_is_all_missing() -> None:
    """Without settings and columns each name is missing."""
    assert all(isinstance(one, Missing) for one in measured().values())


def test_columns_give_offset_scale_and_level() -> None:
    """Largest mean over deviation, largest deviation over smallest, and root mean square, each by column."""
    found = measured(table(age=(40.0, 10.0), income=(3000.0, 4000.0), share=(0.5, 0.1)))
    assert number(found["inputs.feature_mean"]) == pytest.approx(5)
    assert number(found["inputs.feature_scale"]) == pytest.approx(40_000)
    assert number(found["inputs.feature_rms"]) == pytest.approx(5000)
    scale = found["inputs.feature_scale"]
    assert isinstance(scale, Measurement)
    assert list(scale.items) == ["income", "age", "share"]


def test_constant_columns_are_left_out() -> None:
    """A column without spread has no ratio to its mean; where all are constant nothing is measured."""
    assert number(measured(table(a=(1.0, 2.0), b=(7.0, 0.0), c=(0.0, 4.0)))["inputs.feature_mean"]) == pytest.approx(0.5)
    assert isinstance(measured(table(b=(7.0, 0.0)))["inputs.feature_mean"], Missing)


def test_one_column_has_no_scale_to_compare() -> None:
    """The ratio of deviations needs two columns."""
    assert isinstance(measured(table(a=(1.0, 2.0)))["inputs.feature_scale"], Missing)


def test_pixels_are_one_input() -> None:
    """Dark corners of an image do not make its columns differ in scale: numbered columns are pooled by the law of total variance."""
    pixels = {f"pixel{index}": (float(index % 2), 0.5 if index % 2 else 0.001) for index in range(64)}
    result = pooled({**pixels, "age": (40.0, 10.0)})
    assert set(result) == {"pixel# (64 columns)", "age"}
    mean, deviation = result["pixel# (64 columns)"]
    assert mean == pytest.approx(0.5)
    assert deviation == pytest.approx(math.sqrt((0.25 + 1e-6) / 2 + 0.25))
    assert isinstance(measured(table(**pixels))["inputs.feature_scale"], Missing)


def test_few_numbered_columns_stay_apart() -> None:
    """Twenty features called f0 to f19 are features, not pixels."""
    assert len(pooled({f"f{index}": (0.0, 1.0) for index in range(20)})) == 20


@pytest.mark.parametrize(
    ("setting", "expected"),
    [(0.5, 0.5), ("0.5", 0.5), ("[0.1, -0.9, 0.2]", -0.9), ("(1e2,)", 100.0)],
    ids=["number", "text", "list", "tuple"],
)
def test_declared_mean_of_any_form(setting: Plain, expected: float) -> None:
    """A number, its text, or one number a channel: the farthest from zero counts."""
    assert number(measured(input_mean=setting)["inputs.declared_mean"]) == expected


def test_declared_deviation_farthest_from_one_counts() -> None:
    """0.01 is farther from unit scale than 3."""
    assert number(measured(input_std="[0.01, 3.0]")["inputs.declared_std"]) == 0.01


@pytest.mark.parametrize("setting", [None, True, "auto", math.nan, "nan"])
def test_declared_words_are_no_numbers(setting: Plain) -> None:
    """What holds no finite number declares nothing."""
    assert isinstance(measured(input_std=setting)["inputs.declared_std"], Missing)


def test_normalization_constants_are_not_what_the_model_sees() -> None:
    """`mean` and `std` are what a loader subtracts and divides by."""
    found = measured(mean="[0.485]", std="[0.229]")
    assert isinstance(found["inputs.declared_mean"], Missing)
    assert isinstance(found["inputs.declared_std"], Missing)


@pytest.mark.parametrize(("setting", "word"), [(True, "true"), ("False", "false"), ("zscore", "true"), (0, "false")])
def test_normalized_is_a_word(setting: Plain, word: str) -> None:
    """Whether inputs are normalized is read from the settings."""
    found = measured(normalize=setting)["inputs.normalized"]
    assert isinstance(found, Measurement)
    assert found.text == word


def test_a_normalization_layer_says_nothing_of_the_inputs() -> None:
    """`normalization: batch_norm` names a layer of the model."""
    assert isinstance(measured(normalization="batch_norm")["inputs.normalized"], Missing)
