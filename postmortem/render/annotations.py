"""Where the annotations of a line plot lie, and the names of its level lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from postmortem.model import LinePlot, Mark
from postmortem.render.labels import Frame, Place, place_labels
from postmortem.render.scales import Scale, short, spread

FLAG_WIDTH = 18.0
"""Room that the numbered flag of an annotation takes above the plot."""
LEVEL_DASHES = ("5 4", "2 3", "9 3 2 3")
LONGEST_LABEL = 60
"""Letters of a level's name that are drawn; all of it is listed."""


@dataclass(frozen=True, slots=True)
class DrawnMark:
    """One annotation and where it lies; empty strings where it has no such coordinate."""

    number: int
    """As listed beneath the plot, from 1; levels carry their name instead and have 0."""
    mark: Mark
    x: str = ""
    x_end: str = ""
    y: str = ""
    flag: str = ""
    """Centre of the flag: at x, or beside the flag before it where that is too near."""
    shown: bool = True
    """False where it lies off the chart: then it is only listed."""
    label: Place | None = None
    """Where a level's name stands."""
    dash: str = ""
    """Of a level: each has its own."""

    @property
    def width(self) -> str:
        """Width of a span; a thin line where it is only a point wide."""
        return short(max(float(self.x_end) - float(self.x), 1.0)) if self.x and self.x_end else ""


def place_marks(marks: Sequence[Mark], x: Scale, y: Scale, lower: Scale | None) -> tuple[DrawnMark, ...]:
    """Annotations with their places and numbers; flags stand side by side."""
    placed: list[DrawnMark] = []
    number = 0
    for mark in marks:
        number += mark.kind != "level"
        placed.append(_place(number if mark.kind != "level" else 0, mark, x, lower if mark.lower and lower is not None else y))
    flagged = [mark for mark in placed if mark.shown and mark.number]
    centres = dict(zip((mark.number for mark in flagged), spread([float(mark.x) for mark in flagged], FLAG_WIDTH, x.end), strict=True))
    return tuple(replace(mark, flag=short(centres[mark.number])) if mark.number in centres else mark for mark in placed)


def named_levels(marks: Sequence[DrawnMark], plot: LinePlot, x: Scale, y: Scale, lower: Scale | None) -> tuple[DrawnMark, ...]:
    """The marks, with a place for the name of each level that is drawn."""
    found: dict[int, Place] = {}
    for scale, curves, is_lower in ((y, plot.curves, False), (lower, plot.lower, True)):
        levels = [index for index, mark in enumerate(marks) if mark.mark.kind == "level" and mark.shown and mark.mark.lower is is_lower]
        if scale is None or not levels:
            continue
        drawn = [([x(step) for step in curve.steps], [_height(value, scale) for value in curve.values]) for curve in curves]
        texts = [(marks[index].mark.label[:LONGEST_LABEL], float(marks[index].y)) for index in levels]
        found |= zip(levels, place_labels(texts, drawn, Frame(x.start, x.end, scale.end, scale.start)), strict=True)
    order = [index for index, mark in enumerate(marks) if mark.mark.kind == "level"]
    dashes = {index: LEVEL_DASHES[place % len(LEVEL_DASHES)] for place, index in enumerate(order)}
    return tuple(replace(mark, label=found.get(index), dash=dashes.get(index, "")) for index, mark in enumerate(marks))


def _height(value: float, scale: Scale) -> float:
    return scale(value) if math.isfinite(value) else math.nan


def _place(number: int, mark: Mark, x: Scale, y: Scale) -> DrawnMark:
    down = ""
    if mark.value is not None and math.isfinite(mark.value) and y.holds(mark.value):
        down = short(y(mark.value))
    if mark.kind == "level":
        return DrawnMark(number, mark, y=down, shown=bool(down))
    if mark.step is None or not x.low <= mark.step <= x.high:
        return DrawnMark(number, mark, shown=False)
    if mark.kind == "span":
        end = min(x.high, float(mark.step if mark.step_end is None else mark.step_end))
        return DrawnMark(number, mark, x=short(x(mark.step)), x_end=short(x(end)))
    return DrawnMark(number, mark, x=short(x(mark.step)), y=down)
