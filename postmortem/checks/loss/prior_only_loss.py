"""Nothing learned beyond the class shares

## What it looks for
The last training loss over the entropy of the training labels, which is what a model reaches that ignores its input and knows
only how frequent each class is. It alarms at 0.95 and above, unless the accuracy is clearly better than the largest class's
share.

## Why it matters
On unbalanced classes the loss falls from chance to this level and looks like learning. The input has not been used yet.

## What to do
Train with the inputs set to zero: if the loss is the same, the input does not reach the output. Look at inputs, their pairing
with labels, and at the layers that no gradient reaches.

## When it is wrong
On balanced classes the level is chance itself, and other checks judge it. A loss with regularization in it stands higher: where
the data's share is logged it is used, and a loss above 1.5 times the entropy is not judged here. Class weights and label
smoothing move the level. A run that has only just begun is there too.

## References
Karpathy, A Recipe for Training Neural Networks: the input-independent baseline. Four of four log tools overlooked it in a
seeded run.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold

AT_PRIOR = Threshold(
    0.95,
    "ratio",
    source="seeded run with 97 % of one class: 0.236 of 0.227 on training, validation alike",
    half="models that have learned half of what there is fail",
    double="nothing fails",
)
TOO_HIGH = Threshold(
    1.5,
    "ratio",
    source="the project's own choice: above it the loss says nothing about class shares",
    half="no run is judged",
    double="diverged runs are blamed on their classes",
)

NEEDS = ("loss.last_to_prior",)
USES = (
    "run.family",
    "loss.last_to_chance",
    "loss.validation_to_prior",
    "accuracy.validation_last",
    "classes.largest_share",
    "run.class_weights",
)
CHECKLIST = ("balanced-classes",)
FIGURE = "loss"

BETTER = 0.05
"""Accuracy above the largest class's share by this much was not reached by guessing."""


BALANCED = 0.95
"""Entropy of the labels over ln C from which on both levels are the same."""


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    if family and family not in ("classification", "language-model", "unknown"):
        return f"the loss of a run of family {family} is no cross-entropy over classes"
    last, to_chance = measured.get("loss.last_to_prior"), measured.number("loss.last_to_chance")
    if last is not None and to_chance is not None and to_chance >= BALANCED * last.value:
        return "classes are balanced, so that knowing their shares is no better than chance: see flat-loss and plateaued-loss"
    if last is not None and last.value > TOO_HIGH.value:
        return f"the loss ends at {last.value:.3g} times the entropy of the labels, far above what their shares give"
    return ""


def judge(measured: Measured) -> Finding:
    last = measured["loss.last_to_prior"]
    seen = f"the training loss ends at {last.value:.3g} of the entropy of the labels"
    if last.value < AT_PRIOR.value:
        return Finding("pass", seen, last.value, AT_PRIOR, last.unit)
    validation = measured.number("loss.validation_to_prior")
    if validation is not None and validation < AT_PRIOR.value:
        return Finding("pass", f"{seen}, but the validation loss came to {validation:.3g}", last.value, AT_PRIOR, last.unit)
    accuracy, largest = measured.number("accuracy.validation_last"), measured.number("classes.largest_share")
    if accuracy is not None and largest is not None and accuracy > largest + BETTER:
        return Finding(
            "pass",
            f"{seen}, but the accuracy of {accuracy:.1%} is above the largest class's share of {largest:.1%}",
            last.value,
            AT_PRIOR,
            last.unit,
        )
    if measured.text("run.class_weights") == "true":
        return Finding("warn", f"{seen}; classes are weighted, so that the level is uncertain", last.value, AT_PRIOR, last.unit)
    return Finding("fail", f"{seen}; a model that ignores its input reaches 1", last.value, AT_PRIOR, last.unit)


def _given(last: float, validation: float | None = None, accuracy: float | None = None, weights: str = "false") -> tuple[Measurement, ...]:
    given = [
        Measurement("loss.last_to_prior", last, "ratio", "'train/loss'"),
        Measurement("run.class_weights", float("nan"), "", "setting", text=weights),
        Measurement("classes.largest_share", 0.963, "share", "manifest.csv"),
    ]
    if validation is not None:
        given.append(Measurement("loss.validation_to_prior", validation, "ratio", "'val/loss'"))
    if accuracy is not None:
        given.append(Measurement("accuracy.validation_last", accuracy, "share", "'val/accuracy'"))
    return tuple(given)


EXAMPLES = (
    Example("97 % of one class and no signal", _given(1.04, 1.01, 0.9625), "fail"),
    Example("the same with class weights", _given(1.04, weights="true"), "warn"),
    Example("105 to 1, but learned", _given(0.2, 0.3, 0.99), "pass"),
    Example("dropout in training only", _given(0.97, 0.6), "pass"),
    Example(
        "ten balanced classes, nothing learned",
        (*_given(1.0), Measurement("loss.last_to_chance", 0.998, "ratio", "ln 10")),
        "not-applicable",
    ),
    Example("diverged", _given(40.0), "not-applicable"),
    Example("class shares not known", (), "not-checked"),
)
