"""Class counts far apart

## What it looks for
Training records of the most frequent class over those of the rarest, and the effective number of classes exp(H) over
their number. It warns above a ratio of 10, or where fewer than 0.5 of the classes are in effect. It alarms where the
rarest class is starved as well, with fewer than 10 records or a ratio above 100, and the run shows it: the loss ends at
0.9 of the entropy of the labels or above, or the accuracy is that of always naming the largest class. Where the run logs
a metric of each class and all were found it passes.

## Why it matters
The frequent classes fill the gradient. A class with a handful of records is met a few times an epoch, and never
predicting it costs almost nothing.

## What to do
Weight the loss by inverse frequency or sample classes evenly, and look at recall per class, not at accuracy. Collect
more of classes with fewer than ten records: no weight makes up for them.

## When it is wrong
Imbalance alone is not a fault: a run at 105 to 1 learned every class. A long tail is how species and words are. A
manifest may list more than the run trained on. A loss below half of the entropy of the labels is taken as proof that
more than class shares was learned; it does not prove that the rarest class was.

## References
Amazon SageMaker Debugger, ClassImbalance (10). The Deep Checker, perplexity of labels (0.5). Cui, Jia, Lin, Song,
Belongie 2019 (arXiv 1901.05555).
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, multiple, number, percent

RATIO = Threshold(
    10.0,
    "ratio",
    source="Amazon SageMaker Debugger, rule ClassImbalance",
    half="mild imbalance that every loss copes with is warned",
    double="a class with a twentieth of the records of another passes unseen",
)
IN_EFFECT = Threshold(
    0.5,
    "share",
    source="The Deep Checker, perplexity of the label distribution",
    half="sets in which three quarters of the classes hardly occur pass",
    double="every set that is not exactly balanced is warned",
)
STARVED_RATIO = Threshold(
    100.0,
    "ratio",
    source="the project's own choice, near the 105 to 1 of a seeded run that learned",
    half="long-tailed sets with enough records of each class fail",
    double="a class met once in two hundred records passes with a warning",
)
STARVED_RECORDS = Threshold(
    10.0,
    "records",
    source="the project's own choice: fewer than ten examples do not show how a class varies",
    half="classes of five to nine records pass with a warning",
    double="small but even sets with one smaller class fail",
)
STUCK = Threshold(
    0.9,
    "ratio",
    source="seeded run that learned the class shares alone, which ended at 1.04 of their entropy (0.236 over 0.227)",
    half="runs that learned much but not all fail",
    double="no run fails, since none stays far above the entropy",
)

NEEDS = ("classes.imbalance", "classes.effective")
USES = ("classes.kind", "classes.count", "classes.metric", "loss.last_to_prior", "accuracy.majority_gap")
CHECKLIST = ("balanced-classes",)
LEADS_ITEMS = ("balanced-classes",)
FIGURE = "classes"

LEARNED = 0.5
"""A training loss below this share of the labels' entropy used the inputs."""
FOUND = 0.3
"""A class of which three records in ten are found was learned."""
NOT_EVEN_SHARES = 1.5
"""A training loss above so many times the labels' entropy is weighted, smoothed, or not yet down at what the shares alone give."""
SAME = 0.01
"""An accuracy this near to that share can be."""
BETTER = 0.05
"""An accuracy above the most frequent class's share by so much was not reached by naming it."""


def applies(measured: Measured) -> str:
    if measured.text("classes.kind") in ("targets", "text"):
        return "the manifest's labels are no classes"
    classes = measured.number("classes.count")
    return "the manifest names one class only" if classes is not None and classes < 2 else ""


def _learned(measured: Measured) -> str:
    """What proves that the run used its input in spite of the skew, as a clause; empty where nothing does."""
    metric = measured.get("classes.metric")
    if metric is not None and (lowest := _lowest_logged(measured)) is not None and lowest >= FOUND:
        return f"every class was learned, with a {metric.text} of {number(lowest, 2)} or more"
    last = measured.get("loss.last_to_prior")
    if last is not None and last.value + 2 * last.items.get("error", 0.0) < LEARNED:
        return f"the loss fell to {multiple(last.value)} the class-prior entropy"
    gap = measured.get("accuracy.majority_gap")
    if gap is not None and gap.value > BETTER:
        accuracy, share = gap.items["accuracy"], gap.items["share"]
        return f"the accuracy of {percent(accuracy, 3)} is above the {percent(share, 3)} of always naming {gap.text[:40]!r}"
    return ""


def _unlearned(measured: Measured) -> str:
    """What in the run shows that rare classes were not learned, as a clause; empty where nothing does."""
    last, gap = measured.get("loss.last_to_prior"), measured.get("accuracy.majority_gap")
    if last is not None and STUCK.value <= last.value <= NOT_EVEN_SHARES:
        return f"the mean of the loss over its last points is {multiple(last.value)} the class-prior entropy"
    if gap is not None and abs(gap.value) <= SAME and gap.items["spread"] <= SAME and (last is None or last.value >= LEARNED):
        return f"the accuracy of {percent(gap.items['accuracy'], 3)} is that of always naming {gap.text[:40]!r}"
    return ""


