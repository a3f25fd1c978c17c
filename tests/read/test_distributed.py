"""Folders of torch.distributed.checkpoint: written by torch, by hand with torch's own classes, damaged and hostile."""

from __future__ import annotations

import io
import itertools
import os
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.distributed.checkpoint import state_dict_saver
from torch.distributed.checkpoint.filesystem import _StorageInfo
from torch.distributed.checkpoint.metadata import (
    BytesStorageMetadata,
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorProperties,
    TensorStorageMetadata,
)
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict, get_optimizer_state_dict

from postmortem.discover import find_runs
from postmortem.model import Checkpoint, Problem, Tensor
from postmortem.read.checkpoints.files import CheckpointData, read_checkpoints

torch.set_num_threads(1)


def read(folder: Path, tmp_path: Path) -> CheckpointData:
    """A folder as discovery hands it on."""
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    (run,) = find_runs([folder])
    return read_checkpoints(run.files, scratch)


def the_one(folder: Path, tmp_path: Path) -> Checkpoint:
    """The only checkpoint of a folder without problems."""
    data = read(folder, tmp_path)
    assert not data.problems, data.problems
    assert len(data.checkpoints) == 1
    return data.checkpoints[0]


def elements(tensor: Tensor) -> NDArray[Any]:
    """All elements, in the tensor's shape."""
    return tensor.read(0, int(np.prod(tensor.shape))).reshape(tensor.shape)


def save(state: Mapping[str, Any], folder: Path) -> None:
    """What torch itself writes from one process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns that no process group is there, which is meant
        state_dict_saver.save(dict(state), checkpoint_id=folder, no_dist=True)


def trained() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    """A model with buffers after three steps of AdamW."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.BatchNorm1d(5), torch.nn.ReLU(), torch.nn.Linear(5, 3))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(8, 6)).square().sum().backward()
        optimizer.step()
    return model, optimizer


@pytest.mark.parametrize("flat", [False, True], ids=["nested", "flattened"])
def test_what_torch_saves_comes_back(tmp_path: Path, flat: bool) -> None:
    """Weights, buffers, optimizer state by name, groups' settings and plain values are those that were saved, as one checkpoint."""
    model, optimizer = trained()
    options = StateDictOptions(flatten_optimizer_state_dict=flat)
    state = {
        "model": get_model_state_dict(model),
        "optimizer": get_optimizer_state_dict(model, optimizer, options=options),
        "train_state": {"step": 70, "seen": [1, 2, {"tokens": 3}]},
    }
    save(state, tmp_path / "run" / "step-70")
    found = the_one(tmp_path / "run", tmp_path)
    assert found.source == "step-70/.metadata" or found.source == ".metadata"
    assert (found.step, found.values["train_state.seen.2.tokens"]) == (70, 3)
    assert list(found.tensors) == list(model.state_dict())
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(elements(found.tensors[name]), tensor.numpy())
    (joined,) = found.optimizers
    assert (joined.algorithm, joined.matched) == ("adamw", "by name")
    assert joined.groups[0]["lr"] == 2e-3 and joined.groups[0]["betas"] == (0.9, 0.999)
    for name, parameter in model.named_parameters():
        assert joined.steps[name] == 3
        np.testing.assert_array_equal(elements(joined.slots[name]["exp_avg"]), optimizer.state[parameter]["exp_avg"].numpy())


def test_types_without_a_numpy_type_come_back(tmp_path: Path) -> None:
    """bfloat16 is widened exactly, as from any other file."""
    weight = torch.randn(7, 3).to(torch.bfloat16)
    save({"w": weight}, tmp_path / "c")
    found = the_one(tmp_path / "c", tmp_path).tensors["w"]
    assert found.dtype == "bfloat16"
    np.testing.assert_array_equal(elements(found), weight.float().numpy())


def test_the_optimizer_in_a_folder_beside(tmp_path: Path) -> None:
    """Accelerate writes model and optimizer into two folders of shards below one checkpoint: they are one."""
    model, optimizer = trained()
    top = tmp_path / "checkpoint-3"
    save({"model": get_model_state_dict(model)}, top / "pytorch_model_fsdp_0")
    save({"optimizer": get_optimizer_state_dict(model, optimizer)}, top / "optimizer_0")
    torch.save({"last_epoch": 3, "_last_lr": [2e-3]}, top / "scheduler.pt")
    found = the_one(tmp_path, tmp_path)
    assert found.step == 3
    assert found.optimizers[0].steps["3.weight"] == 3
    assert found.values["scheduler.last_epoch"] == 3


