"""Scales, ticks, paths and annotations of line plots, in closed form."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmortem.model import Curve, LinePlot, Mark
from postmortem.render.annotations import FLAG_WIDTH
from postmortem.render.figures import LEFT, RIGHT, TOP, UPPER_HEIGHT, WIDTH, draw_lines, near_levels, path_data, sparkline
from postmortem.render.scales import Scale, axis, log_ticks, spread, ticks

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def _plot(*curves: Curve, marks: tuple[Mark, ...] = (), lower: tuple[Curve, ...] = (), log: bool = False) -> LinePlot:
    return LinePlot("loss", "loss", "Loss", "", "", curves, lower, "", marks, log)


def _curve(*values: float) -> Curve:
    return Curve("loss", "train", tuple(range(len(values))), values, len(values))


# --- scales and ticks -------------------------------------------------------------------------------------------------


def test_scales_map_ends_to_ends_and_the_middle_to_the_middle() -> None:
    """Linearly in the value, or in its logarithm; downwards on the page where it is asked for."""
    assert [Scale(0, 10, 100, 0)(value) for value in (0, 5, 10)] == [100, 50, 0]
    assert [Scale(0.01, 100, 0, 4, log=True)(value) for value in (0.01, 1, 100)] == pytest.approx([0, 2, 4])
    assert math.isnan(Scale(0.01, 100, 0, 4, log=True)(0))
    assert math.isnan(Scale(0.01, 100, 0, 4, log=True)(-1))


@pytest.mark.parametrize(
    ("low", "high", "count", "expected"),
    [
        (0, 10, 5, [0, 2, 4, 6, 8, 10]),
        (0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (2.29, 2.31, 4, [2.29, 2.295, 2.3, 2.305, 2.31]),
        (0, 1e-6, 2, [0, 5e-7, 1e-6]),
        (-3, 3, 3, [-2, 0, 2]),
        (7, 7, 4, [7]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, count: int, expected: list[float]) -> None:
    """One, two or five times a power of ten apart, printed without a tail of rounding."""
    assert ticks(low, high, count) == expected


def test_logarithmic_ticks_are_powers_of_ten_or_round_numbers_within_a_decade() -> None:
    """Wide ranges are thinned; a range without two powers falls back on a linear scale's ticks."""
    assert log_ticks(1e-3, 1e3, 10) == pytest.approx([1e-3, 1e-2, 1e-1, 1, 10, 100, 1000])
    assert log_ticks(1e-12, 1e12, 5) == pytest.approx([1e-10, 1e-5, 1, 1e5, 1e10])
    assert log_ticks(2, 9, 4) == [2, 5]
    assert log_ticks(0.3, 8, 5) == pytest.approx([0.5, 1, 2, 5])
    assert log_ticks(6, 9, 3) == [6, 7, 8, 9]


@given(st.lists(FINITE, max_size=5), st.booleans())
def test_every_finite_value_has_a_place_on_its_axis(values: list[float], log: bool) -> None:
    """Whatever the values are, the axis holds them, has a width, and has ticks."""
    scale = axis(values, 0, 100, log)
    assert scale.high > scale.low
    for value in values:
        if (value > 1e-250 or not log) and abs(value) <= 1e250:
            assert -0.001 <= scale(value) <= 100.001
    assert (log_ticks if log else ticks)(scale.low, scale.high, 5)


def test_an_axis_of_nothing_but_nan_is_an_axis() -> None:
    """It has a width, so that a plot of it can be drawn."""
    scale = axis([math.nan, math.inf], 0, 100)
    assert scale.high > scale.low


# --- paths ------------------------------------------------------------------------------------------------------------


def test_non_finite_values_lift_the_pen() -> None:
    """A line never bridges a gap, and a value that a logarithm cannot take is one."""
    x, y = Scale(0, 4, 0, 40), Scale(0, 10, 100, 0)
    assert path_data((0, 1, 2, 3, 4), (0, 5, math.nan, 5, math.inf), x, y) == "M0 100l10-50M30 50"
    assert path_data((0, 1, 2), (1, 0, 10), x, Scale(1, 10, 10, 0, log=True)) == "M0 10M20 0"


