"""Charts with a row for each layer or class: places in per cent, colours of a heatmap."""

from __future__ import annotations

import math

import pytest

from postmortem.model import CountPlot, DepthPlot, Heatmap, Table
from postmortem.render.row_figures import (
    HEAT_LEVELS,
    RAMP_TEXT,
    ZERO,
    colour,
    colour_level,
    colour_range,
    draw_counts,
    draw_depth,
    draw_heatmap,
    draw_table,
    runs,
)


def _depth(values: dict[str, tuple[float, ...]], references: dict[str, float] | None = None, unit: str = "", log: bool = True) -> DepthPlot:
    layers = tuple(f"layer {row}" for row in range(len(next(iter(values.values())))))
    return DepthPlot("d", "layers", "D", "", unit, layers, values, references or {}, log)


def _heat(values: tuple[tuple[float, ...], ...], references: dict[str, float] | None = None, log: bool = True) -> Heatmap:
    rows = tuple(f"layer {row}" for row in range(len(values)))
    columns = tuple(f"step {column}" for column in range(len(values[0])))
    return Heatmap("h", "layers", "H", "", "", rows, columns, values, references or {}, log)


# --- depth ------------------------------------------------------------------------------------------------------------


def test_values_a_decade_apart_stand_evenly_on_a_logarithmic_axis() -> None:
    """And within the row, references too."""
    drawing = draw_depth(_depth({"step 0": (1.0, 10.0, 100.0)}, {"He": 10.0}))
    places = [row.dots[0][1] for row in drawing.rows]
    assert places[1] - places[0] == pytest.approx(places[2] - places[1])
    assert 0 < places[0] < places[2] < 100
    assert drawing.references[0][0] == "He"
    assert drawing.references[0][1] == pytest.approx(places[1])


def test_values_without_a_place_keep_their_number() -> None:
    """NaN, and zero on a logarithmic axis, have no dot, but stand in the row's numbers."""
    drawing = draw_depth(_depth({"a": (1.0, math.nan, 0.0)}))
    assert [len(row.dots) for row in drawing.rows] == [1, 0, 0]
    assert math.isnan(drawing.rows[1].values[0])
    assert drawing.rows[2].values == (0.0,)


def test_an_axis_without_a_positive_value_is_linear() -> None:
    """All zeros are drawn as zeros, whatever scale was asked for."""
    drawing = draw_depth(_depth({"a": (0.0, 0.0)}))
    assert [len(row.dots) for row in drawing.rows] == [1, 1]


def test_shares_are_drawn_between_none_and_all() -> None:
    """One dead unit in a hundred stands near the left end, not in the middle."""
    place = draw_depth(_depth({"dead": (0.01,)}, unit="share", log=False)).rows[0].dots[0][1]
    assert place < 15


# --- heatmaps ---------------------------------------------------------------------------------------------------------


def test_neighbours_of_one_colour_are_one_cell() -> None:
    """Runs of equal levels are merged, and gaps are left out."""
    assert runs([1, 1, 2, None, None, 2]) == [(0, 2, 1), (2, 3, 2), (3, 5, None), (5, 6, 2)]
    row = draw_heatmap(_heat(((1e-3, 1e-3, 1e-3, math.nan),), {"usual": 1e-3})).rows[0]
    assert [(start, width) for start, width, _ in row.cells] == [(0.0, 75.0)]
    assert row.last == 1e-3


def test_colours_part_at_the_reference() -> None:
    """A decade below is as strong a blue as a decade above is a red; at the reference the colour is pale."""
    low, high = colour_range([1e-5, 1e-3], 1e-3, log=True)
    assert (low, high) == pytest.approx((-5.0, -1.0))
    middle = HEAT_LEVELS // 2
    assert colour_level(1e-3, low, high, log=True) == middle
    assert colour_level(1e-5, low, high, log=True) == 0
    assert colour_level(1e-1, low, high, log=True) == HEAT_LEVELS - 1
    blue, pale, red = (colour(level, 1e-3) for level in (0, middle, HEAT_LEVELS - 1))
    assert int(blue[5:], 16) > int(blue[1:3], 16)
    assert int(red[1:3], 16) > int(red[5:], 16)
    assert min(int(pale[at : at + 2], 16) for at in (1, 3, 5)) > 220


