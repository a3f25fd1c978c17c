"""How fast the run went by its wall times: steps a second, whether that fell, and the longest time in which nothing was logged.

Only times within one process count: what lies between two files is a run that was resumed, and no stall. Curves are read in blocks, so
that one pause for evaluation or a checkpoint moves nothing. Times that a converter made say nothing, and are told by all being equal or
a thousandth of a second apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from postmortem.measure.figure_titles import pace_title
from postmortem.measure.loss import missing
from postmortem.measure.roles import Roled, main_training_loss
from postmortem.measure.smooth import Floats, Ints
from postmortem.measure.thinning import thin
from postmortem.model import Curve, LinePlot, Mark, Measurement, Missing, RunData, Series, counted

LEAST_POINTS = 20
BLOCKS = 20
SHOWN_BLOCKS = 200
AFTERWARDS_SECONDS = 1e-3
"""Points of one tag that are no more than this apart were written in one go, not while the run went on."""
LEAST_BURSTS = 8
BURST_SHARE = 0.02
"""Where the time within bursts of points is no more than this share of the whole, the bursts are the points."""
LONG_PAUSE = 20.0
"""A pause so many times the usual distance ends a burst."""
SHOWN_SECONDS = 600.0
"""Of shorter runs the pace is measured, but not drawn."""
NOTABLE_GAP = 10.0
_STARTED = re.compile(r"tfevents\.(\d{9,11})(?:\.|$)")

RATE = ("pace.steps_per_second", "pace.lost_share", "pace.trend")
GAP = ("pace.longest_gap_seconds", "pace.gap_to_usual", "pace.gap_to_pauses")


@dataclass(frozen=True, slots=True, eq=False)
class Pace:
    """One series with times, within the process that logged most of it."""

    series: Series
    steps: Ints
    wall_seconds: Floats
    """Ascending; a burst of points is one point."""


def measure_pace(run: RunData, roled: Sequence[Roled]) -> Iterator[Measurement | Missing]:
    """`run.duration_seconds` and every `pace.*` measurement."""
    names = ("run.duration_seconds", *RATE, *GAP)
    timed = [one.series for one in roled if np.isfinite(one.series.wall_seconds).sum() >= 2]
    if not timed:
        yield from missing(names, "no scalar carries the time at which it was logged", "wall-times")
        return
    times = np.unique(np.concatenate([one.wall_seconds[np.isfinite(one.wall_seconds)] for one in timed]))
    duration = float(times[-1] - times[0])
    pace = pace_of(run, roled)
    if isinstance(pace, str):
        yield from missing(names, pace, "wall-times")
        return
    basis = f"first to last time of {counted(len(timed), 'tag')}"
    yield Measurement("run.duration_seconds", duration, "seconds", basis)
    yield from _rate(pace)
    yield from _gap(run, pace, times)


def pace_of(run: RunData, roled: Sequence[Roled]) -> Pace | str:
    """The series that tells the pace: the training loss, else the longest with times; or why none can."""
    training = main_training_loss(roled)
    timed = [one.series for one in roled if np.isfinite(one.series.wall_seconds).sum() >= LEAST_POINTS]
    if not timed:
        return f"no tag has {LEAST_POINTS} points with a time"
    series = training.series if training is not None and training.series in timed else max(timed, key=lambda one: one.steps.size)
    known = np.isfinite(series.wall_seconds)
    steps, walls = series.steps[known], series.wall_seconds[known]
    if float(np.ptp(walls)) == 0:
        return f"all points of {series.tag!r} carry the same time: they were written afterwards"
    steps, walls = _bursts(*_longest_process(steps, walls, _starts(run, series)))
    if steps.size < LEAST_POINTS and steps.size < LEAST_BURSTS:
        return f"{series.tag!r} was written at only {steps.size} times within one process"
    if float(np.median(np.diff(walls))) < AFTERWARDS_SECONDS:
        return f"points of {series.tag!r} are less than {AFTERWARDS_SECONDS:g} s apart: they were written afterwards"
    return Pace(series, steps, walls)


def _starts(run: RunData, series: Series) -> Floats:
    """When the processes that wrote a series began, from the names of its event files."""
    names = series.source.split(", ")
    own = [file.name for file in run.files if file.name in names] or names
    return _started(own)


def _started(names: Sequence[str]) -> Floats:
    found = [float(match[1]) for match in map(_STARTED.search, names) if match is not None]
    return np.array(sorted(found), dtype=np.float64)


def _longest_process(steps: Ints, walls: Floats, starts: Floats) -> tuple[Ints, Floats]:
    """The points between two starts that are most; in order of time."""
    process = np.searchsorted(starts, walls, side="right")
    numbers, counts = np.unique(process, return_counts=True)
    mine = process == numbers[int(np.argmax(counts))]
    steps, walls = steps[mine], walls[mine]
    order = np.argsort(walls, kind="stable")
    return steps[order], walls[order]


def _bursts(steps: Ints, walls: Floats) -> tuple[Ints, Floats]:
    """The last point of each burst, where points came in bursts; else all points."""
    if walls.size < 2:
        return steps, walls
    apart = np.diff(walls)
    usual = float(np.median(apart))
    long = apart > max(LONG_PAUSE * usual, AFTERWARDS_SECONDS)
    if int(long.sum()) < LEAST_BURSTS or float(apart[~long].sum()) > BURST_SHARE * float(walls[-1] - walls[0]):
        return steps, walls
    last = np.append(np.flatnonzero(long), walls.size - 1)
    return steps[last], walls[last]


# --- steps a second ---------------------------------------------------------------------------------------------------


def block_rates(steps: Ints, walls: Floats, blocks: int) -> tuple[Ints, Floats]:
    """Last step of each of so many blocks of points, and steps a second within it; blocks without time or progress are left out."""
    borders = np.unique(np.linspace(0, steps.size - 1, min(blocks, steps.size - 1) + 1).astype(np.int64))
    done = np.diff(steps[borders]).astype(np.float64)
    taken = np.diff(walls[borders])
    sound = (done > 0) & (taken > 0)
    return steps[borders[1:]][sound], done[sound] / taken[sound]


def _rate(pace: Pace) -> Iterator[Measurement | Missing]:
    steps, rates = block_rates(pace.steps, pace.wall_seconds, BLOCKS)
    tag = f"{pace.series.tag!r} of {pace.series.source}"
    if rates.size < LEAST_BURSTS:
        yield from missing(RATE, f"{tag} advances in only {rates.size} of {BLOCKS} blocks", "wall-times")
        return
    basis = f"{counted(rates.size, 'block')} of {counted(pace.steps.size, 'point')} of {tag}, within one process"
    yield Measurement("pace.steps_per_second", float(np.median(rates)), "steps per second", f"median of {basis}")
    quarter = max(2, rates.size // 4)
    first, last = float(np.median(rates[:quarter])), float(np.median(rates[-quarter:]))
    said = f"{first:.4g} steps a second in the first quarter, {last:.4g} in the last; {basis}"
    yield Measurement("pace.lost_share", 1 - last / first, "share", said, int(steps[-quarter]), {"first": first, "last": last})
    yield Measurement("pace.trend", rank_correlation(rates), "correlation", f"Spearman's, of the rate with its place among {basis}")


def rank_correlation(values: Floats) -> float:
    """Spearman's correlation of values with their position; 0 where all are equal. Ties share their mean rank."""
    unique, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    if unique.size < 2:
        return 0.0
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float(np.corrcoef(ranks, np.arange(values.size))[0, 1])


