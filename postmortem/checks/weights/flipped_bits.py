"""Elements with one turned bit

## What it looks for
Single elements that leapt a thousand times beyond the rest of their tensor, or became the only non-finite one, and that turning back one
bit of their exponent brings to where they were before. 1 such element fails.

## Why it matters
Training changes all elements of a tensor a little. One alone that is off by a power of two was changed by memory, a disk or a wire, and
everything computed from it is wrong.

## What to do
Go back to the checkpoint before; test the memory of the machine, and compare checksums of the file with its source.

## When it is wrong
Turned bits that make a number smaller, or that fall into the mantissa, are not seen. A step of training can hardly leap by exactly a
power of two in one element while its neighbours move as ever.

## References
Own reasoning, after what operators of large clusters report of silent data corruption (Dixit et al. 2021, arXiv 2102.11245).
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted

ANY = Threshold(
    1,
    "elements",
    source="a turned bit is a fault, however few there are",
    half="the same: elements are whole",
    double="a single turned bit, which is the usual case, passes",
)

NEEDS = ("weights.flipped",)
FIGURE = "tensors"


def judge(measured: Measured) -> Finding:
    found = measured["weights.flipped"]
    if found.value >= ANY.value:
        reason = f"{counted(found.value, 'weight differs', 'weights differ')} by a single bit from the checkpoint before: {found.text}"
        return Finding("fail", reason, found.value, ANY, found.unit, found.first_step, tuple(found.items))
    if found.value < ANY.value:
        return Finding("pass", f"no weight was changed by a turned bit ({found.basis})", found.value, ANY, found.unit)
    return Finding("not-checked", "the number of turned bits is not a number")


def _found(count: float) -> tuple[Measurement, ...]:
    items = {"fc1.weight": 4.1e36} if count else {}
    text = "fc1.weight[17] is 4.1e+36 at step 400 and was 0.012: bit 30" if count else ""
    return (Measurement("weights.flipped", count, "elements", "1 tensors", 400 if count else None, items, text),)


EXAMPLES = (
    Example("one bit turned in memory", _found(1.0), "fail"),
    Example("a healthy run", _found(0.0), "pass"),
    Example("one checkpoint", (), "not-checked"),
)
