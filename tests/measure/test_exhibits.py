"""What a report can draw of a run: curves with their annotations, layers, classes."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from postmortem.measure.data_sets import natural
from postmortem.measure.exhibits import build
from postmortem.measure.roles import assign
from postmortem.measure.table import CheckpointRow, DeltaStats, TensorStats, TensorTable, UpdateStats
from postmortem.model import CountPlot, DepthPlot, Exhibit, Heatmap, LinePlot, Manifest, Measurement, ReadOptions, RunData, Series, Table

OPTIONS = ReadOptions()


def _series(tag: str, values: Sequence[float], every: int = 1, group: str = "") -> Series:
    steps = np.arange(len(values), dtype=np.int64) * every
    return Series(tag, group, steps, np.array(values, dtype=np.float64), np.full(len(values), np.nan), "events")


def _manifest(counts: Mapping[str, Mapping[str, int]]) -> Manifest:
    rows = sum(sum(labels.values()) for labels in counts.values())
    return Manifest("manifest.csv", rows, "label", "split", None, counts, 0, None, {}, {})


def _build(
    *series: Series, table: TensorTable | None = None, manifests: tuple[Manifest, ...] = (), measured: Sequence[Measurement] = ()
) -> dict[str, Exhibit]:
    run = RunData("run", "run", (), series, (), {}, (), manifests, (), (), OPTIONS)
    exhibits = build(run, assign(series, OPTIONS), table, {one.name: one for one in measured})
    assert len({exhibit.id for exhibit in exhibits}) == len(exhibits)
    return {exhibit.id: exhibit for exhibit in exhibits}


def _lines(exhibits: Mapping[str, Exhibit], id: str) -> LinePlot:
    found = exhibits[id]
    assert isinstance(found, LinePlot)
    return found


CLASSIFIER = Measurement("run.family", math.nan, "", "", text="classification")
FALL = tuple(2.3 * 0.99**step for step in range(300))


# --- curves -----------------------------------------------------------------------------------------------------------


def test_a_run_of_which_nothing_is_known_has_no_exhibits() -> None:
    """Absent data give no empty figures."""
    assert _build() == {}


def test_losses_stand_together_with_the_learning_rate_beneath() -> None:
    """Training first, then validation, then parts; roles tell which is which."""
    plot = _lines(_build(_series("val/loss", FALL[::10], 10), _series("train/loss", FALL), _series("train/lr", [0.1] * 300)), "loss")
    assert [(curve.label, curve.role) for curve in plot.curves] == [("train/loss", "train"), ("val/loss", "validation")]
    assert [(curve.label, curve.role) for curve in plot.lower] == [("train/lr", "learning-rate")]
    assert not plot.log


def test_long_curves_are_thinned_and_say_so() -> None:
    """The number of points before thinning stays; values are rounded to what float32 holds."""
    values = np.linspace(2.3, 0.1, 50_000)
    values[777] = 9.87654321
    curve = _lines(_build(_series("loss", values.tolist())), "loss").curves[0]
    assert curve.points == 50_000
    assert len(curve.steps) == len(curve.values) <= 802
    assert 9.876543 in curve.values


def test_a_run_with_many_tags_draws_the_leading_ones_and_counts_the_rest() -> None:
    """Training and validation loss are never crowded out by parts of the loss."""
    parts = [_series(f"train/{name}_loss", [0.1 * place, *FALL * 2]) for place, name in enumerate("abcdefghijk")]
    plot = _lines(_build(*parts, _series("train/loss", FALL[:20]), _series("val/loss", FALL[:20])), "loss")
    assert [curve.label for curve in plot.curves[:2]] == ["train/loss", "val/loss"]
    assert len(plot.curves) == 8
    assert "5 more loss tags are not drawn" in plot.caption


def test_curves_of_one_tag_from_two_folders_are_told_apart() -> None:
    """Keras logs `epoch_loss` twice, and only the folder says which is which."""
    plot = _lines(_build(_series("epoch_loss", FALL, group="train"), _series("epoch_loss", FALL[1:], group="validation")), "loss")
    assert [curve.label for curve in plot.curves] == ["epoch_loss (train)", "epoch_loss (validation)"]


def test_a_loss_that_starts_far_above_the_rest_is_drawn_by_logarithm() -> None:
    """On a linear scale nothing but its first point would be seen; a value below zero rules it out."""
    assert _lines(_build(_series("loss", (2775.0, 40.0, *FALL))), "loss").log
    assert not _lines(_build(_series("loss", (2775.0, 40.0, -0.1, *FALL))), "loss").log


def test_what_was_found_becomes_marks() -> None:
    """Levels, spans and steps come from the measurements, with their numbers in the label."""
    measured = (
        CLASSIFIER,
        Measurement("loss.chance", math.log(10), "nats", ""),
        Measurement("classes.prior_entropy", 1.5, "nats", ""),
        Measurement("loss.early_drop", 0.92, "share", "", 0, {"level_after": 0.4, "end": 12.0}),
        Measurement("loss.plateau", 0.44, "share", "", 90, {"begin": 90.0, "settled": 100.0, "end": 250.0, "level": 0.82}, "steady"),
        Measurement("loss.divergence", 0.9, "ratio", "", 260, {"line": 1.5}),
        Measurement("loss.spikes", 2.0, "spikes", "", 40, {"200": 1.5, "40": 3.0}),
        Measurement("loss.nonfinite", 3.0, "points", "", 280),
        Measurement("validation.rise", 0.33, "share", "", 150),
    )
    level = (*FALL[:100], *[FALL[100]] * 151, *FALL[251:])
    marks = _lines(_build(_series("loss", level), measured=measured), "loss").marks
    assert [(mark.kind, mark.step, mark.step_end, mark.value) for mark in marks] == [
        ("level", None, None, math.log(10)),
        ("level", None, None, 1.5),
        ("span", 0, 12, None),
        ("step", 40, None, None),
        ("span", 100, 250, None),
        ("step", 150, None, None),
        ("step", 200, None, None),
        ("step", 260, None, None),
        ("step", 280, None, None),
    ]
    assert "chance level 2.303" in marks[0].label
    assert marks[3].label == f"spike to {level[40]:.3g}"
    assert marks[7].label == "the loss turns up for good: mostly above 1.5 from here on"


def test_a_sound_curve_has_no_marks_but_its_levels() -> None:
    """What is too small to notice is not pointed at; balanced classes have one level, not two."""
    measured = (
        CLASSIFIER,
        Measurement("loss.chance", 2.303, "nats", ""),
        Measurement("classes.prior_entropy", 2.30, "nats", ""),
        Measurement("loss.early_drop", 0.2, "share", "", 0, {"end": 12.0}),
        Measurement("loss.divergence", 0.01, "ratio", "", 260),
        Measurement("loss.spikes", 0.0, "spikes", ""),
        Measurement("loss.nonfinite", 0.0, "points", ""),
    )
    assert [mark.kind for mark in _lines(_build(_series("loss", FALL), measured=measured), "loss").marks] == ["level"]


def test_warm_restarts_of_the_learning_rate_are_marked() -> None:
    """At the last point before it comes back; a schedule that only falls, or rises once to warm up, has none."""
    cycle = [0.1 * 0.5 * (1 + math.cos(math.pi * step / 50)) for step in range(50)]
    restarted = _lines(_build(_series("loss", FALL[:100]), _series("lr", [*cycle, *cycle])), "loss")
    assert [(mark.kind, mark.step) for mark in restarted.marks] == [("step", 49)]
    warmed = [0.1 * step / 10 for step in range(10)] + cycle
    assert _lines(_build(_series("loss", FALL[:60]), _series("lr", warmed)), "loss").marks == ()


def test_regularization_is_drawn_over_the_data_loss_with_their_ratio() -> None:
    """The ratio joins the two at common steps, and leaves out those where the data loss is zero."""
    data, penalty = [2.0, 1.0, 0.0, 0.5], [20.0, 20.0, 20.0, 20.0]
    exhibits = _build(
        _series("train/data_loss", data), _series("train/regularization_loss", penalty), _series("train/loss", [22.0, 21.0, 20.0, 20.5])
    )
    plot = _lines(exhibits, "regularization")
    assert [curve.role for curve in plot.curves] == ["data", "regularization"]
    assert plot.lower[0].steps == (0, 1, 3)
    assert plot.lower[0].values == (10.0, 20.0, 40.0)
    assert [(mark.kind, mark.value, mark.lower) for mark in plot.marks] == [("level", 10.0, True)]


def test_a_curve_that_was_logged_twice_is_drawn_once() -> None:
    """Trainers and their trackers write the same numbers under two names: the caption names the second."""
    plot = _lines(_build(_series("train/loss", FALL), _series("loss", FALL), _series("val_loss", FALL)), "loss")
    assert [curve.label for curve in plot.curves] == ["train/loss", "val_loss"]
    assert "'train/loss' was logged as 'loss' too." in plot.caption


def test_without_a_loss_the_learning_rate_is_drawn() -> None:
    """What was logged is shown."""
    plot = _lines(_build(_series("lr", [0.1, 0.05, 0.01])), "learning-rate")
    assert plot.title == "Learning rate goes from 0.1 to 0.01"
    assert "No loss was logged" in plot.caption


def test_levels_of_guessing_are_drawn_beside_a_cross_entropy_only() -> None:
    """Of an unknown family the first loss must be near chance to tell that it is one."""
    chance = Measurement("loss.chance", 0.7, "nats", "")
    unknown = Measurement("run.family", math.nan, "", "", text="unknown")
    assert not _lines(_build(_series("loss", FALL), measured=(chance, unknown)), "loss").marks
    near = Measurement("loss.first_to_chance", 1.05, "ratio", "")
    assert len(_lines(_build(_series("loss", FALL), measured=(chance, unknown, near)), "loss").marks) == 1
    assert len(_lines(_build(_series("loss", FALL), measured=(chance, CLASSIFIER)), "loss").marks) == 1


def test_gradient_norm_and_accuracy_have_plots_of_their_own() -> None:
    """A burst is marked; NaN and Inf stay in the curve."""
    norms = [1.0, math.nan, math.inf, 2.0]
    burst = Measurement("gradnorm.burst", 40.0, "ratio", "", 3)
    exhibits = _build(_series("grad_norm", norms), _series("val/accuracy", [0.1, 0.9]), measured=(burst,))
    plot = _lines(exhibits, "gradient-norm")
    assert np.array_equal(plot.curves[0].values, norms, equal_nan=True)
    assert [mark.step for mark in plot.marks] == [3]
    assert _lines(exhibits, "accuracy").curves[0].label == "val/accuracy"


# --- layers -----------------------------------------------------------------------------------------------------------


def _stats(shape: tuple[int, ...], std: float = 1.0, norm: float = 8.0, dtype: str = "float32") -> TensorStats:
    elements = math.prod(shape)
    return TensorStats(shape, dtype, elements, 0, 2, 0.0, std**2, 3.0, -3 * std, 3 * std, norm)


def _update(norm: float, weight: float = 10.0, gradient: float = 1e-3) -> UpdateStats:
    return UpdateStats("adam", 100, 1e-3, norm, weight, gradient, 0.2, 0, 0, 0, None, None, None, -1)


def _row(
    step: int | None, updates: Mapping[str, UpdateStats] | None = None, deltas: Mapping[str, DeltaStats] | None = None, std: float = 0.1
) -> CheckpointRow:
    tensors = {
        "fc1.weight": _stats((64, 50), std),
        "fc1.bias": _stats((64,), 0.0),
        "fc2.weight": _stats((10, 64), 2 * std),
        "fc2.bias": _stats((10,), 0.0),
    }
    return CheckpointRow(f"step_{step}.pt", step, tensors, deltas or {}, {"fc1.weight": 2.0} if deltas else {}, updates or {})


def test_variance_by_depth_compares_first_and_last_checkpoint_with_usual_initializations() -> None:
    """He's initialization gives a variance times fan-in of 2."""
    plot = _build(table=TensorTable((_row(0, std=0.2), _row(50), _row(100)), "as written"))["weight-variance"]
    assert isinstance(plot, DepthPlot)
    assert plot.layers == ("fc1.weight", "fc2.weight")
    assert plot.values["step 0"] == pytest.approx((0.04 * 50, 0.16 * 64))
    assert plot.values["step 100"] == pytest.approx((0.01 * 50, 0.04 * 64))
    assert plot.references["He"] == 2.0


