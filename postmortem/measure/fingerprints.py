"""A number that stands for a tensor's content, so that equal tensors and equal files are found without reading anything twice.

A box's bytes, as 64-bit integers, are written into rows of 1,021, and the columns are summed; the sums, each times an odd number of its
own, add up to the box's word. All that is modulo 2**64. The words of all boxes, the shape and the type are digested (BLAKE2b) to 64 bits.

A change of any one element changes the word for certain; integers that change places change it unless they are a multiple of 1,021
apart. Different fingerprints prove different content (or type, or shape). Equal ones do not prove equal content, but tensors that
training or copying makes do not meet by accident; someone who wants two to meet can arrange it. The number is the same on every machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
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


_MULTIPLIERS = _multipliers()
_REST, _ALL_BITS = 0x5851_F42D_4C95_7F2D, 2**64 - 1
"""The multiplier of the bytes after the last whole integer (Knuth's, of MMIX), and the modulus."""


def word(stored: Array) -> int:
    """The word of one box: as stored, flat, contiguous, in this machine's byte order."""
    size = stored.nbytes // 8
    flat = stored.view(np.uint8)
    words = flat[: 8 * size].view(np.uint64)  # numpy copies what does not start at a multiple of eight
    rows = size // _COLUMNS
    if rows == 0:
        sums = words.copy()
    else:
        sums = np.add.reduce(words[: rows * _COLUMNS].reshape(rows, _COLUMNS), axis=0)
        sums[: size - rows * _COLUMNS] += words[rows * _COLUMNS :]
    total = int(np.dot(sums, _MULTIPLIERS[: sums.size]))
    return total + int.from_bytes(flat[8 * size :].tobytes(), "little") * _REST & _ALL_BITS


def fingerprint(dtype: str, shape: tuple[int, ...], words: Sequence[int]) -> int:
    """The tensor's number from the words of its boxes in their order."""
    digest = hashlib.blake2b(f"{dtype} {shape}".encode(), digest_size=8)
    digest.update(np.array(words, "<u8").tobytes())
    return int.from_bytes(digest.digest(), "little")