def _points(path: str) -> list[tuple[float, float]]:
    """Places of the points of a path of relative moves."""
    found: list[tuple[float, float]] = []
    for stroke in path.split("M")[1:]:
        numbers = [float(number) for number in re.findall(r"-?(?:\d+\.\d+|\d+|\.\d+)", stroke)]
        across, down = 0.0, 0.0
        for right, below in zip(numbers[::2], numbers[1::2], strict=True):
            across, down = across + right, down + below
            found.append((across, down))
    return found


def test_relative_moves_add_up_to_the_places() -> None:
    """After a thousand moves of uneven lengths the last point still stands within a tenth of a pixel."""
    values = [math.sin(index / 7) for index in range(1000)]
    x, y = Scale(0, 999, 3.3, 997.7), Scale(-1, 1, 211.1, 17.7)
    last = _points(path_data(range(1000), values, x, y))[-1]
    assert last == pytest.approx((x(999), y(values[999])), abs=0.0501)


def test_a_pixel_column_keeps_first_extremes_and_last() -> None:
    """A thousand points on forty pixels become at most four points a column, the highest among them."""
    values = [math.sin(index) for index in range(1000)]
    values[500] = 9.0
    path = path_data(range(1000), values, Scale(0, 999, 0, 40), Scale(-1, 9, 100, 0))
    points = _points(path)
    assert len(points) <= 4 * 41
    assert min(down for _, down in points) == pytest.approx(0.0, abs=1e-9)
    assert [across for across, _ in points] == sorted(across for across, _ in points)


def test_a_sparkline_of_decades_is_logarithmic_and_one_of_nothing_is_empty() -> None:
    """A fall from 1e6 to 1 shows more than its first point."""
    fall = sparkline(_curve(1e6, 1e4, 1e2, 1.0))
    heights = [down for _, down in _points(fall)]
    assert [after - before for before, after in pairwise(heights)] == pytest.approx([heights[1] - heights[0]] * 3, abs=0.11)
    assert sparkline(_curve()) == ""
    assert sparkline(_curve(math.nan, math.nan)) == ""


# --- whole plots ------------------------------------------------------------------------------------------------------


def test_a_plot_reaches_from_edge_to_edge() -> None:
    """First and last step stand at the ends of the axis, lowest and highest value inside it."""
    drawing = draw_lines(_plot(_curve(1.0, 3.0, 2.0)))
    places = _points(drawing.panels[0].curves[0].path)
    assert [places[0][0], places[-1][0]] == pytest.approx([LEFT, WIDTH - RIGHT])
    heights = [down for _, down in places]
    assert min(heights) > TOP
    assert max(heights) < TOP + UPPER_HEIGHT


def test_steps_are_marked_by_whole_numbers() -> None:
    """Two points a step apart give no tick at half a step."""
    assert all(tick == int(tick) for _, tick in draw_lines(_plot(_curve(1.0, 2.0))).x_ticks)


def test_few_points_get_dots_and_non_finite_ones_crosses() -> None:
    """Sparse logging is seen to be sparse, and NaN has a place of its own; crosses on one pixel are drawn once."""
    drawn = draw_lines(_plot(_curve(1.0, math.nan, 2.0, math.inf))).panels[0].curves[0]
    assert re.fullmatch(r"M64 267\.1h0m430\.\d-218\.2h0", drawn.dots)
    assert [word for _, word in drawn.gaps] == ["NaN", "infinite"]
    many = Curve("loss", "train", tuple(range(2000)), (math.nan,) * 2000, 2000)
    assert len(draw_lines(_plot(many)).panels[0].curves[0].gaps) < 2000


