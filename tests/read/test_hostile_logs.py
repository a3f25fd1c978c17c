"""Logs that were made to break their reader, or that look as if they were: bounded in memory and work, nothing taken for something else."""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import sqlite3
import struct
import zlib
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from postmortem.analysis import analyze
from postmortem.model import FoundFile
from postmortem.read import texts
from postmortem.read.console.files import read_console
from postmortem.read.console.lines import PIECE, shown
from postmortem.read.events.files import EventData, read_events, split_runs
from postmortem.read.events.records import frame, masked_checksum
from postmortem.read.plain import flatten, flatten_told
from postmortem.read.tables import files as tables
from postmortem.read.tables.files import LogData, read_log
from postmortem.read.tables.settings import read_settings
from postmortem.read.trackers.mlflow_databases import read_mlflow_database
from postmortem.read.trackers.mlflow_runs import read_mlflow_run
from postmortem.read.trackers.wandb_files import read_wandb_run
from postmortem.read.trackers.wandb_records import BLOCK_BYTES, CHUNK_HEADER, FILE_HEADER

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
    monkeypatch.setattr("postmortem.read.tables.json_lines._MOST_COLUMNS", 10)
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
    monkeypatch.setattr("postmortem.read.events.images._MOST_PIXELS_OF_FILE", 4 * 64 * 64)
    held = io.BytesIO()
    Image.new("L", (64, 64), 51).save(held, "PNG")
    image = Summary.Image(height=64, width=64, colorspace=1, encoded_image_string=held.getvalue())
    values = [Summary.Value(tag=f"image/{index % 4}", image=image) for index in range(8)]
    data = _events(tmp_path, b"".join(frame(Event(wall_time=1.0, summary=Summary(value=[one])).SerializeToString()) for one in values))
    assert [(one.images, one.looked) for one in data.images] == [(2, 2), (2, 2)]
    assert data.images[0].mean == pytest.approx(0.2)
    assert (data.images[0].low, data.images[0].high) == (0.2, 0.2)


def test_times_that_are_none(tmp_path: Path) -> None:
    """Times beyond the calendar are no times, and steps at both ends of 64 bits are kept."""
    times = [1e308, -1e308, math.nan, math.inf, 0.0, 1.7e9, 2.5e11]
    steps = [-(2**63), 0, 1, 2, 3, 4, 2**63 - 1]
    records = [
        Event(wall_time=time, step=step, summary=Summary(value=[Summary.Value(tag="loss", simple_value=0.5)]))
        for time, step in zip(times, steps, strict=True)
    ]
    data = _events(tmp_path, b"".join(frame(each.SerializeToString()) for each in records))
    assert data.series[0].steps.tolist() == steps
    assert [bool(each) for each in np.isfinite(data.series[0].wall_seconds)] == [False] * 5 + [True] * 2
    assert (data.started, data.ended) == (1.7e9, 2.5e11)
    (run,) = analyze(tmp_path).runs
    assert run.artifacts.scalars == 7


def test_history_numbered_beyond_all_counting(tmp_path: Path) -> None:
    """Rows that are numbered with thousands of digits break no reader."""
    assert not read(tmp_path, "history.json", json.dumps({"loss": {"0": 1.0, "1": 0.5, "9" * 5000: 0.2}})).problems


def test_step_within_the_epoch_of_many_epochs(tmp_path: Path) -> None:
    """A counter that begins anew in each of a thousand epochs goes on, in one run."""
    events = [
        Event(wall_time=1.0 + epoch, step=step, summary=Summary(value=[Summary.Value(tag="loss", simple_value=1 / (epoch + 1))]))
        for epoch in range(1000)
        for step in range(12)
    ]
    (data,) = split_runs([found(tmp_path, "events.out.tfevents.1", b"".join(frame(e.SerializeToString()) for e in events), "events")])
    assert data.series[0].steps.tolist() == list(range(12_000))


# --- what others keep of runs -----------------------------------------------------------------------------------------


