"""Updates that faded away while the loss was high

## What it looks for
The share of the run, at its end, over which weights moved at less than a thousandth of their fastest pace, between checkpoints. From
0.3 on it fails where the loss still stands at 0.3 of chance (of the first loss, where chance is not known) or more, and warns where no
loss tells.

## Why it matters
It is what a learning rate that is gone does to weights, and shows where nobody logged the rate: nothing was learned after that.

## What to do
Print the learning rate at the first, the middle and the last step. Step the scheduler once an epoch if its period is in epochs.

## When it is wrong
A run that has converged, or that was stopped by early stopping and saved once more, has nothing left to learn. Weights of few bits stand
still when updates are rounded away: see the check of that name.

## References
The line is that of the check on learning rates that reached zero too early.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

LONG = Threshold(
    0.3,
    "share",
    source="the last of four intervals of a cosine to zero moves at a twentieth of the fastest pace; two intervals and more are no end",
    half="one last interval of four is judged",
    double="a rate that was gone after half of the run passes",
)
HIGH = Threshold(
    0.3,
    "of what a guess costs",
    source="the line of the check on learning rates that reached zero too early",
    half="nearly converged runs fail",
    double="runs that came halfway pass",
)

NEEDS = ("updates.faded",)
USES = ("run.family", "loss.last_to_chance", "loss.last", "loss.first")
CHECKLIST = ("learning-rate", "update-ratio")
DOUBTS_ITEMS = ("learning-rate",)
FIGURE = "update-ratio"


def _left(measured: Measured) -> float | None:
    if measured.text("run.family") in ("rl", "gan"):
        return None
    to_chance = measured.number("loss.last_to_chance")
    if to_chance is not None:
        return to_chance
    last, first = measured.number("loss.last"), measured.number("loss.first")
    return last / first if last is not None and first is not None and first > 0 else None


def judge(measured: Measured) -> Finding:
    faded = measured["updates.faded"]
    seen = f"for the last {percent(faded.value)} of the run the weights moved at less than a thousandth of their fastest pace"
    if faded.value < LONG.value:
        return Finding("pass", seen if faded.value else "the weights kept moving to the end of the run", faded.value, LONG, LONG.unit)
    left = _left(measured)
    if left is None:
        return Finding("warn", f"{seen}, and no loss shows whether that mattered", faded.value, LONG, LONG.unit, faded.first_step)
    seen += f", with {percent(max(0.0, left))} of the starting loss left"
    if left < HIGH.value:
        return Finding("pass", f"{seen}: the run had converged", left, HIGH, HIGH.unit)
    return Finding("fail", seen, faded.value, LONG, LONG.unit, faded.first_step)


def _given(faded: float, left: float | None) -> tuple[Measurement, ...]:
    given = (Measurement("updates.faded", faded, "share", "5 checkpoints, step 0 to step 400, 4 matrices", 100),)
    return given if left is None else (*given, Measurement("loss.last_to_chance", left, "ratio", "ln 10"))


EXAMPLES = (
    Example("a rate that decayed by batch instead of by epoch", _given(0.75, 0.73), "fail"),
    Example("the same without a loss", _given(0.75, None), "warn"),
    Example("converged before", _given(0.5, 0.01), "pass"),
    Example("a cosine to zero", _given(0.0, 0.6), "pass"),
    Example("three checkpoints", (), "not-checked"),
)
