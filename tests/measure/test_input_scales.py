"""The inputs' scale and the scale of hidden units by other optimizers' states and behind convolutions, on inputs that were scaled."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from postmortem.model import Measurement, Missing


def number(found: dict[str, Measurement | Missing], name: str) -> Measurement:
    """The measurement, which must be there."""
    one = found[name]
    assert isinstance(one, Measurement), one
    return one


@pytest.mark.parametrize("scale", [0.3, 1.0, 40.0])
def test_momentum_tells_the_inputs_scale(lab: Any, scale: float) -> None:
    """Squares of SGD's buffers give the inputs' root mean square within a factor of 2 where the run learns, as Adam's moments do."""
    model = lab.mlp(64, 32)
    saved = lab.train(model, torch.optim.SGD(model.parameters(), 0.02 / scale**2, momentum=0.9), inputs=lab.inputs * scale)
    assert scale / 2 < number(lab.everything(saved), "inputs.rms").value < 2 * scale


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_first_convolution_bounds_the_inputs_scale(lab: Any, scale: float) -> None:
    """A convolution's moments give a root mean square of at most 1.3 times the inputs', and large where these are off centre and large."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Unflatten(1, (1, 4, 5)), torch.nn.Conv2d(1, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(48, 10)
    )
    inputs = (lab.inputs + 1.0) * scale
    saved = lab.train(model, torch.optim.Adam(model.parameters(), 1e-3), inputs=inputs)
    actual = float(inputs.square().mean().sqrt())
    assert 0.3 * actual < number(lab.everything(saved), "inputs.rms_at_least").value < 1.3 * actual


def test_saturated_tanh_units_have_scale_one(lab: Any) -> None:
    """Units whose weights are fifty times too large give -1 or 1; healthy ones stay well below."""
    scales = {}
    for factor in (1.0, 50.0):
        model = lab.mlp(32, 32, 32, activation=torch.nn.Tanh)
        with torch.no_grad():
            for layer in (model[0], model[2], model[4]):
                layer.weight.mul_(factor)
        scales[factor] = number(lab.everything(lab.train(model, torch.optim.Adam(model.parameters(), 1e-3))), "units.hidden_rms").value
    assert scales[1.0] < 0.9
    assert scales[50.0] == pytest.approx(1.0, abs=0.05)


def test_units_that_stand_still_are_dead_without_any_state(lab: Any) -> None:
    """Where nothing but weights was kept, rows that did not change by a bit while others did are dead."""
    model = lab.mlp(32, 32)
    with torch.no_grad():
        model[0].bias[:8] = -50.0
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    saved = [lab.bare(one.step, {name: held.values for name, held in one.tensors.items()}) for one in lab.train(model, optimizer)]
    assert number(lab.everything(saved), "units.dead").items["0.weight"] == pytest.approx(0.25, abs=0.07)


def test_gradients_that_underflow_are_no_death(lab: Any) -> None:
    """In a deep net of saturated tanh units squares of gradients fall below what floats hold: such layers are left out."""
    model = lab.mlp(*(32,) * 6, activation=torch.nn.Tanh)
    with torch.no_grad():
        for layer in model:
            if isinstance(layer, torch.nn.Linear) and layer.out_features == 32:
                layer.bias.copy_(torch.randn(32, generator=torch.Generator().manual_seed(2)).sign() * 9)
    found = lab.everything(lab.train(model, torch.optim.Adam(model.parameters(), 1e-3)))["units.dead"]
    assert isinstance(found, Missing) or found.value < 0.5


def test_moments_remember_the_largest_gradient(lab: Any) -> None:
    """A gradient of 10,000 times the usual is remembered with its norm, and healthy ones with theirs."""
    norms = {}
    for factor in (1.0, 1e4):
        model = lab.mlp(32)

        def burst(step: int, model: torch.nn.Module = model, factor: float = factor) -> None:
            if step == 100:
                for each in model.parameters():
                    each.grad.mul_(factor)  # type: ignore[union-attr] # there is one

        saved = lab.train(model, torch.optim.Adam(model.parameters(), 1e-3), before_step=burst)
        norms[factor] = number(lab.everything(saved), "gradients.moment_norm").value
    assert 0.2 < norms[1.0] < 5
    assert norms[1e4] > 300


def test_equal_units_are_counted_before_training(lab: Any) -> None:
    """Of 32 + 32 hidden units those of the constant layer repeat each other; drawn weights do not."""
    model = lab.mlp(32, 32)
    torch.nn.init.constant_(model[2].weight, 0.1)
    found = number(lab.everything([lab.snapshot(model, None, 0)]), "weights.initial_duplicate_units")
    assert found.value == pytest.approx(31 / 64)
    assert found.items == {"0.weight": 0, "2.weight": pytest.approx(31 / 32)}


def test_radius_of_recurrent_weights(lab: Any) -> None:
    """An orthogonal matrix times six has radius six."""
    draw = torch.randn(64, 64, generator=torch.Generator().manual_seed(1))
    tensors = {
        "rnn.weight_ih_l0": torch.randn(64, 20),
        "rnn.weight_hh_l0": torch.linalg.qr(draw)[0] * 6,
        "rnn.bias_ih_l0": torch.zeros(64),
        "head.weight": torch.randn(10, 64),
    }
    found = number(lab.everything([lab.bare(0, tensors)]), "weights.initial_recurrent_gain")
    assert found.value == pytest.approx(6.0, rel=1e-3)


@pytest.mark.parametrize("penalty", [0.0, 10.0])
def test_a_penalty_in_the_loss_is_not_taken_for_large_inputs(lab: Any, penalty: float) -> None:
    """A penalty adds the weights to their gradients, by which units of small errors seem to have large inputs: nothing is told then."""
    model = lab.mlp(64, 32)

    def penalized(step: int) -> None:
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.grad.add_(parameter.detach(), alpha=penalty)

    found = lab.everything(lab.train(model, torch.optim.Adam(model.parameters(), 1e-3), before_step=penalized))["inputs.rms"]
    if penalty:
        assert isinstance(found, Missing)
        assert "penalty" in found.reason
    else:
        assert isinstance(found, Measurement)
        assert 0.5 < found.value / float(lab.inputs.square().mean().sqrt()) < 2


@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_decay_inside_the_gradients_is_not_taken_for_inputs(lab: Any, kind: str) -> None:
    """Where coupled weight decay outweighs what the data bring, the moments tell of the weights, and the inputs' scale is not told."""
    for decay in (0.0, 3.0):
        model = lab.mlp(64, 32)
        optimizer: torch.optim.Optimizer = torch.optim.Adam(model.parameters(), 1e-4, weight_decay=decay)
        if kind == "sgd":
            optimizer = torch.optim.SGD(model.parameters(), 1e-4, 0.9, weight_decay=decay)
        found = lab.everything(lab.train(model, optimizer))["inputs.rms"]
        assert isinstance(found, Missing if decay else Measurement), (decay, found)


