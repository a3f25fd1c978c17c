"""The last update rebuilt from an optimizer's state, against updates that torch really made."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from postmortem.measure.table import UpdateStats
from postmortem.measure.tensors import pass_over
from postmortem.model import Checkpoint, FoundFile, Optimizer
from postmortem.read.checkpoints.files import read_checkpoints
from postmortem.read.checkpoints.stored import StoredTensor

torch.set_num_threads(1)

Make = Callable[[Iterable[torch.nn.Parameter]], torch.optim.Optimizer]

OPTIMIZERS: dict[str, Make] = {
    "adam": lambda p: torch.optim.Adam(p, lr=3e-3),
    "adam-l2": lambda p: torch.optim.Adam(p, lr=3e-3, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1),
    "adam-amsgrad": lambda p: torch.optim.Adam(p, lr=3e-3, amsgrad=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-2, weight_decay=0.0),
    "sgd-momentum": lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9),
    "sgd-dampened": lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.8, dampening=0.3, weight_decay=0.01),
    "rmsprop-momentum": lambda p: torch.optim.RMSprop(p, lr=1e-3, momentum=0.9),
}


def _model() -> torch.nn.Sequential:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(12, 40), torch.nn.Tanh(), torch.nn.Linear(40, 30), torch.nn.Tanh(), torch.nn.Linear(30, 4))


def _train(model: torch.nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        inputs = torch.randn(16, 12, generator=generator)
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(inputs), inputs[:, :4] * 2).backward()
        optimizer.step()


def _read(folder: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> Checkpoint:
    path = folder / "step.pt"
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, path)
    data = read_checkpoints([FoundFile(path, path.name, "checkpoint", path.stat().st_size)], folder)
    assert not data.problems
    return data.checkpoints[0]


def _updates(checkpoint: Checkpoint) -> dict[str, UpdateStats]:
    return dict(pass_over([checkpoint]).rows[0].updates)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_rebuilt_update_is_the_one_that_was_made(tmp_path: Path, name: str) -> None:
    """Norm of the difference that the last step really made, tensor by tensor, within a part in ten thousand."""
    model = _model().double()
    optimizer = OPTIMIZERS[name](model.parameters())
    generator = torch.Generator().manual_seed(1)
    for _ in range(7):
        inputs = torch.randn(16, 12, generator=generator, dtype=torch.float64)
        before = {key: value.clone() for key, value in model.state_dict().items()}
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(inputs), inputs[:, :4] * 2).backward()
        optimizer.step()
    updates = _updates(_read(tmp_path, model, optimizer))
    assert set(updates) == set(before)
    for key, value in model.state_dict().items():
        assert updates[key].update_norm == pytest.approx(float((value - before[key]).norm()), rel=1e-4)
        assert updates[key].weight_norm == pytest.approx(float(value.norm()), rel=1e-9)
        assert updates[key].step in (7, None)
        assert updates[key].stuck == 0 and updates[key].nonfinite == 0 and updates[key].basis


def test_float32_state_is_rebuilt_as_well(tmp_path: Path) -> None:
    """With AdamW's decoupled decay taken off, a float32 step agrees within rounding of the weights."""
    model = _model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    _train(model, optimizer, 5)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    generator = torch.Generator().manual_seed(9)
    inputs = torch.randn(16, 12, generator=generator)
    optimizer.zero_grad()
    model(inputs).square().mean().backward()
    optimizer.step()
    for key, update in _updates(_read(tmp_path, model, optimizer)).items():
        made = model.state_dict()[key] - before[key] * (1 - 1e-2 * 0.1)
        assert update.update_norm == pytest.approx(float(made.norm()), rel=1e-3)
        assert update.algorithm == "adamw" and update.lr == 1e-2


def test_nesterov_and_plain_rmsprop_say_what_they_cannot_rebuild(tmp_path: Path) -> None:
    """Nesterov's update lacks the last gradient and says so; RMSprop without momentum has no update at all."""
    model = _model()
    optimizer: torch.optim.Optimizer = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9, nesterov=True)
    _train(model, optimizer, 3)
    assert "Nesterov" in _updates(_read(tmp_path, model, optimizer))["0.weight"].basis
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
    _train(model, optimizer, 3)
    update = _updates(_read(tmp_path, model, optimizer))["0.weight"]
    assert math.isnan(update.update_norm) and update.stuck == -1 and update.gradient_rms > 0 and "not kept" in update.basis


def test_plain_sgd_has_no_update(tmp_path: Path) -> None:
    """Without state there is nothing to rebuild, and nothing is made up."""
    model = _model()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
    _train(model, optimizer, 3)
    assert _updates(_read(tmp_path, model, optimizer)) == {}