def _lowest_logged(measured: Measured) -> float | None:
    """The lowest metric of a class; None unless each class that training has got one."""
    logged, counts = measured["classes.metric"].items, measured["classes.imbalance"].items
    present = [label for label, records in counts.items() if records > 0]
    return min(logged[label] for label in present) if present and all(label in logged for label in present) else None


def judge(measured: Measured) -> Finding:
    ratio, effective = measured["classes.imbalance"], measured["classes.effective"]
    counts = {label: records for label, records in ratio.items.items() if records > 0}
    rarest = tuple(sorted(counts, key=lambda label: counts[label])[:5])
    fewest = min(counts.values(), default=None)
    seen = f"the most frequent class has {number(ratio.value)} times the records of the rarest"
    if fewest is not None:
        seen += f" ({rarest[0][:40]!r}, {fewest:.0f} records)"
    skewed = ratio.value > RATIO.value
    if measured.get("classes.metric") is not None and (lowest := _lowest_logged(measured)) is not None and lowest >= FOUND:
        return Finding("pass", f"{seen}, yet {_learned(measured)}", ratio.value, RATIO, ratio.unit)
    few = fewest is not None and fewest < STARVED_RECORDS.value
    learned = _learned(measured)
    if skewed and (few or ratio.value > STARVED_RATIO.value):
        limit = STARVED_RATIO if ratio.value > STARVED_RATIO.value else STARVED_RECORDS
        value, unit = (ratio.value, ratio.unit) if limit is STARVED_RATIO else (fewest, limit.unit)
        if learned:
            return Finding("warn", f"{seen}, yet {learned}", value, limit, unit, where=rarest)
        if shown := _unlearned(measured):
            return Finding("fail", f"{seen}, and {shown}", value, limit, unit, where=rarest)
        return Finding("warn", f"{seen}: few to be learned", value, limit, unit, where=rarest)
    if skewed:
        return Finding("warn", f"{seen}, above {number(RATIO.value)}", ratio.value, RATIO, ratio.unit, where=rarest)
    if effective.value < IN_EFFECT.value:
        told = f"only {percent(effective.value)} of the classes are in effect, and {seen}"
        return Finding("warn", told, effective.value, IN_EFFECT, effective.unit, where=rarest)
    return Finding("pass", f"{seen}, within {number(RATIO.value)}", ratio.value, RATIO, ratio.unit)


def _given(effective: float, **counts: float) -> tuple[Measurement, ...]:
    basis = "column 'label' of manifest.csv"
    ratio = max(counts.values()) / min(counts.values())
    return (
        Measurement("classes.imbalance", ratio, "ratio", basis, items=counts),
        Measurement("classes.effective", effective, "share", basis),
        Measurement("classes.count", float(len(counts)), "classes", basis, items=counts),
    )


def _loss(value: float) -> Measurement:
    return Measurement("loss.last_to_prior", value, "ratio", "'train/loss' of events")


def _recall(**found: float) -> tuple[Measurement, ...]:
    return (Measurement("classes.metric", min(found.values()), "share", "tags like 'val/recall/a'", items=found, text="recall"),)


EXAMPLES = (
    Example("four records of one class, the run unknown", _given(0.99, cat=400.0, dog=390.0, emu=4.0), "warn"),
    Example("a long tail, half way down", (*_given(0.3, a=5000.0, b=300.0, c=8.0), _loss(0.7)), "warn"),
    Example("300 to 1, and the loss ends at the prior", (*_given(0.52, no=30000.0, yes=100.0), _loss(0.99)), "fail"),
    Example("105 to 1 and learned all the same", (*_given(0.6, a=2100.0, b=300.0, c=20.0), _loss(0.08)), "warn"),
    Example(
        "105 to 1, and the recall of each class is high", (*_given(0.6, a=2100.0, b=300.0, c=20.0), *_recall(a=0.99, b=0.9, c=0.7)), "pass"
    ),
    Example("105 to 1, and the rarest is never found", (*_given(0.6, a=2100.0, b=300.0, c=20.0), *_recall(a=0.99, b=0.9, c=0.0)), "warn"),
    Example("97 % of one class", _given(0.57, no=970.0, yes=30.0), "warn"),
    Example("a thousand classes of a long tail within ten to one", _given(0.45, a=90.0, b=10.0, c=10.0), "warn"),
    Example("three even classes", _given(1.0, a=50.0, b=50.0, c=50.0), "pass"),
    Example("a small even set", _given(1.0, a=6.0, b=5.0), "pass"),
    Example(
        "numbers to predict", (Measurement("classes.kind", float("nan"), "", "labels of manifest.csv", text="targets"),), "not-applicable"
    ),
    Example("no manifest", (), "not-checked"),
)