# --- gaps -------------------------------------------------------------------------------------------------------------


def gaps_within(times: Floats, starts: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Seconds between neighbouring times, and the position before each; those in which a process began are left out."""
    begun = np.searchsorted(starts, times, side="right")
    within = np.flatnonzero(np.diff(begun) == 0)
    return np.diff(times)[within], within


def _gap(run: RunData, pace: Pace, times: Floats) -> Iterator[Measurement | Missing]:
    events = [file.name for file in run.files if file.role == "events"]
    starts = _started(events)
    sources = pace.series.source.split(", ")
    if not set(sources) & set(events):
        yield from missing(GAP, f"{pace.series.source} does not tell a run that stood still from one that was resumed", "wall-times")
        return
    if len(sources) > 1 and _started(sources).size < len(sources):
        yield from missing(GAP, f"{pace.series.tag!r} lies in several files, whose names do not tell when they were begun", "wall-times")
        return
    gaps, before = gaps_within(times, starts)
    order = np.argsort(gaps)[::-1]
    if order.size < 4:
        yield from missing(GAP, f"only {order.size} pauses within one process", "wall-times")
        return
    longest = float(gaps[order[0]])
    usual = max(float(np.median(np.diff(pace.wall_seconds))), 1e-9)
    pauses = max(float(gaps[order[2]]), usual)
    step = _step_at(pace, float(times[before[order[0]]]))
    basis = f"after step {step}; points of {pace.series.tag!r} are {usual:.3g} s apart"
    yield Measurement("pace.longest_gap_seconds", longest, "seconds", basis, step)
    yield Measurement("pace.gap_to_usual", longest / usual, "ratio", basis, step)
    yield Measurement("pace.gap_to_pauses", longest / pauses, "ratio", f"over the third longest pause, {pauses:.3g} s; {basis}", step)


def _step_at(pace: Pace, wall: float) -> int:
    """The last step logged up to a time."""
    known = np.isfinite(pace.series.wall_seconds)
    done = pace.series.steps[known][pace.series.wall_seconds[known] <= wall]
    return int(done.max()) if done.size else int(pace.series.steps[0])


# --- exhibit ----------------------------------------------------------------------------------------------------------


def exhibit(run: RunData, roled: Sequence[Roled], longest: Measurement | None, usual: Measurement | None) -> Iterator[LinePlot]:
    """Throughput over steps, and the seconds between points beneath; of runs of ten minutes and more.

    `longest` and `usual`: the longest gap and its ratio to the usual distance, where they were measured.
    """
    pace = pace_of(run, roled)
    if isinstance(pace, str) or float(np.ptp(pace.wall_seconds)) < SHOWN_SECONDS:
        return
    steps, rates = block_rates(pace.steps, pace.wall_seconds, SHOWN_BLOCKS)
    if rates.size < LEAST_BURSTS:
        return
    marks: tuple[Mark, ...] = ()
    if longest is not None and usual is not None and usual.value >= NOTABLE_GAP and longest.first_step is not None:
        marks = (Mark("step", f"nothing was logged for {longest.value:,.0f} s", longest.first_step),)
    order = np.argsort(pace.steps[1:], kind="stable")
    yield LinePlot(
        "pace",
        "loss",
        pace_title(rates, longest.value if marks and longest is not None else None, longest.first_step if longest is not None else None),
        f"Throughput by the times of {pace.series.tag!r}, within one process; beneath, the seconds between points.",
        "steps per second",
        (_curve("steps per second", steps, rates),),
        (_curve("seconds between points", pace.steps[1:][order], np.diff(pace.wall_seconds)[order]),),
        "seconds",
        marks,
    )


def _curve(label: str, steps: Ints, values: Floats) -> Curve:
    order = np.argsort(steps, kind="stable")
    kept_steps, kept_values = thin(steps[order], values[order])
    return Curve(
        label, "other", tuple(kept_steps.tolist()), tuple(float(f"{value:.7g}") for value in kept_values.tolist()), int(values.size)
    )
