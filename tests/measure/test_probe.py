"""A look into checkpoints against closed forms: what independent draws, kin, roundings and odd contents give."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from postmortem.measure.copies import is_export
from postmortem.measure.families import family
from postmortem.measure.probe import kinship, probe, rounded_from
from postmortem.model import Checkpoint

Floats = NDArray[np.float64]


def draws(seed: int, scale: float = 1.0) -> dict[str, Floats]:
    """Three matrices and a vector."""
    draw = np.random.default_rng(seed)
    return {name: scale * draw.standard_normal(shape) for name, shape in (("a", (64, 64)), ("b", (64, 32)), ("c", (9, 9)), ("v", (100,)))}


def checkpoints(lab: Any, *contents: Mapping[str, Any]) -> list[Checkpoint]:
    """One checkpoint for each."""
    return [lab.bare(step, tensors) for step, tensors in enumerate(contents)]


def test_independent_draws_have_no_correlation_and_lie_sqrt_2_apart(lab: Any) -> None:
    """Every pair of twenty is within four standard deviations of 0, and its distance follows from norms and correlation."""
    kin = kinship(probe(checkpoints(lab, *(draws(seed) for seed in range(20)))))
    above = np.triu_indices(20, 1)
    elements = 64 * 64 + 64 * 32 + 81 + 100
    assert (kin.elements == elements).all()
    assert kin.correlation[above].std() == pytest.approx(1 / math.sqrt(elements), rel=0.2)
    assert np.abs(kin.correlation[above]).max() < 4 / math.sqrt(elements) and kin.strangers[above].min() > 0.99
    assert kin.distance[above] == pytest.approx(math.sqrt(2), rel=0.05) and kin.norm_ratio[above] == pytest.approx(1, abs=0.1)


def test_what_goes_on_keeps_its_correlation(lab: Any) -> None:
    """w and 0.5 w + 0.5 e, with e as large, correlate by sqrt(1/2); the norm shrinks by the same, and the distance follows."""
    first, noise = draws(0), draws(1)
    kin = kinship(probe(checkpoints(lab, first, {name: 0.5 * first[name] + 0.5 * noise[name] for name in first})))
    assert kin.correlation[0, 1] == pytest.approx(math.sqrt(0.5), abs=0.03) and kin.strangers[0, 1] == 0
    assert kin.norm_ratio[0, 1] == pytest.approx(math.sqrt(0.5), rel=0.03) == 1 / kin.norm_ratio[1, 0]
    ratio = math.log(kin.norm_ratio[0, 1])
    assert kin.distance[0, 1] == pytest.approx(math.sqrt(2 * math.cosh(ratio) - 2 * kin.correlation[0, 1]), rel=0.01)


def test_constants_counters_statistics_and_what_is_not_finite_tell_nothing(lab: Any) -> None:
    """Two independent nets share zeros, ones, running statistics and NaN; none of them counts for kinship."""
    shared = {
        "norm.weight": np.ones(64),
        "norm.bias": np.zeros(64),
        "lora_B": np.zeros((64, 8)),
        "norm.running_mean": np.linspace(-1, 1, 64),
        "norm.num_batches_tracked": np.arange(64),
        "spoiled": np.full((30, 30), np.nan),
        "blown": np.full((30, 30), np.inf),
    }
    kin = kinship(probe(checkpoints(lab, shared, shared)))
    assert kin.elements[0, 1] == 0 and math.isnan(kin.correlation[0, 1])


def test_scale_and_mean_do_not_matter(lab: Any) -> None:
    """Squares of what blew up to 1e300 do not overflow, and a common mean is no kinship."""
    kin = kinship(probe(checkpoints(lab, draws(0, 1e300), draws(0, 1e-300), draws(1))))
    assert kin.correlation[0, 1] == pytest.approx(1) and abs(kin.correlation[0, 2]) < 0.06
    shifted = [{name: values + 50 for name, values in draws(seed).items()} for seed in (2, 3)]
    assert abs(kinship(probe(checkpoints(lab, *shifted))).correlation[0, 1]) < 0.06


def test_checkpoints_with_some_common_tensors_look_at_common_ones(lab: Any) -> None:
    """Of two hundred tensors each look takes the same two dozen, though half of the names are others."""
    draw = np.random.default_rng(0)
    common = {f"common.{index}": draw.standard_normal((20, 20)) for index in range(100)}
    one, two = ({f"{kind}.{index}": draw.standard_normal((20, 20)) for index in range(20)} for kind in ("left", "right"))
    kin = kinship(probe(checkpoints(lab, common | one, common | two)))
    assert kin.elements[0, 1] >= 12 * 400 and kin.correlation[0, 1] == pytest.approx(1)


class Counted:
    """A large tensor that counts what is asked of it."""

    name, shape, dtype = "w", (30_000, 10_000), "float32"

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Numbers that depend on the place."""
        self.asked.append((start, stop))
        return np.sin(np.arange(start, stop, dtype=np.float64))

    stored = read

    def widen(self, stored: NDArray[Any], out: NDArray[np.float32]) -> NDArray[Any]:
        """They are numbers already."""
        return stored


