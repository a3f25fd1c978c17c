"""The pass over checkpoints against closed forms and plain float64 references."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from postmortem.measure import boxes, tensors, workers
from postmortem.measure.tensors import pass_over
from postmortem.model import Checkpoint, Optimizer
from postmortem.read.checkpoints.stored import StoredTensor

Array = NDArray[Any]


def checkpoint(
    arrays: Mapping[str, Array], step: int | None = 0, source: str = "", optimizers: tuple[Optimizer, ...] = (), epoch: int | None = None
) -> Checkpoint:
    """A checkpoint of arrays in memory."""
    held = {name: StoredTensor(name, array.shape, str(array.dtype), array) for name, array in arrays.items()}
    return Checkpoint(source or f"step_{step}.pt", step, "test", epoch, held, "as written", optimizers, {}, 0)


def one(array: Array) -> Any:
    """Statistics of a single tensor."""
    return pass_over([checkpoint({"w": array})]).rows[0].tensors["w"]


def pair(before: Array, after: Array) -> Any:
    """Difference of two tensors, one step apart."""
    return pass_over([checkpoint({"w": before}, 1), checkpoint({"w": after}, 2)]).rows[1].deltas["w"]


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("shape", [(700, 900), (3, 200_000), (1, 150_001), (5, 7, 3, 3), (1000,), (1,), (2, 1)])
def test_statistics_equal_a_float64_reference(dtype: str, shape: tuple[int, ...]) -> None:
    """Moments, extremes, norms and sums per unit are numpy's own over the whole tensor in float64."""
    array = (np.random.default_rng(3).standard_normal(shape) * 0.3 + 0.01).astype(dtype)
    stats, wide = one(array), array.astype(np.float64)
    assert stats.shape == shape and stats.elements == array.size and stats.nonfinite == 0
    exact = {"float64": 1e-12, "float32": 1e-8, "float16": 6e-8}[dtype] if array.size > 2**15 else 1e-12
    assert stats.mean == pytest.approx(wide.mean(), abs=exact * wide.std() + 1e-15)
    assert stats.variance == pytest.approx(wide.var(), rel=exact, abs=1e-15)
    assert stats.norm == pytest.approx(np.linalg.norm(wide), rel=exact)
    assert (stats.minimum, stats.maximum) == (wide.min(), wide.max())
    if array.size > 2:
        fourth = ((wide - wide.mean()) ** 4).mean() / wide.var() ** 2
        assert stats.kurtosis == pytest.approx(fourth, rel=10 * exact)
    if len(shape) == 1:
        assert stats.units is None
        return
    rows = wide.reshape(shape[0], -1)
    width = rows.shape[1]
    np.testing.assert_allclose(stats.units.total, rows.sum(1), rtol=0, atol=10 * exact * width)
    np.testing.assert_allclose(stats.units.squares, (rows**2).sum(1), rtol=30 * exact)
    assert stats.units.projection.shape == (shape[0],)


def test_normal_weights_have_the_moments_of_their_distribution() -> None:
    """N(0.5, 0.02²): mean, variance and a kurtosis of 3, within four standard errors."""
    count = 1_000_000
    stats = one(np.random.default_rng(1).normal(0.5, 0.02, (1000, 1000)).astype(np.float32))
    assert abs(stats.mean - 0.5) < 4 * 0.02 / math.sqrt(count)
    assert stats.variance == pytest.approx(0.02**2, rel=4 * math.sqrt(2 / count))
    assert stats.kurtosis == pytest.approx(3, abs=4 * math.sqrt(24 / count))


@pytest.mark.parametrize(("offset", "dtype"), [(1e4, "float32"), (1e8, "float64"), (-1e6, "float64")])
def test_a_mean_far_beyond_the_spread_costs_no_digits(offset: float, dtype: str) -> None:
    """Variance and kurtosis of values around a huge mean are those of the values themselves."""
    array = (np.random.default_rng(2).uniform(-1, 1, (400, 800)) + offset).astype(dtype)
    centred = array.astype(np.float64) - offset
    stats = one(array)
    assert stats.variance == pytest.approx(centred.var(), rel=1e-6)
    assert stats.kurtosis == pytest.approx(1.8, rel=0.02)


