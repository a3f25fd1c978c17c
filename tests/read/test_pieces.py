"""Tensors out of pieces: every range of every tiling equals numpy's own, and what does not tile is refused."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postmortem.read.checkpoints.pieces import Box, Strip, along_axis, from_boxes, from_strips, tiles
from postmortem.read.checkpoints.stored import Array, PulledTensor, StoredTensor


def stored(array: Array, dtype: str = "float32") -> StoredTensor:
    """An array as a tensor."""
    return StoredTensor("piece", array.shape, dtype, array)


def cut(whole: Array, places: list[list[int]]) -> list[Box]:
    """A grid of boxes: along each axis cut at the given places."""
    boxes = [Box(stored(whole), (0,) * whole.ndim)]
    for axis, marks in enumerate(places):
        edges = [0, *sorted({mark % (whole.shape[axis] + 1) for mark in marks}), whole.shape[axis]]
        finer = []
        for box in boxes:
            for low, high in itertools.pairwise(edges):
                if low < high:
                    index = tuple(slice(low, high) if place == axis else slice(None) for place in range(whole.ndim))
                    offsets = tuple(low if place == axis else offset for place, offset in enumerate(box.offsets))
                    finer.append(Box(stored(np.ascontiguousarray(box.tensor.array[index])), offsets))
        boxes = finer
    return boxes


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 7), min_size=1, max_size=4),
    st.lists(st.lists(st.integers(0, 50), max_size=3), min_size=4, max_size=4),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.randoms(use_true_random=False),
)
def test_any_range_of_any_grid_is_the_whole_tensors(shape: list[int], places: list[list[int]], one: int, two: int, order: object) -> None:
    """However a tensor is cut into a grid, and in whatever order its boxes are listed, each range reads as from the whole."""
    whole = np.arange(math.prod(shape), dtype=np.float32).reshape(*shape)
    boxes = cut(whole, places[: len(shape)])
    order.shuffle(boxes)  # type: ignore[attr-defined]
    assert tiles(whole.shape, [(box.offsets, box.tensor.shape) for box in boxes])
    found = from_boxes("w", whole.shape, "float32", boxes)
    start, stop = sorted((one % (whole.size + 1), two % (whole.size + 1)))
    np.testing.assert_array_equal(found.read(start, stop), whole.reshape(-1)[start:stop])
    if len(boxes) > 1:
        assert not tiles(whole.shape, [(box.offsets, box.tensor.shape) for box in boxes[1:]])
        assert not tiles(whole.shape, [(box.offsets, box.tensor.shape) for box in [*boxes, boxes[0]]])


def test_boxes_that_do_not_follow_a_grid_tile_too() -> None:
    """Five boxes around each other like a pinwheel cover a square; with one moved by a row they do not."""
    pinwheel = [((0, 0), (1, 2)), ((0, 2), (2, 1)), ((2, 1), (1, 2)), ((1, 0), (2, 1)), ((1, 1), (1, 1))]
    assert tiles((3, 3), pinwheel)
    assert not tiles((3, 3), [((1, 0), (1, 2)), *pinwheel[1:]])
    whole = np.arange(9, dtype=np.float32).reshape(3, 3)
    boxes = [Box(stored(np.ascontiguousarray(whole[r : r + h, c : c + w])), (r, c)) for (r, c), (h, w) in pinwheel]
    np.testing.assert_array_equal(from_boxes("w", (3, 3), "float32", boxes).read(1, 8), whole.reshape(-1)[1:8])


def test_rows_of_one_place_stay_a_view() -> None:
    """A strip of one contiguous array is no copy, so that it costs what a plain tensor costs."""
    whole = np.arange(20, dtype=np.float32)
    found = from_strips("w", (2, 4), "float32", [Strip(stored(whole), 5, 13)])
    assert not isinstance(found, PulledTensor) and np.shares_memory(found.array, whole)
    np.testing.assert_array_equal(found.read(0, 8), whole[5:13])


def test_strips_widen_once() -> None:
    """bfloat16 pieces are joined as codes and widened when they are read."""
    codes = np.array([0x3F80, 0x4000, 0x4040], np.uint16)
    parts = [Strip(stored(codes[:1], "bfloat16"), 0, 1), Strip(stored(codes[1:], "bfloat16"), 0, 2)]
    np.testing.assert_array_equal(from_strips("w", (3,), "bfloat16", parts).read(0, 3), np.array([1, 2, 3], np.float32))


def test_strips_that_do_not_add_up_are_refused() -> None:
    """Strips that hold fewer elements than the shape make no tensor."""
    with pytest.raises(ValueError, match="another number"):
        from_strips("w", (3,), "float32", [Strip(stored(np.zeros(2, np.float32)), 0, 2)])


def test_columns_side_by_side() -> None:
    """Tensors joined along the second axis interleave their rows."""
    left, right = np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(4, dtype=np.float32).reshape(2, 2)
    found = along_axis("w", [stored(left), stored(right)], 1)
    assert found.shape == (2, 5)
    np.testing.assert_array_equal(found.read(0, 10).reshape(2, 5), np.concatenate([left, right], axis=1))
