"""Names of files in more than one split

## What it looks for
The share of a validation or test split whose files are called like files of the training split, in folders of their own, and where
nothing else is known of them: neither the files nor their sizes and labels are there to compare. It warns above 1 %.

## Why it matters
Splits that were cut by copying files keep the names: then the model has seen these records. Tools that number what they store give equal
names to different records just as well.

## What to do
Compare the files themselves (`sha256sum`), or list their digests in the manifest, and take what both splits hold out of one of them.

## When it is wrong
Frames, crops and renamed sets are numbered anew in every split. So it never fails a run, and by itself makes no cause
likely.

## References
Kaufman, Rosset, Perlich, Stitelman 2012, Leakage in Data Mining.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

MANY = Threshold(
    0.01,
    "share",
    source="the project's own choice, as for records that are known to be shared",
    half="a handful of names that repeat by chance is warned about",
    double="a fiftieth of validation that may be known by heart passes",
)

NEEDS = ("data.shared_names",)
FIGURE = "data-sets"


def judge(measured: Measured) -> Finding:
    shared = measured["data.shared_names"]
    pairs = tuple(pair.replace("|", " and ") for pair in shared.items)
    if shared.value > MANY.value:
        where = pairs[0] if pairs else shared.basis
        told = f"{percent(shared.value)} of a held-out split are called like training records ({where}); nothing tells if they are the same"
        return Finding("warn", told, shared.value, MANY, shared.unit, where=pairs)
    if shared.value <= MANY.value:
        told = f"of {percent(shared.value)} of a held-out split nothing but a name says that it stands in training too"
        return Finding("pass", told if shared.value else "no name is all that speaks for a shared record", shared.value, MANY, shared.unit)
    return Finding("not-checked", f"the share is no number ({shared.basis})")


def _given(share: float) -> tuple[Measurement, ...]:
    basis = "5 names in train and validation; key column 'image name' of data.yaml"
    return (Measurement("data.shared_names", share, "share", basis, items={"train|validation": share} if share else {}),)


EXAMPLES = (
    Example("half of validation is called like training", _given(0.5), "warn"),
    Example("one name in a thousand", _given(0.001), "pass"),
    Example("no name is shared", _given(0.0), "pass"),
    Example("no manifest", (), "not-checked"),
)
