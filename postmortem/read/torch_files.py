"""Torch files of every age: zip, legacy, TorchScript, plain pickles with tensors. Elements are mapped, not copied; torch is not needed.

The pickles are interpreted and never run (`pickle_machine.py`), so no file is refused for the classes that it names, and no list of
trusted ones has to be kept. What a file would have called is reported. The layouts are those that torch/serialization.py writes.
"""

from __future__ import annotations

import io
import shutil
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from postmortem.model import Problem, ProblemKind
from postmortem.read.cut_zips import walk_cut_zip
from postmortem.read.inert_tree import Converter
from postmortem.read.pickle_machine import Interpreted, interpret
from postmortem.read.pickles import MAX_PICKLE_BYTES, dangerous_names, legacy_pickles, listed
from postmortem.read.stored import Loaded, Tree
from postmortem.read.torch_tensors import LostTensorError, Memory, Rebuilder, element_bytes, storage_claim

_MAX_NESTING = 4
"""Torch files within torch files; a plain pickle of tensors needs one."""
_LEGACY_COUNT_BYTES = 8
_MAX_UNPACKED_BYTES = 64 * 2**30
_COPY_BYTES = 2**20


class RefusedError(Exception):
    """A file of which nothing can be read, worded as a problem."""

    def __init__(self, kind: ProblemKind, detail: str) -> None:
        super().__init__(detail)
        self.kind: ProblemKind = kind
        self.detail = detail


@dataclass(frozen=True, slots=True, eq=False)
class _Opened:
    """The pickles of one file, their storages within reach."""

    value: Any
    pickles: tuple[Interpreted, ...]
    problem: RefusedError | None = None
    """What is wrong with the file although it can be read."""


# --- where storages lie -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Pieces:
    """Storages that lie in the file's own bytes."""

    memory: Memory
    places: Mapping[str, tuple[int, int]]
    """Key -> first byte, number of bytes."""
    big_endian: bool

    def bytes_of(self, key: str) -> Memory:
        if key not in self.places:
            raise LostTensorError("corrupt", "the file holds no storage of its key")
        begin, length = self.places[key]
        if begin + length > len(self.memory):
            raise LostTensorError("truncated", "beyond the end of the file")
        return self.memory[begin : begin + length]


@dataclass(slots=True, eq=False)
class _Packed:
    """Storages in a zip, mapped where they are stored plainly and unpacked to a scratch file where they are compressed."""

    memory: Memory
    archive: zipfile.ZipFile
    members: Mapping[str, zipfile.ZipInfo]
    """Key -> entry."""
    big_endian: bool
    scratch: Path | None
    _unpacked: dict[str, Memory] = field(default_factory=dict)
    _unpacked_bytes: int = 0

    def bytes_of(self, key: str) -> Memory:
        if key not in self.members:
            raise LostTensorError("corrupt", "the zip holds no entry for its storage")
        member = self.members[key]
        if member.compress_type != zipfile.ZIP_STORED:
            return self._unpack(key, member)
        begin = _data_start(self.memory, member)
        if begin + member.file_size > len(self.memory):
            raise LostTensorError("truncated", "beyond the end of the file")
        return self.memory[begin : begin + member.file_size]

    def _unpack(self, key: str, member: zipfile.ZipInfo) -> Memory:
        if key in self._unpacked:
            return self._unpacked[key]
        size = member.file_size
        if size == 0:
            return np.empty(0, np.uint8)
        if self.scratch is None:
            raise LostTensorError("unsupported", "compressed within a file that is itself within another")
        self._unpacked_bytes += size
        if self._unpacked_bytes > min(_MAX_UNPACKED_BYTES, shutil.disk_usage(self.scratch).free // 2):
            raise LostTensorError("unreadable", f"there is no room to unpack its {size} bytes")
        raw = self.scratch / f"{sum(1 for _ in self.scratch.iterdir()):06d}.raw"
        try:
            with self.archive.open(member) as packed, raw.open("wb") as stream:
                shutil.copyfileobj(packed, stream, _COPY_BYTES)
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError, RuntimeError) as error:
            raise LostTensorError("corrupt", f"its entry of the zip cannot be unpacked ({type(error).__name__})") from error
        found = self._unpacked[key] = np.memmap(raw, np.uint8, "r")
        return found


def _data_start(memory: Memory, member: zipfile.ZipInfo) -> int:
    """First byte of an entry's content: behind its local header, whose lengths may differ from the directory's."""
    header = member.header_offset
    fixed = bytes(memory[header : header + 30])
    if len(fixed) < 30 or fixed[:4] != b"PK\x03\x04":
        raise LostTensorError("corrupt", "its entry of the zip does not begin where the directory says")
    name_bytes, extra_bytes = struct.unpack_from("<HH", fixed, 26)
    return header + 30 + int(name_bytes) + int(extra_bytes)


class _MemoryFile(io.RawIOBase):
    """Mapped bytes as a file, for the zip module."""

    def __init__(self, memory: Memory) -> None:
        self._view = memory.data
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        base = {0: 0, 1: self._position, 2: len(self._view)}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        piece = self._view[self._position : self._position + len(buffer)]
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)


# --- containers -------------------------------------------------------------------------------------------------------


