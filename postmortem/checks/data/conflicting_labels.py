"""Records that stand with different labels

## What it looks for
Keys that stand in several rows with different labels, as a share of all keys. It warns above 1 %.

## Why it matters
No model can be right about both rows. The loss cannot fall below what the conflict costs, and a model that is large enough
learns whichever row came last.

## What to do
Look at the records in question, and keep one label each: the majority's, or none.

## When it is wrong
A key may be that of a group (a patient, a scene, a text with several questions) and not of a record, and a row for each annotator
or each object of an image conflicts by nature. Where above 50 % of the rows repeat a key, or above 50 % of the keys conflict, several
rows a record are taken to be meant. So it never fails a run.

## References
Northcutt, Athalye, Mueller 2021 (arXiv 2103.14749): 3.3 % of the labels of ten test sets are wrong, on average.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

CONFLICTING = Threshold(
    0.01,
    "share",
    source="the project's own choice, below the 3.3 % of wrong labels that Northcutt et al. 2021 found in test sets",
    half="a few slips of annotators among a thousand records are warned about",
    double="one record in fifty with two labels passes",
)
BY_DESIGN = Threshold(
    0.5,
    "share",
    source="own calculation: above it a key has two rows on average, as annotators and objects do",
    half="sets in which every third key is meant to be listed once are taken for lists of objects",
    double="lists of objects are warned about",
)

NEEDS = ("data.conflicting",)
USES = ("data.duplicates", "run.family")
FIGURE = "data-sets"


def applies(measured: Measured) -> str:
    return "a detection manifest has a row for each object" if measured.text("run.family") == "detection" else ""


def judge(measured: Measured) -> Finding:
    conflicting, repeated = measured["data.conflicting"], measured.number("data.duplicates")
    seen = f"{percent(conflicting.value)} of the keys have two labels or more" if conflicting.value else "no key has two labels"
    if conflicting.value <= CONFLICTING.value:
        return Finding("pass", seen, conflicting.value, CONFLICTING, conflicting.unit)
    if repeated is not None and repeated > BY_DESIGN.value:
        told = f"{seen}, and {percent(repeated)} of the rows repeat a key: several rows a record, by design"
        return Finding("pass", told, repeated, BY_DESIGN, BY_DESIGN.unit)
    if conflicting.value > BY_DESIGN.value:
        return Finding("pass", f"{seen}: several labels a record, by design", conflicting.value, BY_DESIGN, BY_DESIGN.unit)
    told = f"{seen}, above {percent(CONFLICTING.value)} ({conflicting.basis})"
    return Finding("warn", told, conflicting.value, CONFLICTING, conflicting.unit)


def _given(share: float, repeated: float = 0.1, family: str = "classification") -> tuple[Measurement, ...]:
    return (
        Measurement("data.conflicting", share, "share", "60 of about 1000 keys of column 'sha256' of manifest.csv have two labels or more"),
        Measurement("data.duplicates", repeated, "share", "key column 'sha256' of manifest.csv"),
        Measurement("run.family", float("nan"), "", "tags", text=family),
    )


EXAMPLES = (
    Example("every sixteenth record has two labels", _given(0.06), "warn"),
    Example("no key conflicts", _given(0.0), "pass"),
    Example("three slips of a thousand", _given(0.003), "pass"),
    Example("five annotators a record", _given(0.4, repeated=0.8), "pass"),
    Example("two objects an image", _given(0.6, repeated=0.45), "pass"),
    Example("a row for each box", _given(0.3, family="detection"), "not-applicable"),
    Example("no key column", (), "not-checked"),
)
