"""Records in more than one split

## What it looks for
The share of a validation or test split whose keys stand in the training split too. It alarms above 1 %, and warns about
any.

## Why it matters
The model has seen these records. Validation then measures memory, overfitting stays hidden, and the best checkpoint is
chosen by what was learned by heart.

## What to do
Take the shared records out of validation and test. Split by a key that keeps copies, crops and recordings of one source
together.

## When it is wrong
Keys must mean the record: running numbers that start anew in every split are recognized and left out, but names that
repeat by chance are not. Names of image files in folders of their own count only where the images, or their sizes and labels, agree.
Some benchmarks share a few records by mistake, known since long. Copies under another name are not seen.

## References
Kaufman, Rosset, Perlich, Stitelman 2012, Leakage in Data Mining. Barz & Denzler 2020 (arXiv 1902.00423): 3.3 % of
CIFAR-10's test images have near copies in training.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

LEAK = Threshold(
    0.01,
    "share",
    source="the project's own choice, below the 3.3 % of near copies in CIFAR-10's test set",
    half="a handful of known copies in a benchmark fails",
    double="a fiftieth of validation is known by heart and only warned about",
)

NEEDS = ("data.shared",)
FIGURE = "data-sets"


def judge(measured: Measured) -> Finding:
    shared = measured["data.shared"]
    pairs = tuple(pair.replace("|", " and ") for pair in shared.items)
    if shared.value > LEAK.value:
        told = f"{percent(shared.value)} of a held-out split stands in training too ({pairs[0] if pairs else shared.basis})"
        return Finding("fail", told, shared.value, LEAK, shared.unit, where=pairs)
    if shared.value > 0:
        told = f"{percent(shared.value)} of a held-out split stands in training too, not more than {percent(LEAK.value)}"
        return Finding("warn", told, shared.value, LEAK, shared.unit, where=pairs)
    if shared.items:
        told = f"training shares no record, but {pairs[0]} share {percent(max(shared.items.values()))}"
        return Finding("warn", told, max(shared.items.values()), LEAK, shared.unit, where=pairs)
    return Finding("pass", "no record stands in two splits", 0.0, LEAK, shared.unit)


def _shared(value: float, **items: float) -> Measurement:
    return Measurement(
        "data.shared", value, "share", "key column 'sha256' of manifest.csv", items={k.replace("_", "|"): v for k, v in items.items()}
    )


EXAMPLES = (
    Example("a tenth of validation stands in training", (_shared(0.1, train_validation=0.1),), "fail"),
    Example("three of a thousand", (_shared(0.003, train_test=0.003),), "warn"),
    Example("validation and test share records", (_shared(0.0, validation_test=0.2),), "warn"),
    Example("disjoint splits", (_shared(0.0),), "pass"),
    Example("no key column", (), "not-checked"),
)
