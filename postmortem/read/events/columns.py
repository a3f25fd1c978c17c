"""Decodes event records of one length and layout all at once, checksums included.

Records of one kind differ in few bytes. All others must equal those of a record that was taken apart (`event_layout`), and a CRC is
affine in its input: the checksum of each record is that of the one taken apart, changed by what each differing byte adds. Numbers of a
thousand records are then columns of one array.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from postmortem.read.events.layout import Layout, Span, layout_of
from postmortem.read.events.records import FOOTER_BYTES, HEADER_BYTES, Bytes, Ints, masked_checksums

FEWEST_ALIKE = 16
"""Records of one length below which one at a time is as fast."""
LONGEST = 1 << 12
"""Bytes of a payload above which records are never gathered."""
_MOST_LAYOUTS = 32
"""Layouts of one length in one block; what is left then is decoded one at a time."""
_FEW_TAGS = 8
_WORD = 8

Bits = NDArray[np.uint64]
Octets = NDArray[np.uint8]


@dataclass(slots=True, eq=False)
class ScalarSink:
    """Scalars of one file: a column each for tag, step, number, time and record, in the order in which they were decoded."""

    places: dict[str, int] = field(default_factory=dict)
    """Tag -> its number in `tags`."""
    plugins: dict[str, str] = field(default_factory=dict)
    """Tag -> plugin: some writers state it with the first value of a tag only."""
    chunks: list[tuple[Ints, Ints, NDArray[np.float64], NDArray[np.float64], Ints]] = field(default_factory=list)
    _places: array[int] = field(default_factory=lambda: array("q"))
    _steps: array[int] = field(default_factory=lambda: array("q"))
    _numbers: array[float] = field(default_factory=lambda: array("d"))
    _walls: array[float] = field(default_factory=lambda: array("d"))
    _records: array[int] = field(default_factory=lambda: array("q"))

    def add(self, tag: str, step: int, number: float, wall_seconds: float, record: int) -> None:
        """One scalar; `record` counts the records of the file."""
        self._places.append(self._place(tag))
        self._steps.append(step)
        self._numbers.append(number)
        self._walls.append(wall_seconds)
        self._records.append(record)

    def add_all(
        self, tags: list[str], tag_of: Ints, steps: Ints, numbers: NDArray[np.float64], wall_seconds: NDArray[np.float64], records: Ints
    ) -> None:
        """Many: `tag_of` holds indices into `tags`; all arrays are of one length."""
        places = np.array([self._place(tag) for tag in tags], dtype=np.int64)
        self.chunks.append((places[tag_of], steps, numbers, wall_seconds, records))

    def _place(self, tag: str) -> int:
        return self.places.setdefault(tag, len(self.places))

    def columns(self) -> dict[str, tuple[Ints, NDArray[np.float64], NDArray[np.float64], Ints]]:
        """Tag -> steps, numbers, times and records, in the order of the file; tags in the order in which they first stand in it."""
        single = (
            np.array(self._places, dtype=np.int64),
            np.array(self._steps, dtype=np.int64),
            np.array(self._numbers, dtype=np.float64),
            np.array(self._walls, dtype=np.float64),
            np.array(self._records, dtype=np.int64),
        )
        places, steps, numbers, walls, records = (np.concatenate(parts) for parts in zip(single, *self.chunks, strict=True))
        self.chunks.clear()
        # One key for both: by tag, then by record. A stable sort keeps two values of one tag in one record in their order.
        order = np.argsort((places << np.int64(40)) | records, kind="stable")
        borders = np.searchsorted(places[order], np.arange(len(self.places) + 1))
        found = [(tag, order[borders[place] : borders[place + 1]]) for tag, place in self.places.items()]
        found = [(tag, mine) for tag, mine in found if mine.size]
        found.sort(key=lambda each: int(records[each[1][0]]))
        return {tag: (steps[mine], numbers[mine], walls[mine], records[mine]) for tag, mine in found}


def decode_alike(data: Bytes, starts: Ints, length: int, records: Ints, sink: ScalarSink) -> Ints:
    """Decodes those of these records, all with payloads of `length` bytes, that hold scalars in common layouts.

    Args:
        data: the file.
        starts: offset of each record in it.
        length: bytes of every payload.
        records: number of each record in the file.
        sink: what takes the scalars.

    Returns:
        Indices into `starts` of records that were left: other contents, rare layouts, payloads that do not match their checksums.
    """
    rows = _gathered(data, starts, length)
    known: list[Layout] = []
    left: list[Ints] = [np.arange(len(rows), starts.size)]
    pending = np.arange(len(rows))
    while pending.size and len(known) < _MOST_LAYOUTS:
        model = rows[pending[0]]
        payload = model[:length].tobytes()
        layout = layout_of(payload)
        if layout is None:
            left.append(pending[:1])
            pending = pending[1:]
            continue
        known.append(layout)
        alike = _alike(rows if pending.size == len(rows) else rows[pending], model, layout, length)
        chosen = pending[alike]
        taken = _decode(rows[chosen], payload, layout, records[chosen], sink)
        left.append(chosen[~taken])
        pending = pending[~alike]
    left.append(pending)
    return np.sort(np.concatenate(left))


def _gathered(data: Bytes, starts: Ints, length: int) -> Octets:
    """[records, bytes] payloads with their checksums, padded to whole words with what follows in the file.

    The last records are left out where the file ends before the padding does; starts ascend.
    """
    width = -(-(length + FOOTER_BYTES) // _WORD) * _WORD
    count = int(np.searchsorted(starts, len(data) - width - HEADER_BYTES, side="right"))
    if not count:
        return np.empty((0, width), dtype=np.uint8)
    first, stop = int(starts[0]), int(starts[count - 1]) + HEADER_BYTES + width
    # A payload at every byte, of which only those that begin a record are copied.
    everywhere = np.ndarray((stop - first - width + 1,), dtype=f"V{width}", buffer=data, offset=first, strides=(1,))
    rows: Octets = everywhere[starts[:count] - first + HEADER_BYTES].view(np.uint8).reshape(count, width)
    return rows


def _alike(rows: Octets, model: Octets, layout: Layout, length: int) -> NDArray[np.bool_]:
    """Which rows equal the model in every byte that the layout does not let differ."""
    mask = np.zeros(rows.shape[1], dtype=np.uint8)
    mask[:length] = 0xFF
    for begin, end in (*layout.steady, *(slot.tag for slot in layout.slots)):
        mask[begin:end] = 0
    if layout.step is not None:
        mask[layout.step[0] : layout.step[1]] = 0x80  # of a varint the highest bit says whether it goes on
    words, wanted = rows.view(np.uint64), (model & mask).view(np.uint64)
    alike = np.ones(len(rows), dtype=np.bool_)
    for column, bits in enumerate(mask.view(np.uint64).tolist()):
        if bits:
            alike &= (words[:, column] & np.uint64(bits)) == wanted[column]
    return alike


def _decode(rows: Octets, payload: bytes, layout: Layout, records: Ints, sink: ScalarSink) -> NDArray[np.bool_]:
    """Hands the scalars of rows in one layout to the sink; the answer is which rows were taken."""
    length = len(payload)
    model = np.frombuffer(payload, dtype=np.uint8)
    tags = [_tags(rows, slot.tag) for slot in layout.slots]
    change = _change(rows, model, layout.steady, length)
    for slot, (named, tag_of) in zip(layout.slots, tags, strict=True):
        wide = np.broadcast_to(model, (len(named), model.size)).copy()
        wide[:, slot.tag[0] : slot.tag[1]] = named
        change ^= _change(wide, model, (slot.tag,), length)[tag_of]
    stored = np.ascontiguousarray(rows[:, length : length + FOOTER_BYTES]).view("<u4")[:, 0]
    taken: NDArray[np.bool_] = masked_checksums(change ^ np.uint32(google_crc32c.value(payload))) == stored
    for slot, (named, tag_of) in zip(layout.slots, tags, strict=True):
        refused = np.array([not _may_take(tag.tobytes(), slot.plugin, sink) for tag in named], dtype=np.bool_)
        taken &= ~refused[tag_of]
    chosen = rows[taken] if not taken.all() else rows
    wall_seconds = _numbers(chosen, layout.wall, "<f8")
    steps = _varints(chosen, layout.step)
    for slot, (named, tag_of) in zip(layout.slots, tags, strict=True):
        names = [tag.tobytes().decode("utf-8", "replace") for tag in named]
        sink.add_all(names, tag_of[taken], steps, _numbers(chosen, slot.number, slot.dtype), wall_seconds, records[taken])
        if slot.plugin:
            for name in names:
                sink.plugins.setdefault(name, slot.plugin)
    return taken


def _may_take(tag: bytes, plugin: str | None, sink: ScalarSink) -> bool:
    """Whether values of this tag are scalars: a tensor without metadata is what the first of its tag was."""
    try:
        name = tag.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return plugin is None or bool(plugin) or sink.plugins.get(name, "") in ("", "scalars")


def _tags(rows: Octets, span: Span) -> tuple[Octets, Ints]:
    """The distinct tags as [tags, bytes], and the index of each row's tag."""
    wide = np.zeros((len(rows), -(-max(1, span[1] - span[0]) // _WORD) * _WORD), dtype=np.uint8)
    wide[:, : span[1] - span[0]] = rows[:, span[0] : span[1]]
    words = wide.view(np.uint64)
    # Odd multipliers, one a word: equal tags have equal keys, others almost never, and a key is a number that sorts fast.
    keys = words[:, 0] if words.shape[1] == 1 else (words * _multipliers(words.shape[1])).sum(axis=1, dtype=np.uint64)
    first, tag_of = _distinct(keys)
    if not np.array_equal(words[first][tag_of], words):
        _, first, tag_of = np.unique(wide, axis=0, return_index=True, return_inverse=True)
    return wide[first][:, : span[1] - span[0]], tag_of.reshape(-1).astype(np.int64)


def _distinct(keys: Bits) -> tuple[Ints, Ints]:
    """Index of the first of each distinct key, and for every key which of these it equals. A few are found faster than by sorting."""
    first: list[int] = []
    tag_of = np.full(keys.size, -1, dtype=np.int64)
    at = 0
    while len(first) < _FEW_TAGS and keys.size:
        tag_of[keys == keys[at]] = len(first)
        first.append(at)
        at = int(np.argmin(tag_of))
        if tag_of[at] >= 0:
            return np.array(first, dtype=np.int64), tag_of
    _, index, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return index.astype(np.int64), inverse.reshape(-1).astype(np.int64)


@lru_cache(maxsize=64)
def _multipliers(words: int) -> Bits:
    odd: Bits = np.random.default_rng(0).integers(1, 2**63, size=words, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    return odd


def _change(rows: Octets, model: Octets, spans: Sequence[Span], length: int) -> NDArray[np.uint32]:
    """What it changes in the model's checksum that a row ([rows, bytes]) has other bytes in these spans."""
    tables = _tables(1 << (length - 1).bit_length() if length > 1 else 1)
    change = np.zeros(len(rows), dtype=np.uint32)
    for begin, end in spans:
        differing = np.ascontiguousarray((rows[:, begin:end] ^ model[begin:end]).T)
        for column in np.flatnonzero(differing.any(axis=1)).tolist():
            change ^= tables[length - 1 - begin - column][differing[column]]
    return change


@lru_cache(maxsize=16)
def _tables(behind: int) -> NDArray[np.uint32]:
    """[behind, 256]: what a differing byte changes in a CRC-32C, by the number of bytes that stand behind it."""
    tables = np.zeros((behind, 256), dtype=np.uint32)
    zero = google_crc32c.value(bytes(1))
    tables[0] = [google_crc32c.value(bytes((value,))) ^ zero for value in range(256)]
    for count in range(1, behind):
        tables[count] = tables[0][tables[count - 1] & 0xFF] ^ (tables[count - 1] >> 8)
    return tables


def _numbers(rows: Octets, span: Span | None, dtype: str) -> NDArray[np.float64]:
    if span is None:
        return np.zeros(len(rows))
    with np.errstate(invalid="ignore"):  # a signalling NaN is data too
        return np.ascontiguousarray(rows[:, span[0] : span[1]]).view(dtype)[:, 0].astype(np.float64)


def _varints(rows: Octets, span: Span | None) -> Ints:
    values = np.zeros(len(rows), dtype=np.uint64)
    if span is not None:
        for place in range(span[1] - span[0]):
            values |= (rows[:, span[0] + place] & 0x7F).astype(np.uint64) << np.uint64(7 * place)
    return values.view(np.int64)
