"""The page on a telephone, in the dark, and on paper."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browsing import Look, Opener

import postmortem
from postmortem.model import Artifacts, Curve, DepthPlot, LinePlot, Mark, Report, RunReport, Table
from postmortem.render.wording import prose

if TYPE_CHECKING:
    from playwright.sync_api import Page

PAGES = ("failed", "healthy", "inconclusive", "unreadable", "several")
UNFOLD = "document.querySelectorAll('details').forEach((part) => (part.open = true))"
PAPER = 718
"""Pixels of text width that A4 with margins of one centimetre has: (210 - 20) mm at 96 to the inch."""
SMALLEST_TEXT = 9.0
"""Pixels; below it, numbers on an axis cannot be read."""
LEAST_FONT = """() => Math.min(...[...document.querySelectorAll(".chart text")].filter((text) => text.checkVisibility()).map(
    (text) => parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().d
))"""


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scripts", [True, False])
def test_nothing_scrolls_sideways_at_360_pixels(opened: Opener, real_pages: dict[str, Path], name: str, scripts: bool) -> None:
    """The page is as wide as the screen, folded and unfolded; numbers on the axes of charts can be read."""
    page = opened(real_pages[name], Look(width=360, height=740, scripts=scripts)).page
    for change in ("null", UNFOLD):
        page.evaluate(change)
        assert page.evaluate("document.documentElement.scrollWidth") == 360
    if page.locator(".chart").count():
        assert page.evaluate(LEAST_FONT) >= SMALLEST_TEXT


def test_dark_is_dark_on_screens_and_light_on_paper(opened: Opener, real_pages: dict[str, Path]) -> None:
    """Page and curves have colours of their own in the dark; printing takes those of the light page."""
    read = """() => [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector(".curve")).stroke]"""
    light, dark = (opened(real_pages["failed"], look).page for look in (Look(scheme="light"), Look(scheme="dark")))
    (light_page, light_curve), (dark_page, dark_curve) = light.evaluate(read), dark.evaluate(read)
    assert (light_page, dark_page) == ("rgb(245, 247, 249)", "rgb(13, 17, 23)")
    assert light_curve != dark_curve
    dark.emulate_media(media="print", color_scheme="dark")
    assert dark.evaluate(read) == ["rgb(255, 255, 255)", light_curve]


@pytest.mark.parametrize("name", PAGES)
def test_on_paper_nothing_is_cut(opened: Opener, real_pages: dict[str, Path], name: str) -> None:
    """At the width of a page nothing is wider than it, and nothing hides in a part that scrolls."""
    page = opened(real_pages[name], Look(width=PAPER, height=1045)).page
    page.emulate_media(media="print")
    page.evaluate(UNFOLD)
    assert page.evaluate("document.documentElement.scrollWidth") == PAPER
    hidden = page.evaluate(
        """() => [...document.querySelectorAll("main *")].filter((element) => {
            const style = getComputedStyle(element);
            const scrolls = ["auto", "scroll", "hidden"].some((way) => [style.overflowX, style.overflowY].includes(way));
            const cut = element.scrollWidth > element.clientWidth + 1 || element.scrollHeight > element.clientHeight + 1;
            return scrolls && cut && !element.closest("svg, .hidden-text");
        }).map((element) => element.outerHTML.slice(0, 120))"""
    )
    assert hidden == []


def _printed(page: Page) -> str:
    """The text of the page's sheets."""
    from pypdf import PdfReader

    margin: Any = dict.fromkeys(("top", "right", "bottom", "left"), "1cm")
    sheets = PdfReader(io.BytesIO(page.pdf(format="A4", margin=margin, print_background=True))).pages
    # Fonts join letters, as in the one sign of "fi": NFKC parts them again.
    return " ".join(unicodedata.normalize("NFKC", " ".join(sheet.extract_text() for sheet in sheets)).split())


