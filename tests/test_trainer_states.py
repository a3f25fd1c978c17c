"""States of Hugging Face's Trainer: what was saved on the way is no end of a run, and what tells of an end is believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from postmortem import analyze


def _trainer_state(path: Path, step: int, planned: int, ending: str = "", callbacks: dict[str, Any] | None = None) -> None:
    """A state of Hugging Face's Trainer after so many steps; with the row that sums up where `ending` is `summed`."""
    rows: list[dict[str, float]] = [
        {"step": at, "epoch": at / 100, "loss": 2.0 * 0.99 ** (at / 10), "learning_rate": 1e-4 * (1 - at / planned)}
        for at in range(10, step + 1, 10)
    ]
    if ending == "summed":
        rows.append({"step": step, "epoch": step / 100, "train_runtime": 90.0, "train_samples_per_second": 40.0, "total_flos": 1e12})
    state = {"global_step": step, "max_steps": planned, "epoch": step / 100, "log_history": rows, "stateful_callbacks": callbacks or {}}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(state), encoding="utf-8")


def _outcome(folder: Path, id: str) -> tuple[str, str]:
    (run,) = analyze(folder).runs
    found = next(check for check in run.checks if check.id == id)
    return found.status, found.finding.reason


def test_a_state_that_was_saved_on_the_way_is_no_end(tmp_path: Path) -> None:
    """A copied checkpoint stands at 500 of 2,000 steps; a run's folder whose last checkpoint does so was cut short."""
    _trainer_state(tmp_path / "copied" / "trainer_state.json", 500, 2000)
    (tmp_path / "copied" / "config.json").write_text("{}")
    for id in ("abrupt-end", "unfinished-schedule"):
        status, reason = _outcome(tmp_path / "copied", id)
        assert status == "not-checked" and "saved while training went on" in reason
    for step in (250, 500):
        folder = tmp_path / "run" / f"checkpoint-{step}"
        _trainer_state(folder / "trainer_state.json", step, 2000)
        save_file({"head.weight": torch.full((4, 8), 0.1 + step / 1000)}, folder / "model.safetensors")
    assert _outcome(tmp_path / "run", "abrupt-end")[0] == "fail"


def test_a_trainer_that_came_to_its_end_says_so(tmp_path: Path) -> None:
    """The last row sums a training up, or patience ran out: both short of the plan, and neither died."""
    _trainer_state(tmp_path / "summed" / "trainer_state.json", 500, 2000, "summed")
    patience = {"EarlyStoppingCallback": {"args": {"early_stopping_patience": 5}, "attributes": {"early_stopping_patience_counter": 5}}}
    _trainer_state(tmp_path / "patient" / "trainer_state.json", 500, 2000, callbacks=patience)
    for name in ("summed", "patient"):
        assert _outcome(tmp_path / name, "abrupt-end")[0] == "warn"
        assert _outcome(tmp_path / name, "crashed-job")[0] == "pass"
        (run,) = analyze(tmp_path / name).runs
        assert not [cause for cause in run.causes if cause.id == "interrupted" and cause.probability >= 0.5]
    patience["EarlyStoppingCallback"]["attributes"]["early_stopping_patience_counter"] = 2
    _trainer_state(tmp_path / "hopeful" / "trainer_state.json", 500, 2000, callbacks=patience)
    assert "saved while training went on" in _outcome(tmp_path / "hopeful", "abrupt-end")[1]
