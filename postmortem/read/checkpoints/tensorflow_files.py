"""TensorFlow checkpoints (tensor bundles, TF1 and TF2): an index of names and places, and files of elements, which are mapped.

The index is a table as LevelDB writes it (https://github.com/google/leveldb/blob/main/doc/table_format.md), its values are the protobuf
messages of tensor_bundle.proto. Nothing but these two is needed, so TensorFlow is not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from postmortem.model import Problem
from postmortem.read.checkpoints.foreign_trees import nothing
from postmortem.read.checkpoints.pickles import listed
from postmortem.read.checkpoints.raw import Raw, mapped, placed, reasons, sound_shape, without_overlaps
from postmortem.read.checkpoints.stored import NUMPY_TYPES, Loaded
from postmortem.read.checkpoints.tensorflow_names import bundle_tree, full_names
from postmortem.read.damaged import DamagedError
from postmortem.read.protobuf_walk import Message, message, number_in, signed, varint

TABLE_MAGIC = bytes.fromhex("57fb808b247547db")
_FOOTER_BYTES = 48
_MOST_INDEX_BYTES = 2**30
_MOST_GRAPH_BYTES = 256 * 2**20
_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
_STRING = 7
_TYPES: Mapping[int, str] = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 9: "int64", 10: "bool", 14: "bfloat16", 17: "uint16",
    19: "float16", 22: "uint32", 23: "uint64", 24: "float8_e5m2", 25: "float8_e4m3fn",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    sliced: bool


# --- the index --------------------------------------------------------------------------------------------------------


def _block(data: bytes, handle: tuple[int, int]) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of one block, whose checksum is compared first."""
    begin, size = handle
    body, trailer = data[begin : begin + size], data[begin + size : begin + size + 5]
    if len(trailer) < 5 or size < 4:
        raise DamagedError("a block of it lies beyond its end")
    if trailer[0]:
        raise DamagedError(f"a block of it is compressed (kind {trailer[0]}), which TensorFlow does not do")
    checksum = google_crc32c.value(body + trailer[:1])
    if (((checksum >> 15) | (checksum << 17)) + 0xA282EAD8) & 0xFFFFFFFF != int.from_bytes(trailer[1:], "little"):
        raise DamagedError("the checksum of a block does not hold")
    end = size - 4 - 4 * int.from_bytes(body[-4:], "little")
    at, key = 0, b""
    while at < end:
        shared, at = varint(body, at)
        own, at = varint(body, at)
        length, at = varint(body, at)
        if shared > len(key) or at + own + length > end:
            raise DamagedError("an entry of it is cut")
        key = key[:shared] + body[at : at + own]
        yield key, body[at + own : at + own + length]
        at += own + length


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    begin, at = varint(data, at)
    size, at = varint(data, at)
    return (begin, size), at


def _records(data: bytes, damage: list[str]) -> Iterator[tuple[bytes, bytes]]:
    """All keys and values; what a damaged block held is added to `damage`, and the other blocks are read."""
    footer = data[-_FOOTER_BYTES:]
    if len(footer) < _FOOTER_BYTES or footer[-8:] != TABLE_MAGIC:
        raise DamagedError("it does not end as an index does: it was cut short, or is none")
    _, at = _handle(footer, 0)
    root, _ = _handle(footer, at)
    for _, value in _block(data, root):
        yield from _whole_block(data, value, damage)


def _whole_block(data: bytes, handle: bytes, damage: list[str]) -> Iterator[tuple[bytes, bytes]]:
    try:
        yield from _block(data, _handle(handle, 0)[0])
    except DamagedError as error:
        damage.append(str(error))


def _entry(name: str, value: bytes) -> _Entry:
    fields = message(value)
    claims = [dimension for shape in fields.get(2, []) if isinstance(shape, bytes) for dimension in message(shape).get(2, [])]
    dimensions = [signed(number_in(message(claim), 1)) if isinstance(claim, bytes) else -1 for claim in claims]
    sound = sound_shape(dimensions)
    if sound is None:
        raise DamagedError(f"its shape {tuple(dimensions[:8])} is none")
    return _Entry(name, number_in(fields, 1), sound, number_in(fields, 3), number_in(fields, 4), number_in(fields, 5), 7 in fields)


def _index(data: bytes, damage: list[str], refused: list[str]) -> tuple[Message, list[_Entry]]:
    """The header, and all entries; what is damaged is added to `damage` (blocks) and `refused` (entries). Raises DamagedError."""
    header: Message = {}
    entries: list[_Entry] = []
    for key, value in _records(data, damage):
        name = key.decode("utf-8", "replace")
        try:
            if key:
                entries.append(_entry(name, value))
            else:
                header = message(value)
        except DamagedError as error:
            refused.append(f"{name[:60]}: {error}")
    return header, entries


