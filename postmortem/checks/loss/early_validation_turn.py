"""Validation that turned while training was hardly fitted

## What it looks for
The training loss about the step at which validation was best, and what came after: at 0.45 of ignorance or more then, 0.25 or more at
the end, and still falling (0.1 of all its fall in the last third of the run), while the validation loss, which was not behind until
then (1.1 times the training loss at most), rose again by 0.03 of ignorance or more, and by 2.5 of its own noises, or the validation
accuracy fell by 5 points. All of it together fails.

## Why it matters
Records that share a rule are learned together, and validation gains with them. Where training goes on slowly and validation loses,
records are learned one by one against their inputs: their labels do not follow from what the model sees.

## What to do
Look at the records with the highest training loss, twenty of them, with their labels. Check joins, sorts and shuffles of labels.

## When it is wrong
Strong dropout or augmentation keeps the training loss up, but validation does not turn then. Too few records turn validation too, but
training is fitted fast. A regression of pure noise looks like shuffled labels, and is.

## References
Arpit et al. 2017, A Closer Look at Memorization in Deep Networks (arXiv 1706.05394): noise is learned after what is regular, and slower.
"""

from __future__ import annotations

from postmortem.model import (
    Example,
    Finding,
    Measured,
    Measurement,
    Threshold,
    at_about,
    bare,
    end_of,
    kind_of_run,
    multiple,
    number,
    percent,
)

UNFITTED = Threshold(
    0.45,
    "share",
    source="tuning half: 0.50 to 1.03 with labels of a third to all records wrong; few records: 0.02 to 0.38",
    half="runs of few records count",
    double="only labels that are all wrong are seen",
)
STILL = Threshold(
    0.25,
    "share",
    source="tuning half: 0.29 to 0.95 at the end with wrong labels, 0.10 and below where validation was spoilt otherwise",
    half="stale batch-norm statistics count",
    double="a third of wrong labels passes",
)
RISE = Threshold(
    0.03,
    "share",
    source="tuning half: 0.04 to 0.67 with wrong labels, 0.02 and below in sound runs",
    half="noise of small validation sets counts",
    double="slow memorizing passes",
)
GOING_ON = Threshold(
    0.1,
    "share",
    source="a fall at an even pace brings a third in the last third; 0.12 to 0.50 with wrong labels",
    half="runs that have settled count",
    double="a third of wrong labels passes",
)
NOISES = Threshold(
    2.5,
    "of its noise",
    source="2 standard deviations, and the search of the best point; tuning half: 3.0 and above with wrong labels",
    half="the best of many noisy evaluations looks like a turn",
    double="a third of wrong labels passes",
)
ACCURACY_FALL = 0.05
BEHIND = 1.1
"""Validation at its best over training then, above which validation was behind from the start: records without a rule that both share are
begun with only when what both share is learned, and leave no gap until then."""
NEEDS = ("fit.train_at_best", "fit.train_share", "fit.validation_best", "fit.validation_last", "fit.late_progress")
USES = ("run.family", "accuracy.validation_fall", "validation.rise_noise")
FIGURE = "loss"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return f"losses of {kind_of_run(family)} do not show it" if family in ("rl", "gan", "vae") else ""


def judge(measured: Measured) -> Finding:
    beside, train, going = measured["fit.train_at_best"], measured["fit.train_share"], measured["fit.late_progress"]
    best, last, fall = measured["fit.validation_best"], measured["fit.validation_last"], measured.number("accuracy.validation_fall")
    rise = last.value - best.value
    seen = f"validation loss was best, at {multiple(best.value)} an untrained model's, when training was at {bare(beside.value)}"
    beside_it = at_about(train.value, train.items.get("logged"), bare)
    seen += f", and {end_of(last, bare)} with training {beside_it}"
    if fall is not None and fall >= ACCURACY_FALL:
        seen += f", and validation accuracy lost {percent(fall)}"
    if rise < RISE.value and (fall is None or fall < ACCURACY_FALL):
        return Finding("pass", seen, rise, RISE, RISE.unit)
    noises = measured.number("validation.rise_noise")
    if noises is not None and noises < NOISES.value and (fall is None or fall < ACCURACY_FALL):
        return Finding("pass", f"{seen}, a rise of {number(noises, 2)} times its noise", noises, NOISES, NOISES.unit)
    if beside.value < UNFITTED.value:
        return Finding("pass", seen, beside.value, UNFITTED, UNFITTED.unit)
    if best.value > BEHIND * beside.value:
        return Finding("pass", f"{seen}: validation was behind before it turned", beside.value, UNFITTED, UNFITTED.unit)
    if train.value < STILL.value:
        return Finding("pass", seen, train.value, STILL, STILL.unit)
    if going.value < GOING_ON.value:
        return Finding("pass", f"{seen}, where it has settled", going.value, GOING_ON, GOING_ON.unit)
    return Finding("fail", seen, beside.value, UNFITTED, UNFITTED.unit, best.first_step)


def _given(beside: float, train: float, best: float, last: float, going: float) -> tuple[Measurement, ...]:
    return (
        Measurement("fit.train_at_best", beside, "share", "'train/loss' over ln C", 80),
        Measurement("fit.train_share", train, "share", "'train/loss' over ln C"),
        Measurement("fit.validation_best", best, "share", "'val/loss' over ln C", 80),
        Measurement("fit.validation_last", last, "share", "'val/loss' over ln C"),
        Measurement("fit.late_progress", going, "share", "'train/loss'"),
    )


EXAMPLES = (
    Example("all labels shuffled", _given(1.03, 0.45, 1.01, 1.68, 0.42), "fail"),
    Example(
        "a third of the labels wrong",
        (*_given(0.5, 0.3, 0.24, 0.25, 0.12), Measurement("accuracy.validation_fall", 0.14, "share", "'val/acc'")),
        "fail",
    ),
    Example("a gap that was there before, and grew", _given(0.52, 0.28, 0.61, 0.91, 0.2), "pass"),
    Example("forty records", _given(0.02, 0.0003, 0.57, 0.64, 0.0003), "pass"),
    Example("stale statistics", _given(0.93, 0.1, 1.02, 3.0, 0.07), "pass"),
    Example("a sound run", _given(0.02, 0.02, 0.1, 0.11, 0.1), "pass"),
    Example("a linear model that settled", _given(0.61, 0.58, 0.83, 0.91, -0.04), "pass"),
    Example(
        "validation that swings",
        (*_given(0.54, 0.46, 0.37, 0.54, 0.17), Measurement("validation.rise_noise", 1.4, "ratio", "'val/loss', 30 points", 80)),
        "pass",
    ),
    Example("no validation loss", (), "not-checked"),
)
