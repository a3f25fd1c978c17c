"""Torch files, zip and legacy: `torch.load(weights_only=True)` and nothing else, elements mapped and not copied.

What a safe load refuses is never loaded any other way. Its opcodes are walked instead (`pickles.py`), and the problem names what the
file would have called. Torch is imported within the functions, because a run without torch files shall not pay for it.
"""

from __future__ import annotations

import math
import pickle
import warnings
import zipfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from postmortem.model import Problem, ProblemKind
from postmortem.read.pickles import PickleScan, listed, scan_file
from postmortem.read.stored import NUMPY_TYPES, Loaded, StoredTensor, Tree

if TYPE_CHECKING:
    import torch

_ALIGNMENT = 64


class RefusedError(Exception):
    """A file that cannot be loaded safely or at all, worded as a problem."""

    def __init__(self, kind: ProblemKind, detail: str) -> None:
        super().__init__(detail)
        self.kind: ProblemKind = kind
        self.detail = detail


def read_torch(path: Path, source: str, scratch: Path) -> Loaded:
    """Load one file. `source` is the path that problems show; `scratch` takes the elements of files that cannot be mapped.

    Raises OSError where the file cannot be opened.
    """
    try:
        mapped = _can_be_mapped(path)
        content = _load(path, mapped=mapped)
    except RefusedError as refusal:
        return Loaded(None, (Problem(source, refusal.kind, refusal.detail),), readable=False)
    unsupported: list[str] = []
    homes = None if mapped else _spool(content, scratch)
    tree = _Converter(homes, unsupported, {}).convert(content, "")
    problems = []
    if unsupported:
        detail = f"{len(unsupported)} tensors are of a kind that cannot be read and were left out: {listed(tuple(unsupported))}"
        problems.append(Problem(source, "unsupported", detail))
    return Loaded(tree, tuple(problems), readable=True)


def _can_be_mapped(path: Path) -> bool:
    """Whether the file is a torch zip whose tensors lie uncompressed in it; False for a legacy pickle. Raises RefusedError."""
    with path.open("rb") as stream:
        if stream.read(4) != b"PK\x03\x04":
            return False
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
        size = path.stat().st_size
        detail = f"a zip of {size} bytes without its directory, which stands at the end: the file was cut short; all tensors are lost"
        raise RefusedError("truncated", detail) from error
    names = [member.filename for member in members]
    last_names = {name.split("/")[-1] for name in names}
    if "data.pkl" not in last_names:
        shown = listed(tuple(names), 3) or "nothing"
        raise RefusedError("unsupported", f"a zip archive that is no torch file: it has no data.pkl, it holds {shown}")
    if "constants.pkl" in last_names and any("/code/" in name for name in names):
        raise RefusedError("unsupported", "a TorchScript program (torch.jit.save): reading it would mean loading its code")
    size = path.stat().st_size
    lost = [member.filename for member in members if member.header_offset + member.compress_size > size]
    if lost:
        raise RefusedError("truncated", f"{len(lost)} of {len(members)} entries of the zip lie beyond its end: {listed(tuple(lost))}")
    # Torch maps an entry where it stands; the bytes of a compressed one would be taken for its elements.
    return all(member.compress_type == zipfile.ZIP_STORED for member in members)


def _load(path: Path, *, mapped: bool) -> object:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecated storages and the like: the file's age is not the reader's concern
            content: object = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
            return content
    except OSError:
        raise
    except MemoryError:
        raise RefusedError("unreadable", "there is not enough memory to load it") from None
    except Exception as error:  # a stranger's pickle can raise anything; what it raised becomes the problem
        raise _refusal(path, error) from error


def _torch_version() -> str:
    import torch

    return str(torch.__version__).split("+")[0]


def _refusal(path: Path, error: Exception) -> RefusedError:
    """Words for what torch raised, told apart by what the opcodes ask for."""
    try:
        walked = scan_file(path)
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError, EOFError):
        walked = PickleScan((), (), (), 0, False, False)
    said = " ".join(str(error).split())
    if walked.dangerous:
        detail = f"would run code when loaded: it calls {listed(walked.dangerous)}; nothing was run and nothing of it was read"
        return RefusedError("unsafe-pickle", detail)
    if walked.refused and (isinstance(error, pickle.UnpicklingError) or not walked.is_torch):
        detail = f"holds objects that a safe load does not admit ({listed(walked.refused)}); nothing of it was read"
        return RefusedError("unsafe-pickle", detail)
    if isinstance(error, EOFError) or "unexpected EOF" in said or "Ran out of input" in said or (walked.is_torch and not walked.complete):
        return RefusedError("truncated", f"the file ends in the middle of its data; all tensors are lost ({type(error).__name__})")
    if not walked.is_torch and walked.complete:
        return RefusedError("unsupported", "a Python pickle that torch did not write: it holds no tensors that can be read safely")
    if "Unsupported operand" in said and walked.protocol > 2:
        return RefusedError(
            "unsupported", f"written with pickle protocol {walked.protocol}, which a safe load does not admit; save it with torch.save"
        )
    if isinstance(error, (AttributeError, NotImplementedError)):
        return RefusedError("unsupported", f"torch {_torch_version()} does not read this kind of file ({said[:120]})")
    # Torch's advice (which flag to turn off) stands before what it saw, and is none that this program follows.
    seen = said.rpartition("WeightsUnpickler error: ")[2].split(" Check the documentation")[0][:120]
    return RefusedError("corrupt", f"torch cannot read it; all tensors are lost ({type(error).__name__}: {seen})")


