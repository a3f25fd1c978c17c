"""Keys of records as 64-bit hashes: which recur within a split, and which two splits share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

from postmortem.read.manifests.keys import repeated_within, shared_between

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ORDER = {"train": 0, "validation": 1, "test": 2}
_NUMBERED = re.compile(r"(.*?)(\d+)(\D*)")
_DENSE = 0.5
"""Numbers of which more than half of their range occur are running ones; a sample of ids from a larger set leaves gaps."""


def hashed(key: bytes) -> int:
    """64 bits of a key. Among ten million keys the chance of one false pair is 3 in a million."""
    return int.from_bytes(blake2b(key, digest_size=8).digest(), "little")


def ordered(splits: Iterable[str]) -> list[str]:
    """Train, validation, test, then the others by name."""
    return sorted(splits, key=lambda name: (_ORDER.get(name, 3), name))


def compared(keys: Mapping[str, NDArray[np.uint64]]) -> tuple[int, dict[str, int]]:
    """Records beyond the first of each key within its split, and `train|validation` -> keys in both."""
    return repeated_within(keys), shared_between(keys)


def are_counters(stems: Sequence[str]) -> bool:
    """Whether names are running numbers (`0001`, `img_17`): they start anew in every folder, and say nothing of what the record is."""
    matches = [_NUMBERED.fullmatch(stem) for stem in stems]
    numbered = [match for match in matches if match is not None]
    if len(numbered) < max(1, 0.9 * len(stems)):
        return False
    if len({(match[1], match[3]) for match in numbered}) > 1 + len(stems) // 50:
        return False
    numbers = {int(match[2][-18:]) for match in numbered}
    return len(numbers) > _DENSE * (max(numbers) - min(numbers) + 1)
