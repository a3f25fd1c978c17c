"""Flax's msgpack files, and the trees of JAX programs that they and Orbax hold."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from postmortem.model import Checkpoint, FoundFile
from postmortem.read.checkpoints.files import CheckpointData, read_checkpoints
from postmortem.read.checkpoints.flax_files import read_flax
from postmortem.read.checkpoints.flax_trees import Branch, flax_tree
from postmortem.read.checkpoints.msgpack_walk import Place, walk
from postmortem.read.checkpoints.raw import Raw

Pack = Callable[[Any], bytes]


def read(path: Path) -> CheckpointData:
    """One file, read as discovery would hand it on."""
    return read_checkpoints([FoundFile(path, path.name, "checkpoint", path.stat().st_size)], path.parent)


def saved(folder: Path, content: bytes) -> CheckpointData:
    """What is read of these bytes."""
    path = folder / "model.msgpack"
    path.write_bytes(content)
    return read(path)


def elements(tensor: Any) -> NDArray[Any]:
    """All elements, in the tensor's shape."""
    found: NDArray[Any] = tensor.read(0, int(np.prod(tensor.shape))).reshape(tensor.shape)
    return found


KERNEL = np.arange(6, dtype=np.float32).reshape(2, 3)
STATE = {
    "step": 41,
    "params": {"Dense_0": {"kernel": KERNEL, "bias": np.ones(3, np.float32)}},
    "batch_stats": {"BatchNorm_0": {"mean": np.zeros(3, np.float32)}},
    "opt_state": {
        "0": {},
        "1": {
            "hyperparams": {"learning_rate": np.array(0.25, np.float32), "b1": np.array(0.5, np.float32), "b2": 0.75},
            "inner_state": {
                "0": {
                    "count": np.array(40, np.int32),
                    "mu": {"Dense_0": {"kernel": KERNEL + 10, "bias": np.zeros(3, np.float32)}},
                    "nu": {"Dense_0": {"kernel": KERNEL + 20, "bias": np.zeros(3, np.float32)}},
                }
            },
        },
    },
}
"""A TrainState with `optax.chain(clip, inject_hyperparams(adam))`."""


def test_a_train_state_is_sorted(tmp_path: Path, pack: Pack) -> None:
    """Weights lose `params`, Adam is found in its chain and joined by name, settings and counts are plain values."""
    data = saved(tmp_path, pack(STATE))
    assert not data.problems
    checkpoint: Checkpoint = data.checkpoints[0]
    assert set(checkpoint.tensors) == {"Dense_0.kernel", "Dense_0.bias", "batch_stats.BatchNorm_0.mean"}
    assert (checkpoint.step, checkpoint.step_basis) == (41, "step in the file")
    (optimizer,) = checkpoint.optimizers
    assert (optimizer.algorithm, optimizer.matched) == ("adam", "by name")
    assert optimizer.groups[0]["lr"] == 0.25 and optimizer.groups[0]["betas"] == (0.5, 0.75)
    assert optimizer.steps == {"Dense_0.kernel": 40, "Dense_0.bias": 40}
    np.testing.assert_array_equal(elements(optimizer.slots["Dense_0.kernel"]["exp_avg"]), KERNEL.T + 10)
    np.testing.assert_array_equal(elements(optimizer.slots["Dense_0.kernel"]["exp_avg_sq"]), KERNEL.T + 20)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32", "uint8", "bool", "int64"])
def test_element_types_come_back_exactly(tmp_path: Path, pack: Pack, dtype: str) -> None:
    """Values and type, wherever in the file the bytes begin."""
    array = (np.arange(21) % 5).astype(dtype).reshape(3, 7)
    for padding in ("", "x", "xx", "xxx"):
        found = saved(tmp_path, pack({"note": padding, "w": array})).checkpoints[0].tensors["w"]
        assert found.dtype == dtype
        np.testing.assert_array_equal(elements(found), array)


