"""Validation loss too noisy to rank its points

## What it looks for
The deviation of the validation loss from point to point over the whole fall that it made: it warns from 0.15 on.

## Why it matters
Where the noise is a good part of the progress, the best step is the luckiest one, and a rise at the end is no overfitting.

## What to do
Validate on more records, and on the same ones each time.

## When it is wrong
A validation loss that never fell has nothing to be compared with, and is not judged.

## References
trainspotter's rule on validation noise: from 15 % of the improvement on.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, multiple, percent

NOISY = Threshold(
    0.15,
    "of its fall",
    source="trainspotter; at that noise two points a third of the progress apart are told from each other",
    half="usual validation sets of a thousand records are warned",
    double="curves whose best point is luck pass as sound",
)

NEEDS = ("validation.jitter",)
USES = ("run.family",)
FIGURE = "loss"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return f"the validation loss of {kind_of_run(family)} ranks nothing" if family in ("rl", "gan") else ""


def judge(measured: Measured) -> Finding:
    found = measured["validation.jitter"]
    seen = f"the validation loss jitters from point to point by {multiple(found.value)} its whole fall"
    if found.value >= NOISY.value:
        return Finding("warn", f"{seen}, above {percent(NOISY.value)}", found.value, NOISY, NOISY.unit)
    if found.value < NOISY.value:
        return Finding("pass", seen, found.value, NOISY, NOISY.unit)
    return Finding("not-checked", "the noise of the validation loss is not a number")


def _found(noise: float) -> tuple[Measurement, ...]:
    return (Measurement("validation.jitter", noise, "ratio", "'val/loss'"),)


EXAMPLES = (
    Example("thirty validation records drawn anew each time", _found(0.4), "warn"),
    Example("a healthy run", _found(0.02), "pass"),
    Example("no validation", (), "not-checked"),
)
