"""Learning rate above the usual range of its optimizer

## What it looks for
The highest learning rate of the run: above 0.03 for Adam, its kin and RMSprop; above 1 for SGD, and where the optimizer is not known.
Up to 0.01 (SGD: 0.1) it passes; what lies between may be right or not, and nothing is said. A rate less than 1 % above one of these
is taken to be there. It only warns: a rate alone is no fault.

## Why it matters
Rates that were meant for another optimizer, or that lost a decimal, are the commonest mistake of all, and often the rate is all that a
log tells besides the loss.

## What to do
Start from 1e-3 with Adam, from 0.1 or 0.01 with SGD and momentum.

## When it is wrong
Normalized networks and large batches take higher rates.

## References
Bengio 2012 (arXiv 1206.5533), 3.1.1: from 1e-6 to 1 for SGD, 0.01 as a default. Kingma and Ba 2015: 1e-3 for Adam.
Goyal et al. 2017 (arXiv 1706.02677): 0.1 with momentum for batches of 256.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number

SIGNED_RATE = Threshold(
    0.03,
    "",
    source="thirty times Adam's default of 1e-3",
    half="quick training of small networks is warned",
    double="the usual rates of SGD pass for Adam",
)
PLAIN_RATE = Threshold(
    1.0,
    "",
    source="Bengio 2012: the upper end of the usual range",
    half="large rates of normalized networks are warned",
    double="rates twenty times too high pass",
)
USUAL_SIGNED, USUAL = 0.01, 0.1
"""Up to here rates are usual: of Adam and its kin (and of whom nothing is known), and of SGD, with momentum or without."""
SAME = 0.01
"""Less above a line than this share is no more: 0.1 is 0.100000001 in float32."""
SIGNED = ("adam", "adamw", "nadam", "radam", "lamb", "rmsprop", "adamax", "lion", "adafactor")

NEEDS = ("lr.max",)
USES = ("optimizer.algorithm", "run.optimizer")
CHECKLIST = ("learning-rate",)
LEADS_ITEMS = ("learning-rate",)
FIGURE = "loss"


def judge(measured: Measured) -> Finding:
    rate = measured["lr.max"]
    name = (measured.text("optimizer.algorithm") or measured.text("run.optimizer")).lower()
    line = SIGNED_RATE if name in SIGNED else PLAIN_RATE
    seen = f"the highest learning rate is {number(rate.value, 2)} for {name or 'an unknown optimizer'}"
    below = rate.value / (1 + SAME)
    if below > line.value:
        return Finding(
            "warn", f"{seen}, above the usual range, which ends at {number(line.value)}", rate.value, line, line.unit, rate.first_step
        )
    usual = USUAL if name and name not in SIGNED else USUAL_SIGNED
    if below <= usual:
        return Finding("pass", seen, rate.value, line, line.unit)
    if below <= line.value:
        return Finding("not-checked", f"{seen}: between {number(usual)} and {number(line.value)} a rate may be right or far too high")
    return Finding("not-checked", "the learning rate is not a number")


def _rate(value: float, optimizer: str = "") -> tuple[Measurement, ...]:
    given = (Measurement("lr.max", value, "per step", "'lr', 100 points", 0),)
    return (*given, Measurement("run.optimizer", float("nan"), "", "setting 'optimizer'", text=optimizer)) if optimizer else given


EXAMPLES = (
    Example("SGD's rate for Adam", _rate(0.1, "adam"), "warn"),
    Example("a rate of 3", _rate(3.0), "warn"),
    Example("SGD with momentum", _rate(0.1, "sgd"), "pass"),
    Example("0.1 as float32 has it", _rate(0.10000000149011612, "sgd"), "pass"),
    Example("1 and a rounding", _rate(1.0000001, "sgd"), "not-checked"),
    Example("SGD's rate for whatever it is", _rate(0.1), "not-checked"),
    Example("Adam's default", _rate(1e-3, "adam"), "pass"),
    Example("no learning rate", (), "not-checked"),
)
