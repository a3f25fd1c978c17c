"""The page on a telephone, in the dark, and on paper."""

from __future__ import annotations

import io
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from browsing import Look, Opener

import postmortem

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


@pytest.mark.parametrize("scripts", [True, False])
def test_a_printed_report_has_all_text_of_the_page(opened: Opener, real_pages: dict[str, Path], failed_run: Path, scripts: bool) -> None:
    """What is folded on the screen is printed too, with and without scripts; the figures' headings and the last column are there."""
    from pypdf import PdfReader

    page = opened(real_pages["failed"], Look(scripts=scripts)).page
    margin: Any = dict.fromkeys(("top", "right", "bottom", "left"), "1cm")
    printed = PdfReader(io.BytesIO(page.pdf(format="A4", margin=margin, print_background=True)))
    # Fonts join letters, as in the one sign of "fi": NFKC parts them again.
    text = " ".join(unicodedata.normalize("NFKC", " ".join(sheet.extract_text() for sheet in printed.pages)).split())
    (run,) = postmortem.analyze(failed_run)
    for outcome in run.checks:
        if outcome.status in ("pass", "not-applicable", "fail", "warn"):
            assert outcome.title in text, outcome.title
    for exhibit in run.exhibits:
        assert exhibit.title in text, exhibit.title
    assert "update ratio" in text
    if scripts:
        # Printing leaves the page as it was.
        assert page.locator("details:not([open])").count() > 0
