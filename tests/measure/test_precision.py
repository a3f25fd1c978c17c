"""Half precision: weights that stand still, copies that only look so, and scales."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from postmortem.model import Measurement, Missing


def number(found: dict[str, Measurement | Missing], name: str) -> Measurement:
    """The measurement, which must be there."""
    one = found[name]
    assert isinstance(one, Measurement), one
    return one


def half(lab: Any, rate: float) -> dict[str, Measurement | Missing]:
    """All measurements of a training in bfloat16 throughout."""
    model = lab.mlp(32, 32).bfloat16()
    adam = torch.optim.AdamW(model.parameters(), rate, weight_decay=0.0)
    found: dict[str, Measurement | Missing] = lab.everything(lab.train(model, adam, inputs=lab.inputs.bfloat16()))
    return found


def test_small_updates_of_bfloat16_are_rounded_away(lab: Any) -> None:
    """At a rate of 2e-5 nearly all updates are below half a unit and nearly all bits stay; at 1e-2 they do not."""
    sick, healthy = half(lab, 2e-5), half(lab, 1e-2)
    assert number(sick, "precision.stuck").value > 0.8
    assert number(sick, "updates.equal_share").value > 0.9
    assert number(sick, "precision.stored").text == "bfloat16"
    assert number(healthy, "precision.stuck").value < 0.5
    assert number(healthy, "updates.equal_share").value < 0.5


def test_float32_is_told_as_such(lab: Any) -> None:
    """The type is told beside the share, so that the check does not apply."""
    model = lab.mlp(16)
    found = lab.everything(lab.train(model, torch.optim.Adam(model.parameters(), 1e-3)))
    assert number(found, "precision.stored").text == "float32"
    assert number(found, "precision.stored").value == 0
    assert number(found, "precision.stuck").value < 0.1


def test_half_precision_copy_of_float32_weights_is_not_stuck(lab: Any) -> None:
    """Weights exported as bfloat16 beside a float32 optimizer state are a copy, and are not judged."""
    model = lab.mlp(16)
    adam = torch.optim.Adam(model.parameters(), 1e-5)
    saved = lab.train(model, adam)
    exported = [
        replace(one, tensors={name: lab.held(name, torch.as_tensor(held.values).bfloat16()) for name, held in one.tensors.items()})
        for one in saved
    ]
    found = lab.everything(exported)
    assert number(found, "precision.stored").text == "bfloat16 copy"
    assert isinstance(found["precision.stuck"], Missing)
    alone = lab.everything([replace(one, optimizers=()) for one in exported])
    assert number(alone, "precision.stored").text == "bfloat16 alone"


def test_scale_of_the_gradient_scaler_first_and_last(lab: Any) -> None:
    """Values beside the weights that a scaler saved are found, others are not taken for one."""
    model = lab.mlp(8)
    values = [{"scaler.scale": 65536.0, "norm.scale": 3.0}, {"scaler.scale": 2.0**-10, "norm.scale": 3.0}]
    found = lab.everything([lab.snapshot(model, None, step, value) for step, value in zip((10, 20), values, strict=True)])
    assert number(found, "precision.scale").value == 2.0**-10
    assert number(found, "precision.scale_first").value == 65536
    nothing = lab.everything([lab.snapshot(model, None, 10, {"norm.scale": 3.0})])
    assert isinstance(nothing["precision.scale"], Missing)
