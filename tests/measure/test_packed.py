"""Optimizer state of 8 bits and of factors: unpacked a piece at a time, against states whose elements are known."""

from __future__ import annotations

import math
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from postmortem.measure.packed import Factored, Quantized, stored_as, unpacked_slots
from postmortem.measure.table import UpdateStats
from postmortem.measure.tensors import pass_over
from postmortem.model import FoundFile
from postmortem.read.checkpoints.files import read_checkpoints
from postmortem.read.checkpoints.stored import StoredTensor

torch.set_num_threads(1)


def dynamic_map(signed: bool) -> NDArray[np.float32]:
    """The 8-bit map of Dettmers (1511.04561, 2110.02861): a unary exponent in tens, and a fraction in the bits that are left."""
    bits = 7
    values = [0.0, 1.0]
    for exponent in range(bits):
        steps = 2 ** (exponent + (0 if signed else 1)) + 1
        edges = np.linspace(0.1, 1, steps)
        middles = (edges[:-1] + edges[1:]) / 2 * 10.0 ** (exponent - bits + 1)
        values += middles.tolist() + ((-middles).tolist() if signed else [])
    table = np.sort(np.array(values, np.float32))
    return np.concatenate([table, np.zeros(256 - len(table), np.float32)]) if len(table) < 256 else table


