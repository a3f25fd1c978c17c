"""One checkpoint out of the files that the ranks of a job wrote: replicas of each other, or parts of larger tensors.

Names do not tell one from the other for sure, so contents do, tensor by tensor: what is equal or nearly so on all ranks is replicated, and
is kept beside rank 0's so that it can be compared in full; what is unrelated is a part, and is put together along the axis that
shapes or customary names leave as the only one. Where neither leaves one, rank 0's part stands for the tensor, and a note says so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from postmortem.model import Checkpoint, Optimizer, Problem, Replica, Tensor
from postmortem.read.checkpoints.pickles import listed
from postmortem.read.checkpoints.pieces import along_axis
from postmortem.read.checkpoints.rank_names import RankName
from postmortem.read.checkpoints.stored import StoredTensor
from postmortem.read.words import word_set

Likeness: TypeAlias = Literal["equal", "akin", "unlike"]
Layout: TypeAlias = Literal["replicated", "unknown"] | int
"""How a tensor lies over ranks: an axis along which they hold parts, or one of two words."""

_WINDOWS, _WINDOW = 8, 512
_AKIN = 0.5
"""Correlation of deviations from the mean above which two tensors are one tensor that drifted apart. Parts of one tensor have none."""
_MOST = 0.5
_COLUMN = word_set(
    "query_key_value qkv linear_qkv c_attn q_proj k_proj v_proj wq wk wv w1 w3 gate_proj up_proj dense_h_to_4h linear_fc1 fc1 c_fc lm_head "
    "output output_layer word_embeddings embed_in embed_out query key value key_value wi wi_0 wi_1 "
    "intermediate"
)
"""Modules whose weight is cut along its output axis."""
_ROW = word_set("o_proj wo w2 down_proj dense_4h_to_h linear_proj linear_fc2 fc2 dense out_proj c_proj tok_embeddings")
"""Modules whose weight is cut along its input axis; their bias is whole on every rank."""
_EXPERTS = re.compile(r"(?:^|[._])(?:local_|deepspeed_)?experts?[._]\d")


@dataclass(frozen=True, slots=True, eq=False)
class Combined:
    """What the files of several ranks make together."""

    checkpoints: tuple[Checkpoint, ...]
    """One; or all of them as they are, where they are no parts of one."""
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def likeness(one: Tensor, two: Tensor) -> Likeness:
    """Whether two tensors of one shape are equal, are one that drifted apart, or have nothing to do with each other; by a sample."""
    elements = int(np.prod(one.shape, dtype=np.float64))
    starts = sorted({int(start) for start in np.linspace(0, max(0, elements - _WINDOW), _WINDOWS)})
    left = np.concatenate([one.read(start, min(elements, start + _WINDOW)) for start in starts]).astype(np.float64)
    right = np.concatenate([two.read(start, min(elements, start + _WINDOW)) for start in starts]).astype(np.float64)
    if np.array_equal(left, right, equal_nan=True):
        return "equal"
    both = np.isfinite(left) & np.isfinite(right)
    if not both.any():
        return "akin"  # one of them is non-finite throughout: a replica that broke, not a part of anything sound
    left, right = left[both], right[both]
    with np.errstate(all="ignore"):
        left, right = left / np.abs(left).max(), right / np.abs(right).max()
        left, right = left - left.mean(), right - right.mean()
        correlation = float(left @ right / np.sqrt((left @ left) * (right @ right)))
    if np.isfinite(correlation):
        return "akin" if correlation > _AKIN else "unlike"
    return "unlike"


def combine(members: Sequence[tuple[RankName, Checkpoint]]) -> Combined:
    """One checkpoint out of those of all ranks, rank 0 first. All are of one family (see `RankName.family`)."""
    style = members[0][0].style
    if style == "data":
        return _replicas(members)
    stages: dict[int, list[tuple[RankName, Checkpoint]]] = {}
    for name, checkpoint in members:
        stages.setdefault(name.stage, []).append((name, checkpoint))
    parts = [_stage(found, fully_sharded=style == "fully-sharded") for _, found in sorted(stages.items())]
    problems = tuple(problem for part in parts for problem in part.problems)
    notes = tuple(note for part in parts for note in part.notes)
    if len(parts) == 1 or any(len(part.checkpoints) != 1 for part in parts):
        return Combined(tuple(checkpoint for part in parts for checkpoint in part.checkpoints), problems, notes)
    joined = _joined_stages([part.checkpoints[0] for part in parts])
    note = f"{joined.source} and its kin were taken for {len(parts)} stages of one pipeline"
    return Combined((joined,), problems, (*notes, note))


# --- data-parallel ranks ----------------------------------------------------------------------------------------------


def _replicas(members: Sequence[tuple[RankName, Checkpoint]]) -> Combined:
    first = members[0][1]
    everything = tuple(checkpoint for _, checkpoint in members)
    steps = {checkpoint.step for checkpoint in everything if checkpoint.step is not None}
    epochs = {checkpoint.epoch for checkpoint in everything if checkpoint.epoch is not None}
    if len(steps) > 1 or len(epochs) > 1:
        told = f"steps {sorted(steps)}" if len(steps) > 1 else f"epochs {sorted(epochs)}"
        return Combined(everything, (), (f"{first.source} and its kin are named after ranks, but are of {told}: not compared as replicas",))
    outline = {name: tensor.shape for name, tensor in first.tensors.items()}
    found, unlike = [], []
    for name, checkpoint in members[1:]:
        same = [key for key, tensor in checkpoint.tensors.items() if outline.get(key) == tensor.shape]
        judged = [likeness(first.tensors[key], checkpoint.tensors[key]) for key in same if int(np.prod(outline[key])) > 1]
        if len(same) < _MOST * max(len(outline), len(checkpoint.tensors)) or judged.count("unlike") > _MOST * len(judged):
            unlike.append(checkpoint.source)
        else:
            tensors = {key: checkpoint.tensors[key] for key in same if not _EXPERTS.search(key)}
            found.append(Replica(name.label, checkpoint.source, tensors))
    if unlike:
        note = (
            f"{first.source} and {listed(tuple(unlike))} are named after ranks, but most of their tensors have nothing in common: parts of "
            "one model, or models that were never synchronized, which files do not tell apart; not compared"
        )
        return Combined(everything, (), (note,))
    size = sum(checkpoint.bytes for checkpoint in everything)
    note = f"{first.source} and the files of {len(found)} other ranks were taken for replicas: tensors agree in shape and nearly in content"
    return Combined((replace(first, bytes=size, replicas=tuple(found)),), (), (note,))


# --- tensor-parallel ranks --------------------------------------------------------------------------------------------


def _stage(members: Sequence[tuple[RankName, Checkpoint]], *, fully_sharded: bool) -> Combined:
    """All tensor-parallel ranks of one stage."""
    first = members[0][1]
    steps = {checkpoint.step for _, checkpoint in members if checkpoint.step is not None}
    if len(members) == 1:
        return Combined((first,))
    if len(steps) > 1:
        detail = f"the ranks' parts are of different steps ({', '.join(map(str, sorted(steps)))}), and make no checkpoint together"
        return Combined(tuple(checkpoint for _, checkpoint in members), (Problem(first.source, "corrupt", detail),))
    layouts = {name: _likely_layout(name, members, fully_sharded) for name in first.tensors}
    layouts = _settled(layouts, first.tensors, len(members))
    tensors = {name: _assembled(name, [checkpoint.tensors for _, checkpoint in members], layouts[name]) for name in first.tensors}
    optimizers = tuple(_optimizer(index, members, layouts) for index in range(len(first.optimizers)))
    replicas = tuple(
        Replica(name.label, checkpoint.source, {key: checkpoint.tensors[key] for key, layout in layouts.items() if layout == "replicated"})
        for name, checkpoint in members[1:]
    )
    size = sum(checkpoint.bytes for _, checkpoint in members)
    whole = replace(first, tensors=tensors, optimizers=optimizers, replicas=replicas, bytes=size, averages={})
    return Combined((whole,), (), (_told(first.source, len(members), layouts),))


def _told(source: str, ranks: int, layouts: Mapping[str, Layout]) -> str:
    replicated = sum(layout == "replicated" for layout in layouts.values())
    unknown = [name for name, layout in layouts.items() if layout == "unknown"]
    cut = len(layouts) - replicated - len(unknown)
    taken = f"{source} and its kin were taken for {ranks} parts of one model"
    note = f"{taken}: {cut} tensors put together, {replicated} equal or nearly so on all"
    if unknown:
        why = "because nothing tells along which axis they are cut"
        note += f", and of {len(unknown)} the part of rank 0 only, {why} ({listed(tuple(unknown))})"
    return note


def _likely_layout(name: str, members: Sequence[tuple[RankName, Checkpoint]], fully_sharded: bool) -> Layout:
    """What contents and shapes alone say of one tensor; an axis only where shapes differ."""
    found = [checkpoint.tensors.get(name) for _, checkpoint in members]
    tensors = [tensor for tensor in found if tensor is not None]
    if len(tensors) < len(members) or _EXPERTS.search(name):
        return "unknown"
    shapes = [tensor.shape for tensor in tensors]
    if len({len(shape) for shape in shapes}) > 1:
        return "unknown"
    differ = [axis for axis in range(len(shapes[0])) if len({shape[axis] for shape in shapes}) > 1]
    if differ:
        return differ[0] if len(differ) == 1 else "unknown"
    if not shapes[0] or all(likeness(tensors[0], tensor) != "unlike" for tensor in tensors[1:]):
        return "replicated"
    return 0 if fully_sharded or len(shapes[0]) == 1 else "unknown"


def _settled(layouts: Mapping[str, Layout], tensors: Mapping[str, Tensor], ranks: int) -> dict[str, Layout]:
    """Axes of matrices from the model's width, which whole vectors tell, then from customary names; biases go with their weights."""
    widths = Counter(tensors[name].shape[0] for name, layout in layouts.items() if layout == "replicated" and len(tensors[name].shape) == 1)
    width = widths.most_common(1)[0][0] if widths else None
    settled = dict(layouts)
    for name, layout in layouts.items():
        shape = tensors[name].shape
        if layout != "unknown" or len(shape) < 2 or _EXPERTS.search(name):
            continue
        settled[name] = _axis_by_width(shape, width, ranks)
        if settled[name] == "unknown":
            settled[name] = _axis_by_name(name)
    for name, layout in layouts.items():
        stem, _, last = name.rpartition(".")
        weight = settled.get(f"{stem}.weight")
        if last == "bias" and layout == 0 and weight == 1:
            settled[name] = "unknown"  # the bias of outputs that are summed over ranks is whole on each, and yet these are not alike
        if last == "bias" and layout == "replicated" and weight == 0 and tensors[name].shape[0] == tensors[f"{stem}.weight"].shape[0]:
            settled[name] = 0  # all zero still, or it would differ from rank to rank
    return settled


