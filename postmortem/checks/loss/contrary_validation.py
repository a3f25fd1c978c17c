"""Validation accuracy far below guessing

## What it looks for
The validation accuracy at the end over that of guessing (1 / classes), of 4 classes or more, where training was fitted (training loss at
half of a guess or less, or training accuracy of a half or more). Fails below 0.3.

## Why it matters
Who knows nothing is right once in so many classes. To be wrong nearly always one has to know: labels of validation are numbered
otherwise than those of training, by an offset, another order of folders or another map.

## What to do
Print the map of labels in both splits; look at the confusion matrix of the training data under the validation loader.

## When it is wrong
Validation on classes that training never saw is wrong always, by design. A few dozen validation records may all be missed by chance.

## References
Own reasoning: of 200 records over 10 classes guessing misses so many that 0.3 of its accuracy is reached once in 10000 times.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, accuracy_end, kind_of_run, multiple

BELOW = Threshold(
    0.3,
    "of guessing",
    source="the lower tail of 200 guesses over 10 classes: once in ten thousand",
    half="small offsets that leave some classes in place pass",
    double="small validation sets of weak models fail",
)
FITTED = 0.5
FEWEST_CLASSES = 4

NEEDS = ("accuracy.validation_last", "classes.count")
USES = ("accuracy.train_last", "loss.last_to_chance", "run.family")
FIGURE = "accuracy"


def applies(measured: Measured) -> str:
    count, family = measured.number("classes.count"), measured.text("run.family")
    if family not in ("", "unknown", "classification"):
        return f"the accuracy of {kind_of_run(family)} is not one over classes"
    return f"with {count:.0f} classes being wrong is near to guessing" if count is not None and count < FEWEST_CLASSES else ""


def judge(measured: Measured) -> Finding:
    accuracy, count = measured["accuracy.validation_last"], measured["classes.count"].value
    share = accuracy.value * count
    ends = accuracy_end(accuracy.value, accuracy.items.get("logged"))
    seen = f"the validation accuracy {ends}, {multiple(share)} that of guessing among {count:.0f} classes"
    train, left = measured.number("accuracy.train_last"), measured.number("loss.last_to_chance")
    if share >= BELOW.value:
        return Finding("pass", seen, share, BELOW, BELOW.unit)
    if train is None and left is None:
        return Finding("not-checked", f"{seen}, but nothing tells whether training was fitted")
    if not ((train is not None and train >= FITTED) or (left is not None and left <= FITTED)):
        return Finding("pass", f"{seen}, and training was not fitted either", share, BELOW, BELOW.unit)
    if share < BELOW.value:
        return Finding("fail", f"{seen}, while training was fitted", share, BELOW, BELOW.unit)
    return Finding("not-checked", "the validation accuracy is not a number")


def _given(validation: float, train: float | None, classes: float = 10) -> tuple[Measurement, ...]:
    given = (
        Measurement("accuracy.validation_last", validation, "share", "'val/accuracy'"),
        Measurement("classes.count", classes, "classes", "manifest.csv"),
    )
    return given if train is None else (*given, Measurement("accuracy.train_last", train, "share", "'train/accuracy'"))


EXAMPLES = (
    Example("labels rotated by one in validation", _given(0.01, 0.99), "fail"),
    Example("shuffled labels learned by heart", _given(0.1, 0.99), "pass"),
    Example("nothing learned", _given(0.02, 0.1), "pass"),
    Example("a healthy run", _given(0.9, 0.95), "pass"),
    Example("two classes", _given(0.1, 0.99, 2), "not-applicable"),
    Example("training is not known", _given(0.01, None), "not-checked"),
    Example("no accuracy", (), "not-checked"),
)
