"""From torch's pickled rebuild calls to tensors over mapped bytes.

The calls are recognized by name and never made: which storage, offset, shape and strides they would have been given says all. Every
claim is held against the bytes that are there. The names and their arguments are those of torch/_utils.py and torch/_tensor.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from postmortem.model import ProblemKind
from postmortem.read.checkpoints.inert import Built, Global, Reference
from postmortem.read.checkpoints.inert_values import as_bytes, is_of, numpy_array
from postmortem.read.checkpoints.stored import NUMPY_TYPES, StoredTensor

Memory: TypeAlias = NDArray[np.uint8]

_MAX_AXES = 32
_MOST_EXPANDED = 2**24
"""Elements that a tensor may claim beyond those stored (an expanded one repeats them); more is a claim to hold the reader up."""
_STORAGE_TYPES = {
    "Double": "float64", "Float": "float32", "Half": "float16", "BFloat16": "bfloat16", "Long": "int64", "Int": "int32", "Short": "int16",
    "Char": "int8", "Byte": "uint8", "Bool": "bool", "Untyped": "uint8", "_Untyped": "uint8", "UInt64": "uint64", "UInt32": "uint32",
    "UInt16": "uint16", "Float8_e4m3fn": "float8_e4m3fn", "Float8_e5m2": "float8_e5m2", "ComplexFloat": "complex64",
    "ComplexDouble": "complex128", "QInt8": "qint8", "QUInt8": "quint8", "QInt32": "qint32", "QUInt4x2": "quint4x2",
    "QUInt2x4": "quint2x4",
}  # fmt: skip
_UNREAD_BYTES = {
    "complex32": 4, "complex64": 8, "complex128": 16, "qint8": 1, "quint8": 1, "qint32": 4, "quint4x2": 1, "quint2x4": 1,
    "float8_e4m3fnuz": 1, "float8_e5m2fnuz": 1, "float8_e8m0fnu": 1, "float4_e2m1fn_x2": 1,
}  # fmt: skip
_SHORT_NAMES = {"float": "float32", "double": "float64", "half": "float16", "long": "int64", "int": "int32", "short": "int16"}
_NOT_READ = {
    "_rebuild_qtensor": "quantised",
    "_rebuild_sparse_tensor": "sparse",
    "_rebuild_sparse_csr_tensor": "sparse_csr",
    "_rebuild_nested_tensor": "nested",
    "_rebuild_meta_tensor_no_storage": "on device meta, without data",
    "_rebuild_wrapper_subclass": "a subclass without data of its own",
}


class LostTensorError(Exception):
    """A tensor that cannot be read: the kind of problem, and why."""

    def __init__(self, kind: ProblemKind, why: str) -> None:
        super().__init__(why)
        self.kind: ProblemKind = kind
        self.why = why


class Home(Protocol):
    """Whoever keeps the storages that a file's references name."""

    @property
    def big_endian(self) -> bool:
        """Whether elements are stored with their highest byte first."""
        ...

    def bytes_of(self, key: str) -> Memory:
        """The bytes of one storage. Raises LostTensorError where they are not there."""
        ...


@dataclass(frozen=True, slots=True)
class StorageClaim:
    """What a persistent id says of a storage."""

    key: str
    dtype: str
    elements: int
    """Of the whole storage."""
    view: tuple[int, int] | None = None
    """First element and number of elements of the part that is meant, in files of torch before 0.4; None for the whole."""


@dataclass(frozen=True, slots=True, eq=False)
class _Storage:
    memory: Memory
    dtype: str
    big_endian: bool


def element_bytes(dtype: str) -> int:
    """Bytes of one element of a torch type, of those too that are not read."""
    return _UNREAD_BYTES[dtype] if dtype in _UNREAD_BYTES else NUMPY_TYPES[dtype].itemsize


