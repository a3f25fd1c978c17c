"""Runs of MLflow's file store.

The stores below are written by hand, in the layout that MLflow 3.17 wrote into a real one (compared once) and that the stores of twelve
public repositories have.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from postmortem.model import FoundFile
from postmortem.read.plain import plain_value
from postmortem.read.tables.files import LogData
from postmortem.read.trackers.logs import read_any_log
from postmortem.read.trackers.metric_lines import parse_lines

META = """artifact_uri: file:///home/me/mlruns/7/{run}/artifacts
end_time: {end}
experiment_id: '7'
lifecycle_stage: {stage}
run_id: {run}
run_name: calm-ant-1
start_time: 1700000000000
status: {status}
tags: []
"""
RUN = "0123456789abcdef0123456789abcdef"


def store(root: Path, *, status: str = "3", stage: str = "active", end: str = "1700000060000", files: dict[str, str | bytes]) -> FoundFile:
    """A run with these files; its `meta.yaml` as discovery gives it."""
    folder = root / "mlruns" / "7" / RUN
    for name, content in {"meta.yaml": META.format(run=RUN, status=status, stage=stage, end=end), **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (root / "mlruns" / "7" / "meta.yaml").write_text("experiment_id: '7'\nlifecycle_stage: active\nname: digits\n")
    return FoundFile(folder / "meta.yaml", "meta.yaml", "log", (folder / "meta.yaml").stat().st_size)


def points(data: LogData, tag: str) -> list[tuple[int, float]]:
    """Steps and values of a tag."""
    (series,) = [series for series in data.series if series.tag == tag]
    return list(zip(series.steps.tolist(), series.values.tolist(), strict=True))


def lines(*values: float, first: int = 0) -> str:
    """A metric file with one point a second."""
    return "".join(f"{1700000000000 + 1000 * index} {value} {index + first}\n" for index, value in enumerate(values))


def test_metrics_become_series_with_times(tmp_path: Path) -> None:
    """Each file is a curve, a name with slashes is the path below `metrics`; milliseconds become seconds; NaN and infinity are data."""
    data = read_any_log(store(tmp_path, files={"metrics/train/loss": lines(2.0, 1.0), "metrics/acc": lines(0.5, math.nan, math.inf)}))
    assert points(data, "train/loss") == [(0, 2.0), (1, 1.0)]
    (acc,) = [series for series in data.series if series.tag == "acc"]
    assert acc.values[0] == 0.5 and math.isnan(acc.values[1]) and acc.values[2] == math.inf
    assert acc.wall_seconds.tolist() == [1.7e9, 1.7e9 + 1, 1.7e9 + 2] and acc.source == "meta.yaml" and data.problems == ()


def test_parameters_and_own_tags_are_settings(tmp_path: Path) -> None:
    """Parameters come as the values they were; tags of the user's fill gaps; MLflow's own tags are no settings."""
    files: dict[str, str | bytes] = {
        "params/lr": "1e-3",
        "params/model/name": "resnet18",
        "params/dataset": "cifar10",
        "tags/dataset": "other",
        "tags/team": "a",
        "tags/mlflow.user": "me",
        "tags/mlflow.runName": "first try",
    }
    data = read_any_log(store(tmp_path, files=files))
    state = {"mlflow.status": "FINISHED", "mlflow.start_seconds": 1.7e9, "mlflow.end_seconds": 1.7e9 + 60}
    assert data.hyperparameters == {"lr": 0.001, "model/name": "resnet18", "dataset": "cifar10", "team": "a", **state}
    assert data.notes == ("MLflow calls it run 'first try' of experiment 'digits'",)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7),
        ("-7", -7),
        ("007", "007"),
        ("0.5", 0.5),
        ("1e-3", 0.001),
        ("True", True),
        ("None", None),
        ("nan", "nan"),
        ("1_000", "1_000"),
        ("(0.9, 0.999)", "(0.9, 0.999)"),
        ("9" * 400, "9" * 400),
        (" adam\n", " adam\n"),
    ],
)
def test_plain_values(text: str, value: object) -> None:
    """Text that is a number, yes, no or nothing is taken for that; everything else stays as it is."""
    found = plain_value(text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("status", "end", "stage", "held", "says"),
    [
        ("4", "1700000060000", "active", "FAILED", "MLflow holds the run as FAILED"),
        ("KILLED", "1700000060000", "active", "KILLED", "MLflow holds the run as KILLED"),
        ("1", "null", "active", "RUNNING", "its last point was written 2023-11-14 22:13 UTC"),
        ("3", "1700000060000", "deleted", "FINISHED", "MLflow holds the run as deleted"),
    ],
)
def test_how_the_run_ended(tmp_path: Path, status: str, end: str, stage: str, held: str, says: str) -> None:
    """The state is kept, as number or word, and told where the run did not finish or was deleted."""
    data = read_any_log(store(tmp_path, status=status, end=end, stage=stage, files={"metrics/loss": lines(2.0, 1.0)}))
    assert data.hyperparameters["mlflow.status"] == held and any(says in note for note in data.notes)


def test_part_of_another_run(tmp_path: Path) -> None:
    """A nested run names its parent."""
    data = read_any_log(store(tmp_path, files={"tags/mlflow.parentRunId": "abc"}))
    assert data.notes == ("MLflow calls it run 'calm-ant-1' of experiment 'digits', a part of run abc",)


def test_steps_that_were_never_given(tmp_path: Path) -> None:
    """Points that all stand at step 0, MLflow's default, are numbered, and a note says so."""
    data = read_any_log(store(tmp_path, files={"metrics/loss": "1700000000000 2.0 0\n1700000001000 1.5 0\n1700000002000 1.0 0\n"}))
    assert points(data, "loss") == [(0, 2.0), (1, 1.5), (2, 1.0)]
    assert "loss holds step 0 in all 3 points, which are numbered instead" in data.notes


