"""Optimizer state kept in half precision

## What it looks for
The share of the optimizer's moments that is stored in bfloat16 or float16: it warns above 0.5.

## Why it matters
A second moment with a decay rate of 0.999 changes by a thousandth a step at most on its way down. Bfloat16 resolves four
thousandths, so that such a moment can grow and never decay: updates stay as small as the largest gradient ever seen makes them.
Float16 holds no squares of gradients below 0.0002.

## What to do
Keep moments in float32, or use an optimizer that rounds its state stochastically.

## When it is wrong
Optimizers with a second decay rate of 0.95 or less work with bfloat16 moments. States of 8 bits are made for it, and are not counted.

## References
Own reasoning: half a unit in the last place of bfloat16 is between 1/512 and 1/256 of a number. Zamirai et al. 2020 (arXiv
2010.06192).
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

MOST = Threshold(
    0.5,
    "share",
    source="what most moments are kept in decides",
    half="models with one table in half precision are warned",
    double="no state would be warned: at most all of it is in half precision",
)

NEEDS = ("precision.state",)
CHECKLIST = ("update-ratio",)
DOUBTS_ITEMS = ("update-ratio",)


def judge(measured: Measured) -> Finding:
    found = measured["precision.state"]
    total = sum(found.items.values())
    if not total > 0 or not found.value >= 0:
        return Finding("not-checked", "the share of coarse moments is not a number")
    share = sum(found.items.get(dtype, 0.0) for dtype in ("bfloat16", "float16")) / total
    seen = (
        f"{percent(share)} of the optimizer's moments are kept in half precision ({found.text})"
        if share
        else "all moments are kept in full precision"
    )
    return Finding("warn" if share > MOST.value else "pass", seen, share, MOST, found.unit, found.first_step if share else None)


def _found(dtype: str, coarse: float) -> tuple[Measurement, ...]:
    return (Measurement("precision.state", coarse, "share", "moments of 5000 elements", 600, {dtype: 5000.0}, dtype),)


EXAMPLES = (
    Example("a training all in bfloat16", _found("bfloat16", 1.0), "warn"),
    Example("float32", _found("float32", 0.0), "pass"),
    Example("an optimizer of 8 bits", _found("8-bit", 1.0), "pass"),
    Example("no optimizer state", (), "not-checked"),
)