def test_a_constant_has_variance_zero_and_no_kurtosis() -> None:
    """A layer-norm weight that was never moved off 0.1 has variance 0 exactly."""
    stats = one(np.full((3, 100_000), 0.1, np.float32))
    assert stats.variance == 0 and math.isnan(stats.kurtosis) and stats.mean == float(np.float32(0.1))


@pytest.mark.parametrize("scale", [1e-12, 1e-30, 1e12, 1e18])
def test_kurtosis_holds_at_scales_whose_fourth_power_leaves_float32(scale: float) -> None:
    """Uniform weights have a kurtosis of 1.8 whatever their unit."""
    array = (np.random.default_rng(2).uniform(-1, 1, (300, 300)) * scale).astype(np.float32)
    assert one(array).kurtosis == pytest.approx(1.8, rel=0.02)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [(0, 0), (250, 17), (499, 699)])
def test_nonfinite_elements_are_counted_and_left_out(bad: float, place: tuple[int, int]) -> None:
    """One bad element changes the count of non-finite ones and nothing else beyond its own absence."""
    array = np.random.default_rng(4).normal(3, 0.1, (500, 700)).astype(np.float32)
    array[place] = bad
    stats = one(array)
    good = array[np.isfinite(array)].astype(np.float64)
    assert stats.nonfinite == 1
    assert stats.mean == pytest.approx(good.mean(), rel=1e-12)
    assert stats.variance == pytest.approx(good.var(), rel=1e-10)
    assert stats.norm == pytest.approx(np.linalg.norm(good), rel=1e-12)
    assert (stats.minimum, stats.maximum) == (good.min(), good.max())
    assert stats.units is not None and np.isfinite(stats.units.total).all()
    clean = np.where(np.isfinite(array), array, 0).astype(np.float64)
    np.testing.assert_allclose(stats.units.squares, (clean**2).sum(1), rtol=1e-12)


def test_a_tensor_of_nothing_but_nan() -> None:
    """All elements are counted, and no number is made up for them."""
    stats = one(np.full((4, 5), np.nan, np.float32))
    assert stats.nonfinite == 20 and stats.zeros == 0 and stats.norm == 0
    assert math.isnan(stats.mean) and math.isnan(stats.variance) and math.isnan(stats.minimum)


def test_an_empty_tensor_and_a_single_number() -> None:
    """A tensor of no elements and one without axes are both read."""
    row = pass_over([checkpoint({"none": np.empty((0, 3), np.float32), "count": np.array(7, np.int64)})]).rows[0]
    assert row.tensors["none"].elements == 0 and math.isnan(row.tensors["none"].mean)
    assert row.tensors["count"].mean == 7 and row.tensors["count"].elements == 1


def test_integers_and_truth_values_have_statistics_but_no_units() -> None:
    """A token table of integers is counted, not taken for weights."""
    assert one(np.arange(12).reshape(3, 4)).units is None
    stats = one(np.array([[True, False], [True, True]]))
    assert stats.mean == 0.75 and stats.zeros == 1 and stats.units is None


def test_zeros_are_counted_with_either_sign() -> None:
    """A pruned matrix shows how many of its elements are zero, minus zero among them."""
    array = np.ones((50, 50), np.float32)
    array[:10] = 0
    array[10, 0] = -0.0
    assert one(array).zeros == 501


