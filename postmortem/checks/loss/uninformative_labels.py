"""Labels that do not follow the inputs

## What it looks for
A training loss that falls below the entropy of the labels, to 0.9 of it or less, while the validation loss never comes below
0.98 of what the class shares alone give. With an accuracy that is no better than the largest class's share it alarms; without
accuracy it warns.

## Why it matters
Training records are learned by heart, one by one, and nothing of it holds for others: the labels do not belong to the inputs.

## What to do
Look at twenty records with their labels. Check that both are shuffled together, sorted alike, and joined by key.

## When it is wrong
A very small training set overfits too, but its validation loss dips before it rises. Validation in another mode than training,
or with stale batch normalization, keeps the validation loss at chance as well: see the checks of batch normalization.

## References
Zhang et al. 2017 (arXiv 1611.03530): nets fit random labels. In a seeded run with shuffled labels three log tools were silent
and one said overfitting.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, level, multiple, percent

NEVER_BELOW = Threshold(
    0.98,
    "of the class-prior entropy",
    source="seeded run with shuffled labels: best validation loss at 1.00 of the entropy",
    half="models that generalize badly are blamed on their labels",
    double="no run is above it unless it diverged",
)
LEARNED = Threshold(
    0.9,
    "of the class-prior entropy",
    source="the same run: the training loss came to 0.88 of the entropy",
    half="slow memorizing passes unseen",
    double="runs that learned nothing count as well",
)

NEEDS = ("loss.validation_to_prior", "loss.last_to_prior")
USES = ("run.family", "accuracy.validation_last", "accuracy.majority_gap", "classes.largest_share")
CHECKLIST = ()
FIGURE = "loss"

BETTER = 0.05


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    if family and family not in ("classification", "language-model", "unknown"):
        return f"the loss of {kind_of_run(family)} is no cross-entropy over classes"
    last = measured.get("loss.last_to_prior")
    if last is not None and last.value > LEARNED.value:
        return f"the training loss is at {multiple(last.value)} the class-prior entropy: nothing was learned, by heart or otherwise"
    error = 2 * last.items.get("error", 0.0) if last is not None else 0.0
    if last is not None and last.value + error > LEARNED.value:
        seen = f"the training loss is at {multiple(last.value)} the class-prior entropy, within a noise of {percent(error)}"
        return f"{seen}: it may know the shares alone"
    return ""


def judge(measured: Measured) -> Finding:
    validation, last = measured["loss.validation_to_prior"], measured["loss.last_to_prior"]
    seen = (
        f"the training loss fell to {multiple(last.value)} the class-prior entropy, "
        f"the validation loss at best to {level(validation.value)}"
    )
    if validation.value < NEVER_BELOW.value:
        return Finding("pass", seen, validation.value, NEVER_BELOW, NEVER_BELOW.unit)
    accuracy, largest = measured.number("accuracy.validation_last"), measured.number("classes.largest_share")
    gap = measured.get("accuracy.majority_gap")
    if gap is not None:  # of the validation records themselves
        accuracy, largest = gap.items["accuracy"], gap.items["share"]
    if accuracy is None or largest is None:
        return Finding("warn", f"{seen}, but no accuracy was logged to confirm it", validation.value, NEVER_BELOW, NEVER_BELOW.unit)
    seen += f", with a validation accuracy of {percent(accuracy, 3)} where the largest class has {percent(largest, 3)}"
    if accuracy > largest + BETTER:
        return Finding("pass", f"{seen}: better than guessing", validation.value, NEVER_BELOW, NEVER_BELOW.unit)
    return Finding("fail", seen, validation.value, NEVER_BELOW, NEVER_BELOW.unit)


def _given(train: float, validation: float, accuracy: float | None) -> tuple[Measurement, ...]:
    given = (
        Measurement("loss.last_to_prior", train, "ratio", "'train/loss'"),
        Measurement("loss.validation_to_prior", validation, "ratio", "'val/loss'"),
        Measurement("classes.largest_share", 0.11, "share", "manifest.csv"),
    )
    return given if accuracy is None else (*given, Measurement("accuracy.validation_last", accuracy, "share", "'val/accuracy'"))


EXAMPLES = (
    Example("shuffled labels", _given(0.6, 1.0, 0.1), "fail"),
    Example("shuffled labels, no accuracy", _given(0.6, 1.0, None), "warn"),
    Example("120 records, but real ones", _given(0.01, 0.99, 0.71), "pass"),
    Example("healthy", _given(0.1, 0.2, 0.95), "pass"),
    Example(
        "97 % of one class, and a loss whose noise is as large as what it lacks",
        (Measurement("loss.last_to_prior", 0.7, "ratio", "'train/loss'", items={"error": 0.15}), *_given(0.7, 1.0, 0.1)[1:]),
        "not-applicable",
    ),
    Example("nothing learned", _given(1.0, 1.0, 0.1), "not-applicable"),
    Example("no validation loss", (), "not-checked"),
)
