"""Orbax checkpoints: folders of zarr arrays, each in a folder of its own or all of them in one OCDBT store, read by tensorstore.

One file stands for the folder: `_METADATA`, or the msgpack file `checkpoint` of early versions. Arrays are nearly always compressed, each
in few large pieces, so they are unpacked to temporary space once, a piece at a time.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from postmortem.model import Problem
from postmortem.read.checkpoints.flax_trees import OPTIMIZER_KEYS, Branch, flax_tree
from postmortem.read.checkpoints.foreign_trees import needs_package, nothing
from postmortem.read.checkpoints.msgpack_walk import Node, walk
from postmortem.read.checkpoints.raw import MOST_EXPANSION, Packed, mapped, reasons, sound_shape, unpacked
from postmortem.read.checkpoints.stored import NUMPY_TYPES, Array, Loaded
from postmortem.read.damaged import DamagedError

if TYPE_CHECKING:
    import tensorstore

STANDS_FOR_FOLDER = "_METADATA"
_PLACEHOLDER = "PLACEHOLDER://"
_MOST_METADATA_BYTES = 256 * 2**20
_MOST_ARRAYS = 200_000
_MOST_PIECE_BYTES = 8 * 2**30
_ZARR = {"/.zarray": "zarr", "/zarr.json": "zarr3"}


def read_orbax(path: Path, source: str) -> Loaded:
    """Read the folder that holds this file. Tensors, names and the optimizer's state are as those of Flax (`flax_trees`).

    What its metadata names and its store does not hold is told as lost. Raises OSError where a file cannot be opened.
    """
    folder = path.parent
    problems: list[Problem] = []
    expected, values, all_written = _metadata(path, source, problems)
    try:
        import tensorstore
    except ImportError:
        return needs_package(source, "an Orbax checkpoint", "orbax")
    try:
        store, names = _arrays(folder)
    except (ValueError, OSError) as error:
        return nothing(source, *problems, Problem(source, "corrupt", f"its store cannot be opened ({_said(error)}); all tensors are lost"))
    names = dict(list(names.items())[:_MOST_ARRAYS])
    stored_bytes = _folder_bytes(folder)
    # One context for all: a store that is opened for each array again would be read again for each.
    context = tensorstore.Context({"cache_pool": {"total_bytes_limit": 0}})
    packed: list[Packed] = []
    lost: list[str] = [f"{name}: it is not there" for name in expected if name not in names]
    for name, driver in names.items():
        # A piece that is not there reads as the fill value, unless the writer is known to have written all of them.
        spec = {
            "driver": driver,
            "fill_missing_data_reads": not all_written,
            "kvstore": {**store, "path": f"{store.get('path', '')}{name}/"},
        }
        try:
            packed.append(_packed(name, spec, context, stored_bytes))
        except DamagedError as error:
            lost.append(f"{name}: {error}")
    if lost:
        known = len(set(names) | set(expected))
        problems.append(Problem(source, "corrupt", f"{len(lost)} of {known} tensors are lost: {reasons(lost)}"))
    found = unpacked(packed, source, problems)
    if not found:
        problems = problems or [Problem(source, "unsupported", "a folder of Orbax without a single array")]
        return Loaded(None, tuple(problems), readable=False, ordered=False)
    root: dict[str, Branch] = dict(values)
    for name, raw in found.items():
        _put(root, expected.get(name) or tuple(name.split(".")), raw)
    if folder.name in OPTIMIZER_KEYS:  # an item of its own beside `params`
        root = {folder.name: root}
    return Loaded(flax_tree(root), tuple(problems), readable=True, ordered=False)


def _said(error: Exception) -> str:
    """What the library said, without this machine's paths and the places of its own source."""
    text = " ".join(str(error).split())
    return text.split(": ", 1)[0][:60] if "/" in text else text[:100]


# --- what the folder claims -------------------------------------------------------------------------------------------


