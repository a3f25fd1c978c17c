"""Closed-form and simulated truth for the comparison of splits."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from postmortem.measure.chi_square import upper_tail
from postmortem.measure.drift import CLASS_DRIFT, TARGET_DRIFT, homogeneity, measure_class_drift, measure_target_drift, standard_shift
from postmortem.model import Manifest, Measurement, Missing, Targets

PLAIN = Manifest("manifest.csv", 0, "label", "split", None, {}, 0, None, {}, {}, labels="single")


def classes(counts: dict[str, dict[str, int]], manifest: Manifest = PLAIN) -> dict[str, Measurement | Missing]:
    """What is measured of these counts, by name."""
    found = list(measure_class_drift(replace(manifest, counts=counts)))
    assert [one.name for one in found] == list(CLASS_DRIFT)
    return {one.name: one for one in found}


def measurement(found: Measurement | Missing) -> Measurement:
    """A measurement that must be there."""
    assert isinstance(found, Measurement), found
    return found


def tail(statistic: float, degrees: int) -> float:
    """The tail in closed form: a Poisson sum for even degrees; for odd ones the same sum over halves, on top of the normal's two tails."""
    x, odd = statistic / 2, degrees % 2
    powers = [k + odd / 2 for k in range((degrees - odd) // 2)]
    terms = [math.exp(power * math.log(x) - x - math.lgamma(power + 1)) for power in powers]
    return math.fsum(terms) + (math.erfc(math.sqrt(x)) if odd else 0.0)


@pytest.mark.parametrize("degrees", [1, 2, 3, 9, 50, 999])
@pytest.mark.parametrize("factor", [0.01, 0.5, 0.99, 1.01, 1.5, 4.0])
def test_tail_is_the_closed_form(degrees: int, factor: float) -> None:
    """Below and above the mean, from one degree of freedom to a thousand."""
    assert upper_tail(degrees * factor, degrees) == pytest.approx(tail(degrees * factor, degrees), rel=1e-9, abs=1e-300)


def test_tail_of_many_degrees_is_close() -> None:
    """Ten thousand classes take an approximation, good to 1e-4."""
    for statistic in (9500.0, 10_000.0, 10_300.0):
        assert upper_tail(statistic, 10_000) == pytest.approx(tail(statistic, 10_000), abs=1e-4)


def test_tail_has_its_ends() -> None:
    """Nothing to exceed is certain, no number is none, and a statistic beyond floats has no tail."""
    assert upper_tail(0, 3) == 1
    assert math.isnan(upper_tail(math.nan, 3))
    assert upper_tail(1e7, 3) == 0


def test_statistic_is_pearsons() -> None:
    """Of a table of two by two it is n (ad - bc)^2 over the product of the margins; with three classes p = exp(-statistic / 2)."""
    two = homogeneity({"a": 310, "b": 220}, {"a": 40, "b": 55})
    assert two is not None
    assert two.statistic == pytest.approx(625 * (310 * 55 - 220 * 40) ** 2 / (530 * 95 * 350 * 275))
    three = homogeneity({"a": 310, "b": 220, "c": 90}, {"a": 40, "b": 55, "c": 31})
    assert three is not None
    assert three.p == pytest.approx(math.exp(-three.statistic / 2))
    assert (three.degrees, three.pooled) == (2, 0)


def test_effect_does_not_depend_on_the_size_of_the_splits() -> None:
    """Half and half against 80 to 20 is w = 0.314, for a validation split of a half or of a thousandth."""
    truth = math.sqrt((0.3**2 / 0.65 + 0.3**2 / 0.35) / 4)
    for held_out in (1_000_000, 10_000):
        found = homogeneity({"a": 5_000_000, "b": 5_000_000}, {"a": held_out * 8 // 10, "b": held_out * 2 // 10})
        assert found is not None
        assert found.effect == pytest.approx(truth, abs=1e-3)


def test_splits_without_a_common_class_have_an_effect_of_one() -> None:
    """It is the upper end, less what chance takes off."""
    found = homogeneity({"a": 10**7}, {"b": 10**6})
    assert found is not None
    assert found.effect == pytest.approx(1, abs=1e-5)


def test_rare_classes_are_counted_as_one() -> None:
    """A thousand classes of which the smaller split can hold no five each are one cell beside the frequent class."""
    rare = {f"r{index}": 8 for index in range(1000)}
    found = homogeneity({"a": 8000, **rare}, {"a": 1000, **dict.fromkeys(rare, 1)})
    assert found is not None
    assert (found.degrees, found.pooled) == (1, 1000)
    assert found.statistic == pytest.approx(0, abs=1e-9)


def test_too_little_for_a_test_is_no_test() -> None:
    """Where five records are expected in one cell only, nothing is compared."""
    assert homogeneity({"a": 40, "b": 1}, {"a": 10, "b": 1}) is None
    assert homogeneity({}, {"a": 3}) is None


def test_random_splits_have_even_p_values_and_no_effect() -> None:
    """Of 400 random splits of a long tail a twentieth has p < 0.05, and the effect stays small."""
    generator = np.random.default_rng(3)
    shares = np.geomspace(1, 0.02, 30)
    shares /= shares.sum()
    names = [f"class {index}" for index in range(30)]
    found = []
    for _ in range(400):
        train, test = generator.multinomial(4000, shares), generator.multinomial(1000, shares)
        found.append(homogeneity(dict(zip(names, train.tolist(), strict=True)), dict(zip(names, test.tolist(), strict=True))))
    ps = [one.p for one in found if one is not None]
    assert len(ps) == 400
    assert 0.025 < np.mean(np.array(ps) < 0.05) < 0.08
    assert np.mean(ps) == pytest.approx(0.5, abs=0.05)
    assert np.median([one.effect for one in found if one is not None]) < 0.03


def test_the_worst_pair_and_its_classes_are_named() -> None:
    """Training against validation and test: the one that differs more speaks, p counts both, and the classes come by how far they moved."""
    found = classes({"train": {"a": 500, "b": 500}, "validation": {"a": 90, "b": 110}, "test": {"a": 20, "b": 160, "c": 20}})
    drift = measurement(found["classes.drift"])
    assert list(drift.items) == ["train|test", "train|validation"]
    assert drift.value == drift.items["train|test"] > 0.3
    single = homogeneity({"a": 500, "b": 500}, {"a": 20, "b": 160, "c": 20})
    assert single is not None
    assert measurement(found["classes.drift_p"]).value == pytest.approx(2 * single.p)
    shares = measurement(found["classes.drift_shares"])
    assert shares.value == pytest.approx(0.4)
    assert shares.items == {"a": pytest.approx(-0.4), "b": pytest.approx(0.3), "c": pytest.approx(0.1)}


def test_evenness_tells_which_side_was_made_even() -> None:
    """It is exp(H) over the classes present: 1 for equal counts."""
    found = measurement(classes({"train": {"a": 900, "b": 100}, "test": {"a": 50, "b": 50}})["classes.drift_evenness"])
    assert found.items["held out"] == pytest.approx(1)
    assert found.items["trained"] == pytest.approx(math.exp(-0.9 * math.log(0.9) - 0.1 * math.log(0.1)) / 2)


def test_folds_are_held_against_the_others() -> None:
    """Without a held-out split each fold is compared with all others."""
    found = measurement(classes({"0": {"a": 50, "b": 50}, "1": {"a": 50, "b": 50}, "2": {"a": 90, "b": 10}})["classes.drift"])
    assert next(iter(found.items)) == "others|2"
    assert len(found.items) == 3
    assert "the other splits and fold 2" in found.basis


def test_objects_of_one_image_are_no_independent_draws() -> None:
    """Ten objects an image weigh as one record in the test, and the effect is the same but for its correction."""
    counts = {"train": {"a": 50_000, "b": 50_000}, "test": {"a": 5600, "b": 4400}}
    alone = measurement(classes(counts)["classes.drift_p"]).value
    boxes = replace(PLAIN, labels="objects", records={"train": 10_000, "test": 1000})
    together = measurement(classes(counts, boxes)["classes.drift_p"]).value
    single = homogeneity({"a": 5000, "b": 5000}, {"a": 560, "b": 440})
    assert single is not None
    assert together == pytest.approx(single.p)
    assert together > 1e3 * alone


@pytest.mark.parametrize(
    "counts", [{"train": {"a": 900}}, {"train": {"a": 90, "b": 90}, "test": {}}, {}], ids=["one", "unlabelled", "none"]
)
def test_one_labelled_split_is_compared_with_nothing(counts: dict[str, dict[str, int]]) -> None:
    """A test split without labels, and one split alone, leave all missing: not looked at is not fine."""
    assert all(isinstance(one, Missing) for one in classes(counts).values())


def test_mean_targets_are_compared_in_standard_deviations() -> None:
    """Cohen's d and Welch's statistic of two normal samples are those of the textbook."""
    shift, p, ratio = standard_shift((400, 10.0, 2.0), (100, 11.0, 3.0)) or (0.0, 0.0, 0.0)
    assert shift == pytest.approx(1 / math.sqrt((400 * 4 + 100 * 9) / 500))
    assert p == pytest.approx(math.erfc(1 / math.sqrt(4 / 400 + 9 / 100) / math.sqrt(2)))
    assert ratio == 1.5
    assert standard_shift((400, 1.0, 0.0), (100, 1.0, 0.0)) is None


def test_target_drift_is_of_the_worst_pair() -> None:
    """The largest shift speaks with its sign in the items; the deviations' ratio comes beside it."""
    splits = {"train": (900, 0.0, 1.0), "validation": (100, 0.1, 1.0), "test": (100, -0.6, 0.5)}
    manifest = replace(PLAIN, targets=Targets(1100, 0.0, 1.0, -3.0, 3.0, 900, splits=splits))
    found = {one.name: measurement(one) for one in measure_target_drift(manifest)}
    assert set(found) == set(TARGET_DRIFT)
    assert found["data.target_shift"].value == pytest.approx(0.6 / math.sqrt((900 + 25) / 1000))
    assert found["data.target_shift"].items["train|test"] < 0
    assert found["data.target_shift_p"].value < 1e-6
    assert found["data.target_spread_ratio"].value == pytest.approx(0.5)
    assert all(isinstance(one, Missing) for one in measure_target_drift(PLAIN))


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 10**9)), st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 10**9))
)
@example({"a": 11}, {"b": 1, "c": 11})
def test_effect_and_p_are_between_their_ends(one: dict[str, int], other: dict[str, int]) -> None:
    """Whatever the counts, effect and p lie in [0, 1], and the order of the splits does not matter."""
    found, turned = homogeneity(one, other), homogeneity(other, one)
    assert (found is None) == (turned is None)
    if found is not None and turned is not None:
        assert 0 <= found.effect <= 1
        assert 0 <= found.p <= 1
        assert found.effect == pytest.approx(turned.effect)
        assert found.statistic == pytest.approx(turned.statistic)


def test_more_folds_than_are_compared_are_told() -> None:
    """Of sixty folds fifty are held against the others, and the basis says so."""
    found = measurement(classes({str(fold): {"a": 20, "b": 20} for fold in range(60)})["classes.drift"])
    assert len(found.items) == 50
    assert "50 of 60 splits" in found.basis