def _axis_by_width(shape: tuple[int, ...], width: int | None, ranks: int) -> Layout:
    """The one axis whose cutting leaves a matrix with the model's width at the other, where there is one."""
    if width is None or len(shape) != 2:
        return "unknown"
    whole_inputs, whole_outputs = shape[1] == width, shape[0] == width or shape[1] * ranks == width
    if whole_inputs != whole_outputs:
        return 0 if whole_inputs else 1
    return "unknown"


def _axis_by_name(name: str) -> Layout:
    parts = set(name.split("."))
    column, row = bool(parts & _COLUMN), bool(parts & _ROW)
    return "unknown" if column == row else 0 if column else 1


def _assembled(name: str, ranks: Sequence[Mapping[str, Tensor]], layout: Layout) -> Tensor:
    """A tensor out of its parts; rank 0's where it is whole there, or where parts cannot be joined."""
    first = ranks[0][name]
    if not isinstance(layout, int):
        return first
    parts = [tensor for tensors in ranks if isinstance(tensor := tensors.get(name), StoredTensor)]
    if len(parts) != len(ranks) or len({part.dtype for part in parts}) != 1 or any(len(part.shape) != len(first.shape) for part in parts):
        return first
    return along_axis(name, parts, layout)


def _optimizer(index: int, members: Sequence[tuple[RankName, Checkpoint]], layouts: Mapping[str, Layout]) -> Optimizer:
    """Rank 0's optimizer with its slots put together as the parameters are."""
    first = members[0][1].optimizers[index]
    others = [checkpoint.optimizers[index] for _, checkpoint in members[1:] if index < len(checkpoint.optimizers)]
    if len(others) != len(members) - 1:
        return first
    slots: dict[str, dict[str, Tensor]] = {}
    for parameter, own in first.slots.items():
        ranks = [own, *(other.slots.get(parameter, {}) for other in others)]
        layout = layouts.get(parameter, "unknown")
        shapes = {slot: len(tensor.shape) for slot, tensor in own.items()}
        slots[parameter] = {
            slot: _assembled(slot, ranks, layout if isinstance(layout, int) and layout < shapes[slot] else "unknown") for slot in own
        }
    return replace(first, slots=slots)


