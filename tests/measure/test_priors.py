"""Levels of a model that ignores its input, worked out by hand from class counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from postmortem.measure.chance import Classes
from postmortem.measure.priors import half_unit, known_classes, measure_majority, smoothed_floor
from postmortem.measure.roles import assign
from postmortem.model import Manifest, Measurement, Missing, ReadOptions, Series

SET = Manifest(
    source="manifest.csv",
    rows=1000,
    label_column="label",
    split_column="split",
    key_column="id",
    counts={"train": {"a": 600, "b": 150, "c": 50}, "validation": {"a": 100, "b": 60, "c": 40}},
    missing_labels=0,
    duplicate_keys=0,
    shared_keys={},
    features={},
    records={"train": 800, "validation": 200},
)


def test_levels_of_plain_classes() -> None:
    """H(p), the cross-entropy of validation, its own entropy, and what the rarest record costs."""
    known = known_classes((SET,), {}, 3, "given")
    p, q = (0.75, 0.1875, 0.0625), (0.5, 0.3, 0.2)
    assert known.chance == pytest.approx(math.log(3))
    assert known.prior_entropy == pytest.approx(-sum(x * math.log(x) for x in p))
    assert known.validation_cross_entropy == pytest.approx(-sum(y * math.log(x) for x, y in zip(p, q, strict=True)))
    assert known.validation_entropy == pytest.approx(-sum(y * math.log(y) for y in q))
    assert known.highest == pytest.approx(-math.log(0.0625))


def test_label_smoothing_moves_the_shares_and_not_the_chance() -> None:
    """With smoothing 0.1 of 3 classes a share of 0.75 is seen as 0.9 x 0.75 + 0.1 / 3."""
    known = known_classes((SET,), {"label_smoothing": 0.1}, 3, "given")
    seen = [0.9 * p + 0.1 / 3 for p in (0.75, 0.1875, 0.0625)]
    assert known.prior_entropy == pytest.approx(-sum(x * math.log(x) for x in seen))
    assert known.chance == pytest.approx(math.log(3))
    assert known.validation_entropy == pytest.approx(-sum(y * math.log(y) for y in (0.5, 0.3, 0.2)))
    assert "0.1" in known.said


def test_the_floor_of_a_smoothed_loss_is_that_of_a_model_that_knows_all() -> None:
    """torch's own loss of logits that give just the smoothed label."""
    import torch

    shares = torch.tensor([[0.8 + 0.2 / 3, 0.2 / 3, 0.2 / 3]])
    level = torch.nn.functional.cross_entropy(shares.log(), torch.tensor([0]), label_smoothing=0.2)
    assert smoothed_floor(0.2, 3) == pytest.approx(float(level), rel=1e-5)
    assert smoothed_floor(0.0, 3) == 0


def test_the_optimum_of_a_smoothed_loss_without_inputs_is_that_entropy() -> None:
    """torch's own smoothed loss, minimized over a constant output, comes to the level that is computed."""
    import torch

    targets = torch.tensor([0] * 600 + [1] * 150 + [2] * 50)
    logits = torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=100)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = torch.nn.functional.cross_entropy(logits.expand(800, 3), targets, label_smoothing=0.2)
        value.backward()
        return value

    optimizer.step(loss)
    assert known_classes((SET,), {"label_smoothing": 0.2}, 3, "given").prior_entropy == pytest.approx(float(loss().detach()), abs=1e-5)


def test_several_labels_have_a_binary_entropy_each() -> None:
    """Labels of 600, 150 and 50 among 800 records: the mean of three binary entropies."""
    known = known_classes((replace(SET, labels="multiple"),), {}, 3, "given")
    shares = (0.75, 0.1875, 0.0625)
    assert known.per_label and known.chance == pytest.approx(math.log(2))
    assert known.prior_entropy == pytest.approx(sum(-p * math.log(p) - (1 - p) * math.log(1 - p) for p in shares) / 3)


def test_no_labels_no_levels() -> None:
    """Without counts only the number of classes is known."""
    assert known_classes((), {}, 7, "given") == Classes(7, "given")
    assert known_classes((replace(SET, counts={"train": {}}),), {}, None, "") == Classes()


def test_a_validation_class_that_training_lacks_has_no_cross_entropy() -> None:
    """It would be infinite."""
    strange = replace(SET, counts={**SET.counts, "validation": {"a": 5, "new": 5}})
    assert known_classes((strange,), {}, 3, "given").validation_cross_entropy is None


def majority(values: Sequence[float], tag: str = "val/acc", manifest: Manifest = SET) -> Measurement | Missing:
    """The majority gap of an accuracy curve."""
    array = np.asarray(values, dtype=np.float64)
    series = Series(tag, "", np.arange(array.size), array, np.full(array.size, np.nan), "events")
    return measure_majority(assign([series], ReadOptions()), (manifest,))


def test_the_share_of_the_most_frequent_training_class_is_that_of_validation() -> None:
    """Class a is half of validation, so that naming it for all is right half of the time."""
    found = majority([0.31, 0.47, *[0.5] * 15])
    assert isinstance(found, Measurement)
    assert (found.value, found.text, found.items["share"], found.items["spread"]) == (0.0, "a", 0.5, 0.0)
    assert found.items["unit"] == pytest.approx(0.005)


def test_another_class_alone_is_seen_too() -> None:
    """A model that names b for all records has b's share; percentages are taken for what they are."""
    found = majority([21.25, 24.0, *[30.0] * 15])
    assert isinstance(found, Measurement)
    assert found.value == pytest.approx(-0.2)
    assert found.items["single"] == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("manifest", "values"),
    [(replace(SET, counts={"train": {"a": 5, "b": 3}}), [0.5] * 20), (SET, [0.5] * 4), (replace(SET, labels="multiple"), [0.5] * 20)],
    ids=["no validation labels", "four points", "several labels"],
)
def test_what_cannot_be_compared_is_missing(manifest: Manifest, values: list[float]) -> None:
    """Without the split's labels, with too few points, or with several labels a record nothing is said."""
    assert isinstance(majority(values, manifest=manifest), Missing)


@pytest.mark.parametrize(
    ("values", "half"), [([0.5, 0.97], 0.005), ([0.971, 0.5], 0.0005), ([0.97123456789, 0.5], 5e-7), ([np.float32(0.9712)], 5e-5)]
)
def test_decimals_of_a_log_are_counted(values: list[float], half: float) -> None:
    """The last decimal that all values were rounded to, float32 or not."""
    assert half_unit(np.array(values, dtype=np.float64)) == pytest.approx(half)
