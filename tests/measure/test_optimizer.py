"""What the optimizer's state says: coverage, counters, gradients by depth and their agreement."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from postmortem.measure.optimizer import measure_optimizer
from postmortem.measure.tensors import pass_over
from postmortem.model import Checkpoint, Measurement, Missing


def number(found: dict[str, Measurement | Missing], name: str) -> Measurement:
    """The measurement, which must be there."""
    one = found[name]
    assert isinstance(one, Measurement), one
    return one


def lag(lab: Any, counted: dict[int, int]) -> Measurement:
    """The lag of a run whose checkpoints are at these steps and whose optimizer counted so much."""
    model = lab.mlp(8)
    saved = lab.train(model, torch.optim.Adam(model.parameters()), steps=2, every=2)[1:]
    checkpoints: list[Checkpoint] = []
    for step, count in counted.items():
        optimizer = saved[0].optimizers[0]
        steps = dict.fromkeys(optimizer.steps, count)
        checkpoints.append(replace(saved[0], source=f"{step}.pt", step=step, optimizers=(replace(optimizer, steps=steps),)))
    found = {one.name: one for one in measure_optimizer(pass_over(checkpoints), checkpoints)}
    return number(found, "optimizer.step_lag")


@pytest.mark.parametrize(
    ("counted", "word", "since"),
    [
        ({100: 100, 200: 200, 300: 300}, "none", None),
        ({100: 90, 200: 190, 300: 290}, "none", None),
        ({200: 200, 300: 300, 400: 100, 700: 400}, "restart", 300),
        ({400: 100, 500: 200, 700: 400}, "constant", 300),
        ({100: 25, 200: 50, 300: 75}, "proportional", None),
        ({100: 60, 200: 100, 300: 120}, "growing", None),
        ({700: 400}, "one checkpoint", None),
    ],
)
def test_gap_of_the_counter_has_a_shape(lab: Any, counted: dict[int, int], word: str, since: int | None) -> None:
    """Restart, accumulation and skipped updates leave different gaps; ten skips of a gradient scaler are none."""
    found = lag(lab, counted)
    assert (found.text, found.first_step) == (word, since)


def test_another_optimizer_of_other_parameters_counts_anew(lab: Any) -> None:
    """A head that was trained first, and then the whole with a new optimizer: no state could have been carried over."""
    model = lab.mlp(8)
    saved = lab.train(model, torch.optim.Adam(model.parameters()), steps=2, every=2)[1]
    whole = saved.optimizers[0]
    few = set(list(whole.steps)[-2:])
    head = replace(whole, slots={name: slot for name, slot in whole.slots.items() if name in few})
    stages = ((200, head, 200), (300, head, 300), (400, whole, 100), (700, whole, 400))
    checkpoints = [
        replace(saved, source=f"{step}.pt", step=step, optimizers=(replace(one, steps=dict.fromkeys(one.slots, count)),))
        for step, one, count in stages
    ]
    found = {one.name: one for one in measure_optimizer(pass_over(checkpoints), checkpoints)}
    assert number(found, "optimizer.step_lag").text == "replaced"


def test_step_from_the_counter_is_no_lag(lab: Any) -> None:
    """A checkpoint whose step is the optimizer's own cannot lag behind it."""
    model = lab.mlp(8)
    saved = lab.train(model, torch.optim.Adam(model.parameters()), steps=4, every=2)
    own = [replace(checkpoint, step_basis="the optimizer's step") for checkpoint in saved[1:]]
    assert isinstance(lab.everything(own)["optimizer.step_lag"], Missing)


def test_infinite_moments_are_found_beside_finite_weights(lab: Any) -> None:
    """A second moment that overflowed counts while the weights are still sound."""
    model = lab.mlp(8)
    adam = torch.optim.Adam(model.parameters())
    saved = lab.train(model, adam, steps=10, every=5)
    adam.state[model[0].weight]["exp_avg_sq"][0, 0] = torch.inf
    found = lab.everything([*saved, lab.snapshot(model, adam, 15)])
    assert number(found, "optimizer.nonfinite").value == 1
    assert number(found, "optimizer.nonfinite").first_step == 15
    assert number(found, "weights.nonfinite").value == 0


def test_gradients_vanish_through_sigmoids_and_not_through_relus(lab: Any) -> None:
    """Eight layers of sigmoid lose more than 0.3 decades a layer; He's initialization with ReLU loses next to nothing."""
    sick = lab.mlp(*[24] * 8, activation=torch.nn.Sigmoid)
    healthy = lab.mlp(*[24] * 8)
    for layer in healthy:
        if isinstance(layer, torch.nn.Linear):
            torch.nn.init.kaiming_normal_(layer.weight)
    slopes = []
    for model in (sick, healthy):
        found = lab.everything(lab.train(model, torch.optim.Adam(model.parameters(), 1e-3), steps=50))
        slopes.append((number(found, "gradients.depth_slope").value, number(found, "gradients.first_to_last").value))
    assert slopes[0][0] > 0.5
    assert slopes[0][1] < 1e-3
    assert abs(slopes[1][0]) < 0.2
    assert slopes[1][1] > 0.1


def test_frozen_first_layers_are_not_vanishing_gradients(lab: Any) -> None:
    """Layers without a gradient at all are left out of the slope."""
    model = lab.mlp(*[24] * 7)
    for parameter in list(model.parameters())[:4]:
        parameter.requires_grad_(False)
    found = lab.everything(lab.train(model, torch.optim.Adam(model.parameters(), 1e-3), steps=50))
    assert "0.weight" not in number(found, "gradients.depth_slope").items
    assert number(found, "gradients.first_to_last").value > 1e-2


def test_agreement_of_gradients_tells_a_rate_that_is_too_low(lab: Any) -> None:
    """Pure noise gives 0.18; a rate that moves nothing leaves gradients agreeing, a healthy twin at its end does not."""
    agreement = []
    for rate in (1e-6, 3e-3):
        model = lab.mlp(32, 32)
        found = lab.everything(lab.train(model, torch.optim.Adam(model.parameters(), rate), steps=200, every=200))
        agreement.append(number(found, "gradients.snr").value)
    assert agreement[0] > 0.35 > agreement[1]


def test_epsilon_holds_tiny_gradients_back(lab: Any) -> None:
    """A loss divided by a million puts most gradients below epsilon."""
    model = lab.mlp(16)

    def shrink(step: int) -> None:
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter.grad *= 1e-8

    sick = lab.everything(lab.train(model, torch.optim.Adam(model.parameters(), 1e-3), before_step=shrink))
    assert number(sick, "optimizer.epsilon_share").value > 0.9
    model = lab.mlp(16)
    healthy = lab.everything(lab.train(model, torch.optim.Adam(model.parameters(), 1e-3)))
    assert number(healthy, "optimizer.epsilon_share").value < 0.1
