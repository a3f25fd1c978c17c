"""Single elements that one turned bit of their exponent explains: what broken memory and broken disks leave in a checkpoint.

The table of the pass tells where to look: a tensor whose largest magnitude leapt far beyond all the rest, or that alone holds a single
non-finite element. Only such tensors are read again, in pieces. An element counts where turning one bit of its exponent back gives what
it was before, to within what the rest of its tensor moved.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from postmortem.measure.table import CheckpointRow, TensorStats, TensorTable
from postmortem.measure.view import Found, View, at_step, missing, view_of
from postmortem.model import Checkpoint, Measurement, Tensor, counted, number

NAME = "weights.flipped"

_LEAP = 1e3
"""Largest magnitude over that of 99.9 % of the elements from which on a tensor is looked into."""
_MARGIN = 2.0
"""Times the second largest move of the tensor by which the mended element may differ from what it was."""
_PIECE = 2**20
_FORMS: dict[str, tuple[type[np.floating[np.typing.NBitBase]] | str, str, int, int]] = {
    "float64": ("<f8", "<u8", 52, 11),
    "float32": ("<f4", "<u4", 23, 8),
    "float16": ("<f2", "<u2", 10, 5),
    "bfloat16": ("<f4", "<u4", 23, 8),
}
"""Stored type -> type to read it as, its code, bits of the mantissa, bits of the exponent."""
_MOST_CANDIDATES = 16


def measure_flips(table: TensorTable, checkpoints: Sequence[Checkpoint]) -> Iterator[Found]:
    """`weights.flipped`: elements with a turned bit; items by tensor (the value found), the text tells the first of them."""
    if len(table.rows) < 2:
        yield from missing((NAME,), "there are fewer than two checkpoints of one series", "two-checkpoints")
        return
    view = view_of(table, checkpoints)
    items: dict[str, float] = {}
    text, first = "", None
    looked = 0
    for before, after in pairwise(view.rows):
        for name in _candidates(view, before, after)[:_MOST_CANDIDATES]:
            looked += 1
            told = _turned(view, before, after, name)
            if told is not None and name not in items:
                items[name] = told[0]
                if not text:
                    text, first = (
                        f"{name}[{told[1]}] is {number(told[0])} at {at_step(after)} and was {number(told[2])}: bit {told[3]}",
                        after.step,
                    )
    basis = f"{counted(looked, 'tensor')} with a leap or a single non-finite element, of {counted(len(view.rows), 'checkpoint')}"
    yield Measurement(NAME, len(items), "elements", basis, first, items, text)


def _largest(stats: TensorStats) -> float:
    return max(abs(stats.minimum), abs(stats.maximum))


def _candidates(view: View, before: CheckpointRow, after: CheckpointRow) -> list[str]:
    lonely = sum(stats.nonfinite for stats in after.tensors.values()) == 1
    found = []
    for name, stats in after.tensors.items():
        old, layer = before.tensors.get(name), view.layers.get(name)
        if (
            old is None
            or old.shape != stats.shape
            or old.nonfinite
            or layer is None
            or stats.dtype not in _FORMS
            or stats.quantiles is None
        ):
            continue
        leapt = _largest(stats) > _LEAP * max(_largest(old), stats.quantiles.magnitude)
        if leapt or (lonely and stats.nonfinite == 1):
            found.append(name)
    return found


def _turned(view: View, before: CheckpointRow, after: CheckpointRow, name: str) -> tuple[float, int, float, int] | None:
    """Value found, index, value before and bit; None where no single bit explains the change."""
    one, two = view.checkpoints.get(before.source), view.checkpoints.get(after.source)
    if one is None or two is None or name not in one.tensors or name not in two.tensors:
        return None
    index, second = _largest_move(one.tensors[name], two.tensors[name])
    old = float(one.tensors[name].read(index, index + 1)[0])
    new = two.tensors[name].read(index, index + 1)
    for bit, mended in _mended(new, two.tensors[name].dtype):
        if math.isfinite(mended) and abs(mended - old) <= _MARGIN * second + 1e-3 * abs(old):
            return float(new[0]), index, old, bit
    return None


def _largest_move(one: Tensor, two: Tensor) -> tuple[int, float]:
    """Where two tensors differ most (anything non-finite is most), and the second largest difference."""
    best, place, second = -1.0, 0, 0.0
    elements = math.prod(two.shape)
    for start in range(0, elements, _PIECE):
        stop = min(start + _PIECE, elements)
        with np.errstate(all="ignore"):
            moved = np.abs(np.asarray(two.read(start, stop), np.float64) - np.asarray(one.read(start, stop), np.float64))
        moved = np.where(np.isfinite(moved), moved, math.inf)
        index = int(np.argmax(moved))
        top = float(moved[index])
        moved[index] = 0.0
        rest = float(moved.max())
        second = max(second, rest, min(top, best) if best >= 0 else 0.0)
        if top > best:
            best, place = top, start + index
    return place, second


def _mended(value: NDArray[np.floating[np.typing.NBitBase]], dtype: str) -> Iterator[tuple[int, float]]:
    """The value with each bit of its exponent turned."""
    floating, code, mantissa, exponent = _FORMS[dtype]
    bits = int(np.asarray(value, dtype=floating).view(code)[0])
    for bit in range(mantissa, mantissa + exponent):
        turned = np.array([bits ^ (1 << bit)], dtype=code).view(floating)
        yield bit, float(turned[0])
