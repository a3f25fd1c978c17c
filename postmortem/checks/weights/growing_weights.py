"""Weights that run away

## What it looks for
The norm of each hidden matrix in the last finite checkpoint over its norm in the first, together with its gain at the end
(standard deviation times the square root of fan_in). Fails where a matrix grew more than 30-fold to a gain above 10, warns where
one grew more than 10-fold to a gain above 5.

## Why it matters
Weights that keep growing push activations to their extremes, and make the updates that follow too small to matter or too large to
follow.

## What to do
Lower the learning rate or clip gradients; add weight decay where growth is slow and steady.

## When it is wrong
Weights that started far too small have to grow: so the gain at the end counts too. Weights before a normalization layer grow
harmlessly; there it is a warning at most. Heads that start at zero and embeddings are left out.

## References
The Deep Checker (growth by 2 per checkpoint). Own runs.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, multiple, number

RUNAWAY = Threshold(
    30,
    "ratio",
    source="own runs: 34, 100 and 2700 with learning rates far too high, at most 3.7 in 16 healthy ones",
    half="nets that started small and trained for long may fail",
    double="runs with a rate on the brink pass with a warning",
)
GROWN = Threshold(
    10,
    "ratio",
    source="three times the largest growth of 16 healthy own runs",
    half="long healthy trainings without weight decay are warned",
    double="slow runaways pass unseen",
)
RUNAWAY_GAIN = 10.0
GROWN_GAIN = 5.0

NEEDS = ("weights.growth", "weights.final_gain")
USES = ("weights.normalization",)
FIGURE = "weight-variance"


def judge(measured: Measured) -> Finding:
    growth, gains = measured["weights.growth"], measured["weights.final_gain"]
    normalized = measured.text("weights.normalization") == "normalization"
    for limit, least in ((RUNAWAY, RUNAWAY_GAIN), (GROWN, GROWN_GAIN)):
        away = [name for name in growth.items if growth.items[name] > limit.value and gains.items.get(name, 0.0) > least]
        if away:
            away.sort(key=lambda name: -growth.items[name])
            value = growth.items[away[0]]
            reason = (
                f"{away[0]} grew {number(value)}-fold to a gain of {number(gains.items[away[0]])}, "
                f"above {number(limit.value)}-fold and a gain of {number(least)}"
            )
            grave = limit is RUNAWAY and not normalized
            return Finding("fail" if grave else "warn", reason, value, limit, growth.unit, growth.first_step, tuple(away))
    if growth.value > 0:
        return Finding(
            "pass",
            f"no hidden matrix ran away: the norm that grew most ends at {multiple(growth.value, 3)} its start",
            growth.value,
            GROWN,
            growth.unit,
        )
    return Finding("not-checked", "the growth of the weights is not a number")


def _given(growth: float, gain: float) -> tuple[Measurement, ...]:
    return (
        Measurement("weights.growth", growth, "ratio", "step 600 over step 0", 600, {"fc1.weight": growth, "fc2.weight": 1.3}),
        Measurement("weights.final_gain", gain, "ratio", "step 600", 600, {"fc1.weight": gain, "fc2.weight": 1.2}),
    )


EXAMPLES = (
    Example("a learning rate of 50", _given(4000.0, 2300.0), "fail"),
    Example("a rate on the brink", _given(20.0, 11.0), "warn"),
    Example("weights that started too small and grew", _given(40.0, 1.6), "pass"),
    Example("a healthy net", _given(1.6, 0.9), "pass"),
    Example("one checkpoint", (), "not-checked"),
)
