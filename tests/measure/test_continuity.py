"""Whether weights go on: layers drawn anew, ties that come undone, equal checkpoints, on real trainings and their healthy twins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from postmortem import rules
from postmortem.diagnose import run_check
from postmortem.measure.continuity import measure_continuity
from postmortem.measure.tensors import pass_over
from postmortem.model import Checkpoint, Measurement, Missing

Saved = list[Checkpoint]


def measured(checkpoints: Sequence[Checkpoint]) -> dict[str, Measurement]:
    """All measurements; none may be missing."""
    found = {one.name: one for one in measure_continuity(pass_over(checkpoints), checkpoints) if isinstance(one, Measurement)}
    assert len(found) == 7
    return found


def status(checkpoints: Sequence[Checkpoint]) -> str:
    """What the check says of them."""
    return run_check(rules.checks()["reinitialized-layers"], measured(checkpoints), {}).status


def resumed(lab: Any, lost: Sequence[str], rate: float = 3e-3) -> Saved:
    """A training that is stopped, loaded again without some of its layers, and goes on."""
    model = lab.mlp(32, 32, 32)
    saved: Saved = lab.train(model, torch.optim.Adam(model.parameters(), rate), steps=300, every=100)
    torch.manual_seed(7)
    for name in lost:
        model.get_submodule(name).reset_parameters()
    later = lab.train(model, torch.optim.Adam(model.parameters(), 1e-3), steps=100, every=50)[1:]
    return [*saved, *(replace(one, source=f"step_{300 + (one.step or 0):06d}.pt", step=300 + (one.step or 0)) for one in later)]


@pytest.mark.parametrize("lost", [("2",), ("2", "4")])
def test_layers_that_were_not_loaded_are_named_with_their_step(lab: Any, lost: tuple[str, ...]) -> None:
    """The matrices that lost what they were stand there, no others, from the first checkpoint after the resume on."""
    saved = resumed(lab, lost)
    found = measured(saved)["weights.redrawn"]
    assert list(found.items) == [f"{name}.weight" for name in lost] and found.first_step == 350
    assert found.text == "step_000300.pt" and status(saved) == "fail"


def test_a_small_head_that_was_drawn_anew_is_told_where_it_went_on_before_and_after(lab: Any) -> None:
    """A head of 64 elements is named where it keeps its direction on both sides of the break; without what follows it is not."""
    noise = np.random.default_rng(0)
    trunk, old, new = noise.standard_normal((32, 20)), noise.standard_normal((2, 32)), noise.standard_normal((2, 32))
    heads = [old, old, old, new, new]

    def files(count: int) -> Saved:
        drift = [1 + 0.01 * noise.standard_normal(trunk.shape) for _ in range(count)]
        return [
            lab.bare(100 * (at + 1), {"fc.weight": trunk * drift[at], "fc.bias": np.ones(32), "head.weight": heads[at] * (1 + 0.01 * at)})
            for at in range(count)
        ]

    found = measured(files(5))["weights.redrawn"]
    assert list(found.items) == ["head.weight"] and found.first_step == 400
    assert measured(files(3))["weights.redrawn"].value == 0


def test_a_restart_from_scratch_in_the_middle_names_every_matrix(lab: Any) -> None:
    """Where nothing goes on between two stretches that do, all was drawn anew."""
    saved = resumed(lab, ("0", "2", "4", "6"))
    found = measured(saved)["weights.redrawn"]
    assert len(found.items) == found.value >= 3 and found.first_step == 350


@pytest.mark.parametrize("rate", [1e-3, 3e-3, 3e-2])
def test_a_resume_that_loads_everything_raises_nothing(lab: Any, rate: float) -> None:
    """The twin differs in nothing but that no layer was lost."""
    saved = resumed(lab, (), rate)
    assert measured(saved)["weights.redrawn"].value == 0 and status(saved) == "pass"


def test_a_head_that_is_trained_from_scratch_at_a_high_rate_raises_nothing(lab: Any) -> None:
    """It turns anywhere within the first stretch, while the backbone goes on; that is what fine-tuning is."""
    model = lab.mlp(32, 32)
    lab.train(model, torch.optim.Adam(model.parameters(), 1e-3), steps=100, every=100)
    model[-1].reset_parameters()
    groups = [{"params": model[:-1].parameters(), "lr": 1e-5}, {"params": model[-1].parameters(), "lr": 3e-1}]
    saved = lab.train(model, torch.optim.AdamW(groups, weight_decay=0.1), steps=200, every=50)
    assert measured(saved)["weights.redrawn"].value == 0
    assert measured([replace(one, step=(one.step or 0) + 7) for one in saved])["weights.redrawn"].value == 0


def test_equal_checkpoints_are_named(lab: Any) -> None:
    """A rate of 0 leaves every bit; the first equal interval is told."""
    model = lab.mlp(16)
    saved = lab.train(model, torch.optim.Adam(model.parameters(), 0.0), steps=20, every=10)
    found = measured(saved)["checkpoints.equal"]
    assert found.value == 2 and found.first_step == 10 and "step_000010.pt = step_000000.pt" in found.items
    moving = lab.train(model, torch.optim.Adam(model.parameters(), 1e-3), steps=20, every=10)
    assert measured(moving)["checkpoints.equal"].value == 0


class Tied(torch.nn.Module):
    """A bag of words whose head is its table."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(30, 20)
        self.head = torch.nn.Linear(20, 30, bias=False)
        self.head.weight = self.embed.weight


