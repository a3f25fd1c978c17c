"""Geometry of line plots: scales, ticks, path data, annotations. Pure functions from exhibits to coordinates.

A plot is laid out in a fixed box that scales with the page. Nothing here knows a theme or writes markup.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from postmortem.model import Curve, LinePlot, Mark
from postmortem.render.looks import Look, looks_of

WIDTH = 720.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 10.0, 38.0, 38.0
"""Above the upper panel stand the flags and the name of its axis, below the lower one the steps and the word for them."""
UPPER_HEIGHT, LOWER_HEIGHT, PANEL_GAP = 240.0, 60.0, 38.0
FLAG_WIDTH = 18.0
"""Room that the numbered flag of an annotation takes above the plot."""

SPARK_WIDTH, SPARK_HEIGHT = 120.0, 28.0

_HUGE = 1e250
"""Farthest from zero that a scale reaches: beyond it, the range itself would overflow."""

FEW_POINTS = 60
"""A curve with no more points than this gets a dot at each, so that sparse logging is seen to be sparse."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps data in [low, high] onto [start, end] on the page, linearly or by logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Position of a value; one that a logarithm cannot take has none (NaN)."""
        if self.log:
            if value <= 0:
                return math.nan
            share = (math.log10(value) - math.log10(self.low)) / (math.log10(self.high) - math.log10(self.low))
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Whether the value lies on the page."""
        return self.low <= value <= self.high and (value > 0 or not self.log)


def ticks(low: float, high: float, count: int) -> list[float]:
    """About `count` round numbers (1, 2 or 5 times a power of ten apart) within [low, high]."""
    if not high > low:
        return [low]
    rough = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    # Multiples of the step, rounded to its digits: 0.30000000000000004 would be printed as it is.
    digits = max(0, 1 - math.floor(math.log10(step)))
    return [round(index * step, digits) for index in range(first, last + 1)]


def log_ticks(low: float, high: float, count: int) -> list[float]:
    """Powers of ten within [low, high], thinned to about `count`; round numbers where there are fewer than two."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last - first < 1:
        return [tick for tick in ticks(low, high, count) if tick > 0]
    every = math.ceil((last - first + 1) / count)
    return [10.0**exponent for exponent in range(first, last + 1) if exponent % every == 0]


def axis(values: Iterable[float], start: float, end: float, log: bool = False, margin: float = 0.05) -> Scale:
    """A scale that holds all finite values (those above 0 where `log`), with some air around them."""
    shown = [value for value in values if math.isfinite(value) and (value > 0 or not log)]
    low, high = (min(shown), max(shown)) if shown else (0.1, 1.0)
    if log:
        low, high = (min(max(value, 1 / _HUGE), _HUGE) for value in (low, high))
        width = math.log10(high) - math.log10(low)
        air = 10 ** (margin * width if width > 0 else 0.5)
        return Scale(low / air, high * air, start, end, log=True)
    low, high = (min(max(value, -_HUGE), _HUGE) for value in (low, high))
    # Half of the smallest number there is would be nothing.
    least = 1 / _HUGE
    air = margin * (high - low) if high - low > least else 0.5 * (abs(high) if abs(high) > least else 1.0)
    return Scale(low - air, high + air, start, end)


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


def _short(position: float) -> str:
    """One decimal is a tenth of a pixel; more would only cost bytes."""
    return f"{position:.1f}".removesuffix(".0")


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

    @property
    def width(self) -> str:
        """Width of a span; a thin line where it is only a point wide."""
        return _short(max(float(self.x_end) - float(self.x), 1.0)) if self.x and self.x_end else ""


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
        x_ticks=tuple((_short(x(tick)), tick) for tick in ticks(x.low, x.high, 7) if tick == int(tick)),
        marks=_place_marks(plot.marks, x, y, lower),
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
    return Panel(name, y.end, y.start, counts, y.log, tuple((_short(y(level)), level) for level in levels), drawn)


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


def _place_marks(marks: Sequence[Mark], x: Scale, y: Scale, lower: Scale | None) -> tuple[DrawnMark, ...]:
    placed: list[DrawnMark] = []
    number = 0
    for mark in marks:
        number += mark.kind != "level"
        placed.append(_place(number if mark.kind != "level" else 0, mark, x, lower if mark.lower and lower is not None else y))
    flagged = [mark for mark in placed if mark.shown and mark.number]
    centres = dict(
        zip((mark.number for mark in flagged), spread([float(mark.x) for mark in flagged], FLAG_WIDTH, WIDTH - RIGHT), strict=True)
    )
    return tuple(replace(mark, flag=_short(centres[mark.number])) if mark.number in centres else mark for mark in placed)


def spread(places: Sequence[float], width: float, end: float) -> list[float]:
    """Centres of things of this width, as near to their places as leaves none over another, and none beyond `end`."""
    order = sorted(range(len(places)), key=lambda index: places[index])
    centres = list(places)
    for before, index in pairwise(order):
        centres[index] = max(centres[index], centres[before] + width)
    limit = end
    for index in reversed(order):
        centres[index] = min(centres[index], limit)
        limit = centres[index] - width
    return centres


def _place(number: int, mark: Mark, x: Scale, y: Scale) -> DrawnMark:
    down = ""
    if mark.value is not None and math.isfinite(mark.value) and y.holds(mark.value):
        down = _short(y(mark.value))
    if mark.kind == "level":
        return DrawnMark(number, mark, y=down, shown=bool(down))
    if mark.step is None or not x.low <= mark.step <= x.high:
        return DrawnMark(number, mark, shown=False)
    if mark.kind == "span":
        end = min(x.high, float(mark.step if mark.step_end is None else mark.step_end))
        return DrawnMark(number, mark, x=_short(x(mark.step)), x_end=_short(x(end)))
    return DrawnMark(number, mark, x=_short(x(mark.step)), y=down)


def sparkline(curve: Curve) -> str:
    """Path of a small picture of a curve; empty where nothing of it can be drawn."""
    if not curve.steps:
        return ""
    finite = [value for value in curve.values if math.isfinite(value)]
    # Values over several decades would show nothing but their first point.
    log = bool(finite) and min(finite) > 0 and max(finite) > 100 * min(finite)
    x = axis(map(float, curve.steps), 2, SPARK_WIDTH - 2, margin=0.0)
    return path_data(curve.steps, curve.values, x, axis(curve.values, SPARK_HEIGHT - 3, 3, log, margin=0.0))
