"""What the bits of stored numbers tell by themselves: extremes, and elements that are zero, subnormal, clipped or no number.

A float's bits, sign set aside, order as its magnitude does. So four reductions over the bits as integers, signed and unsigned, give the
largest and the smallest element, and whether a chunk holds anything worth a count. In weights it mostly does not, and then all these
counts cost nothing more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Format:
    """A float type as codes: the sign bit above the exponent above the mantissa."""

    bits: int
    mantissa_bits: int
    bias: int
    largest: int
    """Code of the largest finite number; larger magnitudes are infinite or not a number."""
    smallest_normal: int
    """Code of the smallest number that is not subnormal."""
    sign: int
    """The sign bit; smaller codes are magnitudes."""
    unsigned: np.dtype[Any]
    signed: np.dtype[Any]

    def value(self, rank: int) -> float:
        """The finite number of a rank: the code of a number without sign bit; -1 for minus zero, -2 for the number below it, and so on."""
        code = rank if rank >= 0 else -1 - rank
        exponent, share = code >> self.mantissa_bits, code & (self.smallest_normal - 1)
        whole, power = (share, 1) if exponent == 0 else (share + self.smallest_normal, exponent)
        size = math.ldexp(whole, power - self.bias - self.mantissa_bits)
        return size if rank >= 0 else -size


def _format(bits: int, mantissa_bits: int, bias: int, largest: int) -> Format:
    integers = np.dtype(f"u{bits // 8}"), np.dtype(f"i{bits // 8}")
    return Format(bits, mantissa_bits, bias, largest, 1 << mantissa_bits, 1 << (bits - 1), *integers)


FORMATS = {
    "float64": _format(64, 52, 1023, 0x7FEF_FFFF_FFFF_FFFF),
    "float32": _format(32, 23, 127, 0x7F7F_FFFF),
    "float16": _format(16, 10, 15, 0x7BFF),
    "bfloat16": _format(16, 7, 127, 0x7F7F),
    "float8_e4m3fn": _format(8, 3, 7, 0x7E),
    "float8_e5m2": _format(8, 2, 15, 0x7B),
}
"""Float types whose codes are known. Sources: IEEE 754-2019; Micikevicius et al. 2022, "FP8 formats for deep learning"."""


@dataclass(slots=True, eq=False)
class Marks:
    """What a chunk's codes tell, or a whole tensor's."""

    lowest: float | None = None
    """Of the finite elements: rank of the smallest in its float type, or the smallest itself where that is not known; None of nothing."""
    highest: float | None = None
    nonfinite: int = 0
    zeros: int = 0
    """Of either sign."""
    subnormal: int = 0
    clipped: int = 0
    """Finite elements of the largest magnitude that the type holds."""

    def add(self, other: Marks) -> None:
        """Add those of another chunk of the same tensor."""
        if other.lowest is not None and (self.lowest is None or other.lowest < self.lowest):
            self.lowest = other.lowest
        if other.highest is not None and (self.highest is None or other.highest > self.highest):
            self.highest = other.highest
        self.nonfinite += other.nonfinite
        self.zeros += other.zeros
        self.subnormal += other.subnormal
        self.clipped += other.clipped

    def extremes(self, form: Format | None) -> tuple[float, float]:
        """Smallest and largest finite element; NaN where there is none."""
        if self.lowest is None or self.highest is None:
            return math.nan, math.nan
        if form is None:
            return float(self.lowest), float(self.highest)
        return form.value(int(self.lowest)), form.value(int(self.highest))


def form_of(dtype: str, stored: Array) -> Format | None:
    """How a tensor's stored elements are to be read as codes; None for all but float types that are known."""
    form = FORMATS.get(dtype)
    return form if form is not None and form.bits == 8 * stored.dtype.itemsize else None


def marks(stored: Array, form: Format | None) -> Marks:
    """Read a chunk, as stored, flat, contiguous and in this machine's byte order. `form` is None for anything but a known float type."""
    if stored.size == 0:
        return Marks()
    if form is None:
        return _plain_marks(stored)
    codes, signed = stored.view(form.unsigned), stored.view(form.signed)
    top, bottom = int(np.maximum.reduce(codes)), int(np.minimum.reduce(codes))
    signed_top, signed_bottom = int(np.maximum.reduce(signed)), int(np.minimum.reduce(signed))
    sign = form.sign
    # The largest magnitude of either sign: -1 where there is no negative number, negative where there are only negative ones.
    negative, largest = top - sign if top >= sign else -1, form.largest
    if negative > largest or signed_top > largest:
        finite = codes[(codes & (sign - 1)) <= largest]
        found = marks(finite, form)
        found.nonfinite = codes.size - finite.size
        return found
    found = Marks(-1 - negative if negative >= 0 else bottom, signed_top if signed_top >= 0 else -1 - (bottom - sign))
    if negative == largest or signed_top == largest:
        found.clipped = int(np.count_nonzero((codes & (sign - 1)) == largest))
    if bottom < form.smallest_normal or signed_bottom < form.smallest_normal - sign:
        found.zeros = codes.size - int(np.count_nonzero(codes & (sign - 1)))
        found.subnormal = int(np.count_nonzero((codes & (sign - 1)) < form.smallest_normal)) - found.zeros
    return found


def _plain_marks(stored: Array) -> Marks:
    """The same of integers, truth values, and floats whose codes are not known."""
    zeros = stored.size - int(np.count_nonzero(stored))
    finite = stored[np.isfinite(stored)] if stored.dtype.kind == "f" else stored
    if finite.size == 0:
        return Marks(nonfinite=stored.size, zeros=zeros)
    return Marks(np.minimum.reduce(finite).item(), np.maximum.reduce(finite).item(), stored.size - finite.size, zeros)
