"""Decodes what the records of a `.wandb` file say of a run: history, settings, how it ended. Needs no package of theirs.

Field numbers are those of `wandb_internal.proto` in the wandb package. Files of 14 versions from 0.10 to 0.31 were read: each value is JSON
text, under one key up to 0.17 and under nested keys from 0.22 on. The definition of 0.31 has typed values beside them.
"""

from __future__ import annotations

import json
import struct
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from postmortem.read.damaged import DamagedError
from postmortem.read.plain import float_of
from postmortem.read.protobuf_walk import Message, message, number_in, signed

_HISTORY, _SUMMARY, _OUTPUT, _CONFIG, _STATS, _ALERT, _METRIC, _OUTPUT_RAW, _RUN, _EXIT = 2, 3, 4, 5, 7, 10, 12, 13, 17, 18
_LEFT_ASIDE = {_OUTPUT: "output record", _OUTPUT_RAW: "output record", _STATS: "machine-load sample", _ALERT: "alert"}
_ITEM, _KEYS, _VALUE = 0x0A, (0x0A, 0x12), b"\x82\x01"
"""Field 1 of a row; field 1 or 2 and field 16 of an item, each with a length behind it."""
_DEEPEST = 64
"""Levels of a key."""
_LONGEST_KEY = 500
_TEXT, _MEDIUM = "text value", "image, table or other object"
_NOT_FINITE = {'"NaN"': float("nan"), '"Infinity"': float("inf"), '"-Infinity"': float("-inf")}


@dataclass(slots=True, eq=False)
class WandbRun:
    """What has been decoded so far of one file."""

    rows: int = 0
    """Records of history."""
    columns: dict[str, tuple[array[int], array[float]]] = field(default_factory=dict)
    """Key -> numbers of the rows that hold a number under it, and the numbers."""
    objects: dict[str, list[tuple[int, dict[str, object]]]] = field(default_factory=dict)
    """Key -> row and value, for values that are histograms."""
    config: dict[str, object] = field(default_factory=dict)
    summary: dict[str, object] = field(default_factory=dict)
    step_metrics: dict[str, str] = field(default_factory=dict)
    """Key, or the start of keys before a `*` -> the key that counts its steps, as `define_metric` was told."""
    facts: dict[str, str | int] = field(default_factory=dict)
    """`name`, `project`, `starting_step`, `resumed`, `exit_code`, `runtime_seconds`: those that a record states."""
    left_aside: Counter[str] = field(default_factory=Counter)
    names: dict[bytes, str] = field(default_factory=dict)
    """Keys as they lie in the file -> as text: each is decoded once."""


def take_record(run: WandbRun, payload: bytes) -> None:
    """Adds what one record says. Raises DamagedError where it is no record; then nothing of it was added."""
    for kind, values in message(payload).items():
        value = values[-1]
        if not isinstance(value, bytes):
            continue
        if kind == _HISTORY:
            _take_history(run, value)
        elif kind in (_CONFIG, _SUMMARY):
            _take_items(run.config if kind == _CONFIG else run.summary, message(value))
        elif kind == _METRIC:
            _take_metric(run, message(value))
        elif kind == _RUN:
            _take_run(run, message(value))
        elif kind == _EXIT:
            end = message(value)
            run.facts["exit_code"] = signed(number_in(end, 1))
            run.facts["runtime_seconds"] = signed(number_in(end, 2))
        elif kind in _LEFT_ASIDE:
            run.left_aside[_LEFT_ASIDE[kind]] += 1


@dataclass(slots=True, eq=False)
class _Row:
    """What one record of history holds."""

    numbers: dict[str, float] = field(default_factory=dict)
    objects: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)


def _take_history(run: WandbRun, data: bytes) -> None:
    row = _Row()
    at, items = _quick_items(data, row, run.names)
    rest = message(data[at:])
    items.extend(message(item) for item in rest.get(1, ()) if isinstance(item, bytes))
    typed: dict[str, dict[str, object]] = {}
    for item in items:
        # Recent versions write an object as one item for each of its fields: `h._type`, `h.values`, `h.bins`.
        if len(item.get(2, ())) > 1 and item[2][-1] == b"_type":
            typed[_key(item).rpartition(".")[0]] = {}
    for item in items:
        prefix, _, last = _key(item).rpartition(".")
        if prefix in typed and 2 in item:
            typed[prefix][last] = _json_value(item)
        elif not typed or not _below_any(prefix, typed):
            _take_value(item, row)
    for key, value in typed.items():
        if value["_type"] == "histogram":
            row.objects.append((key, value))
        else:
            row.aside.append(_MEDIUM)
    if 2 in rest and isinstance(step := rest[2][-1], bytes):
        row.numbers["_step"] = float(signed(number_in(message(step), 1)))
    columns = run.columns
    for key, number in row.numbers.items():
        column = columns.get(key)
        if column is None:
            column = columns[key] = (array("q"), array("d"))
        column[0].append(run.rows)
        column[1].append(number)
    for key, value in row.objects:
        run.objects.setdefault(key, []).append((run.rows, value))
    run.left_aside.update(row.aside)
    run.rows += 1