def quantize(values: NDArray[np.float32], table: NDArray[np.float32], block: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Codes of the nearest entries of the map, block by block, and each block's largest size."""
    flat = values.reshape(-1)
    codes, scales = np.empty(flat.size, np.uint8), []
    for start in range(0, flat.size, block):
        piece = flat[start : start + block]
        scale = np.abs(piece).max()
        codes[start : start + block] = np.abs(piece[:, None] / scale - table[None, :]).argmin(axis=1)
        scales.append(scale)
    return codes.reshape(values.shape), np.array(scales, np.float32)


def stored(**arrays: NDArray[Any]) -> dict[str, StoredTensor]:
    """Slots over arrays."""
    return {name: StoredTensor(name, array.shape, str(array.dtype), array) for name, array in arrays.items()}


def updates_of(folder: Path, weight: torch.Tensor, state: dict[str, Any], group: dict[str, Any]) -> UpdateStats:
    """The update of one weight whose optimizer's state went through a file."""
    path = folder / "step.pt"
    optimizer = {"state": {0: state}, "param_groups": [{**group, "params": [0]}]}
    torch.save({"model": {"weight": weight}, "optimizer": optimizer}, path)
    data = read_checkpoints([FoundFile(path, path.name, "checkpoint", path.stat().st_size)], folder)
    assert not data.problems and data.checkpoints[0].optimizers[0].matched.startswith("by position")
    return pass_over(data.checkpoints).rows[0].updates["weight"]


@pytest.mark.parametrize("block", [256, 2048])
def test_codes_become_elements_whatever_piece_is_read(block: int) -> None:
    """Any range of a blockwise tensor is the table's value of each code times the scale of its block; the last block is short."""
    draw = np.random.default_rng(0)
    table = dynamic_map(signed=True)
    codes = draw.integers(0, 256, (50, 101), dtype=np.uint8)
    scales = draw.random(-(-codes.size // block)).astype(np.float32)
    whole = table[codes.reshape(-1)] * np.repeat(scales, block)[: codes.size]
    slots = unpacked_slots(stored(state1=codes, qmap1=table, absmax1=scales), "lion", (50, 101))
    moment = slots["exp_avg"]
    assert isinstance(moment, Quantized) and moment.block == block
    for start, stop in ((0, codes.size), (0, 10), (250, 260), (2040, 2600), (codes.size - 3, codes.size), (7, 7)):
        np.testing.assert_array_equal(moment.read(start, stop), whole[start:stop])


def test_one_scale_for_all_and_two_moments_in_one_array() -> None:
    """The older layout has one scale; AdEMAMix keeps both first moments in one array, each with its own scales."""
    table = dynamic_map(signed=True)
    codes = np.arange(512, dtype=np.uint8).reshape(2, 256)
    one = unpacked_slots(stored(state1=codes, qmap1=table, max1=np.array([2.0], np.float32)), "lion", (2, 256))["exp_avg"]
    np.testing.assert_array_equal(one.read(0, 512), 2 * table[codes.reshape(-1)])
    both = np.stack([codes, codes[::-1]])
    scales = np.array([[1, 2], [3, 4]], np.float32)
    slots = unpacked_slots(
        stored(state1=both, qmap1=table, absmax1=scales, state2=codes, qmap2=table, absmax2=scales[0]), "ademamix", (2, 256)
    )
    np.testing.assert_array_equal(slots["exp_avg_slow"].read(0, 512), table[codes[::-1].reshape(-1)] * np.repeat(scales[1], 256))
    assert set(slots) == {"exp_avg", "exp_avg_slow", "exp_avg_sq"}


@pytest.mark.parametrize(
    "damage",
    [{"absmax1": np.ones(7, np.float32)}, {"qmap1": np.ones(16, np.float32)}, {"state1": np.zeros((9, 9), np.uint8)}],
    ids=["scales", "map", "shape"],
)
def test_codes_that_fit_nothing_are_left_alone(damage: dict[str, Any]) -> None:
    """A number of scales that no block length gives, a map that is none, or codes of another shape: no moment is made up."""
    good: dict[str, Any] = {
        "state1": np.zeros((50, 101), np.uint8),
        "qmap1": dynamic_map(signed=True),
        "absmax1": np.ones(20, np.float32),
    }
    assert "exp_avg" in unpacked_slots(stored(**good), "lion", (50, 101))
    assert "exp_avg" not in unpacked_slots(stored(**{**good, **damage}), "lion", (50, 101))


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("block", [256, 2048])
def test_a_step_from_moments_of_8_bits_is_known_to_two_percent(tmp_path: Path, block: int, nested: bool) -> None:
    """Adam's moments of a real training, quantized as published, give the update that the exact moments made."""
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(120, 90) / 10)
    optimizer = torch.optim.AdamW([weight], lr=1e-3, weight_decay=0.1)
    for _ in range(20):
        before = weight.detach().clone()
        weight.grad = torch.randn(120, 90) * torch.linspace(0.5, 2, 90) + 0.3
        optimizer.step()
    made = float((weight.detach() - before * (1 - 1e-4)).norm())
    state: dict[str, Any] = {}
    for number, slot, signed in ((1, "exp_avg", True), (2, "exp_avg_sq", False)):
        table = dynamic_map(signed)
        codes, scales = quantize(optimizer.state[weight][slot].numpy(), table, block)
        arrays = {f"state{number}": codes, f"qmap{number}": table, f"absmax{number}": scales}
        state.update({name: torch.from_numpy(array) for name, array in arrays.items()})
    # Newer versions keep the tensors in a table of their own, which FSDP passes over.
    entry = {"step": 20, "__bnb_optimizer_quant_state__": state} if nested else {"step": 20, **state}
    group = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.1, "alpha": 0.0, "t_alpha": None, "t_beta3": None}
    update = updates_of(tmp_path, weight.detach(), entry, group)
    assert update.update_norm == pytest.approx(made, rel=0.02)
    assert update.algorithm == "adamw" and update.state_dtype == "8-bit" and "8 bits" in update.basis
    assert update.decay_norm == pytest.approx(1e-4 * float(weight.detach().norm()), rel=1e-5)


def test_factors_become_elements_whatever_piece_is_read() -> None:
    """Any range is row times column over the rows' mean, for matrices and for stacks of them."""
    draw = np.random.default_rng(0)
    for shape in ((40, 30), (3, 4, 5, 6)):
        rows, columns = draw.random(shape[:-1]).astype(np.float32), draw.random((*shape[:-2], shape[-1])).astype(np.float32)
        whole = (rows / rows.mean(-1, keepdims=True))[..., None] * columns[..., None, :]
        found = unpacked_slots(stored(exp_avg_sq_row=rows, exp_avg_sq_col=columns), "adafactor", shape)["variance"]
        assert isinstance(found, Factored)
        total = math.prod(shape)
        for start, stop in ((0, total), (3, 5), (25, 40), (total - 1, total), (4, 4)):
            np.testing.assert_allclose(found.read(start, stop), whole.reshape(-1)[start:stop], rtol=1e-5)


def test_the_coarsest_type_of_the_moments_is_told() -> None:
    """Tables and scales are no moments; a bfloat16 average beside a float32 one counts as bfloat16."""
    table = dynamic_map(signed=True)
    assert stored_as(stored(state1=np.zeros(9, np.uint8), qmap1=table, absmax1=np.ones(1, np.float32))) == "8-bit"
    mixed = {**stored(exp_avg_sq=np.zeros(9, np.float32)), "exp_avg": StoredTensor("m", (9,), "bfloat16", np.zeros(9, np.uint16))}
    assert stored_as(mixed) == "bfloat16" and stored_as(stored(mu_product=np.zeros((), np.float32))) == ""


# --- the library, where it is installed -------------------------------------------------------------------------------

LIBRARY: dict[str, tuple[str, dict[str, Any]]] = {
    "Adam8bit": ("adamw", {}),
    "AdamW": ("adamw", {}),
    "AdEMAMix8bit": ("ademamix", {}),
    "Lion8bit": ("lion", {}),
    "SGD8bit": ("sgd", {"momentum": 0.9}),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", LIBRARY)
def test_a_step_of_the_library_is_known_to_two_percent(tmp_path: Path, name: str) -> None:
    """bitsandbytes' own steps, large tensors in 8 bits and small ones in 32."""
    library = import_module("bitsandbytes")
    algorithm, settings = LIBRARY[name]
    torch.manual_seed(0)
    model = torch.nn.Linear(90, 120)
    optimizer = getattr(library.optim, name)(model.parameters(), lr=1e-3, weight_decay=0.0, **settings)
    for _ in range(12):
        before = {key: value.clone() for key, value in model.state_dict().items()}
        for parameter in model.parameters():
            parameter.grad = torch.randn_like(parameter) + 0.3
        optimizer.step()
    path = tmp_path / "step.pt"
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, path)
    data = read_checkpoints([FoundFile(path, path.name, "checkpoint", path.stat().st_size)], tmp_path)
    assert data.checkpoints[0].optimizers[0].algorithm == algorithm
    updates = pass_over(data.checkpoints).rows[0].updates
    for key, value in model.state_dict().items():
        assert updates[key].update_norm == pytest.approx(float((value - before[key]).norm()), rel=0.02), key
    assert updates["weight"].state_dtype == ("float32" if name == "AdamW" else "8-bit") and updates["bias"].state_dtype == "float32"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "algorithm"), [("RMSprop8bit", "rmsprop"), ("Adagrad8bit", "adagrad"), ("LAMB8bit", "unknown")])
def test_one_slot_of_the_library_is_told_by_its_settings(tmp_path: Path, name: str, algorithm: str) -> None:
    """RMSprop and Adagrad keep squares in the slot where SGD keeps its momentum; LAMB's norm is not kept."""
    library = import_module("bitsandbytes")
    model = torch.nn.Linear(90, 120)
    optimizer = getattr(library.optim, name)(model.parameters(), lr=1e-3)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 0.5)
    optimizer.step()
    path = tmp_path / "step.pt"
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, path)
    data = read_checkpoints([FoundFile(path, path.name, "checkpoint", path.stat().st_size)], tmp_path)
    assert data.checkpoints[0].optimizers[0].algorithm == algorithm
    update = pass_over(data.checkpoints).rows[0].updates["weight"]
    assert math.isnan(update.update_norm)
    if algorithm != "unknown":
        assert update.gradient_rms == pytest.approx(0.5, rel=0.01)
