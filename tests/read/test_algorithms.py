"""Which algorithm state and settings belong to, and where they do not say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from postmortem.model import Algorithm
from postmortem.read.checkpoints.algorithms import algorithm_of, flat_slots
from postmortem.read.checkpoints.stored import StoredTensor, Tree

OLD_ADAM: dict[str, Tree] = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "amsgrad": False}
MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def entry(*slots: str) -> dict[str, dict[str, Tree]]:
    """State of one parameter with these slots."""
    return {"0": {slot: StoredTensor(slot, (2, 3), "float32", np.zeros((2, 3), np.float32)) for slot in slots}}


@pytest.mark.parametrize(
    ("slots", "settings", "expected"),
    [
        (MOMENTS, OLD_ADAM, "adam"),
        (MOMENTS, {**OLD_ADAM, "weight_decay": 0.01}, "adamw"),
        (MOMENTS, {**OLD_ADAM, "weight_decay": 0.01, "decoupled_weight_decay": False}, "adam"),
        (MOMENTS, {**OLD_ADAM, "weight_decay": 0.3, "decoupled_weight_decay": True}, "adamw"),
        (MOMENTS, {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-6, "weight_decay": 0.0, "correct_bias": True}, "adamw"),
        (MOMENTS, {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-6, "weight_decay": 0.0, "bias_correction": True}, "adam"),
        (MOMENTS, {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "maximize": False}, "unknown"),
        (MOMENTS, {**OLD_ADAM, "rho": 0.05}, "unknown"),
        (MOMENTS, {**OLD_ADAM, "caution": True}, "unknown"),
        ((*MOMENTS, "exp_avg_diff"), OLD_ADAM, "unknown"),
        (("step", "exp_avg", "exp_avg_var"), OLD_ADAM, "unknown"),
        ((), {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "foreach": None}, "unknown"),
        (("exp_avg",), {"lr": 1e-4, "betas": (0.9, 0.99), "weight_decay": 0.0}, "lion"),
        (("step", "exp_avg", "hessian"), {"lr": 1e-4, "betas": (0.9, 0.99), "rho": 0.04}, "sophia"),
        (("momentum_buffer",), {"lr": 0.1, "momentum": 0.9, "dampening": 0}, "sgd"),
        ((), {"lr": 0.1, "momentum": 0, "dampening": 0}, "sgd"),
        (("momentum_buffer",), {"lr": 0.1, "momentum": 0.9, "trust_coefficient": 1e-3}, "unknown"),
        (("momentum_buffer",), {"lr": 0.1, "momentum": 0.9, "nesterov": True, "ns_steps": 5}, "muon"),
        ((), {}, "unknown"),
    ],
)
def test_slots_and_settings_name_one_algorithm_or_none(slots: tuple[str, ...], settings: dict[str, Tree], expected: Algorithm) -> None:
    """Relatives that keep the same slots are told apart by their settings, and what could be two of them is unknown, with a reason."""
    found, basis = algorithm_of(entry(*slots) if slots else {}, [settings] if settings else [])
    assert found == expected and basis


@pytest.mark.parametrize(
    "name", ["ASGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Muon", "NAdam", "RAdam", "RMSprop", "Rprop", "SGD"]
)
@pytest.mark.parametrize("stepped", [False, True])
def test_every_optimizer_of_torch_has_its_name(name: str, stepped: bool) -> None:
    """By its settings alone before the first step, and with its state after it."""
    weight = torch.nn.Parameter(torch.ones(2, 3))
    optimizer: Any = getattr(torch.optim, name)([weight], lr=1e-2)
    if stepped:
        weight.grad = torch.ones(2, 3)
        optimizer.step()
    state = optimizer.state_dict()
    slots: dict[str, dict[str, Tree]] = {
        str(key): {slot: StoredTensor(slot, tuple(value.shape), "float32", value.numpy()) for slot, value in one.items()}
        for key, one in state["state"].items()
    }
    found, basis = algorithm_of(slots, state["param_groups"])
    unsure = {"Adamax"} if not stepped else set()
    assert found == ("unknown" if name in unsure else name.lower()) and basis


def test_a_table_of_quantized_slots_is_opened() -> None:
    """Slots in a table of their own stand beside the others."""
    inner: dict[str, Tree] = {"state1": 1.0, "qmap1": 2.0}
    assert dict(flat_slots({"step": 3, "__bnb_optimizer_quant_state__": inner})) == {"step": 3, "state1": 1.0, "qmap1": 2.0}
