"""Sums over one chunk: a few buffers that stay near the cache, every element touched a dozen times.

Sums are float64. Elements that float32 holds (bfloat16, float16 and 8-bit floats among them) are multiplied and added in float32 for at
most 512 at a time, in some thirty lanes, before float64 takes over: a third of the time, and within 6e-8 of float64 on all processors
that were tried; those with wider vectors stay within 3e-8. Small tensors, chunks for which that would not hold (a mean beyond the spread,
extreme scales, non-finite elements) and all other types are converted first.

Dot products go through `row_dots`, which hands BLAS pieces far below the length from which it starts threads of its own: the pass has
its threads already, and a sum must not depend on how many cores there are. A row's sum depends on that row alone, so that equal units
have equal sums to the last bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postmortem.measure.boxes import CHUNK_ELEMENTS
from postmortem.measure.codes import Marks
from postmortem.measure.moments import NOTHING, Moments, about_mean
from postmortem.measure.table import Floats

Array = NDArray[Any]
Singles = NDArray[np.float32]

_PIECE = 512
"""Elements of one product of BLAS. Numpy keeps the interpreter's lock for a stack of fewer than 500 of them, however long they are."""
LARGE = 2**15
"""Elements from which on a tensor of float32 may be summed in float32 pieces; below, the time saved is not worth a digit."""
_PROJECTED = 256
"""Leading elements of each unit that its projection looks at."""
_SMALLEST_SQUARE, _LARGEST_SQUARE = 1e-14, 1e14
"""Mean squares between which fourth powers of float32 elements neither vanish nor overflow."""
SMALLEST_SQUARES = 1e-28
"""Mean square of a difference or an update below which squares would vanish in float32."""
_SHIFT_BELOW = 1.0
"""A chunk whose variance is below this share of its squared mean is summed about its mean, in float64."""


def _aligned(kind: np.dtype[Any]) -> Array:
    """A buffer that starts where a line of the cache does: otherwise every wide load would touch two of them."""
    memory = np.empty(CHUNK_ELEMENTS * kind.itemsize + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + CHUNK_ELEMENTS * kind.itemsize].view(kind)


class Scratch:
    """Named buffers of one worker, made once and used for every chunk."""

    __slots__ = ("_bools", "_buffers", "_singles")

    def __init__(self) -> None:
        self._buffers: dict[str, Floats] = {}
        self._singles: dict[str, Singles] = {}
        self._bools = np.empty(CHUNK_ELEMENTS, np.bool_)

    def take(self, name: str, length: int) -> Floats:
        """The first `length` (at most CHUNK_ELEMENTS) elements of a float64 buffer, with whatever was left in them."""
        buffer = self._buffers.get(name)
        if buffer is None:
            buffer = self._buffers[name] = _aligned(np.dtype(np.float64))
        return buffer[:length]

    def singles(self, name: str, length: int) -> Singles:
        """The same of a float32 buffer."""
        buffer = self._singles.get(name)
        if buffer is None:
            buffer = self._singles[name] = _aligned(np.dtype(np.float32))
        return buffer[:length]

    def bools(self, length: int) -> NDArray[np.bool_]:
        """A mask to be used at once and not kept."""
        return self._bools[:length]


def _projection_vector() -> Floats:
    """Fractional parts of multiples of the golden ratio, within (-1, 1): no two alike, no pattern that weights could share."""
    numbers = np.arange(1, _PROJECTED + 1) * 0.6180339887498949
    vector: Floats = 2.0 * (numbers - np.floor(numbers)) - 1.0
    return vector


_PROJECTION = _projection_vector()
_PROJECTION_SINGLE = _PROJECTION.astype(np.float32)
_ONES, _ONES_SINGLE = np.ones((_PIECE, 1)), np.ones((_PIECE, 1), np.float32)


def row_dots(rows: Array, other: Array) -> Floats:
    """Dot product of each row with the same row of `other`, or with `other` itself where that has one axis; pieces summed in float64."""
    height, width = rows.shape
    pieces = width // _PIECE
    main = pieces * _PIECE
    if pieces:
        left, right = (rows, other) if main == width else (rows[:, :main], other[..., :main])
        products = np.matmul(left.reshape(height, pieces, 1, _PIECE), right.reshape(*other.shape[:-1], pieces, _PIECE, 1))
        result: Floats = np.add.reduce(products.reshape(height, pieces), axis=1, dtype=np.float64)
        if main == width:
            return result
        rows, other = rows[:, main:], other[..., main:]
    rest: Floats = np.matmul(rows[:, None, :], other[..., :, None])[:, 0, 0].astype(np.float64)
    return result + rest if pieces else rest


