"""Evaluation over no record

## What it looks for
The share of the losses and metrics of the evaluation that are exactly 0 at every point, over 3 evaluations or more. It warns where all
of them are, a share of 1.

## Why it matters
Sums over no record are 0. Nothing that validation could show was seen, the best checkpoint was picked by chance, and stopping early
means nothing.

## What to do
Count the records and labels that the validation loader hands out: a wrong path, labels beside no image, or a split of size 0.

## When it is wrong
Losses and metrics that are rounded to 0 by the logger look the same, and so does a task with one class.

## References
Own reasoning: no loss of a model is exactly 0 while its metrics are 0 as well; trainers of detectors that find no label go on and write 0.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run

ALL = Threshold(
    1.0,
    "share",
    source="by definition: over no record every sum is 0",
    half="a part of a loss that is switched off is warned about",
    double="nothing would be warned about: no more than all are 0",
)
FEWEST = 3
"""Evaluations: a first one or two at 0 may come before the first hit."""

NEEDS = ("validation.zeros",)
USES = ("run.family",)
CHECKLIST = ("simplify-model",)
DOUBTS_ITEMS = ("simplify-model",)
FIGURE = "loss"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return f"the validation loss of {kind_of_run(family)} says little" if family in ("rl", "gan") else ""


def judge(measured: Measured) -> Finding:
    found = measured["validation.zeros"]
    evaluations = found.items.get("evaluations", 0.0)
    if found.value < ALL.value:
        return Finding("pass", "not all losses and metrics of the evaluations are 0", found.value, ALL, found.unit)
    if found.value >= ALL.value and evaluations >= FEWEST:
        seen = f"every loss and every metric is exactly 0 at all {evaluations:.0f} evaluations ({found.basis}): the validation set is empty"
        return Finding("warn", seen, found.value, ALL, found.unit, found.first_step)
    return Finding("not-checked", f"only {evaluations:.0f} evaluations, too few to tell")


def _given(share: float, evaluations: float = 20.0, family: str = "detection") -> tuple[Measurement, ...]:
    return (
        Measurement("validation.zeros", share, "share", "3 losses and 4 metrics of results.csv", 1, {"evaluations": evaluations}),
        Measurement("run.family", float("nan"), "", "tags", text=family),
    )


EXAMPLES = (
    Example("a detector whose validation images have no labels", _given(1.0), "warn"),
    Example("metrics that stay 0 beside losses that do not", _given(4 / 7), "pass"),
    Example("a healthy run", _given(0.0), "pass"),
    Example("one evaluation", _given(1.0, 1.0), "not-checked"),
    Example("a policy", _given(1.0, family="rl"), "not-applicable"),
    Example("no validation", (), "not-checked"),
)
