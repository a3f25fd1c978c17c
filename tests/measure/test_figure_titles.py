"""Titles of figures: the numbers of the picture, against curves and layers whose course is known."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from postmortem.measure import figure_titles as titles
from postmortem.measure.roled import Role, Roled
from postmortem.model import Measurement, Series

LAYERS = ("a", "b", "c", "d", "e")


def _curve(values: Sequence[float], role: Role = "training-loss", split: str = "train", every: int = 10) -> Roled:
    steps = np.arange(len(values), dtype=np.int64) * every
    return Roled(Series("tag", "", steps, np.array(values, dtype=np.float64), np.full(len(values), np.nan), "events"), role, split, "")


def _validation(values: Sequence[float]) -> Roled:
    return _curve(values, "validation-loss", "validation")


def _measured(*found: Measurement) -> dict[str, Measurement]:
    return {one.name: one for one in found}


def test_long_names_keep_their_end() -> None:
    """The end tells layers apart."""
    name = "x" * 60 + ".conv2.weight"
    assert titles.named(name).endswith(".conv2.weight")
    assert len(titles.named(name)) == titles.LONGEST_NAME


def test_a_loss_that_falls_is_told_with_both_ends() -> None:
    """The end is a median of the last tenth: one odd point does not make it, and the line beneath says what it is."""
    values = [2.3 - 0.02 * step for step in range(90)] + [0.43] * 10
    assert titles.loss_title(_curve(values), None, {}) == "Training loss falls from 2.3 to 0.43"
    values[-1] = 4.0
    assert titles.loss_title(_curve(values), None, {}) == "Training loss falls from 2.3 to around 0.43"
    both = titles.loss_title(_curve(values), _validation([*values[:-1], 3.0]), {})
    assert both.endswith("; validation loss ends around 0.43")
    assert "median of the last tenth" in titles.said_around(both)
    assert titles.said_around("Training loss falls from 2.3 to 0.43") == ""
    assert "; validation loss ends at 0.7" in titles.loss_title(_curve(values), _validation([2.3, 0.8, 0.7]), {})


def test_a_flat_loss_stays_and_chance_is_named_where_it_is_met() -> None:
    """Two per cent is no fall; another chance level is not spoken of."""
    flat = _curve([2.31, 2.3, 2.3, 2.3])
    assert titles.loss_title(flat, None, _measured(Measurement("loss.chance", 2.3026, "nats", ""))) == (
        "Training loss stays at 2.3 (the chance level)"
    )
    assert titles.loss_title(flat, None, _measured(Measurement("loss.chance", 4.6, "nats", ""))) == "Training loss stays at 2.3"


def test_a_level_held_to_the_end_is_told_and_one_that_was_left_is_not() -> None:
    """Nor is one that was held from the start: there was no fall before it."""
    curve = _curve([2.0, 1.5, *[1.0] * 8])

    def plateau(settled: float, end: float, text: str = "steady") -> dict[str, Measurement]:
        items = {"begin": 0.0, "settled": settled, "end": end, "level": 1.0}
        return _measured(Measurement("loss.plateau", 0.7, "share", "", 0, items, text))

    assert titles.loss_title(curve, None, plateau(20.0, 90.0)).endswith("falls from 2 to 1 and stays there from step 20")
    assert titles.loss_title(curve, None, plateau(20.0, 60.0)).endswith("falls from 2 to 1")
    assert titles.loss_title(curve, None, plateau(0.0, 90.0)).endswith("falls from 2 to 1")
    assert titles.loss_title(curve, None, plateau(20.0, 90.0, "falls")).endswith("falls from 2 to 1")


def test_a_loss_that_exploded_and_came_back_says_so() -> None:
    """Twice its first value is no noise; where it ended alone would hide the event."""
    title = titles.loss_title(_curve([3.4, 10.0, 52.0, 20.0, *[2.8] * 20]), None, {})
    assert title == "Training loss climbs from 3.4 to 52 at step 20 and ends at 2.8"
    assert titles.climb(_curve([3.4, 5.0, 2.8])) is None


def test_a_single_point_is_told_as_one() -> None:
    """It has no course."""
    assert titles.loss_title(_curve([2.3]), None, {}) == "Training loss has one point, 2.3"


def test_a_loss_that_turns_up_says_where() -> None:
    """A fall of which a quarter was given back has turned; less is noise. The low is a point of the curve, not a level."""
    curve = _curve([2.0, 1.0, 0.5, 3.0])
    lowest = Measurement("loss.lowest", 0.5, "loss", "", 20)
    turned = _measured(Measurement("loss.divergence", 1.6, "ratio", "", 20), lowest)
    assert titles.loss_title(curve, None, turned) == "Training loss falls from 2 to 0.5 at step 20 and climbs back to 3"
    logged = _measured(*turned.values(), Measurement("loss.lowest", 0.7, "loss", "", 30, {"logged": 0.5, "logged_step": 20.0}))
    assert titles.loss_title(curve, None, logged) == titles.loss_title(curve, None, turned)
    upward = _measured(*turned.values(), Measurement("loss.lowest", 2.0, "loss", "", 0))
    assert titles.loss_title(curve, None, upward) == "Training loss rises from 2 to 3"
    slight = _measured(Measurement("loss.divergence", 0.1, "ratio", "", 20), lowest)
    assert "climbs" not in titles.loss_title(curve, None, slight)


def test_a_loss_that_ends_in_nan_says_from_where_on() -> None:
    """NaN in the middle alone is no end."""
    assert titles.loss_title(_curve([2.0, 5.0, math.nan, math.inf]), None, {}) == (
        "Training loss is no finite number from step 20 on; the last one was 5"
    )
    assert titles.loss_title(_curve([2.0, math.nan, 1.0]), None, {}) == "Training loss falls from 2 to 1"
    assert titles.loss_title(_curve([math.nan] * 3), None, {}) == "Training loss is never a finite number"


def test_a_validation_loss_that_came_back_names_its_best_step() -> None:
    """A tenth above its best; less is not worth a word."""
    rise = Measurement("validation.rise", 0.5, "share", "", 10)
    assert (
        titles.loss_title(None, _validation([2.0, 1.0, 1.5]), _measured(rise)) == "Validation loss is best at step 10 (1) and ends at 1.5"
    )
    small = Measurement("validation.rise", 0.05, "share", "", 10)
    assert titles.loss_title(None, _validation([2.0, 1.0, 1.05]), _measured(small)) == "Validation loss ends at 1.05"


def test_parts_of_a_loss_alone_have_a_title_too() -> None:
    """Nothing is said of a total that was not logged."""
    assert titles.loss_title(None, None, {}) == "Parts of the loss"


def test_regularization_is_told_against_the_data_loss() -> None:
    """At the end, and at its peak where that is higher."""
    assert titles.regularization_title((0, 10), (12.0, 2.0)) == (
        "Regularization loss ends at 2 times the data loss, at most 12 times (step 0)"
    )
    assert titles.regularization_title((0, 10), (2.0, 2.0)) == "Regularization loss ends at 2 times the data loss"
    assert titles.regularization_title((), ()) == "Regularization loss"


def test_gradient_norms_tell_their_range_burst_or_loss_of_numbers() -> None:
    """What is worst is told first."""
    assert titles.gradient_norm_title(_curve([1.0, 3.0, 2.0]), {}) == "Gradient norm lies between 1 and 3"
    burst = _measured(Measurement("gradnorm.burst", 40.0, "ratio", "", 10))
    assert titles.gradient_norm_title(_curve([1.0, 40.0, 1.0]), burst) == "Gradient norm bursts to 40 at step 10, 40 times the usual"
    assert titles.gradient_norm_title(_curve([1.0, math.nan, 1.0]), burst).startswith(
        "Gradient norm is no finite number at 1 of 3 points, first at step 10"
    )


def test_accuracies_are_per_cent_where_they_are_shares() -> None:
    """Training first; a score beyond 1 stays as it is."""
    training, held_out = _curve([0.1, 0.992], "accuracy"), _curve([0.1, 0.68], "accuracy", "validation")
    assert titles.accuracy_title([held_out, training]) == "Training accuracy ends at 99.2%, validation accuracy at 68%"
    assert titles.accuracy_title([_curve([10.0, 68.4], "accuracy", "")]) == "Accuracy ends at 68.4"


def test_variance_tells_growth_else_the_spread_across_depth() -> None:
    """Growth is the median over layers."""
    assert titles.variance_title(LAYERS[:3], {"step 0": (1.0, 1.0, 1.0), "step 9": (50.0, 60.0, 1.0)}, {}) == (
        "Weight variance grew 50-fold from step 0 to step 9"
    )
    assert titles.variance_title(LAYERS[:2], {"step 0": (1.0, 1.0), "step 9": (0.01, 0.01)}, {}).startswith(
        "Weight variance shrank 100-fold"
    )
    assert titles.variance_title(LAYERS[:2], {"step 0": (1.0, 3.0)}, {}) == "Weight variance is within a factor of 3 across 2 matrices"
    assert titles.variance_title(LAYERS[:2], {"step 0": (1.0, 1e-3)}, {}) == "Weight variance spans 3 decades across 2 matrices, least in b"
    assert titles.variance_title(LAYERS[:2], {"step 0": (1.0, 0.0)}, {}) == "Weight variance is 0 in b"
    assert titles.variance_title(LAYERS[:2], {"step 0": (math.nan, math.nan)}, {}) == "Weights are no finite numbers at step 0"


def test_weights_that_began_far_outside_of_usual_initializations_say_how_far() -> None:
    """Beside the largest or the least usual variance; the head does not count, and a checkpoint of later steps is no beginning."""
    usual = {"He": 2.0, "torch's default": 0.25}
    large, small = {"step 0": (34.0, 34.0, 1.0)}, {"step 0": (0.025, 0.025, 1.0)}
    assert titles.variance_title(LAYERS[:3], large, usual) == "Weights began at 17 times the variance of He's initialization"
    assert titles.variance_title(LAYERS[:3], small, usual) == "Weights began at 1/10 of the variance of torch's default initialization"
    for columns in ({"step 0": (2.0, 2.0, 90.0)}, {"step 100": (34.0, 34.0, 1.0)}):
        assert titles.variance_title(LAYERS[:3], columns, usual) == "Weight variance is even across 2 hidden matrices"


def test_gradients_that_die_on_the_way_to_the_input_say_how_fast() -> None:
    """One decade a layer, by the median of all slopes: one odd layer does not hide it."""
    values = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
    assert titles.gradient_title(LAYERS, "step 9", values) == "Gradients shrink 1 decade a layer toward the input (step 9)"
    assert titles.gradient_title(LAYERS, "step 9", values[::-1]).startswith("Gradients grow 1 decade a layer toward the input")
    assert (
        titles.gradient_title(LAYERS, "step 9", (1.0, 1.1, 1.2, 1.1, 1.0)) == "Gradient is within a factor of 1.2 across 5 layers (step 9)"
    )


def test_updates_are_told_beside_the_usual_ratio() -> None:
    """Medians over layers of the first and last checkpoint that have any; a layer without a value does not count."""
    values = ((0.3, 0.002), (0.5, math.nan), (0.4, 0.002))
    assert titles.update_title("update-to-weight ratio", ("step 1", "step 2"), values, 1e-3) == (
        "The median update-to-weight ratio is 0.4 at step 1 and 0.002 at step 2; usual is 0.001"
    )
    assert titles.update_title("update-to-weight ratio", ("step 1",), ((0.4,),), 1e-3).endswith("0.4 at step 1; usual is 0.001")
    assert titles.update_title("update-to-weight ratio", ("step 1",), ((0.0,),), 1e-3).startswith("No weight moves")
    scheduled = titles.update_title("update-to-weight ratio", ("step 1",), ((0.0,),), 1e-3, {"step 1"})
    assert scheduled == "The update-to-weight ratio is known only where the learning rate was 0"
    ended = titles.update_title("update-to-weight ratio", ("step 1", "step 2"), ((0.4, 0.0),), 1e-3, {"step 2"})
    assert ended == "The median update-to-weight ratio is 0.4 at step 1; usual is 0.001"


def test_units_name_the_worst_layer() -> None:
    """And say so where there is none."""
    assert titles.units_title("dead", "units", {"a": 0.1, "b": 0.75}) == "75% of the units of b are dead"
    assert titles.units_title("dead", "units", {"a": 0.0}) == "No units are dead in 1 layer"


def test_tensors_name_what_moved_most() -> None:
    """Where checkpoints can be compared."""
    assert titles.tensors_title(3, "last.pt", {"a": 0.1, "b": 4.0}) == "3 tensors of last.pt; b moved most, by 4 times its first norm"
    assert titles.tensors_title(3, "last.pt", {"a": 0.0}) == "3 tensors of last.pt; none moved since the first checkpoint"
    assert titles.tensors_title(1, "last.pt", {}) == "1 tensor of last.pt"


def test_classes_tell_largest_against_smallest() -> None:
    """Of the split that was trained on; a class without a record there comes first."""
    counts = Counter({"cat": 120, "dog": 10})
    assert titles.classes_title(counts, ("cat", "dog"), "train") == (
        "2 classes; the largest (cat) has 12 times the records of the smallest (dog) in train"
    )
    assert titles.classes_title(counts, ("cat", "dog", "eel"), "") == "1 of 3 classes have no record"
    assert titles.classes_title(Counter({"a": 5, "b": 5}), ("a", "b"), "train") == "2 classes with 5 records each in train"
    assert titles.classes_title(Counter({"a": 5}), ("a",), "train") == "One class: a"


def test_pace_names_the_longest_pause_where_one_stands_out() -> None:
    """The rate is the median."""
    rates = np.array([10.0, 20.0, 20.0])
    assert titles.pace_title(rates, None, None) == "20 steps a second"
    assert titles.pace_title(rates, 1200.4, 300) == "20 steps a second; nothing was logged for 1,200 s after step 300"
