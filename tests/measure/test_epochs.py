"""Passes over the data from logged epochs, steps, batches, workers and plans."""

from __future__ import annotations

import numpy as np
import pytest

from postmortem.measure.epochs import epochs_logged, measure_sizes, records_a_step
from postmortem.model import Manifest, Measurement, Plain, Series

TABLE = Manifest("manifest.csv", 1000, "label", None, None, {"": {"a": 500, "b": 500}}, 0, None, {}, {})


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"batch_size": 32}, 32),
        ({"per_device_train_batch_size": 8, "gradient_accumulation_steps": 4}, 32),
        ({"per_device_train_batch_size": 8, "gradient_accumulation_steps": 4, "world_size": 2}, 64),
        ({"batch_size": 16, "accumulate_grad_batches": 2, "devices": 4}, 128),
        ({"batch_size": 16, "devices": "auto", "gpus": 0}, 16),
        ({"batch_size": 16, "devices": -1}, 16),
        ({"batch_size": 16, "gradient_accumulation_steps": 1.5}, 16),
        ({"global_batch_size": 512, "batch_size": 16, "world_size": 8}, 512),
        ({"train_micro_batch_size_per_gpu": 4, "train_batch_size": 256, "gradient_accumulation_steps": 8}, 256),
        ({"train_micro_batch_size_per_gpu": 4, "gradient_accumulation_steps": 8, "world_size": 2}, 64),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, dict) else "",
)
def test_records_of_a_step(settings: dict[str, Plain], expected: float) -> None:
    """Batch times accumulated steps times workers, but for a batch size that is that of all of them."""
    found = records_a_step(settings)
    assert found is not None
    assert found[0] == expected


def test_without_a_batch_size_no_step_is_known() -> None:
    """A batch size below 1 or automatic is none."""
    assert records_a_step({}) is None
    assert records_a_step({"batch_size": "auto"}) is None
    assert records_a_step({"batch_size": -1}) is None


def test_an_unknown_number_of_workers_is_said() -> None:
    """A batch a device, and no setting of how many devices: the basis states what was assumed."""
    found = records_a_step({"per_device_train_batch_size": 8})
    assert found is not None
    assert "one worker" in found[1]


def _epochs(settings: dict[str, Plain], steps: int | None, logged: float | None = None) -> Measurement:
    found = {one.name: one for one in measure_sizes(TABLE, 5000, settings, steps, logged)}
    epochs = found["data.epochs"]
    assert isinstance(epochs, Measurement), epochs
    return epochs


def test_epochs_count_accumulated_steps_and_workers() -> None:
    """500 steps of 8 x 4 x 2 records over 1,000 records are 32 passes, not 4."""
    settings: dict[str, Plain] = {"batch_size": 8, "gradient_accumulation_steps": 4, "world_size": 2}
    found = _epochs(settings, 500)
    assert found.value == pytest.approx(32)
    assert "8 records x 4 accumulated steps" in found.basis


def test_a_logged_epoch_comes_first() -> None:
    """What the run itself says needs no reckoning."""
    assert _epochs({"batch_size": 8, "num_train_epochs": 3}, 500, 2.5).value == 2.5


def _series(tag: str, values: list[float]) -> Series:
    steps = np.arange(len(values), dtype=np.int64)
    return Series(tag, "", steps, np.array(values, dtype=np.float64), np.full(len(values), np.nan), "events")


@pytest.mark.parametrize(
    ("tag", "values", "expected"),
    [
        ("train/epoch", [0.1, 0.7, 2.96], 2.96),
        ("epoch", [0, 0, 1, 1, 2], 3),
        ("epoch", [1, 2, 3], 3),
        ("epoch_loss", [1, 2, 3], None),
        ("epoch", [0, 0, 0], None),
        ("epoch", [1.0, float("nan"), 4.0], 4),
    ],
    ids=["fractions", "from zero", "from one", "a loss", "constant", "with NaN"],
)
def test_logged_epochs(tag: str, values: list[float], expected: float | None) -> None:
    """Fractions are passes made; whole numbers from 0 on are the number of the pass that goes on."""
    assert epochs_logged([_series(tag, values)]) == expected
