"""Event files that are damaged: nothing is lost but what the damage touches, and a problem says so."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2

from postmortem.model import FoundFile, ProblemKind
from postmortem.read.events.files import EventData, read_events
from postmortem.read.events.records import Damage, Finder, blocks, frame, masked_checksum

COUNT = 40


def _records() -> list[bytes]:
    records = [frame(event_pb2.Event(wall_time=1.0, file_version="brain.Event:2").SerializeToString())]
    for step in range(COUNT):
        values = [summary_pb2.Summary.Value(tag="loss", simple_value=step / 4)]
        records.append(
            frame(event_pb2.Event(wall_time=2.0 + step, step=step, summary=summary_pb2.Summary(value=values)).SerializeToString())
        )
    return records


RECORDS = _records()
WHOLE = b"".join(RECORDS)
BEGINS = np.cumsum([0, *map(len, RECORDS)])


def _read(data: bytes) -> EventData:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.out.tfevents.1"
        path.write_bytes(data)
        return read_events([FoundFile(path, "tb/events.out.tfevents.1", "events", len(data))])


def _steps(data: EventData) -> set[int]:
    return {int(step) for series in data.series if series.tag == "loss" for step in series.steps}


def _record_at(offset: int) -> int:
    return int(np.searchsorted(BEGINS, offset, side="right")) - 1


def _kinds(data: EventData) -> list[ProblemKind]:
    return [problem.kind for problem in data.problems]


@settings(deadline=None, max_examples=300)
@given(offset=st.integers(0, len(WHOLE) - 1), flip=st.integers(1, 255))
def test_flipped_byte_costs_its_own_record_alone(offset: int, flip: int) -> None:
    """Whichever byte is flipped, every record but its own is read, no value is invented, and a problem is told."""
    data = bytearray(WHOLE)
    data[offset] ^= flip
    read = _read(bytes(data))
    touched = _record_at(offset) - 1
    assert _steps(read) >= set(range(COUNT)) - {touched}
    assert _steps(read) <= set(range(COUNT))
    assert all(value == step / 4 for series in read.series for step, value in zip(series.steps, series.values, strict=True))
    assert read.problems and read.problems[0].path == "tb/events.out.tfevents.1"


@settings(deadline=None, max_examples=200)
@given(end=st.integers(1, len(WHOLE) - 1))
def test_cut_costs_the_last_record_alone(end: int) -> None:
    """Wherever the file is cut, all records before are read; a cut within a record is told with its offset and bytes."""
    read = _read(WHOLE[:end])
    last = _record_at(end)
    assert _steps(read) == set(range(last - 1))
    if end in BEGINS:
        assert read.problems == ()
    else:
        (problem,) = read.problems
        assert problem.kind == "truncated"
        if last:
            assert f"at byte {BEGINS[last]}: 1 record ({end - BEGINS[last]} bytes) lost; {last} record" in problem.detail


@settings(deadline=None, max_examples=200)
@given(begin=st.integers(0, len(WHOLE)), length=st.integers(1, 400))
def test_bytes_missing_in_the_middle_cost_the_records_that_they_touch(begin: int, length: int) -> None:
    """Records before and behind a hole are read."""
    end = min(begin + length, len(WHOLE))
    first, last = _record_at(begin), _record_at(end - 1) if end > begin else _record_at(begin)
    read = _read(WHOLE[:begin] + WHOLE[end:])
    assert _steps(read) >= {record - 1 for record in range(1, COUNT + 1) if record < first or record > last}
    assert _steps(read) <= set(range(COUNT))


@settings(deadline=None, max_examples=200)
@given(data=st.binary(max_size=300))
def test_garbage_is_a_problem_and_no_value(data: bytes) -> None:
    """Bytes that are no event file give no value and one problem."""
    read = _read(data)
    assert read.series == () and len(read.problems) == 1


@settings(deadline=None, max_examples=200)
@given(payload=st.binary(max_size=60))
def test_sound_record_that_is_no_event_is_a_problem_or_nothing(payload: bytes) -> None:
    """A record with right checksums and any content neither raises nor hides the records around it."""
    read = _read(b"".join(RECORDS[:5]) + frame(payload) + b"".join(RECORDS[5:]))
    assert _steps(read) >= set(range(COUNT))


def test_wrong_payload_checksum_is_counted() -> None:
    """Two records with wrong payloads: records, bytes and the first offset stand in one problem."""
    data = bytearray(WHOLE)
    for record in (5, 9):
        data[BEGINS[record] + 14] ^= 1
    (problem,) = _read(bytes(data)).problems
    lost = len(RECORDS[5]) + len(RECORDS[9])
    assert problem.kind == "corrupt"
    assert problem.detail == f"2 records ({lost} bytes) lost to a wrong checksum, the first at byte {BEGINS[5]}; {COUNT - 1} records read"


def test_wrong_length_checksum_loses_nothing() -> None:
    """Where only the checksum of the length is wrong, the payload's own proves the record."""
    data = bytearray(WHOLE)
    data[BEGINS[3] + 9] ^= 4
    read = _read(bytes(data))
    assert _steps(read) == set(range(COUNT))
    assert "1 record with a wrong checksum of the length" in read.problems[0].detail and "none lost" in read.problems[0].detail


