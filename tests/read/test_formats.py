"""Foreign formats as a whole: the same weights give the same numbers in each, names lead to them, and what is not read is named."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from postmortem.discover.names import file_kind
from postmortem.discover.runs import find_runs
from postmortem.measure.table import CheckpointRow
from postmortem.measure.tensors import pass_over
from postmortem.model import Checkpoint, FoundFile
from postmortem.read.checkpoints.files import CheckpointData, read_checkpoints
from postmortem.read.checkpoints.formats import container_of
from postmortem.read.checkpoints.steps import step_in_name

Write = Callable[[Path, Mapping[str, NDArray[Any]]], Path]


def weights() -> dict[str, NDArray[Any]]:
    """A convolution, a dense layer of more than one chunk with odd sizes, and a head, as torch lays them out."""
    random = np.random.default_rng(0)
    shapes = {
        "stem.kernel": (6, 3, 3, 5),
        "stem.bias": (6,),
        "hidden.kernel": (701, 803),
        "hidden.bias": (701,),
        "out.kernel": (4, 701),
        "out.bias": (4,),
    }
    return {name: random.normal(0.1, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}


def read(folder: Path) -> CheckpointData:
    """What discovery finds below a folder, read."""
    (run,) = find_runs([folder])
    scratch = folder.parent / f"{folder.name}-scratch"
    scratch.mkdir(exist_ok=True)
    return read_checkpoints(run.files, scratch)


def the_one(folder: Path) -> Checkpoint:
    """The only checkpoint below a folder, without problems."""
    data = read(folder)
    assert not data.problems
    (checkpoint,) = data.checkpoints
    return checkpoint


def row_of(checkpoint: Checkpoint) -> CheckpointRow:
    """Statistics of one checkpoint."""
    table = pass_over([checkpoint])
    return [*table.rows, *table.others][0]


def test_same_weights_same_numbers_in_every_format(tmp_path: Path, writer: Write) -> None:
    """Every element, and every statistic of the pass, per tensor and per output unit, is that of the arrays that were written."""
    expected = weights()
    writer(tmp_path, expected)
    checkpoint = the_one(tmp_path)
    assert set(checkpoint.tensors) == set(expected)
    row = row_of(checkpoint)
    for name, array in expected.items():
        tensor, stats = checkpoint.tensors[name], row.tensors[name]
        assert tensor.shape == array.shape
        np.testing.assert_array_equal(tensor.read(0, array.size).reshape(array.shape), array)
        exact = array.astype(np.float64)
        # As far as the pass promises to be right.
        assert stats.mean == pytest.approx(exact.mean(), rel=1e-8)
        assert stats.variance == pytest.approx(exact.var(), rel=1e-8)
        assert stats.norm == pytest.approx(np.linalg.norm(exact), rel=1e-8)
        assert (stats.minimum, stats.maximum) == (array.min(), array.max())
        if array.ndim > 1:
            assert stats.units is not None
            np.testing.assert_allclose(stats.units.squares, (exact**2).reshape(len(array), -1).sum(1), rtol=1e-6)


def test_pieces_of_any_place_are_those_of_the_whole(tmp_path: Path, writer: Write) -> None:
    """A range that begins and ends within rows reads as the same range of the whole tensor."""
    expected = weights()
    writer(tmp_path, expected)
    checkpoint = the_one(tmp_path)
    for name in ("stem.kernel", "hidden.kernel"):
        flat = expected[name].reshape(-1)
        for start, stop in [(0, 1), (7, 8), (3, 44), (43, 211), (13, flat.size - 5), (flat.size - 1, flat.size), (5, 5)]:
            stop = min(stop, flat.size)
            np.testing.assert_array_equal(checkpoint.tensors[name].read(start, stop), flat[start:stop])


def test_layers_come_in_the_order_of_the_model(tmp_path: Path, writers: Mapping[str, Write]) -> None:
    """Keras files keep the model's order, which neither the alphabet nor the classes' names tell."""
    names = ["zeta", "alpha", "mid", "beta"]
    expected = {f"{name}.kernel": np.full((2, 3), number, np.float32) for number, name in enumerate(names)}
    for format_name in ("keras2", "keras3", "keras-archive"):
        folder = tmp_path / format_name
        folder.mkdir()
        writers[format_name](folder, expected)
        assert list(the_one(folder).tensors) == list(expected)


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "is_checkpoint"),
    {
        "model.weights.h5": True,
        "best.keras": True,
        "flax_model.msgpack": True,
        "checkpoint_1000": True,
        "checkpoint": True,
        "ckpt-12.index": True,
        "model.ckpt-1000.index": True,
        "variables.index": True,
        "ckpt-12.data-00000-of-00001": False,
        "model.ckpt-1000.meta": False,
        "_METADATA": True,
        "_metadata": False,
        "_sharding": False,
        "manifest.ocdbt": False,
        "weights.npz": True,
        "faiss.index": False,
        "x_train.npz": False,
    }.items(),
)
def test_names_of_foreign_checkpoints(name: str, is_checkpoint: bool) -> None:
    """One file stands for each checkpoint; the files beside it do not count again."""
    assert (file_kind(name).role == "checkpoint") == is_checkpoint


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("model.weights.h5", None),
        ("model_12.weights.h5", 12),
        ("weights.h5", None),
        ("a.hdf5", None),
        ("ckpt-12.index", 12),
        ("checkpoint_1000", 1000),
        ("run/1000/default/_METADATA", 1000),
        ("run/step_300/_METADATA", 300),
    ],
)
def test_steps_in_foreign_names(name: str, step: int | None) -> None:
    """The 5 of `.h5` is no step, and a folder of Orbax is named by the folder."""
    assert step_in_name(name).step == step


def test_steps_of_orbax_are_one_run(tmp_path: Path, writers: Mapping[str, Write]) -> None:
    """`1000/default` and `2000/default` are two checkpoints of the run above them."""
    for step in ("1000", "2000"):
        made = tmp_path / "made"
        made.mkdir()
        writers["ocdbt"](made, weights())
        (tmp_path / "exp").mkdir(exist_ok=True)
        (made / "1000").rename(tmp_path / "exp" / step)
        made.rmdir()
    assert [checkpoint.step for checkpoint in read(tmp_path / "exp").checkpoints] == [1000, 2000]


# --- what is not read -------------------------------------------------------------------------------------------------

ELSEWHERE: dict[str, tuple[str, bytes, str]] = {
    "gguf": ("model.bin", b"GGUF\x03\0\0\0" + bytes(50), "GGUF"),
    "tflite": ("model.pt", b"\x1c\0\0\0TFL3" + bytes(50), "TensorFlow Lite"),
    "torch7": ("net.t7", b"\x04\0\0\0\x01\0\0\0\x03\0\0\0V 1\x11\0\0\0torch.FloatTensor", "torchfile"),
    "torch7 table": ("net.t7", b"\x03\0\0\0\x01\0\0\0\x02\0\0\0" + bytes(50), "Torch7"),
    "torch7 text": ("net.t7", b"4\n1\n3\nV 1\n17\ntorch.FloatTensor\n", "Torch7"),
    "mxnet": ("net.pt", b"\x12\x01\0\0\0\0\0\0" + bytes(50), "mxnet"),
    "onnx": ("net.onnx", b"\x08\x07\x12\x07pytorch\xff\xfe\x80", "onnx package"),
    "joblib": ("model.joblib", b"\x80\x04\x95\x10" + bytes(50), "joblib"),
    "paddle": ("model.pdparams", b"\x80\x02}q\x00." + bytes(50), "paddle.load"),
}


@pytest.mark.parametrize("name", list(ELSEWHERE))
def test_other_formats_are_named_with_their_reader(tmp_path: Path, name: str) -> None:
    """The problem is `unsupported`, and says what the format is and what reads it."""
    file, content, word = ELSEWHERE[name]
    (tmp_path / file).write_bytes(content)
    data = read_checkpoints([FoundFile(tmp_path / file, file, "checkpoint", len(content))], tmp_path)
    (problem,) = data.problems
    assert problem.kind == "unsupported" and word in problem.detail and "read by" in problem.detail


@pytest.mark.parametrize(("format_name", "package", "extra"), [("keras3", "h5py", "keras"), ("ocdbt", "tensorstore", "orbax")])
def test_a_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writers: Mapping[str, Write], format_name: str, package: str, extra: str
) -> None:
    """Without the optional package the problem says which extra reads the file."""
    writers[format_name](tmp_path, weights())
    monkeypatch.setitem(sys.modules, package, None)
    (problem,) = read(tmp_path).problems
    assert problem.kind == "unsupported" and f"install training-postmortem[{extra}] to read it" in problem.detail


def test_a_pointer_is_silent_while_it_points_to_something(tmp_path: Path, writers: Mapping[str, Write]) -> None:
    """TensorFlow's text file `checkpoint` is no problem beside the checkpoint that it names, and one without it."""
    path = writers["tf1"](tmp_path, weights())
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "/somewhere/else/ckpt-7"\nall_model_checkpoint_paths: "ckpt-7"\n')
    assert not read(tmp_path).problems
    path.unlink()
    (problem,) = read(tmp_path).problems
    assert problem.kind == "unsupported" and "only names the latest checkpoint (ckpt-7)" in problem.detail


@pytest.mark.parametrize(
    "head",
    [b"\x80\x02}q\x00", b"PK\x03\x04" + bytes(22) + b"\x10\0\0\0archive/data.pkl", b"\x08\0\0\0\0\0\0\0{}", b"plain text", b"\x85\xff\xfe"],
)
def test_files_of_torch_are_not_taken(tmp_path: Path, head: bytes) -> None:
    """Torch zips, pickles, safetensors and text are left to their own readers."""
    path = tmp_path / "model.pt"
    path.write_bytes(head)
    assert container_of(path, head) is None


@pytest.mark.parametrize(
    ("file", "content", "word"),
    [("net.onnx", b"<!DOCTYPE html><html>404</html>", "web page"), ("net.params", b"\x80\x02}q\x00.", "empty table")],
)
def test_content_says_more_than_the_name(tmp_path: Path, file: str, content: bytes, word: str) -> None:
    """A page, or a pickle, under another format's name is called by what it is."""
    (tmp_path / file).write_bytes(content)
    (problem,) = read_checkpoints([FoundFile(tmp_path / file, file, "checkpoint", len(content))], tmp_path).problems
    assert word in problem.detail
