"""Half precision: weights that stand still, copies that only look so, and scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from postmortem.measure.precision import logged_scale
from postmortem.measure.roles import assign
from postmortem.measure.tensors import pass_over
from postmortem.model import Measurement, Missing, Optimizer, ReadOptions, Series


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


def logged(values: Sequence[float], tag: str = "train/loss_scale") -> dict[str, Measurement]:
    """What a log of this scale tells."""
    array = np.asarray(values, dtype=np.float64)
    series = Series(tag, "", np.arange(array.size) * 10, array, np.full(array.size, np.nan), "events")
    return {one.name: one for one in logged_scale(assign([series], ReadOptions()))}


def test_scale_in_the_log() -> None:
    """A scale that only falls ends where its last points stand at the highest; one that grows again is told; a constant one is none."""
    falling = logged([65536 / 2.0 ** (index // 2) for index in range(100)])
    assert falling["precision.scale"].value == 65536 / 2.0**45
    assert falling["precision.scale_first"].value == 65536 and falling["precision.scale_grown"].value == 0
    working = logged([0.25 * 2.0 ** (index % 10 // 5) for index in range(100)])
    assert working["precision.scale_grown"].value == 5 and working["precision.scale"].value == 0.5
    assert logged([1024.0] * 100) == {} and logged([4.0, 2.0]) == {} and logged([0.5, 0.25] * 20, "train/loss") == {}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("rate", [1e-2, 1e-4, 1e-6, 1e-8])
def test_stuck_elements_are_those_that_a_step_leaves_alone(lab: Any, dtype: torch.dtype, rate: float) -> None:
    """Counted are just the elements that a step of torch in that very type leaves as they are, and of the others none."""
    torch.manual_seed(0)
    weight = torch.nn.Parameter((torch.randn(60, 50) / 8).to(dtype))
    adam = torch.optim.Adam([weight], rate)
    for _ in range(5):
        before = weight.detach().clone()
        weight.grad = torch.randn(60, 50).to(dtype)
        adam.step()
    state = adam.state[weight]
    # The step counted as done once more from where it began: the pass judges by the weights that it finds.
    model = torch.nn.Linear(50, 60, bias=False)
    model.weight = torch.nn.Parameter(before)
    checkpoint = lab.snapshot(model, None, 5)
    optimizer = Optimizer(
        "optimizer",
        "adam",
        ({"lr": rate, "betas": (0.9, 0.999), "eps": 1e-8},),
        {"weight": 0},
        {"weight": {slot: lab.held(slot, state[slot]) for slot in ("exp_avg", "exp_avg_sq")}},
        {"weight": 5},
        "by name",
    )
    update = pass_over([replace(checkpoint, optimizers=(optimizer,))]).rows[0].updates["weight"]
    stayed = int((weight.detach() == before).sum())
    assert update.stuck == pytest.approx(stayed, abs=0.02 * before.numel())


def test_second_moments_below_their_type_are_counted(lab: Any) -> None:
    """Gradients whose squares vanish in float16 leave a first moment over a zero; in float32 none do, and bits of moments are told."""
    shares = []
    for dtype in (torch.float16, torch.float32):
        model = torch.nn.Linear(30, 20, bias=False).to(dtype)
        adam = torch.optim.Adam(model.parameters(), 1e-3, eps=1e-3)
        for _ in range(3):
            model.weight.grad = torch.full((20, 30), 1e-3, dtype=dtype)
            adam.step()
        found = lab.everything([lab.snapshot(model, adam, 3)])
        shares.append(number(found, "precision.underflow").value)
        state = number(found, "precision.state")
        assert state.text == str(dtype).removeprefix("torch.") and state.value == float(dtype == torch.float16)
    assert shares == [1.0, 0.0]


def float16(lab: Any, weights: torch.Tensor) -> dict[str, Measurement | Missing]:
    """All measurements of two matrices in float16, the second of ordinary size."""
    ordinary = 0.02 * torch.randn(64, 64, generator=torch.Generator().manual_seed(2))
    found: dict[str, Measurement | Missing] = lab.everything(
        [lab.bare(step, {"fc1.weight": weights.half(), "fc2.weight": ordinary.half()}) for step in (100, 200)]
    )
    return found


def test_float16_weights_that_were_cut_off_are_counted(lab: Any) -> None:
    """Elements clamped to the type's end before they were stored are counted by tensor; ordinary ones are not."""
    weights = 3e4 * torch.randn(64, 64, generator=torch.Generator().manual_seed(1))
    found = float16(lab, weights.clamp(-65504, 65504))
    expected = int((weights.abs() >= 65504 - 16).sum())
    assert expected > 50 and number(found, "precision.clipped").value == expected
    assert number(found, "precision.clipped").items == {"fc1.weight": expected}


def test_share_of_subnormal_float16_weights_is_that_of_a_normal_distribution(lab: Any) -> None:
    """Of N(0, 1e-4) the share below 6.1e-5 is erf(0.61 / sqrt(2)) = 0.458, within four standard errors; of N(0, 0.02) 0.24 %."""
    found = float16(lab, 1e-4 * torch.randn(64, 64, generator=torch.Generator().manual_seed(1)))
    share = number(found, "precision.subnormal")
    assert abs(share.value - 0.458) < 4 * 0.5 / 64 and share.items["fc2.weight"] < 0.006
    assert number(found, "precision.clipped").value == 0


def test_float32_weights_have_no_end_to_be_cut_off_at(lab: Any) -> None:
    """The counts are missing, not zero, where nothing is stored in half precision."""
    found = lab.everything([lab.bare(1, {"fc1.weight": torch.ones(8, 8), "fc2.weight": torch.ones(4, 8)})])
    assert isinstance(found["precision.clipped"], Missing) and isinstance(found["precision.subnormal"], Missing)
