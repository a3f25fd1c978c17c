"""Clip norm far below the usual ones

## What it looks for
A clip norm in the settings below 0.05. It only warns: what it did is told by the loss and the gradients.

## Why it matters
Clip norms are set near the usual norm of the gradient, so that they act on rare large ones. One that is a hundred times lower cuts
every gradient, and makes a learning rate of SGD a hundred times lower than it says.

## What to do
Log the norm before clipping, and set the limit above most of it; 1 is usual.

## When it is wrong
Adam divides the length of gradients out. Adaptive clipping sets limits relative to the weights: 0.01 is usual there.

## References
Pascanu et al. 2013 (arXiv 1211.5063): from half to ten times the average norm. Brown et al. 2020 (arXiv 2005.14165): 1.0.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number

TIGHT = Threshold(
    0.05,
    "gradient norm",
    source="a twentieth of the usual 1.0, half the lowest limit in common use (0.1)",
    half="limits of 0.03 pass",
    double="limits in use are warned",
)

NEEDS = ("run.clip_norm",)
USES = ()
CHECKLIST = ("gradient-clipping",)
FIGURE = "gradient-norm"


def judge(measured: Measured) -> Finding:
    limit = measured["run.clip_norm"]
    seen, where = f"the clip norm is {number(limit.value)}", f" ({limit.basis})"
    if limit.value < TIGHT.value:
        return Finding("warn", f"{seen}, below {number(TIGHT.value)}{where}", limit.value, TIGHT, limit.unit)
    if limit.value >= TIGHT.value:
        return Finding("pass", f"{seen}{where}", limit.value, TIGHT, limit.unit)
    return Finding("not-checked", "the clip norm is not a number")


def _limit(value: float) -> tuple[Measurement, ...]:
    return (Measurement("run.clip_norm", value, "gradient norm", "setting 'max_grad_norm'"),)


EXAMPLES = (
    Example("a limit of 1e-3", _limit(1e-3), "warn"),
    Example("the usual limit", _limit(1.0), "pass"),
    Example("no limit", (), "not-checked"),
)
