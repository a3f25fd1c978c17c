"""Finds which parameter belongs to which group of an optimizer, where each group lists its own in the order of the net.

Layer-wise learning rates, decayed and undecayed tensors, head and body: scripts split parameters in many ways, but within a group they
keep the net's order, and shapes must agree. A split that can be made in two ways is not made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

Shape: TypeAlias = tuple[int, ...]
Pointers: TypeAlias = tuple[int, ...]

_MAX_WORK = 1_000_000
"""Groups times states looked at; more of them means that shapes tell next to nothing."""


@dataclass(frozen=True, slots=True)
class Split:
    """The one way in which groups and parameters go together."""

    group_of: tuple[int, ...]
    """Group of each parameter; -1 where no group lists it."""
    in_turn: bool
    """It is the only way only because groups are listed in the order of their first parameters."""


def _ways(groups: Sequence[Sequence[Shape | None]], parameters: Sequence[Shape], in_turn: bool) -> tuple[int, tuple[int, ...]]:
    """How many ways there are (2 for more than one, -1 for too many to look at), and one of them."""
    total = sum(len(group) for group in groups)
    spare = len(parameters) - total
    start = (0,) * len(groups)
    work = 0
    layers: list[dict[Pointers, tuple[int, int, Pointers]]] = [{start: (1, -1, start)}]
    for index, shape in enumerate(parameters):
        following: dict[Pointers, tuple[int, int, Pointers]] = {}
        for state, (ways, _, _) in layers[-1].items():
            options = [(-1, state)] if index - sum(state) < spare else []
            for place, group in enumerate(groups):
                if state[place] < len(group) and group[state[place]] in (None, shape):
                    options.append((place, (*state[:place], state[place] + 1, *state[place + 1 :])))
                if in_turn and state[place] == 0 and group:
                    break  # the next group opens only after this one has
            for place, after in options:
                before = following.get(after)
                following[after] = (ways, place, state) if before is None else (min(2, before[0] + ways), *before[1:])
        work += len(following) * len(groups)
        if work > _MAX_WORK:
            return -1, ()
        layers.append(following)
    state = tuple(len(group) for group in groups)
    if state not in layers[-1]:
        return 0, ()
    ways, found = layers[-1][state][0], []
    for layer in reversed(layers[1:]):
        _, place, state = layer[state]
        found.append(place)
    return ways, tuple(reversed(found))


def split_of(groups: Sequence[Sequence[Shape | None]], parameters: Sequence[Shape]) -> Split | None:
    """The only way to deal parameters to groups in order; None where there is none, or more than one.

    Of several ways the one counts in which groups open in the order of their first parameters, as a loop over the net makes them, if
    there is only one such, and none in which they open from the net's end.
    """
    if not groups or sum(len(group) for group in groups) > len(parameters):
        return None
    ways, found = _ways(groups, parameters, in_turn=False)
    if ways == 1:
        return Split(found, in_turn=False)
    if ways == 0 or len(groups) < 2:
        return None
    ways, found = _ways(groups, parameters, in_turn=True)
    if ways != 1:
        return None
    last = len(groups) - 1
    ways, reverse = _ways(list(reversed(groups)), parameters, in_turn=True)
    if ways not in (0, 1) or (ways == 1 and tuple(last - place if place >= 0 else -1 for place in reverse) != found):
        return None
    return Split(found, in_turn=True)
