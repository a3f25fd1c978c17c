"""Scales of norms that went to nothing

## What it looks for
The median scale of each norm in the last finite checkpoint over that in the first. It warns below 0.1.

## Why it matters
What stands behind such a norm gets a signal of a tenth of its size or less; weight decay on norms does this to a whole network.

## What to do
Take scales and shifts of norms out of weight decay; lower the regularization's factor.

## When it is wrong
Norms may be switched off on purpose by pruning. Scales that started at zero are left out.

## References
Own reasoning: AdamW takes 1 - lr x decay of a scale a step, so that 0.1 is left after 2.3 / (lr x decay) steps without a gradient.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, multiple, percent

GONE = Threshold(
    0.1,
    "of what it was",
    source="a decade; own healthy trainings stay above 0.7",
    half="norms on their way to nothing pass unseen",
    double="strongly regularized and sound models are warned",
)

NEEDS = ("norms.scale_shrinkage",)
FIGURE = "tensors"


def judge(measured: Measured) -> Finding:
    found = measured["norms.scale_shrinkage"]
    seen = f"the median scale of every normalization layer ends at {multiple(found.value)} what it was or more"
    if found.value < GONE.value:
        where = tuple(sorted((name for name in found.items if found.items[name] < GONE.value), key=lambda name: found.items[name]))
        told = (
            f"the median scale of {len(where)} of {len(found.items)} normalization layers fell below "
            f"{percent(GONE.value)} of what it was, to {percent(found.value)} at worst"
        )
        return Finding("warn", told, found.value, GONE, GONE.unit, found.first_step, where)
    if found.value >= GONE.value:
        return Finding("pass", seen, found.value, GONE, GONE.unit)
    return Finding("not-checked", "the shrinkage of the norms' scales is not a number")


def _found(left: float) -> tuple[Measurement, ...]:
    return (Measurement("norms.scale_shrinkage", left, "ratio", "4 norms", 600, {"ln1.weight": left, "ln2.weight": 1.0}),)


EXAMPLES = (
    Example("a decay of 10 on every norm", _found(0.01), "warn"),
    Example("a healthy net", _found(0.9), "pass"),
    Example("no norm", (), "not-checked"),
)
