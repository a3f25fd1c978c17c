"""What initial weights are said to make of a signal, against nets whose units were run on normal inputs."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from postmortem.measure.signal import measure_signal
from postmortem.measure.tensors import pass_over
from postmortem.model import Measurement, Missing


def signal(lab: Any, model: torch.nn.Module, step: int = 0, rms: float | None = None) -> dict[str, Measurement | Missing]:
    """All measurements of one checkpoint of a net."""
    checkpoints = [lab.snapshot(model, None, step)]
    return {one.name: one for one in measure_signal(pass_over(checkpoints), checkpoints, rms)}


def number(found: dict[str, Measurement | Missing], name: str) -> Measurement:
    """The measurement, which must be there."""
    one = found[name]
    assert isinstance(one, Measurement), one
    return one


def preactivations(model: torch.nn.Sequential, rms: float = 1.0) -> dict[str, torch.Tensor]:
    """What each Linear layer gives for 20,000 normal records."""
    states = torch.randn(20_000, 20, generator=torch.Generator().manual_seed(3)) * rms
    found: dict[str, torch.Tensor] = {}
    with torch.no_grad():
        for name, layer in model.named_children():
            states = layer(states)
            if isinstance(layer, torch.nn.Linear):
                found[f"{name}.weight"] = states
    return found


@pytest.mark.parametrize("rms", [1.0, 30.0])
def test_preactivations_of_tanh_are_those_of_the_net(lab: Any, rms: float) -> None:
    """The predicted rms of each layer is what the layer gives, within a tenth, whatever the inputs' scale."""
    model = lab.mlp(64, 64, activation=torch.nn.Tanh)
    with torch.no_grad():
        model[2].bias.add_(3.0)
    predicted = number(signal(lab, model, rms=rms), "signal.preactivation_rms")
    seen = preactivations(model, rms)
    for name, value in predicted.items.items():
        assert value == pytest.approx(float(seen[name].square().mean().sqrt()), rel=0.1)


def test_units_far_below_zero_are_silenced(lab: Any) -> None:
    """Units whose biases lie far below zero, and units whose weights sum to far below zero behind ReLUs, are counted; no others are."""
    model = lab.mlp(64, 64)
    with torch.no_grad():
        model[0].bias[:16] = -8.0
        model[2].weight[:32] -= 1.0
    silenced = number(signal(lab, model), "signal.silenced")
    fires = {name: float((states.amax(dim=0) <= 0).float().mean()) for name, states in preactivations(model).items()}
    assert silenced.items == {"0.weight": pytest.approx(0.25), "2.weight": pytest.approx(0.5)}
    assert fires["0.weight"] == pytest.approx(0.25)
    assert fires["2.weight"] == pytest.approx(0.5, abs=0.05)


def test_healthy_units_are_not_silenced(lab: Any) -> None:
    """torch's default weights and biases silence nobody."""
    assert number(signal(lab, lab.mlp(64, 64, 64)), "signal.silenced").value == 0


def test_outputs_of_relu_units_are_those_of_the_net(lab: Any) -> None:
    """The rms of the last matrix' answers is the net's within a fifth, for weights ten times too large."""
    model = lab.mlp(128, 128)
    with torch.no_grad():
        for layer in (model[0], model[2]):
            layer.weight.mul_(10.0)
    output = number(signal(lab, model), "signal.relu_output_rms").value
    assert output == pytest.approx(float(preactivations(model)["4.weight"].square().mean().sqrt()), rel=0.2)


def test_weights_that_are_zero_silence_nobody(lab: Any) -> None:
    """A layer of zeros gives its biases whatever comes in: that is symmetry, and no unit counts as silenced."""
    model = lab.mlp(32, 32)
    torch.nn.init.zeros_(model[0].weight)
    assert number(signal(lab, model), "signal.silenced").items["0.weight"] == 0


def test_only_weights_from_the_start_tell(lab: Any) -> None:
    """A checkpoint of step 900 says nothing of how units started, and still what its own weights predict."""
    found = signal(lab, lab.mlp(32, 32), step=900)
    assert isinstance(found["signal.silenced"], Missing)
    assert number(found, "signal.final_preactivation_rms").value > 0