def test_bfloat16_is_widened(tmp_path: Path, pack: Pack, extension: Callable[[bytes], bytes]) -> None:
    """JAX's own type is named in the file and has no numpy type."""
    payload = pack([[2], "bfloat16", struct.pack("<HH", 0x3F80, 0xC000)])
    found = saved(tmp_path, pack({"w": extension(payload)})).checkpoints[0].tensors["w"]
    assert found.dtype == "bfloat16" and elements(found).tolist() == [1.0, -2.0]


def test_arrays_in_pieces_are_put_together(tmp_path: Path, pack: Pack) -> None:
    """Arrays of more than 2^30 bytes come as a table of flat pieces."""
    array = np.arange(30, dtype=np.float32).reshape(5, 6)
    pieces = {str(index): array.reshape(-1)[start : start + 8] for index, start in enumerate(range(0, 30, 8))}
    chunked = {"__msgpack_chunked_array__": True, "shape": {"0": 5, "1": 6}, "chunks": pieces}
    data = saved(tmp_path, pack({"params": {"a.b": {"w": chunked}, "c": np.ones(2, np.float32)}}))
    assert not data.problems
    np.testing.assert_array_equal(elements(data.checkpoints[0].tensors["a.b.w"]), array)
    del pieces["3"]
    data = saved(tmp_path, pack({"params": {"w": chunked, "c": np.ones(2, np.float32)}}))
    assert "its pieces hold 24 elements" in data.problems[0].detail and list(data.checkpoints[0].tensors) == ["c"]


# --- trees ------------------------------------------------------------------------------------------------------------


def raw(*shape: int) -> Raw:
    """Elements of a shape."""
    return Raw(np.zeros(shape, np.float32), "float32")


def names(tree: Mapping[str, Branch]) -> set[str]:
    """Names of the weights of a tree."""
    model = flax_tree(tree)["model"]
    assert isinstance(model, Mapping)
    return set(model)


def test_parts_that_are_called_like_wrappers_stay() -> None:
    """Attention's `key` and `value` are weights; the `value` of NNX at the end of a name says nothing."""
    attention: dict[str, Branch] = {part: {"kernel": raw(4, 2, 2)} for part in ("query", "key", "value")}
    assert names({"params": {"att": attention}}) == {"att.query.kernel", "att.key.kernel", "att.value.kernel"}
    assert names({"l1": {"kernel": {"value": raw(3, 4)}}}) == {"l1.kernel"}


def test_names_that_would_come_out_alike_keep_their_paths() -> None:
    """Nothing is overwritten where cutting `params` makes two names one."""
    assert names({"w": raw(3), "params": {"w": raw(2)}}) == {"w", "params.w"}


def test_averages_are_no_second_net(tmp_path: Path, pack: Pack) -> None:
    """`ema_params` beside `params` is left out, as a copy is everywhere."""
    data = saved(tmp_path, pack({"params": {"w": np.ones(2, np.float32)}, "ema_params": {"w": np.zeros(2, np.float32)}}))
    assert list(data.checkpoints[0].tensors) == ["w"] and "ema_params" in data.notes[0]


def test_two_agents_keep_their_optimizers_apart(tmp_path: Path, pack: Pack) -> None:
    """Actor and critic each bring params and state; moments go to the net that they stand beside."""

    def agent(value: float) -> dict[str, Any]:
        moments = {key: {"params": {"w": np.full(2, value + add, np.float32)}} for key, add in (("mu", 1), ("nu", 2))}
        return {"params": {"w": np.full(2, value, np.float32)}, "opt_state": {"0": {"count": 3, **moments}}}

    (optimizer,) = saved(tmp_path, pack({"actor": agent(10), "critic": agent(20)})).checkpoints[0].optimizers
    assert {name: elements(slots["exp_avg"])[0] for name, slots in optimizer.slots.items()} == {"actor.w": 11, "critic.w": 21}


