"""Adversarial pair of which one side moves far farther

## What it looks for
How far the discriminator's weight matrices move between checkpoints, over their norms, beside the same of the generator; of the interval
in which the two are least apart. Fails where one side always moves 5 times as far as the other or farther, and warns from 3 times on.

## Why it matters
It shows from weights alone what the optimizers' settings would tell: that one side is trained so much faster that the other is no
opponent.

## What to do
Bring the learning rates within a factor of 4 of each other.

## When it is wrong
Two rates by plan (TTUR) differ by 2 to 4. A side that is frozen, or was trained before, is slow by intent. Nets whose weights are
normalized can differ in how far they move for one step.

## References
Heusel et al. 2017 (arXiv 1706.08500): two time scales, factors of 2 to 5 in their tables.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, multiple, number, percent

FAR = Threshold(
    5.0,
    "ratio",
    source="the widest of the two-time-scale paper; healthy pairs of the tuning half lie from 0.7 to 1.8, rates 30 times apart from 5 on",
    half="two time scales by plan fail",
    double="rates 30 times apart are only warned",
)
SOME = Threshold(3.0, "ratio", source="between the two", half="usual pairs are warned", double="as fail")

NEEDS = ("pair.travel_ratio",)
CHECKLIST = ("learning-rate",)


def judge(measured: Measured) -> Finding:
    found = measured["pair.travel_ratio"]
    apart = max(found.value, 1 / found.value) if found.value > 0 else float("inf")
    moved = f"between checkpoints the discriminator's matrices move by {multiple(found.items['discriminator'])} their norms"
    seen = f"{moved}, the generator's by {percent(found.items['generator'])}"
    side = "discriminator" if found.value >= 1 else "generator"
    if apart >= FAR.value:
        return Finding("fail", f"{seen}: a factor of {number(apart)}", apart, FAR, found.unit, found.first_step, (side,))
    if apart >= SOME.value:
        return Finding("warn", f"{seen}: a factor of {number(apart)}", apart, SOME, found.unit, found.first_step, (side,))
    return Finding("pass", seen, apart, SOME, found.unit)


def _given(ratio: float) -> tuple[Measurement, ...]:
    items = {"discriminator": 0.1 * ratio, "generator": 0.1}
    return (Measurement("pair.travel_ratio", ratio, "ratio", "4 intervals between checkpoints", 600, items),)


EXAMPLES = (
    Example("a generator at 30 times the rate", _given(0.12), "fail"),
    Example("a generator that stands still", _given(float("inf")), "fail"),
    Example("a slow generator", _given(3.5), "warn"),
    Example("two time scales", _given(2.0), "pass"),
    Example("one checkpoint", (), "not-checked"),
)
