"""Joins numbered entries to parameters: by position, by the ways in which scripts split groups, or by the only way that shapes leave.

Torch numbers parameters in the order in which they were passed. That order is the state_dict's without its buffers, unless groups
were split (weights decayed, biases not) or only a part was passed. Every join is held against the shapes of the slots; one that could
be made in two ways is not made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from postmortem.read.checkpoints.group_order import split_of
from postmortem.read.checkpoints.orderless import align
from postmortem.read.checkpoints.pickles import listed

Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A trainable tensor of a net, as far as a file tells."""

    name: str
    shape: Shape


_TOKENS = ("pos_embed", "cls_token", "dist_token", "position_embeddings", "relative_position_bias_table")


def _is_norm(parameter: Parameter) -> bool:
    return "norm" in parameter.name.lower() or ".ln" in f".{parameter.name}"


def _is_token(parameter: Parameter) -> bool:
    return parameter.name.rsplit(".", 1)[-1] in (
        "pos_embed",
        "cls_token",
        "dist_token",
        "position_embeddings",
        "relative_position_bias_table",
    )


def _anything(parameter: Parameter) -> bool:
    return bool(parameter.name)


# How training scripts split parameters into a group that is decayed and one that is not.
_SPLITS: tuple[tuple[str, Callable[[Parameter], bool]], ...] = (
    ("tensors with one axis", lambda parameter: len(parameter.shape) < 2),
    ("tensors with one axis and embeddings of positions and classes", lambda parameter: len(parameter.shape) < 2 or _is_token(parameter)),
    ("names with bias and norms", lambda parameter: "bias" in parameter.name or _is_norm(parameter)),
    ("biases and norms", lambda parameter: parameter.name.endswith("bias") or _is_norm(parameter)),
    ("biases", lambda parameter: parameter.name.endswith("bias")),
)


@dataclass(frozen=True, slots=True)
class Join:
    """Which entry is which parameter's."""

    names: Mapping[str, str]
    """Entry's id -> parameter's name."""
    how: str


def _by_position(ids: list[list[str]], shapes: Mapping[str, Shape | None], parameters: Sequence[Parameter]) -> Join | str:
    """Join numbered entries to parameters, or say why that cannot be done."""
    flat = [number for group in ids for number in group]
    known = [shapes[number] for number in flat]
    if len(flat) == len(parameters) and all(shape in (None, parameter.shape) for shape, parameter in zip(known, parameters, strict=True)):
        told = sum(shape is not None for shape in known)
        how = f"by position among the parameters; {told} of {len(flat)} shapes agree, the others have no state"
        if told == len(flat):
            how = "by position among the parameters; all shapes agree"
        return Join({number: parameter.name for number, parameter in zip(flat, parameters, strict=True)}, how)
    for what, belongs in _SPLITS:
        for first in (True, False):
            split = [parameter for parameter in parameters if belongs(parameter) == first]
            split += [parameter for parameter in parameters if belongs(parameter) != first]
            if len(ids) == 2 and len(flat) == len(split) and [parameter.shape for parameter in split] == known:
                pairs = zip(flat, split, strict=True)
                return Join(
                    {number: parameter.name for number, parameter in pairs},
                    f"by position, {what} in a group of their own; all shapes agree",
                )
    names = _by_depth(ids, shapes, parameters) if len(ids) > 2 and len(flat) == len(parameters) else {}
    if names:
        return Join(names, f"by position, {len(ids)} groups by depth and decay; all shapes agree")
    dealt = split_of([[shapes[number] for number in group] for group in ids], [parameter.shape for parameter in parameters])
    if dealt is None:
        return _by_unlike_shapes(flat, shapes, parameters)
    waiting = [iter(group) for group in ids]
    found = {next(waiting[group]): one.name for group, one in zip(dealt.group_of, parameters, strict=True) if group >= 0}
    how = f"by position within each of {len(ids)} groups" if len(ids) > 1 else "by order and shape"
    only = "groups open in the net's order and shapes agree" if dealt.in_turn else "shapes agree"
    left = len(parameters) - len(found)
    unlisted = f"; {left} of {len(parameters)} parameters are not listed" if left or len(ids) == 1 else ""
    return Join(found, f"{how}, the only way in which {only}{unlisted}")


def _depths(parameters: Sequence[Parameter]) -> list[str]:
    """How layer-wise learning rates see a net: each numbered block for itself, what stands before them all, and what stands behind."""
    blocks = []
    for parameter in parameters:
        parts = parameter.name.split(".")
        number = next((place for place, part in enumerate(parts) if part.isdigit()), None)
        blocks.append(None if number is None else ".".join(parts[: number + 1]))
    numbered = [place for place, block in enumerate(blocks) if block is not None]
    last = numbered[-1] if numbered else -1
    return [block or ("behind" if place > last else "before") for place, block in enumerate(blocks)]


