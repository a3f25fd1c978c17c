"""Skewed classes without weights

## What it looks for
Whether the run's settings weight or resample classes, where the most frequent class has more than 10 times the records
of the rarest. It warns where they say that nothing is done.

## Why it matters
Undersampling the frequent classes throws data away. Weights in the loss or an even sampler use all of it, and give rare
classes a say in the gradient.

## What to do
Weight the loss by inverse frequency, records / (classes x records of the class), or sample each class evenly. The
weights of the rarest classes stand in the finding.

## When it is wrong
The settings may not name what the code does. Where the shares of the records are the shares of use, an unweighted loss
is right, and thresholds can be moved after training. It never fails a run: imbalance without weights often learns.

## References
King & Zeng 2001, Logistic Regression in Rare Events Data. Cui, Jia, Lin, Song, Belongie 2019 (arXiv 1901.05555). Amazon
SageMaker Debugger, ClassImbalance (10).
"""

from __future__ import annotations

from collections.abc import Mapping

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number

RATIO = Threshold(
    10.0,
    "ratio",
    source="Amazon SageMaker Debugger, rule ClassImbalance",
    half="mildly uneven sets are asked for weights that change nothing",
    double="a class with a twentieth of the records of another is left without",
)

NEEDS = ("classes.imbalance", "run.class_weights")
CHECKLIST = ("beyond-undersampling",)
LEADS_ITEMS = ("beyond-undersampling",)
FIGURE = "class-weights"


def applies(measured: Measured) -> str:
    ratio = measured.number("classes.imbalance")
    if ratio is not None and ratio <= RATIO.value:
        return f"the classes are of similar size ({number(ratio)} to 1)"
    return ""


def _weights(counts: Mapping[str, float]) -> str:
    """Inverse-frequency weights of the rarest three classes, as words."""
    present = {label: records for label, records in counts.items() if records > 0}
    total = sum(present.values())
    rarest = sorted(present, key=lambda label: present[label])[:3]
    return ", ".join(f"{label[:40]!r} {number(total / (len(present) * present[label]))}" for label in rarest)


def judge(measured: Measured) -> Finding:
    ratio, weights = measured["classes.imbalance"], measured["run.class_weights"]
    seen = f"the largest class has {number(ratio.value)} times the records of the smallest"
    if weights.text == "true":
        return Finding("pass", f"{seen}, and the settings weight or resample them", ratio.value, RATIO, ratio.unit)
    told = _weights(ratio.items)
    said = f" (inverse frequency gives {told})" if told else ""
    rarest = tuple(sorted(ratio.items, key=lambda label: ratio.items[label])[:3])
    return Finding("warn", f"{seen}, and the settings leave them without weights{said}", ratio.value, RATIO, ratio.unit, where=rarest)


def _given(ratio: float, weights: str) -> tuple[Measurement, ...]:
    items = {"cat": 100.0 * ratio, "dog": 100.0}
    return (
        Measurement("classes.imbalance", ratio, "ratio", "column 'label' of manifest.csv", items=items),
        Measurement("run.class_weights", float("nan"), "", "setting 'class_weights'", text=weights),
    )


EXAMPLES = (
    Example("30 to 1 without weights", _given(30.0, "false"), "warn"),
    Example("30 to 1 with weights", _given(30.0, "true"), "pass"),
    Example("two to one without weights", _given(2.0, "false"), "not-applicable"),
    Example("skewed, and no setting tells", _given(30.0, "false")[:1], "not-checked"),
    Example("no manifest", (), "not-checked"),
)
