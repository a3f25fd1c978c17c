"""What a curve looks like: its colour by its role, so that it is the same in every plot, and its dashes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from postmortem.model import Curve

ROLE_COLOURS = {"train": 0, "validation": 1, "learning-rate": 2, "regularization": 3, "gradient-norm": 4, "data": 5}
"""Numbers of the colours that curves of a role have in every plot; curves of other roles take what is free."""
COLOURS = 6

ROLE_DASHES = {"validation": 1, "learning-rate": 2}
DASHES = ("", "7 3", "2 3", "9 3 2 3", "4 2", "12 3 2 3 2 3", "1 2", "14 4")


@dataclass(frozen=True, slots=True)
class Look:
    """What tells a curve from the others of its plot."""

    colour: int
    """Number of its colour."""
    dash: str
    """SVG dash pattern; empty for a whole line."""


def looks_of(curves: Sequence[Curve]) -> tuple[Look, ...]:
    """Colour and dashes of each curve of a plot.

    The first curve of a role has the role's colour in whatever plot it stands; the rest share the colours that are left. No two of as many
    curves as there are dash patterns have the same dashes.
    """
    colours = _shared_out([ROLE_COLOURS.get(curve.role) for curve in curves], COLOURS)
    dashes = _shared_out([ROLE_DASHES.get(curve.role) for curve in curves], len(DASHES))
    return tuple(Look(colour, DASHES[dash]) for colour, dash in zip(colours, dashes, strict=True))


def _shared_out(wanted: Sequence[int | None], count: int) -> list[int]:
    """A number below `count` for each: the wanted one for the first that wants it, for the others what nobody wants, in turn."""
    free = [number for number in range(count) if number not in wanted] or list(range(count))
    found: list[int] = []
    given = 0
    for number in wanted:
        if number is not None and number not in found:
            found.append(number)
        else:
            found.append(free[given % len(free)])
            given += 1
    return found
