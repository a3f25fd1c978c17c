"""The small figure of a cause: drawn from the figure's own shapes, still when that one moves, gone where it could not be read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browsing import Look, Opener

import postmortem

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def stilled(tmp_path_factory: pytest.TempPathFactory, sample_runs: Path) -> Path:
    """A page whose first cause shows a line plot."""
    path = tmp_path_factory.mktemp("stills") / "sable.html"
    path.write_text(postmortem.analyze(sample_runs / "sable").to_html(), encoding="utf-8")
    return path


def _lines(page: Page) -> str:
    """The id of the line plot that a still shows."""
    shown: str = page.locator(".still a").first.get_attribute("href") or ""
    assert page.locator(f"{shown}.lines").count() == 1
    return shown


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_done_to_the_figure_is_not_done_to_the_still(opened: Opener, stilled: Path, scheme: str) -> None:
    """Zoomed, and on another scale, the figure is drawn anew; the cause goes on showing it as it came."""
    page = opened(stilled, Look(scheme="dark" if scheme == "dark" else "light")).page
    figure = _lines(page)
    still = page.locator(".still > svg").first
    before = still.screenshot()
    assert still.evaluate("(svg) => svg.querySelector('use').getBBox().height") > 100
    chart = page.locator(f"{figure} .chart")
    drawn = chart.locator(".curve").first.get_attribute("d")
    chart.focus()
    chart.press("+")
    page.locator(f"{figure} .log").click()
    assert chart.locator(".curve").first.get_attribute("d") != drawn
    still.scroll_into_view_if_needed()
    page.mouse.move(0, 0)
    assert still.screenshot() == before


def test_the_still_is_there_without_scripts_and_leads_to_the_figure(opened: Opener, stilled: Path) -> None:
    """It looks the same, for it is the server's drawing in both cases."""
    with_script, without = (opened(stilled, Look(scripts=scripts)).page for scripts in (True, False))
    stills = [page.locator(".still > svg").first for page in (with_script, without)]
    assert [box["width"] for still in stills if (box := still.bounding_box())] == [660, 660]
    assert stills[0].screenshot() == stills[1].screenshot()
    figure = _lines(with_script)
    with_script.locator(".still a").first.click()
    box = with_script.locator(figure).bounding_box()
    assert box is not None
    assert 0 <= box["y"] < 900


def test_on_a_telephone_words_lead_to_the_figure(opened: Opener, stilled: Path) -> None:
    """A plot with axes is not readable in half the width."""
    page = opened(stilled, Look(width=360)).page
    assert page.locator(".still > svg").first.is_hidden()
    assert page.locator(".still a").first.is_visible()
