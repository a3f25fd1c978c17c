"""Checkpoints of other frameworks than torch: which container a file is, and which function reads it.

A new format is one line in `_READERS` and one test in `container_of`. Readers are imported when they are first needed.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args

from postmortem.model import Problem
from postmortem.read.checkpoints.pickles import listed
from postmortem.read.checkpoints.stored import Loaded

ForeignContainer: TypeAlias = Literal["hdf5", "keras", "msgpack", "npz", "npy", "tensorflow", "tensorflow-pointer", "orbax"]
FOREIGN: frozenset[str] = frozenset(get_args(ForeignContainer))

_READERS: Mapping[ForeignContainer, tuple[str, str]] = {
    "hdf5": ("keras_files", "read_keras"),
    "keras": ("keras_files", "read_keras"),
    "msgpack": ("flax_files", "read_flax"),
    "npz": ("numpy_files", "read_numpy"),
    "npy": ("numpy_files", "read_numpy"),
    "tensorflow": ("tensorflow_files", "read_tensorflow"),
    "orbax": ("orbax_files", "read_orbax"),
}
"""Container -> module of this package, and function (path, source as problems show it) -> what was read."""

_HDF5 = b"\x89HDF\r\n\x1a\n"
_TABLE_MAGIC = bytes.fromhex("57fb808b247547db")
_POINTER = b"model_checkpoint_path"

# What a file is that no reader of this program reads, by its first bytes, with what reads it.
_ELSEWHERE_BY_BYTES: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"GGUF", "GGUF", "the gguf package"),
    (4, b"TFL3", "TensorFlow Lite", "the tflite package"),
    (0, b"\x04\x00\x00\x00\x01\x00\x00\x00\x03\x00\x00\x00V 1", "Torch7 (Lua)", "the torchfile package"),
    (0, b"\x03\x00\x00\x00\x01\x00\x00\x00", "Torch7 (Lua)", "the torchfile package"),
    (0, b"4\n1\n3\nV 1\n", "Torch7 (Lua, text)", "the torchfile package"),
    (0, b"\x12\x01\x00\x00\x00\x00\x00\x00", "MXNet parameters", "mxnet.nd.load"),
)
# The same by name, where the content does not tell: protobuf, or a pickle with elements between its opcodes.
_ELSEWHERE_BY_SUFFIX: Mapping[str, tuple[str, str]] = {
    ".onnx": ("ONNX", "the onnx package"),
    ".tflite": ("TensorFlow Lite", "the tflite package"),
    ".pb": ("a TensorFlow graph", "TensorFlow; the weights of a SavedModel are in its folder `variables`, which is read"),
    ".meta": ("a TensorFlow graph", "TensorFlow; the weights are in the .index and .data files beside it, which are read"),
    ".joblib": ("joblib", "joblib.load, which runs the code in it"),
    ".pdparams": ("PaddlePaddle parameters", "paddle.load"),
    ".pdopt": ("PaddlePaddle optimizer state", "paddle.load"),
    ".pdiparams": ("PaddlePaddle parameters", "paddle.load"),
    ".params": ("MXNet parameters", "mxnet.nd.load"),
    ".gguf": ("GGUF", "the gguf package"),
    ".caffemodel": ("Caffe", "Caffe"),
    ".mlmodel": ("Core ML", "coremltools"),
}

_PICKLES = frozenset((".joblib", ".pdparams", ".pdopt"))
"""Of these, the formats that are pickles."""


def container_of(path: Path, head: bytes) -> ForeignContainer | None:
    """What a file is by its first bytes (some 4,000 are enough), for bundles and archives by more of it; None if it is none of these."""
    if head[:8] == _HDF5 or any(head[start : start + 8] == _HDF5 for start in (512, 1024, 2048)):
        return "hdf5"
    if head[:6] == b"\x93NUMPY":
        return "npy"
    if head[:4] == b"PK\x03\x04":
        return _archive(path, head)
    if path.suffix == ".index" and _ends_with(path, _TABLE_MAGIC):
        return "tensorflow"
    if path.name == "_METADATA" and head[:1] == b"{" and b"tree_metadata" in head:
        return "orbax"
    if head.startswith(_POINTER):
        return "tensorflow-pointer"
    if _is_msgpack(head):
        return "orbax" if path.name == "checkpoint" and b"PLACEHOLDER://" in head else "msgpack"
    return None


def _archive(path: Path, head: bytes) -> ForeignContainer | None:
    """Zips of NumPy and Keras, told by their first entry; a torch zip is never one."""
    first = head[30 : 30 + int.from_bytes(head[26:28], "little")].decode("utf-8", "replace")
    if first.endswith(".npy"):
        return "npz"
    if path.suffix == ".keras" or first == "model.weights.h5":
        return "keras"
    if first in ("metadata.json", "config.json"):
        try:
            with zipfile.ZipFile(path) as archive:
                return "keras" if "model.weights.h5" in archive.namelist() else None
        except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError):
            return None
    return None


def _ends_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - len(magic)))
        return stream.read() == magic


def _is_msgpack(head: bytes) -> bool:
    """A table whose first key is a readable word, as every tree of Flax is. A pickle begins with 0x80, which would be an empty table."""
    first = head[:1]
    start = 1 if b"\x81" <= first <= b"\x8f" else {b"\xde": 3, b"\xdf": 5}.get(first, 0)
    if not start or len(head) <= start:
        return False
    mark = head[start]
    length, begin = (mark & 0x1F, start + 1) if 0xA1 <= mark <= 0xBF else (head[start + 1] if mark == 0xD9 else 0, start + 2)
    word = head[begin : begin + length]
    return bool(word) and len(word) == length and all(0x20 <= letter < 0x7F for letter in word)


def elsewhere(path: Path, head: bytes) -> str | None:
    """For a format that is known and not read here: what it is and what reads it, as a problem's detail."""
    for offset, magic, what, reader in _ELSEWHERE_BY_BYTES:
        if head[offset : offset + len(magic)] == magic:
            return f"{what}, a format that is not read here; read by {reader}"
    if path.suffix.lower().startswith(".data-"):
        return "the data of a TensorFlow checkpoint: its .index file, which tells what is where in it, is what is read"
    suffix = path.suffix.lower()
    is_text = all(letter in b"\r\n\t" or 0x20 <= letter < 0x7F for letter in head[:256])
    if is_text or (head[:1] == b"\x80" and suffix not in _PICKLES):  # the content says more than the name
        return None
    known = _ELSEWHERE_BY_SUFFIX.get(suffix)
    return None if known is None else f"{known[0]}, a format that is not read here; read by {known[1]}"


