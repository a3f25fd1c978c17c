"""Weights that are not finite

## What it looks for
NaN and infinite elements in parameters and running statistics of every checkpoint. More than 0 of them is a failure, dated by the
first checkpoint that holds any.

## Why it matters
One weight that is not a number makes every later output one. Nothing trains from there on, and a run resumed from such a file is
lost.

## What to do
Resume from the last finite checkpoint, which the finding names, with a lower learning rate or with clipped gradients, and look at
what came just before: a spike of the loss, an overflow in half precision, a logarithm of zero.

## When it is wrong
Attention masks hold minus infinity on purpose: tensors that are named like masks and all integer tensors are left out. A mask
under another name that was saved as a parameter would be reported.

## References
SageMaker Debugger, rule ExplodingTensor. The Deep Checker. AutoTrainer.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted

ANY = Threshold(
    0,
    "elements",
    source="own: one weight that is not a number makes every output one",
    half="the same: there is no half of no element",
    double="the same: one element is enough",
)

NEEDS = ("weights.nonfinite",)
FIGURE = "tensors"
DECISIVE = True


def judge(measured: Measured) -> Finding:
    found = measured["weights.nonfinite"]
    if found.value > ANY.value:
        where = tuple(found.items)
        when = f"step {found.first_step}" if found.first_step is not None else "the checkpoint"
        led = f", {where[0]} first" if where else ""
        reason = (
            f"{counted(found.value, 'weight is', 'weights are')} NaN or infinite at {when}, "
            f"in {counted(len(where), 'tensor')}{led} ({found.basis})"
        )
        return Finding("fail", reason, found.value, ANY, found.unit, found.first_step, where)
    if found.value == 0:
        return Finding("pass", f"all weights are finite ({found.basis})", found.value, ANY, found.unit)
    return Finding("not-checked", "the count of non-finite elements is itself not a number")


def _found(count: float, **items: float) -> Measurement:
    basis = "step_000400.pt; last finite checkpoint: step_000300.pt"
    return Measurement("weights.nonfinite", count, "elements", basis, 400 if count else None, items)


EXAMPLES = (
    Example("NaN late in the run", (_found(3200, fc1=3136, fc2=64),), "fail"),
    Example("a single infinite bias", (_found(1, bias=1),), "fail"),
    Example("finite throughout", (_found(0),), "pass"),
    Example("no checkpoint", (), "not-checked"),
)
