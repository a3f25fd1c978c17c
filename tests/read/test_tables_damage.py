"""Tables that were cut or changed anywhere: what is lost is what was touched, and it is said where."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from postmortem.model import FoundFile
from postmortem.read.tables.files import LogData, read_log

ROWS = 30


def csv_text() -> str:
    """A log of 30 rows and three columns, as Keras' CSVLogger writes it."""
    rows = "".join(f"{step},{1 / (step + 1):.6f},{step * 1.5e-05:.3e}\r\n" for step in range(ROWS))
    return f"epoch,loss,lr\r\n{rows}"


def json_lines() -> str:
    """The same as lines of JSON."""
    return "".join(json.dumps({"epoch": step, "loss": round(1 / (step + 1), 6), "lr": step * 1.5e-05}) + "\n" for step in range(ROWS))


def read(folder: Path, name: str, data: bytes) -> LogData:
    """A file of these bytes, read."""
    path = folder / name
    path.write_bytes(data)
    return read_log(FoundFile(path, name, "log", len(data)))


def points(data: LogData) -> dict[str, dict[int, float]]:
    """Tag -> step -> value."""
    return {series.tag: dict(zip(series.steps.tolist(), series.values.tolist(), strict=True)) for series in data.series}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for all examples."""
    return tmp_path_factory.mktemp("damage")


@pytest.fixture(scope="module")
def whole(place: Path) -> dict[str, dict[str, dict[int, float]]]:
    """What the undamaged files hold."""
    found = {name: points(read(place, name, text.encode())) for name, text in (("a.csv", csv_text()), ("a.jsonl", json_lines()))}
    assert all(len(values) == ROWS for tags in found.values() for values in tags.values())
    return found


@settings(max_examples=250, deadline=None)
@given(name=st.sampled_from(["a.csv", "a.jsonl"]), at=st.floats(0, 1))
@example(name="a.csv", at=0.999)
def test_cut_anywhere(place: Path, whole: dict[str, dict[str, dict[int, float]]], name: str, at: float) -> None:
    """Cut behind any byte: the rows before the cut are read to the last figure, no point of the cut row is wrong, and the loss is told."""
    data = (csv_text() if name == "a.csv" else json_lines()).encode()
    head = len(b"epoch,loss,lr\r\n") if name == "a.csv" else 0
    cut = head + round(at * (len(data) - head))
    found = read(place, name, data[:cut])
    complete = data[head:cut].count(b"\n")
    for tag, values in points(found).items():
        known = whole[name][tag]
        assert all(known[step] == value for step, value in values.items()), tag
        assert {step for step in known if step < complete} <= set(values)
    if complete and data[cut - 1 : cut] != b"\n" and not data[:cut].endswith((b"\r", b"}")):
        assert found.problems or found.notes


@settings(max_examples=400, deadline=None)
@given(name=st.sampled_from(["a.csv", "a.jsonl"]), at=st.floats(0, 1), new=st.integers(0, 255))
@example(name="a.csv", at=0.5, new=ord('"'))
@example(name="a.csv", at=0.5, new=ord("\n"))
@example(name="a.jsonl", at=0.5, new=ord("}"))
def test_any_byte_changed(place: Path, whole: dict[str, dict[str, dict[int, float]]], name: str, at: float, new: int) -> None:
    """Whatever byte stands anywhere behind the header: no row but the touched one, or two where their border was touched, is lost."""
    data = bytearray((csv_text() if name == "a.csv" else json_lines()).encode())
    head = len(b"epoch,loss,lr\r\n") if name == "a.csv" else 0
    place_of_change = head + min(round(at * (len(data) - head)), len(data) - head - 1)
    touched = data[head:place_of_change].count(b"\n")
    data[place_of_change] = new
    found = read(place, name, bytes(data))
    spared = set(range(ROWS)) - {touched, touched + 1}
    for tag, known in whole[name].items():
        values = points(found).get(tag, {})
        wrong = {step for step in spared if values.get(step) != known[step]}
        # A changed step may be that of another row, which then stands there twice.
        assert len(wrong) <= 1, (tag, wrong)


@pytest.mark.parametrize("at", range(3, 27, 6))
def test_quotation_mark_that_is_never_closed(place: Path, at: int) -> None:
    """A cell that turned into an open quotation swallows no rows behind it; the lost one is named by its line."""
    lines = csv_text().splitlines(keepends=True)
    lines[at] = f'"{lines[at][1:]}'
    found = read(place, "a.csv", "".join(lines).encode())
    assert len(points(found)["loss"]) == ROWS - 1
    assert [problem.detail for problem in found.problems] == [
        f"1 row with another number of cells than the header (the first in line {at + 1}) lost; {ROWS - 1} read"
    ]


def test_quoted_cells(place: Path) -> None:
    """Commas and line ends between quotation marks belong to their cell, as the csv module writes them."""
    found = read(place, "a.csv", b'step,note,loss\n1,"a, b",0.5\n2,"two\nlines, ""quoted""",0.25\n3,,0.125\n')
    assert points(found) == {"loss": {1: 0.5, 2: 0.25, 3: 0.125}} and found.problems == ()


