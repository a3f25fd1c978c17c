"""Checkpoints as training scripts write them: containers, layouts, steps, optimizers, shards."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.torch import save_file

from postmortem.model import Checkpoint, FoundFile, Tensor
from postmortem.read.checkpoints.depth_order import by_depth
from postmortem.read.checkpoints.files import CheckpointData, read_checkpoints
from postmortem.read.checkpoints.grouping import part_of
from postmortem.read.checkpoints.steps import step_in_name
from postmortem.read.checkpoints.stored import StoredTensor

torch.set_num_threads(1)


def read(folder: Path) -> CheckpointData:
    """Every file of a folder, in order of names, read as discovery would hand it on."""
    scratch = folder.parent / f"{folder.name}-scratch"
    scratch.mkdir(exist_ok=True)
    files = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "trainer_state.json":
            role: Any = "checkpoint-index" if path.name.endswith(".index.json") else "checkpoint"
            files.append(FoundFile(path, path.relative_to(folder).as_posix(), role, path.stat().st_size))
    return read_checkpoints(files, scratch)


def the_one(folder: Path) -> Checkpoint:
    """The only checkpoint of a folder without problems."""
    data = read(folder)
    assert not data.problems and len(data.checkpoints) == 1
    return data.checkpoints[0]


def saved(folder: Path, content: Any, name: str = "a.pt", **options: Any) -> Checkpoint:
    """What is read of one torch file."""
    torch.save(content, folder / name, **options)
    return the_one(folder)


def elements(tensor: Tensor) -> NDArray[Any]:
    """All elements, in the tensor's shape."""
    return tensor.read(0, int(np.prod(tensor.shape))).reshape(tensor.shape)


def small_model() -> torch.nn.Sequential:
    """Convolution, batch norm and a linear head."""
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8, 4)
    )


def train(model: torch.nn.Module, optimizer: torch.optim.Optimizer, steps: int = 2) -> None:
    """A few steps, so that there is state."""
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(4, 3, 3, 3)).square().sum().backward()
        optimizer.step()


# --- containers and element types -------------------------------------------------------------------------------------

TYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.float8_e4m3fn,
    torch.float8_e5m2,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
]


@pytest.mark.parametrize("container", ["zip", "legacy", "safetensors"])
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_every_element_type_comes_back_exactly(tmp_path: Path, container: str, dtype: torch.dtype) -> None:
    """Values, shape and type are torch's, whatever the container."""
    torch.manual_seed(1)
    tensor = (torch.randn(7, 13) * 20).to(dtype)
    if container == "safetensors":
        save_file({"w": tensor}, tmp_path / "a.safetensors")
        found = the_one(tmp_path).tensors["w"]
    else:
        found = saved(tmp_path, {"w": tensor}, _use_new_zipfile_serialization=container == "zip").tensors["w"]
    assert found.dtype == str(dtype).removeprefix("torch.") and found.shape == (7, 13)
    wide = tensor.to(torch.float64).numpy()
    np.testing.assert_array_equal(elements(found).astype(np.float64), wide)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2], ids=str)
def test_all_codes_of_8_bit_floats(dtype: torch.dtype) -> None:
    """Each of the 256 codes, infinities and NaN among them, widens to torch's value."""
    codes = np.arange(256, dtype=np.uint8)
    found = StoredTensor("w", (256,), str(dtype).removeprefix("torch."), codes).read(0, 256)
    np.testing.assert_array_equal(found, torch.from_numpy(codes).view(dtype).float().numpy())


@pytest.mark.parametrize("legacy", [False, True])
def test_views_share_storage_and_keep_their_order(tmp_path: Path, legacy: bool) -> None:
    """Transposed, sliced, expanded and offset views read as their logical elements, row by row."""
    base = torch.arange(120.0).reshape(4, 5, 6)
    views = {
        "whole": base,
        "transposed": base.permute(2, 0, 1),
        "sliced": base[1:, ::2, 1:5],
        "expanded": base[0, 0].expand(3, 6),
        "row": base[2, 3],
        "number": base[1, 1, 1],
        "empty": base[:0],
    }
    checkpoint = saved(tmp_path, views, _use_new_zipfile_serialization=not legacy)
    for name, view in views.items():
        np.testing.assert_array_equal(elements(checkpoint.tensors[name]), view.contiguous().numpy())


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_piece_of_any_strided_tensor(data: st.DataObject) -> None:
    """`read` returns what numpy's own flattening holds there."""
    shape = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    array = np.arange(np.prod(shape) * 16).reshape([length * 2 for length in shape] + [2] * (4 - len(shape)))
    array = array[tuple(slice(None, None, data.draw(st.sampled_from([1, 2]))) for _ in array.shape)]
    array = array.transpose(data.draw(st.permutations(range(array.ndim))))
    start = data.draw(st.integers(0, array.size))
    stop = data.draw(st.integers(start, array.size))
    found = StoredTensor("w", array.shape, "int64", array).read(start, stop)
    np.testing.assert_array_equal(found, array.reshape(-1)[start:stop])


