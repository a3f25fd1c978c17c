"""Keras' files of all ages: names, order, optimizer state, and files that are damaged or reach for others."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from postmortem.model import Checkpoint, FoundFile
from postmortem.read.checkpoints.files import CheckpointData, read_checkpoints

Write = Callable[[Path, Mapping[str, NDArray[Any]]], Path]
WEIGHTS = {
    "stem/kernel": np.arange(3 * 3 * 2 * 4, dtype=np.float32).reshape(3, 3, 2, 4),
    "stem/bias": np.arange(4, dtype=np.float32),
    "out/kernel": np.arange(12, dtype=np.float32).reshape(4, 3),
    "out/bias": np.arange(3, dtype=np.float32),
}
"""As Keras keeps them."""
ADAM = {"class_name": "Adam", "config": {"learning_rate": 0.003, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-7, "amsgrad": False}}


def read(path: Path) -> CheckpointData:
    """One file, read as discovery would hand it on."""
    return read_checkpoints([FoundFile(path, path.name, "checkpoint", path.stat().st_size)], path.parent)


def the_one(path: Path) -> Checkpoint:
    """Its checkpoint; there must be no problem."""
    data = read(path)
    assert not data.problems
    return data.checkpoints[0]


def only_problem(path: Path) -> tuple[str, str]:
    """Kind and detail of its one problem."""
    (problem,) = read(path).problems
    return problem.kind, problem.detail


def elements(tensor: Any) -> NDArray[Any]:
    """All elements, in the tensor's shape."""
    found: NDArray[Any] = tensor.read(0, int(np.prod(tensor.shape))).reshape(tensor.shape)
    return found


def listed(group: h5py.Group, weights: Mapping[str, NDArray[Any]], ending: str = ":0") -> None:
    """Write weights into a group as Keras 2 did, with the order in attributes."""
    layers = list(dict.fromkeys(name.split("/")[0] for name in weights))
    group.attrs["layer_names"] = [layer.encode() for layer in layers]
    for layer in layers:
        own = [name for name in weights if name.split("/")[0] == layer]
        below = group.create_group(layer)
        below.attrs["weight_names"] = [f"{name}{ending}".encode() for name in own]
        for name in own:
            below[f"{name}{ending}"] = weights[name]


# --- optimizers -------------------------------------------------------------------------------------------------------

NAMINGS: dict[str, tuple[str, Callable[[str, str], str]]] = {
    "Keras 2": ("iter", lambda name, slot: f"training/Adam/{name}/{slot[0]}:0"),
    "Keras 2.11": ("iteration", lambda name, slot: f"Adam/{slot[0]}/{name}:0"),
    "Keras 3": ("iteration", lambda name, slot: f"adam/{name.replace('/', '_')}_{'momentum' if slot == 'm' else 'velocity'}"),
}


@pytest.mark.parametrize("naming", list(NAMINGS))
def test_named_state_is_joined(tmp_path: Path, naming: str) -> None:
    """Moments come under torch's names, turned as their parameter is, with the settings and the count of updates."""
    counter, name_of = NAMINGS[naming]
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        listed(file.create_group("model_weights"), WEIGHTS)
        file.attrs["training_config"] = json.dumps({"loss": "mse", "optimizer_config": ADAM})
        state = file.create_group("optimizer_weights")
        state[f"Adam/{counter}:0"] = np.int64(12)
        for name, array in WEIGHTS.items():
            state[name_of(name, "m")] = array + 100
            state[name_of(name, "v")] = array + 200
    checkpoint = the_one(path)
    (optimizer,) = checkpoint.optimizers
    assert (checkpoint.step, optimizer.algorithm, optimizer.matched) == (12, "adam", "by name")
    assert optimizer.groups[0]["betas"] == (0.8, 0.99) and optimizer.groups[0]["lr"] == 0.003
    assert optimizer.steps == dict.fromkeys(("stem.kernel", "stem.bias", "out.kernel", "out.bias"), 12)
    np.testing.assert_array_equal(elements(optimizer.slots["out.kernel"]["exp_avg"]), WEIGHTS["out/kernel"].T + 100)
    np.testing.assert_array_equal(
        elements(optimizer.slots["stem.kernel"]["exp_avg_sq"]), WEIGHTS["stem/kernel"].transpose(3, 2, 0, 1) + 200
    )
    assert checkpoint.values["hyper_parameters.optimizer"] == "Adam"


