"""Advice with numbers: closed forms, what applies to which labels, and code that runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch

from postmortem.measure.class_advice import advise, effective_number, in_order, inverse_frequency
from postmortem.measure.data_exhibits import build
from postmortem.model import CountPlot, Manifest, Table, Targets

SINGLE = Manifest("manifest.csv", 0, "label", "split", None, {"train": {"a": 600, "b": 300, "c": 100}}, 0, None, {}, {}, labels="single")


def tables(manifest: Manifest) -> dict[str, Table]:
    """Every table by its id."""
    return {table.id: table for table in advise(manifest)}


def ran(code: str, **given: Any) -> dict[str, Any]:
    """The names that pasted code defines, with a model whose head is as wide as its biases."""
    names: dict[str, Any] = {"torch": torch, **given}
    exec(code, names)
    return names


class Model(torch.nn.Module):
    """A model with a head."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.head = torch.nn.Linear(4, width)


def test_both_weights_have_a_mean_of_one_over_records() -> None:
    """So that the loss keeps its level; inverse frequency gives each class the same sum, effective numbers saturate."""
    counts = {"a": 600, "b": 300, "c": 100}
    for weights in (inverse_frequency(counts), effective_number(counts, 0.999)):
        assert sum(weights[label] * count for label, count in counts.items()) == pytest.approx(1000)
    assert inverse_frequency(counts)["c"] * 100 == pytest.approx(1000 / 3)
    many = effective_number({"a": 10**7, "b": 10**5}, 0.999)
    assert many["b"] / many["a"] == pytest.approx(1)


def test_effective_numbers_are_those_of_the_paper() -> None:
    """(1 - beta) / (1 - beta^n), up to the scale; few records are inverse frequency, beta towards 1 too."""
    weights = effective_number({"a": 500, "b": 20}, 0.99)
    assert weights["b"] / weights["a"] == pytest.approx((1 - 0.99**500) / (1 - 0.99**20))
    nearly = effective_number({"a": 500, "b": 20}, 1 - 1e-9)
    assert nearly["b"] / nearly["a"] == pytest.approx(25, rel=1e-5)


def test_classes_without_a_record_keep_their_place() -> None:
    """A weight of 1 stands where the head has a unit for a class that training lacks."""
    declared = replace(SINGLE, classes=("c", "x", "a", "b"))
    assert list(in_order(declared, {"a": 600, "b": 300, "c": 100, "x": 0})) == ["c", "x", "a", "b"]
    names = ran(tables(declared)["class-weights"].code, train_labels=["a", "c"])
    assert names["labels"] == ["c", "x", "a", "b"]
    assert names["weights"][1] == 1
    assert len(names["effective"]) == 4


def test_folders_are_in_the_order_of_loaders() -> None:
    """Numbers in names of folders are sorted as text, in tables as numbers."""
    counts = {"10": 5, "9": 5}
    assert list(in_order(SINGLE, counts)) == ["9", "10"]
    assert list(in_order(replace(SINGLE, format="image folder"), counts)) == ["10", "9"]


def test_pasted_weights_and_sampler_run() -> None:
    """The loss takes the weights, and the sampler draws each class as often."""
    labels = ["a"] * 600 + ["b"] * 300 + ["c"] * 100
    torch.manual_seed(0)
    names = ran(tables(SINGLE)["class-weights"].code, train_labels=labels)
    drawn = [labels[index] for index in names["sampler"]]
    assert all(drawn.count(label) == pytest.approx(333, abs=60) for label in "abc")
    loss = names["loss_function"](torch.zeros(2, 3), torch.tensor([0, 2]))
    assert float(loss) == pytest.approx(math.log(3))


def test_pasted_biases_begin_at_the_prior() -> None:
    """With them the first cross-entropy of a head with weights of 0 is H(p), and their mean is 0."""
    table = tables(SINGLE)["bias-initialization"]
    head = Model(3)
    ran(table.code, model=head)
    bias = head.head.bias.detach()
    assert float(bias.mean()) == pytest.approx(0, abs=1e-3)
    assert torch.softmax(bias, 0).tolist() == pytest.approx([0.6, 0.3, 0.1], abs=1e-3)
    nats = -sum(p * math.log(p) for p in (0.6, 0.3, 0.1))
    assert f"H(p) = {nats:.4g}" in table.caption


def test_two_classes_have_a_bias_for_one_unit() -> None:
    """ln(p / (1 - p)) of the second class."""
    code = tables(replace(SINGLE, counts={"train": {"no": 970, "yes": 30}}))["bias-initialization"].code
    assert f"fill_({math.log(30 / 970):.4g})" in code


