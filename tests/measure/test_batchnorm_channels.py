"""Statistics that stop on the way, channels that carry nothing, and scales of norms, on nets that are trained for real."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from postmortem.measure.batchnorm_channels import measure_batchnorm_channels
from postmortem.measure.tensors import pass_over
from postmortem.model import Checkpoint, Measurement, Missing


def measured(checkpoints: list[Checkpoint]) -> dict[str, Measurement | Missing]:
    """What these checkpoints tell of batch normalization's channels."""
    return {one.name: one for one in measure_batchnorm_channels(pass_over(checkpoints), checkpoints)}


def number(found: dict[str, Measurement | Missing], name: str) -> Measurement:
    """The measurement, which must be there."""
    one = found[name]
    assert isinstance(one, Measurement), one
    return one


def net() -> Any:
    """One hidden layer with batch normalization."""
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(20, 16), torch.nn.BatchNorm1d(16), torch.nn.ReLU(), torch.nn.Linear(16, 10))


def trained(lab: Any, model: torch.nn.Module, evaluated_from: int | None = None) -> list[Checkpoint]:
    """Six checkpoints of 60 steps; from a step on the model is left in evaluation mode."""

    def before_step(step: int) -> None:
        if step == evaluated_from:
            model.eval()

    saved: list[Checkpoint] = lab.train(model, torch.optim.Adam(model.parameters(), 1e-3), steps=60, every=10, before_step=before_step)
    return saved


def test_statistics_stop_where_the_model_is_left_in_evaluation_mode(lab: Any) -> None:
    """Left in evaluation mode at step 10 of 60, five sixths of the steps have no statistics; a healthy twin has them throughout."""
    halted = number(measured(trained(lab, net(), 10)), "batchnorm.halted")
    assert halted.value == pytest.approx(5 / 6) and halted.first_step == 10 and list(halted.items) == ["1"]
    assert number(measured(trained(lab, net())), "batchnorm.halted").value == 0


def test_statistics_that_never_moved_are_for_another_measure(lab: Any) -> None:
    """A model that was in evaluation mode from the start has not stopped on the way."""
    model = net().eval()
    assert isinstance(measured(trained(lab, model))["batchnorm.halted"], Missing)


def test_statistics_of_an_earlier_checkpoint(lab: Any) -> None:
    """Weights that go on with the statistics of step 10 are aged in every layer; a twin and a refresh are not."""
    saved = trained(lab, net())
    buffers = ("1.running_mean", "1.running_var", "1.num_batches_tracked")
    mixed = {name: saved[1].tensors[name] if name in buffers else tensor for name, tensor in saved[-1].tensors.items()}
    aged = number(measured([*saved[:-1], replace(saved[-1], tensors=mixed)]), "batchnorm.aged")
    assert aged.value == 1 and aged.first_step == 60 and aged.items == {"1": 40.0}
    assert number(measured(saved), "batchnorm.aged").value == 0
    refreshed = {**saved[-1].tensors, "1.num_batches_tracked": lab.held("1.num_batches_tracked", torch.tensor(12))}
    assert number(measured([*saved[:-1], replace(saved[-1], tensors=refreshed)]), "batchnorm.aged").value == 0


def test_channels_below_zero_are_counted(lab: Any) -> None:
    """Of 16 channels three have a shift below three scales, and one no scale and no shift; a shift of two scales is alive."""
    model = net()
    norm = model[1]
    with torch.no_grad():
        norm.weight[:5] = torch.tensor([0.5, -0.5, 0.1, 0.0, 1.0])
        norm.bias[:5] = torch.tensor([-1.6, -1.6, -0.4, 0.0, -2.0])
    assert number(measured([lab.snapshot(model, None, 5)]), "batchnorm.silent_share").value == pytest.approx(4 / 16)


def test_norms_begun_at_zero_are_not_silent(lab: Any) -> None:
    """The last norm of a residual block starts with scales of zero on purpose."""
    model = net()
    with torch.no_grad():
        model[1].weight.zero_()
    assert isinstance(measured([lab.snapshot(model, None, 5)])["batchnorm.silent_share"], Missing)


def test_constant_channels_are_those_of_dead_units(lab: Any) -> None:
    """Units without weights have a variance that decays to nothing; constant inputs before any matrix do not count."""
    torch.manual_seed(0)
    model: Any = torch.nn.Sequential(
        torch.nn.BatchNorm1d(20), torch.nn.Linear(20, 16), torch.nn.BatchNorm1d(16), torch.nn.ReLU(), torch.nn.Linear(16, 10)
    )
    with torch.no_grad():
        model[1].weight[:4] = 0
        model[2].running_var[:4] = 1e-10
        model[0].running_var[:] = 0
    found = number(measured([lab.snapshot(model, None, 5)]), "batchnorm.collapsed_share")
    assert found.items == {"2": pytest.approx(0.25)}


def test_scales_are_compared_by_their_median(lab: Any) -> None:
    """Scales that all tripled are a growth of 3; one outlying channel is none."""
    model = net()
    before = lab.snapshot(model, None, 0)
    with torch.no_grad():
        model[1].weight[3] = 500.0
    spiked = measured([before, lab.snapshot(model, None, 10)])
    assert number(spiked, "norms.scale_growth").value == 1
    with torch.no_grad():
        model[1].weight.fill_(3.0)
    assert number(measured([before, lab.snapshot(model, None, 10)]), "norms.scale_growth").value == 3
    with torch.no_grad():
        model[1].weight.fill_(0.01)
    assert number(measured([before, lab.snapshot(model, None, 10)]), "norms.scale_shrinkage").value == pytest.approx(0.01)


def test_nets_without_norms_say_so(lab: Any) -> None:
    """Nothing is measured where there is nothing to measure, and each name says why."""
    found = measured([lab.snapshot(lab.mlp(16), None, 5)])
    assert all(isinstance(one, Missing) and one.reason for one in found.values()) and len(found) == 6
