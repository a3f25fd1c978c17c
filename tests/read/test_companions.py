"""What stands beside the weights: Hugging Face's folders, adapters, moving averages in the file and in files of their own."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from postmortem.discover import find_runs
from postmortem.model import Tensor
from postmortem.read.checkpoints.averages import under_names_of
from postmortem.read.checkpoints.files import CheckpointData, read_checkpoints
from postmortem.read.checkpoints.steps import step_in_name

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


def trained() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    """A small net and its optimizer after two steps."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Linear(6, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.randn(8, 4)).square().sum().backward()
        optimizer.step()
    return model, optimizer


def trainer_folder(folder: Path, names: tuple[str, ...]) -> torch.nn.Module:
    """A folder as Hugging Face's Trainer leaves it, with the weights under each of the names."""
    folder.mkdir(parents=True)
    model, optimizer = trained()
    for name in names:
        save_file(model.state_dict(), folder / name) if name.endswith(".safetensors") else torch.save(model.state_dict(), folder / name)
    torch.save(optimizer.state_dict(), folder / "optimizer.pt")
    torch.save(torch.optim.lr_scheduler.ConstantLR(optimizer).state_dict(), folder / "scheduler.pt")
    torch.save({"python": [1, 2], "cpu": torch.get_rng_state()}, folder / "rng_state_0.pth")
    torch.save(Namespace(learning_rate=1e-3, warmup_steps=7, model_name="tiny"), folder / "training_args.bin")
    (folder / "trainer_state.json").write_text(json.dumps({"global_step": 500, "epoch": 2.0, "log_history": []}))
    return model


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_trainers_folder_is_one_checkpoint(tmp_path: Path, name: str) -> None:
    """Weights, optimizer, scheduler and training arguments of one folder are one checkpoint, at the Trainer's step."""
    model = trainer_folder(tmp_path / "out" / "checkpoint-500", (name,))
    data = read(tmp_path / "out", tmp_path)
    assert not data.problems, data.problems
    (found,) = data.checkpoints
    assert (found.step, found.epoch) == (500, 2)
    assert set(found.tensors) == set(model.state_dict())
    assert found.optimizers[0].steps["0.weight"] == 2
    assert (found.values["arguments.warmup_steps"], found.values["arguments.model_name"]) == (7, "tiny")
    assert "scheduler.last_epoch" in found.values


def test_weights_saved_twice_are_two_files_of_one_step(tmp_path: Path) -> None:
    """`pytorch_model.bin` beside `model.safetensors`: both are read, at the same step, and the optimizer goes to one of them."""
    trainer_folder(tmp_path / "out" / "checkpoint-500", ("model.safetensors", "pytorch_model.bin"))
    data = read(tmp_path / "out", tmp_path)
    assert not data.problems and not any("left out" in note for note in data.notes)
    assert [one.step for one in data.checkpoints] == [500, 500]
    assert sum(len(one.optimizers) for one in data.checkpoints) == 1


def test_an_adapters_settings_are_kept(tmp_path: Path) -> None:
    """Rank and scale from adapter_config.json stand among the values; a damaged one is no harm."""
    folder = tmp_path / "out" / "checkpoint-10"
    folder.mkdir(parents=True)
    name = "base_model.model.layers.0.q_proj.lora_{}.weight"
    save_file({name.format("A"): torch.randn(2, 8), name.format("B"): torch.zeros(8, 2)}, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"r": 2, "lora_alpha": 16, "target_modules": ["q_proj"], "bias": "none"}))
    (found,) = read(tmp_path / "out", tmp_path).checkpoints
    assert (found.step, found.values["adapter.r"], found.values["adapter.lora_alpha"]) == (10, 2, 16)
    (folder / "adapter_config.json").write_text("{")
    assert "adapter.r" not in read(tmp_path / "out", tmp_path).checkpoints[0].values


# --- moving averages --------------------------------------------------------------------------------------------------


