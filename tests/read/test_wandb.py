"""Runs that Weights & Biases keeps on disk.

The writer below is built by hand, so that no test needs the wandb package. It was held against that package once: the reader was compared,
number by number, with the package's own protobuf classes over 318 files of versions 0.10 to 0.24 and 3 that 0.31 wrote offline (647,194
numbers of the histories, exit codes, row counts: no difference).
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from postmortem.discover import find_runs
from postmortem.model import FileRole, FoundFile, ReadOptions, Series
from postmortem.read.damaged import DamagedError
from postmortem.read.events.records import Damage, frame
from postmortem.read.protobuf_walk import message
from postmortem.read.run import reading
from postmortem.read.tables.files import LogData
from postmortem.read.trackers.logs import read_any_log
from postmortem.read.trackers.wandb_messages import WandbRun, take_record
from postmortem.read.trackers.wandb_records import BLOCK_BYTES, FILE_HEADER, FIRST, LAST, MIDDLE, WHOLE, walk

HISTORY, CONFIG, STATS, METRIC, OUTPUT, RUN, EXIT = 2, 5, 7, 12, 13, 17, 18


def varint(value: int) -> bytes:
    """A whole number, seven bits a byte."""
    value &= 2**64 - 1
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes((*out, value))


def piece(number: int, value: bytes | str | int) -> bytes:
    """One protobuf field."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def item(key: str | tuple[str, ...], value: object) -> bytes:
    """Key and JSON value, as history, settings and summary hold them; a tuple is written as nested keys."""
    keys = piece(1, key) if isinstance(key, str) else b"".join(piece(2, each) for each in key)
    return keys + piece(16, json.dumps(value))


def row(step: int, **values: object) -> bytes:
    """A record of history."""
    items = b"".join(piece(1, item(key, value)) for key, value in {**values, "_step": step, "_timestamp": 1.7e9 + step}.items())
    return piece(HISTORY, items + piece(2, piece(1, step)))


def chunk(kind: int, payload: bytes) -> bytes:
    """One chunk of the log."""
    return struct.pack("<IHB", zlib.crc32(bytes([kind]) + payload), len(payload), kind) + payload


def framed(*records: bytes) -> bytes:
    """A file of these records."""
    out = bytearray(FILE_HEADER)
    for record in records:
        kind, rest = FIRST, record
        while True:
            room = BLOCK_BYTES - len(out) % BLOCK_BYTES
            if room < 7:
                out += bytes(room)
                room = BLOCK_BYTES
            now, rest = rest[: room - 7], rest[room - 7 :]
            if not rest:
                out += chunk(WHOLE if kind == FIRST else LAST, now)
                break
            out += chunk(kind, now)
            kind = MIDDLE
    return bytes(out)


