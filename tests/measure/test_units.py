"""Dead units against units that were killed on purpose, and the inputs' scale against inputs that were scaled on purpose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from postmortem.measure.saturation import activated_square, mass_between
from postmortem.model import Histogram, Measurement, Missing


def number(found: dict[str, Measurement | Missing], name: str) -> Measurement:
    """The measurement, which must be there."""
    one = found[name]
    assert isinstance(one, Measurement), one
    return one


def kill(layer: torch.nn.Module, units: int) -> None:
    """Push the biases of the first units so far down that they never fire."""
    assert isinstance(layer, torch.nn.Linear)
    with torch.no_grad():
        layer.bias[:units] = -50.0


@pytest.mark.parametrize(
    ("optimizer", "settings"),
    [
        (torch.optim.Adam, {"lr": 1e-3}),
        (torch.optim.AdamW, {"lr": 1e-3, "weight_decay": 0.1}),
        (torch.optim.SGD, {"lr": 0.05}),
        (torch.optim.SGD, {"lr": 0.01, "momentum": 0.9}),
    ],
)
def test_killed_units_are_counted(lab: Any, optimizer: Any, settings: dict[str, float]) -> None:
    """A quarter of the units of a layer that never fire are proved dead under each optimizer; few others are."""
    model = lab.mlp(32, 32)
    kill(model[0], 8)
    dead = number(lab.everything(lab.train(model, optimizer(model.parameters(), **settings))), "units.dead")
    assert dead.items["0.weight"] == pytest.approx(0.25, abs=0.07)
    assert dead.items["2.weight"] < 0.15


def test_a_narrow_layer_counts_where_all_are_narrow_or_all_of_it_died(lab: Any) -> None:
    """Four of eight dead units beside a sound layer of 32 are no layer that died; where nothing is wider, or all eight died, they are."""
    both = {"0.weight", "2.weight"}
    for widths, killed, judged in (((8, 32), 4, {"2.weight"}), ((8, 9), 4, both), ((8, 32), 8, both)):
        model = lab.mlp(*widths)
        kill(model[0], killed)
        dead = number(lab.everything(lab.train(model, torch.optim.Adam(model.parameters(), 1e-3))), "units.dead")
        assert set(dead.items) == judged


def test_death_is_dated(lab: Any) -> None:
    """Units killed at step 120 had no gradient since the checkpoint at step 150, and had some before."""
    model = lab.mlp(32, 32)

    def late(step: int) -> None:
        if step == 120:
            kill(model[0], 24)

    dead = number(lab.everything(lab.train(model, torch.optim.Adam(model.parameters(), 1e-3), steps=250, before_step=late)), "units.dead")
    assert dead.items["0.weight"] == pytest.approx(0.75, abs=0.1)
    assert dead.first_step == 150


def test_wholly_dead_layer_is_the_deepest_of_those_without_gradient(lab: Any) -> None:
    """Behind a dead layer biases still get gradients: that layer is alive, the one before it is cut off with the dead one."""
    model = lab.mlp(32, 32, 32)
    kill(model[2], 32)
    torch.nn.init.constant_(model[4].bias, 0.5)
    dead = number(lab.everything(lab.train(model, torch.optim.Adam(model.parameters(), 1e-3))), "units.dead")
    assert (dead.items["0.weight"], dead.items["2.weight"]) == (1, 1)
    assert dead.items["4.weight"] < 0.2


def test_frozen_layer_is_not_dead(lab: Any) -> None:
    """Layers that the optimizer does not hold are no evidence of dead units."""
    model = lab.mlp(32, 32)
    adam = torch.optim.Adam([*model[2].parameters(), *model[4].parameters()], 1e-3)
    dead = number(lab.everything(lab.train(model, adam)), "units.dead")
    assert "0.weight" not in dead.items
    assert dead.value < 0.15


def test_coupled_decay_is_not_judged(lab: Any) -> None:
    """Adam's coupled weight decay gives dead units a gradient: nothing can be proved, and that is said."""
    model = lab.mlp(32, 32)
    found = lab.everything(lab.train(model, torch.optim.Adam(model.parameters(), 1e-3, weight_decay=1e-2)))["units.dead"]
    assert isinstance(found, Missing)
    assert "weight decay" in found.reason


def test_vanished_gradients_are_not_dead_units(lab: Any) -> None:
    """First layers whose gradients underflow behind many sigmoids are left to the check of vanishing gradients."""
    model = lab.mlp(*[16] * 24, activation=torch.nn.Sigmoid)
    found = lab.everything(lab.train(model, torch.optim.Adam(model.parameters(), 1e-3), steps=60, every=30))["units.dead"]
    assert isinstance(found, Missing) or found.value < 0.5


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (0.01, 0.0), (50.0, 0.0), (1.0, 3.0), (255 / 4, 127.0)])
def test_scale_of_the_inputs_is_read_off_adam(lab: Any, scale: float, shift: float) -> None:
    """The rms that first-layer moments give is within a factor of two of the inputs' own, whatever their scale and offset."""
    inputs = lab.inputs * scale + shift
    model = lab.mlp(32, 32)
    found = lab.everything(lab.train(model, torch.optim.Adam(model.parameters(), 1e-3), inputs=inputs))
    truth = float(inputs.pow(2).mean().sqrt())
    assert 0.5 < number(found, "inputs.rms").value / truth < 2
    assert number(found, "inputs.rms").value == number(found, "units.input_rms").items["0.weight"]


