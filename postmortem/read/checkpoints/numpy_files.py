"""NumPy's own formats, `.npy` and `.npz`: headers are read as literals, never as pickles; elements are mapped where stored uncompressed."""

from __future__ import annotations

import ast
import io
import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from postmortem.model import Problem
from postmortem.read.checkpoints.foreign_trees import assembled, dotted, nothing
from postmortem.read.checkpoints.raw import Packed, Raw, dtype_name, mapped, placed, reasons, sound_shape, unpacked, without_overlaps
from postmortem.read.checkpoints.stored import Array, Loaded, Tree
from postmortem.read.damaged import DamagedError

_MAGIC = b"\x93NUMPY"
_MOST_HEADER_BYTES = 2**16
_MOST_MEMBERS = 200_000
_PIECE_BYTES = 2**20


def read_numpy(path: Path, source: str) -> Loaded:
    """An `.npz` archive as a table of tensors under its members' names (`/` as `.`), or an `.npy` file as one tensor.

    Arrays of Python objects are pickles, and are named and left out. Raises OSError where the file cannot be opened.
    """
    with path.open("rb") as stream:
        head = stream.read(len(_MAGIC))
    return _read_array(path, source) if head == _MAGIC else _read_archive(path, source)


def _read_array(path: Path, source: str) -> Loaded:
    memory = mapped(path)
    try:
        raw = _in_memory(memory, 0, memory.size)
    except DamagedError as error:
        return nothing(source, Problem(source, "corrupt", f"{error}; the array is lost"))
    return Loaded(assembled({path.stem: raw}, None, {}), (), readable=True)


def _read_archive(path: Path, source: str) -> Loaded:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > _MOST_MEMBERS:
                return nothing(source, Problem(source, "corrupt", f"claims {len(members)} arrays, more than any checkpoint holds"))
            return _read_members(path, source, archive, members)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
        detail = f"a zip of {path.stat().st_size} bytes whose directory cannot be read ({error}): it was cut short; all tensors are lost"
        return nothing(source, Problem(source, "truncated", detail))


def _read_members(path: Path, source: str, archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> Loaded:
    memory = mapped(path)
    problems: list[Problem] = []
    found: dict[str, Raw] = {}
    packed: list[Packed] = []
    lost: list[str] = []
    for member in members:
        if not member.filename.endswith(".npy"):
            continue
        name = dotted(member.filename.removesuffix(".npy"))
        try:
            if member.compress_type == zipfile.ZIP_STORED and not member.flag_bits & 1:
                begin = member_offset(memory, member)
                found[name] = _in_memory(memory, begin, begin + member.file_size)
            else:
                packed.append(_packed(archive, member, name))
        except DamagedError as error:
            lost.append(f"{name}: {error}")
    if lost:
        problems.append(Problem(source, "corrupt", f"{len(lost)} of {len(members)} arrays cannot be read: {reasons(lost)}"))
    found = {**without_overlaps(found, source, problems), **unpacked(packed, source, problems)}
    if not found and not problems:
        problems.append(Problem(source, "unsupported", "a NumPy archive without a single array"))
    if not found:
        return Loaded(None, tuple(problems), readable=False)
    order = [dotted(member.filename.removesuffix(".npy")) for member in members]
    values: dict[str, Tree] = {}
    weights: dict[str, Raw] = {}
    for name in dict.fromkeys(order):
        raw = found.get(name)
        if raw is None:
            continue
        number = raw.number() if raw.shape == () else None
        if number is None:
            weights[name] = raw
        else:
            values[name] = number
    return Loaded(assembled(weights, None, values), tuple(problems), readable=True)


def member_offset(memory: NDArray[np.uint8], member: zipfile.ZipInfo) -> int:
    """Where the bytes of a stored entry begin, from the entry's own header. Raises DamagedError where it is none or the entry is cut."""
    begin = member.header_offset
    header = memory[begin : begin + 30].tobytes() if begin >= 0 else b""
    if len(header) < 30 or header[:4] != b"PK\x03\x04":
        raise DamagedError("its entry of the zip has no header")
    data = begin + 30 + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    if data + member.file_size > memory.size:
        raise DamagedError(f"the file ends {data + member.file_size - memory.size} bytes before it does")
    return data


def _in_memory(memory: NDArray[np.uint8], begin: int, end: int) -> Raw:
    head = memory[begin : min(end, begin + 12 + _MOST_HEADER_BYTES)].tobytes()
    shape, dtype, big_endian, fortran, length = _header(io.BytesIO(head))
    try:
        return placed(memory[:end], begin + length, shape, dtype, big_endian=big_endian, fortran=fortran)
    except ValueError as error:
        raise DamagedError(f"its shape {shape} needs more bytes than there are ({error})") from None


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], str, bool, bool, int]:
    """Shape, type, whether big-endian, whether column by column, and where the elements begin."""
    head = stream.read(8)
    if head[:6] != _MAGIC or len(head) < 8:
        raise DamagedError("it does not begin as an array of NumPy does")
    wide = 2 if head[6] == 1 else 4
    size = int.from_bytes(stream.read(wide), "little")
    text = stream.read(size) if size <= _MOST_HEADER_BYTES else b""
    if len(text) < size or not size:
        raise DamagedError("its header is cut")
    try:
        claim = ast.literal_eval(text.decode("latin-1"))
        kind = np.dtype(claim["descr"])
        shape = sound_shape(claim["shape"])
        fortran = bool(claim["fortran_order"])
    except (ValueError, SyntaxError, KeyError, TypeError, RecursionError, MemoryError):
        raise DamagedError("its header is no description of an array") from None
    if kind.hasobject:
        raise DamagedError("it holds Python objects, which only a pickle could bring back")
    dtype = dtype_name(kind)
    if dtype is None or shape is None:
        raise DamagedError(f"its type {str(kind)[:40]} or shape cannot be read")
    return shape, dtype, kind.byteorder == ">", fortran, 8 + wide + size


def _packed(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> Packed:
    if member.flag_bits & 1:
        raise DamagedError("it is encrypted")
    try:
        with archive.open(member) as stream:
            shape, dtype, big_endian, fortran, length = _header(stream)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError) as error:
        raise DamagedError(f"it cannot be unpacked ({error})") from None

    def unpack(into: Array) -> None:
        target = into.reshape(-1).view(np.uint8)
        at = 0
        try:
            # The archive is opened anew: the one above is closed by the time that this runs.
            with zipfile.ZipFile(str(archive.filename)) as again, again.open(member) as stream:
                stream.read(length)
                while at < target.size:
                    piece = stream.read(min(_PIECE_BYTES, target.size - at))
                    if not piece:
                        raise DamagedError(f"it ends {target.size - at} bytes early")
                    target[at : at + len(piece)] = np.frombuffer(piece, np.uint8)
                    at += len(piece)
                if stream.read(1):  # the checksum is compared at the end of an entry only
                    raise DamagedError("more bytes follow than its shape needs")
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError) as error:
            raise DamagedError(f"it cannot be unpacked ({error})") from None
        if big_endian:
            into.byteswap(inplace=True)

    return Packed(name, shape, dtype, member.compress_size, unpack, fortran)
