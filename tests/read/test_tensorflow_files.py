"""TensorFlow's bundles: keys of both versions, optimizer slots, and indices that are damaged or lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from postmortem.model import FoundFile
from postmortem.read.checkpoints.files import CheckpointData, read_checkpoints
from postmortem.read.damaged import DamagedError
from postmortem.read.protobuf_walk import message

Write = Callable[..., Path]
KERNEL = np.arange(12, dtype=np.float32).reshape(4, 3)
BIAS = np.arange(3, dtype=np.float32)


def read(path: Path) -> CheckpointData:
    """One index, read as discovery would hand it on."""
    return read_checkpoints([FoundFile(path, path.name, "checkpoint", path.stat().st_size)], path.parent)


def elements(tensor: Any) -> NDArray[Any]:
    """All elements, in the tensor's shape."""
    found: NDArray[Any] = tensor.read(0, int(np.prod(tensor.shape))).reshape(tensor.shape)
    return found


def value(path: str) -> str:
    """Key of a variable of TF2."""
    return f"{path}/.ATTRIBUTES/VARIABLE_VALUE"


def test_tf1_slots_are_joined(tmp_path: Path, bundle: Write) -> None:
    """`Adam` and `Adam_1` behind a variable's name are its moments; the global step counts updates."""
    slots = {
        f"fc/{name}/{slot}": array + add
        for name, array in (("kernel", KERNEL), ("bias", BIAS))
        for slot, add in (("Adam", 10), ("Adam_1", 20))
    }
    extra = {"beta1_power": np.float32(0.5).reshape(()), "global_step": np.array(77, np.int64)}
    data = read(bundle(tmp_path, {"fc/kernel": KERNEL, "fc/bias": BIAS, **slots, **extra}))
    assert not data.problems
    checkpoint = data.checkpoints[0]
    assert set(checkpoint.tensors) == {"fc.kernel", "fc.bias"} and checkpoint.step == 77
    (optimizer,) = checkpoint.optimizers
    np.testing.assert_array_equal(elements(optimizer.slots["fc.kernel"]["exp_avg"]), KERNEL.T + 10)
    np.testing.assert_array_equal(elements(optimizer.slots["fc.kernel"]["exp_avg_sq"]), KERNEL.T + 20)
    assert optimizer.steps == {"fc.kernel": 77, "fc.bias": 77}


def test_tf2_slots_and_settings_are_joined(tmp_path: Path, bundle: Write, graph: Callable[..., bytes]) -> None:
    """`.OPTIMIZER_SLOT` names variable and slot; the graph of objects names the variable."""
    own = "layer_with_weights-0/kernel"
    tensors = {
        value(own): KERNEL,
        value(f"{own}/.OPTIMIZER_SLOT/optimizer/m"): KERNEL + 10,
        value(f"{own}/.OPTIMIZER_SLOT/optimizer/v"): KERNEL + 20,
        value("optimizer/iter"): np.array(8, np.int64),
        value("optimizer/learning_rate"): np.array(0.25, np.float32),
        value("optimizer/beta_1"): np.array(0.5, np.float32),
        value("optimizer/beta_2"): np.array(0.75, np.float32),
        value("keras_api/metrics/0/total"): np.array(3.0, np.float32),
        value("save_counter"): np.array(1, np.int64),
        "_CHECKPOINTABLE_OBJECT_GRAPH": graph({value(own): "dense/kernel"}),
    }
    checkpoint = read(bundle(tmp_path, tensors)).checkpoints[0]
    assert list(checkpoint.tensors) == ["dense.kernel"] and checkpoint.step == 8
    (optimizer,) = checkpoint.optimizers
    assert optimizer.groups[0] == {"lr": 0.25, "betas": (0.5, 0.75), "decoupled_weight_decay": False}
    np.testing.assert_array_equal(elements(optimizer.slots["dense.kernel"]["exp_avg"]), KERNEL.T + 10)


def test_numbered_variables_are_named_by_the_graph(tmp_path: Path, bundle: Write, graph: Callable[..., bytes]) -> None:
    """Optimizers of Keras 2.11 and later number their variables; only the graph tells which is which."""
    named = {"w": "dense/kernel", "optimizer/_variables/0": "iteration", "optimizer/_variables/1": "Adam/m/dense/kernel"}
    named |= {"optimizer/_variables/2": "Adam/v/dense/kernel"}
    tensors = {
        value("w"): KERNEL,
        value("optimizer/_variables/0"): np.array(5, np.int64),
        value("optimizer/_variables/1"): KERNEL + 10,
        value("optimizer/_variables/2"): KERNEL + 20,
        "_CHECKPOINTABLE_OBJECT_GRAPH": graph({value(path): name for path, name in named.items()}),
    }
    checkpoint = read(bundle(tmp_path, tensors)).checkpoints[0]
    np.testing.assert_array_equal(elements(checkpoint.optimizers[0].slots["dense.kernel"]["exp_avg_sq"]), KERNEL.T + 20)
    assert checkpoint.step == 5


