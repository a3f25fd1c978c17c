"""Names that are hardly classes

## What it looks for
Classes called as what editors and operating systems leave in folders (`.ipynb_checkpoints`, `__MACOSX`), and classes that differ from
another one in nothing but case, spaces, hyphens or a `.0`. It warns about any: 0 are expected.

## Why it matters
A class too many shifts the indices of all that come after it, so that a head or label map of another run no longer fits. A class in two
spellings is learned as two, each against the other.

## What to do
Delete the folder, or write the label in one way, and build the label map again.

## When it is wrong
Where case carries meaning: letters to be read (single characters are left out), genes, products.

## References
torchvision.datasets.ImageFolder takes every folder for a class, in the order of their names.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted

ODD = Threshold(
    0,
    "classes",
    source="by definition: each class has one name",
    half="the same",
    double="the same",
)

NEEDS = ("classes.odd_names",)
USES = ("classes.kind",)
CHECKLIST = ("balanced-classes",)
DOUBTS_ITEMS = ("balanced-classes",)
FIGURE = "classes"


def applies(measured: Measured) -> str:
    return "the manifest's labels are no classes" if measured.text("classes.kind") in ("targets", "text") else ""


def judge(measured: Measured) -> Finding:
    odd = measured["classes.odd_names"]
    if not odd.value <= ODD.value:
        told = f"{counted(odd.value, 'name')} should hardly be classes of their own: {odd.basis}"
        return Finding("warn", told, odd.value, ODD, odd.unit, where=tuple(list(odd.items)[:10]))
    return Finding("pass", f"each class has one name ({odd.basis})", 0.0, ODD, odd.unit)


def _given(basis: str, **items: float) -> tuple[Measurement, ...]:
    return (Measurement("classes.odd_names", float(len(items)), "classes", basis, items=items),)


EXAMPLES = (
    Example("a notebook's folder", _given("'.ipynb_checkpoints' left by an editor or an operating system", checkpoints=3.0), "warn"),
    Example("two spellings", _given("'Cat' twin of 'cat'", Cat=12.0), "warn"),
    Example("ten names", _given("10 classes of manifest.csv"), "pass"),
    Example(
        "numbers to predict", (Measurement("classes.kind", float("nan"), "", "labels of manifest.csv", text="targets"),), "not-applicable"
    ),
    Example("no manifest", (), "not-checked"),
)
