"""From the inert value of a pickle to a tree of tables, lists, tensors and plain values.

Whole modules become their state_dicts and whole optimizers theirs, so that what comes after need not know how a file was saved. An object
of any other class becomes a table of its attributes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from postmortem.read.checkpoints.inert import Built, Global, Reference
from postmortem.read.checkpoints.inert_values import (
    as_bytes,
    attributes,
    entries,
    is_dict,
    is_of,
    members_of_set,
    numpy_array,
    numpy_number,
    omegaconf,
    single_value,
)
from postmortem.read.checkpoints.stored import StoredTensor, Tree
from postmortem.read.checkpoints.torch_tensors import LostTensorError, Rebuilder, storage_claim

_MAX_DEPTH = 120
"""Levels of tables within tables; a module within a module takes two."""
_MAX_TEXT = 2_000
_MAX_WORK = 2_000_000
"""Entries of tables and lists gone through; what is shared counts as often as it is unfolded."""


class TooMuchError(Exception):
    """Objects refer to each other so often that their tree has no end."""


@dataclass(slots=True, eq=False)
class Converter:
    """Turns the value of one file into a tree."""

    rebuilder: Rebuilder
    lost: dict[str, LostTensorError] = field(default_factory=dict)
    """Name of each tensor that cannot be read -> why."""
    tensors: int = 0
    """Tensors met, those lost included."""
    too_deep: int = 0
    """Tables that lie too deep within others and were left out."""
    _done: dict[int, Tree] = field(default_factory=dict)
    _work: int = 0

    def _spend(self, entries_seen: int) -> None:
        self._work += entries_seen + 1
        if self._work > _MAX_WORK:
            raise TooMuchError

    def convert(self, value: object, name: str = "", depth: int = 0) -> Tree:
        """The tree of one value; `name` is where it stands. `value` must outlive the converter."""
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, str):
            return value[:_MAX_TEXT]
        if isinstance(value, (bytes, memoryview)):
            return f"{len(value)} bytes"
        if isinstance(value, Global):
            return str(value)[:_MAX_TEXT]
        if id(value) in self._done:
            return self._done[id(value)]
        if depth > _MAX_DEPTH:
            self.too_deep += 1
            return None
        # One that refers to itself, or is referred to a million times, is converted once.
        self._done[id(value)] = "(itself)"
        found = self._done[id(value)] = self._container(value, name, depth)
        return found

    def _container(self, value: object, name: str, depth: int) -> Tree:
        if isinstance(value, dict):
            return self._table(list(value.items()), name, depth)
        if isinstance(value, (list, tuple)):
            self._spend(len(value))
            return tuple(self.convert(item, _below(name, index), depth + 1) for index, item in enumerate(value))
        if isinstance(value, Reference):
            return self._reference(value, name)
        if isinstance(value, Built):
            return self._built(value, name, depth)
        return f"({type(value).__name__})"

    def _table(self, pairs: list[tuple[Any, Any]], name: str, depth: int) -> Tree:
        self._spend(len(pairs))
        if any(isinstance(key, Built) and self.rebuilder.call_of(key) is None and single_value(key) is None for key, _ in pairs):
            # Keys that are objects: a list of pairs loses nothing of them.
            return tuple(
                (self.convert(key, name, depth + 1), self.convert(item, _below(name, index), depth + 1))
                for index, (key, item) in enumerate(pairs)
            )
        table: dict[str, Tree] = {}
        for index, (key, item) in enumerate(pairs):
            text = _key_text(key, index)
            table[text] = self.convert(item, _below(name, text), depth + 1)
        return table

    def _reference(self, reference: Reference, name: str) -> Tree:
        if storage_claim(reference) is not None:
            return self._tensor(lambda each: self.rebuilder.of_storage(each, reference), name)
        id = reference.id
        # A class of the legacy format comes with the text of its source: only its name is wanted.
        is_module = isinstance(id, tuple) and len(id) > 1 and id[0] == "module" and isinstance(id[1], (Global, str))
        return str(id[1])[:_MAX_TEXT] if is_module else "(outside the file)"

    def _tensor(self, make: Any, name: str) -> Tree:
        self.tensors += 1
        try:
            found: StoredTensor = make(name)
        except LostTensorError as error:
            self.lost[name or "the only one"] = error
            return None
        return found

    def _built(self, built: Built, name: str, depth: int) -> Tree:
        make = self.rebuilder.call_of(built)
        if make is not None:
            return self._tensor(make, name)
        if is_of(built, "torch.storage", "_load_from_bytes"):
            return self._tensor(lambda each: self.rebuilder.of_storage(each, built), name)
        number = numpy_number(built)
        if number is not None:
            return number
        array = numpy_array(built, name)
        if array is not None:
            self.tensors += 1
            return array
        if is_dict(built):
            return self._table(entries(built), name, depth)
        members = members_of_set(built)
        if members is not None:
            self._spend(len(members))
            return tuple(self.convert(member, name, depth + 1) for member in members)
        if is_of(built, "_codecs", "encode"):
            return self.convert(as_bytes(built), name, depth)
        if is_of(built, "torch", "Size") and built.arguments:
            return self.convert(built.arguments[0], name, depth + 1)
        return self._object(built, name, depth)

    def _object(self, built: Built, name: str, depth: int) -> Tree:
        found = attributes(built)
        self._spend(len(found))
        if "_modules" in found and "_parameters" in found:
            return self._module(found, name, depth)
        if isinstance(built.of, Global) and built.of.module.startswith("__torch__"):
            return self._script_module(found, name, depth)
        if "param_groups" in found and "state" in found:
            return self._optimizer(found, name, depth)
        for wrapped in ("_local_tensor", "_data", "elem"):  # one rank's part of a tensor, and subclasses that wrap one
            if self.rebuilder.call_of(found.get(wrapped)) is not None:
                return self.convert(found[wrapped], name, depth + 1)
        content = omegaconf(found)
        if content is not found:
            return self.convert(content, name, depth + 1)
        # Protocols 0 and 1 hand the table that a subclass of dict holds over as an argument.
        rebuilt = (is_of(built, "copyreg", "_reconstructor") or is_of(built, "copy_reg", "_reconstructor")) and len(built.arguments) == 3
        pairs = entries(built) if built.pairs or rebuilt else []
        if pairs or found or (rebuilt and isinstance(built.arguments[2], dict)):
            # A table with attributes (AttributeDict): its entries stand before attributes of the same name.
            return self._table(list({**found, **dict(pairs)}.items()), name, depth)
        if built.items:
            return self.convert(built.items, name, depth + 1)
        plain = single_value(built)
        if plain is not None:
            return plain
        if built.states:
            return self.convert(built.states[-1], name, depth + 1)
        if not built.arguments:
            return str(built.of)[:_MAX_TEXT] if isinstance(built.of, Global) else "(an object)"
        return self.convert(built.arguments, name, depth + 1)

    # --- whole modules and optimizers

    def _module(self, found: Mapping[Any, Any], name: str, depth: int) -> Tree:
        """What `state_dict()` would have given: own parameters, own buffers, then each module within."""
        passing = found.get("_non_persistent_buffers_set")
        passing = members_of_set(passing) if isinstance(passing, Built) else passing
        left_out = {each for each in passing if isinstance(each, str)} if isinstance(passing, (list, tuple)) else set()
        table: dict[str, Tree] = {}
        for part in ("_parameters", "_buffers"):
            for key, value in _pairs(found.get(part)):
                if isinstance(key, str) and value is not None and key not in left_out:
                    table[key] = self.convert(value, _below(name, key), depth + 1)
        for key, value in _pairs(found.get("_modules")):
            if isinstance(key, str) and value is not None:
                self._hang_below(table, key, self.convert(value, _below(name, key), depth + 2))
        return table

    def _script_module(self, found: Mapping[Any, Any], name: str, depth: int) -> Tree:
        """Tensors of a TorchScript module by their dotted names, in the order of its attributes."""
        table: dict[str, Tree] = {}
        for key, value in found.items():
            if isinstance(key, str):
                self._hang_below(table, key, self.convert(value, _below(name, key), depth + 2))
        return table

    def _hang_below(self, table: dict[str, Tree], key: str, value: Tree) -> None:
        """Add a module's tensors under its name; what is no tensor stays out of a state_dict."""
        if isinstance(value, StoredTensor):
            table[key] = value
        elif isinstance(value, Mapping):
            self._spend(len(value))
            for name, tensor in value.items():
                if isinstance(tensor, StoredTensor):
                    table[f"{key}.{name}"] = tensor

    def _optimizer(self, found: Mapping[Any, Any], name: str, depth: int) -> Tree:
        """A whole optimizer with its parameters numbered in order of their groups, as its `state_dict()` does."""
        numbers: dict[int, int] = {}
        groups = []
        for group in found["param_groups"] if isinstance(found["param_groups"], list) else []:
            settings = dict(_pairs(group))
            listed = settings.pop("params", [])
            self._spend(len(listed) if isinstance(listed, list) else 0)
            for parameter in listed if isinstance(listed, list) else []:
                numbers.setdefault(id(parameter), len(numbers))
            ids = tuple(numbers[id(parameter)] for parameter in listed) if isinstance(listed, list) else ()
            plain = self._table(list(settings.items()), _below(name, "param_groups"), depth + 1)
            groups.append({**plain, "params": ids} if isinstance(plain, dict) else {"params": ids})
        state: dict[str, Tree] = {}
        for index, (key, value) in enumerate(_pairs(found["state"])):
            number = numbers.get(id(key), index if isinstance(key, Built) else None)
            text = _key_text(key, index) if number is None else str(number)
            state[text] = self.convert(value, f"{_below(name, 'state')}.{text}", depth + 1)
        return {"state": state, "param_groups": tuple(groups)}


def _below(name: str, key: object) -> str:
    return f"{name}.{key}" if name else str(key)


def _key_text(key: object, index: int) -> str:
    if isinstance(key, Built):
        plain = single_value(key)
        return f"#{index}" if plain is None else str(plain)
    if isinstance(key, bytes):
        return key.decode("utf-8", "replace")
    if isinstance(key, tuple):
        return ".".join(str(part)[:80] if isinstance(part, (bool, int, float, str, Global)) else f"({type(part).__name__})" for part in key)
    return str(key)[:_MAX_TEXT]


def _pairs(value: object) -> list[tuple[Any, Any]]:
    if isinstance(value, dict):
        return list(value.items())
    return entries(value) if isinstance(value, Built) else []