@pytest.mark.parametrize("name", ["pos_embed", "cls_token", "encoder.pos_embedding"])
def test_learned_positions_are_not_what_the_data_enter_through(lab: Any, name: str) -> None:
    """A table that is added to the patches stands before the convolution that cuts them: the inputs are read off the convolution."""

    class Patches(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            holder = self
            *parts, last = name.split(".")
            for part in parts:
                holder.add_module(part, torch.nn.Module())
                holder = getattr(holder, part)
            holder.register_parameter(last, torch.nn.Parameter(torch.zeros(1, 5, 8)))
            self.patch_embed = torch.nn.Conv2d(1, 8, (4, 1), stride=(4, 1))
            self.norm = torch.nn.LayerNorm(8)
            self.head = torch.nn.Linear(8, 10)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            tokens = self.patch_embed(inputs.unflatten(1, (1, 4, 5))).flatten(2).transpose(1, 2) + self.get_parameter(name)
            answers: torch.Tensor = self.head((tokens + self.norm(tokens)).mean(1))
            return answers

    torch.manual_seed(0)
    model = Patches()
    inputs = (lab.inputs + 1.0) * 50
    saved = lab.train(model, torch.optim.Adam(model.parameters(), 1e-3), inputs=inputs)
    actual = float(inputs.square().mean().sqrt())
    assert 0.2 * actual < number(lab.everything(saved), "inputs.rms_at_least").value < 1.5 * actual


def test_units_that_moved_are_no_proof_of_life_without_any_state(lab: Any) -> None:
    """Where no row stood still and no optimizer is known, decay may have moved them all: nothing is said."""
    model = lab.mlp(32, 32)
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    saved = [lab.bare(one.step, {name: held.values for name, held in one.tensors.items()}) for one in lab.train(model, optimizer)]
    found = lab.everything(saved)["units.dead"]
    assert isinstance(found, Missing) and "weight decay" in found.reason
