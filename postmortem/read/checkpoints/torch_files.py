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
from postmortem.read.checkpoints.inert_tree import Converter, TooMuchError
from postmortem.read.checkpoints.inert_values import as_bytes, is_of
from postmortem.read.checkpoints.pickle_machine import Interpreted, interpret
from postmortem.read.checkpoints.pickles import dangerous_names, legacy_pickles, listed
from postmortem.read.checkpoints.stored import Loaded, Tree
from postmortem.read.checkpoints.torch_containers import OpenedFile, RefusedError, open_container
from postmortem.read.checkpoints.torch_tensors import Memory, Rebuilder

_MAX_NESTED_FILES, _MAX_NESTED_BYTES = 40_000, 2**36
"""Torch files within one, and what they hold together; a plain pickle of tensors needs one for each tensor."""


@dataclass(slots=True, eq=False)
class _Nested:
    """Torch files that are held as bytes within another: how plain pickles hold tensors."""

    pickles: list[Interpreted] = field(default_factory=list)
    opened: dict[int, OpenedFile | None] = field(default_factory=dict)
    """By the identity of the bytes, which live as long as the pickle that holds them."""
    held_bytes: int = 0

    def open(self, content: bytes | memoryview) -> object:
        """The value of such a file; None where it cannot be read, or where there are more of them than any file of tensors has."""
        if id(content) not in self.opened:
            self.opened[id(content)] = self._opened(content)
        found = self.opened[id(content)]
        return None if found is None else found.value

    def _opened(self, content: bytes | memoryview) -> OpenedFile | None:
        self.held_bytes += len(content)
        if len(self.opened) > _MAX_NESTED_FILES or self.held_bytes > _MAX_NESTED_BYTES:
            return None
        try:
            found = open_container(np.frombuffer(content, np.uint8), None)
        except RefusedError as refusal:
            self.pickles.extend(refusal.pickles)
            return None
        self.pickles.extend(found.pickles)
        return found

    def open_all(self, pickles: Sequence[Interpreted]) -> bool:
        """Open whatever these pickles would load from bytes, wherever it stands; False where one of them cannot be looked into."""
        whole = True
        waiting = list(pickles)
        while waiting:
            seen = len(self.pickles)
            for call in waiting.pop().calls:
                if is_of(call, "torch.storage", "_load_from_bytes"):
                    content = as_bytes(call.arguments[0]) if call.arguments else None
                    held = call.arguments[0] if call.arguments and isinstance(call.arguments[0], (bytes, memoryview)) else content
                    whole = whole and content is not None and self.open(held if held is not None else content) is not None
            waiting.extend(self.pickles[seen:])
        return whole


def read_torch(path: Path, source: str, scratch: Path) -> Loaded:
    """Read one file. `source` is the path that problems show; `scratch` takes the elements of compressed files, which cannot be mapped.

    Raises OSError where the file cannot be opened.
    """
    if path.stat().st_size == 0:
        return Loaded(None, (Problem(source, "truncated", "the file is empty (0 bytes); all of it is lost"),), readable=False)
    return read_torch_bytes(np.memmap(path, np.uint8, "r"), source, scratch)


def read_torch_bytes(memory: Memory, source: str, scratch: Path | None) -> Loaded:
    """The same of a torch file that lies in mapped bytes, as items of a sharded checkpoint do. Tensors stay views of `memory`."""
    nested = _Nested()
    try:
        opened = open_container(memory, scratch)
    except RefusedError as refusal:
        pickles = refusal.pickles or _pickles_of(memory)
        whole = nested.open_all(pickles)
        alarms = _alarms(source, (*pickles, *nested.pickles), whole, None)
        return Loaded(None, (*alarms, Problem(source, refusal.kind, refusal.detail)), readable=False)
    converter = Converter(Rebuilder(nested.open))
    whole = nested.open_all(opened.pickles)
    given_up = ""
    try:
        tree = converter.convert(opened.value)
    except (TooMuchError, RecursionError):
        tree, given_up = None, "its objects refer to each other so deeply, or so often, that they were not unfolded; all of it is lost"
    problems = _alarms(source, (*opened.pickles, *nested.pickles), whole, None if given_up else converter)
    if given_up:
        return Loaded(None, (*problems, Problem(source, "unsupported", given_up)), readable=False)
    problems += _losses(source, converter, opened.problem)
    readable = not converter.tensors or len(converter.lost) < converter.tensors
    return Loaded(tree if readable else None, tuple(problems), readable)


def _pickles_of(memory: Memory) -> Sequence[Interpreted]:
    """Whatever can be interpreted of a file that is broken: a broken attack is an attack."""
    return () if bytes(memory[:4]) == b"PK\x03\x04" else legacy_pickles(memory.data)


def _alarms(source: str, pickles: Sequence[Interpreted], whole: bool, converter: Converter | None) -> list[Problem]:
    """What the file would run; `whole` says that all that it would load from bytes within it could be looked into."""
    dangerous = dangerous_names(pickles)
    if not whole:
        dangerous = (*dangerous, "torch.storage._load_from_bytes of what cannot be looked into")
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