@pytest.mark.parametrize("legacy", [False, True])
def test_elements_stay_in_the_file(tmp_path: Path, legacy: bool) -> None:
    """Elements of both kinds of torch file are mapped where they lie; two names of one storage share it."""
    weight = torch.randn(30, 40)
    checkpoint = saved(tmp_path, {"a": weight, "b": weight, "c": weight.t()}, _use_new_zipfile_serialization=not legacy)
    assert not list((tmp_path.parent / f"{tmp_path.name}-scratch").iterdir())
    a, b = checkpoint.tensors["a"], checkpoint.tensors["b"]
    assert isinstance(a, StoredTensor) and isinstance(b, StoredTensor) and a.place == b.place
    base: Any = a.array
    while base.base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap) and Path(str(base.filename)) == tmp_path / "a.pt"


def test_unreadable_kinds_of_tensor_cost_only_themselves(tmp_path: Path) -> None:
    """Sparse, complex, quantised and meta tensors are named; the rest of the file is read."""
    content = {
        "w": torch.ones(2, 3),
        "sparse": torch.eye(3).to_sparse(),
        "complex": torch.ones(2, dtype=torch.complex64),
        "meta": torch.ones(2, device="meta"),
    }
    torch.save(content, tmp_path / "a.pt")
    data = read(tmp_path)
    assert [problem.kind for problem in data.problems] == ["unsupported"]
    assert all(name in data.problems[0].detail for name in ("sparse", "complex", "meta"))
    assert list(data.checkpoints[0].tensors) == ["w"]


