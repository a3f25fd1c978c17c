"""From an inert pickle to a tree: numpy's arrays and numbers, tables, lists, objects as tables of their attributes.

Whatever the pickle would have made stays unmade: an object of an unknown class is a table of the attributes that it would have had, a call
of an unknown function the list of its arguments. That keeps hyper-parameters of any class readable without knowing the class.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np

from postmortem.read.checkpoints.inert import Built, Global, Reference
from postmortem.read.checkpoints.stored import NUMPY_TYPES, StoredTensor

_KINDS = frozenset("fiub")
_NUMPY_NAMES = {kind.str[1:]: name for name, kind in NUMPY_TYPES.items() if name not in ("bfloat16", "float8_e4m3fn", "float8_e5m2")}
_DICTS = frozenset({"dict", "OrderedDict", "defaultdict", "Counter"})
_MAX_AXES = 32
_MOST_PARTS, _MAX_PART = 64, 200
_MOST_STATES = 4
"""An object is given one state; more are somebody's attempt to keep the reader busy."""


@dataclass(frozen=True, slots=True, eq=False)
class ArrayTensor(StoredTensor):
    """A numpy array within a pickle: weights in a few frameworks, in most files statistics and states of random generators."""


def is_of(value: object, module: str, *names: str) -> TypeGuard[Built]:
    """Whether a value is a call of one of these names; modules below `module` count."""
    if not isinstance(value, Built) or not isinstance(value.of, Global) or value.of.name not in names:
        return False
    return value.of.module == module or value.of.module.startswith(f"{module}.")


def as_bytes(value: object) -> bytes | memoryview | None:
    """The bytes that a value stands for in any protocol's way of writing them; None where it is none."""
    if isinstance(value, (bytes, memoryview)):
        return value
    if isinstance(value, str):  # a string of Python 2
        try:
            return value.encode("latin-1")
        except UnicodeEncodeError:
            return None
    if is_of(value, "_codecs", "encode") or is_of(value, "builtins", "bytes", "bytearray") or is_of(value, "__builtin__", "bytes"):
        arguments = value.arguments
        return as_bytes(arguments[0]) if arguments else b""
    return None


def numpy_type(value: object) -> np.dtype[Any] | None:
    """The element type that a pickled `numpy.dtype` stands for; None for objects, records, dates and text."""
    if isinstance(value, Global) and value.module == "numpy":
        text, big = value.name, False
    elif is_of(value, "numpy", "dtype") and value.arguments and isinstance(value.arguments[0], str):
        text = value.arguments[0]
        state = next((state for state in value.states if isinstance(state, tuple)), ())
        big = len(state) > 1 and state[1] == ">"
    else:
        return None
    if text[:1] not in _KINDS or not text[1:].isdigit():
        text = {"float": "f8", "int": "i8", "bool": "b1", "bool_": "b1"}.get(text, NUMPY_TYPES[text].str[1:] if text in NUMPY_TYPES else "")
    if text not in _NUMPY_NAMES:
        return None
    kind: np.dtype[Any] = np.dtype(text)
    ordered: np.dtype[Any] = kind.newbyteorder(">" if big else "<")
    return ordered


def numpy_number(value: object) -> bool | int | float | None:
    """The number that a pickled numpy scalar stands for; None where it is none."""
    if not is_of(value, "numpy", "scalar"):
        return None
    arguments = value.arguments
    kind = numpy_type(arguments[0]) if arguments else None
    data = as_bytes(arguments[1]) if len(arguments) == 2 else None
    if kind is None or data is None or len(data) < kind.itemsize:
        return None
    found: bool | int | float = np.frombuffer(data, kind, 1)[0].item()
    return found


