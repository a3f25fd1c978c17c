"""Figures and tables answer to mouse and keyboard, with the right numbers; the truth is a report whose curves are known."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browsing import Look, Opener, Visit

from postmortem.model import Artifacts, CountPlot, Curve, Heatmap, LinePlot, Mark, Report, RunReport, Table

if TYPE_CHECKING:
    from playwright.sync_api import Page

LEFT, RIGHT = 58.0, 12.0
"""Room beside the axes of a live chart, in pixels."""
TRAIN = (1.0, 10.0, 100.0, 1000.0, 10000.0)
PLOT = LinePlot(
    "loss",
    "loss",
    "Loss",
    "",
    "",
    (Curve("train", "train", (0, 1, 2, 3, 4), TRAIN, 5), Curve("val", "validation", (0, 2, 4), (2.0, 20.0, 200.0), 3)),
    (Curve("lr", "learning-rate", (0, 1, 2, 3, 4), (0.1,) * 5, 5),),
    "learning rate",
)
HEAT = Heatmap("heat", "layers", "Updates", "", "per step", ("first", "second"), ("step 0", "step 9"), ((1e-3, 2e-3), (3e-3, math.nan)))
TABLE = Table(
    "tensors",
    "layers",
    "Tensors",
    "",
    ("tensor", "norm"),
    (("w10", 5.0), ("w2", None), ("w1", 1200.5), ("bias", math.nan), ("w3", -1.0)),
)
COUNTS = CountPlot("classes", "data", "Classes", "", ("cat", "dog", "eel"), {"train": (20, 1000, 3)})
RUN = RunReport(".", "made", "healthy", "The run looks healthy.", (), (), (), Artifacts(), (), (PLOT, HEAT, TABLE, COUNTS))


@pytest.fixture
def visit(opened: Opener, written: Callable[[Report], Path]) -> Visit:
    """The known report, open."""
    return opened(written(Report("1", (RUN,))), Look())


@pytest.fixture
def page(visit: Visit) -> Page:
    """Its page."""
    return visit.page


def _point(page: Page, step: float) -> tuple[float, float]:
    """Where a step of the whole range lies on the screen, halfway down the chart."""
    chart = page.locator(".chart")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    return box["x"] + LEFT + step / 4 * (box["width"] - LEFT - RIGHT), box["y"] + 150


def _hover(page: Page, step: float) -> dict[str, str]:
    page.mouse.move(*_point(page, step))
    return _tip(page)


def _tip(page: Page) -> dict[str, str]:
    names, values = (page.locator(f".tip {tag}").all_inner_texts() for tag in ("span", "strong"))
    return {"": page.locator(".tip b").inner_text(), **dict(zip(names, values, strict=True))}


def _drag(page: Page, start: float, stop: float) -> None:
    page.mouse.move(*_point(page, start))
    page.mouse.down()
    page.mouse.move(*_point(page, (start + stop) / 2))
    assert page.locator(".selection").count() == 1
    page.mouse.move(*_point(page, stop))
    page.mouse.up()


def _steps_shown(page: Page) -> list[str]:
    shown: list[str] = page.locator(".axes .tick[text-anchor='middle']").all_text_contents()
    return shown


def _heights(page: Page, curve: int) -> list[float]:
    drawn = page.locator(f".curves .curve.c{curve}:not(.raw)").get_attribute("d")
    assert drawn is not None
    return [float(height) for height in re.findall(r"[ML][-\d.]+ ([-\d.]+)", drawn)]


def test_hovering_reads_all_series_at_the_step(page: Page) -> None:
    """Every curve shows its value there; one that has none at the step shows its nearest, and says of which step it is."""
    assert _hover(page, 2.1) == {"": "step 2", "train": "100", "val": "20", "lr": "0.1"}
    assert _hover(page, 0.9) == {"": "step 1", "train": "10", "val": "2 (step 0)", "lr": "0.1"}
    assert page.locator(".cursor .hit").count() == 3
    page.mouse.move(0, 0)
    assert page.locator(".tip").is_hidden()


def test_dragging_zooms_and_a_double_click_resets(page: Page) -> None:
    """The axis then holds the steps dragged over, and afterwards all of them; the button to reset is there only in between."""
    assert _steps_shown(page) == ["0", "1", "2", "3", "4"]
    assert page.locator(".reset").is_disabled()
    _drag(page, 0.9, 3.1)
    assert _steps_shown(page) == ["1", "2", "3"]
    assert page.locator(".reset").is_enabled()
    page.locator(".chart").dblclick()
    assert _steps_shown(page) == ["0", "1", "2", "3", "4"]
    _drag(page, 0.9, 3.1)
    page.locator(".reset").click()
    assert _steps_shown(page) == ["0", "1", "2", "3", "4"]


def test_a_zoom_draws_nothing_outside_of_its_panel(opened: Opener, written: Callable[[Report], Path]) -> None:
    """Lines to points beyond the zoomed steps are cut off at the panel's edges, above it too."""
    steep = replace(PLOT, curves=(Curve("train", "train", (0, 1, 2, 3, 4), (1.0, 1.1, 1.2, 1e6, 1e9), 5),))
    page = opened(written(Report("1", (replace(RUN, exhibits=(steep,)),))), Look()).page
    _drag(page, 0.9, 2.2)
    assert min(_heights(page, 0)) < -1000
    clip, frame = page.locator(".curves > svg").first, page.locator(".frame").get_attribute("d")
    assert clip.evaluate("(svg) => getComputedStyle(svg).overflow") == "hidden"
    left, top, bottom = (float(found) for found in re.findall(r"M([\d.]+) ([\d.]+)V([\d.]+)", frame or "")[0])
    assert [float(clip.get_attribute(side) or "") for side in ("x", "y", "height")] == [left, top, bottom - top]


