"""What several ranks of a job write: replicas, parts of tensors, and files that only look like them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from postmortem.discover import find_runs
from postmortem.model import Tensor
from postmortem.read.checkpoints.files import CheckpointData, read_checkpoints
from postmortem.read.checkpoints.rank_names import rank_of

torch.set_num_threads(1)


def read(folder: Path, tmp_path: Path) -> CheckpointData:
    """A folder as discovery hands it on."""
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    (run,) = find_runs([folder])
    return read_checkpoints(run.files, scratch)


def elements(tensor: Tensor) -> NDArray[Any]:
    """All elements, in the tensor's shape."""
    return tensor.read(0, int(np.prod(tensor.shape))).reshape(tensor.shape)


NAMES = {
    "rank0.pt": ("#.pt", "data", 0, 0),
    "ckpt/model_rank_3.pt": ("ckpt/model_#.pt", "data", 3, 0),
    "checkpoint_rank12.pth": ("checkpoint_#.pth", "data", 12, 0),
    "step_10/rank_1/model.pt": ("step_10/#/model.pt", "data", 1, 0),
    "model_world_size_8_rank_2.pt": ("model_#.pt", "fully-sharded", 2, 0),
    "iter_100/mp_rank_01/model_optim_rng.pt": ("iter_100/#/model_optim_rng.pt", "model", 1, 0),
    "iter_100/mp_rank_01_003/model_optim_rng.pt": ("iter_100/#/model_optim_rng.pt", "model", 1, 3),
    "tp_rank_00_pp_rank_002/model.pt": ("#/model.pt", "model", 0, 2),
    "mp_rank_02_model_states.pt": ("#_model_states.pt", "model", 2, 0),
    "consolidated.01.pth": ("./consolidated.#.pth", "model", 1, 0),
}


@pytest.mark.parametrize("name", NAMES)
def test_the_rank_that_a_name_speaks_of(name: str) -> None:
    """Family, style, rank and stage as the names of torch, Megatron, DeepSpeed and LLaMA write them."""
    found = rank_of(name)
    assert found is not None
    assert (found.family, found.style, found.rank, found.stage) == NAMES[name]


@pytest.mark.parametrize("name", ["model.pt", "frank0.pt", "low_rank_8.pt", "top_rank_2.pt", "best-rank1.pt", "prank_1/x/y/z.pt"])
def test_names_that_number_other_things(name: str) -> None:
    """Ranks of matrices and of a list of the best are no ranks of a job."""
    assert rank_of(name) is None


def model(seed: int = 0) -> dict[str, torch.Tensor]:
    """Weights of a small net with a norm and running statistics."""
    torch.manual_seed(seed)
    return {
        "fc1.weight": torch.randn(8, 6),
        "fc1.bias": torch.randn(8) * 0.1,
        "bn.weight": 1 + 0.1 * torch.randn(8),
        "bn.running_mean": torch.randn(8),
        "bn.num_batches_tracked": torch.tensor(9),
        "fc2.weight": torch.randn(3, 8),
    }


def test_equal_files_of_ranks_are_replicas_of_one_checkpoint(tmp_path: Path) -> None:
    """Data-parallel ranks make one checkpoint, which keeps the others' tensors beside rank 0's."""
    for step in (10, 20):
        for rank in range(3):
            torch.save({"model": model(step), "step": step}, tmp_path / f"step_{step}_rank{rank}.pt")
    data = read(tmp_path, tmp_path)
    assert not data.problems
    assert [(one.source, one.step, len(one.replicas)) for one in data.checkpoints] == [
        ("step_10_rank0.pt", 10, 2),
        ("step_20_rank0.pt", 20, 2),
    ]
    assert [replica.rank for replica in data.checkpoints[0].replicas] == ["rank 1", "rank 2"]
    assert any("replicas" in note for note in data.notes)


def test_drifted_replicas_are_still_replicas(tmp_path: Path) -> None:
    """A little noise, and a norm that is all NaN on one rank, do not hide that the files are of one model."""
    for rank in range(2):
        state = model()
        if rank:
            state["fc1.weight"] += 0.1 * torch.randn(8, 6)
            state["bn.weight"] = torch.full((8,), float("nan"))
        torch.save(state, tmp_path / f"rank{rank}.pt")
    (found,) = read(tmp_path, tmp_path).checkpoints
    assert set(found.replicas[0].tensors) == set(model())


def test_unrelated_files_of_ranks_are_not_compared(tmp_path: Path) -> None:
    """Equal shapes with nothing in common may be shards or separate models: all are read, and a note says why none is compared."""
    for rank in range(2):
        torch.save(model(seed=rank), tmp_path / f"rank{rank}.pt")
    data = read(tmp_path, tmp_path)
    assert [one.source for one in data.checkpoints] == ["rank0.pt", "rank1.pt"]
    assert not any(one.replicas for one in data.checkpoints)
    assert any("nothing in common" in note for note in data.notes)


