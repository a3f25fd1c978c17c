"""First loss that is not at chance

## What it looks for
The first logged cross-entropy over the logarithm of the number of classes, which is what a model that knows nothing should
have. It alarms above 4 times chance and warns above 1.5.

## Why it matters
A first loss far above chance says that the model is confidently wrong before it has seen anything: weights too large, inputs
not normalized, or a loss that is summed instead of averaged, or misconfigured.

## What to do
Make the last layer's weights small and its bias the logarithm of the class shares; check the reduction of the loss and the
number of classes.

## When it is wrong
A first point well after the first step is not a first loss, and is not judged. A model that was trained before starts below
chance, and so does a mean over the first epoch: that passes. So does a bias that was set to the logarithm of the class shares,
which starts at their entropy. Label smoothing leaves a first loss at chance where it is. Class weights can raise it by as much
as classes differ in size: up to there a weighted loss is only warned about. Sums over heads or labels, and auxiliary terms, have
another chance level.

## References
CS231n, neural-networks-3: look for correct loss at chance performance (2.302 for 10 classes). Karpathy, A Recipe for Training
Neural Networks.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, multiple, number

FAR_OFF = Threshold(
    4.0,
    "of chance level",
    source="corpus: 14 and above where weights, inputs or the reduction are wrong, up to 2.8 in sound runs",
    half="new heads on features that were learned elsewhere fail",
    double="a first loss of 18 for 10 classes is only warned",
)
OFF = Threshold(
    1.5,
    "of chance level",
    source="CS231n's test, with room for He initialization of the last layer (about 1.4 for 10 classes)",
    half="every run is warned",
    double="outputs of deviation 3 pass",
)

NEEDS = ("loss.first_to_chance", "loss.first", "loss.chance")
USES = (
    "run.family",
    "run.batch_size",
    "run.pretrained",
    "run.class_weights",
    "classes.imbalance",
    "classes.count",
    "loss.first_to_prior",
    "head.bias_prior",
)
CHECKLIST = ("initial-cross-entropy",)
LEADS_ITEMS = ("initial-cross-entropy",)
FIGURE = "loss"

LOW = 0.5
"""Below half of chance something was known before the first point."""
SET = 0.9
"""Correlation of the first bias with the logarithm of the class shares from which on it was set by them."""
NEAR = 0.15
"""How near a ratio must be to a number (the batch size, the labels, 1) to be called by its name."""


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    if family and family not in ("classification", "language-model", "unknown"):
        return f"the loss of {kind_of_run(family)} is no cross-entropy over classes"
    return ""


def judge(measured: Measured) -> Finding:
    ratio, first, chance = measured["loss.first_to_chance"], measured["loss.first"], measured["loss.chance"]
    chances = f"chance level ({chance.basis.split(';')[0]} = {number(chance.value, 4)})"
    seen = f"the first {ratio.text or 'loss'} is {number(ratio.items.get('loss', first.value), 4)}, {multiple(ratio.value, 3)} {chances}"
    if ratio.value > OFF.value:
        as_sum = _as_a_sum(measured, ratio.value)
        weighted = measured.text("run.class_weights") == "true"
        heaviest = measured.number("classes.imbalance") if weighted else None
        if heaviest is not None and ratio.value <= heaviest:
            told = (
                f"{seen}, above {number(OFF.value)} times{as_sum}, but weights of "
                f"{number(heaviest)} to 1 on the classes can raise it so far"
            )
            return Finding("warn", told, ratio.value, OFF, OFF.unit, ratio.first_step)
        if ratio.value > FAR_OFF.value:
            return Finding(
                "fail", f"{seen}, above {number(FAR_OFF.value)} times{as_sum}", ratio.value, FAR_OFF, FAR_OFF.unit, ratio.first_step
            )
        return Finding("warn", f"{seen}, above {number(OFF.value)} times{as_sum}", ratio.value, OFF, OFF.unit, ratio.first_step)
    if ratio.value < 1 - NEAR and (shares := _at_the_shares(measured)):
        return Finding("pass", f"{seen}: {shares}", ratio.value, OFF, OFF.unit)
    if ratio.value < LOW:
        why = (
            "pre-trained weights"
            if measured.text("run.pretrained") == "true"
            else "a resumed or pre-trained model, a mean over an epoch, or a leak"
        )
        return Finding("pass", f"{seen}, which is low, as from {why}", ratio.value, OFF, OFF.unit)
    return Finding("pass", seen, ratio.value, OFF, OFF.unit)


def _at_the_shares(measured: Measured) -> str:
    """What says that the model knew the class shares from the start, as a clause; empty where nothing does."""
    bias, to_prior = measured.get("head.bias_prior"), measured.number("loss.first_to_prior")
    if bias is not None and bias.first_step == 0 and bias.value >= SET and bias.items["sorted_error"] <= NEAR:
        return "the head's bias begins at the logarithm of the class shares, so that their entropy is the right start"
    if to_prior is not None and abs(to_prior - 1) <= NEAR:
        return "it is the entropy of the class shares, as a bias set to their logarithm gives"
    return ""


def _as_a_sum(measured: Measured, ratio: float) -> str:
    """What the ratio would be the number of, as a clause; empty where it is near none."""
    batch, labels = measured.number("run.batch_size"), measured.number("classes.count")
    if batch is not None and batch > 1 and abs(ratio / batch - 1) <= NEAR:
        return f", as a sum over the batch of {batch:.0f} would be"
    if "a label" in measured["loss.chance"].basis and labels is not None and labels > 1 and abs(ratio / labels - 1) <= NEAR:
        return f", as a sum over the {labels:.0f} labels would be"
    return ""


def _given(first: float, batch: float | None = None, family: str = "classification") -> tuple[Measurement, ...]:
    given = (
        Measurement("loss.first_to_chance", first / 2.3026, "ratio", "'train/loss'", 0),
        Measurement("loss.first", first, "loss", "'train/loss'", 0),
        Measurement("loss.chance", 2.3026, "nats", "ln(10); labels of manifest.csv"),
        Measurement("run.family", float("nan"), "", "tags", text=family),
    )
    return given if batch is None else (*given, Measurement("run.batch_size", batch, "records", "setting"))


_WEIGHTED = (
    Measurement("run.class_weights", float("nan"), "", "setting 'class_weights'", text="true"),
    Measurement("classes.imbalance", 50.0, "ratio", "column 'label' of manifest.csv"),
)
_BIAS = Measurement("head.bias_prior", 1.0, "correlation", "head.bias at step 0", 0, {"sorted_error": 0.0}, "numbers")
_SUMMED = (
    Measurement("loss.first_to_chance", 20.1, "ratio", "'train/loss'", 0),
    Measurement("loss.first", 13.9, "loss", "'train/loss'", 0),
    Measurement("loss.chance", 0.6931, "nats", "ln(2) a label; 20 labels in manifest.csv"),
    Measurement("classes.count", 20.0, "classes", "column 'labels' of manifest.csv"),
)

EXAMPLES = (
    Example("weights 12 times too large", _given(2775.0), "fail"),
    Example("a loss summed over a batch of 32", _given(74.0, 32.0), "fail"),
    Example("a last layer twice too large", _given(4.0), "warn"),
    Example("class weights that do not average to 1", (*_given(9.0), *_WEIGHTED), "warn"),
    Example("a binary loss summed over 20 labels", _SUMMED, "fail"),
    Example("a head bias set by the class shares, and a batch without a rare record", (*_given(0.4), _BIAS), "pass"),
    Example("a bias set by the class shares", (*_given(0.9), Measurement("loss.first_to_prior", 1.02, "ratio", "'train/loss'")), "pass"),
    Example("at chance", _given(2.35), "pass"),
    Example("a pre-trained model", _given(0.4), "pass"),
    Example("a regression", _given(140.0, family="regression"), "not-applicable"),
    Example("the number of classes is not known", (), "not-checked"),
)
