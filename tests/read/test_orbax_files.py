"""Orbax folders: what is lost of them is told, and what is not there never reads as zeros."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from postmortem.model import Problem
from postmortem.read.checkpoints.orbax_files import read_orbax
from postmortem.read.checkpoints.stored import StoredTensor

Write = Callable[[Path, Mapping[str, NDArray[Any]]], Path]
WEIGHTS = {"a.kernel": np.arange(12, dtype=np.float32).reshape(3, 4) + 1, "a.bias": np.ones(3, np.float32)}


def read(path: Path) -> tuple[dict[str, StoredTensor], tuple[Problem, ...]]:
    """Tensors and problems."""
    loaded = read_orbax(path, path.name)
    return (loaded.tree["model"] if isinstance(loaded.tree, dict) else {}), loaded.problems


def elements(tensor: StoredTensor) -> NDArray[Any]:
    """All elements, in the tensor's shape."""
    return tensor.read(0, tensor.elements).reshape(tensor.shape)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32", "bfloat16", "float8_e4m3fn", "bool"])
def test_element_types(tmp_path: Path, writers: Mapping[str, Write], dtype: str) -> None:
    """Types without a numpy name keep theirs, and their values."""
    import ml_dtypes

    kind = getattr(ml_dtypes, dtype) if dtype.startswith(("bfloat", "float8")) else dtype
    array = np.array([[0, 1, -2], [0.5, 4, 1]]).astype(kind)
    tensors, problems = read(writers["ocdbt"](tmp_path, {"w": array}))
    assert not problems and tensors["w"].dtype == dtype
    np.testing.assert_array_equal(elements(tensors["w"]).astype(np.float64), array.astype(np.float64))


def test_the_msgpack_file_of_early_versions(tmp_path: Path, writers: Mapping[str, Write], pack: Callable[[Any], bytes]) -> None:
    """`checkpoint` names arrays by placeholders and holds small values itself; beside `_METADATA` it is the same folder again."""
    metadata = writers["zarr"](tmp_path, WEIGHTS)
    path = metadata.with_name("checkpoint")
    placeholders = {"a": {last: f"PLACEHOLDER://params.a.{last}" for last in ("kernel", "bias")}}
    path.write_bytes(pack({"params": placeholders, "step": 7}))
    metadata.unlink()
    loaded = read_orbax(path, "checkpoint")
    assert isinstance(loaded.tree, dict) and loaded.tree["step"] == 7
    np.testing.assert_array_equal(elements(loaded.tree["model"]["a.kernel"]), WEIGHTS["a.kernel"])


@pytest.mark.parametrize("name", ["zarr", "ocdbt"])
def test_arrays_that_are_not_there(tmp_path: Path, writers: Mapping[str, Write], name: str) -> None:
    """The metadata names one more array than the store holds."""
    path = writers[name](tmp_path, WEIGHTS)
    table = json.loads(path.read_text())
    table["tree_metadata"]["('params', 'b')"] = {
        "key_metadata": [{"key": "params", "key_type": 2}, {"key": "b", "key_type": 2}],
        "value_metadata": {"value_type": "jax.Array"},
    }
    path.write_text(json.dumps(table))
    tensors, (problem,) = read(path)
    assert problem.kind == "corrupt" and "1 of 3 tensors are lost: params.b: it is not there" in problem.detail
    assert set(tensors) == set(WEIGHTS)


def test_a_lost_piece_is_no_zeros(tmp_path: Path, writers: Mapping[str, Write]) -> None:
    """Where the writer says that it wrote every piece, one that is not there is damage and not the fill value."""
    path = writers["zarr"](tmp_path, WEIGHTS)
    table = json.loads(path.read_text())
    path.write_text(json.dumps({**table, "store_array_data_equal_to_fill_value": True}))
    (path.parent / "params.a.kernel" / "0.0").unlink()
    tensors, (problem,) = read(path)
    assert list(tensors) == ["a.bias"] and "params.a.kernel: it cannot be unpacked" in problem.detail


@pytest.mark.parametrize("name", ["zarr", "ocdbt", "zarr3"])
def test_damaged_pieces(tmp_path: Path, writers: Mapping[str, Write], name: str) -> None:
    """Each file of the store cut to half in turn: what is lost is told, and what is read has the values that were written. (An OCDBT
    store holds files that a later one has replaced; their loss is none.)"""
    path = writers[name](tmp_path, WEIGHTS)
    told = 0
    for file in sorted(each for each in path.parent.rglob("*") if each.is_file() and each != path):
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2])
        tensors, problems = read(path)
        told += bool(problems)
        assert bool(problems) == (set(tensors) < set(WEIGHTS))
        for key, tensor in tensors.items():
            np.testing.assert_array_equal(elements(tensor), WEIGHTS[key])
        file.write_bytes(content)
    assert told and not read(path)[1]


def test_claims_of_terabytes(tmp_path: Path, writers: Mapping[str, Write]) -> None:
    """A shape, and a piece, that are far larger than all that is stored are refused before anything is unpacked."""
    path = writers["zarr"](tmp_path, WEIGHTS)
    for shape, chunks in [([2**40, 4], [3, 4]), ([2**40, 4], [2**40, 4]), ([2**62, 2**62], [1, 1])]:
        place = path.parent / "params.a.kernel" / ".zarray"
        place.write_text(json.dumps({**json.loads(place.read_text()), "shape": shape, "chunks": chunks}))
        tensors, problems = read(path)
        assert list(tensors) == ["a.bias"] and [problem.kind for problem in problems] == ["corrupt"]


def test_metadata_that_is_none(tmp_path: Path, writers: Mapping[str, Write]) -> None:
    """Names then come from the store, and the problem says that nothing tells what is missing."""
    path = writers["ocdbt"](tmp_path, WEIGHTS)
    path.write_text('{"tree_metadata": 3')
    tensors, (problem,) = read(path)
    assert set(tensors) == set(WEIGHTS) and "nothing tells what is missing" in problem.detail


def test_links_are_not_followed(tmp_path: Path, writers: Mapping[str, Write]) -> None:
    """A folder that links to another place is not an array of this checkpoint."""
    path = writers["zarr"](tmp_path, WEIGHTS)
    (path.parent / "params.a.kernel").rename(tmp_path / "elsewhere")
    (path.parent / "params.a.kernel").symlink_to(tmp_path / "elsewhere")
    tensors, (problem,) = read(path)
    assert list(tensors) == ["a.bias"] and "params.a.kernel: it is not there" in problem.detail


def test_an_item_of_optimizer_state_is_no_net(tmp_path: Path, writers: Mapping[str, Write]) -> None:
    """Orbax may keep `opt_state` as an item beside `params`: its moments are not taken for weights."""
    path = writers["ocdbt"](tmp_path, {"0.mu.w": np.ones(3, np.float32), "0.nu.w": np.ones(3, np.float32)})
    folder = path.parent.rename(path.parent.with_name("opt_state"))
    tensors, problems = read(folder / "_METADATA")
    assert not tensors and not problems