@pytest.mark.parametrize("scripts", [True, False])
def test_a_printed_report_has_causes_figures_and_what_was_not_looked_at(
    opened: Opener, real_pages: dict[str, Path], failed_run: Path, scripts: bool
) -> None:
    """Folded causes, evidence and names are printed with and without scripts; docs and passed checks are twenty sheets that few want."""
    page = opened(real_pages["failed"], Look(scripts=scripts)).page
    text = _printed(page)
    (run,) = postmortem.analyze(failed_run)
    for outcome in run.checks:
        if outcome.status in ("not-checked", "fail", "warn"):
            assert outcome.title in text, outcome.title
    for title in [one.title for one in run.exhibits] + [one.title for one in run.causes] + [one.title for one in run.checklist]:
        assert " ".join(prose(title).split()) in text, title
    assert "update ratio" in text
    assert "Passed checks" in text
    assert "and when it is wrong" not in text
    if scripts:
        # Printing leaves the page as it was.
        assert page.locator("details:not([open])").count() > 0


def test_what_the_reader_has_opened_is_printed(opened: Opener, real_pages: dict[str, Path], failed_run: Path) -> None:
    """An opened fold of passed checks, or of a check's docs, stands on paper too."""
    page = opened(real_pages["failed"], Look()).page
    page.evaluate("document.querySelector('#passed details').open = document.querySelector('.check .aside').open = true")
    text = _printed(page)
    (run,) = postmortem.analyze(failed_run)
    assert all(outcome.title in text for outcome in run.checks if outcome.status == "pass")
    assert "About this check, and when it is wrong" in text


def test_the_table_of_tensors_fits_a_window_of_1100_pixels(opened: Opener, real_pages: dict[str, Path]) -> None:
    """No column of it is cut, and few rows stand in full."""
    page = opened(real_pages["failed"], Look(width=1100)).page
    box = "(box) => [box.scrollWidth - box.clientWidth, box.scrollHeight - box.clientHeight]"
    assert page.locator("#figure-tensors .scroll").evaluate(box) == [0, 0]


def test_names_stay_in_view_where_a_table_scrolls(opened: Opener, real_pages: dict[str, Path]) -> None:
    """On a telephone the numbers move under the first column."""
    page = opened(real_pages["failed"], Look(width=360)).page
    scroller, name = page.locator("#figure-tensors .scroll"), page.locator("#figure-tensors tbody th").first
    before = name.bounding_box()
    scroller.evaluate("(box) => (box.scrollLeft = 200)")
    assert scroller.evaluate("(box) => box.scrollLeft") == 200
    assert name.bounding_box() == before


def test_level_names_cover_no_curve_on_a_telephone(opened: Opener, written: Callable[[Report], Path]) -> None:
    """There they stand in the list beneath the plot alone."""
    curves = (Curve("loss", "train", (0, 1, 2), (2.3, 2.2, 2.1), 3),)
    plot = LinePlot("loss", "loss", "Loss", "", "", curves, marks=(Mark("level", "chance level", value=2.3),))
    path = written(Report("1", (RunReport(".", "made", "healthy", "Fine.", (), (), (), Artifacts(), (), (plot,)),)))
    for width, seen in ((1100, True), (360, False)):
        page = opened(path, Look(width=width)).page
        assert page.locator(".level-label").is_visible() is seen
        assert page.locator(".marks .mark").inner_text() == "chance level"


def test_long_names_take_two_lines_until_they_have_the_focus(opened: Opener, written: Callable[[Report], Path]) -> None:
    """Rows stay low; the whole name is one step of the Tab key, or a tip of the mouse, away."""
    name = "encoder.block." * 21 + "weight"
    layers = DepthPlot("depth", "layers", "Variance", "", "", (name, "head"), {"step 0": (1.0, 2.0)})
    table = Table("tensors", "layers", "Tensors", "", ("tensor", "norm"), ((name, 1.0), ("head", 2.0)))
    path = written(Report("1", (RunReport(".", "made", "healthy", "Fine.", (), (), (), Artifacts(), (), (layers, table)),)))
    page = opened(path, Look(width=1100)).page
    for figure in ("depth", "tensors"):
        cell = page.locator(f"#figure-{figure} tbody th").first
        lines = "(cell) => cell.firstElementChild.clientHeight / parseFloat(getComputedStyle(cell.firstElementChild).lineHeight)"
        assert cell.inner_text() == cell.locator("code").get_attribute("title") == name
        assert cell.evaluate(lines) == pytest.approx(2, abs=0.1)
        cell.locator("code").focus()
        assert cell.evaluate(lines) > 2.5
