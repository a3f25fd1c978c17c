"""Scales of norms that grew many times over

## What it looks for
The median scale of each norm in the last finite checkpoint over that in the first. It warns above 10.

## Why it matters
A norm's scale sets the size of what it passes on. Where it grows tenfold, so do the logits of attention or of the head behind it, and a
softmax comes to its end.

## What to do
Lower the learning rate of norms, add a warm-up, or normalize queries and keys.

## When it is wrong
Large language models hold a few channels with very large scales: the median does not see them. Scales that started at zero are left
out.

## References
OPT logbook on the norm of activations. Own runs: at most 1.6 in healthy trainings.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, multiple, number

GROWN = Threshold(
    10,
    "ratio",
    source="a decade; own healthy trainings reach 1.6",
    half="long trainings at high rates are warned",
    double="a signal that is blown up tenfold at every norm passes unseen",
)

NEEDS = ("norms.scale_growth",)
FIGURE = "tensors"


def judge(measured: Measured) -> Finding:
    found = measured["norms.scale_growth"]
    seen = f"the median scale of a normalization layer ends at up to {multiple(found.value)} what it was"
    if found.value > GROWN.value:
        where = tuple(sorted((name for name in found.items if found.items[name] > GROWN.value), key=lambda name: -found.items[name]))
        return Finding("warn", f"{seen}, above {number(GROWN.value)}", found.value, GROWN, found.unit, found.first_step, where)
    if found.value <= GROWN.value:
        return Finding("pass", seen, found.value, GROWN, found.unit)
    return Finding("not-checked", "the growth of the norms' scales is not a number")


def _found(growth: float) -> tuple[Measurement, ...]:
    return (Measurement("norms.scale_growth", growth, "ratio", "4 norms", 600, {"ln1.weight": growth, "ln2.weight": 1.1}),)


EXAMPLES = (
    Example("a learning rate far too high", _found(40.0), "warn"),
    Example("a healthy net", _found(1.3), "pass"),
    Example("no norm", (), "not-checked"),
)
