"""The few structures of HDF5 that are read here without its library: headers of objects, texts of variable length, names as written.

The library never comes back from a heap of texts whose object claims no size (one byte of a file is enough), and it does not tell the
order in which the members of a group came. Source of the layout: HDF5 File Format Specification, version 3, sections III.D, III.E, IV.A.
Object headers of version 1, which h5py writes unless told otherwise, are all that is known here; others tell nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
from numpy.typing import NDArray

_ATTRIBUTE, _CONTINUATION, _SYMBOL_TABLE = 12, 16, 17
_MOST_MESSAGES = 65_536
_MOST_BYTES = 64 * 2**20


def _number(data: bytes, at: int, width: int) -> int:
    return int.from_bytes(data[at : at + width], "little")


def _bytes(memory: NDArray[np.uint8], begin: int, count: int) -> bytes:
    """Bytes of the file, as many as there are."""
    return memory[begin : begin + min(count, _MOST_BYTES)].tobytes() if begin < memory.size else b""


def _messages(memory: NDArray[np.uint8], address: int) -> Iterator[tuple[int, bytes]]:
    """Kind and content of each message of an object's header."""
    prefix = _bytes(memory, address, 16)
    if prefix[:1] != b"\1":
        return
    blocks = [(address + 16, _number(prefix, 8, 4))]
    seen = 0
    for begin, size in blocks:  # grows while it is walked
        block = _bytes(memory, begin, size)
        at = 0
        while at + 8 <= len(block) and seen < _MOST_MESSAGES:
            seen += 1
            kind, length = _number(block, at, 2), _number(block, at + 2, 2)
            content = block[at + 8 : at + 8 + length]
            if kind == _CONTINUATION and len(blocks) < 256:
                blocks.append((_number(content, 0, 8), _number(content, 8, 8)))
            yield kind, content
            at += 8 + length


def variable_texts(memory: NDArray[np.uint8], address: int, key: str) -> list[str]:
    """The texts of variable length in an attribute of the object at an address; empty where there are none."""
    for kind, content in _messages(memory, address):
        version = content[:1]
        if kind != _ATTRIBUTE or version not in (b"\1", b"\3"):
            continue
        sizes = [_number(content, at, 2) for at in (2, 4, 6)]
        begin = 8 if version == b"\1" else 9
        name = content[begin : begin + sizes[0]].split(b"\0")[0]
        if name != key.encode():
            continue
        padded = [-(-size // 8) * 8 for size in sizes] if version == b"\1" else sizes
        type_at = begin + padded[0]
        if type_at + 1 < len(content) and content[type_at] & 0x0F == 9 and content[type_at + 1] & 0x0F == 1:
            data = content[begin + sum(padded) :]
            places = [(_number(data, at, 4), _number(data, at + 4, 8), _number(data, at + 12, 4)) for at in range(0, len(data) - 15, 16)]
            texts = [_heap_object(memory, heap, index)[:length] for length, heap, index in places]
            return [text.decode("utf-8", "replace") for text in texts]
    return []


def _heap_object(memory: NDArray[np.uint8], address: int, index: int) -> bytes:
    """One object of a global heap collection."""
    head = _bytes(memory, address, 16)
    if head[:4] != b"GCOL":
        return b""
    heap = _bytes(memory, address, _number(head, 8, 8))
    at = 16
    while at + 16 <= len(heap):
        number, size = _number(heap, at, 2), _number(heap, at + 8, 8)
        if number == index:
            return heap[at + 16 : at + 16 + size]
        if number == 0:  # what follows is free
            break
        at += 16 + -(-size // 8) * 8
    return b""


def names_as_written(memory: NDArray[np.uint8], address: int, members: Collection[str]) -> list[str] | None:
    """Names within the group at an address in the order in which they were written; None where the file does not tell.

    Groups list their members by alphabet, but keep the names in a heap in the order in which they came.
    """
    for kind, content in _messages(memory, address):
        if kind != _SYMBOL_TABLE:
            continue
        head = _bytes(memory, _number(content, 8, 8), 32)
        if head[:4] != b"HEAP":
            return None
        texts = _bytes(memory, _number(head, 24, 8), _number(head, 8, 8)).split(b"\0")
        names = dict.fromkeys(text.decode("utf-8", "replace") for text in texts)
        wanted = set(members)
        found = [name for name in names if name in wanted]
        return found if len(found) == len(members) else None
    return None