def read(folder: Path, content: bytes | str, name: str = "run-abc.wandb", role: FileRole = "log") -> LogData:
    """The file with this content, read."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_any_log(FoundFile(path, name, role, path.stat().st_size))


def points(data: LogData, tag: str) -> list[tuple[int, float]]:
    """Steps and values of a tag."""
    (series,) = [series for series in data.series if series.tag == tag]
    return list(zip(series.steps.tolist(), series.values.tolist(), strict=True))


def tags(data: LogData) -> list[str]:
    """Tags of all series."""
    return [series.tag for series in data.series]


END = piece(EXIT, piece(1, 0) + piece(2, 63))


def test_history_becomes_series_by_step_with_times(tmp_path: Path) -> None:
    """Each numeric key is a curve over `_step`, with wall times; rows without a key hold no point of it; text is counted."""
    data = read(tmp_path, framed(row(0, loss=2.5, note="x"), row(1, loss=2.0, val=0.5), row(2, val=0.25, flag=True), END))
    assert points(data, "loss") == [(0, 2.5), (1, 2.0)] and points(data, "val") == [(1, 0.5), (2, 0.25)]
    (loss,) = [series for series in data.series if series.tag == "loss"]
    assert loss.wall_seconds.tolist() == [1.7e9, 1.7e9 + 1] and loss.source == "run-abc.wandb"
    assert tags(data) == ["loss", "val"] and data.problems == ()
    assert data.notes == ("run-abc.wandb: left aside 1 text value",)


def test_values_that_are_not_finite(tmp_path: Path) -> None:
    """NaN and infinities are data, bare as well as in quotes, as different versions write them."""
    data = read(tmp_path, framed(row(0, loss=math.nan), row(1, loss="NaN"), row(2, loss="-Infinity"), row(3, loss="Infinity"), END))
    assert [value for _, value in points(data, "loss")][2:] == [-math.inf, math.inf]
    assert [math.isnan(value) for _, value in points(data, "loss")][:2] == [True, True]


def test_nested_values_are_joined_by_dots(tmp_path: Path) -> None:
    """A dictionary that was logged is one curve a leaf, whether it was written as JSON or as nested keys."""
    nested = [piece(HISTORY, piece(1, item(("train", "loss"), value)) + piece(2, piece(1, step))) for step, value in ((2, 0.5), (3, 0.25))]
    data = read(tmp_path, framed(row(0, train={"loss": 2.0, "who": "me"}), row(1, train={"loss": 1.0}), *nested, END))
    assert points(data, "train.loss") == [(0, 2.0), (1, 1.0), (2, 0.5), (3, 0.25)]


def test_typed_values(tmp_path: Path) -> None:
    """The typed fields of the newest definition are read too: a zigzag whole number and a double."""
    rows = [piece(HISTORY, piece(1, piece(2, "n") + piece(5, 2 * 7 - 1)) + piece(1, piece(2, "x") + b"\x31" + struct.pack("<d", 1.5)))] * 2
    data = read(tmp_path, framed(*rows, END))
    assert [value for _, value in points(data, "n")] == [-7, -7] and [value for _, value in points(data, "x")] == [1.5, 1.5]


def test_trainer_step_counts_where_every_row_has_it(tmp_path: Path) -> None:
    """Curves go by the trainer's own step, which checkpoints have too, and a note says so; a step that one row lacks does not count."""
    rows = [row(index, **{"train/global_step": 500 * (index + 1), "loss": 1.0 / (index + 1)}) for index in range(3)]
    data = read(tmp_path, framed(*rows, END))
    assert points(data, "loss") == [(500, 1.0), (1000, 0.5), (1500, 1 / 3)]
    assert "run-abc.wandb: steps are those of 'train/global_step'" in data.notes
    assert [step for step, _ in points(read(tmp_path, framed(*rows, row(3, loss=0.1), END)), "loss")] == [0, 1, 2, 3]


def test_step_that_the_user_defined_for_all_keys(tmp_path: Path) -> None:
    """`define_metric("*", step_metric=...)` names the step; one that falls back is no step."""
    metric = piece(METRIC, piece(2, "*") + piece(4, "seen"))
    assert [step for step, _ in points(read(tmp_path, framed(metric, row(0, seen=64, loss=1), row(1, seen=128, loss=2), END)), "loss")] == [
        64,
        128,
    ]
    assert [step for step, _ in points(read(tmp_path, framed(metric, row(0, seen=64, loss=1), row(1, seen=32, loss=2), END)), "loss")] == [
        0,
        1,
    ]


def test_single_values_beside_a_curve_and_alone(tmp_path: Path) -> None:
    """A score logged once keeps its step beside a curve; alone it is told in a note, because as a series it would pass for a start."""
    beside = read(tmp_path, framed(row(0, loss=2.0), row(1, loss=1.0), row(2, score=0.5), END))
    assert points(beside, "score") == [(2, 0.5)]
    alone = read(tmp_path, framed(row(0, loss=0.25, acc=0.75), END))
    assert alone.series == () and alone.notes == ("run-abc.wandb holds 2 values logged once and no curve: loss 0.25, acc 0.75",)
    broken = read(tmp_path, framed(row(0, loss="NaN", acc=0.75), END))
    assert tags(broken) == ["loss"] and math.isnan(broken.series[0].values[0])


