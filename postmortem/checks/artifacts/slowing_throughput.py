"""Throughput that fell

## What it looks for
Steps a second, in blocks of points within one process, of runs of at least 600 s. It warns where the last quarter of the run has lost at
least 20 % against the first, and the rate fell all along: Spearman's correlation of rate and position below -0.6. It never fails: a slow
run is not a wrong one.

## Why it matters
A run that slows down has something that grows: tensors that are kept alive, a list of losses with their graphs, a loader whose workers
die, a file that is rewritten as a whole. It ends out of memory, or late.

## What to do
Store `loss.item()` rather than `loss`, look at memory over time, restart with fewer or more workers of the loader, and profile one late
step against an early one.

## When it is wrong
Longer sequences, larger images or batches by a schedule slow a run on purpose, and so does a machine that is shared. Where a step is an
environment's step, longer episodes do.

## References
Row L15 of the symptom catalogue in this project's design: a loss of 20 per cent with Spearman's correlation below -0.6.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number, percent

LOST = Threshold(
    0.2,
    "share",
    source="symptom catalogue L15; run monitors take a step time of 1.2 times the first as the line",
    half="noise of shared machines warns",
    double="a leak that costs a third passes",
)
TREND = Threshold(
    -0.6,
    "correlation",
    source="symptom catalogue L15",
    half="runs that were slow once, late, warn",
    double="no run warns",
)
LEAST = Threshold(
    600.0,
    "seconds",
    source="the project's own choice: what a run of minutes loses is no loss",
    half="noise of short runs warns",
    double="runs of a quarter of an hour are not judged",
)

NEEDS = ("run.duration_seconds", "pace.steps_per_second", "pace.lost_share", "pace.trend")
USES = ()
CHECKLIST = ()
FIGURE = "pace"


def applies(measured: Measured) -> str:
    duration = measured.number("run.duration_seconds")
    return f"the run took {duration:.0f} s" if duration is not None and duration < LEAST.value else ""


def judge(measured: Measured) -> Finding:
    lost, trend = measured["pace.lost_share"], measured["pace.trend"]
    usual = measured["pace.steps_per_second"].value
    if lost.value >= LOST.value and trend.value <= TREND.value:
        seen = (
            f"the run lost {percent(lost.value)} of its throughput, and slowed down all "
            f"along (correlation {number(trend.value, 2)}): {lost.basis}"
        )
        return Finding("warn", seen, lost.value, LOST, lost.unit, lost.first_step)
    if lost.value >= LOST.value:
        seen = (
            f"the last quarter was {percent(lost.value)} slower than the first, without "
            f"a trend (correlation {number(trend.value, 2)}): {lost.basis}"
        )
        return Finding("pass", seen, lost.value, LOST, lost.unit)
    return Finding("pass", f"the run kept {number(usual)} steps a second throughout", lost.value, LOST, lost.unit)


def _given(lost: float, trend: float, seconds: float = 90_000.0) -> tuple[Measurement, ...]:
    basis = f"8 steps a second in the first quarter, {number(8 * (1 - lost), 4)} in the last; 20 blocks of 500 points of 'train/loss'"
    return (
        Measurement("run.duration_seconds", seconds, "seconds", "first to last time of 5 tags"),
        Measurement("pace.steps_per_second", 8.0, "steps per second", "median of 20 blocks"),
        Measurement("pace.lost_share", lost, "share", basis, 7500),
        Measurement("pace.trend", trend, "correlation", "Spearman's"),
    )


EXAMPLES = (
    Example("a leak", _given(0.45, -0.97), "warn"),
    Example("steady", _given(0.02, -0.1), "pass"),
    Example("a slow neighbour for a while", _given(0.3, -0.3), "pass"),
    Example("three minutes", _given(0.45, -0.97, seconds=180.0), "not-applicable"),
    Example("a table without times", (), "not-checked"),
)
