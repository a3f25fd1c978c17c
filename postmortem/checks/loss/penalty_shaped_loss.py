"""Training loss that is the size of the weights

## What it looks for
The training loss over the sum of squared weights, and over the sum of weights without their sign, at each checkpoint. Where such a sum
changes 1.5-fold or more over the run, and the ratio to it stays within a factor of 1.1 and changes by no more than a tenth of what the
sum changes by, the loss is a penalty on the weights and next to nothing else, and it fails.

## Why it matters
The run lowers its loss by shrinking its weights. Nothing in the log says so where the penalty is added inside the model or the loss
function: the curve falls smoothly, and the data are not learned.

## What to do
Log the penalty beside the data loss, and lower its weight until the two are of one size: `weight_decay` of the optimizer does it
without touching the loss.

## When it is wrong
Three checkpoints can agree by chance where loss and weights both fall a little: the change of 1.5-fold and the tenth of it keep that out.

## References
Own reasoning: of a loss a + w S with a below a tenth of w S, the ratio to S is within 1.1 of w. Goodfellow, Bengio, Courville 2016, 7.1.1.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, multiple, number, percent

SAME = Threshold(
    1.1,
    "ratio",
    source="a data loss below a tenth of the penalty moves the ratio by a tenth at most",
    half="penalties that leave a data loss of a twentieth pass",
    double="losses that fall as fast as the weights by chance fail",
)
CHANGED = 1.5
"""Largest over smallest sum, below which any slow loss keeps its ratio."""
STEADIER = 0.1
"""The ratio may change by this share of what the sum changes by: a loss that falls by half as the sum does is ten times as near to it."""

NEEDS = ("loss.per_squares_spread",)
USES = ("run.family", "loss.per_magnitudes_spread")
CHECKLIST = ("regularization-loss",)
FIGURE = "loss"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return f"the loss of {kind_of_run(family)} says nothing of its weights" if family in ("rl", "gan") else ""


def judge(measured: Measured) -> Finding:
    squares, sizes = measured["loss.per_squares_spread"], measured.get("loss.per_magnitudes_spread")
    named = [(squares, "squared weights"), *([(sizes, "weights without their sign")] if sizes is not None else [])]
    told = [(found, name) for found, name in named if found.items.get("range", 1.0) >= CHANGED]
    if not told:
        changed = squares.items.get("range", 1.0)
        return Finding(
            "not-checked",
            f"the largest sum of squared weights is {multiple(changed, 3)} the smallest, and so small a change any loss can follow",
        )
    found, name = min(told, key=lambda each: each[0].value)
    changed = found.items.get("range", 1.0)
    if found.value <= min(SAME.value, 1 + STEADIER * (changed - 1)):
        weight = found.items.get("weight", float("nan"))
        seen = (
            f"the loss stays within {percent(found.value - 1)} of {number(weight, 2)} times "
            f"the sum of {name}, which changed {number(changed)}-fold"
        )
        return Finding("fail", seen, found.value, SAME, found.unit, found.first_step)
    if found.value > 1:
        seen = f"the loss over the sum of {name} changes {number(found.value)}-fold"
        return Finding("pass", seen, found.value, SAME, found.unit)
    return Finding("not-checked", "the loss over the weights' squares is not a number")


def _given(spread: float, changed: float) -> tuple[Measurement, ...]:
    items = {"range": changed, "weight": 0.5}
    return (Measurement("loss.per_squares_spread", spread, "ratio", "'train/loss' over the squares of all matrices", 0, items),)


def _of_magnitudes(spread: float, changed: float) -> Measurement:
    items = {"range": changed, "weight": 0.01}
    return Measurement("loss.per_magnitudes_spread", spread, "ratio", "'train/loss' over the magnitudes of all matrices", 0, items)


EXAMPLES = (
    Example("weights without their sign in the loss", (*_given(2.4, 30.0), _of_magnitudes(1.04, 12.0)), "fail"),
    Example("half the sum of squares in the loss", _given(1.03, 3.5), "fail"),
    Example("a sum that fell by a third", (*_given(1.2, 1.4), _of_magnitudes(1.02, 1.6)), "fail"),
    Example("a loss that fell with it by chance", (*_given(1.2, 1.4), _of_magnitudes(1.08, 1.6)), "pass"),
    Example("a loss that is learned while weights grow", _given(14.0, 2.8), "pass"),
    Example("a flat loss of weights that stand", _given(1.01, 1.02), "not-checked"),
    Example("two checkpoints", (), "not-checked"),
)
