"""DeepSpeed's folders: the state that ZeRO spread over ranks as flat vectors, cut into parameters again.

Layout, by DeepSpeed's own converter (`zero_to_fp32.py`) and the writers that it belongs to:
- `mp_rank_00_model_states.pt`: `module` holds the weights, `param_shapes` names and shapes for each param group, in flat order.
- ZeRO 1 and 2, `zero_pp_rank_R_..._optim_states.pt`: each param group is one vector, cut into equal partitions, one for each rank; the
  end is padded. `single_partition_of_fp32_groups` holds rank R's partitions, `base_optimizer_state` the moments of the same extent.
- ZeRO 3: each parameter is cut by itself into one part for each rank, of ceil(n / ranks) elements; rank R's parts of all parameters
  follow each other in `fp32_flat_groups`, which may be several vectors. The weights themselves stand nowhere else.
Nothing is copied: a parameter is a list of strips of the files' vectors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from postmortem.model import Problem
from postmortem.read.checkpoints.pickles import listed
from postmortem.read.checkpoints.pieces import Strip, from_strips
from postmortem.read.checkpoints.stored import StoredTensor, Tree

_BULKY = ("param_shapes", "buffer_names", "frozen_param_shapes", "frozen_param_fragments", "shared_params", "optimizer")
"""Keys of a model's file that describe its parameters, and are no hyper-parameters."""
_Slots: TypeAlias = "dict[str, dict[str, Tree]]"
_Groups: TypeAlias = "Sequence[Mapping[str, tuple[int, ...]]]"
_MASTER = "master"
"""Slot under which the 32-bit copy of a weight goes."""


@dataclass(frozen=True, slots=True, eq=False)
class Assembled:
    """A DeepSpeed checkpoint in the shape of a plain one."""

    tree: Tree
    """`module`, `optimizer` (a state_dict with names) and the plain values."""
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Segment:
    """A vector that stands at `begin` of a longer one."""

    tensor: StoredTensor
    begin: int

    @property
    def end(self) -> int:
        return self.begin + self.tensor.elements


def assemble(source: str, models: Sequence[Tree], optimizers: Sequence[tuple[int, Tree]]) -> Assembled:
    """Join a model's file (ZeRO 3: those of all ranks, in order) with the optimizer files of all ranks.

    `source` is the path that problems show; `optimizers` are pairs of data-parallel rank and content.
    """
    model = _table(models[0]) if models else {}
    plain = {key: value for key, value in model.items() if key not in _BULKY}
    if isinstance(model.get("optimizer"), Mapping):  # without ZeRO the optimizer stands whole beside the model
        plain["optimizer"] = model["optimizer"]
    states = {rank: _table(_table(tree).get("optimizer_state_dict")) for rank, tree in optimizers}
    states = {rank: state for rank, state in states.items() if state}
    if not states:
        return Assembled(plain)
    groups = _shapes(model.get("param_shapes"))
    if not groups:
        note = f"{source} does not tell the shapes of its parameters (param_shapes), so the optimizer state in flat vectors was left out"
        return Assembled(plain, (), (note,))
    first = states[min(states)]
    ranks = max([*_numbers(first.get("partition_count")), max(states) + 1])
    problems = []
    absent = [rank for rank in range(ranks) if rank not in states]
    if absent:
        what = ", ".join(map(str, absent[:8]))
        detail = f"the optimizer states of {len(absent)} of {ranks} ranks are missing (rank {what}): what lay in their partitions is lost"
        problems.append(Problem(source, "truncated", detail))
    zero3 = "fp32_flat_groups" in first
    slots, lost = _zero3_slots(groups, states, ranks) if zero3 else _zero2_slots(groups, states, ranks)
    if lost:
        of_all = f"{len(lost)} of {sum(map(len, groups))} parameters"
        detail = f"{of_all} are not covered by the partitions: their state is lost ({listed(tuple(lost))})"
        problems.append(Problem(source, "truncated", detail))
    inner = _table(first.get("optimizer_state_dict")) if zero3 else first.get("base_optimizer_state")
    plain["optimizer"] = {"state": dict(slots), "param_groups": tuple(_settings(inner, groups))}
    if zero3:
        weights = {name: entry[_MASTER] for name, entry in slots.items() if _MASTER in entry}
        plain["module"] = {**_buffers(model), **_frozen(models, ranks), **weights}
    scale = first.get("loss_scaler")
    if isinstance(scale, Mapping) and isinstance(scale.get("cur_scale"), (int, float)):
        plain["scaler"] = {"scale": scale["cur_scale"]}
    for key in ("overflow", "clip_grad", "zero_stage"):
        if isinstance(first.get(key), (int, float)):
            plain.setdefault(key, first[key])
    return Assembled(plain, tuple(problems))