def test_normalized_nets_are_left_out(lab: Any) -> None:
    """Behind a normalization the scale of weights says nothing."""
    model = torch.nn.Sequential(torch.nn.Linear(20, 32), torch.nn.LayerNorm(32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    assert isinstance(signal(lab, model)["signal.silenced"], Missing)


def test_recurrent_weights_count_with_states_of_half(lab: Any) -> None:
    """State-to-state weights of radius 20 predict pre-activations of rms 10."""
    model = torch.nn.ModuleDict({"rnn": torch.nn.RNN(20, 64), "head": torch.nn.Linear(64, 10)})
    cell = dict(model["rnn"].named_parameters())["weight_hh_l0"]
    with torch.no_grad():
        cell.copy_(torch.linalg.qr(torch.randn(64, 64, generator=torch.Generator().manual_seed(1)))[0] * 20)
    found = number(signal(lab, model), "signal.preactivation_rms")
    assert found.items["rnn.weight_hh_l0"] == pytest.approx(10.0, rel=1e-3)
    assert found.text == "recurrent cells"


def test_two_heads_of_one_trunk_are_no_chain(lab: Any) -> None:
    """In a variational autoencoder mean and log-variance both take the trunk's states: no signal is taken through one into the other."""
    net = torch.nn.ModuleDict(
        {
            "encoder": torch.nn.Sequential(torch.nn.Linear(20, 64), torch.nn.ReLU()),
            "mu": torch.nn.Linear(64, 8),
            "logvar": torch.nn.Linear(64, 8),
            "decoder": torch.nn.Sequential(torch.nn.Linear(8, 64), torch.nn.ReLU(), torch.nn.Linear(64, 20)),
        }
    )
    found = signal(lab, net)["signal.silenced"]
    assert isinstance(found, Missing)
    assert "as a plain chain" in found.reason


def test_a_few_units_far_out_do_not_make_a_layer_saturated(lab: Any) -> None:
    """The layer's number is that of its median unit: three biases of 50 among 64 leave it where it was."""
    model = lab.mlp(64, 64, activation=torch.nn.Tanh)
    before = number(signal(lab, model), "signal.preactivation_rms").items["0.weight"]
    with torch.no_grad():
        model[0].bias[:3] = 50.0
    after = number(signal(lab, model), "signal.preactivation_rms").items["0.weight"]
    assert after == pytest.approx(before, rel=0.1)


@pytest.mark.parametrize(
    ("biases", "share", "side"), [((6.0, -6.0), 1.0, "both"), ((12.0, 12.0), 1.0, "above"), ((0.0, -8.0), 0.5, "below")]
)
def test_biases_that_hold_units_at_an_end_are_counted_by_side(lab: Any, biases: tuple[float, float], share: float, side: str) -> None:
    """The first and the second half of a layer's biases; those of an ordinary start hold no unit."""
    model = lab.mlp(64, 64, activation=torch.nn.Tanh)
    assert number(signal(lab, model), "signal.offset").value == 0
    with torch.no_grad():
        model[2].bias[:32], model[2].bias[32:] = biases
    found = number(signal(lab, model), "signal.offset")
    assert found.items == {"0.weight": 0.0, "2.weight": pytest.approx(share)} and found.text == side


def test_biases_beside_large_weights_hold_nothing(lab: Any) -> None:
    """Biases of 6 are no offset where inputs of unit scale add 25 to them, and none counts in front of a normalization."""
    model = lab.mlp(64, 64, activation=torch.nn.Tanh)
    with torch.no_grad():
        model[2].weight.mul_(50)
        model[2].bias[:] = 6.0
    assert number(signal(lab, model), "signal.offset").value == 0
    normalized = torch.nn.Sequential(torch.nn.Linear(20, 64), torch.nn.BatchNorm1d(64), torch.nn.Tanh(), torch.nn.Linear(64, 10))
    missing = signal(lab, normalized)["signal.offset"]
    assert isinstance(missing, Missing) and not missing.applies


def test_blocks_that_read_the_inputs_again_are_no_chain(lab: Any) -> None:
    """Three blocks of layers that each begin with the net's own width, and are wider inside: what one loses the next one has."""
    blocks = {
        f"blocks.{block}.fc.{layer}.{part}": value
        for block in range(3)
        for layer, (units, inputs) in enumerate([(64, 20), (64, 64), (20, 64)])
        for part, value in (("weight", torch.randn(units, inputs) * 0.1), ("bias", torch.zeros(units)))
    }
    checkpoints = [lab.bare(0, {**blocks, "head.weight": torch.randn(10, 20), "head.bias": torch.zeros(10)})]
    found = {one.name: one for one in measure_signal(pass_over(checkpoints), checkpoints, None)}
    assert isinstance(found["signal.silenced"], Missing)
