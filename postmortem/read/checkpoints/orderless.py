"""Joins numbered optimizer entries to names whose order the file does not keep, as far as names and shapes prove it.

Torch lists a net's parameters module by module, so that the order is that of a walk through a tree whose nodes are the parts of the names.
Of some siblings the order is certain: a module's own tensors stand before those of its parts, numbers count up, `weight` stands before
`bias`. Of others it is not: whether `key` was made before `query` is not in their names. Every order of siblings under which shapes agree
is gone through; what comes out the same in all of them is proved. Siblings of one shape stay without a name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from postmortem.read.checkpoints.usual_orders import usual_order

Shape: TypeAlias = tuple[int, ...]
Entry: TypeAlias = tuple[str, Shape | None]
"""An entry's number, and its parameter's shape where its state tells it."""
Offsets: TypeAlias = tuple[int, ...]

_LEAF_ORDERS = (("weight", "bias"), ("in_proj_weight", "in_proj_bias"), ("lora_A", "lora_B"))
_RECURRENT = re.compile(r"(weight|bias)_(ih|hh)_l(\d+)(_reverse)?")
_NUMBERED = re.compile(r"(.*?)(\d+)")
_MAX_DEPTH = 40
_MAX_ORDERS = 64
_MAX_VISITS = 100_000
"""Children looked at before a net is given up: names and shapes then tell next to nothing."""


@dataclass(slots=True, eq=False)
class _Node:
    """A module, or one parameter."""

    children: dict[str, _Node] = field(default_factory=dict)
    name: str = ""
    """Of the parameter; empty for a module."""
    shape: Shape = ()
    counts: Offsets = ()
    """Parameters below, by group."""
    key: str = ""
    """Last part of the name."""
    kind: int = 0
    """Equal for nodes that shapes cannot tell apart."""


@dataclass(slots=True, eq=False)
class _Search:
    """Entries of each group, in the optimizer's order, and what has been found of them."""

    groups: Sequence[Sequence[Entry]]
    known: dict[tuple[int, Offsets], dict[str, str] | None] = field(default_factory=dict)
    visits: int = 0
    trusting: bool = True
    """Take siblings of well-known names to be in their usual order."""
    lenient: bool = False
    """Unless shapes say otherwise of that very module."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """What names and shapes prove."""

    names: Mapping[str, str]
    """Entry's number -> parameter's name."""
    usual: int
    """How many of them only the order tells in which published implementations make their modules; 0 where shapes tell all."""


def _tree(parameters: Sequence[tuple[str, Shape, int]], groups: int) -> _Node | None:
    root = _Node(counts=(0,) * groups)
    for name, shape, group in parameters:
        parts = name.split(".")
        if len(parts) > _MAX_DEPTH:
            return None
        node = root
        for part in parts:
            node = node.children.setdefault(part, _Node(key=part))
        node.name, node.shape = name, shape
        node.counts = tuple(int(place == group) for place in range(groups))
        if node.children:
            return None
    return root


def _finish(node: _Node, kinds: dict[object, int], groups: int) -> bool:
    """Count parameters and give kinds, from the leaves up; False where a name is both a parameter and a module."""
    if node.name:
        node.kind = kinds.setdefault((node.shape, node.counts), len(kinds))
        return not node.children
    if not all(_finish(child, kinds, groups) for child in node.children.values()):
        return False
    node.counts = tuple(sum(child.counts[place] for child in node.children.values()) for place in range(groups))
    key = tuple(sorted(child.kind for child in node.children.values()))
    node.kind = key[0] if len(key) == 1 else kinds.setdefault(key, len(kinds))
    return True


def _chains(node: _Node, trusting: bool) -> list[list[_Node]]:
    """Children in runs of certain order. One run where all of them have one."""
    leaves = {key: child for key, child in node.children.items() if child.name}
    own = _leaf_chains(leaves)
    by_stem: dict[str, list[tuple[int, _Node]]] = {}
    for key, child in node.children.items():
        if child.name:
            continue
        match = _NUMBERED.fullmatch(key)
        stem, number = (match[1], int(match[2])) if match and len(match[2]) < 10 else (key, 0)
        by_stem.setdefault(stem, []).append((number, child))
    modules = [[child for _, child in sorted(run, key=lambda item: item[0])] for run in by_stem.values()]
    modules = _in_usual_order(modules) if trusting else modules
    if len(own) == 1 and len(modules) == 1:
        return [own[0] + modules[0]]
    return own + modules


def _in_usual_order(runs: list[list[_Node]]) -> list[list[_Node]]:
    """The same runs, with single siblings of a known order made one."""
    order = usual_order([node.key for run in runs for node in run])
    if not order:
        return runs
    place = {key: position for position, key in enumerate(order)}
    # A run of numbered siblings is taken whole or not at all.
    taken = [run for run in runs if all(node.key in place for node in run)]
    there = sorted((node for run in taken for node in run), key=lambda node: place[node.key])
    return [there, *(run for run in runs if not any(run is one for one in taken))] if there else runs


def _leaf_chains(leaves: Mapping[str, _Node]) -> list[list[_Node]]:
    """A module's own parameters: `weight` before `bias`, layers of recurrent nets as torch makes them."""
    if not leaves:
        return []
    recurrent = {key: match for key in leaves if (match := _RECURRENT.fullmatch(key))}
    if len(recurrent) == len(leaves):

        def place(key: str) -> tuple[int, bool, bool, bool]:
            match = recurrent[key]
            return int(match[3]), bool(match[4]), match[1] == "bias", match[2] == "hh"

        return [[leaves[key] for key in sorted(leaves, key=place)]]
    for order in _LEAF_ORDERS:
        if set(leaves) <= set(order):
            return [[leaves[key] for key in order if key in leaves]]
    return [[child] for child in leaves.values()]


