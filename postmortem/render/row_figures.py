"""Geometry of charts with one row a layer or class: depth plots, heatmaps, counts. Pure functions from exhibits to coordinates.

Positions are in per cent of the row's width: names and numbers stay text of the page, readable at any width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from postmortem.model import CountPlot, DepthPlot, Heatmap, Table
from postmortem.render.labels import Anchor
from postmortem.render.scales import axis, log_ticks, spread, ticks

HEAT_LEVELS = 13
RAMP_TEXT = 26.0
"""Room for the words at a tick of the ramp of colours, in per cent of it."""
HEAT_REACH = 2.0
"""Decades on either side of a reference that colours tell apart, on every page: so are colours the same on all."""
ZERO = -1
"""The level of what is exactly zero on a logarithmic scale: nothing moved there, which is another thing than too little."""
_HEAT_ZERO = (138, 148, 160)
_HEAT_LOW, _HEAT_MIDDLE, _HEAT_HIGH = (31, 95, 168), (241, 239, 233), (178, 58, 24)


@dataclass(frozen=True, slots=True)
class DepthRow:
    """One layer of a depth plot; positions in per cent of the row."""

    layer: str
    dots: tuple[tuple[int, float, float], ...]
    """(number of the label, position, value) of each finite value."""
    values: tuple[float, ...]
    """One a label."""


@dataclass(frozen=True, slots=True)
class DepthDrawing:
    """A depth plot, laid out."""

    labels: tuple[str, ...]
    rows: tuple[DepthRow, ...]
    references: tuple[tuple[str, float, float], ...]
    """(label, position, value)."""
    ticks: tuple[tuple[float, float], ...]
    """(position, value)."""


def draw_depth(plot: DepthPlot) -> DepthDrawing:
    """Lays out a depth plot. Where a logarithm is asked for and nothing is above 0, the scale is linear."""
    values = [value for column in plot.values.values() for value in column]
    log = plot.log and any(value > 0 and math.isfinite(value) for value in values)
    # A share is between nothing and all: near zero it must not look large.
    ends = (0.0, 1.0) if plot.unit == "share" and not log else ()
    x = axis([*values, *plot.references.values(), *ends], 3, 97, log)
    rows = []
    for row, layer in enumerate(plot.layers):
        cells = tuple(column[row] for column in plot.values.values())
        dots = tuple((index, x(cell), cell) for index, cell in enumerate(cells) if math.isfinite(cell) and not math.isnan(x(cell)))
        rows.append(DepthRow(layer, dots, cells))
    levels = log_ticks(x.low, x.high, 5) if log else ticks(x.low, x.high, 4)
    return DepthDrawing(
        labels=tuple(plot.values),
        rows=tuple(rows),
        references=tuple((label, x(level), level) for label, level in plot.references.items() if x.holds(level)),
        ticks=tuple((x(level), level) for level in levels),
    )


@dataclass(frozen=True, slots=True)
class HeatRow:
    """One row of a heatmap: neighbours of one colour are one cell. Positions in per cent."""

    name: str
    cells: tuple[tuple[float, float, str], ...]
    """(position, width, colour); gaps are where there is no value."""
    last: float
    """The row's last value that is one; NaN where there is none."""


@dataclass(frozen=True, slots=True)
class RampTick:
    """A reference on the ramp of colours, in per cent of it: its own place, and that of its words, which keep apart from the others'."""

    label: str
    value: float
    place: float
    text_place: float


@dataclass(frozen=True, slots=True)
class HeatDrawing:
    """A heatmap, laid out."""

    rows: tuple[HeatRow, ...]
    columns: tuple[tuple[float, Anchor, str], ...]
    """(position, anchor, label) of the columns that have room for a label; the outer ones stay within the row."""
    legend: tuple[tuple[float, float, str], ...]
    """(lowest value, highest value, colour) of each colour level."""
    references: tuple[RampTick, ...]
    below: bool
    """Whether values lie below the first colour's."""
    above: bool
    zeros: bool
    """Whether some value is exactly zero where the scale is logarithmic."""


def draw_heatmap(plot: Heatmap) -> HeatDrawing:
    """Lays out a heatmap.

    With references, colours part at the first of them: blue below, red above, as far as `HEAT_REACH` and to all other references. Without,
    they run from pale to red.
    """
    log = plot.log
    shown = [value for row in plot.values for value in row if math.isfinite(value) and (value > 0 or not log)]
    middle = next(iter(plot.references.values()), None)
    if middle is not None and log and middle <= 0:
        middle = None
    references = {label: value for label, value in plot.references.items() if math.isfinite(value) and (value > 0 or not log)}
    low, high = colour_range([*(() if middle is not None and log else shown), *references.values()], middle, log)
    width = 100 / max(len(plot.columns), 1)
    rows = []
    for name, values in zip(plot.rows, plot.values, strict=True):
        levels = [colour_level(value, low, high, log) for value in values]
        cells = tuple(
            (start * width, (stop - start) * width, colour(level, middle)) for start, stop, level in runs(levels) if level is not None
        )
        rows.append(HeatRow(name, cells, next((value for value in reversed(values) if math.isfinite(value)), math.nan)))
    least, most = (10**low, 10**high) if log else (low, high)
    return HeatDrawing(
        rows=tuple(rows),
        columns=_column_labels(plot.columns, width),
        legend=_heat_legend(low, high, log, middle),
        references=_ramp_ticks(references, low, high, log),
        below=any(value < least for value in shown),
        above=any(value > most for value in shown),
        zeros=log and any(value == 0 for row in plot.values for value in row),
    )


