"""Accuracy that goes the other way than the loss

## What it looks for
How the accuracy on training data changed while the training loss fell by 0.3 of its start or more. It warns where the accuracy fell by
0.05 or more, and fails where it fell by 0.2 and the two correlate at 0.5 or more (Spearman).

## Why it matters
A loss that falls while accuracy falls is not the loss of the task: a sign is wrong, a penalty dominates, or labels are shifted between
loss and metric.

## What to do
Compute loss and accuracy by hand for one record. Look at the axis over which both take their maximum, and at the labels both see.

## When it is wrong
Validation loss and accuracy may part when a model grows confident: only training data are looked at. Early curricula make data harder
on the way.

## References
The Deep Checker compares loss and accuracy by a correlation of 0.5.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, percent

FELL = Threshold(
    0.05,
    "share",
    source="own: five points of accuracy are beyond the noise of a tenth of a log",
    half="noise of small batches is warned",
    double="a clear contradiction passes unseen",
)
GRAVE = Threshold(
    0.2,
    "share",
    source="own: no training of a sound loss loses a fifth of its accuracy while the loss falls by a third",
    half="hard late data of a curriculum fail",
    double="models that began at little accuracy could not fail",
)
CONTRARY = Threshold(
    0.5,
    "correlation",
    source="The Deep Checker's line for loss and accuracy, with its sign turned",
    half="curves that part late fail",
    double="no correlation is above 1",
)
LEARNING = 0.3

NEEDS = ("agreement.training",)
USES = ("run.family",)
FIGURE = "accuracy"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return f"the loss of {kind_of_run(family)} need not follow its accuracy" if family in ("rl", "gan") else ""


def judge(measured: Measured) -> Finding:
    found = measured["agreement.training"]
    fall, change = found.items.get("fall", 0.0), found.items.get("change", 0.0)
    way = "fell" if fall >= 0 else "rose"
    seen = f"the training loss {way} by {percent(abs(fall))} while training accuracy changed by {change * 100:+.1f} percentage points"
    if not -1 <= found.value <= 1:
        return Finding("not-checked", "the correlation of loss and accuracy is not a number")
    if fall < LEARNING or change > -FELL.value:
        return Finding("pass", seen, -change, FELL, FELL.unit)
    if change <= -GRAVE.value and found.value >= CONTRARY.value:
        return Finding("fail", seen, -change, GRAVE, GRAVE.unit, found.first_step)
    return Finding("warn", seen, -change, FELL, FELL.unit, found.first_step)


def _found(value: float, fall: float, change: float) -> tuple[Measurement, ...]:
    items = {"fall": fall, "change": change, "last": 0.5}
    return (Measurement("agreement.training", value, "correlation", "300 steps", 0, items),)


EXAMPLES = (
    Example("a loss with the wrong sign", _found(0.9, 0.9, -0.4), "fail"),
    Example("accuracy that crumbles while the loss falls", _found(0.2, 0.5, -0.08), "warn"),
    Example("a healthy run", _found(-0.95, 0.9, 0.6), "pass"),
    Example("nothing learned", _found(0.1, 0.01, -0.1), "pass"),
    Example("no accuracy", (), "not-checked"),
)