# --- stages of a pipeline ---------------------------------------------------------------------------------------------


def _joined_stages(stages: Sequence[Checkpoint]) -> Checkpoint:
    """All stages as one checkpoint. Where stages number their layers from 0 each, names get the stage in front."""
    names = Counter(name for stage in stages for name in stage.tensors)
    heads = [f"stage{number}." if max(names.values(), default=0) > 1 else "" for number in range(len(stages))]
    first = stages[0]
    tensors = {
        f"{head}{name}": _named(tensor, f"{head}{name}")
        for head, stage in zip(heads, stages, strict=True)
        for name, tensor in stage.tensors.items()
    }
    optimizers = tuple(_under(optimizer, head) for head, stage in zip(heads, stages, strict=True) for optimizer in stage.optimizers)
    replicas = tuple(
        replace(each, tensors={f"{head}{name}": tensor for name, tensor in each.tensors.items()})
        for head, stage in zip(heads, stages, strict=True)
        for each in stage.replicas
    )
    return replace(first, tensors=tensors, optimizers=optimizers, replicas=replicas, bytes=sum(stage.bytes for stage in stages))


def _named(tensor: Tensor, name: str) -> Tensor:
    return tensor.named(name) if isinstance(tensor, StoredTensor) else tensor


def _under(optimizer: Optimizer, head: str) -> Optimizer:
    return replace(
        optimizer,
        name=f"{head}{optimizer.name}",
        group_of={f"{head}{name}": group for name, group in optimizer.group_of.items()},
        slots={f"{head}{name}": slots for name, slots in optimizer.slots.items()},
        steps={f"{head}{name}": step for name, step in optimizer.steps.items()},
    )
