"""Turned bits: found where one was turned, and nowhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from postmortem.measure.flips import measure_flips
from postmortem.measure.tensors import pass_over
from postmortem.model import Checkpoint, Measurement, Missing


def turned(lab: Any, dtype: str, value: float, bit: int) -> list[Checkpoint]:
    """Two checkpoints of weights that move a little; in the second one bit of one element is turned."""
    draw = np.random.default_rng(0)
    before = (0.05 * draw.normal(size=(40, 30))).astype(dtype)
    before[7, 3] = value
    after = (before + 1e-3 * draw.normal(size=before.shape)).astype(dtype)
    code = {"float32": np.uint32, "float16": np.uint16, "float64": np.uint64}[dtype]
    after.view(code)[7, 3] ^= code(1 << bit)
    other = draw.normal(size=(8, 40)).astype(dtype)
    return [lab.bare(100, {"fc.weight": before, "head.weight": other}), lab.bare(200, {"fc.weight": after, "head.weight": other})]


def flips(checkpoints: list[Checkpoint]) -> Measurement | Missing:
    """The one measurement."""
    found = list(measure_flips(pass_over(checkpoints), checkpoints))
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("dtype", "value", "bit"), [("float32", 0.03, 30), ("float64", 0.03, 62), ("float16", 0.03, 14), ("float32", 1.5, 30)]
)
def test_a_turned_bit_is_found_with_its_place(lab: Any, dtype: str, value: float, bit: int) -> None:
    """The element, its tensor, the step and the bit are told, where it leapt and where it is no number any more."""
    found = flips(turned(lab, dtype, value, bit))
    assert isinstance(found, Measurement)
    assert found.value == 1 and found.first_step == 200 and list(found.items) == ["fc.weight"]
    assert "fc.weight[213]" in found.text and f"bit {bit}" in found.text


def test_an_element_that_leapt_by_itself_is_no_turned_bit(lab: Any) -> None:
    """A leap to what no single bit explains is something else, and so is a tensor that grew as a whole."""
    before, after = turned(lab, "float32", 0.03, 30)
    values = np.array(after.tensors["fc.weight"].read(0, 1200)).reshape(40, 30)
    values[7, 3] = 777.7
    found = flips([before, lab.bare(200, {"fc.weight": values, "head.weight": np.ones((8, 40), np.float32)})])
    assert isinstance(found, Measurement) and found.value == 0


def test_trained_weights_have_no_turned_bits(lab: Any) -> None:
    """A healthy training shows none, and one checkpoint cannot tell."""
    model = lab.mlp(16)
    saved = lab.train(model, torch.optim.SGD(model.parameters(), 0.5), steps=40, every=10)
    found = flips(saved)
    assert isinstance(found, Measurement) and found.value == 0
    assert isinstance(flips(saved[:1]), Missing)
