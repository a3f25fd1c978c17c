"""The containers of torch files: zip, zip that was cut short, legacy, plain pickle, and zips that hold several torch files.

The layouts are those that torch/serialization.py writes, and for the last kind stable_baselines3/common/save_util.py.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from postmortem.model import ProblemKind
from postmortem.read.checkpoints.cut_zips import walk_cut_zip
from postmortem.read.checkpoints.pickle_machine import Interpreted, interpret
from postmortem.read.checkpoints.pickles import MAX_PICKLE_BYTES, following_pickles, legacy_pickles, listed
from postmortem.read.checkpoints.torch_storages import (
    UNPACKING_ERRORS,
    MemoryFile,
    Packed,
    Pieces,
    data_start,
    without_missing_checksum,
)
from postmortem.read.checkpoints.torch_tensors import LostTensorError, Memory, element_bytes, storage_claim

_LEGACY_COUNT_BYTES = 8
_INNER_SUFFIXES = (".pth", ".pt", ".pkl.pth")
_MAX_INNER = 64
_MAX_SETTINGS_BYTES = 64 * 2**20


class RefusedError(Exception):
    """A file of which nothing can be read, worded as a problem."""

    def __init__(self, kind: ProblemKind, detail: str, pickles: tuple[Interpreted, ...] = ()) -> None:
        super().__init__(detail)
        self.pickles = pickles
        self.kind: ProblemKind = kind
        self.detail = detail


@dataclass(frozen=True, slots=True, eq=False)
class OpenedFile:
    """The pickles of one file, their storages within reach."""

    value: Any
    pickles: tuple[Interpreted, ...]
    problem: RefusedError | None = None
    """What is wrong with the file although it can be read."""


def _member_bytes(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise RefusedError("unsupported", f"{member.filename} in the zip is packed by a method that torch never uses; nothing was read")
    try:
        with archive.open(without_missing_checksum(member)) as stream:
            content = stream.read(MAX_PICKLE_BYTES + 1)
    except UNPACKING_ERRORS as error:
        raise RefusedError("corrupt", f"{member.filename} in the zip cannot be unpacked ({type(error).__name__}); all is lost") from error
    if len(content) > MAX_PICKLE_BYTES:
        raise RefusedError("unsupported", f"{member.filename} in the zip unpacks to more than {MAX_PICKLE_BYTES} bytes; nothing was read")
    return content


def _open_zip(memory: Memory, scratch: Path | None) -> OpenedFile:
    try:
        archive = zipfile.ZipFile(io.BufferedReader(MemoryFile(memory)))
        members = archive.infolist()
    except UNPACKING_ERRORS as error:
        return _open_cut_zip(memory, error)
    names = {member.filename: member for member in members}
    pickled_members = [member for name, member in names.items() if name.split("/")[-1].lower() == "data.pkl"]
    # Torch takes the one in the folder of the first entry, whatever the case of its letters.
    first = members[0].filename.split("/")[0] if members else ""
    data = next((member for member in pickled_members if member.filename.split("/")[:-1] == [first]), None)
    data = data or next(iter(pickled_members), None)
    inner = [name for name in names if name.endswith(_INNER_SUFFIXES)]
    if data is None and len(inner) > _MAX_INNER:
        raise RefusedError("unsupported", f"a zip of {len(inner)} torch files: an archive, and no checkpoint; nothing was read")
    if data is None and inner:
        return _open_several(memory, archive, {name: names[name] for name in inner}, names.get("data"), scratch)
    if data is None:
        shown = listed(tuple(names), 3) or "nothing"
        raise RefusedError("unsupported", f"a zip archive that is no torch file: it has no data.pkl, it holds {shown}")
    root = data.filename[: -len("data.pkl")]
    order = names.get(f"{root}byteorder")
    big_endian = order is not None and order.file_size <= len("little") and _member_bytes(archive, order) == b"big"
    pickles = []
    for pickled, folder in ((data.filename[len(root) :], "data/"), ("constants.pkl", "constants/")):
        if root + pickled not in names:
            continue
        prefix = root + folder
        kept = {name.removeprefix(prefix): member for name, member in names.items() if name.startswith(prefix)}
        home = Packed(memory, archive, kept, big_endian, scratch)
        pickles.append(interpret(memoryview(_member_bytes(archive, names[root + pickled])), home=home))
    main = pickles[0]
    # Others of that name are not loaded by torch, but by whoever takes another for the right one.
    others = [interpret(memoryview(_member_bytes(archive, member))) for member in pickled_members[:_MAX_INNER] if member is not data]
    if not main.complete:
        raise RefusedError("corrupt", f"its data.pkl cannot be read: {main.error}; all tensors are lost", (*pickles, *others))
    constants = pickles[1].value if len(pickles) > 1 else None
    if isinstance(constants, tuple) and not main.references:  # a frozen TorchScript program keeps its weights as constants
        return OpenedFile({"constants": dict(enumerate(constants))}, (*pickles, *others))
    return OpenedFile(main.value, (*pickles, *others))


def _open_several(
    memory: Memory, archive: zipfile.ZipFile, inner: Mapping[str, zipfile.ZipInfo], settings: zipfile.ZipInfo | None, scratch: Path | None
) -> OpenedFile:
    """A zip of torch files, as Stable-Baselines3 saves a policy, its optimizer and, as JSON, its settings."""
    value: dict[str, Any] = {}
    pickles: list[Interpreted] = []
    for name, member in inner.items():
        if member.compress_type == zipfile.ZIP_STORED:
            try:
                begin = data_start(memory, member)
            except LostTensorError as error:
                raise RefusedError("corrupt", f"{name} in the zip: {error.why}") from error
            held = memory[begin : begin + member.file_size]
        else:
            held = np.frombuffer(_member_bytes(archive, member), np.uint8)
        opened = open_container(held, scratch, is_inner=True)
        pickles.extend(opened.pickles)
        if opened.value is not None:
            value[name.rpartition(".")[0]] = opened.value
    if settings is not None and settings.file_size <= _MAX_SETTINGS_BYTES:
        try:
            told = json.loads(_member_bytes(archive, settings))
        except (ValueError, RecursionError):
            told = None
        if isinstance(told, dict):
            value.update({key: each for key, each in told.items() if isinstance(each, (bool, int, float, str)) and key not in value})
    return OpenedFile(value, tuple(pickles))


def _open_cut_zip(memory: Memory, error: Exception) -> OpenedFile:
    size = len(memory)
    told = f"a zip of {size} bytes without its directory, which stands at the end: the file was cut short"
    found = walk_cut_zip(memory)
    if found is None:
        raise RefusedError("truncated", f"{told}; all tensors are lost") from error
    home = Pieces(memory, found.places, found.big_endian)
    pickle = interpret(memory.data, found.pickle_start, home)
    if not pickle.complete:
        raise RefusedError("truncated", f"{told}; all tensors are lost", (pickle,)) from error
    claims = dict.fromkeys(claim.key for reference in pickle.references if (claim := storage_claim(reference)) is not None)
    lost = sum(key not in found.places for key in claims)
    if claims and lost == len(claims):
        raise RefusedError("truncated", f"{told}; all tensors are lost", (pickle,)) from error
    for key in claims:
        found.places.setdefault(key, (size, 1))
    return OpenedFile(pickle.value, (pickle,), RefusedError("truncated", told))


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


def _open_pickle(memory: Memory) -> OpenedFile:
    """A legacy file (five pickles, then the storages) or a plain pickle."""
    view = memory.data
    home = Pieces(memory, {}, False)
    pickles = legacy_pickles(view, home)
    if len(pickles) == 1:
        main = pickles[0]
        if any(name.module.startswith("joblib") for name in main.globals):
            raise RefusedError("unsupported", "a joblib pickle, whose arrays stand between its instructions: joblib.load reads it")
        if not main.complete:
            raise _broken(main, len(memory))
        return OpenedFile(main.value, (*pickles, *following_pickles(view, main.end)))
    if len(pickles) < 5 or not pickles[3].complete or not pickles[4].complete:
        raise _broken(pickles[-1], len(memory))
    main = pickles[3]
    places = _legacy_places(memory, pickles[4].value, main, pickles[4].end)
    system = pickles[2].value
    big_endian = isinstance(system, dict) and system.get("little_endian") is False
    placed = Pieces(memory, places, big_endian)
    main = interpret(view, pickles[2].end, placed)
    end = max((begin + length for begin, length in places.values()), default=0)
    problem = None
    if end > len(memory):
        problem = RefusedError("truncated", f"the file ends after {len(memory)} bytes, {end - len(memory)} short of its last storage")
    return OpenedFile(main.value, (*pickles[:3], main, pickles[4]), problem)


def _broken(pickle: Interpreted, size: int) -> RefusedError:
    if pickle.end >= size or "bytes end" in pickle.error:
        return RefusedError("truncated", f"the file ends in the middle of its data: {pickle.error}; all tensors are lost")
    return RefusedError("corrupt", f"its pickle cannot be read: {pickle.error}; all tensors are lost")


def open_container(memory: Memory, scratch: Path | None, *, is_inner: bool = False) -> OpenedFile:
    """Interpret the pickles of a file in mapped bytes and find its storages. Raises RefusedError where nothing of it can be read.

    `scratch` takes compressed storages; None where there may be none. `is_inner`: the bytes are an entry of a zip of several files.
    """
    if is_inner and bytes(memory[:4]) == b"PK\x03\x04" and b"data.pkl" not in bytes(memory[:4096]):
        raise RefusedError("unsupported", "a zip within a zip, neither of which is a torch file")
    return _open_zip(memory, scratch) if bytes(memory[:4]) == b"PK\x03\x04" else _open_pickle(memory)
