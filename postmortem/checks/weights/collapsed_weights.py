"""Weights that shrank to nothing

## What it looks for
The norm of each hidden matrix in the last finite checkpoint over its norm in the first. Fails where one is below 0.01 of what it
was, and warns below 0.1, if its gain at the end (standard deviation times the square root of fan_in) is below 0.2 as well.

## Why it matters
A layer whose weights are gone passes nothing on. Where regularization is stronger than the loss, all layers go this way, and the
loss ends at chance.

## What to do
Lower the weight decay or the regularization's factor by ten.

## When it is wrong
Pruned matrices shrink on purpose: those that are mostly exact zeros without being all zero are left out. Weights that started far
too large have to shrink: so the gain at the end counts too.

## References
Own run with regularization five times the loss: nothing was left of the weights. SageMaker Debugger, rule AllZero.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, multiple, percent

GONE = Threshold(
    0.01,
    "of its first norm",
    source="own: such a layer passes a hundredth of its signal on; in 16 healthy runs no layer lost norm",
    half="a layer on its way to nothing passes with a warning",
    double="a strongly regularized layer that still works fails",
)
SHRUNK = Threshold(
    0.1,
    "of its first norm",
    source="one decade above the line of failure",
    half="layers that weight decay is eating pass unseen",
    double="strong but sound weight decay is warned",
)
STILL_USUAL_GAIN = 0.2
PRUNED_SHARE = 0.5

NEEDS = ("weights.shrinkage", "weights.final_gain")
USES = ("weights.zero_share",)
FIGURE = "weight-variance"


def judge(measured: Measured) -> Finding:
    found, gains, zeros = measured["weights.shrinkage"], measured["weights.final_gain"], measured.get("weights.zero_share")
    pruned = {name for name, share in zeros.items.items() if PRUNED_SHARE < share < 1} if zeros is not None else set()
    small = {name: value for name, value in found.items.items() if name not in pruned and gains.items.get(name, 0.0) < STILL_USUAL_GAIN}
    for status, limit in (("fail", GONE), ("warn", SHRUNK)):
        gone = tuple(sorted((name for name in small if small[name] < limit.value), key=lambda name: small[name]))
        if gone:
            value = small[gone[0]]
            reason = (
                f"{len(gone)} of {len(found.items)} hidden matrices shrank below {percent(limit.value)} "
                f"of their first norm, {gone[0]} to {percent(value)}"
            )
            return Finding("fail" if status == "fail" else "warn", reason, value, limit, limit.unit, None, gone)
    if found.value >= 0:
        return Finding(
            "pass",
            f"no hidden matrix collapsed: the most shrunk one ends at {multiple(found.value)} its first norm",
            found.value,
            SHRUNK,
            SHRUNK.unit,
        )
    return Finding("not-checked", "the shrinkage of the weights is not a number")


def _given(left: float, gain: float) -> tuple[Measurement, ...]:
    return (
        Measurement("weights.shrinkage", left, "ratio", "step 600 over step 0", 600, {"fc1.weight": left, "fc2.weight": 1.0}),
        Measurement("weights.final_gain", gain, "ratio", "step 600", 600, {"fc1.weight": gain, "fc2.weight": 1.0}),
    )


EXAMPLES = (
    Example("regularization five times the loss", _given(2e-4, 1e-4), "fail"),
    Example("a layer that weight decay eats", _given(0.06, 0.03), "warn"),
    Example("weights that started too large", _given(0.08, 1.1), "pass"),
    Example("a healthy net", _given(0.97, 0.6), "pass"),
    Example("one checkpoint", (), "not-checked"),
)
