"""Measures of policies, on curves that were drawn: what their closed form says is what is measured."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from postmortem.measure.agents import measure_agents
from postmortem.measure.roles import assign
from postmortem.measure.table import TensorTable
from postmortem.measure.tensors import pass_over
from postmortem.model import Checkpoint, Measurement, Missing, ReadOptions, Series

POINTS = 200
STEPS = np.arange(POINTS, dtype=np.int64) * 10
RISE = np.linspace(0.0, 1.0, POINTS)
EMPTY = TensorTable((), "")


def measured(table: TensorTable = EMPTY, **curves: NDArray[np.float64]) -> dict[str, Measurement | Missing]:
    """All measures of a run with these curves; `__` in a name is the slash of its tag."""
    series = [Series(name.replace("__", "/"), "", STEPS, values, np.full(POINTS, np.nan), "events") for name, values in curves.items()]
    return {one.name: one for one in measure_agents(assign(series, ReadOptions()), table, (), "rl")}


def noisy(values: NDArray[np.float64], spread: float = 2.0) -> NDArray[np.float64]:
    """Values with normal noise."""
    return np.asarray(values + np.random.default_rng(0).normal(0, spread, values.size))


def number(found: Measurement | Missing) -> Measurement:
    """A measurement, which must be there."""
    assert isinstance(found, Measurement), found
    return found


def test_rise_is_measured_in_its_own_noise() -> None:
    """A return that rises from 20 to 180 rose by many errors and lost none of it; one that only wobbles rose by few."""
    up = measured(rollout__ep_rew_mean=noisy(20 + 160 * np.minimum(1, 2 * RISE)))
    gain = number(up["policy.return_gain"])
    assert gain.value > 20
    assert math.isclose(gain.items["share"], 160 / 180, abs_tol=0.06)
    assert number(up["policy.return_fall"]).value < 0.05
    flat = number(measured(rollout__ep_rew_mean=noisy(np.full(POINTS, 20.0)))["policy.return_gain"])
    assert abs(flat.value) < 5


@pytest.mark.parametrize("kept", [0.0, 0.4, 1.0])
def test_fall_is_a_share_of_the_rise(kept: float) -> None:
    """A return that rises by 100 and then keeps a share of that lost the rest."""
    curve = np.where(RISE < 0.5, 200 * RISE, 100 * kept)
    fall = number(measured(rollout__ep_rew_mean=noisy(curve, 1.0))["policy.return_fall"])
    assert math.isclose(fall.value, 1 - kept, abs_tol=0.06)


@pytest.mark.parametrize("factor", [1.0, -1.0, 0.01])
def test_entropy_is_a_share_of_its_start_whatever_its_sign_and_factor(factor: float) -> None:
    """Minus the entropy, and a multiple of it, tell the same as the entropy: when nine tenths of it were gone."""
    entropy = np.where(RISE < 0.3, math.log(4), 0.02 * math.log(4)) * factor
    found = number(measured(train__entropy_loss=entropy, rollout__ep_rew_mean=noisy(100 * RISE))["policy.exploration"])
    assert found.text == "entropy"
    assert math.isclose(found.value, 0.02, abs_tol=1e-6)
    assert math.isclose(found.items["position"], 0.3, abs_tol=0.03)
    assert math.isclose(found.items["return_share"], 0.3, abs_tol=0.1)


def test_entropy_of_a_density_is_not_compared_with_its_start() -> None:
    """An entropy that passes through 0 is that of a density: without a deviation nothing is told."""
    found = measured(losses__entropy=2.8 - 6 * RISE)["policy.exploration"]
    assert isinstance(found, Missing)
    assert "changes its sign" in found.reason


def test_deviation_of_actions_comes_before_entropy() -> None:
    """A continuous policy is judged by the deviation of its actions, which is lost below 0.05."""
    found = number(measured(train__std=np.exp(-5 * RISE), train__entropy_loss=-2.8 + 10 * RISE)["policy.exploration"])
    assert found.text == "deviation"
    assert found.first_step is not None
    assert math.isclose(found.first_step / STEPS[-1], 3.0 / 5, abs_tol=0.02)


def test_deviation_is_read_from_checkpoints() -> None:
    """Logarithms of deviations in checkpoints serve where none was logged."""

    class Logs:
        """A tensor of two equal log deviations."""

        def __init__(self, value: float) -> None:
            self.name, self.shape, self.dtype, self.values = "log_std", (2,), "float32", np.full(2, value, dtype=np.float32)

        def read(self, start: int, stop: int) -> NDArray[np.float32]:
            """Elements [start, stop)."""
            return self.values[start:stop]

        stored = read

        def widen(self, stored: NDArray[np.float32], _out: NDArray[np.float32]) -> NDArray[np.float32]:
            """They are numbers already."""
            return stored

    saved = [Checkpoint(f"{step}.pt", step, "file name", None, {"log_std": Logs(-step / 100)}, "", (), {}, 0) for step in (0, 200, 400)]
    found = number(measured(pass_over(saved))["policy.exploration"])
    assert math.isclose(found.items["start"], 1.0, rel_tol=1e-6)
    assert math.isclose(found.items["last"], math.exp(-4), rel_tol=1e-5)
    assert found.first_step == 400


def test_divergence_is_the_highest_level() -> None:
    """A tenth of the run at 0.5 nats counts, single points do not."""
    level, points = np.full(POINTS, 0.01), np.full(POINTS, 0.01)
    level[40:70] = 0.5
    points[::40] = 0.5
    assert number(measured(train__approx_kl=level)["policy.divergence"]).value == 0.5
    assert math.isclose(number(measured(train__approx_kl=points)["policy.divergence"]).value, 0.01)


@pytest.mark.parametrize("tag", ["objective__kl", "train__kl_coef", "losses__kl_loss", "kl_to_ref"])
def test_divergence_from_a_reference_is_another(tag: str) -> None:
    """The distance from a reference model, its weight and its penalty are not the size of an update."""
    assert isinstance(measured(EMPTY, **{tag: np.full(POINTS, 5.0)})["policy.divergence"], Missing)


def test_return_of_episodes_comes_before_rewards_of_steps() -> None:
    """Of several returns the one of whole episodes is judged, not a shaped reward or one part."""
    found = measured(
        Episode_Reward__track_speed=noisy(100 * RISE), Train__mean_reward=noisy(5 * RISE, 0.1), rewards__step=noisy(np.zeros(POINTS))
    )
    assert "Train/mean_reward" in number(found["policy.return_gain"]).basis


@pytest.mark.parametrize(("end", "learned"), [(120.0, 1.0), (95.0, 1.0), (30.0, 0.0), (-40.0, 0.0)])
def test_learned_is_a_clear_rise_of_which_half_was_kept(end: float, learned: float) -> None:
    """A return that rises from 20 to 120 and ends at 95 was learned; one that falls back to 30, or that falls only, was not."""
    middle = 120.0 if end > 0 else 0.0
    curve = np.interp(RISE, [0, 0.5, 0.7, 1], [20, middle, end, end])
    assert number(measured(rollout__ep_rew_mean=noisy(curve, 1.0))["policy.learned"]).value == learned


def test_dip_at_the_end_is_no_loss() -> None:
    """A return that drops in the last tenth only has not been lost for good."""
    curve = np.where(RISE < 0.9, np.minimum(1, 2 * RISE) * 100, 20)
    assert number(measured(rollout__ep_rew_mean=noisy(curve, 1.0))["policy.return_fall"]).value < 0.1


@pytest.mark.parametrize(
    ("beside", "told"),
    [
        ({"train__clip_fraction": 0.1}, True),
        ({}, False),
        ({"train__clip_fraction": 0.1, "train__completion_length": 80.0}, False),
        ({"train__model_loss": 3.0}, False),
    ],
)
def test_a_bare_divergence_is_that_of_an_update_beside_clipped_ratios_only(beside: dict[str, float], told: bool) -> None:
    """World models log a divergence of their own, and writers of texts one from a reference."""
    curves = {"train__kl": np.full(POINTS, 5.0), **{tag: np.full(POINTS, value) for tag, value in beside.items()}}
    assert isinstance(measured(EMPTY, **curves)["policy.divergence"], Measurement) == told


def test_the_first_episode_is_no_level_to_fall_from() -> None:
    """A mean over the last hundred episodes begins as one lucky episode, and rises from where two tenths of the run have it."""
    curve = 100 + 200 * RISE
    curve[:3] = 400.0
    found = number(measured(rollout__ep_rew_mean=noisy(curve, 2.0))["policy.return_gain"])
    assert found.value > 5 and found.items["start"] < 150
    fell = number(measured(rollout__ep_rew_mean=noisy(300 - 200 * RISE, 2.0))["policy.return_gain"])
    assert fell.value < -5


def test_a_return_that_is_repeated_until_an_episode_ends_is_one_point() -> None:
    """Thirty lines of one number are one episode, and tell of no rise or fall."""
    assert isinstance(measured(rollout__ep_rew_mean=np.full(POINTS, 12.5))["policy.return_gain"], Missing)
    steps = np.repeat([12.5, 13.0, 12.0], POINTS)[:POINTS]
    missing = measured(rollout__ep_rew_mean=steps)["policy.return_gain"]
    assert isinstance(missing, Missing) and "different points" in missing.reason
