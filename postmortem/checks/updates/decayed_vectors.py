"""Weight decay on biases and norms

## What it looks for
Biases and scales of norms in groups with a weight decay above zero. That is common and mostly harmless: it passes, and says how
many there are. It warns where the decay is 1 or more.

## Why it matters
Decay pulls scales of norms towards zero, and with them the signal; a decay of 1 or more does so within a few thousand steps.

## What to do
Put tensors with one axis into a group of their own, with a weight decay of 0.

## When it is wrong
With AdamW a decay of 1 at a rate of 1e-4 takes a tenth of a scale in a thousand steps, which gradients may well make good.

## References
Own reasoning: scales shrink by 1 - lr x decay a step. Loshchilov and Hutter 2019 (arXiv 1711.05101) for the decay itself.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted, number

STRONG = Threshold(
    1.0,
    "",
    source="ten times the largest decay that is usual (0.1)",
    half="a few strong and sound decays are warned",
    double="a decay of 1 on every norm passes as usual",
)

NEEDS = ("optimizer.decayed_vectors",)

_NAMES = ("bias or normalization scale has", "biases and normalization scales have")


def judge(measured: Measured) -> Finding:
    found = measured["optimizer.decayed_vectors"]
    highest = max(found.items.values(), default=0.0)
    if highest >= STRONG.value:
        where = tuple(name for name in found.items if found.items[name] >= STRONG.value)
        seen = f"{counted(len(where), *_NAMES)} a weight decay of {number(highest)}, above {number(STRONG.value)}"
        return Finding("warn", seen, highest, STRONG, STRONG.unit, found.first_step, where)
    if found.value >= 0:
        seen = f"{counted(found.value, *_NAMES)} a weight decay, of at most {number(highest)}"
        return Finding(
            "pass", seen if found.value else "no bias and no normalization scale has a weight decay", highest, STRONG, STRONG.unit
        )
    return Finding("not-checked", "the number of decayed vectors is not a number")


def _found(decay: float) -> Measurement:
    items = {"ln1.weight": decay, "fc1.bias": decay} if decay else {}
    return Measurement("optimizer.decayed_vectors", len(items), "tensors", "2 biases and norms", 600, items)


EXAMPLES = (
    Example("a decay of 10 on everything", (_found(10.0),), "warn"),
    Example("the usual decay on everything", (_found(0.01),), "pass"),
    Example("norms left alone", (_found(0.0),), "pass"),
    Example("no optimizer state", (), "not-checked"),
)
