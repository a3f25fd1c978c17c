"""MLflow's SQLite store.

The tables hold those columns of MLflow 3.17's that are read. A store that MLflow wrote itself was read once and compared.
"""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from postmortem.discover import find_runs
from postmortem.model import FoundFile, ReadOptions, RunData
from postmortem.read.run import reading
from postmortem.read.trackers.mlflow_databases import read_mlflow_database

TABLES = """
CREATE TABLE experiments (experiment_id INTEGER, name VARCHAR);
CREATE TABLE runs (run_uuid VARCHAR, name VARCHAR, status VARCHAR, start_time BIGINT, end_time BIGINT, lifecycle_stage VARCHAR,
  experiment_id INTEGER);
CREATE TABLE metrics ("key" VARCHAR, value FLOAT, timestamp BIGINT, run_uuid VARCHAR, step BIGINT, is_nan BOOLEAN);
CREATE TABLE params ("key" VARCHAR, value VARCHAR, run_uuid VARCHAR);
CREATE TABLE tags ("key" VARCHAR, value VARCHAR, run_uuid VARCHAR);
INSERT INTO experiments VALUES (1, 'digits');
INSERT INTO runs VALUES ('aaaa', 'calm-ant', 'FINISHED', 1700000000000, 1700000060000, 'active', 1);
INSERT INTO runs VALUES ('bbbb', 'same', 'FAILED', 1700000000000, NULL, 'active', 1), ('cccc', 'same', 'RUNNING', 1, NULL, 'active', 1);
INSERT INTO params VALUES ('lr', '1e-3', 'aaaa'), ('lr', '0.5', 'bbbb');
INSERT INTO tags VALUES ('mlflow.runName', 'calm-ant', 'aaaa'), ('team', NULL, 'aaaa');
INSERT INTO metrics VALUES ('loss', 2.0, 1700000000000, 'aaaa', 0, 0), ('loss', 0, 1700000001000, 'aaaa', 1, 1),
  ('loss', 1.7976931348623157e308, 1700000002000, 'aaaa', 2, 0), ('loss', 9.0, 1700000000000, 'bbbb', 0, 0),
  ('loss', 8.0, 1700000000000, 'bbbb', 1, 0);
"""


def database(folder: Path, more: str = "") -> Path:
    """A store of three runs."""
    path = folder / "mlflow.db"
    with closing(sqlite3.connect(path)) as made:
        made.executescript(TABLES + more)
    return path


def runs_in(folder: Path) -> dict[str, RunData]:
    """Name -> run, as the whole program reads them."""
    found = find_runs([folder])
    read: list[RunData] = []
    for run in found:
        with reading(run, ReadOptions()) as data:
            read.extend(data)
    return {run.name: run for run in read}


def test_each_run_of_the_database_is_one(tmp_path: Path) -> None:
    """Runs are named by the file and their name, or their id where two share the name; each has its own curves, settings and state."""
    database(tmp_path)
    runs = runs_in(tmp_path)
    assert list(runs) == ["mlflow.db#calm-ant", "mlflow.db#bbbb", "mlflow.db#cccc"]
    (loss,) = runs["mlflow.db#calm-ant"].series
    assert loss.steps.tolist() == [0, 1, 2] and loss.wall_seconds.tolist() == [1.7e9, 1.7e9 + 1, 1.7e9 + 2]
    assert loss.values[0] == 2.0 and math.isnan(loss.values[1]) and loss.values[2] == math.inf
    state = {"mlflow.status": "FINISHED", "mlflow.start_seconds": 1.7e9, "mlflow.end_seconds": 1.7e9 + 60}
    assert runs["mlflow.db#calm-ant"].hyperparameters == {"lr": 0.001, "team": "", **state}
    assert runs["mlflow.db#bbbb"].series[0].values.tolist() == [9.0, 8.0] and runs["mlflow.db#cccc"].series == ()
    assert "MLflow holds the run as FAILED" in runs["mlflow.db#bbbb"].notes
    assert "MLflow calls it run 'calm-ant' of experiment 'digits'" in runs["mlflow.db#calm-ant"].notes


def test_other_files_beside_the_database(tmp_path: Path) -> None:
    """Nobody knows which run of the database the files beside it are of: they are a run of their own."""
    database(tmp_path)
    (tmp_path / "metrics.csv").write_text("step,loss\n0,1\n1,2\n")
    assert set(runs_in(tmp_path)) == {".", "mlflow.db#calm-ant", "mlflow.db#bbbb", "mlflow.db#cccc"}


def test_nothing_is_written(tmp_path: Path) -> None:
    """Neither the database nor its folder changes."""
    path = database(tmp_path)
    before = path.read_bytes()
    read_mlflow_database(FoundFile(path, "mlflow.db", "log", path.stat().st_size))
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_points_that_are_no_numbers(tmp_path: Path) -> None:
    """SQLite keeps text in a column of numbers: such points are lost, counted, and the others read."""
    database(tmp_path, "INSERT INTO metrics VALUES ('loss', 'x', 1700000003000, 'aaaa', 3, 0), ('loss', 1, NULL, 'aaaa', 4, 0);")
    run = runs_in(tmp_path)["mlflow.db#calm-ant"]
    assert run.series[0].steps.size == 3 and [problem.detail for problem in run.problems] == [
        "2 points of run aaaa lost that hold no number"
    ]


def test_journal_that_is_not_in_the_database_yet(tmp_path: Path) -> None:
    """Changes that lie in a journal beside the database are told as not read."""
    (tmp_path / f"{database(tmp_path).name}-wal").write_bytes(bytes(4096))
    problem = runs_in(tmp_path)["mlflow.db#calm-ant"].problems[0]
    assert problem.path == "mlflow.db-wal" and "4096 bytes" in problem.detail


@pytest.mark.parametrize(
    ("content", "kind", "says"),
    [
        (b"", "truncated", "empty"),
        (b"not a database, though it is called one" * 40, "corrupt", "cannot be read as a SQLite database"),
        (b"SQLite format 3\x00" + bytes(4080), "corrupt", "cannot be read"),
    ],
)
def test_files_that_are_no_database(tmp_path: Path, content: bytes, kind: str, says: str) -> None:
    """What is no database is a problem of a run with nothing in it."""
    (tmp_path / "mlflow.db").write_bytes(content)
    (run,) = runs_in(tmp_path).values()
    (problem,) = run.problems
    assert (run.name, run.series, problem.kind) == ("mlflow.db", (), kind) and says in problem.detail


def test_cut_database(tmp_path: Path) -> None:
    """A database that is cut short is damage, and never an error."""
    path = database(tmp_path, "".join(f"INSERT INTO params VALUES ('p{index}', '{'v' * 200}', 'aaaa');" for index in range(200)))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert {problem.kind for run in runs_in(tmp_path).values() for problem in run.problems} == {"corrupt"}


def test_database_of_another_program(tmp_path: Path) -> None:
    """Tables that are not MLflow's, and views in their place, are not read."""
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as made:
        made.executescript(TABLES.split("INSERT")[0] + "DROP TABLE metrics; CREATE VIEW metrics AS SELECT 1;")
    (run,) = runs_in(tmp_path).values()
    assert [problem.kind for problem in run.problems] == ["unsupported"] and "no table metrics" in run.problems[0].detail
