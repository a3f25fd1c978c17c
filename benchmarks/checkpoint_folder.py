"""Time of reading and measuring a folder of twenty checkpoints against a pair of them.

    python benchmarks/checkpoint_folder.py [--format safetensors|pt] [--megabytes 100] [--repeat 7] [--folder DIR]

Builds twenty float32 checkpoints, each one update after the one before, and prints how many times longer all of them take than the first
two. Ten times is what the bytes alone account for. Each run has an interpreter of its own, whose imports do not count.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from checkpoint_pair import pass_seconds
from made_checkpoints import build, cat_seconds

COUNT = 20
TARGET = COUNT / 2


def _apart(paths: list[Path]) -> float:
    command = [sys.executable, __file__, "--measure", *map(str, paths)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)


def main() -> int:
    """Build, warm, time, print; 1 where the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--format", choices=("safetensors", "pt"), default="safetensors")
    parser.add_argument("--megabytes", type=float, default=100.0, help="size of each file")
    parser.add_argument("--repeat", type=int, default=7, help="turns; the median is judged")
    parser.add_argument("--folder", type=Path, help="where to put the files (default: the system's temporary folder)")
    parser.add_argument("--measure", nargs="+", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        sys.stdout.write(str(pass_seconds(options.measure)))
        return 0
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        paths = build(Path(name), options.format, "float32", options.megabytes / 1024, COUNT, width=512)
        cat_seconds(paths)
        ratios = []
        for _ in range(options.repeat):
            pair, folder = _apart(paths[:2]), _apart(paths)
            ratios.append(folder / pair)
            sys.stdout.write(f"{options.format}: 2 files {pair:.3f} s, {COUNT} files {folder:.3f} s, {folder / pair:.2f} times as long\n")
    ratio = statistics.median(ratios)
    met = ratio <= TARGET
    sys.stdout.write(f"median {ratio:.2f} times as long (target: at most {TARGET:g}): {'met' if met else 'MISSED'}\n")
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
