"""Torch files of every age: zip, legacy, TorchScript, plain pickles with tensors. Elements are mapped, not copied; torch is not needed.

The pickles are interpreted and never run (`pickle_machine.py`), so no file is refused for the classes that it names, and no list of
trusted ones has to be kept. What a file would have called is reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from postmortem.model import Problem, ProblemKind
from postmortem.read.inert_tree import Converter
from postmortem.read.pickle_machine import Interpreted, interpret
from postmortem.read.pickles import dangerous_names, legacy_pickles, listed
from postmortem.read.stored import Loaded, Tree
from postmortem.read.torch_containers import OpenedFile, RefusedError, open_container
from postmortem.read.torch_tensors import Memory, Rebuilder

_MAX_NESTED_FILES = 40_000
"""Torch files within one; a plain pickle of tensors needs one for each tensor."""


@dataclass(slots=True, eq=False)
class _Nested:
    """Torch files that are held as bytes within another: how plain pickles hold tensors."""

    pickles: list[Interpreted] = field(default_factory=list)
    kept: list[OpenedFile] = field(default_factory=list)

    def open(self, content: bytes | memoryview) -> object:
        if len(self.kept) > _MAX_NESTED_FILES:
            return None
        try:
            opened = open_container(np.frombuffer(content, np.uint8), None)
        except RefusedError:
            return None
        self.pickles.extend(opened.pickles)
        self.kept.append(opened)
        value: object = opened.value
        return value


def read_torch(path: Path, source: str, scratch: Path) -> Loaded:
    """Read one file. `source` is the path that problems show; `scratch` takes the elements of compressed files, which cannot be mapped.

    Raises OSError where the file cannot be opened.
    """
    if path.stat().st_size == 0:
        return Loaded(None, (Problem(source, "truncated", "the file is empty (0 bytes); all of it is lost"),), readable=False)
    return read_torch_bytes(np.memmap(path, np.uint8, "r"), source, scratch)


def read_torch_bytes(memory: Memory, source: str, scratch: Path | None) -> Loaded:
    """The same of a torch file that lies in mapped bytes, as items of a sharded checkpoint do. Tensors stay views of `memory`."""
    try:
        opened = open_container(memory, scratch)
    except RefusedError as refusal:
        return Loaded(None, (*_alarms(source, _pickles_of(memory), None), Problem(source, refusal.kind, refusal.detail)), readable=False)
    nested = _Nested()
    converter = Converter(Rebuilder(nested.open))
    tree = converter.convert(opened.value)
    problems = _alarms(source, (*opened.pickles, *nested.pickles), converter)
    problems += _losses(source, converter, opened.problem)
    readable = not converter.tensors or len(converter.lost) < converter.tensors
    return Loaded(tree if readable else None, tuple(problems), readable)


def _pickles_of(memory: Memory) -> Sequence[Interpreted]:
    """Whatever can be interpreted of a file that is broken: a broken attack is an attack."""
    return () if bytes(memory[:4]) == b"PK\x03\x04" else legacy_pickles(memory.data)


def _alarms(source: str, pickles: Sequence[Interpreted], converter: Converter | None) -> list[Problem]:
    dangerous = dangerous_names(pickles)
    if not dangerous:
        return []
    kept = 0 if converter is None else converter.tensors - len(converter.lost)
    read = f"its {kept} tensors were read without it" if kept else "nothing of it was read"
    return [Problem(source, "unsafe-pickle", f"would run code when loaded: it calls {listed(dangerous)}; nothing was run, {read}")]


def _losses(source: str, converter: Converter, problem: RefusedError | None) -> list[Problem]:
    problems: list[Problem] = []
    by_kind: dict[ProblemKind, list[str]] = {}
    cut = tuple(name for name, error in converter.lost.items() if error.kind == "truncated")
    for name, error in converter.lost.items():
        by_kind.setdefault(error.kind, []).append(f"{name} ({error.why})")
    if problem is not None:
        by_kind.pop("truncated", None)
        lost = f": {len(cut)} of {converter.tensors} tensors are lost ({listed(cut)})" if cut else "; no tensor is lost"
        problems.append(Problem(source, problem.kind, problem.detail + lost))
    for kind, names in by_kind.items():
        what = "are of a kind that cannot be read and were left out" if kind == "unsupported" else "are lost"
        problems.append(Problem(source, kind, f"{len(names)} of {converter.tensors} tensors {what}: {listed(tuple(names))}"))
    if converter.too_deep:
        problems.append(Problem(source, "unsupported", f"{converter.too_deep} tables lie too deep within others and were left out"))
    return problems


def plain_pickle(memory: Memory) -> tuple[Tree, str]:
    """A bare pickle as plain values, and why it could not be read to its end (empty where it could)."""
    found = interpret(memory.data)
    return Converter(Rebuilder(lambda content: None)).convert(found.value), found.error
