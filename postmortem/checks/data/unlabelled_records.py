"""Training records without a label

## What it looks for
The share of training records whose label is empty. It warns above 1 %; above 50 % the set is taken for one that is meant to be
learned with few labels.

## Why it matters
A loader drops such records, breaks on them, or, worse, takes an empty cell for a class of its own or for class 0.

## What to do
Label them, or leave them out before training, and count again. Say so where `nan` is a class.

## When it is wrong
Test splits come without labels, and are not looked at. Semi-supervised sets hold unlabelled records on purpose. Where a record may
have any number of labels, or of objects, none is an answer.

## References
The project's own catalogue, M8. Pandas turns empty cells into NaN, which encoders of labels take for a value.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

EMPTY = Threshold(
    0.01,
    "share",
    source="the project's own choice: fewer change neither the loss nor the counts visibly",
    half="a few forgotten cells among hundreds are warned about",
    double="one record in sixty without a label passes",
)
BY_DESIGN = Threshold(
    0.5,
    "share",
    source="the project's own choice: where most records have no label, learning without them is the task",
    half="sets with a third of their labels lost are taken for semi-supervised ones",
    double="semi-supervised sets are warned about",
)

NEEDS = ("data.unlabelled_training",)
USES = ("classes.kind",)
FIGURE = "data-sets"


def applies(measured: Measured) -> str:
    kind = measured.text("classes.kind")
    return f"a record may have no label where labels are {kind}" if kind in ("multiple", "objects") else ""


def judge(measured: Measured) -> Finding:
    empty = measured["data.unlabelled_training"]
    seen = f"{percent(empty.value)} of the training records lack a label" if empty.value else "every training record has a label"
    where = tuple(split for split, share in empty.items.items() if share > EMPTY.value)
    if empty.value > BY_DESIGN.value:
        return Finding("pass", f"{seen}: taken for a semi-supervised set", empty.value, BY_DESIGN, empty.unit)
    if empty.value > EMPTY.value:
        return Finding("warn", f"{seen}, above {percent(EMPTY.value)} ({empty.basis})", empty.value, EMPTY, empty.unit, where=where)
    return Finding("pass", seen, empty.value, EMPTY, empty.unit)


def _given(share: float, kind: str = "single") -> tuple[Measurement, ...]:
    return (
        Measurement("data.unlabelled_training", share, "share", "5000 training records of manifest.csv", items={"train": share}),
        Measurement("classes.kind", float("nan"), "", "labels of manifest.csv", text=kind),
    )


EXAMPLES = (
    Example("a tenth of the labels are empty", _given(0.1), "warn"),
    Example("every record has a label", _given(0.0), "pass"),
    Example("a hundred labels for 50,000 images", _given(0.98), "pass"),
    Example("chest X-rays without a finding", _given(0.54, "multiple"), "not-applicable"),
    Example("no manifest", (), "not-checked"),
)