def test_settings_of_the_run_record_and_later_ones(tmp_path: Path) -> None:
    """Settings given at the start, changed and removed later; what the client keeps for itself is no setting."""
    start = piece(RUN, piece(3, "vision") + piece(8, "calm-sky-1") + piece(4, piece(1, item("lr", 0.1)) + piece(1, item("gone", 1))))
    later = piece(CONFIG, piece(1, item("opt", {"name": "sgd"})) + piece(1, item("_wandb", {"v": 1})) + piece(2, piece(1, "gone")))
    data = read(tmp_path, framed(start, later, END))
    assert data.hyperparameters == {"lr": 0.1, "opt.name": "sgd", "wandb.exit_code": 0, "wandb.runtime_seconds": 63}
    assert data.notes == ("Weights & Biases calls it run 'calm-sky-1' of project 'vision'",)


@pytest.mark.parametrize(
    ("code", "held", "told"),
    [
        (0, 0, ""),
        (1, 1, "holds exit code 1 of the process after 63 s: it failed"),
        (255, 255, "stopped from the keyboard"),
        (-9, -9, "exit code -9"),
    ],
)
def test_exit_code(tmp_path: Path, code: int, held: int, told: str) -> None:
    """The code with which the process ended is kept, and told where it is not 0."""
    data = read(tmp_path, framed(row(0, loss=1.0), piece(EXIT, piece(1, code) + piece(2, 63))))
    assert data.hyperparameters["wandb.exit_code"] == held
    assert any(told in note for note in data.notes) if told else not any("exit code" in note for note in data.notes)


def test_no_exit_record(tmp_path: Path) -> None:
    """A run that was killed has no record of its end, and a note says so."""
    data = read(tmp_path, framed(row(0, loss=1.0), row(1, loss=0.5)))
    assert any("without the record of how the process ended" in note for note in data.notes) and data.hyperparameters == {
        "wandb.exit_code": None
    }


def test_load_and_output_are_counted(tmp_path: Path) -> None:
    """Samples of the machine's load and console output are named, and are in nobody's way."""
    data = read(tmp_path, framed(piece(STATS, piece(3, item("cpu", 5))), piece(OUTPUT, piece(3, "hi")), piece(OUTPUT, piece(3, "ho")), END))
    assert data.series == () and data.notes == ("run-abc.wandb: left aside 1 machine-load sample, 2 output records",)


def test_resumed_run_is_told(tmp_path: Path) -> None:
    """A run that goes on from an earlier one says from where."""
    data = read(tmp_path, framed(piece(RUN, piece(14, 1200) + piece(18, 1)), END))
    assert "run-abc.wandb resumes an earlier run at step 1200; what that logged lies elsewhere" in data.notes


HISTOGRAM = {"_type": "histogram", "values": [1, 2, 0], "bins": [-1.0, 0.0, 0.5, 2.0]}


def test_histograms(tmp_path: Path) -> None:
    """Histograms are read by edges and counts in each of the three ways in which they are written; other objects are counted."""
    packed = {"_type": "histogram", "values": [3, 1], "packedBins": {"min": 0.0, "size": 0.5, "count": 2}}
    fields = b"".join(piece(1, item(("g", key), value)) for key, value in HISTOGRAM.items())
    nested = piece(HISTORY, fields + piece(1, item("_step", 2)))
    image = row(3, picture={"_type": "image-file", "width": 640})
    data = read(tmp_path, framed(row(0, g=HISTOGRAM), row(1, g=packed), nested, image, END))
    (histogram,) = data.histograms
    assert (histogram.tag, histogram.steps) == ("g", (0, 1, 2))
    assert [limits.tolist() for limits in histogram.limits] == [[0.0, 0.5, 2.0], [0.5, 1.0], [0.0, 0.5, 2.0]]
    assert [counts.tolist() for counts in histogram.counts] == [[1, 2, 0], [3, 1], [1, 2, 0]]
    assert histogram.minimum == (-1.0, 0.0, -1.0) and histogram.maximum == (2.0, 1.0, 2.0)
    assert data.series == () and any("1 image, table or other object" in note for note in data.notes)


