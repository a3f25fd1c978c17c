"""Weights that turn back again and again

## What it looks for
The cosine between consecutive displacements of each matrix, from one checkpoint to the next. Warns where its median is below -0.2
while the loss is not known to have fallen by half.

## Why it matters
Steps that undo the ones before them jump across the valley: the learning rate is too high to settle.

## What to do
Lower the learning rate three- to tenfold, or decay it.

## When it is wrong
A model that has converged wanders about its minimum, and displacements of a wandering point have a cosine near -0.5: so it does
not warn where the loss fell.

## References
Own runs: -0.07 to 0.94 in healthy ones. For independent positions the expected cosine is -0.5 by construction.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number

REVERSING = Threshold(
    -0.2,
    "cosine",
    source="own runs: -0.07 to 0.94 in 16 healthy ones",
    half="small batches near convergence are warned",
    double="runs that swing between two sides pass as long as they drift",
)
LEARNED = 0.5

NEEDS = ("updates.displacement_cosine",)
USES = ("loss.improvement",)


def judge(measured: Measured) -> Finding:
    cosine = measured["updates.displacement_cosine"]
    fell = measured.number("loss.improvement")
    seen = f"successive moves between checkpoints have a cosine of {number(cosine.value, 2)}"
    if cosine.value < REVERSING.value and (fell is None or fell < LEARNED):
        where = tuple(sorted(cosine.items, key=lambda name: cosine.items[name]))
        return Finding(
            "warn",
            f"{seen}, below {number(REVERSING.value)}: the weights turn back",
            cosine.value,
            REVERSING,
            cosine.unit,
            cosine.first_step,
            where,
        )
    if cosine.value >= -1.01:
        return Finding("pass", seen, cosine.value, REVERSING, cosine.unit)
    return Finding("not-checked", "the cosine is not a number")


def _cosine(value: float) -> Measurement:
    return Measurement("updates.displacement_cosine", value, "cosine", "2 matrices, 7 checkpoints", 600, {"fc1.weight": value})


EXAMPLES = (
    Example("a rate that jumps across the valley", (_cosine(-0.4),), "warn"),
    Example("a converged model", (_cosine(-0.45), Measurement("loss.improvement", 0.95, "share", "60 points")), "pass"),
    Example("a healthy run", (_cosine(0.4),), "pass"),
    Example("two checkpoints", (), "not-checked"),
)
