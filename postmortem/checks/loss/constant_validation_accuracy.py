"""Validation accuracy that is one number while training is fitted

## What it looks for
The share of neighbouring points of the validation accuracy that are equal to the last digit, where training came to half of a guess or
less: fails at 0.5 and more where the accuracy is below 0.5.

## Why it matters
Only a model that names one class whatever it is shown has the same accuracy each time. If it tells the training data apart all the same,
validation reaches it through something else: statistics of batch normalization, inputs that were scaled in one split only, the mode.

## What to do
Run the training data through the validation loader and mode. Compare mean and deviation of both splits' inputs as the model gets them.

## When it is wrong
A model that was fitted and no longer moves repeats its accuracy, at a good level: those above 0.5 pass. So do those far below guessing,
which another map of labels makes. Small validation sets have few
values; accuracies that are rounded to hundredths are not judged.

## References
Own runs: 0.7 where training inputs alone were left unscaled before a batch normalization, 0.0 to 0.1 with labels shuffled.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, multiple, percent

REPEATED = Threshold(
    0.5,
    "share",
    source="own runs: 0.7 and more where one class was named, 0.1 at most with shuffled labels on 450 records",
    half="validation sets of fifty records fail by chance",
    double="nothing fails but a model that never names a second class",
)
FITTED = 0.5
"""Share of a guess down to which training must have come; and the accuracy from which on a model that stands still is a good one."""
ONE_CLASS = 0.3
"""Share of guessing below which validation is wrong on purpose, as under another map of labels, and names more than one class."""

NEEDS = ("accuracy.validation_repeats", "loss.last_to_chance")
USES = ("run.family", "classes.count")
FIGURE = "accuracy"


def applies(measured: Measured) -> str:
    family, left = measured.text("run.family"), measured.number("loss.last_to_chance")
    if family not in ("", "unknown", "classification"):
        return f"the accuracy of {kind_of_run(family)} is not one over classes"
    return f"the training loss is at {multiple(left)} chance level: it was not fitted" if left is not None and left > FITTED else ""


def judge(measured: Measured) -> Finding:
    found, left = measured["accuracy.validation_repeats"], measured["loss.last_to_chance"].value
    last = found.items.get("last", 1.0)
    seen = (
        f"{percent(found.value)} of successive validation accuracies are equal, the last "
        f"{percent(last, 3)}, with training loss at {multiple(left)} chance level"
    )
    classes = measured.number("classes.count")
    if found.value >= REPEATED.value and classes is not None and last * classes < ONE_CLASS:
        return Finding("pass", f"{seen}: it is below what naming one class brings", found.value, REPEATED, found.unit)
    if found.value >= REPEATED.value and last < FITTED:
        return Finding("fail", seen, found.value, REPEATED, found.unit, found.first_step)
    if found.value >= 0 and left >= 0:
        return Finding("pass", seen, found.value, REPEATED, found.unit)
    return Finding("not-checked", "the share of equal accuracies is not a number")


def _given(repeats: float, last: float, left: float = 0.1) -> tuple[Measurement, ...]:
    return (
        Measurement("accuracy.validation_repeats", repeats, "share", "20 points of 'val/accuracy'", 0, {"last": last}),
        Measurement("loss.last_to_chance", left, "ratio", "'train/loss'"),
    )


EXAMPLES = (
    Example("training inputs left unscaled before a batch normalization", _given(0.75, 0.158), "fail"),
    Example("labels shuffled", _given(0.05, 0.158), "pass"),
    Example("fitted, and nothing moves any more", _given(0.9, 0.97), "pass"),
    Example("labels rotated in validation", (*_given(0.9, 0.004), Measurement("classes.count", 10.0, "classes", "manifest.csv")), "pass"),
    Example("nothing learned", _given(0.9, 0.1, 1.0), "not-applicable"),
    Example("no accuracy", (), "not-checked"),
)
