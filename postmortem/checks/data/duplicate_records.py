"""Records listed more than once

## What it looks for
The share of rows that repeat a key within one split. It warns above 1 %. Above 50 % rows are taken for annotations of a
record rather than records.

## Why it matters
A record listed twice counts double in the loss and makes its class look more frequent than it is. Many copies make a
small set look large.

## What to do
Drop repeated rows, unless the repetition is meant as a weight.

## When it is wrong
Oversampling and augmentation list records several times on purpose, and a row for each object or caption of an image
does so by nature. The key may be that of a group and not of a record. So it never fails a run.

## References
Lee, Ippolito, Nystrom, Zhang, Eck, Callison-Burch, Carlini 2022 (arXiv 2107.06499), on deduplicated training data.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold

REPEATED = Threshold(
    0.01,
    "share",
    source="the project's own choice: below it neither loss nor class shares move visibly",
    half="a few copies among a thousand records are warned about",
    double="one record in fifty listed twice passes",
)
BY_DESIGN = Threshold(
    0.5,
    "share",
    source="own calculation: above it a key has two rows on average, as annotations and captions do",
    half="heavily duplicated sets are taken for annotations",
    double="lists of objects per image are warned about",
)

NEEDS = ("data.duplicates",)
USES = ("run.family", "run.class_weights")
CHECKLIST = ("balanced-classes",)
FIGURE = "classes"


def applies(measured: Measured) -> str:
    return "a detection manifest has a row for each object" if measured.text("run.family") == "detection" else ""


def judge(measured: Measured) -> Finding:
    repeated = measured["data.duplicates"]
    seen = f"{repeated.value:.2%} of the rows repeat a key within their split"
    if repeated.value <= REPEATED.value:
        return Finding("pass", seen, repeated.value, REPEATED, repeated.unit)
    if repeated.value > BY_DESIGN.value:
        return Finding("pass", f"{seen}: several rows a record, by design", repeated.value, BY_DESIGN, repeated.unit)
    if measured.text("run.class_weights") == "true":
        return Finding("pass", f"{seen}, and the settings resample classes", repeated.value, REPEATED, repeated.unit)
    return Finding("warn", f"{seen}, above {REPEATED.value:.0%}", repeated.value, REPEATED, repeated.unit)


def _given(value: float, **texts: str) -> tuple[Measurement, ...]:
    words = tuple(Measurement(name.replace("_", ".", 1), float("nan"), "", "settings", text=text) for name, text in texts.items())
    return (Measurement("data.duplicates", value, "share", "key column 'path' of manifest.csv"), *words)


EXAMPLES = (
    Example("a twelfth of the rows are copies", _given(0.08), "warn"),
    Example("no row repeats", _given(0.0), "pass"),
    Example("five captions an image", _given(0.8), "pass"),
    Example("rare classes are oversampled", _given(0.2, run_class_weights="true"), "pass"),
    Example("a row for each box", _given(0.4, run_family="detection"), "not-applicable"),
    Example("no key column", (), "not-checked"),
)