# --- tensors of torch -> tensors over mapped memory -------------------------------------------------------------------


def _tensors(content: object, seen: set[int]) -> Iterator[torch.Tensor]:
    """Every tensor within, each table or list entered once however often it is referred to."""
    import torch

    if isinstance(content, torch.Tensor):
        yield content
    elif isinstance(content, (Mapping, list, tuple, set, frozenset)) and id(content) not in seen:
        seen.add(id(content))
        for value in content.values() if isinstance(content, Mapping) else content:
            yield from _tensors(value, seen)


def _bytes_of(storage: torch.UntypedStorage) -> NDArray[np.uint8]:
    """The storage's memory as numpy sees it. The array keeps the storage, and with it the mapped file, alive."""
    import torch

    flat = torch.empty(0, dtype=torch.uint8).set_(storage, 0, (storage.nbytes(),), (1,))
    array: NDArray[np.uint8] = flat.numpy()
    return array


def _spool(content: object, scratch: Path) -> dict[int, NDArray[np.uint8]]:
    """Write every storage to one raw file and map that, so that the load's own memory can go. Storage address -> mapped bytes."""
    places: dict[int, tuple[int, int]] = {}
    raw = scratch / f"{sum(1 for _ in scratch.iterdir()):06d}.raw"
    position = 0
    with raw.open("wb") as stream:
        for tensor in _tensors(content, set()):
            if _fault(tensor):
                continue
            storage = tensor.untyped_storage()
            if storage.nbytes() == 0 or storage.data_ptr() in places:
                continue
            places[storage.data_ptr()] = (position, storage.nbytes())
            _bytes_of(storage).tofile(stream)
            padding = -storage.nbytes() % _ALIGNMENT
            stream.write(b"\0" * padding)
            position += storage.nbytes() + padding
    if position == 0:
        return {}
    memory = np.memmap(raw, np.uint8, "r", shape=(position,))
    return {address: memory[begin : begin + length] for address, (begin, length) in places.items()}


def _fault(tensor: torch.Tensor) -> str:
    """Why a tensor cannot be read, or empty."""
    import torch

    if tensor.is_quantized:
        return "quantised"
    if tensor.layout is not torch.strided:
        return str(tensor.layout).removeprefix("torch.")
    if tensor.device.type != "cpu":
        return f"on device {tensor.device.type}, without data"
    name = str(tensor.dtype).removeprefix("torch.")
    return "" if name in NUMPY_TYPES else name


def _stored(tensor: torch.Tensor, name: str, homes: Mapping[int, NDArray[np.uint8]] | None) -> StoredTensor:
    dtype = str(tensor.dtype).removeprefix("torch.")
    kind = NUMPY_TYPES[dtype]
    shape = tuple(tensor.shape)
    if math.prod(shape) == 0:
        return StoredTensor(name, shape, dtype, np.empty(shape, kind))
    storage = tensor.untyped_storage()
    memory = _bytes_of(storage) if homes is None else homes[storage.data_ptr()]
    strides = tuple(step * kind.itemsize for step in tensor.stride())
    # Numpy holds the strides against the length of the memory, as torch did when it built the tensor.
    array: NDArray[Any] = np.ndarray(shape, kind, memory, offset=tensor.storage_offset() * kind.itemsize, strides=strides)
    array.flags.writeable = False
    return StoredTensor(name, shape, dtype, array)


@dataclass(frozen=True, slots=True, eq=False)
class _Converter:
    """Turns what torch loaded into a tree without torch."""

    homes: Mapping[int, NDArray[np.uint8]] | None
    """Where each storage was spooled to, by address; None where the file itself is mapped."""
    unsupported: list[str]
    """Filled with the names of tensors that cannot be read."""
    done: dict[int, Tree]
    """Tables and lists by identity: one that refers to itself, or is referred to a million times, is converted once."""

    def convert(self, content: object, name: str) -> Tree:
        """The same content. What is neither table, list, tensor nor plain value becomes its text."""
        import torch

        if content is None or isinstance(content, (bool, int, float, str)):
            return content
        if isinstance(content, torch.Tensor):
            fault = _fault(content)
            if fault:
                self.unsupported.append(f"{name or 'the only one'} ({fault})")
                return None
            return _stored(content.detach(), name, self.homes)
        if not isinstance(content, (Mapping, list, tuple, set, frozenset)):
            return str(content)[:200]
        if id(content) not in self.done:
            self.done[id(content)] = "(itself)"
            self.done[id(content)] = self._container(content, f"{name}." if name else "")
        return self.done[id(content)]

    def _container(self, content: Mapping[object, object] | Collection[object], prefix: str) -> Tree:
        if isinstance(content, Mapping):
            return {str(key): self.convert(value, f"{prefix}{key}") for key, value in content.items()}
        items = sorted(content, key=str) if isinstance(content, (set, frozenset)) else content
        return tuple(self.convert(value, f"{prefix}{index}") for index, value in enumerate(items))
