"""Generator whose gradients grow without bound

## What it looks for
The size of the generator's gradients that its optimizer remembers (root mean square, median over weight matrices) at the last
checkpoint over that at the first with at least 20 updates. Fails from 10 on, warns from 5 on.

## Why it matters
The generator's gradient is the slope of the discriminator at its samples. A slope that keeps growing has lost its bound.

## What to do
Hold the slope: a gradient penalty or spectral normalization.

## When it is wrong
A generator that starts with outputs of nearly nothing gets small gradients first.

## References
Gulrajani et al. 2017 (arXiv 1704.00028). Own pairs.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, multiple, number

UNBOUNDED = Threshold(
    10,
    "ratio",
    source="own pairs: 0.6 to 1.9 where they learn, 14 to 20 for critics without a penalty",
    half="discriminators that lead fail",
    double="slow growth passes with a warning",
)
GROWING = Threshold(5, "ratio", source="half the above", half="discriminators that lead are warned", double="as fail")

NEEDS = ("pair.gradient_growth",)


def judge(measured: Measured) -> Finding:
    growth = measured["pair.gradient_growth"]
    seen = f"the generator's gradients are {multiple(growth.value)} what they were early ({growth.basis})"
    if growth.value >= UNBOUNDED.value:
        return Finding("fail", f"{seen}, above {number(UNBOUNDED.value)}", growth.value, UNBOUNDED, growth.unit, growth.first_step)
    if growth.value >= GROWING.value:
        return Finding("warn", f"{seen}, above {number(GROWING.value)}", growth.value, GROWING, growth.unit, growth.first_step)
    return Finding("pass", seen, growth.value, GROWING, growth.unit)


def _given(growth: float) -> tuple[Measurement, ...]:
    return (Measurement("pair.gradient_growth", growth, "ratio", "gradients of the generator 0.1 at step 150, 2 at step 600", 600),)


EXAMPLES = (
    Example("no penalty", _given(20.0), "fail"),
    Example("a discriminator that leads", _given(6.0), "warn"),
    Example("a healthy pair", _given(0.9), "pass"),
    Example("one checkpoint", (), "not-checked"),
)
