"""Validation loss that hardly differs from one evaluation to the next

## What it looks for
The deviation of the validation loss about the line through its neighbours, over its first value. It only warns: below 0.001 the model
moves along a straight and slow line.

## Why it matters
The records are the same at each evaluation, so that only the weights move this loss: it shows their pace without a checkpoint. A
usual rate moves it by a hundredth between evaluations.

## What to do
Where the loss is high as well, raise the learning rate, and look for clipping that holds it back.

## When it is wrong
Converged models, and schedules that have come to their end, stand still for good reasons.

## References
Own runs: 0.002 to 0.1 in healthy ones of 15 kinds, below 0.001 where rates are a hundred times too low or gradients are clipped short.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, multiple, percent

STILL = Threshold(
    1e-3,
    "of its first value",
    source="half the least of the healthy runs of the tuning half; runs that are held back have 0.00001 to 0.0014",
    half="rates a hundred times too low pass",
    double="quiet fine-tuning is warned",
)

NEEDS = ("validation.swing",)
USES = ("run.family",)
FIGURE = "loss"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return f"the validation loss of {kind_of_run(family)} says little" if family in ("rl", "gan") else ""


def judge(measured: Measured) -> Finding:
    swing = measured["validation.swing"]
    seen = f"from one evaluation to the next the validation loss jitters about its trend by {multiple(swing.value)} its first value"
    if swing.value == 0:
        seen = "at most evaluations the validation loss is what its neighbours give, to the last digit"
    if swing.value < STILL.value:
        told = (
            f"{seen}: a jitter of 0, below {percent(STILL.value)} of its first value"
            if swing.value == 0
            else f"{seen}, below {percent(STILL.value)}"
        )
        return Finding("warn", told, swing.value, STILL, STILL.unit)
    if swing.value >= STILL.value:
        return Finding("pass", seen, swing.value, STILL, STILL.unit)
    return Finding("not-checked", "the swing is not a number")


def _given(swing: float, family: str = "classification") -> tuple[Measurement, ...]:
    return (
        Measurement("validation.swing", swing, "ratio", "'val/loss', 20 evaluations"),
        Measurement("run.family", float("nan"), "", "tags", text=family),
    )


EXAMPLES = (
    Example("gradients clipped to 1e-3", _given(2e-5), "warn"),
    Example("a healthy run", _given(0.01), "pass"),
    Example("a policy", _given(2e-5, "rl"), "not-applicable"),
    Example("no validation", (), "not-checked"),
)
