"""Updates too small for the weights

## What it looks for
The norm of the optimizer's last update of each weight matrix over the norm of that matrix, rebuilt exactly from the optimizer's state.
Alarms where the median over the matrices stays below 1e-5 per step, and warns below 1e-4, at the checkpoint with the highest
learning rate.

## Why it matters
A weight that moves by a hundred-thousandth of itself per step needs a hundred thousand steps to become another weight. The loss looks
flat, and nothing else is wrong.

## What to do
Raise the learning rate until the ratio is near 1e-3.

## When it is wrong
Late in a schedule that decays to zero the ratio goes to zero as it should: so the checkpoint with the highest learning rate counts.
Fine-tuning of a pre-trained model works with ratios near 1e-5. A converged model has small gradients, but Adam's updates do not
shrink with them.

## References
CS231n, neural-networks-3 (about 1e-3 is healthy). The Deep Checker (1e-4 to 1e-1).
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold

FAR_TOO_LOW = Threshold(
    1e-5,
    "per step",
    source="two decades below CS231n's 1e-3",
    half="runs that move by 1 % in a thousand steps pass",
    double="slow fine-tuning fails",
)
LOW = Threshold(
    1e-4,
    "per step",
    source="CS231n's 1e-3 less one decade; The Deep Checker's lower bound",
    half="learning rates 20 times too low pass unseen",
    double="careful fine-tuning runs are warned",
)

NEEDS = ("updates.ratio",)
USES = ("run.family",)
CHECKLIST = ("update-ratio", "learning-rate")
FIGURE = "update-ratio"


def judge(measured: Measured) -> Finding:
    ratio = measured["updates.ratio"]
    lowest = tuple(sorted((name for name in ratio.items if ratio.items[name] < LOW.value), key=lambda name: ratio.items[name]))
    seen = f"the median update is {ratio.value:.1e} of the weight's norm per step"
    if ratio.value < FAR_TOO_LOW.value:
        return Finding(
            "fail", f"{seen}; below {FAR_TOO_LOW.value:.0e} weights hardly move", ratio.value, FAR_TOO_LOW, ratio.unit, ratio.first_step, lowest
        )
    if ratio.value < LOW.value:
        return Finding("warn", f"{seen}; about 1e-3 is usual", ratio.value, LOW, ratio.unit, ratio.first_step, lowest)
    return Finding("pass", f"{seen}, at or above {LOW.value:.0e}", ratio.value, LOW, ratio.unit)


def _ratio(value: float) -> Measurement:
    return Measurement("updates.ratio", value, "per step", "Adam state at step 100, 2 matrices", 100, {"fc1.weight": value, "fc2.weight": value * 2})


EXAMPLES = (
    Example("SGD of an MLP with a learning rate of 1e-6", (_ratio(4e-7),), "fail"),
    Example("a learning rate thirty times too low", (_ratio(3e-5),), "warn"),
    Example("the healthy ratio", (_ratio(1.1e-3),), "pass"),
    Example("no optimizer state", (), "not-checked"),
)
