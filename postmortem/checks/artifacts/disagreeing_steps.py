"""Checkpoints whose names and contents tell different steps

## What it looks for
Files with a step in their name and another stored inside, more than one step apart. 1 such file warns.

## Why it matters
A counter that began again on a resume overwrites or misorders checkpoints, and stretches schedules that count by it.

## What to do
Store the step, and load it on a resume before anything counts.

## When it is wrong
With gradient accumulation names may count batches and files updates: a factor that is the same in all files passes. A number in a name
that is no step is not read as one unless a word beside it says so.

## References
Own reasoning.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted

ANY = Threshold(
    1,
    "checkpoints",
    source="both are written by one line of code: any difference was made",
    half="the same: checkpoints are whole",
    double="a single misnamed file passes",
)

NEEDS = ("checkpoints.step_disagreement",)


def judge(measured: Measured) -> Finding:
    found = measured["checkpoints.step_disagreement"]
    if found.value >= ANY.value:
        off = found.items.get(found.text, 0.0)
        seen = (
            f"{counted(found.value, 'checkpoint has', 'checkpoints have')} another step in the name than inside, {found.text} by {off:+.0f}"
        )
        return Finding("warn", seen, found.value, ANY, found.unit, found.first_step, tuple(found.items))
    if found.value < ANY.value:
        return Finding("pass", f"the steps in names and files agree ({found.basis})", found.value, ANY, found.unit)
    return Finding("not-checked", "the number of disagreeing steps is not a number")


def _found(count: float) -> tuple[Measurement, ...]:
    items = {"step_000700.pt": 300.0} if count else {}
    return (Measurement("checkpoints.step_disagreement", count, "checkpoints", "7 files", None, items, next(iter(items), "")),)


EXAMPLES = (
    Example("a counter that began again", _found(1.0), "warn"),
    Example("a healthy run", _found(0.0), "pass"),
    Example("no step inside the files", (), "not-checked"),
)
