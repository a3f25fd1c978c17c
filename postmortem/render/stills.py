"""The figure that a cause opens onto, small and still: a line plot is the figure's own drawing once more, a depth plot a few of its rows.

Heatmaps and tables say nothing without the words around them: a cause links to them only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from postmortem.render.figure_views import FigureView
from postmortem.render.figures import LineDrawing
from postmortem.render.row_figures import DepthDrawing, DepthRow

STILL_WIDTH = 720.0
"""In the units of a line plot's drawing."""
ROWS_SHOWN = 14
NAME_LETTERS = 30
_RIGHT, _PITCH, _BELOW, _ABOVE = 14.0, 22.0, 46.0, 18.0
_LETTER, _BESIDE_NAMES, _KEY = 6.6, 24.0, 34.0


@dataclass(frozen=True, slots=True)
class StillRow:
    """A layer of a depth plot."""

    name: str
    top: float
    dots: tuple[tuple[int, float], ...]
    """(number of the series, x)."""


@dataclass(frozen=True, slots=True)
class DepthStill:
    """Some rows of a depth plot, evenly chosen, the first and the last among them."""

    height: float
    left: float
    right: float
    top: float
    bottom: float
    rows: tuple[StillRow, ...]
    of_rows: int
    """How many the figure has."""
    ticks: tuple[tuple[float, float], ...]
    """(x, value)."""
    references: tuple[tuple[str, float], ...]
    """(label, x)."""
    keys: tuple[tuple[float, str], ...]
    """(x, label) of each series, in the line beneath."""


@dataclass(frozen=True, slots=True)
class Still:
    """A figure as a cause shows it."""

    figure: FigureView
    height: float
    depth: DepthStill | None
    """None: the figure's own drawing is shown."""


def still_of(figures: Iterable[FigureView | None]) -> Still | None:
    """The first figure that can be shown small; None where there is none."""
    for figure in figures:
        if figure is None:
            continue
        if isinstance(figure.drawing, LineDrawing):
            return Still(figure, figure.drawing.height, None)
        if isinstance(figure.drawing, DepthDrawing) and figure.drawing.rows:
            depth = draw_depth_still(figure.drawing)
            return Still(figure, depth.height, depth)
    return None


def draw_depth_still(drawing: DepthDrawing) -> DepthStill:
    """Lays out some rows of a depth plot, `STILL_WIDTH` wide."""
    rows = _spread(drawing.rows)
    names = [_shortened(row.layer) for row in rows]
    left = max(map(len, names)) * _LETTER + _BESIDE_NAMES
    right = STILL_WIDTH - _RIGHT

    def x(share: float) -> float:
        return round(left + share / 100 * (right - left), 1)

    # Names of several lines would stand on each other.
    references = tuple((label, x(place)) for label, place, _ in drawing.references) if len(drawing.references) == 1 else ()
    top = _ABOVE if references else 0.0
    bottom = top + len(rows) * _PITCH
    return DepthStill(
        height=bottom + _BELOW,
        left=left,
        right=right,
        top=top,
        bottom=bottom,
        rows=tuple(
            StillRow(name, top + index * _PITCH, tuple((number, x(place)) for number, place, _ in row.dots))
            for index, (name, row) in enumerate(zip(names, rows, strict=True))
        ),
        of_rows=len(drawing.rows),
        ticks=tuple((x(place), value) for place, value in drawing.ticks),
        references=references,
        keys=_keys(drawing.labels, left, right),
    )


def _spread(rows: Sequence[DepthRow]) -> list[DepthRow]:
    if len(rows) <= ROWS_SHOWN:
        return list(rows)
    return [rows[round(index * (len(rows) - 1) / (ROWS_SHOWN - 1))] for index in range(ROWS_SHOWN)]


def _shortened(name: str) -> str:
    """The end of a long name tells more than its start."""
    return name if len(name) <= NAME_LETTERS else f"…{name[-NAME_LETTERS + 1 :]}"


def _keys(labels: Sequence[str], left: float, right: float) -> tuple[tuple[float, str], ...]:
    """Places of the series' names side by side, as many as there is room for."""
    keys: list[tuple[float, str]] = []
    x = left
    for label in labels:
        shown = label if len(label) <= NAME_LETTERS else f"{label[: NAME_LETTERS - 1]}…"
        if x + len(shown) * _LETTER > right:
            break
        keys.append((round(x, 1), shown))
        x += len(shown) * _LETTER + _KEY
    return tuple(keys)
