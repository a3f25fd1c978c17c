"""A moving average of the weights that stands still

## What it looks for
How far a moving average of the weights moved between the first and the last checkpoint that hold it, over how far the model moved:
it warns below 0.001.

## Why it matters
The average is what is validated and kept. One that was never updated, or was updated with a decay of 1, is the model of the first
step; it looks as if training had taught nothing.

## What to do
Update the average after every optimizer step, from the model that is trained, with a decay well below 1 (0.999 forgets half of its
start in 693 steps).

## When it is wrong
A decay of 0.9999 has moved by a hundredth after a hundred steps: runs that short are told by the number, and are near the line.

## References
Own reasoning: after n steps a decay of d has moved 1 - d^n of the way; 1e-3 of it is one step at 0.999.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, multiple, number

STILL = Threshold(
    0.001,
    "of the model's movement",
    source="one step of an average with a decay of 0.999, ten of 0.9999",
    half="an average that is nearly as still passes unseen",
    double="averages of slow decay over a few steps are warned",
)

NEEDS = ("averages.movement",)
USES = ("averages.distance",)


def judge(measured: Measured) -> Finding:
    found = measured["averages.movement"]
    seen = f"the moving average moved {multiple(found.value)} the way of the model"
    if found.value < STILL.value:
        where = tuple(name for name in found.items if found.items[name] < STILL.value)
        return Finding("warn", f"{seen}, below {number(STILL.value)}", found.value, STILL, STILL.unit, found.first_step, where)
    if found.value >= STILL.value:
        return Finding("pass", seen, found.value, STILL, STILL.unit)
    return Finding("not-checked", "the movement of the average is not a number")


def _found(moved: float) -> tuple[Measurement, ...]:
    return (Measurement("averages.movement", moved, "ratio", "1 averages", 600, {"ema": moved}),)


EXAMPLES = (
    Example("never updated", _found(0.0), "warn"),
    Example("a healthy average", _found(0.7), "pass"),
    Example("no average", (), "not-checked"),
)
