"""Run that ended before its planned end

## What it looks for
The last step (or epoch) reached over the one that the settings planned. It alarms below 0.9, and warns below that where the
settings name early stopping or patience, or the job's log or tracker says that it came to its end.

## Why it matters
A job that was killed, ran out of memory or hung has not shown what it can do: its last loss is not its final loss.

## What to do
Read the end of the job's own log and the scheduler's record; resume from the last checkpoint.

## When it is wrong
The run may still be going on, or somebody stopped it on purpose. Settings may plan in batches while steps count optimizer
updates. A run that was resumed elsewhere has its end there.

## References
Run monitors list such runs as unfinished and judge their losses as if they were done.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

DONE = Threshold(
    0.9,
    "share",
    source="the project's own choice: the last logging interval is counted in, so that a finished run is at 1",
    half="runs that died in the middle pass",
    double="every run fails",
)

NEEDS = ("steps.done", "steps.planned")
USES = ("run.early_stopping", "steps.last", "job.end")
CHECKLIST = ()
FIGURE = ""


def judge(measured: Measured) -> Finding:
    done, planned = measured["steps.done"], measured["steps.planned"]
    seen = f"{percent(done.value)} of the {planned.value:,.0f} {planned.unit} planned were done"
    plan = f" ({done.basis.rsplit('; ', 1)[-1]})"
    if done.value >= DONE.value:
        return Finding("pass", seen, done.value, DONE, done.unit)
    if measured.text("job.end") in ("finished", "early-stopped"):
        said = f"{seen}, yet training came to its end by what the job left behind ({measured['job.end'].basis})"
        return Finding("warn", said, done.value, DONE, done.unit, done.first_step)
    if measured.text("run.early_stopping") == "true":
        return Finding("warn", f"{seen}, but the settings allow it to stop early", done.value, DONE, done.unit, done.first_step)
    return Finding("fail", f"{seen}{plan}", done.value, DONE, done.unit, done.first_step)


def _given(done: float, stopping: bool = False) -> tuple[Measurement, ...]:
    given = (
        Measurement("steps.done", done, "share", "last step 3120; setting 'max_steps' is 10000", 3120),
        Measurement("steps.planned", 10000.0, "steps", "setting 'max_steps'"),
    )
    return (*given, Measurement("run.early_stopping", float("nan"), "", "setting 'patience'", text="true")) if stopping else given


EXAMPLES = (
    Example("killed at a third", _given(0.31), "fail"),
    Example("stopped early by design", _given(0.31, stopping=True), "warn"),
    Example(
        "its log says that it was done",
        (*_given(0.31), Measurement("job.end", float("nan"), "", "train.log, line 640: 'Training completed'", text="finished")),
        "warn",
    ),
    Example("came to its end", _given(1.0), "pass"),
    Example("nobody said how long it should be", (), "not-checked"),
)
