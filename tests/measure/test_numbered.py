"""Numbers of models are no steps: seeds and sweeps as they are saved, and trainings whose numbers must stay steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from postmortem.diagnose import judge
from postmortem.measure.numbered import without_numbers
from postmortem.measure.run import measure_run
from postmortem.model import Checkpoint, ReadOptions, RunData

IN_NAME = "number in the file name"


def models(lab: Any, numbers: Sequence[int], name: str = "mixer_{}.pt", shift: float = 0.05) -> list[Checkpoint]:
    """Trained nets of one seed each, numbered, and without their optimizers.

    Biases and scales are moved alike, as the same data move those of every training: such nets correlate a little.
    """
    found = []
    for number in numbers:
        model = lab.mlp(32, 32, seed=number)
        (last,) = lab.train(model, torch.optim.Adam(model.parameters(), 1e-3), steps=40, every=40)[-1:]
        alike = torch.linspace(-1, 1, 32) * shift * 10
        tensors = {
            key: lab.held(key, torch.as_tensor(tensor.values) + (alike if len(tensor.shape) == 1 and tensor.shape[0] == 32 else 0))
            for key, tensor in last.tensors.items()
        }
        found.append(replace(last, source=name.format(number), step=number, step_basis=IN_NAME, tensors=tensors, optimizers=()))
    return found


@pytest.mark.parametrize("shift", [0.0, 0.05])
def test_seeds_bear_no_steps(lab: Any, shift: float) -> None:
    """No two of them are nearer than draws are: whether or not their biases agree, their numbers order nothing."""
    kept, notes = without_numbers(models(lab, (0, 1, 2, 3), shift=shift))
    assert [one.step for one in kept] == [None] * 4 and {one.step_basis for one in kept} == {"unknown"}
    assert len(notes) == 1 and notes[0].startswith("numbers in the names of 4 checkpoints (mixer_0.pt") and "not for steps" in notes[0]


def test_nothing_is_judged_from_one_seed_to_the_next(lab: Any) -> None:
    """Neither how far the weights moved, nor that the first was the start, nor that layers were drawn anew."""
    run = RunData("sweep", "sweep", (), (), (), {}, tuple(models(lab, (0, 1, 2, 3))), (), (), (), ReadOptions())
    report = judge(measure_run(run))
    assert report.verdict != "failed" and not report.causes
    assert any("taken for numbers of models" in note for note in report.notes)
    assert not [check.id for check in report.checks if check.status in ("fail", "warn")]


def scaled(lab: Any, one: Checkpoint, factor: float, source: str) -> Checkpoint:
    """The same weights at another scale, under another name."""
    tensors = {key: lab.held(key, factor * torch.as_tensor(tensor.values)) for key, tensor in one.tensors.items()}  # type: ignore[attr-defined]
    return replace(one, source=source, tensors=tensors)


def test_each_folder_is_asked_for_itself(lab: Any) -> None:
    """Norms of one folder may be another's threefold, as those after more steps are."""
    one = models(lab, (0, 1, 2))
    two = [scaled(lab, each, 3, f"big/mixer_{index}.pt") for index, each in enumerate(models(lab, (4, 5, 6)))]
    kept, notes = without_numbers([*one, *(replace(each, step=index) for index, each in enumerate(two))])
    assert all(each.step is None for each in kept) and len(notes) == 2


def test_fine_tunings_beside_their_start_are_models_too(lab: Any) -> None:
    """`before_2.pt` and `after_2.pt` are kin, and bear one number: seeds are told by pairs that differ in it."""
    before = models(lab, (0, 1, 2), "before_{}.pt")
    kept, _ = without_numbers([*before, *(scaled(lab, one, 1.1, one.source.replace("before", "after")) for one in before)])
    assert all(one.step is None for one in kept)


def test_models_of_other_sizes_are_no_steps(lab: Any) -> None:
    """`net_1.pt` and `net_2.pt` of other widths are two nets."""
    nets = [lab.snapshot(lab.mlp(width), None, number) for number, width in ((1, 8), (2, 64))]
    kept, notes = without_numbers([replace(one, source=f"net_{one.step}.pt", step_basis=IN_NAME) for one in nets])
    assert [one.step for one in kept] == [None, None] and "they differ in shape" in notes[0]


@pytest.mark.parametrize(("name", "step"), [("mixer_0.pt", None), ("model_0.pt", 0), ("checkpoint_0.pt", 0), ("0.pt", 0)])
def test_a_zero_alone_is_no_start_where_a_model_is_named(lab: Any, name: str, step: int | None) -> None:
    """The first of several seeds may be the only one that was kept."""
    kept, _ = without_numbers(models(lab, (0,), name))
    assert kept[0].step == step


def test_one_that_goes_on_from_another_keeps_all_steps(lab: Any) -> None:
    """A start that was forgotten beside checkpoints that go on, and states that are called checkpoints, stay steps."""
    seeds = models(lab, (1, 2, 3))
    later = replace(seeds[-1], source="mixer_4.pt", step=4)
    assert not without_numbers([*seeds, later])[1]
    assert not without_numbers([replace(one, source=f"checkpoint_{one.step}.pt") for one in seeds])[1]
    assert not without_numbers([replace(one, step_basis="global_step in the file") for one in seeds])[1]