def read_foreign(container: str, path: Path, source: str) -> Loaded:
    """Read a file that `container_of` knows. `source` is the path that problems show. Raises OSError where it cannot be opened."""
    if container == "tensorflow-pointer":
        return _pointer(path, source)
    if path.name == "checkpoint" and container == "orbax" and (path.parent / "_METADATA").is_file():
        return Loaded(None, (), readable=False)  # the same folder by its other name
    module, function = _READERS[cast(ForeignContainer, container)]
    read: Callable[[Path, str], Loaded] = getattr(import_module(f"postmortem.read.checkpoints.{module}"), function)
    return read(path, source)


def _pointer(path: Path, source: str) -> Loaded:
    """TensorFlow's text file `checkpoint`, which names the checkpoints of its folder: nothing to say while those are there."""
    names = []
    with path.open("rb") as stream:
        for line in stream.read(2**20).decode("utf-8", "replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model_checkpoint_path":
                names.append(value.strip().strip('"').replace("\\", "/").rsplit("/", 1)[-1])
    absent = [name for name in names if not name or not (path.parent / f"{name}.index").is_file()]
    if not absent:
        return Loaded(None, (), readable=False)
    detail = f"TensorFlow's text file `checkpoint`, which only names the latest checkpoint ({listed(tuple(absent))}), and that is not here"
    return Loaded(None, (Problem(source, "unsupported", detail),), readable=False)
