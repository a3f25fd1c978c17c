"""Members of a tar archive by its headers alone: data are passed over by seeking, so that time goes with members and not with bytes.

The layout is that of POSIX.1-2001 (pax), with GNU's long names and sizes in base 256.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

BLOCK = 512
_READ_AHEAD = 3 * BLOCK
"""A header with the small member behind it: labels come with it in one read."""
_LONGEST_NAME = 1 << 16
_GNU_NAME, _GNU_LINK, _PAX, _PAX_GLOBAL = b"L", b"K", b"x", b"g"
_FILES = (b"0", b"\0", b"7")


class Member(NamedTuple):
    """One file in an archive."""

    name: str
    size: int
    content: bytes | None
    """Of members that were asked for and are small enough."""


@dataclass(slots=True)
class End:
    """How an archive ended; filled while its members are read."""

    at: int = 0
    """Bytes up to the end of the last whole member."""
    damage: str = ""
    """What was wrong there, one clause; empty where the archive ended as it should."""
    marked: bool = False
    """Whether its last blocks are the empty ones that mark an end."""


def members(stream: BinaryIO, length: int | None, wanted: frozenset[str], most_bytes: int, end: End) -> Iterator[Member]:
    """The files of an archive in order.

    Args:
        stream: the archive, from its start.
        length: its bytes; None for streams that can only be read on, as compressed ones.
        wanted: endings (all behind the first dot of the last part of the name, in lower case) of members whose content is given.
        most_bytes: members larger than this are passed over all the same.
        end: takes how the archive ended.

    Raises:
        OSError, EOFError, zlib.error: as the stream raises them.
    """
    reader = _Seeking(stream, length) if length is not None else _Streaming(stream)
    offset = 0
    long_name = b""
    pax: dict[bytes, bytes] = {}
    while True:
        header = reader.header(offset)
        if len(header) < BLOCK:
            end.at, end.damage = offset, "it ends within a header" if header else ""
            return
        if header == bytes(BLOCK):
            end.at, end.marked = offset, True
            return
        problem, size = _checked(header)
        if problem:
            end.at, end.damage = offset, problem
            return
        kind = header[156:157]
        size = int(pax[b"size"]) if kind in _FILES and pax.get(b"size", b"").isdigit() else size
        start = offset + BLOCK
        after = start + -(-size // BLOCK) * BLOCK
        if kind in (_GNU_NAME, _GNU_LINK, _PAX, _PAX_GLOBAL):
            extra = reader.data(start, size) if size <= _LONGEST_NAME else None
            if extra is None:
                end.at, end.damage = offset, "it ends within a long name" if size <= _LONGEST_NAME else f"a name claims {size} bytes"
                return
            if kind == _GNU_NAME:
                long_name = extra.rstrip(b"\0")
            elif kind == _PAX:
                pax = _pax_fields(extra)
        else:
            if length is not None and start + size > length:
                end.at, end.damage = offset, f"its last member claims {size} bytes and has {max(0, length - start)}"
                return
            name = (pax.get(b"path") or long_name or _name(header)).decode("utf-8", "surrogateescape")
            long_name, pax = b"", {}
            if kind in _FILES:
                content = reader.data(start, size) if size <= most_bytes and ending_of(name) in wanted else None
                yield Member(name, size, content)
        if not reader.skip_to(after, start + size):
            end.at, end.damage = offset, "its last member is cut short"
            return
        offset = end.at = after


def ending_of(name: str) -> str:
    """All behind the first dot of the last part of a member's name, in lower case: `seg.png` of `a/1.seg.png`."""
    return name.rpartition("/")[2].partition(".")[2].lower()


def _name(header: bytes) -> bytes:
    name = header[:100].partition(b"\0")[0]
    prefix = header[345:500].partition(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _checked(header: bytes) -> tuple[str, int]:
    """What is wrong with a header, and the member's size."""
    told = _number(header[148:156])
    # Some old writers summed signed characters.
    plain = sum(header) - sum(header[148:156]) + 8 * 32
    signed = plain - 256 * sum(byte > 127 for byte in header[:148] + header[156:]) if told != plain else plain
    if told is None or told not in (plain, signed):
        return "a header's checksum is wrong", 0
    size = _number(header[124:136])
    return ("a header has no size", 0) if size is None or size < 0 else ("", size)


def _number(field: bytes) -> int | None:
    """Octal digits, or GNU's base 256."""
    if field[:1] and field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    digits = field.strip(b" \0").partition(b"\0")[0].strip()
    try:
        return int(digits or b"0", 8)
    except ValueError:
        return None


def _pax_fields(data: bytes) -> dict[bytes, bytes]:
    """`path` and `size` of an extended header: `length key=value`, one a line."""
    found: dict[bytes, bytes] = {}
    at = 0
    while at < len(data):
        digits, space, _ = data[at : at + 20].partition(b" ")
        if not space or not digits.isdigit() or not int(digits):
            break
        key, _, value = data[at + len(digits) + 1 : at + int(digits) - 1].partition(b"=")
        if key in (b"path", b"size"):
            found[key] = value
        at += int(digits)
    return found


class _Seeking:
    """An archive on disk."""

    def __init__(self, stream: BinaryIO, length: int) -> None:
        self._stream, self._length = stream, length
        self._at, self._held = 0, b""

    def _read(self, offset: int, size: int) -> bytes:
        if not (self._at <= offset and offset + size <= self._at + len(self._held)):
            self._stream.seek(offset)
            self._at, self._held = offset, self._stream.read(max(size, _READ_AHEAD))
        return self._held[offset - self._at : offset - self._at + size]

    def header(self, offset: int) -> bytes:
        return self._read(offset, BLOCK)

    def data(self, offset: int, size: int) -> bytes | None:
        found = self._read(offset, size)
        return found if len(found) == size else None

    def skip_to(self, offset: int, needed: int) -> bool:
        return needed <= self._length


class _Streaming:
    """An archive that can only be read on."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._at = stream, 0

    def _next(self, size: int) -> bytes:
        found = self._stream.read(size)
        self._at += len(found)
        return found

    def header(self, offset: int) -> bytes:
        return self._next(BLOCK)

    def data(self, offset: int, size: int) -> bytes | None:
        found = self._next(size)
        return found if len(found) == size else None

    def skip_to(self, offset: int, needed: int) -> bool:
        while self._at < offset:
            if not self._next(min(offset - self._at, 1 << 20)):
                return self._at >= needed
        return True


def length_of(stream: BinaryIO) -> int:
    """Bytes of an open file."""
    return os.fstat(stream.fileno()).st_size