def test_many_points_to_each_epoch(tmp_path: Path) -> None:
    """Where the step is an epoch with many points in it, the points are numbered; two to a step keep their steps."""
    many = "".join(f"1700000000000 {index} {index // 5}\n" for index in range(20))
    two = "".join(f"1700000000000 {index} {index // 2}\n" for index in range(20))
    data = read_any_log(store(tmp_path, files={"metrics/many": many, "metrics/two": two}))
    assert [step for step, _ in points(data, "many")] == list(range(20))
    assert [step for step, _ in points(data, "two")] == [index // 2 for index in range(20)]


def test_run_that_was_started_again(tmp_path: Path) -> None:
    """Where the step falls back to one in the middle, the later points count from there on; nothing is put in one line."""
    data = read_any_log(store(tmp_path, files={"metrics/loss": lines(*range(10)) + lines(50, 60, 70, 80, 90, first=5)}))
    assert points(data, "loss") == [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 50), (6, 60), (7, 70), (8, 80), (9, 90)]
    assert "loss falls back to an earlier step: 5 earlier points gave way to later ones" in data.notes


def test_straggler_is_put_in_its_place(tmp_path: Path) -> None:
    """One point that comes late replaces none; both points of its step stay."""
    data = read_any_log(store(tmp_path, files={"metrics/loss": lines(*range(8)) + "1700000009000 40 4\n"}))
    assert points(data, "loss") == [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (4, 40), (5, 5), (6, 6), (7, 7)]


def test_score_logged_once_after_the_curve(tmp_path: Path) -> None:
    """A value at step 0 that was written when the curve had reached step 3 is taken for step 3."""
    data = read_any_log(store(tmp_path, files={"metrics/loss": lines(4.0, 3.0, 2.0, 1.0), "metrics/test_acc": "1700000009000 0.9 0\n"}))
    assert points(data, "test_acc") == [(3, 0.9)]


