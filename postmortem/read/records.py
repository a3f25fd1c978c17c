"""Walks the records of an event file (TFRecord framing) and steps over damage.

A record is: length (8 bytes, little endian), checksum of these 8 bytes (4), payload, checksum of the payload (4). Checksums are CRC-32C,
rotated and offset ("masked"). Source of the layout: TensorFlow's `record_writer`. Because the length has a checksum of its own, a payload
that is wrong costs one record only, and a length that is wrong costs the bytes up to the next length whose checksum is right.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

import google_crc32c
import numpy as np
from numpy.typing import NDArray

DamageKind: TypeAlias = Literal["payload", "gap", "cut", "tail", "length-checksum"]
Bytes: TypeAlias = bytes | mmap.mmap

HEADER_BYTES = 12
FOOTER_BYTES = 4
FRAME_BYTES = HEADER_BYTES + FOOTER_BYTES

_HEADER = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")
_MASK_DELTA = 0xA282EAD8
_SMALLEST_WINDOW = 1 << 12
_LARGEST_WINDOW = 1 << 20


@dataclass(frozen=True, slots=True)
class Damage:
    """One damaged stretch of a file.

    `payload`: one record whose payload does not match its checksum. `gap`: bytes between two readable records that are none.
    `cut`: the file ends within a record. `tail`: from here to the end there is no record. `length-checksum`: the checksum of the length
    is wrong, but the record is whole.
    """

    kind: DamageKind
    offset: int
    """Where the stretch begins, in bytes from the start of the file."""
    bytes_lost: int


def masked_checksum(data: bytes) -> int:
    """CRC-32C of the bytes as event files store it."""
    checksum = int(google_crc32c.value(data))
    return (((checksum >> 15) | (checksum << 17)) + _MASK_DELTA) & 0xFFFFFFFF


def frame(payload: bytes) -> bytes:
    """One record around the payload, as a writer would append it."""
    length = struct.pack("<Q", len(payload))
    return length + _CHECKSUM.pack(masked_checksum(length)) + payload + _CHECKSUM.pack(masked_checksum(payload))


def walk(data: Bytes, damage: list[Damage]) -> Iterator[tuple[int, bytes]]:
    """Offset and payload of every record whose checksums allow it, in order; what is damaged is appended to `damage`.

    Raises nothing whatever the bytes are.
    """
    size = len(data)
    offset = 0
    checksum_of, header_of, footer_of, delta = google_crc32c.value, _HEADER.unpack, _CHECKSUM.unpack, _MASK_DELTA
    while offset < size:
        header = data[offset : offset + HEADER_BYTES]
        if len(header) < HEADER_BYTES:
            damage.append(Damage("cut", offset, size - offset))
            return
        length, stored = header_of(header)
        checksum = checksum_of(header[:8])
        length_is_right = ((((checksum >> 15) | (checksum << 17)) + delta) & 0xFFFFFFFF) == stored
        after = offset + FRAME_BYTES + length
        if after <= size:
            payload = data[offset + HEADER_BYTES : after - FOOTER_BYTES]
            checksum = checksum_of(payload)
            (stored,) = footer_of(data[after - FOOTER_BYTES : after])
            if ((((checksum >> 15) | (checksum << 17)) + delta) & 0xFFFFFFFF) == stored:
                if not length_is_right:
                    damage.append(Damage("length-checksum", offset, 0))
                yield offset, payload
                offset = after
                continue
            if length_is_right and _may_begin_record(data, after):
                damage.append(Damage("payload", offset, after - offset))
                offset = after
                continue
        found = next_record(data, offset + (HEADER_BYTES if length_is_right else 1))
        if found is None:
            damage.append(Damage("cut" if length_is_right and after > size else "tail", offset, size - offset))
            return
        damage.append(Damage("gap", offset, found - offset))
        offset = found


def next_record(data: Bytes, start: int) -> int | None:
    """Offset of the first header at or after `start` that matches its checksum and whose record fits the file; None if there is none."""
    size = len(data)
    window = _SMALLEST_WINDOW
    while start + FRAME_BYTES <= size:
        # Windows overlap by one header less a byte, so that a header across their border is seen. They grow because most
        # gaps end within a record's length, and few reach through the file.
        stop = min(size, start + window + HEADER_BYTES - 1)
        for position in _header_candidates(np.frombuffer(data[start:stop], dtype=np.uint8)).tolist():
            (length,) = struct.unpack("<Q", data[start + position : start + position + 8])
            if start + position + FRAME_BYTES + length <= size:
                return start + int(position)
        start += window
        window = min(2 * window, _LARGEST_WINDOW)
    return None


def _may_begin_record(data: Bytes, offset: int) -> bool:
    """Whether the bytes here are a header, or too few to tell."""
    header = data[offset : offset + HEADER_BYTES]
    if len(header) < HEADER_BYTES:
        return True
    length, stored = _HEADER.unpack(header)
    if masked_checksum(header[:8]) == stored:
        return True
    after = offset + FRAME_BYTES + length
    if after > len(data):
        return False
    payload = data[offset + HEADER_BYTES : after - FOOTER_BYTES]
    return bool(masked_checksum(payload) == _CHECKSUM.unpack(data[after - FOOTER_BYTES : after])[0])


def _header_candidates(window: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Positions in the window at which a length below 4 GiB stands before its own right checksum."""
    positions = window.size - HEADER_BYTES + 1
    if positions <= 0:
        return np.empty(0, dtype=np.int64)
    high = window[4 : 4 + positions] | window[5 : 5 + positions] | window[6 : 6 + positions] | window[7 : 7 + positions]
    at = np.flatnonzero(high == 0)
    tables, of_zeros = _length_tables()
    checksum = np.full(at.size, of_zeros, dtype=np.uint32)
    for byte in range(4):
        checksum ^= tables[byte][window[at + byte]]
    masked = ((checksum >> np.uint32(15)) | (checksum << np.uint32(17))) + np.uint32(_MASK_DELTA)
    stored = np.zeros(at.size, dtype=np.uint32)
    for byte in range(4):
        stored |= window[at + 8 + byte].astype(np.uint32) << np.uint32(8 * byte)
    found: NDArray[np.int64] = at[masked == stored].astype(np.int64)
    return found


@cache
def _length_tables() -> tuple[NDArray[np.uint32], int]:
    """What each of the 4 low bytes of a length adds to its CRC, and the CRC of length 0.

    A CRC is affine in its input's bits: crc(x) = crc(0) ^ sum of the parts of each byte. So a whole window is checked by table look-ups.
    """
    of_zeros = google_crc32c.value(bytes(8))
    tables = np.zeros((4, 256), dtype=np.uint32)
    for byte in range(4):
        for value in range(256):
            length = bytearray(8)
            length[byte] = value
            tables[byte, value] = google_crc32c.value(bytes(length)) ^ of_zeros
    return tables, of_zeros
