"""Units that are equal to each other

## What it looks for
Output units of one hidden layer whose weights are equal to a ten-thousandth of their norm, in the last checkpoint after step 0. Fails
where more than 0.5 of a layer's units repeat another one, and warns above 0.1.

## Why it matters
Equal units get equal gradients and stay equal for ever. A layer of 256 equal units computes one number.

## What to do
Initialize hidden weights at random (He before ReLU, Glorot before tanh), never with zeros or a constant. Biases may start at zero.

## When it is wrong
Heads, LoRA's second matrix and the last scale of a residual branch start at zero on purpose; they are left out, or have moved by the
first update. Units that were pruned to zero are not counted as equal, unless the whole layer is zero. Units with fewer than 4
inputs are not compared.

## References
The Deep Checker (variance of initial weights near 0). NeuraLint. Own runs: 0.90 to 0.98 after a constant initialization.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

MANY = Threshold(
    0.5,
    "share",
    source="own runs: 0.90 to 0.98 after a constant initialization, 0 in all others",
    half="a layer that a quarter of its units repeat fails; none was seen among healthy runs",
    double="layers in which some units broke away pass unseen",
)
SOME = Threshold(
    0.1,
    "share",
    source="random units of 4 or more inputs do not repeat",
    half="two equal units of forty are told",
    double="a fifth of a layer's capacity may be lost unseen",
)

NEEDS = ("weights.duplicate_units",)
CHECKLIST = ("init-shallow", "init-deep")


def judge(measured: Measured) -> Finding:
    found = measured["weights.duplicate_units"]
    worst = tuple(sorted((name for name in found.items if found.items[name] > SOME.value), key=lambda name: -found.items[name]))
    where = f" of {worst[0]}" if worst else ""
    seen = f"{percent(found.value)} of the units{where} are copies of another unit of their layer"
    if found.value > MANY.value:
        return Finding("fail", f"{seen}, above {percent(MANY.value)}", found.value, MANY, found.unit, found.first_step, worst)
    if found.value > SOME.value:
        return Finding("warn", f"{seen}, which random units never are", found.value, SOME, found.unit, found.first_step, worst)
    if found.value <= SOME.value:
        return Finding("pass", "the units of every hidden layer differ from each other", found.value, SOME, found.unit)
    return Finding("not-checked", "the share of equal units is not a number")


def _share(value: float) -> Measurement:
    basis = "rows of 2 hidden matrices at step 600, equal to 0.0001 of their norm"
    return Measurement("weights.duplicate_units", value, "share", basis, 600, {"fc1.weight": value, "fc2.weight": value / 2})


EXAMPLES = (
    Example("all weights started at zero", (_share(0.98),), "fail"),
    Example("a sixth of the units are twins", (_share(0.16),), "warn"),
    Example("random initialization", (_share(0.0),), "pass"),
    Example("one checkpoint, from before training", (), "not-checked"),
)
