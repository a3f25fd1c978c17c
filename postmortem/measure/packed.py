"""Optimizer state that is not stored element by element: 8-bit codes with a scale for each block, and Adafactor's two factors.

Both are opened as tensors like any other and unpacked a piece at a time, so that a pass holds one chunk whatever the state's size.

8 bits (Dettmers et al., 2110.02861): an element is `map[code] * absmax[block]`, where a block is a run of 256 (2048 in older versions)
elements in row-major order. One scale for the whole tensor is a block as long as the tensor.

Factors (Shazeer and Stern, 1804.04235): the second moment of element (i, j) is estimated by `row[i] * column[j] / mean(row)`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postmortem.model import Tensor

_BLOCKS = (256, 2048, 4096, 1024, 512, 128, 64)
"""Lengths of blocks, the likely ones first."""
_MAX_SCALES = 2**27
"""No more block scales than this are held in memory at a time (as float32, half a GB; of 34 billion elements)."""

Singles = NDArray[np.float32]


class _Numbers:
    """What tensors have in common that have no form but numbers."""

    __slots__ = ()

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Elements [start, stop) of the flattened tensor."""
        raise TypeError(f"{type(self).__name__} has no elements of its own")

    def stored(self, start: int, stop: int) -> NDArray[Any]:
        """The same: there is no other form of them."""
        return self.read(start, stop)

    def widen(self, stored: NDArray[Any], out: Singles) -> NDArray[Any]:
        """The elements as they are."""
        return stored


@dataclass(frozen=True, slots=True, eq=False)
class Quantized(_Numbers):
    """A tensor of 8-bit codes, read as float32."""

    name: str
    shape: tuple[int, ...]
    codes: Tensor
    first: int
    """Where within the codes this tensor begins (AdEMAMix keeps two moments in one array)."""
    scales: Tensor
    first_scale: int
    block: int
    table: Singles
    """Value of each code."""
    dtype: str = "float32"

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Elements [start, stop) of the flattened tensor."""
        if stop <= start:
            return np.empty(0, np.float32)
        values: Singles = self.table[self.codes.read(self.first + start, self.first + stop)]
        low, high = start // self.block, -(-stop // self.block)
        scales = np.asarray(self.scales.read(self.first_scale + low, self.first_scale + high), np.float32)
        if high - low == 1:
            values *= scales[0]
        else:
            values *= np.repeat(scales, self.block)[start - low * self.block : stop - low * self.block]
        return values


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A run of another tensor's elements, as a tensor of its own."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    whole: Tensor
    first: int

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Elements [start, stop) of the run."""
        return self.whole.read(self.first + start, self.first + stop)

    def stored(self, start: int, stop: int) -> NDArray[Any]:
        """The same as they lie in the file."""
        return self.whole.stored(self.first + start, self.first + stop)

    def widen(self, stored: NDArray[Any], out: Singles) -> NDArray[Any]:
        """Numbers from stored elements."""
        return self.whole.widen(stored, out)


@dataclass(frozen=True, slots=True, eq=False)
class Factored(_Numbers):
    """Adafactor's second moments, read as float32."""

    name: str
    shape: tuple[int, ...]
    rows: Singles
    """Leading axes in one, then rows; divided by their mean."""
    columns: Singles
    """Leading axes in one, then columns."""
    dtype: str = "float32"

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Elements [start, stop) of the flattened tensor."""
        height, width = self.rows.shape[1], self.columns.shape[1]
        first, last = start // width, -(-stop // width)
        rows = self.rows.reshape(-1)[first:last]
        if last - first <= 1:  # within one row
            columns = self.columns[min(first // height, len(self.columns) - 1)]
            return np.asarray(rows[0] * columns[start - first * width : stop - first * width]) if rows.size else rows
        leads = np.arange(first, last) // height
        columns = self.columns[leads[0]] if leads[0] == leads[-1] else self.columns[leads]
        return np.asarray((rows[:, None] * columns).reshape(-1)[start - first * width : stop - first * width])


def _block_length(elements: int, blocks: int) -> int | None:
    """How many elements share a scale; None where no usual length fits."""
    if blocks == 1:
        return max(1, elements)
    fitting = [length for length in _BLOCKS if -(-elements // length) == blocks]
    return fitting[0] if fitting else None


def _table(slots: Mapping[str, Tensor], number: int) -> Singles | None:
    table = slots.get(f"qmap{number}")
    return np.array(table.read(0, 256), np.float32) if table is not None and table.shape == (256,) else None


def _unpacked(slots: Mapping[str, Tensor], number: int, shape: tuple[int, ...], stacked: int) -> list[Tensor] | None:
    """The moments within `state1` or `state2`: `stacked` of them, each of the parameter's shape; None where they do not fit."""
    codes = slots.get(f"state{number}")
    elements = math.prod(shape)
    if codes is None or math.prod(codes.shape) != stacked * elements:
        return None
    if codes.dtype != "uint8":
        return [Part(codes.name, shape, codes.dtype, codes, index * elements) for index in range(stacked)]
    scales, table = slots.get(f"absmax{number}", slots.get(f"max{number}")), _table(slots, number)
    if scales is None or table is None or "float" not in scales.dtype or math.prod(scales.shape) > _MAX_SCALES:
        return None
    blocks = math.prod(scales.shape) // stacked
    block = _block_length(elements, blocks)
    if block is None:
        return None
    return [Quantized(codes.name, shape, codes, i * elements, scales, i * blocks, block, table) for i in range(stacked)]


