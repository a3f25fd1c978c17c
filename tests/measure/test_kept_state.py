"""Optimizers that were saved without what they keep for each parameter, and what is said of state that is not there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from postmortem import rules
from postmortem.diagnose import run_check
from postmortem.measure.kept_state import keeps_state, true_advice, why_no_squares, why_no_state
from postmortem.model import Checkpoint, Measurement, Missing, Optimizer, Outcome


def outcome(lab: Any, checkpoints: list[Checkpoint], id: str = "empty-optimizer-state") -> Outcome:
    """What one check says of these checkpoints."""
    found = lab.everything(checkpoints)
    values = {name: one for name, one in found.items() if isinstance(one, Measurement)}
    missing = {name: one for name, one in found.items() if isinstance(one, Missing)}
    return run_check(rules.checks()[id], values, missing)


def trained(lab: Any, of_a_copy: bool = False, kind: Any = torch.optim.Adam, **settings: Any) -> list[Checkpoint]:
    """A training of 60 steps; with `of_a_copy` the optimizer holds the parameters of another model of the same shape."""
    model = lab.mlp(16)
    held = lab.mlp(16, seed=1) if of_a_copy else model
    saved: list[Checkpoint] = lab.train(model, kind(held.parameters(), 1e-2, **settings), steps=60, every=30)
    return saved


def stripped(checkpoints: list[Checkpoint]) -> list[Checkpoint]:
    """The same files as a program would write them that leaves the state out and keeps the groups."""
    bare = [tuple(replace(one, slots={}, steps={}) for one in checkpoint.optimizers) for checkpoint in checkpoints]
    return [replace(checkpoint, optimizers=optimizers) for checkpoint, optimizers in zip(checkpoints, bare, strict=True)]


@pytest.mark.parametrize("settings", [{}, {"kind": torch.optim.SGD, "momentum": 0.9}, {"kind": torch.optim.RAdam}])
def test_optimizer_of_a_copy_fails_and_its_twin_passes(lab: Any, settings: dict[str, Any]) -> None:
    """An optimizer that holds stale parameters keeps its state empty while weights stand still; that of the model itself fills it."""
    sick = outcome(lab, trained(lab, of_a_copy=True, **settings))
    assert (sick.status, sick.finding.value) == ("fail", 4)
    assert outcome(lab, trained(lab, **settings)).status == "pass"


def test_state_that_was_stripped_is_not_held_against_weights_that_moved(lab: Any) -> None:
    """A program that saves groups without state is told so; of one such file alone nobody knows."""
    files = stripped(trained(lab))
    both = outcome(lab, files)
    assert both.status == "pass" and "left out when it was saved" in both.finding.reason
    assert outcome(lab, files[-1:]).status == "warn"


def test_optimizer_before_its_first_step_is_not_judged(lab: Any) -> None:
    """At step 0 every state is empty."""
    assert outcome(lab, trained(lab)[:1]).status == "not-checked"


def test_plain_sgd_keeps_no_state(lab: Any) -> None:
    """Without momentum there is nothing to keep, and nobody is told to save it."""
    found = outcome(lab, trained(lab, kind=torch.optim.SGD))
    assert (found.status, found.finding.reason, found.log_next) == ("not-applicable", "SGD without momentum keeps no state", ())


def test_second_of_two_optimizers_that_never_stepped(lab: Any) -> None:
    """Of two optimizers, one over the body that works and one over the head that never stepped, the second is found, and where it is."""
    model = lab.mlp(16)
    body = list(model[0].parameters())
    files = lab.train(model, torch.optim.Adam(body, 1e-2), steps=60, every=30)
    head = Optimizer("opt_head", "adam", ({"lr": 1e-3, "betas": (0.9, 0.999)},), {"2.weight": 0, "2.bias": 0}, {}, {}, "by name")
    files = [replace(one, optimizers=(replace(one.optimizers[0], group_of={"0.weight": 0, "0.bias": 0}), head)) for one in files]
    found = outcome(lab, files)
    assert (found.status, found.finding.where) == ("fail", ("2.weight", "2.bias"))


@pytest.mark.parametrize(
    ("algorithm", "group", "keeps"),
    [
        ("adam", {"betas": (0.9, 0.999)}, True),
        ("adagrad", {}, True),
        ("sgd", {"momentum": 0.9}, True),
        ("sgd", {"momentum": 0}, False),
        ("sgd", {}, False),
        ("sgd", {"betas": (0.9, 0.0)}, True),
        ("unknown", {"betas": (0.9, 0.999)}, True),
        ("unknown", {"lr": 0.1}, False),
    ],
)
def test_settings_tell_who_keeps_state(algorithm: Any, group: dict[str, Any], keeps: bool) -> None:
    """All but plain SGD keep something; of an unknown optimizer only betas or a momentum say so."""
    assert keeps_state(Optimizer("optimizer", algorithm, (group,), {"a": 0}, {}, {}, "by name"), group) is keeps


def test_reasons_tell_no_optimizer_from_an_empty_one(lab: Any) -> None:
    """What is missing is said as it is: no optimizer was saved, its state is empty, or the algorithm keeps nothing of the kind."""
    files = trained(lab)
    none = {one.source: replace(one, optimizers=()) for one in files}
    empty = {one.source: one for one in stripped(files)}
    momentum = {one.source: one for one in trained(lab, kind=torch.optim.SGD, momentum=0.9)}
    assert why_no_state(none).reason == "no checkpoint holds the optimizer's state"
    assert why_no_state(empty).reason == "Adam was saved, and its state is empty"
    assert why_no_squares(momentum, "").reason == "SGD keeps no squares of gradients"
    assert (why_no_state(none).applies, why_no_state(empty).applies, why_no_squares(momentum, "").applies) == (True, True, False)


def test_advice_asks_for_no_state_that_was_saved(lab: Any) -> None:
    """What a whole state does not tell is not had by saving it; an empty one of weights that stood still wants steps."""
    gaps = [Missing("a", "not told", "optimizer-state"), Missing("b", "not logged", "checkpoint")]
    files = trained(lab)
    bare = [replace(one, groups=()) for one in files[-1].optimizers]

    def asked(checkpoints: list[Checkpoint], moved: float | None = 1.0) -> list[str]:
        movement = None if moved is None else Measurement("updates.moved", moved, "share", "")
        return [gap.log_next for gap in true_advice(gaps, checkpoints, movement)]

    assert asked(files) == ["", "checkpoint"]
    assert asked(stripped(files), 0.0) == ["stepped-optimizer", "checkpoint"]
    for moved in (None, 0.5, 1.0):
        assert asked(stripped(files), moved) == ["optimizer-state", "checkpoint"]
    assert asked([replace(one, optimizers=()) for one in files]) == ["optimizer-state", "checkpoint"]
    assert asked([replace(files[-1], optimizers=tuple(bare))]) == ["optimizer-state", "checkpoint"]


@pytest.mark.parametrize("id", ["epsilon-bound-updates", "coherent-gradients", "odd-optimizer-settings"])
def test_nobody_is_told_to_save_what_sgd_does_not_keep(lab: Any, id: str) -> None:
    """A run under SGD that saved its momentum has no moments of Adam to look at."""
    found = outcome(lab, trained(lab, kind=torch.optim.SGD, momentum=0.9), id)
    assert (found.status, found.log_next) == ("not-applicable", ())
    assert outcome(lab, trained(lab), id).status == "pass"
