"""A moving average that is not finite

## What it looks for
NaN and infinite elements in a moving average of the weights (EMA, SWA) at a checkpoint whose model is finite. More than 0 is a failure.

## Why it matters
An average never forgets a value that is not a number: it stays so for the rest of the run, while the model recovers and the loss looks
sound. What is evaluated, kept as best and deployed is the average.

## What to do
Set the average to the model's weights and go on, and update it only when all weights are finite.

## When it is wrong
Where the model itself is not finite its average cannot be, and only the model is reported. Buffers are not looked at.

## References
Ultralytics issue 24986: one step that is not finite, and no checkpoint is ever saved again.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted

ANY = Threshold(
    0,
    "elements",
    source="by definition: the mean of finite weights is finite",
    half="the same: there is no half of no element",
    double="the same: one element is enough",
)

NEEDS = ("averages.nonfinite",)


def judge(measured: Measured) -> Finding:
    found = measured["averages.nonfinite"]
    if found.value > ANY.value:
        where = tuple(found.items)
        led = f", {where[0]} first" if where else ""
        reason = f"{counted(found.value, 'averaged weight is', 'averaged weights are')} NaN or infinite beside a finite model{led}"
        return Finding("fail", reason, found.value, ANY, found.unit, found.first_step, where)
    if found.value == 0:
        return Finding("pass", f"all averaged weights are finite ({found.basis})", found.value, ANY, found.unit)
    return Finding("not-checked", "the count of non-finite elements is itself not a number")


def _found(count: float) -> Measurement:
    items = {"ema at step 400": count} if count else {}
    return Measurement("averages.nonfinite", count, "elements", "1 average in 3 checkpoints", 400 if count else None, items)


EXAMPLES = (
    Example("one bad step, and the average is lost", (_found(3200),), "fail"),
    Example("a sound average", (_found(0),), "pass"),
    Example("no average is kept", (), "not-checked"),
)