def test_a_single_checkpoint_is_drawn_once() -> None:
    """First and last are the same."""
    plot = _build(table=TensorTable((_row(100),), "as written"))["weight-variance"]
    assert isinstance(plot, DepthPlot)
    assert list(plot.values) == ["step 100"]


def test_updates_are_a_map_of_layers_by_checkpoints_with_gaps_where_no_state_was_saved() -> None:
    """A checkpoint without optimizer state is no column; a layer without state has NaN there."""
    rows = (_row(0), _row(50, {"fc1.weight": _update(1e-2)}), _row(100, {"fc1.weight": _update(2e-2), "fc2.weight": _update(1e-5)}))
    plot = _build(table=TensorTable(rows, "as written"))["update-ratio"]
    assert isinstance(plot, Heatmap)
    assert plot.columns == ("step 50", "step 100")
    assert np.array_equal(plot.values, ((1e-3, 2e-3), (math.nan, 1e-6)), equal_nan=True)
    assert 1e-3 in plot.references.values()


def test_without_optimizer_state_the_distance_moved_is_shown_as_what_it_is() -> None:
    """Per step, over the norm before, and the caption says that it is a lower bound."""
    delta = DeltaStats(4.0, 0, math.nan, 0.9, None)
    plot = _build(table=TensorTable((_row(0), _row(50, deltas={"fc1.weight": delta})), "as written"))["update-ratio"]
    assert isinstance(plot, Heatmap)
    assert plot.columns == ("step 50",)
    assert plot.values[0] == (4.0 / 8.0 / 50,)
    assert math.isnan(plot.values[1][0])
    assert plot.caption.startswith("No checkpoint holds the optimizer's state: this is the distance")


