"""Progress that stood still

## What it looks for
The longest time within one process in which no tag at all was logged. It warns from half an hour on, where that is also at least 10
times the usual distance between two points and 3 times the third longest pause of the run. It never fails: time lost is no fault of the
model.

## Why it matters
A data loader that hangs, a collective that waits for a lost rank, or a full disk costs hours that no loss curve shows, because curves are
drawn over steps.

## What to do
Look at the job's own log, the storage and the other ranks at that time. Set a time limit for collectives and for workers of the loader.

## When it is wrong
An evaluation, a checkpoint or a compilation that is made once or twice takes long without being a stall; pauses that recur are not
counted. A machine that slept, or a job that was stopped and continued by the scheduler, looks the same. Between two files the run was
resumed, and nothing is said.

## References
Amazon SageMaker Debugger's rule StalledTrainingRule: no progress for 1800 s.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted, number

LONG = Threshold(
    1800.0,
    "seconds",
    source="Amazon SageMaker Debugger's StalledTrainingRule",
    half="evaluations of large models warn",
    double="stalls of half an hour pass",
)
TIMES_USUAL = Threshold(
    10.0,
    "ratio",
    source="the project's own choice: a pause of fewer intervals is within what logging by epochs leaves out",
    half="epochs that differ in length warn",
    double="a stall of ten logging intervals passes",
)
TIMES_PAUSES = Threshold(
    3.0,
    "ratio",
    source="the project's own choice: evaluation and checkpoints recur, a stall comes once or twice",
    half="the slowest of several evaluations warns",
    double="a stall beside long evaluations passes",
)

NEEDS = ("run.duration_seconds", "pace.longest_gap_seconds", "pace.gap_to_usual", "pace.gap_to_pauses")
USES = ()
CHECKLIST = ()
FIGURE = "pace"


def applies(measured: Measured) -> str:
    duration = measured.number("run.duration_seconds")
    return f"all was logged within {duration:.0f} s" if duration is not None and duration < LONG.value else ""


def judge(measured: Measured) -> Finding:
    gap, usual, pauses = measured["pace.longest_gap_seconds"], measured["pace.gap_to_usual"], measured["pace.gap_to_pauses"]
    seen = f"nothing was logged for {gap.value:,.0f} s, {usual.value:,.0f} times the usual distance of points ({gap.basis})"
    if gap.value >= LONG.value and usual.value >= TIMES_USUAL.value and pauses.value >= TIMES_PAUSES.value:
        return Finding("warn", seen, gap.value, LONG, gap.unit, gap.first_step)
    if gap.value >= LONG.value and usual.value >= TIMES_USUAL.value:
        return Finding("pass", f"{seen}, but pauses of that kind recur", gap.value, LONG, gap.unit)
    return Finding("pass", f"the longest gap in the logs is {counted(gap.value, 'second')}", gap.value, LONG, gap.unit)


def _given(gap: float, usual: float, pause: float) -> tuple[Measurement, ...]:
    basis = f"after step 4100; points of 'train/loss' are {number(usual)} s apart"
    return (
        Measurement("run.duration_seconds", 90_000.0, "seconds", "first to last time of 5 tags"),
        Measurement("pace.longest_gap_seconds", gap, "seconds", basis, 4100),
        Measurement("pace.gap_to_usual", gap / usual, "ratio", basis, 4100),
        Measurement("pace.gap_to_pauses", gap / pause, "ratio", f"over the third longest pause, {number(pause)} s; {basis}", 4100),
    )


EXAMPLES = (
    Example("two hours in which a rank hung", _given(7200.0, 12.0, 60.0), "warn"),
    Example("steady", _given(40.0, 12.0, 38.0), "pass"),
    Example("an evaluation of an hour, ten times", _given(3700.0, 12.0, 3600.0), "pass"),
    Example("epochs of an hour", _given(3900.0, 3600.0, 3650.0), "pass"),
    Example(
        "a run of ten minutes",
        (Measurement("run.duration_seconds", 600.0, "seconds", "first to last time of 5 tags"),),
        "not-applicable",
    ),
    Example("a table without times", (), "not-checked"),
)
