"""Optimizer state that is not finite

## What it looks for
NaN and infinite elements in the optimizer's moments, in each checkpoint that holds them. More than 0 is a failure.

## Why it matters
Adam's second moment overflows in float32 where a gradient exceeds 1.8e19; the weights may still be finite in the same file. The next
update spoils them, so a run resumed from this file is lost although its weights look sound.

## What to do
Do not resume from this file. Go back to the checkpoint before it, and clip gradients.

## When it is wrong
Optimizers that quantize their state store numbers that only look strange; those are no floats and are not counted.

## References
The project's own derivation: the square root of float32's largest number is 1.8e19.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted

ANY = Threshold(
    0,
    "elements",
    source="own: the next update carries one such element into the weights",
    half="the same: there is no half of no element",
    double="the same: one element is enough",
)

NEEDS = ("optimizer.nonfinite",)
USES = ("weights.nonfinite",)


def judge(measured: Measured) -> Finding:
    found = measured["optimizer.nonfinite"]
    if found.value > ANY.value:
        where = tuple(sorted(found.items, key=lambda name: -found.items[name]))
        still = ", while the weights are still finite" if measured.number("weights.nonfinite") == 0 else ""
        reason = (
            f"{counted(found.value, 'optimizer moment is', 'optimizer moments are')} NaN or "
            f"infinite, of {counted(len(where), 'tensor')} ({found.basis}){still}"
        )
        return Finding("fail", reason, found.value, ANY, found.unit, found.first_step, where)
    if found.value == 0:
        return Finding("pass", f"all optimizer moments are finite ({found.basis})", found.value, ANY, found.unit)
    return Finding("not-checked", "the count of non-finite elements is itself not a number")


def _found(count: float) -> Measurement:
    return Measurement(
        "optimizer.nonfinite", count, "elements", "moments in last.pt", 400 if count else None, {"fc.weight": count} if count else {}
    )


EXAMPLES = (
    Example(
        "infinite second moments beside finite weights",
        (_found(7), Measurement("weights.nonfinite", 0, "elements", "8 tensors in 4 checkpoints")),
        "fail",
    ),
    Example("sound moments", (_found(0),), "pass"),
    Example("no optimizer state", (), "not-checked"),
)
