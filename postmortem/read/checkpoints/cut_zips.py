"""Torch zips that were cut short: the directory at their end is gone, but the pickle and the first storages are still there.

Torch writes each entry behind a local header that leaves its size open, and a descriptor behind its content (APPNOTE.TXT of the zip
format, sections 4.3.7 and 4.3.9). Sizes of storages follow from the pickle, which comes first; those of the few small entries between
from the next descriptor.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from postmortem.read.checkpoints.pickle_machine import interpret
from postmortem.read.checkpoints.torch_tensors import Memory, element_bytes, storage_claim

_HEADER, _DESCRIPTOR = b"PK\x03\x04", b"PK\x07\x08"
_HEADER_BYTES = 30
_DESCRIPTOR_BYTES = (16, 24)
_SMALL_BYTES = 2**16


@dataclass(frozen=True, slots=True, eq=False)
class CutZip:
    """What is left of a torch zip."""

    pickle_start: int
    places: dict[str, tuple[int, int]]
    """Key of each storage that is whole -> first byte, number of bytes."""
    big_endian: bool


def walk_cut_zip(memory: Memory) -> CutZip | None:
    """Find the pickle and the whole storages from local headers alone; None where the pickle is not there."""
    view = memory.data
    size = len(memory)
    pickle_start = -1
    big_endian = False
    sizes: dict[str, int] = {}
    places: dict[str, tuple[int, int]] = {}
    position = 0
    while bytes(view[position : position + 4]) == _HEADER and position + _HEADER_BYTES <= size:
        name_bytes, extra_bytes = struct.unpack_from("<HH", view, position + 26)
        name = str(view[position + _HEADER_BYTES : position + _HEADER_BYTES + name_bytes], "utf-8", "replace")
        begin = position + _HEADER_BYTES + name_bytes + extra_bytes
        parts = name.split("/")
        if parts[-1] == "data.pkl":
            found = interpret(view, begin)
            if not found.complete:
                return None
            pickle_start, end = begin, found.end
            for reference in found.references:
                claim = storage_claim(reference)
                if claim is not None:
                    sizes[claim.key] = max(sizes.get(claim.key, 0), claim.elements * element_bytes(claim.dtype))
        elif len(parts) > 1 and parts[-2] == "data" and parts[-1] in sizes:
            end = begin + sizes[parts[-1]]
            if end <= size:
                places[parts[-1]] = (begin, sizes[parts[-1]])
        else:
            at = bytes(view[begin : begin + _SMALL_BYTES]).find(_DESCRIPTOR)
            if at < 0:
                break
            end = begin + at
            big_endian = big_endian or (parts[-1] == "byteorder" and bytes(view[begin:end]) == b"big")
        following = _behind_descriptor(view, end)
        if following is None:
            break
        position = following
    return CutZip(pickle_start, places, big_endian) if pickle_start >= 0 else None


def _behind_descriptor(view: memoryview, end: int) -> int | None:
    if bytes(view[end : end + 4]) != _DESCRIPTOR:
        return None
    for length in _DESCRIPTOR_BYTES:
        if bytes(view[end + length : end + length + 4]) == _HEADER:
            return end + length
    return None