# --- several ranks, by hand -------------------------------------------------------------------------------------------


class Writer:
    """A folder as several ranks write it: pieces go to shards, and the table of them to `.metadata`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.shards: dict[str, io.BytesIO] = {}
        self.tensors: dict[str, Any] = {}
        self.places: dict[MetadataIndex, _StorageInfo] = {}

    def item(self, index: MetadataIndex, value: Any, shard: str) -> None:
        """One saved item at the end of a shard."""
        stream = self.shards.setdefault(shard, io.BytesIO())
        begin = stream.tell()
        packed = io.BytesIO()
        torch.save(value, packed)
        stream.write(packed.getvalue())
        self.places[index] = _StorageInfo(shard, begin, len(packed.getvalue()))

    def tensor(self, name: str, whole: torch.Tensor, boxes: Mapping[str, tuple[tuple[slice, ...], ...]]) -> None:
        """A tensor of which each shard holds some boxes."""
        chunks: list[ChunkStorageMetadata] = []
        for shard, places in boxes.items():
            for place in places:
                piece = whole[place].contiguous().clone()
                offsets = torch.Size([each.start for each in place])
                self.item(MetadataIndex(name, offsets, len(chunks)), piece, shard)
                chunks.append(ChunkStorageMetadata(offsets, piece.size()))
        self.tensors[name] = TensorStorageMetadata(TensorProperties(whole.dtype), whole.size(), chunks)

    def value(self, name: str, value: Any, shard: str = "__0_0.distcp") -> None:
        """A plain value."""
        self.item(MetadataIndex(name), value, shard)
        self.tensors[name] = BytesStorageMetadata()

    def finish(self) -> None:
        """Write the files."""
        for name, stream in self.shards.items():
            (self.folder / name).write_bytes(stream.getvalue())
        paths = {name: tuple(name.split("/")) for name in self.tensors}
        (self.folder / ".metadata").write_bytes(pickle.dumps(Metadata(self.tensors, paths, self.places)))


def rows(*edges: int, columns: int) -> list[tuple[slice, ...]]:
    """Row-wise boxes between edges."""
    return [(slice(low, high), slice(0, columns)) for low, high in itertools.pairwise(edges)]


def two_ranks(folder: Path) -> tuple[Writer, torch.Tensor, torch.Tensor]:
    """Rows over two ranks, a grid over two ranks, and a plain value."""
    torch.manual_seed(1)
    tall, grid = torch.randn(7, 4), torch.randn(6, 6)
    writer = Writer(folder)
    first, second = rows(0, 4, 7, columns=4)
    writer.tensor("w", tall, {"__0_0.distcp": (first,), "__1_0.distcp": (second,)})
    quarters = [(slice(r, r + 3), slice(c, c + 3)) for r in (0, 3) for c in (0, 3)]
    writer.tensor("grid", grid, {"__0_0.distcp": (quarters[0], quarters[3]), "__1_0.distcp": (quarters[1], quarters[2])})
    writer.value("step", 40)
    return writer, tall, grid


def test_tensors_cut_over_ranks_are_put_together(tmp_path: Path) -> None:
    """Rows and grids over two shards read as the whole tensors did, in any range."""
    writer, tall, grid = two_ranks(tmp_path / "c")
    writer.finish()
    found = the_one(tmp_path / "c", tmp_path)
    assert found.step == 40
    np.testing.assert_array_equal(elements(found.tensors["w"]), tall.numpy())
    np.testing.assert_array_equal(elements(found.tensors["grid"]), grid.numpy())
    for start, stop in ((0, 5), (13, 25), (2, 4), (30, 36), (7, 7)):
        np.testing.assert_array_equal(found.tensors["grid"].read(start, stop), grid.reshape(-1)[start:stop].numpy())


def problem_of(data: CheckpointData) -> Problem:
    """The only problem."""
    assert len(data.problems) == 1, data.problems
    return data.problems[0]


def test_a_missing_shard_names_what_is_lost(tmp_path: Path) -> None:
    """Tensors with a box in the shard are lost and named, with their bytes; the others are read."""
    writer, *_ = two_ranks(tmp_path / "c")
    torch.manual_seed(2)
    whole = torch.randn(2, 2)
    writer.tensor("whole", whole, {"__0_0.distcp": tuple(rows(0, 2, columns=2))})
    writer.finish()
    (tmp_path / "c" / "__1_0.distcp").unlink()
    data = read(tmp_path / "c", tmp_path)
    problem = problem_of(data)
    assert problem.kind == "truncated" and "1 of 2 shards are missing (__1_0.distcp): 2 of 4 entries are lost (w, grid)" in problem.detail
    assert f"{(3 * 4 + 9) * 4} bytes" in problem.detail
    assert list(data.checkpoints[0].tensors) == ["whole"]
    np.testing.assert_array_equal(elements(data.checkpoints[0].tensors["whole"]), whole.numpy())


def test_a_cut_shard_loses_only_its_end(tmp_path: Path) -> None:
    """What lies beyond the end of a shard is lost; items before the cut are read."""
    writer = Writer(tmp_path / "c")
    one, two = torch.randn(3, 2), torch.randn(3, 2)
    writer.tensor("one", one, {"__0_0.distcp": tuple(rows(0, 3, columns=2))})
    writer.tensor("two", two, {"__0_0.distcp": tuple(rows(0, 3, columns=2))})
    writer.finish()
    shard = tmp_path / "c" / "__0_0.distcp"
    shard.write_bytes(shard.read_bytes()[:-100])
    data = read(tmp_path / "c", tmp_path)
    assert problem_of(data).kind == "truncated" and "two are lost" in problem_of(data).detail
    assert list(data.checkpoints[0].tensors) == ["one"]


def test_shards_without_a_table_are_told(tmp_path: Path) -> None:
    """A save that did not finish leaves shards without `.metadata`: nothing is guessed from them."""
    writer, *_ = two_ranks(tmp_path / "step-4")
    writer.finish()
    (tmp_path / "step-4" / ".metadata").unlink()
    data = read(tmp_path, tmp_path)
    assert not data.checkpoints and problem_of(data).kind == "truncated" and "2 shards" in problem_of(data).detail


def test_a_table_of_something_else_is_corrupt(tmp_path: Path) -> None:
    """A pickle that is no table of tensors is named as such."""
    writer, *_ = two_ranks(tmp_path / "c")
    writer.finish()
    (tmp_path / "c" / ".metadata").write_bytes(pickle.dumps({"a": 1}))
    assert problem_of(read(tmp_path / "c", tmp_path)).kind == "corrupt"


@pytest.mark.parametrize("cut", [0, 1, 2, 50, 300, 700])
def test_a_cut_table_is_damage_and_no_crash(tmp_path: Path, cut: int) -> None:
    """However much of `.metadata` is there, the answer is a problem."""
    writer, *_ = two_ranks(tmp_path / "c")
    writer.finish()
    path = tmp_path / "c" / ".metadata"
    path.write_bytes(path.read_bytes()[:cut])
    data = read(tmp_path / "c", tmp_path)
    assert not data.checkpoints
    assert [problem.kind for problem in data.problems] in (["truncated"], ["corrupt"])


# --- hostile tables ---------------------------------------------------------------------------------------------------


def claim(writer: Writer, name: str, size: tuple[int, ...], chunks: list[tuple[tuple[int, ...], tuple[int, ...]]], **info: Any) -> None:
    """A tensor that is nothing but a claim."""
    places = [ChunkStorageMetadata(torch.Size(offsets), torch.Size(sizes)) for offsets, sizes in chunks]
    writer.tensors[name] = TensorStorageMetadata(TensorProperties(torch.float32), torch.Size(size), places)
    for offsets, _ in chunks:
        where = {"relative_path": "__0_0.distcp", "offset": 0, "length": 100, **info}
        writer.places[MetadataIndex(name, torch.Size(offsets))] = _StorageInfo(**where)


HOSTILE: dict[str, tuple[dict[str, Any], str, str]] = {
    "leaves the folder": ({"relative_path": "../secret.pt"}, "corrupt", "outside its folder"),
    "absolute path": ({"relative_path": "/etc/passwd"}, "corrupt", "outside its folder"),
    "windows path": ({"relative_path": "..\\secret.pt"}, "corrupt", "outside its folder"),
    "offset beyond the file": ({"offset": 2**50}, "truncated", "beyond the end"),
    "length of terabytes": ({"length": 2**45}, "truncated", "beyond the end"),
    "item that is none": ({"offset": 3, "length": 200}, "corrupt", "do not stand"),
    "compressed": ({"transform_descriptors": ["stream.zstd"]}, "unsupported", "compressed"),
}


@pytest.mark.parametrize("fault", HOSTILE)
def test_a_claim_that_does_not_hold_is_named(tmp_path: Path, fault: str) -> None:
    """Each false claim costs its own tensor, which is named; nothing outside the folder is opened."""
    info, kind, words = HOSTILE[fault]
    torch.save({"secret": torch.ones(2)}, tmp_path / "secret.pt")
    writer, tall, _ = two_ranks(tmp_path / "c")
    claim(writer, "evil", (2, 2), [((0, 0), (2, 2))], **info)
    writer.finish()
    data = read(tmp_path / "c", tmp_path)
    problem = problem_of(data)
    assert problem.kind == kind and words in problem.detail and "evil" in problem.detail
    np.testing.assert_array_equal(elements(data.checkpoints[0].tensors["w"]), tall.numpy())


LAYOUTS: dict[str, tuple[tuple[int, ...], list[tuple[tuple[int, ...], tuple[int, ...]]]]] = {
    "a gap": ((4, 2), [((0, 0), (1, 2)), ((2, 0), (2, 2))]),
    "an overlap": ((4, 2), [((0, 0), (3, 2)), ((2, 0), (2, 2))]),
    "a gap and an overlap of one size": ((4, 2), [((0, 0), (2, 2)), ((1, 0), (2, 2))]),
    "no pieces": ((4, 2), []),
    "a piece beyond the shape": ((4, 2), [((0, 0), (4, 2)), ((4, 0), (1, 2))]),
    "another number of axes": ((4, 2), [((0,), (8,))]),
    "terabytes": ((2**20, 2**21), [((0, 0), (2**20, 2**21))]),
    "more than any array": ((2**40, 2**40), [((0, 0), (2**40, 2**40))]),
}


@pytest.mark.parametrize("fault", LAYOUTS)
def test_pieces_that_make_no_tensor_are_named(tmp_path: Path, fault: str) -> None:
    """A tensor whose pieces do not cover it exactly once is lost and named, without a byte of it being reserved."""
    size, chunks = LAYOUTS[fault]
    writer, *_ = two_ranks(tmp_path / "c")
    claim(writer, "evil", size, chunks)
    writer.finish()
    data = read(tmp_path / "c", tmp_path)
    assert "evil" in problem_of(data).detail
    assert set(data.checkpoints[0].tensors) == {"w", "grid"}


def test_an_item_of_another_shape_is_no_piece(tmp_path: Path) -> None:
    """The item's own shape is held against the table's."""
    writer, *_ = two_ranks(tmp_path / "c")
    good = writer.places[MetadataIndex("w", torch.Size([0, 0]))]
    claim(writer, "evil", (2, 2), [((0, 0), (2, 2))], offset=good.offset, length=good.length)
    writer.finish()
    assert "something else than the metadata says" in problem_of(read(tmp_path / "c", tmp_path)).detail


def test_two_types_are_no_tensor(tmp_path: Path) -> None:
    """A tensor of float32 with a piece of float16 in it is lost, not reinterpreted."""
    writer, *_ = two_ranks(tmp_path / "c")
    half = torch.ones(2, 4, dtype=torch.float16)
    writer.item(MetadataIndex("evil", torch.Size([0, 0])), half, "__0_0.distcp")
    chunk = ChunkStorageMetadata(torch.Size([0, 0]), torch.Size([2, 4]))
    writer.tensors["evil"] = TensorStorageMetadata(TensorProperties(torch.float32), torch.Size([2, 4]), [chunk])
    writer.finish()
    assert "something else than the metadata says" in problem_of(read(tmp_path / "c", tmp_path)).detail


class Calls:
    """Pickles as a call of os.system."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (self.command,)


@pytest.mark.parametrize("where", ["table", "item"])
def test_a_call_in_the_table_or_in_an_item_is_not_made(tmp_path: Path, where: str) -> None:
    """What a folder would run is named and not run, and its tensors are read without it."""
    writer, tall, _ = two_ranks(tmp_path / "c")
    evil = Calls(f"touch {tmp_path / 'run'}")
    if where == "item":
        writer.value("evil", evil)
    writer.finish()
    if where == "table":
        paths = {name: (name,) for name in writer.tensors}
        table = Metadata(writer.tensors, paths, writer.places, storage_meta=evil)  # type: ignore[arg-type]
        (tmp_path / "c" / ".metadata").write_bytes(pickle.dumps(table))
    data = read(tmp_path / "c", tmp_path)
    assert not (tmp_path / "run").exists()
    assert "unsafe-pickle" in [problem.kind for problem in data.problems]
    np.testing.assert_array_equal(elements(data.checkpoints[0].tensors["w"]), tall.numpy())
