"""DeepSpeed's folders, built by hand in the layout that its own converter reads."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from postmortem.discover import find_runs
from postmortem.model import Tensor
from postmortem.read.checkpoints.files import CheckpointData, read_checkpoints

torch.set_num_threads(1)

Shapes = dict[str, tuple[int, ...]]

GROUPS: list[Shapes] = [{"fc1.weight": (5, 7), "fc2.weight": (3, 5)}, {"fc1.bias": (5,), "fc2.bias": (3,)}]
STEPS = 12


def read(folder: Path, tmp_path: Path) -> CheckpointData:
    """A folder as discovery hands it on."""
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    (run,) = find_runs([folder])
    return read_checkpoints(run.files, scratch)


def elements(tensor: Tensor) -> NDArray[Any]:
    """All elements, in the tensor's shape."""
    return tensor.read(0, int(np.prod(tensor.shape))).reshape(tensor.shape)


def drawn(seed: int) -> dict[str, torch.Tensor]:
    """One value for each parameter."""
    torch.manual_seed(seed)
    return {name: torch.randn(shape) for group in GROUPS for name, shape in group.items()}


def flat(values: dict[str, torch.Tensor], group: Shapes, ranks: int) -> list[torch.Tensor]:
    """A group as ZeRO 1 and 2 flatten it: aligned to twice the ranks, cut into equal partitions."""
    vector = torch.cat([values[name].reshape(-1) for name in group])
    padding = -len(vector) % (2 * ranks)
    return list(torch.cat([vector, torch.zeros(padding)]).chunk(ranks))


def model_states(weights: dict[str, torch.Tensor], *, buffers: dict[str, torch.Tensor], groups: list[Shapes]) -> dict[str, Any]:
    """The keys of a model's file."""
    return {
        "module": OrderedDict({**{name: tensor.to(torch.bfloat16) for name, tensor in weights.items()}, **buffers}),
        "buffer_names": list(buffers),
        "optimizer": None,
        "param_shapes": [OrderedDict({name: torch.Size(shape) for name, shape in group.items()}) for group in groups],
        "frozen_param_shapes": None,
        "frozen_param_fragments": None,
        "shared_params": OrderedDict(),
        "lr_scheduler": {"last_batch_iteration": STEPS},
        "global_steps": STEPS,
        "global_samples": STEPS * 8,
        "skipped_steps": 1,
        "dp_world_size": 2,
        "mp_world_size": 1,
        "ds_config": {"train_batch_size": 8, "gradient_clipping": 1.0},
        "ds_version": "0.15.0",
    }