def test_the_models_name_in_front_is_left_off(tmp_path: Path) -> None:
    """Keras 3 writes `sequential/out/kernel` here and `out` elsewhere: names are the same in all of its files, and state is joined."""
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"out"]
        below = group.create_group("out")
        below.attrs["weight_names"] = [b"sequential/out/kernel"]
        below["sequential/out/kernel"] = WEIGHTS["out/kernel"]
        for slot in ("momentum", "velocity"):
            file[f"optimizer_weights/adam/sequential_out_kernel_{slot}"] = WEIGHTS["out/kernel"]
    checkpoint = the_one(path)
    assert list(checkpoint.tensors) == ["out.kernel"] and list(checkpoint.optimizers[0].slots) == ["out.kernel"]


def numbered(path: Path, slots: list[NDArray[Any]], frozen: int = 0, kind: str = "adam", rate: bool = True) -> Path:
    """A `.weights.h5` of four dense layers 3-3-3-3-2, the optimizer's variables by number."""
    with h5py.File(path, "w") as file:
        for number in range(4):
            group = file.create_group(f"layers/dense_{number}/vars" if number else "layers/dense/vars")
            group.attrs["name"] = f"layer_{9 - number}"
            group["0"] = np.full((3, 2 if number == 3 else 3), float(number), np.float32)
            group["1"] = np.zeros(2 if number == 3 else 3, np.float32)
        group = file.create_group("optimizer/vars")
        group.attrs["name"] = kind
        head: list[Any] = [np.int32(5), *([np.float32(0.5)] if rate else [])]
        for index, value in enumerate([*head, *slots]):
            group[str(index)] = value
    return path


def slots_of(numbers: list[int]) -> list[NDArray[Any]]:
    """Momentum and velocity of kernel and bias of some of these layers."""
    found: list[NDArray[Any]] = []
    for number in numbers:
        width = 2 if number == 3 else 3
        for shape in ((3, width), (width,)):
            found += [np.full(shape, number + 0.25, np.float32), np.full(shape, number + 0.5, np.float32)]
    return found


@pytest.mark.parametrize("rate", [True, False], ids=["rate", "schedule"])
def test_numbered_state_is_joined_by_order_and_shape(tmp_path: Path, rate: bool) -> None:
    """All parameters have state: it is theirs in order. With a schedule, the file holds no learning rate."""
    checkpoint = the_one(numbered(tmp_path / "a.weights.h5", slots_of([0, 1, 2, 3]), rate=rate))
    (optimizer,) = checkpoint.optimizers
    assert list(checkpoint.tensors)[::2] == [f"layer_{9 - number}.kernel" for number in range(4)]
    for number in range(4):
        moments = optimizer.slots[f"layer_{9 - number}.kernel"]
        assert (elements(moments["exp_avg"]) == number + 0.25).all() and (elements(moments["exp_avg_sq"]) == number + 0.5).all()
    assert optimizer.groups[0].get("lr") == (0.5 if rate else None) and checkpoint.step == 5


def test_numbered_state_of_frozen_layers_is_joined_where_shapes_tell(tmp_path: Path) -> None:
    """Only the head trains: its shape is the only one of its kind. One of three equal layers could be any of them, and is left out."""
    (optimizer,) = the_one(numbered(tmp_path / "a.weights.h5", slots_of([3]))).optimizers
    assert set(optimizer.slots) == {"layer_6.kernel", "layer_6.bias"}
    doubtful = the_one(numbered(tmp_path / "b.weights.h5", slots_of([1, 3])))
    assert not doubtful.optimizers and "in doubt" in str(doubtful.values["optimizer_left_out"])


@pytest.mark.parametrize("kind", ["sgd", "nadam", "lion"])
def test_state_that_means_something_else_is_left_out(tmp_path: Path, kind: str) -> None:
    """Momentum of Keras' SGD has the learning rate in it: it is not handed on as torch's."""
    checkpoint = the_one(numbered(tmp_path / "a.weights.h5", slots_of([0, 1, 2, 3]), kind=kind))
    assert not checkpoint.optimizers and checkpoint.step == 5


