"""The checks about weights on real trainings: a fault that was put in raises its alarm, the twin without it raises none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from postmortem import rules
from postmortem.diagnose import run_check
from postmortem.model import Checkpoint, Measurement, Missing, Status

FAMILIES = ("weights", "updates", "units", "gradients")
Run = Callable[[Any], list[Checkpoint]]


def statuses(found: dict[str, Measurement | Missing]) -> dict[str, Status]:
    """What every check about weights, updates, units and gradients says."""
    values = {name: one for name, one in found.items() if isinstance(one, Measurement)}
    missing = {name: one for name, one in found.items() if isinstance(one, Missing)}
    outcomes = {check.id: run_check(check, values, missing) for check in rules.checks().values() if check.family in FAMILIES}
    assert not [outcome.error for outcome in outcomes.values() if outcome.error]
    return {id: outcome.status for id, outcome in outcomes.items()}


def usual(lab: Any, rate: float = 1e-3, optimizer: Any = torch.optim.Adam, **settings: Any) -> list[Checkpoint]:
    """A net of two hidden layers under Adam."""
    model = lab.mlp(32, 32)
    saved: list[Checkpoint] = lab.train(model, optimizer(model.parameters(), rate, **settings), steps=300, every=100)
    return saved


def changed(lab: Any, change: Callable[[torch.nn.Sequential], object], rate: float = 1e-3) -> list[Checkpoint]:
    """The same after a change of the model before training."""
    model = lab.mlp(32, 32)
    with torch.no_grad():
        change(model)
    saved: list[Checkpoint] = lab.train(model, torch.optim.AdamW(model.parameters(), rate, weight_decay=0.1), steps=300, every=100)
    return saved


def every_parameter(act: Callable[[torch.Tensor], object]) -> Callable[[torch.nn.Sequential], object]:
    """A change of all parameters."""
    return lambda model: [act(parameter) for parameter in model.parameters()]


def only_head(lab: Any) -> list[Checkpoint]:
    """The optimizer is given the head alone."""
    model = lab.mlp(32, 32)
    saved: list[Checkpoint] = lab.train(model, torch.optim.Adam(model[-1].parameters(), 1e-3), steps=300, every=100)
    return saved


def other_copy(lab: Any) -> list[Checkpoint]:
    """The optimizer is given another model."""
    model = lab.mlp(32, 32)
    saved: list[Checkpoint] = lab.train(model, torch.optim.Adam(lab.mlp(32, 32).parameters(), 1e-3), steps=300, every=100)
    return saved


SICK: dict[str, tuple[Run, set[str]]] = {
    "zero weights": (lambda lab: changed(lab, every_parameter(torch.nn.init.zeros_)), {"identical-units"}),
    "twelve times the weights": (
        lambda lab: changed(lab, every_parameter(lambda values: values.mul_(12))),
        {"large-initial-weights"},
    ),
    "a fiftieth of the weights": (
        lambda lab: changed(lab, every_parameter(lambda values: values.div_(50))),
        {"small-initial-weights"},
    ),
    "biases of -50": (
        lambda lab: changed(lab, lambda model: torch.nn.init.constant_(model.get_parameter("2.bias"), -50)),
        {"silent-units", "decay-only-layers"},
    ),
    "a rate of 1e-7": (lambda lab: usual(lab, 1e-7), {"small-updates", "straight-displacement"}),
    "plain SGD at 1e-6": (lambda lab: usual(lab, 1e-6, torch.optim.SGD), {"small-updates"}),
    "SGD at 1.2 with momentum": (lambda lab: usual(lab, 1.2, torch.optim.SGD, momentum=0.9), {"large-updates", "growing-weights"}),
    "the optimizer holds the head alone": (only_head, {"unmoved-layers"}),
    "the optimizer holds another model": (other_copy, {"unmoved-weights"}),
}
HEALTHY: dict[str, Run] = {
    "Adam": usual,
    "AdamW": lambda lab: changed(lab, lambda model: None),
    "Adam at 1e-2": lambda lab: usual(lab, 1e-2),
    "SGD": lambda lab: usual(lab, 0.1, torch.optim.SGD),
    "SGD with momentum and decay": lambda lab: usual(lab, 0.05, torch.optim.SGD, momentum=0.9, weight_decay=5e-4),
    "a head that starts at zero": lambda lab: changed(lab, lambda model: torch.nn.init.zeros_(model.get_parameter("4.weight"))),
}


@pytest.mark.parametrize("name", SICK)
def test_fault_raises_its_alarm(lab: Any, name: str) -> None:
    """Each fault is seen by the checks that are there for it."""
    run, expected = SICK[name]
    found = statuses(lab.everything(run(lab)))
    assert {id for id in expected if found[id] not in ("fail", "warn")} == set()


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_twin_raises_none(lab: Any, name: str) -> None:
    """Not one of the checks about weights, updates, units and gradients speaks on a healthy run."""
    found = statuses(lab.everything(HEALTHY[name](lab)))
    assert [id for id, status in found.items() if status in ("fail", "warn")] == []
