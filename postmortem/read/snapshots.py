"""The bytes of a file that may still be written: held where that is cheap, mapped where it is not."""

from __future__ import annotations

import mmap
from pathlib import Path

MOST_HELD_BYTES = 64 << 20
"""A mapped file that another process cuts short ends this one with a signal; a copy cannot. Logs are hardly ever larger."""


def snapshot(path: Path) -> bytes | mmap.mmap:
    """Everything in the file; a mapping stays for as long as something points into it.

    Raises:
        OSError: where the file cannot be read.
        ValueError: where it cannot be mapped.
    """
    with path.open("rb") as handle:
        if handle.seek(0, 2) > MOST_HELD_BYTES:
            return mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        handle.seek(0)
        return handle.read(MOST_HELD_BYTES)
