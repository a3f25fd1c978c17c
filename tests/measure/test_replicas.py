"""Replicas, averages and adapters: closed forms, and what must stay silent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from postmortem.measure.adapters import measure_adapters, product_norm
from postmortem.measure.averages import measure_averages
from postmortem.measure.boxes import CHUNK_ELEMENTS
from postmortem.measure.pairs import compare
from postmortem.measure.replicas import measure_replicas
from postmortem.measure.tensors import pass_over
from postmortem.measure.updates import measure_updates
from postmortem.model import Checkpoint, Measurement, Missing, Optimizer, Replica, Tensor
from postmortem.read.checkpoints.stored import Array, StoredTensor


def tensor(array: Array, name: str = "w", dtype: str = "") -> StoredTensor:
    """An array as a tensor."""
    return StoredTensor(name, array.shape, dtype or str(array.dtype), array)


def tensors(arrays: Mapping[str, Array]) -> dict[str, Tensor]:
    """Arrays as tensors under their names."""
    return {name: tensor(array, name) for name, array in arrays.items()}


def checkpoint(step: int, arrays: Mapping[str, Array], **more: Any) -> Checkpoint:
    """A checkpoint of arrays."""
    return Checkpoint(f"step_{step}_rank0.pt", step, "", None, tensors(arrays), "", (), more.pop("values", {}), 0, **more)


def measured(measure: Any, checkpoints: list[Checkpoint]) -> dict[str, Measurement | Missing]:
    """What a measure says, by name."""
    return {found.name: found for found in measure(pass_over(checkpoints), checkpoints)}


def value(found: Measurement | Missing) -> Measurement:
    """A measurement that must be there."""
    assert isinstance(found, Measurement), found
    return found


# --- pairs ------------------------------------------------------------------------------------------------------------


def test_a_pair_is_compared_over_all_chunks() -> None:
    """Counts, norms and the largest difference are numpy's over the whole, with a last chunk that is not full."""
    generator = np.random.default_rng(0)
    one = generator.standard_normal(2 * CHUNK_ELEMENTS + 777)
    two = one.copy()
    two[[3, CHUNK_ELEMENTS, 2 * CHUNK_ELEMENTS + 700]] += [0.5, -2.0, 0.25]
    found = compare(tensor(one), tensor(two))
    assert (found.elements, found.differing, found.largest) == (one.size, 3, 2.0)
    assert found.norm == pytest.approx(math.sqrt(0.25 + 4 + 0.0625))
    assert found.norm_one == pytest.approx(float(np.linalg.norm(one)))
    assert found.cosine == pytest.approx(float(one @ two / np.linalg.norm(one) / np.linalg.norm(two)))


def test_numbers_that_are_none_count_as_different_on_one_side_only() -> None:
    """NaN on both sides is equal; on one side it is a difference of no finite size."""
    one, two = np.array([1, np.nan, np.inf, 2], np.float32), np.array([1, np.nan, np.inf, np.nan], np.float32)
    assert (compare(tensor(one), tensor(one)).differing, compare(tensor(one), tensor(one)).distance) == (0, 0.0)
    found = compare(tensor(one), tensor(two))
    assert (found.differing, found.nonfinite_one, found.nonfinite_two) == (1, 2, 3)
    assert math.isinf(found.distance)


# --- replicas ---------------------------------------------------------------------------------------------------------


def net(seed: int = 0) -> dict[str, Array]:
    """Weights of a net with running statistics and a counter."""
    generator = np.random.default_rng(seed)
    return {
        "fc.weight": generator.standard_normal((8, 16)).astype(np.float32),
        "bn.weight": np.ones(8, np.float32),
        "bn.running_mean": generator.standard_normal(8).astype(np.float32),
        "bn.num_batches_tracked": np.array([7], np.int64),
        "head.weight": generator.standard_normal((3, 8)).astype(np.float32),
    }


def ranks(step: int, changes: Mapping[str, Any], count: int = 3) -> Checkpoint:
    """A checkpoint of several ranks, the last of which differs in some tensors."""
    arrays = net(step)
    others = [Replica(f"rank {rank}", f"rank{rank}.pt", tensors(arrays)) for rank in range(1, count - 1)]
    return checkpoint(step, arrays, replicas=(*others, Replica(f"rank {count - 1}", "last.pt", tensors({**arrays, **changes}))))


def test_one_rank_that_drifts_is_found_with_its_tensor_and_step() -> None:
    """The differing tensor, the rank, the first step and the distance in units of the type's precision."""
    moved = net(20)["fc.weight"].copy()
    moved[2, 3] += 0.5
    later = net(30)["fc.weight"] * 1.001
    found = measured(measure_replicas, [ranks(10, {}), ranks(20, {"fc.weight": moved}), ranks(30, {"fc.weight": later})])
    differing = value(found["replicas.differing_tensors"])
    assert (differing.value, differing.first_step, list(differing.items)) == (1, 20, ["fc.weight"])
    norm = max(float(np.linalg.norm(moved.astype(np.float64))), float(np.linalg.norm(net(20)["fc.weight"].astype(np.float64))))
    assert differing.items["fc.weight"] == pytest.approx(0.5 / norm, rel=1e-6)
    assert value(found["replicas.distance"]).value == pytest.approx(0.5 / norm / 2**-23, rel=1e-6)
    assert list(value(found["replicas.differing_ranks"]).items) == ["rank 2"]
    assert value(found["replicas.largest_difference"]).value == pytest.approx(0.5, rel=1e-6)