def numpy_array(value: object, name: str) -> ArrayTensor | None:
    """The array that a pickled `numpy.ndarray` stands for, over the bytes of the pickle; None where it is none that holds numbers."""
    if is_of(value, "numpy", "_reconstruct"):
        state = next((state for state in value.states if isinstance(state, tuple) and len(state) == 5), None)
        if state is None:
            return None
        _version, shape, kind_of, fortran, held = state
    elif is_of(value, "numpy", "_frombuffer") and len(value.arguments) == 4:
        held, kind_of, shape, layout = value.arguments
        fortran = layout == "F"
    else:
        return None
    kind, data = numpy_type(kind_of), as_bytes(held)
    if kind is None or data is None or not isinstance(shape, tuple) or len(shape) > _MAX_AXES:
        return None
    if not all(isinstance(length, int) and 0 <= length < 2**62 for length in shape) or math.prod(shape) * kind.itemsize != len(data):
        return None
    array = np.frombuffer(data, kind).reshape(shape, order="F" if fortran is True else "C")
    array.flags.writeable = False
    return ArrayTensor(name, shape, _NUMPY_NAMES[kind.str[1:]], array)


def members_of_set(value: object) -> list[Any] | None:
    """What a set that is written as a call holds; None for anything else."""
    if not is_of(value, "builtins", "set", "frozenset") and not is_of(value, "__builtin__", "set", "frozenset"):
        return None
    held = value.arguments[0] if value.arguments else []
    return list(held) if isinstance(held, (list, tuple)) else []


def is_dict(value: object) -> TypeGuard[Built]:
    """Whether a call is one of a table of the standard library."""
    return is_of(value, "collections", *_DICTS) or is_of(value, "builtins", "dict") or is_of(value, "__builtin__", "dict")


def attributes(built: Built) -> dict[Any, Any]:
    """The attributes that an object would have had: `__dict__`, or the pair of it and of slots, or the pairs of its state."""
    found: dict[Any, Any] = {}
    for state in built.states[-_MOST_STATES:]:
        parts = (
            state if isinstance(state, tuple) and len(state) == 2 and all(part is None or _is_table(part) for part in state) else (state,)
        )
        for part in parts:
            if _is_table(part):
                found.update(_pairs_of(part))
    return found


def _is_table(value: object) -> bool:
    return isinstance(value, dict) or is_dict(value)


def _pairs_of(value: object) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, dict):
        return value.items()
    return entries(value) if isinstance(value, Built) else ()


def entries(built: Built) -> list[tuple[Any, Any]]:
    """The pairs of a table, set one by one or handed over as a list of pairs when it was made."""
    given = built.arguments[-1] if built.arguments else None
    pairs: list[tuple[Any, Any]] = []
    if isinstance(given, dict):
        pairs.extend(given.items())
    elif isinstance(given, list):
        pairs.extend((pair[0], pair[1]) for pair in given if isinstance(pair, (list, tuple)) and len(pair) == 2)
    pairs.extend(built.pairs)
    return [(key if _can_be_key(key) else repr(type(key)), value) for key, value in pairs]


def _can_be_key(key: object) -> bool:
    return (
        key is None
        or isinstance(key, (bool, int, float, str, bytes, Global, Built, Reference))
        or (isinstance(key, tuple) and all(isinstance(item, (bool, int, float, str)) for item in key))
    )


def single_value(built: Built) -> str | int | float | bool | None:
    """The plain value that a call makes of plain arguments: a member of an enumeration, a path, a device; None where it makes none."""
    if built.states or built.items or built.pairs or built.keywords or not built.arguments:
        return None
    arguments = built.arguments
    is_plain = len(arguments) < _MOST_PARTS and all(isinstance(part, (bool, int, float, str)) for part in arguments)
    if is_of(built, "builtins", "getattr") and len(arguments) == 2 and isinstance(arguments[1], str):
        return arguments[1]
    if not is_plain:
        return None
    if is_of(built, "pathlib", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath", "Path"):
        return "/".join(str(part)[:_MAX_PART] for part in arguments).replace("//", "/")
    if is_of(built, "torch", "device"):
        return ":".join(str(part)[:_MAX_PART] for part in arguments)
    if len(arguments) == 1:
        found: str | int | float | bool = arguments[0]
        return found
    return None


def omegaconf(found: Mapping[Any, Any]) -> object:
    """What an OmegaConf node holds: its `_content` or `_val`; the attributes themselves for anything else."""
    if "_metadata" in found or "_parent" in found:
        if "_content" in found:
            return found["_content"]
        if "_val" in found:
            return found["_val"]
    return found
