"""Second moments that vanished in half precision

## What it looks for
Elements whose second moment is exactly 0 while their first is not, as a share of all, where the moments are kept in float16: fails
above 0.01 and warns above 0.0001. Moments of float32 and bfloat16 vanish only for gradients below 1e-22, which move nothing.

## Why it matters
Adam divides the first moment by the root of the second plus epsilon. Where the second is gone, the update is the first moment over
1e-8: thousands of times the learning rate.

## What to do
Keep the optimizer's state in float32; keep float32 master weights beside float16 ones.

## When it is wrong
Rows that were never met have a first moment of zero too, and are not counted. Moments of 8 bits hold zeros by design, and are left
out.

## References
Own reasoning: float16 holds nothing below 6e-8, and the second moment of a gradient g after one update is 0.001 g^2, so that it is
zero for g below 0.005. Micikevicius et al. 2018 (arXiv 1710.03740): the state is kept in float32.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

MANY = Threshold(
    0.01,
    "share",
    source="own: one weight in a hundred that is thrown by thousands of rates a step ruins a layer",
    half="states of which a two-hundredth underflowed fail",
    double="a fiftieth of the weights may be thrown about with a warning",
)
SOME = Threshold(
    0.0001,
    "share",
    source="two decades below the line of failure",
    half="single elements of small models are warned",
    double="a few thousand elements of a large model pass unseen",
)
COARSE = "float16"

NEEDS = ("precision.underflow",)
CHECKLIST = ("update-ratio",)
DOUBTS_ITEMS = ("update-ratio",)


def judge(measured: Measured) -> Finding:
    found = measured["precision.underflow"]
    where = tuple(sorted(found.items, key=lambda name: -found.items[name]))
    seen = f"{percent(found.value)} of the {found.text} second moments are exactly 0 beside a first moment that is not"
    if found.text == COARSE:
        for status, limit in (("fail", MANY), ("warn", SOME)):
            if found.value > limit.value:
                return Finding("fail" if status == "fail" else "warn", seen, found.value, limit, found.unit, found.first_step, where)
    elif found.value > SOME.value:
        seen += ": gradients that small move nothing"
    if found.value >= 0:
        return Finding("pass", seen if found.value else "no second moment has vanished beside its first", found.value, SOME, found.unit)
    return Finding("not-checked", "the share of vanished second moments is not a number")


def _found(share: float, dtype: str) -> tuple[Measurement, ...]:
    return (Measurement("precision.underflow", share, "share", "4 tensors", 600, {"fc1.weight": share} if share else {}, dtype),)


EXAMPLES = (
    Example("moments in float16", _found(0.4, "float16"), "fail"),
    Example("a few of them", _found(0.001, "float16"), "warn"),
    Example("vanishing gradients in float32", _found(0.3, "float32"), "pass"),
    Example("a healthy run", _found(0.0, "float32"), "pass"),
    Example("no optimizer state", (), "not-checked"),
)