def _below_any(key: str, known: Mapping[str, object]) -> bool:
    """Whether the key lies below one of the known ones."""
    parts = key.split(".", _DEEPEST)[:_DEEPEST]
    return any(".".join(parts[:depth]) in known for depth in range(1, len(parts)))


def _quick_items(data: bytes, row: _Row, names: dict[bytes, str]) -> tuple[int, list[Message]]:
    """Takes the items at the start of a record that are one key and one short number, as nearly all are, without a general walk.

    The answer is where the first other field begins, and items of the same shape that hold no number.
    """
    others: list[Message] = []
    numbers = row.numbers
    at, size = 0, len(data)
    while at + 6 < size and data[at] == _ITEM and data[at + 1] < 128:
        key_at = at + 2
        stop = key_at + data[at + 1]
        value_at = key_at + 2 + data[key_at + 1]
        if not (value_at + 3 <= stop <= size and data[value_at : value_at + 2] == _VALUE and data[value_at + 2] == stop - value_at - 3):
            break
        if data[key_at] not in _KEYS:
            break
        key, text = data[key_at + 2 : value_at], data[value_at + 3 : stop]
        try:
            number = float(text)
        except ValueError:
            others.append({data[key_at] >> 3: [key], 16: [text]})
        else:
            name = names.get(key)
            if name is None:
                name = names[key] = key.decode("utf-8", "backslashreplace")
            numbers[name] = number
        at = stop
    return at, others


def _take_value(item: Message, row: _Row) -> None:
    key = _key(item)
    if 16 in item or 8 in item:
        text = _text(item, 16 if 16 in item else 8)
        try:
            row.numbers[key] = float(text)
            return
        except ValueError:
            pass
        if text in _NOT_FINITE:
            row.numbers[key] = _NOT_FINITE[text]
        elif text.startswith("{"):
            _take_object(key, text, row)
        elif text not in ("null", "true", "false"):
            row.aside.append(_TEXT)
    elif 6 in item:
        row.numbers[key] = _double(item[6][-1])
    elif 5 in item:
        folded = number_in(item, 5)
        row.numbers[key] = float((folded >> 1) ^ -(folded & 1))
    elif 7 in item:
        row.aside.append(_TEXT)


def _take_object(key: str, text: str, row: _Row) -> None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedError("a value in it is no JSON") from error
    pending = [(key, value)]
    while pending:
        name, each = pending.pop()
        if isinstance(each, dict) and each.get("_type") == "histogram":
            row.objects.append((name, each))
        elif isinstance(each, dict) and "_type" in each:
            row.aside.append(_MEDIUM)
        elif isinstance(each, dict):
            pending.extend((f"{name}.{inner}"[:_LONGEST_KEY], below) for inner, below in reversed(each.items()))
        elif isinstance(each, int | float) and not isinstance(each, bool):
            row.numbers[name] = float_of(each)
        elif isinstance(each, str) and f'"{each}"' in _NOT_FINITE:
            row.numbers[name] = _NOT_FINITE[f'"{each}"']


def _json_value(item: Message) -> object:
    try:
        return json.loads(_text(item, 16) or _text(item, 8) or json.dumps(_text(item, 7)))
    except (ValueError, RecursionError) as error:
        raise DamagedError("a value in it is no JSON") from error


def _take_items(into: dict[str, object], record: Message) -> None:
    """Updates and removals of settings or of the summary."""
    for item in record.get(1, ()):
        if isinstance(item, bytes):
            fields = message(item)
            try:
                into[_key(fields)] = json.loads(_text(fields, 16) or "null")
            except (ValueError, RecursionError) as error:
                raise DamagedError("a value in it is no JSON") from error
    for item in record.get(2, ()):
        if isinstance(item, bytes):
            into.pop(_key(message(item)), None)


def _take_metric(run: WandbRun, record: Message) -> None:
    name = _text(record, 1) or _text(record, 2)
    counter = _text(record, 4)
    if name and counter:
        run.step_metrics[name] = counter


def _take_run(run: WandbRun, record: Message) -> None:
    for field_number, name in ((8, "name"), (3, "project")):
        if text := _text(record, field_number):
            run.facts[name] = text
    if number_in(record, 14):
        run.facts["starting_step"] = signed(number_in(record, 14))
    if number_in(record, 18):
        run.facts["resumed"] = 1
    for field_number, into in ((4, run.config), (5, run.summary)):
        if field_number in record and isinstance(below := record[field_number][-1], bytes):
            _take_items(into, message(below))


def _key(item: Message) -> str:
    """The key of an item; nested keys joined by dots, as their pages show them."""
    if 2 in item:
        return ".".join(each.decode("utf-8", "backslashreplace") for each in item[2] if isinstance(each, bytes))
    return _text(item, 1)


def _text(fields: Message, number: int) -> str:
    value = fields.get(number, (b"",))[-1]
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else ""


def _double(bits: int | bytes) -> float:
    if not isinstance(bits, int):
        raise DamagedError("a number in it has another type")
    value: float = struct.unpack("<d", struct.pack("<Q", bits & 0xFFFFFFFFFFFFFFFF))[0]
    return value