def test_colours_beside_a_reference_mean_the_same_on_every_page() -> None:
    """Two decades on either side, whatever was measured; the legend says where values lie beyond."""
    for values, beyond in (((0.9e-3, 1.1e-3), (False, False)), ((1e-9, 1e-3), (True, False)), ((1e-5, 40.0), (False, True))):
        drawing = draw_heatmap(_heat((values,), {"usual": 1e-3, "floor": 1e-4}))
        assert (drawing.legend[0][0], drawing.legend[-1][1]) == pytest.approx((1e-5, 0.1))
        assert (drawing.below, drawing.above) == beyond
    assert draw_heatmap(_heat(((1e-3,),), {"usual": 1e-3, "far": 1e-7})).legend[0][0] == pytest.approx(1e-7)


def test_what_does_not_move_at_all_has_a_colour_of_its_own() -> None:
    """Zero is not little: it is grey, and the legend says so."""
    drawing = draw_heatmap(_heat(((0.0, 1e-6),), {"usual": 1e-3}))
    (_, _, zero), (_, _, little) = drawing.rows[0].cells
    assert little == drawing.legend[0][2]
    assert zero not in {shade for _, _, shade in drawing.legend}
    assert drawing.zeros
    assert not draw_heatmap(_heat(((1e-6,),), {"usual": 1e-3})).zeros


def test_what_is_no_number_has_no_colour_and_infinity_has_the_last() -> None:
    """Zero has a level of its own; a negative number has no place on a logarithmic scale."""
    levels = [colour_level(value, -5, -1, log=True) for value in (math.nan, -1.0, 0.0, math.inf)]
    assert levels == [None, None, ZERO, HEAT_LEVELS - 1]
    assert colour_level(-math.inf, 0, 1, log=False) == 0


def test_a_heatmap_of_nothing_but_nan_has_empty_rows() -> None:
    """It has a legend all the same."""
    drawing = draw_heatmap(_heat(((math.nan, math.nan),)))
    assert drawing.rows[0].cells == ()
    assert math.isnan(drawing.rows[0].last)
    assert len(drawing.legend) == HEAT_LEVELS


def test_only_columns_with_room_are_labelled() -> None:
    """Sixty columns get six labels at most, in the middle of their columns, the outer ones within the row."""
    columns = draw_heatmap(_heat((tuple(float(value + 1) for value in range(60)),))).columns
    assert len(columns) <= 6
    assert [anchor for _, anchor, _ in columns] == ["start", *["middle"] * 4, "end"]
    assert [columns[0][0], columns[1][0]] == pytest.approx([0.0, 10.5 * 100 / 60])
    assert columns[0][2] == "step 0"


# --- counts and tables ------------------------------------------------------------------------------------------------


def test_bars_are_relative_to_the_largest_class_of_their_split() -> None:
    """A validation split a tenth of the size can be compared by eye."""
    drawing = draw_counts(CountPlot("c", "data", "C", "", ("cat", "dog"), {"train": (200, 50), "validation": (20, 5), "test": (0, 0)}))
    assert drawing.rows[1].bars == ((0, 25.0, 50), (1, 25.0, 5), (2, 0.0, 0))


def test_a_column_of_numbers_and_gaps_is_numeric() -> None:
    """A single word makes it a column of text; so does nothing but gaps."""
    table = Table("t", "data", "T", "", ("a", "b", "c", "d"), (("x", 1, None, None), ("y", 2.5, "n", None)))
    assert draw_table(table).numeric == {1}


def test_references_stand_on_the_ramp_of_colours() -> None:
    """The usual ratio in the middle, the floor a decade below it, on the ramp even where every value is near the usual one."""
    lines = {"usual": 1e-3, "floor": 1e-4}
    usual, floor = draw_heatmap(_heat(((2e-3,),), lines)).references
    assert [usual.place, floor.place] == pytest.approx([50.0, 25.0])
    assert usual.text_place - floor.text_place >= RAMP_TEXT
    assert floor.text_place >= RAMP_TEXT / 2
    places = [tick.text_place for tick in draw_heatmap(_heat(((1e-9,),), lines)).references]
    assert abs(places[0] - places[1]) >= RAMP_TEXT - 1e-9
