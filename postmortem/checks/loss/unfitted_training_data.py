"""Training data that the model has not fitted

## What it looks for
Whether the run shows that the model can fit its training data: training accuracy, or what is left of the training loss beside
chance or beside the first loss. It passes from 0.9 on. Below, it alarms under 0.5 and warns else if the training set is so
small (200 records) that the run itself is the test; for larger sets the question stays open.

## Why it matters
A model that cannot learn a hundred records by heart has a fault in its code, its loss or its optimizer. It is the cheapest test
there is.

## What to do
Train on 20 to 100 records without regularization until the loss is near zero. If it does not get there, look for the fault
before anything else.

## When it is wrong
A small set that was trained for a few steps only has not had the chance. Noise in regression targets, strong augmentation and
regularization keep the loss up.

## References
Karpathy, A Recipe for Training Neural Networks: overfit one batch. CS231n, neural-networks-3: overfit a tiny subset of data.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, percent

FITTED = Threshold(
    0.9,
    "share",
    source="the project's own choice: nine of ten records, or nine tenths of chance",
    half="models that have learned little count as proof",
    double="nothing passes",
)
HALF = Threshold(
    0.5,
    "share",
    source="the project's own choice",
    half="only runs that learned nearly nothing fail",
    double="small sets that were not quite learned fail",
)

NEEDS = ("fit.reached",)
USES = ("run.family",)
CHECKLIST = ("overfit-small-set",)
LEADS_ITEMS = ("overfit-small-set",)
FIGURE = "loss"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return f"{kind_of_run(family)} has no fixed training set to fit" if family in ("rl", "gan") else ""


def judge(measured: Measured) -> Finding:
    fit = measured["fit.reached"]
    first, *rest = fit.basis.split("; ")
    if fit.value >= FITTED.value:
        seen = f"the training data is fitted to {percent(fit.value)} ({first})"
        return Finding("pass", seen, fit.value, FITTED, fit.unit)
    line = HALF if fit.value < HALF.value else FITTED
    seen = (
        f"{first} are fitted to only {percent(fit.value)} ({rest[0] if rest else fit.unit}), and a set this small can be learned by heart"
    )
    return Finding("fail" if line is HALF else "warn", seen, fit.value, line, fit.unit)


def _given(value: float, basis: str) -> tuple[Measurement, ...]:
    return (Measurement("fit.reached", value, "share", basis),)


EXAMPLES = (
    Example("100 records, not learned", _given(0.2, "100 training records; training accuracy 20.0%"), "fail"),
    Example("100 records, half learned", _given(0.7, "100 training records; training accuracy 70.0%"), "warn"),
    Example("fitted", _given(0.99, "training accuracy 99.0%"), "pass"),
    Example("a large set, not fitted", (), "not-checked"),
)
