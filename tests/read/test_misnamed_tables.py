"""Tables of a training whose names speak of data, or of nothing."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from postmortem.discover.runs import find_runs
from postmortem.measure.run import measure_run
from postmortem.model import ReadOptions, RunData
from postmortem.read.run import reading


def table(path: Path, header: str = "epoch,accuracy,loss,val_loss", rows: int = 30) -> None:
    """A table of curves."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        f"{index},{1 - math.exp(-index / 8):.4f},{2 * math.exp(-index / 8):.4f},{2.1 * math.exp(-index / 8):.4f}" for index in range(rows)
    ]
    path.write_text("\n".join([header, *lines]) + "\n")


def read(*paths: Path) -> list[RunData]:
    """The runs found there, as they are read."""
    found: list[RunData] = []
    for run in find_runs(list(paths)):
        with reading(run, ReadOptions()) as runs:
            found.extend(runs)
    return found


@pytest.mark.parametrize("name", ["training.csv", "resnet18.csv", "train.csv", "epochs.tsv"])
def test_columns_say_that_it_is_a_log(tmp_path: Path, name: str) -> None:
    """A step and a loss make a log of it, whatever the name; it is a log in the report too."""
    table(tmp_path / name)
    if name.endswith(".tsv"):
        (tmp_path / name).write_text((tmp_path / name).read_text().replace(",", "\t"))
    (run,) = read(tmp_path)
    assert {series.tag for series in run.series} == {"accuracy", "loss", "val_loss"}
    assert all(series.steps.size == 30 for series in run.series)
    assert [file.role for file in run.files] == ["log"] and run.manifests == ()
    counted = measure_run(run).artifacts
    assert counted.logs == 1 and counted.scalars == 90


def test_data_with_an_epoch_are_no_curves(tmp_path: Path) -> None:
    """Columns that data sets have too are left aside, as before."""
    table(tmp_path / "stars.csv", "epoch,magnitude,error,flux")
    (run,) = read(tmp_path)
    assert run.series == () and any("not a manifest" in note for note in run.notes)


def test_a_table_above_several_runs_is_none_of_theirs(tmp_path: Path) -> None:
    """A table in a folder above gives no curves to each of the runs below it."""
    for name in ("a1", "a2"):
        table(tmp_path / name / "metrics.csv", "epoch,acc,loss,val_loss", rows=12)
    table(tmp_path / "train.csv")
    for run in read(tmp_path):
        assert {series.steps.size for series in run.series} == {12}