@pytest.mark.parametrize(
    "name", ["model.pt", "model.pth", "model.ckpt", "pytorch_model.bin", "model.pth.tar", "model.pkl", "model.th", "noending"]
)
def test_the_ending_of_the_name_does_not_matter(tmp_path: Path, name: str) -> None:
    """A torch file is one whatever it is called."""
    assert list(saved(tmp_path, {"w": torch.ones(2, 2)}, name).tensors) == ["w"]


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_of_torch_files(tmp_path: Path, compression: int) -> None:
    """A policy, its optimizer and its settings in one zip, as reinforcement-learning libraries save them, are one checkpoint."""
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.0007)
    net(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    with zipfile.ZipFile(tmp_path / "rl_model_10000_steps.zip", "w", compression) as archive:
        archive.writestr("data", json.dumps({"num_timesteps": 10_000, "gamma": 0.99, "policy_class": {":serialized:": "gASVOw=="}}))
        for name, content in (("policy.optimizer.pth", optimizer.state_dict()), ("policy.pth", net.state_dict())):
            stream = io.BytesIO()
            torch.save(content, stream)
            archive.writestr(name, stream.getvalue())
    checkpoint = the_one(tmp_path)
    assert list(checkpoint.tensors) == list(net.state_dict()) and checkpoint.step == 10_000
    assert checkpoint.optimizers[0].groups[0]["lr"] == 0.0007 and set(checkpoint.optimizers[0].slots) == set(net.state_dict())
    assert checkpoint.values["gamma"] == 0.99
    np.testing.assert_array_equal(elements(checkpoint.tensors["2.weight"]), net.state_dict()["2.weight"].numpy())


@pytest.mark.parametrize("name", ["step_5.safetensors", "step_5.pt"])
def test_no_checkpoint_imports_torch(tmp_path: Path, name: str) -> None:
    """Checkpoints are read without the second that torch takes to import, torch's own files too."""
    weights = {"w": torch.ones(2, 2)}
    save_file(weights, tmp_path / name) if name.endswith("safetensors") else torch.save(weights, tmp_path / name)
    code = (
        "import sys; from pathlib import Path; from postmortem.model import FoundFile\n"
        "from postmortem.read.checkpoints.files import read_checkpoints; from postmortem.measure.tensors import pass_over\n"
        f"path = Path({str(tmp_path / name)!r})\n"
        f"data = read_checkpoints([FoundFile(path, path.name, 'checkpoint', 1)], Path({str(tmp_path)!r}))\n"
        "assert pass_over(data.checkpoints).rows[0].tensors['w'].mean == 1\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- layouts ----------------------------------------------------------------------------------------------------------

WEIGHTS = {"fc.weight": torch.ones(2, 3), "fc.bias": torch.zeros(2)}


@pytest.mark.parametrize(
    "key", ["model", "model_state_dict", "state_dict", "net", "network", "model_state", "weights", "module", "generator", "encoder", "ema"]
)
def test_one_net_bears_no_prefix(tmp_path: Path, key: str) -> None:
    """Under whatever key the only state_dict stands, names are its own."""
    assert list(saved(tmp_path, {key: WEIGHTS, "epoch": 3, "note": "x"}).tensors) == ["fc.weight", "fc.bias"]


def test_bare_nested_and_listed_state_dicts(tmp_path: Path) -> None:
    """A bare state_dict, one two tables down, and one in a list are found alike."""
    for number, content in enumerate([WEIGHTS, {"state": {"model": WEIGHTS}}, [WEIGHTS, 5]]):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert list(saved(folder, content).tensors) == ["fc.weight", "fc.bias"]


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_uniform_prefixes_of_wrappers_are_taken_off(tmp_path: Path, prefix: str) -> None:
    """DataParallel and torch.compile put a prefix before every name; where one name lacks it, it is no wrapper's."""
    wrapped = {f"{prefix}{name}": tensor for name, tensor in WEIGHTS.items()}
    assert list(saved(tmp_path, {"model": wrapped}).tensors) == ["fc.weight", "fc.bias"]
    mixed = {"model": {**wrapped, "other.weight": torch.ones(2, 2)}}
    assert f"{prefix}fc.weight" in saved(tmp_path, mixed).tensors


@pytest.mark.parametrize(
    ("keys", "labels"),
    [
        (("G", "D"), ("G", "D")),
        (("netG_state_dict", "netD_state_dict"), ("netG", "netD")),
        (("actor", "critic"), ("actor", "critic")),
    ],
)
def test_several_nets_bear_their_keys(tmp_path: Path, keys: tuple[str, str], labels: tuple[str, str]) -> None:
    """Generator and discriminator in one file keep apart by their keys."""
    checkpoint = saved(tmp_path, {key: dict(WEIGHTS) for key in keys})
    assert list(checkpoint.tensors) == [f"{label}.{name}" for label in labels for name in WEIGHTS]


def test_nets_of_their_own_under_one_table(tmp_path: Path) -> None:
    """`models: {G, D}` is read as G and D."""
    nets = {"models": {"G": WEIGHTS, "D": {name: tensor.clone() for name, tensor in WEIGHTS.items()}}, "step": 7}
    assert list(saved(tmp_path, nets).tensors) == ["G.fc.weight", "G.fc.bias", "D.fc.weight", "D.fc.bias"]


def test_a_moving_average_beside_the_model_is_left_out_and_said(tmp_path: Path) -> None:
    """The average has no optimizer and is no second net; a note says that it was not looked at."""
    torch.save({"model": WEIGHTS, "ema": dict(WEIGHTS), "step": 3}, tmp_path / "a.pt")
    data = read(tmp_path)
    assert list(data.checkpoints[0].tensors) == ["fc.weight", "fc.bias"]
    assert any("`ema`" in note for note in data.notes)


def test_a_lightning_checkpoint(tmp_path: Path) -> None:
    """state_dict, optimizer_states, lr_schedulers, callbacks and hyper-parameters each go where they belong."""
    model = small_model()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    train(model, optimizer)
    checkpoint = saved(
        tmp_path,
        {
            "epoch": 3,
            "global_step": 400,
            "pytorch-lightning_version": "2.4.0",
            "state_dict": {f"net.{name}": tensor for name, tensor in model.state_dict().items()},
            "optimizer_states": [optimizer.state_dict()],
            "lr_schedulers": [{"last_epoch": 3, "_last_lr": [1e-4]}],
            "callbacks": {"ModelCheckpoint": {"kth_value": torch.tensor(float("inf")), "best_k_models": {}}},
            "hyper_parameters": {"lr": 1e-3, "name": "x"},
        },
        "epoch=3-step=400.ckpt",
    )
    assert (checkpoint.step, checkpoint.epoch, checkpoint.step_basis) == (400, 3, "global_step in the file")
    assert checkpoint.values["hyper_parameters.lr"] == 1e-3 and checkpoint.values["scheduler.0.last_epoch"] == 3
    assert checkpoint.values["callbacks.ModelCheckpoint.kth_value"] == float("inf")
    assert checkpoint.optimizers[0].name == "optimizer_states.0" and "net.0.weight" in checkpoint.optimizers[0].slots
    assert not any(name.startswith("optimizer_states") for name in checkpoint.values)


def test_scaler_and_scheduler_have_one_name_each(tmp_path: Path) -> None:
    """However the file calls them, they are `scaler` and `scheduler`."""
    content = {"model": WEIGHTS, "grad_scaler": {"scale": 65536.0}, "lr_scheduler_state_dict": {"last_epoch": 9, "_last_lr": [0.5]}}
    values = saved(tmp_path, content).values
    assert values["scaler.scale"] == 65536.0 and values["scheduler.last_epoch"] == 9 and values["scheduler._last_lr.0"] == 0.5


@pytest.mark.parametrize(
    "content", [{}, {"accuracy": 0.5}, [], torch.ones(3, 3), {"optimizer": {"state": {}, "param_groups": []}}], ids=repr
)
def test_a_torch_file_without_weights_says_what_it_holds(tmp_path: Path, content: Any) -> None:
    """Metrics, a bare tensor or an optimizer alone are no checkpoint, and are not passed over in silence."""
    torch.save(content, tmp_path / "a.pt")
    data = read(tmp_path)
    assert not data.checkpoints and [problem.kind for problem in data.problems] == ["unsupported"]
    assert "holds no weights" in data.problems[0].detail


# --- step and epoch ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "step", "told", "epoch"),
    [
        ("step_000100.pt", 100, True, None),
        ("epoch=3-step=400.ckpt", 400, True, 3),
        ("checkpoint-500/model.safetensors", 500, True, None),
        ("global_step1000/mp_rank_00_model_states.pt", 1000, True, None),
        ("iter_20000.pth", 20000, True, None),
        ("model_iter_0005.pth", 5, True, None),
        ("ckpt_40k.pt", 40000, True, None),
        ("1000_steps.pt", 1000, True, None),
        ("epoch_12.pth", None, False, 12),
        ("net_epoch12.pth", None, False, 12),
        ("model_000100.pt", 100, False, None),
        ("checkpoint_12.pth", 12, False, None),
        ("model-00001-of-00003.safetensors", None, False, None),
        ("best.pt", None, False, None),
        ("version_0/best.pt", None, False, None),
        ("resnet50_v2_bs32.pth", None, False, None),
        ("resnet50.pth", None, False, None),
        ("model_bf16.pt", None, False, None),
        ("llama-7b.safetensors", None, False, None),
        ("best_acc93.pt", None, False, None),
        ("100_net_G.pth", 100, False, None),
        ("100_bf16.pt", 100, False, None),
        ("model12.pt", 12, False, None),
        ("seq_len_50.pt", None, False, None),
        ("gru_3_layers.pt", None, False, None),
        ("mlp_hidden_64.pth", None, False, None),
        ("G_5000.pth", 5000, False, None),
        ("2023-01-05_10-00.pt", None, False, None),
        ("iter_0001000/mp_rank_00/model_optim_rng.pt", 1000, True, None),
        ("train_1000_iters/run/best.pt", None, False, None),
    ],
)
def test_steps_in_names(name: str, step: int | None, told: bool, epoch: int | None) -> None:
    """A number is a step where a word says so, an epoch where a word says that, and a guess where it stands alone."""
    found = step_in_name(name)
    assert (found.step, found.told, found.epoch) == (step, told, epoch)


def test_the_file_speaks_before_its_name_and_a_name_before_the_optimizer(tmp_path: Path) -> None:
    """Content first; then a name that says step; then the optimizer's count; then a bare number."""
    model = small_model()
    optimizer = torch.optim.Adam(model.parameters())
    train(model, optimizer, 3)
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save({**state, "step": 70}, tmp_path / "step_000060.pt")
    torch.save(state, tmp_path / "step_000050.pt")
    torch.save(state, tmp_path / "model_12.pt")
    torch.save(model.state_dict(), tmp_path / "other_40.pt")
    data = read(tmp_path)
    assert {c.source: (c.step, c.step_basis) for c in data.checkpoints} == {
        "model_12.pt": (3, "the optimizer's step"),
        "other_40.pt": (40, "number in the file name"),
        "step_000050.pt": (50, "file name"),
        "step_000060.pt": (70, "step in the file"),
    }
    assert [c.step for c in data.checkpoints] == [3, 40, 50, 70]


@pytest.mark.parametrize("key", ["step", "global_step", "iteration", "iter", "num_updates"])
@pytest.mark.parametrize("value", [120, 120.0, torch.tensor(120), "120"])
def test_the_step_under_its_usual_keys(tmp_path: Path, key: str, value: Any) -> None:
    """Numbers, one-element tensors and digits all count."""
    assert saved(tmp_path, {"model": WEIGHTS, key: value}).step == 120


@pytest.mark.parametrize("value", [True, 1.5, -3, float("nan"), "soon", None])
def test_what_is_no_count_is_no_step(tmp_path: Path, value: Any) -> None:
    """Truth values, fractions, negative numbers and words are not taken for a step."""
    assert saved(tmp_path, {"model": WEIGHTS, "step": value}).step is None


def test_an_optimizer_without_state_in_epoch_0_has_not_stepped(tmp_path: Path) -> None:
    """Adam keeps state from its first update on; plain SGD keeps none ever, and tells nothing."""
    model = small_model()
    for name, optimizer, step in (
        ("a", torch.optim.Adam(model.parameters()), 0),
        ("s", torch.optim.SGD(model.parameters(), lr=0.1), None),
        ("m", torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), 0),
    ):
        folder = tmp_path / name
        folder.mkdir()
        checkpoint = saved(folder, {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 0})
        assert checkpoint.step == step