def test_equal_replicas_measure_zero() -> None:
    """Sound ranks differ in nothing, and the basis says how much was compared."""
    found = measured(measure_replicas, [ranks(10, {}), ranks(20, {})])
    assert value(found["replicas.distance"]).value == 0 and value(found["replicas.differing_tensors"]).value == 0
    assert "3 parameter tensors on 3 ranks" in value(found["replicas.distance"]).basis


def test_what_ranks_may_keep_for_themselves_is_not_compared() -> None:
    """Running statistics and counters of batch normalization differ between sound ranks."""
    own = {"bn.running_mean": np.zeros(8, np.float32), "bn.num_batches_tracked": np.array([8], np.int64)}
    assert value(measured(measure_replicas, [ranks(10, own)])["replicas.distance"]).value == 0


def test_what_no_optimizer_updates_is_each_ranks_own() -> None:
    """A queue of embeddings is a parameter by its name alone; the optimizer that lists all others tells that it is none."""
    one = ranks(10, {})
    queue, other = np.ones((4, 8), np.float32), np.zeros((4, 8), np.float32)
    held = {**one.tensors, "queue": tensor(queue, "queue")}
    replicas = tuple(replace(each, tensors={**each.tensors, "queue": tensor(other, "queue")}) for each in one.replicas)
    optimizer = Optimizer("optimizer", "adam", ({"lr": 0.1},), dict.fromkeys(one.tensors, 0), {}, {}, "by position")
    apart = replace(one, tensors=held, replicas=replicas)
    assert value(measured(measure_replicas, [apart])["replicas.differing_tensors"]).value == 1
    listed = value(measured(measure_replicas, [replace(apart, optimizers=(optimizer,))])["replicas.differing_tensors"])
    assert listed.value == 0 and "1 others, which no optimizer lists, were not compared" in listed.basis


def test_one_rank_alone_is_not_read_as_equal() -> None:
    """Without another rank's file there is no measurement, and the gap says what to save."""
    found = measured(measure_replicas, [checkpoint(10, net())])
    assert isinstance(found["replicas.distance"], Missing)


