"""A class missing from a split

## What it looks for
Classes that one split of the manifest holds and another lacks. It alarms where training lacks a class that validation
or test holds at least 10 times; it warns where training lacks a rarer one, or where another split lacks a class of
which an even spread would give it at least 10 records. It warns as well about a class that the label map declares and no split
holds, where classes have 100 labels on average and no more than half of them are unused.

## Why it matters
A class that is never trained on is always answered wrongly, and one that is never validated on is never looked at. Both
come from splitting sorted records without shuffling.

## What to do
Split again, class by class (stratified), with records shuffled first.

## When it is wrong
Open-set and few-shot benchmarks keep classes apart by design. A small split lacks rare classes by chance, which the
expected count allows for. A cap on the list (the first records of a set only) looks the same. Label maps are shared: that of a
larger set leaves most of its classes unused, which is told and passes.

## References
Kohavi 1995, A Study of Cross-Validation and Bootstrap, on stratified splits.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted, number

EXPECTED = Threshold(
    10.0,
    "records",
    source="own calculation: where 10 records are expected, chance leaves none in 1 of 22,000 splits",
    half="where 5 are expected, chance leaves none in 1 of 150: sets of hundreds of classes are warned for nothing",
    double="a split that lacks a class of 15 expected records passes",
)

DECLARED = Threshold(
    100.0,
    "records",
    source="the project's own choice: in long-tailed sets with 12 labels a class on average a ninth of the classes lack (COCO128)",
    half="classes that a small extract of a set lacks are warned about",
    double="a class that was lost on the way passes in sets of 150 records a class",
)

NEEDS = ("classes.missing",)
USES = ("classes.kind", "classes.count", "classes.unused")
CHECKLIST = ("balanced-classes",)
DOUBTS_ITEMS = ("balanced-classes",)
FIGURE = "classes"

DISJOINT = 0.9
"""Where nearly every class lacks in training, splits are disjoint by design."""
MOST_UNUSED = 0.5
"""Where most declared classes are unused, the label map is that of a larger set."""


def applies(measured: Measured) -> str:
    return "the manifest's labels are no classes" if measured.text("classes.kind") in ("targets", "text") else ""


def judge(measured: Measured) -> Finding:
    missing = measured["classes.missing"]
    classes = measured.number("classes.count")
    untrained = [name for name in missing.items if name.startswith("train: ")]
    surprising = [name for name in missing.items if missing.items[name] >= EXPECTED.value]
    if classes and missing.value >= DISJOINT * classes and len(untrained) >= 0.2 * classes:
        told = (
            f"splits share almost no class ({missing.value:.0f} gaps among {classes:.0f} classes), as in few-shot and open-set benchmarks"
        )
        return Finding("pass", told)
    both = [name for name in untrained if name in surprising]
    if both:
        told = f"training lacks {counted(len(untrained), 'class', 'classes')} that other splits hold, among them {both[0][7:47]!r}"
        told += f", of which an even spread would give it {missing.items[both[0]]:.0f} records"
        return Finding("fail", told, missing.items[both[0]], EXPECTED, EXPECTED.unit, where=tuple(both))
    if untrained:
        told = f"training lacks {counted(len(untrained), 'rare class', 'rare classes')} that other splits hold"
        told += f", of which an even spread would give it {number(missing.items[untrained[0]], 2)} records"
        return Finding("warn", told, missing.items[untrained[0]], EXPECTED, EXPECTED.unit, where=tuple(untrained))
    if surprising:
        name, expected = surprising[0], missing.items[surprising[0]]
        told = f"a split lacks a class of which an even spread would give it {expected:.0f} records: {name[:60]!r}"
        return Finding("warn", told, expected, EXPECTED, EXPECTED.unit, where=tuple(surprising))
    unused = measured.get("classes.unused")
    if unused is not None and unused.items and classes and unused.value <= MOST_UNUSED * classes:
        name, mean = next(iter(unused.items)), max(unused.items.values())
        if mean >= DECLARED.value:
            told = (
                f"no split holds {counted(unused.value, 'declared class', 'declared classes')}, "
                f"{name[:40]!r} among them, where classes have {mean:.0f} labels"
            )
            return Finding("warn", told, mean, DECLARED, DECLARED.unit, where=tuple(list(unused.items)[:10]))
    if missing.items:
        most = max(missing.items.values())
        told = (
            f"{counted(missing.value, 'class lacks', 'classes lack')} in small splits, "
            f"where at most {number(most, 2)} records of them are expected"
        )
        return Finding("pass", told, most, EXPECTED, EXPECTED.unit)
    return Finding("pass", "every class stands in every split", 0.0, EXPECTED, EXPECTED.unit)


def _given(classes: float, items: dict[str, float]) -> tuple[Measurement, ...]:
    return (
        Measurement("classes.missing", float(len(items)), "classes", "3 splits of manifest.csv", items=items),
        Measurement("classes.count", classes, "classes", "column 'label' of manifest.csv"),
    )


def _unused(names: list[str], mean: float) -> Measurement:
    return Measurement("classes.unused", float(len(names)), "classes", "classes that data.yaml declares", items=dict.fromkeys(names, mean))


EXAMPLES = (
    Example("sorted records were split without shuffling", _given(10.0, {"train: nine": 90.0}), "fail"),
    Example("validation lacks a frequent class", _given(10.0, {"validation: nine": 20.0}), "warn"),
    Example("training lacks a rare class", _given(10.0, {"train: nine": 2.0}), "warn"),
    Example("a small test split lacks a rare class", _given(10.0, {"test: nine": 1.5}), "pass"),
    Example("every class everywhere", _given(10.0, {}), "pass"),
    Example("a declared class was lost", (*_given(10.0, {}), _unused(["nine"], 600.0)), "warn"),
    Example("a small extract of COCO", (*_given(80.0, {}), _unused(["toaster", "hair drier"], 12.0)), "pass"),
    Example("COCO's names, three of them used", (*_given(80.0, {}), _unused([f"class {i}" for i in range(77)], 200.0)), "pass"),
    Example("few-shot splits", _given(2.0, {"train: b": 50.0, "test: a": 50.0}), "pass"),
    Example(
        "numbers to predict", (Measurement("classes.kind", float("nan"), "", "labels of manifest.csv", text="targets"),), "not-applicable"
    ),
    Example("no manifest", (), "not-checked"),
)
