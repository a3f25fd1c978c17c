"""Classes with hardly a record beside large ones

## What it looks for
The training records of the rarest class of a data set of at most 50 classes. It warns below 10 of them where the most frequent class has
50 times as many or more, unless a metric of each class shows that the rarest is found.

## Why it matters
Fewer than ten examples are few-shot learning: a net that is trained from scratch gives such a class its tiny share and no more, and a
mean over all records hides it.

## What to do
Collect more of these records, merge the class into a related one, or leave it out and say so; weights alone repeat the same few examples.

## When it is wrong
Long tails of hundreds of classes are usual, and left alone. Pre-trained features can tell a class from a handful of examples.

## References
Wang, Yao, Kwok, Ni 2020, Generalizing from a Few Examples (arXiv 1904.05046): few-shot tasks have 1 to 10 records a class. He and Garcia
2009, Learning from Imbalanced Data: ratios of 100 to 1 and more are called severe.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number

FEW = Threshold(
    10.0,
    "records",
    source="few-shot benchmarks give 1 to 10 records a class, and methods of their own",
    half="a class with seven records passes",
    double="small classes of small data sets are warned",
)
FAR = 50.0
"""Records of the most frequent class for one of the rarest; with ten records a class, 500 in the largest."""
LONG_TAIL = 50.0
"""Data sets of more classes have tails by nature."""
FOUND = 0.3
"""A class of which three records in ten are found was learned."""

NEEDS = ("classes.imbalance",)
USES = ("classes.kind", "classes.metric")
CHECKLIST = ("balanced-classes",)
FIGURE = "classes"


def applies(measured: Measured) -> str:
    return "the manifest's labels are no classes" if measured.text("classes.kind") in ("targets", "text") else ""


def judge(measured: Measured) -> Finding:
    ratio, metric = measured["classes.imbalance"], measured.get("classes.metric")
    counts = {label: records for label, records in ratio.items.items() if records > 0}
    if not counts:
        return Finding("not-checked", "the manifest counts no records by class")
    rarest = tuple(label for label in sorted(counts, key=lambda label: counts[label]) if counts[label] < FEW.value)[:5]
    fewest = min(counts.values())
    seen = (
        f"the rarest of {len(counts)} classes has {fewest:.0f} training records, and the most frequent {number(ratio.value)} times as many"
    )
    found = metric is not None and all(metric.items.get(label, 0.0) >= FOUND for label in rarest)
    if rarest and not found and ratio.value >= FAR and len(counts) <= LONG_TAIL:
        return Finding("warn", seen, fewest, FEW, FEW.unit, where=rarest)
    return Finding("pass", f"{seen}{_excuse(len(counts), found, ratio.value) if rarest else ''}", fewest, FEW, FEW.unit)


def _excuse(classes: int, found: bool, times: float) -> str:
    """Why fewer records than the line are no alarm."""
    if found:
        return f": fewer than {number(FEW.value)}, and they are found all the same"
    if times < FAR:
        return f": fewer than {number(FEW.value)}, but not {number(FAR)} times fewer than the most frequent, as rare classes are"
    return f": fewer than {number(FEW.value)}, but sets of {classes} classes have such tails by nature"


def _given(found: dict[str, float] | None = None, **counts: float) -> tuple[Measurement, ...]:
    ratio = max(counts.values()) / min(counts.values())
    given = (Measurement("classes.imbalance", ratio, "ratio", "column 'label' of manifest.csv", items=counts),)
    return (
        given
        if found is None
        else (*given, Measurement("classes.metric", min(found.values()), "share", "tags", items=found, text="recall"))
    )


EXAMPLES = (
    Example("three records of a class", _given(a=690.0, b=120.0, c=3.0), "warn"),
    Example("three records that are found", _given({"c": 0.7}, a=690.0, b=120.0, c=3.0), "pass"),
    Example("a small data set", _given(a=40.0, b=8.0), "pass"),
    Example("a skewed data set with records enough", _given(a=9000.0, b=60.0), "pass"),
    Example("no manifest", (), "not-checked"),
)
