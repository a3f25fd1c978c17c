"""Writers of foreign checkpoint formats, byte by byte or through the library that owns the container.

Each was compared once with files of the real framework. Weights are given as torch lays them out (output unit first); what Keras and
Flax call a kernel is turned for them on the way.
"""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import google_crc32c
import numpy as np
import pytest
from numpy.typing import NDArray

Weights: TypeAlias = Mapping[str, NDArray[Any]]
Writer: TypeAlias = Callable[[Path, Weights], Path]


def as_kernel(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """A tensor as Keras and Flax keep it."""
    if not name.endswith("kernel") or array.ndim < 2:
        return array
    return np.ascontiguousarray(array.transpose(*range(2, array.ndim), 1, 0))


def _nested(weights: Weights) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for name, array in weights.items():
        *modules, last = name.split(".")
        node = root
        for module in modules:
            node = node.setdefault(module, {})
        node[last] = as_kernel(name, array)
    return root


# --- msgpack, as flax.serialization.to_bytes writes it ----------------------------------------------------------------


class Extension(bytes):
    """Payload of an extension type."""

    code = 1


def packed(value: Any) -> bytes:
    """Msgpack of one value; arrays as Flax packs them."""
    if value is None or isinstance(value, bool):
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
    if isinstance(value, int):
        return struct.pack("B", value) if 0 <= value < 128 else b"\xd3" + struct.pack(">q", value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, str):
        text = value.encode()
        return (bytes([0xA0 | len(text)]) if len(text) < 32 else b"\xd9" + bytes([len(text)])) + text
    if isinstance(value, Extension):
        return b"\xc9" + struct.pack(">I", len(value)) + bytes([value.code]) + value
    if isinstance(value, bytes):
        return b"\xc6" + struct.pack(">I", len(value)) + value
    if isinstance(value, (list, tuple)):
        return bytes([0x90 | len(value)]) + b"".join(map(packed, value))
    if isinstance(value, np.ndarray):
        return packed(Extension(packed([list(value.shape), value.dtype.name, value.tobytes()])))
    head = bytes([0x80 | len(value)]) if len(value) < 16 else b"\xde" + struct.pack(">H", len(value))
    return head + b"".join(packed(key) + packed(item) for key, item in value.items())


def write_flax(path: Path, weights: Weights) -> Path:
    """`flax.serialization.to_bytes({"params": ...})`."""
    path = path / "flax_model.msgpack"
    path.write_bytes(packed({"params": _nested(weights)}))
    return path


# --- HDF5 -------------------------------------------------------------------------------------------------------------


def write_keras2(path: Path, weights: Weights) -> Path:
    """`save_weights("....h5")` of Keras 2."""
    import h5py

    path = path / "model_weights.h5"
    with h5py.File(path, "w") as file:
        layers = list(dict.fromkeys(name.rsplit(".", 1)[0] for name in weights))
        file.attrs["layer_names"] = [layer.encode() for layer in layers]
        for layer in layers:
            own = {name: array for name, array in weights.items() if name.rsplit(".", 1)[0] == layer}
            names = {name: f"{name.replace('.', '/')}:0" for name in own}
            group = file.create_group(layer)
            group.attrs["weight_names"] = [text.encode() for text in names.values()]
            for name, array in own.items():
                group[names[name]] = as_kernel(name, array)
    return path


def write_keras3(path: Path, weights: Weights) -> Path:
    """`save_weights("....weights.h5")` of Keras 3: layers by class, variables by number, the layer's own name beside."""
    import h5py

    path = path / "model.weights.h5"
    seen: dict[str, int] = {}
    with h5py.File(path, "w") as file:
        for layer in dict.fromkeys(name.rsplit(".", 1)[0] for name in weights):
            own = {name: array for name, array in weights.items() if name.rsplit(".", 1)[0] == layer}
            kind = "conv2d" if max(array.ndim for array in own.values()) > 2 else "dense"
            number = seen[kind] = seen.get(kind, -1) + 1
            group = file.create_group(f"layers/{kind}_{number}/vars" if number else f"layers/{kind}/vars")
            group.attrs["name"] = layer
            for index, (name, array) in enumerate(own.items()):
                group[str(index)] = as_kernel(name, array)
    return path


def write_keras_archive(path: Path, weights: Weights) -> Path:
    """`model.save("....keras")`."""
    inner = write_keras3(path, weights)
    path = path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        archive.writestr("config.json", json.dumps({"class_name": "Sequential", "config": {"layers": []}}))
        archive.write(inner, "model.weights.h5")
    inner.unlink()
    return path


# --- zarr and OCDBT, as Orbax lays them out ---------------------------------------------------------------------------


def _write_orbax(path: Path, weights: Weights, *, ocdbt: bool, driver: str = "zarr") -> Path:
    import tensorstore

    folder = path / "1000" / "default"
    folder.mkdir(parents=True)
    base = {"driver": "file", "path": f"{folder}/"}
    store = {"driver": "ocdbt", "base": base} if ocdbt else base
    tree = {}
    for name, array in weights.items():
        keys = ("params", *name.split("."))
        kernel = as_kernel(name, array)
        place = {**store, "path": f"{store.get('path', '')}{'.'.join(keys)}/"}
        compressor = {"metadata": {"compressor": {"id": "zstd", "level": 1}}} if driver == "zarr" else {}
        spec = {"driver": driver, "kvstore": place, **compressor}
        opened = tensorstore.open(spec, create=True, dtype=kernel.dtype, shape=kernel.shape).result()
        opened.write(kernel).result()
        tree[str(keys)] = {
            "key_metadata": [{"key": key, "key_type": 2} for key in keys],
            "value_metadata": {"value_type": "jax.Array", "skip_deserialize": False},
        }
    metadata = {"tree_metadata": tree, "use_ocdbt": ocdbt, "use_zarr3": driver == "zarr3"}
    (folder / "_METADATA").write_text(json.dumps(metadata))
    return folder / "_METADATA"


def write_zarr(path: Path, weights: Weights) -> Path:
    """Orbax without OCDBT: a folder for each array."""
    return _write_orbax(path, weights, ocdbt=False)


def write_ocdbt(path: Path, weights: Weights) -> Path:
    """Orbax as it is by default."""
    return _write_orbax(path, weights, ocdbt=True)


def write_zarr3(path: Path, weights: Weights) -> Path:
    """Orbax with `use_zarr3`."""
    return _write_orbax(path, weights, ocdbt=True, driver="zarr3")


# --- TensorFlow's bundle ----------------------------------------------------------------------------------------------

DTYPES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "bfloat16": 14, "float16": 19}