@pytest.mark.parametrize("broken", [False, True], ids=["healthy", "one rank clips alone"])
def test_real_data_parallel_training(broken: bool) -> None:
    """Two models trained on the mean of their gradients stay equal to the bit; with one that clips by its own norm they part."""
    torch.manual_seed(0)
    models = [torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    optimizers = [torch.optim.AdamW(model.parameters(), lr=1e-2) for model in models]
    for _ in range(5):
        for model, optimizer in zip(models, optimizers, strict=True):
            optimizer.zero_grad()
            model(torch.randn(4, 6)).square().sum().backward()
        for pair in zip(*(model.parameters() for model in models), strict=True):
            mean = sum(parameter.grad for parameter in pair if parameter.grad is not None) / 2
            for parameter in pair:
                parameter.grad = torch.as_tensor(mean).clone()
        if broken:
            torch.nn.utils.clip_grad_norm_(models[1].parameters(), 0.1)
        for optimizer in optimizers:
            optimizer.step()
    arrays = [{name: parameter.detach().numpy() for name, parameter in model.named_parameters()} for model in models]
    found = measured(measure_replicas, [checkpoint(5, arrays[0], replicas=(Replica("rank 1", "rank1.pt", tensors(arrays[1])),))])
    assert (value(found["replicas.distance"]).value > 16) == broken


# --- averages ---------------------------------------------------------------------------------------------------------


def averaged(step: int, arrays: Mapping[str, Array], average: Mapping[str, Array]) -> Checkpoint:
    """A checkpoint with a moving average."""
    return checkpoint(step, arrays, averages={"ema": tensors(average)})


def test_an_average_that_follows_is_sound() -> None:
    """Distance and movement are those of the vectors that were made."""
    base, moved = net(0), {name: array + 1 if array.dtype == np.float32 else array for name, array in net(0).items()}
    half = {name: array + 0.5 if array.dtype == np.float32 else array for name, array in net(0).items()}
    found = measured(measure_averages, [averaged(0, base, base), averaged(10, moved, half)])
    assert value(found["averages.nonfinite"]).value == 0
    assert value(found["averages.movement"]).value == pytest.approx(0.5, rel=1e-6)
    elements = 8 * 16 + 8 + 3 * 8
    size = math.sqrt(sum(float(np.square(moved[name], dtype=np.float64).sum()) for name in ("fc.weight", "bn.weight", "head.weight")))
    assert value(found["averages.distance"]).value == pytest.approx(0.5 * math.sqrt(elements) / size, rel=1e-6)


def test_an_average_that_stands_still_moves_by_zero() -> None:
    """The model moved, its average did not."""
    found = measured(measure_averages, [averaged(0, net(0), net(0)), averaged(10, net(1), net(0))])
    assert value(found["averages.movement"]).value == 0


def test_an_average_is_poisoned_only_where_its_model_is_sound() -> None:
    """NaN in the average of a finite tensor counts; where the model is not finite either, the model is the finding."""
    sick = {**net(1), "fc.weight": np.full((8, 16), np.nan, np.float32)}
    found = measured(measure_averages, [averaged(0, net(0), net(0)), averaged(10, net(1), sick)])
    assert (value(found["averages.nonfinite"]).value, value(found["averages.nonfinite"]).first_step) == (128, 10)
    assert value(measured(measure_averages, [averaged(10, sick, sick)])["averages.nonfinite"]).value == 0


# --- adapters ---------------------------------------------------------------------------------------------------------


def adapter(step: int, idle: int = 0, **more: Any) -> Checkpoint:
    """Two adapted layers of rank 2, the first `idle` of which were never updated."""
    generator = np.random.default_rng(0)
    arrays: dict[str, Array] = {}
    for index in range(2):
        up = np.zeros((12, 2)) if index < idle else generator.standard_normal((12, 2))
        arrays[f"layers.{index}.q_proj.base_layer.weight"] = generator.standard_normal((12, 10)).astype(np.float32)
        arrays[f"layers.{index}.q_proj.lora_A.default.weight"] = generator.standard_normal((2, 10)).astype(np.float32)
        arrays[f"layers.{index}.q_proj.lora_B.default.weight"] = up.astype(np.float32)
    return checkpoint(step, arrays, **more)


def test_adapters_that_learn_are_sized_against_their_weights() -> None:
    """The norm of scale x B A over that of the weight, as if the product had been formed."""
    one = adapter(50, values={"adapter.lora_alpha": 8, "adapter.r": 2})
    found = measured(measure_adapters, [one])
    assert value(found["adapters.idle_share"]).value == 0
    ratios = value(found["adapters.ratio"]).items
    for index in range(2):
        names = [f"layers.{index}.q_proj.{part}.weight" for part in ("base_layer", "lora_A.default", "lora_B.default")]
        base, down, up = (one.tensors[name].read(0, 10**6).reshape(one.tensors[name].shape).astype(np.float64) for name in names)
        assert ratios[names[0]] == pytest.approx(4 * np.linalg.norm(up @ down) / np.linalg.norm(base), rel=1e-9)


def test_adapters_whose_second_factor_is_zero_are_idle() -> None:
    """After updates zero says that no gradient came; before the second update it is as it should be."""
    assert value(measured(measure_adapters, [adapter(50, idle=2)])["adapters.idle_share"]).value == 1
    assert value(measured(measure_adapters, [adapter(50, idle=1)])["adapters.idle_share"]).value == 0.5
    for step in (0, 1):
        assert isinstance(measured(measure_adapters, [adapter(step, idle=2)])["adapters.idle_share"], Missing)


def test_adapters_for_other_tasks_are_not_idle() -> None:
    """Of several named adapters in one net only those count of which one has moved."""
    one, waiting = adapter(50), adapter(50, idle=2)
    others = {name.replace(".default.", ".other."): tensor for name, tensor in waiting.tensors.items() if "lora_" in name}
    both = replace(one, tensors={**one.tensors, **others})
    found = value(measured(measure_adapters, [both])["adapters.idle_share"])
    assert found.value == 0 and "2 of other names, none of which has moved, are not counted" in found.basis


def test_the_product_of_long_factors_is_taken_in_pieces() -> None:
    """Factors longer than a chunk give the norm of their product."""
    generator = np.random.default_rng(1)
    up, down = generator.standard_normal((3000, 4)), generator.standard_normal((4, CHUNK_ELEMENTS // 2))
    expected = math.sqrt(float(np.trace((up.T @ up) @ (down @ down.T))))
    assert product_norm(tensor(up), tensor(down)) == pytest.approx(expected, rel=1e-9)


def test_a_base_that_adapters_leave_alone_is_not_called_frozen() -> None:
    """Weights under adapters stand still by design: only adapters count as parameters that should move."""
    after = adapter(50)
    ups = {name: np.zeros((12, 2), np.float32) for name in after.tensors if "lora_B" in name}
    before = replace(after, source="step_0.pt", step=0, tensors={**after.tensors, **tensors(ups)})
    found = measured(measure_updates, [before, after])
    assert value(found["updates.moved"]).value == pytest.approx(0.5)  # of four factors two moved; the two weights do not count
    early = measured(measure_updates, [before, replace(after, step=1)])
    assert value(early["updates.moved"]).value == 1  # a first update reaches the second factors only
    assert not [name for name in value(found["updates.frozen"]).items if "base_layer" in name]
