"""Walks the records of a `.wandb` file and steps over damage.

The file is a log as LevelDB frames it: 7 bytes of its own (`:W&B`, a magic number, a version), then blocks of 32 KiB, counted from the
start of the file, that hold chunks: checksum (4 bytes, plain CRC-32 of type and payload), length (2), type (1), payload. A record is one
whole chunk, or a first, middle ones and a last. Less than 7 bytes at a block's end are padding. Source of the layout: the page on the log's
format in LevelDB's documentation, and 320 files of the wandb package whose checksums were all found to be right.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

from postmortem.read.events.records import Bytes, Damage

FILE_HEADER = b":W&B\xe1\xbe\x00"
BLOCK_BYTES = 32768
CHUNK_HEADER = struct.Struct("<IHB")

WHOLE, FIRST, MIDDLE, LAST = 1, 2, 3, 4

_DOUBTS = 200
"""Times the file's size that is summed up in search of chunks; noise takes about 60."""
_ONE_LOOK = 1000
"""What a look at a place that may begin a chunk takes beside the sum, in bytes summed up at the same time."""

_MAY_BE_TYPE = re.compile(rb"[\x01-\x04]")
_TYPE_AT = 6
_TYPE_SUMS = {kind: zlib.crc32(bytes([kind])) for kind in (WHOLE, FIRST, MIDDLE, LAST)}


def walk(data: Bytes, damage: list[Damage]) -> Iterator[tuple[int, bytes]]:
    """Offset and payload of every record whose checksums are right, in order; what is lost is appended to `damage`.

    Raises nothing whatever the bytes are. The file's own header must have been looked at before.
    """
    at, size = len(FILE_HEADER), len(data)
    begun = at
    parts: list[bytes] = []
    doubt = [_DOUBTS * size + (1 << 20)]
    while at < size:
        room = BLOCK_BYTES - at % BLOCK_BYTES
        if room < CHUNK_HEADER.size:
            at += room
            continue
        kind, stop = chunk_at(data, at)
        if not kind:
            begun = begun if parts else at
            found = _next_chunk(data, at + 1, doubt)
            if found is None:
                damage.append(Damage("cut" if _is_cut(data, at) else "tail", begun, size - begun))
                return
            damage.append(Damage("gap", begun, found - begun))
            at, parts = found, []
            continue
        payload = data[at + CHUNK_HEADER.size : stop]
        if kind in (WHOLE, FIRST):
            if parts:
                damage.append(Damage("gap", begun, at - begun))
            begun, parts = at, [payload]
        elif parts:
            parts.append(payload)
        elif damage and damage[-1].offset + damage[-1].bytes_lost == at:
            damage[-1] = Damage("gap", damage[-1].offset, stop - damage[-1].offset)  # the rest of the record that was hit
        else:
            damage.append(Damage("gap", at, stop - at))
        if kind in (WHOLE, LAST) and parts:
            yield begun, b"".join(parts)
            parts = []
        at = stop
    if parts:
        damage.append(Damage("cut", begun, size - begun))


def chunk_at(data: Bytes, at: int) -> tuple[int, int]:
    """Type of the sound chunk that begins here, and where it ends; type 0 where there is none."""
    if at + CHUNK_HEADER.size > len(data):
        return 0, at
    checksum, length, kind = CHUNK_HEADER.unpack_from(data, at)
    stop = at + CHUNK_HEADER.size + length
    if kind not in _TYPE_SUMS or stop > min(len(data), at + BLOCK_BYTES - at % BLOCK_BYTES):
        return 0, at
    return (kind, stop) if zlib.crc32(data[at + CHUNK_HEADER.size : stop], _TYPE_SUMS[kind]) == checksum else (0, at)


def _next_chunk(data: Bytes, start: int, doubt: list[int]) -> int | None:
    """Where the first sound chunk at or after `start` begins; None if there is none.

    `doubt` holds the bytes that may still be summed up for that, in all of the file: afterwards it is looked for where blocks begin alone,
    as LevelDB's own reader does.
    """
    for match in _MAY_BE_TYPE.finditer(data, start + _TYPE_AT):
        at = match.start() - _TYPE_AT
        length = int.from_bytes(data[at + 4 : at + 6], "little")
        doubt[0] -= _ONE_LOOK + (length if at % BLOCK_BYTES + CHUNK_HEADER.size + length <= BLOCK_BYTES else 0)
        if doubt[0] < 0:
            break
        if chunk_at(data, at)[0]:
            return at
    else:
        return None
    return next((at for at in range(-(-at // BLOCK_BYTES) * BLOCK_BYTES, len(data), BLOCK_BYTES) if chunk_at(data, at)[0]), None)


def _is_cut(data: Bytes, at: int) -> bool:
    """Whether the file ends within the chunk that begins here."""
    if at + CHUNK_HEADER.size > len(data):
        return True
    _, length, kind = CHUNK_HEADER.unpack_from(data, at)
    stop = at + CHUNK_HEADER.size + length
    return kind in _TYPE_SUMS and len(data) < stop <= at + BLOCK_BYTES - at % BLOCK_BYTES