def varint(value: int) -> bytes:
    """A number as protobuf and LevelDB write it."""
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def block(pairs: Mapping[bytes, bytes], restart_every: int = 16) -> bytes:
    """A block of a table: keys by what they share with the one before, the places where that starts anew, type and checksum."""
    body, before, restarts = b"", b"", []
    for number, (key, value) in enumerate(pairs.items()):
        if number % restart_every == 0:
            restarts.append(len(body))
            before = b""
        shared = next((at for at, (one, two) in enumerate(zip(before, key, strict=False)) if one != two), min(len(before), len(key)))
        body += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    body += b"".join(struct.pack("<I", place) for place in restarts or [0]) + struct.pack("<I", len(restarts or [0]))
    checksum = google_crc32c.value(body + b"\0")
    masked = (((checksum >> 15) | (checksum << 17)) + 0xA282EAD8) & 0xFFFFFFFF
    return body + b"\0" + struct.pack("<I", masked)


def table(pairs: Mapping[bytes, bytes], blocks: int = 2) -> bytes:
    """An index file."""
    items = sorted(pairs.items())
    size = -(-len(items) // blocks)
    data, handles = b"", {}
    for start in range(0, len(items), size):
        piece = dict(items[start : start + size])
        written = block(piece)
        handles[list(piece)[-1]] = varint(len(data)) + varint(len(written) - 5)
        data += written
    meta, index = block({}), block(handles, 1)
    footer = varint(len(data)) + varint(len(meta) - 5) + varint(len(data) + len(meta)) + varint(len(index) - 5)
    return data + meta + index + footer.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


def entry(dtype: int, shape: tuple[int, ...], offset: int, size: int) -> bytes:
    """A BundleEntryProto."""
    dims = b"".join(b"\x12" + varint(len(dim)) + dim for dim in (b"\x08" + varint(length) for length in shape))
    return b"\x08" + varint(dtype) + b"\x12" + varint(len(dims)) + dims + b"\x20" + varint(offset) + b"\x28" + varint(size)


def write_bundle(
    path: Path,
    tensors: Mapping[str, NDArray[Any] | bytes],
    *,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    offsets: Mapping[str, int] | None = None,
    sliced: tuple[str, ...] = (),
    entries: Mapping[bytes, bytes] | None = None,
) -> Path:
    """A checkpoint of TensorFlow with these keys; bytes are written as a string tensor. `shapes` and `offsets` are claimed instead of
    the true ones, `sliced` keys are said to be partitioned, `entries` are put into the index as they are."""
    name = "ckpt-7"
    data = b"\x05"  # elements need not be aligned
    pairs = {b"": b"\x08\x01\x1a\x02\x08\x01"}
    shape: tuple[int, ...]
    for key, array in tensors.items():
        if isinstance(array, bytes):
            content, dtype, shape = varint(len(array)) + bytes(4) + array, 7, ()
        else:
            content, dtype, shape = array.tobytes(), DTYPES[array.dtype.name], array.shape
        shape, offset = (shapes or {}).get(key, shape), (offsets or {}).get(key, len(data))
        pairs[key.encode()] = entry(dtype, shape, offset, len(content)) + (b"\x3a\x00" if key in sliced else b"")
        data += content
    (path / f"{name}.data-00000-of-00001").write_bytes(data)
    (path / f"{name}.index").write_bytes(table({**pairs, **(entries or {})}))
    return path / f"{name}.index"


def write_tf1(path: Path, weights: Weights) -> Path:
    """A checkpoint of TensorFlow 1: keys are the variables' names."""
    return write_bundle(path, {name.replace(".", "/"): as_kernel(name, array) for name, array in weights.items()})


def write_tf2(path: Path, weights: Weights) -> Path:
    """A checkpoint of TensorFlow 2: keys are paths of objects, and the graph of objects tells the names."""
    keys = {name: f"layer_with_weights-{number}/v/.ATTRIBUTES/VARIABLE_VALUE" for number, name in enumerate(weights)}
    tensors: dict[str, NDArray[Any] | bytes] = {keys[name]: as_kernel(name, array) for name, array in weights.items()}
    return write_bundle(path, {**tensors, "_CHECKPOINTABLE_OBJECT_GRAPH": object_graph({keys[name]: name for name in keys})})


def object_graph(names: Mapping[str, str]) -> bytes:
    """TrackableObjectGraph: for each key the variable's own name."""
    graph = b""
    for key, name in names.items():
        own, theirs = name.replace(".", "/").encode(), key.encode()
        attribute = b"\x0a\x0eVARIABLE_VALUE" + b"\x12" + varint(len(own)) + own + b"\x1a" + varint(len(theirs)) + theirs
        node = b"\x12" + varint(len(attribute)) + attribute
        graph += b"\x0a" + varint(len(node)) + node
    return graph


# --- all of them ------------------------------------------------------------------------------------------------------


def _write_npz(path: Path, weights: Weights) -> Path:
    np.savez(path / "model.npz", **{name.replace(".", "/"): as_kernel(name, array) for name, array in weights.items()})  # type: ignore[arg-type]
    return path / "model.npz"


def _write_npz_packed(path: Path, weights: Weights) -> Path:
    np.savez_compressed(path / "model.npz", **{name: as_kernel(name, array) for name, array in weights.items()})  # type: ignore[arg-type]
    return path / "model.npz"


def _write_torch(path: Path, weights: Weights) -> Path:
    import torch

    torch.save({name: torch.from_numpy(array.copy()) for name, array in weights.items()}, path / "model.pt")
    return path / "model.pt"


def _write_safetensors(path: Path, weights: Weights) -> Path:
    from safetensors.numpy import save_file

    save_file({name: array.copy() for name, array in weights.items()}, path / "model.safetensors")
    return path / "model.safetensors"


WRITERS: Mapping[str, Writer] = {
    "torch": _write_torch,
    "safetensors": _write_safetensors,
    "keras2": write_keras2,
    "keras3": write_keras3,
    "keras-archive": write_keras_archive,
    "flax": write_flax,
    "npz": _write_npz,
    "npz-compressed": _write_npz_packed,
    "zarr": write_zarr,
    "ocdbt": write_ocdbt,
    "zarr3": write_zarr3,
    "tf1": write_tf1,
    "tf2": write_tf2,
}


@pytest.fixture(params=list(WRITERS))
def writer(request: pytest.FixtureRequest) -> Writer:
    """One format after the other."""
    return WRITERS[request.param]


@pytest.fixture
def writers() -> Mapping[str, Writer]:
    """All formats by name."""
    return WRITERS


@pytest.fixture
def pack() -> Callable[[Any], bytes]:
    """Msgpack as Flax writes it."""
    return packed


@pytest.fixture
def extension() -> Callable[[bytes], bytes]:
    """Bytes that `pack` writes as Flax's array type, whatever they are."""
    return Extension


@pytest.fixture
def bundle() -> Callable[..., Path]:
    """`write_bundle`."""
    return write_bundle


@pytest.fixture
def graph() -> Callable[[Mapping[str, str]], bytes]:
    """`object_graph`."""
    return object_graph
