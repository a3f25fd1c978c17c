"""Gradient norm that grows over the run

## What it looks for
The median gradient norm of the last tenth of the points over that of an early tenth. It warns from 10 on, and alarms from 100
on unless the training loss fell to 0.1 of its start.

## Why it matters
Gradients that grow by orders of magnitude lead to divergence: the weights walk into ever steeper ground.

## What to do
Lower the learning rate or clip; look at which layer's gradient grows; add normalization or weight decay.

## When it is wrong
With weight decay and normalization layers, weights shrink and their gradients grow by a few times in sound runs. A model that
starts on a plateau has tiny gradients first.

## References
AUTOTRAINER, exploding gradients. Defazio 2025 (arXiv 2506.02285): why gradients rapidly increase near the end of training.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, multiple, number

EXPLODED = Threshold(
    100.0,
    "of its early level",
    source="two orders of magnitude; AUTOTRAINER takes 70 between layers",
    half="slow starts on a plateau fail",
    double="runs on the way to divergence are only warned",
)
GROWN = Threshold(
    10.0,
    "of its early level",
    source="the project's own choice: one order of magnitude",
    half="sound long runs are warned",
    double="a tenfold growth passes",
)

NEEDS = ("gradnorm.growth",)
USES = ("loss.improvement",)
CHECKLIST = ("plot-gradients",)
DOUBTS_ITEMS = ("plot-gradients",)
LEADS_ITEMS = ("plot-gradients",)
FIGURE = "gradient-norm"

LEARNED = 0.9
"""Share of the loss that must be gone for a growth to be harmless."""


def judge(measured: Measured) -> Finding:
    growth, fall = measured["gradnorm.growth"], measured.number("loss.improvement")
    seen = f"the gradient norm ends at {multiple(growth.value)} its early level"
    if growth.value < GROWN.value:
        return Finding("pass", seen, growth.value, GROWN, GROWN.unit)
    if growth.value < EXPLODED.value or (fall is not None and fall >= LEARNED):
        return Finding("warn", f"{seen}, above {number(GROWN.value)}", growth.value, GROWN, GROWN.unit)
    return Finding("fail", f"{seen}, above {number(EXPLODED.value)}", growth.value, EXPLODED, EXPLODED.unit)


def _given(growth: float, fall: float) -> tuple[Measurement, ...]:
    return (
        Measurement("gradnorm.growth", growth, "ratio", "'grad_norm', 600 points"),
        Measurement("loss.improvement", fall, "share", "'train/loss'"),
    )


EXAMPLES = (
    Example("exploding", _given(5000.0, 0.1), "fail"),
    Example("growth beside a loss that fell", _given(300.0, 0.97), "warn"),
    Example("twentyfold", _given(20.0, 0.4), "warn"),
    Example("threefold, by weight decay", _given(3.0, 0.8), "pass"),
    Example("no gradient norm", (), "not-checked"),
)
