"""Which checkpoints make a series, on real trainings: each situation that breaks one, and the healthy twin that must stay whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from postmortem.measure.membership import Membership, find_series
from postmortem.measure.numbered import without_numbers
from postmortem.model import Checkpoint

Saved = list[Checkpoint]


def sources(checkpoints: Sequence[Checkpoint]) -> list[str]:
    """Names of files."""
    return [one.source for one in checkpoints]


def train(lab: Any, seed: int = 0, rate: float = 1e-3, optimizer: Any = torch.optim.Adam, steps: int = 120, **settings: Any) -> Saved:
    """A net of two hidden layers, saved four times after step 0."""
    model = lab.mlp(32, 32, seed=seed)
    saved: Saved = lab.train(model, optimizer(model.parameters(), rate, **settings), steps=steps, every=steps // 4)
    return saved


def renamed(saved: Sequence[Checkpoint], pattern: str, **changes: Any) -> Saved:
    """The same under other names; `{step}` stands for the step."""
    return [replace(one, source=pattern.format(step=one.step), **changes) for one in saved]


def cast(lab: Any, one: Checkpoint, dtype: torch.dtype, source: str, step: int | None) -> Checkpoint:
    """What an export to a narrower type writes."""
    tensors = {name: lab.held(name, torch.as_tensor(tensor.values).to(dtype)) for name, tensor in one.tensors.items()}  # type: ignore[attr-defined]
    return replace(one, source=source, step=step, step_basis="file name" if step is not None else "unknown", tensors=tensors, optimizers=())


def the_note(found: Membership, name: str) -> str:
    """The one note that begins with a file's name, or names it first in brackets."""
    notes = [note for note in found.notes if note.startswith(name) or f"({name}" in note]
    assert len(notes) == 1, found.notes
    return notes[0]


@pytest.fixture(scope="module")
def first(lab: Any) -> Saved:
    """One training."""
    return train(lab)


@pytest.fixture(scope="module")
def second(lab: Any) -> Saved:
    """The same from another seed."""
    return train(lab, seed=1)


# --- two trainings in one folder ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("patterns", [("a_step{step}.pt", "b_step{step}.pt"), ("seed0/step_{step}.pt", "seed1/step_{step}.pt")])
@pytest.mark.parametrize("aligned", [True, False])
def test_two_trainings_side_by_side_are_told_apart(first: Saved, second: Saved, patterns: tuple[str, str], aligned: bool) -> None:
    """The one with more steps is the series; the other's files are named with the correlation that sets them apart."""
    mine, theirs = renamed(first, patterns[0]), renamed(second, patterns[1])[1:4]
    if not aligned:
        theirs = [replace(one, step=(one.step or 0) + 7) for one in theirs]
    found = find_series(sorted([*mine, *theirs], key=lambda one: (one.step or 0, one.source)))
    assert sources(found.series) == sources(mine)
    assert [sources(one) for one in found.trainings] == [sources(theirs)] and set(sources(found.others)) == set(sources(theirs))
    note = the_note(found, theirs[0].source)
    assert note.startswith("3 checkpoints") and "another training" in note and "correlation 0.0" in note.replace("-", "")


def test_two_trainings_of_equal_names_are_told_apart_where_their_steps_interleave(first: Saved, second: Saved) -> None:
    """A stranger between two checkpoints that go on from one another is no step of theirs."""
    stranger = replace(second[2], source="step_000070.pt", step=70)
    found = find_series(sorted([*first, stranger], key=lambda one: one.step or 0))
    assert sources(found.series) == sources(first) and sources(found.others) == ["step_000070.pt"]


def test_a_restart_from_scratch_under_the_same_names_stays_in_the_series(first: Saved, second: Saved) -> None:
    """Told steps that go on are one run: that its weights were drawn anew is what a check has to see."""
    later = [replace(one, source=f"step_{(one.step or 0) + 250:06d}.pt", step=(one.step or 0) + 250) for one in second]
    found = find_series([*first, *later])
    assert len(found.series) == 10 and not found.others


