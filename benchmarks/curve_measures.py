"""Time of measuring one curve of 500,000 points, beside sorting its values once.

    python benchmarks/curve_measures.py [--points 500000]

The median of five turns counts. Exits with 1 where the target was missed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
from reporting import say, verdict

from postmortem.measure.chance import Classes
from postmortem.measure.curves import measure_curves
from postmortem.measure.roles import assign
from postmortem.model import ReadOptions, RunData, Series

TARGET_SECONDS = 1.0


def seconds(work: Callable[[], object]) -> float:
    """Median of five turns, in seconds of processor time."""
    turns = []
    for _ in range(5):
        start = time.process_time()
        work()
        turns.append(time.process_time() - start)
    return statistics.median(turns)


def main() -> int:
    """Draws, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=500_000)
    points: int = parser.parse_args().points
    noise = np.random.default_rng(0).normal(0, 0.05, points)
    values = 0.3 + 2 * np.exp(-8 * np.linspace(0, 1, points)) + noise
    series = Series("train/loss", "", np.arange(points), values, np.full(points, np.nan), "events")
    run = RunData("run", "run", (), (series,), (), {}, (), (), (), (), ReadOptions())

    def measure() -> int:
        return sum(1 for _ in measure_curves(run, assign(run.series, run.options), Classes()))

    own, sorting = seconds(measure), seconds(lambda: np.sort(values))
    say(f"{points} points, {measure()} measurements and gaps: {own:.3f} s, {own / sorting:.0f} times sorting the values")
    return 0 if verdict("seconds", own, TARGET_SECONDS) else 1


if __name__ == "__main__":
    sys.exit(main())