def test_one_loud_input_is_seen_in_the_spread(lab: Any) -> None:
    """An input a hundred times louder than the others stands out by about that factor, and is named."""
    inputs = lab.inputs.clone()
    inputs[:, 7] *= 100
    model = lab.mlp(32, 32)
    loud = number(lab.everything(lab.train(model, torch.optim.Adam(model.parameters(), 1e-3), inputs=inputs)), "inputs.spread")
    model = lab.mlp(32, 32)
    even = number(lab.everything(lab.train(model, torch.optim.Adam(model.parameters(), 1e-3))), "inputs.spread")
    assert 50 < loud.value < 250
    assert next(iter(loud.items)) == "input 7"
    assert even.value < 3


def test_bias_before_a_normalization_tells_no_scale(lab: Any) -> None:
    """Its gradient is zero but for rounding, so the layer is left out instead of giving an absurd number."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(20, 32), torch.nn.BatchNorm1d(32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    found = lab.everything(lab.train(model, torch.optim.Adam(model.parameters(), 1e-3)))
    assert isinstance(found["inputs.rms"], Missing)
    assert list(number(found, "units.input_rms").items) == ["3.weight"]


def histogram(tag: str, values: Any, buckets: int = 200) -> Histogram:
    """A histogram of these values at two steps."""
    counts, edges = np.histogram(values, bins=buckets)
    limits, heights = edges[1:].astype(np.float64), counts.astype(np.float64)
    low, high = float(np.min(values)), float(np.max(values))
    return Histogram(tag, "", (0, 100), (limits, limits), (heights, heights), (low, low), (high, high), "events")


def test_saturation_is_the_mass_at_the_ends(lab: Any) -> None:
    """tanh of pre-activations of rms 8 and 0.5, and what is no hidden activation."""
    z = np.random.default_rng(0).normal(size=100_000)
    found = lab.everything(
        [],
        [
            histogram("activations/tanh1", np.tanh(8 * z)),
            histogram("activations/tanh2", np.tanh(0.5 * z)),
            histogram("gate/activation", np.tanh(8 * z)),
            histogram("activations/gelu1", np.maximum(z, -0.1)),
        ],
    )
    saturated = number(found, "units.saturated")
    assert set(saturated.items) == {"activations/tanh1", "activations/tanh2"}
    assert saturated.items["activations/tanh1"] == pytest.approx(np.mean(np.abs(np.tanh(8 * z)) > 0.95), abs=0.01)
    assert saturated.items["activations/tanh2"] < 0.01
    assert saturated.first_step == 0


def test_mass_of_a_flat_histogram_is_a_length() -> None:
    """Values spread evenly over [-1, 1] have 0.95 of their mass within 0.95."""
    limits = np.linspace(-0.9, 1, 20)
    assert mass_between(limits, np.ones(20), -1.0, 1.0, -0.95, 0.95) == pytest.approx(0.95)


def test_zero_activations_need_a_bucket_of_exact_zeros(lab: Any) -> None:
    """TensorBoard's own buckets begin at 1e-12: what lies in the first is zero."""
    limits = np.array([1e-12, 0.1, 1.0])
    counts = np.array([97.0, 2.0, 1.0])
    tag = Histogram("activations/relu1", "", (5,), (limits,), (counts,), (0.0,), (1.0,), "events")
    assert number(lab.everything([], [tag]), "units.zero_activation").value == pytest.approx(0.97)


def test_predicted_preactivations_follow_the_weights(lab: Any) -> None:
    """Weights of gain g on inputs of rms 1 give pre-activations of rms g in the first layer, and tanh's square is its quadrature."""
    model = lab.mlp(256, 256, activation=torch.nn.Tanh)
    for layer in model:
        if isinstance(layer, torch.nn.Linear):
            torch.nn.init.normal_(layer.weight, 0, 6 * layer.in_features**-0.5)
            torch.nn.init.zeros_(layer.bias)
    found = number(lab.everything([lab.snapshot(model, None, 0)], activation="tanh"), "units.preactivation_rms")
    assert found.items["0.weight"] == pytest.approx(6, rel=0.05)
    draw = np.tanh(6 * np.random.default_rng(0).normal(size=200_000))
    assert found.items["2.weight"] == pytest.approx(6 * np.sqrt(np.mean(draw**2)), rel=0.05)
    assert activated_square(1e-3, "tanh") == pytest.approx(1e-6, rel=1e-3)
    assert activated_square(1e-3, "sigmoid") == pytest.approx(0.25, rel=1e-3)
