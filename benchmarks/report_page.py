"""Reports of all sample runs, and of the largest run, as pages: seconds of rendering, bytes, and how soon a browser has drawn a figure.

    python benchmarks/report_page.py [--sample-runs DIR] [--repeats 10] [--without-largest]

Drawing is timed in the installed chromium (extra `browser`), in a window of 1200 x 900 pixels, from the moment when the first byte of the
page is there (`responseStart`; a last byte that comes late would flatter) to the end of the first frame

- in which a figure stands on the page, as the server drew it: it is parsed, styled, laid out, and painted where it is in view;
- in which the script has drawn a figure anew, so that it answers to mouse and keyboard.

Each page is opened again and again in a browser that is warm; the least of the repeats counts, for everything else that runs makes it
longer. The load of the machine is printed, and what an empty page with one figure takes: no page can be drawn sooner. Without a browser
drawing is left out, and said so.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from browsing import Look, started, visiting, why_no_browser
from large_run import write_large_run
from reporting import say, verdict

import postmortem

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

RENDER_SECONDS, DRAWN_MS = 0.5, 100.0
KILOBYTES, LARGEST_KILOBYTES = 250.0, 2000.0
_NOTE_FRAMES = """
(() => {
    const note = (name) => setTimeout(() => (window[name] = performance.now()));
    let figure = null;
    const look = () => {
        if (!figure) {
            figure = document.querySelector("figure svg.chart, figure .strip svg");
            if (figure && figure.getBoundingClientRect().height > 0) note("drawn");
            else figure = null;
        }
        if (document.querySelector("figure.live")) note("answering");
        else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
})();
"""
_LEAST_PAGE = (
    '<!doctype html><title>least</title><figure class="live"><svg class="chart" viewBox="0 0 9 9"><path d="M0 0h9v9"/></svg></figure>'
)
_FRAMES = """() => new Promise((tell) => {
    const since = performance.getEntriesByType("navigation")[0].responseStart;
    const look = () => (window.drawn && window.answering ? tell([drawn - since, answering - since]) : setTimeout(look, 20));
    look();
})"""
"""Milliseconds from the first byte to the two frames, once both are there."""


def main() -> int:
    """Render, write, open, print; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample-runs", type=Path, default=Path(__file__).parent.parent / "sample_runs")
    parser.add_argument("--repeats", type=int, default=10, help="times that each page is rendered, and opened")
    parser.add_argument("--without-largest", action="store_true", help="leave out the run of 200 checkpoints and 500 tags")
    options = parser.parse_args()
    if reason := why_no_browser():
        say(f"drawing is not timed: {reason}")
    say(f"load of the last minute: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    met = True
    with tempfile.TemporaryDirectory() as name, _browser() as browser:
        folder = Path(name)
        if browser is not None:
            least = folder / "least.html"
            least.write_text(_LEAST_PAGE, encoding="utf-8")
            say(
                f"an empty page with one figure is drawn after {min(drawn for drawn, _ in _frames(browser, least, options.repeats)):.1f} ms"
            )
        for run in sorted(path.parent for path in options.sample_runs.glob("*/truth.json")):
            met &= _page(run, folder, browser, options.repeats, KILOBYTES)
        if not options.without_largest:
            largest = folder / "largest"
            largest.mkdir()
            write_large_run(largest)
            met &= _page(largest, folder, browser, options.repeats, LARGEST_KILOBYTES)
    return 0 if met else 1


@contextlib.contextmanager
def _browser() -> Iterator[Browser | None]:
    if why_no_browser():
        yield None
    else:
        with started() as browser:
            yield browser


def _page(run: Path, folder: Path, browser: Browser | None, repeats: int, kilobytes: float) -> bool:
    report = postmortem.analyze(run)
    say(f"{run.name}:")
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        text = report.to_html()
        seconds.append(time.perf_counter() - begin)
    file = folder / f"{run.name}.html"
    file.write_text(text, encoding="utf-8")
    met = verdict("rendering, s", min(seconds), RENDER_SECONDS)
    met &= verdict("size, kB", file.stat().st_size / 1e3, kilobytes)
    if browser is not None:
        frames = _frames(browser, file, repeats)
        met &= verdict("first figure drawn, ms", min(drawn for drawn, _ in frames), DRAWN_MS)
        met &= verdict("first figure answers, ms", min(answering for _, answering in frames), DRAWN_MS)
    return met


def _frames(browser: Browser, file: Path, repeats: int) -> list[tuple[float, float]]:
    """Milliseconds from the first byte to the two frames, each time that the page is opened again."""
    with visiting(browser, file, Look()) as visit:
        visit.page.add_init_script(_NOTE_FRAMES)
        return [_opened_again(visit.page) for _ in range(repeats)]


def _opened_again(page: Page) -> tuple[float, float]:
    page.reload()
    drawn, answering = page.evaluate(_FRAMES)
    return drawn, answering


if __name__ == "__main__":
    sys.exit(main())
