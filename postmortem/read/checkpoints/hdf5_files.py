"""HDF5 as far as weights need it: what lies in the file itself, as places in mapped memory, with h5py for everything but the elements.

Nothing outside the file is touched: soft and external links, virtual datasets and datasets with external storage are named and left out,
and so are filters that HDF5 would have to load a plugin for.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from postmortem.read.checkpoints.hdf5_headers import names_as_written, variable_texts
from postmortem.read.checkpoints.raw import MOST_EXPANSION, Packed, Raw, dtype_name, placed, sound_shape
from postmortem.read.checkpoints.stored import NUMPY_TYPES, Array
from postmortem.read.damaged import DamagedError

if TYPE_CHECKING:
    import h5py

_DEEPEST = 32
_MOST_OBJECTS = 200_000
_MOST_TEXT_BYTES = 64 * 2**20
_PIECE_BYTES = 4 * 2**20
# Filters that HDF5 and h5py have built in: deflate, shuffle, fletcher32, n-bit, scale-offset, LZF.
_FILTERS = frozenset((1, 2, 3, 5, 6, 32000))
# What h5py raises for damage, by the function that meets it.
H5_ERRORS = (OSError, ValueError, KeyError, RuntimeError, TypeError, NotImplementedError, OverflowError, MemoryError)


class Window(io.RawIOBase):
    """Mapped bytes as a file, so that h5py reads the HDF5 file within a `.keras` archive where it lies."""

    def __init__(self, memory: NDArray[np.uint8]) -> None:
        super().__init__()
        self._memory = memory
        self._at = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """As files do."""
        self._at = max(0, offset + (0, self._at, self._memory.size)[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        """As files do: short at the end."""
        view = memoryview(buffer).cast("B")
        piece = self._memory[self._at : self._at + len(view)]
        view[: piece.size] = piece.tobytes()
        self._at += piece.size
        return int(piece.size)


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """What lies in an HDF5 file."""

    groups: dict[str, h5py.Group]
    """Path without a leading slash -> group; the root is ``."""
    tensors: dict[str, Raw | Packed]
    """Path -> elements."""
    refused: list[str]
    """`path: why` of what was left out."""


def contents(file: h5py.File, memory: NDArray[np.uint8]) -> Contents:
    """Everything that hard links lead to, each group once, elements unread."""
    import h5py

    found = Contents({"": file}, {}, [])
    seen = {h5py.h5o.get_info(file.id).addr}
    pending: list[tuple[str, Any]] = [("", file)]
    objects = 0
    while pending:
        path, group = pending.pop()
        try:
            names = list(group)
        except H5_ERRORS as error:
            found.refused.append(f"{path or '/'}: its table of contents is damaged ({type(error).__name__})")
            continue
        for name in names:
            below = f"{path}/{name}" if path else name
            objects += 1
            if objects > _MOST_OBJECTS:
                found.refused.append(f"{below} and all behind it: more than {_MOST_OBJECTS} objects")
                return found
            try:
                _enter(group, name, below, memory, found, seen, pending)
            except DamagedError as error:
                found.refused.append(f"{below}: {error}")
            except H5_ERRORS as error:
                found.refused.append(f"{below}: it is damaged ({type(error).__name__})")
    return found


def _enter(
    group: Any, name: str, path: str, memory: NDArray[np.uint8], found: Contents, seen: set[int], pending: list[tuple[str, Any]]
) -> None:
    import h5py

    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise DamagedError("a link to another place or file, which was not followed")
    item = group[name]
    if isinstance(item, h5py.Group):
        address = h5py.h5o.get_info(item.id).addr
        if address in seen or path.count("/") >= _DEEPEST:
            raise DamagedError("a group that holds itself, or lies too deep")
        seen.add(address)
        found.groups[path] = item
        pending.append((path, item))
    elif isinstance(item, h5py.Dataset):
        tensor = _dataset(item, path, memory)
        if tensor is not None:
            found.tensors[path] = tensor


def _dataset(item: h5py.Dataset, path: str, memory: NDArray[np.uint8]) -> Raw | Packed | None:
    """Elements of a dataset; None for text and other things that are no numbers. Raises DamagedError or any of H5_ERRORS."""
    import h5py

    shape = sound_shape(item.shape) if item.shape is not None else None
    kept = item.dtype
    said = Texts(memory).one(item, "dtype")  # Keras keeps bfloat16 as two bytes of no type, and says so here
    dtype = said if said in NUMPY_TYPES and NUMPY_TYPES[said].itemsize == kept.itemsize else dtype_name(kept)
    if shape is None or dtype is None:
        return None
    plan = item.id.get_create_plist()
    layout = plan.get_layout()
    if layout == h5py.h5d.VIRTUAL or plan.get_external_count():
        raise DamagedError("its elements are in other files, which were not opened")
    filters = [plan.get_filter(index)[0] for index in range(plan.get_nfilters())]
    unknown = [str(code) for code in filters if code not in _FILTERS]
    if unknown:
        raise DamagedError(f"its compression needs a plugin (filter {', '.join(unknown)})")
    exact = kept.kind == "V" or item.id.get_type() == h5py.h5t.py_create(kept, logical=True)
    needed = math.prod(shape) * NUMPY_TYPES[dtype].itemsize
    if layout == h5py.h5d.CONTIGUOUS and exact and needed:
        offset = item.id.get_offset()
        if offset is None:
            raise DamagedError("its elements were never written")
        if offset + needed > memory.size:
            raise DamagedError(f"the file ends {offset + needed - memory.size} bytes before it does")
        return placed(memory, offset, shape, dtype, big_endian=kept.byteorder == ">")
    return _packed(item, path, shape, dtype)


def _packed(item: h5py.Dataset, path: str, shape: tuple[int, ...], dtype: str) -> Packed:
    kind = NUMPY_TYPES[dtype]
    stored = int(item.id.get_storage_size())
    if math.prod(shape) and not stored:
        raise DamagedError("its elements were never written")
    chunk: tuple[int, ...] = tuple(item.chunks or shape)
    if math.prod([max(1, int(length)) for length in chunk]) * kind.itemsize > max(64, stored) * MOST_EXPANSION:
        raise DamagedError(f"it claims chunks of shape {chunk} and holds {stored} bytes")
    if item.chunks is not None and math.prod(shape) > 0:
        claimed = math.prod([-(-length // max(1, each)) for length, each in zip(shape, chunk, strict=True)])
        written = int(item.id.get_num_chunks())
        if written < claimed:  # HDF5 would give zeros for them
            raise DamagedError(f"{claimed - written} of its {claimed} chunks were never written")
    step = _step(shape, chunk, kind.itemsize)

    def unpack(into: Array) -> None:
        try:
            for corner in product(*(range(0, length, each) for length, each in zip(shape, step, strict=True))):
                box = tuple(slice(start, start + each) for start, each in zip(corner, step, strict=True))
                piece = item[box]
                into[box] = piece.view(kind) if piece.dtype.kind == "V" else piece
        except H5_ERRORS as error:
            raise DamagedError(f"it cannot be unpacked ({type(error).__name__})") from None

    return Packed(path, shape, dtype, stored, unpack)


def _step(shape: Sequence[int], chunk: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """Whole chunks, several of them where they are small, along the last axes first."""
    step = [max(1, min(length, each)) for length, each in zip(shape, chunk, strict=True)]
    for axis in reversed(range(len(step))):
        while step[axis] < shape[axis] and math.prod(step) * itemsize < _PIECE_BYTES:
            step[axis] *= 2
    return tuple(step)


# --- attributes -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """Text attributes of a file's objects."""

    memory: NDArray[np.uint8]

    def one(self, item: Any, key: str) -> str:
        """A text; empty where there is none that can be read."""
        found = list(self._all(item, key))
        return found[0] if len(found) == 1 else ""

    def several(self, item: Any, key: str) -> list[str] | None:
        """A list of texts, which Keras cuts into `key0`, `key1` ... where it is long; None where there is none."""
        try:
            if key in item.attrs:
                return list(self._all(item, key))
            if f"{key}0" not in item.attrs:
                return None
            number, found = 0, []
            while f"{key}{number}" in item.attrs and number < _MOST_OBJECTS:
                found += list(self._all(item, f"{key}{number}"))
                number += 1
        except H5_ERRORS:
            return None
        return found

    def _all(self, item: Any, key: str) -> Iterator[str]:
        import h5py

        try:
            if key not in item.attrs:
                return
            place = item.attrs.get_id(key)
            if place.get_type().get_class() != h5py.h5t.STRING:
                return
            if place.get_type().is_variable_str():  # not through the library: see hdf5_headers
                yield from variable_texts(self.memory, h5py.h5o.get_info(item.id).addr, key)
                return
            if place.get_storage_size() > _MOST_TEXT_BYTES or math.prod(place.shape) > _MOST_OBJECTS:
                return
            value = item.attrs[key]
        except H5_ERRORS:
            return
        for each in value.reshape(-1).tolist() if isinstance(value, np.ndarray) else [value]:
            if isinstance(each, bytes):
                yield each.decode("utf-8", "replace")
            elif isinstance(each, str):
                yield each


def order_of(group: h5py.Group, memory: NDArray[np.uint8]) -> list[str] | None:
    """Names within a group in the order in which they were written; None where the file does not tell."""
    import h5py

    try:
        return names_as_written(memory, h5py.h5o.get_info(group.id).addr, set(group))
    except H5_ERRORS:
        return None
