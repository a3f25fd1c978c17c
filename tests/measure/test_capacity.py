"""Widths and decays of nets and settings that are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from postmortem.measure.batchnorm import measure_batchnorm
from postmortem.measure.capacity import measure_capacity
from postmortem.measure.tensors import pass_over
from postmortem.model import Measurement, Missing


def capacity(checkpoints: list[Any], **known: float | str) -> dict[str, Measurement | Missing]:
    """What is measured of them."""
    return {one.name: one for one in measure_capacity(pass_over(checkpoints), checkpoints, known)}


def ones(*shape: int) -> np.ndarray:
    """A tensor that is not constant."""
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_the_narrowest_place_is_what_one_layer_hands_to_the_next(lab: Any) -> None:
    """64 to 1 to 32 to 10: one unit."""
    found = capacity([lab.bare(0, {"fc1.weight": ones(1, 64), "fc2.weight": ones(32, 1), "fc3.weight": ones(10, 32)})])
    narrowest = found["capacity.narrowest"]
    assert isinstance(narrowest, Measurement) and narrowest.value == 1 and narrowest.text == "fc1.weight"


def test_a_filter_for_each_map_is_not_narrow(lab: Any) -> None:
    """Depthwise convolutions have one map in and as many filters as maps."""
    tensors = {"a.weight": ones(16, 3, 3, 3), "b.weight": ones(16, 1, 3, 3), "c.weight": ones(24, 16, 1, 1), "fc.weight": ones(10, 24)}
    narrowest = capacity([lab.bare(0, tensors)])["capacity.narrowest"]
    assert isinstance(narrowest, Measurement) and narrowest.value == 16


@pytest.mark.parametrize(
    ("known", "steps"),
    [
        ({"optimizer": "AdamW", "lr": 2e-3, "weight_decay": 20.0}, 25.0),
        ({"optimizer": "sgd", "lr": 0.1, "weight_decay": 5e-4, "momentum": 0.9}, 2000.0),
        ({"optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.0}, 1e12),
    ],
)
def test_decay_forgets_within_one_over_rate_times_decay(known: dict[str, Any], steps: float) -> None:
    """Momentum makes every step count ten times."""
    found = capacity([], **known)["optimizer.decay_memory"]
    assert isinstance(found, Measurement) and found.value == pytest.approx(steps)


def test_a_penalty_inside_adam_is_not_looked_at() -> None:
    """Its strength does not follow from rate and decay."""
    assert isinstance(capacity([], optimizer="adam", lr=1e-3, weight_decay=5.0)["optimizer.decay_memory"], Missing)


def normalized(lab: Any, step: int, variance: float, batches: int) -> Any:
    """A net whose first layer is normalized: weights of 0.5 over four inputs bound the variance by 4."""
    weights = np.full((8, 4), 0.5, np.float32) + np.float32(1e-3 * step)
    tensors = {"fc.weight": weights, "bn.weight": np.ones(8, np.float32), "bn.bias": np.zeros(8, np.float32)}
    tensors |= {"bn.running_mean": np.zeros(8, np.float32), "bn.running_var": np.full(8, variance, np.float32)}
    return lab.bare(step, {**tensors, "bn.num_batches_tracked": np.array(batches), "head.weight": ones(10, 8) + np.float32(step)})


def test_statistics_that_count_and_keep_every_bit_have_stopped(lab: Any) -> None:
    """A counter that goes on beside a variance that does not; and one that moves."""
    for variance, stopped in ((2.0, 1), (2.1, 0)):
        checkpoints = [normalized(lab, 100, 2.0, 100), normalized(lab, 200, variance, 200)]
        found = {one.name: one for one in measure_batchnorm(pass_over(checkpoints), checkpoints)}["batchnorm.stopped"]
        assert isinstance(found, Measurement) and found.value == stopped


def test_a_variance_above_what_weights_can_give_is_told(lab: Any) -> None:
    """Four weights of 0.5 give unit inputs a variance of at most 4: 40 is ten times that."""
    checkpoints = [normalized(lab, 0, 40.0, 100)]
    found = {one.name: one for one in measure_batchnorm(pass_over(checkpoints), checkpoints)}["batchnorm.excess"]
    assert isinstance(found, Measurement) and found.value == pytest.approx(10)


@pytest.mark.parametrize(
    ("known", "bound"),
    [
        ({"optimizer": "AdamW", "lr": 5e-4, "weight_decay": 20.0}, {"bound": 0.05}),
        ({"optimizer": "AdamW", "lr": 5e-4, "weight_decay": 0.0}, {}),
        ({"optimizer": "sgd", "lr": 0.1, "weight_decay": 20.0}, {}),
    ],
)
def test_decay_bounds_weights_whose_steps_are_bounded(known: dict[str, Any], bound: dict[str, float]) -> None:
    """AdamW's steps are at most the rate long, so that decay holds every weight below its inverse; SGD's may be of any length."""
    found = capacity([], **known)["optimizer.decay_memory"]
    assert isinstance(found, Measurement) and dict(found.items) == pytest.approx(bound)


@pytest.mark.parametrize(("maker", "judge"), [("G", "C"), ("G_net", "D_net")])
def test_what_one_net_gives_another_is_not_narrow(lab: Any, maker: str, judge: str) -> None:
    """A generator of points in the plane, and a critic that takes them: two numbers are what is made, not what is left."""
    tensors = {
        f"{maker}.0.weight": np.ones((64, 20)),
        f"{maker}.2.weight": np.ones((2, 64)),
        f"{judge}.0.weight": np.ones((96, 2)),
        f"{judge}.2.weight": np.ones((1, 96)),
    }
    narrowest = capacity([lab.bare(0, tensors)])["capacity.narrowest"]
    assert isinstance(narrowest, Measurement) and narrowest.value == 64
