"""Logs that are tables, and settings files."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postmortem.model import FileRole, FoundFile, Series
from postmortem.read.plain import flatten
from postmortem.read.tables.files import LogData, read_log


def log(folder: Path, name: str, content: str | bytes, role: FileRole = "log") -> LogData:
    """The file with this content, read."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_log(FoundFile(path, name, role, path.stat().st_size))


def by_tag(data: LogData) -> dict[str, Series]:
    """Series by tag."""
    return {series.tag: series for series in data.series}


def points(data: LogData, tag: str) -> list[tuple[int, float]]:
    """Steps and values of a tag."""
    series = by_tag(data)[tag]
    return list(zip(series.steps.tolist(), series.values.tolist(), strict=True))


def test_blank_cells_of_lightning_are_no_points(tmp_path: Path) -> None:
    """Rows of training and validation alternate; a blank cell is not a zero and not NaN."""
    data = log(tmp_path, "metrics.csv", "epoch,step,train_loss,val_loss\n0,9,1.5,\n0,9,,1.25\n1,19,1.0,\n1,19,,nan\n")
    assert points(data, "train_loss") == [(9, 1.5), (19, 1.0)]
    series = by_tag(data)["val_loss"]
    assert series.steps.tolist() == [9, 19] and series.values[0] == 1.25 and math.isnan(series.values[1])
    assert data.problems == () and "step" not in by_tag(data)


def test_padded_headers_of_ultralytics(tmp_path: Path) -> None:
    """Header and cells padded with spaces are read by their bare names."""
    data = log(tmp_path, "results.csv", "   epoch,   train/box_loss,  lr/pg0\n    0,    1.5,   0.01\n    1,    1.25,  0.02\n")
    assert points(data, "train/box_loss") == [(0, 1.5), (1, 1.25)] and points(data, "lr/pg0") == [(0, 0.01), (1, 0.02)]


