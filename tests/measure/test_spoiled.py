"""Files that hold what no training makes: closed forms, beside divergences that do look like that to a careless eye."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from postmortem.measure.precision import measure_precision
from postmortem.measure.roles import assign
from postmortem.measure.spoiled import measure_spoiled
from postmortem.measure.tensors import pass_over
from postmortem.model import Checkpoint, Measurement, Missing, ReadOptions, Series
from postmortem.read.checkpoints.stored import Array, StoredTensor

Found = dict[str, Measurement | Missing]


def saved(step: int, **arrays: Array) -> Checkpoint:
    """A checkpoint of the given matrices."""
    tensors = {f"{name}.weight": StoredTensor(f"{name}.weight", each.shape, str(each.dtype), each) for name, each in arrays.items()}
    return Checkpoint(f"step_{step}.pt", step, "", None, tensors, "", (), {}, 0)


def walk(files: int = 4) -> list[dict[str, Array]]:
    """Four matrices that drift from file to file."""
    draw = np.random.default_rng(0)
    start = {f"fc{layer}": draw.standard_normal((8, 8)).astype(np.float32) for layer in range(4)}
    return [{name: each + np.float32(0.01 * at) for name, each in start.items()} for at in range(files)]


def measured(series: list[dict[str, Array]]) -> Found:
    """Both measures of matrices by file."""
    checkpoints = [saved(100 * at, **arrays) for at, arrays in enumerate(series)]
    return {found.name: found for found in measure_spoiled(pass_over(checkpoints), checkpoints)}


def value(found: Measurement | Missing) -> float:
    """The number of a measurement that must be there."""
    assert isinstance(found, Measurement), found
    return found.value


def test_a_sound_series_has_neither() -> None:
    """Matrices that drift are not spoiled."""
    found = measured(walk())
    assert value(found["weights.healed"]) == 0 and value(found["weights.leaps"]) == 0


def test_nan_in_one_file_is_counted_and_dated() -> None:
    """Three elements that are NaN at step 200 and finite at step 300 are healed; NaN to the end are not."""
    series = walk()
    series[2]["fc1"][0, :3] = np.nan
    found = measured(series)["weights.healed"]
    assert isinstance(found, Measurement)
    assert (found.value, found.first_step, dict(found.items)) == (3, 200, {"fc1.weight": 3.0})
    series[3]["fc1"][0, 0] = np.nan
    assert value(measured(series)["weights.healed"]) == 0


@pytest.mark.parametrize(("place", "size", "told"), [(2, 100.0, 1), (2, 40.0, 0), (3, 1e6, 1), (3, 1000.0, 0)])
def test_one_element_leaps(place: int, size: float, told: int) -> None:
    """30 times the neighbours count where the next file is back, 10,000 times where none comes after."""
    series = walk()
    series[place]["fc2"][3, 3] = size
    assert value(measured(series)["weights.leaps"]) == told


@pytest.mark.parametrize("layers", [("fc2",), ("fc0", "fc1", "fc2", "fc3")])
def test_what_grows_as_a_whole_is_no_leap(layers: tuple[str, ...]) -> None:
    """A divergence takes whole tensors with it: 64 elements of normal numbers have a norm of more than a few of the largest."""
    series = [{name: np.sign(each) for name, each in arrays.items()} for arrays in walk()]
    for name in layers:
        series[3][name] = np.float32(1e6) * np.tile(series[3][name], (2, 1))[:8]
    wide = [{name: np.tile(each, (4, 4)) for name, each in arrays.items()} for arrays in series]
    assert value(measured(wide)["weights.leaps"]) == 0


def test_one_file_tells_nothing() -> None:
    """With one checkpoint both are missing, and say why."""
    found = measured(walk(1))
    assert all(isinstance(each, Missing) for each in found.values()) and len(found) == 2


def test_a_scaler_is_known_by_what_stands_beside_its_scale() -> None:
    """Lightning keeps it under the name of a plugin; the step told is the one at which half of its halvings were lost."""
    checkpoints = [
        replace(saved(100 * at, **arrays), values={"MixedPrecision.scale": scale, "MixedPrecision.backoff_factor": 0.5})
        for at, (arrays, scale) in enumerate(zip(walk(), (65536.0, 65536.0, 2.0**-10, 2.0**-60), strict=True))
    ]
    found = {each.name: each for each in measure_precision(pass_over(checkpoints), checkpoints)}["precision.scale"]
    assert isinstance(found, Measurement)
    assert (found.value, found.first_step) == (2.0**-60, 300)


def test_a_logged_scale_that_came_to_zero_is_a_scale() -> None:
    """Powers of two that end in zeros are what float32 makes of a scale that was halved too often; zeros in between are not."""
    halved = np.concatenate([2.0 ** np.arange(16, -140, -4), np.zeros(10)])
    steps = np.arange(halved.size)
    for values, role in ((halved, "loss-scale"), (np.where(steps % 3, halved, 0.0), "part-of-loss")):
        series = Series("train/loss_scale", "", steps, values, np.full(steps.size, np.nan), "log")
        (found,) = assign((series,), ReadOptions())
        assert found.role == role


def test_what_decay_shrank_to_nothing_may_grow_again() -> None:
    """A bias of 1 that decay took to 1e-12 and that stands at 1e-6 in one file grew a millionfold, and is below all that it was."""
    series = walk(5)
    for at, size in enumerate((1.0, 1e-12, 1e-6, 1e-12, 1e-12)):
        series[at]["fc2"] = np.float32(size) * series[0]["fc0"]
    assert value(measured(series)["weights.leaps"]) == 0
