"""Elements as a foreign file holds them, whatever their place and byte order, and how they become tensors.

`.npy`, msgpack and TensorFlow put elements at any offset, some files are big-endian, some tensors are only there compressed: this module
knows how to hand each of them on as a `StoredTensor` that never fails once it is made.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postmortem.model import Problem
from postmortem.read.checkpoints.pickles import listed
from postmortem.read.checkpoints.stored import NUMPY_TYPES, Array, StoredTensor, pulled
from postmortem.read.damaged import DamagedError

MOST_AXES = 32
"""More axes than any array has: numpy's own limit was 32 for decades."""
MOST_EXPANSION = 1100
"""Bytes that one compressed byte can stand for at the most (deflate: 1032); what claims more is no weights."""
_IN_MEMORY_BYTES = 4 * 2**20
_ALIGNMENT = 64


@dataclass(frozen=True, slots=True, eq=False)
class Raw:
    """Elements where they lie: not to be written to, perhaps at an odd address, perhaps in the other byte order."""

    array: Array
    dtype: str
    """In torch's names; a key of `NUMPY_TYPES`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """As the file gives it."""
        return tuple(self.array.shape)

    def number(self) -> float | int | None:
        """The value of a scalar; None for anything larger or without a numpy type."""
        if self.array.size != 1 or self.array.ndim > 1 or self.dtype.startswith(("bfloat", "float8")):
            return None
        value: float | int = self.array.reshape(-1)[0].item()
        return value


def dtype_name(dtype: np.dtype[Any]) -> str | None:
    """Torch's name of a numpy type; None where there is none (text, complex numbers, records)."""
    if dtype.kind not in "fiub":
        # What numpy writes of a type that it does not know; the only one of two bytes that is in use.
        return "bfloat16" if dtype.kind == "V" and dtype.itemsize == 2 and dtype.names is None else None
    name = dtype.newbyteorder("=").name
    return name if name in NUMPY_TYPES else None


def reasons(lost: Sequence[str], most: int = 2) -> str:
    """The first few of many sentences about what was lost, for a problem's detail; control characters of strangers left out."""
    shown = ["".join(letter if letter.isprintable() else "?" for letter in each[:200]) for each in lost[:most]]
    more = len(lost) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more > 0 else "")


def mapped(path: Path) -> NDArray[np.uint8]:
    """All bytes of a file, mapped. Raises OSError; an empty file gives an empty array."""
    if path.stat().st_size == 0:
        return np.empty(0, np.uint8)
    return np.memmap(path, np.uint8, "r").view(np.ndarray)


def sound_shape(shape: Sequence[object]) -> tuple[int, ...] | None:
    """A claimed shape, if it is one that an array could have."""
    whole = [length for length in shape if isinstance(length, int) and not isinstance(length, bool) and length >= 0]
    if len(whole) < len(shape) or len(shape) > MOST_AXES or math.prod(length for length in whole if length) >= 2**62:
        return None
    return tuple(whole)


def placed(
    memory: NDArray[np.uint8], offset: int, shape: tuple[int, ...], dtype: str, *, big_endian: bool = False, fortran: bool = False
) -> Raw:
    """Elements at an offset of mapped memory, in which they must lie whole (ValueError otherwise)."""
    kind = NUMPY_TYPES[dtype]
    size = math.prod(shape) * kind.itemsize
    if offset < 0 or offset + size > memory.size:
        raise ValueError(f"{size} bytes at {offset} do not lie within {memory.size}")
    if size == 0:
        return Raw(np.empty(shape, kind), dtype)
    kind = kind.newbyteorder(">") if big_endian else kind
    return Raw(np.ndarray(shape, kind, memory, offset=offset, order="F" if fortran else "C"), dtype)


def without_overlaps(found: Mapping[str, Raw], source: str, problems: list[Problem]) -> dict[str, Raw]:
    """The same without those whose bytes belong to another as well: a small file could claim any number of large tensors that way."""
    places = sorted((raw.array.__array_interface__["data"][0], raw.array.nbytes, name) for name, raw in found.items() if raw.array.nbytes)
    reach = 0
    twice: list[str] = []
    for begin, size, name in places:
        if begin < reach:
            twice.append(name)
        else:
            reach = begin + size
    if twice:
        detail = f"{len(twice)} tensors claim bytes that belong to another and were left out: {listed(tuple(twice))}"
        problems.append(Problem(source, "corrupt", detail))
    left_out = set(twice)
    return {name: raw for name, raw in found.items() if name not in left_out}