def _solve(search: _Search, node: _Node, start: Offsets) -> dict[str, str] | None:
    """What is proved of the parameters below a node whose first entries stand at `start`; None where shapes do not agree."""
    key = (id(node), start)
    if key not in search.known:
        search.known[key] = _leaf(search, node, start) if node.name else _inner(search, node, start)
    return search.known[key]


def _leaf(search: _Search, node: _Node, start: Offsets) -> dict[str, str] | None:
    group = node.counts.index(1)
    if start[group] >= len(search.groups[group]):
        return None
    number, shape = search.groups[group][start[group]]
    return {node.name: number} if shape in (None, node.shape) else None


def _inner(search: _Search, node: _Node, start: Offsets) -> dict[str, str] | None:
    chains = _chains(node, search.trusting)
    orders = _orders(search, node, chains, start)
    if not orders and search.lenient:  # this module may not be in its usual order
        chains = _chains(node, trusting=False)
        orders = _orders(search, node, chains, start)
    proved: dict[str, str] | None = None
    for order in orders:
        at, found = start, {}
        for child in order:
            found.update(_solve(search, child, at) or {})
            at = tuple(one + more for one, more in zip(at, child.counts, strict=True))
        proved = found if proved is None else {name: number for name, number in proved.items() if found.get(name) == number}
    if proved is None:
        return None
    for name in _interchangeable(chains):
        proved.pop(name, None)
    return proved


def _orders(search: _Search, node: _Node, chains: Sequence[Sequence[_Node]], start: Offsets) -> list[list[_Node]]:
    """Orders of children under which shapes agree; of children of one kind only one order."""
    whole = tuple(len(chain) for chain in chains)
    found: list[list[_Node]] = []
    dead: set[Offsets] = set()
    path: list[_Node] = []
    runs = [tuple(node.kind for node in chain) for chain in chains]

    def candidates(taken: Offsets, at: Offsets) -> list[tuple[Offsets, Offsets, _Node]]:
        heads = [(place, chain[taken[place]]) for place, chain in enumerate(chains) if taken[place] < len(chain)]
        if any(head.name for _, head in heads):  # a module's own parameters come first
            heads = [(place, head) for place, head in heads if head.name]
        result, seen = [], set()
        search.visits += len(heads)
        for place, head in heads:
            if (runs[place], taken[place]) in seen:  # a run that goes on in the same way has been tried
                continue
            seen.add((runs[place], taken[place]))
            if search.visits > _MAX_VISITS or _solve(search, head, at) is None:
                continue
            after = tuple(position + (index == place) for index, position in enumerate(taken))
            result.append((after, tuple(one + more for one, more in zip(at, head.counts, strict=True)), head))
        return result

    nothing = (0,) * len(chains)
    stack = [(nothing, iter(candidates(nothing, start)), 0)]
    while stack and len(found) <= _MAX_ORDERS and search.visits <= _MAX_VISITS:
        taken, ahead, before = stack[-1]
        if taken == whole:
            found.append(path.copy())
            step = None
        else:
            step = next(ahead, None)
        if step is None:
            stack.pop()
            if stack:
                path.pop()
            if taken != whole and len(found) == before:
                dead.add(taken)
            continue
        after, at, head = step
        if after in dead:
            continue
        path.append(head)
        stack.append((after, iter(candidates(after, at)), len(found)))
    return [] if len(found) > _MAX_ORDERS or search.visits > _MAX_VISITS else found


def _interchangeable(chains: Sequence[Sequence[_Node]]) -> list[str]:
    """Parameters below children that have a double in another run."""
    runs: dict[int, set[int]] = {}
    for place, chain in enumerate(chains):
        for child in chain:
            runs.setdefault(child.kind, set()).add(place)
    return [name for chain in chains for child in chain if len(runs[child.kind]) > 1 for name in _names(child)]


def _names(node: _Node) -> list[str]:
    return [node.name] if node.name else [name for child in node.children.values() for name in _names(child)]


def align(groups: Sequence[Sequence[Entry]], parameters: Sequence[tuple[str, Shape, int]]) -> Alignment | None:
    """Join entries to parameters of known groups (name, shape, index of the group); None where no order of names fits the shapes.

    `groups` are the optimizer's entries in its own order; every one of them belongs to one of the parameters, and each parameter has one.
    """
    root = _tree(parameters, len(groups))
    if root is None or not parameters or not _finish(root, {}, len(groups)) or root.counts != tuple(len(group) for group in groups):
        return None
    start = (0,) * len(groups)
    proved = _solve(_Search(groups, trusting=False), root, start)
    if proved is not None and len(proved) == len(parameters):
        return Alignment({number: name for name, number in proved.items()}, 0)
    found = _solve(_Search(groups), root, start) or _solve(_Search(groups, lenient=True), root, start) or proved
    if found is None:
        return None
    known = proved or {}
    return Alignment({number: name for name, number in found.items()}, sum(known.get(name) != number for name, number in found.items()))
