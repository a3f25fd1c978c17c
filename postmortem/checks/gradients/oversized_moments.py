"""Moments of gradients that the loss does not explain

## What it looks for
The norm of the whole gradient that the optimizer's moments remember, over the first loss. It alarms above 50 and warns above 20.

## Why it matters
Gradients are of the order of the loss where inputs and weights are of the order of 1. What remembers far larger ones had bursts,
and divides every update by them.

## What to do
Clip the gradient norm at a few times its median, and look at the batches that burst.

## When it is wrong
Inputs and weights far from unit scale make large gradients at every step, and have checks of their own. A first loss that is near
zero by nature makes the ratio large: losses below 0.1 are left out. Logs that begin late show a first loss that is too low.

## References
Pascanu, Mikolov, Bengio 2013 (arXiv 1211.5063). Healthy runs of the fault corpus, tuning half: 0.2 to 3; bursts: 160 and more.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, multiple, number

FAR = Threshold(
    50.0,
    "of the first loss",
    source="twenty times the largest of healthy runs of the fault corpus' tuning half (0.2 to 3)",
    half="runs whose inputs are some times unit scale fail",
    double="bursts that Adam has half forgotten pass with a warning",
)
LARGE = Threshold(
    20.0,
    "of the first loss",
    source="seven times the largest of the same healthy runs",
    half="deep nets at He's scale come near it",
    double="near the line of failure",
)
LEAST_LOSS = 0.1

NEEDS = ("gradients.moment_norm", "loss.first")
USES = ("run.family", "loss.negative")
CHECKLIST = ("plot-gradients",)
DOUBTS_ITEMS = ("plot-gradients",)
FIGURE = "gradient-rms"


def applies(measured: Measured) -> str:
    if measured.text("run.family") in ("rl", "gan"):
        return "losses of adversarial and reinforcement runs have no scale of their own"
    if measured.number("loss.negative"):
        return "a loss that goes below 0 has no scale of its own"
    first = measured.number("loss.first")
    return f"the first loss of {number(first)} is too near 0 to compare with" if first is not None and 0 <= first < LEAST_LOSS else ""


def judge(measured: Measured) -> Finding:
    found, first = measured["gradients.moment_norm"], measured["loss.first"]
    ratio = found.value / first.value if first.value > 0 else float("nan")
    seen = f"the optimizer remembers a gradient norm of {number(found.value)}, {multiple(ratio)} the first loss"
    for limit in (FAR, LARGE):
        if ratio > limit.value:
            told = f"{seen}, above {number(limit.value)}"
            return Finding("fail" if limit is FAR else "warn", told, ratio, limit, limit.unit, found.first_step)
    if ratio <= LARGE.value:
        return Finding("pass", seen, ratio, LARGE, LARGE.unit)
    return Finding("not-checked", "the ratio of gradients to the loss is not a number")


def _given(norm: float, first: float) -> tuple[Measurement, ...]:
    return (
        Measurement("gradients.moment_norm", norm, "gradient norm", "step 200 of 2 checkpoints", 200),
        Measurement("loss.first", first, "loss", "'train/loss'", 0),
    )


EXAMPLES = (
    Example("bursts 3,000 times the usual", _given(597.0, 3.6), "fail"),
    Example("bursts that are half forgotten", _given(90.0, 3.6), "warn"),
    Example("healthy", _given(1.4, 3.6), "pass"),
    Example("a loss near zero", _given(1.4, 0.001), "not-applicable"),
    Example("no optimizer state", _given(1.4, 3.6)[1:], "not-checked"),
)