def test_state_that_does_not_give_the_last_update_leaves_the_distance_moved() -> None:
    """Moments without a learning rate say nothing of updates, and the caption does not say that none were saved."""
    delta = DeltaStats(4.0, 0, math.nan, 0.9, None)
    rows = (_row(0), _row(50, {"fc1.weight": _update(math.nan)}, deltas={"fc1.weight": delta}))
    plot = _build(table=TensorTable(rows, "as written"))["update-ratio"]
    assert isinstance(plot, Heatmap)
    assert plot.values[0] == (4.0 / 8.0 / 50,)
    assert plot.caption.startswith("The optimizer's state does not give the last update: this is the distance")


def test_updates_at_a_rate_of_zero_leave_the_distance_moved() -> None:
    """A schedule that ended before each checkpoint makes every last update 0, though the weights had moved."""
    delta = DeltaStats(4.0, 0, math.nan, 0.9, None)
    still = replace(_update(0.0), lr=0.0)
    table = TensorTable((_row(0), _row(50, {"fc1.weight": still}, deltas={"fc1.weight": delta})), "as written")
    plot = _build(table=table)["update-ratio"]
    assert isinstance(plot, Heatmap)
    assert plot.values[0] == (4.0 / 8.0 / 50,)
    assert "saved only where the learning rate was 0" in plot.caption
    alone = _build(table=TensorTable((_row(50, {"fc1.weight": still}),), "as written"))["update-ratio"]
    assert alone.title == "The last update over weight is known only where the learning rate was 0"


