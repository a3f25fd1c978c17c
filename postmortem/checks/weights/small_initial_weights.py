"""Initial weights too small

## What it looks for
The gain of each hidden matrix in the checkpoint from before training: standard deviation times the square root of the larger of
fan_in and fan_out. Fails where the geometric mean over the hidden matrices is below 0.1, or below 0.2 where they leave less than
-4 decades of the signal together; warns below 0.2.

## Why it matters
Each layer multiplies the signal by about its gain, forwards and backwards. With 0.1 three layers leave a thousandth of it:
outputs hardly depend on inputs, and the loss sits at chance until the weights have grown.

## What to do
Initialize with standard deviation sqrt(2 / fan_in) before ReLU (gain 1.41) and sqrt(1 / fan_in) before tanh (gain 1).

## When it is wrong
Nets with normalization layers restore the scale after each layer, so that transformers train well from a deviation of 0.02; the
check does not apply to them. Neither does it to pre-trained weights. Constant matrices are left to the check identical-units. A
shallow net under Adam grows out of small weights: a warning, not more, if the loss fell from its start on.

## References
He, Zhang, Ren, Sun 2015 (arXiv 1502.01852). Glorot and Bengio 2010. LeCun et al. 1998. torch's default for Linear has gain 0.58.
"""

from __future__ import annotations

import math

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number

FAR_TOO_SMALL = Threshold(
    0.1,
    "ratio",
    source="three layers leave a thousandth of the signal; a sixth of the smallest usual gain, torch's 0.58",
    half="weights of a tenth of He's scale pass with a warning",
    double="normal(0, 0.02) in narrow nets fails, which Adam grows out of",
)
SMALL = Threshold(
    0.2,
    "ratio",
    source="a third of the smallest usual gain, torch's default 0.58",
    half="only hopeless initializations are told",
    double="close to torch's default: healthy runs would be warned",
)

LOST = Threshold(
    -4,
    "decades",
    source="AutoTrainer: gradients of the first layer below 1e-4 of the last, which are as small as the signal",
    half="six layers of a fifth of torch's default fail",
    double="nets that leave a millionth of the signal are only warned about",
)

NEEDS = ("weights.initial_gain_min",)
USES = ("weights.initial_depth_gain", "weights.normalization", "run.pretrained", "loss.improvement", "loss.late_start")
CHECKLIST = ("init-shallow",)
LEADS_ITEMS = ("init-shallow",)
FIGURE = "weight-variance"

LEARNED = 0.5
LATE = 0.1
"""A loss that stood still for this share of the run fell in spite of its start."""
SHRINKING = -2.5
"""Decades of the signal that a net may lose and train all the same: a factor of three hundred."""


def applies(measured: Measured) -> str:
    if measured.text("run.pretrained") == "true":
        return "the run starts from pre-trained weights"
    if measured.text("weights.normalization") == "normalization":
        return f"{measured.number('weights.normalization') or 0:.0f} normalization layers restore the scale of small weights"
    return ""


def judge(measured: Measured) -> Finding:
    gains = measured["weights.initial_gain_min"]
    if not gains.items or not math.isfinite(gains.value) or min(gains.items.values()) <= 0:
        return Finding("not-checked", "the gains of the initial weights are not known as positive numbers")
    mean = math.exp(sum(map(math.log, gains.items.values())) / len(gains.items))
    where = tuple(sorted((name for name in gains.items if gains.items[name] < SMALL.value), key=lambda name: gains.items[name]))
    seen, usual = (
        f"the initial hidden weights have a gain by the larger fan of {number(mean, 2)}",
        "(He initialization: 1.41, torch's default: 0.58)",
    )
    late = (measured.number("loss.late_start") or 0) > LATE
    learned = (measured.number("loss.improvement") or 0) >= LEARNED and not late
    if mean < FAR_TOO_SMALL.value:
        reason = f"{seen}, below {number(FAR_TOO_SMALL.value)} {usual}"
        return Finding("warn" if learned else "fail", reason, mean, FAR_TOO_SMALL, "ratio", gains.first_step, where)
    # Where connections skip layers, the signal need not pass all of them.
    around = measured.text("weights.normalization") == "skip connections"
    depth = None if around else measured.number("weights.initial_depth_gain")
    if mean < SMALL.value and depth is not None and depth < LOST.value:
        reason = f"{seen}, below {number(SMALL.value)}, and together lose {number(-depth, 2)} decades of the signal"
        return Finding("warn" if learned else "fail", reason, mean, SMALL, "ratio", gains.first_step, where)
    if mean < SMALL.value and not learned:
        return Finding("warn", f"{seen}, below {number(SMALL.value)} {usual}", mean, SMALL, "ratio", gains.first_step, where)
    if depth is not None and depth < SHRINKING:
        reason = f"{seen}, and together lose {number(-depth, 2)} decades of the signal"
        return Finding("pass" if learned else "warn", reason, mean, SMALL, "ratio", gains.first_step, where)
    return Finding("pass", f"{seen} {usual}", mean, SMALL, "ratio")


def _gains(value: float) -> Measurement:
    items = {"fc1.weight": value, "fc2.weight": value * 1.1, "fc3.weight": value * 0.9}
    return Measurement("weights.initial_gain_min", min(items.values()), "ratio", "3 hidden matrices at step 0", 0, items)


def _norms(count: float) -> Measurement:
    return Measurement("weights.normalization", count, "layers", "scales", text="normalization" if count else "none")


def _depth(decades: float) -> Measurement:
    return Measurement("weights.initial_depth_gain", decades, "decades", "6 hidden matrices at step 0", 0)


EXAMPLES = (
    Example("a deviation of 0.001 in layers of 64", (_gains(0.008), _norms(0)), "fail"),
    Example("normal(0, 0.02) in layers of 64 without normalization", (_gains(0.16), _norms(0)), "warn"),
    Example(
        "small weights that learned all the same",
        (_gains(0.16), _norms(0), Measurement("loss.improvement", 0.93, "share", "60 points")),
        "pass",
    ),
    Example("six layers of a tenth of Glorot's scale", (_gains(0.1), _norms(0), _depth(-6.0)), "fail"),
    Example("eight layers of a quarter of He's scale", (_gains(0.35), _norms(0), _depth(-3.6)), "warn"),
    Example(
        "tiny weights that Adam grew out of late",
        (
            _gains(0.001),
            _norms(0),
            Measurement("loss.improvement", 0.6, "share", "60 points"),
            Measurement("loss.late_start", 0.2, "share", "60 points", 80),
        ),
        "fail",
    ),
    Example("torch's default", (_gains(0.577), _norms(0)), "pass"),
    Example(
        "eleven layers of torch's default that each block's input goes around",
        (_gains(0.577), Measurement("weights.normalization", 1.0, "layers", "names", text="skip connections"), _depth(-2.6)),
        "pass",
    ),
    Example("a transformer with deviation 0.02", (_gains(0.16), _norms(9)), "not-applicable"),
    Example("no checkpoint from the start", (_norms(0),), "not-checked"),
)
