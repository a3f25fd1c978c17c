"""Validation that was never better than a guess while training was fitted

## What it looks for
The lowest validation loss over that of a guess (ln C), where the training loss came to 0.5 of a guess or less. From 0.97 on it fails if
the validation accuracy shows no more than the largest class, and warns where no accuracy was logged.

## Why it matters
A model that overfits first learns something that holds for validation too. One that is never better than a guess there was either
validated through other glasses than it was trained with (statistics of batch normalization, preprocessing, training mode), or its
labels tell nothing about the inputs.

## What to do
Validate on the training data first: if that is at chance too, the mode or the preprocessing is at fault; if it is fitted, the labels
are.

## When it is wrong
A few hundred records can be learned by heart before anything general is; there the accuracy is above chance. Validation of other
classes than those of training is at chance by nature.

## References
The Deep Checker compares losses in both modes (half of one loss apart). Zhang et al. 2017 (arXiv 1611.03530) for labels without
information.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, multiple

NEVER = Threshold(
    0.97,
    "of chance level",
    source="a validation loss begins near 1.0 of chance; 3 % is what confident units at the start make of it",
    half="models that generalize badly are taken for models that were never validated right",
    double="no run is above it unless it diverged",
)
FITTED = Threshold(
    0.5,
    "of chance level",
    source="the project's own: half of what a guess costs cannot be had from class shares alone on balanced data",
    half="runs that are still learning are not judged",
    double="runs that learned nothing at all are judged",
)
BETTER = 0.05
"""Accuracy above that of naming the largest class from which on validation was learned."""

NEEDS = ("validation.best_to_chance", "loss.last_to_chance")
USES = ("run.family", "accuracy.validation_last", "accuracy.majority_gap", "classes.largest_share", "classes.count")
FIGURE = "loss"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    if family and family not in ("classification", "language-model", "unknown"):
        return f"the loss of {kind_of_run(family)} has no chance level of classes"
    last = measured.number("loss.last_to_chance")
    return f"the training loss is at {multiple(last)} chance level: it was not fitted" if last is not None and last > FITTED.value else ""


def _learned(measured: Measured) -> bool | None:
    """Whether the validation accuracy is better than naming one class; None where nothing tells."""
    gap = measured.get("accuracy.majority_gap")
    if gap is not None:
        return gap.items["accuracy"] > gap.items["share"] + BETTER
    accuracy, share = measured.number("accuracy.validation_last"), measured.number("classes.largest_share")
    count = measured.number("classes.count")
    if share is None and count is not None and count >= 2:
        share = 1 / count
    return None if accuracy is None or share is None else accuracy > share + BETTER


def judge(measured: Measured) -> Finding:
    best, last = measured["validation.best_to_chance"], measured["loss.last_to_chance"]
    seen = f"the best validation loss is {multiple(best.value)} chance level, the last training loss {multiple(last.value)} it"
    if best.value < NEVER.value:
        return Finding("pass", seen, best.value, NEVER, NEVER.unit)
    learned = _learned(measured)
    if learned:
        return Finding(
            "pass", f"{seen}, and the accuracy on validation data is better than naming one class", best.value, NEVER, NEVER.unit
        )
    if learned is None:
        return Finding("warn", f"{seen}, but no accuracy was logged to confirm it", best.value, NEVER, NEVER.unit, best.first_step)
    if best.value >= NEVER.value:
        return Finding("fail", f"{seen}, and accuracy is that of naming one class", best.value, NEVER, NEVER.unit, best.first_step)
    return Finding("not-checked", "the best validation loss is not a number")


def _given(best: float, last: float, accuracy: float | None = None) -> tuple[Measurement, ...]:
    given = (
        Measurement("validation.best_to_chance", best, "ratio", "'val/loss'", 20),
        Measurement("loss.last_to_chance", last, "ratio", "'train/loss'"),
        Measurement("classes.count", 10.0, "classes", "manifest.csv"),
    )
    return given if accuracy is None else (*given, Measurement("accuracy.validation_last", accuracy, "share", "'val/accuracy'"))


EXAMPLES = (
    Example("validated through stale statistics", _given(1.0, 0.1, 0.1), "fail"),
    Example("the same, no accuracy", _given(1.2, 0.1), "warn"),
    Example("a few records learned by heart", _given(0.99, 0.01, 0.71), "pass"),
    Example("overfitted, but it learned first", _given(0.5, 0.01, 0.8), "pass"),
    Example("nothing learned at all", _given(1.0, 0.99, 0.1), "not-applicable"),
    Example("no validation", (), "not-checked"),
)