def test_settings_line_of_monitor(tmp_path: Path) -> None:
    """`monitor.csv` starts with settings as JSON behind a #, and its rows are episodes: returns by the steps taken until their end."""
    data = log(tmp_path, "monitor.csv", '#{"t_start": 1.5, "env_id": "CartPole-v1"}\nr,l,t\n10.0,10,0.1\n12.5,12,0.3\n')
    assert data.hyperparameters == {"env_id": "CartPole-v1"}
    assert points(data, "episode_reward") == [(10, 10.0), (22, 12.5)] and points(data, "episode_length") == [(10, 10.0), (22, 12.0)]
    assert by_tag(data)["episode_reward"].wall_seconds.tolist() == [1.6, 1.8] and "rows are episodes" in data.notes[0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    """UTF-16 with and without its mark, and UTF-8 with one, read alike."""
    data = log(tmp_path, "log.csv", "step,loss\r\n1,0.5\r\n2,0.25\r\n".encode(encoding))
    assert points(data, "loss") == [(1, 0.5), (2, 0.25)] and data.problems == ()


def test_tsv_and_semicolons(tmp_path: Path) -> None:
    """The delimiter comes from the ending, or from the header."""
    for name, content in (("log.tsv", "step\tloss\n1\t0.5\n"), ("log.csv", "step;loss\n1;0.5\n")):
        assert points(log(tmp_path, name, content), "loss") == [(1, 0.5)]


def test_infinity_is_data(tmp_path: Path) -> None:
    """Infinite losses stay."""
    assert points(log(tmp_path, "log.csv", "step,loss\n1,inf\n2,-inf\n"), "loss") == [(1, math.inf), (2, -math.inf)]


def test_step_of_a_column_beats_the_epoch(tmp_path: Path) -> None:
    """Where both stand, the step counts and the epoch is a curve."""
    data = log(tmp_path, "log.csv", "epoch,loss,global_step\n0,3,100\n1,2,200\n")
    assert points(data, "loss") == [(100, 3.0), (200, 2.0)] and points(data, "epoch") == [(100, 0.0), (200, 1.0)]


def test_batches_begin_anew_each_epoch(tmp_path: Path) -> None:
    """Rows by epoch and batch keep the order of writing."""
    rows = "".join(f"{epoch},{batch},{epoch * 5 + batch}\n" for epoch in range(3) for batch in range(5))
    data = log(tmp_path, "log.csv", "epoch,batch,loss\n" + rows)
    assert points(data, "loss") == [(step, float(step)) for step in range(15)] and "begins anew each epoch" in data.notes[0]


def test_many_rows_to_an_epoch_and_nothing_that_counts_them(tmp_path: Path) -> None:
    """Where only the epoch stands beside rows of batches, rows are numbered; a table of images of one epoch has no curve."""
    rows = "".join(f"{epoch},{9 - epoch}\n" for epoch in range(3) for _ in range(5))
    data = log(tmp_path, "log.csv", "epoch,loss\n" + rows)
    assert [step for step, _ in points(data, "loss")] == list(range(15)) and "many rows have the same epoch" in data.notes[0]
    data = log(tmp_path, "results.csv", "epoch,image,dice\n" + "".join(f"100,{index}.png,0.{index}\n" for index in range(9)))
    assert data.series == () and "taken for no log" in data.notes[0]


def test_log_that_was_appended_to_keeps_the_later_rows(tmp_path: Path) -> None:
    """A second run in the same file, header and all, replaces the first from its first step on; nothing is interleaved."""
    first = "".join(f"{step},1\n" for step in range(10))
    second = "".join(f"{step},2\n" for step in range(4, 12))
    data = log(tmp_path, "log.csv", f"epoch,loss\n{first}epoch,loss\n{second}")
    assert points(data, "loss") == [(step, 1.0) for step in range(4)] + [(step, 2.0) for step in range(4, 12)]
    assert data.problems == () and "6 earlier rows gave way" in " ".join(data.notes)
    (resume,) = data.resumes
    (old,) = resume.replaced
    assert resume.first_step == 4 and list(zip(old.steps.tolist(), old.values.tolist(), strict=True)) == [
        (step, 1.0) for step in range(4, 10)
    ]


def test_log_of_several_trainings_tells_no_resume(tmp_path: Path) -> None:
    """Each start writes from its first interval on, wherever the one before had its first point: the last training counts, alone."""
    trainings = [(range(14, 30, 5), 1.0), (range(19, 200, 20), 2.0), (range(17, 90, 20), 3.0), (range(19, 1000, 20), 4.0)]
    rows = "".join(f"{step},{value},{step * value * 1e-6}\n" for steps, value in trainings for step in steps)
    data = log(tmp_path, "log.csv", "iteration,total_loss,lr\n" + rows)
    assert data.resumes == () and points(data, "total_loss") == [(step, 4.0) for step in range(19, 1000, 20)]
    assert any("holds several trainings" in note for note in data.notes)


def test_batches_of_a_log_that_was_begun_again(tmp_path: Path) -> None:
    """A first try that was broken off stands above the training: batches still go on from epoch to epoch, and nothing was resumed."""
    rows = "".join(f"{epoch},{batch},{epoch * 5 + batch}\n" for epoch in range(6) for batch in range(5))
    data = log(tmp_path, "log.csv", "epoch,batch,loss\n4,0,9\n4,1,9\n" + rows)
    assert points(data, "loss") == [(step, float(step)) for step in range(30)] and data.resumes == ()


def test_log_that_was_begun_too_often_tells_no_resume(tmp_path: Path) -> None:
    """Four falls of the step in one table are several settings tried one after the other, not one job started again four times."""
    pieces = [range(begin, begin + 10) for begin in (0, 4, 8, 12, 16)]
    data = log(tmp_path, "log.csv", "epoch,loss\n" + "".join(f"{step},1\n" for piece in pieces for step in piece))
    assert data.resumes == () and log(tmp_path, "whole.csv", "epoch,loss\n0,1\n1,1\n2,1\n").resumes == ()


def test_wall_time_is_taken_from_its_column(tmp_path: Path) -> None:
    """A column of Unix times dates the points and is no curve; seconds since the start are a curve."""
    series = by_tag(log(tmp_path, "a.csv", "step,loss,timestamp\n1,2,1700000000\n"))
    assert series["loss"].wall_seconds.tolist() == [1.7e9] and "timestamp" not in series
    series = by_tag(log(tmp_path, "b.csv", "step,loss,time\n1,2,30\n"))
    assert math.isnan(series["loss"].wall_seconds[0]) and series["time"].values.tolist() == [30.0]


def test_damaged_rows_are_counted(tmp_path: Path) -> None:
    """Rows with another number of cells, merge markers and words among numbers are counted; the other rows are read."""
    content = "step,loss\n1,1.0\n<<<<<<< HEAD\n2\n=======\n3,x\n>>>>>>> other\n4,4.0\n5,5.0\n"
    data = log(tmp_path, "log.csv", content)
    assert points(data, "loss") == [(1, 1.0), (4, 4.0), (5, 5.0)]
    details = [problem.detail for problem in data.problems]
    assert details[0].startswith(
        "1 row with another number of cells than the header (the first in line 4) and 3 lines of an unfinished merge lost"
    )
    assert details[1] == "1 cell of numeric columns hold no number and are lost, the first in line 6, column 'loss'"
    assert {problem.kind for problem in data.problems} == {"corrupt"}


def test_cut_last_row(tmp_path: Path) -> None:
    """A last row that ends before its last cell is told as truncated."""
    data = log(tmp_path, "log.csv", "step,loss,acc\n1,1.0,0.5\n2,0.")
    assert points(data, "loss") == [(1, 1.0)] and [problem.kind for problem in data.problems] == ["truncated"]


def test_blank_log(tmp_path: Path) -> None:
    """A log of nothing but blanks is a problem."""
    assert [problem.kind for problem in log(tmp_path, "metrics.csv", b"  \n").problems] == ["truncated"]


@pytest.mark.parametrize(
    "content",
    [
        "site,horizon,MSE,loss\n" + "".join(f"{site},{at},0.{at},0.{at}\n" for site in ("north", "south") for at in range(1, 6)),
        "horizon,MSE,MAE,RMSE\n" + "".join(f"{at},0.{at},0.{at},0.{at}\n" for at in range(1, 9)),
    ],
    ids=["by the key of a record", "errors of a finished model"],
)
def test_results_without_a_step_are_no_log(tmp_path: Path, content: str) -> None:
    """Rows that a word tells apart, or that hold nothing but errors, are results: their numbers are no steps."""
    data = log(tmp_path, "metrics.csv", content.encode())
    assert not data.series and "taken for no log" in data.notes[0]


@pytest.mark.parametrize("column", [("phase", "warmup", "main"), ("optimizer", "Adam", "SGD"), ("saved", "best_1.pt", "best_7.pt")])
def test_marks_of_a_training_are_no_keys(tmp_path: Path, column: tuple[str, str, str]) -> None:
    """A log without a step whose rows say how the training stood is one all the same."""
    name, first, later = column
    rows = "".join(f"{2 - 0.1 * row},{2.1 - 0.1 * row},{first if row < 4 else later}\n" for row in range(12))
    data = log(tmp_path, "metrics.csv", f"train_loss,val_loss,{name}\n{rows}".encode())
    assert {series.tag for series in data.series} >= {"train_loss", "val_loss"}


@pytest.mark.parametrize(
    "content",
    ["loss,took,best\n2.5,0:01:02,True\n2.0,0:01:03,False\n1.5,0:01:01,True\n", "train_mse,val_mse\n2.5,3\n2.0,2.5\n1.5,2.5\n"],
)
def test_curves_without_a_step_are_numbered(tmp_path: Path, content: str) -> None:
    """Times and marks tell no records apart, and an error of a split is a curve."""
    data = log(tmp_path, "metrics.csv", content.encode())
    assert [value for _, value in points(data, next(iter(content.split(","))))] == [2.5, 2.0, 1.5]


def test_table_without_header(tmp_path: Path) -> None:
    """Numbers alone name nothing, and that is said."""
    assert log(tmp_path, "log.csv", "1,2,3\n4,5,6\n").problems[0].kind == "unsupported"


def test_trainer_state(tmp_path: Path) -> None:
    """The log of Hugging Face's Trainer: curves by step, settings of the trainer, and a bare NaN."""
    content = json.dumps(
        {
            "epoch": 2.0,
            "global_step": 20,
            "max_steps": 40,
            "log_history": [
                {"epoch": 1.0, "step": 10, "loss": 2.5, "learning_rate": 5e-5},
                {"epoch": 1.0, "step": 10, "eval_loss": 2.25},
                {"epoch": 2.0, "step": 20, "loss": math.nan, "learning_rate": 0},
            ],
        }
    )
    data = log(tmp_path, "trainer_state.json", content)
    assert points(data, "eval_loss") == [(10, 2.25)] and points(data, "learning_rate") == [(10, 5e-5), (20, 0.0)]
    assert np.isnan(by_tag(data)["loss"].values).tolist() == [False, True]
    assert (
        data.hyperparameters == {"epoch": 2.0, "global_step": 20, "max_steps": 40, "trainer_state.json: end": "on the way"}
        and data.problems == ()
    )


def test_json_lines(tmp_path: Path) -> None:
    """One object a line, nested names dotted; bad lines and a cut last line are counted."""
    content = '{"iteration": 1, "loss": {"box": 2}}\nnot json\n{"iteration": 2, "loss": {"box": NaN}}\n{"iteration": 3, "lo'
    data = log(tmp_path, "metrics.json", content)
    assert by_tag(data)["loss.box"].steps.tolist() == [1, 2]
    assert [(problem.kind, problem.detail) for problem in data.problems] == [
        ("corrupt", "1 line that is no JSON (the first is line 2) lost; 2 read"),
        ("truncated", "ends within line 4: 1 line lost; 2 read"),
    ]


def test_history_of_keras(tmp_path: Path) -> None:
    """Lists by name are curves by epoch."""
    data = log(tmp_path, "history.json", '{"loss": [3, 2, 1], "val_loss": [3.5, 3, 2.5]}')
    assert points(data, "val_loss") == [(0, 3.5), (1, 3.0), (2, 2.5)]


def test_json_without_curves_is_noted(tmp_path: Path) -> None:
    """A summary is no log; that is said, and nothing is invented."""
    data = log(tmp_path, "metrics.json", '{"accuracy": 0.9}')
    assert data.series == () and "holds single values, no curve" in data.notes[0]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["a.csv", "a.json", "a.jsonl", "a.tsv", "log.txt", "a.yaml", "a.toml", "args.txt"]))
