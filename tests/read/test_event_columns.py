"""Scalars decoded as columns: the same as one record at a time, whatever the records hold and whatever is damaged."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2

from postmortem.model import FoundFile
from postmortem.read.events import files as events
from postmortem.read.events.columns import ScalarSink, decode_alike
from postmortem.read.events.files import EventData, read_events
from postmortem.read.events.layout import layout_of
from postmortem.read.events.records import FRAME_BYTES, Damage, blocks, frame

VERSION = event_pb2.Event(wall_time=1.0, file_version="brain.Event:2").SerializeToString()
SCALARS = summary_pb2.SummaryMetadata(plugin_data=summary_pb2.SummaryMetadata.PluginData(plugin_name="scalars"))


def plain(tag: str, number: float) -> summary_pb2.Summary.Value:
    """A scalar as most writers store it."""
    return summary_pb2.Summary.Value(tag=tag, simple_value=number)


def tensor(tag: str, number: float, metadata: bool = True) -> summary_pb2.Summary.Value:
    """A scalar as TensorFlow 2 stores it."""
    shape = tensor_shape_pb2.TensorShapeProto()
    content = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, tensor_shape=shape, tensor_content=struct.pack("<f", number))
    return summary_pb2.Summary.Value(tag=tag, tensor=content, metadata=SCALARS if metadata else None)


def wide(tag: str, number: float) -> summary_pb2.Summary.Value:
    """A scalar as a tensor of float64 with one axis."""
    shape = tensor_shape_pb2.TensorShapeProto(dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=1)])
    return summary_pb2.Summary.Value(
        tag=tag, tensor=tensor_pb2.TensorProto(dtype=types_pb2.DT_DOUBLE, tensor_shape=shape, double_val=[number]), metadata=SCALARS
    )


def record(step: int, *values: summary_pb2.Summary.Value, wall: float = 2.0) -> bytes:
    """The payload of one event."""
    payload: bytes = event_pb2.Event(wall_time=wall, step=step, summary=summary_pb2.Summary(value=values)).SerializeToString()
    return payload


def read(folder: Path, data: bytes) -> EventData:
    """What the reader makes of a file of these bytes."""
    path = folder / "events.out.tfevents.1"
    path.write_bytes(data)
    return read_events([FoundFile(path, path.name, "events", len(data))])


def as_values(data: EventData) -> list[Any]:
    """Everything that was read, comparable: bit patterns of numbers, so that NaN equals itself."""
    series = [
        (one.tag, one.steps.tolist(), one.values.view(np.int64).tolist(), one.wall_seconds.view(np.int64).tolist()) for one in data.series
    ]
    histograms = [(one.tag, one.steps, [each.tolist() for each in one.limits], one.minimum, one.maximum) for one in data.histograms]
    return [sorted(series), histograms, data.hyperparameters, data.problems, data.notes, str(data.started), str(data.ended)]


@pytest.fixture
def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Lets a test switch the columns off and on."""
    with monkeypatch.context() as patch:
        yield patch


TAGS = ("a", "loss", "train/loss", "val/accuracy", "été", "x" * 90)
NUMBERS = st.one_of(st.floats(width=32), st.sampled_from([0.0, math.nan, math.inf, -0.0]))
VALUES = st.builds(lambda make, tag, number: make(tag, number), st.sampled_from([plain, tensor, wide]), st.sampled_from(TAGS), NUMBERS)
STEPS = st.one_of(st.integers(0, 300), st.sampled_from([2**21, 2**40, -1, -(2**63), 2**63 - 1]))
WALLS = st.one_of(st.just(0.0), st.floats(1e9, 2e9), st.just(math.nan))


@st.composite
def files(draw: st.DrawFn) -> tuple[list[bytes], int]:
    """Payloads of a file in which a few shapes recur, and how often each is repeated."""
    shapes = draw(st.lists(st.lists(VALUES, min_size=1, max_size=3), min_size=1, max_size=6))
    payloads = [record(draw(STEPS), *draw(st.sampled_from(shapes)), wall=draw(WALLS)) for _ in range(draw(st.integers(1, 12)))]
    return payloads, draw(st.integers(1, 40))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=files(), flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), max_size=3))
def test_columns_equal_one_record_at_a_time(
    tmp_path: Path, one_at_a_time: pytest.MonkeyPatch, made: tuple[list[bytes], int], flips: Sequence[tuple[int, int]]
) -> None:
    """Scalars of every layout, in any mixture, damaged or not, come out the same from both ways of decoding."""
    payloads, repeats = made
    data = bytearray(b"".join(map(frame, (VERSION, *(payload for payload in payloads for _ in range(repeats))))))
    for place, bits in flips:
        data[place % len(data)] ^= bits
    together = as_values(read(tmp_path, bytes(data)))
    with one_at_a_time.context() as patch:
        patch.setattr(events, "FEWEST_ALIKE", 10**9)
        assert as_values(read(tmp_path, bytes(data))) == together


