"""Checkpoints of several files, the whole way through the program."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from postmortem.analysis import analyze
from postmortem.report import Report

torch.set_num_threads(1)


def outcome(report: Report, check: str) -> tuple[str, str]:
    """Status and reason of one check in the only run."""
    (run,) = report.runs
    found = next(each for each in run.checks if each.id == check)
    return found.status, found.finding.reason


@pytest.mark.parametrize(("drift", "status"), [(0.0, "pass"), (1e-2, "fail")])
def test_replicas_are_judged(tmp_path: Path, drift: float, status: str) -> None:
    """Ranks that agree pass; one that drifted fails the check and is named as the cause, with its rank and tensor."""
    torch.manual_seed(0)
    state = {"fc1.weight": torch.randn(16, 8), "fc1.bias": torch.randn(16), "fc2.weight": torch.randn(4, 16)}
    for step in (100, 200):
        for rank in range(2):
            copy = {name: tensor.clone() for name, tensor in state.items()}
            if rank and step == 200:
                copy["fc1.bias"] += drift * torch.randn(16)
            torch.save({"model": copy, "step": step}, tmp_path / f"step_{step}_rank{rank}.pt")
        state = {name: tensor + 0.01 * torch.randn(tensor.shape) for name, tensor in state.items()}
    report = analyze(tmp_path)
    found = outcome(report, "desynchronized-replicas")
    assert found[0] == status
    causes = [cause.id for cause in report.runs[0].causes]
    assert ("replica-desync" in causes) == bool(drift)
    if drift:
        assert "fc1.bias" in found[1] and "rank 1" in found[1] and "step 200" in found[1]


def test_tensor_parallel_parts_raise_no_alarm(tmp_path: Path) -> None:
    """Parts of one model differ everywhere but in norms, and are no replicas that drifted apart."""
    torch.manual_seed(0)
    norm = 1 + 0.1 * torch.randn(8)
    for rank in range(2):
        part = {"qkv.weight": torch.randn(12, 8), "norm.weight": norm, "down_proj.weight": torch.randn(8, 16), "up.bias": torch.randn(16)}
        torch.save({"model": part, "iteration": 5}, tmp_path / f"mp_rank_{rank:02d}_model.pt")
    report = analyze(tmp_path)
    assert outcome(report, "desynchronized-replicas")[0] == "pass"
    assert not report.runs[0].problems


def test_one_rank_is_not_read_as_equal(tmp_path: Path) -> None:
    """A run without other ranks' files is not checked, never passed."""
    torch.save({"model": {"fc.weight": torch.randn(4, 4)}, "step": 3}, tmp_path / "step_3.pt")
    assert outcome(analyze(tmp_path), "desynchronized-replicas")[0] == "not-checked"


def test_adapters_that_never_learned_are_judged(tmp_path: Path) -> None:
    """Second factors that are still zero after updates fail, and the cause is frozen parameters; at step 0 nothing is said."""
    torch.manual_seed(0)
    for step in (0, 50):
        tensors = {}
        for layer in range(2):
            tensors[f"layers.{layer}.q_proj.lora_A.weight"] = torch.randn(4, 16)
            tensors[f"layers.{layer}.q_proj.lora_B.weight"] = torch.zeros(16, 4)
        torch.save({"state_dict": tensors, "step": step}, tmp_path / f"step_{step}.pt")
        torch.manual_seed(0)
        if step == 0:
            (first,) = analyze(tmp_path).runs
            assert next(each for each in first.checks if each.id == "idle-adapters").status == "not-checked"
    report = analyze(tmp_path)
    assert outcome(report, "idle-adapters")[0] == "fail"
    assert report.runs[0].verdict == "failed"


def test_a_poisoned_average_is_judged(tmp_path: Path) -> None:
    """NaN in the average of a finite model fails, with the step at which it shows."""
    torch.manual_seed(0)
    weight = torch.randn(8, 8)
    for step in (10, 20):
        average = weight.clone() if step == 10 else torch.full((8, 8), float("nan"))
        torch.save(
            {"model": {"fc.weight": weight + 0.01 * step}, "ema": {"fc.weight": average}, "step": step}, tmp_path / f"step_{step}.pt"
        )
    status, reason = outcome(analyze(tmp_path), "poisoned-average")
    assert status == "fail" and "64 averaged weights are NaN" in reason and "step 20" in reason
