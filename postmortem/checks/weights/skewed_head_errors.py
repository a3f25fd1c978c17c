"""Classes of uneven weight at the head

## What it looks for
How evenly the head's units share the squares of their gradients in the first saved state of Adam or RMSprop: the effective number of
classes, exp of the entropy of these shares, over the number of units. It warns below 0.7, and never fails: imbalance alone is no
fault.

## Why it matters
Before much is learned a unit's squared gradient is in proportion to how often its class occurs. Where a few units have nearly all of
it, the data has a few frequent classes and many rare ones, also where no manifest is there to count them.

## What to do
Count the records of each class. Weight the loss by inverse frequency or sample classes evenly, and look at recall by class.

## When it is wrong
Imbalance that is learned all the same shows in the same way. A first state from late in the run weighs classes that are hard to
learn, not frequent ones. Class weights and even sampling bring the shares together, as they should. Only for classifications of 3 to
1000 classes: words of a vocabulary are rare by nature.

## References
The gradient of a softmax's bias is p - y, whose mean square is p (1 - p) for a model that knows the shares p alone. The Deep Checker
calls labels uneven below an effective number of classes of half (exp(H)/C < 0.5).
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted, kind_of_run, number, percent

UNEVEN = Threshold(
    0.7,
    "share",
    source="sound runs on even classes stand at 0.9 and above, on text classes of 15 to 1 at 0.76 to 0.81",
    half="only runs in which one class has nearly all records are warned",
    double="every run is warned",
)
NEEDS = ("head.effective_classes",)
USES = ("run.family",)
CHECKLIST = ("balanced-classes",)


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return "" if family in ("", "classification", "unknown") else f"units of the head of {kind_of_run(family)} are not its classes"


def judge(measured: Measured) -> Finding:
    found = measured["head.effective_classes"]
    largest = max(found.items, key=lambda unit: found.items[unit], default="")
    units = len(found.items)
    seen = f"errors at the head are spread as over {number(found.value * units, 2)} of its {counted(units, 'unit')}, {percent(found.value)}"
    seen += f", below {percent(UNEVEN.value)}" if found.value < UNEVEN.value else ""
    if largest:
        seen += f", and {largest} has {percent(found.items[largest])} of the squared gradients"
    where = (found.text,) if found.text else ()
    if found.value < UNEVEN.value:
        return Finding("warn", seen, found.value, UNEVEN, found.unit, found.first_step, where)
    return Finding("pass", seen, found.value, UNEVEN, found.unit)


def _given(*shares: float, value: float) -> tuple[Measurement, ...]:
    items = {f"unit {unit}": share for unit, share in enumerate(shares)}
    return (Measurement("head.effective_classes", value, "share", "squares at step 100", 100, items, "fc.weight"),)


EXAMPLES = (
    Example("one class of 150 to 1", _given(0.93, 0.02, 0.02, 0.03, value=0.34), "warn"),
    Example("half of the classes are rare", _given(0.45, 0.45, 0.05, 0.05, value=0.69), "warn"),
    Example("even classes", _given(0.3, 0.2, 0.25, 0.25, value=0.99), "pass"),
    Example(
        "a language model",
        (*_given(0.93, 0.02, 0.02, 0.03, value=0.34), Measurement("run.family", float("nan"), "", "tags", text="language-model")),
        "not-applicable",
    ),
    Example("no optimizer state", (), "not-checked"),
)
