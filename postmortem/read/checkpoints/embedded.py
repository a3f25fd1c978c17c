"""Pickles within other files, read without running them: the one place that knows how the inert reader is called.

Items of a torch.distributed.checkpoint folder are whole torch files within a larger one, and its `.metadata` is a bare pickle of
dataclasses. The functions below hide how the reader writes down objects of classes that it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from postmortem.model import Problem
from postmortem.read.checkpoints.stored import Loaded, Tree
from postmortem.read.checkpoints.torch_files import read_torch_bytes


def read_item(memory: NDArray[np.uint8], source: str) -> Loaded:
    """A torch file that lies within these bytes, its tensors views of them. Never raises for what they hold."""
    return read_torch_bytes(memory, source, None)


def read_plain(path: Path, source: str) -> Loaded:
    """A bare pickle as plain values: objects as tables of their attributes. Raises OSError where it cannot be opened."""
    if path.stat().st_size == 0:
        return Loaded(None, (Problem(source, "truncated", "the file is empty (0 bytes); all of it is lost"),), readable=False)
    return read_torch_bytes(np.memmap(path, np.uint8, "r"), source, None)


def field_of(value: Tree, name: str) -> Tree:
    """An attribute of an object; None where it has none."""
    return value.get(name) if isinstance(value, Mapping) else None


def pairs_of(value: Tree) -> Iterator[tuple[Tree, Tree]]:
    """Keys and values of a table, whose keys may be objects."""
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, tuple):
        for item in value:
            if isinstance(item, tuple) and len(item) == 2:
                yield item[0], item[1]


def texts_in(value: Tree, depth: int = 0) -> Iterator[str]:
    """Every text within, in order: how a type such as `torch.float32` stands in an object's state."""
    if isinstance(value, str):
        yield value
    elif depth < 4:
        children = value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple) else ()
        for child in children:
            yield from texts_in(child, depth + 1)