def _member_bytes(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    try:
        with archive.open(member) as stream:
            content = stream.read(MAX_PICKLE_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError, RuntimeError) as error:
        raise RefusedError("corrupt", f"{member.filename} in the zip cannot be unpacked ({type(error).__name__}); all is lost") from error
    if len(content) > MAX_PICKLE_BYTES:
        raise RefusedError("unsupported", f"{member.filename} in the zip unpacks to more than {MAX_PICKLE_BYTES} bytes; nothing was read")
    return content


def _open_zip(memory: Memory, scratch: Path | None) -> _Opened:
    try:
        archive = zipfile.ZipFile(io.BufferedReader(_MemoryFile(memory)))
        members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, struct.error) as error:
        return _open_cut_zip(memory, error)
    names = {member.filename: member for member in members}
    data = next((member for name, member in names.items() if name.split("/")[-1] == "data.pkl"), None)
    if data is None:
        shown = listed(tuple(names), 3) or "nothing"
        raise RefusedError("unsupported", f"a zip archive that is no torch file: it has no data.pkl, it holds {shown}")
    root = data.filename.removesuffix("data.pkl")
    order = names.get(f"{root}byteorder")
    big_endian = order is not None and _member_bytes(archive, order) == b"big"
    pickles = []
    for pickled, folder in (("data.pkl", "data/"), ("constants.pkl", "constants/")):
        if root + pickled not in names:
            continue
        prefix = root + folder
        kept = {name.removeprefix(prefix): member for name, member in names.items() if name.startswith(prefix)}
        home = _Packed(memory, archive, kept, big_endian, scratch)
        pickles.append(interpret(memoryview(_member_bytes(archive, names[root + pickled])), home=home))
    main = pickles[0]
    if not main.complete:
        raise RefusedError("corrupt", f"its data.pkl cannot be read: {main.error}; all tensors are lost")
    constants = pickles[1].value if len(pickles) > 1 else None
    if isinstance(constants, tuple) and not main.references:  # a frozen TorchScript program keeps its weights as constants
        return _Opened({"constants": dict(enumerate(constants))}, tuple(pickles))
    return _Opened(main.value, tuple(pickles))


def _open_cut_zip(memory: Memory, error: Exception) -> _Opened:
    size = len(memory)
    told = f"a zip of {size} bytes without its directory, which stands at the end: the file was cut short"
    found = walk_cut_zip(memory)
    if found is None:
        raise RefusedError("truncated", f"{told}; all tensors are lost") from error
    home = _Pieces(memory, found.places, found.big_endian)
    pickle = interpret(memory.data, found.pickle_start, home)
    if not pickle.complete:
        raise RefusedError("truncated", f"{told}; all tensors are lost") from error
    claims = dict.fromkeys(claim.key for reference in pickle.references if (claim := storage_claim(reference)) is not None)
    lost = sum(key not in found.places for key in claims)
    if claims and lost == len(claims):
        raise RefusedError("truncated", f"{told}; all tensors are lost") from error
    for key in claims:
        found.places.setdefault(key, (size, 1))
    return _Opened(pickle.value, (pickle,), RefusedError("truncated", told))


def _legacy_places(memory: Memory, keys: object, pickle: Interpreted, start: int) -> dict[str, tuple[int, int]]:
    """Where the storages of a legacy file lie: one after another, in the order of the list of keys, each behind its count of elements."""
    sizes: dict[str, int] = {}
    for reference in pickle.references:
        claim = storage_claim(reference)
        if claim is not None:
            sizes.setdefault(claim.key, claim.elements * element_bytes(claim.dtype))
    places: dict[str, tuple[int, int]] = {}
    position = start
    for key in map(str, keys if isinstance(keys, list) else ()):
        if key not in sizes:
            break  # its size is known to nobody, and with it the place of all that follow
        places[key] = (position + _LEGACY_COUNT_BYTES, sizes[key])
        position += _LEGACY_COUNT_BYTES + sizes[key]
    return places


def _open_pickle(memory: Memory) -> _Opened:
    """A legacy file (five pickles, then the storages) or a plain pickle."""
    view = memory.data
    home = _Pieces(memory, {}, False)
    pickles = legacy_pickles(view, home)
    if len(pickles) == 1:
        main = pickles[0]
        if any(name.module.startswith("joblib") for name in main.globals):
            raise RefusedError("unsupported", "a joblib pickle, whose arrays stand between its instructions: joblib.load reads it")
        if not main.complete:
            raise _broken(main, len(memory))
        return _Opened(main.value, tuple(pickles))
    if len(pickles) < 5 or not pickles[3].complete or not pickles[4].complete:
        raise _broken(pickles[-1], len(memory))
    main = pickles[3]
    places = _legacy_places(memory, pickles[4].value, main, pickles[4].end)
    system = pickles[2].value
    big_endian = isinstance(system, dict) and system.get("little_endian") is False
    placed = _Pieces(memory, places, big_endian)
    main = interpret(view, pickles[2].end, placed)
    end = max((begin + length for begin, length in places.values()), default=0)
    problem = None
    if end > len(memory):
        problem = RefusedError("truncated", f"the file ends after {len(memory)} bytes, {end - len(memory)} short of its last storage")
    return _Opened(main.value, (*pickles[:3], main, pickles[4]), problem)


def _broken(pickle: Interpreted, size: int) -> RefusedError:
    if pickle.end >= size or "bytes end" in pickle.error:
        return RefusedError("truncated", f"the file ends in the middle of its data: {pickle.error}; all tensors are lost")
    return RefusedError("corrupt", f"its pickle cannot be read: {pickle.error}; all tensors are lost")


def _open(memory: Memory, scratch: Path | None) -> _Opened:
    return _open_zip(memory, scratch) if bytes(memory[:4]) == b"PK\x03\x04" else _open_pickle(memory)


# --- the whole --------------------------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class _Nested:
    """Torch files that are held as bytes within another: how plain pickles hold tensors."""

    pickles: list[Interpreted] = field(default_factory=list)
    kept: list[_Opened] = field(default_factory=list)

    def open(self, content: bytes | memoryview) -> object:
        if len(self.kept) > 10_000 * _MAX_NESTING:
            return None
        try:
            opened = _open(np.frombuffer(content, np.uint8), None)
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
        opened = _open(memory, scratch)
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
