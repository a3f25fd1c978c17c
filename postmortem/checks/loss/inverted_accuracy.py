"""Validation accuracy far below guessing

## What it looks for
The last validation accuracy times the number of classes, while training is fitted (accuracy of 0.5, or a loss at half of ignorance or
less). It fails at 0.3 or below, for at least 3 classes.

## Why it matters
A model that knows nothing is right once in C times. One that is right much less often knows the classes, and names others.

## What to do
Compare how both splits map names to numbers: counted from 0 or from 1, sorted by name or by first occurrence.

## When it is wrong
Validation data of classes that are rare or absent in training is answered with others for good reason.

## References
A guess among C classes is right with probability 1/C.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, accuracy_end, kind_of_run, multiple

BELOW = Threshold(
    0.3,
    "of guessing",
    source="of 100 records and ten classes a guess is right 3 times or fewer in one run of a hundred",
    half="records that happen to be right hide it",
    double="models at chance fail by bad luck",
)
FITTED = 0.5
NEEDS = ("accuracy.validation_last", "loss.chance")
USES = ("accuracy.train_last", "fit.train_share", "run.family")
FIGURE = "accuracy"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return "" if family in ("", "classification", "unknown") else f"the accuracy of {kind_of_run(family)} is not over single classes"


def judge(measured: Measured) -> Finding:
    accuracy, chance = measured["accuracy.validation_last"], measured["loss.chance"].value
    classes = 2.718281828459045**chance
    times = accuracy.value * classes
    ends = accuracy_end(accuracy.value, accuracy.items.get("logged"))
    seen = f"the validation accuracy {ends}, {multiple(times)} that of guessing among {classes:.0f} classes"
    if classes < 2.5 or times > BELOW.value:
        return Finding("pass", seen, times, BELOW, BELOW.unit)
    train, share = measured.number("accuracy.train_last"), measured.number("fit.train_share")
    if (train is None or train < FITTED) and (share is None or share > FITTED):
        return Finding("not-checked", f"{seen}, but training is not known to be fitted", times, BELOW, BELOW.unit)
    return Finding("fail", seen, times, BELOW, BELOW.unit, accuracy.first_step)


def _given(accuracy: float, train: float | None) -> tuple[Measurement, ...]:
    given = (
        Measurement("accuracy.validation_last", accuracy, "share", "'val/acc'", 400),
        Measurement("loss.chance", 2.302585, "nats", "ln(10)"),
    )
    return given if train is None else (*given, Measurement("accuracy.train_last", train, "share", "'train/acc'", 400))


EXAMPLES = (
    Example("labels counted from 1 in training", _given(0.009, 1.0), "fail"),
    Example("at chance", _given(0.1, 0.9), "pass"),
    Example("learned", _given(0.95, 0.99), "pass"),
    Example("nothing known of training", _given(0.01, None), "not-checked"),
    Example("no accuracy", (), "not-checked"),
)
