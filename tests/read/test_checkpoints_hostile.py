"""Files that lie, are cut, or would run code: each becomes a problem that says so, nothing runs, and the rest is read."""

from __future__ import annotations

import builtins
import collections
import json
import os
import pickle
import struct
import subprocess
import zipfile
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from postmortem.model import FoundFile
from postmortem.read.checkpoints.files import CheckpointData, read_checkpoints
from postmortem.read.checkpoints.pickles import scan

torch.set_num_threads(1)


def found(path: Path, folder: Path, role: Any = "checkpoint") -> FoundFile:
    """A file as discovery would hand it on."""
    return FoundFile(path, path.relative_to(folder).as_posix(), role, path.stat().st_size)


def read(folder: Path) -> CheckpointData:
    """Everything in a folder, read as checkpoints; a good one called `good.pt` lies among them."""
    torch.save({"fc.weight": torch.ones(2, 3)}, folder / "good.pt")
    scratch = folder.parent / f"{folder.name}-scratch"
    scratch.mkdir(exist_ok=True)
    files = [found(path, folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    data = read_checkpoints(files, scratch)
    assert [checkpoint.source for checkpoint in data.checkpoints if checkpoint.source == "good.pt"] == ["good.pt"]
    return data


def only_problem(folder: Path) -> tuple[str, str]:
    """Kind and detail of the one problem that a folder gives beside its good file."""
    data = read(folder)
    assert len(data.problems) == 1
    assert [checkpoint.source for checkpoint in data.checkpoints] == ["good.pt"]
    return data.problems[0].kind, data.problems[0].detail


# --- pickles that would run code --------------------------------------------------------------------------------------


class Calls:
    """Pickles as a call of any function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def _attacks(marker: Path) -> dict[str, tuple[Any, str]]:
    touch = f"touch {marker}"
    python = f"open({str(marker)!r}, 'w').close()"
    tensor = torch.ones(2, 2)
    return {
        "os.system": (Calls(os.system, touch), "system"),
        "builtins.exec": (Calls(builtins.exec, python), "builtins.exec"),
        "builtins.eval": (Calls(builtins.eval, f"open({str(marker)!r}, 'w')"), "builtins.eval"),
        "builtins.open": (Calls(builtins.open, str(marker), "w"), "open"),
        "getattr": (Calls(builtins.getattr, Namespace, "__init__"), "getattr"),
        "subprocess": (Calls(subprocess.check_output, ["touch", str(marker)]), "subprocess.check_output"),
        "nested": ({"model": {"w": tensor}, "meta": [{"deep": (Calls(os.system, touch),)}]}, "system"),
        "in the key": ({"model": {"w": tensor}, Calls(os.getcwd): 1}, "getcwd"),
        "in an ordered dict": (collections.OrderedDict(w=tensor, x=Calls(builtins.exec, python)), "builtins.exec"),
        "torch.load": (Calls(torch.load, str(marker)), "load"),
        "pickle.loads": (Calls(pickle.loads, pickle.dumps(1)), "loads"),
        "beside a class": ({"args": Namespace(lr=1), "x": Calls(os.system, touch)}, "system"),
    }


@pytest.mark.parametrize("name", list(_attacks(Path("x"))))
@pytest.mark.parametrize("form", ["zip", "legacy", "pickle0", "pickle2", "pickle4", "deflated"])
def test_a_pickle_that_would_run_code_does_not_run_and_is_read(tmp_path: Path, name: str, form: str) -> None:
    """Whatever the container and however deep: the call is named, its mark is never made, and the tensors beside it are read."""
    marker = tmp_path / "ran"
    content, called = _attacks(marker)[name]
    folder = tmp_path / "run"
    folder.mkdir()
    path = folder / "evil_step_7.pt"
    whole = {"model": {"w": torch.ones(2)}, "x": content}
    if form in ("zip", "legacy", "deflated"):
        torch.save(whole, path, _use_new_zipfile_serialization=form != "legacy")
    else:
        path.write_bytes(pickle.dumps(whole, protocol=int(form[-1])))
    if form == "deflated":
        _deflate(path)
    marker.unlink(missing_ok=True)  # saving may have made it: only reading is tried
    data = read(folder)
    assert [problem.kind for problem in data.problems] == ["unsafe-pickle"]
    detail = data.problems[0].detail
    assert "would run code" in detail and called in detail and "tensors were read" in detail
    evil = next(checkpoint for checkpoint in data.checkpoints if checkpoint.source != "good.pt")
    weights = next(tensor for name, tensor in evil.tensors.items() if name.endswith("w") and tensor.shape == (2,))
    assert weights.read(0, 2).tolist() == [1.0, 1.0]
    assert not marker.exists()


def _deflate(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_an_opcode_level_attack_without_any_class(tmp_path: Path) -> None:
    """Hand-written opcodes (protocol 0 text, INST, STACK_GLOBAL from the memo) are named and not run."""
    marker = tmp_path / "ran"
    command = f"touch {marker}".encode()
    codes = {
        "text.pt": b"cos\nsystem\n(S'" + command + b"'\ntR.",
        "inst.pt": b"(S'" + command + b"'\nios\nsystem\n.",
        "memo.pt": b"\x80\x04\x8c\x02os\x94\x8c\x06system\x940h\x00h\x01\x93\x8c" + bytes([len(command)]) + command + b"\x85R.",
    }
    folder = tmp_path / "run"
    folder.mkdir()
    for name, code in codes.items():
        (folder / name).write_bytes(code)
    codes = dict(sorted(codes.items()))
    data = read(folder)
    alarms = [problem for problem in data.problems if problem.kind == "unsafe-pickle"]
    assert [problem.path for problem in alarms] == list(codes)
    assert all("os.system" in problem.detail for problem in alarms)
    assert not marker.exists()


def test_a_harmless_class_raises_no_alarm(tmp_path: Path) -> None:
    """A class that a safe load of torch refuses is read as a table of its attributes, without a word."""
    torch.save({"model": {"w": torch.ones(2, 2)}, "args": Namespace(lr=0.1, name="run")}, tmp_path / "step_5.pt")
    data = read(tmp_path)
    assert not data.problems
    assert [checkpoint.values for checkpoint in data.checkpoints if checkpoint.step == 5] == [{"args.lr": 0.1, "args.name": "run"}]


def test_files_without_weights_are_looked_over(tmp_path: Path) -> None:
    """Training arguments full of classes are no problem of a run; the same file with a call in it is."""
    torch.save(Namespace(lr=0.1), tmp_path / "training_args.bin")
    torch.save({"python": Calls(os.getcwd)}, tmp_path / "rng_state.pth")
    data = read(tmp_path)
    assert [(problem.path, problem.kind) for problem in data.problems] == [("rng_state.pth", "unsafe-pickle")]
    (good,) = data.checkpoints
    assert good.values["arguments.lr"] == 0.1


def test_the_walk_stops_at_the_end_of_a_cut_pickle() -> None:
    """A cut pickle still names what it asked for before the cut, and says that it is not whole."""
    whole = pickle.dumps([Calls(os.system, "true"), list(range(1000))], protocol=2)
    walked = scan(memoryview(whole[: len(whole) // 2]))
    assert walked.dangerous == (f"{os.system.__module__}.system",) and not walked.complete


# --- names that lie ---------------------------------------------------------------------------------------------------

LIES: dict[str, tuple[str, bytes, str, str]] = {
    "text": ("model.pt", b"hello, this is no checkpoint\n", "corrupt", "text"),
    "text as safetensors": ("model.safetensors", b"hello, this is no checkpoint\n", "corrupt", "text"),
    "empty": ("model.pt", b"", "truncated", "0 bytes"),
    "empty safetensors": ("model.safetensors", b"", "truncated", "0 bytes"),
    "lfs": ("model.pt", b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1234567\n", "unreadable", "1234567"),
    "lfs safetensors": ("m.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 77\n", "unreadable", "git-LFS"),
    "tf text": ("checkpoint", b'model_checkpoint_path: "model.ckpt-100"\n', "unsupported", "TensorFlow"),
    "tf data": ("m.ckpt.data-00000-of-00001", bytes(range(128, 256)) * 8, "unsupported", "TensorFlow"),
    "web page": ("model.pt", b"<!DOCTYPE html><html>404</html>", "corrupt", "web page"),
    "hdf5": ("weights.h5", b"\x89HDF\r\n\x1a\n" + bytes(100), "corrupt", "HDF5"),
    "numpy": ("weights.pt", b"\x93NUMPY\x01\x00" + bytes(100), "corrupt", "header"),
    "msgpack": ("flax.msgpack", b"\x83\xa6params\x81\xff\xfe" + bytes(range(200, 256)), "truncated", "lost"),
    "onnx": ("net.onnx", b"\x08\x07\x12\x07pytorch\xff\xfe\x80", "unsupported", "ONNX"),
    "zeros": ("model.pt", bytes(5000), "corrupt", "zero bytes"),
    "noise": ("model.pt", bytes(range(255, 130, -1)) * 10, "corrupt", "neither"),
    "apple": ("._model.pt", b"\x00\x05\x16\x07" + bytes(60), "unsupported", "AppleDouble"),
    "tar": ("model.pth.tar", b"a" * 257 + b"ustar\x0000" + bytes(300), "unsupported", "tar"),
}


@pytest.mark.parametrize("name", list(LIES))
def test_a_name_that_lies_is_called_by_what_it_is(tmp_path: Path, name: str) -> None:
    """Text, pointers, pages and other formats named like checkpoints are told apart."""
    file, content, kind, word = LIES[name]
    (tmp_path / file).write_bytes(content)
    said, detail = only_problem(tmp_path)
    assert said == kind and word in detail


def test_a_zip_without_tensors(tmp_path: Path) -> None:
    """Any zip may be called `.pt`; what it holds instead is said."""
    with zipfile.ZipFile(tmp_path / "data.pt", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    kind, detail = only_problem(tmp_path)
    assert kind == "unsupported" and "readme.txt" in detail


def test_an_archive_of_many_torch_files_is_no_checkpoint(tmp_path: Path) -> None:
    """More torch files in a zip than one checkpoint has: it is said, and none is read in silence."""
    with zipfile.ZipFile(tmp_path / "all.pt", "w") as archive:
        for number in range(65):
            archive.writestr(f"{number}.pth", b"\x80\x02}.")
    kind, detail = only_problem(tmp_path)
    assert kind == "unsupported" and "65 torch files" in detail


def test_a_plain_pickle_and_an_empty_program(tmp_path: Path) -> None:
    """Neither holds weights; each is named for what it holds instead."""
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"accuracy": [0.1, 0.2]}))
    with zipfile.ZipFile(tmp_path / "b.pt", "w") as archive:
        for member in ("m/data.pkl", "m/constants.pkl", "m/code/__torch__.py"):
            archive.writestr(member, b"\x80\x02}.")
    data = read(tmp_path)
    assert {problem.path: problem.kind for problem in data.problems} == {"a.pkl": "unsupported", "b.pt": "unsupported"}
    assert "accuracy" in data.problems[0].detail


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("legacy", [False, True])
def test_a_torch_file_cut_short(tmp_path: Path, share: float, legacy: bool) -> None:
    """A cut at any place is called a cut; the tensors before it are read, and those behind it are named."""
    path = tmp_path / "cut_step_9.pt"
    weights = {f"layers.{n}.weight": torch.full((20, 20), float(n)) for n in range(5)}
    torch.save({"model": weights}, path, _use_new_zipfile_serialization=not legacy)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    data = read(tmp_path)
    assert [problem.kind for problem in data.problems] == ["truncated"]
    detail = data.problems[0].detail
    left = [checkpoint for checkpoint in data.checkpoints if checkpoint.source != "good.pt"]
    kept = list(left[0].tensors) if left else []
    lost = [name for name in weights if name not in kept]
    assert not (share == 0.02 and kept)
    assert "lost" in detail and (not kept or all(name in detail for name in lost[:2]))
    for name in kept:
        assert left[0].tensors[name].read(0, 400).tolist() == [float(name.split(".")[1])] * 400
    if share == 0.95:
        assert len(kept) >= 4


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_any_pickle_protocol_is_read(tmp_path: Path, protocol: int) -> None:
    """A safe load of torch admits protocol 2 alone; the file is whole all the same."""
    torch.save({"w": torch.full((2, 2), 3.0)}, tmp_path / "step_3.pt", pickle_protocol=protocol)
    data = read(tmp_path)
    assert not data.problems
    assert data.checkpoints[0].tensors["w"].read(0, 4).tolist() == [3.0] * 4


def test_a_storage_smaller_than_its_tensor_claims(tmp_path: Path) -> None:
    """A zip whose entry holds fewer bytes than the tensor needs never reads beyond it."""
    torch.save({"w": torch.ones(64, 64)}, tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(tmp_path / "a.pt", "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content[:100] if name.endswith("/data/0") else content)
    data = read(tmp_path)
    for checkpoint in data.checkpoints:
        for tensor in checkpoint.tensors.values():
            tensor.read(0, 4096)
    assert data.problems or len(data.checkpoints) == 2


def test_a_list_that_holds_itself(tmp_path: Path) -> None:
    """A table that refers to itself, and one that doubles thirty times over, are read in no time."""
    cycle: list[Any] = []
    cycle.append(cycle)
    bomb: list[Any] = []
    for _ in range(30):
        bomb = [bomb, bomb]
    torch.save({"model": {"w": torch.ones(2, 2)}, "cycle": cycle, "bomb": bomb}, tmp_path / "a.pt")
    data = read(tmp_path)
    assert not data.problems and len(data.checkpoints) == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("name", ["trainer_state.json", "adapter_config.json"])
def test_a_pipe_beside_the_weights_is_not_waited_for(tmp_path: Path, name: str) -> None:
    """A pipe under the name of a file of settings would never end."""
    os.mkfifo(tmp_path / name)
    save_file({"q.lora_A.weight": np.ones((2, 3), np.float32)}, tmp_path / "model.safetensors")
    read(tmp_path)


@pytest.mark.parametrize("value", ["vanished", "folder"])
def test_a_file_that_cannot_be_opened(tmp_path: Path, value: str) -> None:
    """A file that is gone, or is a folder, is unreadable; the others are read."""
    torch.save({"w": torch.ones(2, 2)}, tmp_path / "good.pt")
    (tmp_path / "folder.pt").mkdir()
    files = [FoundFile(tmp_path / f"{value}.pt", f"{value}.pt", "checkpoint", 5), found(tmp_path / "good.pt", tmp_path)]
    data = read_checkpoints(files, tmp_path)
    assert [problem.kind for problem in data.problems] == ["unreadable"] and len(data.checkpoints) == 1


# --- safetensors ------------------------------------------------------------------------------------------------------


def _safetensors(header: Any, body: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def _entry(begin: int, end: int, shape: list[int], dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


SAFETENSORS: dict[str, tuple[bytes, str, list[str]]] = {
    "cut in the length": (b"\x10\x00\x00", "truncated", []),
    "cut in the header": (_safetensors({"a": _entry(0, 4, [1])})[:20], "truncated", []),
    "header larger than allowed": (_safetensors({}, b"", 2**60), "corrupt", []),
    "header not json": (_safetensors(b"{nonsense}"), "corrupt", []),
    "header not utf-8": (_safetensors(b'{"\xff\xff": 1}'), "corrupt", []),
    "header a list": (_safetensors([]), "corrupt", []),
    "one name twice": (_safetensors(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":1}', bytes(4)), "corrupt", []),
    "cut in the data": (_safetensors({"a": _entry(0, 8, [2]), "b": _entry(8, 16, [2])}, bytes(12)), "truncated", ["a"]),
    "overlap": (_safetensors({"a": _entry(0, 8, [2]), "b": _entry(4, 12, [2])}, bytes(12)), "corrupt", ["a"]),
    "hole": (_safetensors({"a": _entry(0, 4, [1]), "b": _entry(8, 12, [1])}, bytes(12)), "corrupt", ["a", "b"]),
    "bytes left over": (_safetensors({"a": _entry(0, 4, [1])}, bytes(12)), "corrupt", ["a"]),
    "shape and range disagree": (_safetensors({"a": _entry(0, 8, [3]), "b": _entry(8, 12, [1])}, bytes(12)), "corrupt", ["b"]),
    "negative offset": (_safetensors({"a": _entry(-4, 0, [1]), "b": _entry(0, 4, [1])}, bytes(4)), "corrupt", ["b"]),
    "descending offsets": (_safetensors({"a": _entry(8, 4, [1]), "b": _entry(0, 4, [1])}, bytes(4)), "corrupt", ["b"]),
    "offset beyond any file": (_safetensors({"a": _entry(0, 2**62, [2**60]), "b": _entry(0, 4, [1])}, bytes(4)), "truncated", []),
    "negative shape": (_safetensors({"a": _entry(0, 4, [-1]), "b": _entry(0, 4, [1])}, bytes(4)), "corrupt", ["b"]),
    "a shape of words": (
        _safetensors({"a": {"dtype": "F32", "shape": "x", "data_offsets": [0, 4]}, "b": _entry(0, 4, [1])}, bytes(4)),
        "corrupt",
        ["b"],
    ),
    "fifty axes": (_safetensors({"a": _entry(0, 4, [1] * 50), "b": _entry(0, 4, [1])}, bytes(4)), "corrupt", ["b"]),
    "unknown type": (_safetensors({"a": _entry(0, 4, [1], "F128"), "b": _entry(4, 8, [1])}, bytes(8)), "unsupported", ["b"]),
    "no tensors": (_safetensors({"__metadata__": {"format": "pt"}}), "unsupported", []),
}


@pytest.mark.parametrize("name", list(SAFETENSORS))
def test_a_damaged_safetensors_file_loses_no_more_than_it_must(tmp_path: Path, name: str) -> None:
    """Each fault is named, and tensors that lie whole within the file are read."""
    content, kind, kept = SAFETENSORS[name]
    (tmp_path / "model.safetensors").write_bytes(content)
    data = read(tmp_path)
    assert kind in [problem.kind for problem in data.problems]
    tensors = {
        name: tensor for checkpoint in data.checkpoints if checkpoint.source != "good.pt" for name, tensor in checkpoint.tensors.items()
    }
    assert sorted(tensors) == kept or (name == "offset beyond any file" and set(tensors) <= {"b"})
    for tensor in tensors.values():
        assert np.all(tensor.read(0, 1) == 0)


def test_a_cut_names_the_tensors_that_are_lost(tmp_path: Path) -> None:
    """A file cut within its last tensor loses that one by name."""
    arrays = {f"layers.{n}.weight": np.full((10, 10), float(n), np.float32) for n in range(4)}
    save_file(arrays, tmp_path / "model.safetensors")
    content = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(content[:-150])
    data = read(tmp_path)
    assert data.problems[0].kind == "truncated" and "layers.3.weight" in data.problems[0].detail and "150 bytes" in data.problems[0].detail
    model = next(checkpoint for checkpoint in data.checkpoints if checkpoint.source != "good.pt")
    assert list(model.tensors) == ["layers.0.weight", "layers.1.weight", "layers.2.weight"]
    assert model.tensors["layers.2.weight"].read(0, 100).tolist() == [2.0] * 100


def test_an_index_that_points_elsewhere_opens_nothing_there(tmp_path: Path) -> None:
    """Shards named by absolute paths or `..` are refused."""
    outside = tmp_path / "outside.safetensors"
    save_file({"x": np.ones(3, np.float32)}, outside)
    folder = tmp_path / "run"
    folder.mkdir()
    save_file({"a": np.ones(3, np.float32)}, folder / "a.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "a.safetensors", "x": "../outside.safetensors", "y": str(outside)}}))
    data = read_checkpoints([found(index, folder, "checkpoint-index"), found(folder / "a.safetensors", folder)], tmp_path)
    assert [list(checkpoint.tensors) for checkpoint in data.checkpoints] == [["a"]]
    assert any(problem.kind == "corrupt" and "outside its folder" in problem.detail for problem in data.problems)


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"weight_map": 3}', b"\xff\xfe", b'{"other": {}}'])
def test_a_broken_index_costs_no_shard(tmp_path: Path, content: bytes) -> None:
    """Where the index cannot be read, the shards are put together by their names."""
    for number in (1, 2):
        save_file({f"layers.{number}.weight": np.ones((2, 2), np.float32)}, tmp_path / f"model-0000{number}-of-00002.safetensors")
    index = tmp_path / "model.safetensors.index.json"
    index.write_bytes(content)
    files = [found(path, tmp_path, "checkpoint-index" if path == index else "checkpoint") for path in sorted(tmp_path.iterdir())]
    data = read_checkpoints(files, tmp_path)
    assert [problem.kind for problem in data.problems] == ["corrupt"]
    assert [list(checkpoint.tensors) for checkpoint in data.checkpoints] == [["layers.1.weight", "layers.2.weight"]]