def test_a_span_that_began_before_the_zoom_has_no_flag_at_the_edge(opened: Opener, written: Callable[[Report], Path]) -> None:
    """Its number stands over the middle of what is seen of it, without the line that says where it begins."""
    flat = replace(PLOT, marks=(Mark("span", "flat", 1, 4),))
    page = opened(written(Report("1", (replace(RUN, exhibits=(flat,)),))), Look()).page
    assert page.locator(".flag path").count() == 1
    _drag(page, 2, 3)
    assert page.locator(".span").count() == 1
    assert page.locator(".flag path").count() == 0
    chart = page.locator(".chart").bounding_box()
    flag = page.locator(".flag circle").bounding_box()
    assert chart is not None
    assert flag is not None
    middle = chart["x"] + LEFT + (chart["width"] - LEFT - RIGHT) / 2
    assert flag["x"] + flag["width"] / 2 == pytest.approx(middle, abs=4)


def test_axes_have_their_names_and_curves_their_look_with_and_without_scripts(opened: Opener, written: Callable[[Report], Path]) -> None:
    """Drawing a plot again changes neither the words at its axes nor a curve's colour and dashes."""
    path = written(Report("1", (RUN,)))
    read = """() => [[...document.querySelectorAll(".axis-names text")].map((name) => name.textContent),
        [...document.querySelectorAll(".curves .curve")].map(
            (curve) => [curve.classList[1], curve.getAttribute("stroke-dasharray") ?? ""]
        )]"""
    drawn, live = (opened(path, Look(scripts=scripts)).page.evaluate(read) for scripts in (False, True))
    assert drawn == live == [["loss", "learning rate", "step"], [["c0", ""], ["c1", "7 3"], ["c2", "2 3"]]]


def test_a_plot_of_two_points_offers_no_scale_or_smoothing(opened: Opener, written: Callable[[Report], Path]) -> None:
    """There is nothing to smooth; with a third point there is."""
    short = replace(PLOT, id="short", curves=(Curve("train", "train", (0, 4), (2.0, 1.0), 2),), lower=())
    page = opened(written(Report("1", (replace(RUN, exhibits=(short, PLOT)),))), Look()).page
    assert [page.locator(".tools").nth(index).is_visible() for index in range(2)] == [False, True]


def test_escape_resets_a_zoom_made_with_the_keyboard(page: Page) -> None:
    """Plus zooms in around the cursor, minus out, Escape shows everything."""
    page.locator(".chart").focus()
    page.keyboard.press("+")
    assert _steps_shown(page) == ["1", "2", "3"]
    page.keyboard.press("Escape")
    assert _steps_shown(page) == ["0", "1", "2", "3", "4"]
    for key in "++-":
        page.keyboard.press(key)
    assert _steps_shown(page) == ["1", "2", "3"]


def test_the_logarithmic_scale_puts_decades_at_equal_distances(page: Page) -> None:
    """Five values a factor of ten apart are equally far apart on it, and a factor of ten apart in distance on the linear one."""
    heights = _heights(page, 0)
    gaps = [low - high for low, high in pairwise(heights)]
    assert gaps[3] == pytest.approx(10 * gaps[2], rel=0.02)
    page.locator(".log").check()
    heights = _heights(page, 0)
    gaps = [low - high for low, high in pairwise(heights)]
    assert gaps == pytest.approx([gaps[0]] * 4, abs=0.21)
    assert gaps[0] > 40


def test_smoothing_is_an_average_without_a_pull_to_zero(page: Page) -> None:
    """The value shown is the exponential average over the weights so far; raw values stay visible, a learning rate stays as it is."""
    page.locator(".smoothing").fill("0.5")
    weights = [0.5 ** (2 - index) for index in range(3)]
    expected = sum(weight * value for weight, value in zip(weights, TRAIN, strict=False)) / sum(weights)
    found = _hover(page, 2)
    assert found["train"] == f"100, smoothed {expected:.4g}"
    assert found["lr"] == "0.1"
    assert page.locator(".curves .raw").count() == 2
    assert page.locator(".tools output").inner_text() == "0.5"


