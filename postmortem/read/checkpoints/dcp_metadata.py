"""The table in `.metadata` of a torch.distributed.checkpoint folder, as plain values. Knows its fields, opens no shard."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from postmortem.read.checkpoints.embedded import field_of, pairs_of, texts_in
from postmortem.read.checkpoints.stored import NUMPY_TYPES, Tree

Shape = tuple[int, ...]
Path = tuple[str | int, ...]

_MAX_ELEMENTS = 2**62


@dataclass(frozen=True, slots=True)
class Piece:
    """One stored item: a box of a tensor, or a whole plain value."""

    offsets: Shape
    sizes: Shape
    path: str
    """As the metadata writes it; a claim."""
    begin: int
    length: int
    transformed: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One flat name."""

    name: str
    shape: Shape | None
    """None for a plain value."""
    dtype: str
    """Empty where the metadata does not say."""
    pieces: tuple[Piece, ...]
    """Fewer than the tensor was cut into where the metadata gives some no place."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """The whole table, in its order."""

    entries: tuple[Entry, ...]
    paths: Mapping[str, Path]
    """Flat name -> keys from the top of the state_dict that was saved, numbers for places in a list. Empty where the planner kept none."""


def _whole(value: Tree) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_ELEMENTS else None


def _shape(value: Tree) -> Shape | None:
    """A torch.Size: numbers, or numbers within the one argument of a call."""
    if isinstance(value, tuple) and len(value) == 1 and isinstance(value[0], tuple):
        value = value[0]
    if not isinstance(value, tuple):
        return None
    numbers = [number for item in value if (number := _whole(item)) is not None]
    if len(numbers) != len(value) or math.prod(number for number in numbers if number) >= _MAX_ELEMENTS:
        return None
    return tuple(numbers)


def _dtype(properties: Tree) -> str:
    for text in texts_in(properties):
        name = text.removeprefix("torch.")
        if name in NUMPY_TYPES:
            return name
    return ""


def parse_metadata(tree: Tree) -> Metadata | None:
    """The table, or None where this is none. Entries that contradict themselves stay, without pieces, so that they are named as lost."""
    tensors, places = field_of(tree, "state_dict_metadata"), field_of(tree, "storage_data")
    if not isinstance(tensors, Mapping) or places is None:
        return None
    stored: dict[str, dict[Shape | None, Piece]] = defaultdict(dict)
    for key, info in pairs_of(places):
        name, path = field_of(key, "fqn"), field_of(info, "relative_path")
        begin, length = _whole(field_of(info, "offset")), _whole(field_of(info, "length"))
        if isinstance(name, str) and isinstance(path, str) and begin is not None and length is not None:
            offsets = _shape(field_of(key, "offset"))
            stored[name][offsets] = Piece(offsets or (), (), path, begin, length, bool(field_of(info, "transform_descriptors")))
    entries = tuple(_entry(name, value, stored[name]) for name, value in tensors.items())
    return Metadata(entries, _paths(field_of(tree, "planner_data")))


def _entry(name: str, value: Tree, stored: Mapping[Shape | None, Piece]) -> Entry:
    chunks = field_of(value, "chunks")
    if chunks is None and field_of(value, "size") is None:
        return Entry(name, None, "", tuple(stored.values())[:1])
    shape = _shape(field_of(value, "size"))
    pieces = []
    for chunk in chunks if isinstance(chunks, tuple) else ():
        offsets, sizes = _shape(field_of(chunk, "offsets")), _shape(field_of(chunk, "sizes"))
        # Writers of one rank may leave the offset out of the key of a whole tensor.
        piece = stored.get(offsets) or (stored.get(None) if len(stored) == 1 else None)
        if piece is not None and offsets is not None and sizes is not None:
            pieces.append(Piece(offsets, sizes, piece.path, piece.begin, piece.length, piece.transformed))
    return Entry(name, (0,) if shape is None else shape, _dtype(field_of(value, "properties")), () if shape is None else tuple(pieces))


def _paths(planner_data: Tree) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for name, path in pairs_of(planner_data):
        if isinstance(name, str) and isinstance(path, tuple) and path:
            keys = [key for key in path if isinstance(key, (str, int)) and not isinstance(key, bool)]
            if len(keys) == len(path):
                found[name] = tuple(keys)
    return found
