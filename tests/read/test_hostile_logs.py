"""Logs that were made to break their reader, or that look as if they were: bounded in memory and work, nothing taken for something else."""

from __future__ import annotations

import gzip
import io
import json
import math
import struct
from pathlib import Path

import pytest
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from postmortem.analysis import analyze
from postmortem.model import FoundFile
from postmortem.read import tables, texts
from postmortem.read.console import read_console
from postmortem.read.events import EventData, read_events, split_runs
from postmortem.read.plain import flatten, flatten_told
from postmortem.read.records import frame, masked_checksum
from postmortem.read.settings import read_settings
from postmortem.read.tables import LogData, read_log

CURVE = "step,loss\n" + "".join(f"{step},{1 / (step + 1):.6f}\n" for step in range(40))


def found(folder: Path, name: str, data: str | bytes, role: str = "log") -> FoundFile:
    """A file of this content."""
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return FoundFile(path, name, role, path.stat().st_size)  # type: ignore[arg-type]


def read(folder: Path, name: str, data: str | bytes) -> LogData:
    """The same, read as a log."""
    return read_log(found(folder, name, data))


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["1" + "0" * 400, "0x" + "f" * 9000, "1" + ":00" * 3000])
def test_number_of_thousands_of_digits_is_a_setting_like_others(tmp_path: Path, value: str) -> None:
    """A whole number that no float holds and Python does not show ends no analysis, neither in settings nor in a trainer's state."""
    (tmp_path / "metrics.csv").write_text(CURVE)
    (tmp_path / "hparams.yaml").write_text(f"lr: {value}\nbatch_size: {value}\nmax_steps: {value}\n")
    (run,) = analyze(tmp_path).runs
    assert run.artifacts.scalars == 40
    assert not run.problems


def test_state_with_a_step_beyond_all_counting(tmp_path: Path) -> None:
    """A trainer's state keeps its history whatever number its step is."""
    for index, step in enumerate((10, 10**400)):
        folder = tmp_path / f"checkpoint-{index}"
        folder.mkdir()
        rows = [{"step": each, "loss": 1 / (each + 1)} for each in range(20 + index)]
        (folder / "trainer_state.json").write_text(json.dumps({"global_step": step, "log_history": rows}))
    (run,) = analyze(tmp_path).runs
    assert (run.artifacts.scalars, run.problems) == (21, ())


def test_long_key_is_not_repeated_in_every_name() -> None:
    """A key of a megabyte above many items does not make a name of a megabyte for each."""
    flat = flatten({"k" * 10**6: {str(index): index for index in range(5000)}})
    assert max(map(len, flat)) <= 500


def test_items_that_are_not_visited_are_told(tmp_path: Path) -> None:
    """Settings of more items than are read say so."""
    assert flatten_told({"a": [1, 2]})[1]
    assert not flatten_told({str(index): index for index in range(30_000)})[1]
    settings, problems = read_settings(found(tmp_path, "config.json", json.dumps({str(index): 1 for index in range(30_000)}), "config"))
    assert problems[0].kind == "unsupported"
    assert f"the first {len(settings)} values" in problems[0].detail


# --- tables -----------------------------------------------------------------------------------------------------------


def test_one_metric_a_row_with_many_metrics(tmp_path: Path) -> None:
    """Thousands of metrics in one long table are each counted over their own rows alone."""
    text = "step,name,value\n" + "".join(f"{step},m{metric},{step * metric}\n" for step in range(5) for metric in range(2000))
    series = {one.tag: one for one in read(tmp_path, "metrics.csv", text).series}
    assert len(series) == 2000
    assert series["m1999"].steps.tolist() == [0, 1, 2, 3, 4]
    assert series["m1999"].values.tolist() == [0, 1999, 3998, 5997, 7996]


def test_metric_at_one_step_of_many_is_kept(tmp_path: Path) -> None:
    """A metric all of whose rows share a step is numbered by row, while the others keep their steps."""
    rows = [f"{step},loss,{step}" for step in range(8)] + [f"7,final,{step}" for step in range(8)]
    series = {one.tag: one.steps.tolist() for one in read(tmp_path, "metrics.csv", "step,name,value\n" + "\n".join(rows) + "\n").series}
    assert (series["loss"], series["final"]) == (list(range(8)), list(range(8)))


def test_short_rows_below_a_wide_header(tmp_path: Path) -> None:
    """Rows of another length below thousands of columns are counted, and a header that comes again is still seen."""
    header = ",".join(["step", *(f"loss_{index}" for index in range(300))])
    row = ",".join(["1"] * 301)
    log = read(tmp_path, "metrics.csv", f"{header}\n{row}\nx\nx\n{header}\n{row}\n")
    assert "2 rows with another number of cells" in log.problems[0].detail
    assert any("stands in the middle again (1 x)" in note for note in log.notes)


def test_inch_marks_are_no_quotation_marks_without_end(tmp_path: Path) -> None:
    """Where every row holds one quotation mark, each costs itself alone, and rows without one are read."""
    rows = "".join(f'{step},"0.5\n' if step % 2 else f"{step},0.5\n" for step in range(1000))
    log = read(tmp_path, "metrics.csv", "step,loss\n" + rows)
    assert log.series[0].steps.tolist() == list(range(0, 1000, 2))
    assert "500 rows" in log.problems[0].detail


