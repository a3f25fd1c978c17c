"""Histograms of event records, as views of the file: nothing of their buckets is copied or held.

A record of a thousand buckets is 16 kB of plain float64 behind a dozen fields; the protobuf class would make a Python object of every
number. What is not laid out that way is left to it (`event_values`).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from postmortem.read.damaged import DamagedError
from postmortem.read.events.layout import Field, fields, once, plugin_of
from postmortem.read.events.records import HEADER_BYTES, Bytes
from postmortem.read.events.summaries import HISTOGRAM_PLUGIN, Buckets, sound_buckets, sound_triples

_BYTES, _FIXED64, _FIXED32, _VARINT = 2, 1, 5, 0
_FLOAT64 = 2
"""TensorFlow's number of the type."""
_HISTOGRAM = {1: _FIXED64, 2: _FIXED64, 3: _FIXED64, 4: _FIXED64, 5: _FIXED64, 6: _BYTES, 7: _BYTES}
SHORTEST = 512
"""Bytes of a payload below which the protobuf class is as fast."""


class HistogramValue(NamedTuple):
    """One histogram of a record."""

    tag: str
    plugin: str
    buckets: Buckets | None
    """None where limits and counts contradict each other."""


class HistogramRecord(NamedTuple):
    """A record that holds histograms and nothing else."""

    wall_seconds: float
    step: int
    values: tuple[HistogramValue, ...]


def histograms_in(data: Bytes, start: int, payload: bytes) -> HistogramRecord | None:
    """The histograms of the record at `start`, whose payload is known to be sound; None where it holds anything else."""
    try:
        event = once(payload, 0, len(payload), {1: _FIXED64, 2: _VARINT, 5: _BYTES})
        if event is None or 5 not in event:
            return None
        values = []
        for field in fields(payload, event[5].begin, event[5].end):
            value = _value(data, start + HEADER_BYTES, payload, field) if (field.number, field.wire) == (1, _BYTES) else None
            if value is None:
                return None
            values.append(value)
    except (DamagedError, UnicodeDecodeError):
        return None
    step = event[2].value if 2 in event else 0
    return HistogramRecord(_float64(payload, event.get(1)), step - 2**64 if step >= 2**63 else step, tuple(values)) if values else None


def _value(data: Bytes, origin: int, payload: bytes, field: Field) -> HistogramValue | None:
    found = once(payload, field.begin, field.end, {1: _BYTES, 5: _BYTES, 7: _BYTES, 8: _BYTES, 9: _BYTES})
    if found is None or 1 not in found or (5 in found) == (8 in found):
        return None
    plugin = plugin_of(payload, found[9]) if 9 in found else ""
    tag = payload[found[1].begin : found[1].end].decode()
    if 5 in found and plugin in ("", HISTOGRAM_PLUGIN):
        return _of_message(data, origin, payload, found[5], tag)
    if 8 in found and plugin == HISTOGRAM_PLUGIN:
        return _of_tensor(data, origin, payload, found[8], tag)
    return None


def _of_message(data: Bytes, origin: int, payload: bytes, field: Field, tag: str) -> HistogramValue | None:
    found = once(payload, field.begin, field.end, _HISTOGRAM)
    if found is None or 6 not in found or 7 not in found:
        return None
    limits, counts = _view(data, origin, found[6]), _view(data, origin, found[7])
    if limits is None or counts is None:
        return None
    return HistogramValue(tag, "", sound_buckets(limits, counts, _float64(payload, found.get(1)), _float64(payload, found.get(2))))


def _of_tensor(data: Bytes, origin: int, payload: bytes, field: Field, tag: str) -> HistogramValue | None:
    found = once(payload, field.begin, field.end, {1: _VARINT, 2: _BYTES, 4: _BYTES})
    if found is None or len(found) != 3 or found[1].value != _FLOAT64:
        return None
    shape = [_axis(payload, axis) for axis in fields(payload, found[2].begin, found[2].end)]
    numbers = _view(data, origin, found[4])
    if len(shape) != 2 or shape[1] != 3 or numbers is None or numbers.size != 3 * shape[0] or not numbers.size:
        return None
    return HistogramValue(tag, HISTOGRAM_PLUGIN, sound_triples(numbers.reshape(-1, 3), named=True))


def _axis(payload: bytes, axis: Field) -> int:
    found = once(payload, axis.begin, axis.end, {1: _VARINT, 2: _BYTES}) if (axis.number, axis.wire) == (2, _BYTES) else None
    return found[1].value if found is not None and 1 in found else -1


def _view(data: Bytes, origin: int, field: Field) -> NDArray[np.float64] | None:
    """Float64 numbers where they lie in the file; None where the bytes are no whole number of them."""
    count, rest = divmod(field.end - field.begin, 8)
    return None if rest else np.frombuffer(data, dtype="<f8", count=count, offset=origin + field.begin)


def _float64(payload: bytes, field: Field | None) -> float:
    """A number; 0 where it is not there: proto3 leaves zeros out."""
    return 0.0 if field is None else float(struct.unpack_from("<d", payload, field.begin)[0])
