"""Turns a run's files into what the tools read, with postmortem's own readers: no tool shall fail for a format that it does not know."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from postmortem.discover import find_runs
from postmortem.measure import roles
from postmortem.model import Checkpoint, FoundFile, ReadOptions, RunData, Series, Tensor
from postmortem.read.run import reading
from rival_tools.handed import Handed

LOSSES = ("training-loss", "validation-loss")
Rows = dict[tuple[int, int], dict[str, float]]
"""(how often the run had been resumed, step) -> column -> value."""


def hand_over(run_folder: Path, into: Path) -> Handed:
    """Lays down what the tools can read of a run.

    Where the folder holds several trainings, the one with the most points of scalars counts, and the most checkpoints.

    Raises:
        discover.NothingFound: nothing in the folder is of a training run.
    """
    files: dict[str, FoundFile] = {}
    table = written = ""
    weights: tuple[str, ...] = ()
    points = checkpoints = 0
    for found in find_runs([run_folder]):
        files.update({str(file.path.resolve()): file for file in found.files})
        with reading(found, ReadOptions()) as opened:
            for run in opened:
                logged = sum(one.values.size for one in run.series)
                if logged > points:
                    points, table, written = logged, str(into / "scalars.csv"), str(into / "as_written.csv")
                    _write_tables(run, Path(table), Path(written))
                if len(run.checkpoints) > checkpoints:
                    checkpoints, weights = len(run.checkpoints), _write_weights(run.checkpoints, into)
    handed = Handed(
        table=table,
        as_written=written,
        weights=weights,
        checkpoint_files=tuple(path for path, file in files.items() if file.role == "checkpoint"),
        text_logs=tuple(path for path, file in files.items() if file.role == "console"),
    )
    handed.save(into)
    return handed


def _columns(run: RunData) -> dict[str, Series]:
    """The run's series by the names that the tools know; a second training loss or validation loss would only confuse them."""
    roled = roles.assign(run.series, run.options)
    loss = roles.main_training_loss(roled)
    mains = {
        "train_loss": loss,
        "val_loss": roles.main_validation_loss(roled, loss),
        "lr": roles.main(roled, "learning-rate", ""),
        "grad_norm": roles.main(roled, "gradient-norm", ""),
    }
    columns = {name: one.series for name, one in mains.items() if one is not None}
    for one in roled:
        name = f"{one.series.group}/{one.series.tag}" if one.series.group else one.series.tag
        if one.role not in LOSSES and one.role != "epoch" and name not in (*columns, "step") and one.series not in columns.values():
            columns[name] = one.series
    return columns


def _write_tables(run: RunData, table: Path, written: Path) -> None:
    columns = _columns(run)
    starts = sorted(resume.first_step for resume in run.resumes)
    rows: Rows = {}
    for name, series in columns.items():
        for step, value in _points(series):
            rows.setdefault((sum(step >= start for start in starts), step), {})[name] = value
    latest: Rows = {}
    for (_, step), row in sorted(rows.items()):
        latest.setdefault((0, step), {}).update(row)
    _write(table, list(columns), latest)
    for index, resume in enumerate(sorted(run.resumes, key=lambda one: one.first_step)):
        for name, series in columns.items():
            for old in resume.replaced:
                if (old.tag, old.group) == (series.tag, series.group):
                    for step, value in _points(old):
                        rows.setdefault((index, step), {})[name] = value
    _write(written, list(columns), rows)


def _points(series: Series) -> Iterator[tuple[int, float]]:
    return zip(series.steps.tolist(), series.values.tolist(), strict=True)


def _write(path: Path, columns: Sequence[str], rows: Rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("step", *columns))
        for (_, step), row in sorted(rows.items()):
            writer.writerow((step, *(repr(row[name]) if name in row else "" for name in columns)))


def _write_weights(checkpoints: Sequence[Checkpoint], into: Path) -> tuple[str, ...]:
    """The first and the last checkpoint that hold tensors."""
    full = [one for one in checkpoints if one.tensors]
    paths = []
    for name, checkpoint in (*(("first", one) for one in full[:1] if len(full) > 1), *(("last", one) for one in full[-1:])):
        paths.append(str(into / f"{name}.safetensors"))
        save_file({key: _values(tensor) for key, tensor in checkpoint.tensors.items()}, paths[-1])
    return tuple(paths)


def _values(tensor: Tensor) -> NDArray[np.generic]:
    size = int(np.prod(tensor.shape, dtype=np.int64))
    values = np.asarray(tensor.read(0, size))
    whole = values.astype(np.float32) if values.dtype.kind == "f" else np.array(values)
    return np.ascontiguousarray(whole.reshape(tensor.shape))
