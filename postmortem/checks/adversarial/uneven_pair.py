"""Adversarial pair of which one side is trained far faster

## What it looks for
The discriminator's learning rate over the generator's, in the optimizers' settings, and the median update of its weight matrices over their
norms against the same of the generator. Fails where the rates differ 20-fold or more, or the updates 100-fold, either way; warns
from 10-fold and 30-fold on.

## Why it matters
The two follow each other. A side that moves twenty steps for one of the other meets no opponent: a discriminator without one
learns each sample, a generator without one leaves the data.

## What to do
Bring the rates within a factor of 4 of each other.

## When it is wrong
Two rates by plan (TTUR) differ by 2 to 4, and work at 10 for some nets. A generator that is fine-tuned beside a new discriminator has a
reason for a small rate.

## References
Heusel et al. 2017 (arXiv 1706.08500): two time scales, factors of 2 to 5 in their tables. Radford et al. 2015 (arXiv 1511.06434).
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number

RATES = Threshold(
    20,
    "ratio",
    source="four times the widest of the two-time-scale paper; own pairs at 20 to 100 did not learn",
    half="daring but working pairs fail",
    double="pairs at 30 pass with a warning",
)
SOME = Threshold(10, "ratio", source="half the above", half="usual time scales are warned", double="as fail")
UPDATES = Threshold(
    100,
    "ratio",
    source="own healthy pairs lie from 0.5 to 2.2; a side that stands still at 900",
    half="pairs of very unlike nets fail",
    double="only a dead side fails",
)
SOME_UPDATES = Threshold(30, "ratio", source="as above", half="pairs of very unlike nets are warned", double="as fail")

NEEDS = ("pair.rate_ratio", "pair.update_ratio")
CHECKLIST = ("learning-rate",)


def judge(measured: Measured) -> Finding:
    worst: Finding | None = None
    for name, what, grave, some in (
        ("pair.rate_ratio", "learning rate", RATES, SOME),
        ("pair.update_ratio", "median update per weight", UPDATES, SOME_UPDATES),
    ):
        found = measured[name]
        apart = max(found.value, 1 / found.value) if found.value > 0 else float("inf")
        seen = (
            f"the discriminator's {what} is {number(found.items['discriminator'], 2)}, "
            f"the generator's {number(found.items['generator'], 2)}"
        )
        side = "discriminator" if found.value >= 1 else "generator"
        if apart >= grave.value:
            return Finding("fail", f"{seen}: a factor of {number(apart)}", apart, grave, found.unit, where=(side,))
        if apart >= some.value and worst is None:
            worst = Finding("warn", f"{seen}: a factor of {number(apart)}", apart, some, found.unit, where=(side,))
        elif worst is None and name == "pair.update_ratio":
            worst = Finding("pass", f"{seen}", apart, some, found.unit)
    return worst or Finding("not-checked", "the ratio of both sides is not a number")


def _given(rates: float, updates: float = 1.0) -> tuple[Measurement, ...]:
    return (
        Measurement("pair.rate_ratio", rates, "ratio", "optimizers' groups", 250, {"discriminator": 1e-3 * rates, "generator": 1e-3}),
        Measurement("pair.update_ratio", updates, "ratio", "step 250", 250, {"discriminator": 2e-3 * updates, "generator": 2e-3}),
    )


EXAMPLES = (
    Example("a generator at a hundredth of the rate", _given(100.0, 4.0), "fail"),
    Example("a discriminator at a hundredth of the rate", _given(0.01, 0.1), "fail"),
    Example("a generator that stands still", _given(1.0, 900.0), "fail"),
    Example("twelve times the rate", _given(12.0, 5.0), "warn"),
    Example("two time scales", _given(4.0, 2.0), "pass"),
    Example("logs only", (), "not-checked"),
)
