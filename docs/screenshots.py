"""Makes the pictures of README from the sample runs: `python docs/screenshots.py`, with the extra `browser` and an installed chromium.

Three pages, as a reader meets them: a run that failed, one that is healthy, and the page of a scan over all sample runs. The pictures
differ a little from browser to browser, so that no test compares them; one makes them, and looks that each shows its page.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from browsing import Look, started, visiting, why_no_browser  # noqa: E402 - benchmarks/ is no package

COLOURS = 96
"""Flat pages with little colour: more than this cannot be seen, and costs bytes."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture."""

    name: str
    command: tuple[str, ...]
    """Arguments of `postmortem`, without the output."""
    page: str
    """File within the output."""
    title: str
    """What the page's title begins with."""
    height: int = 900


SHOTS = (
    Shot("failed", ("analyze", "sample_runs/pebble", "-o"), "report.html", "Failed: sample_runs/pebble", 1040),
    Shot("healthy", ("analyze", "sample_runs/willow", "-o"), "report.html", "Healthy: sample_runs/willow", 760),
    Shot("fleet", ("scan", "sample_runs", "--reports", "none", "-o"), "index.html", "", 1000),
)


def take(shots: Sequence[Shot], folder: Path) -> list[Path]:
    """Take these pictures into a folder, which must be there.

    Raises:
        RuntimeError: where a page is not the one that was meant.
    """
    made = []
    with TemporaryDirectory() as work, started() as browser:
        for shot in shots:
            out = Path(work) / shot.name
            out.mkdir()
            target = out if shot.page == "index.html" else out / shot.page
            # The sample runs are failed runs on purpose: their exit code says so.
            command = [sys.executable, "-m", "postmortem", *shot.command, str(target)]
            subprocess.run(command, cwd=ROOT, check=False, capture_output=True)
            with visiting(browser, out / shot.page, Look(width=1180, height=shot.height)) as visit:
                if not visit.page.title().startswith(shot.title):
                    raise RuntimeError(f"{shot.name}: the page is called {visit.page.title()!r}")
                picture = folder / f"{shot.name}.png"
                visit.page.screenshot(path=picture)
            _shrink(picture)
            made.append(picture)
    return made


def _shrink(picture: Path) -> None:
    with Image.open(picture) as image:
        small = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(picture, optimize=True)


def main() -> int:
    """Take all pictures into docs/images, or where --into says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=ROOT / "docs" / "images", metavar="FOLDER")
    folder: Path = parser.parse_args().into
    if reason := why_no_browser():
        sys.stderr.write(f"{reason}\n")
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    for picture in take(SHOTS, folder):
        sys.stdout.write(f"{picture.name}: {picture.stat().st_size // 1000} kB\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