def test_parts_of_a_layer_in_unknown_order_are_not_joined(tmp_path: Path) -> None:
    """A layer of one's own lies by the alphabet of its attributes; equal shapes could be swapped, so no state is joined."""
    path = tmp_path / "a.weights.h5"
    with h5py.File(path, "w") as file:
        for part in ("second", "first"):
            file[f"layers/block/{part}/vars/0"] = np.ones((3, 3), np.float32)
            file[f"layers/block/{part}/vars/1"] = np.ones(3, np.float32)
        for index, shape in enumerate([(), (), *[(3, 3)] * 2, *[(3,)] * 2, *[(3, 3)] * 2, *[(3,)] * 2]):
            file[f"optimizer/vars/{index}"] = np.ones(shape, np.int32 if index == 0 else np.float32)
        file["optimizer/vars"].attrs["name"] = "adam"
    checkpoint = the_one(path)
    assert set(checkpoint.tensors) == {f"block.{part}.{last}" for part in ("first", "second") for last in ("kernel", "bias")}
    assert not checkpoint.optimizers


# --- names ------------------------------------------------------------------------------------------------------------


def test_config_names_layers_where_the_weights_do_not(tmp_path: Path) -> None:
    """Early versions of Keras 3 keep no names in the weights: config.json has them in the same order, and knows what is depthwise."""
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["layers/dense/vars/0"] = np.ones((2, 3), np.float32)
        file["layers/depthwise_conv2d/vars/0"] = np.ones((3, 3, 4, 2), np.float32)
        file["layers/batch_normalization/vars/0"] = np.ones(8, np.float32)
        for index in (1, 2):
            file[f"layers/batch_normalization/vars/{index}"] = np.zeros(8, np.float32)
    layers = [("Dense", "a", {}), ("DepthwiseConv2D", "b", {}), ("BatchNormalization", "c", {"center": False, "scale": True})]
    config = {"config": {"layers": [{"class_name": kind, "config": {"name": name, **more}} for kind, name, more in layers]}}
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({**config, "compile_config": {"optimizer": ADAM}}))
        archive.write(tmp_path / "w.h5", "model.weights.h5")
    checkpoint = the_one(tmp_path / "a.keras")
    shapes = {name: tensor.shape for name, tensor in checkpoint.tensors.items()}
    assert shapes == {
        "a.kernel": (3, 2),
        "b.kernel": (8, 1, 3, 3),
        "c.gamma": (8,),
        "c.moving_mean": (8,),
        "c.moving_variance": (8,),
    }
    assert checkpoint.values["hyper_parameters.beta_1"] == 0.8


def test_nested_layers_keep_their_names(tmp_path: Path) -> None:
    """Attention: the layer's name, its part's name, and heads folded into output units."""
    path = tmp_path / "a.weights.h5"
    with h5py.File(path, "w") as file:
        for part, name, kernel, bias in [
            ("key_dense", "key", (6, 2, 4), (2, 4)),
            ("output_dense", "attention_output", (2, 4, 6), (6,)),
            ("query_dense", "query", (6, 2, 4), (2, 4)),
        ]:
            group = file.create_group(f"layers/multi_head_attention/{part}/vars")
            group.attrs["name"] = name
            group["0"] = np.arange(np.prod(kernel), dtype=np.float32).reshape(kernel)
            group["1"] = np.arange(np.prod(bias), dtype=np.float32).reshape(bias)
        file.create_group("layers/multi_head_attention/vars").attrs["name"] = "att"
    tensors = the_one(path).tensors
    assert list(tensors)[::2] == ["att.query.kernel", "att.key.kernel", "att.attention_output.kernel"]
    np.testing.assert_array_equal(elements(tensors["att.query.kernel"]), np.arange(48).reshape(6, 8).T)
    np.testing.assert_array_equal(elements(tensors["att.query.bias"]), np.arange(8))
    np.testing.assert_array_equal(elements(tensors["att.attention_output.kernel"]), np.arange(48).reshape(8, 6).T)


def test_layers_of_equal_names_stay_apart(tmp_path: Path) -> None:
    """Two models in one, each with a layer `fc`, keep the groups' names instead."""
    path = tmp_path / "a.weights.h5"
    with h5py.File(path, "w") as file:
        for key in ("dense", "dense_1"):
            file[f"layers/{key}/vars/0"] = np.ones((2, 2), np.float32)
            file[f"layers/{key}/vars"].attrs["name"] = "fc"
    assert list(the_one(path).tensors) == ["dense.kernel", "dense_1.kernel"]