def _table(value: Tree) -> Mapping[str, Tree]:
    return value if isinstance(value, Mapping) else {}


def _numbers(value: Tree) -> list[int]:
    """A count, or a list with a count for each group."""
    if isinstance(value, tuple):
        return [number for item in value for number in _numbers(item)]
    return [value] if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**20 else []


def _shapes(value: Tree) -> list[dict[str, tuple[int, ...]]]:
    """Names and shapes of each param group, in flat order; empty where the claim makes no sense."""
    tables = value if isinstance(value, tuple) else (value,) if isinstance(value, Mapping) else ()
    groups = []
    for table in tables:
        group: dict[str, tuple[int, ...]] = {}
        for name, shape in _table(table).items():
            lengths = shape[0] if isinstance(shape, tuple) and len(shape) == 1 and isinstance(shape[0], tuple) else shape
            if not isinstance(lengths, tuple) or not all(isinstance(length, int) and 0 <= length < 2**48 for length in lengths):
                return []
            group[name] = tuple(length for length in lengths if isinstance(length, int))
        groups.append(group)
    return groups


def _vectors(state: Mapping[str, Tree], zero3: bool) -> Iterator[tuple[str, list[StoredTensor | None]]]:
    """Slot -> one flat vector for each param group (ZeRO 3: for each sub-group) of one rank."""
    masters = state.get("fp32_flat_groups" if zero3 else "single_partition_of_fp32_groups")
    if isinstance(masters, tuple):
        yield _MASTER, [item if isinstance(item, StoredTensor) else None for item in masters]
    inner: Tree = state.get("optimizer_state_dict") if zero3 else state.get("base_optimizer_state")
    entries = _entries(inner)
    for slot in dict.fromkeys(
        slot for entry in entries for slot, value in entry.items() if isinstance(value, StoredTensor) and value.shape
    ):
        yield slot, [found if isinstance(found := entry.get(slot), StoredTensor) else None for entry in entries]


def _is_vector(value: Tree) -> bool:
    return isinstance(value, StoredTensor) and len(value.shape) == 1


def _entries(inner: Tree) -> list[Mapping[str, Tree]]:
    """The base optimizer's state of each flat group: under numbers, or (elastic checkpoints) in a list."""
    if isinstance(inner, tuple):
        return [_table(entry) for entry in inner]
    state = _table(_table(inner).get("state"))
    return [_table(state[key]) for key in sorted(state, key=lambda key: (len(key), key))]


def _step(inner: Tree, group: int) -> Tree:
    """The count of updates, which stands beside the moments or among the group's settings."""
    entries, settings = _entries(inner), _groups_of(inner)
    for table in (*entries[group : group + 1], *settings[group : group + 1], *entries[:1]):
        step = table.get("step")
        if isinstance(step, (int, float)) or (isinstance(step, StoredTensor) and step.elements == 1):
            return step
    return None


def _groups_of(inner: Tree) -> list[Mapping[str, Tree]]:
    groups = _table(inner).get("param_groups")
    return [_table(group) for group in groups] if isinstance(groups, tuple) else []


def _settings(inner: Tree, groups: _Groups) -> Iterator[dict[str, Tree]]:
    """The optimizer's groups with parameters' names where the file lists its flat vectors."""
    written = _groups_of(inner)
    for place, group in enumerate(groups):
        settings = written[place] if place < len(written) else {}
        yield {**{key: value for key, value in settings.items() if key not in ("params", "step")}, "params": tuple(group)}


def _zero2_slots(groups: _Groups, states: Mapping[int, Mapping[str, Tree]], ranks: int) -> tuple[_Slots, list[str]]:
    """Parameters of all groups cut out of partitions that follow each other rank by rank."""
    slots: _Slots = {name: {} for group in groups for name in group}
    lost: dict[str, None] = {}
    by_rank = {rank: dict(_vectors(state, zero3=False)) for rank, state in states.items()}
    for slot in dict.fromkeys(slot for vectors in by_rank.values() for slot in vectors):
        for place, group in enumerate(groups):
            found = {rank: vectors[slot][place] for rank, vectors in by_rank.items() if slot in vectors and place < len(vectors[slot])}
            parts = {rank: tensor for rank, tensor in found.items() if tensor is not None}
            # All partitions are equally long but the last, from which padding may have been taken off: alone it tells no place.
            length = max((tensor.elements for rank, tensor in parts.items() if rank < ranks - 1), default=0)
            segments = [_Segment(tensor, rank * length) for rank, tensor in sorted(parts.items()) if length or ranks == 1]
            begin = 0
            for name, shape in group.items():
                end = begin + math.prod(shape)
                tensor = _cut(name, shape, segments, begin, end)
                if tensor is None:
                    lost[name] = None
                else:
                    slots[name][slot] = tensor
                begin = end
    _add_steps(slots, groups, states[min(states)].get("base_optimizer_state"))
    return slots, list(lost)


