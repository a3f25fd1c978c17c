"""Validation loss that swings from one evaluation to the next

## What it looks for
The deviation of the validation loss about the line through its neighbours, over its first value. It only warns: above 0.05 the weights
are thrown to and fro. Runs whose training loss came below 0.5 of chance (of its start) pass.

## Why it matters
The records are the same at each evaluation, so that only the weights move this loss. A flat loss that swings is one of too large steps,
a flat one that stands still is one of too small steps or none.

## What to do
Lower the learning rate where the loss is high as well.

## When it is wrong
Tiny validation sets, batch normalization with few records a batch, and losses with rare large terms swing as well.

## References
Own runs: 0.002 to 0.07 in healthy ones that learned; 0.075 to 0.18 in flat ones whose rate was a hundred times too high.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, multiple, percent

SWINGS = Threshold(
    0.05,
    "of its first value",
    source="a twentieth of what guessing costs, between two looks at the same records",
    half="slow runs with batch normalization are warned",
    double="half of the rates a hundred times too high pass",
)
LEARNED = 0.5

NEEDS = ("validation.swing",)
USES = ("run.family", "loss.improvement")
CHECKLIST = ("learning-rate",)
DOUBTS_ITEMS = ("learning-rate",)
FIGURE = "loss"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return f"the validation loss of {kind_of_run(family)} says little" if family in ("rl", "gan") else ""


def judge(measured: Measured) -> Finding:
    swing, fell = measured["validation.swing"], measured.number("loss.improvement")
    seen = f"from one evaluation to the next the validation loss jitters about its trend by {multiple(swing.value)} its first value"
    if swing.value == 0:
        seen = "from one evaluation to the next the validation loss does not jitter about its trend"
    if swing.value > SWINGS.value and fell is not None and fell >= LEARNED:
        return Finding("pass", f"{seen}, in a run that learned", swing.value, SWINGS, SWINGS.unit)
    if swing.value > SWINGS.value:
        return Finding("warn", f"{seen}, above {percent(SWINGS.value)}", swing.value, SWINGS, SWINGS.unit)
    if swing.value <= SWINGS.value:
        return Finding("pass", seen, swing.value, SWINGS, SWINGS.unit)
    return Finding("not-checked", "the swing is not a number")


def _given(swing: float, fell: float, family: str = "classification") -> tuple[Measurement, ...]:
    return (
        Measurement("validation.swing", swing, "ratio", "'val/loss', 20 evaluations"),
        Measurement("loss.improvement", fell, "share", "60 points"),
        Measurement("run.family", float("nan"), "", "tags", text=family),
    )


EXAMPLES = (
    Example("a rate a hundred times too high", _given(0.17, 0.1), "warn"),
    Example("swinging, and learned", _given(0.1, 0.9), "pass"),
    Example("a rate that is too low", _given(2e-5, 0.01), "pass"),
    Example("a policy", _given(0.2, 0.1, "rl"), "not-applicable"),
    Example("no validation", (), "not-checked"),
)