def _database(path: Path, metrics: str, rows: int) -> FoundFile:
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            "CREATE TABLE experiments(experiment_id, name); CREATE TABLE params(run_uuid, key, value);"
            "CREATE TABLE runs(run_uuid, name, status, start_time, end_time, lifecycle_stage, experiment_id);"
            f"CREATE TABLE tags(run_uuid, key, value); {metrics}"
        )
        database.executemany(
            "INSERT INTO metrics(run_uuid, timestamp, value, step, is_nan) VALUES ('r', 1, 0.5, ?, 0)", [(n,) for n in range(rows)]
        )
        database.commit()
    return FoundFile(path, path.name, "log", path.stat().st_size)


def test_database_whose_rows_are_computed(tmp_path: Path) -> None:
    """A column that is a formula can make gigabytes of nothing, and is refused."""
    made = "CREATE TABLE metrics(run_uuid, key AS (hex(zeroblob(100000000))), timestamp, value, step, is_nan);"
    (kept,) = read_mlflow_database(_database(tmp_path / "mlflow.db", made, 3))
    assert kept.data.problems[0].detail.endswith("columns of metrics are computed")


def test_database_whose_rows_hold_default_values(tmp_path: Path) -> None:
    """Text that stands in no row, but in the table's definition, is not repeated for each of its rows."""
    file = _database(tmp_path / "mlflow.db", "CREATE TABLE metrics(run_uuid, timestamp, value, step, is_nan);", 5000)
    with closing(sqlite3.connect(file.path)) as database:
        database.execute(f"ALTER TABLE metrics ADD COLUMN key DEFAULT '{'k' * 100_000}'")
    (kept,) = read_mlflow_database(file)
    assert "many times its own size" in kept.data.problems[0].detail


def test_pipe_in_place_of_an_experiment(tmp_path: Path) -> None:
    """A pipe called as the experiment's file is not waited for."""
    run = tmp_path / ("a" * 32)
    (run / "metrics").mkdir(parents=True)
    (run / "metrics/loss").write_text("".join(f"1700000000000 0.5 {step}\n" for step in range(5)))
    os.mkfifo(tmp_path / "meta.yaml")
    file = found(run, "meta.yaml", "status: 3\n")
    assert read_mlflow_run(file).series[0].steps.size == 5


def _wandb(*records: bytes) -> bytes:
    out = bytearray(FILE_HEADER)
    for record in records:
        assert len(record) < 30_000
        if len(out) % BLOCK_BYTES + len(record) + 7 > BLOCK_BYTES:
            out += bytes(BLOCK_BYTES - len(out) % BLOCK_BYTES)
        out += CHUNK_HEADER.pack(zlib.crc32(b"\x01" + record), len(record), 1) + record
    return bytes(out)


def _field(number: int, data: bytes) -> bytes:
    length = bytes((len(data) & 0x7F | 0x80, len(data) >> 7 & 0x7F | 0x80, len(data) >> 14))
    key = number << 3 | 2
    return (bytes((key,)) if key < 128 else bytes((key & 0x7F | 0x80, key >> 7))) + length + data


def _item(keys: tuple[bytes, ...], text: bytes) -> bytes:
    return _field(1, b"".join(_field(2, key) for key in keys) + _field(16, text))


def test_object_among_numbers_of_one_row(tmp_path: Path) -> None:
    """Fields below an object's key belong to it, at any depth, and those beside it stay numbers."""
    row = [
        _item((b"h", b"_type"), b'"image-file"'),
        _item((b"h", b"sub", b"size"), b"7"),
        _item((b"hh", b"x"), b"8"),
        _item((b"loss",), b"9"),
    ]
    data = _wandb(*(_field(2, b"".join(row)) for _ in range(3)))
    log = read_wandb_run(found(tmp_path, "run-a.wandb", data))
    assert {series.tag: series.values.tolist() for series in log.series} == {"hh.x": [8.0] * 3, "loss": [9.0] * 3}