def test_checkpoints_of_unknown_step_give_no_speed() -> None:
    """A distance per step needs the steps."""
    delta = DeltaStats(4.0, 0, math.nan, 0.9, None)
    assert "update-ratio" not in _build(table=TensorTable((_row(None), _row(None, deltas={"fc1.weight": delta})), "as written"))


def test_gradients_by_depth_come_from_the_optimizer() -> None:
    """Early and late, in depth order."""
    state = {"fc1.weight": _update(1e-2, gradient=1e-5), "fc2.weight": _update(1e-2, gradient=1e-2)}
    plot = _build(table=TensorTable((_row(0), _row(50, state), _row(100, state)), "as written"))["gradient-rms"]
    assert isinstance(plot, DepthPlot)
    assert plot.layers == ("fc1.weight", "fc2.weight")
    assert plot.values["step 100"] == (1e-5, 1e-2)


def test_dead_units_are_shares_by_layer_with_their_basis() -> None:
    """As measured; how it was proved stands in the caption."""
    dead = Measurement("units.dead", 0.5, "share", "rows that did not move", None, {"fc1.weight": 0.5})
    plot = _build(table=TensorTable((_row(0),), "as written"), measured=(dead,))["dead-units"]
    assert isinstance(plot, DepthPlot)
    assert (plot.layers, plot.values, plot.log) == (("fc1.weight",), {"dead": (0.5,)}, False)
    assert "rows that did not move" in plot.caption


