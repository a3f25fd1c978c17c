"""Time of finding the runs in an archive of many files, beside listing and looking up the same files.

    python benchmarks/discovery.py [--runs 100]

Makes runs of 50 empty checkpoints and 50 pictures each in a temporary folder, and prints how many times longer than `os.walk` with a `stat`
of every file it takes to put them together. The median of five turns counts. Exits with 1 where the target was missed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from postmortem.discover import find_runs

TARGET = 5.0
"""Times the raw listing: names are taken apart into words, and sorted as people count."""


def make(root: Path, runs: int) -> None:
    """The archive."""
    for number in range(runs):
        folder = root / f"group{number // 10}" / f"run{number}"
        for part in ("checkpoints", "images"):
            (folder / part).mkdir(parents=True)
        for index in range(50):
            (folder / "checkpoints" / f"step_{index}.pt").touch()
            (folder / "images" / f"{index}.png").touch()


def listed(root: Path) -> int:
    """Files, each looked up."""
    return sum(Path(folder, name).stat().st_size >= 0 for folder, _, names in os.walk(root) for name in names)


def seconds(work: Callable[[], object]) -> float:
    """Median of five turns."""
    turns = []
    for _ in range(5):
        start = time.perf_counter()
        work()
        turns.append(time.perf_counter() - start)
    return statistics.median(turns)


def main() -> int:
    """Makes, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        make(root, options.runs)
        found = len(find_runs([root]))
        own, raw = seconds(lambda: find_runs([root])), seconds(lambda: listed(root))
    met = own / raw <= TARGET and found == options.runs
    sys.stdout.write(f"{100 * options.runs} files, {found} runs: {own:.2f} s, listing alone {raw:.2f} s\n")
    sys.stdout.write(f"  times the listing: {own / raw:.1f} (target at most {TARGET:g}): {'met' if met else 'MISSED'}\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