def test_wrong_length_is_stepped_over() -> None:
    """A wrong length is found out, and reading goes on with the next sound header."""
    data = bytearray(WHOLE)
    data[BEGINS[7]] ^= 1
    read = _read(bytes(data))
    assert _steps(read) == set(range(COUNT)) - {6}
    assert read.problems[0].detail.startswith(
        f"1 stretch of {len(RECORDS[7])} bytes in all without a readable record, the first at byte {BEGINS[7]}"
    )


def test_zeros_behind_the_last_record() -> None:
    """A file system that crashed leaves zeros at the end; they are told, the records before are kept."""
    read = _read(WHOLE + bytes(5000))
    assert _steps(read) == set(range(COUNT))
    assert _kinds(read) == ["corrupt"] and f"from byte {len(WHOLE)} to the end" in read.problems[0].detail


def test_gap_wider_than_the_search_window_is_crossed() -> None:
    """The search for the next record crosses its own window borders, wherever the header falls."""
    for filling in (4090, 4096, 4100, 12_300, 1_100_000):
        damage: list[Damage] = []
        found = list(blocks(b"\xff" * filling + WHOLE, damage))
        assert sum(block.starts.size for block in found) == COUNT + 1 and damage == [Damage("gap", 0, filling)]


def test_next_record_is_found_at_every_alignment() -> None:
    """The vectorised checksum of a header agrees with the plain one, whatever the length says."""
    for length in (0, 1, 255, 256, 65_537, 70_000):
        record = frame(bytes(length))
        assert Finder(b"\x07" * 5 + record).next_from(0) == 5


def test_masked_checksum_is_the_published_one() -> None:
    """CRC-32C of "123456789" is 0xE3069283; masking rotates by 15 and adds a constant."""
    rotated = ((0xE3069283 >> 15) | (0xE3069283 << 17)) & 0xFFFFFFFF
    assert masked_checksum(b"123456789") == (rotated + 0xA282EAD8) & 0xFFFFFFFF


def test_length_of_petabytes_is_no_crash() -> None:
    """A length far beyond the file, with a right checksum, ends reading without an allocation."""
    length = struct.pack("<Q", 1 << 60)
    read = _read(WHOLE + length + struct.pack("<I", masked_checksum(length)) + b"rest")
    assert _steps(read) == set(range(COUNT)) and _kinds(read) == ["truncated"]


def test_empty_file() -> None:
    """Zero bytes are a truncated file."""
    (problem,) = _read(b"").problems
    assert problem.kind == "truncated" and "0 bytes" in problem.detail


def test_pointer_and_companion_files_are_named() -> None:
    """A git-LFS pointer and an AppleDouble fork are said to be what they are."""
    (pointer,) = _read(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n").problems
    (fork,) = _read(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X").problems
    assert "git-LFS" in pointer.detail and "AppleDouble" in fork.detail and pointer.kind == fork.kind == "unsupported"


def test_missing_file() -> None:
    """A file that vanished after it was found is a problem."""
    missing = FoundFile(Path("no/such/file"), "file", "events", 1)
    (problem,) = read_events([missing]).problems
    assert problem.kind == "unreadable" and "No such file" in problem.detail


def test_missing_version_record_is_noted() -> None:
    """Without its first record the file is read, and the lack is told."""
    read = _read(b"".join(RECORDS[1:]))
    assert _steps(read) == set(range(COUNT)) and read.problems == () and "format version" in read.notes[0]


def test_tensor_that_contradicts_itself_is_counted() -> None:
    """A scalar tensor with half of its bytes is one lost value with its tag and offset; the others stay."""
    broken = tensor_pb2.TensorProto(dtype=2, tensor_content=b"\x00\x00\x00")
    value = summary_pb2.Summary.Value(tag="val/loss", tensor=broken)
    value.metadata.plugin_data.plugin_name = "scalars"
    record = frame(event_pb2.Event(step=1, summary=summary_pb2.Summary(value=[value])).SerializeToString())
    read = _read(WHOLE + record)
    assert _steps(read) == set(range(COUNT))
    assert f"first of tag 'val/loss' in the record at byte {len(WHOLE)}" in read.problems[0].detail


def test_tensor_of_unread_type_is_told() -> None:
    """A complex scalar is named as not read, with its tag."""
    value = summary_pb2.Summary.Value(tag="phase", tensor=tensor_pb2.TensorProto(dtype=8, scomplex_val=[1.0, 0.0]))
    value.metadata.plugin_data.plugin_name = "scalars"
    read = _read(WHOLE + frame(event_pb2.Event(step=1, summary=summary_pb2.Summary(value=[value])).SerializeToString()))
    assert _kinds(read) == ["unsupported"] and "phase" in read.problems[0].detail


def test_histogram_whose_buckets_do_not_match_is_counted() -> None:
    """Three limits and two counts are a lost value."""
    histogram = summary_pb2.HistogramProto(min=0, max=1, num=2, bucket_limit=[0, 1, 2], bucket=[1, 1])
    value = summary_pb2.Summary.Value(tag="w", histo=histogram)
    read = _read(WHOLE + frame(event_pb2.Event(step=1, summary=summary_pb2.Summary(value=[value])).SerializeToString()))
    assert read.histograms == () and _kinds(read) == ["corrupt"]
