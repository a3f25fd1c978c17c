"""Layers that only weight decay moves

## What it looks for
Weight matrices that between the last two checkpoints moved along themselves only: the distance is the loss of norm, to one part
in a thousand. 1 such layer is a warning; half of all matrices or more, a failure.

## Why it matters
A layer that shrinks and does nothing else gets no gradient: its units are dead, or something in front of the loss has cut it off.
Comparisons of checkpoints for equality miss it, because every element changes.

## What to do
Look for dead units in the layers named and behind them, and for a detach or a product with zero on their way to the loss.

## When it is wrong
A matrix that shrinks at a saved weight decay of 0 does so by its gradients, as constant matrices do: it is not counted. Under Adam
with coupled decay a layer without gradients does not shrink in proportion, and is missed. A layer whose gradients happen to point
along its weights for a whole window is counted where the decay is not known.

## References
Own run: shrinkage 0.99401 where (1 - lr x decay)^n gives 0.994018.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

ANY = Threshold(
    1,
    "layers",
    source="own: a trained layer always moves sideways as well",
    half="the same: there is no half of a layer",
    double="a single dead layer passes unseen",
)
HALF = 0.5

NEEDS = ("updates.decay_only", "weights.depth")


def judge(measured: Measured) -> Finding:
    found, depth = measured["updates.decay_only"], measured["weights.depth"]
    where = tuple(found.items)
    if found.value >= ANY.value:
        shrunk = max(found.items.values(), default=0.0)
        told = f"{found.value:.0f} of {depth.value:.0f} weight matrices"
        reason = f"{told} did nothing but shrink between the last checkpoints, by up to {percent(shrunk)}, as weight decay alone does"
        most = found.value >= HALF * depth.value
        return Finding("fail" if most else "warn", reason, found.value, ANY, found.unit, found.first_step, where)
    if found.value < ANY.value and depth.value >= 0:
        seen = "every weight matrix that moved did more than shrink"
        if found.text:
            seen = f"{found.text} did nothing but shrink, at a saved weight decay of 0: gradients did that"
        return Finding("pass", seen, found.value, ANY, found.unit)
    return Finding("not-checked", "the number of shrinking layers is not a number")


def _given(layers: int) -> tuple[Measurement, ...]:
    items = {f"fc{index}.weight": 0.006 for index in range(layers)}
    return (
        Measurement("updates.decay_only", layers, "layers", "4 matrices, step 500 to step 600", 600, items),
        Measurement("weights.depth", 4, "layers", "linear and convolution weights"),
    )


EXAMPLES = (
    Example("three dead layers under AdamW", _given(3), "fail"),
    Example("one dead layer", _given(1), "warn"),
    Example("a healthy net", _given(0), "pass"),
    Example(
        "a constant matrix that shrinks without decay",
        (Measurement("updates.decay_only", 0, "layers", "3 matrices", 500, {}, "fc2.weight"), _given(0)[1]),
        "pass",
    ),
    Example("one checkpoint", _given(0)[1:], "not-checked"),
)