def decoded(payloads: Sequence[bytes]) -> tuple[ScalarSink, list[int]]:
    """Sink and indices of records left, of payloads of one length, behind which enough bytes follow."""
    data = b"".join(map(frame, payloads)) + bytes(64)
    starts = np.cumsum([0, *(len(payload) + FRAME_BYTES for payload in payloads)])[:-1]
    sink = ScalarSink()
    left = decode_alike(data, starts, len(payloads[0]), np.arange(len(payloads)), sink)
    return sink, left.tolist()


@pytest.mark.parametrize("make", [plain, tensor, wide])
def test_common_layouts_are_decoded_together(make: Any) -> None:
    """No record of the three layouts that writers use is left to the slow way."""
    sink, left = decoded([record(step, make("loss" if step % 2 else "rate", step / 3)) for step in range(128, 1128)])
    assert left == []
    columns = sink.columns()
    expected = np.arange(129, 1128, 2) / 3
    np.testing.assert_array_equal(columns["loss"][1], expected if make is wide else expected.astype(np.float32))
    assert columns["loss"][0].tolist() == list(range(129, 1128, 2)) and list(columns) == ["rate", "loss"]


def test_wrong_payload_is_left() -> None:
    """A flipped bit in whatever byte of a payload leaves that record, and only it."""
    payloads = [record(step, plain("loss", 1.5)) for step in range(200, 232)]
    data = bytearray(b"".join(map(frame, payloads)) + bytes(64))
    starts = np.arange(32) * (len(payloads[0]) + FRAME_BYTES)
    for byte in range(len(payloads[0]) + 4):
        damaged = bytearray(data)
        damaged[int(starts[5]) + 12 + byte] ^= 0x10
        assert decode_alike(bytes(damaged), starts, len(payloads[0]), np.arange(32), ScalarSink()).tolist() == [5]


def test_records_at_the_end_of_the_file_are_left() -> None:
    """Rows are read in whole words; where the file ends before the last word does, the record is decoded the slow way."""
    data = b"".join(frame(record(step, plain("loss", 1.0))) for step in range(130, 150))
    length = len(record(130, plain("loss", 1.0)))
    left = decode_alike(data, np.arange(20) * (length + FRAME_BYTES), length, np.arange(20), ScalarSink())
    assert left.tolist() in ([], [19])


def test_tensor_without_metadata_follows_the_first_of_its_tag() -> None:
    """Where the first value of a tag named another plugin, later ones without metadata are no scalars."""
    payloads = [record(step, tensor("pr", 1.0, metadata=False)) for step in range(130, 150)]
    sink, left = decoded(payloads)
    assert left == []
    data = b"".join(map(frame, payloads)) + bytes(64)
    sink = ScalarSink(plugins={"pr": "pr_curves"})
    starts = np.arange(20) * (len(payloads[0]) + FRAME_BYTES)
    assert decode_alike(data, starts, len(payloads[0]), np.arange(20), sink).size == 20


def test_colliding_tags_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tags whose keys are equal by chance are compared byte by byte."""
    from postmortem.read.events import columns as event_columns

    monkeypatch.setattr(event_columns, "_multipliers", lambda words: np.zeros(words, dtype=np.uint64))
    tags = ("a_tag_of_some_length", "b_tag_of_some_length")
    sink, left = decoded([record(step, plain(tags[step % 2], float(step))) for step in range(130, 162)])
    assert left == [] and set(sink.columns()) == set(tags)


@settings(deadline=None, max_examples=300)
@given(payload=st.binary(max_size=80))
def test_layout_of_any_bytes_is_an_answer(payload: bytes) -> None:
    """Bytes that are no event have no layout; nothing raises."""
    layout = layout_of(payload)
    assert layout is None or all(0 <= begin <= end <= len(payload) for begin, end in layout.steady)


def test_header_within_a_payload_is_no_record() -> None:
    """A text that holds a whole framed record does not lead the search for lengths astray."""
    inner = frame(record(1, plain("inner", 1.0)))
    text = event_pb2.Event(wall_time=1.0, log_message=event_pb2.LogMessage(message="x")).SerializeToString()
    payloads = [record(step, plain("loss", 1.0)) for step in range(400)]
    payloads[300] = text + b"\x32" + bytes([len(inner) + 2, 0x12, len(inner)]) + inner
    damage: list[Damage] = []
    data = b"".join(map(frame, payloads))
    found = np.concatenate([block.lengths for block in blocks(data, damage)])
    assert found.tolist() == [len(payload) for payload in payloads] and damage == []
