"""Losses that are penalties on the weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from postmortem.analysis import Options, measure_paths
from postmortem.model import Measurement


def _run(folder: Path, norms: list[float], losses: list[float]) -> dict[str, Measurement]:
    """Measurements of a run whose one matrix has these norms, with these losses in between."""
    base = torch.from_numpy(np.random.default_rng(0).standard_normal((20, 10)).astype(np.float32))
    base /= base.norm()
    folder.mkdir()
    for at, norm in enumerate(norms):
        torch.save({"fc.weight": base * norm, "fc.bias": torch.zeros(20)}, folder / f"step_{at * 100:06d}.pt")
    lines = [f"{at * 100},{loss!r}" for at, loss in enumerate(losses)]
    (folder / "log.csv").write_text("step,train_loss\n" + "\n".join(lines) + "\n")
    return {one.name: one for one in measure_paths([folder], Options())[0].measurements}


def test_a_penalty_keeps_its_ratio_to_the_squares(tmp_path: Path) -> None:
    """A loss of 0.5 times the squares of norms 8, 6, 4 keeps the ratio 0.5 while the squares change fourfold."""
    norms = [8.0, 6.0, 4.0]
    found = _run(tmp_path / "penalty", norms, [0.5 * norm**2 for norm in norms])["loss.per_squares_spread"]
    assert found.value == pytest.approx(1.0, abs=1e-5)
    assert found.items["weight"] == pytest.approx(0.5, rel=1e-5)
    assert found.items["range"] == pytest.approx(4.0, rel=1e-5)


def test_a_loss_of_data_does_not(tmp_path: Path) -> None:
    """A loss that falls from 2 to 0.5 while the squares grow from 9 to 16 changes its ratio 7.1-fold."""
    found = _run(tmp_path / "data", [3.0, 3.5, 4.0], [2.0, 1.0, 0.5])["loss.per_squares_spread"]
    assert found.value == pytest.approx((2 / 9) / (0.5 / 16), rel=1e-4)


def test_a_penalty_on_magnitudes_keeps_its_ratio_to_them(tmp_path: Path) -> None:
    """A loss of 0.01 times the sum of magnitudes keeps that ratio while norms and magnitudes halve, and its ratio to squares doubles."""
    base = np.random.default_rng(0).standard_normal((20, 10)).astype(np.float32)
    total = float(np.abs(base / np.linalg.norm(base)).sum())
    norms = [8.0, 6.0, 4.0]
    found = _run(tmp_path / "magnitudes", norms, [0.01 * total * norm for norm in norms])
    sizes, squares = found["loss.per_magnitudes_spread"], found["loss.per_squares_spread"]
    assert sizes.value == pytest.approx(1.0, abs=1e-4)
    assert sizes.items["weight"] == pytest.approx(0.01, rel=1e-4) and sizes.items["range"] == pytest.approx(2.0, rel=1e-4)
    assert squares.value == pytest.approx(2.0, rel=1e-4)