def test_search_behind_noise_goes_on_at_the_next_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every byte could begin a chunk the search is cut short, and takes up at the next block."""
    monkeypatch.setattr("postmortem.read.trackers.wandb_records._DOUBTS", 0)
    rows = [_field(2, _item((b"loss",), b"1")) for _ in range(4000)]
    data = bytearray(_wandb(*rows))
    data[1000:12_000] = b"\x01" * 11_000
    log = read_wandb_run(found(tmp_path, "run-a.wandb", bytes(data)))
    assert "3 stretches of" in log.problems[0].detail
    assert 1000 < log.series[0].steps.size < 3800


# --- text logs --------------------------------------------------------------------------------------------------------


def test_log_of_lines_that_all_tell_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of lines that each differ and each hold a telling word, the first and the last are looked at, and it is said."""
    monkeypatch.setattr("postmortem.read.console.scan._MOST_LEARNED", 1000)
    lines = [
        f"error {chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{chr(97 + n // 676 % 26)}{chr(97 + n // 17_576)} {'x' * 400}"
        for n in range(30_000)
    ]
    text = "\n".join([*lines, "RuntimeError: CUDA error: out of memory"]) + "\n"
    data = read_console(found(tmp_path, "train.log", text, "console"))
    assert data.console is not None
    assert [incident.kind for incident in data.console.incidents] == ["device-out-of-memory"]
    assert "were not looked at closely" in data.notes[0]


def test_line_of_an_exception_behind_the_border_of_a_piece(tmp_path: Path) -> None:
    """The line at which a traceback's exception stands is counted into the next piece of the log."""
    traceback = "Traceback (most recent call last):\n" + '  File "/a/train.py", line 3, in f\n    x\n' * 30 + "ValueError: no\n"
    filling = "epoch 1 loss 0.5\n"
    for before in (PIECE // len(filling) - 40, PIECE // len(filling) - 20, PIECE // len(filling) + 5):
        console = read_console(found(tmp_path, "train.log", filling * before + traceback, "console")).console
        assert console is not None
        assert [(incident.text, incident.line) for incident in console.incidents] == [("ValueError: no", before + 62)]


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("AWS_SECRET_ACCESS_KEY=abcdEFGH1234", "abcdEFGH"),
        ("password=hunter2", "hunter2"),
        ("train.py --hf-token abcdefgh1", "abcdefgh1"),
        ("train.py --password=abc1", "abc1"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "dXNl"),
        ("'authorization': 'token abcdef1234567'", "abcdef"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSM", "SflK"),
        ("https://a.blob.core.windows.net/a?sv=2020&sig=abcdefgh12345678&x=1", "abcdefgh"),
        ("AccountKey=Zm9vYmFyYmF6cXV4", "Zm9v"),
        ("npm_abcdefghijklmnopqrstu", "abcdefgh"),
        ("https://mytoken12345678@github.com/x.git", "mytoken"),
        ("redis://:secretpw@host", "secretpw"),
        ("-----BEGIN RSA PRIVATE KEY-----MIIEvQIBADANBg", "MIIE"),
    ],
)
def test_secrets_are_masked(line: str, secret: str) -> None:
    """What looks like a key, a password or a token in a line that is quoted is masked."""
    assert secret not in shown(f"RuntimeError: {line} failed")
    assert "[masked]" in shown(line)


@pytest.mark.parametrize(
    "line",
    [
        "num_tokens: 123456789",
        "pad_token_id=50256123",
        "KeyError: 'secret'",
        "ssh://git@github.com/a",
        "key_padding_mask=abcdefghijkl",
        "--eos-token -1",
    ],
)
def test_words_that_only_look_like_secrets_stay(line: str) -> None:
    """Counts of tokens, names of arguments and users of hosts are no secrets."""
    assert shown(line) == line


def test_name_of_a_kept_run_forges_no_lines(tmp_path: Path) -> None:
    """Line ends and escapes in the name that MLflow was given to a run are written out."""
    file = _database(tmp_path / "mlflow.db", "CREATE TABLE metrics(run_uuid, key, timestamp, value, step, is_nan);", 1)
    with closing(sqlite3.connect(file.path)) as database:
        database.execute("INSERT INTO runs VALUES ('r', 'a\nHEALTHY \x1b[2J', 'FINISHED', 1, 2, 'active', 1)")
        database.commit()
    (run,) = analyze(tmp_path).runs
    assert run.name == "mlflow.db#a\\nHEALTHY \\x1b[2J"
