"""Figures of a run with their places on the page and their geometry."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from postmortem.model import CountPlot, Curve, DepthPlot, Exhibit, Heatmap, LinePlot, RunReport
from postmortem.render.figures import LineDrawing, draw_lines, sparkline
from postmortem.render.row_figures import (
    CountDrawing,
    DepthDrawing,
    HeatDrawing,
    TableDrawing,
    draw_counts,
    draw_depth,
    draw_heatmap,
    draw_table,
)

Drawing: TypeAlias = LineDrawing | DepthDrawing | HeatDrawing | CountDrawing | TableDrawing

SECTIONS = (("loss", "Loss"), ("layers", "Layers"), ("data", "Data"))


@dataclass(frozen=True, slots=True)
class FigureView:
    """An exhibit with its place on the page and its geometry."""

    id: str
    run: int
    number: int
    """Positions of the run in the report and of the exhibit in the run: how the script finds its data."""
    exhibit: Exhibit
    drawing: Drawing


@dataclass(frozen=True, slots=True)
class SectionView:
    """One group of figures."""

    id: str
    title: str
    figures: tuple[FigureView, ...]


def figures_of(run: RunReport, index: int, key: str) -> tuple[FigureView, ...]:
    """Every exhibit of a run with its geometry, in the order of the report."""
    views: list[FigureView] = []
    taken: set[str] = set()
    for number, exhibit in enumerate(run.exhibits):
        name = re.sub(r"[^a-z0-9]+", "-", exhibit.id.lower()).strip("-") or "figure"
        id = f"{key}figure-{name}" if name not in taken else f"{key}figure-{name}-{number + 1}"
        taken.add(name)
        views.append(FigureView(id, index, number, exhibit, _draw(exhibit)))
    return tuple(views)


def _draw(exhibit: Exhibit) -> Drawing:
    if isinstance(exhibit, LinePlot):
        return draw_lines(exhibit)
    if isinstance(exhibit, DepthPlot):
        return draw_depth(exhibit)
    if isinstance(exhibit, Heatmap):
        return draw_heatmap(exhibit)
    if isinstance(exhibit, CountPlot):
        return draw_counts(exhibit)
    return draw_table(exhibit)


def sections_of(figures: Sequence[FigureView], key: str) -> tuple[SectionView, ...]:
    """The figures in their sections; a section without figures is none."""
    grouped = ((id, title, tuple(figure for figure in figures if figure.exhibit.section == id)) for id, title in SECTIONS)
    return tuple(SectionView(f"{key}{id}", title, members) for id, title, members in grouped if members)


def loss_spark(exhibits: Sequence[Exhibit]) -> str:
    """A small picture of the training loss: the longest training curve of the first plot that has one."""
    for exhibit in exhibits:
        if curves := trained(exhibit):
            return sparkline(max(curves, key=lambda curve: curve.points))
    return ""


def trained(exhibit: Exhibit) -> list[Curve]:
    """Curves of the training loss that a figure holds."""
    return [curve for curve in exhibit.curves if curve.role == "train"] if isinstance(exhibit, LinePlot) else []
