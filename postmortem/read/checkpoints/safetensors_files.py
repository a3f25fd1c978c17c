"""Safetensors files: header checked here byte by byte, elements mapped. Imports no torch.

The header of a stranger's file is a claim. Each tensor's range is held against its shape, its neighbours and the end of the file; what
does not add up becomes a `Problem` that names the tensors lost, and the whole ones are still read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postmortem.model import Problem, ProblemKind
from postmortem.read.checkpoints.pickles import listed
from postmortem.read.checkpoints.stored import NUMPY_TYPES, StoredTensor

_MAX_HEADER_BYTES = 100_000_000
"""The limit that the format's own library sets."""
_MAX_AXES = 32
"""As many as every release of numpy holds."""
_TYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}


@dataclass(frozen=True, slots=True, eq=False)
class SafetensorsFile:
    """What could be read of one file."""

    tensors: Mapping[str, StoredTensor]
    """In the order of the header."""
    metadata: Mapping[str, str]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("one name stands twice in the header")
    return table


def _whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 2**63


def _entry(name: str, claim: object) -> _Entry | str:
    """A header entry, or the reason why it cannot be one."""
    if not isinstance(claim, dict):
        return "its entry is not a table"
    shape, offsets, dtype = claim.get("shape"), claim.get("data_offsets"), claim.get("dtype")
    if not isinstance(shape, list) or not all(map(_whole, shape)):
        return "its shape is not a list of whole numbers"
    if len(shape) > _MAX_AXES or math.prod(length for length in shape if length) >= 2**62:
        return "its shape is beyond any array"
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(_whole, offsets)) or offsets[0] > offsets[1]:
        return "its offsets are not two ascending whole numbers"
    if not isinstance(dtype, str):
        return "its type is missing"
    known = _TYPES.get(dtype)
    if known is not None and math.prod(shape) * NUMPY_TYPES[known].itemsize != offsets[1] - offsets[0]:
        return f"its shape needs {math.prod(shape) * NUMPY_TYPES[known].itemsize} bytes, its offsets hold {offsets[1] - offsets[0]}"
    return _Entry(name, dtype, tuple(shape), offsets[0], offsets[1])


def _failed(path: str, kind: ProblemKind, detail: str) -> SafetensorsFile:
    return SafetensorsFile({}, {}, (Problem(path, kind, detail),))


def read_safetensors(path: Path, source: str) -> SafetensorsFile:
    """Map a file's tensors. `source` is the path that problems show. Raises OSError where it cannot be opened."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        prefix = stream.read(8)
        if len(prefix) < 8:
            return _failed(source, "truncated", f"the file ends after {size} bytes, within the length of its header; all tensors are lost")
        header_bytes = int.from_bytes(prefix, "little")
        if header_bytes > _MAX_HEADER_BYTES:
            return _failed(
                source, "corrupt", f"claims a header of {header_bytes} bytes (at most {_MAX_HEADER_BYTES} are allowed); nothing was read"
            )
        if 8 + header_bytes > size:
            detail = f"the file ends after {size} bytes, within its header of {header_bytes}; all tensors are lost"
            return _failed(source, "truncated", detail)
        text = stream.read(header_bytes)
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=_unique_pairs)
    except (ValueError, RecursionError) as error:
        reason = str(error).split("\n")[0][:120]
        return _failed(source, "corrupt", f"its header of {header_bytes} bytes cannot be read ({reason}); all tensors are lost")
    if not isinstance(header, dict):
        return _failed(source, "corrupt", "its header is not a table; all tensors are lost")
    claimed = header.pop("__metadata__", None)
    metadata = {key: value for key, value in claimed.items() if isinstance(value, str)} if isinstance(claimed, dict) else {}
    entries: list[_Entry] = []
    refused: list[str] = []
    for name, claim in header.items():
        entry = _entry(name, claim)
        if isinstance(entry, str):
            refused.append(f"{name}: {entry}")
        else:
            entries.append(entry)
    problems: list[Problem] = []
    if refused:
        problems.append(Problem(source, "corrupt", f"{len(refused)} of {len(header)} tensors cannot be read: {listed(tuple(refused), 2)}"))
    tensors = _mapped(path, source, entries, 8 + header_bytes, size, problems)
    return SafetensorsFile(tensors, metadata, tuple(problems))


def _mapped(path: Path, source: str, entries: list[_Entry], begin: int, size: int, problems: list[Problem]) -> dict[str, StoredTensor]:
    """Views of the tensors that lie whole within the file; problems for the rest are added to `problems`."""
    room = size - begin
    overlapping, holes, reach = _layout(entries)
    cut = [entry for entry in entries if entry.end > room]
    unknown = [entry for entry in entries if entry.dtype not in _TYPES]
    if cut:
        lost = sum(min(entry.end - entry.begin, entry.end - room) for entry in cut)
        detail = (
            f"the file ends after {size} bytes, {reach - room} short of what its header claims: {len(cut)} of {len(entries)} tensors "
            f"are lost ({listed(tuple(entry.name for entry in cut))}; {lost} bytes)"
        )
        problems.append(Problem(source, "truncated", detail))
    if overlapping:
        detail = f"{len(overlapping)} tensors claim bytes that belong to another and were left out: {listed(tuple(sorted(overlapping)))}"
        problems.append(Problem(source, "corrupt", detail))
    if holes:
        problems.append(
            Problem(source, "corrupt", f"its header leaves {holes} bytes between tensors unclaimed; the tensors themselves were read")
        )
    elif not cut and reach < room:
        problems.append(Problem(source, "corrupt", f"{room - reach} bytes follow the last tensor; the tensors themselves were read"))
    if unknown:
        types = listed(tuple(sorted({entry.dtype for entry in unknown})))
        names = listed(tuple(entry.name for entry in unknown))
        problems.append(Problem(source, "unsupported", f"{len(unknown)} tensors have types that cannot be read ({types}): {names}"))
    left_out = {entry.name for entry in cut} | {entry.name for entry in unknown} | overlapping
    kept = [entry for entry in entries if entry.name not in left_out]
    memory: NDArray[np.uint8] = np.memmap(path, np.uint8, "r", shape=(size,)) if kept else np.empty(0, np.uint8)
    tensors = {}
    for entry in kept:
        dtype = _TYPES[entry.dtype]
        kind = NUMPY_TYPES[dtype]
        if entry.begin == entry.end:
            array: NDArray[Any] = np.empty(entry.shape, kind)
        else:
            array = np.ndarray(entry.shape, kind, memory, offset=begin + entry.begin)
        tensors[entry.name] = StoredTensor(entry.name, entry.shape, dtype, array)
    return tensors


def _layout(entries: list[_Entry]) -> tuple[set[str], int, int]:
    """Names whose bytes overlap an earlier tensor's, bytes that nobody claims, and the last byte claimed."""
    overlapping: set[str] = set()
    holes = reach = 0
    for entry in sorted(entries, key=lambda entry: (entry.begin, entry.end)):
        if entry.begin == entry.end:
            continue
        if entry.begin < reach:
            overlapping.add(entry.name)
        else:
            holes += entry.begin - reach
        reach = max(reach, entry.end)
    return overlapping, holes, reach