def names_of(average: str) -> dict[str, torch.Tensor]:
    """A net's weights under the names that an averager gives them."""
    model, _ = trained()
    if average == "averaged model":
        averaged = torch.optim.swa_utils.AveragedModel(model)
        averaged.update_parameters(model)
        return dict(averaged.state_dict())
    if average == "without dots":
        return {name.replace(".", ""): tensor for name, tensor in model.state_dict().items()}
    return {f"{average}{name}": tensor for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("average", ["", "module.", "ema_model.", "averaged model", "without dots"])
def test_an_average_beside_the_model_is_kept_under_the_models_names(tmp_path: Path, average: str) -> None:
    """However an averager names them, its tensors come under the names of what they average; they are no second net."""
    model, _ = trained()
    torch.save({"model": model.state_dict(), "ema": names_of(average), "step": 9}, tmp_path / "step_9.pt")
    (found,) = read(tmp_path, tmp_path).checkpoints
    assert set(found.tensors) == set(model.state_dict())
    assert set(found.averages["ema"]) == set(model.state_dict())
    np.testing.assert_array_equal(elements(found.averages["ema"]["2.weight"]), model.state_dict()["2.weight"].numpy())


def test_an_average_within_the_models_own_table(tmp_path: Path) -> None:
    """`model_ema.` beside `model.` in one state_dict is an average of it."""
    state = {f"{part}.{name}": tensor for part in ("model", "model_ema") for name, tensor in trained()[0].state_dict().items()}
    torch.save({"state_dict": state, "global_step": 3}, tmp_path / "last.ckpt")
    (found,) = read(tmp_path, tmp_path).checkpoints
    assert set(found.averages["model_ema"]) == {name for name in state if name.startswith("model.")}


def test_averages_in_files_of_their_own(tmp_path: Path) -> None:
    """A file goes to the checkpoint that is called like it, or to that of its step; one without a step goes to the last."""
    model, _ = trained()
    for step in (10, 20):
        torch.save({"model": model.state_dict(), "step": step}, tmp_path / f"step_{step}.pt")
    torch.save(model.state_dict(), tmp_path / "ema_step_10.pt")
    torch.save({"model": model.state_dict(), "step": 20}, tmp_path / "model_ema.pth")
    data = read(tmp_path, tmp_path)
    assert [(one.step, list(one.averages)) for one in data.checkpoints] == [(10, ["ema_step_10.pt"]), (20, ["model_ema.pth"])]
    (tmp_path / "ema_step_10.pt").unlink()
    torch.save(model.state_dict(), tmp_path / "model_ema.pth")
    data = read(tmp_path, tmp_path)
    assert [(one.step, list(one.averages)) for one in data.checkpoints] == [(10, []), (20, ["model_ema.pth"])]


def test_an_average_that_is_all_there_is_is_the_model(tmp_path: Path) -> None:
    """With no other weights, the average is what was trained."""
    torch.save(trained()[0].state_dict(), tmp_path / "ema.pt")
    (found,) = read(tmp_path, tmp_path).checkpoints
    assert found.source == "ema.pt" and not found.averages


def test_an_average_of_another_net_stays_a_checkpoint(tmp_path: Path) -> None:
    """A file called an average whose tensors fit nothing is read by itself, so that nothing goes unseen."""
    torch.save({"model": trained()[0].state_dict(), "step": 10}, tmp_path / "step_10.pt")
    torch.save({"other.weight": torch.ones(3, 3), "other.bias": torch.ones(3)}, tmp_path / "ema.pt")
    assert {one.source for one in read(tmp_path, tmp_path).checkpoints} == {"step_10.pt", "ema.pt"}


def test_numbers_that_touch_their_words(tmp_path: Path) -> None:
    """`opt000100.pt` is the optimizer of `model000100.pt`, and a rate in an average's name is no step."""
    model, optimizer = trained()
    folder = tmp_path / "run"
    folder.mkdir()
    torch.save(model.state_dict(), folder / "model000100.pt")
    torch.save(model.state_dict(), folder / "ema_0.9999_000100.pt")
    torch.save(optimizer.state_dict(), folder / "opt000100.pt")
    data = read(folder, tmp_path)
    assert not data.problems
    holder = next(checkpoint for checkpoint in data.checkpoints if checkpoint.source == "model000100.pt")
    assert holder.optimizers
    assert step_in_name("ema_0.9999_000200.pt").step == 200


def test_half_of_the_names_are_no_average() -> None:
    """Tensors that mostly fit nothing in the model average something else."""
    (tmp,) = (trained()[0].state_dict(),)
    from postmortem.read.checkpoints.stored import StoredTensor

    def stored(values: dict[str, torch.Tensor]) -> dict[str, Tensor]:
        return {name: StoredTensor(name, tuple(value.shape), "float32", value.numpy()) for name, value in values.items()}

    mixed = {**{name: tmp[name] for name in list(tmp)[:2]}, "a": torch.ones(1), "b": torch.ones(2), "c": torch.ones(3)}
    assert under_names_of(stored(tmp), stored(mixed)) == {}
