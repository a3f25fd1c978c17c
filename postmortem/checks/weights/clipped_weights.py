"""Weights at the ends of half precision

## What it looks for
Parameters stored in half precision that hold finite elements as large as the type can hold (65504 in float16): any, more than 0, is a
failure. And float16 matrices with more than 0.25 of their elements, zeros aside, below the smallest normal number of 6.1e-5: a warning.

## Why it matters
An element at the very end of the range was larger before it was stored, and was cut off: nobody knows by how much. Below the smallest
normal number float16 loses a bit of precision with every halving, and below 6e-8 everything: a matrix with a quarter of its elements
there has a standard deviation of some 2e-4 or less, so that rounding takes a good part of what makes one weight differ from the next.

## What to do
Store and train in bfloat16, which has the range of float32, or keep float32 weights and autocast the arithmetic. Where elements were cut
off, find the layer that grew, in the checkpoints before.

## When it is wrong
Masks and buffers are filled with the largest number on purpose; tensors that are no parameters by their name are not looked at, but a
mask under the name of a weight is. Weights that decay shrank to nothing, as those of a dead or pruned layer, are subnormal without harm.

## References
IEEE 754-2019 for the type's ends. The share for a normal distribution of standard deviation s is 4.9e-5 / s.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted, percent

ANY = Threshold(
    0,
    "elements",
    source="own: no training arrives at exactly the largest number but by being cut off there",
    half="the same: there is no half of no element",
    double="the same: one element is enough",
)
SUBNORMAL = Threshold(
    0.25,
    "share",
    source="own: s = 2e-4 for normal weights, a seventh of the smallest that deep transformers start with (0.02 / sqrt(2 x 100))",
    half="s = 4e-4: strongly decayed but healthy matrices are told",
    double="s = 1e-4: rounding has taken a bit off most elements by then",
)

NEEDS = ("precision.clipped",)
USES = ("precision.subnormal", "precision.stored")
FIGURE = "tensors"


def applies(measured: Measured) -> str:
    stored = measured.text("precision.stored")
    return f"the weights are stored as {stored}" if measured.number("precision.stored") == 0 else ""


def judge(measured: Measured) -> Finding:
    clipped, small = measured["precision.clipped"], measured.get("precision.subnormal")
    if clipped.value > ANY.value:
        where = tuple(sorted(clipped.items, key=lambda name: -clipped.items[name]))
        reason = (
            f"{counted(clipped.value, 'weight')} in {counted(len(where), 'tensor')} sit at "
            f"the largest value half precision can hold ({clipped.basis})"
        )
        return Finding("fail", reason, clipped.value, ANY, clipped.unit, clipped.first_step, where)
    if small is not None and small.value > SUBNORMAL.value:
        where = tuple(sorted((name for name in small.items if small.items[name] > SUBNORMAL.value), key=lambda name: -small.items[name]))
        reason = f"{percent(small.value)} of the elements of {where[0] if where else 'a matrix'} are below float16's smallest normal number"
        return Finding("warn", f"{reason} ({small.basis})", small.value, SUBNORMAL, small.unit, small.first_step, where)
    if clipped.value == 0:
        below = "" if small is None else f", and at most {percent(small.value)} of a matrix is below its smallest normal number"
        return Finding("pass", f"no weight is at the end of its type's range{below} ({clipped.basis})", clipped.value, ANY, clipped.unit)
    return Finding("not-checked", "the count of clipped elements is itself not a number")


def _clipped(count: float) -> Measurement:
    items = {"blocks.3.down.weight": count} if count else {}
    basis = "8 half-precision parameters in 2 checkpoints"
    return Measurement("precision.clipped", count, "elements", basis, 200 if count else None, items)


def _small(share: float) -> Measurement:
    items = {"blocks.0.up.weight": share, "blocks.1.up.weight": share / 20}
    basis = "elements below 6.1e-5 but not zero at step 200, 2 float16 matrices"
    return Measurement("precision.subnormal", share, "share", basis, 200, items)


def _stored(share: float, word: str) -> Measurement:
    return Measurement("precision.stored", share, "share", "types of 4 tensors at step 600", 600, text=word)


EXAMPLES = (
    Example("a layer that grew beyond 65504", (_clipped(12), _small(0.002)), "fail"),
    Example("a matrix of float16 weights of 1e-4", (_clipped(0), _small(0.49)), "warn"),
    Example("float16 weights of 0.02", (_clipped(0), _small(0.0024)), "pass"),
    Example("the last projections of a deep transformer, of 0.0014", (_clipped(0), _small(0.035)), "pass"),
    Example("bfloat16 weights", (_clipped(0),), "pass"),
    Example("float32 weights", (_stored(0.0, "float32"),), "not-applicable"),
    Example("no checkpoint", (), "not-checked"),
)
