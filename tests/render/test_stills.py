"""The figure that a cause opens onto."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from postmortem.model import Curve, DepthPlot, LinePlot, Report, RunReport, Table
from postmortem.render.figure_views import figures_of
from postmortem.render.html import render_html
from postmortem.render.row_figures import DepthDrawing, draw_depth
from postmortem.render.stills import NAME_LETTERS, ROWS_SHOWN, STILL_WIDTH, draw_depth_still, still_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from postmortem.render.figure_views import FigureView


def _depth(count: int, references: dict[str, float] | None = None, columns: Sequence[str] = ("step 0",)) -> DepthPlot:
    layers = tuple(f"layer {row}" for row in range(count))
    values = tuple(10.0**row for row in range(count))
    return DepthPlot("d", "layers", "D", "", "rms", layers, dict.fromkeys(columns, values), references or {})


def _drawn(count: int, references: dict[str, float] | None = None, columns: Sequence[str] = ("step 0",)) -> DepthDrawing:
    return draw_depth(_depth(count, references, columns))


def _views(run: RunReport, *exhibits: DepthPlot | LinePlot | Table) -> tuple[FigureView, ...]:
    return figures_of(replace(run, exhibits=exhibits), 0, "")


def test_few_layers_are_all_drawn_and_values_a_decade_apart_stand_evenly() -> None:
    """In the order of the figure, within the picture, one row below the other."""
    still = draw_depth_still(_drawn(5))
    assert [row.name for row in still.rows] == [f"layer {row}" for row in range(5)]
    places = [row.dots[0][1] for row in still.rows]
    assert [after - before for before, after in pairwise(places)] == pytest.approx([places[1] - places[0]] * 4, abs=0.11)
    assert still.left < places[0] < places[-1] < still.right < STILL_WIDTH
    assert still.rows[-1].top < still.bottom < still.height


def test_of_many_layers_some_are_drawn_the_first_and_the_last_among_them() -> None:
    """Evenly chosen; how many there are is kept, so that the page can say it."""
    still = draw_depth_still(_drawn(100))
    names = [int(row.name.removeprefix("layer ")) for row in still.rows]
    assert (len(names), names[0], names[-1], still.of_rows) == (ROWS_SHOWN, 0, 99, 100)
    assert {after - before for before, after in pairwise(names)} <= {7, 8}


def test_a_single_reference_is_named_and_several_are_left_to_the_figure() -> None:
    """Names of several lines near each other could not be read."""
    assert [label for label, _ in draw_depth_still(_drawn(3, {"He": 10.0})).references] == ["He"]
    assert draw_depth_still(_drawn(3, {"He": 10.0, "Glorot": 5.0})).references == ()


def test_long_names_keep_their_end_and_names_of_series_their_room() -> None:
    """A layer's last words tell most; a series that has no room is not named over the edge."""
    long = replace(_depth(2), layers=("a" * 300 + ".weight", "b"))
    name = draw_depth_still(draw_depth(long)).rows[0].name
    assert (len(name), name[0], name[-7:]) == (NAME_LETTERS, "…", ".weight")
    keys = draw_depth_still(_drawn(2, {}, [f"a series with a long name {index}" for index in range(9)])).keys
    assert 1 < len(keys) < 9
    assert all(x + len(label) * 6.6 <= STILL_WIDTH for x, label in keys)


def test_the_first_figure_that_can_be_small_is_shown(rich_run: RunReport) -> None:
    """Tables, and checks without a figure, are passed over; a cause with nothing else shows none."""
    table = Table("t", "layers", "T", "", ("a",), ((1,),))
    lines = LinePlot("loss", "loss", "L", "", "nats", (Curve("a", "train", (0, 1), (1.0, math.nan), 2),))
    views = _views(rich_run, table, _depth(3), lines)
    found = still_of([None, *views])
    assert found is not None
    assert (found.figure.exhibit.id, found.depth is None) == ("d", False)
    found = still_of([views[2], views[1]])
    assert found is not None
    assert (found.figure.exhibit.id, found.depth) == ("loss", None)
    assert still_of([None, views[0]]) is None
    assert still_of(_views(rich_run, _depth(0))) is None


def test_a_cause_opens_onto_its_figure_and_repeats_neither_its_title_nor_the_verdict(rich_report: Report) -> None:
    """The page draws the plot again without its bytes; what the band above says is not said twice."""
    page = render_html(rich_report)
    first = page[page.index('id="cause-1"') : page.index('id="cause-2"')]
    drawing = re.search(
        r'<div class="still">\s*<svg [^>]*><use href="#([a-z0-9-]+)"/></svg>\s*<div>\s*<p><a href="#([a-z-]+)">([^<]+)<', first
    )
    assert drawing is not None
    of, figure, title = drawing.groups()
    assert page.index(f'id="{figure}"') < page.index(f'<g id="{of}">') < page.index("</svg>", page.index(f'id="{figure}"'))
    assert first.count(title) == 1
    assert first.count(f'<a href="#{figure}">as above</a>') >= 1
    plot = rich_report.runs[0].exhibits[0]
    assert isinstance(plot, LinePlot)
    for curve in plot.curves:
        assert f"/></svg> {curve.label}</li>" in first
    cause = rich_report.runs[0].causes[0]
    assert cause.fix not in first
    assert cause.fix in page