def row_sums(rows: Array) -> Floats:
    """Sum of each row; pieces summed in float64."""
    height, width = rows.shape
    pieces = width // _PIECE
    main = pieces * _PIECE
    if not pieces:
        whole: Floats = np.add.reduce(rows, axis=1, dtype=np.float64)
        return whole
    ones = _ONES_SINGLE if rows.dtype == np.float32 else _ONES
    products = np.matmul((rows if main == width else rows[:, :main]).reshape(height, pieces, 1, _PIECE), ones)
    result: Floats = np.add.reduce(products.reshape(height, pieces), axis=1, dtype=np.float64)
    if main < width:
        result += np.add.reduce(rows[:, main:], axis=1, dtype=np.float64)
    return result


def dot(left: Array, right: Array) -> float:
    """Dot product of two vectors; pieces summed in float64."""
    return float(row_dots(left.reshape(1, -1), right.reshape(1, -1))[0])


def row_pairs(rows: Array) -> Floats:
    """Sum of each row, and then the sum of its squares (two rows of results); pieces summed in float64."""
    height, width = rows.shape
    pieces = width // _PIECE
    if pieces * _PIECE != width or not pieces:
        result = np.empty((2, height))
        result[0], result[1] = row_sums(rows), row_dots(rows, rows)
        return result
    # The same sums in fewer calls, each of which costs a microsecond whatever it does.
    both = np.empty((2, height, pieces, 1, 1), rows.dtype)
    parts = rows.reshape(height, pieces, 1, _PIECE)
    np.matmul(parts, _ONES_SINGLE if rows.dtype == np.float32 else _ONES, out=both[0])
    np.matmul(parts, rows.reshape(height, pieces, _PIECE, 1), out=both[1])
    summed: Floats = np.add.reduce(both.reshape(2, height, pieces), axis=2, dtype=np.float64)
    return summed


@dataclass(slots=True, eq=False)
class ChunkSums:
    """What one chunk of one tensor adds up to; over its finite elements."""

    moments: Moments
    """Third and fourth powers are right only where they were asked for."""
    squares: float
    rows: Floats
    """Sum of each row, and then the sum of its squares."""
    projection: Array | None
    """Of each row on one fixed vector; None where units were not asked for."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a chunk, and how precisely."""

    width: int
    """Length of a row."""
    column: int
    """Where within its unit each row begins."""
    units: bool
    shape: bool
    """Third and fourth powers."""
    single: bool
    """The tensor is so large that sums of float32 pieces will do, where its elements fit float32."""