def test_document_too_large_to_be_held(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A JSON document beyond the limit is not read, and the reason is said; lines of JSON of that size are."""
    monkeypatch.setattr("postmortem.read.tables.files._LARGEST_DOCUMENT", 1000)
    rows = [{"step": step, "loss": 0.5} for step in range(100)]
    found = read(place, "a.json", json.dumps(rows, indent=1).encode())
    assert found.series == () and found.problems[0].kind == "unsupported" and "too large to be held" in found.problems[0].detail
    assert len(points(read(place, "b.json", "".join(json.dumps(row) + "\n" for row in rows).encode()))["loss"]) == 100


def test_small_file_that_unpacks_without_end(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a compressed table that stands for more than the limit the rows up to it are read, and the rest is told as lost."""
    monkeypatch.setattr("postmortem.read.texts._MOST_UNPACKED", 1000)
    text = "step,loss\n" + "".join(f"{step},0.5\n" for step in range(1000))
    found = read(place, "a.csv.gz", gzip.compress(text.encode()))
    assert 50 < len(points(found)["loss"]) < 200 and "the rest was not read" in found.problems[0].detail


def test_last_figure_without_an_end(place: Path) -> None:
    """`1.5e-05` cut to `1.5` would be a jump of the curve: a last figure whose line has no end is no point, and that is said."""
    found = read(place, "a.csv", b"step,loss,lr\n1,0.5,1.5e-05\n2,0.25,1.5")
    assert points(found) == {"loss": {1: 0.5, 2: 0.25}, "lr": {1: 1.5e-05}} and found.problems == ()
    assert "may be cut within its last cell" in found.notes[0]


def test_trainer_state_that_is_cut(place: Path) -> None:
    """Of a state that ends in the middle of its history the rows before are read, and the line of the cut is told."""
    history = [{"epoch": step / 2, "loss": 4.0 - step, "step": step} for step in range(1, 6)]
    text = json.dumps({"epoch": 2.5, "global_step": 5, "log_history": history}, indent=2)
    found = read(place, "trainer_state.json", text[: text.index('"step": 5')].encode())
    assert points(found)["loss"] == {step: 4.0 - step for step in range(1, 5)}
    assert found.problems[0].kind == "truncated" and "4 rows read" in found.problems[0].detail


def test_trainer_state_with_a_changed_byte(place: Path) -> None:
    """A byte that breaks the document costs the row that it stands in."""
    history = [{"epoch": step / 2, "loss": 4.0 - step, "step": step} for step in range(1, 6)]
    text = json.dumps({"log_history": history, "global_step": 5}, indent=2).replace('"step": 3', '"step": x')
    found = read(place, "trainer_state.json", text.encode())
    assert set(points(found)["loss"]) == {1, 2, 4, 5} and found.problems[0].kind == "corrupt"
    assert "1 row (the first at line 13) lost; 4 rows read" in found.problems[0].detail


def test_history_that_is_cut(place: Path) -> None:
    """Of a history of lists that is cut, the points before the cut remain."""
    found = read(place, "history.json", b'{"loss": [3.0, 2.0, 1.5], "val_loss": [3.5, 3.0, 2.')
    assert points(found) == {"loss": {0: 3.0, 1: 2.0, 2: 1.5}} or points(found)["val_loss"] == {0: 3.5, 1: 3.0}
    assert points(found)["loss"] == {0: 3.0, 1: 2.0, 2: 1.5} and found.problems[0].kind == "truncated"


def test_undecodable_bytes_are_told_with_their_line(place: Path) -> None:
    """Bytes that are no text cost their cell; the line is named."""
    found = read(place, "a.csv", b"step,loss,name\n1,0.5,a\n2,\xff\xfe5,b\n3,0.25,c\n4,0.125,\xff\n")
    assert points(found)["loss"] == {1: 0.5, 3: 0.25, 4: 0.125}
    assert {problem.detail for problem in found.problems} == {
        "1 cell of numeric columns hold no number and are lost, the first in line 3, column 'loss'",
        "3 characters could not be decoded, the first in line 3",
    }


def test_unfinished_merge(place: Path) -> None:
    """Both sides of a merge that git left are rows; where they fill the same steps the later side counts, and the marks are told."""
    side = "".join(f"{step},2\n" for step in range(5, 9))
    text = (
        "step,loss\n" + "".join(f"{step},1\n" for step in range(5)) + f"<<<<<<< HEAD\n{side}=======\n{side.replace(',2', ',3')}>>>>>>> x\n"
    )
    found = read(place, "a.csv", text.encode())
    assert points(found)["loss"] == {**dict.fromkeys(range(5), 1.0), **dict.fromkeys(range(5, 9), 3.0)}
    assert "3 lines of an unfinished merge lost" in found.problems[0].detail


def test_header_that_grows_in_the_middle(place: Path) -> None:
    """A writer that meets a new metric and appends a longer header: rows before and behind it are read, each by its own header."""
    found = read(place, "a.csv", b"step,loss\n1,0.5\n2,0.4\nstep,acc,loss\n3,0.9,0.3\n4,0.95,0.2\n")
    assert points(found) == {"loss": {1: 0.5, 2: 0.4, 3: 0.3, 4: 0.2}, "acc": {3: 0.9, 4: 0.95}} and found.problems == ()


def test_rows_that_grow_without_a_header(place: Path) -> None:
    """Longer rows of which no header says what they hold are lost and counted: a guess could shift a column into another."""
    found = read(place, "a.csv", b"step,loss\n1,0.5\n2,0.4\n3,0.9,0.3\n4,0.95,0.2\n")
    assert points(found) == {"loss": {1: 0.5, 2: 0.4}}
    assert found.problems[0].detail == "2 rows with another number of cells than the header (the first in line 4) lost; 2 read"


def test_one_resumed_epoch(place: Path) -> None:
    """A restart over two rows only is one; a single row out of order is none."""
    restarted = read(place, "a.csv", b"epoch,loss\n0,5\n1,4\n2,3\n1,8\n2,7\n3,6\n")
    assert restarted.series[0].steps.tolist() == [0, 1, 2, 3] and restarted.series[0].values.tolist() == [5.0, 8.0, 7.0, 6.0]
    straggler = read(place, "a.csv", b"epoch,loss\n0,5\n2,3\n1,4\n3,2\n4,1\n")
    assert points(straggler)["loss"] == {0: 5.0, 1: 4.0, 2: 3.0, 3: 2.0, 4: 1.0} and straggler.notes == ()
    last = read(place, "a.csv", b"epoch,loss\n0,5\n1,4\n2,3\n3,2\n0,5\n")
    assert points(last)["loss"] == {0: 5.0, 1: 4.0, 2: 3.0, 3: 2.0} and "one row tells no restart" in last.notes[0]


def test_column_that_a_restart_did_not_reach_again(place: Path) -> None:
    """Points of validation that the second start has not come to again stay: nothing replaced them."""
    first = "".join(f"{step},1,{2 if step in (3, 5) else ''}\n" for step in range(6))
    second = "".join(f"{step},3,\n" for step in range(2, 5))
    found = read(place, "a.csv", f"step,loss,val_loss\n{first}{second}".encode())
    assert points(found) == {"loss": {0: 1.0, 1: 1.0, 2: 3.0, 3: 3.0, 4: 3.0}, "val_loss": {3: 2.0, 5: 2.0}}


def test_rows_of_several_shapes_keep_the_order_of_writing(place: Path) -> None:
    """Rows with and without a rate alternate; read by shape, they must not look like a log that was appended to."""
    rows = [{"step": step, "loss": 9.0 - step} | ({"lr": 0.1} if step % 2 else {}) for step in range(8)]
    found = read(place, "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
    assert points(found)["loss"] == {step: 9.0 - step for step in range(8)} and found.notes == ()


def test_validation_rows_behind_all_rows_of_training(place: Path) -> None:
    """Rows of validation listed behind those of training fall back in their step, and nothing was restarted."""
    training = [{"step": step, "loss": 1.0} for step in range(9)]
    evaluated = [{"step": step, "val_loss": 2.0} for step in (3, 6)]
    found = read(place, "a.json", json.dumps(training + evaluated).encode())
    assert set(points(found)["loss"]) == set(range(9)) and set(points(found)["val_loss"]) == {3, 6} and found.notes == ()


def test_cells_as_scripts_print_them(place: Path) -> None:
    """`tensor(0.5)`, `95%`, a decimal comma between semicolons, and blanks of every kind are read for what they say."""
    found = read(place, "a.csv", b"step;loss;acc;rate\n1;tensor(0.5);95%;0,25\n2;tensor(nan, device='cuda:0');None;0,5\n3;0.75;n/a;1,0\n")
    assert points(found)["acc"] == {1: 95.0} and points(found)["rate"] == {1: 0.25, 2: 0.5, 3: 1.0}
    assert np.isnan(points(found)["loss"][2]) and points(found)["loss"][1] == 0.5 and found.problems == ()


def test_episode_of_impossible_length(place: Path) -> None:
    """A damaged length must not push all later episodes to absurd steps."""
    found = read(place, "monitor.csv", b'#{"t_start": 1.0}\nr,l,t\n1,10,1\n2,1e300,2\n3,10,3\n')
    assert found.series[0].steps.tolist() == [10, 10, 20] and "the first in row 2" in found.problems[0].detail


def test_columns_between_spaces(place: Path) -> None:
    """Columns between runs of spaces, with the names in a comment as NumPy saves them, are read."""
    found = read(place, "log.txt", b"# epoch train_loss val_loss\n0   2.5   3.5\n1   1.5   2.5\n")
    assert points(found) == {"train_loss": {0: 2.5, 1: 1.5}, "val_loss": {0: 3.5, 1: 2.5}}


@pytest.mark.parametrize("name", ["progress.csv", "metrics.jsonl", "metrics.json", "results.tsv"])
def test_a_log_of_no_byte_was_not_written_to(tmp_path: Path, name: str) -> None:
    """Loggers open their file at the start: that nothing is in it is told, and nothing is damaged."""
    data = read(tmp_path, name, b"")
    assert not data.problems and not data.series
    assert data.notes == (f"{name}: is empty (0 bytes): nothing was logged",)


@pytest.mark.parametrize("name", ["trainer_state.json", "history.json"])
def test_a_document_of_no_byte_was_cut(tmp_path: Path, name: str) -> None:
    """What is written whole at each save is never begun with nothing."""
    assert [problem.kind for problem in read(tmp_path, name, b"").problems] == ["truncated"]
