"""Adversarial pair of which one side gets no gradient any more

## What it looks for
Adam's first moment over the root of its second, mean magnitude, over the weight matrices of the discriminator and of the generator
at the last checkpoint; the less of both. Gradients of pure noise give 0.18 at a beta1 of 0.9 and 0.46 at one of 0.5; fails below
0.02, warns below 0.05.

## Why it matters
A discriminator that tells all samples apart has nothing left to learn, and one whose loss has saturated teaches nothing. The second
moment still remembers the gradients of before.

## What to do
Weaken the side that won: a gradient penalty on real samples, a lower learning rate; give the generator the non-saturating loss.

## When it is wrong
A burst of one huge gradient makes all later ones look small for a thousand updates.

## References
The noise level follows from Adam's moments: sqrt((1 - beta1) / (1 + beta1)) times sqrt(2 / pi). Arjovsky and Bottou 2017 (arXiv
1701.04862): gradients vanish under a perfect discriminator.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, multiple, percent

STILL = Threshold(
    0.02,
    "of what Adam remembers",
    source="a ninth of pure noise; own pairs: 0.3 and more where they learn, 0.000 to 0.015 where the discriminator had won",
    half="discriminators that still err now and then pass with a warning",
    double="noisy runs after a burst fail",
)
QUIET = Threshold(0.05, "of what Adam remembers", source="a quarter of pure noise", half="as fail", double="runs after a burst are warned")

NEEDS = ("pair.coherence",)


def judge(measured: Measured) -> Finding:
    left = measured["pair.coherence"]
    side = min(left.items, key=lambda name: left.items[name])
    seen, usual = f"the {side}'s last gradients are {multiple(left.value)} what Adam remembers of them", "(pure noise gives 18% or more)"
    if left.value < STILL.value:
        return Finding("fail", f"{seen}, below {percent(STILL.value)} {usual}", left.value, STILL, STILL.unit, where=(side,))
    if left.value < QUIET.value:
        return Finding("warn", f"{seen}, below {percent(QUIET.value)} {usual}", left.value, QUIET, QUIET.unit, where=(side,))
    return Finding("pass", f"{seen} {usual}", left.value, STILL, STILL.unit)


def _given(left: float) -> tuple[Measurement, ...]:
    items = {"discriminator": left, "generator": 0.6}
    return (Measurement("pair.coherence", left, "ratio", "Adam's moments at step 1000", 1000, items),)


EXAMPLES = (
    Example("a discriminator that has won", _given(0.001), "fail"),
    Example("one that errs now and then", _given(0.04), "warn"),
    Example("a healthy pair", _given(0.4), "pass"),
    Example("no moments", (), "not-checked"),
)
