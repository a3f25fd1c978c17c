"""Tensors put together from pieces that lie in several places, without copying more than what is asked for at a time."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from postmortem.read.checkpoints.stored import NUMPY_TYPES, Array, PulledTensor, StoredTensor, pulled

Shape = tuple[int, ...]

_MAX_BOX_AXES = 8
"""A box has two to the power of its axes corners, which are counted."""


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """Elements [begin, end) of a tensor in row-major order."""

    tensor: StoredTensor
    begin: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class Box:
    """A block of a larger tensor, and where its first element stands in it."""

    tensor: StoredTensor
    offsets: Shape


def tiles(shape: Shape, boxes: Sequence[tuple[Shape, Shape]]) -> bool:
    """Whether boxes (offsets, sizes) cover a shape so that each element lies in exactly one of them.

    The mixed difference of a box's indicator function is +1 and -1 at its corners and nothing elsewhere, and a sum of indicators
    is known by its differences: so boxes tile a shape where their signed corners add up to those of the shape.
    """
    if len(shape) > _MAX_BOX_AXES:
        return len(boxes) == 1 and boxes[0] == ((0,) * len(shape), shape)
    if any(len(offsets) != len(shape) or len(sizes) != len(shape) for offsets, sizes in boxes):
        return False
    corners: Counter[Shape] = Counter()
    for weight, (offsets, sizes) in [*((1, box) for box in boxes), (-1, ((0,) * len(shape), shape))]:
        for ends in itertools.product((0, 1), repeat=len(shape)):
            corner = tuple(offset + size * end for offset, size, end in zip(offsets, sizes, ends, strict=True))
            corners[corner] += weight * (-1) ** sum(ends)
    return not any(corners.values())


def from_boxes(name: str, shape: Shape, dtype: str, boxes: Sequence[Box]) -> StoredTensor:
    """One tensor out of boxes that tile it (see `tiles`)."""
    if len(boxes) == 1:
        return boxes[0].tensor.named(name)
    solid = sorted((box for box in boxes if box.tensor.elements), key=lambda box: box.offsets)
    if all(box.tensor.shape[1:] == shape[1:] for box in solid):
        return from_strips(name, shape, dtype, [Strip(box.tensor, 0, box.tensor.elements) for box in solid])
    blocks = tuple(_Block(box.tensor, 0, box.offsets, box.tensor.shape) for box in solid)

    def pull(start: int, stop: int) -> Array:
        out = np.empty(stop - start, NUMPY_TYPES[dtype])
        _fill(out, shape, start, stop, blocks)
        return out

    return pulled(name, shape, dtype, pull)


def from_strips(name: str, shape: Shape, dtype: str, strips: Sequence[Strip]) -> StoredTensor:
    """One tensor out of strips that follow each other in row-major order and add up to its elements."""
    kept = [strip for strip in strips if strip.end > strip.begin]
    if sum(strip.end - strip.begin for strip in kept) != math.prod(shape):
        raise ValueError(f"{name}: strips hold another number of elements than its shape")
    if not kept:
        return StoredTensor(name, shape, dtype, np.empty(shape, NUMPY_TYPES[dtype]))
    only = kept[0].tensor
    if len(kept) == 1 and not isinstance(only, PulledTensor) and only.array.flags.c_contiguous:
        # Lies in one place after all: a view, which needs no call to be read.
        return StoredTensor(name, shape, dtype, only.array.reshape(-1)[kept[0].begin : kept[0].end].reshape(shape))
    starts = list(itertools.accumulate((strip.end - strip.begin for strip in kept), initial=0))

    def pull(start: int, stop: int) -> Array:
        first = bisect_right(starts, start) - 1
        found = []
        for position in range(min(first, len(kept) - 1), len(kept)):
            strip, base = kept[position], starts[position]
            low, high = max(start, base), min(stop, starts[position + 1])
            if low >= high:
                break
            found.append(strip.tensor.stored(strip.begin + low - base, strip.begin + high - base))
        if len(found) == 1:
            return found[0]
        return np.concatenate(found) if found else np.empty(0, NUMPY_TYPES[dtype])

    return pulled(name, shape, dtype, pull)


def along_axis(name: str, tensors: Sequence[StoredTensor], axis: int) -> StoredTensor:
    """Tensors that follow each other along an axis, as one."""
    boxes, at = [], 0
    for tensor in tensors:
        boxes.append(Box(tensor, tuple(at if place == axis else 0 for place in range(len(tensor.shape)))))
        at += tensor.shape[axis]
    shape = tuple(at if place == axis else length for place, length in enumerate(tensors[0].shape))
    return from_boxes(name, shape, tensors[0].dtype, boxes)


# --- boxes that do not follow each other in row-major order -----------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Elements from `base` on of a tensor, as a box of what is being filled."""

    tensor: StoredTensor
    base: int
    offsets: Shape
    sizes: Shape


def _fill(out: Array, shape: Shape, start: int, stop: int, blocks: Sequence[_Block]) -> None:
    """Write elements [start, stop) of the shape that the blocks tile into `out`."""
    if stop <= start:
        return
    if len(shape) == 1:
        for block in blocks:
            low, high = max(start, block.offsets[0]), min(stop, block.offsets[0] + block.sizes[0])
            if low < high:
                shift = block.base - block.offsets[0]
                out[low - start : high - start] = block.tensor.stored(low + shift, high + shift)
        return
    row = math.prod(shape[1:])
    first, last = -(-start // row), stop // row
    if first > last:  # within one row
        _fill(out, shape[1:], start - last * row, stop - last * row, _within_row(blocks, last))
        return
    head = first * row - start
    if head:
        _fill(out[:head], shape[1:], row - head, row, _within_row(blocks, first - 1))
    if first < last:
        _fill_rows(out[head : head + (last - first) * row].reshape(last - first, *shape[1:]), first, last, blocks)
    if stop > last * row:
        _fill(out[last * row - start :], shape[1:], 0, stop - last * row, _within_row(blocks, last))


def _fill_rows(out: Array, first: int, last: int, blocks: Sequence[_Block]) -> None:
    for block in blocks:
        low, high = max(first, block.offsets[0]), min(last, block.offsets[0] + block.sizes[0])
        if low < high:
            width = math.prod(block.sizes[1:])
            begin = block.base + (low - block.offsets[0]) * width
            piece = block.tensor.stored(begin, begin + (high - low) * width).reshape(high - low, *block.sizes[1:])
            place = [slice(low - first, high - first)]
            place += [slice(offset, offset + size) for offset, size in zip(block.offsets[1:], block.sizes[1:], strict=True)]
            out[tuple(place)] = piece


def _within_row(blocks: Sequence[_Block], row: int) -> list[_Block]:
    """The blocks' share of one index of the first axis."""
    found = []
    for block in blocks:
        if block.offsets[0] <= row < block.offsets[0] + block.sizes[0]:
            width = math.prod(block.sizes[1:])
            base = block.base + (row - block.offsets[0]) * width
            found.append(replace(block, base=base, offsets=block.offsets[1:], sizes=block.sizes[1:]))
    return found