@pytest.mark.parametrize(("basis", "kept"), [("number in the file name", 1), ("global_step in the file", 4)])
def test_an_ensemble_is_no_series_where_only_a_bare_number_says_so(lab: Any, basis: str, kept: int) -> None:
    """`model_1.pt` to `model_4.pt` from four seeds are four trainings; the same with steps in the files are taken at their word."""
    models = [replace(train(lab, seed=seed, steps=40)[-1], source=f"model_{seed}.pt", step=seed, step_basis=basis) for seed in range(1, 5)]
    bare = [replace(one, optimizers=()) for one in models]
    assert len(find_series(bare).series) == kept


def test_two_fine_tunings_from_one_start_are_not_mixed(lab: Any, first: Saved) -> None:
    """Branches of one start are kin; the series keeps to one of them, and the other's files are told of."""
    branches = []
    for name, rate in (("x", 3e-4), ("y", 1e-3)):
        model = lab.mlp(32, 32)
        model.load_state_dict({key: torch.as_tensor(tensor.values) for key, tensor in first[-1].tensors.items()})  # type: ignore[attr-defined]
        saved = lab.train(model, torch.optim.Adam(model.parameters(), rate), steps=40, every=10)[1:]
        branches.append(renamed(saved, name + "_{step}.pt"))
    found = find_series([branches[0][0], branches[0][2], *branches[1]])
    assert sources(found.series) == sources(branches[1])
    assert "same step as y_10.pt" in the_note(found, "x_10.pt")


# --- healthy and sick trainings that must stay whole ----------------------------------------------------------------------


def batchnorm_net(lab: Any, rate: float, decay: float, **settings: Any) -> Saved:
    """A net whose weights turn at constant norm."""
    torch.manual_seed(0)
    sizes = ((20, 48), (48, 48))
    blocks = [part for a, b in sizes for part in (torch.nn.Linear(a, b), torch.nn.BatchNorm1d(b), torch.nn.ReLU())]
    model = torch.nn.Sequential(*blocks, torch.nn.Linear(48, 10))
    adam = torch.optim.SGD(model.parameters(), rate, weight_decay=decay, momentum=0.9)
    saved: Saved = lab.train(model, adam, steps=280, every=70, **settings)
    return saved


def cosine_to_zero(lab: Any) -> Saved:
    """A schedule that ends at zero."""
    model = lab.mlp(32, 32)
    adam = torch.optim.Adam(model.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, 120)
    saved: Saved = lab.train(model, adam, steps=120, every=30, before_step=lambda step: schedule.step() if step > 1 else None)
    return saved


def swapped_head(lab: Any) -> Saved:
    """A fine-tuning whose head is drawn anew before step 0 and grows fast."""
    model = lab.mlp(32, 32)
    lab.train(model, torch.optim.Adam(model.parameters(), 1e-3), steps=100, every=100)
    model[-1].reset_parameters()
    groups = [{"params": model[:-1].parameters(), "lr": 1e-4}, {"params": model[-1].parameters(), "lr": 1e-1}]
    saved: Saved = lab.train(model, torch.optim.Adam(groups), steps=120, every=30)
    return saved


WHOLE: dict[str, Callable[[Any], Saved]] = {
    "Adam": train,
    "Adam at 1e-2, longer": lambda lab: train(lab, rate=1e-2, steps=400),
    "Adam at 0.1": lambda lab: train(lab, rate=0.1),
    "Adam at 1, diverged": lambda lab: train(lab, rate=1.0),
    "SGD at 50, not finite": lambda lab: train(lab, rate=50.0, optimizer=torch.optim.SGD),
    "AdamW that forgets within a hundred steps": lambda lab: train(lab, rate=0.1, optimizer=torch.optim.AdamW, weight_decay=1.0),
    "collapse by weight decay": lambda lab: train(lab, rate=0.1, optimizer=torch.optim.SGD, weight_decay=0.5),
    "Adam with a huge penalty": lambda lab: train(lab, rate=1e-3, weight_decay=0.3),
    "BatchNorm": lambda lab: batchnorm_net(lab, 0.1, 5e-4),
    "BatchNorm that forgets its start": lambda lab: batchnorm_net(lab, 1.0, 1e-2),
    "cosine to zero": cosine_to_zero,
    "a head that is trained from scratch": swapped_head,
    "nothing moves": lambda lab: train(lab, rate=0.0),
}


