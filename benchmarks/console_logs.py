"""Time of reading text logs of 100 MB, beside reading their bytes.

    python benchmarks/console_logs.py [--megabytes 100] [--folder DIR]

Four logs: one that repeats itself with other numbers, as training logs do, a progress bar without line ends, one that reports an overflow
in every line, and one of which no two lines are alike (the worst: samples of a language model and nothing else). Processor time counts.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from postmortem.model import FoundFile
from postmortem.read.console.files import read_console

TARGETS = {"repeating": 150.0, "progress bar": 100.0, "overflows": 30.0, "no two lines alike": 10.0}
"""MB a second, at least."""


def _line(name: str, draw: random.Random, words: list[str]) -> Callable[[int], str]:
    loss = draw.random
    return {
        "repeating": lambda i: (
            f"2026-03-01 12:{i // 60 % 60:02d}:{i % 60:02d} | epoch {i // 999} step {i} loss {loss():.4f} error {loss():.3f}\n"
        ),
        "progress bar": lambda i: f"\r{i % 100:3d}%|{'#' * (i % 10):10}| {i}/400000 [00:{i % 60:02d}<01:00, 9.8it/s, loss={loss():.3f}]",
        "overflows": lambda i: f"Gradient overflow.  Skipping step, loss scaler 0 reducing loss scale to {65536 / (1 + i % 9)}\n",
        "no two lines alike": lambda i: " ".join(draw.choices(words, k=14)) + "\n",
    }[name]


def main() -> int:
    """Build, read, print; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=100.0, help="size of each log")
    parser.add_argument("--folder", type=Path, help="where to put the files (default: the system's temporary folder)")
    options = parser.parse_args()
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 9))) for _ in range(20000)]
    missed = False
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        for kind, target in TARGETS.items():
            path = Path(name) / "train.log"
            line = _line(kind, draw, words)
            with path.open("w", encoding="utf-8") as out:
                index = 0
                while out.tell() < options.megabytes * 1e6:
                    out.write("".join(line(index + i) for i in range(2000)))
                    index += 2000
            size = path.stat().st_size
            begin = time.process_time()
            path.read_bytes()
            raw = time.process_time() - begin
            begin = time.process_time()
            read_console(FoundFile(path, path.name, "console", size))
            seconds = time.process_time() - begin
            speed = size / 1e6 / seconds
            missed |= speed < target
            verdict = "met" if speed >= target else "MISSED"
            sys.stdout.write(f"{kind}: {seconds:.2f} s, {speed:.0f} MB/s (target: {target:g}, {verdict}); bytes alone {raw:.2f} s\n")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
