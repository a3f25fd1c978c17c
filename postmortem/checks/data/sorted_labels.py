"""Records sorted by label

## What it looks for
Runs of equal labels in the manifest's row order, as a standard score against random order. It warns where the score is
below -10 and the settings say that training data are not shuffled.

## Why it matters
Read in order, each batch then holds one class. The model swings from class to class, the loss jumps where the class
changes, and normalization statistics belong to one class.

## What to do
Shuffle at every epoch (`shuffle=True`), or write the records in random order where they are streamed.

## When it is wrong
Most loaders shuffle, and folders are listed class by class: without a setting that says otherwise sorted rows are only
remarked on. Records that come in natural groups (frames of one video) are sorted a little.

## References
Wald & Wolfowitz 1940, On a Test Whether Two Samples are from the Same Population. Barton & David 1957, Multiple Runs.
"""

from __future__ import annotations

import math

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number

SORTED = Threshold(
    -10.0,
    "z",
    source="the project's catalogue, M9: no random order ever comes near it",
    half="records in natural groups are warned about",
    double="sets of a few hundred records, fully sorted, pass",
)

NEEDS = ("data.label_order_z",)
USES = ("data.shuffled",)
CHECKLIST = ("balanced-classes",)
DOUBTS_ITEMS = ("balanced-classes",)


def judge(measured: Measured) -> Finding:
    z, shuffled = measured["data.label_order_z"], measured.text("data.shuffled")
    seen = f"the order of labels is {number(z.value)} standard deviations from random"
    if z.value >= SORTED.value:
        return Finding("pass", seen, z.value, SORTED, z.unit)
    if shuffled == "false":
        return Finding("warn", f"{seen}, which is sorted, and the settings do not shuffle", z.value, SORTED, z.unit)
    why = "the settings shuffle" if shuffled == "true" else "loaders commonly shuffle"
    return Finding("pass", f"{seen}, which is sorted, but {why}", z.value, SORTED, z.unit)


def _given(z: float, shuffled: str = "") -> tuple[Measurement, ...]:
    order = Measurement("data.label_order_z", z, "z", "10 runs of equal labels in 1000 rows of manifest.csv")
    return (order, Measurement("data.shuffled", math.nan, "", "setting 'shuffle'", text=shuffled)) if shuffled else (order,)


EXAMPLES = (
    Example("sorted and not shuffled", _given(-31.0, "false"), "warn"),
    Example("sorted and shuffled", _given(-31.0, "true"), "pass"),
    Example("sorted, as folders are listed", _given(-31.0), "pass"),
    Example("random order, not shuffled again", _given(0.4, "false"), "pass"),
    Example("no manifest", (), "not-checked"),
)
