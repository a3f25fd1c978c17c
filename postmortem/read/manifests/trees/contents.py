"""Files with the same bytes, in sets of any size: only files of equal size are read, and only as much of them as tells them apart."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_FILES = 30_000
"""Files of equal sizes that are read; of larger sets, all files of some sizes are."""
MOST_BYTES = 2 << 30
"""Of files that are read whole because a piece of them is equal."""
_WHOLE = 1 << 16
"""Up to this size a file is read whole at once, and above it a piece from its middle first: heads of files are alike."""
_PIECE = 1 << 14
_THREADS = 8  # a file on a server takes a millisecond to open, whatever its size
_BATCH = 256


@dataclass(frozen=True, slots=True, eq=False)
class SameFiles:
    """Which of the files are equal."""

    group: NDArray[np.int64]
    """For each file the number of the first file with its content; its own number where nothing equal was found."""
    compared: int
    """Files that were read, or need not be because no other has their size."""
    unread: int
    """Files that could not be opened."""
    complete: bool
    """Whether every file of equal size was compared. Otherwise equal files may be more."""


def same_files(
    sizes: NDArray[np.int64], path_of: Callable[[int], str], most_files: int = MOST_FILES, most_bytes: int = MOST_BYTES
) -> SameFiles:
    """Finds equal files among those of these sizes; empty files are equal to nothing."""
    import numpy as np

    group = np.arange(len(sizes), dtype=np.int64)
    chosen, repeated = _candidates(sizes, most_files)
    complete = len(chosen) == repeated
    prints = _fingerprints([path_of(int(index)) for index in chosen], _piece)
    unread = sum(each is None for each in prints)
    seen: dict[tuple[int, bytes], list[int]] = {}
    for index, each in zip(chosen.tolist(), prints, strict=True):
        if each is not None:
            seen.setdefault((int(sizes[index]), each), []).append(index)
    left = most_bytes
    for (size, _), members in seen.items():
        if len(members) < 2:
            continue
        if size > _WHOLE:
            if size * len(members) > left:
                complete = False
                continue
            left -= size * len(members)
            _mark_equal(group, members, _fingerprints([path_of(index) for index in members], _all))
        else:
            group[members] = members[0]
    return SameFiles(group, len(sizes) - repeated + len(chosen) - unread, unread, complete and not unread)


def _mark_equal(group: NDArray[np.int64], members: Sequence[int], prints: Sequence[bytes | None]) -> None:
    first: dict[bytes, int] = {}
    for index, each in zip(members, prints, strict=True):
        if each is not None:
            group[index] = first.setdefault(each, index)


def _candidates(sizes: NDArray[np.int64], most: int) -> tuple[NDArray[np.int64], int]:
    """Numbers of files that share their size with another, and how many do; sizes are chosen whole, in mixed order."""
    import numpy as np

    different, inverse, counts = np.unique(sizes, return_inverse=True, return_counts=True)
    repeated = (counts > 1) & (different > 0)
    total = int(counts[repeated].sum())
    if total > most:
        # Multiplication by an odd number mixes the sizes: neither small nor large files come first.
        order = np.argsort(different.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15), kind="stable")
        order = order[repeated[order]]
        taken = order[np.cumsum(counts[order]) <= most]
        kept = np.zeros(len(different), dtype=bool)
        kept[taken] = True
        return np.flatnonzero(kept[inverse]), total
    return np.flatnonzero(repeated[inverse]), total


def _fingerprints(paths: Sequence[str], of: Callable[[str], bytes | None]) -> list[bytes | None]:
    """One for each path; None where it could not be read."""
    if len(paths) <= _BATCH:
        return [of(path) for path in paths]
    batches = [paths[start : start + _BATCH] for start in range(0, len(paths), _BATCH)]
    with ThreadPoolExecutor(_THREADS) as pool:
        return [each for batch in pool.map(lambda some: [of(path) for path in some], batches) for each in batch]


def _piece(path: str) -> bytes | None:
    return _digest(path, False)


def _all(path: str) -> bytes | None:
    return _digest(path, True)


def _digest(path: str, whole: bool) -> bytes | None:
    try:
        # Without waiting: a pipe may have taken the file's place since it was listed.
        file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError:
        return None
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            return None
        found = blake2b(digest_size=16)
        if not whole and status.st_size > _WHOLE:
            os.lseek(file, (status.st_size - _PIECE) // 2, os.SEEK_SET)
            found.update(os.read(file, _PIECE))
            return found.digest()
        left = status.st_size
        while left > 0 and (block := os.read(file, min(left, 1 << 20))):
            found.update(block)
            left -= len(block)
        return found.digest()
    except OSError:
        return None
    finally:
        os.close(file)
