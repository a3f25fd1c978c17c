"""Learns from one event record where records that look like it keep their time, step, tags and numbers.

A training loop writes the same few records over and over: only eight bytes of time, a few of the step, the tag and the number differ. So
one record of a kind is taken apart field by field, and the rest are compared with it and decoded as columns (`event_columns`).
Field numbers: TensorFlow's event.proto, summary.proto and tensor.proto.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from postmortem.read.damaged import DamagedError
from postmortem.read.protobuf_walk import varint

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SCALARS_PLUGIN = "scalars"
# Tensor type -> (field that holds one number of fixed width, its wire type, dtype). Whole numbers have a width in `tensor_content` alone.
_NUMBER_FIELDS = {1: (5, _FIXED32, "<f4"), 2: (6, _FIXED64, "<f8")}
_CONTENT_DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 19: "<f2"}

Span = tuple[int, int]
"""First byte, and the byte behind the last."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message, where it lies in the record."""

    number: int
    wire: int
    value: int
    """Of varints; else 0."""
    begin: int
    """Of the value, in bytes from the start of the payload; behind its length where it has one."""
    end: int


@dataclass(frozen=True, slots=True)
class Slot:
    """One scalar of a record."""

    tag: Span
    number: Span
    dtype: str
    plugin: str | None
    """Of a tensor, what its metadata name; empty where there are none. None for a plain number."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where records of one kind and length keep what differs between them."""

    wall: Span | None
    """Eight bytes; None where the record holds no time."""
    step: Span | None
    """A varint; None stands for step 0."""
    slots: tuple[Slot, ...]

    @property
    def steady(self) -> tuple[Span, ...]:
        """The bytes that differ from record to record, those of tags left out."""
        return (*((self.wall,) if self.wall else ()), *((self.step,) if self.step else ()), *(slot.number for slot in self.slots))


def layout_of(payload: bytes) -> Layout | None:
    """The layout of a record that holds scalars and nothing else; None for any other record, damaged ones included."""
    try:
        return _layout(payload)
    except DamagedError:
        return None


def fields(data: bytes, begin: int, end: int) -> Iterator[Field]:
    """The fields of the message in data[begin:end], in the order in which they stand.

    Raises:
        DamagedError: where the bytes are no message.
    """
    at = begin
    while at < end:
        key, at = varint(data, at)
        wire, value = key & 7, 0
        if wire == _VARINT:
            start = at
            value, at = varint(data, at)
        elif wire == _BYTES:
            length, start = varint(data, at)
            at = start + length
        elif wire in (_FIXED64, _FIXED32):
            start = at
            at += 8 if wire == _FIXED64 else 4
        else:
            raise DamagedError("a field in it is of no known kind")
        if at > end:
            raise DamagedError("a field in it reaches over its end")
        yield Field(key >> 3, wire, value, start, at)


def _layout(payload: bytes) -> Layout | None:
    event = once(payload, 0, len(payload), {1: _FIXED64, 2: _VARINT, 5: _BYTES})
    if event is None or 5 not in event:
        return None
    slots = []
    for value in fields(payload, event[5].begin, event[5].end):
        slot = _slot(payload, value) if (value.number, value.wire) == (1, _BYTES) else None
        if slot is None:
            return None
        slots.append(slot)
    wall, step = event.get(1), event.get(2)
    return Layout((wall.begin, wall.end) if wall else None, (step.begin, step.end) if step else None, tuple(slots)) if slots else None


def _slot(payload: bytes, value: Field) -> Slot | None:
    found = once(payload, value.begin, value.end, {1: _BYTES, 2: _FIXED32, 7: _BYTES, 8: _BYTES, 9: _BYTES})
    if found is None or 1 not in found or (2 in found) == (8 in found):
        return None
    tag = (found[1].begin, found[1].end)
    if 2 in found:
        # A plain number is a scalar whatever its metadata say, unless they are hyper-parameters.
        plugin = plugin_of(payload, found[9]) if 9 in found else ""
        return Slot(tag, (found[2].begin, found[2].end), "<f4", None) if plugin in ("", _SCALARS_PLUGIN) else None
    plugin = plugin_of(payload, found[9]) if 9 in found else ""
    number = _number_of_tensor(payload, found[8])
    if plugin not in ("", _SCALARS_PLUGIN) or number is None:
        return None
    return Slot(tag, number[0], number[1], plugin)


def _number_of_tensor(payload: bytes, tensor: Field) -> tuple[Span, str] | None:
    """Where the only number of a tensor lies, and its dtype."""
    found = once(payload, tensor.begin, tensor.end, {1: _VARINT, 2: _BYTES, 4: _BYTES, 5: None, 6: None})
    if found is None or not _is_one_element(payload, found.get(2)):
        return None
    dtype = found[1].value if 1 in found else 0
    numbers = [found[number] for number in (4, 5, 6) if number in found]
    if len(numbers) != 1:
        return None
    (one,) = numbers
    if one.number == 4:
        kind = _CONTENT_DTYPES.get(dtype, "")
    else:
        number, wire, kind = _NUMBER_FIELDS.get(dtype, (0, 0, ""))
        if one.number != number or one.wire not in (wire, _BYTES):
            return None
    return ((one.begin, one.end), kind) if kind and one.end - one.begin == int(kind[-1]) else None


def _is_one_element(payload: bytes, shape: Field | None) -> bool:
    """Whether a shape has no axes, or axes of length 1 only."""
    if shape is None:
        return True
    for axis in fields(payload, shape.begin, shape.end):
        if (axis.number, axis.wire) != (2, _BYTES):
            return False
        size = once(payload, axis.begin, axis.end, {1: _VARINT, 2: _BYTES})
        if size is None or 1 not in size or size[1].value != 1:
            return False
    return True


def plugin_of(payload: bytes, metadata: Field) -> str | None:
    """The plugin that a value's metadata name, empty where they name none; None where they contradict themselves."""
    found = once(payload, metadata.begin, metadata.end, {1: _BYTES, 2: _BYTES, 3: _BYTES, 4: _VARINT})
    if found is None:
        return None
    data = once(payload, found[1].begin, found[1].end, {1: _BYTES, 2: _BYTES}) if 1 in found else {}
    if data is None:
        return None
    return payload[data[1].begin : data[1].end].decode("utf-8", "replace") if 1 in data else ""


def once(payload: bytes, begin: int, end: int, known: Mapping[int, int | None]) -> dict[int, Field] | None:
    """Fields of a message by number; None where one is not `known` (number -> wire type, None for any) or stands twice.

    Raises:
        DamagedError: where the bytes are no message.
    """
    found: dict[int, Field] = {}
    for field in fields(payload, begin, end):
        if field.number in found or field.number not in known or known[field.number] not in (None, field.wire):
            return None
        found[field.number] = field
    return found
