"""Errors spread evenly over all records

## What it looks for
The cross-entropy over the largest that its accuracy a allows, H = -a ln a - (1 - a) ln((1 - a) / (C - 1)), in the last third of the run:
of training, and of validation where no accuracy of training was logged. It fails from 0.95 to 1.05 where the accuracy has settled
between a guess (the share of the largest class, where a manifest tells it) and 0.75. Where validation is far less sure than its own
accuracy allows (1.2 times H), training is held back by dropout or augmentation, and it passes. It takes four classes or more.

## Why it matters
A model that knows some records and not others has less than H. To come to H it must be equally uncertain about all of them, and that
is what labels leave that are wrong at random: no record can be known any better.

## What to do
Look at records with the highest loss beside their labels; check every join, sort and shuffle between inputs and labels.

## When it is wrong
Records that are uncertain by nature, all to the same degree, look the same. So do the first steps of any training: a loss that still
falls is left out, but one that was stopped there, by a rate of zero or a burst, is told here. So does label smoothing at one accuracy.

## References
Fano's inequality: Cover, Thomas, Elements of Information Theory, 2.10. Northcutt, Jiang, Chuang 2021 (arXiv 1911.00068), label noise.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, multiple, percent

EVEN = Threshold(
    0.95,
    "of the largest entropy",
    source="Fano: 1 for records that are equally uncertain; tuning half: 1.01 with wrong labels, 0.85 at most in others that train on",
    half="models that are too small are taken for it",
    double="no calibrated model has more than 1",
)
HIGHEST = 1.05
"""A loss above H by more than its noise is one of a model that is too sure, or not sure enough, not of a sound one."""
MOSTLY_RIGHT = 0.75
"""Accuracy from which on label smoothing of 0.1, or a second loss beside the first, could bring an ordinary loss to H: of the tuning half
two sound runs of 0.8 and 0.83 came there."""
ABOVE_GUESS = 0.1
"""Share by which the accuracy must exceed a guess's: a model that knows nothing is equally uncertain about everything."""
SETTLED = 0.2
"""Share of the fall that the last third of the run may bring, as for losses that settled high."""
HELD_BACK = 1.2
FEW_CLASSES = 0.26
"""Share of a guess from which on entropies are too flat: of two classes, confidences from 0.51 to 0.83 come to 0.96 of the largest."""
LARGEST_ERROR = 0.03

NEEDS = ()
USES = ("loss.train_evenness", "loss.validation_evenness", "fit.late_progress", "run.family", "classes.largest_share")
FIGURE = "loss"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return "" if family in ("", "classification", "language-model") else f"{kind_of_run(family)} has no accuracy over classes"


def judge(measured: Measured) -> Finding:
    train, validation = measured.get("loss.train_evenness"), measured.get("loss.validation_evenness")
    found = train or validation
    if found is None:
        return Finding("not-checked", "", lacks=USES[:2])
    # Who knows the class shares alone names the largest class always, and is equally uncertain about all.
    accuracy, guess = found.items["accuracy"], max(found.items["guess"], measured.number("classes.largest_share") or 0.0)
    split = "training" if train else "validation"
    seen = f"the {split} loss is {multiple(found.value)} the largest entropy with an accuracy of {percent(accuracy, 3)}"
    going = measured.number("fit.late_progress")
    if accuracy < guess + ABOVE_GUESS:
        return Finding("not-applicable", f"an accuracy of {percent(accuracy, 3)} is a guess's, which is the same for every record")
    if found.items["guess"] > FEW_CLASSES:
        return Finding("not-applicable", "with three classes or two, records that differ hardly show in the entropy")
    if going is None:
        return Finding("not-checked", f"{seen}, but without a validation loss nothing tells whether training has settled", lacks=())
    if going >= SETTLED:
        return Finding("not-applicable", f"{seen}, but the last third of the run brought {percent(going)} of the fall")
    if found.items["error"] > LARGEST_ERROR and found.value + 2 * found.items["error"] >= EVEN.value:
        return Finding("not-checked", f"{seen}, with a standard error of {percent(found.items['error'])}")
    if found.value < EVEN.value:
        return Finding("pass", f"{seen}: some records are known better than others", found.value, EVEN, EVEN.unit)
    if found.value > HIGHEST or accuracy > MOSTLY_RIGHT:
        return Finding("not-applicable", f"{seen}, which wrong labels alone do not bring about")
    if train and validation and validation.value >= HELD_BACK:
        told = f"{seen}, but validation is less sure than it could be: dropout or augmentation hold training back"
        return Finding("pass", told, found.value, EVEN, EVEN.unit)
    return Finding("fail", f"{seen}, above {percent(EVEN.value)}: every record is equally uncertain", found.value, EVEN, EVEN.unit)


def _evenness(split: str, value: float, accuracy: float, error: float = 0.005, guess: float = 0.1) -> Measurement:
    items = {"accuracy": accuracy, "guess": guess, "error": error, "points": 30.0}
    return Measurement(f"loss.{split}_evenness", value, "ratio", f"'{split}/loss' beside '{split}/accuracy'", items=items)


def _late(share: float) -> Measurement:
    return Measurement("fit.late_progress", share, "share", "'train/loss'")


EXAMPLES = (
    Example("six of ten labels are others'", (_evenness("train", 1.01, 0.46), _late(0.1)), "fail"),
    Example("six of ten, validation alone has an accuracy", (_evenness("validation", 1.0, 0.46), _late(0.1)), "fail"),
    Example("label smoothing, half learned", (_evenness("train", 1.03, 0.8), _late(0.1)), "not-applicable"),
    Example("a layer of one unit", (_evenness("train", 0.82, 0.22), _late(0.08)), "pass"),
    Example("nine of ten units dropped", (_evenness("train", 0.97, 0.26), _evenness("validation", 1.62, 0.81), _late(0.0)), "pass"),
    Example("nobody knows whether it settled", (_evenness("train", 0.99, 0.46),), "not-checked"),
    Example("two classes", (_evenness("train", 0.96, 0.65, guess=0.5), _late(0.05)), "not-applicable"),
    Example("learned", (_evenness("train", 0.5, 0.97), _late(0.01)), "pass"),
    Example("label smoothing", (_evenness("train", 3.2, 0.98), _late(0.01)), "not-applicable"),
    Example("still falling", (_evenness("train", 0.99, 0.4), _late(0.4)), "not-applicable"),
    Example("labels without information", (_evenness("train", 1.0, 0.1),), "not-applicable"),
    Example(
        "only the shares of uneven classes are known",
        (_evenness("train", 1.0, 0.5), Measurement("classes.largest_share", 0.5, "share", "manifest.csv")),
        "not-applicable",
    ),
    Example("too few records to tell", (_evenness("validation", 0.97, 0.5, 0.08), _late(0.1)), "not-checked"),
    Example("no accuracy", (), "not-checked"),
)