def test_values_logged_once_are_no_curves(tmp_path: Path) -> None:
    """Without any curve single values are told in a note; one that is not finite stays a series."""
    data = read_any_log(store(tmp_path, files={"metrics/acc": "1700000000000 0.9 0\n", "metrics/loss": "1700000000000 nan 0\n"}))
    assert [series.tag for series in data.series] == ["loss"]
    assert "metrics holds 2 values logged once and no curve: acc 0.9, loss nan" in data.notes


def test_irregular_lines_give_the_same() -> None:
    """The quick way through regular files and the way line by line give the same points."""
    regular = lines(2.0, math.inf, 0.1, 1e-300, -5.0)
    quick, slow = parse_lines(regular.encode()), parse_lines(regular.replace(" ", "  ").encode())
    assert quick.steps.tolist() == slow.steps.tolist() == [0, 1, 2, 3, 4]
    assert quick.values.tolist() == slow.values.tolist() == [2.0, math.inf, 0.1, 1e-300, -5.0]
    assert quick.wall_seconds.tolist() == slow.wall_seconds.tolist()


def test_older_and_longer_lines() -> None:
    """Lines of two columns hold seconds and no step; lines of five name a data set; both count."""
    old = parse_lines(b"1560000000 0.5\n1560000060 0.25\n")
    assert old.wall_seconds.tolist() == [1.56e9, 1.56e9 + 60] and old.values.tolist() == [0.5, 0.25] and old.steps.tolist() == [0, 1]
    new = parse_lines(b"1700000000000 0.5 3 iris 1a2b\n1700000001000 0.25 4 iris 1a2b\n")
    assert new.steps.tolist() == [3, 4] and new.bad == 0


@pytest.mark.parametrize(
    ("content", "kind", "says", "left"),
    [
        (lines(3, 2, 1)[:-14], "truncated", "ends within its last line: 1 point lost; 2 points read", [3, 2]),
        (lines(3, 2) + "<<<<<<< HEAD\n" + lines(1), "corrupt", "1 line without time, value and step lost; 3 points read", [3, 1, 2]),
        (b"\x00\xff" * 40, "truncated", "ends within its last line: 1 point lost; 0 points read", []),
        ("", "truncated", "holds no point (0 bytes)", []),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "unsupported", "git-LFS pointer", []),
        (lines(3, 2, 1) + "1700000000000 5 1e300\n", "corrupt", "1 line without time, value and step lost; 3 points read", [3, 2, 1]),
    ],
)
def test_damaged_metrics(tmp_path: Path, content: str | bytes, kind: str, says: str, left: list[float]) -> None:
    """What is no point is a problem of that metric; the other lines and the other metrics are read."""
    data = read_any_log(store(tmp_path, files={"metrics/loss": content, "metrics/good": lines(2.0, 1.0)}))
    (problem,) = data.problems
    assert (problem.path, problem.kind) == ("metrics/loss", kind) and says in problem.detail
    assert points(data, "good") == [(0, 2.0), (1, 1.0)]
    assert [value for series in data.series if series.tag == "loss" for value in series.values] == left


def test_damaged_meta(tmp_path: Path) -> None:
    """A `meta.yaml` that is none is a problem; the curves beside it are read."""
    data = read_any_log(store(tmp_path, files={"metrics/loss": lines(2.0, 1.0), "meta.yaml": "{\x00"}))
    assert [problem.kind for problem in data.problems] == ["corrupt"] and points(data, "loss") == [(0, 2.0), (1, 1.0)]


def test_folders_that_are_missing(tmp_path: Path) -> None:
    """Version control drops empty folders: a run without metrics, parameters and tags is no problem."""
    data = read_any_log(store(tmp_path, files={}))
    assert data.series == () and data.problems == () and data.notes == ("MLflow calls it run 'calm-ant-1' of experiment 'digits'",)
