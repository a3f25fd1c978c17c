"""Doublings, positions, experts, late heads and names of checkpoints, each on weights made for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from postmortem.measure.tensors import pass_over
from postmortem.measure.weight_states import measure_weight_states, step_disagreement, streak
from postmortem.model import Checkpoint, Measurement, Missing


def measured(checkpoints: list[Checkpoint]) -> dict[str, Measurement | Missing]:
    """What these checkpoints tell."""
    return {one.name: one for one in measure_weight_states(pass_over(checkpoints), checkpoints)}


def number(found: dict[str, Measurement | Missing], name: str) -> Measurement:
    """The measurement, which must be there."""
    one = found[name]
    assert isinstance(one, Measurement), one
    return one


def noise(seed: int, *shape: int) -> Any:
    """Normal numbers of float32."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_streak_counts_doublings_at_the_end() -> None:
    """Only intervals up to the end count, and a single one that did not double ends them."""
    assert streak([1, 2, 4, 8]) == 3
    assert streak([1, 2, 3, 6]) == 1
    assert streak([1, 2, 4, 5]) == 0
    assert streak([0, 1, 2]) == 1


def test_doublings_of_a_hidden_matrix(lab: Any) -> None:
    """A matrix that doubles over four intervals has a streak of four; one that is followed by a norm does not count."""
    first, second, head = noise(0, 16, 16), noise(1, 16, 16), noise(2, 10, 16)

    def row(step: int, scale: float) -> Checkpoint:
        found: Checkpoint = lab.bare(
            step,
            {
                "fc1.weight": scale * first,
                "fc1.bias": np.zeros(16, np.float32),
                "fc2.weight": scale * second,
                "fc2.bias": np.zeros(16, np.float32),
                "norm.weight": np.ones(16, np.float32),
                "norm.bias": np.zeros(16, np.float32),
                "head.weight": head,
            },
        )
        return found

    found = number(measured([row(100 * place, 2.0**place) for place in range(5)]), "weights.doublings")
    assert found.items == {"fc1.weight": 4.0} and found.first_step == 0
    assert isinstance(measured([row(0, 1.0), row(100, 2.0)])["weights.doublings"], Missing)


def test_positions_are_compared_with_matrices(lab: Any) -> None:
    """A table of a hundred times the norm, moved by the same updates, moved a hundredth as far."""
    table, matrix, head = noise(0, 32, 16), noise(1, 32, 16), noise(2, 10, 32)
    moves = [noise(seed, 32, 16) for seed in (3, 4)]
    before = {"wpe.weight": 100 * table, "fc.weight": matrix, "fc.bias": np.zeros(32, np.float32), "head.weight": head}
    after = {**before, "wpe.weight": 100 * table + 0.01 * moves[0], "fc.weight": matrix + 0.01 * moves[1], "head.weight": 1.01 * head}
    found = number(measured([lab.bare(0, before), lab.bare(100, after)]), "weights.positions")
    assert found.value == pytest.approx(0.01, rel=0.1) and list(found.items) == ["wpe.weight"]


def test_experts_that_stood_still_are_starved(lab: Any) -> None:
    """Of four experts two did not move: half of the layer."""
    before = {f"h.0.experts.{index}.fc.weight": noise(index, 16, 16) for index in range(4)} | {"head.weight": noise(9, 10, 16)}
    after = dict(before)
    for index in (0, 2):
        after[f"h.0.experts.{index}.fc.weight"] = before[f"h.0.experts.{index}.fc.weight"] + 0.1 * noise(20 + index, 16, 16)
    found = number(measured([lab.bare(0, before), lab.bare(100, after)]), "experts.starved")
    assert found.items == {"h.0.experts": pytest.approx(0.5)}


def test_late_growth_of_the_head(lab: Any) -> None:
    """The head's norm at the end over that at two thirds."""
    fc, head = noise(0, 16, 16), noise(1, 10, 16)
    rows = [lab.bare(step, {"fc.weight": fc, "head.weight": scale * head}) for step, scale in ((0, 1), (100, 1), (200, 1.5), (300, 6))]
    assert number(measured(rows), "head.late_growth").value == pytest.approx(4)


def stored(lab: Any, name: int, inside: int | None) -> Checkpoint:
    """A checkpoint with one step in its name and another in the file."""
    one: Checkpoint = lab.bare(name, {"fc.weight": noise(0, 8, 8)})
    return one if inside is None else replace(one, values={"global_step": inside})


def test_names_that_differ_from_what_is_stored(lab: Any) -> None:
    """A counter that began again is told by the file; a fixed factor, or steps that agree, are none."""
    agreed = step_disagreement([stored(lab, 100, 100), stored(lab, 200, 200)])
    assert isinstance(agreed, Measurement) and agreed.value == 0
    again = step_disagreement([stored(lab, 100, 100), stored(lab, 200, 200), stored(lab, 300, 100)])
    assert isinstance(again, Measurement) and again.items == {"step_300.pt": 200.0}
    micro = step_disagreement([stored(lab, 400, 100), stored(lab, 800, 200)])
    assert isinstance(micro, Measurement) and micro.value == 0 and micro.text == "proportional"
    assert isinstance(step_disagreement([stored(lab, 100, None)]), Missing)


def test_a_prefix_makes_other_names_of_the_same_tensors(lab: Any) -> None:
    """A checkpoint under a prefix holds the same endings and shapes; another architecture does not."""
    names = {f"layer{index}.fc{index}.weight": noise(index, 8 + index, 8) for index in range(6)}
    run = [lab.bare(step, {name: values + step for name, values in names.items()}) for step in (0, 100, 200)]
    other = replace(lab.bare(None, {f"backbone.{name}": values for name, values in names.items()}), source="pretrained.pt")
    found = number(measured([*run, other]), "checkpoints.renamed")
    assert found.value == 1 and "backbone." in found.text
    assert number(measured(run), "checkpoints.renamed").value == 0
    assert isinstance(measured(run[:1])["checkpoints.renamed"], Missing)
