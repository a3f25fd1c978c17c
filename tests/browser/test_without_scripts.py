"""Where scripts are blocked, and style sheets too, verdicts and figures are still there."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browsing import JENKINS_POLICY, Look, Opener, serving
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Locator

PAGES = ("failed", "healthy", "inconclusive", "unreadable", "several")


def _pixels(element: Locator, colour: tuple[int, int, int]) -> int:
    """Pixels of an element, as drawn, that are close to a colour."""
    picture = Image.open(io.BytesIO(element.screenshot())).convert("RGB")
    counted = picture.getcolors(picture.width * picture.height) or []
    return sum(
        count for count, found in counted if isinstance(found, tuple) and max(abs(a - b) for a, b in zip(found, colour, strict=True)) <= 24
    )


def _shows_all(opened: Opener, address: Path | str, scripts: bool) -> None:
    page = opened(address, Look(scripts=scripts)).page
    runs = page.locator("article.run").all()
    assert runs
    for run in runs:
        for part in (".verdict .status.strong", ".verdict-title", ".verdict .sentence"):
            shown = run.locator(part).first
            assert shown.is_visible()
            assert shown.inner_text().strip()
        for figure in run.locator("figure").all():
            for chart in figure.locator("svg").all():
                box = chart.bounding_box()
                assert box is not None
                assert box["width"] > 0
                assert box["height"] > 0
        # Controls that would do nothing are not shown.
        assert run.locator(".tools:visible, .legend input:visible, th button:visible").count() == 0
        for chart in run.locator("figure.lines .chart").all():
            # As the chart's own attributes give it, which is that of the light style sheet too.
            colour = chart.locator(".curve").first.get_attribute("stroke") or ""
            red, green, blue = bytes.fromhex(colour.removeprefix("#"))
            assert _pixels(chart, (red, green, blue)) > 100
        for rects in (".heat td.strip rect", ".figure.counts td.strip rect", ".figure.depth td.strip use[x]"):
            drawn = run.locator(rects)
            if drawn.count():
                box = drawn.first.bounding_box()
                assert box is not None
                assert box["width"] * box["height"] > 0
    assert page.locator("text=The whole result is in this page as JSON").is_visible()


@pytest.mark.parametrize("name", PAGES)
def test_with_scripts_off_everything_is_shown(opened: Opener, real_pages: dict[str, Path], name: str) -> None:
    """Verdict, cause and every figure are drawn by the page alone, and no control is offered that would do nothing."""
    _shows_all(opened, real_pages[name], scripts=False)


@pytest.mark.parametrize("name", PAGES)
def test_under_the_header_of_jenkins_everything_is_shown(opened: Opener, real_pages: dict[str, Path], name: str) -> None:
    """The same where the server's policy blocks the script and the style sheet of the page; the server is asked for nothing else."""
    path, asked = real_pages[name], list[str]()
    with serving(path.parent, {"Content-Security-Policy": JENKINS_POLICY}, asked) as server:
        _shows_all(opened, f"{server}/{path.name}", scripts=True)
    assert [one for one in asked if one != "/favicon.ico"] == [f"/{path.name}"]


def test_the_header_of_jenkins_does_block_script_and_style(opened: Opener, real_pages: dict[str, Path]) -> None:
    """The test above looks at what it says: neither the script nor the style sheet had any effect."""
    path = real_pages["failed"]
    with serving(path.parent, {"Content-Security-Policy": JENKINS_POLICY}, []) as server:
        page = opened(f"{server}/{path.name}", Look()).page
        assert page.locator(".figure.live").count() == 0
        assert page.locator(".tip").count() == 0
        assert page.locator(".card").first.evaluate("(card) => getComputedStyle(card).borderTopWidth") == "0px"