@pytest.mark.parametrize("naming", ["step_{step}.pt", "{step}.pt", "save_{step}/model.pt"])
@pytest.mark.parametrize("name", WHOLE)
def test_one_training_is_one_series_whatever_became_of_it(lab: Any, trained: dict[str, Saved], name: str, naming: str) -> None:
    """High rates, forgetting, divergence, collapse, NaN and standstill break no series, not even where bare numbers are the steps."""
    if name not in trained:
        trained[name] = WHOLE[name](lab)
    basis = "file name" if naming.startswith("step") else "number in the file name"
    saved = renamed(trained[name], naming, step_basis=basis)
    found = find_series(saved)
    assert sources(found.series) == sources(saved) and not found.others and not found.notes
    kept, told = without_numbers([replace(one, source=f"net_{one.source}") for one in saved])
    assert [one.step for one in kept] == [one.step for one in saved] and not told


@pytest.fixture(scope="module")
def trained() -> dict[str, Saved]:
    """Trainings that several tests look at, made once."""
    return {}


# --- copies and exports ---------------------------------------------------------------------------------------------------


def test_a_best_copy_is_named_after_the_file_that_it_repeats(first: Saved) -> None:
    """Whether its step is unknown or the same, a copy is no step."""
    unknown = replace(first[3], source="best.pt", step=None, step_basis="unknown", optimizers=())
    same = replace(first[4], source="last.pt")
    found = find_series([*first, same, unknown])
    assert sources(found.series) == sources(first)
    assert f"a copy of {first[3].source}" in the_note(found, "best.pt") and "6 tensors" in the_note(found, "best.pt")
    assert f"a copy of {first[4].source}" in the_note(found, "last.pt")


def test_a_file_that_differs_in_its_head_alone_is_no_copy(first: Saved) -> None:
    """A frozen backbone is equal throughout; that does not make the file a copy."""
    other = dict(first[3].tensors)
    other["4.weight"] = first[2].tensors["4.weight"]
    found = find_series([*first, replace(first[3], source="best.pt", step=None, tensors=other)])
    assert "copy" not in the_note(found, "best.pt") and f"nearest to it is {first[3].source}" in the_note(found, "best.pt")


def test_a_last_checkpoint_newer_than_all_numbered_ones_is_a_step(first: Saved) -> None:
    """Names of copies do not make a copy: the content tells the step."""
    last = replace(first[4], source="last.ckpt")
    assert sources(find_series([*first[:4], last]).series) == [*sources(first[:4]), "last.ckpt"]
    between = replace(first[2], source="model_best.pth")
    found = find_series(sorted([*first[:2], between, *first[3:]], key=lambda one: one.step or 0))
    assert found.series[2].source == "model_best.pth"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("step", [120, None])
def test_an_exported_half_precision_copy_is_no_step(lab: Any, first: Saved, dtype: torch.dtype, step: int | None) -> None:
    """Rounding is not training, whether the export bears the step of its original or none, and though it covers fewer bytes."""
    export = cast(lab, first[4], dtype, "export.pt", step)
    found = find_series([*first[:4], export, first[4]] if step else [*first, export])
    assert sources(found.series) == sources(first)
    assert f"an exported copy of {first[4].source}" in the_note(found, "export.pt")
    assert str(dtype).removeprefix("torch.") in the_note(found, "export.pt")


def test_an_export_whose_name_bears_a_number_is_no_step(lab: Any, first: Saved) -> None:
    """`model_16.pt` may speak of bits as well as of steps; its content decides."""
    export = replace(cast(lab, first[4], torch.bfloat16, "model_16.pt", 16), step_basis="number in the file name")
    found = find_series([first[0], export, *first[1:]])
    assert sources(found.series) == sources(first) and f"an exported copy of {first[4].source}" in the_note(found, "model_16.pt")


def test_an_export_of_the_other_training_is_named_so(lab: Any, first: Saved, second: Saved) -> None:
    """What is not compared is still told for what it is."""
    theirs = renamed(second, "b_step{step}.pt")
    found = find_series([*first, *theirs[:3], cast(lab, theirs[2], torch.float16, "export.pt", None)])
    assert "an exported copy of b_step60.pt" in the_note(found, "export.pt")


