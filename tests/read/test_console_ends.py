"""The end of training as the numbers of epochs and batches tell it, where no words do."""

from __future__ import annotations

from pathlib import Path

import pytest

from postmortem.diagnose import judge
from postmortem.measure.incidents import measure_incidents
from postmortem.measure.run import measure_run
from postmortem.model import FoundFile, Measurement, ReadOptions, RunData
from postmortem.read.console.files import read_console

CRASH = "Traceback (most recent call last):\n  File \"/home/me/train.py\", line 290, in <module>\n    plot(history)\nKeyError: 'train'\n"


def batches(epochs: int, of: int, last_batch: int = 500) -> str:
    """Lines with both numbers, the last epoch up to a batch."""
    return "".join(
        f"Epoch [{epoch}/{of}], Step [{batch}/500], Loss: {2 / epoch:.4f}\n"
        for epoch in range(1, epochs + 1)
        for batch in range(100, (last_batch if epoch == epochs else 500) + 1, 100)
    )


def keras(epochs: int, of: int, end: str = "100/100 [=====] - 3s 30ms/step - loss: 0.4211 - val_loss: 0.5102\n") -> str:
    """Keras' two lines an epoch."""
    whole = "100/100 [=====] - 3s 30ms/step - loss: 0.5211 - val_loss: 0.6102\n"
    return "".join(f"Epoch {epoch}/{of}\n{whole if epoch < epochs else end}" for epoch in range(1, epochs + 1))


def bars(epochs: int, of: int, percent: int) -> str:
    """Bars that draw over themselves."""
    return "".join(
        f"\rEpoch {epoch}/{of}: {at:3d}%|{'#' * (at // 10):10}| {at}/100 [00:04<00:00, 9.1it/s, loss=0.41]"
        for epoch in range(1, epochs + 1)
        for at in range(0, (percent if epoch == epochs else 100) + 1, 5)
    )


def whole(epochs: int, of: int) -> str:
    """One line an epoch."""
    return "".join(f"Epoch {epoch} of {of} train_loss={2 / epoch:.4f} val_loss={2.2 / epoch:.4f}\n" for epoch in range(1, epochs + 1))


REACHED = {
    "all batches of the last epoch": (batches(20, 20), True),
    "a line about the last epoch behind them": (batches(20, 20) + "Epoch 20: train_loss=0.1 val_loss=0.2\n", True),
    "Keras": (keras(10, 10), True),
    "bars": (bars(3, 3, 100) + "\n", True),
    "one line an epoch": (whole(30, 30), True),
    "the last epoch's third batch": (batches(20, 20, 300), False),
    "an epoch before": (batches(19, 20), False),
    "Keras within the last epoch": (keras(10, 10, " 37/100 [==>..] - ETA: 2s - loss: 0.2011\n"), False),
    "Keras at the beginning of the last epoch": (keras(10, 10, ""), False),
    "a bar at 60 %": (bars(3, 3, 60) + "\n", False),
    "lines without a batch's number": (whole(29, 30) + "Epoch 30/30 loss: 0.2\nEpoch 30/30 loss: 0.3\n", False),
    "a step without its number": (whole(29, 30) + "Epoch 30/30 step 400 loss: 0.2\n", False),
    "a single epoch": (batches(1, 1), False),
    "dates": ("Epoch 3/20 2024/01/01 loss: 0.2\n", False),
}


def run_of(folder: Path, content: str) -> RunData:
    """A run that left this text log only."""
    path = folder / "train.log"
    path.write_bytes(content.encode())
    data = read_console(FoundFile(path, path.name, "console", path.stat().st_size))
    assert data.console is not None
    return RunData("r", "r", (), (), (), {}, (), (), (), (), ReadOptions(), consoles=(data.console,))


@pytest.mark.parametrize("name", REACHED)
def test_end_by_number(tmp_path: Path, name: str) -> None:
    """The last epoch's end is an end of training, and its line is quoted; anything before that is none."""
    text, reached = REACHED[name]
    found = {one.name: one for one in measure_incidents(run_of(tmp_path, text)) if isinstance(one, Measurement)}
    assert ("job.end" in found) == reached
    if reached:
        line = text.rstrip("\n").count("\n") + 1
        assert found["job.end"].text == "finished" and found["job.end"].basis.startswith(f"train.log, line {line}: ")


@pytest.mark.parametrize("name", REACHED)
def test_crash_behind_it(tmp_path: Path, name: str) -> None:
    """An error in what comes after training (plots) is told and is no failure of training; within training it is one."""
    text, reached = REACHED[name]
    report = judge(measure_run(run_of(tmp_path, text + CRASH)))
    outcome = next(check for check in report.checks if check.id == "crashed-job")
    assert outcome.status == ("warn" if reached else "fail")
    assert "KeyError" in outcome.finding.reason
    assert report.verdict == ("inconclusive" if reached else "failed")