def test_every_tensor_stands_in_the_table() -> None:
    """Numbers stay numbers; what does not apply is a gap; the caption says how depth order was found."""
    delta = DeltaStats(4.0, 0, math.nan, 0.9, None)
    rows = (_row(0), _row(50, {"fc1.weight": _update(1e-2)}, {"fc1.weight": delta}))
    table = _build(table=TensorTable(rows, "as written"))["tensors"]
    assert isinstance(table, Table)
    first = dict(zip(table.columns, table.rows[0], strict=True))
    assert first["tensor"] == "fc1.weight"
    assert first["shape"] == "64 x 50"
    assert first["std"] == 0.1
    assert first["zeros"] == pytest.approx(2 / 3200, rel=1e-3)
    assert first["change since first"] == 0.25
    assert first["update ratio"] == 1e-3
    assert table.rows[1][-2:] == (None, None)
    assert len(table.rows) == 4
    assert "as written" in table.caption


# --- data -------------------------------------------------------------------------------------------------------------


def test_class_counts_stand_by_split_largest_first() -> None:
    """Training first; a class that is missing in a split counts zero there."""
    plot = _build(manifests=(_manifest({"val": {"dog": 5}, "train": {"cat": 10, "dog": 90}}),))["classes"]
    assert isinstance(plot, CountPlot)
    assert plot.labels == ("dog", "cat")
    assert list(plot.counts.items()) == [("train", (90, 10)), ("val", (5, 0))]


def test_of_many_classes_both_ends_are_drawn() -> None:
    """The most frequent and the rarest have a bar each; how many records lie between them is told, and no bar is a sum."""
    counts = {f"class {index}": 100 + index for index in range(100)}
    plot = _build(manifests=(_manifest({"train": counts}),))["classes"]
    assert isinstance(plot, CountPlot)
    assert plot.labels == tuple(f"class {index}" for index in (*range(99, 74, -1), *range(14, -1, -1)))
    left = sum(counts.values()) - sum(plot.counts["train"])
    assert f"the 60 between them, with {left} of {sum(counts.values())}" in plot.caption


def test_weights_balance_the_classes_and_can_be_pasted() -> None:
    """Records times weight is the same for each class; labels are Python strings, whatever is in them."""
    hostile = 'a"], ["b\n'
    table = _build(manifests=(_manifest({"train": {"10": 60, "2": 30, hostile: 10}}),))["class-weights"]
    assert isinstance(table, Table)
    assert [row[0] for row in table.rows] == ["2", "10", hostile]
    for _, records, _, weight, _ in table.rows:
        assert isinstance(records, int)
        assert isinstance(weight, float)
        assert records * weight == pytest.approx(100 / 3, rel=1e-3)
    labels = ast.parse(table.code).body[0]
    assert isinstance(labels, ast.Assign)
    assert ast.literal_eval(labels.value) == ["2", "10", hostile]


def test_balanced_classes_need_no_weights() -> None:
    """Weights that change nothing are not offered; nor are they for a single class."""
    assert "class-weights" not in _build(manifests=(_manifest({"train": {"a": 100, "b": 90}}),))
    assert "class-weights" not in _build(manifests=(_manifest({"train": {"a": 100}}),))


def test_a_manifest_without_labels_gives_no_figure() -> None:
    """No label column was found: there is nothing to count, and the table of data sets says so."""
    assert set(_build(manifests=(_manifest({}),))) == {"data-sets"}


def test_class_2_comes_before_class_10() -> None:
    """Labels are ordered as a person would."""
    assert sorted(["class 10", "class 2", "b", "10", "9"], key=natural) == ["9", "10", "b", "class 2", "class 10"]