def _zero3_slots(groups: _Groups, states: Mapping[int, Mapping[str, Tree]], ranks: int) -> tuple[_Slots, list[str]]:
    """Parameters put together from one part of each rank."""
    slots: _Slots = {name: {} for group in groups for name in group}
    lost: dict[str, None] = {}
    by_rank = {rank: dict(_vectors(state, zero3=True)) for rank, state in states.items()}
    for slot in dict.fromkeys(slot for vectors in by_rank.values() for slot in vectors):
        rows = {rank: _in_a_row(vectors.get(slot, [])) for rank, vectors in by_rank.items()}
        begin = 0
        for name, shape in ((name, shape) for group in groups for name, shape in group.items()):
            elements = math.prod(shape)
            part = -(-elements // ranks)
            strips: list[Strip] = []
            for rank in range(ranks):
                wanted = max(0, min(part, elements - rank * part))
                strips += _strips(rows.get(rank, []), begin, begin + wanted)
            if sum(strip.end - strip.begin for strip in strips) == elements and len({strip.tensor.dtype for strip in strips}) <= 1:
                slots[name][slot] = from_strips(name, shape, strips[0].tensor.dtype if strips else "float32", strips)
            else:
                lost[name] = None
            begin += part
    _add_steps(slots, groups, states[min(states)].get("optimizer_state_dict"))
    return slots, list(lost)


def _in_a_row(tensors: Sequence[StoredTensor | None]) -> list[_Segment]:
    """One rank's vectors, one behind the other; what follows a vector that is missing has no place and is left out."""
    segments, at = [], 0
    for tensor in tensors:
        if tensor is None:
            break
        segments.append(_Segment(tensor, at))
        at += tensor.elements
    return segments


def _strips(segments: Sequence[_Segment], begin: int, end: int) -> list[Strip]:
    """What segments hold of [begin, end)."""
    return [
        Strip(segment.tensor, max(begin, segment.begin) - segment.begin, min(end, segment.end) - segment.begin)
        for segment in segments
        if segment.begin < end and begin < segment.end
    ]


def _cut(name: str, shape: tuple[int, ...], segments: Sequence[_Segment], begin: int, end: int) -> StoredTensor | None:
    """[begin, end) of the vector that the segments make, as a tensor; None where they do not cover it."""
    strips = _strips(segments, begin, end)
    if sum(strip.end - strip.begin for strip in strips) != end - begin or len({strip.tensor.dtype for strip in strips}) > 1:
        return None
    return from_strips(name, shape, strips[0].tensor.dtype if strips else "float32", strips)


def _add_steps(slots: _Slots, groups: _Groups, inner: Tree) -> None:
    for place, group in enumerate(groups):
        step = _step(inner, place)
        if step is not None:
            for name in group:
                slots[name]["step"] = step


def _buffers(model: Mapping[str, Tree]) -> dict[str, Tree]:
    """What stands whole in the module's table although its parameters do not."""
    names = model.get("buffer_names")
    listed_names = {str(name) for name in names} if isinstance(names, tuple) else set()
    return {name: value for name, value in _table(model.get("module")).items() if name in listed_names}


def _frozen(models: Sequence[Tree], ranks: int) -> dict[str, Tree]:
    """Parameters that are not trained, put together from the fragments in the ranks' model files."""
    shapes = _shapes(_table(models[0]).get("frozen_param_shapes"))
    fragments = [_table(_table(model).get("frozen_param_fragments")) for model in models]
    found: dict[str, Tree] = {}
    for name, shape in (shapes[0] if shapes and len(models) == ranks else {}).items():
        parts = [part for table in fragments if isinstance(part := table.get(name), StoredTensor)]
        strips, left = [], math.prod(shape)
        for part in parts:
            strips.append(Strip(part, 0, min(part.elements, left)))
            left -= strips[-1].end
        if not left and len(parts) == ranks and len({part.dtype for part in parts}) == 1:
            found[name] = from_strips(name, shape, parts[0].dtype, strips)
    return found


def with_parts(tree: Tree, parts: Mapping[str, Tree]) -> Tree:
    """The tree with layers and experts that stand in files of their own (file's name -> content) put into its `module`."""
    if not parts or not isinstance(tree, Mapping):
        return tree
    module = dict(_table(tree.get("module")))
    for name, content in parts.items():
        last = name.rpartition("/")[2]
        # Files of pipeline layers hold bare names; experts bear the whole model's.
        head = f"{last.partition('-')[0]}." if "-model_" in last else ""
        module.update({f"{head}{key}": value for key, value in _table(content).items() if isinstance(value, StoredTensor)})
    return {**tree, "module": module}
