"""A run whose checkpoints could not be passed over to the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from postmortem import analyze
from postmortem.measure.tensors import pass_over
from postmortem.measure.workers import WorkerDiedError


def test_a_pass_that_was_killed_costs_the_weights_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No traceback and no pass: a problem names the checkpoints, and the checks of weights could not be made."""
    for step in (1, 2):
        torch.save({"model": {"fc.weight": torch.randn(8, 8)}, "step": step}, tmp_path / f"step_{step}.pt")

    def killed(checkpoints: Any) -> Any:
        if checkpoints:
            raise WorkerDiedError("a process that read checkpoints was killed")
        return pass_over(checkpoints)

    monkeypatch.setattr("postmortem.measure.run.pass_over", killed)
    (report,) = analyze(tmp_path)
    assert [(problem.path, problem.kind) for problem in report.problems] == [("step_1.pt and 1 more", "unreadable")]
    assert "was killed" in report.problems[0].detail
    statuses = {outcome.id: outcome.status for outcome in report.checks}
    assert statuses["nonfinite-weights"] == "not-checked" and report.verdict != "healthy"
