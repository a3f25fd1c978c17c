"""Msgpack read where it lies: tables, lists and plain values come out, long runs of bytes stay in the file as places.

The `msgpack` package copies every run of bytes, so that a checkpoint would stand in memory as a whole; the format is small enough to be
walked here (https://github.com/msgpack/msgpack/blob/master/spec.md).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

_DEEPEST = 64
_MOST_ITEMS = 4_000_000
_LONGEST_TEXT = 2**20


@dataclass(frozen=True, slots=True)
class Place:
    """A run of bytes in the file, with the code that an extension type gives it; -1 for plain bytes."""

    begin: int
    end: int
    code: int = -1


Node: TypeAlias = "dict[str, Node] | list[Node] | Place | str | int | float | bool | None"


@dataclass(frozen=True, slots=True, eq=False)
class Walked:
    """What could be read of one value."""

    root: Node
    end: int
    """First byte after it."""
    damage: str
    """What ended the walk early, one clause; empty where the value is whole."""
    cut: bool
    """The damage is that the bytes end."""


_NUMBERS: Mapping[int, tuple[str, int]] = {
    0xCA: (">f", 4), 0xCB: (">d", 8), 0xCC: (">B", 1), 0xCD: (">H", 2), 0xCE: (">I", 4), 0xCF: (">Q", 8),
    0xD0: (">b", 1), 0xD1: (">h", 2), 0xD2: (">i", 4), 0xD3: (">q", 8),
}  # fmt: skip
_CONSTANTS: Mapping[int, bool | None] = {0xC0: None, 0xC2: False, 0xC3: True}
_LENGTHS: Mapping[int, tuple[str, int]] = {
    0xC4: ("bytes", 1), 0xC5: ("bytes", 2), 0xC6: ("bytes", 4), 0xC7: ("extension", 1), 0xC8: ("extension", 2), 0xC9: ("extension", 4),
    0xD9: ("text", 1), 0xDA: ("text", 2), 0xDB: ("text", 4), 0xDC: ("list", 2), 0xDD: ("list", 4), 0xDE: ("table", 2), 0xDF: ("table", 4),
}  # fmt: skip


class _StopError(Exception):
    def __init__(self, detail: str, *, cut: bool = False) -> None:
        super().__init__(detail)
        self.cut = cut


class _Walker:
    """A position in the bytes. Damage deep down ends every loop above it, and what was read until then is kept."""

    def __init__(self, memory: NDArray[np.uint8], begin: int, end: int) -> None:
        self.memory = memory
        self.at = begin
        self.end = end
        self.items = 0
        self.damage: _StopError | None = None

    def _take(self, count: int) -> int:
        begin = self.at
        if begin + count > self.end:
            raise _StopError(f"the data ends after {self.end} bytes, {begin + count - self.end} short", cut=True)
        self.at += count
        return begin

    def _bytes(self, count: int) -> bytes:
        begin = self._take(count)
        return self.memory[begin : begin + count].tobytes()

    def value(self, depth: int) -> Node:
        self.items += 1
        if self.items > _MOST_ITEMS or depth > _DEEPEST:
            raise _StopError(f"it holds more than {_MOST_ITEMS} values, or tables more than {_DEEPEST} deep")
        first = int(self.memory[self._take(1)])
        if first < 0x80:
            return first
        if first >= 0xE0:
            return first - 256
        if first < 0x90:
            return self._table(first & 0x0F, depth)
        if first < 0xA0:
            return self._list(first & 0x0F, depth)
        if first < 0xC0:
            return self._text(first & 0x1F)
        if first in _CONSTANTS:
            return _CONSTANTS[first]
        if first in _NUMBERS:
            layout, size = _NUMBERS[first]
            number: int | float = struct.unpack(layout, self._bytes(size))[0]
            return number
        if 0xD4 <= first <= 0xD8:
            return self._place(1 << (first - 0xD4), extension=True)
        if first not in _LENGTHS:
            raise _StopError(f"byte {self.at - 1} is {first:#x}, which begins no value")
        kind, width = _LENGTHS[first]
        length = int.from_bytes(self._bytes(width), "big")
        if kind == "table":
            return self._table(length, depth)
        if kind == "list":
            return self._list(length, depth)
        return self._text(length) if kind == "text" else self._place(length, extension=kind == "extension")

    def _text(self, length: int) -> str:
        if length > _LONGEST_TEXT:
            self._take(length)
            return f"text of {length} bytes"
        return self._bytes(length).decode("utf-8", "replace")

    def _place(self, length: int, *, extension: bool) -> Place:
        code = int.from_bytes(self._bytes(1), "big", signed=True) if extension else -1
        begin = self._take(length)
        return Place(begin, begin + length, code)

    def _table(self, length: int, depth: int) -> dict[str, Node]:
        table: dict[str, Node] = {}
        try:
            for _ in range(length):
                key = self.value(depth + 1)
                if isinstance(key, Place):
                    key = self.memory[key.begin : min(key.end, key.begin + 256)].tobytes().decode("utf-8", "replace")
                if isinstance(key, (dict, list)):
                    raise _StopError("a table has a table as a key")
                value = self.value(depth + 1)
                table[str(key)] = value
                if self.damage is not None:
                    break
        except _StopError as error:
            self.damage = self.damage or error
        return table

    def _list(self, length: int, depth: int) -> list[Node]:
        items: list[Node] = []
        try:
            for _ in range(length):
                items.append(self.value(depth + 1))
                if self.damage is not None:
                    break
        except _StopError as error:
            self.damage = self.damage or error
        return items


def walk(memory: NDArray[np.uint8], begin: int, end: int) -> Walked:
    """Read the value that begins at a place of mapped bytes. Never raises for what they hold; reads no run of bytes."""
    walker = _Walker(memory, begin, end)
    root: Node = None
    try:
        root = walker.value(0)
    except _StopError as error:
        walker.damage = error
    damage = walker.damage
    return Walked(root, walker.at, "" if damage is None else str(damage), damage is not None and damage.cut)
