"""How a tensor is cut: into boxes that stay near the cache, and spans of boxes that one worker takes at a time.

The cut follows from shape and type alone, so that what is summed in which order does not depend on the machine.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass

CHUNK_ELEMENTS = 2**18
"""Most elements of one box: one MiB of float32. Smaller boxes pay more for calls, larger ones leave the second-level cache."""
_FEWER_ELEMENTS = 2**17
"""The same for elements that are widened, or wide."""
_SPAN_BOXES = 8
"""Boxes that a worker goes through before it hands in its sums: some milliseconds of work."""
_SHAPE_ELEMENTS = 2**19
"""The kurtosis of a large tensor is taken from every n-th box, so many that they hold at least this many elements: they tell it to two
digits, and third and fourth powers cost as much as all else."""


@dataclass(frozen=True, slots=True)
class Box:
    """One chunk of a tensor: whole rows, or a part of one row."""

    row: int
    rows: int
    column: int
    columns: int
    start: int
    """First element in row-major order."""
    with_shape: bool
    """Whether third and fourth powers are summed."""


def most_elements(dtypes: Collection[str]) -> int:
    """Most elements of the boxes of tensors of these types that are gone through together."""
    return CHUNK_ELEMENTS if all(dtype == "float32" for dtype in dtypes) else min(CHUNK_ELEMENTS, _FEWER_ELEMENTS)


def boxes(height: int, width: int, most: int) -> Iterator[Box]:
    """Cut a matrix into boxes: as many whole rows as fit, or parts of rows where one does not; of much the same size."""
    every = max(1, height * width // _SHAPE_ELEMENTS)
    step = _even(height, max(1, most // max(1, width)))
    # Parts of rows start at a multiple of eight elements, and so of eight bytes.
    stride = min(width, math.ceil(_even(width, most) / 8) * 8)
    if not step or not stride:
        return
    number = 0
    for row in range(0, height, step):
        for column in range(0, width, stride):
            yield Box(row, min(step, height - row), column, min(stride, width - column), row * width + column, number % every == 0)
            number += 1


def _even(length: int, most: int) -> int:
    """The least length of pieces, of which as many as pieces of at most `most` would be are enough."""
    return math.ceil(length / max(1, math.ceil(length / most)))


def spans(height: int, width: int, most: int) -> Iterator[list[Box]]:
    """The boxes of a matrix in runs."""
    span: list[Box] = []
    for box in boxes(height, width, most):
        span.append(box)
        if len(span) == _SPAN_BOXES:
            yield span
            span = []
    if span:
        yield span
