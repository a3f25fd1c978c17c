"""Tensors as they lie in a mapped file: opened without reading, read a piece at a time, widened to what numpy can hold."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from postmortem.model import Plain, Problem

Array = NDArray[Any]
"""Any element type: a stored tensor keeps the type that it has in the file."""
Singles = NDArray[np.float32]


def _table_of_8_bits(exponent_bits: int, mantissa_bits: int, bias: int, special: Callable[[int], float | None]) -> NDArray[np.float32]:
    """Value of each of the 256 codes of an 8-bit float. `special` gives NaN or infinity for a code without its sign, else None."""
    values = np.empty(256, np.float32)
    for code in range(256):
        magnitude = code & 0x7F
        exponent, mantissa = magnitude >> mantissa_bits, magnitude & ((1 << mantissa_bits) - 1)
        share = mantissa / (1 << mantissa_bits)
        value = special(magnitude)
        if value is None:
            value = math.ldexp(share, 1 - bias) if exponent == 0 else math.ldexp(1 + share, exponent - bias)
        values[code] = -value if code & 0x80 else value
    values.flags.writeable = False
    return values


def _e5m2_special(magnitude: int) -> float | None:
    if magnitude < 0x7C:
        return None
    return math.inf if magnitude == 0x7C else math.nan


_E4M3FN = _table_of_8_bits(4, 3, 7, lambda magnitude: math.nan if magnitude == 0x7F else None)
_E5M2 = _table_of_8_bits(5, 2, 15, _e5m2_special)


def _from_bfloat16(codes: Array, out: Singles) -> Array:
    wide = out.view(np.uint32)
    np.copyto(wide, codes)
    wide <<= 16
    return out


def _looked_up(table: Singles) -> Callable[[Array, Singles], Array]:
    return lambda codes, out: table.take(codes, out=out, mode="clip")  # no code is out of range; "raise" would copy


# Formats without a numpy type are held as integer codes and widened to float32, which holds each of them exactly.
_WIDEN: dict[str, Callable[[Array, Singles], Array]] = {
    "bfloat16": _from_bfloat16,
    "float8_e4m3fn": _looked_up(_E4M3FN),
    "float8_e5m2": _looked_up(_E5M2),
}

NUMPY_TYPES: dict[str, np.dtype[Any]] = {
    "float64": np.dtype("<f8"),
    "float32": np.dtype("<f4"),
    "float16": np.dtype("<f2"),
    "bfloat16": np.dtype("<u2"),
    "float8_e4m3fn": np.dtype("u1"),
    "float8_e5m2": np.dtype("u1"),
    "int64": np.dtype("<i8"),
    "int32": np.dtype("<i4"),
    "int16": np.dtype("<i2"),
    "int8": np.dtype("i1"),
    "uint64": np.dtype("<u8"),
    "uint32": np.dtype("<u4"),
    "uint16": np.dtype("<u2"),
    "uint8": np.dtype("u1"),
    "bool": np.dtype("?"),
}
"""Element types that can be read (torch's names) -> the numpy type that holds their bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredTensor:
    """A tensor over memory that it does not own; see `model.Tensor`."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    array: Array
    """The stored elements in their numpy type, of `shape`, with whatever strides the file gives them. Not to be written to."""

    @property
    def elements(self) -> int:
        """How many there are."""
        return math.prod(self.shape)

    @property
    def place(self) -> tuple[object, ...]:
        """Equal for two names of the same stored elements (tied weights), different otherwise."""
        if self.elements == 0:
            return (id(self),)
        return (self.array.__array_interface__["data"][0], self.shape, self.array.strides)

    def named(self, name: str) -> StoredTensor:
        """The same tensor under another name."""
        return replace(self, name=name)

    def read(self, start: int, stop: int) -> Array:
        """Elements [start, stop) in row-major order: a view where the memory allows it, else a copy of this piece only."""
        stored = self.stored(start, stop)
        return self.widen(stored, np.empty(stored.size, np.float32)) if self.dtype in _WIDEN else stored

    def stored(self, start: int, stop: int) -> Array:
        """The same elements as they lie in the file; see `model.Tensor`."""
        return _row_major(self.array, start, stop)

    def widen(self, stored: Array, out: Singles) -> Array:
        """Numbers from stored elements; in `out` where numpy has no type for these."""
        widen = _WIDEN.get(self.dtype)
        return stored if widen is None else widen(stored, out)

    def number(self) -> float:
        """The only element of a one-element tensor, as a plain number. Raises ValueError for any other size."""
        if self.elements != 1:
            raise ValueError(f"{self.name} has {self.elements} elements, not one")
        return float(self.read(0, 1)[0])


@dataclass(frozen=True, slots=True, eq=False)
class PulledTensor(StoredTensor):
    """A tensor whose elements lie in no single mapped array: in pieces, or turned."""

    pull: Callable[[int, int], Array]
    """Elements [start, stop) in row-major order, in the numpy type of `dtype` (codes, where numpy has no such type).

    Looks at nothing but memory, mapped or held, so that several threads can call it at once, and forked processes too; holds no more
    memory than what it returns."""

    @property
    def place(self) -> tuple[object, ...]:
        """Equal for two names of one pulled tensor, different otherwise."""
        return (id(self.pull), self.shape)

    def stored(self, start: int, stop: int) -> Array:
        """Elements [start, stop) in row-major order, as they lie in the file."""
        return self.pull(start, stop)


def pulled(name: str, shape: tuple[int, ...], dtype: str, pull: Callable[[int, int], Array]) -> PulledTensor:
    """A tensor that is read through a function; see `PulledTensor.pull` for what that must hold to."""
    return PulledTensor(name, shape, dtype, np.empty(0, NUMPY_TYPES[dtype]), pull)


Tree: TypeAlias = "Mapping[str, Tree] | tuple[Tree, ...] | StoredTensor | Plain"
"""The content of a checkpoint without torch: tables, lists, tensors and plain values."""


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """What could be read of one file, or of one folder that is a checkpoint."""

    tree: Tree
    """None where nothing could be read."""
    problems: tuple[Problem, ...]
    readable: bool
    ordered: bool = True
    """The file keeps the order in which tensors were written."""


def _row_major(array: Array, start: int, stop: int) -> Array:
    """Flat range of any strided array; copies at most what it returns, and three times where the range starts within a row."""
    if array.flags.c_contiguous:
        return array.reshape(-1)[start:stop]
    if array.ndim == 1:
        return array[start:stop]
    row = math.prod(array.shape[1:])
    first, last = -(-start // row), stop // row
    if first > last:  # within one row
        return _row_major(array[last], start - last * row, stop - last * row)
    pieces = [array[first:last].reshape(-1)]
    if start < first * row:
        pieces.insert(0, _row_major(array[first - 1], start - (first - 1) * row, row))
    if stop > last * row:
        pieces.append(_row_major(array[last], 0, stop - last * row))
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