def test_weights_that_moved_on_are_no_export(lab: Any, first: Saved) -> None:
    """The rounding of another step's weights is told from that of this one's."""
    export = cast(lab, first[3], torch.bfloat16, "half.pt", first[4].step)
    assert "exported" not in the_note(find_series([*first, export]), "half.pt")


def test_a_training_in_half_precision_stays_a_series(lab: Any, first: Saved) -> None:
    """Files that are all of a narrow type are steps like any others."""
    narrow = [cast(lab, one, torch.bfloat16, one.source, one.step) for one in first]
    assert sources(find_series(narrow).series) == sources(first)


def test_equal_files_of_different_steps_remain(first: Saved) -> None:
    """That nothing was updated, or the wrong object saved, rests on them."""
    equal = [replace(first[2], source=f"step_{step}.pt", step=step) for step in (100, 200, 300)]
    found = find_series(equal)
    assert len(found.series) == 3 and not found.notes


def test_a_checkpoint_of_nan_stays_where_its_step_is_known(lab: Any, first: Saved) -> None:
    """What is not finite tells nothing of kinship, and breaks nothing."""
    spoiled = replace(first[2], tensors={name: lab.held(name, np.full(tensor.shape, np.nan)) for name, tensor in first[2].tensors.items()})
    found = find_series([*first[:2], spoiled, *first[3:]])
    assert sources(found.series) == sources(first)
    found = find_series([*first, replace(spoiled, source="best.pt", step=None)])
    assert sources(found.others) == ["best.pt"] and "unknown" in the_note(found, "best.pt")


# --- steps and architectures ----------------------------------------------------------------------------------------------


def test_steps_that_stand_still_give_way_to_epochs(first: Saved) -> None:
    """A counter that is never raised would fold a training into one checkpoint."""
    stuck = [replace(one, source=f"epoch_{epoch}.pt", step=7, epoch=epoch) for epoch, one in enumerate(first)]
    found = find_series(stuck)
    assert sources(found.series) == sources(stuck) and {one.step for one in found.series} == {None}
    assert not found.others and any("is 7 in all of them" in note for note in found.notes)


def test_a_series_without_steps_is_measured_like_any_other(lab: Any, first: Saved) -> None:
    """Measures that need steps say that they are missing; none breaks."""
    assert lab.everything([replace(one, source=f"epoch_{epoch}.pt", step=7, epoch=epoch) for epoch, one in enumerate(first)])


def test_a_step_that_goes_back_gives_way_to_epochs(first: Saved) -> None:
    """A counter that a resume set back would put the later half first."""
    steps = (0, 100, 200, 50, 150)
    reset = [replace(one, source=f"epoch_{epoch}.pt", step=steps[epoch], epoch=epoch) for epoch, one in enumerate(first)]
    found = find_series(sorted(reset, key=lambda one: one.step or 0))
    assert sources(found.series) == [f"epoch_{epoch}.pt" for epoch in range(5)]
    assert any("does not rise with the epoch (1 of 4 times)" in note for note in found.notes)


def test_steps_and_epochs_that_agree_are_left_alone(first: Saved) -> None:
    """Several checkpoints within an epoch, as the Trainer saves them, keep their steps."""
    dated = [replace(one, epoch=(one.step or 0) // 50) for one in first]
    found = find_series(dated)
    assert [one.step for one in found.series] == [one.step for one in first] and not found.notes


def test_a_swapped_head_is_named_and_the_rest_compared(lab: Any, first: Saved) -> None:
    """New classes change one tensor's shape; the series goes on."""
    wider = {name: lab.held(name, np.ones((12, *t.shape[1:]))) if name.startswith("4.") else t for name, t in first[4].tensors.items()}
    found = find_series([*first[:4], replace(first[4], tensors=wider)])
    assert sources(found.series) == sources(first)
    assert len(found.notes) == 1 and "2 tensors changed shape (4.bias, 4.weight)" in found.notes[0] and "4 others are" in found.notes[0]


def test_a_foreign_file_of_unknown_step_is_told(first: Saved, second: Saved) -> None:
    """Weights from elsewhere are said to be so."""
    found = find_series([*first, replace(second[4], source="pretrained.pt", step=None)])
    assert "another training's" in the_note(found, "pretrained.pt")
