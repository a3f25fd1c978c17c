"""From flat names back to the state_dict that was saved: tables, lists, and an optimizer's state that was flattened into names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

from postmortem.read.checkpoints.flat_optimizers import SLOTS
from postmortem.read.checkpoints.stored import Tree

Path: TypeAlias = tuple[str | int, ...]
_Node: TypeAlias = "dict[str | int, _Node | Tree]"

_FLAT = re.compile(r"(?:(?P<key>optim|optimizer|optimizers?_state(?:_dict)?)\.)?(?P<part>state|param_groups)\.(?P<rest>.+)")
_MAX_DEPTH = 64


def tree_of(values: Mapping[str, Tree], paths: Mapping[str, Path]) -> Tree:
    """Values under flat names as the nested tables that they came from; a name without a path stands at the top."""
    root: _Node = {}
    for name, value in values.items():
        path = paths.get(name, (name,))[:_MAX_DEPTH]
        node = root
        for key in path[:-1]:
            child = node.setdefault(key, {})
            if not isinstance(child, dict):  # a value and a table of one name: the table is kept beside it
                child = node.setdefault(f"{key}.", {})
            node = child if isinstance(child, dict) else {}
        node.setdefault(path[-1], value)
    return _finished(root)


def _finished(node: _Node) -> Tree:
    """Lists where all keys are places, tables elsewhere; flattened optimizers put back together."""
    built = {key: _finished(value) if isinstance(value, dict) else value for key, value in node.items()}
    numbers = [key for key in built if isinstance(key, int)]
    if built and len(numbers) == len(built):
        return tuple(built[key] for key in sorted(numbers))
    return _unflattened({str(key): value for key, value in built.items()})


def _unflattened(table: dict[str, Tree]) -> dict[str, Tree]:
    """`state.<parameter>.<slot>` and `param_groups.<parameter>.<setting>` as an optimizer's state_dict with names."""
    states: dict[str, dict[str, dict[str, Tree]]] = {}
    settings: dict[str, dict[str, dict[str, Tree]]] = {}
    rest: dict[str, Tree] = {}
    for name, value in table.items():
        match = _FLAT.fullmatch(name)
        parameter, dot, last = match["rest"].rpartition(".") if match else ("", "", "")
        if match is None or not dot or (match["part"] == "state" and last not in SLOTS):
            rest[name] = value
            continue
        found = states if match["part"] == "state" else settings
        found.setdefault(match["key"] or "", {}).setdefault(parameter, {})[last] = value
    for key in dict.fromkeys((*states, *settings)):
        entries = states.get(key, {})
        optimizer: dict[str, Tree] = {"state": dict(entries), "param_groups": _groups(settings.get(key, {}), list(entries))}
        if key:
            rest[key] = optimizer
        else:
            rest.update(optimizer)
    state = rest.get("state")
    if isinstance(state, Mapping) and state and "param_groups" not in rest and all(map(_is_entry, state.values())):
        rest["param_groups"] = ({"params": tuple(state)},)
    return rest


def _is_entry(value: Tree) -> bool:
    return isinstance(value, Mapping) and bool(SLOTS & set(value))


def _groups(settings: Mapping[str, Mapping[str, Tree]], parameters: list[str]) -> tuple[dict[str, Tree], ...]:
    """Parameters of equal settings are one group again."""
    groups: dict[str, tuple[dict[str, Tree], list[str]]] = {}
    for parameter in dict.fromkeys((*parameters, *settings)):
        own = {key: value for key, value in settings.get(parameter, {}).items() if key != "params"}
        groups.setdefault(repr(sorted(own.items(), key=lambda item: item[0])), (own, []))[1].append(parameter)
    return tuple({**own, "params": tuple(names)} for own, names in groups.values())
