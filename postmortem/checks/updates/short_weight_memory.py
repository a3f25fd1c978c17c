"""Weight decay that forgets within a few steps

## What it looks for
The steps in which weight decay alone takes a weight to 1/e of itself, 1 / (rate x decay), times 1 - momentum under SGD, at the highest
rate that was used. It fails below 100 steps, or warns where the loss fell to 0.3 of its start all the same; and it fails where AdamW or
Lion get a decay of 5 or more, under which no weight ends above 0.2.

## Why it matters
What the data taught a weight is gone before the data has come round once. The largest weight that AdamW can hold is 1 / decay.

## What to do
Divide the weight decay by 100 over the number found. AdamW is usually given 0.01 to 0.1, SGD 1e-4 to 1e-3.

## When it is wrong
Scale-invariant weights in front of a normalization bear much more decay than others. Adam's own decay is part of its gradient and is
not looked at.

## References
Loshchilov and Hutter 2019, Decoupled Weight Decay Regularization (arXiv 1711.05101). Xie and Li 2024, Implicit Bias of AdamW (arXiv
2404.04454): weights end within 1 / decay. Wang and Aitchison 2024 (arXiv 2405.13698) for the time scale, which they find best at
several passes over the data.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number, percent

SHORT = Threshold(
    100.0,
    "steps",
    source="usual settings give 1000 steps and more (AdamW 1e-3 x 0.1: 10,000; SGD 0.1 x 5e-4 with momentum 0.9: 2,000)",
    half="decays of a hundred times the usual pass",
    double="the strongest of sound settings come near",
)
LARGEST_HELD = Threshold(
    0.2,
    "of a weight",
    source="Xie and Li 2024: AdamW ends within 1 / decay; usual decays of 0.01 to 0.1 leave 10 and more",
    half="decays of fifty times the usual pass",
    double="the same, to decays of 2.5",
)
LEARNED = 0.3
"""Share of the loss that may be left where a run has learned in spite of its decay; under decays that won 0.5 and more are."""

NEEDS = ("optimizer.decay_memory",)
USES = ("loss.last_to_chance", "loss.improvement")
CHECKLIST = ("regularization-loss",)
LEADS_ITEMS = ("regularization-loss",)


def judge(measured: Measured) -> Finding:
    found = measured["optimizer.decay_memory"]
    if found.value >= 1e9:
        return Finding("pass", "no weight decay is in force", None, SHORT)
    seen, where = f"weight decay alone shrinks the weights to 37% in {number(found.value)} steps", f" ({found.basis})"
    learned = _learned(measured)
    if found.value < SHORT.value and learned:
        return Finding("warn", f"{seen}, fewer than {number(SHORT.value)}, yet {learned}{where}", found.value, SHORT, found.unit)
    if found.value < SHORT.value:
        return Finding("fail", f"{seen}, fewer than {number(SHORT.value)}{where}", found.value, SHORT, found.unit)
    held = found.items.get("bound")
    if held is not None and held <= LARGEST_HELD.value:
        told = f"no weight can end above {number(held)}, the inverse of its decay, under steps that are at most the rate long{where}"
        return Finding("fail", told, held, LARGEST_HELD, LARGEST_HELD.unit)
    return Finding("pass", f"{seen}{where}", found.value, SHORT, found.unit)


def _learned(measured: Measured) -> str:
    """That gradients hold their own against the decay, in one clause; empty where the loss does not show it."""
    left, fell = measured.number("loss.last_to_chance"), measured.number("loss.improvement")
    if left is None:
        left = None if fell is None else 1 - fell
    return f"the loss fell to {percent(left)} of what it began at" if left is not None and left <= LEARNED else ""


def _given(steps: float, **bound: float) -> tuple[Measurement, ...]:
    return (Measurement("optimizer.decay_memory", steps, "steps", "rate 0.002, decay 20 of model.pt", items=bound),)


EXAMPLES = (
    Example("AdamW at 0.002 with a decay of 20", _given(25.0), "fail"),
    Example(
        "a strong decay under which the model learned",
        (*_given(66.7), Measurement("loss.last_to_chance", 0.16, "ratio", "ln 10")),
        "warn",
    ),
    Example("AdamW at 5e-4 with a decay of 20", _given(100.0, bound=0.05), "fail"),
    Example("AdamW at 0.001 with a decay of 0.1", _given(10_000.0, bound=10.0), "pass"),
    Example("no decay", _given(1e12), "pass"),
    Example("nothing known", (), "not-checked"),
)