def element_type(value: object) -> str | None:
    """Torch's name of an element type (`torch.float32`, `torch.FloatStorage`); None for what names none."""
    if not isinstance(value, Global) or not value.module.startswith("torch"):
        return None
    if value.name.endswith("Storage"):
        return _STORAGE_TYPES.get(value.name.removesuffix("Storage"))
    name = _SHORT_NAMES.get(value.name, value.name)
    return name if name in NUMPY_TYPES or name in _UNREAD_BYTES else None


def storage_claim(reference: Reference) -> StorageClaim | None:
    """What a persistent id claims; None for one that names no storage."""
    id = reference.id
    if not isinstance(id, tuple) or len(id) < 5 or id[0] != "storage" or not isinstance(id[2], (str, int)):
        return None
    dtype = element_type(id[1])
    if dtype is None or not isinstance(id[4], int) or not 0 <= id[4] < 2**62:
        return None
    part = id[5] if len(id) > 5 else None
    view = None
    if isinstance(part, tuple) and len(part) == 3 and all(isinstance(number, int) and 0 <= number < 2**62 for number in part[1:]):
        view = part[1], part[2]
    return StorageClaim(str(id[2]), dtype, id[4], view)


def _lengths(value: object) -> tuple[int, ...] | None:
    if is_of(value, "torch", "Size") and value.arguments:
        value = value.arguments[0]
    if not isinstance(value, (tuple, list)) or len(value) > _MAX_AXES:
        return None
    whole = all(isinstance(length, int) and not isinstance(length, bool) and 0 <= length < 2**62 for length in value)
    return tuple(value) if whole else None


def tensor_over(
    name: str, memory: Memory, dtype: str, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *, big_endian: bool = False
) -> StoredTensor:
    """A strided view of stored elements (offset and strides in elements). Raises LostTensorError where it would leave them."""
    kind = NUMPY_TYPES.get(dtype)
    if kind is None:
        raise LostTensorError("unsupported", "quantised" if dtype.startswith("q") else dtype)
    elements = math.prod(shape)
    if elements == 0:
        return StoredTensor(name, shape, dtype, np.empty(shape, kind))
    held = len(memory) // kind.itemsize
    last = offset + sum((length - 1) * step for length, step in zip(shape, strides, strict=True))
    if last >= held:
        raise LostTensorError("corrupt", f"it claims element {last} of a storage that holds {held}")
    if elements > held + _MOST_EXPANDED:
        raise LostTensorError("unsupported", f"it repeats {held} stored elements to make {elements}")
    stored_as = kind.newbyteorder(">") if big_endian else kind
    steps = tuple(step * kind.itemsize for step in strides)
    # Numpy holds the strides against the length of the memory once more.
    array: NDArray[Any] = np.ndarray(shape, stored_as, memory, offset=offset * kind.itemsize, strides=steps)
    array.flags.writeable = False
    return StoredTensor(name, shape, dtype, array)


