"""The page is there before the script has done anything, and what is below the screen waits without being lost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browsing import SETTLED, Look, Opener

if TYPE_CHECKING:
    from playwright.sync_api import Page

NOTE = """
const live = () => document.querySelectorAll("figure.live").length;
const kinds = (selector) => [...document.querySelectorAll(selector)].map((part) => getComputedStyle(part).contentVisibility);
new MutationObserver(() => {
    if (window.early) return;
    window.early = [
        document.documentElement.dataset.live, live(),
        kinds(".run > section:not(.verdict)"), kinds("figure, .check, .checklist > li"),
    ];
    requestAnimationFrame(() => (window.framed = live()));
}).observe(document, { subtree: true, attributeFilter: ["data-live"] });"""
"""What there is when the script's own run has ended, before anything that it put off; and how much is livelier at the first frame."""
WAITS = "[...document.querySelectorAll('.run *')].filter((part) => getComputedStyle(part).contentVisibility === 'auto').length"


def _noted(opened: Opener, path: Path, fragment: str = "") -> Page:
    page = opened(path, Look()).page
    page.add_init_script(NOTE)
    page.goto("about:blank")
    page.goto(path.as_uri() + fragment)
    page.wait_for_selector(SETTLED, state="attached")
    return page


def test_the_script_keeps_the_page_from_nothing(opened: Opener, real_pages: dict[str, Path]) -> None:
    """When the script has run, and at the first frame, no figure is livelier yet, and all wait for their layout; soon after, none waits."""
    page = _noted(opened, real_pages["failed"])
    live, drawn, sections, parts = page.evaluate("early")
    assert (live, drawn, set(sections), set(parts)) == ("soon", 0, {"auto"}, {"auto"})
    assert page.evaluate("framed") == 0
    assert page.locator("figure.lines.live").count() == page.locator("figure.lines").count() > 0
    assert page.evaluate(WAITS) == 0


def test_a_link_into_the_page_finds_all_of_it_laid_out(opened: Opener, real_pages: dict[str, Path]) -> None:
    """Opened at a figure far below, the page is whole at once and the figure is in view: nothing above it grows later."""
    page = _noted(opened, real_pages["failed"], "#figure-tensors")
    assert page.evaluate("early")[0] == "yes"
    box = page.locator("#figure-tensors").bounding_box()
    assert box is not None
    assert 0 <= box["y"] < 300


def test_printing_waits_for_nothing(opened: Opener, real_pages: dict[str, Path]) -> None:
    """On paper nothing is left to be laid out later, with scripts and without."""
    for scripts in (True, False):
        page = opened(real_pages["failed"], Look(scripts=scripts)).page
        page.emulate_media(media="print")
        assert page.evaluate(WAITS) == 0


@pytest.mark.parametrize("name", ["failed", "several"])
def test_without_scripts_nothing_waits(opened: Opener, real_pages: dict[str, Path], name: str) -> None:
    """Nothing would ask for what waits, so everything is laid out from the start."""
    assert opened(real_pages[name], Look(scripts=False)).page.evaluate(WAITS) == 0
