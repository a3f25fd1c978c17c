"""Folders of torch.distributed.checkpoint: `.metadata` and shards `__R_N.distcp`, read as one checkpoint.

`.metadata` says of each tensor into which boxes it was cut and at which bytes of which shard each box stands, as a torch file of its
own. All of it is a claim: paths, offsets and sizes are held against the folder, and a tensor is put together only where its boxes
cover it once. Nothing is copied; a box is read when a measure asks for its elements.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from postmortem.model import FoundFile, Problem, ProblemKind
from postmortem.read.checkpoints.dcp_metadata import Entry, Metadata, Piece, parse_metadata
from postmortem.read.checkpoints.dcp_tree import tree_of
from postmortem.read.checkpoints.embedded import read_item, read_plain
from postmortem.read.checkpoints.pickles import listed
from postmortem.read.checkpoints.pieces import Box, from_boxes, tiles
from postmortem.read.checkpoints.stored import NUMPY_TYPES, Loaded, StoredTensor, Tree

METADATA_NAME = ".metadata"
_MAX_METADATA_BYTES = 512 * 2**20


def _failed(source: str, problem: Problem) -> Loaded:
    return Loaded(None, (Problem(source, problem.kind, problem.detail),), readable=False)


def read_distributed(index: FoundFile, shards: Sequence[FoundFile]) -> Loaded:
    """Everything in one folder: `index` is its `.metadata`, `shards` are the files beside it. Raises OSError where it cannot be opened."""
    if index.bytes > _MAX_METADATA_BYTES:
        return Loaded(None, (Problem(index.name, "unsupported", f"metadata of {index.bytes} bytes, which is larger than any"),), False)
    plain = read_plain(index.path, index.name)
    if not plain.readable:
        return plain
    metadata = parse_metadata(plain.tree)
    if metadata is None:
        detail = "holds no table of tensors and of where they are stored; all tensors of the folder are lost"
        return Loaded(None, (*plain.problems, Problem(index.name, "corrupt", detail)), readable=False)
    folder = _Folder(index.name, {PurePosixPath(file.name).name: file for file in shards})
    values: dict[str, Tree] = {}
    for entry in metadata.entries:
        if entry.shape is None:
            found = folder.value(entry)
            if found is not None:
                values[entry.name] = found.tree
        else:
            tensor = folder.tensor(entry, entry.shape)
            if tensor is not None:
                values[entry.name] = tensor
    problems = (*plain.problems, *folder.problems(metadata))
    return Loaded(tree_of(values, metadata.paths), problems, readable=bool(values) or not problems)


@dataclass(slots=True)
class _Loss:
    """Tensors that one fault took."""

    names: list[str] = field(default_factory=list)
    bytes: int = 0

    def add(self, name: str, lost_bytes: int) -> None:
        self.names.append(name)
        self.bytes += lost_bytes


class _Folder:
    """Shards of one folder, mapped when first asked for, and what could not be read of them."""

    __slots__ = ("_faults", "_files", "_item_problems", "_mapped", "_missing", "_outside", "_source", "_wanted")

    def __init__(self, source: str, files: Mapping[str, FoundFile]) -> None:
        self._source = source
        self._files = files
        self._mapped: dict[str, NDArray[np.uint8]] = {}
        self._wanted: set[str] = set()
        self._missing: dict[str, _Loss] = {}
        self._outside: dict[str, _Loss] = {}
        self._faults: dict[str, _Loss] = {}
        self._item_problems: list[Problem] = []

    def _memory(self, name: str) -> NDArray[np.uint8]:
        memory = self._mapped.get(name)
        if memory is None:
            file = self._files[name]
            size = file.path.stat().st_size
            memory = np.memmap(file.path, np.uint8, "r", shape=(size,)) if size else np.empty(0, np.uint8)
            self._mapped[name] = memory
        return memory

    def _item(self, entry: Entry, piece: Piece, lost_bytes: int) -> Loaded | None:
        """What stands at a piece's place; None, and the loss noted, where nothing can."""
        if PurePosixPath(piece.path).name != piece.path or piece.path in ("", ".", "..") or "\\" in piece.path:
            self._outside.setdefault(piece.path, _Loss()).add(entry.name, lost_bytes)
            return None
        self._wanted.add(piece.path)
        if piece.path not in self._files:
            self._missing.setdefault(piece.path, _Loss()).add(entry.name, lost_bytes)
            return None
        if piece.transformed:
            self._faults.setdefault("are compressed by an extension, which is not read", _Loss()).add(entry.name, lost_bytes)
            return None
        memory = self._memory(piece.path)
        if piece.begin + piece.length > memory.size:
            fault = f"lie beyond the end of {piece.path} ({memory.size} bytes)"
            self._faults.setdefault(fault, _Loss()).add(entry.name, lost_bytes)
            return None
        found = read_item(memory[piece.begin : piece.begin + piece.length], f"{self._source} ({entry.name})")
        self._item_problems.extend(problem for problem in found.problems if problem.kind == "unsafe-pickle")
        if not found.readable:
            self._faults.setdefault(f"do not stand in {piece.path} where the metadata says", _Loss()).add(entry.name, lost_bytes)
            return None
        return found

    def value(self, entry: Entry) -> Loaded | None:
        """A plain value, which is a file of its own."""
        if len(entry.pieces) != 1:
            self._faults.setdefault("stand nowhere in the folder, by its metadata", _Loss()).add(entry.name, 0)
            return None
        return self._item(entry, entry.pieces[0], 0)

    def tensor(self, entry: Entry, shape: tuple[int, ...]) -> StoredTensor | None:
        """A tensor put together from its pieces; None, and the loss noted, where one of them is missing or wrong."""
        whole_bytes = math.prod(shape) * (NUMPY_TYPES[entry.dtype].itemsize if entry.dtype in NUMPY_TYPES else 4)
        if not tiles(shape, [(piece.offsets, piece.sizes) for piece in entry.pieces]):
            fault = "are cut into pieces that leave gaps, overlap, or have no place in the folder"
            self._faults.setdefault(fault, _Loss()).add(entry.name, whole_bytes)
            return None
        boxes = []
        for piece in entry.pieces:
            share = whole_bytes * math.prod(piece.sizes) // max(1, math.prod(shape))
            found = self._item(entry, piece, share)
            if found is None:
                return None
            tensor = found.tree
            if not isinstance(tensor, StoredTensor) or tensor.shape != piece.sizes or entry.dtype not in ("", tensor.dtype):
                held = f"{tensor.dtype} {tensor.shape}" if isinstance(tensor, StoredTensor) else type(tensor).__name__
                fault = f"are stored as something else than the metadata says ({held} for {entry.dtype} {piece.sizes})"
                self._faults.setdefault(fault, _Loss()).add(entry.name, share)
                return None
            boxes.append(Box(tensor, piece.offsets))
        types = {box.tensor.dtype for box in boxes}
        if len(types) != 1:
            self._faults.setdefault("are cut into pieces of different types", _Loss()).add(entry.name, whole_bytes)
            return None
        return from_boxes(entry.name, shape, types.pop(), boxes)

    def problems(self, metadata: Metadata) -> list[Problem]:
        """What was lost, one problem for each kind of fault."""
        found = []
        tensors = sum(entry.shape is not None for entry in metadata.entries)
        if self._missing:
            names = list(dict.fromkeys(name for loss in self._missing.values() for name in loss.names))
            lost = sum(loss.bytes for loss in self._missing.values())
            detail = (
                f"{len(self._missing)} of {len(self._wanted)} shards are missing ({listed(tuple(sorted(self._missing)))}): {len(names)} of "
                f"{len(metadata.entries)} entries are lost ({listed(tuple(names))}), and with them {lost} bytes that no other shard holds"
            )
            found.append(Problem(self._source, "truncated", detail))
        if self._outside:
            names = list(dict.fromkeys(name for loss in self._outside.values() for name in loss.names))
            detail = (
                f"names files outside its folder, which were not opened ({listed(tuple(sorted(self._outside)))}): {len(names)} entries are "
                f"lost ({listed(tuple(names))})"
            )
            found.append(Problem(self._source, "corrupt", detail))
        for fault, loss in self._faults.items():
            kind: ProblemKind = "truncated" if fault.startswith("lie beyond") else "unsupported" if "compressed" in fault else "corrupt"
            names = list(dict.fromkeys(loss.names))
            detail = f"{len(names)} of {len(metadata.entries)} entries ({tensors} of them tensors) {fault}: {listed(tuple(names))} are lost"
            found.append(Problem(self._source, kind, f"{detail} ({loss.bytes} bytes)" if loss.bytes else detail))
        return [*found, *self._item_problems]
