"""Time of reading trainers' tables against the plainest reading of the same bytes in Python.

    python benchmarks/log_tables.py [ROWS]

Writes tables of ROWS rows (100,000 by default) and 20 columns into a temporary folder: dense figures, blank cells in half of them as
Lightning leaves, a column of words that names the split, and lines of JSON. Reads each with `read_log`, and with the csv module and
`float` for each cell, or `json.loads` for each line, in turn, five times. Prints the best processor times, their ratio, and the peak
memory of the process.
"""

from __future__ import annotations

import csv
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from reporting import say

from postmortem.model import FoundFile
from postmortem.read.tables.files import read_log

NAMES = [f"metric_{index}" for index in range(19)]
TARGET = 2.0
"""The plain reading keeps nothing; curves that are checked, numbered and sorted may cost twice as much."""


def write_tables(folder: Path, rows: int) -> None:
    """The four tables."""
    draw = random.Random(0)

    def write(name: str, lines: Iterator[str]) -> None:
        (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def dense(first: str, head: Callable[[int], str]) -> Iterator[str]:
        yield f"{first},{','.join(NAMES)}"
        for step in range(rows):
            yield f"{head(step)},{','.join(repr(draw.random()) for _ in NAMES)}"

    def half_blank() -> Iterator[str]:
        yield f"step,{','.join(NAMES)}"
        for step in range(rows):
            yield f"{step},{','.join(repr(draw.random()) if (step % 2 == 0) == (place < 10) else '' for place in range(len(NAMES)))}"

    write("dense.csv", dense("step", str))
    write("blanks.csv", half_blank())
    write("words.csv", dense("phase,step", lambda step: f"{'val' if step % 2 else 'train'},{step}"))
    write("lines.jsonl", (json.dumps({"step": step, **{name: draw.random() for name in NAMES}}) for step in range(rows)))


def plainly(path: Path) -> None:
    """Reads a file as the shortest script would."""
    with path.open(encoding="utf-8", newline="") as opened:
        if path.suffix == ".jsonl":
            for line in opened:
                json.loads(line)
            return
        for row in csv.reader(opened):
            for cell in row:
                if cell[:1].isdigit():
                    float(cell)


def as_log(path: Path) -> None:
    """Reads a file as the program does.

    Raises:
        SystemExit: a curve is missing.
    """
    if len(read_log(FoundFile(path, path.name, "log", path.stat().st_size)).series) < len(NAMES):
        raise SystemExit(f"{path.name} was not read in full")


def seconds(read: Callable[[Path], None], path: Path) -> float:
    """Best processor time of five."""
    taken = []
    for _ in range(5):
        begin = time.process_time()
        read(path)
        taken.append(time.process_time() - begin)
    return min(taken)


def main(rows: int) -> None:
    """Print a line for each table; exit with 1 where one missed the target."""
    met = True
    with tempfile.TemporaryDirectory() as folder:
        write_tables(Path(folder), rows)
        for path in sorted(Path(folder).iterdir()):
            own, plain = seconds(as_log, path), seconds(plainly, path)
            met &= own <= TARGET * plain
            size = path.stat().st_size / 1e6
            say(f"{path.name}, {size:.0f} MB: {own:.2f} s, plainly {plain:.2f} s, ratio {own / plain:.2f}")
    say(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    say(f"target: ratio at most {TARGET:.1f}: {'met' if met else 'missed'}")
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