def test_gradient_rms_of_a_constant_gradient() -> None:
    """Adam's bias-corrected second moment of a gradient that is always g is g; so is SGD's buffer times (1 - momentum) in the limit."""
    weight = torch.nn.Parameter(torch.zeros(50, 20, dtype=torch.float64))
    adam = torch.optim.Adam([weight], lr=1e-3)
    sgd = torch.optim.SGD([weight], lr=1e-3, momentum=0.9)
    for _ in range(300):
        weight.grad = torch.full_like(weight, 0.02)
        adam.step()
        sgd.step()
    for optimizer, slots, relative in ((adam, ("exp_avg", "exp_avg_sq"), 1e-9), (sgd, ("momentum_buffer",), 1e-9)):
        state = optimizer.state[weight]
        update = _held(
            np.zeros((50, 20)),
            {slot: state[slot].numpy() for slot in slots},
            "adam" if optimizer is adam else "sgd",
            {"lr": 1e-3, "momentum": 0.9, "betas": (0.9, 0.999)},
            300,
        )
        assert update.gradient_rms == pytest.approx(0.02, rel=relative)
        assert math.isnan(update.snr) or update.snr == pytest.approx(1.0, rel=1e-9)


def _held(
    weights: NDArray[Any], slots: dict[str, NDArray[Any]], algorithm: Any, group: dict[str, Any], step: int | None, dtype: str = ""
) -> UpdateStats:
    """The update of a single parameter `w` that lies in memory."""
    state = {"w": {slot: StoredTensor(slot, array.shape, str(array.dtype), array) for slot, array in slots.items()}}
    steps = {} if step is None else {"w": step}
    optimizer = Optimizer("optimizer", algorithm, (group,), {"w": 0}, state, steps, "by name")
    tensor = StoredTensor("w", weights.shape, dtype or str(weights.dtype), weights)
    return pass_over([Checkpoint("a.pt", 1, "", None, {"w": tensor}, "", (optimizer,), {}, 0)]).rows[0].updates["w"]


ADAM = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8}


def test_pure_noise_has_the_snr_of_its_closed_form() -> None:
    """Gradients without a mean give |m_hat| / sqrt(v_hat) = sqrt((1-b1)/(1+b1)) * sqrt(2/pi) = 0.183."""
    generator = np.random.default_rng(0)
    first, second = np.zeros((100, 500)), np.zeros((100, 500))
    for _ in range(2000):
        gradient = generator.standard_normal(first.shape)
        first += 0.1 * (gradient - first)
        second += 0.001 * (gradient * gradient - second)
    update = _held(np.ones(first.shape), {"exp_avg": first, "exp_avg_sq": second}, "adam", ADAM, 2000)
    assert update.snr == pytest.approx(math.sqrt(0.1 / 1.9) * math.sqrt(2 / math.pi), rel=0.03)
    assert update.gradient_rms == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize("scale", [1e-12, 1e-4, 1.0, 1e12])
