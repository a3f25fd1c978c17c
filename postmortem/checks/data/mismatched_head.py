"""Head width differs from the number of classes

## What it looks for
Output units of the model's last matrix against the labels of the manifest. It warns where they differ, but for 1 more
(a background or unknown class) and for one unit with two classes, and unless another head, or the number of classes that the
manifest declares, with or without its placeholders, makes up for it. A head of more than 10 times the classes is not
judged, unless its width is that of an ImageNet head.

## Why it matters
Units without a class only take probability from the others. Classes without a unit can never be predicted, and where
labels run past the head, the loss is computed on something else than is meant.

## What to do
Build the head with the number of classes of the label map, and store that map beside the checkpoint.

## When it is wrong
The last matrix in depth order need not be the head: a decoder, an embedding or a second task's head can come last. The
manifest may list a part of the classes. Ordinal losses use one unit less. It never fails a run by itself.

## References
The project's own catalogue, M3. torch.nn.CrossEntropyLoss, on targets and classes.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted, kind_of_run

SPARE = Threshold(
    1.0,
    "rows",
    source="common practice: one row for background, padding or unknown",
    half="heads with a background class are warned",
    double="a label map that lost a class passes",
)
NO_HEAD = Threshold(
    10.0,
    "ratio",
    source="the project's own choice: so many rows a class are a decoder or an embedding",
    half="heads left over from a larger label set pass unseen",
    double="decoders of small images are taken for heads",
)

NEEDS = ("classes.head_difference", "classes.count")
USES = ("run.family", "classes.head_fit")
FIGURE = "classes"

IMAGENET_HEADS = frozenset({1000, 1001, 21841, 21843})


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    if family and family not in ("classification", "unknown"):
        return f"{kind_of_run(family)} has no head with one unit a class"
    return ""


def judge(measured: Measured) -> Finding:
    difference, classes = measured["classes.head_difference"], measured["classes.count"].value
    rows = classes + difference.value
    seen = f"the last matrix has {counted(rows, 'row')} for {counted(classes, 'class', 'classes')}"
    if difference.value == 0:
        return Finding("pass", seen, 0.0, SPARE, difference.unit)
    if classes == 2 and rows == 1:
        return Finding("pass", f"{seen}: one unit tells two classes apart", difference.value, SPARE, difference.unit)
    if difference.value == SPARE.value:
        return Finding("pass", f"{seen}: one to spare, as for background", difference.value, SPARE, difference.unit)
    fit = measured.get("classes.head_fit")
    if fit is not None and fit.value == 0 and fit.text:
        return Finding("pass", f"{seen}, but {fit.text}", difference.value, SPARE, difference.unit)
    if rows > NO_HEAD.value * classes and rows not in IMAGENET_HEADS:
        return Finding("not-checked", f"{seen}, so that it is hardly the head", rows / classes, NO_HEAD, NO_HEAD.unit)
    if difference.value < 0:
        told = f"{seen}: {counted(-difference.value, 'class has', 'classes have')} no unit"
        return Finding("warn", told, difference.value, SPARE, difference.unit)
    told = f"{seen}: {counted(difference.value, 'unit belongs', 'units belong')} to no class"
    return Finding("warn", told, difference.value, SPARE, difference.unit)


def _given(rows: int, classes: int, family: str = "classification") -> tuple[Measurement, ...]:
    return (
        Measurement("classes.head_difference", float(rows - classes), "rows", f"{counted(rows, 'row')} of the head"),
        Measurement("classes.count", float(classes), "classes", "column 'label' of manifest.csv"),
        Measurement("run.family", float("nan"), "", "tags", text=family),
    )


EXAMPLES = (
    Example("an ImageNet head for ten classes", _given(1000, 10), "warn"),
    Example("two classes without a unit", _given(8, 10), "warn"),
    Example("as many units as classes", _given(10, 10), "pass"),
    Example("a background class", _given(11, 10), "pass"),
    Example("one unit for two classes", _given(1, 2), "pass"),
    Example(
        "80 declared classes of which 71 occur",
        (*_given(80, 71), Measurement("classes.head_fit", 0.0, "rows", "1 head", text="head.weight has 80 rows, for 80 declared classes")),
        "pass",
    ),
    Example("a decoder comes last", _given(784, 10), "not-checked"),
    Example("a language model with labels beside it", _given(50257, 2, "language-model"), "not-applicable"),
    Example("no checkpoint", _given(10, 10)[1:], "not-checked"),
)