@pytest.mark.parametrize("width", [1, 9, 63, 1000, 5000, 8192, 8193, 20_000, 140_000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_equal_units_have_equal_sums_to_the_last_bit(width: int, dtype: str) -> None:
    """Wherever two equal rows lie, their total, squares and projection are the same bits."""
    generator = np.random.default_rng(5)
    height = max(7, min(200, 600_000 // width))
    array = generator.standard_normal((height, width)).astype(dtype)
    array[1::2] = array[1]
    units = one(array).units
    for sums in (units.total, units.squares, units.projection):
        assert len(set(sums[1::2].tolist())) == 1
        assert len(set(sums[0::2].tolist())) == len(sums[0::2])


def test_permuted_units_differ_in_their_projection() -> None:
    """Rows with the same elements in another order have equal sums, but are not equal units."""
    row = np.arange(1.0, 101.0)
    units = one(np.stack([row, row[::-1]])).units
    assert units.total[0] == units.total[1] and abs(units.projection[0] - units.projection[1]) > 1


# --- differences ------------------------------------------------------------------------------------------------------


def test_differences_equal_a_float64_reference() -> None:
    """Norm, unchanged elements, cosines and distance from the first over four checkpoints are numpy's own."""
    generator = np.random.default_rng(6)
    states = [generator.standard_normal((300, 1000)).astype(np.float32)]
    for _ in range(3):
        step = 0.01 * generator.standard_normal(states[0].shape).astype(np.float32)
        step[:100] = 0
        states.append(states[-1] + step)
    rows = pass_over([checkpoint({"w": state}, 10 * index) for index, state in enumerate(states)]).rows
    wide = [state.astype(np.float64) for state in states]
    assert not rows[0].deltas and not rows[0].from_first
    for index in (1, 2, 3):
        difference = wide[index] - wide[index - 1]
        delta = rows[index].deltas["w"]
        assert delta.norm == pytest.approx(np.linalg.norm(difference), rel=1e-7)
        assert delta.equal == np.count_nonzero(states[index] == states[index - 1])
        assert delta.units_norm is not None
        np.testing.assert_allclose(delta.units_norm, np.linalg.norm(difference, axis=1), rtol=1e-6)
        size = np.linalg.norm(wide[index]) * np.linalg.norm(wide[index - 1])
        assert delta.cosine_weights == pytest.approx((wide[index] * wide[index - 1]).sum() / size, abs=1e-11)
        assert rows[index].from_first["w"] == pytest.approx(np.linalg.norm(wide[index] - wide[0]), rel=1e-7)
        if index > 1:
            before = wide[index - 1] - wide[index - 2]
            cosine = (difference * before).sum() / np.linalg.norm(difference) / np.linalg.norm(before)
            assert delta.cosine_before == pytest.approx(cosine, abs=1e-7)
        else:
            assert math.isnan(delta.cosine_before)


def test_distance_of_a_large_tensor_is_measured_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit only the second and the last of four checkpoints tell how far they are from the first; small ones all do."""
    monkeypatch.setattr(tensors, "_SMALL", 100)
    rows = pass_over([checkpoint({"w": np.full((20, 30), float(k)), "v": np.full(9, float(k))}, k) for k in range(4)]).rows
    assert ["w" in row.from_first for row in rows] == [False, True, False, True]
    assert ["v" in row.from_first for row in rows] == [False, True, True, True]
    assert rows[3].from_first["w"] == pytest.approx(3 * math.sqrt(600)) and rows[2].from_first["v"] == pytest.approx(6)


@pytest.mark.parametrize("size", [1e-25, 1e-12, 1.0, 1e20])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_differences_of_any_size_have_a_norm(size: float, dtype: str) -> None:
    """Neither a difference whose square float32 cannot hold nor a huge one is lost."""
    before = np.zeros((40, 1000), dtype)
    delta = pair(before, np.full_like(before, size))
    assert delta.norm == pytest.approx(size * 200, rel=1e-6) and delta.equal == 0


def test_pure_decay_has_a_cosine_of_one() -> None:
    """A tensor that only shrank points where it pointed, to a part in a trillion."""
    weights = np.random.default_rng(7).standard_normal((200, 300))
    delta = pair(weights, weights * 0.994)
    assert 1 - delta.cosine_weights < 1e-12
    assert delta.norm == pytest.approx(0.006 * np.linalg.norm(weights), rel=1e-9)


def test_an_unchanged_tensor_moved_by_nothing() -> None:
    """Every element is equal, the norm is exactly 0, and no direction is made up."""
    weights = np.random.default_rng(7).standard_normal((20, 30)).astype(np.float32)
    third = pass_over([checkpoint({"w": weights}, step) for step in (1, 2, 3)]).rows[2].deltas["w"]
    assert third.norm == 0 and third.equal == 600 and math.isnan(third.cosine_before)


def test_nonfinite_elements_make_the_difference_unknown_but_not_the_count() -> None:
    """NaN equals NaN as bits do; the norm and the unit's own norm are NaN, the other units' are not."""
    before = np.ones((3, 4), np.float32)
    before[1, 2] = np.nan
    after = before.copy()
    after[0, 0] = 3
    delta = pair(before, after)
    assert delta.equal == 11 and math.isnan(delta.norm) and math.isnan(delta.cosine_weights)
    assert delta.units_norm[0] == 2 and math.isnan(delta.units_norm[1]) and delta.units_norm[2] == 0


def test_infinity_that_stays_is_equal_and_one_that_comes_is_no_distance() -> None:
    """Inf - Inf and Inf - 1 both leave the norm unknown."""
    before, after = np.array([[np.inf, 1.0]]), np.array([[np.inf, np.inf]])
    delta = pair(before, after)
    assert delta.equal == 1 and math.isnan(delta.norm)


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=9),
        elements=st.floats(-1e3, 1e3, width=32, allow_subnormal=False),
    )
)
def test_any_small_tensor_agrees_with_numpy(array: Array) -> None:
    """Mean, variance, extremes, zeros and norm of arbitrary finite tensors."""
    stats, wide = one(array), array.astype(np.float64)
    scale = float(np.abs(wide).max())
    assert stats.mean == pytest.approx(wide.mean(), rel=1e-12, abs=1e-12 * scale)
    assert stats.variance == pytest.approx(wide.var(), rel=1e-9, abs=1e-13 * scale**2)
    assert stats.zeros == np.count_nonzero(wide == 0)
    assert stats.norm == pytest.approx(np.linalg.norm(wide), rel=1e-12)


# --- chunks, threads and series ---------------------------------------------------------------------------------------


def _flat(table: Any) -> list[float]:
    numbers: list[float] = []
    for row in table.rows:
        for stats in row.tensors.values():
            numbers += [stats.mean, stats.variance, stats.kurtosis, stats.norm, stats.minimum, stats.maximum, stats.zeros]
            numbers += [] if stats.units is None else [*stats.units.total, *stats.units.projection]
        for delta in row.deltas.values():
            numbers += [delta.norm, delta.cosine_weights, delta.equal]
    return numbers


@pytest.mark.parametrize("worth", ["_WORTH_THREADS", "_WORTH_PROCESSES"])
def test_results_do_not_depend_on_the_number_of_workers(monkeypatch: pytest.MonkeyPatch, worth: str) -> None:
    """One thread and many, one process and many give the same bits."""
    generator = np.random.default_rng(8)
    monkeypatch.setattr(boxes, "_SPAN_BOXES", 2)
    runs = [
        checkpoint({"a": generator.standard_normal((700, 1100)), "b": generator.standard_normal((1, 900_001)), "c": np.ones(5)}, step)
        for step in (1, 2)
    ]
    found = [_flat(pass_over(runs))]
    monkeypatch.setattr(tensors, worth, 1)
    for number in (1, 2, 5):
        monkeypatch.setattr(workers, "cores", lambda number=number: number)
        found.append(_flat(pass_over(runs)))
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


@pytest.mark.parametrize("chunk", [7, 64, 1000])
def test_results_do_not_depend_on_where_chunks_end(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    """Chunks of seven elements, within rows and across them, add up to the same numbers."""
    generator = np.random.default_rng(9)
    runs = [
        checkpoint({"w": generator.standard_normal((13, 5, 4)).astype(np.float32), "v": generator.standard_normal(50)}, s)
        for s in (1, 2, 3)
    ]
    whole = _flat(pass_over(runs))
    monkeypatch.setattr(boxes, "CHUNK_ELEMENTS", chunk)
    np.testing.assert_allclose(_flat(pass_over(runs)), whole, rtol=1e-9)


def test_each_element_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a look at 16,384 elements a checkpoint, a tensor's elements are read once each, in pieces of at most one chunk."""
    asked: list[tuple[int, int]] = []

    class Counted(StoredTensor):
        def stored(self, start: int, stop: int) -> Array:
            asked.append((start, stop))
            return StoredTensor.stored(self, start, stop)

    monkeypatch.setattr(workers, "cores", lambda: 1)
    array = np.ones((400, 1000), np.float32)
    states = [checkpoint({"w": array}, step) for step in (1, 2, 3)]
    counted = [Checkpoint(c.source, c.step, "", None, {"w": Counted("w", array.shape, "float32", array)}, "", (), {}, 0) for c in states]
    pass_over(counted)
    # Once by the pass, and 2**14 of each before it, for kinship.
    assert sum(stop - start for start, stop in asked) == 3 * (array.size + 2**14)
    assert max(stop - start for start, stop in asked) <= boxes.CHUNK_ELEMENTS


def _sources(rows: Sequence[Any]) -> list[str]:
    return [row.source for row in rows]


def test_a_copy_of_a_step_is_left_out_of_the_series_but_measured() -> None:
    """`best.pt` of the same step as a numbered checkpoint gets statistics, no difference, and a note."""
    weights = np.ones((2, 3))
    table = pass_over([checkpoint({"w": weights}, 5, "best.pt"), checkpoint({"w": weights}, 5, "step_5.pt"), checkpoint({"w": weights}, 9)])
    assert _sources(table.rows) == ["step_5.pt", "step_9.pt"] and _sources(table.others) == ["best.pt"]
    assert table.others[0].tensors["w"].mean == 1 and not table.others[0].deltas
    assert any("best.pt" in note and "step_5.pt" in note for note in table.notes)


def test_a_checkpoint_of_unknown_step_is_left_out_of_the_series() -> None:
    """Where a file stands in time is not guessed."""
    table = pass_over([checkpoint({"w": np.ones((2, 3))}, step, f"{step}.pt") for step in (1, 2, None)])
    assert _sources(table.rows) == ["1.pt", "2.pt"] and _sources(table.others) == ["None.pt"]
    assert any("None.pt" in note and "unknown" in note for note in table.notes)


def test_without_any_step_only_the_latest_by_name_stands_for_the_run() -> None:
    """Two files without steps are no series; the one called last is shown."""
    table = pass_over([checkpoint({"w": np.ones((2, 3))}, None, name) for name in ("best.pt", "last.pt")])
    assert _sources(table.rows) == ["last.pt"] and _sources(table.others) == ["best.pt"]


def test_epochs_order_a_series_whose_steps_are_unknown() -> None:
    """Epochs take the place of steps where every order there is comes from them."""
    table = pass_over([checkpoint({"w": np.full((2, 3), float(e))}, None, f"e{e}.pt", epoch=e) for e in (2, 1)])
    assert _sources(table.rows) == ["e1.pt", "e2.pt"] and table.rows[1].deltas["w"].norm == pytest.approx(math.sqrt(6))


def test_another_architecture_is_not_subtracted() -> None:
    """A checkpoint whose tensors are others than most is measured apart and named."""
    mine = {"a": np.ones((2, 3)), "b": np.ones(4)}
    table = pass_over([checkpoint(mine, 1), checkpoint({"x": np.ones((9, 9)), "y": np.ones(3)}, 2, "odd.pt"), checkpoint(mine, 3)])
    assert _sources(table.rows) == ["step_1.pt", "step_3.pt"] and _sources(table.others) == ["odd.pt"]
    assert "a" in table.rows[1].deltas and "x" in table.others[0].tensors


def test_a_tensor_that_changed_shape_has_no_difference_there() -> None:
    """A grown embedding is compared again from its new shape on; its neighbours are compared throughout."""
    shapes = [(4, 3), (4, 3), (6, 3), (6, 3)]
    states = [checkpoint({"e": np.full(shape, float(k)), "a": np.ones(2), "b": np.ones(3)}, k) for k, shape in enumerate(shapes)]
    rows = pass_over(states).rows
    assert ["e" in row.deltas for row in rows] == [False, True, False, True]
    assert ["a" in row.deltas for row in rows] == [False, True, True, True]
    assert ["e" in row.from_first for row in rows] == [False, True, False, False]


def test_no_checkpoints_make_an_empty_table() -> None:
    """A run of logs only has an empty table, not an error."""
    assert pass_over([]).rows == ()


def test_kurtosis_of_a_large_tensor_is_that_of_some_of_its_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Third and fourth powers are summed for one box in eight of a tensor eight times too large; variance and zeros are of all."""
    monkeypatch.setattr(boxes, "_SHAPE_ELEMENTS", 500)
    monkeypatch.setattr(boxes, "CHUNK_ELEMENTS", 80)
    values = np.random.default_rng(10).standard_normal(4000)
    values[::7] = 0.0
    found = pass_over([checkpoint({"w": values}, 1)]).rows[0].tensors["w"]
    sampled = values.reshape(-1, 80)[::8].ravel()
    away = sampled - sampled.mean()
    assert math.isclose(found.kurtosis, float(np.mean(away**4) / np.mean(away**2) ** 2), rel_tol=1e-9)
    assert math.isclose(found.variance, float(values.var()), rel_tol=1e-9)
    assert found.zeros == 572