def test_histogram_that_contradicts_itself(tmp_path: Path) -> None:
    """A histogram whose edges do not fit its counts is a problem, not a histogram."""
    data = read(tmp_path, framed(row(0, g={**HISTOGRAM, "bins": [0.0, 1.0]}), END))
    assert data.histograms == () and [problem.kind for problem in data.problems] == ["corrupt"]


# --- damage -----------------------------------------------------------------------------------------------------------


def test_records_longer_than_a_block(tmp_path: Path) -> None:
    """A record that reaches over several blocks is put together, wherever the block's end falls."""
    for length in (32730, 32740, 32747, 70_000):
        data = read(tmp_path, framed(row(0, loss=2.0, text="x" * length), row(1, loss=1.0), END))
        assert points(data, "loss") == [(0, 2.0), (1, 1.0)] and data.problems == ()


LONG = [
    piece(HISTORY, piece(1, item("loss", step)) + piece(1, item("t", "y" * (step * 37 % 900))) + piece(2, piece(1, step)))
    for step in range(200)
]
LONG[100] = piece(HISTORY, piece(1, item("loss", 100)) + piece(1, item("t", "z" * 60_000)) + piece(2, piece(1, 100)))
LONG_FILE = framed(*LONG)


def records_touched(data: bytes, at: int) -> set[int]:
    """Numbers of the records of LONG that a byte belongs to: itself or its chunk's header."""
    touched, number, place = set(), 0, len(FILE_HEADER)
    while place < len(data):
        room = BLOCK_BYTES - place % BLOCK_BYTES
        if room < 7:
            place += room
            continue
        _, length, kind = struct.unpack_from("<IHB", data, place)
        if place <= at < place + 7 + length:
            touched.add(number)
        number += kind in (WHOLE, LAST)
        place += 7 + length
    return touched


def starts_of_records() -> list[int]:
    """Where each record of LONG_FILE begins: not in the padding at a block's end."""
    starts, place = [], len(FILE_HEADER)
    for stop in ends_of_records():
        room = BLOCK_BYTES - place % BLOCK_BYTES
        starts.append(place + room if room < 7 else place)
        place = stop
    return starts


@cache
def ends_of_records() -> tuple[int, ...]:
    """Where each record of LONG_FILE ends."""
    ends, place = [], len(FILE_HEADER)
    while place < len(LONG_FILE):
        room = BLOCK_BYTES - place % BLOCK_BYTES
        if room < 7:
            place += room
            continue
        _, length, kind = struct.unpack_from("<IHB", LONG_FILE, place)
        place += 7 + length
        if kind in (WHOLE, LAST):
            ends.append(place)
    return tuple(ends)


def losses(data: bytes, damage: list[Damage]) -> list[float]:
    """The loss in each record that the walk gives."""
    found = []
    for _, payload in walk(data, damage):
        items = message(message(payload)[HISTORY][0])[1]  # type: ignore[arg-type]
        found.append(float(message(items[0])[16][0]))  # type: ignore[arg-type]
    return found


@settings(max_examples=150, deadline=None)
@given(at=st.integers(len(FILE_HEADER), len(LONG_FILE) - 1), flip=st.integers(1, 255))
def test_a_flipped_byte_loses_its_record_only(at: int, flip: int) -> None:
    """Whatever byte is changed, every record but the one that holds it is read, and the loss is told; padding holds none."""
    damaged = bytearray(LONG_FILE)
    damaged[at] ^= flip
    damage: list[Damage] = []
    found = losses(bytes(damaged), damage)
    touched = records_touched(LONG_FILE, at)
    assert found == [float(step) for step in range(200) if step not in touched]
    assert bool(damage) == bool(touched) and all(each.bytes_lost > 0 for each in damage)