def test_smoothing_a_thinned_curve_weighs_points_by_what_they_stand_for(opened: Opener, written: Callable[[Report], Path]) -> None:
    """Of 41 points five were kept: each weighs as the ten that it stands for would, had they been like it."""
    thinned = replace(PLOT, curves=(Curve("train", "train", (0, 1, 2, 3, 4), TRAIN, 41),))
    page = opened(written(Report("1", (replace(RUN, exhibits=(thinned,)),))), Look()).page
    page.locator(".smoothing").fill("0.9")
    kept = 0.9**10
    parts = [0.1 * kept**2, (1 - kept) * kept, 1 - kept]
    expected = sum(weight * value for weight, value in zip(parts, TRAIN, strict=False)) / sum(parts)
    assert _hover(page, 2)["train"] == f"100, smoothed {expected:.4g}"


def test_names_of_levels_keep_clear_of_curves_with_and_without_scripts(opened: Opener, written: Callable[[Report], Path]) -> None:
    """A curve that crosses the level at its end leaves the left free, above the line; what is listed has the dashes of the line."""
    ends = tuple(0.1 + index * 1e-3 if index < 70 else 0.9 + 0.2 * (index % 2) for index in range(100))
    marks = (Mark("level", "chance level", value=1.0), Mark("level", "elsewhere", value=0.6))
    crossing = replace(PLOT, curves=(Curve("train", "train", tuple(range(100)), ends, 100),), lower=(), marks=marks)
    path = written(Report("1", (replace(RUN, exhibits=(crossing,)),)))
    for scripts in (False, True):
        page = opened(path, Look(scripts=scripts)).page
        names = page.locator(".chart .level-label")
        assert [names.nth(index).get_attribute("text-anchor") for index in range(2)] == ["start", "end"]
        assert [names.nth(index).get_attribute("dy") for index in range(2)] == ["-.35em", "-.35em"]
        drawn, listed = (page.locator(f"{place} .level") for place in (".chart", ".marks"))
        assert [lines.nth(index).get_attribute("stroke-dasharray") for lines in (drawn, listed) for index in range(2)] == ["5 4", "2 3"] * 2


def test_the_legend_hides_curves_and_the_axis_follows(page: Page) -> None:
    """Without the largest curve the axis ends near the largest that is left; with it again, all is as before."""
    before = page.locator(".axes").inner_html()
    page.get_by_label("train").uncheck()
    assert _hover(page, 2) == {"": "step 2", "val": "20", "lr": "0.1"}
    assert page.locator(".curves .c0").count() == 0
    upper = _heights(page, 1)
    assert max(upper) - min(upper) > 200
    page.get_by_label("train").check()
    assert page.locator(".axes").inner_html() == before


def test_arrow_keys_read_values_aloud(page: Page) -> None:
    """The polite live region says the step and every curve's value; Home and End go to the ends."""
    page.locator(".chart").focus()
    readout = page.locator(".lines .readout")
    assert readout.get_attribute("aria-live") == "polite"
    for key, said in (
        ("End", "step 4: train 10,000; val 200; lr 0.1"),
        ("ArrowLeft", "step 3: train 1000; val 20 (step 2); lr 0.1"),
        ("Home", "step 0: train 1; val 2; lr 0.1"),
        ("ArrowRight", "step 1: train 10; val 2 (step 0); lr 0.1"),
    ):
        page.keyboard.press(key)
        assert readout.text_content() == said
    page.keyboard.press("Tab")
    assert page.locator(".tip").is_hidden()


def test_arrow_keys_move_what_is_zoomed_along(page: Page) -> None:
    """A step outside of the range shown is brought into it."""
    page.locator(".chart").focus()
    page.keyboard.press("+")
    page.keyboard.press("End")
    assert "4" in _steps_shown(page)


def test_a_heatmap_reads_the_cell_under_the_mouse(page: Page) -> None:
    """Layer, checkpoint and value with its unit; a cell without a value says that it has none."""
    strips, readout = page.locator(".heat td.strip svg"), page.locator(".heatmap .readout")
    for row, share, said in (
        (0, 0.25, "first, step 0: 0.001 per step"),
        (0, 0.75, "first, step 9: 0.002 per step"),
        (1, 0.75, "second, step 9: NaN"),
    ):
        box = strips.nth(row).bounding_box()
        assert box is not None
        strips.nth(row).hover(position={"x": box["width"] * share, "y": box["height"] / 2})
        assert readout.inner_text().startswith(said)


