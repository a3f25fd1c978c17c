"""What a reader without a mouse, or without sight, gets of the page."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browsing import Look, Opener

if TYPE_CHECKING:
    from playwright.sync_api import Page

PAGES = ("failed", "healthy", "inconclusive", "unreadable", "several")
UNFOLD = "document.querySelectorAll('details').forEach((part) => (part.open = true))"
FOCUSED = """() => {
    const element = document.activeElement;
    if (element === document.body) return null;
    const [style, box] = [getComputedStyle(element), element.getClientRects()[0]];
    const inside = (low, high, limit) => (Math.max(low, 0) + Math.min(high, limit)) / 2;
    const hit = document.elementFromPoint(inside(box.left, box.right, innerWidth), inside(box.top, box.bottom, innerHeight));
    return {
        tag: element.tagName.toLowerCase(),
        text: element.outerHTML.slice(0, 120),
        number: [...document.querySelectorAll("*")].indexOf(element),
        outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1,
        inView: element.contains(hit),
    };
}"""


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(opened: Opener, real_pages: dict[str, Path], name: str, scheme: str) -> None:
    """All of axe-core's rules, best practices among them, hold with every part of the page unfolded."""
    from axe_playwright_python.sync_playwright import Axe

    page = opened(real_pages[name], Look(scheme="dark" if scheme == "dark" else "light")).page
    page.evaluate(UNFOLD)
    found = Axe().run(page)
    assert found.response["passes"]
    assert found.violations_count == 0, found.generate_report()


def test_axe_would_have_found_something(opened: Opener, real_pages: dict[str, Path]) -> None:
    """On the same page with pale text, axe-core does see it: the rules are awake under the page's content policy."""
    from axe_playwright_python.sync_playwright import Axe

    page = opened(real_pages["healthy"], Look()).page
    page.evaluate("document.documentElement.style.setProperty('--text', '#bbb')")
    assert "color-contrast" in {violation["id"] for violation in Axe().run(page).response["violations"]}


@pytest.mark.parametrize("name", PAGES)
def test_headings_skip_no_level_and_landmarks_are_there_once(opened: Opener, real_pages: dict[str, Path], name: str) -> None:
    """One h1 comes first, each heading is at most one level below the one before, and every region and figure has a name."""
    page = opened(real_pages[name], Look()).page
    levels: list[int] = page.evaluate("[...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map((head) => Number(head.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert [pair for pair in pairwise(levels) if pair[1] - pair[0] > 1] == []
    for once in ("header", "main", "footer"):
        assert page.locator(f"body > {once}").count() == 1, once
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("section, nav, figure, [role=group], [role=application], [role=img]")].filter((part) => {
            const names = (part.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent);
            return !(part.getAttribute("aria-label") ?? names.join("")).trim();
        }).map((part) => part.outerHTML.slice(0, 120))"""
    )
    assert unnamed == []


@pytest.mark.parametrize("name", ["failed", "unreadable", "several"])
def test_the_keyboard_reaches_everything_and_shows_where_it_is(opened: Opener, real_pages: dict[str, Path], name: str) -> None:
    """Tab visits every control in the order of the page, each in view, not covered, and outlined; the first one skips to the verdict."""
    page = opened(real_pages[name], Look()).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main"
    reached: list[int] = []
    while (focus := page.evaluate(FOCUSED)) is not None and len(reached) < 2000:
        assert focus["outlined"], focus["text"]
        assert focus["inView"], focus["text"]
        reached.append(focus["number"])
        page.keyboard.press("Tab")
    assert reached == sorted(set(reached))
    assert len(reached) == _controls(page)


def _controls(page: Page) -> int:
    """Links, controls and scrolling regions that are not folded away."""
    count: int = page.evaluate(
        """() => [...document.querySelectorAll("a[href], button, input, summary, [tabindex='0']")].filter(
            (element) => element.checkVisibility({ contentVisibilityAuto: true, visibilityProperty: true }) && !element.disabled
        ).length"""
    )
    return count


def test_a_link_into_a_folded_part_unfolds_it(opened: Opener, real_pages: dict[str, Path]) -> None:
    """Following a link to evidence within a closed cause opens it and brings it into view."""
    page = opened(real_pages["failed"], Look()).page
    page.evaluate("document.querySelectorAll('details').forEach((part) => (part.open = false))")
    page.locator(".verdict .more a").first.click()
    page.wait_for_function("document.querySelector('.cause').open")
    page.locator(".cause .arguments").first.wait_for(state="visible")
