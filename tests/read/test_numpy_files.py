"""NumPy's formats: any storage order and type, nothing that only a pickle could bring back, archives that are cut or swollen."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from postmortem.model import Problem
from postmortem.read.checkpoints.numpy_files import read_numpy
from postmortem.read.checkpoints.stored import StoredTensor


def written(path: Path, arrays: dict[str, NDArray[Any]], compression: int = zipfile.ZIP_STORED) -> Path:
    """An archive; `np.savez` would refuse some of the names."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, array in arrays.items():
            stream = io.BytesIO()
            np.save(stream, array, allow_pickle=True)
            archive.writestr(f"{name}.npy", stream.getvalue())
    return path


def read(path: Path) -> tuple[dict[str, StoredTensor], tuple[Problem, ...]]:
    """Tensors and problems."""
    loaded = read_numpy(path, path.name)
    model = loaded.tree["model"] if isinstance(loaded.tree, dict) else {}
    return model, loaded.problems


def elements(tensor: StoredTensor) -> NDArray[Any]:
    """All elements, in the tensor's shape."""
    return tensor.read(0, tensor.elements).reshape(tensor.shape)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA], ids=["stored", "deflated", "lzma"])
@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f8", "<f2", "<i8", ">i4", "|u1", "|b1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_any_type_and_order(tmp_path: Path, compression: int, kind: str, order: Any) -> None:
    """Values and type are numpy's, in whatever order the file keeps the axes and the bytes."""
    array = np.asarray(np.arange(24).reshape(2, 3, 4) % 7, dtype=kind, order=order)
    tensors, problems = read(written(tmp_path / "a.npz", {"block/w": array, "x": np.ones(1, np.float32)}, compression))
    assert not problems and list(tensors) == ["block.w", "x"]
    assert tensors["block.w"].dtype == np.dtype(kind).newbyteorder("=").name
    np.testing.assert_array_equal(elements(tensors["block.w"]), array)
    np.testing.assert_array_equal(tensors["block.w"].read(5, 17), array.reshape(-1)[5:17])


def test_bfloat16_of_jax(tmp_path: Path) -> None:
    """NumPy writes it as two bytes of no type."""
    tensors, _ = read(written(tmp_path / "a.npz", {"w": np.array([0x3F80, 0xC000], np.uint16).view("V2")}))
    assert tensors["w"].dtype == "bfloat16" and elements(tensors["w"]).tolist() == [1.0, -2.0]


def test_scalars_are_values(tmp_path: Path) -> None:
    """A step that stands in the archive is a plain value, and no weight."""
    loaded = read_numpy(written(tmp_path / "a.npz", {"step": np.array(300), "w": np.ones(2)}), "a.npz")
    assert isinstance(loaded.tree, dict) and loaded.tree["step"] == 300 and set(loaded.tree) == {"step", "model"}


class Boom:
    """Raises when a pickle of it is loaded."""

    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('code of a checkpoint ran')",))


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def test_objects_are_never_loaded(tmp_path: Path, compression: int) -> None:
    """An array of objects is a pickle: it is named and left out, and nothing of it runs."""
    tensors, (problem,) = read(written(tmp_path / "a.npz", {"bad": np.array([Boom()]), "good": np.ones(2)}, compression))
    assert list(tensors) == ["good"]
    assert problem.kind == "corrupt" and "bad: it holds Python objects, which only a pickle could bring back" in problem.detail


def header(text: str) -> bytes:
    """An `.npy` file of this header and eight bytes."""
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + bytes(8)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,)}", "needs more bytes than there are"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "cannot be read"),
        ("{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", "type complex64"),
        ("{'descr': '<U2', 'fortran_order': False, 'shape': (1,)}", "cannot be read"),
        ("{'descr': __import__('os').getcwd(), 'fortran_order': False, 'shape': (1,)}", "no description of an array"),
        ("(" * 5000, "no description of an array"),
        ("{'shape': (1,)}", "no description of an array"),
    ],
    ids=["terabytes", "negative", "complex", "text", "code", "depth", "short"],
)
def test_headers_that_lie(tmp_path: Path, text: str, words: str) -> None:
    """A header is a literal, and is believed only as far as there are bytes."""
    (tmp_path / "a.npy").write_bytes(header(text))
    tensors, (problem,) = read(tmp_path / "a.npy")
    assert not tensors and problem.kind == "corrupt" and words in problem.detail


def test_an_archive_that_unpacks_to_far_more_than_it_holds(tmp_path: Path) -> None:
    """What claims more than deflate can give is refused before any of it is unpacked."""
    claim = header("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,)}")
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.npy", claim)
        archive.writestr("good.npy", header("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}"))
    tensors, (problem,) = read(tmp_path / "a.npz")
    assert list(tensors) == ["good"] and "bomb" in problem.detail and "times the bytes that are stored" in problem.detail


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def test_a_cut_archive(tmp_path: Path, compression: int) -> None:
    """The directory stands at the end."""
    path = written(tmp_path / "a.npz", {"w": np.random.default_rng(0).normal(size=(99, 9))}, compression)
    path.write_bytes(path.read_bytes()[:3000])
    _, (problem,) = read(path)
    assert problem.kind == "truncated" and "all tensors are lost" in problem.detail


def test_a_wrong_checksum_is_damage(tmp_path: Path) -> None:
    """One flipped byte within compressed elements shows."""
    arrays = {"bad": np.random.default_rng(0).normal(size=500), "good": np.ones(2)}
    path = written(tmp_path / "a.npz", arrays, zipfile.ZIP_DEFLATED)
    content = path.read_bytes()
    path.write_bytes(content[:2000] + bytes([content[2000] ^ 1]) + content[2001:])
    tensors, (problem,) = read(path)
    assert list(tensors) == ["good"] and "bad: it cannot be unpacked" in problem.detail


def test_two_arrays_at_one_place(tmp_path: Path) -> None:
    """A directory that points twice to one entry gives one array: a small file cannot claim large ones without number."""
    path = written(tmp_path / "a.npz", {"aa": np.ones(50), "bb": np.ones(50)})
    content = path.read_bytes()
    place = content.rindex(b"PK\x01\x02")  # the last entry of the directory, made to point to the first one's bytes
    path.write_bytes(content[: place + 42] + bytes(4) + content[place + 46 :])
    tensors, problems = read(path)
    assert len(tensors) == 1 and "claim bytes that belong to another" in problems[0].detail
