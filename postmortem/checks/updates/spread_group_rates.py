"""Learning rates of the optimizer's groups that lie far apart

## What it looks for
The largest over the smallest learning rate above zero among the groups of one optimizer, at the highest rate of the run: it warns
above 1000. It warns as well where a group that lists parameters has rate 0 while another has not, 1 such group being enough.

## Why it matters
A group that is a thousand times slower than its neighbours stands still. It is what is left of a layer-wise rate with a wrong
power, or of a freeze that was never lifted.

## What to do
Print name, size and rate of every group once; lift the rates that nobody meant.

## When it is wrong
Rates that fall from layer to layer are a usual way to fine-tune, and reach a few hundred in deep models. A group at rate 0 may be
a frozen backbone.

## References
Own reasoning: with a decay of 0.65 a layer, 12 layers span a factor of 176, 16 layers one of 985.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number

SPREAD = Threshold(
    1000,
    "ratio",
    source="layer-wise rates of published fine-tunings reach 176 (0.65 a layer over 12 layers)",
    half="layer-wise rates of very deep models are warned",
    double="a group that stands all but still passes unseen",
)
STILL = Threshold(
    1,
    "groups",
    source="a rate of zero trains nothing",
    half="the same: groups are whole",
    double="a single group at rate 0 passes unseen",
)

NEEDS = ("optimizer.rate_spread", "optimizer.zero_rate")
FIGURE = "update-ratio"


def judge(measured: Measured) -> Finding:
    spread, still = measured["optimizer.rate_spread"], measured["optimizer.zero_rate"]
    if still.value >= STILL.value:
        where = tuple(sorted(still.items, key=lambda name: -still.items[name]))
        seen = f"{where[0]} has learning rate 0 with {still.items[where[0]]:.0f} tensors while others are trained"
        return Finding("warn", seen, still.value, STILL, still.unit, still.first_step, where)
    if spread.value > SPREAD.value:
        where = tuple(name for name in spread.items if spread.items[name] > SPREAD.value)
        seen = f"the learning rates of the groups span a factor of {number(spread.value)}"
        return Finding("warn", seen, spread.value, SPREAD, spread.unit, spread.first_step, where)
    if spread.value >= 1:
        seen = f"the learning rates of the groups span a factor of {number(spread.value)}"
        told = seen if spread.value > 1 else "all parameter groups have the same learning rate"
        return Finding("pass", told, spread.value, SPREAD, spread.unit)
    return Finding("not-checked", "the spread of the rates is not a number")


def _given(spread: float, still: float = 0.0) -> tuple[Measurement, ...]:
    items = {"group 1 of optimizer": 12.0} if still else {}
    return (
        Measurement("optimizer.rate_spread", spread, "ratio", "2 groups", 600, {"optimizer": spread}),
        Measurement("optimizer.zero_rate", still, "groups", "2 groups", 600, items),
    )


EXAMPLES = (
    Example("a power of the layer's number that went wrong", _given(1e6), "warn"),
    Example("a freeze that was never lifted", _given(1.0, 1.0), "warn"),
    Example("layer-wise rates of a fine-tuning", _given(176.0), "pass"),
    Example("one group", _given(1.0), "pass"),
    Example("no optimizer state", (), "not-checked"),
)
