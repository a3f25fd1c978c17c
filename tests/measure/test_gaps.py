"""Why checkpoints do not tell a measure: told from real trainings that differ in nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from postmortem.measure.gaps import moments_gap, movement_gap, no_gradient
from postmortem.measure.tensors import pass_over
from postmortem.measure.view import View, view_of
from postmortem.model import Checkpoint


def _view(checkpoints: list[Checkpoint]) -> View:
    return view_of(pass_over(checkpoints), checkpoints)


def _steps(lab: Any, kind: Callable[..., torch.optim.Optimizer], steps: int, keep: bool = True, **options: float) -> list[Checkpoint]:
    """Checkpoints at step 0, 5 and 10 of a net that makes `steps` of the optimizer's steps before each of the last two."""
    torch.set_num_threads(1)
    model = lab.mlp(16, 16)
    optimizer = kind(model.parameters(), lr=0.01, **options)
    saved = [lab.snapshot(model, optimizer if keep else None, 0)]
    for at in (5, 10):
        for _ in range(steps):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(lab.inputs), lab.labels).backward()
            optimizer.step()
        saved.append(lab.snapshot(model, optimizer if keep else None, at))
    return saved


def test_what_sgd_never_keeps_is_no_gap_in_the_logs(lab: Any) -> None:
    """SGD's question does not arise and nothing is to be logged; without any optimizer's state it stays open and is asked for."""
    never = moments_gap("a", _view(_steps(lab, torch.optim.SGD, 5, momentum=0.9)), "else")
    assert (never.applies, never.log_next) == (False, "")
    assert "SGD" in never.reason
    unsaved = moments_gap("a", _view(_steps(lab, torch.optim.SGD, 5, keep=False)), "else")
    assert (unsaved.applies, unsaved.log_next) == (True, "optimizer-state")


def test_an_optimizer_that_made_no_step_is_told_so(lab: Any) -> None:
    """Adam's state stays empty where it never steps; its twin that does has a state, and the caller's reason."""
    idle = moments_gap("a", _view(_steps(lab, torch.optim.Adam, 0)), "else")
    assert (idle.applies, idle.log_next) == (False, "")
    assert "has made no step" in idle.reason
    busy = moments_gap("a", _view(_steps(lab, torch.optim.Adam, 5)), "else")
    assert (busy.applies, busy.reason) == (True, "else")


def test_a_state_that_was_left_out_when_saved_stays_a_gap(lab: Any) -> None:
    """Weights that moved were stepped, whatever the file kept: the question stays open and the state is asked for."""
    stripped = [
        replace(one, optimizers=tuple(replace(each, slots={}, steps={}) for each in one.optimizers))
        for one in _steps(lab, torch.optim.Adam, 5)
    ]
    found = moments_gap("a", _view(stripped), "else")
    assert (found.applies, found.log_next) == (True, "optimizer-state")
    assert found.reason == "the optimizer's state is empty in 2 checkpoints"
    alone = moments_gap("a", _view(stripped[-1:]), "else")
    assert (alone.applies, alone.log_next) == (True, "optimizer-state")


def test_what_an_unknown_optimizer_keeps_stays_open(lab: Any) -> None:
    """Of an optimizer that is not known nobody can say that it keeps no moments."""
    saved = [
        replace(one, optimizers=tuple(replace(each, algorithm="unknown") for each in one.optimizers))
        for one in _steps(lab, torch.optim.SGD, 5, momentum=0.9)
    ]
    found = moments_gap("a", _view(saved), "else")
    assert (found.applies, found.reason) == (True, "else")


@pytest.mark.parametrize(("steps", "applies"), [(0, False), (5, True)])
def test_weights_that_never_moved_ask_nothing_of_their_way(lab: Any, steps: int, applies: bool) -> None:
    """Where no matrix moved at all there is no way to judge; where they moved the caller's reason stands."""
    found = movement_gap("a", _view(_steps(lab, torch.optim.SGD, steps)), "else", 3)
    assert (found.applies, found.log_next) == (applies, "")


def test_too_few_checkpoints_ask_for_more(lab: Any) -> None:
    """Three files where four are needed are a gap that more files would fill."""
    found = movement_gap("a", _view(_steps(lab, torch.optim.SGD, 5)), "else", 4)
    assert (found.applies, found.log_next, found.reason) == (True, "more-checkpoints", "3 checkpoints, 4 are needed")


def test_moments_of_zero_are_no_gradients(lab: Any) -> None:
    """A net behind a loss of zero times its output has moments of zero; any other has not."""
    model = lab.mlp(16)
    optimizer = torch.optim.Adam(model.parameters())
    for _ in range(3):
        optimizer.zero_grad()
        (0.0 * model(lab.inputs)).sum().backward()
        optimizer.step()
    assert no_gradient(_view([lab.snapshot(model, optimizer, 3)]))
    assert not no_gradient(_view(_steps(lab, torch.optim.Adam, 5)))