def test_undersampling_tells_what_it_costs() -> None:
    """Cut to the rarest, 300 of 1,000 are left; to the median, 700, at three to one."""
    rows = tables(SINGLE)["undersampling"].rows
    assert rows == (("the rarest class", 100, 300, 0.3, 1.0), ("the median class", 300, 700, 0.7, 3.0))


def test_labels_of_which_several_apply_get_positive_weights() -> None:
    """Negatives over positives, and a bias whose sigmoid is the share; softmax weights are not offered."""
    several = replace(SINGLE, counts={"train": {"a": 500, "b": 20}}, records={"train": 1000}, rows=1000, labels="multiple")
    found = tables(several)
    assert set(found) == {"label-weights"}
    head = Model(2)
    names = ran(found["label-weights"].code, model=head)
    assert names["pos_weight"].tolist() == pytest.approx([1, 49])
    assert torch.sigmoid(head.head.bias.detach()).tolist() == pytest.approx([0.5, 0.02], abs=1e-4)


def test_more_positives_than_records_give_no_weights() -> None:
    """Counts that cannot be records per label are not divided by records."""
    assert tables(replace(SINGLE, records={"train": 100}, rows=100, labels="multiple")) == {}


def test_rare_objects_get_repeat_factors() -> None:
    """The root of 0.001 over objects an image, of classes below that only."""
    boxes = replace(SINGLE, counts={"train": {"person": 90_000, "toaster": 25}}, records={"train": 100_000}, rows=100_000, labels="objects")
    table = tables(boxes)["repeat-factors"]
    assert table.rows == (("toaster", 25, 0.00025, 2.0),)
    names = ran(table.code, image_classes=[{"person"}, {"person", "toaster"}, set()])
    assert names["repeats"] == [1, 2, 1]
    assert set(tables(boxes)) == {"repeat-factors"}


def test_targets_are_scaled_by_training() -> None:
    """Mean and deviation of the training split, and what an answer of 0 loses."""
    targets = Targets(1000, 50.0, 12.0, 0.0, 99.0, 900, splits={"train": (800, 30.0, 40.0), "test": (200, 60.0, 9.0)})
    table = tables(replace(SINGLE, counts={}, labels="targets", targets=targets))["target-scaling"]
    assert "squared error of 2500" in table.caption
    assert ran(table.code, targets=torch.tensor([70.0]))["targets"].tolist() == [1]
    assert tables(replace(SINGLE, counts={}, labels="targets", targets=replace(targets, deviation=0.0, splits={}))) == {}


@pytest.mark.parametrize("counts", [{"a": 100, "b": 90}, {"a": 100}, {}, {"a": 5, "b": 0}], ids=["even", "one", "none", "one of two"])
def test_nothing_is_advised_where_nothing_would_change(counts: Mapping[str, int]) -> None:
    """Even classes and single ones need no numbers."""
    assert tables(replace(SINGLE, counts={"train": counts})) == {}


def test_thousands_of_classes_are_not_pasted() -> None:
    """Beyond 200 the table holds the rarest and stands without code."""
    counts = {f"class {index}": 10 + index for index in range(1000)}
    found = tables(replace(SINGLE, counts={"train": counts}))
    assert found["class-weights"].code == found["bias-initialization"].code == ""
    assert [row[1] for row in found["class-weights"].rows] == list(range(10, 210))
    assert "200 rarest of 1000" in found["class-weights"].caption


def test_figure_is_of_the_manifest_that_speaks() -> None:
    """A table of predictions beside the data set does not count its records twice."""
    plot = next(build((replace(SINGLE, source="predictions.csv"), SINGLE)))
    assert isinstance(plot, CountPlot)
    assert plot.counts == {"train": (600, 300, 100)}
    assert "from manifest.csv" in plot.caption


def test_figure_reads_well_for_folds_and_unlabelled_splits() -> None:
    """Folds are called so, in their order; many are counted together; a split without labels has no empty column."""
    few = {str(fold): {"a": 10 + fold, "b": 5} for fold in (2, 0, 1)}
    plot = next(build((replace(SINGLE, counts={**few, "test": {}}),)))
    assert isinstance(plot, CountPlot)
    assert list(plot.counts) == ["fold 0", "fold 1", "fold 2"]
    many = next(build((replace(SINGLE, counts={str(fold): {"a": 10, "b": 5} for fold in range(10)}),)))
    assert isinstance(many, CountPlot)
    assert many.counts == {"all 10 splits": (100, 50)}


def test_figure_says_what_is_counted() -> None:
    """Objects and labels of which several apply are no records of a class; declared numbers are called so."""
    captions = []
    for kind in ("objects", "multiple"):
        plot = next(build((replace(SINGLE, labels=kind, declared=True),)))
        assert isinstance(plot, CountPlot)
        captions.append(plot.caption)
    assert captions[0].startswith("Objects of each class")
    assert "may bear several" in captions[1]
    assert all("declared" in caption for caption in captions)
