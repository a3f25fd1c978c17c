"""Trees of JAX programs (Flax, Optax, T5X), as msgpack and Orbax hold them: which part is weights, which the optimizer's, which a count.

Optax keeps its state as nested tuples of named tuples; with the fields' names in the file, Adam is found by its `mu` and `nu` wherever it
stands in a chain, and the settings of `inject_hyperparams` beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from postmortem.model import Plain
from postmortem.read.checkpoints.foreign_trees import Moments, assembled
from postmortem.read.checkpoints.layouts import words
from postmortem.read.checkpoints.raw import Raw
from postmortem.read.checkpoints.stored import Tree

Branch: TypeAlias = "dict[str, Branch] | Raw | Plain"
Path: TypeAlias = tuple[str, ...]
"""Keys from the root down."""

OPTIMIZER_KEYS = frozenset(("opt_state", "optimizer", "optimizer_state", "opt", "optim", "tx", "param_states", "opt_states"))
"""Tables that hold an optimizer\'s state, by their keys."""
_COPY_WORDS = frozenset(("ema", "swa", "averaged", "shadow", "polyak"))
_NO_WEIGHTS = frozenset(("rng", "rngs", "prng", "seed", "dropout_rng", "rng_state"))
_COUNTS = frozenset(("step", "epoch", "global_step", "current_step"))
# Field of Optax (or of T5X's Adam) -> slot of torch. Where `nu` stands without `mu`, it is RMSprop's.
_ADAM = {"mu": "exp_avg", "nu": "exp_avg_sq", "nu_max": "max_exp_avg_sq", "grad_ema": "exp_avg", "grad_sq_ema": "exp_avg_sq"}
_SETTINGS = {
    "learning_rate": "lr",
    "eps": "eps",
    "weight_decay": "weight_decay",
    "momentum": "momentum",
    "nesterov": "nesterov",
    "decay": "alpha",
}


def flax_tree(root: Mapping[str, Branch]) -> dict[str, Tree]:
    """The common tree: weights under dotted names without `params`, the optimizer's moments joined to them, counts as plain values."""
    weights: dict[str, Raw] = {}
    copies: dict[str, dict[str, Raw]] = {}
    values: dict[str, Tree] = {}
    optimizers: list[tuple[Path, Mapping[str, Branch]]] = []
    for path, leaf in _leaves(root, (), optimizers):
        number = leaf.number() if isinstance(leaf, Raw) else leaf
        if path[-1] in _COUNTS and isinstance(number, (int, float)):
            values[path[-1]] = number
        elif not isinstance(leaf, Raw):
            if leaf is not None:
                values[".".join(path)] = leaf
        else:
            copy = next((part for part in path[:-1] if _COPY_WORDS & set(words(part))), None)
            table = weights if copy is None else copies.setdefault(copy, {})
            name = _name(tuple(part for part in path if part != copy))
            table[".".join(path) if name in table else name] = leaf
    moments = _moments(optimizers, weights)
    return assembled(weights, moments, values, copies=copies)


def _name(path: Path) -> str:
    """Dotted name without what says no more than that these are weights: `params`, a leading `state`, a trailing `value` (of NNX)."""
    parts = list(path)
    if parts[:2] == ["optimizer", "target"]:
        parts = parts[2:]
    elif len(parts) > 1 and parts[0] in ("state", "train_state"):
        parts = parts[1:]
    if len(parts) > 1 and parts[-1] in ("value", "raw_value"):
        parts = parts[:-1]
    kept = [part for part in parts if part != "params"]
    return ".".join(kept or parts)


def _leaves(
    node: Mapping[str, Branch], path: Path, optimizers: list[tuple[Path, Mapping[str, Branch]]]
) -> Iterator[tuple[Path, Raw | Plain]]:
    """Leaves outside the optimizers' state, which is put aside with the path of the table that holds it."""
    for key, child in node.items():
        lower = key.lower()
        if isinstance(child, dict):
            # T5X keeps the weights themselves as `target` within its optimizer.
            if lower in OPTIMIZER_KEYS and "target" not in child:
                optimizers.append((path, child))
            elif lower not in _NO_WEIGHTS:
                yield from _leaves(child, (*path, key), optimizers)
        elif lower not in _NO_WEIGHTS:
            yield (*path, key), child


def _moments(optimizers: Sequence[tuple[Path, Mapping[str, Branch]]], weights: Mapping[str, Raw]) -> Moments | None:
    """The optimizer's state under the weights' names; None where there is none, or one weight would have two of a kind."""
    slots: dict[str, dict[str, Raw]] = {}
    settings: dict[str, Tree] = {}
    counts: set[int] = set()
    for owner, optimizer in optimizers:
        for state in _states(optimizer):
            for slot, path, raw in _slots(state):
                name = _name((*owner, *path))
                name = name if name in weights else _name(path)
                entry = slots.setdefault(name, {})
                if name in weights and raw.shape != weights[name].shape:
                    continue
                if slot in entry:
                    return None
                entry[slot] = raw
            count = state.get("count")
            number = count.number() if isinstance(count, Raw) else count
            if isinstance(number, int):
                counts.add(number)
        settings.update(_settings(optimizer))
    known = {name: entry for name, entry in slots.items() if name in weights and entry}
    step = counts.pop() if len(counts) == 1 else None
    return Moments(known, settings, step) if known else None


def _states(node: Mapping[str, Branch]) -> Iterator[Mapping[str, Branch]]:
    """Tables that hold moments, wherever they stand."""
    if {"mu", "nu"} & set(node) or "trace" in node or {"grad_ema", "grad_sq_ema"} & set(node):
        yield node
        return
    for child in node.values():
        if isinstance(child, dict):
            yield from _states(child)


def _slots(state: Mapping[str, Branch]) -> Iterator[tuple[str, Path, Raw]]:
    for key, child in state.items():
        if not isinstance(child, dict):
            continue
        if key == "trace":
            slot = "momentum_buffer"
        elif key == "nu" and "mu" not in state:
            slot = "square_avg"
        elif key in _ADAM and (key != "mu" or "nu" in state):  # `mu` alone is Lion's, which steps by its sign
            slot = _ADAM[key]
        else:
            continue
        for path, leaf in _leaves(child, (), []):
            if isinstance(leaf, Raw):
                yield slot, path, leaf


def _settings(node: Mapping[str, Branch]) -> dict[str, Tree]:
    """What `inject_hyperparams` keeps, in torch's words; the first that is found."""
    found: dict[str, Tree] = {}
    table = node.get("hyperparams")
    if isinstance(table, dict):
        numbers = {key: child.number() if isinstance(child, Raw) else child for key, child in table.items() if not isinstance(child, dict)}
        found.update({_SETTINGS[key]: value for key, value in numbers.items() if key in _SETTINGS and value is not None})
        first, second = numbers.get("b1"), numbers.get("b2")
        if isinstance(first, float) and isinstance(second, float):
            found["betas"] = (first, second)
        if "weight_decay" in found:  # Optax's optimizers with moments and a decay apply it beside the gradient
            found["decoupled_weight_decay"] = True
        return found
    for child in node.values():
        if isinstance(child, dict) and not found:
            found = _settings(child)
    return found
