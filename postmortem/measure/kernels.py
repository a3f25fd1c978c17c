"""Sums over one chunk: a few buffers that stay near the cache, every element touched a dozen times, numpy letting go of the lock.

Sums are float64. Elements stored in float32 are multiplied and added in float32 for at most 512 at a time, in some thirty lanes, before
float64 takes over: a third of the time, and within 1e-8 of float64 throughout. Chunks for which that would not hold (a mean beyond the
spread, extreme scales, non-finite elements) and all other types are converted first.

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

from postmortem.measure.moments import NOTHING, Moments, about_mean
from postmortem.measure.table import Floats, UnitStats

Array = NDArray[Any]
Singles = NDArray[np.float32]

CHUNK_ELEMENTS = 2**19
"""Elements of one chunk: two MiB as float64. Smaller ones pay more for calls and for the lock, larger ones leave the cache."""
_PIECE = 512
"""Elements of one product of BLAS. Numpy keeps the interpreter's lock for a stack of fewer than 500 of them, however long they are."""
LARGE = 2**15
"""Elements from which on a chunk of float32 may be summed in float32 pieces; below, the time saved is not worth a digit."""
_PROJECTED = 256
"""Leading elements of each unit that its projection looks at."""
_SMALLEST_SQUARE, _LARGEST_SQUARE = 1e-14, 1e14
"""Mean squares between which fourth powers of float32 elements neither vanish nor overflow."""
SMALLEST_SQUARES = 1e-28
"""Mean square of a difference or an update below which squares would vanish in float32."""
_SHIFT_BELOW = 1.0
"""A chunk whose variance is below this share of its squared mean is summed about its mean, in float64."""


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
            buffer = self._buffers[name] = np.empty(CHUNK_ELEMENTS)
        return buffer[:length]

    def singles(self, name: str, length: int) -> Singles:
        """The same of a float32 buffer."""
        buffer = self._singles.get(name)
        if buffer is None:
            buffer = self._singles[name] = np.empty(CHUNK_ELEMENTS, np.float32)
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


def row_dots(rows: Array, other: Array) -> Floats:
    """Dot product of each row with the same row of `other`, or with `other` itself where that has one axis; pieces summed in float64."""
    height, width = rows.shape
    pieces = width // _PIECE
    main = pieces * _PIECE
    if pieces:
        left = rows[:, :main].reshape(height, pieces, 1, _PIECE)
        right = other[..., :main].reshape(*other.shape[:-1], pieces, _PIECE, 1)
        result: Floats = np.add.reduce(np.matmul(left, right)[:, :, 0, 0], axis=1, dtype=np.float64)
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
    result = np.zeros(height)
    if pieces:
        parts = np.einsum("ijk->ij", rows[:, :main].reshape(height, pieces, _PIECE))
        result += np.add.reduce(parts, axis=1, dtype=np.float64)
    if main < width:
        result += np.add.reduce(rows[:, main:], axis=1, dtype=np.float64)
    return result


def dot(left: Array, right: Array) -> float:
    """Dot product of two vectors; pieces summed in float64."""
    return float(row_dots(left.reshape(1, -1), right.reshape(1, -1))[0])


@dataclass(frozen=True, slots=True, eq=False)
class ChunkSums:
    """What one chunk of one tensor adds up to; over its finite elements."""

    moments: Moments
    """Third and fourth powers are right only where `shape` is not None."""
    shape: Moments | None
    """The same, where third and fourth powers were asked for."""
    nonfinite: int
    zeros: int
    minimum: float
    maximum: float
    squares: float
    units: UnitStats | None


def _zeros(raw: Array, scratch: Scratch) -> int:
    return int(np.count_nonzero(np.equal(raw, 0, out=scratch.bools(raw.size))))


def chunk_sums(raw: Array, width: int, column: int, with_units: bool, with_shape: bool, scratch: Scratch) -> ChunkSums:
    """Statistics of one chunk.

    `raw` as stored, flat; `width` is the length of a row, and `column` where within its unit the chunk's rows begin. Third and fourth
    powers are summed `with_shape` only. Must run under `np.errstate(all="ignore")`.
    """
    if raw.dtype == np.float32 and raw.size >= LARGE:
        squared = np.multiply(raw, raw, out=scratch.singles("squared", raw.size)) if with_shape else None
        found = _sums(raw, squared, width, column, with_units, scratch)
        if found is not None:
            return found
    values = widened(raw, scratch)
    squared_values = np.multiply(values, values, out=scratch.take("squared", raw.size)) if with_shape else None
    found = _sums(values, squared_values, width, column, with_units, scratch)
    return found or _careful_sums(raw, values, width, column, with_units, with_shape, scratch)


def widened(raw: Array, scratch: Scratch) -> Floats:
    """The elements in float64, until the next chunk."""
    values = scratch.take("values", raw.size)
    np.copyto(values, raw)
    return values