def test_arrow_keys_read_the_cells_of_a_heatmap(page: Page) -> None:
    """One stop of the Tab key leads to it; the keys move by cell and layer, up to the edges, and each value is said and framed."""
    strips, readout = page.locator(".heat td.strip svg"), page.locator(".heatmap .readout")
    assert readout.get_attribute("aria-live") == "polite"
    assert page.locator(".heat td.strip svg[tabindex]").count() == 1
    strips.first.focus()
    assert readout.inner_text() == "first, step 0: 0.001 per step"
    for key, said in (
        ("ArrowLeft", "first, step 0: 0.001 per step"),
        ("ArrowRight", "first, step 9: 0.002 per step"),
        ("ArrowRight", "first, step 9: 0.002 per step"),
        ("ArrowDown", "second, step 9: NaN per step"),
        ("ArrowDown", "second, step 9: NaN per step"),
        ("Home", "second, step 0: 0.003 per step"),
        ("ArrowUp", "first, step 0: 0.001 per step"),
        ("End", "first, step 9: 0.002 per step"),
    ):
        page.keyboard.press(key)
        assert readout.inner_text() == said
        frame, strip = page.locator(".heat .cell").bounding_box(), page.locator(":focus").bounding_box()
        assert frame is not None
        assert strip is not None
        column = 1 if "step 9" in said else 0
        assert frame["x"] - strip["x"] == pytest.approx(column * strip["width"] / 2, abs=2.5)
        assert frame["y"] == pytest.approx(strip["y"], abs=2.5)
        assert page.locator(".heat td.strip svg[tabindex]").count() == 1
    page.keyboard.press("Tab")
    assert page.locator(".heat .cell").count() == 0
    assert readout.inner_text().startswith("Point at a cell")


def test_a_heatmap_without_a_table_of_numbers_can_be_read_by_keyboard(opened: Opener, written: Callable[[Report], Path]) -> None:
    """Beyond 400 cells there is no such table: every value is still reached, and where it stands is scrolled into view."""
    rows, columns = (tuple(f"{name} {index}" for index in range(count)) for name, count in (("layer", 60), ("step", 40)))
    values = tuple(tuple(float(1000 * row + column) for column in range(40)) for row in range(60))
    large = Heatmap("large", "layers", "Updates", "", "per step", rows, columns, values)
    page = opened(written(Report("1", (replace(RUN, exhibits=(large,)),))), Look()).page
    assert page.locator(".numbers-table").count() == 0
    page.locator(".heat td.strip svg").first.focus()
    for key, times in (("ArrowDown", 57), ("End", 1), ("ArrowLeft", 2)):
        for _ in range(times):
            page.keyboard.press(key)
    assert page.locator(".heatmap .readout").inner_text() == "layer 57, step 37: 57,037 per step"
    scroller, strip = page.locator(".heatmap .scroll").bounding_box(), page.locator(":focus").bounding_box()
    assert scroller is not None
    assert strip is not None
    assert scroller["y"] <= strip["y"]
    assert strip["y"] + strip["height"] <= scroller["y"] + scroller["height"] + 1


def test_tables_sort_by_number_and_by_name_and_back(page: Page) -> None:
    """Numbers start with the largest, NaN before all, rows without a value stand last either way; a third click restores the order."""
    table = page.locator("#figure-tensors table")

    def names() -> list[str]:
        shown: list[str] = table.locator("tbody th").all_inner_texts()
        return shown

    head = table.get_by_role("columnheader", name="norm")
    orders = []
    for _ in range(3):
        head.get_by_role("button").click()
        orders.append((head.get_attribute("aria-sort"), names()))
    assert orders == [
        ("descending", ["bias", "w1", "w10", "w3", "w2"]),
        ("ascending", ["w3", "w10", "w1", "bias", "w2"]),
        ("none", ["w10", "w2", "w1", "bias", "w3"]),
    ]
    table.get_by_role("columnheader", name="tensor").get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert names() == ["bias", "w1", "w2", "w3", "w10"]
    assert head.get_attribute("aria-sort") == "none"


def test_class_counts_sort_by_their_number(page: Page) -> None:
    """The bars' heading sorts by the count, not by its letters."""
    table = page.locator("#figure-classes table")
    table.get_by_role("columnheader", name="train").get_by_role("button").click()
    assert table.locator("tbody th").all_inner_texts() == ["dog", "cat", "eel"]


def test_nothing_of_it_asks_or_complains(visit: Visit) -> None:
    """After a use of everything, the page itself is still the only request, and the console is empty."""
    page = visit.page
    for control in (".log", ".legend input >> nth=1"):
        page.locator(control).click()
    _drag(page, 1, 3)
    page.locator("#figure-tensors th button").first.click()
    assert len(visit.requests) == 1
    assert visit.complaints == []
    assert visit.violations() == []
