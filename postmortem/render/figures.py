"""Geometry of line plots: path data, panels, the whole. Pure functions from exhibits to coordinates.

A plot is laid out in a fixed box that scales with the page. Nothing here knows a theme or writes markup.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from postmortem.model import Curve, LinePlot
from postmortem.render.annotations import DrawnMark, named_levels, place_marks
from postmortem.render.labels import LETTER
from postmortem.render.looks import Look, looks_of
from postmortem.render.scales import Scale, axis, log_ticks, short, ticks

WIDTH = 720.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 10.0, 38.0, 38.0
"""Above the upper panel stand the flags and the name of its axis, below the lower one the steps and the word for them."""
UPPER_HEIGHT, LOWER_HEIGHT, PANEL_GAP = 240.0, 60.0, 38.0

SPARK_WIDTH, SPARK_HEIGHT = 120.0, 28.0

FEW_POINTS = 60
"""A curve with no more points than this gets a dot at each, so that sparse logging is seen to be sparse."""


def path_data(steps: Sequence[int], values: Sequence[float], x: Scale, y: Scale) -> str:
    """SVG path of a curve. Non-finite values lift the pen; of a pixel column, the first, lowest, highest and last point are drawn.

    Points stand relative to the one before, in tenths of a pixel that add up exactly: half the bytes of a path of places.
    """
    strokes: list[list[tuple[float, float]]] = [[]]
    column: list[tuple[float, float]] = []

    def flush() -> None:
        strokes[-1].extend(_first_extremes_last(column))
        column.clear()

    for step, value in zip(steps, values, strict=True):
        down = y(value) if math.isfinite(value) else math.nan
        if math.isnan(down):
            flush()
            strokes.append([])
            continue
        across = x(step)
        if column and round(across) != round(column[0][0]):
            flush()
        column.append((across, down))
    flush()
    return "".join(map(_stroke, filter(None, strokes)))


def _stroke(points: Sequence[tuple[float, float]]) -> str:
    start, moves = _moves(points)
    return f"M{_listed(start)}" + ("l" if moves else "") + _listed([part for move in moves for part in move])


def _dots(points: Sequence[tuple[float, float]]) -> str:
    """Strokes of no length, which round ends make dots of."""
    if not points:
        return ""
    start, moves = _moves(points)
    return f"M{_listed(start)}h0" + "".join(f"m{_listed(move)}h0" for move in moves)


def _moves(points: Sequence[tuple[float, float]]) -> tuple[tuple[int, int], list[tuple[int, int]]]:
    """The first point, and from each to the next, in tenths."""
    tenths = [(round(across * 10), round(down * 10)) for across, down in points]
    return tenths[0], [(after[0] - before[0], after[1] - before[1]) for before, after in pairwise(tenths)]


def _listed(tenths: Sequence[int]) -> str:
    """Numbers with a space only where nothing else parts them: a minus sign does, and so does a second point."""
    if not tenths:
        return ""
    written = [_tenths(each) for each in tenths]
    parted = (after[0] == "-" or (after[0] == "." and "." in before) for before, after in pairwise(written))
    return "".join(text if alone else f" {text}" for text, alone in zip(written, (True, *parted), strict=True))


def _tenths(count: int) -> str:
    """A number of tenths as SVG reads it: `.5`, `-12`, `3.4`."""
    whole, tenth = divmod(abs(count), 10)
    return ("-" if count < 0 else "") + (f"{whole}.{tenth}" if whole and tenth else f".{tenth}" if tenth else f"{whole}")


def _first_extremes_last(column: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    if len(column) <= 4:
        return list(column)
    order = range(len(column))
    kept = {0, len(column) - 1, min(order, key=lambda index: column[index][1]), max(order, key=lambda index: column[index][1])}
    return [column[index] for index in sorted(kept)]


# --- line plots -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DrawnCurve:
    """One curve of a line plot."""

    look: Look
    curve: Curve
    path: str
    dots: str
    """Path of the points themselves, where there are few."""
    gaps: tuple[tuple[str, str], ...]
    """Places of non-finite values: (x, word for them)."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One of the two plots above each other."""

    name: str
    top: float
    bottom: float
    axis: str
    """What the axis beside it counts."""
    log: bool
    ticks: tuple[tuple[str, float], ...]
    """(y, value)."""
    curves: tuple[DrawnCurve, ...]


@dataclass(frozen=True, slots=True)
class LineDrawing:
    """A line plot, laid out."""

    width: float
    height: float
    left: float
    right: float
    panels: tuple[Panel, ...]
    x_ticks: tuple[tuple[str, float], ...]
    marks: tuple[DrawnMark, ...]
    looks: tuple[Look, ...]
    """One a curve, upper panel first."""
    points: int
    """Points before thinning, in all curves."""
    drawn: int
    """Points after it."""

    def kept_in(self, x: str, text: str) -> str:
        """Where a text centred at x stands so that it does not leave the drawing."""
        return short(min(float(x), self.width - len(text) * LETTER / 2))

    @property
    def thinned(self) -> bool:
        """Whether fewer points are drawn than there were."""
        return self.drawn < self.points

    @property
    def has_gaps(self) -> bool:
        """Whether some value is NaN or infinite."""
        return any(curve.gaps for panel in self.panels for curve in panel.curves)