def chunk_sums(values: Array, found: Marks, wanted: Wanted, scratch: Scratch) -> ChunkSums:
    """Sums of one chunk: `values` flat, and `found` what their codes tell. Must run under `np.errstate(all="ignore")`."""
    if found.zeros == values.size:
        nothing = np.zeros((2, values.size // wanted.width))
        return ChunkSums(Moments(values.size, 0.0, 0.0, 0.0, 0.0), 0.0, nothing, nothing[0])
    if not found.nonfinite:
        sums = _sums(values, wanted, scratch) if wanted.single and values.dtype == np.float32 else None
        if sums is None:
            sums = _sums(widened(values, scratch), wanted, scratch)
        if sums is not None:
            return sums
    return _careful_sums(widened(values, scratch), wanted, scratch)


def widened(raw: Array, scratch: Scratch) -> Floats:
    """The elements in float64, until the next chunk."""
    values = scratch.take("values", raw.size)
    np.copyto(values, raw)
    return values


def _sums(values: Array, wanted: Wanted, scratch: Scratch) -> ChunkSums | None:
    """Sums of finite elements in the precision of `values`; None where that precision does not do."""
    rows, count = values.reshape(-1, wanted.width), values.size
    pairs = row_pairs(rows)
    total, squares = np.add.reduce(pairs, axis=1).tolist()
    single = values.dtype == np.float32
    if not math.isfinite(squares) or (single and not _SMALLEST_SQUARE < squares / count < _LARGEST_SQUARE):
        return None
    mean = total / count
    if squares / count - mean * mean < _SHIFT_BELOW * mean * mean:
        if single:
            return None
        moments = _about(values, mean, scratch)
    elif wanted.shape:
        squared = np.multiply(values, values, out=(scratch.singles if single else scratch.take)("squared", count))
        moments = about_mean(count, 0.0, (total, squares, dot(squared, values), dot(squared, squared)))
    else:
        moments = about_mean(count, 0.0, (total, squares, 0.0, 0.0))
    return ChunkSums(moments, squares, pairs, _projected(rows, wanted.column) if wanted.units else None)


def _projected(rows: Array, column: int) -> Array:
    """Projection of each row on the one fixed vector, which is zero beyond a unit's first elements."""
    length = min(_PROJECTED - column, rows.shape[1])
    if length <= 0:
        return np.zeros(rows.shape[0])
    vector = _PROJECTION if rows.dtype == np.float64 else _PROJECTION_SINGLE
    projected: Array = np.matmul(rows[:, None, :length], vector[column : column + length, None])[:, 0, 0]
    return projected


def _about(values: Floats, shift: float, scratch: Scratch) -> Moments:
    centred = np.subtract(values, shift, out=scratch.take("centred", values.size))
    squared = np.multiply(centred, centred, out=scratch.take("centred squared", values.size))
    sums = float(np.add.reduce(centred)), float(np.add.reduce(squared)), dot(squared, centred), dot(squared, squared)
    return about_mean(values.size, shift, sums)


def _careful_sums(values: Floats, wanted: Wanted, scratch: Scratch) -> ChunkSums:
    """The same with non-finite elements set aside; also where finite ones are so large that their squares are not."""
    finite = np.isfinite(values)
    kept = values[finite]
    filled = np.where(finite, values, 0.0).reshape(-1, wanted.width)
    moments = _about(kept, float(np.add.reduce(kept / kept.size)), scratch) if kept.size else NOTHING
    pairs = np.stack((np.add.reduce(filled, axis=1), np.add.reduce(filled * filled, axis=1)))
    return ChunkSums(moments, float(np.add.reduce(pairs[1])), pairs, _projected(filled, wanted.column) if wanted.units else None)


@dataclass(frozen=True, slots=True, eq=False)
class DeltaSums:
    """What the difference of two chunks adds up to. NaN where either side holds a non-finite element."""

    squares: float
    equal: int
    row_squares: Floats
    dot_before: float
    """With the difference before; NaN where there is none."""


def difference(values: Array, before: Array, single: bool, name: str, scratch: Scratch) -> Array:
    """`values` less `before`: in float32 where that will do and both are (exact for elements within a factor of two), else in float64."""
    if single and values.dtype == np.float32 and before.dtype == np.float32:
        return np.subtract(values, before, out=scratch.singles(name, values.size))
    return np.subtract(values, before, out=scratch.take(name, values.size), dtype=np.float64)


def delta_sums(values: Array, before: Array, changed: Array, changed_before: Array | None, width: int, scratch: Scratch) -> DeltaSums:
    """Statistics of a chunk's change: `values` and `before` as numbers, `changed` their difference, all flat."""
    row_squares, squares = change_squares(values, before, changed, width, scratch)
    if math.isfinite(squares):
        equal = changed.size - nonzero(changed)
    else:
        # Infinity less something finite is no distance either.
        squares = math.nan
        row_squares = np.where(np.isfinite(row_squares), row_squares, math.nan)
        equal = int(np.count_nonzero((values == before) | (np.isnan(values) & np.isnan(before))))
    along = math.nan if changed_before is None else dot(changed, changed_before)
    return DeltaSums(squares, equal, row_squares, along)


def change_squares(values: Array, before: Array, changed: Array, width: int, scratch: Scratch) -> tuple[Floats, float]:
    """Sum of the squares of each row of a change, and of all, with the arguments of `delta_sums`."""
    rows = changed.reshape(-1, width)
    row_squares = row_dots(rows, rows)
    squares = float(np.add.reduce(row_squares))
    if not SMALLEST_SQUARES * changed.size < squares < math.inf and nonzero(changed):
        # Too small or too large for squares of float32, or not finite at all.
        wide = np.subtract(values, before, out=scratch.take("wide", values.size), dtype=np.float64).reshape(-1, width)
        row_squares = row_dots(wide, wide)
        squares = float(np.add.reduce(row_squares))
    return row_squares, squares


def nonzero(values: Array) -> int:
    """Elements of a float32 or float64 array that are not plus zero, as the difference of equal numbers is. Integers count faster."""
    return int(np.count_nonzero(values.view(np.int32 if values.dtype == np.float32 else np.int64)))