def _column_labels(names: Sequence[str], width: float) -> tuple[tuple[float, Anchor, str], ...]:
    """Every so many columns by name; the first and the last stand within the row."""
    every = max(1, math.ceil(len(names) / 6))
    shown = [index for index in range(len(names)) if index % every == 0]
    labels: list[tuple[float, Anchor, str]] = [((index + 0.5) * width, "middle", names[index]) for index in shown]
    if len(shown) > 2:
        labels[0] = (0.0, "start", names[shown[0]])
        labels[-1] = ((shown[-1] + 1) * width, "end", names[shown[-1]])
    return tuple(labels)


def _ramp_ticks(references: Mapping[str, float], low: float, high: float, log: bool) -> tuple[RampTick, ...]:
    places = [100 * ((math.log10(value) if log else value) - low) / (high - low) for value in references.values()]
    room = RAMP_TEXT / 2
    texts = spread([max(place, room) for place in places], RAMP_TEXT, 100 - room)
    return tuple(RampTick(label, value, place, text) for (label, value), place, text in zip(references.items(), places, texts, strict=True))


def colour_range(values: Sequence[float], middle: float | None, log: bool) -> tuple[float, float]:
    """Values of the first and last colour (as logarithms where `log`), as far from the middle on either side, where there is one."""
    known = [math.log10(value) for value in values] if log else list(values)
    if middle is None:
        low, high = (min(known), max(known)) if known else (0.0, 1.0)
        return (low, high) if high > low else (low - 0.5, high + 0.5)
    centre = math.log10(middle) if log else middle
    reach = max((abs(value - centre) for value in known), default=1.0)
    return (centre - max(reach, HEAT_REACH), centre + max(reach, HEAT_REACH)) if log else (centre - (reach or 1.0), centre + (reach or 1.0))


def colour_level(value: float, low: float, high: float, log: bool) -> int | None:
    """Number of a value's colour, 0 to HEAT_LEVELS - 1, or ZERO; None where it has none (not a number, or no logarithm)."""
    if math.isnan(value):
        return None
    if math.isinf(value):
        return HEAT_LEVELS - 1 if value > 0 else 0
    if log and value <= 0:
        # Exactly zero is worth seeing; less than zero has no place on such a scale.
        return ZERO if value == 0 else None
    place = ((math.log10(value) if log else value) - low) / (high - low)
    return min(max(int(place * HEAT_LEVELS), 0), HEAT_LEVELS - 1)


def colour(level: int, middle: float | None) -> str:
    """Colour of a level as `#rrggbb`."""
    if level == ZERO:
        return _mix(_HEAT_ZERO, _HEAT_ZERO, 0.0)
    share = level / (HEAT_LEVELS - 1)
    if middle is None:
        return _mix(_HEAT_MIDDLE, _HEAT_HIGH, share)
    return _mix(_HEAT_MIDDLE, _HEAT_LOW, 1 - 2 * share) if share < 0.5 else _mix(_HEAT_MIDDLE, _HEAT_HIGH, 2 * share - 1)


def _mix(one: tuple[int, int, int], other: tuple[int, int, int], share: float) -> str:
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(one, other, strict=True))


def runs(levels: Sequence[int | None]) -> list[tuple[int, int, int | None]]:
    """Runs of equal levels as (start, stop, level)."""
    found: list[tuple[int, int, int | None]] = []
    for index, level in enumerate(levels):
        if found and found[-1][2] == level:
            found[-1] = (found[-1][0], index + 1, level)
        else:
            found.append((index, index + 1, level))
    return found


def _heat_legend(low: float, high: float, log: bool, middle: float | None) -> tuple[tuple[float, float, str], ...]:
    edges = [low + (high - low) * index / HEAT_LEVELS for index in range(HEAT_LEVELS + 1)]
    values = [10**edge for edge in edges] if log else edges
    # Two digits are as precise as a colour can be.
    rounded = [float(f"{value:.2g}") for value in values]
    return tuple((rounded[index], rounded[index + 1], colour(index, middle)) for index in range(HEAT_LEVELS))


@dataclass(frozen=True, slots=True)
class CountRow:
    """One class: (number of the split, width of its bar in per cent, count) of each split."""

    label: str
    bars: tuple[tuple[int, float, int], ...]


@dataclass(frozen=True, slots=True)
class CountDrawing:
    """A count plot, laid out."""

    splits: tuple[str, ...]
    rows: tuple[CountRow, ...]


def draw_counts(plot: CountPlot) -> CountDrawing:
    """Lays out a count plot; bars are relative to the largest count of their own split, so that a small split can be compared too."""
    largest = {split: max(counts, default=0) for split, counts in plot.counts.items()}
    rows = []
    for row, label in enumerate(plot.labels):
        bars = tuple(
            (index, 100 * counts[row] / largest[split] if largest[split] else 0.0, counts[row])
            for index, (split, counts) in enumerate(plot.counts.items())
        )
        rows.append(CountRow(label, bars))
    return CountDrawing(tuple(plot.counts), tuple(rows))


@dataclass(frozen=True, slots=True)
class TableDrawing:
    """How a table is set."""

    numeric: frozenset[int]
    """Columns that hold numbers, and nothing else but gaps."""


def draw_table(table: Table) -> TableDrawing:
    """Finds the columns of numbers."""
    numeric = set()
    for column in range(len(table.columns)):
        cells = [row[column] for row in table.rows if row[column] is not None]
        if cells and not any(isinstance(cell, str) for cell in cells):
            numeric.add(column)
    return TableDrawing(frozenset(numeric))