def test_a_name_numbered_by_epoch_is_no_step(tmp_path: Path) -> None:
    """`model_12.pt` that says that it holds epoch 12 has no known step."""
    checkpoint = saved(tmp_path, {"model": WEIGHTS, "epoch": 12}, "model_12.pt")
    assert checkpoint.step is None and checkpoint.epoch == 12 and checkpoint.step_basis == "unknown"


# --- optimizers -------------------------------------------------------------------------------------------------------

ALGORITHMS: dict[str, tuple[Callable[[Any], torch.optim.Optimizer], str, set[str]]] = {
    "Adam": (lambda p: torch.optim.Adam(p), "adam", {"exp_avg", "exp_avg_sq"}),
    "Adam amsgrad": (lambda p: torch.optim.Adam(p, amsgrad=True), "adam", {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"}),
    "AdamW": (lambda p: torch.optim.AdamW(p), "adamw", {"exp_avg", "exp_avg_sq"}),
    "SGD": (lambda p: torch.optim.SGD(p, lr=0.1), "sgd", set()),
    "SGD momentum": (lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9), "sgd", {"momentum_buffer"}),
    "RMSprop": (lambda p: torch.optim.RMSprop(p), "rmsprop", {"square_avg"}),
    "Adagrad": (lambda p: torch.optim.Adagrad(p), "adagrad", {"sum"}),
    "NAdam": (lambda p: torch.optim.NAdam(p), "nadam", {"exp_avg", "exp_avg_sq", "mu_product"}),
    "RAdam": (lambda p: torch.optim.RAdam(p), "radam", {"exp_avg", "exp_avg_sq"}),
    "Adamax": (lambda p: torch.optim.Adamax(p), "adamax", {"exp_avg", "exp_inf"}),
}


@pytest.mark.parametrize("name", list(ALGORITHMS))
def test_optimizers_of_torch(tmp_path: Path, name: str) -> None:
    """Algorithm, settings, slots and steps of each optimizer, joined to the parameters and to no buffer."""
    make, algorithm, slots = ALGORITHMS[name]
    model = small_model()
    optimizer = make(model.parameters())
    train(model, optimizer, 3)
    found = saved(tmp_path, {"model": model.state_dict(), "optimizer": optimizer.state_dict()}).optimizers[0]
    parameters = dict(model.named_parameters())
    assert found.algorithm == algorithm and found.name == "optimizer" and found.matched.startswith("by position")
    assert list(found.group_of) == list(parameters)
    assert found.groups[0]["lr"] == optimizer.param_groups[0]["lr"]
    for key, parameter in parameters.items():
        assert set(found.slots.get(key, {})) == slots
        for slot in slots - {"mu_product"}:
            np.testing.assert_array_equal(elements(found.slots[key][slot]), optimizer.state[parameter][slot].numpy())
    if "step" in next(iter(optimizer.state.values()), {}):
        assert set(found.steps.values()) == {3}


def test_adamw_of_older_files_is_known_by_its_default_decay(tmp_path: Path) -> None:
    """Without `decoupled_weight_decay` in the group, only the default decay tells the two apart."""
    model = small_model()
    for decay, algorithm in ((0.01, "adamw"), (0.0, "adam")):
        optimizer = torch.optim.AdamW(model.parameters(), weight_decay=decay)
        train(model, optimizer, 1)
        state = optimizer.state_dict()
        del state["param_groups"][0]["decoupled_weight_decay"]
        assert saved(tmp_path, {"model": model.state_dict(), "optimizer": state}).optimizers[0].algorithm == algorithm


def _split(model: torch.nn.Module, first: Callable[[str, torch.Tensor], bool]) -> list[Any]:
    named = list(model.named_parameters())
    return [{"params": [p for n, p in named if first(n, p)]}, {"params": [p for n, p in named if not first(n, p)], "weight_decay": 0.0}]


SPLITS: dict[str, Callable[[str, torch.Tensor], bool]] = {
    "matrices first": lambda name, tensor: tensor.ndim > 1,
    "vectors first": lambda name, tensor: tensor.ndim < 2,
    "biases last": lambda name, tensor: not name.endswith("bias"),
    "biases and norms last": lambda name, tensor: not name.endswith("bias") and "norm" not in name,
    "head last": lambda name, tensor: "head" not in name,
    "head first": lambda name, tensor: "head" in name,
}


class Blocks(torch.nn.Module):
    """Equal blocks with norms, so that shapes repeat."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = torch.nn.ModuleList(torch.nn.Linear(6, 6) for _ in range(3))
        self.norm = torch.nn.LayerNorm(6)
        self.head = torch.nn.Linear(6, 2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Blocks, norm, head."""
        for block in self.blocks:
            inputs = torch.tanh(block(inputs))
        result: torch.Tensor = self.head(self.norm(inputs))
        return result


@pytest.mark.parametrize("name", list(SPLITS))
def test_split_groups_are_joined_to_the_right_parameters(tmp_path: Path, name: str) -> None:
    """Groups that reorder parameters (decay and no decay, head and body) are joined by what shapes and names leave possible."""
    model = Blocks()
    optimizer = torch.optim.AdamW(_split(model, SPLITS[name]))
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.randn(5, 6)).square().sum().backward()
        optimizer.step()
    found = saved(tmp_path, {"model": model.state_dict(), "optimizer": optimizer.state_dict()}).optimizers[0]
    if found.matched.startswith("not joined"):
        assert name in ("head last", "head first") and all(key.startswith("#") for key in found.slots)
        return
    for key, parameter in model.named_parameters():
        np.testing.assert_array_equal(elements(found.slots[key]["exp_avg"]), optimizer.state[parameter]["exp_avg"].numpy())