@settings(max_examples=60, deadline=None)
@given(at=st.integers(len(FILE_HEADER), len(LONG_FILE)))
def test_a_cut_file_is_read_to_its_last_whole_record(at: int) -> None:
    """A file that ends anywhere gives the records before, and damage only where it ends within one."""
    damage: list[Damage] = []
    found = losses(LONG_FILE[:at], damage)
    assert found == [float(step) for step in range(len(found))]
    begun = max((start for start in starts_of_records() if start <= at), default=at)
    assert len(found) == sum(stop <= at for stop in ends_of_records())
    within = begun < at and begun >= max((stop for stop in ends_of_records() if stop <= at), default=0)
    assert [(each.kind, each.offset, each.bytes_lost) for each in damage] == ([("cut", begun, at - begun)] if within else [])


def test_damage_is_told_with_its_place(tmp_path: Path) -> None:
    """A wrong checksum is a problem with bytes and place; the rows around it are curves still."""
    whole = framed(row(0, loss=2.0), row(1, loss=1.5), row(2, loss=1.0), END)
    damaged = bytearray(whole)
    second = len(framed(row(0, loss=2.0)))
    damaged[second + 20] ^= 255
    data = read(tmp_path, bytes(damaged))
    assert points(data, "loss") == [(0, 2.0), (2, 1.0)]
    (problem,) = data.problems
    lost = len(framed(row(1, loss=1.5))) - 7
    assert problem.kind == "corrupt" and f"1 stretch of {lost} bytes" in problem.detail and f"at byte {second}" in problem.detail


RECORDS = (
    row(3, loss=0.5, train={"a": 10**400, "b": [1]}, g=HISTOGRAM, note="x"),
    piece(HISTORY, piece(1, item(("g", "_type"), "histogram")) + piece(1, item(("g", "values"), [1])) + piece(2, piece(1, 5))),
    piece(RUN, piece(3, "p") + piece(4, piece(1, item("lr", 0.1))) + piece(14, 7)),
    piece(CONFIG, piece(1, item("lr", {"x": [0.1]})) + piece(2, piece(1, "gone"))),
    piece(METRIC, piece(2, "*") + piece(4, "seen")),
    END,
)


@settings(max_examples=300, deadline=None)
@given(which=st.integers(0, len(RECORDS) - 1), at=st.integers(0, 10_000), new=st.binary(max_size=3), cut=st.integers(0, 40))
def test_damaged_records_raise_nothing_else(which: int, at: int, new: bytes, cut: int) -> None:
    """A record whose bytes are wrong though its checksum is right is taken, or refused as damaged: nothing else can happen."""
    record = RECORDS[which]
    place = at % len(record)
    damaged = record[:place] + new + record[place + len(new) :]
    run = WandbRun()
    with suppress(DamagedError):
        take_record(run, damaged[: len(damaged) - cut])
    assert run.rows <= 1


def test_number_too_large_for_a_float(tmp_path: Path) -> None:
    """A whole number of 400 digits is infinite, by itself and within a dictionary."""
    data = read(tmp_path, framed(*(row(step, loss=10**400, train={"loss": -(10**400)}) for step in range(2)), END))
    assert points(data, "loss")[0][1] == math.inf and points(data, "train.loss")[0][1] == -math.inf


def test_record_that_is_none(tmp_path: Path) -> None:
    """A sound record that cannot be decoded is counted, and the others are read."""
    data = read(tmp_path, framed(row(0, loss=2.0), b"\x0b\xff\xff", row(1, loss=1.0), END))
    assert points(data, "loss") == [(0, 2.0), (1, 1.0)]
    assert [problem.kind for problem in data.problems] == ["corrupt"] and "1 record lost that cannot be decoded" in data.problems[0].detail


@pytest.mark.parametrize(
    ("content", "kind", "says"),
    [
        (b"", "truncated", "empty"),
        (FILE_HEADER, "truncated", "ended before anything was written out"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "unsupported", "git-LFS pointer"),
        (b"PK\x03\x04 something else", "corrupt", "does not begin as a history"),
        (b":W&B\xe1\xbe\x01" + bytes(20), "unsupported", "version 1"),
        (FILE_HEADER + bytes(100), "corrupt", "nothing is readable from byte 7"),
    ],
)
def test_files_that_hold_no_history(tmp_path: Path, content: bytes, kind: str, says: str) -> None:
    """What is no history is said for what it is."""
    data = read(tmp_path, content)
    assert data.series == () and [problem.kind for problem in data.problems] == [kind] and says in data.problems[0].detail


