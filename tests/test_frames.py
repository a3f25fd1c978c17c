"""Scalars as a DataFrame: tbparse's layout, with what tbparse leaves out."""

from __future__ import annotations

from pathlib import Path

import pytest

import postmortem

SAMPLES = Path(__file__).parents[1] / "sample_runs"


@pytest.mark.filterwarnings("ignore")  # tbparse's own
def test_table_is_laid_out_as_tbparse_does(tmp_path: Path) -> None:
    """Columns, their order and the rows of each tag are the oracle's."""
    from tbparse import SummaryReader
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        for step in range(50):
            writer.add_scalar("train/loss", 1 / (step + 1), step)
            writer.add_scalar("lr", 0.1, step)
    (path,) = tmp_path.iterdir()
    mine = postmortem.scalars(tmp_path, extra_columns=["wall_time"])
    oracle = SummaryReader(str(path), extra_columns={"wall_time"}).scalars
    assert list(mine.columns) == list(oracle.columns) == ["step", "tag", "value", "wall_time"]
    for tag in ("train/loss", "lr"):
        left, right = (table[table["tag"] == tag].drop(columns="tag").to_numpy(dtype=float).tolist() for table in (mine, oracle))
        assert left == right
    assert mine.attrs["problems"] == []


def test_logs_besides_event_files_and_several_runs(tmp_path: Path) -> None:
    """A table's columns are tags; the run's name and the file stand beside each point where they are asked for."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.csv").write_text("step,loss\n0,2.0\n1,1.5\n2,oops\n")
    table = postmortem.scalars(tmp_path, extra_columns=["dir_name", "file_name"])
    assert table.values.tolist() == [
        [step, "loss", value, run, "metrics.csv"] for run in ("a", "b") for step, value in ((0, 2.0), (1, 1.5))
    ]
    assert len(table.attrs["problems"]) == 2 and "a/metrics.csv" in table.attrs["problems"][0]


def test_unknown_column_and_nothing_to_read(tmp_path: Path) -> None:
    """A column that is not there is named; a run without scalars gives an empty table with its columns."""
    with pytest.raises(ValueError, match="no such column: speed"):
        postmortem.scalars(tmp_path, extra_columns=["speed"])
    (tmp_path / "events.out.tfevents.1").write_bytes(b"")
    table = postmortem.scalars(tmp_path)
    assert table.empty and list(table.columns) == ["step", "tag", "value"] and "empty" in table.attrs["problems"][0]
