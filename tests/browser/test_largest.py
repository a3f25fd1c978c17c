"""The largest run of the promise: 60 layers in 200 checkpoints, 500 tags, 1,000 classes, curves of 100,000 points."""

from __future__ import annotations

from pathlib import Path

import pytest
from browsing import Look, Opener
from large_run import ARABIC_NAME, CHECKPOINTS, CHINESE_NAME, CLASSES, LAYERS, LONG_NAME, POINTS, TAGS, write_large_run

import postmortem
from postmortem.model import Heatmap, RunReport
from postmortem.render.wording import number

BUDGET_BYTES = 2_000_000
MOST_ELEMENTS = 20_000
"""On the page; they are what layout costs."""
PAPER = 718
UNFOLD = "document.querySelectorAll('details').forEach((part) => (part.open = true))"


@pytest.fixture(scope="module")
def largest(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunReport, Path]:
    """The run, judged, and its page."""
    folder = tmp_path_factory.mktemp("large")
    (folder / "run").mkdir()
    write_large_run(folder / "run")
    report = postmortem.analyze(folder / "run")
    page = folder / "report.html"
    page.write_text(report.to_html(), encoding="utf-8")
    (run,) = report
    return run, page


def test_it_was_read_whole_and_its_page_is_within_the_budget(largest: tuple[RunReport, Path]) -> None:
    """All tags, checkpoints, points and classes were measured, the page has at most 2 MB, and no curve needs more than its pixels."""
    run, page = largest
    assert len(run.tags) == TAGS
    assert run.artifacts.checkpoints == CHECKPOINTS
    assert max(curve.points for plot in run.exhibits if plot.kind == "lines" for curve in plot.curves) == POINTS
    assert page.stat().st_size <= BUDGET_BYTES
    assert max(len(curve.steps) for plot in run.exhibits if plot.kind == "lines" for curve in plot.curves) < 1000


def test_it_says_what_was_thinned_and_what_was_left_out(opened: Opener, largest: tuple[RunReport, Path]) -> None:
    """Points of curves, classes, class weights and tags: how many there are of how many."""
    run, path = largest
    page = opened(path, Look()).page
    page.evaluate(UNFOLD)
    plot = next(exhibit for exhibit in run.exhibits if exhibit.id == "loss" and exhibit.kind == "lines")
    drawn = sum(len(curve.steps) for curve in (*plot.curves, *plot.lower))
    every = sum(curve.points for curve in (*plot.curves, *plot.lower))
    assert f"Drawn from {number(drawn)} points of {number(every)}" in page.locator("#figure-loss .note").last.inner_text()
    assert f"25 most frequent and the 15 rarest of {CLASSES} classes" in page.locator("#figure-classes").inner_text()
    assert f"The 200 rarest of {CLASSES} classes" in page.locator("#figure-class-weights").inner_text()
    assert page.locator("#tags tbody tr").count() == 400
    assert "100 more tags" in page.locator("#tags").inner_text()


def test_the_heatmap_says_that_it_leaves_out_checkpoints(largest: tuple[RunReport, Path]) -> None:
    """Where a checkpoint has no column, the figure says how many have one."""
    run, _ = largest
    heat = next(exhibit for exhibit in run.exhibits if isinstance(exhibit, Heatmap))
    assert len(heat.rows) == LAYERS
    assert len(heat.columns) < CHECKPOINTS
    assert str(len(heat.columns)) in heat.caption


def test_it_can_be_used(opened: Opener, largest: tuple[RunReport, Path]) -> None:
    """Curves answer, gaps are marked, tables sort, long and foreign names stand in full, and the page does not grow beyond its elements."""
    visit = opened(largest[1], Look())
    page = visit.page
    assert page.locator("#figure-loss .curves .gap").count() == 1
    page.locator("#figure-loss .chart").hover(position={"x": 600, "y": 150})
    assert page.locator("#figure-loss .tip span").all_inner_texts() == ["train/loss", "val/loss", "train/learning_rate"]
    page.locator("#figure-loss .smoothing").fill("0.9")
    page.locator("#figure-loss .log").check()
    assert page.locator("#figure-loss .curves .raw").count() == 2
    names = page.locator("#figure-weight-variance tbody th").all_inner_texts()
    assert {f"{LONG_NAME}.weight", f"{ARABIC_NAME}.weight", f"{CHINESE_NAME}.weight"} <= set(names)
    assert len(names) == LAYERS
    norm = page.locator("#figure-tensors").get_by_role("columnheader", name="norm", exact=True)
    norm.get_by_role("button").click()
    assert norm.get_attribute("aria-sort") == "descending"
    page.evaluate(UNFOLD)
    assert page.locator("*").count() <= MOST_ELEMENTS
    assert (len(visit.requests), visit.complaints, visit.violations()) == (1, [], [])


@pytest.mark.parametrize("width", [360, PAPER])
def test_it_fits_the_telephone_and_the_paper(opened: Opener, largest: tuple[RunReport, Path], width: int) -> None:
    """Nothing is wider than the screen, nor than the page in print."""
    page = opened(largest[1], Look(width=width)).page
    if width == PAPER:
        page.emulate_media(media="print")
    page.evaluate(UNFOLD)
    assert page.evaluate("document.documentElement.scrollWidth") == width
