"""Makes the pictures of README from the sample runs: `python docs/screenshots.py`, with the extra `browser` and an installed chromium.

Three reports, as a reader meets them: a run that failed, with its figures, one that is healthy, and the page of a scan over all sample
runs. Fonts differ from machine to machine, so that no test compares the pictures; one makes them anew, and sees that each shows its page.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from browsing import Look, started, visiting, why_no_browser  # noqa: E402 - benchmarks/ is no package


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture."""

    name: str
    command: tuple[str, ...]
    """Arguments of `postmortem`."""
    page: str
    """What it writes."""
    title: str
    """What the page's title begins with."""
    height: int
    at: str = ""
    """Element that the picture begins with; the page's head by default."""


ONE_RUN = ("analyze", "sample_runs/pebble", "-o", "failed.html")
SHOTS = (
    Shot("failed", ONE_RUN, "failed.html", "Failed: sample_runs/pebble", 1180),
    Shot("figures", ONE_RUN, "failed.html", "Failed: sample_runs/pebble", 1000, "#figure-update-ratio"),
    Shot("healthy", ("analyze", "sample_runs/willow", "-o", "healthy.html"), "healthy.html", "Healthy: sample_runs/willow", 720),
    Shot("fleet", ("scan", "sample_runs", "-o", "archive"), "archive/index.html", "19 of 26 runs failed", 980),
)


def take(shots: Sequence[Shot], folder: Path) -> list[Path]:
    """Take these pictures into a folder, which must be there.

    Raises:
        RuntimeError: where a page is not the one that was meant.
    """
    made = []
    with TemporaryDirectory() as work, started() as browser:
        # Beside a link to the sample runs, so that the pages show the paths that README's commands have.
        (Path(work) / "sample_runs").symlink_to(ROOT / "sample_runs", target_is_directory=True)
        for command in dict.fromkeys(shot.command for shot in shots):
            # The sample runs are failed runs on purpose: the exit code says so, and is not looked at.
            subprocess.run([sys.executable, "-m", "postmortem", *command], cwd=work, check=False, capture_output=True)
        for shot in shots:
            with visiting(browser, Path(work) / shot.page, Look(width=1180, height=shot.height)) as visit:
                if not visit.page.title().startswith(shot.title):
                    raise RuntimeError(f"{shot.name}: the page is called {visit.page.title()!r}")
                if shot.at:
                    visit.page.locator(shot.at).evaluate("(element) => element.scrollIntoView()")
                picture = folder / f"{shot.name}.png"
                visit.page.screenshot(path=picture)
            made.append(picture)
    return made


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