# --- files beside the history -----------------------------------------------------------------------------------------


def test_summary_is_told_and_is_no_curve(tmp_path: Path) -> None:
    """Last values are a note; one that is not finite is a series of one point at its step; media and the client's own are left out."""
    summary = {"loss": "NaN", "val": {"acc": 0.5}, "h": {"_type": "histogram"}, "_step": 40, "_runtime": 9, "_wandb": {"runtime": 9}}
    data = read(tmp_path, json.dumps(summary), "wandb-summary.json")
    assert data.notes == ("wandb-summary.json holds 2 last values, no curve: loss nan, val.acc 0.5",)
    (series,) = data.series
    assert isinstance(series, Series) and (series.tag, series.steps.tolist()) == ("loss", [40]) and math.isnan(series.values[0])


def test_settings_file_loses_what_the_client_keeps(tmp_path: Path) -> None:
    """`config.yaml` is read without its wrapping and without the client's own entries."""
    text = "wandb_version: 1\n\n_wandb:\n  desc: null\n  value:\n    cli_version: 0.16.3\nlr:\n  desc: null\n  value: 0.1\n"
    assert read(tmp_path, text, "config.yaml", "config").hyperparameters == {"lr": 0.1}


def test_arguments_of_the_command_line(tmp_path: Path) -> None:
    """Arguments become settings: with a value, with `=`, as a flag, and negative numbers; what is no option is left out."""
    found = {"args": ["go", "--lr", "1e-3", "--amp", "--seed=7", "--shift", "-1", "-v"], "program": "train.py", "gpu": None}
    data = read(tmp_path, json.dumps(found), "wandb-metadata.json", "config")
    expected = {"args.lr": 0.001, "args.amp": True, "args.seed": 7, "args.shift": -1, "args.v": True, "wandb.program": "train.py"}
    assert data.hyperparameters == expected
    assert read(tmp_path, '{"args": []}', "wandb-metadata.json", "config").hyperparameters == {}


@pytest.mark.parametrize("name", ["wandb-summary.json", "wandb-metadata.json"])
@pytest.mark.parametrize(("content", "kind"), [("{", "corrupt"), ("[1]", "unsupported")])
def test_damaged_json(tmp_path: Path, name: str, content: str, kind: str) -> None:
    """JSON that is cut or of another shape is a problem."""
    assert [problem.kind for problem in read(tmp_path, content, name).problems] == [kind]


# --- beside other logs ------------------------------------------------------------------------------------------------


def test_event_files_win_over_the_same_tag(tmp_path: Path) -> None:
    """A curve that event files hold too is taken from them; what only the history holds is added, histograms among it."""
    events = [Event(wall_time=1.7e9, file_version="brain.Event:2")]
    events += [
        Event(wall_time=1.7e9 + step, step=step, summary=Summary(value=[Summary.Value(tag="train/loss", simple_value=float(step))]))
        for step in range(3)
    ]
    (tmp_path / "events.out.tfevents.1700000000.host.7.0").write_bytes(b"".join(frame(event.SerializeToString()) for event in events))
    folder = tmp_path / "wandb" / "run-20231114_221320-abc"
    folder.mkdir(parents=True)
    rows = [row(step, **{"train/loss": 9.0, "val/loss": 8.0 - step, "g": HISTOGRAM}) for step in range(5)]
    (folder / "run-abc.wandb").write_bytes(framed(*rows, END))
    (run,) = find_runs([tmp_path])
    with reading(run, ReadOptions()) as (data,):
        curves = {series.tag: series.values.tolist() for series in data.series}
        assert curves == {"train/loss": [0.0, 1.0, 2.0], "val/loss": [8.0, 7.0, 6.0, 5.0, 4.0]}
        assert [histogram.tag for histogram in data.histograms] == ["g"] and data.problems == ()