@pytest.mark.parametrize("count", [1, 2000])
def test_a_look_is_bounded(count: int) -> None:
    """However many and large the tensors are, 16,384 elements in at most 64 places are read of each checkpoint, the same in each."""
    tensors = {f"layers.{index}.weight": Counted() for index in range(count)}
    probe([Checkpoint(f"step_{step}.pt", step, "", None, tensors, "", (), {}, 0) for step in range(3)])
    asked = [place for tensor in tensors.values() for place in tensor.asked]
    assert sum(stop - start for start, stop in asked) <= 3 * 2**14 and len(asked) <= 3 * 64
    assert all(tensor.asked[: len(tensor.asked) // 3] * 3 == tensor.asked for tensor in tensors.values())


# --- roundings ------------------------------------------------------------------------------------------------------------

TYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float8_e4m3fn": torch.float8_e4m3fn, "float8_e5m2": torch.float8_e5m2}


@pytest.mark.parametrize("name", TYPES)
def test_a_rounding_of_torch_is_known_as_one(name: str) -> None:
    """Every element that torch casts to a narrower type is its rounding, subnormal and overflowing ones included; a step is not."""
    wide = torch.as_tensor(np.random.default_rng(0).standard_normal(5000).astype(np.float32)) * 0.05
    wide[:4] = torch.tensor([0.0, 1e-7, -300.0, 2e-9])
    narrow = wide.to(TYPES[name]).double().numpy()
    assert rounded_from(narrow, name, wide.double().numpy(), "float32") == 5000
    moved = wide.double().numpy() * 1.5
    assert rounded_from(narrow, name, moved, "float32") < 500
    assert rounded_from(wide.double().numpy(), "float32", narrow, name) == 0


def test_an_overflow_to_infinity_is_a_rounding_too() -> None:
    """Float16 ends at 65504."""
    assert rounded_from(np.array([np.inf, 1.0, np.nan]), "float16", np.array([1e6, 1.0, np.nan]), "float32") == 3
    assert rounded_from(np.array([np.inf]), "float16", np.array([1.0]), "float32") == 0


def test_an_export_may_keep_some_tensors_wide(lab: Any) -> None:
    """Norms often stay in float32; what is narrower must be a rounding, what is not must be equal."""
    wide = {name: values.astype(np.float32) for name, values in draws(0).items()}
    mixed: dict[str, Any] = {name: torch.as_tensor(values).to(torch.bfloat16) if name != "v" else values for name, values in wide.items()}
    one, two, other = probe(checkpoints(lab, mixed, wide, mixed | {"v": wide["v"] + 1}))
    assert is_export(one, two) and not is_export(two, one) and not is_export(other, two) and not is_export(one, one)


# --- names ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("step_000100.pt", ()),
        ("checkpoints/epoch=3-step=400-val_loss=0.12.ckpt", ()),
        ("model_best.pth.tar", ()),
        ("checkpoint-500/model.safetensors", ()),
        ("seed0/step_100.pt", ("seed0",)),
        ("fold_3/best.pt", ("fold3",)),
        ("a_step100.pt", ("a",)),
        ("runs/resnet18_epoch10.pt", ("runs", "resnet")),
        ("netG_100.pth", ("g",)),
    ],
)
def test_what_is_left_of_a_name(source: str, expected: tuple[str, ...]) -> None:
    """Numbers and words that any checkpoint may bear say nothing of which training it belongs to."""
    assert family(source) == expected
