"""Critic whose distance grows without bound

## What it looks for
The size of a critic's loss (a Wasserstein distance, where it may be negative) at the end over its median in the first fifth of the
run. Fails from 5 on, warns from 3 on.

## Why it matters
A critic of bounded slope sees the distance that is there, which shrinks while the generator learns. One that sees more and more has
lost its bound, and the generator follows a slope that means nothing.

## What to do
Hold the critic's slope: a gradient penalty of weight 10, or spectral normalization; lower its learning rate.

## When it is wrong
A log that starts late, or a first fifth in which the critic had hardly begun, makes a healthy rise look large.

## References
Gulrajani et al. 2017 (arXiv 1704.00028).
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, multiple, number

UNBOUNDED = Threshold(
    5,
    "ratio",
    source="own critics: 5, 37 and 78 without a penalty, 0.3 to 0.6 with one",
    half="critics that began slowly fail",
    double="slow growth passes with a warning",
)
GROWING = Threshold(3, "ratio", source="between the two", half="critics that began slowly are warned", double="as fail")

NEEDS = ("pair.distance_growth",)
FIGURE = "loss"


def judge(measured: Measured) -> Finding:
    growth = measured["pair.distance_growth"]
    seen = f"the critic's loss is {multiple(growth.value)} what it was in the first fifth of the run ({growth.basis})"
    if growth.value >= UNBOUNDED.value:
        return Finding("fail", f"{seen}, above {number(UNBOUNDED.value)}", growth.value, UNBOUNDED, growth.unit, growth.first_step)
    if growth.value >= GROWING.value:
        return Finding("warn", f"{seen}, above {number(GROWING.value)}", growth.value, GROWING, growth.unit, growth.first_step)
    return Finding("pass", seen, growth.value, GROWING, growth.unit)


def _given(growth: float) -> tuple[Measurement, ...]:
    return (Measurement("pair.distance_growth", growth, "ratio", "'loss_d': 8 in the first fifth", 590),)


EXAMPLES = (
    Example("no penalty", _given(49.0), "fail"),
    Example("a slow rise", _given(4.0), "warn"),
    Example("a distance that shrinks", _given(0.5), "pass"),
    Example("a cross-entropy", (), "not-checked"),
)
