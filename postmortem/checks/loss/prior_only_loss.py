"""Nothing learned beyond the class shares

## What it looks for
The mean training loss at the end over the entropy of the training labels, which is what a model reaches that ignores its input and
knows only how frequent each class is. It alarms at 0.95 and above, unless the validation loss came below the entropy of its own
labels, or the accuracy is more than 5 points from the share of the class that such a model would name. It warns where two
standard errors of the mean are more than 0.1 of the entropy and validation does not confirm it. A mean below the line by less than
two standard errors alarms where validation confirms it, and passes only if they are small.

## Why it matters
On unbalanced classes the loss falls from chance to this level and looks like learning. The input has not been used yet.

## What to do
Train with the inputs set to zero: if the loss is the same, the input does not reach the output. Look at inputs, their pairing
with labels, and at the layers that no gradient reaches.

## When it is wrong
On balanced classes the level is chance itself, and other checks judge it. A loss with regularization in it stands higher: where
the data's share is logged it is used, and a loss above 1.5 times the entropy is not judged here. Label smoothing is reckoned
with where the settings name it. Class weights move the level to somewhere between the entropy and chance: a weighted loss
between the two is not judged. A run that has only just begun is there too.

## References
Karpathy, A Recipe for Training Neural Networks: the input-independent baseline. Four of four log tools overlooked it in a
seeded run.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, multiple, number, percent

AT_PRIOR = Threshold(
    0.95,
    "of the class-prior entropy",
    source="seeded run with 97 % of one class: 0.236 of 0.227 on training, validation alike",
    half="models that have learned half of what there is fail",
    double="nothing fails",
)
TOO_HIGH = Threshold(
    1.5,
    "of the class-prior entropy",
    source="the project's own choice: above it the loss says nothing about class shares",
    half="no run is judged",
    double="diverged runs are blamed on their classes",
)

NOISY = Threshold(
    0.1,
    "ratio",
    source="the project's own choice: two standard errors that would hide a tenth of the entropy",
    half="runs of a hundred points and batches of 32 are only warned",
    double="models that have learned a fifth of what there is can fail",
)

NEEDS = ("loss.last_to_prior",)
USES = (
    "run.family",
    "classes.prior_entropy",
    "loss.chance",
    "loss.last_to_chance",
    "loss.validation_to_prior",
    "accuracy.majority_gap",
    "run.class_weights",
)
CHECKLIST = ("balanced-classes",)
FIGURE = "loss"

OTHER = 0.05
"""An accuracy this far from the share of the most frequent class is not that of a model that always names it."""

SAME = 0.01
"""An accuracy this near to it can be."""
BALANCED = 0.95
"""Entropy of the labels over ln C from which on both levels are the same."""


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    if family and family not in ("classification", "language-model", "unknown"):
        return f"the loss of {kind_of_run(family)} is no cross-entropy over classes"
    last, to_chance = measured.get("loss.last_to_prior"), measured.number("loss.last_to_chance")
    prior, chance = measured.number("classes.prior_entropy"), measured.number("loss.chance")
    shares = (
        prior / chance if prior is not None and chance else to_chance / last.value if last is not None and last.value and to_chance else 0.0
    )
    if last is not None and shares >= BALANCED:
        return "classes are balanced, so that knowing their shares is no better than chance: see flat-loss and plateaued-loss"
    if last is not None and last.value > TOO_HIGH.value and measured.text("run.class_weights") != "true":
        return (
            f"the mean of the loss over its last points is {multiple(last.value)} the class-prior entropy, far above what class shares give"
        )
    return ""


def judge(measured: Measured) -> Finding:
    last = measured["loss.last_to_prior"]
    error = 2 * last.items.get("error", 0.0)
    seen = f"the mean of the training loss over its last points is {multiple(last.value)} the class-prior entropy"
    proof = _learned(measured)
    if proof or last.value + (error if last.value < AT_PRIOR.value else 0.0) < AT_PRIOR.value:
        return Finding("pass", f"{seen}, but {proof}" if last.value >= AT_PRIOR.value else seen, last.value, AT_PRIOR, AT_PRIOR.unit)
    if measured.text("run.class_weights") == "true":
        to_chance = measured.number("loss.last_to_chance")
        if to_chance is None or to_chance < AT_PRIOR.value:
            seen += ", but classes are weighted, which puts a model that ignores its input anywhere from there to chance"
            return Finding("not-checked", seen, last.value, AT_PRIOR, AT_PRIOR.unit)
        told = f"{seen}, and at {multiple(to_chance)} chance level, where class weights put a model that ignores its input"
        return Finding("warn", told, to_chance, AT_PRIOR, AT_PRIOR.unit)
    confirmed = _confirmed(measured)
    seen += ", which a model reaches that ignores its input"
    if confirmed:
        return Finding("fail", f"{seen}, and {confirmed}", last.value, AT_PRIOR, AT_PRIOR.unit)
    noise = f"{seen}, and two standard errors of the mean are {number(error, 2)}"
    if last.value >= AT_PRIOR.value:
        if error > NOISY.value:
            return Finding("warn", noise, error, NOISY, NOISY.unit)
        return Finding("fail", seen, last.value, AT_PRIOR, AT_PRIOR.unit)
    return Finding("pass" if error <= NOISY.value else "not-checked", noise, last.value, AT_PRIOR, AT_PRIOR.unit)


def _confirmed(measured: Measured) -> str:
    """What on validation says that nothing but shares was learned; empty where nothing does."""
    validation, gap = measured.get("loss.validation_to_prior"), measured.get("accuracy.majority_gap")
    if validation is not None and validation.value < AT_PRIOR.value:
        return ""
    if gap is not None:
        return f"the validation accuracy is that of always naming {gap.text[:40]!r}" if abs(gap.value) <= SAME else ""
    return f"the validation loss is at best {multiple(validation.value)} its own class-prior entropy" if validation is not None else ""


def _learned(measured: Measured) -> str:
    """What proves that the input was used all the same; empty where nothing does."""
    validation, gap = measured.get("loss.validation_to_prior"), measured.get("accuracy.majority_gap")
    if validation is not None:
        best = validation.items.get("entropy", validation.value)
        if best < AT_PRIOR.value:
            return f"the validation loss came to {multiple(best)} its own class-prior entropy"
    if gap is not None and abs(gap.value) > OTHER:
        accuracy, share = gap.items["accuracy"], gap.items["share"]
        return f"the accuracy of {percent(accuracy, 3)} is not the {percent(share, 3)} of always naming {gap.text[:40]!r}"
    return ""


def _given(
    last: float, validation: float | None = None, accuracy: float | None = None, weights: str = "false", error: float = 0.01
) -> tuple[Measurement, ...]:
    given = [
        Measurement("loss.last_to_prior", last, "ratio", "'train/loss'", items={"error": error, "points": 20.0}),
        Measurement("run.class_weights", float("nan"), "", "setting", text=weights),
    ]
    if validation is not None:
        given.append(Measurement("loss.validation_to_prior", validation, "ratio", "'val/loss'", items={"entropy": validation}))
    if accuracy is not None:
        items = {"accuracy": accuracy, "share": 0.963}
        given.append(Measurement("accuracy.majority_gap", accuracy - 0.963, "share", "'val/acc'", items=items, text="common"))
    return tuple(given)


def _chance(value: float) -> Measurement:
    return Measurement("loss.last_to_chance", value, "ratio", "ln 10")


EXAMPLES = (
    Example("97 % of one class and no signal", _given(1.04, 1.01, 0.9625), "fail"),
    Example("the same from few points", _given(1.04, error=0.1), "warn"),
    Example("below the entropy by less than its noise", _given(0.8, error=0.15), "not-checked"),
    Example("the same, and one class is named for all records", _given(0.8, None, 0.963, error=0.15), "fail"),
    Example("class weights, and the loss at chance", (*_given(2.9, weights="true"), _chance(0.99)), "warn"),
    Example("class weights, and the loss between both levels", (*_given(1.2, weights="true"), _chance(0.4)), "not-checked"),
    Example("class weights, and rare classes are named", (*_given(1.2, None, 0.7, "true"), _chance(0.4)), "pass"),
    Example("105 to 1, but learned", _given(0.2, 0.3, 0.99), "pass"),
    Example("dropout in training only", _given(0.97, 0.6), "pass"),
    Example("ten balanced classes, nothing learned", (*_given(1.0), _chance(0.998)), "not-applicable"),
    Example("diverged", _given(40.0), "not-applicable"),
    Example("class shares not known", (), "not-checked"),
)
