"""Adapters that never learned

## What it looks for
Low-rank adapters (LoRA) whose second factor is still zero throughout after two updates or more. Fails where they are more than 0.5 of the
adapters.

## Why it matters
The second factor starts at zero and the first gradient moves it. While it is zero the adapter adds nothing, and the first factor gets no
gradient: the model is the base model.

## What to do
Build the optimizer after the adapters are in place, let inputs require gradients where gradient checkpointing is on, and check that the
adapters' parameters require gradients.

## When it is wrong
Before the second update zero is as it should be, and nothing is judged. Adapters of parts that a task never uses stay zero: below the
line they are only told.

## References
Hugging Face peft issues 353 and 793.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, multiple, percent

MOST = Threshold(
    0.5,
    "share",
    source="own: one update moves every second factor that a gradient reaches",
    half="adapters of an encoder that is not trained fail the run",
    double="a run fails only where every adapter is zero",
)

NEEDS = ("adapters.idle_share",)
USES = ("adapters.ratio",)
FIGURE = "tensors"


def judge(measured: Measured) -> Finding:
    found = measured["adapters.idle_share"]
    where = tuple(found.items)
    led = f" ({where[0]} first)" if where else ""
    seen = f"{percent(found.value)} of the adapters are still zero{led}"
    if found.value > MOST.value:
        return Finding(
            "fail", f"{seen}, more than {percent(MOST.value)}: {found.basis}", found.value, MOST, found.unit, found.first_step, where
        )
    if found.value <= MOST.value:
        size = measured.number("adapters.ratio")
        told = f", and together they change the weights by {multiple(size)} their norm" if size is not None else ""
        return Finding("pass", f"{seen}{told}" if where else f"every adapter has moved{told}", found.value, MOST, found.unit)
    return Finding("not-checked", "the share of idle adapters is not a number")


def _idle(share: float) -> Measurement:
    items = {"q_proj.lora_B.weight": 1.0} if share else {}
    return Measurement("adapters.idle_share", share, "share", "2 adapters at step 200: the second factor is zero throughout", 200, items)


EXAMPLES = (
    Example("an optimizer that was built before the adapters", (_idle(1.0),), "fail"),
    Example("one of two is never used", (_idle(0.5),), "pass"),
    Example("adapters that learn", (_idle(0.0), Measurement("adapters.ratio", 0.02, "share", "2 adapters at step 200")), "pass"),
    Example("no adapters", (), "not-checked"),
)
