"""A number that stands for a tensor's content, so that equal tensors and equal files are found without reading anything twice.

The tensor's bytes in row-major order, as 64-bit integers (as integers of the elements' size, where rows do not end at a multiple of
eight bytes), are written into rows of 1,021, and the columns are summed; the sums, each times an odd number of its own, add up to one
number. All that is modulo 2**64. Number, shape and type are digested (BLAKE2b) to 64 bits. How the tensor is cut does not matter.

A change of any one element changes the number for certain; integers that change places change it unless they are a multiple of 1,021
apart. Different fingerprints prove different content (or type, or shape). Equal ones do not prove equal content, but tensors that
training or copying makes do not meet by accident; someone who wants two to meet can arrange it. The number is the same on every machine.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_COLUMNS = 1021
"""Prime, so that no row length that networks have falls into step with it."""


def _multipliers() -> NDArray[np.uint64]:
    """Odd numbers without a pattern: splitmix64 (Steele, Lea and Flood 2014) of 1, 2, 3, ..."""
    state = np.arange(1, _COLUMNS + 1, dtype=np.uint64) * np.uint64(0x9E37_79B9_7F4A_7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    found: NDArray[np.uint64] = (state ^ (state >> np.uint64(31))) | np.uint64(1)
    return found


_MULTIPLIERS = np.tile(_multipliers(), 2)


def in_words(row_bytes: int) -> bool:
    """Whether a tensor with rows of that many bytes is summed as 64-bit integers."""
    return row_bytes % 8 == 0


def box_sum(stored: Array, start: int, wide: bool) -> int:
    """What one box adds to its tensor's number, modulo 2**64.

    `stored` as it lies, flat, contiguous, in this machine's byte order; `start` is the place of its first element, and `wide` what
    `in_words` says of the tensor.
    """
    size = stored.dtype.itemsize
    codes = stored.view(np.uint64) if wide else stored.view(f"u{size}")
    rows = codes.size // _COLUMNS
    if rows == 0:
        sums = codes.astype(np.uint64)
    else:
        sums = np.add.reduce(codes[: rows * _COLUMNS].reshape(rows, _COLUMNS), axis=0, dtype=np.uint64)
        rest = codes[rows * _COLUMNS :]
        sums[: rest.size] += rest
    first = (start * size // 8 if wide else start) % _COLUMNS
    return int(np.dot(sums, _MULTIPLIERS[first : first + sums.size]))


def fingerprint(dtype: str, shape: tuple[int, ...], number: int) -> int:
    """From the sum of what the tensor's boxes add, in any order."""
    digest = hashlib.blake2b(f"{dtype} {shape} {number % 2**64}".encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "little")