def _by_depth(ids: list[list[str]], shapes: Mapping[str, Shape | None], parameters: Sequence[Parameter]) -> dict[str, str]:
    """Groups by depth, or by depth and decay, in the order in which a loop over the net meets them; empty where these are not they."""
    depths = _depths(parameters)
    for belongs in (_anything, *(belongs for _, belongs in _SPLITS)):
        dealt: dict[tuple[str, bool], list[Parameter]] = {}
        for depth, parameter in zip(depths, parameters, strict=True):
            dealt.setdefault((depth, belongs(parameter)), []).append(parameter)
        pairs = [list(zip(group, members, strict=False)) for group, members in zip(ids, dealt.values(), strict=False)]
        sizes = [len(members) for members in dealt.values()] == [len(group) for group in ids]
        if sizes and all(shapes[number] in (None, member.shape) for group in pairs for number, member in group):
            return {number: member.name for group in pairs for number, member in group}
    return {}


def _by_unlike_shapes(flat: list[str], shapes: Mapping[str, Shape | None], parameters: Sequence[Parameter]) -> Join | str:
    """Join by shape alone where no two parameters, and no two entries, have the same one."""
    wanted = [shapes[number] for number in flat]
    by_shape = {parameter.shape: parameter.name for parameter in parameters}
    told = [shape for shape in wanted if shape is not None]
    if len(by_shape) == len(parameters) and len(set(told)) == len(flat) and all(shape in by_shape for shape in told):
        return Join({number: by_shape[shape] for number, shape in zip(flat, told, strict=True)}, "by shape, of which no two are alike")
    if any(shape not in by_shape for shape in told):
        odd = next(shape for shape in told if shape not in by_shape)
        return f"not joined: it holds state of shape {odd}, which no parameter has"
    return f"not joined: its {len(flat)} entries fit the {len(parameters)} parameters in no order, or in more than one"


def _memberships(ids: list[list[str]], parameters: Sequence[Parameter]) -> Iterator[list[tuple[str, Shape, int]]]:
    """Ways in which parameters may be split into the groups: all in one, or as training scripts split them in two."""
    filled = [place for place, group in enumerate(ids) if group]
    if len(filled) == 1:
        yield [(parameter.name, parameter.shape, filled[0]) for parameter in parameters]
    elif len(filled) == 2:
        seen: set[tuple[int, ...]] = set()
        for _, belongs in _SPLITS:
            inside = [belongs(parameter) for parameter in parameters]
            for first in (True, False):
                places = tuple(filled[0] if one == first else filled[1] for one in inside)
                if places not in seen and all(places.count(place) == len(ids[place]) for place in filled):
                    seen.add(places)
                    yield [(one.name, one.shape, place) for one, place in zip(parameters, places, strict=True)]


def _parts(count: int, parameters: Sequence[Parameter]) -> list[Sequence[Parameter]]:
    """Parts of a net that an optimizer of `count` entries may have been given: all of it, an adapter, one module, all but one."""
    if count == len(parameters):
        return [parameters]
    adapters = [one for one in parameters if "lora_" in one.name]
    prefixes = dict.fromkeys(".".join(one.name.split(".")[:depth]) + "." for one in parameters for depth in (1, 2))
    found: list[Sequence[Parameter]] = [adapters]
    for prefix in prefixes:
        found.append([one for one in parameters if one.name.startswith(prefix)])
        found.append([one for one in parameters if not one.name.startswith(prefix)])
    unlike = {tuple(one.name for one in part): part for part in found if len(part) == count}
    return list(unlike.values())


def _without_order(ids: list[list[str]], shapes: Mapping[str, Shape | None], parameters: Sequence[Parameter], order: str) -> Join | str:
    """Join entries to parameters of which the file keeps no order, as far as names and shapes prove it."""
    flat = [number for group in ids for number in group]
    groups = [[(number, shapes[number]) for number in group] for group in ids]
    found = []
    for part in _parts(len(flat), parameters)[:200]:
        found += [one for split in _memberships(ids, part) if (one := align(groups, split)) is not None]
    if not found:
        return _by_unlike_shapes(flat, shapes, parameters)
    names = {number: name for number, name in found[0].names.items() if all(one.names.get(number) == name for one in found)}
    if not names:
        return f"not joined: the file keeps no order of names, and its {len(flat)} entries fit the parameters in more than one"
    left = len(flat) - len(names)
    also = f", {found[0].usual} of them in the order in which published models make them" if found[0].usual else ""
    how = f"by shapes and by position{order}{also}"
    if not left:
        return Join(names, f"{how}; {'that leaves' if found[0].usual else 'there is'} one way only")
    open_names = [name for name in (one.name for one in parameters) if name not in set(names.values())]
    kept = {number: f"#{number}" for number in flat if number not in names}
    lost = f"{left} of {len(flat)} entries fit more than one parameter and keep their numbers ({listed(tuple(open_names))})"
    return Join({**names, **kept}, f"{how}; {lost}")


def join_numbers(ids: list[list[str]], shapes: Mapping[str, Shape | None], parameters: Sequence[Parameter], order: str) -> Join | str:
    """Join numbered entries, listed by group, to parameters; or say why that cannot be done.

    `shapes` tells the shape of an entry's parameter where its state does. `order` is empty where the parameters stand in the order of the
    net; else it says how they were ordered, and only what names and shapes prove is joined.
    """
    return _without_order(ids, shapes, parameters, order) if order else _by_position(ids, shapes, parameters)
