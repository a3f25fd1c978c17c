"""Whether the run was validated at all

## What it looks for
Finite points of a validation loss. Without any, overfitting cannot be judged, and no training curve can show it.

## Why it matters
A training loss falls on what it has learned by heart as well as on what holds elsewhere.

## What to do
Hold records back, and log the loss on them at the same steps.

## When it is wrong
Language models that see every text once need no validation to learn; it is still the only thing that shows what they learned.

## References
Of 88 public runs that were counted for this project's catalogue, 41 had no validation.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, counted

NEEDS = ("validation.points",)
CHECKLIST = ("simplify-model",)
DOUBTS_ITEMS = ("simplify-model",)
FIGURE = "loss"


def judge(measured: Measured) -> Finding:
    found = measured["validation.points"]
    if found.value >= 1:
        return Finding("pass", f"the validation loss was logged at {counted(found.value, 'point')}", found.value, None, found.unit)
    return Finding("not-checked", "the validation loss has no finite point, so that overfitting cannot be judged")


EXAMPLES = (
    Example("a validated run", (Measurement("validation.points", 40.0, "points", "finite points of 'val/loss'"),), "pass"),
    Example("a validation loss of NaN", (Measurement("validation.points", 0.0, "points", "finite points of 'val/loss'"),), "not-checked"),
    Example("none was logged", (), "not-checked"),
)