def settings(place: int) -> dict[str, Any]:
    """A param group of AdamW over one flat vector."""
    return {"lr": 1e-3, "betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.1 if place == 0 else 0.0, "step": STEPS, "params": [place]}


VALUES = {"master": drawn(1), "exp_avg": drawn(2), "exp_avg_sq": {name: value.square() for name, value in drawn(3).items()}}
BUFFERS = {"rotary.inv_freq": torch.arange(4.0)}


def zero2(folder: Path, ranks: int, *, prefix: str = "", elastic: bool = False, stage: Any = 2) -> None:
    """A folder of ZeRO 1 or 2."""
    folder.mkdir(parents=True)
    torch.save(model_states(VALUES["master"], buffers=BUFFERS, groups=GROUPS), folder / "mp_rank_00_model_states.pt")
    for rank in range(ranks):
        state = {
            place: {slot: flat(VALUES[slot], group, ranks)[rank] for slot in ("exp_avg", "exp_avg_sq")}
            for place, group in enumerate(GROUPS)
        }
        masters = [flat(VALUES["master"], group, ranks)[rank] for group in GROUPS]
        if rank == ranks - 1:  # the writer takes its padding off
            sizes = [sum(int(np.prod(shape)) for shape in group.values()) for group in GROUPS]
            masters = [master[: size - len(master) * (ranks - 1)] for master, size in zip(masters, sizes, strict=True)]
        base: Any = {"state": state, "param_groups": [settings(place) for place in range(len(GROUPS))]}
        if elastic:
            base = [{**entry, "step": STEPS} for entry in state.values()]
        optimizer = {
            "loss_scaler": None,
            "overflow": False,
            "clip_grad": 1.0,
            "base_optimizer_state": base,
            "single_partition_of_fp32_groups": masters,
            "zero_stage": stage,
            "partition_count": [ranks, ranks],
            "ds_version": "0.15.0",
        }
        name = f"{prefix}zero_pp_rank_{rank}_mp_rank_00_optim_states.pt"
        torch.save({"optimizer_state_dict": optimizer, "ds_config": {}, "ds_version": "0.15.0"}, folder / name)


@pytest.mark.parametrize(("ranks", "prefix", "elastic"), [(1, "", False), (2, "", False), (3, "bf16_", False), (4, "", True)])
def test_partitions_become_the_parameters_state(tmp_path: Path, ranks: int, prefix: str, elastic: bool) -> None:
    """Moments and the 32-bit copy of each parameter are those that were flattened, padded and cut over ranks."""
    zero2(tmp_path / "global_step12", ranks, prefix=prefix, elastic=elastic)
    (tmp_path / "latest").write_text("global_step12")
    data = read(tmp_path, tmp_path)
    assert not data.problems, data.problems
    (found,) = data.checkpoints
    assert (found.step, found.step_basis) == (12, "global_steps in the file")
    assert list(found.tensors) == [*VALUES["master"], *BUFFERS]
    assert found.tensors["fc1.weight"].dtype == "bfloat16"
    assert found.values["ds_config.gradient_clipping"] == 1.0
    assert not [name for name in found.values if name.startswith(("param_shapes", "buffer_names"))]
    (optimizer,) = found.optimizers
    assert (optimizer.algorithm, optimizer.matched) == ("adam", "by name") or elastic
    for slot, values in VALUES.items():
        for name, value in values.items():
            np.testing.assert_array_equal(elements(optimizer.slots[name][slot]), value.numpy(), err_msg=f"{name} {slot}")
    assert set(optimizer.steps.values()) == {STEPS}
    if not elastic:
        assert optimizer.groups[optimizer.group_of["fc2.weight"]]["weight_decay"] == 0.1
        assert optimizer.groups[optimizer.group_of["fc2.bias"]]["weight_decay"] == 0.0


def test_a_missing_partition_loses_what_lay_in_it(tmp_path: Path) -> None:
    """Without one rank's file the parameters that reach into its partition lose their state, by name; the weights are whole."""
    zero2(tmp_path / "global_step12", 3)
    (tmp_path / "global_step12" / "zero_pp_rank_1_mp_rank_00_optim_states.pt").unlink()
    data = read(tmp_path, tmp_path)
    assert [problem.kind for problem in data.problems] == ["truncated", "truncated"]
    assert "1 of 3 ranks" in data.problems[0].detail
    (found,) = data.checkpoints
    assert list(found.tensors) == [*VALUES["master"], *BUFFERS]
    # 50 elements over 3 ranks: 18 each, so that the second weight's 15, from 35 on, begin in the missing partition's last.
    assert "fc1.weight" in data.problems[1].detail and "fc2.weight" in data.problems[1].detail
    assert "exp_avg" not in found.optimizers[0].slots.get("fc1.weight", {})


def test_a_damaged_partition_is_named(tmp_path: Path) -> None:
    """A cut file of one rank is a problem of its own."""
    zero2(tmp_path / "global_step12", 2)
    path = tmp_path / "global_step12" / "zero_pp_rank_1_mp_rank_00_optim_states.pt"
    path.write_bytes(path.read_bytes()[:300])
    data = read(tmp_path, tmp_path)
    assert path.name in data.problems[0].path and data.problems[0].kind == "truncated"
    assert len(data.checkpoints) == 1


def test_state_without_a_model_is_told(tmp_path: Path) -> None:
    """Partitions alone cannot be cut into parameters."""
    zero2(tmp_path / "global_step12", 2)
    (tmp_path / "global_step12" / "mp_rank_00_model_states.pt").unlink()
    data = read(tmp_path, tmp_path)
    assert not data.checkpoints
    assert [problem.kind for problem in data.problems] == ["truncated"] and "without the model's states" in data.problems[0].detail


def parts(value: torch.Tensor, ranks: int) -> list[torch.Tensor]:
    """A parameter as ZeRO 3 cuts it: ceil(n / ranks) elements a rank, the end padded."""
    vector = value.reshape(-1)
    return list(torch.cat([vector, torch.zeros(-len(vector) % ranks)]).chunk(ranks))


def zero3(folder: Path, ranks: int) -> torch.Tensor:
    """A folder of ZeRO 3 whose flat state is in two vectors, with a frozen parameter; the answer is that parameter."""
    folder.mkdir(parents=True)
    names = [name for group in GROUPS for name in group]
    frozen = torch.arange(10.0)
    for rank in range(ranks):
        placeholders = {name: torch.zeros(0) for name in (*names, "frozen.weight")}
        model = model_states(placeholders, buffers=BUFFERS, groups=GROUPS)
        model["frozen_param_shapes"] = {"frozen.weight": torch.Size([2, 5])}
        model["frozen_param_fragments"] = {"frozen.weight": parts(frozen, ranks)[rank]}
        torch.save(model, folder / f"zero_pp_rank_{rank}_mp_rank_00_model_states.pt")

        def row(slot: str, rank: int = rank) -> list[torch.Tensor]:
            vector = torch.cat([parts(VALUES[slot][name], ranks)[rank] for name in names])
            return [vector[:10].clone(), vector[10:].clone()]

        state = {place: {"exp_avg": row("exp_avg")[place], "exp_avg_sq": row("exp_avg_sq")[place], "step": STEPS} for place in range(2)}
        optimizer = {
            "zero_stage": 3,
            "partition_count": ranks,
            "fp32_flat_groups": row("master"),
            "optimizer_state_dict": {"state": state, "param_groups": [settings(0), settings(1)]},
        }
        torch.save({"optimizer_state_dict": optimizer}, folder / f"zero_pp_rank_{rank}_mp_rank_00_optim_states.pt")
    return frozen.reshape(2, 5)


@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_zero_3_parameters_are_put_together(tmp_path: Path, ranks: int) -> None:
    """Weights that stand in no file whole come together from the ranks' 32-bit parts, with moments, buffers and frozen parameters."""
    frozen = zero3(tmp_path / "global_step12", ranks)
    data = read(tmp_path, tmp_path)
    assert not data.problems, data.problems
    (found,) = data.checkpoints
    assert set(found.tensors) == {*VALUES["master"], *BUFFERS, "frozen.weight"}
    np.testing.assert_array_equal(elements(found.tensors["frozen.weight"]), frozen.numpy())
    for name, value in VALUES["master"].items():
        np.testing.assert_array_equal(elements(found.tensors[name]), value.numpy())
        np.testing.assert_array_equal(elements(found.optimizers[0].slots[name]["exp_avg"]), VALUES["exp_avg"][name].numpy())


HOSTILE: dict[str, Any] = {
    "shapes of terabytes": [{"fc1.weight": torch.Size([2**40, 2**40])}],
    "negative shapes": [{"fc1.weight": (-1, 7)}],
    "no table": "nothing",
    "more groups than vectors": [*GROUPS, {"ghost.weight": (2, 2)}],
    "a parameter beyond the end": [{"fc1.weight": (5, 7), "fc2.weight": (3, 500)}, GROUPS[1]],
}


@pytest.mark.parametrize("claim", HOSTILE)
def test_shapes_that_cannot_be_are_no_crash(tmp_path: Path, claim: str) -> None:
    """Claims about shapes are held against what is there: the weights are read, and what is lost or left out is said."""
    zero2(tmp_path / "global_step12", 2)
    path = tmp_path / "global_step12" / "mp_rank_00_model_states.pt"
    model = torch.load(path, weights_only=False)
    model["param_shapes"] = HOSTILE[claim]
    torch.save(model, path)
    data = read(tmp_path, tmp_path)
    assert list(data.checkpoints[0].tensors) == [*VALUES["master"], *BUFFERS]
    assert data.problems or any("param_shapes" in note for note in data.notes)


def test_layers_and_experts_in_files_of_their_own_join_the_model(tmp_path: Path) -> None:
    """Pipeline layers get their number in front, experts keep their names."""
    folder = tmp_path / "global_step12"
    folder.mkdir()
    torch.save({"module": None, "global_steps": 12}, folder / "mp_rank_00_model_states.pt")
    torch.save({"attention.weight": torch.ones(3, 3)}, folder / "layer_01-model_00-model_states.pt")
    torch.save({"attention.weight": torch.ones(3, 3)}, folder / "layer_02-model_00-model_states.pt")
    torch.save({"mlp.experts.0.weight": torch.ones(2, 2)}, folder / "layer_1_expert_0_mp_rank_00_model_states.pt")
    (found,) = read(tmp_path, tmp_path).checkpoints
    assert set(found.tensors) == {"layer_01.attention.weight", "layer_02.attention.weight", "mlp.experts.0.weight"}