def test_an_optimizer_of_the_head_only(tmp_path: Path) -> None:
    """Entries for a part of the net are joined by the only shapes that fit, and the rest is not listed."""
    model = small_model()
    optimizer = torch.optim.Adam(model[4].parameters())
    train(model, optimizer)
    found = saved(tmp_path, {"model": model.state_dict(), "optimizer": optimizer.state_dict()}).optimizers[0]
    assert list(found.group_of) == ["4.weight", "4.bias"] and "not listed" in found.matched


def test_an_ambiguous_part_is_not_joined(tmp_path: Path) -> None:
    """One of three equal blocks in the optimizer could be any: entries keep their numbers, and `matched` says why."""
    model = Blocks()
    optimizer = torch.optim.Adam(model.blocks[1].parameters())
    model(torch.randn(5, 6)).sum().backward()
    optimizer.step()
    found = saved(tmp_path, {"model": model.state_dict(), "optimizer": optimizer.state_dict()}).optimizers[0]
    assert set(found.slots) == {"#0", "#1"} and found.matched.startswith("not joined")


def test_an_optimizer_of_another_model_is_not_joined(tmp_path: Path) -> None:
    """State of shapes that no parameter has says so."""
    model, other = small_model(), torch.nn.Linear(17, 5)
    optimizer = torch.optim.Adam(other.parameters())
    other(torch.randn(2, 17)).sum().backward()
    optimizer.step()
    found = saved(tmp_path, {"model": model.state_dict(), "optimizer": optimizer.state_dict()}).optimizers[0]
    assert found.matched.startswith("not joined") and "(5, 17)" in found.matched


