"""Where the names of level lines stand."""

from __future__ import annotations

import math

from postmortem.render.labels import Frame, place_labels

FRAME = Frame(60.0, 700.0, 40.0, 280.0)


def _place(*labels: tuple[str, float], xs: tuple[float, ...] = (), ys: tuple[float, ...] = ()) -> list[tuple[str, bool]]:
    return [(place.anchor, place.below) for place in place_labels(labels, [(xs, ys)], FRAME)]


def test_where_nothing_is_in_the_way_a_name_stands_at_the_right_above_its_line() -> None:
    """And its anchor lies within the panel."""
    (place,) = place_labels([("chance level", 150.0)], [], FRAME)
    assert (place.anchor, place.below) == ("end", False)
    assert FRAME.left < place.x < FRAME.right


def test_a_name_goes_where_the_curve_is_not() -> None:
    """Below the line where the curve runs above it, to the left where it ends on the line, in the middle where both ends are taken."""
    level = ("chance level", 150.0)
    assert _place(level, xs=(60.0, 700.0), ys=(140.0, 140.0)) == [("end", True)]
    # Curves that cross the line again and again cover both sides of it.
    right = tuple((float(x), 140.0 if x % 8 else 160.0) for x in range(600, 704, 4))
    left = tuple((x - 540.0, y) for x, y in right)
    for crossings, anchor in ((right, "start"), ((*left, (170.0, 250.0), (590.0, 250.0), *right), "middle")):
        xs, ys = zip(*crossings, strict=True)
        assert _place(level, xs=xs, ys=ys) == [(anchor, False)]


def test_names_of_neighbouring_lines_stand_on_neither_line_nor_each_other() -> None:
    """One above the upper line, one below the lower one."""
    assert _place(("entropy of the class shares", 150.0), ("chance level", 160.0)) == [("end", False), ("end", True)]


def test_a_name_stays_within_the_panel() -> None:
    """At the lower edge it stands above its line; gaps of a curve are in nobody's way."""
    assert _place(("chance level", 278.0), xs=(60.0, 700.0), ys=(270.0, 270.0)) == [("end", False)]
    assert _place(("chance level", 150.0), xs=(60.0, 700.0), ys=(math.nan, math.nan)) == [("end", False)]
