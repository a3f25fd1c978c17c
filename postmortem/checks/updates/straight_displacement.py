"""Weights that creep along a straight line

## What it looks for
The cosine between consecutive displacements of each matrix, from one checkpoint to the next. Warns where its median is above 0.97
while the weights have moved by less than 0.01 of their norm in all and the loss is not known to have fallen.

## Why it matters
Steps that all point the same way have not reached anything yet that would turn them: the way is clear, and the steps are too
short for the length of the run.

## What to do
Raise the learning rate tenfold and look again.

## When it is wrong
Training on the full data set without noise walks straight as well, and so do weights that keep growing after the loss has reached
zero: so it takes a small distance and a loss that did not fall. Layers that only weight decay moves are left out.

## References
Own runs: 0.99 with a learning rate of 1e-6, -0.07 to 0.94 in healthy ones.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, multiple, number

STRAIGHT = Threshold(
    0.97,
    "cosine",
    source="own runs: 0.98 to 1.00 with rates far too low, -0.07 to 0.94 in 16 healthy ones",
    half="ordinary progress early in a run is warned",
    double="no cosine is above 1: nothing would be told",
)
SHORT = 0.01
FELL = 0.2

NEEDS = ("updates.displacement_cosine", "updates.displacement")
USES = ("loss.improvement",)


def judge(measured: Measured) -> Finding:
    cosine, distance = measured["updates.displacement_cosine"], measured["updates.displacement"]
    fell = measured.number("loss.improvement")
    seen = f"successive moves between checkpoints have a cosine of {number(cosine.value, 2)}"
    way = f"over {multiple(distance.value)} the weights' norm"
    if cosine.value > STRAIGHT.value and distance.value < SHORT and (fell is None or fell < FELL):
        where = tuple(sorted(cosine.items, key=lambda name: -cosine.items[name]))
        return Finding(
            "warn",
            f"{seen}, above {number(STRAIGHT.value)}: a straight line {way}",
            cosine.value,
            STRAIGHT,
            cosine.unit,
            cosine.first_step,
            where,
        )
    if cosine.value <= 1.01 and distance.value >= 0:
        return Finding("pass", f"{seen} {way}", cosine.value, STRAIGHT, cosine.unit)
    return Finding("not-checked", "the cosine or the distance is not a number")


def _given(cosine: float, distance: float) -> tuple[Measurement, ...]:
    return (
        Measurement("updates.displacement_cosine", cosine, "cosine", "2 matrices, 7 checkpoints", 600, {"fc1.weight": cosine}),
        Measurement("updates.displacement", distance, "share", "step 0 to step 600", 600, {"fc1.weight": distance}),
    )


EXAMPLES = (
    Example("a learning rate of 1e-6", _given(0.99, 4e-5), "warn"),
    Example("full-batch training that learns", (*_given(0.99, 5e-3), Measurement("loss.improvement", 0.7, "share", "60 points")), "pass"),
    Example("weights that keep growing at zero loss", _given(0.98, 0.9), "pass"),
    Example("a healthy run", _given(0.5, 0.4), "pass"),
    Example("two checkpoints", _given(0.5, 0.4)[1:], "not-checked"),
)
