"""A browser, real reports of every kind, and one made by hand whose numbers are known."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browsing import Look, Opener, Visit, started, visiting, why_no_browser

import postmortem
from postmortem.model import Report

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Writer = Callable[[Report], Path]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in a browser is slow, beside all the rest."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The installed browser. Where it is missing tests are skipped, but fail where POSTMORTEM_NEEDS_BROWSER is set, as .ci/run does."""
    if reason := why_no_browser():
        if os.environ.get("POSTMORTEM_NEEDS_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    with started() as browser:
        yield browser


@pytest.fixture
def opened(browser: Browser) -> Iterator[Opener]:
    """Opens pages, and closes them when the test ends."""
    with ExitStack() as stack:

        def open_page(address: Path | str, look: Look) -> Visit:
            return stack.enter_context(visiting(browser, address, look))

        yield open_page


@pytest.fixture
def written(tmp_path: Path) -> Writer:
    """Writes the page of a report to a file of the test's own."""

    def write(report: Report) -> Path:
        path = tmp_path / "report.html"
        path.write_text(postmortem.Report(report.version, report.runs, report.pages, report.command).to_html(), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def real_pages(tmp_path_factory: pytest.TempPathFactory, sample_runs: Path, failed_run: Path, healthy_run: Path) -> dict[str, Path]:
    """Pages of real analyses: each verdict that a run can have but `suspect`, and several runs on one page."""
    folder = tmp_path_factory.mktemp("pages")
    short, broken, several = (folder / name for name in ("short", "broken", "several"))
    for made in (short, broken, several):
        made.mkdir()
    (short / "metrics.csv").write_text(
        "step,train_loss\n" + "".join(f"{step},{2.3 - 0.01 * step}\n" for step in range(5)), encoding="utf-8"
    )
    (broken / "step_000100.pt").write_bytes(b"PK\x03\x04 and then nothing that could be read")
    for run in (failed_run, healthy_run):
        shutil.copytree(run, several / run.name)
    shutil.copytree(broken, several / "broken")
    analyzed = {"failed": failed_run, "healthy": healthy_run, "inconclusive": short, "unreadable": broken, "several": several}
    pages = {}
    for name, run in analyzed.items():
        report = postmortem.analyze(run)
        assert name == "several" or [one.verdict for one in report] == [name]
        pages[name] = folder / f"{name}.html"
        pages[name].write_text(report.to_html(), encoding="utf-8")
    return pages