def read_tensorflow(path: Path, source: str) -> Loaded:
    """Map a bundle by its `.index` file; the `.data-*` files must stand beside it. Names are those of TensorFlow with dots.

    Partitioned variables, strings and quantized types are named and left out. Raises OSError where the index cannot be opened.
    """
    if path.stat().st_size > _MOST_INDEX_BYTES:
        return nothing(source, Problem(source, "corrupt", f"an index of {path.stat().st_size} bytes, larger than any"))
    damage: list[str] = []
    refused: list[str] = []
    try:
        header, entries = _index(path.read_bytes(), damage, refused)
    except DamagedError as error:
        detail = f"an index of TensorFlow that cannot be read: {error}; all tensors are lost"
        return nothing(source, Problem(source, "truncated", detail))
    problems: list[Problem] = []
    if damage:
        problems.append(Problem(source, "corrupt", f"{len(damage)} blocks of its index are lost, with all tensors in them: {damage[0]}"))
    shards = max(1, number_in(header, 1))
    memory = _shards(path, {entry.shard for entry in entries}, shards)
    weights: dict[str, Raw] = {}
    unread: list[str] = []
    absent: list[str] = []
    for entry in entries:
        if entry.dtype == _STRING or entry.name.startswith("\0"):  # the parts of a partitioned variable, which is named by itself
            continue
        if entry.sliced or entry.dtype not in _TYPES:
            unread.append(entry.name)
        elif entry.shard not in memory:
            absent.append(entry.name)
        else:
            try:
                weights[entry.name] = _placed(entry, memory[entry.shard], big_endian=number_in(header, 2) == 1)
            except DamagedError as error:
                refused.append(f"{entry.name}: {error}")
    if absent:
        detail = f"{len(absent)} of {len(entries)} tensors are lost, their data files are not here: {listed(tuple(absent))}"
        # An index without any of its data files was not copied with its weights; damage takes some.
        problems.append(Problem(source, "truncated" if memory else "unreadable", detail))
    if refused:
        problems.append(Problem(source, "corrupt", f"{len(refused)} of {len(entries)} tensors cannot be read: {reasons(refused)}"))
    if unread:
        detail = f"{len(unread)} tensors are partitioned or of a type that cannot be read, and were left out: {listed(tuple(unread))}"
        problems.append(Problem(source, "unsupported", detail))
    weights = without_overlaps(weights, source, problems)
    if not weights:
        problems = problems or [Problem(source, "unsupported", "a TensorFlow checkpoint without a single tensor")]
        return Loaded(None, tuple(problems), readable=False, ordered=False)
    tree = bundle_tree(weights, _object_names(entries, memory))
    return Loaded(tree, tuple(problems), readable=True, ordered=False)


# --- elements ---------------------------------------------------------------------------------------------------------


def _shards(path: Path, wanted: set[int], total: int) -> dict[int, NDArray[np.uint8]]:
    """The data files that are there."""
    found = {}
    for shard in wanted:
        beside = path.with_name(f"{path.name.removesuffix('.index')}.data-{shard:05d}-of-{total:05d}")
        if beside.is_file():
            found[shard] = mapped(beside)
    return found


def _placed(entry: _Entry, memory: NDArray[np.uint8], *, big_endian: bool) -> Raw:
    dtype = _TYPES[entry.dtype]
    needed = math.prod(entry.shape) * NUMPY_TYPES[dtype].itemsize
    if needed != entry.size:
        raise DamagedError(f"its shape {entry.shape} needs {needed} bytes, the index gives it {entry.size}")
    if entry.offset + entry.size > memory.size:
        raise DamagedError(f"its data file ends {entry.offset + entry.size - memory.size} bytes before it does")
    return placed(memory, entry.offset, entry.shape, dtype, big_endian=big_endian)


def _object_names(entries: list[_Entry], memory: Mapping[int, NDArray[np.uint8]]) -> dict[str, str]:
    """Key -> the variable's own name, from the object graph that TF2 keeps as a string tensor; empty where there is none."""
    entry = next((entry for entry in entries if entry.name == _GRAPH_KEY), None)
    if entry is None or entry.shard not in memory or entry.size > _MOST_GRAPH_BYTES:
        return {}
    data = memory[entry.shard][entry.offset : entry.offset + entry.size].tobytes()
    try:
        length, at = varint(data, 0)
        # The length has a checksum of four bytes behind it.
        return full_names(message(data[at + 4 : at + 4 + length]))
    except DamagedError:
        return {}