def test_named_parameters_are_joined_by_name(tmp_path: Path) -> None:
    """An optimizer made from named_parameters keeps names, in whatever order."""
    model = torch.nn.DataParallel(Blocks())
    optimizer = torch.optim.Adam(list(reversed(list(model.named_parameters()))))
    model(torch.randn(5, 6)).sum().backward()
    optimizer.step()
    found = saved(tmp_path, {"model": model.state_dict(), "optimizer": optimizer.state_dict()}).optimizers[0]
    assert found.matched == "by name"
    for key, parameter in model.module.named_parameters():
        np.testing.assert_array_equal(elements(found.slots[key]["exp_avg"]), optimizer.state[parameter]["exp_avg"].numpy())


def test_tied_weights_are_one_parameter(tmp_path: Path) -> None:
    """The state_dict names a tied matrix twice, the optimizer lists it once."""
    embedding, head = torch.nn.Embedding(9, 4), torch.nn.Linear(4, 9)
    head.weight = embedding.weight
    model = torch.nn.ModuleDict({"embed": embedding, "head": head})
    optimizer = torch.optim.Adam(model.parameters())
    head(embedding(torch.tensor([1, 2]))).sum().backward()
    optimizer.step()
    for legacy in (False, True):
        content = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
        found = saved(tmp_path, content, _use_new_zipfile_serialization=not legacy).optimizers[0]
        assert list(found.group_of) == ["embed.weight", "head.bias"] and "all shapes agree" in found.matched


def test_two_nets_and_their_optimizers(tmp_path: Path) -> None:
    """opt_G goes with G and opt_D with D though their shapes are alike."""
    nets = {key: torch.nn.Linear(4, 4) for key in ("G", "D")}
    optimizers = {key: torch.optim.Adam(net.parameters(), lr=0.1 if key == "G" else 0.2) for key, net in nets.items()}
    for key, net in nets.items():
        net(torch.randn(3, 4)).sum().backward()
        optimizers[key].step()
    content = {**{key: net.state_dict() for key, net in nets.items()}, **{f"opt_{key}": optimizers[key].state_dict() for key in ("D", "G")}}
    found = {optimizer.name: optimizer for optimizer in saved(tmp_path, content).optimizers}
    assert list(found["opt_G"].group_of) == ["G.weight", "G.bias"] and found["opt_G"].groups[0]["lr"] == 0.1
    assert list(found["opt_D"].group_of) == ["D.weight", "D.bias"] and found["opt_D"].groups[0]["lr"] == 0.2


def test_one_optimizer_for_several_nets(tmp_path: Path) -> None:
    """An optimizer over chained parameters is joined to all of them."""
    nets = {"encoder": torch.nn.Linear(4, 3), "decoder": torch.nn.Linear(3, 4)}
    optimizer = torch.optim.Adam([parameter for net in nets.values() for parameter in net.parameters()])
    nets["decoder"](nets["encoder"](torch.randn(2, 4))).sum().backward()
    optimizer.step()
    content = {**{key: net.state_dict() for key, net in nets.items()}, "optimizer": optimizer.state_dict()}
    found = saved(tmp_path, content).optimizers[0]
    assert list(found.slots) == ["encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias"]


# --- several files ----------------------------------------------------------------------------------------------------


def _hugging_face(folder: Path, container: str) -> torch.nn.Module:
    model = small_model()
    optimizer = torch.optim.AdamW(model.parameters())
    train(model, optimizer, 4)
    folder.mkdir(parents=True)
    if container == "safetensors":
        save_file(model.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})
    else:
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
    torch.save(optimizer.state_dict(), folder / "optimizer.pt")
    torch.save({"last_epoch": 4, "_last_lr": [1e-4]}, folder / "scheduler.pt")
    (folder / "trainer_state.json").write_text(json.dumps({"global_step": 500, "epoch": 1.5, "log_history": []}))
    return model


@pytest.mark.parametrize("container", ["safetensors", "bin"])
def test_a_folder_of_the_hugging_face_trainer(tmp_path: Path, container: str) -> None:
    """Weights, optimizer, scheduler and step of one folder are one checkpoint."""
    model = _hugging_face(tmp_path / "checkpoint-500", container)
    checkpoint = the_one(tmp_path)
    assert checkpoint.step == 500 and checkpoint.epoch == 1 and checkpoint.step_basis == "global_step in trainer_state.json"
    assert set(checkpoint.optimizers[0].slots) == {name for name, _ in model.named_parameters()}
    assert checkpoint.values["scheduler.last_epoch"] == 4
    assert checkpoint.bytes == sum(path.stat().st_size for path in (tmp_path / "checkpoint-500").iterdir() if path.suffix != ".json")


def test_an_optimizer_in_a_file_of_the_same_step(tmp_path: Path) -> None:
    """model_000100.safetensors goes with optimizer_000100.pt, and not with that of another step."""
    model = small_model()
    optimizer = torch.optim.Adam(model.parameters())
    for step in (100, 200):
        train(model, optimizer, 1)
        save_file(model.state_dict(), tmp_path / f"model_{step:06d}.safetensors")
        torch.save({"optimizer": optimizer.state_dict()}, tmp_path / f"optimizer_{step:06d}.pt")
    data = read(tmp_path)
    assert not data.problems
    assert [set(c.optimizers[0].steps.values()) for c in data.checkpoints] == [{1}, {2}]