def test_rows_with_names_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of JSON that each bring a new name fill no memory without end: what is beyond the limit is counted and told."""
    monkeypatch.setattr("postmortem.read.json_lines._MOST_COLUMNS", 10)
    log = read(tmp_path, "metrics.jsonl", "".join(json.dumps({"step": step, f"n{step}": 1.0}) + "\n" for step in range(30)))
    assert "21 values under further names not read" in log.problems[0].detail
    assert len(log.series) == 9


def test_blank_lines_are_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table below more blank lines than are looked at is read all the same; a file of blank lines holds nothing."""
    assert len(read(tmp_path, "metrics.csv", " \n" * 3000 + CURVE).series) == 1
    assert "holds nothing" in read(tmp_path, "metrics.csv", " \n" * 300).problems[0].detail
    monkeypatch.setattr(tables, "_LARGEST_DOCUMENT", 4000)
    assert "too large to be held" in read(tmp_path, "history.json", "[\n" + "\n" * 5000).problems[0].detail


def test_compressed_table_that_unpacks_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a compressed table unpacks to is bounded, and the rest is told."""
    monkeypatch.setattr(texts, "_MOST_UNPACKED", 200)
    log = read(tmp_path, "metrics.csv.gz", gzip.compress(CURVE.encode()))
    assert "unpacks to more than" in log.problems[0].detail
    assert 5 < log.series[0].steps.size < 40


# --- zeros ------------------------------------------------------------------------------------------------------------


def test_zeros_behind_the_rows_are_no_utf_16(tmp_path: Path) -> None:
    """A machine that dies leaves blocks of zeros: the rows before them are read, and the damage is told."""
    text = "step,loss\n" + "".join(f"{step},0.5\n" for step in range(8))
    log = read(tmp_path, "metrics.csv", text.encode() + bytes(4096))
    assert log.series[0].steps.tolist() == list(range(8))
    assert log.problems
    utf16 = read(tmp_path, "metrics.csv", "\ufeff" + CURVE)
    assert utf16.series[0].steps.size == 40
    bare = read(tmp_path, "metrics.csv", CURVE.encode("utf-16-le"))
    assert bare.series[0].steps.size == 40


def test_zeros_in_a_text_log_are_no_utf_16(tmp_path: Path) -> None:
    """A short text log with zeros behind it is not read as Chinese."""
    text = b"epoch 1 loss 0.5\n" * 30 + bytes(300)
    console = read_console(found(tmp_path, "train.log", text, "console")).console
    assert console is not None
    assert console.progress == 30


def test_infinite_loss_of_400_digits(tmp_path: Path) -> None:
    """A number too large for a float is infinity, not a row less."""
    rows = [{"step": step, "loss": 10**400 if step == 5 else 0.5} for step in range(9)]
    (series,) = read(tmp_path, "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows)).series
    assert math.isinf(series.values[5])


# --- event files ------------------------------------------------------------------------------------------------------


def _events(folder: Path, data: bytes) -> EventData:
    return read_events([found(folder, "events.out.tfevents.1", data, "events")])


def test_headers_that_each_claim_the_rest_of_the_file(tmp_path: Path) -> None:
    """A file of lengths with right checksums and no record behind them is one stretch of damage; the record behind it is read."""
    length = struct.pack("<Q", 15_000)
    header = length + struct.pack("<I", masked_checksum(length))
    scalar = Event(wall_time=1.0, step=3, summary=Summary(value=[Summary.Value(tag="loss", simple_value=0.5)])).SerializeToString()
    data = _events(tmp_path, header * 1000 + b"\x55" * 20_000 + frame(scalar) * 20)
    assert data.series[0].steps.size == 20
    assert "1 stretch of 32000 bytes" in data.problems[0].detail


def test_many_records_of_hyperparameters(tmp_path: Path) -> None:
    """Of thousands of records of hyper-parameters the first are read, the others are told."""
    value = Summary.Value(tag="_hparams_/session_start_info")
    value.metadata.plugin_data.plugin_name = "hparams"
    record = frame(Event(wall_time=1.0, summary=Summary(value=[value])).SerializeToString())
    assert any("left aside 236 hyper-parameter records" in note for note in _events(tmp_path, record * 300).notes)


def test_images_of_any_size_take_bounded_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images are looked at one after the other, and no more pixels of one file than the limit."""
    monkeypatch.setattr("postmortem.read.event_images._MOST_PIXELS_OF_FILE", 4 * 64 * 64)
    held = io.BytesIO()
    Image.new("L", (64, 64), 51).save(held, "PNG")
    image = Summary.Image(height=64, width=64, colorspace=1, encoded_image_string=held.getvalue())
    values = [Summary.Value(tag=f"image/{index % 4}", image=image) for index in range(8)]
    data = _events(tmp_path, b"".join(frame(Event(wall_time=1.0, summary=Summary(value=[one])).SerializeToString()) for one in values))
    assert [(one.images, one.looked) for one in data.images] == [(2, 2), (2, 2)]
    assert data.images[0].mean == pytest.approx(0.2)
    assert (data.images[0].low, data.images[0].high) == (0.2, 0.2)


def test_step_within_the_epoch_of_many_epochs(tmp_path: Path) -> None:
    """A counter that begins anew in each of a thousand epochs goes on, in one run."""
    events = [
        Event(wall_time=1.0 + epoch, step=step, summary=Summary(value=[Summary.Value(tag="loss", simple_value=1 / (epoch + 1))]))
        for epoch in range(1000)
        for step in range(12)
    ]
    (data,) = split_runs([found(tmp_path, "events.out.tfevents.1", b"".join(frame(e.SerializeToString()) for e in events), "events")])
    assert data.series[0].steps.tolist() == list(range(12_000))