# --- element types and storage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["plain", "gzip", "shuffled", "chunked", "big-endian", "half", "double"])
def test_any_storage_gives_the_same_elements(tmp_path: Path, how: str) -> None:
    """Compressed, cut into chunks and in the other byte order: the elements and their type are those that were written."""
    options: dict[str, dict[str, Any]] = {
        "gzip": {"compression": "gzip", "chunks": (7, 5)},
        "shuffled": {"compression": "lzf", "shuffle": True, "fletcher32": True},
        "chunked": {"chunks": (53, 3)},
    }
    kind = {"big-endian": ">f4", "half": "<f2", "double": "<f8"}.get(how, "<f4")
    array = np.random.default_rng(0).normal(size=(53, 31)).astype(kind)
    path = tmp_path / "a.weights.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("layers/dense/vars/0", data=array, **options.get(how, {}))
        file["layers/dense/vars/1"] = np.zeros(31, np.float32)
    tensor = the_one(path).tensors["dense.kernel"]
    assert tensor.dtype == {"half": "float16", "double": "float64"}.get(how, "float32")
    np.testing.assert_array_equal(elements(tensor), array.T)


def test_bfloat16_is_kept_as_two_bytes_of_no_type(tmp_path: Path) -> None:
    """Keras says in an attribute what the bytes are."""
    path = tmp_path / "a.weights.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("layers/embedding/vars/0", data=np.array([[0x3F80, 0xC000]], np.uint16).view("V2"))
        data.attrs["dtype"] = "bfloat16"
    tensor = the_one(path).tensors["embedding.embeddings"]
    assert tensor.dtype == "bfloat16" and elements(tensor).tolist() == [[1.0, -2.0]]


# --- damage and hostility ---------------------------------------------------------------------------------------------


def _soft(file: h5py.File, folder: Path) -> None:
    file["layers/evil"] = h5py.SoftLink("/layers")


def _external(file: h5py.File, folder: Path) -> None:
    with h5py.File(folder / "secret.h5", "w") as other:
        other["w/vars/0"] = np.full((2, 2), 7, np.float32)
    file["layers/evil"] = h5py.ExternalLink(str(folder / "secret.h5"), "/w")


def _cycle(file: h5py.File, folder: Path) -> None:
    file["layers/dense/evil"] = file["layers"]


def _virtual(file: h5py.File, folder: Path) -> None:
    with h5py.File(folder / "secret.h5", "w") as other:
        other["w"] = np.full((2, 2), 7, np.float32)
    layout = h5py.VirtualLayout((2, 2), np.float32)
    layout[:] = h5py.VirtualSource(str(folder / "secret.h5"), "w", (2, 2))
    file.create_virtual_dataset("layers/dense_1/vars/0", layout)


def _outside(file: h5py.File, folder: Path) -> None:
    (folder / "secret").write_bytes(bytes(64))
    file.create_dataset("layers/dense_1/vars/0", (4, 4), np.float32, external=[(str(folder / "secret"), 0, 64)])


def _terabytes(file: h5py.File, folder: Path) -> None:
    file.create_dataset("layers/dense_1/vars/0", (2**40, 8), np.float32, chunks=(1024, 8), compression="gzip")[0, 0] = 1


def _empty(file: h5py.File, folder: Path) -> None:
    file.create_dataset("layers/dense_1/vars/0", (64, 8), np.float32)


HOSTILE: dict[str, tuple[Callable[[h5py.File, Path], None], str]] = {
    "soft link": (_soft, "a link to another place or file"),
    "external link": (_external, "a link to another place or file"),
    "group within itself": (_cycle, "holds itself"),
    "virtual": (_virtual, "in other files, which were not opened"),
    "external storage": (_outside, "in other files, which were not opened"),
    "terabytes": (_terabytes, "were never written"),
    "never written": (_empty, "were never written"),
}


