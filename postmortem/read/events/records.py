"""Finds the records of an event file (TFRecord framing) and steps over damage.

A record is: length (8 bytes, little endian), checksum of these 8 bytes (4), payload, checksum of the payload (4). Checksums are CRC-32C,
rotated and offset ("masked"). Source of the layout: TensorFlow's `record_writer`. Because the length has a checksum of its own, a payload
that is wrong costs one record only, and a length that is wrong costs the bytes up to the next length whose checksum is right.

Records come in blocks of thousands, because one at a time a file of 500,000 scalars spends a second in the interpreter.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Literal, TypeAlias

import google_crc32c
import numpy as np
from numpy.typing import NDArray

DamageKind: TypeAlias = Literal["payload", "gap", "cut", "tail", "length-checksum"]
Bytes: TypeAlias = bytes | mmap.mmap
Ints: TypeAlias = NDArray[np.int64]

HEADER_BYTES = 12
FOOTER_BYTES = 4
FRAME_BYTES = HEADER_BYTES + FOOTER_BYTES

_HEADER = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")
_MASK_DELTA = 0xA282EAD8
_SMALLEST_WINDOW = 1 << 12
_LARGEST_WINDOW = 1 << 22
_DOUBTS = 8
"""Times the file's size that payloads are checked to tell whether a length is right, before headers alone decide."""
_HOPS = 128
"""Records that are found one after the other before it is decided whether looking at all bytes at once is faster."""
_CACHED_BYTES = 1 << 17
"""A window is looked at in pieces that stay in the processor's cache."""
_SHORT_RECORD = 512
"""Bytes: below this mean length, a look at every byte of a window finds headers faster than hops from one to the next do."""


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


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Records that follow each other, in the order of the file. Their lengths are right; payloads have not been looked at."""

    starts: Ints
    """Offset of each record in the file, in bytes."""
    lengths: Ints
    """Bytes of each payload; it begins 12 bytes behind the record's start."""


def masked(checksum: int) -> int:
    """A CRC-32C as event files store it."""
    return (((checksum >> 15) | (checksum << 17)) + _MASK_DELTA) & 0xFFFFFFFF


def masked_checksum(data: bytes) -> int:
    """CRC-32C of the bytes as event files store it."""
    return masked(int(google_crc32c.value(data)))


