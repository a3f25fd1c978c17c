"""Where the names of level lines stand in a plot: at the end, and on the side of the line, where they lie over the fewest curves.

The script places them in the same way when a plot is zoomed.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

LETTER, LINE = 6.2, 13.0
"""Width of a letter and height of a line, in pixels of the drawing."""
_AIR, _STRIDE = 3.0, 6.0
_BELOW = LINE + 2 * _AIR

Anchor: TypeAlias = Literal["start", "middle", "end"]
Drawn: TypeAlias = tuple[Sequence[float], Sequence[float]]
"""x, ascending, and y of each point of a curve, in pixels; a y that is NaN is a gap."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a label stands: its anchor, and its baseline relative to the line."""

    x: float
    anchor: Anchor
    below: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """The panel that holds the labels."""

    left: float
    right: float
    top: float
    bottom: float


@dataclass(frozen=True, slots=True)
class _Box:
    left: float
    right: float
    top: float
    bottom: float


def place_labels(labels: Sequence[tuple[str, float]], curves: Sequence[Drawn], frame: Frame) -> list[Place]:
    """One place for each (text, height of its line).

    Where all places are equally free, a label stands at the right end above its line.
    """
    taken: list[_Box] = []
    places = []
    for index, (text, line) in enumerate(labels):
        others = [height for other, (_, height) in enumerate(labels) if other != index]
        ranked = [(_cost(box, curves, others, taken, frame), place, box) for place, box in _candidates(text, line, frame)]
        _, place, box = min(ranked, key=lambda one: one[0])
        taken.append(box)
        places.append(place)
    return places


def _candidates(text: str, line: float, frame: Frame) -> list[tuple[Place, _Box]]:
    width = len(text) * LETTER
    middle = (frame.left + frame.right) / 2
    anchors: tuple[tuple[float, Anchor, float], ...] = (
        (frame.right - 2, "end", frame.right - 2 - width),
        (frame.left + 4, "start", frame.left + 4),
        (middle, "middle", middle - width / 2),
    )
    return [
        (Place(x, anchor, below), _Box(left, left + width, line + (_AIR if below else -_BELOW), line + (_BELOW if below else -_AIR)))
        for x, anchor, left in anchors
        for below in (False, True)
    ]


def _cost(box: _Box, curves: Sequence[Drawn], lines: Sequence[float], taken: Sequence[_Box], frame: Frame) -> float:
    """Samples along the label at which something else is drawn in its box."""
    if box.top < frame.top - LINE or box.bottom > frame.bottom:
        return math.inf
    samples = [box.left + _STRIDE * index for index in range(math.ceil((box.right - box.left) / _STRIDE) + 1)]
    cost = float(len(samples) * sum(box.top < line < box.bottom for line in lines))
    cost += len(samples) * sum(
        box.left < other.right and other.left < box.right and box.top < other.bottom and other.top < box.bottom for other in taken
    )
    return cost + sum(box.top < _height(curve, x) < box.bottom for curve in curves for x in samples)


def _height(curve: Drawn, x: float) -> float:
    """Height of a curve between its points; NaN beside it, and in a gap."""
    xs, ys = curve
    after = bisect_left(xs, x)
    if after == len(xs) or (after == 0 and xs[0] != x):
        return math.nan
    if xs[after] == x:
        return ys[after]
    share = (x - xs[after - 1]) / (xs[after] - xs[after - 1])
    return ys[after - 1] + share * (ys[after] - ys[after - 1])