def test_an_optimizer_without_weights_is_said_to_be_left_out(tmp_path: Path) -> None:
    """Optimizer state alone is a note, not silence."""
    torch.save(torch.optim.Adam(small_model().parameters()).state_dict(), tmp_path / "optimizer.pt")
    data = read(tmp_path)
    assert not data.checkpoints and any("optimizer.pt" in note for note in data.notes)


@pytest.mark.parametrize("layout", ["optimizer.{slot}.{name}", "optimizer.state.{name}.{slot}", "optim.{name}.{slot}"])
def test_optimizer_tensors_within_safetensors(tmp_path: Path, layout: str) -> None:
    """State flattened into names is joined by these names; settings come from the metadata."""
    weights = {"fc.weight": torch.randn(3, 2), "fc.bias": torch.randn(3)}
    state: dict[str, torch.Tensor] = {}
    for name, weight in weights.items():
        state[layout.format(slot="exp_avg", name=name)] = weight + 1
        state[layout.format(slot="exp_avg_sq", name=name)] = weight.square()
        state[layout.format(slot="step", name=name)] = torch.tensor(7.0)
    save_file({**weights, **state}, tmp_path / "a.safetensors", metadata={"step": "70", "lr": "0.001", "betas": "[0.9, 0.99]"})
    checkpoint = the_one(tmp_path)
    assert list(checkpoint.tensors) == ["fc.weight", "fc.bias"] and checkpoint.step == 70 and checkpoint.values["step"] == 70
    optimizer = checkpoint.optimizers[0]
    assert optimizer.algorithm == "adam" and optimizer.matched == "by name" and optimizer.steps == {"fc.bias": 7, "fc.weight": 7}
    assert optimizer.groups[0]["lr"] == 0.001 and optimizer.groups[0]["betas"] == (0.9, 0.99) and set(optimizer.group_of.values()) == {0}
    np.testing.assert_array_equal(elements(optimizer.slots["fc.weight"]["exp_avg"]), (weights["fc.weight"] + 1).numpy())


def _sharded(folder: Path, suffix: str) -> dict[str, torch.Tensor]:
    tensors = {f"layers.{number}.weight": torch.full((2, 2), float(number)) for number in range(12)}
    index: dict[str, str] = {}
    for shard in range(3):
        part = {name: tensor for number, (name, tensor) in enumerate(tensors.items()) if number // 4 == shard}
        name = f"model-0000{shard + 1}-of-00003.{suffix}"
        if suffix == "safetensors":
            save_file(part, folder / name)
        else:
            torch.save(part, folder / name)
        index.update(dict.fromkeys(part, name))
    (folder / f"model.{suffix}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    return tensors


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
@pytest.mark.parametrize("indexed", [True, False])
def test_shards_are_one_checkpoint(tmp_path: Path, suffix: str, indexed: bool) -> None:
    """With an index or without, shards make one checkpoint in depth order."""
    tensors = _sharded(tmp_path, suffix)
    if not indexed:
        (tmp_path / f"model.{suffix}.index.json").unlink()
    checkpoint = the_one(tmp_path)
    assert list(checkpoint.tensors) == list(tensors)
    assert elements(checkpoint.tensors["layers.11.weight"]).tolist() == [[11.0, 11.0], [11.0, 11.0]]


@pytest.mark.parametrize("indexed", [True, False])
def test_a_missing_shard_is_named_and_the_rest_is_read(tmp_path: Path, indexed: bool) -> None:
    """The index says which tensors are lost; without one, at least how many shards."""
    _sharded(tmp_path, "safetensors")
    (tmp_path / "model-00002-of-00003.safetensors").unlink()
    if not indexed:
        (tmp_path / "model.safetensors.index.json").unlink()
    data = read(tmp_path)
    assert [problem.kind for problem in data.problems] == ["truncated"]
    assert "1 of 3 shards" in data.problems[0].detail and ("layers.4.weight" in data.problems[0].detail) == indexed
    assert len(data.checkpoints) == 1 and len(data.checkpoints[0].tensors) == 8


def test_an_index_without_any_of_its_shards_is_a_note(tmp_path: Path) -> None:
    """What is kept beside code and logs often leaves the weights out: nothing of that is damaged."""
    _sharded(tmp_path, "safetensors")
    for shard in tmp_path.glob("*.safetensors"):
        shard.unlink()
    data = read(tmp_path)
    assert not data.problems and not data.checkpoints
    assert "model.safetensors.index.json: none of its 3 shards is here: the weights were not copied" in data.notes


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("model.safetensors", "weights"),
        ("a/optimizer.pt", "optimizer"),
        ("optim_000100.pt", "optimizer"),
        ("opt-350m.pt", "optimizer"),
        ("model_opt.pt", "weights"),
        ("scheduler.pt", "scheduler"),
        ("scaler.pt", "scaler"),
        ("rng_state_0.pth", "other"),
        ("random_states_0.pkl", "other"),
        ("training_args.bin", "arguments"),
        ("random_init.pt", "weights"),
    ],
)
def test_what_a_name_says_that_a_file_holds(name: str, part: str) -> None:
    """Companions are known by words of their names."""
    assert part_of(name) == part