def masked_checksums(checksums: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The same for an array of CRC-32Cs."""
    found: NDArray[np.uint32] = ((checksums >> np.uint32(15)) | (checksums << np.uint32(17))) + np.uint32(_MASK_DELTA)
    return found


def frame(payload: bytes) -> bytes:
    """One record around the payload, as a writer would append it."""
    length = struct.pack("<Q", len(payload))
    return length + _CHECKSUM.pack(masked_checksum(length)) + payload + _CHECKSUM.pack(masked_checksum(payload))


def sound_payload(data: Bytes, start: int, length: int) -> bytes | None:
    """The payload of the record at `start`, or None where it does not match its checksum."""
    payload = data[start + HEADER_BYTES : start + HEADER_BYTES + length]
    (stored,) = _CHECKSUM.unpack(data[start + HEADER_BYTES + length : start + FRAME_BYTES + length])
    return payload if masked_checksum(payload) == stored else None


def blocks(data: Bytes, damage: list[Damage]) -> Iterator[Block]:
    """Every record that the lengths lead to, in order; stretches without a record are appended to `damage`.

    A payload that does not match its checksum stays in its block (see `sound_payload`): it costs that record alone. Raises nothing
    whatever the bytes are.
    """
    size = len(data)
    offset = 0
    doubt = _Doubt(_DOUBTS * size + (1 << 20))
    finder = Finder(data)
    while offset < size:
        starts, after = _chain(data, offset)
        if after < size and starts.size and not _follows(data, int(starts[-1]), after, doubt):
            # The last payload is wrong and no record follows it: its length led astray, whatever the checksum says.
            starts, after = starts[:-1], int(starts[-1])
        if starts.size:
            ends = np.append(starts[1:], after)
            yield Block(starts, ends - starts - FRAME_BYTES)
            offset = after
            continue
        found = _whole_in_spite_of_its_checksum(data, offset, doubt)
        if found is not None:
            damage.append(Damage("length-checksum", offset, 0))
            yield found
            offset += int(found.lengths[0]) + FRAME_BYTES
            continue
        offset = _step_over(data, offset, damage, finder)


def _chain(data: Bytes, offset: int) -> tuple[Ints, int]:
    """Starts of the records that follow each other from `offset` on, some thousands at most, and the offset behind the last."""
    size = len(data)
    hops: list[int] = []
    header_of = _HEADER.unpack_from
    while len(hops) < _HOPS and offset + FRAME_BYTES <= size:
        length, stored = header_of(data, offset)
        if _length_checksum(length) != stored or offset + FRAME_BYTES + length > size:
            return np.array(hops, dtype=np.int64), offset
        hops.append(offset)
        offset += FRAME_BYTES + length
    starts = np.array(hops, dtype=np.int64)
    if not hops or (offset - hops[0]) > len(hops) * (_SHORT_RECORD + FRAME_BYTES):
        return starts, offset
    window = np.frombuffer(data[offset : offset + _LARGEST_WINDOW], dtype=np.uint8)
    candidates, lengths = _short_headers(window)
    ends = candidates + lengths + FRAME_BYTES
    # Each record must begin where the one before ends. A header within a payload breaks the chain; hops lead on from there.
    linked = np.concatenate([candidates[:1] == 0, ends[:-1] == candidates[1:]])
    count = int(np.argmin(linked)) if not linked.all() else linked.size
    if count and offset + int(ends[count - 1]) > size:
        count -= 1
    if not count:
        return starts, offset
    return np.concatenate([starts, candidates[:count] + offset]), offset + int(ends[count - 1])


@dataclass(slots=True)
class _Doubt:
    """Payloads that may still be checked to tell whether a length is right. A file can hold millions of lengths that claim all of it."""

    bytes_left: int

    def allows(self, length: int) -> bool:
        """Whether a payload of this length may be checked; it is taken off."""
        self.bytes_left -= length
        return self.bytes_left >= 0


def _follows(data: Bytes, start: int, after: int, doubt: _Doubt) -> bool:
    """Whether the record at `start` is sound, or what follows it shows that its length is right."""
    length = after - start - FRAME_BYTES
    return (doubt.allows(length) and sound_payload(data, start, length) is not None) or _may_begin_record(data, after, doubt)


def _whole_in_spite_of_its_checksum(data: Bytes, offset: int, doubt: _Doubt) -> Block | None:
    """The record here as a block, where only the checksum of its length is wrong."""
    header = data[offset : offset + HEADER_BYTES]
    if len(header) < HEADER_BYTES:
        return None
    length, stored = _HEADER.unpack(header)
    if _length_checksum(length) == stored or offset + FRAME_BYTES + length > len(data):
        return None
    if not doubt.allows(length) or sound_payload(data, offset, length) is None:
        return None
    return Block(np.array([offset], dtype=np.int64), np.array([length], dtype=np.int64))


def _step_over(data: Bytes, offset: int, damage: list[Damage], finder: Finder) -> int:
    """Where to go on behind the damage at `offset`, which is appended to `damage`."""
    size = len(data)
    header = data[offset : offset + HEADER_BYTES]
    if len(header) < HEADER_BYTES:
        damage.append(Damage("cut", offset, size - offset))
        return size
    length, stored = _HEADER.unpack(header)
    length_is_right = _length_checksum(length) == stored
    found = finder.next_from(offset + (HEADER_BYTES if length_is_right else 1))
    if found is None:
        damage.append(Damage("cut" if length_is_right and offset + FRAME_BYTES + length > size else "tail", offset, size - offset))
        return size
    if damage and damage[-1].kind == "gap" and damage[-1].offset + damage[-1].bytes_lost == offset:
        damage[-1] = Damage("gap", damage[-1].offset, found - damage[-1].offset)  # a header that was none within one stretch
    else:
        damage.append(Damage("gap", offset, found - offset))
    return found


@dataclass(slots=True, eq=False)
class Finder:
    """Looks for headers behind damage, and keeps those of the window that it looked at last."""

    data: Bytes
    _begin: int = 0
    _end: int = 0
    _found: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def next_from(self, start: int) -> int | None:
        """Offset of the first header at or after `start` that matches its checksum and whose record fits the file; None if none is."""
        size = len(self.data)
        window = _SMALLEST_WINDOW
        while start + FRAME_BYTES <= size:
            if not self._begin <= start < self._end:
                # Windows overlap by one header less a byte, so that a header across their border is seen. They grow because most
                # gaps end within a record's length, and few reach through the file.
                stop = min(size, start + window + HEADER_BYTES - 1)
                candidates, lengths = _headers(np.frombuffer(self.data[start:stop], dtype=np.uint8))
                self._found = start + candidates[start + candidates + lengths + FRAME_BYTES <= size]
                self._begin, self._end = start, start + window
                window = min(2 * window, _LARGEST_WINDOW)
            place = int(np.searchsorted(self._found, start))
            if place < self._found.size:
                return int(self._found[place])
            start = self._end
        return None


def _may_begin_record(data: Bytes, offset: int, doubt: _Doubt) -> bool:
    """Whether the bytes here are a header, or too few to tell."""
    header = data[offset : offset + HEADER_BYTES]
    if len(header) < HEADER_BYTES:
        return True
    length, stored = _HEADER.unpack(header)
    if _length_checksum(length) == stored:
        return True
    return offset + FRAME_BYTES + length <= len(data) and doubt.allows(length) and sound_payload(data, offset, length) is not None


def _length_checksum(length: int) -> int:
    """Masked checksum of a length as it stands in a header."""
    return _short_list()[length] if length < 4096 else masked_checksum(length.to_bytes(8, "little"))


@cache
def _short_list() -> list[int]:
    return [int(each) for each in _checksums_of_lengths()[:4096]]


def _short_headers(window: NDArray[np.uint8]) -> tuple[Ints, Ints]:
    """Positions in the window at which a length below 64 KiB stands before its own right checksum, and these lengths."""
    found: list[tuple[Ints, Ints]] = [(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))]
    for begin in range(0, window.size, _CACHED_BYTES):
        part = window[begin : begin + _CACHED_BYTES + HEADER_BYTES - 1]
        at = _zeros_behind(part, 2)
        if at.size:
            lengths = np.ndarray((part.size - 1,), dtype="<u2", buffer=part, strides=(1,))[at]
            right = _checksums_of_lengths()[lengths] == _stored_checksums(part, at)
            found.append((at[right] + begin, lengths[right].astype(np.int64)))
    positions, lengths_found = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return positions, lengths_found


def _headers(window: NDArray[np.uint8]) -> tuple[Ints, Ints]:
    """The same for lengths below 4 GiB."""
    at = _zeros_behind(window, 4)
    checksums, lengths = np.full(at.size, google_crc32c.value(bytes(8)), dtype=np.uint32), np.zeros(at.size, dtype=np.int64)
    for byte, table in enumerate(_length_tables()):
        values = window[at + byte]
        checksums ^= table[values]
        lengths |= values.astype(np.int64) << (8 * byte)
    right = masked_checksums(checksums) == _stored_checksums(window, at)
    return at[right], lengths[right]


def _zeros_behind(window: NDArray[np.uint8], low: int) -> Ints:
    """Positions at which a header fits whose length has zeros above its `low` lowest bytes."""
    positions = max(0, window.size - HEADER_BYTES + 1)
    high = window[low : low + positions].copy()
    for byte in range(low + 1, 8):
        high |= window[byte : byte + positions]
    return np.flatnonzero(high == 0)


def _stored_checksums(window: NDArray[np.uint8], at: Ints) -> NDArray[np.uint32]:
    """The four bytes behind the length, of each position. A view with a number at every byte, of which only those asked for are read."""
    if not at.size:
        return np.empty(0, dtype=np.uint32)
    everywhere = np.ndarray((window.size - HEADER_BYTES + 1,), dtype="<u4", buffer=window, offset=8, strides=(1,))
    found: NDArray[np.uint32] = everywhere[at]
    return found


@cache
def _checksums_of_lengths() -> NDArray[np.uint32]:
    """Masked checksum of every length below 64 KiB."""
    low, high, *_ = _length_tables()
    return masked_checksums((high[:, None] ^ low[None, :]).reshape(-1) ^ np.uint32(google_crc32c.value(bytes(8))))


@cache
def _length_tables() -> tuple[NDArray[np.uint32], ...]:
    """What each of the 4 low bytes of a length adds to the CRC of 8 zero bytes.

    A CRC is affine in its input's bits: crc(x) = crc(0) ^ sum of the parts of each byte. So a whole window is checked by table look-ups.
    """
    of_zeros = google_crc32c.value(bytes(8))
    tables = np.zeros((4, 256), dtype=np.uint32)
    for byte in range(4):
        for value in range(256):
            length = bytearray(8)
            length[byte] = value
            tables[byte, value] = google_crc32c.value(bytes(length)) ^ of_zeros
    return tuple(tables)
