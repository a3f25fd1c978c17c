"""Takes the lines of one metric of MLflow's file store apart, and puts their steps in order."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from postmortem.read.words import counted

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_EARLIEST_MILLISECONDS = 1e11
"""1973 in milliseconds, the year 5138 in seconds: smaller times are seconds, as stores before MLflow 1.0 hold them."""
_FEWEST_REPLACED = 3  # a step that falls back behind fewer points, or with fewer that follow, is a straggler, no restart
_LARGEST_STEP = 2.0**62
_SPACE, _LINE_END = 32, 10
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class MetricLines:
    """The points of one metric, by step."""

    steps: Ints
    values: Floats
    wall_seconds: Floats
    bad: int = 0
    """Lines that are none, and are lost."""
    cut: bool = False
    """Whether the last line is the only one of these, and has no end."""
    note: str = ""
    """What was made of steps that say nothing or fall back; empty where they rise."""


def parse_lines(data: bytes) -> MetricLines:
    """The points of a file of lines `milliseconds value [step [data set, digest]]`; raises nothing for what it holds."""
    table, bad, cut = _regular(data), 0, False
    if table is None:
        table, bad, cut = _line_by_line(data)
    return replace(points_of(table), bad=bad, cut=cut)


def points_of(table: Floats) -> MetricLines:
    """The points of a table of times, values and steps, in order of writing."""
    walls = table[:, 0]
    walls = np.where(walls >= _EARLIEST_MILLISECONDS, walls / 1000, walls)
    steps, kept, note = _ordered(table[:, 2].astype(np.int64))
    order = kept[np.argsort(steps[kept], kind="stable")]
    return MetricLines(steps[order], table[order, 1], walls[order], note=note)


def _regular(data: bytes) -> Floats | None:
    """Times, values and steps of a file whose lines all hold these three, as nearly all do; None for any other."""
    codes = np.frombuffer(data, np.uint8)
    separators = codes[(codes == _SPACE) | (codes == _LINE_END)]
    if not data.endswith(b"\n") or separators.size % 3 or not np.all(separators.reshape(-1, 3) == (_SPACE, _SPACE, _LINE_END)):
        return None
    numbers = array("d")
    try:
        # In pieces of whole lines: as Python's own objects the numbers take ten times the file.
        begin = 0
        while begin < len(data):
            end = data.find(b"\n", begin + _PIECE) + 1 or len(data)
            numbers.extend(map(float, data[begin:end].split()))
            begin = end
    except ValueError:
        return None
    table = np.frombuffer(numbers, dtype=np.float64)
    if table.size != separators.size:
        return None
    table = table.reshape(-1, 3)
    steps = table[:, 2]
    sound = np.isfinite(table[:, 0]) & (np.abs(steps) < _LARGEST_STEP) & (steps == np.floor(steps))
    return table if sound.all() else None


def _line_by_line(data: bytes) -> tuple[Floats, int, bool]:
    """The same of the lines that hold a point; how many hold none, and whether that is the last one alone and without its end."""
    rows = [line.split() for line in data.split(b"\n") if line.strip()]
    found = [_point(row) for row in rows]
    sound = [point for point in found if point is not None]
    cut = len(sound) == len(rows) - 1 and found[-1] is None and not data.endswith(b"\n")
    return np.array(sound, dtype=np.float64).reshape(-1, 3), len(rows) - len(sound), cut


def _point(row: list[bytes]) -> tuple[float, float, float] | None:
    """Time, value and step of one line; None where it is no such line."""
    if len(row) not in (2, 3, 5):
        return None
    try:
        milliseconds, value = float(row[0]), float(row[1])
        step = float(row[2]) if len(row) > 2 else 0.0
    except ValueError:
        return None
    sound = np.isfinite(milliseconds) and abs(step) < _LARGEST_STEP and step == int(step)
    return (milliseconds, value, step) if sound else None


def _ordered(steps: Ints) -> tuple[Ints, Ints, str]:
    """Steps in order of writing made fit: the steps, which points to keep, and a note.

    Where most points share their step (the step was never given, or is an epoch with many points in it) points are numbered instead. Where
    the step falls back, the run was started again under the same id: the later points count from their first step on.
    """
    everything = np.arange(steps.size)
    if steps.size < 2 or bool(np.all(steps[1:] > steps[:-1])):
        return steps, everything, ""
    falls = np.flatnonzero(np.diff(steps) < 0) + 1
    distinct = np.unique(steps).size
    if not falls.size:
        if distinct == 1:
            return everything, everything, f"holds step {steps[0]} in all {steps.size} points, which are numbered instead"
        if steps.size >= 4 and distinct < steps.size / 2:
            return everything, everything, f"holds {steps.size} points on {distinct} steps, which are numbered instead"
        return steps, everything, ""
    keep = np.ones(steps.size, dtype=np.bool_)
    for fall in falls:
        late = np.flatnonzero(keep[:fall] & (steps[:fall] >= steps[fall]))
        if min(late.size, steps.size - fall) >= _FEWEST_REPLACED:
            keep[late] = False
    replaced = int(np.count_nonzero(~keep))
    note = f"falls back to an earlier step: {counted(replaced, 'earlier point')} gave way to later ones" if replaced else ""
    return steps, everything[keep], note