def _metadata(path: Path, source: str, problems: list[Problem]) -> tuple[dict[str, tuple[str, ...]], dict[str, Branch], bool]:
    """Arrays that the folder is said to hold, with their keys; the plain values that stand in its metadata; whether every piece of
    every array was written, those of nothing but zeros too."""
    expected: dict[str, tuple[str, ...]] = {}
    values: dict[str, Branch] = {}
    if path.name != STANDS_FOR_FOLDER:
        for keys, value in _leaves(walk(memory := mapped(path), 0, memory.size).root, ()):
            if isinstance(value, str) and value.startswith(_PLACEHOLDER):
                expected[value.removeprefix(_PLACEHOLDER)] = keys
            elif isinstance(value, (bool, int, float, str)):
                values[".".join(keys)] = value
        return expected, values, False
    all_written = False
    try:
        if path.stat().st_size > _MOST_METADATA_BYTES:
            raise ValueError("larger than any")
        table = json.loads(path.read_text("utf-8"))
        all_written = table.get("store_array_data_equal_to_fill_value") is True
        for claim in table["tree_metadata"].values():
            keys = tuple(str(each["key"]) for each in claim["key_metadata"])
            kind = claim["value_metadata"]["value_type"]
            # Empty nodes (a state without fields) and texts have no array; they are named, and nothing is lost.
            if kind in ("jax.Array", "np.ndarray", "scalar", "int", "float", "bool"):
                expected[".".join(keys)] = keys
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        detail = f"its metadata cannot be read ({type(error).__name__}), so names come from the store and nothing tells what is missing"
        problems.append(Problem(source, "corrupt", detail))
    return expected, values, all_written


def _leaves(node: Node, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Node]]:
    items = node.items() if isinstance(node, dict) else ((str(index), item) for index, item in enumerate(node or ()))  # type: ignore[arg-type]
    for key, child in items:
        if isinstance(child, (dict, list)):
            yield from _leaves(child, (*path, key))
        else:
            yield (*path, key), child


def _arrays(folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The store's description for tensorstore, and name -> driver of each array in it. Raises ValueError where it cannot be listed."""
    import tensorstore

    files = {"driver": "file", "path": f"{folder.absolute()}{os.sep}"}
    if (folder / "manifest.ocdbt").is_file():
        store: dict[str, Any] = {"driver": "ocdbt", "base": files}
        keys = [key.decode("utf-8", "replace") for key in tensorstore.KvStore.open(store).result().list().result()]
        names = {key[: -len(ending)]: driver for key in keys for ending, driver in _ZARR.items() if key.endswith(ending)}
        return store, names
    found: dict[str, str] = {}
    for below in sorted(folder.iterdir()):
        for ending, driver in _ZARR.items():
            if below.is_dir() and not below.is_symlink() and (below / ending[1:]).is_file():
                found[below.name] = driver
    return files, found


def _folder_bytes(folder: Path) -> int:
    """Bytes of all files below, links not followed."""
    total = 0
    for where, _, names in os.walk(folder):
        total += sum(os.lstat(os.path.join(where, name)).st_size for name in names)  # noqa: PTH118  half the time of pathlib
    return total


# --- arrays -----------------------------------------------------------------------------------------------------------


def _packed(name: str, spec: Mapping[str, Any], context: tensorstore.Context, stored_bytes: int) -> Packed:
    """One array, opened and not yet read. Raises DamagedError."""
    import tensorstore

    try:
        array = tensorstore.open(dict(spec), open=True, read=True, context=context).result()
        shape = sound_shape(array.shape)
        piece = [max(1, length or 1) for length in array.chunk_layout.read_chunk.shape or array.shape]
        dtype = array.dtype.name
    except (ValueError, OSError, OverflowError, MemoryError) as error:
        raise DamagedError(f"it cannot be opened ({_said(error)})") from None
    if dtype not in NUMPY_TYPES or shape is None:
        raise DamagedError(f"its type {dtype[:32]} or shape cannot be read")
    piece_bytes = math.prod(piece) * NUMPY_TYPES[dtype].itemsize
    if piece_bytes > min(_MOST_PIECE_BYTES, max(4096, stored_bytes) * MOST_EXPANSION):
        raise DamagedError(f"it claims pieces of {piece_bytes} bytes")

    def unpack(into: Array) -> None:
        try:
            for box in _boxes(shape, piece):
                into[box] = array[box].read(order="C").result().view(into.dtype)
        except (ValueError, OSError, OverflowError, MemoryError) as error:
            raise DamagedError(f"it cannot be unpacked ({_said(error)})") from None

    return Packed(name, shape, dtype, stored_bytes, unpack)


def _boxes(shape: Sequence[int], piece: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    axes = [range(0, length, step) for length, step in zip(shape, piece, strict=True)]
    for corner in product(*axes):
        yield tuple(slice(start, min(start + step, length)) for start, step, length in zip(corner, piece, shape, strict=True))


def _put(root: dict[str, Branch], keys: tuple[str, ...], leaf: Branch) -> None:
    node = root
    for key in keys[:-1]:
        child = node.setdefault(key, {})
        if not isinstance(child, dict):
            return
        node = child
    node[keys[-1]] = leaf