def as_tensor(name: str, raw: Raw) -> StoredTensor:
    """A tensor over these elements: a view where they are aligned and in this machine's byte order, else copied a piece at a time."""
    kind = NUMPY_TYPES[raw.dtype]
    if raw.array.flags.aligned and raw.array.dtype.isnative:
        array = raw.array if raw.array.dtype == kind else raw.array.view(kind)
        return StoredTensor(name, raw.shape, raw.dtype, array)
    inner = StoredTensor(name, raw.shape, "", raw.array)
    if raw.array.flags.c_contiguous and raw.array.dtype.isnative:
        octets = raw.array.reshape(-1).view(np.uint8)  # copied as bytes, which odd addresses do not slow down
        return pulled(
            name, raw.shape, raw.dtype, lambda start, stop: octets[start * kind.itemsize : stop * kind.itemsize].copy().view(kind)
        )

    def pull(start: int, stop: int) -> Array:
        piece = inner.read(start, stop)
        return piece.astype(kind) if piece.dtype.kind != "V" else np.array(piece).view(kind)

    return pulled(name, raw.shape, raw.dtype, pull)


# --- what must be unpacked before it can be read ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """A tensor that is compressed, or in pieces."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    stored_bytes: int
    """What it takes in the file, as the file claims; bounds what it may unpack to."""
    unpack: Callable[[Array], None]
    """Fills an array of its shape (reversed where `fortran`), piece by piece. Raises DamagedError where the file does not give what it
    claims."""
    fortran: bool = False
    """The file holds it column by column."""

    @property
    def bytes(self) -> int:
        """Unpacked."""
        return math.prod(self.shape) * NUMPY_TYPES[self.dtype].itemsize


def unpacked(wanted: Sequence[Packed], source: str, problems: list[Problem]) -> dict[str, Raw]:
    """Unpack tensors to an unnamed temporary file (small ones to memory), at once, so that damage shows here and not within a measure.

    The file has no name and goes when the last tensor does. What cannot be unpacked is missing from the answer and stands in `problems`.
    """
    kept = [each for each in wanted if each.bytes <= max(each.stored_bytes, 64) * MOST_EXPANSION]
    inflated = [each for each in wanted if each.bytes > max(each.stored_bytes, 64) * MOST_EXPANSION]
    if inflated:
        names = listed(tuple(each.name for each in inflated))
        detail = f"{len(inflated)} tensors claim over {MOST_EXPANSION} times the bytes that are stored of them and were left out: {names}"
        problems.append(Problem(source, "corrupt", detail))
    places: list[int] = []
    total = 0
    for each in kept:
        places.append(total)
        total += -(-each.bytes // _ALIGNMENT) * _ALIGNMENT
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if total > _IN_MEMORY_BYTES and total > free // 2:
        detail = f"unpacking it needs {total} bytes of temporary space and {free} are free (at most half is taken); all tensors are lost"
        problems.append(Problem(source, "unreadable", detail))
        return {}
    memory = _room(total)
    found: dict[str, Raw] = {}
    lost: list[str] = []
    for each, offset in zip(kept, places, strict=True):
        array: Array = np.ndarray(each.shape[::-1] if each.fortran else each.shape, NUMPY_TYPES[each.dtype], memory, offset=offset)
        try:
            each.unpack(array)
        except DamagedError as error:
            lost.append(f"{each.name}: {error}")
            continue
        array.flags.writeable = False
        found[each.name] = Raw(array.T if each.fortran else array, each.dtype)
    if lost:
        problems.append(Problem(source, "corrupt", f"{len(lost)} of {len(kept)} tensors are lost: {reasons(lost)}"))
    return found


def _room(total: int) -> NDArray[np.uint8]:
    if total <= _IN_MEMORY_BYTES:
        return np.zeros(total, np.uint8)
    with tempfile.TemporaryFile(prefix="postmortem-") as stream:
        stream.truncate(total)
        return np.memmap(stream, np.uint8, "r+", shape=(total,)).view(np.ndarray)