@pytest.mark.parametrize("amsgrad", [False, True])
def test_large_float32_state_agrees_with_float64(scale: float, amsgrad: bool) -> None:
    """State that is worked on in float32 gives what the formula gives in float64, dead rows and tiny gradients among the rest."""
    generator = np.random.default_rng(4)
    shape = (700, 1000)
    weights = generator.normal(0, 0.02, shape).astype(np.float32)
    first = (scale * generator.standard_normal(shape)).astype(np.float32)
    second = (scale * scale * generator.uniform(0.5, 2, shape)).astype(np.float32)
    first[3], second[3] = 0, 0
    slots = {"exp_avg": first, "exp_avg_sq": second}
    if amsgrad:
        slots["max_exp_avg_sq"] = 2 * second
    update = _held(weights, slots, "adam", ADAM, 50)
    wide, square = first.astype(np.float64) / (1 - 0.9**50), second.astype(np.float64) / (1 - 0.999**50)
    made = 1e-3 * wide / (np.sqrt(square * (2 if amsgrad else 1)) + 1e-8)
    alive = second > 0
    assert update.update_norm == pytest.approx(np.linalg.norm(made), rel=1e-6)
    assert update.gradient_rms == pytest.approx(math.sqrt(square.mean()), rel=1e-6)
    assert update.snr == pytest.approx(np.mean(np.abs(wide[alive]) / np.sqrt(square[alive])), rel=1e-6)
    assert update.second_moment_zero == 1000
    assert update.epsilon_bound == np.count_nonzero((np.sqrt(square) < 1e-8) & (first != 0))
    assert update.units_second is not None and update.inputs_second is not None
    np.testing.assert_allclose(update.units_second, second.sum(1, dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(update.inputs_second, second.sum(0, dtype=np.float64), rtol=1e-6)
    stays = (weights - made).astype(np.float32) == weights
    assert abs(update.stuck - np.count_nonzero(stays & (made != 0))) <= 3


@pytest.mark.parametrize("shape", [(30, 50), (3, 90_000), (400, 1000)])
def test_second_moments_by_unit_and_by_input(shape: tuple[int, int]) -> None:
    """Row and column sums of exp_avg_sq are numpy's own, across chunks."""
    second = np.random.default_rng(1).uniform(0, 1, shape)
    update = _held(np.ones(shape), {"exp_avg": np.ones(shape), "exp_avg_sq": second}, "adam", ADAM, 5)
    assert update.units_second is not None and update.inputs_second is not None and update.vector_second is None
    np.testing.assert_allclose(update.units_second, second.sum(1), rtol=1e-11)
    np.testing.assert_allclose(update.inputs_second, second.sum(0), rtol=1e-11)


def test_a_vector_keeps_its_second_moments() -> None:
    """A bias has no units; its second moments are kept one by one, across chunks."""
    second = np.random.default_rng(1).uniform(0, 1, 200_000)
    update = _held(np.ones(200_000), {"exp_avg": np.ones(200_000), "exp_avg_sq": second}, "adam", ADAM, 5)
    assert update.vector_second is not None and update.units_second is None and update.inputs_second is None
    np.testing.assert_array_equal(update.vector_second, second)


def test_dead_rows_and_epsilon_are_counted() -> None:
    """Elements without any second moment, and those that epsilon holds back though they have a first."""
    first, second = np.full((4, 5), 1e-3), np.full((4, 5), 1e-2)
    first[0], second[0] = 0, 0  # never had a gradient
    first[1], second[1] = 1e-10, 1e-20  # sqrt(v) = 1e-10, below epsilon
    update = _held(np.ones((4, 5)), {"exp_avg": first, "exp_avg_sq": second}, "adam", ADAM, None)
    assert update.second_moment_zero == 5 and update.epsilon_bound == 5
    assert update.units_second is not None and update.units_second[0] == 0
    assert update.snr == pytest.approx((5 * 1.0 + 10 * 1e-3 / 0.1) / 15)
    assert "step is unknown" in update.basis


@pytest.mark.parametrize("slot", ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"])
def test_nonfinite_state_is_counted_and_left_out(slot: str) -> None:
    """An infinite moment is counted, and the update of the other elements is still rebuilt."""
    slots = {"exp_avg": np.full((3, 4), 0.1), "exp_avg_sq": np.full((3, 4), 0.01), "max_exp_avg_sq": np.full((3, 4), 0.01)}
    slots[slot] = slots[slot].copy()
    slots[slot][1, 1] = np.inf
    update = _held(np.ones((3, 4)), slots, "adam", {**ADAM, "eps": 0.0}, None)
    assert update.nonfinite == 1 and update.second_moment_zero == 0
    assert update.update_norm == pytest.approx(1e-3 * math.sqrt(11))
    assert update.gradient_rms == pytest.approx(0.1)


def _codes(tensor: torch.Tensor) -> NDArray[Any]:
    """The tensor as a file holds it: bfloat16 as integer codes."""
    codes: NDArray[Any] = (tensor.view(torch.uint16) if tensor.dtype is torch.bfloat16 else tensor).numpy()
    return codes


@pytest.mark.parametrize(("dtype", "torch_type"), [("float32", torch.float32), ("float16", torch.float16), ("bfloat16", torch.bfloat16)])
@pytest.mark.parametrize("lr", [1e-2, 1e-3, 1e-4, 1e-8])
def test_stuck_elements_are_those_that_torch_rounds_away(dtype: str, torch_type: torch.dtype, lr: float) -> None:
    """The share of weights that an update leaves as they are is the one that torch's own subtraction leaves."""
    generator = np.random.default_rng(3)
    values = generator.normal(0, 0.5, (60, 70)).astype(np.float32)
    stored = torch.from_numpy(values).to(torch_type)
    buffer = generator.standard_normal((60, 70))
    update = _held(_codes(stored), {"momentum_buffer": buffer}, "sgd", {"lr": lr, "momentum": 0.9}, None, dtype)
    moved = (stored.double() - lr * torch.from_numpy(buffer)).to(torch_type)
    # Torch rounds to halves by way of float32: an element in thousands falls on the other side of a tie.
    assert abs(update.stuck - int((moved == stored).sum())) <= (2 if dtype == "float16" else 0)


def test_an_update_of_zero_is_not_stuck() -> None:
    """A frozen row loses nothing to rounding."""
    update = _held(np.ones((3, 4), np.float32), {"momentum_buffer": np.zeros((3, 4))}, "sgd", {"lr": 0.1, "momentum": 0.9}, None)
    assert update.stuck == 0 and update.second_moment_zero == 12


def test_half_a_unit_in_the_last_place_of_bfloat16() -> None:
    """A bfloat16 weight of 1 moves down by 0.002 or more, and up by 0.004 or more: 2^-9 and 2^-8."""
    ones = _codes(torch.ones(4, dtype=torch.bfloat16))
    buffer = np.array([0.0018, 0.0021, -0.0037, -0.0041])
    update = _held(ones, {"momentum_buffer": buffer}, "sgd", {"lr": 1.0, "momentum": 0.9}, None, "bfloat16")
    assert update.stuck == 2


def test_an_optimizer_of_another_kind_gives_gradients_but_no_update() -> None:
    """Two moments of an optimizer that steps in its own way are not put through Adam's formula."""
    ones = np.ones((3, 4))
    update = _held(ones, {"exp_avg": ones, "exp_avg_sq": ones * 4}, "unknown", ADAM, 10**6)
    assert math.isnan(update.update_norm) and update.stuck == -1 and update.gradient_rms == pytest.approx(2)
