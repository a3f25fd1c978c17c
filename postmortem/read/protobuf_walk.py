"""Protobuf messages without their descriptions: numbered fields of whole numbers and bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from postmortem.read.damaged import DamagedError

Message: TypeAlias = Mapping[int, list[int | bytes]]


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of protobuf and LevelDB, and the place after it. Raises DamagedError."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        value |= (data[at] & 0x7F) << shift
        at += 1
        if not data[at - 1] & 0x80:
            return value, at
    raise DamagedError("a number in it has no end")


def message(data: bytes) -> Message:
    """Fields of a protobuf message: whole numbers, and bytes for everything of a length. Raises DamagedError."""
    fields: dict[int, list[int | bytes]] = {}
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        wire = key & 7
        if wire == 0:
            value, at = varint(data, at)
            fields.setdefault(key >> 3, []).append(value)
            continue
        length = {1: 8, 5: 4}.get(wire, -1)
        if wire == 2:
            length, at = varint(data, at)
        if length < 0 or at + length > len(data):
            raise DamagedError("a message in it is cut or none")
        piece = data[at : at + length]
        fields.setdefault(key >> 3, []).append(piece if wire == 2 else int.from_bytes(piece, "little"))
        at += length
    return fields


def number_in(fields: Message, key: int) -> int:
    """The last value of a field as a whole number; 0 where it is not there."""
    value = fields.get(key, [0])[-1]
    return value if isinstance(value, int) else 0


def signed(value: int) -> int:
    """A 64-bit number that may be negative."""
    return value - 2**64 if value >= 2**63 else value
