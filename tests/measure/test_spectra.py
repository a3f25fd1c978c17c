"""Stable ranks and attention's logits in closed form, and which tensors are taken for queries and keys."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from postmortem.measure.spectra import logit_deviation, measure_spectra, stable_rank
from postmortem.measure.tensors import pass_over
from postmortem.model import Checkpoint, Measurement, Missing


def measured(checkpoints: list[Checkpoint]) -> dict[str, Measurement | Missing]:
    """What these checkpoints tell."""
    return {one.name: one for one in measure_spectra(pass_over(checkpoints), checkpoints)}


def number(found: dict[str, Measurement | Missing], name: str) -> Measurement:
    """The measurement, which must be there."""
    one = found[name]
    assert isinstance(one, Measurement), one
    return one


def test_stable_rank_of_known_spectra() -> None:
    """Equal singular values give their number, one direction gives 1, and 2, 1, 1 give 6 / 4; scale does not matter."""
    draw = np.random.default_rng(0)
    left, right = np.linalg.qr(draw.normal(size=(12, 12)))[0], np.linalg.qr(draw.normal(size=(9, 9)))[0]
    for singular, rank in (([1.0] * 9, 9.0), ([3.0] + [0.0] * 8, 1.0), ([2.0, 1.0, 1.0] + [0.0] * 6, 1.5)):
        matrix = left[:, :9] * np.array(singular) @ right
        assert stable_rank(matrix) == pytest.approx(rank, rel=1e-6)
        assert stable_rank(1e-200 * matrix) == pytest.approx(rank, rel=1e-6)
    assert math.isnan(stable_rank(np.zeros((4, 4))))


def test_logit_deviation_is_that_of_drawn_inputs() -> None:
    """Logits of normal inputs under two heads have the deviation that the formula gives, scales of the norm included."""
    draw = np.random.default_rng(1)
    query, key, scale = draw.normal(size=(8, 6)), draw.normal(size=(8, 6)), draw.uniform(0.5, 2.0, 6)
    ones, others = draw.normal(size=(200_000, 6)) * scale, draw.normal(size=(200_000, 6)) * scale
    heads = [np.sum((ones @ query[part].T) * (others @ key[part].T), axis=1) / math.sqrt(4) for part in (slice(0, 4), slice(4, 8))]
    seen = math.sqrt(np.mean([np.var(logits) for logits in heads]))
    assert logit_deviation(query, key, scale) == pytest.approx(seen, rel=0.5)
    assert logit_deviation(query.T, key.T, None) == pytest.approx(np.linalg.norm(query @ key.T) / math.sqrt(6), rel=1e-9)
    cross = (query * scale).T @ (key * scale)
    assert logit_deviation(query, key, scale) == pytest.approx(np.linalg.norm(cross) / math.sqrt(8), rel=1e-9)


def test_a_matrix_that_fell_to_one_direction(lab: Any) -> None:
    """Of two hidden matrices the one that was made rank one is the lowest, and its share of what it was is told."""
    model = lab.mlp(32, 32)
    before = lab.snapshot(model, None, 0)
    with torch.no_grad():
        model[2].weight.copy_(torch.outer(torch.arange(1.0, 33.0), torch.ones(32)))
    found = measured([before, lab.snapshot(model, None, 10)])
    assert number(found, "weights.stable_rank").value == pytest.approx(1)
    assert min(number(found, "weights.stable_rank").items, key=number(found, "weights.stable_rank").items.__getitem__) == "2.weight"
    assert number(found, "weights.stable_rank_kept").value < 0.3
    assert isinstance(measured([before])["weights.stable_rank"], Missing)


class Block(torch.nn.Module):
    """A norm, and queries, keys and values in one matrix or in three."""

    def __init__(self, packed: bool) -> None:
        super().__init__()
        self.ln = torch.nn.LayerNorm(16)
        if packed:
            self.qkv = torch.nn.Linear(16, 48)
        else:
            self.q_proj, self.k_proj, self.v_proj = torch.nn.Linear(16, 16), torch.nn.Linear(16, 16), torch.nn.Linear(16, 16)
        self.out = torch.nn.Linear(16, 16)


@pytest.mark.parametrize("packed", [True, False])
def test_logits_grow_with_the_square_of_the_matrices(lab: Any, packed: bool) -> None:
    """Queries and keys ten times larger make logits a hundred times larger, and norms four times larger sixteen times more."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(Block(packed), torch.nn.Linear(16, 10))
    before = lab.snapshot(model, None, 0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "weight" in name and ("q_proj" in name or "k_proj" in name or "qkv" in name):
                weight.mul_(10)
            if "ln.weight" in name:
                weight.mul_(4)
    found = measured([before, lab.snapshot(model, None, 10)])
    assert number(found, "weights.attention").value == 1
    assert number(found, "attention.logits_growth").value == pytest.approx(1600, rel=1e-5)


def test_a_net_without_attention_has_none(lab: Any) -> None:
    """A plain net has no queries: a count of zero, so that the check does not apply."""
    assert number(measured([lab.snapshot(lab.mlp(16), None, 5)]), "weights.attention").value == 0
