"""How far weights go and how long gradients are, against trainings that were really stepped."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from postmortem.measure.gradient_total import measure_gradient_total
from postmortem.measure.tensors import pass_over
from postmortem.measure.travel import measure_travel
from postmortem.model import Checkpoint, Measurement, Missing


def travel(checkpoints: list[Checkpoint], algorithm: str = "adam") -> dict[str, Measurement]:
    """Measurements of the way that weights went, by name."""
    found = measure_travel(pass_over(checkpoints), checkpoints, algorithm, None)
    return {one.name: one for one in found if isinstance(one, Measurement)}


def total(checkpoints: list[Checkpoint], algorithm: str = "sgd") -> Measurement | Missing:
    """The norm of the whole gradient."""
    return next(measure_gradient_total(pass_over(checkpoints), checkpoints, algorithm))


def clipped(model: torch.nn.Module, limit: float) -> Any:
    """A hook that clips the gradient of a model to a norm."""
    return lambda step: torch.nn.utils.clip_grad_norm_(model.parameters(), limit)


def test_overwriting_is_distance_over_norm_and_root_of_steps(lab: Any) -> None:
    """Weights that move by three times their norm in 100 steps are overwritten by 0.3 per root of step."""
    start = torch.randn(32, 16, generator=torch.Generator().manual_seed(1))
    away = torch.randn(32, 16, generator=torch.Generator().manual_seed(2))
    moved = start + 3 * away * start.norm() / away.norm()
    found = travel([lab.bare(0, {"fc.weight": start}), lab.bare(100, {"fc.weight": moved})])
    assert found["updates.overwritten"].value == pytest.approx(0.3, rel=1e-5)


def test_a_rate_a_hundred_times_too_high_overwrites(lab: Any) -> None:
    """Adam at 0.1 overwrites weights where its twin at 1e-3 moves them."""
    pace = {}
    for rate in (1e-3, 0.1):
        model = lab.mlp(32, 32)
        pace[rate] = travel(lab.train(model, torch.optim.Adam(model.parameters(), rate)))["updates.overwritten"].value
    assert pace[1e-3] < 0.1
    assert pace[0.1] > 0.3


def test_reach_is_the_sum_of_the_rates_in_units_of_a_weight(lab: Any) -> None:
    """At a constant rate it is rate times steps over the rms of the first weights, and no element of Adam moves further by much."""
    model = lab.mlp(32, 32)
    first = {name: each.clone() for name, each in model.state_dict().items() if each.dim() == 2}
    reach = travel(lab.train(model, torch.optim.Adam(model.parameters(), 1e-3)))["updates.reach"]
    for name, weight in first.items():
        rms = float(weight.square().mean().sqrt())
        assert reach.items[name] == pytest.approx(150 * 1e-3 / rms, rel=1e-4)
        assert float((model.state_dict()[name] - weight).abs().max()) / rms < 1.5 * reach.items[name]


def test_plain_sgd_has_no_reach(lab: Any) -> None:
    """Its steps are as long as its gradients."""
    model = lab.mlp(32)
    assert "updates.reach" not in travel(lab.train(model, torch.optim.SGD(model.parameters(), 0.05)), "sgd")


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_clipped_gradients_are_as_short_as_the_limit(lab: Any, momentum: float) -> None:
    """Under a limit of 1e-3 the averaged gradient keeps 0.2 to 1 of it; without, it is a hundred times as long at least."""
    norms = {}
    for limit in (1e-3, math.inf):
        model = lab.mlp(32, 32)
        saved = lab.train(model, torch.optim.SGD(model.parameters(), 0.01, momentum=momentum), before_step=clipped(model, limit))
        found = total(saved)
        assert isinstance(found, Measurement), found
        norms[limit] = found.value
    assert 2e-4 < norms[1e-3] <= 1.05e-3
    assert norms[math.inf] > 0.1


def test_adams_gradients_are_not_judged(lab: Any) -> None:
    """Adam divides their length out, and says so instead of a number."""
    model = lab.mlp(32)
    assert isinstance(total(lab.train(model, torch.optim.Adam(model.parameters(), 1e-3)), "adam"), Missing)
    assert np.isfinite(model[0].weight.detach().numpy()).all()


def walked(lab: Any, lengths: tuple[float, ...]) -> list[Checkpoint]:
    """Checkpoints 100 steps apart between which one matrix moved so far."""
    steady = torch.randn(32, 16, generator=torch.Generator().manual_seed(1))
    away = torch.randn(32, 16, generator=torch.Generator().manual_seed(2))
    ways = np.cumsum((0.0, *lengths))
    return [lab.bare(100 * at, {"fc.weight": steady + float(way) * away}) for at, way in enumerate(ways)]


def test_updates_have_faded_where_they_are_a_thousandth(lab: Any) -> None:
    """Two of four intervals at a ten-thousandth of the pace are half of the run; an interval at a hundredth is none of it."""
    found = travel(walked(lab, (1.0, 0.5, 1e-4, 1e-4)))["updates.faded"]
    assert found.value == pytest.approx(0.5)
    assert found.first_step == 200
    assert travel(walked(lab, (1.0, 0.5, 1e-4, 1e-2)))["updates.faded"].value == 0.0


def test_three_checkpoints_tell_no_fading(lab: Any) -> None:
    """One interval is nothing to compare the other with."""
    assert "updates.faded" not in travel(walked(lab, (1.0, 0.5)))


@pytest.mark.parametrize(("by_batch", "faded"), [(True, True), (False, False)])
def test_a_rate_that_decays_by_batch_instead_of_by_epoch_fades(lab: Any, by_batch: bool, faded: bool) -> None:
    """Nine tenths a step leave nothing after a quarter of the run; nine tenths every ten steps go on to the end."""
    model = lab.mlp(32)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)

    def decay(step: int) -> None:
        optimizer.param_groups[0]["lr"] = 1e-2 * 0.9 ** (step if by_batch else step // 10)

    saved = lab.train(model, optimizer, steps=200, before_step=decay)
    assert (travel(saved)["updates.faded"].value > 0.3) == faded