def draw_lines(plot: LinePlot) -> LineDrawing:
    """Lays out a line plot."""
    curves = (*plot.curves, *plot.lower)
    looks = looks_of(curves)
    steps = [step for curve in curves for step in curve.steps]
    x = axis(map(float, steps), LEFT, WIDTH - RIGHT, margin=0.0) if steps else Scale(0.0, 1.0, LEFT, WIDTH - RIGHT)
    upper_bottom = TOP + UPPER_HEIGHT
    y = axis([*_all_values(plot.curves), *near_levels(plot)], upper_bottom, TOP, plot.log)
    lower = None
    panels = [_panel("upper", plot.curves, looks[: len(plot.curves)], x, y, axis_name(plot))]
    height = upper_bottom + BOTTOM
    if plot.lower:
        top = upper_bottom + PANEL_GAP
        # From zero, where nothing lies below it: a constant rate is then seen to be one.
        lower = axis([0.0, *_all_values(plot.lower), *near_levels(plot, lower=True)], top + LOWER_HEIGHT, top)
        panels.append(_panel("lower", plot.lower, looks[len(plot.curves) :], x, lower, plot.lower_unit or plot.lower[0].label))
        height += PANEL_GAP + LOWER_HEIGHT
    return LineDrawing(
        width=WIDTH,
        height=height,
        left=LEFT,
        right=WIDTH - RIGHT,
        panels=tuple(panels),
        x_ticks=tuple((short(x(tick)), tick) for tick in ticks(x.low, x.high, 7) if tick == int(tick)),
        marks=named_levels(place_marks(plot.marks, x, y, lower), plot, x, y, lower),
        looks=looks,
        points=sum(curve.points for curve in curves),
        drawn=len(steps),
    )


def axis_name(plot: LinePlot) -> str:
    """What the upper axis counts: its unit, or what kind of plot it is."""
    return plot.unit or ("loss" if plot.id == "regularization" else plot.id.replace("-", " "))


def near_levels(plot: LinePlot, lower: bool = False) -> list[float]:
    """Levels worth making room for: those that do not squeeze the curves into less than half of their panel."""
    log = plot.log and not lower
    shown = [value for value in _all_values(plot.lower if lower else plot.curves) if math.isfinite(value) and (value > 0 or not log)]
    wanted = (mark.value for mark in plot.marks if mark.kind == "level" and mark.lower is lower)
    levels = [value for value in wanted if value is not None and math.isfinite(value)]
    if not shown or log:
        return [level for level in levels if level > 0]
    low, high = min(shown), max(shown)
    room = (high - low) or abs(high) or 1.0
    return [level for level in levels if low - room <= level <= high + room]


def _all_values(curves: Iterable[Curve]) -> list[float]:
    return [value for curve in curves for value in curve.values]


def _panel(name: str, curves: Sequence[Curve], looks: Sequence[Look], x: Scale, y: Scale, counts: str) -> Panel:
    count = 5 if name == "upper" else 3
    levels = log_ticks(y.low, y.high, count) if y.log else ticks(y.low, y.high, count)
    drawn = tuple(_draw_curve(look, curve, x, y) for look, curve in zip(looks, curves, strict=True))
    return Panel(name, y.end, y.start, counts, y.log, tuple((short(y(level)), level) for level in levels), drawn)


def _draw_curve(look: Look, curve: Curve, x: Scale, y: Scale) -> DrawnCurve:
    dots: list[tuple[float, float]] = []
    gaps: list[tuple[str, str]] = []
    for step, value in zip(curve.steps, curve.values, strict=True):
        if not math.isfinite(value):
            place = (f"{x(step):.0f}", "NaN" if math.isnan(value) else "infinite")
            # Neighbours on the same pixel would be drawn over each other.
            if place not in gaps[-1:]:
                gaps.append(place)
        elif len(curve.steps) <= FEW_POINTS and not math.isnan(y(value)):
            dots.append((x(step), y(value)))
    return DrawnCurve(look, curve, path_data(curve.steps, curve.values, x, y), _dots(dots), tuple(gaps))


def sparkline(curve: Curve) -> str:
    """Path of a small picture of a curve; empty where nothing of it can be drawn."""
    if not curve.steps:
        return ""
    finite = [value for value in curve.values if math.isfinite(value)]
    # Values over several decades would show nothing but their first point.
    log = bool(finite) and min(finite) > 0 and max(finite) > 100 * min(finite)
    x = axis(map(float, curve.steps), 2, SPARK_WIDTH - 2, margin=0.0)
    return path_data(curve.steps, curve.values, x, axis(curve.values, SPARK_HEIGHT - 3, 3, log, margin=0.0))