def test_files_of_other_steps_are_no_replicas(tmp_path: Path) -> None:
    """Nearly equal files of different steps are a series, whatever their names say."""
    for rank in range(2):
        torch.save({"model": model(), "step": 100 + rank}, tmp_path / f"rank{rank}.pt")
    data = read(tmp_path, tmp_path)
    assert len(data.checkpoints) == 2 and not data.checkpoints[0].replicas
    assert any("steps [100, 101]" in note for note in data.notes)


def test_one_unreadable_replica_leaves_the_others(tmp_path: Path) -> None:
    """A damaged rank is named, and the rest are compared."""
    for rank in range(3):
        torch.save(model(), tmp_path / f"rank{rank}.pt")
    path = tmp_path / "rank1.pt"
    path.write_bytes(path.read_bytes()[:200])
    data = read(tmp_path, tmp_path)
    assert [problem.path for problem in data.problems] == ["rank1.pt"]
    assert [replica.rank for replica in data.checkpoints[0].replicas] == ["rank 2"]


# --- tensor-parallel ranks --------------------------------------------------------------------------------------------

WIDTH = 6


def megatron(step: int = 50, tensor_ranks: int = 2, seed: int = 0) -> tuple[dict[str, torch.Tensor], list[dict[str, torch.Tensor]]]:
    """A whole model, and the parts of it that ranks hold: columns, rows, whole norms and summed biases."""
    torch.manual_seed(seed)
    whole = {
        "embedding.word_embeddings.weight": torch.randn(10, WIDTH),
        "layers.0.input_norm.weight": 1 + 0.1 * torch.randn(WIDTH),
        "layers.0.attention.query_key_value.weight": torch.randn(3 * WIDTH, WIDTH),
        "layers.0.attention.query_key_value.bias": torch.randn(3 * WIDTH),
        "layers.0.attention.dense.weight": torch.randn(WIDTH, WIDTH),
        "layers.0.attention.dense.bias": torch.randn(WIDTH),
        "layers.0.mlp.dense_h_to_4h.weight": torch.randn(4 * WIDTH, WIDTH),
        "layers.0.mlp.dense_h_to_4h.bias": torch.zeros(4 * WIDTH),
        "layers.0.mlp.dense_4h_to_h.weight": torch.randn(WIDTH, 4 * WIDTH),
        "final_norm.weight": 1 + 0.1 * torch.randn(WIDTH),
    }
    axes = dict.fromkeys(whole, 0) | {"layers.0.attention.dense.weight": 1, "layers.0.mlp.dense_4h_to_h.weight": 1}
    replicated = {name for name in whole if "norm" in name} | {"layers.0.attention.dense.bias"}
    parts = []
    for rank in range(tensor_ranks):
        cut = {name: tensor.chunk(tensor_ranks, axes[name])[rank].clone() for name, tensor in whole.items() if name not in replicated}
        parts.append({name: cut.get(name, whole[name]) for name in whole})
    return whole, parts


@pytest.mark.parametrize("ranks", [2, 3])
def test_parts_of_a_model_are_put_together(tmp_path: Path, ranks: int) -> None:
    """Columns, rows and their biases come together as the whole; what is whole on every rank is kept for comparison, the parts are not."""
    whole, parts = megatron(tensor_ranks=ranks)
    if ranks == 3:  # 10 rows of the vocabulary do not go into 3 equal parts: nothing to be had from equal shapes
        assert len({part["embedding.word_embeddings.weight"].shape for part in parts}) == 2
    for rank, part in enumerate(parts):
        folder = tmp_path / "iter_0000050" / f"mp_rank_{rank:02d}"
        folder.mkdir(parents=True)
        torch.save({"model": part, "iteration": 50}, folder / "model_optim_rng.pt")
    data = read(tmp_path, tmp_path)
    assert not data.problems, data.problems
    (found,) = data.checkpoints
    assert found.step == 50
    for name, tensor in whole.items():
        np.testing.assert_array_equal(elements(found.tensors[name]), tensor.numpy(), err_msg=name)
    assert len(found.replicas) == ranks - 1
    assert {"layers.0.input_norm.weight", "final_norm.weight", "layers.0.attention.dense.bias"} <= set(found.replicas[0].tensors)
    assert not {name for name in found.replicas[0].tensors if "query" in name or "4h" in name or "embed" in name}


def test_a_norm_that_drifted_between_parts_is_kept_for_comparison(tmp_path: Path) -> None:
    """A replicated vector that differs a little on one rank is a replica; a part of a vector near 1 throughout is none."""
    _, parts = megatron()
    parts[1]["final_norm.weight"] = parts[1]["final_norm.weight"] + 0.01 * torch.randn(WIDTH)
    for rank, part in enumerate(parts):
        part["head_norm.weight"] = 1 + 0.1 * torch.randn(64)
        torch.save(part, tmp_path / f"mp_rank_{rank:02d}_model.pt")
    (found,) = read(tmp_path, tmp_path).checkpoints
    assert "final_norm.weight" in found.replicas[0].tensors
    assert "head_norm.weight" not in found.replicas[0].tensors
    assert found.tensors["head_norm.weight"].shape == (128,)