@dataclass(slots=True, eq=False)
class Rebuilder:
    """Makes the tensors that a file's rebuild calls stand for."""

    nested: Callable[[bytes | memoryview], object]
    """The value of a torch file that is held as bytes within the file, or None: how plain pickles hold tensors."""
    _opened: dict[int, object] = field(default_factory=dict)

    def call_of(self, value: object) -> Callable[[str], StoredTensor] | None:
        """How to make the tensor of this name that a call stands for; None where it stands for none. Making raises LostTensorError."""
        if not isinstance(value, Built) or not isinstance(value.of, Global) or not value.of.module.startswith("torch"):
            return None
        rebuild, arguments = value.of.name, value.arguments
        if rebuild in ("_rebuild_from_type_v2", "_rebuild_from_type") and len(arguments) > 2 and isinstance(arguments[2], tuple):
            return self.call_of(Built(arguments[0], arguments[2]))
        if rebuild in ("_rebuild_parameter", "_rebuild_parameter_with_state", "Parameter", "_rebuild_device_tensor_from_cpu_tensor"):
            return self.call_of(arguments[0]) if arguments else None
        if rebuild in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3") and len(arguments) > 3:
            dtype = arguments[6] if rebuild.endswith("v3") and len(arguments) > 6 else None
            return lambda name: self._strided(name, arguments[:4], dtype)
        if rebuild in ("_rebuild_device_tensor_from_numpy", "_rebuild_xla_tensor") and len(arguments) > 1:
            return lambda name: _from_numpy(name, arguments[0], arguments[1])
        if rebuild in _NOT_READ:
            return lambda name: _lose(_NOT_READ[rebuild])
        state = value.states[-1] if value.states else None
        if rebuild.endswith("Tensor") and isinstance(state, tuple) and len(state) == 4 and isinstance(state[0], Reference):
            return lambda name: self._strided(name, state, None)  # torch before 0.2
        return None

    def of_storage(self, name: str, value: object) -> StoredTensor:
        """A storage that stands by itself, as a vector."""
        storage = self._storage(value)
        return tensor_over(
            name,
            storage.memory,
            storage.dtype,
            0,
            (len(storage.memory) // element_bytes(storage.dtype),),
            (1,),
            big_endian=storage.big_endian,
        )

    def _strided(self, name: str, layout: tuple[Any, ...], dtype_of: object) -> StoredTensor:
        shape, strides, offset = _lengths(layout[2]), _lengths(layout[3]), layout[1]
        if shape is None or strides is None or len(shape) != len(strides) or not isinstance(offset, int) or offset < 0:
            raise LostTensorError("corrupt", "its shape, strides or offset are no whole numbers that fit together")
        storage = self._storage(layout[0])
        dtype = (
            storage.dtype
            if dtype_of is None
            else element_type(dtype_of) or (str(dtype_of)[-40:] if isinstance(dtype_of, Global) else "of no known type")
        )
        return tensor_over(name, storage.memory, dtype, offset, shape, strides, big_endian=storage.big_endian)

    def _storage(self, value: object) -> _Storage:
        if is_of(value, "torch.storage", "_load_from_bytes"):
            value = self._nested(value)
        if not isinstance(value, Reference):
            raise LostTensorError("unsupported", "its storage is written in no way that is known")
        claim = storage_claim(value)
        home: Any = value.home
        if claim is None or home is None:
            raise LostTensorError("unsupported", "its storage lies outside of the file")
        memory: Memory = home.bytes_of(claim.key)
        wanted = claim.elements * element_bytes(claim.dtype)
        if claim.dtype == "uint8" and wanted < len(memory):
            wanted = len(memory)  # untyped storages count in elements of the first tensor that used them, in files of some versions
        if claim.view is not None:
            size = element_bytes(claim.dtype)
            first, length = claim.view[0] * size, claim.view[1] * size
            return _Storage(memory[:wanted][first : first + length], claim.dtype, home.big_endian)
        return _Storage(memory[:wanted], claim.dtype, home.big_endian)

    def _nested(self, value: Built) -> object:
        if id(value) not in self._opened:
            content = as_bytes(value.arguments[0]) if value.arguments else None
            self._opened[id(value)] = None if content is None else self.nested(content)
        return self._opened[id(value)]


def _lose(what: str) -> StoredTensor:
    raise LostTensorError("unsupported", what)


def _from_numpy(name: str, value: object, dtype_of: object) -> StoredTensor:
    array = numpy_array(value, name)
    if array is None:
        raise LostTensorError("unsupported", "a numpy array of a kind that is not read")
    dtype = element_type(dtype_of)
    # bfloat16 has no type of numpy: its codes are handed over as integers.
    same_bytes = dtype in NUMPY_TYPES and dtype is not None and NUMPY_TYPES[dtype] == NUMPY_TYPES[array.dtype]
    return StoredTensor(name, array.shape, dtype if same_bytes and dtype is not None else array.dtype, array.array)


Lost: TypeAlias = Mapping[str, LostTensorError]
