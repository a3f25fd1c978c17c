"""Dates of units that were killed at a known step of a real training, and the traps in which nothing has died."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from postmortem.measure.deaths import LEAST_AGE
from postmortem.model import Measurement, Missing


def number(found: dict[str, Measurement | Missing]) -> Measurement:
    """The date, which must be there."""
    one = found["units.dead_since"]
    assert isinstance(one, Measurement), one
    return one


def killed(lab: Any, make: Callable[[Any], torch.optim.Optimizer], at: int, steps: int, units: int = 8) -> Measurement:
    """Train, push biases of the second layer far down before step `at`, and date from the last checkpoint alone."""
    model = lab.mlp(32, 32)

    def kill(step: int) -> None:
        if step == at:
            with torch.no_grad():
                model[2].bias[:units] = -50.0

    return number(lab.everything(lab.train(model, make(model.parameters()), steps=steps, every=steps, before_step=kill)[1:]))


MAKES: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "adam": lambda p: torch.optim.Adam(p, 1e-3),
    "adam of other betas": lambda p: torch.optim.Adam(p, 1e-3, betas=(0.8, 0.99), amsgrad=True),
    "adamw": lambda p: torch.optim.AdamW(p, 1e-3, weight_decay=0.1),
    "radam": lambda p: torch.optim.RAdam(p, 1e-3),
    "sgd": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9),
}


@pytest.mark.parametrize("name", MAKES)
def test_killed_units_are_dated_from_one_checkpoint(lab: Any, name: str) -> None:
    """Units killed at step 200 are dated within a dozen steps from step 400, and the interval holds the truth."""
    found = killed(lab, MAKES[name], 200, 400)
    assert set(found.items) == {"2.weight"} and "8 of 64 units" in found.basis
    # Buffers are held against those of today, whose gradients have fallen since.
    assert found.value == pytest.approx(200, abs=30 if name == "sgd" else 13) and found.first_step == round(found.value)
    low, high = (float(part) for part in found.text.split(" to "))
    assert low <= 200 <= high


def test_moments_that_have_vanished_give_a_bound(lab: Any) -> None:
    """A thousand updates after its death a unit's first moment is no normal number: the date is at most what it tells."""
    found = killed(lab, lambda p: torch.optim.Adam(p, 1e-3, betas=(0.8, 0.999)), 100, 700)
    assert found.text.startswith("at most") and 100 < float(found.text.removeprefix("at most ")) < 600
    assert 100 <= found.value < 600


def test_units_that_never_fired_are_dated_at_the_start(lab: Any) -> None:
    """Both moments are zero: they never had a gradient. Those that had one have it at step 1."""
    model = lab.mlp(32, 32)
    with torch.no_grad():
        model[2].bias[:8] = -50.0
    found = number(lab.everything(lab.train(model, MAKES["adam"](model.parameters()), steps=150, every=150)[1:]))
    assert found.items == {"2.weight": 0.0}
    assert killed(lab, MAKES["adam"], 1, 150).value == 1


@pytest.mark.parametrize("name", MAKES)
def test_a_healthy_training_has_no_dates(lab: Any, name: str) -> None:
    """Live units, busy or not, are younger than the line."""
    model = lab.mlp(32, 32)
    found = number(lab.everything(lab.train(model, MAKES[name](model.parameters()), steps=150, every=150)))
    assert found.items == {} and found.text == "none" and found.first_step is None


def test_accumulated_steps_are_counted_as_such(lab: Any) -> None:
    """Where the checkpoint counts four steps an update, the date is in its steps."""
    model = lab.mlp(32, 32)

    def kill(step: int) -> None:
        if step == 200:
            with torch.no_grad():
                model[2].bias[:8] = -50.0

    saved = lab.train(model, torch.optim.Adam(model.parameters(), 1e-3), steps=400, every=400, before_step=kill)[-1]
    assert number(lab.everything([replace(saved, step=1600)])).value == pytest.approx(800, abs=50)


@pytest.mark.parametrize("trap", ["coupled decay", "embedding", "bfloat16", "no momentum", "converged", "experts"])
def test_what_cannot_be_dated_is_not(lab: Any, trap: str) -> None:
    """Coupled decay feeds dead units, rows of embeddings wait for their token, bfloat16 does not fall, a converged model is not dead."""
    model: Any = lab.mlp(32, 32)
    if trap == "converged":
        adam = torch.optim.Adam(model.parameters(), 1e-3)

        def vanish(step: int) -> None:
            for parameter in model.parameters():
                if step > 100 and parameter.grad is not None:
                    parameter.grad *= 1e-12

        found = lab.everything(lab.train(model, adam, steps=300, every=300, before_step=vanish))["units.dead_since"]
        assert isinstance(found, Missing) and "converged" in found.reason
        return
    if trap == "embedding":
        model = torch.nn.Sequential(OrderedDict[str, torch.nn.Module](embed=torch.nn.Embedding(50, 20), rest=lab.mlp(32, 32)))
        adam = torch.optim.Adam(model.parameters(), 1e-3)
        for _ in range(LEAST_AGE + 20):
            adam.zero_grad()
            torch.nn.functional.cross_entropy(model(torch.randint(3, (32,))), torch.randint(10, (32,))).backward()
            adam.step()
        assert "embed.weight" not in number(lab.everything([lab.snapshot(model, adam, LEAST_AGE + 20)])).items
        return
    inputs, make = lab.inputs, MAKES["adam"]
    if trap == "coupled decay":
        make = lambda p: torch.optim.Adam(p, 1e-3, weight_decay=1e-2)  # noqa: E731
    if trap == "no momentum":
        make = lambda p: torch.optim.SGD(p, 1e-2)  # noqa: E731
    if trap == "bfloat16":
        model, inputs = model.bfloat16(), inputs.bfloat16()
    if trap == "experts":
        with torch.no_grad():
            model[0].bias[:8] = model[2].bias[:8] = -50.0
    saved = lab.train(model, make(model.parameters()), steps=LEAST_AGE + 20, every=LEAST_AGE + 20, inputs=inputs)[-1:]
    if trap == "experts":

        def named(table: Any) -> Any:
            return {f"experts.{name}": value for name, value in table.items()}

        optimizer = saved[0].optimizers[0]
        optimizer = replace(optimizer, group_of=named(optimizer.group_of), slots=named(optimizer.slots), steps=named(optimizer.steps))
        saved = [replace(saved[0], tensors=named(saved[0].tensors), optimizers=(optimizer,))]
    assert isinstance(lab.everything(saved)["units.dead_since"], Missing)
