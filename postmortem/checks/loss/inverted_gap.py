"""Validation loss far below training loss

## What it looks for
The validation loss over the training loss at the end: it warns below 0.2. Between that and 1 it is usual.

## Why it matters
Dropout, augmentation and averages over an epoch make training look worse than validation by a part, never fivefold. A factor as large
as the batch says that one of the two is a sum and the other a mean.

## What to do
Reduce both by the same mean over the same records; validate on training data once, both ways.

## When it is wrong
Heavy augmentation, mixing of records and label smoothing hold the training loss up: of these smoothing and mixing go furthest.

## References
Own reasoning: with label smoothing of 0.1 over 10 classes the training loss cannot fall below 0.5 while validation may be near zero.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, end_of, kind_of_run, multiple, percent

BELOW = Threshold(
    0.2,
    "of the training loss",
    source="own: half of what dropout of 0.5 and usual augmentation leave between the two",
    half="sums over batches of five to ten pass",
    double="strong augmentation is warned",
)
CHECKED_AGAINST = ("rl", "gan")

NEEDS = ("validation.gap",)
USES = ("run.family",)
FIGURE = "loss"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return f"losses of {kind_of_run(family)} are not compared" if family in CHECKED_AGAINST else ""


def judge(measured: Measured) -> Finding:
    gap = measured["validation.gap"]
    seen = f"the validation loss {end_of(gap, multiple)} the training loss"
    if 0 < gap.value < BELOW.value:
        return Finding("warn", f"{seen}, below {percent(BELOW.value)}", gap.value, BELOW, BELOW.unit)
    if gap.value >= BELOW.value:
        return Finding("pass", seen, gap.value, BELOW, BELOW.unit)
    return Finding("not-checked", "the ratio of both losses is not a number above 0")


def _gap(value: float) -> tuple[Measurement, ...]:
    return (Measurement("validation.gap", value, "ratio", "last levels"),)


EXAMPLES = (
    Example("a sum over 32 records beside a mean", _gap(1 / 32), "warn"),
    Example("dropout", _gap(0.7), "pass"),
    Example("a healthy run", _gap(1.1), "pass"),
    Example("no validation", (), "not-checked"),
)
