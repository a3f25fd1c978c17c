"""Head bias in another order of classes

## What it looks for
A head bias that was set to the logarithm of the class shares (sorted by size it differs from their sorted logarithm by less than 0.15
of the logarithm's deviation) and yet, class by class, correlates with it at less than 0.9. It warns where the manifest declares the
order of classes or numbers them.

## Why it matters
Bias and manifest number the classes differently. If labels are numbered as the bias is, every name in the report of a prediction is
wrong; if not, the bias starts each class at the frequency of another.

## What to do
Make one list of classes, save it with the checkpoint, and number labels and bias by it.

## When it is wrong
Classes of equal size may change places unseen. A bias from the shares of another data set is no such bias. A bias that was trained far
from where it began says nothing: over 30 trainings on unbalanced digits trained biases had a twentieth of the deviation of the shares.

## References
Karpathy, A Recipe for Training Neural Networks ("init well"). Lin et al. 2017 (arXiv 1708.02002), on a head bias set by a prior.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number

IN_ORDER = Threshold(
    0.9,
    "correlation",
    source="a bias of ln p has 1; of random orders of ten shares one in a thousand has more than 0.9",
    half="orders with the frequent classes in place pass",
    double="is above 1: every bias alarms",
)
SET = Threshold(
    0.15,
    "share",
    source="biases set to ln p from a head with small weights: below 0.05 after 300 steps; trained from 0: above 0.9",
    half="biases that were set and then trained for long pass",
    double="biases that were set by other shares count as set by these",
)

NEEDS = ("head.bias_prior",)


def judge(measured: Measured) -> Finding:
    bias = measured["head.bias_prior"]
    error = bias.items["sorted_error"]
    seen = f"the head's bias correlates with the logarithm of the class shares at {number(bias.value, 2)} ({bias.basis})"
    if not error < SET.value:
        return Finding("pass", f"{seen}, which was not set by these shares", bias.value, IN_ORDER, bias.unit)
    if bias.value >= IN_ORDER.value:
        return Finding("pass", f"{seen}: it was set by the shares, in the same order", bias.value, IN_ORDER, bias.unit)
    told = f"{seen}, while sorted by size both differ by {number(error, 2)} of their deviation: it was set by the shares in another order"
    if bias.text == "alphabet":
        return Finding("pass", f"{told}, and the manifest's names have none that is known", bias.value, IN_ORDER, bias.unit)
    return Finding("warn", told, bias.value, IN_ORDER, bias.unit, bias.first_step)


def _given(correlation: float, error: float, how: str = "numbers") -> tuple[Measurement, ...]:
    items = {"slope": 1.0, "sorted_error": error, "spread": 1.0, "last": correlation, "classes": 10.0}
    return (Measurement("head.bias_prior", correlation, "correlation", "head.bias at step 0", 0, items, how),)


EXAMPLES = (
    Example("set by the shares in another order", _given(-0.2, 0.01), "warn"),
    Example("the same, of names in no known order", _given(-0.2, 0.01, "alphabet"), "pass"),
    Example("set by the shares", _given(1.0, 0.0), "pass"),
    Example("begun at 0 and trained", _given(-0.1, 0.97), "pass"),
    Example("a head without bias", (), "not-checked"),
)
