"""Where in a checkpoint's content the weights, the optimizers, the step and the plain values stand.

Works on a tree without torch (`stored.Tree`); safetensors are brought into the same shape. Nothing here reads an element except
one-element counters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from postmortem.model import Plain
from postmortem.read.checkpoints.inert_values import ArrayTensor
from postmortem.read.checkpoints.stored import StoredTensor, Tree
from postmortem.read.words import word_set

_STEP_KEYS = (
    "global_step", "step", "iteration", "iter", "global_steps", "current_step", "num_updates", "iterations", "n_iter", "it",
    "train_step", "num_timesteps", "trainer_step", "optimizer_step", "global_iter",
)  # fmt: skip
_EPOCH_KEYS = ("epoch", "current_epoch", "last_completed_epoch")
_STEP_TABLES = ("", "meta", "state", "train_state", "trainer_state", "trainer", "info", "progress", "training_state", "metadata")
_COPY_WORDS = frozenset({"ema", "swa", "best", "averaged", "shadow", "polyak"})
_NO_NET_WORDS = word_set("rng seed random callbacks loops scheduler schedulers sched scaler criterion metrics history sampler dataloader")
_MAX_DEPTH = 6
_MAX_VALUES = 5_000
_MAX_LISTED = 16
_MAX_TEXT = 300


@dataclass(frozen=True, slots=True, eq=False)
class Net:
    """One state_dict."""

    key: str
    """Dotted path to it within the file; empty for a bare state_dict."""
    tensors: Mapping[str, StoredTensor]
    """In the order of the file, under the names that it gives them."""


@dataclass(frozen=True, slots=True, eq=False)
class OptimizerState:
    """One optimizer's state_dict as it stands in the file, not yet joined to names."""

    key: str
    entries: Mapping[str, Mapping[str, Tree]]
    """Id or name -> slot -> tensor or number."""
    groups: tuple[Mapping[str, Tree], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """A checkpoint's content, sorted."""

    nets: tuple[Net, ...]
    copies: tuple[Net, ...]
    """Moving averages and best copies beside the weights that train; they are not in `nets`."""
    optimizers: tuple[OptimizerState, ...]
    values: Mapping[str, Plain]
    step: int | None
    step_key: str
    epoch: int | None


def words(key: str) -> tuple[str, ...]:
    """Lower-case words of a key: `optimizerG_state_dict` -> optimizer, g, state, dict."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", key)
    return tuple(word for word in re.split(r"[^a-z0-9]+", apart.lower()) if word)


def _plain(value: Tree) -> Plain | None:
    if isinstance(value, StoredTensor):
        return value.number() if value.elements == 1 and value.shape in ((), (1,)) else None
    return value if isinstance(value, (bool, int, float, str)) else None


def _is_optimizer(table: Mapping[str, Tree]) -> bool:
    groups = table.get("param_groups")
    return isinstance(table.get("state"), Mapping) and isinstance(groups, tuple) and all(isinstance(group, Mapping) for group in groups)


def _own_tensors(table: Mapping[str, Tree]) -> dict[str, StoredTensor]:
    return {key: value for key, value in table.items() if isinstance(value, StoredTensor)}


def _could_be_weight(tensor: StoredTensor) -> bool:
    """Whether a tensor has fractions, or is at least a table: the states of random generators are lists of whole numbers."""
    if "float" in tensor.dtype:
        return len(tensor.shape) > 0
    return len(tensor.shape) > 1 and not isinstance(tensor, ArrayTensor)


def _is_state_dict(table: Mapping[str, Tree]) -> bool:
    """Tensors by name, with at least one that could be a weight, and few things else."""
    tensors = _own_tensors(table)
    others = sum(isinstance(value, (Mapping, tuple)) and len(value) > 0 for value in table.values())
    return len(tensors) > others and any(map(_could_be_weight, tensors.values()))


@dataclass(frozen=True, slots=True, eq=False)
class _Walk:
    nets: list[Net]
    copies: list[Net]
    optimizers: list[OptimizerState]
    taken: set[str]
    """Paths that hold weights or optimizers, and are not searched for values."""
    seen: set[int]

    def walk(self, node: Tree, path: tuple[str, ...]) -> None:
        """Sort one table and what lies below it."""
        if len(path) > _MAX_DEPTH or id(node) in self.seen:
            return
        if isinstance(node, tuple):
            self.seen.add(id(node))
            if len(node) <= _MAX_LISTED:
                for index, value in enumerate(node):
                    self.walk(value, (*path, str(index)))
            return
        if not isinstance(node, Mapping):
            return
        self.seen.add(id(node))
        key = ".".join(path)
        if _is_optimizer(node):
            self.optimizers.append(_optimizer(key, node))
            self.taken.add(key)
            return
        key_words = {word for part in path for word in words(part)}
        if key_words & _NO_NET_WORDS:
            return
        if _is_state_dict(node):
            self.taken.update(f"{key}.{name}" if key else name for name in _own_tensors(node))
            (self.copies if key_words & _COPY_WORDS else self.nets).append(Net(key, _own_tensors(node)))
        for name, value in node.items():
            self.walk(value, (*path, name))


def _optimizer(key: str, table: Mapping[str, Tree]) -> OptimizerState:
    state, groups = table["state"], table["param_groups"]
    entries = {name: entry for name, entry in state.items() if isinstance(entry, Mapping)} if isinstance(state, Mapping) else {}
    listed = tuple(group for group in groups if isinstance(group, Mapping)) if isinstance(groups, tuple) else ()
    return OptimizerState(key, entries, listed)


def _flat(node: Tree, path: str, depth: int) -> Iterator[tuple[str, Plain]]:
    value = _plain(node)
    if value is not None:
        yield path, value[:_MAX_TEXT] if isinstance(value, str) else value
    elif isinstance(node, Mapping) and depth < _MAX_DEPTH:
        for key, child in node.items():
            yield from _flat(child, f"{path}.{key}" if path else key, depth + 1)
    elif isinstance(node, tuple) and len(node) <= _MAX_LISTED and depth < _MAX_DEPTH:
        for index, child in enumerate(node):
            yield from _flat(child, f"{path}.{index}", depth + 1)


def _value_name(key: str) -> str:
    """Scalers and schedulers under one name each, whatever the file calls them."""
    first, dot, rest = key.partition(".")
    first_words = set(words(first))
    if "scaler" in first_words and dot:
        return f"scaler.{rest}"
    if any(word.startswith("sched") for word in first_words) and dot:
        return f"scheduler.{rest}"
    return key


def plain_values(tree: Tree, taken: frozenset[str] = frozenset()) -> dict[str, Plain]:
    """Plain numbers and strings below a tree by dotted name, without what stands under the paths in `taken`."""
    values: dict[str, Plain] = {}
    for seen, (key, value) in enumerate(_flat(tree, "", 0)):
        if seen > _MAX_VALUES:
            break
        parts = key.split(".")
        if any(".".join(parts[:length]) in taken for length in range(1, len(parts) + 1)):
            continue
        name = _value_name(key)
        values.setdefault(key if name in values else name, value)
    return values


def whole_number(value: Plain) -> int | None:
    """A count that a file gives as a number or as digits; None for anything else."""
    if isinstance(value, str):
        return int(value) if re.fullmatch(r"\d{1,15}", value.strip()) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return int(value) if value >= 0 and value == int(value) and value < 2**53 else None


def _counted(values: Mapping[str, Plain], keys: Sequence[str]) -> tuple[int | None, str]:
    lowered: dict[str, str] = {}
    for name in values:
        lowered.setdefault(name.lower(), name)
    for table in _STEP_TABLES:
        for key in keys:
            stored = lowered.get(f"{table}.{key}" if table else key)
            number = None if stored is None else whole_number(values[stored])
            if number is not None and stored is not None:
                return number, stored
    return None, ""


def count_of_steps(values: Mapping[str, Plain]) -> tuple[int | None, str, int | None]:
    """Step, the key that it stood under, and epoch, as the plain values tell."""
    step, key = _counted(values, _STEP_KEYS)
    return step, key, _counted(values, _EPOCH_KEYS)[0]


def sort_content(tree: Tree) -> Content:
    """Find nets, optimizers, values, step and epoch in a checkpoint's content."""
    walk = _Walk([], [], [], set(), set())
    walk.walk(tree, ())
    nets, copies = walk.nets, walk.copies
    of_torch = [net for net in nets if not all(isinstance(tensor, ArrayTensor) for tensor in net.tensors.values())]
    # Beside torch's tensors, numpy's arrays are statistics, histories and predictions; by themselves they may be the weights.
    nets = of_torch or nets
    if not nets:  # only the average or the best copy was kept: then that is the model
        nets, copies = copies[:1], copies[1:]
    # An optimizer's state_dict that is the whole file leaves nothing beside it.
    values = {} if "" in walk.taken else plain_values(tree, frozenset(walk.taken))
    step, step_key, epoch = count_of_steps(values)
    return Content(tuple(nets), tuple(copies), tuple(walk.optimizers), values, step, step_key, epoch)


# --- names ------------------------------------------------------------------------------------------------------------

_KEY_ENDINGS = ("_state_dict", "_state", "_dict", "_weights", ".state_dict", ".model")
_UNIFORM_PREFIXES = ("module.", "_orig_mod.")


def without_uniform_prefixes(tensors: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    """Names without the wrappers' prefixes (DataParallel, torch.compile), where every name bears them."""
    names = list(tensors)
    stripped = True
    while stripped:
        stripped = False
        for prefix in _UNIFORM_PREFIXES:
            if names and all(name.startswith(prefix) and len(name) > len(prefix) for name in names):
                names = [name[len(prefix) :] for name in names]
                stripped = True
    return dict(zip(names, tensors.values(), strict=True))


def net_labels(nets: Sequence[Net]) -> tuple[str, ...]:
    """What to put in front of each net's names: nothing where there is one net, else the part of its key that tells it apart."""
    if len(nets) == 1:
        return ("",)
    paths = [net.key.split(".") for net in nets]
    while all(len(path) > 1 for path in paths) and len({path[0] for path in paths}) == 1:
        paths = [path[1:] for path in paths]
    labels = []
    for path in paths:
        label = ".".join(path)
        for ending in _KEY_ENDINGS:
            if label.endswith(ending) and len(label) > len(ending):
                label = label.removesuffix(ending)
                break
        labels.append(label)
    if len(set(labels)) < len(labels):
        labels = [net.key for net in nets]
    return tuple(f"{label}." if label else "" for label in labels)


def joined_nets(nets: Sequence[Net]) -> dict[str, StoredTensor]:
    """All nets' tensors under their final names, in the order of the file."""
    tensors: dict[str, StoredTensor] = {}
    for net, label in zip(nets, net_labels(nets), strict=True):
        for name, tensor in without_uniform_prefixes(net.tensors).items():
            tensors[f"{label}{name}"] = tensor.named(f"{label}{name}")
    return tensors