@pytest.mark.parametrize("name", list(HOSTILE))
def test_what_is_not_in_the_file_is_named_and_left_out(tmp_path: Path, name: str) -> None:
    """Links, virtual datasets and claims of more than there is: a problem says so, the rest is read."""
    make, words = HOSTILE[name]
    path = tmp_path / "a.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers/dense/vars/0"] = np.ones((2, 3), np.float32)
        make(file, tmp_path)
    data = read(path)
    (problem,) = data.problems
    assert problem.kind == "corrupt" and words in problem.detail
    assert list(data.checkpoints[0].tensors) == ["dense.kernel"]


def test_a_filter_that_needs_a_plugin_is_not_loaded(tmp_path: Path) -> None:
    """HDF5 would look for a library to load for a filter that it does not know; the dataset is left out instead."""
    path = tmp_path / "a.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers/dense/vars/0"] = np.ones((2, 3), np.float32)
        file.create_dataset("layers/dense_1/vars/0", data=np.ones((64, 64), np.float32), compression="gzip", chunks=(64, 64))
    # The filter message, version 1: filter 1 (deflate), length of its name, flags, number of values, `deflate`.
    content = path.read_bytes()
    place = content.index(b"deflate\0") - 8
    assert content[place : place + 2] == b"\x01\x00"
    path.write_bytes(content[:place] + b"\x2c\x01" + content[place + 2 :])
    kind, detail = only_problem(path)
    assert kind == "corrupt" and "needs a plugin (filter 300)" in detail


def test_a_lost_variable_moves_no_name(tmp_path: Path) -> None:
    """Where a layer's kernel is lost, its bias is not taken for it; and moments behind a lost one are not joined."""
    path = numbered(tmp_path / "a.weights.h5", slots_of([0, 1, 2, 3]))
    with h5py.File(path, "a") as file:
        del file["layers/dense_1/vars/0"], file["optimizer/vars/4"]
        file["layers/dense_1/vars/0"] = file["optimizer/vars/4"] = h5py.SoftLink("/nowhere")
    data = read(path)
    assert [problem.kind for problem in data.problems] == ["corrupt"]
    tensors = data.checkpoints[0].tensors
    assert "layer_8.vars.1" in tensors and "layer_8.kernel" not in tensors and not data.checkpoints[0].optimizers


def test_a_cut_file_says_so(tmp_path: Path, writers: Mapping[str, Write]) -> None:
    """HDF5 keeps its tables anywhere: nothing of a cut file is to be had."""
    for name in ("keras3", "keras-archive"):
        path = writers[name](tmp_path, {"a.kernel": np.ones((40, 50), np.float32), "a.bias": np.ones(40, np.float32)})
        path.write_bytes(path.read_bytes()[:-3000])
        kind, detail = only_problem(path)
        assert kind == "truncated" and "lost" in detail


def test_a_listed_weight_that_is_not_there_is_lost(tmp_path: Path) -> None:
    """The attributes name more than the groups hold."""
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        listed(file, WEIGHTS)
        del file["out/out/bias:0"]
    kind, detail = only_problem(path)
    assert kind == "corrupt" and "out/out/bias:0: it is not there" in detail


def test_other_hdf5_is_no_checkpoint(tmp_path: Path) -> None:
    """A data set in HDF5 is not taken for weights."""
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        file["images"] = np.zeros((10, 4, 4), np.float32)
    assert only_problem(path) == ("unsupported", "an HDF5 file that is not laid out as Keras writes weights; it holds images")


def test_an_archive_without_weights(tmp_path: Path) -> None:
    """A `.keras` file that holds the architecture alone."""
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    kind, detail = only_problem(tmp_path / "a.keras")
    assert kind == "unsupported" and "holds no weights" in detail


def test_bytes_turned_at_random_never_raise(tmp_path: Path, writers: Mapping[str, Write]) -> None:
    """Whatever one byte becomes, the reader gives tensors or problems, and every tensor that it gives can be read."""
    path = writers["keras2"](tmp_path, {"a.kernel": np.ones((4, 5), np.float32), "b.kernel": np.ones((4, 5), np.float32)})
    content = path.read_bytes()
    random = np.random.default_rng(0)
    for _ in range(150):
        place = int(random.integers(len(content)))
        path.write_bytes(content[:place] + bytes([int(random.integers(256))]) + content[place + 1 :])
        data = read(path)
        assert not any("gave up" in problem.detail for problem in data.problems)
        for checkpoint in data.checkpoints:
            for tensor in checkpoint.tensors.values():
                elements(tensor)