def test_the_lower_panel_shares_the_steps_and_starts_at_zero() -> None:
    """A constant learning rate is a line in its own panel, above zero."""
    rate = Curve("lr", "learning-rate", (0, 2), (0.1, 0.1), 2)
    upper, lower = draw_lines(_plot(_curve(1.0, 2.0, 3.0), lower=(rate,))).panels
    assert lower.top > upper.bottom
    assert (upper.axis, lower.axis) == ("loss", "lr")
    assert any(value == 0 for _, value in lower.ticks)
    assert lower.curves[0].path.startswith(f"M{LEFT:.0f} ")


def test_levels_near_the_curves_make_room_and_far_ones_do_not_squeeze_them() -> None:
    """A chance level within reach is on the chart; one at a million is only listed."""
    marks = (Mark("level", "chance", value=3.5), Mark("level", "far", value=1e6), Mark("level", "none", value=math.nan))
    plot = _plot(_curve(1.0, 2.0, 3.0), marks=marks)
    assert near_levels(plot) == [3.5]
    assert [mark.shown for mark in draw_lines(plot).marks] == [True, False, False]


def test_marks_are_numbered_but_for_levels() -> None:
    """The number on the chart is the number in the list; what lies off the chart keeps its number and is not drawn."""
    marks = (Mark("level", "chance", value=2.0), Mark("span", "flat", 1, 2), Mark("step", "late", 99), Mark("point", "spike", 2, value=3.0))
    drawn = draw_lines(_plot(_curve(1.0, 2.0, 3.0), marks=marks)).marks
    assert [mark.number for mark in drawn] == [0, 1, 2, 3]
    assert [mark.shown for mark in drawn] == [True, True, False, True]
    assert float(drawn[1].width) == pytest.approx((WIDTH - RIGHT - LEFT) / 2, abs=0.1)
    assert drawn[3].y != ""


def test_a_span_without_an_end_is_a_thin_line() -> None:
    """It has a width, so that it is seen."""
    drawn = draw_lines(_plot(_curve(1.0, 2.0, 3.0), marks=(Mark("span", "flat", 1),))).marks[0]
    assert drawn.width == "1"


@given(st.lists(st.floats(0, 500), max_size=12))
def test_flags_never_lie_over_each_other(places: list[float]) -> None:
    """They keep their order and their distance, and stay left of the end."""
    centres = sorted(spread(places, FLAG_WIDTH, 700.0))
    assert all(after - before >= FLAG_WIDTH - 1e-9 for before, after in pairwise(centres))
    assert all(centre <= 700 for centre in centres)


def test_lone_flags_stand_where_they_belong() -> None:
    """Only those that are too near move, and as little as needed."""
    assert spread([300.0, 100.0, 110.0], 18.0, 700.0) == [300.0, 100.0, 118.0]
    assert spread([695.0, 700.0], 18.0, 700.0) == [682.0, 700.0]


def test_thinning_is_told() -> None:
    """The drawing knows how many points there were, and how many it has."""
    drawing = draw_lines(_plot(Curve("loss", "train", (0, 1), (1.0, 2.0), 5000)))
    assert (drawing.points, drawing.drawn, drawing.thinned) == (5000, 2, True)
    assert not draw_lines(_plot(_curve(1.0, 2.0))).thinned


def test_a_level_of_the_second_curves_lies_in_their_panel() -> None:
    """It makes room there where it is near, and leaves the upper panel as it is."""
    plot = replace(_plot(_curve(1.0, 2.0)), lower=(_curve(2.0, 8.0),), marks=(Mark("level", "line", value=10.0, lower=True),))
    assert (near_levels(plot), near_levels(plot, lower=True)) == ([], [10.0])
    drawing = draw_lines(plot)
    assert drawing.panels[1].top <= float(drawing.marks[0].y) <= drawing.panels[1].bottom
    assert drawing.marks[0].shown
    far = replace(plot, marks=(Mark("level", "line", value=1000.0, lower=True),))
    assert not draw_lines(far).marks[0].shown
