"""Initial weights too large

## What it looks for
The gain of each hidden matrix in the checkpoint from before training: standard deviation times the square root of the smaller of
fan_in and fan_out. Fails where the geometric mean over the hidden matrices is above 5, and warns above 3. A last matrix with a
gain above 10 is a warning of its own, and fails above 20.

## Why it matters
Each layer stretches the signal by about its gain. The first outputs are then huge and sure of the wrong classes: the first loss
is far above chance, falls steeply while the weights shrink, and tanh or sigmoid units start at their extremes.

## What to do
Divide the initial weights by their gain by fan_in over 1.41, or use He's initialization (standard deviation sqrt(2 / fan_in)).

## When it is wrong
Layers with normalization behind them are blind to the scale of their weights: there it is a warning only. Pre-trained weights are
no initialization; the check does not apply to them.

## References
He, Zhang, Ren, Sun 2015 (arXiv 1502.01852). Glorot and Bengio 2010; the largest usual gain, for tanh in torch, is 1.67.
"""

from __future__ import annotations

import math

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number

FAR_TOO_LARGE = Threshold(
    5,
    "ratio",
    source="three times the largest usual gain (1.67): three layers stretch the signal a hundredfold",
    half="twice He's scale fails, from which nets with Adam recover",
    double="initializations that put the first loss above 100 pass with a warning",
)
LARGE = Threshold(
    3,
    "ratio",
    source="twice He's gain of 1.41",
    half="He's initialization itself would be warned",
    double="four times He's scale passes unseen",
)

LARGE_HEAD = Threshold(
    10,
    "ratio",
    source="own: He's initialization by fan_out reaches 7 in a last matrix of few rows",
    half="He's initialization by fan_out is warned",
    double="a last matrix of normal(0, 1) entries passes unseen",
)

FAR_HEAD = Threshold(
    20,
    "ratio",
    source="outputs twenty times as large as features of scale 1: sure of wrong answers, whatever is to be learned",
    half="a last matrix of normal(0, 1) entries over 100 features fails, which a run with Adam forgets",
    double="first losses ten times chance are only warned about",
)

NEEDS = ("weights.initial_gain_max",)
USES = ("weights.initial_head_gain", "weights.normalization", "run.pretrained")
CHECKLIST = ("init-shallow",)
LEADS_ITEMS = ("init-shallow",)
FIGURE = "weight-variance"


def applies(measured: Measured) -> str:
    return "the run starts from pre-trained weights" if measured.text("run.pretrained") == "true" else ""


def judge(measured: Measured) -> Finding:
    gains = measured["weights.initial_gain_max"]
    if not gains.items or not math.isfinite(gains.value) or min(gains.items.values()) <= 0:
        return Finding("not-checked", "the gains of the initial weights are not known as positive numbers")
    mean = math.exp(sum(map(math.log, gains.items.values())) / len(gains.items))
    where = tuple(sorted((name for name in gains.items if gains.items[name] > LARGE.value), key=lambda name: -gains.items[name]))
    seen, usual = (
        f"the initial hidden weights have a gain by the smaller fan of {number(mean, 2)}",
        "(He initialization: 1.41, torch's default: 0.58)",
    )
    normalized = measured.text("weights.normalization") == "normalization"
    if mean > FAR_TOO_LARGE.value:
        reason = f"{seen}, above {number(FAR_TOO_LARGE.value)} {usual}"
        return Finding("warn" if normalized else "fail", reason, mean, FAR_TOO_LARGE, "ratio", gains.first_step, where)
    if mean > LARGE.value:
        return Finding("warn", f"{seen}, above {number(LARGE.value)} {usual}", mean, LARGE, "ratio", gains.first_step, where)
    head = measured.get("weights.initial_head_gain")
    if head is not None and head.value > FAR_HEAD.value:
        reason = f"the last matrix starts with a gain of {number(head.value, 2)}, above {number(FAR_HEAD.value)}"
        return Finding("fail", reason, head.value, FAR_HEAD, "ratio", head.first_step, tuple(head.items))
    if head is not None and head.value > LARGE_HEAD.value:
        reason = f"the last matrix starts with a gain of {number(head.value, 2)}, above {number(LARGE_HEAD.value)}"
        return Finding("warn", reason, head.value, LARGE_HEAD, "ratio", head.first_step, tuple(head.items))
    return Finding("pass", f"{seen} {usual}", mean, LARGE, "ratio")


def _gains(value: float) -> Measurement:
    items = {"fc1.weight": value, "fc2.weight": value * 1.1, "fc3.weight": value * 0.9}
    return Measurement("weights.initial_gain_max", max(items.values()), "ratio", "3 hidden matrices at step 0", 0, items)


def _with_head(gain: float) -> tuple[Measurement, ...]:
    return _gains(1.41), Measurement("weights.initial_head_gain", gain, "ratio", "step 0", 0, {"head.weight": gain})


EXAMPLES = (
    Example("twelve times He's scale", (_gains(17.0),), "fail"),
    Example("normal(0, 1) in layers of 64", (_gains(8.0),), "fail"),
    Example("three times He's scale", (_gains(4.2),), "warn"),
    Example(
        "batch normalization hides the scale",
        (_gains(17.0), Measurement("weights.normalization", 3, "layers", "scales", text="normalization")),
        "warn",
    ),
    Example("a large last matrix", _with_head(12.0), "warn"),
    Example("a last matrix eighty times too large", _with_head(46.0), "fail"),
    Example("He's initialization", (_gains(1.41),), "pass"),
    Example(
        "pre-trained weights",
        (_gains(6.0), Measurement("run.pretrained", float("nan"), "", "hyper-parameters", text="true")),
        "not-applicable",
    ),
    Example("no checkpoint from the start", (), "not-checked"),
)