def unpacked_slots(slots: Mapping[str, Tensor], algorithm: str, shape: tuple[int, ...]) -> dict[str, Tensor]:
    """A parameter's slots of its own shape, under torch's names; packed ones unpacked. Slots of other shapes are left out."""
    found = {slot: tensor for slot, tensor in slots.items() if tensor.shape == shape and not slot.startswith("state")}
    if "state1" in slots:
        first = _unpacked(slots, 1, shape, 2 if algorithm == "ademamix" else 1)
        second = _unpacked(slots, 2, shape, 1) if "state2" in slots else None
        if first and ("state2" not in slots or second):
            names = {"sgd": "momentum_buffer", "rmsprop": "square_avg", "adagrad": "sum"}
            found[names.get(algorithm, "exp_avg")] = first[0]
            if len(first) == 2:
                found["exp_avg_slow"] = first[1]
            if second:
                found["exp_avg_sq"] = second[0]
    factored = _factored(slots, shape)
    if factored is not None:
        found["variance"] = factored
    elif "exp_avg_sq" in found and algorithm == "adafactor":
        found["variance"] = found.pop("exp_avg_sq")
    return found


def _factored(slots: Mapping[str, Tensor], shape: tuple[int, ...]) -> Factored | None:
    if len(shape) < 2:
        return None
    lead, height, width = math.prod(shape[:-2]), shape[-2], shape[-1]
    for first, second in (("exp_avg_sq_row", "exp_avg_sq_col"), ("row_var", "col_var")):
        rows, columns = slots.get(first), slots.get(second)
        if rows is None or columns is None:
            continue
        if math.prod(rows.shape) != lead * height or math.prod(columns.shape) != lead * width or lead * (height + width) > _MAX_SCALES:
            continue
        row = np.array(rows.read(0, lead * height), np.float32).reshape(lead, height)
        column = np.array(columns.read(0, lead * width), np.float32).reshape(lead, width)
        with np.errstate(all="ignore"):
            mean = row.mean(axis=1, keepdims=True, dtype=np.float64)
            scaled = np.where(mean > 0, row / np.where(mean > 0, mean, 1.0), np.where(np.isnan(mean), np.nan, 0.0))
        return Factored(f"{rows.name} x {columns.name}", shape, scaled.astype(np.float32), column)
    return None


_MOMENTS = frozenset(
    {
        *("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "exp_avg_slow", "exp_avg_fast", "exp_inf", "momentum_buffer", "square_avg"),
        *("grad_avg", "sum", "hessian", "variance", "exp_avg_sq_row", "exp_avg_sq_col", "row_var", "col_var", "acc_delta"),
        *("state1", "state2"),
    }
)


def stored_as(slots: Mapping[str, Tensor]) -> str:
    """In which type moments are stored: `8-bit`, `bfloat16`, `float32`, ...: the coarsest where there are several, else empty."""
    types = {"8-bit" if tensor.dtype == "uint8" else tensor.dtype for slot, tensor in slots.items() if slot in _MOMENTS and tensor.shape}
    return next((dtype for dtype in ("8-bit", "bfloat16", "float16", "float32", "float64") if dtype in types), "")