def stepped(lab: Any, model: Tied, steps: Sequence[int]) -> Saved:
    """A few steps of SGD on the product of table and head."""
    sgd = torch.optim.SGD(model.parameters(), 0.05)
    saved = []
    for step in steps:
        for _ in range(5):
            sgd.zero_grad()
            torch.nn.functional.cross_entropy(model.head(model.embed(torch.arange(30))), torch.arange(30).roll(1)).backward()
            sgd.step()
        saved.append(lab.snapshot(model, None, step))
    return saved


def test_a_tie_is_seen_and_where_it_comes_undone(lab: Any) -> None:
    """Table and head are one until a resume loads them into two."""
    torch.manual_seed(0)
    model = Tied()
    saved = stepped(lab, model, (10, 20, 30))
    found = measured(saved)
    assert found["weights.tied"].value == 1 and found["weights.tied"].text == "head.weight = embed.weight"
    assert found["weights.tie_split"].value == 0
    model.head.weight = torch.nn.Parameter(model.embed.weight.detach().clone())
    found = measured([*saved, *stepped(lab, model, (40, 50))])
    assert found["weights.tie_split"].value == 1 and found["weights.tie_split"].first_step == 40
    assert "until step 30" in found["weights.tie_split"].text


def test_layers_that_are_copies_at_the_start_are_no_tie(lab: Any) -> None:
    """torch's encoder copies its first layer; training parts them, as it should."""
    torch.manual_seed(0)
    encoder = torch.nn.TransformerEncoder(torch.nn.TransformerEncoderLayer(16, 2, 16, batch_first=True), 2, enable_nested_tensor=False)
    sgd = torch.optim.SGD(encoder.parameters(), 0.1)
    saved = [lab.snapshot(encoder, None, 0)]
    for step in (1, 2):
        sgd.zero_grad()
        encoder(torch.randn(4, 5, 16)).square().mean().backward()
        sgd.step()
        saved.append(lab.snapshot(encoder, None, step))
    found = measured(saved)
    assert found["weights.tied"].value == found["weights.tie_split"].value == 0


def test_a_change_of_type_along_the_series_is_told(lab: Any) -> None:
    """Differences across it are of rounding."""
    model = lab.mlp(16)
    saved = [lab.snapshot(model, None, 1), lab.snapshot(model.to(torch.bfloat16), None, 2)]
    found = measured(saved)["checkpoints.types"]
    assert found.value == 1 and found.first_step == 2 and found.text == "float32 -> bfloat16"


@pytest.mark.parametrize(("lost", "expected"), [(("4",), "warn"), (("2", "4"), "warn"), (("2",), "fail")])
def test_the_end_of_a_net_may_be_drawn_anew_on_purpose(lab: Any, lost: tuple[str, ...], expected: str) -> None:
    """A swapped head, and all that leads to it alone, only warns; a layer with others behind it fails."""
    model = lab.mlp(32, 32)
    saved: Saved = lab.train(model, torch.optim.Adam(model.parameters(), 3e-3), steps=300, every=100)
    for name in lost:
        model.get_submodule(name).reset_parameters()
    later = lab.train(model, torch.optim.Adam(model.parameters(), 1e-3), steps=100, every=50)[1:]
    resumed_run = [*saved, *(replace(one, source=f"step_{300 + (one.step or 0):06d}.pt", step=300 + (one.step or 0)) for one in later)]
    assert status(resumed_run) == expected


def test_copies_are_told_by_the_content_of_every_tensor(lab: Any) -> None:
    """A file that repeats a step is one, in the series or beside it; one bit in one bias makes another checkpoint of it."""
    model = lab.mlp(16)
    saved: Saved = lab.train(model, torch.optim.SGD(model.parameters(), 0.1), steps=20, every=10)
    best = replace(saved[1], source="best.pt", step=None)
    with torch.no_grad():
        next(parameter for parameter in model.parameters() if parameter.ndim == 1)[0] += 1e-3
    near = replace(lab.snapshot(model, None, 20), source="near.pt", step=None)
    found = measured([*saved, best, near])["checkpoints.copies"]
    assert found.value == 1 and list(found.items) == [f"best.pt = {saved[1].source}"]


def test_one_checkpoint_tells_nothing(lab: Any) -> None:
    """Going on takes two."""
    checkpoint = lab.snapshot(lab.mlp(16), None, 0)
    assert all(isinstance(one, Missing) for one in measure_continuity(pass_over([checkpoint]), [checkpoint]))
