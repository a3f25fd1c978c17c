"""Updates that Adam's epsilon holds back

## What it looks for
The share of weights whose square root of the second moment is below Adam's epsilon while their average gradient is not zero.
Warns above 0.5, unless the loss fell by half.

## Why it matters
Adam divides by the gradient's own size so that small gradients make full steps. Below epsilon it divides by epsilon instead, and
steps shrink with the gradients.

## What to do
Lower epsilon (1e-8 to 1e-12), or take the mean of the loss less often: scale it up.

## When it is wrong
A model that has learned its data has tiny gradients and needs no steps: it passes where the loss fell. Large epsilons are chosen
on purpose in some settings.

## References
Wortsman et al. 2023 (arXiv 2309.14322), section on epsilon. Molybog et al. 2023 (arXiv 2304.09871).
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

MOST = Threshold(
    0.5,
    "share",
    source="own: where most elements are held back, Adam is plain gradient descent with a tiny rate",
    half="layers with sparse gradients are warned",
    double="no share is above 1: nothing would be told",
)
LEARNED = 0.5

NEEDS = ("optimizer.epsilon_share",)
USES = ("loss.improvement",)
CHECKLIST = ("update-ratio",)
DOUBTS_ITEMS = ("update-ratio",)
FIGURE = "gradient-rms"


def judge(measured: Measured) -> Finding:
    bound = measured["optimizer.epsilon_share"]
    seen = f"{percent(bound.value)} of the weights have gradients below Adam's epsilon"
    if bound.value > MOST.value and (measured.number("loss.improvement") or 0) < LEARNED:
        where = tuple(sorted((name for name in bound.items if bound.items[name] > MOST.value), key=lambda name: -bound.items[name]))
        return Finding("warn", f"{seen}, more than {percent(MOST.value)}", bound.value, MOST, bound.unit, bound.first_step, where)
    if bound.value >= 0:
        return Finding("pass", seen if bound.value else "no weight has a gradient below Adam's epsilon", bound.value, MOST, bound.unit)
    return Finding("not-checked", "the share of weights below epsilon is not a number")


def _bound(value: float) -> Measurement:
    return Measurement("optimizer.epsilon_share", value, "share", "2 matrices at step 600", 600, {"fc1.weight": value})


EXAMPLES = (
    Example("a loss divided by a million", (_bound(0.97),), "warn"),
    Example("a model that has learned its data", (_bound(0.97), Measurement("loss.improvement", 0.99, "share", "60 points")), "pass"),
    Example("usual gradients", (_bound(0.0),), "pass"),
    Example("no optimizer state", (), "not-checked"),
)