# --- depth order ------------------------------------------------------------------------------------------------------

ORDERS: Mapping[str, list[str]] = {
    "transformer": [
        "model.embed_tokens.weight",
        "model.layers.2.self_attn.q_proj.weight",
        "model.layers.10.self_attn.q_proj.weight",
        "model.norm.weight",
        "lm_head.weight",
    ],
    "bert": [
        "bert.embeddings.word_embeddings.weight",
        "bert.encoder.layer.0.attention.self.query.weight",
        "bert.encoder.layer.11.output.dense.weight",
        "bert.pooler.dense.weight",
        "classifier.weight",
    ],
    "resnet": ["conv1.weight", "bn1.weight", "layer1.0.conv1.weight", "layer1.0.conv2.weight", "layer4.1.conv1.weight", "fc.weight"],
    "vgg": ["features.0.weight", "features.3.weight", "features.10.weight", "classifier.0.weight", "classifier.6.weight"],
    "mlp": ["fc1.weight", "fc1.bias", "fc2.weight", "fc10.weight", "out.weight", "out.bias"],
    "sequential": ["0.weight", "0.bias", "2.weight", "10.weight"],
}


@pytest.mark.parametrize("name", list(ORDERS))
def test_depth_order_of_names(name: str) -> None:
    """Names sorted as text come back in the order of the network."""
    expected = ORDERS[name]
    found = by_depth(sorted(expected))
    if name == "resnet":  # the stem's own two tensors may change places
        found = sorted(found[:2], reverse=True) + found[2:]
    assert found == expected


def test_the_report_can_say_how_depth_was_found(tmp_path: Path) -> None:
    """Torch files keep the order of the state_dict; safetensors do not."""
    save_file({"layers.10.weight": torch.ones(1, 2), "layers.9.weight": torch.ones(1, 2)}, tmp_path / "step_1.safetensors")
    torch.save({"z.weight": torch.ones(1, 2), "a.weight": torch.ones(1, 2)}, tmp_path / "step_2.pt")
    first, second = read(tmp_path).checkpoints
    assert list(first.tensors) == ["layers.9.weight", "layers.10.weight"] and "natural" in first.order
    assert list(second.tensors) == ["z.weight", "a.weight"] and "state_dict" in second.order


def test_turned_bytes_of_a_storage_are_told_by_its_checksum(tmp_path: Path) -> None:
    """A tensor whose bytes do not give the zip's checksum is lost and told, and the others are read; without the damage nothing is."""
    path = tmp_path / "step_100.pt"
    torch.save({"model": {"a.weight": torch.ones(64, 64), "b.weight": torch.zeros(64, 64) + 2}}, path)
    assert not read(tmp_path).problems
    content = bytearray(path.read_bytes())
    at = content.index(torch.ones(64, 64).numpy().tobytes()) + 4000
    content[at : at + 16] = bytes(255 - byte for byte in content[at : at + 16])
    path.write_bytes(bytes(content))
    data = read(tmp_path)
    assert [problem.kind for problem in data.problems] == ["corrupt"]
    assert "a.weight" in data.problems[0].detail and "checksum" in data.problems[0].detail
    assert list(data.checkpoints[0].tensors) == ["b.weight"]


def test_a_file_saved_without_checksums_is_whole(tmp_path: Path) -> None:
    """Torch writes zeros for checksums where it is told to compute none; nothing is held against them."""
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"model": {"a.weight": torch.ones(8, 8)}}, tmp_path / "step_100.pt")
    finally:
        torch.serialization.set_crc32_options(True)
    assert the_one(tmp_path).tensors["a.weight"].shape == (8, 8)


@pytest.mark.parametrize(("restarted", "steps"), [(True, [60, 120, 180, 240]), (False, [60, 120, 180, 240])])
def test_bare_numbers_that_the_optimizer_agrees_with_are_steps(tmp_path: Path, restarted: bool, steps: list[int]) -> None:
    """An optimizer that was started anew at 120 counts 60 and 120 in the files of 180 and 240: names tell the steps."""
    for number in steps:
        _adam_file(tmp_path / f"model_{number}.pt", number - 120 if restarted and number > 120 else number)
    assert [one.step for one in read(tmp_path).checkpoints] == steps


def test_bare_numbers_that_the_optimizer_never_agrees_with_are_no_steps(tmp_path: Path) -> None:
    """Files numbered by epoch are placed by what the optimizer counted."""
    for epoch in (1, 2, 3):
        _adam_file(tmp_path / f"model_{epoch}.pt", 50 * epoch)
    assert [one.step for one in read(tmp_path).checkpoints] == [50, 100, 150]


def _adam_file(path: Path, count: int) -> None:
    """A model of one matrix, and Adam's state of it after so many updates."""
    weight = torch.nn.Parameter(torch.ones(4, 4))
    adam = torch.optim.Adam([weight])
    weight.grad = torch.ones(4, 4)
    adam.step()
    adam.state[weight]["step"].fill_(count)
    torch.save({"model": {"fc.weight": weight.detach()}, "optimizer": adam.state_dict()}, path)
