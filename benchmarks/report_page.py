"""Reports of all sample runs, and of the largest run, as pages: seconds of rendering, bytes, and how soon a browser has drawn a figure.

    python benchmarks/report_page.py [--sample-runs DIR] [--repeats 5] [--without-largest]

Drawing is timed in the installed chromium (extra `browser`), from the moment when all bytes are there to the end of the frame that shows
the finished page, script included; the least of the repeats counts, for everything else that runs makes it longer. Without a browser it is
left out, and said so.
"""

from __future__ import annotations

import argparse
import contextlib
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
_NOTE_THE_FRAME = """
addEventListener("DOMContentLoaded", () => requestAnimationFrame(() => setTimeout(() => {
    const figure = document.querySelector("figure svg.chart, figure svg");
    if (figure && figure.getBoundingClientRect().height > 0) window.drawn = performance.now();
})));
"""


def main() -> int:
    """Render, write, open, print; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample-runs", type=Path, default=Path(__file__).parent.parent / "sample_runs")
    parser.add_argument("--repeats", type=int, default=5, help="times that each page is rendered, and opened")
    parser.add_argument("--without-largest", action="store_true", help="leave out the run of 200 checkpoints and 500 tags")
    options = parser.parse_args()
    if reason := why_no_browser():
        say(f"drawing is not timed: {reason}")
    met = True
    with tempfile.TemporaryDirectory() as name, _browser() as browser:
        folder = Path(name)
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
        with visiting(browser, file, Look()) as visit:
            visit.page.add_init_script(_NOTE_THE_FRAME)
            met &= verdict("first figure drawn, ms", min(_drawn(visit.page) for _ in range(repeats)), DRAWN_MS)
    return met


def _drawn(page: Page) -> float:
    """Milliseconds from the last byte to the end of the frame with the first figure, of a page that is opened again."""
    page.reload()
    page.wait_for_function("window.drawn")
    since: float = page.evaluate("drawn - performance.getEntriesByType('navigation')[0].responseEnd")
    return since


if __name__ == "__main__":
    sys.exit(main())
