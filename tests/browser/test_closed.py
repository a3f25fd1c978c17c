"""The page asks for nothing, runs nothing but its own script, and keeps hostile names as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from browsing import Look, Opener, serving

import postmortem
from postmortem.model import Curve, DepthPlot, Heatmap, LinePlot, Problem, Report, Table

PAGES = ("failed", "healthy", "inconclusive", "unreadable", "several")
NAMES = (
    "layer." * 60 + "weight",
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "\N{ARABIC LETTER TAH}\N{ARABIC LETTER BEH}\N{ARABIC LETTER QAF}\N{ARABIC LETTER TEH MARBUTA}.weight",
    "\N{CJK UNIFIED IDEOGRAPH-5C42}\N{CJK UNIFIED IDEOGRAPH-6743}\N{CJK UNIFIED IDEOGRAPH-91CD}" * 40,
    "bell\x07and\x1b[31mred\u202eturned",
)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_asks_for_nothing_and_complains_of_nothing(opened: Opener, real_pages: dict[str, Path], name: str, scheme: str) -> None:
    """The only request is the page itself; the console stays empty and the content policy is not violated."""
    visit = opened(real_pages[name], Look(scheme="dark" if scheme == "dark" else "light"))
    visit.page.locator("footer").scroll_into_view_if_needed()
    visit.page.wait_for_load_state("networkidle")
    assert visit.requests == [real_pages[name].as_uri()]
    assert visit.complaints == []
    assert visit.violations() == []


def test_the_policy_stops_what_a_page_might_be_made_to_ask_for(opened: Opener, real_pages: dict[str, Path], tmp_path: Path) -> None:
    """An image, a style sheet, a script and a fetch, put into the page afterwards, are all refused before they reach the server."""
    asked: list[str] = []
    with serving(tmp_path, {}, asked) as elsewhere:
        visit = opened(real_pages["failed"], Look())
        visit.page.evaluate(
            """async (address) => {
                const add = (name, values) => document.body.append(Object.assign(document.createElement(name), values));
                add("img", { src: `${address}/image.png` });
                add("link", { rel: "stylesheet", href: `${address}/sheet.css` });
                add("script", { src: `${address}/script.js` });
                add("script", { textContent: "document.title = 'run'" });
                await fetch(`${address}/data`).catch(() => null);
            }""",
            elsewhere,
        )
        visit.page.wait_for_function("violations.length >= 5")
        assert {found.split()[0] for found in visit.violations()} == {"img-src", "style-src-elem", "script-src-elem", "connect-src"}
        assert visit.page.title() != "run"
    assert asked == []


def _named(report: Report) -> Report:
    """The report's run with the names above as its layers, tags, files and classes."""
    run = report.runs[0]
    values = tuple(0.1 * 2**row for row in range(len(NAMES)))
    exhibits = (
        LinePlot("loss", "loss", NAMES[1], NAMES[2], "", tuple(Curve(name, "train", (0, 1, 2), (2.0, 1.0, 0.5), 3) for name in NAMES)),
        DepthPlot("depth", "layers", "Weight variance by depth", "", "", NAMES, {"step 0": values}),
        Heatmap("heat", "layers", "Update over weight", "", "", NAMES, ("step 0", "step 1"), tuple((value, value) for value in values)),
        Table("tensors", "layers", "Tensors", "", ("tensor", NAMES[3]), tuple(zip(NAMES, values, strict=True))),
    )
    checks = tuple(
        replace(outcome, finding=replace(outcome.finding, where=NAMES)) if outcome.alarmed else outcome for outcome in run.checks
    )
    causes = tuple(replace(cause, where=NAMES) for cause in run.causes)
    problems = tuple(Problem(name, "corrupt", name) for name in NAMES)
    return Report(
        "1", (replace(run, path=NAMES[1], exhibits=exhibits, checks=checks, causes=causes, problems=problems),), report.pages, NAMES[0]
    )


def test_hostile_names_stay_text(opened: Opener, written: Callable[[Report], Path], failed_run: Path) -> None:
    """Names of 300 characters, markup, right-to-left and wide scripts and control characters run nothing, show and fit the page."""
    visit = opened(written(_named(postmortem.analyze(failed_run))), Look(width=360))
    page = visit.page
    page.evaluate("document.querySelectorAll('details').forEach((part) => (part.open = true))")
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 2
    assert len(visit.requests) == 1
    assert visit.complaints == []
    heads = page.locator(".figure.depth tbody th").all_inner_texts()
    assert heads[:5] == list(NAMES[:5])
    assert heads[5] == "bell\\x07and\\x1b[31mred\\u202eturned"
    chart = page.locator(".figure.lines .chart")
    chart.hover()
    assert page.locator(".figure.lines .tip span").all_inner_texts()[1] == NAMES[1]
    assert page.evaluate("document.documentElement.scrollWidth") == 360
