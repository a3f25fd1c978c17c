"""Where the storages of a torch file lie: in its mapped bytes, in the entries of a zip, unpacked where these are compressed."""

from __future__ import annotations

import io
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from postmortem.read.checkpoints.torch_tensors import LostTensorError, Memory

_MAX_UNPACKED_BYTES = 64 * 2**30
_COPY_BYTES = 2**20
_SMALL_BYTES, _MOST_HELD_BYTES = 2**20, 2**26
"""Storages up to this size are held in memory, up to so many bytes in all: a map for each would use up the files that may be open."""
_SUMMED_BYTES = 2**26
"""Bytes of plainly stored entries that are held against their checksums, for each file."""
UNPACKING_ERRORS = (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError, RuntimeError, struct.error)
"""What the standard library raises for an entry that is not what the directory says."""


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Storages that lie in the file's own bytes."""

    memory: Memory
    places: Mapping[str, tuple[int, int]]
    """Key -> first byte, number of bytes."""
    big_endian: bool

    def bytes_of(self, key: str) -> Memory:
        """The bytes of one storage. Raises LostTensorError where they are not there."""
        if key not in self.places:
            raise LostTensorError("corrupt", "the file holds no storage of its key")
        begin, length = self.places[key]
        if begin + length > len(self.memory):
            raise LostTensorError("truncated", "beyond the end of the file")
        return self.memory[begin : begin + length]


@dataclass(slots=True, eq=False)
class Packed:
    """Storages in a zip, mapped where they are stored plainly and unpacked to a scratch file where they are compressed."""

    memory: Memory
    archive: zipfile.ZipFile
    members: Mapping[str, zipfile.ZipInfo]
    """Key -> entry."""
    big_endian: bool
    scratch: Path | None
    _unpacked: dict[str, Memory] = field(default_factory=dict)
    _unpacked_bytes: int = 0
    _held_bytes: int = 0
    _changed: dict[str, bool] = field(default_factory=dict)
    _summed_bytes: int = 0

    def bytes_of(self, key: str) -> Memory:
        """The same; bytes of a compressed entry are those of a scratch file."""
        if key not in self.members:
            raise LostTensorError("corrupt", "the zip holds no entry for its storage")
        member = self.members[key]
        if member.compress_type != zipfile.ZIP_STORED:
            return self._unpack(key, member)
        begin = data_start(self.memory, member)
        if begin + member.file_size > len(self.memory):
            raise LostTensorError("truncated", "beyond the end of the file")
        found = self.memory[begin : begin + member.file_size]
        if self._is_changed(key, member, found):
            raise LostTensorError("corrupt", "its bytes do not give the checksum that the zip holds for them")
        return found

    def _is_changed(self, key: str, member: zipfile.ZipInfo, found: Memory) -> bool:
        """Whether bytes and checksum disagree; of the first `_SUMMED_BYTES` of a file, so that large ones are still read at full speed."""
        if key not in self._changed and has_checksum(member) and self._summed_bytes + member.file_size <= _SUMMED_BYTES:
            self._summed_bytes += member.file_size
            self._changed[key] = zlib.crc32(found.data) != member.CRC
        return self._changed.get(key, False)

    def _unpack(self, key: str, member: zipfile.ZipInfo) -> Memory:
        if key in self._unpacked:
            return self._unpacked[key]
        size = member.file_size
        if size == 0:
            return np.empty(0, np.uint8)
        if member.compress_type != zipfile.ZIP_DEFLATED:
            raise LostTensorError("unsupported", "packed by a method that torch never uses")
        if size <= _SMALL_BYTES and self._held_bytes + size <= _MOST_HELD_BYTES:
            self._held_bytes += size
            with self._reading(member) as packed:
                found: Memory = np.frombuffer(packed.read(size), np.uint8)
            self._unpacked[key] = found
            return found
        if self.scratch is None:
            raise LostTensorError("unsupported", "compressed within a file that is itself within another")
        self._unpacked_bytes += size
        if self._unpacked_bytes > min(_MAX_UNPACKED_BYTES, shutil.disk_usage(self.scratch).free // 2):
            raise LostTensorError("unreadable", f"there is no room to unpack its {size} bytes")
        with self._reading(member) as packed, tempfile.NamedTemporaryFile(dir=self.scratch, suffix=".raw", delete=False) as stream:
            shutil.copyfileobj(packed, stream, _COPY_BYTES)
        found = self._unpacked[key] = np.memmap(stream.name, np.uint8, "r")
        return found

    @contextmanager
    def _reading(self, member: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
        try:
            with self.archive.open(without_missing_checksum(member)) as packed:
                yield packed
        except UNPACKING_ERRORS as error:
            raise LostTensorError("corrupt", f"its entry of the zip cannot be unpacked ({type(error).__name__})") from error


def has_checksum(member: zipfile.ZipInfo) -> bool:
    """Whether the zip holds a checksum of this entry: torch writes 0 where it was told to compute none."""
    return bool(getattr(member, "CRC", 0))


def without_missing_checksum(member: zipfile.ZipInfo) -> zipfile.ZipInfo:
    """The entry, made so that the zip module does not hold its content against a checksum that was never computed."""
    if not has_checksum(member) and hasattr(member, "CRC"):
        del member.CRC
    return member


def data_start(memory: Memory, member: zipfile.ZipInfo) -> int:
    """First byte of an entry's content: behind its local header, whose lengths may differ from the directory's."""
    header = member.header_offset
    fixed = bytes(memory[header : header + 30])
    if len(fixed) < 30 or fixed[:4] != b"PK\x03\x04":
        raise LostTensorError("corrupt", "its entry of the zip does not begin where the directory says")
    name_bytes, extra_bytes = struct.unpack_from("<HH", fixed, 26)
    return header + 30 + int(name_bytes) + int(extra_bytes)


class MemoryFile(io.RawIOBase):
    """Mapped bytes as a file, for the zip module."""

    def __init__(self, memory: Memory) -> None:
        self._view = memory.data
        self._position = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move, never before the first byte."""
        base = {0: 0, 1: self._position, 2: len(self._view)}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """Position in bytes."""
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Copy as many bytes as there are and as fit."""
        piece = self._view[self._position : self._position + len(buffer)]
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)