def test_an_optimizer_of_parts_is_put_together_with_them(tmp_path: Path) -> None:
    """Moments are joined along the axis of their parameter."""
    whole, parts = megatron()
    for rank, part in enumerate(parts):
        parameters = [torch.nn.Parameter(tensor) for tensor in part.values()]
        optimizer = torch.optim.Adam(parameters)
        for parameter in parameters:
            parameter.grad = parameter.detach().clone()
        optimizer.step()
        state = {"model": part, "optimizer": optimizer.state_dict(), "iteration": 1}
        torch.save(state, tmp_path / f"mp_rank_{rank:02d}_model.pt")
    (found,) = read(tmp_path, tmp_path).checkpoints
    name = "layers.0.attention.dense.weight"
    moment = found.optimizers[0].slots[name]["exp_avg"]
    assert moment.shape == (WIDTH, WIDTH)
    np.testing.assert_allclose(elements(moment), 0.1 * whole[name].numpy(), atol=2e-4)


def test_a_layout_that_nothing_tells_leaves_rank_0s_part(tmp_path: Path) -> None:
    """Matrices of equal shapes without a telling name or width stay as they are on rank 0, and a note says so."""
    for rank in range(2):
        torch.manual_seed(rank)
        torch.save({"blob.weight": torch.randn(5, 7), "norm.weight": torch.ones(64)}, tmp_path / f"mp_rank_{rank:02d}_model.pt")
    data = read(tmp_path, tmp_path)
    (found,) = data.checkpoints
    assert found.tensors["blob.weight"].shape == (5, 7)
    assert any("nothing tells along which axis" in note and "blob.weight" in note for note in data.notes)


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    """A gap between ranks is a loss, and the others are not put together without it."""
    _, parts = megatron(tensor_ranks=3)
    for rank in (0, 2):
        torch.save(parts[rank], tmp_path / f"mp_rank_{rank:02d}_model.pt")
    data = read(tmp_path, tmp_path)
    assert [problem.kind for problem in data.problems] == ["truncated"]
    assert "1 of 3 ranks" in data.problems[0].detail


def test_a_damaged_part_is_named_and_the_rest_not_put_together(tmp_path: Path) -> None:
    """With one part unreadable rank 0's stands alone, and a note says so."""
    _, parts = megatron()
    for rank, part in enumerate(parts):
        torch.save(part, tmp_path / f"mp_rank_{rank:02d}_model.pt")
    path = tmp_path / "mp_rank_01_model.pt"
    path.write_bytes(path.read_bytes()[:100])
    data = read(tmp_path, tmp_path)
    assert [problem.path for problem in data.problems] == ["mp_rank_01_model.pt"]
    assert [one.source for one in data.checkpoints] == ["mp_rank_00_model.pt"]
    assert any("stands for its kin" in note for note in data.notes)


def test_parts_of_different_steps_make_no_checkpoint(tmp_path: Path) -> None:
    """A rank that holds an older step is a damaged checkpoint."""
    _, parts = megatron()
    for rank, part in enumerate(parts):
        torch.save({"model": part, "iteration": 50 - 10 * rank}, tmp_path / f"mp_rank_{rank:02d}_model.pt")
    data = read(tmp_path, tmp_path)
    assert [problem.kind for problem in data.problems] == ["corrupt"] and "40, 50" in data.problems[0].detail


def test_stages_of_a_pipeline_are_one_model(tmp_path: Path) -> None:
    """Stages that number their layers alike get the stage in front."""
    for stage in range(2):
        whole, parts = megatron(seed=stage)
        for rank, part in enumerate(parts):
            folder = tmp_path / "iter_0000050" / f"mp_rank_{rank:02d}_{stage:03d}"
            folder.mkdir(parents=True)
            torch.save({"model": part, "iteration": 50}, folder / "model_optim_rng.pt")
    (found,) = read(tmp_path, tmp_path).checkpoints
    assert len(found.tensors) == 2 * len(whole)
    np.testing.assert_array_equal(elements(found.tensors["stage1.final_norm.weight"]), whole["final_norm.weight"].numpy())
    assert {replica.rank for replica in found.replicas} == {"rank 1", "rank 1, stage 1"}


def test_fully_sharded_files_follow_each_other_by_rows(tmp_path: Path) -> None:
    """Names with the number of ranks speak of sharded training: rows of rank after rank."""
    torch.manual_seed(0)
    whole = torch.randn(9, 4)
    for rank, part in enumerate(whole.chunk(3)):
        torch.save({"fc.weight": part.clone()}, tmp_path / f"model_world_size_3_rank_{rank}.pt")
    (found,) = read(tmp_path, tmp_path).checkpoints
    np.testing.assert_array_equal(elements(found.tensors["fc.weight"]), whole.numpy())
    (tmp_path / "model_world_size_3_rank_2.pt").unlink()
    assert "1 of 3 ranks" in read(tmp_path, tmp_path).problems[0].detail