@pytest.mark.parametrize(
    ("state", "slot"),
    [({"nu": 1}, "square_avg"), ({"trace": 1}, "momentum_buffer"), ({"mu": 1}, ""), ({"grad_ema": 1, "grad_sq_ema": 1}, "exp_avg")],
    ids=["rmsprop", "momentum", "lion", "t5x"],
)
def test_other_states_of_optax(tmp_path: Path, pack: Pack, state: dict[str, int], slot: str) -> None:
    """RMSprop and momentum are told by their fields; what only Lion keeps is left out."""
    fields = {key: {"w": np.ones(2, np.float32)} for key in state}
    optimizers = saved(tmp_path, pack({"params": {"w": np.ones(2, np.float32)}, "opt_state": {"0": fields}})).checkpoints[0].optimizers
    assert (slot in optimizers[0].slots["w"]) if slot else not optimizers


# --- damage -----------------------------------------------------------------------------------------------------------


def test_a_cut_file_gives_what_stands_before_the_cut(tmp_path: Path, pack: Pack) -> None:
    """The arrays before the cut are read, and the problem counts them."""
    content = pack({name: np.full(100, number, np.float32) for number, name in enumerate("abcd")})
    data = saved(tmp_path, content[: len(content) * 5 // 8])
    assert [problem.kind for problem in data.problems] == ["truncated"] and "the 2 arrays before that place" in data.problems[0].detail
    assert list(data.checkpoints[0].tensors) == ["a", "b"]


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ([[2**40, 2**20], "float32", bytes(8)], "needs"),
        ([[2**62, 2**62], "float32", bytes(8)], "description is damaged"),
        ([[-1], "float32", bytes(8)], "description is damaged"),
        ([[2], "object", bytes(8)], "type object cannot be read"),
        ([[2], "float32", "text"], "description is damaged"),
        ([1, 2], "description is damaged"),
    ],
    ids=["terabytes", "overflow", "negative", "objects", "no bytes", "short"],
)
def test_a_claim_that_does_not_hold(tmp_path: Path, pack: Pack, extension: Callable[[bytes], bytes], payload: Any, words: str) -> None:
    """One array that lies is named, the others are read."""
    data = saved(tmp_path, pack({"bad": extension(pack(payload)), "good": np.ones(2, np.float32)}))
    assert data.problems[0].kind == "corrupt" and words in data.problems[0].detail
    assert list(data.checkpoints[0].tensors) == ["good"]


@pytest.mark.parametrize(
    "content", [b"\xdf\xff\xff\xff\xff\xa1a\x01", b"\x81\xa1a" * 5000, b"\x81\xa1a\xdd\xff\xff\xff\xff\x01", b"\x81\xa1a\xc1"]
)
def test_hostile_headers_end_in_a_problem(tmp_path: Path, content: bytes) -> None:
    """Tables that claim four billion entries, tables within tables without end, bytes that mean nothing."""
    path = tmp_path / "a.msgpack"
    path.write_bytes(content)
    loaded = read_flax(path, "a.msgpack")
    assert not loaded.readable and loaded.problems


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
)


@settings(max_examples=40, deadline=None)
@given(VALUES)
def test_the_walk_gives_back_what_was_packed(value: Any) -> None:
    """Any value of plain types."""
    msgpack = import_module("msgpack")
    content = np.frombuffer(msgpack.packb(value), np.uint8)
    walked = walk(content, 0, content.size)
    assert not walked.damage and walked.end == content.size and walked.root == value


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_value_or_a_reason(content: bytes) -> None:
    """The walk never raises, and never reads beyond the end."""
    walked = walk(np.frombuffer(content, np.uint8), 0, len(content))
    assert walked.end <= len(content) and (walked.damage or walked.root is not None or content[:1] == b"\xc0")


def test_runs_of_bytes_stay_where_they_are() -> None:
    """A run of bytes is a place in the file, with the code of its type."""
    content = np.frombuffer(b"\x92\xc4\x03abc\xd5\x07xy", np.uint8)
    assert walk(content, 0, content.size).root == [Place(3, 6), Place(8, 10, 7)]
