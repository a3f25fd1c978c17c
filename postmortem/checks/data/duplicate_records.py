"""Records listed more than once

## What it looks for
The share of rows that repeat a key within one split. It warns above 1 %. Above 50 % rows are taken for annotations of a
record rather than records. Where there are no keys, the images of a sample that have the same bytes as another: it warns from 2
such images and 1 % of the sample on.

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

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number, percent

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

SAMPLED = Threshold(
    2,
    "images",
    source="own calculation: 64 of 10,000 images hold both of a pair once in 25,000 pairs, so that two mean copies everywhere",
    half="a single pair, such as two black frames, is warned about",
    double="sets of which every tenth image is a copy pass mostly",
)

NEEDS = ()
USES = ("data.duplicates", "data.identical_images", "run.family", "run.class_weights")
CHECKLIST = ("balanced-classes",)
DOUBTS_ITEMS = ("balanced-classes",)
FIGURE = "data-sets"


def applies(measured: Measured) -> str:
    return "a detection manifest has a row for each object" if measured.text("run.family") == "detection" else ""


def judge(measured: Measured) -> Finding:
    repeated = measured.get("data.duplicates")
    if repeated is None or repeated.value != repeated.value:
        return _sampled(measured)
    seen = (
        f"{percent(repeated.value)} of the rows repeat a key within their split"
        if repeated.value
        else "no row repeats a key within its split"
    )
    if repeated.value <= REPEATED.value:
        return Finding("pass", seen, repeated.value, REPEATED, repeated.unit)
    if repeated.value > BY_DESIGN.value:
        return Finding("pass", f"{seen}: several rows a record, by design", repeated.value, BY_DESIGN, repeated.unit)
    if measured.text("run.class_weights") == "true":
        return Finding("pass", f"{seen}, and the settings resample classes", repeated.value, REPEATED, repeated.unit)
    return Finding("warn", f"{seen}, above {percent(REPEATED.value)}", repeated.value, REPEATED, repeated.unit)


def _sampled(measured: Measured) -> Finding:
    """What a sample of images tells, where no column tells records apart."""
    identical = measured.get("data.identical_images")
    if identical is None or identical.value != identical.value:
        lacks = ("data.duplicates", "data.identical_images")
        return Finding("not-checked", "neither a key column nor a sample of images tells records apart", lacks=lacks)
    images = identical.items.get("images", 0.0)
    seen = f"{images:.0f} images of a sample are copies of others ({identical.basis})"
    if images >= SAMPLED.value and identical.value > REPEATED.value:
        return Finding("warn", f"{seen}, at least {number(SAMPLED.value)}", images, SAMPLED, SAMPLED.unit)
    return Finding("not-checked", f"{seen}, which does not show that there are none, and no column tells records apart")


def _images(count: float) -> Measurement:
    basis = f"{count:.0f} of 64 images of train have the same bytes as one before"
    return Measurement("data.identical_images", count / 64, "share", basis, items={"images": count})


def _given(value: float, **texts: str) -> tuple[Measurement, ...]:
    words = tuple(Measurement(name.replace("_", ".", 1), float("nan"), "", "settings", text=text) for name, text in texts.items())
    return (Measurement("data.duplicates", value, "share", "key column 'path' of manifest.csv"), *words)


EXAMPLES = (
    Example("a twelfth of the rows are copies", _given(0.08), "warn"),
    Example("no row repeats", _given(0.0), "pass"),
    Example("five captions an image", _given(0.8), "pass"),
    Example("rare classes are oversampled", _given(0.2, run_class_weights="true"), "pass"),
    Example("a row for each box", _given(0.4, run_family="detection"), "not-applicable"),
    Example("images of a sample are copies", (_images(5.0),), "warn"),
    Example("images of a sample differ, no keys", (_images(0.0),), "not-checked"),
    Example("no key column", (), "not-checked"),
)