def _sums(values: Array, squared: Array | None, width: int, column: int, with_units: bool, scratch: Scratch) -> ChunkSums | None:
    """Statistics of finite elements in the precision of `values`; None where that precision does not do, or one is not finite.

    `squared`: the elements' squares, for sums of third and fourth powers; None where these are not wanted.
    """
    rows, count = values.reshape(-1, width), values.size
    row_squares = row_dots(rows, rows)
    squares = float(np.add.reduce(row_squares))
    single = values.dtype == np.float32
    if not math.isfinite(squares) or (single and not _SMALLEST_SQUARE < squares / count < _LARGEST_SQUARE):
        return None
    row_totals = row_sums(rows)
    total = float(np.add.reduce(row_totals))
    mean = total / count
    if squares / count - mean * mean < _SHIFT_BELOW * mean * mean:
        if single:
            return None
        moments = _about(values, mean, scratch)
    elif squared is None:
        moments = about_mean(count, 0.0, (total, squares, 0.0, 0.0))
    else:
        moments = about_mean(count, 0.0, (total, squares, dot(squared, values), dot(squared, squared)))
    smallest, largest = float(np.minimum.reduce(values)), float(np.maximum.reduce(values))
    # Where no square is zero no element is; where one is, it may be too small for its square.
    zeros = 0 if squared is not None and np.minimum.reduce(squared) > 0 else _zeros(values, scratch)
    units = UnitStats(row_totals, row_squares, _projected(rows, column)) if with_units else None
    return ChunkSums(moments, None if squared is None else moments, 0, zeros, smallest, largest, squares, units)


def _projected(rows: Array, column: int) -> Floats:
    """Projection of each row on the one fixed vector, which is zero beyond a unit's first elements."""
    length = min(_PROJECTED - column, rows.shape[1])
    if length <= 0:
        return np.zeros(rows.shape[0])
    return row_dots(rows[:, :length].astype(np.float64), _PROJECTION[column : column + length])


def _about(values: Floats, shift: float, scratch: Scratch) -> Moments:
    centred = np.subtract(values, shift, out=scratch.take("centred", values.size))
    squared = np.multiply(centred, centred, out=scratch.take("centred squared", values.size))
    sums = float(np.add.reduce(centred)), float(np.add.reduce(squared)), dot(squared, centred), dot(squared, squared)
    return about_mean(values.size, shift, sums)


def _careful_sums(raw: Array, values: Floats, width: int, column: int, with_units: bool, with_shape: bool, scratch: Scratch) -> ChunkSums:
    """The same with non-finite elements set aside; also where finite ones are so large that their squares are not."""
    finite = np.isfinite(values)
    kept = values[finite]
    filled = np.where(finite, values, 0.0).reshape(-1, width)
    moments, smallest, largest = NOTHING, math.nan, math.nan
    if kept.size:
        moments = _about(kept, float(np.add.reduce(kept / kept.size)), scratch)
        smallest, largest = float(np.minimum.reduce(kept)), float(np.maximum.reduce(kept))
    row_squares = np.add.reduce(filled * filled, axis=1)
    return ChunkSums(
        moments,
        moments if with_shape else None,
        values.size - kept.size,
        _zeros(raw, scratch),
        smallest,
        largest,
        float(np.add.reduce(row_squares)),
        UnitStats(np.add.reduce(filled, axis=1), row_squares, _projected(filled, column)) if with_units else None,
    )


@dataclass(frozen=True, slots=True, eq=False)
class DeltaSums:
    """What the difference of two chunks adds up to. NaN where either side holds a non-finite element."""

    squares: float
    equal: int
    row_squares: Floats
    dot_before: float
    """With the difference before; NaN where there is none."""


def difference(raw: Array, before: Array, name: str, scratch: Scratch) -> Array:
    """`raw` less `before`: in float32 where both are (exact for elements within a factor of two), else in float64."""
    if raw.dtype == np.float32 and before.dtype == np.float32 and raw.size >= LARGE:
        return np.subtract(raw, before, out=scratch.singles(name, raw.size))
    return np.subtract(raw, before, out=scratch.take(name, raw.size), dtype=np.float64)


def delta_sums(raw: Array, before: Array, changed: Array, changed_before: Array | None, width: int, scratch: Scratch) -> DeltaSums:
    """Statistics of a chunk's change: `raw` and `before` as stored, `changed` their difference, all flat."""
    rows = changed.reshape(-1, width)
    row_squares = row_dots(rows, rows)
    squares = float(np.add.reduce(row_squares))
    equal = changed.size - nonzero(changed)
    if equal < changed.size and not SMALLEST_SQUARES * changed.size < squares < math.inf:
        # Too small or too large for squares of float32, or not finite at all.
        wide = np.subtract(raw, before, out=scratch.take("wide", raw.size), dtype=np.float64).reshape(-1, width)
        row_squares = row_dots(wide, wide)
        squares = float(np.add.reduce(row_squares))
    if not math.isfinite(squares):
        # Infinity less something finite is no distance either.
        squares = math.nan
        row_squares = np.where(np.isfinite(row_squares), row_squares, math.nan)
        equal = int(np.count_nonzero((raw == before) | (np.isnan(raw) & np.isnan(before))))
    along = math.nan if changed_before is None else dot(changed, changed_before)
    return DeltaSums(squares, equal, row_squares, along)


def nonzero(values: Array) -> int:
    """Elements of a float32 or float64 array that are not plus zero, as the difference of equal numbers is. Integers count faster."""
    return int(np.count_nonzero(values.view(np.int32 if values.dtype == np.float32 else np.int64)))