def test_no_content_raises(tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str) -> None:
    """Whatever the bytes are, the answer is a value."""
    folder = tmp_path_factory.getbasetemp()
    log(folder, name, content, "config" if name in ("a.yaml", "a.toml", "args.txt") else "log")


def test_yaml_settings(tmp_path: Path) -> None:
    """Nested names are dotted, foreign classes become plain values without being made, and 1e-3 is a number."""
    content = (
        "lr: 1e-3\noptimizer:\n  name: adam\n  betas: !!python/tuple [0.9, 0.999]\n"
        "loss: !!python/object:torch.nn.CrossEntropyLoss {reduction: mean}\nrun: !!python/object/apply:os.system ['false']\nseed: null\n"
    )
    data = log(tmp_path, "hparams.yaml", content, "config")
    assert data.hyperparameters == {
        "lr": 1e-3,
        "optimizer.name": "adam",
        "optimizer.betas.0": 0.9,
        "optimizer.betas.1": 0.999,
        "loss.reduction": "mean",
        "run.0": "false",
        "seed": None,
    }
    assert data.problems == ()


def test_wrapped_settings(tmp_path: Path) -> None:
    """`lr: {desc: null, value: 0.1}` is the setting lr."""
    assert log(tmp_path, "config.yaml", "lr:\n  desc: null\n  value: 0.1\n", "config").hyperparameters == {"lr": 0.1}


@pytest.mark.parametrize(("name", "content"), [("config.json", '{"lr": '), ("args.yaml", "a: [1,\n b: }"), ("args.yaml", "- 1\n- 2\n")])
def test_settings_that_are_none(tmp_path: Path, name: str, content: str) -> None:
    """Broken or unfit settings files are a problem with the reason."""
    data = log(tmp_path, name, content, "config")
    assert data.hyperparameters == {} and len(data.problems) == 1


def test_aliases_that_multiply_are_bounded(tmp_path: Path) -> None:
    """A YAML file of a few hundred bytes that stands for 10^9 items ends quickly."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 10)]
    assert len(log(tmp_path, "config.yaml", "\n".join(lines), "config").hyperparameters) <= 20_000


def test_flatten_keeps_order_and_shortens_long_lists() -> None:
    """Keys come in their order, lists by index, long ones by their length."""
    nested: dict[object, object] = {"b": {"x": 1, "y": [True, None]}, "a": list(range(17))}
    assert list(flatten(nested).items()) == [("b.x", 1), ("b.y.0", True), ("b.y.1", None), ("a.length", 17)]