def test_names_that_are_not_unique_are_not_used(tmp_path: Path, bundle: Write, graph: Callable[..., bytes]) -> None:
    """Two variables of one name keep their keys."""
    keys = [value("a/w"), value("b/w")]
    tensors = {keys[0]: BIAS, keys[1]: BIAS, "_CHECKPOINTABLE_OBJECT_GRAPH": graph(dict.fromkeys(keys, "w"))}
    assert list(read(bundle(tmp_path, tensors)).checkpoints[0].tensors) == ["a.w", "b.w"]


# --- damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 40, 2000])
def test_every_key_of_a_long_index_is_found(tmp_path: Path, bundle: Write, count: int) -> None:
    """Keys share beginnings within a block, and start anew every sixteen."""
    tensors = {f"layer_{number // 7}/w{number}": np.array([number], np.float32) for number in range(count)}
    found = read(bundle(tmp_path, tensors)).checkpoints[0].tensors
    assert {name: float(tensor.read(0, 1)[0]) for name, tensor in found.items()} == {
        name.replace("/", "."): float(array[0]) for name, array in tensors.items()
    }


def test_a_damaged_block_loses_its_tensors_alone(tmp_path: Path, bundle: Write) -> None:
    """Each block has a checksum: the other is read."""
    path = bundle(tmp_path, {f"w{number:03}": BIAS for number in range(100)})
    content = path.read_bytes()
    path.write_bytes(content[:40] + b"\xff" + content[41:])
    data = read(path)
    (problem,) = data.problems
    assert problem.kind == "corrupt" and "1 blocks of its index are lost" in problem.detail
    assert 40 < len(data.checkpoints[0].tensors) < 60


@pytest.mark.parametrize("keep", [0.3, 0.9, 0.99])
def test_a_cut_index(tmp_path: Path, bundle: Write, keep: float) -> None:
    """The footer stands at the end: without it nothing is found."""
    path = bundle(tmp_path, {"w": BIAS})
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    (problem,) = read(path).problems
    assert problem.kind in ("unsupported", "corrupt", "truncated")


def test_data_that_is_cut_or_absent(tmp_path: Path, bundle: Write) -> None:
    """Tensors beyond the end of the data are lost, the others are read; an index alone was not copied with its weights, and is whole."""
    path = bundle(tmp_path, {"a": BIAS, "b": BIAS})
    data_file = tmp_path / "ckpt-7.data-00000-of-00001"
    data_file.write_bytes(data_file.read_bytes()[:-3])
    data = read(path)
    assert "b: its data file ends 3 bytes before it does" in data.problems[0].detail
    assert list(data.checkpoints[0].tensors) == ["a"]
    data_file.unlink()
    (problem,) = read(path).problems
    assert problem.kind == "unreadable" and "their data files are not here" in problem.detail


def test_claims_that_do_not_hold(tmp_path: Path, bundle: Write) -> None:
    """A shape of terabytes over twelve bytes is refused before anything is mapped; so are two tensors at one place."""
    path = bundle(tmp_path, {"big": BIAS, "good": BIAS}, shapes={"big": (2**40, 3)})
    data = read(path)
    assert "needs 13194139533312 bytes, the index gives it 12" in data.problems[0].detail
    assert list(data.checkpoints[0].tensors) == ["good"]
    data = read(bundle(tmp_path, {"a": BIAS, "b": BIAS}, offsets={"b": 5}))
    assert "claim bytes that belong to another" in data.problems[0].detail and list(data.checkpoints[0].tensors) == ["a"]


def test_partitioned_variables_are_named(tmp_path: Path, bundle: Write) -> None:
    """Their parts stand under keys that are no names; the variable is said to be left out."""
    data = read(bundle(tmp_path, {"part": BIAS, "w": BIAS, "\0part\0\1": BIAS}, sliced=("part",)))
    assert [problem.kind for problem in data.problems] == ["unsupported"] and data.problems[0].detail.endswith(": part")
    assert list(data.checkpoints[0].tensors) == ["w"]


@pytest.mark.parametrize("content", [b"\x80", b"\x0a\x05ab", b"\x0b", b"\xff" * 12])
def test_messages_that_are_none(content: bytes) -> None:
    """Numbers without an end, lengths beyond the end, wire types that were dropped."""
    with pytest.raises(DamagedError):
        message(content)


def test_entries_of_any_bytes_end_in_a_problem(tmp_path: Path, bundle: Write) -> None:
    """Entries cut anywhere, and entries of noise under a right checksum: the other tensor is read, and nothing raises."""
    random = np.random.default_rng(0)
    whole = b"\x08\x01\x12\x04\x12\x02\x08\x03\x20\x05\x28\x0c"
    claims = [whole[:length] for length in range(len(whole))] + [random.bytes(int(random.integers(1, 30))) for _ in range(150)]
    for claim in claims:
        data = read(bundle(tmp_path, {"good": BIAS}, entries={b"bad": claim}))
        assert not any("gave up" in problem.detail for problem in data.problems)
        assert "good" in data.checkpoints[0].tensors
