"""Flax's msgpack files (`flax.serialization.to_bytes`): arrays are an extension type whose payload is (shape, type, bytes).

Flax cuts arrays of more than 2^30 bytes into a table of pieces, which are put together again in temporary space; all others are mapped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from postmortem.model import Problem
from postmortem.read.checkpoints.flax_trees import Branch, flax_tree
from postmortem.read.checkpoints.foreign_trees import nothing
from postmortem.read.checkpoints.msgpack_walk import Node, Place, walk
from postmortem.read.checkpoints.raw import Packed, Raw, mapped, placed, reasons, sound_shape, unpacked
from postmortem.read.checkpoints.stored import NUMPY_TYPES, Array, Loaded
from postmortem.read.damaged import DamagedError

_NDARRAY, _COMPLEX, _SCALAR = 1, 2, 3
_CHUNKED = "__msgpack_chunked_array__"


@dataclass(frozen=True, slots=True, eq=False)
class _Reading:
    memory: NDArray[np.uint8]
    packed: list[Packed]
    lost: list[str]
    arrays: list[str]

    def branch(self, node: Node, path: str) -> Branch | None:
        """A node with its arrays mapped; None where it holds nothing that can be read."""
        if isinstance(node, Place):
            return self._array(node, path)
        if isinstance(node, list):
            node = {str(index): item for index, item in enumerate(node)}
        if not isinstance(node, dict):
            return node
        if _CHUNKED in node:
            self._chunked(node, path)
            return None
        found = {key: self.branch(child, f"{path}.{key}" if path else key) for key, child in node.items()}
        return {key: child for key, child in found.items() if child is not None}

    def _array(self, place: Place, path: str) -> Branch | None:
        if place.code not in (_NDARRAY, _SCALAR):
            if place.code != -1:
                self.lost.append(f"{path}: {'a complex number' if place.code == _COMPLEX else f'extension type {place.code}'}")
            return None
        self.arrays.append(path)
        try:
            raw = _mapped_array(self.memory, place)
        except DamagedError as error:
            self.lost.append(f"{path}: {error}")
            return None
        number = raw.number() if place.code == _SCALAR else None
        return raw if number is None else number

    def _chunked(self, node: Mapping[str, Node], path: str) -> None:
        """Note an array in pieces; it is put in its place once it is unpacked."""
        self.arrays.append(path)
        try:
            shape = sound_shape(_in_order(node.get("shape")))
            pieces = [_mapped_array(self.memory, item) for item in _in_order(node.get("chunks")) if isinstance(item, Place)]
            if shape is None or not pieces or len({piece.dtype for piece in pieces}) != 1:
                raise DamagedError("its table of pieces is none")
            held, needed = sum(piece.array.size for piece in pieces), math.prod(shape)
            if held != needed:
                raise DamagedError(f"its pieces hold {held} elements, its shape {shape} needs {needed}")
        except DamagedError as error:
            self.lost.append(f"{path}: {error}")
            return

        def unpack(into: Array) -> None:
            flat = into.reshape(-1)
            at = 0
            for piece in pieces:
                flat[at : at + piece.array.size] = piece.array.reshape(-1)
                at += piece.array.size

        self.packed.append(Packed(path, shape, pieces[0].dtype, needed * NUMPY_TYPES[pieces[0].dtype].itemsize, unpack))


def _in_order(node: Node) -> Sequence[Node]:
    """Items of a list, or of a table with the keys 0, 1, 2, as Flax writes lists."""
    if isinstance(node, dict):
        return [node[str(index)] for index in range(len(node)) if str(index) in node]
    return node if isinstance(node, list) else []


def _mapped_array(memory: NDArray[np.uint8], place: Place) -> Raw:
    walked = walk(memory, place.begin, place.end)
    if walked.damage or not isinstance(walked.root, list) or len(walked.root) != 3:
        raise DamagedError("its description is damaged")
    lengths, dtype, data = walked.root
    shape = sound_shape(lengths) if isinstance(lengths, list) else None
    if isinstance(dtype, Place):
        dtype = memory[dtype.begin : min(dtype.end, dtype.begin + 32)].tobytes().decode("latin-1")
    if not isinstance(dtype, str) or dtype not in NUMPY_TYPES:
        raise DamagedError(f"its type {str(dtype)[:32]} cannot be read")
    if shape is None or not isinstance(data, Place):
        raise DamagedError("its description is damaged")
    needed = math.prod(shape) * NUMPY_TYPES[dtype].itemsize
    if needed != data.end - data.begin:
        raise DamagedError(f"its shape {shape} needs {needed} bytes and it holds {data.end - data.begin}")
    return placed(memory, data.begin, shape, dtype)


def read_flax(path: Path, source: str) -> Loaded:
    """Map a file of `flax.serialization.to_bytes`, `flax.training.checkpoints` or a Hub's `flax_model.msgpack`.

    Of a file that was cut short, the arrays before the cut are read. Raises OSError where it cannot be opened.
    """
    memory = mapped(path)
    walked = walk(memory, 0, memory.size)
    if not isinstance(walked.root, dict):
        what = walked.damage or "its first value is no table"
        return nothing(source, Problem(source, "truncated" if walked.cut else "corrupt", f"no msgpack of Flax: {what}; all of it is lost"))
    problems: list[Problem] = []
    reading = _Reading(memory, [], [], [])
    root = reading.branch(walked.root, "")
    if walked.damage:
        kept = len(reading.arrays)
        detail = f"{walked.damage}; the {kept} arrays before that place were read, what stood behind it is lost"
        problems.append(Problem(source, "truncated" if walked.cut else "corrupt", detail))
    elif walked.end < memory.size:
        problems.append(Problem(source, "corrupt", f"{memory.size - walked.end} bytes follow its end; what stands before them was read"))
    if reading.lost:
        detail = f"{len(reading.lost)} of {len(reading.arrays)} arrays cannot be read: {reasons(reading.lost)}"
        problems.append(Problem(source, "corrupt", detail))
    for name, raw in unpacked(reading.packed, source, problems).items():
        _put(root, name.split("."), raw)
    if not reading.arrays:
        problems = problems or [Problem(source, "unsupported", "a msgpack file without arrays of Flax")]
        return Loaded(None, tuple(problems), readable=False, ordered=False)
    return Loaded(flax_tree(root if isinstance(root, dict) else {}), tuple(problems), readable=True, ordered=False)


def _put(root: Branch | None, path: Sequence[str], raw: Raw) -> None:
    """Put an array at a dotted path; keys that hold dots are found as well, longest first."""
    node = root
    while isinstance(node, dict):
        for length in range(1, len(path) + 1):
            key = ".".join(path[:length])
            if length == len(path):
                node[key] = raw
                return
            if isinstance(node.get(key), dict):
                node, path = node[key], path[length:]
                break
