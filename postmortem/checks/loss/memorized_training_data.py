"""Training data learned by heart long before the end

## What it looks for
Whether the training loss came below 0.05 of ignorance and stayed there for 0.35 of the run or more, while the validation loss never
came below 0.12 of ignorance. It fails where validation never came below 0.25, or where the data was passed over 100 times or more, and
warns else. Ignorance costs ln C, or the first loss where the number of classes is not known.

## Why it matters
From the step on at which nothing is left to learn in the training data, further steps teach the model these records and nothing else.

## What to do
Collect more records, augment those that are there, regularize, or take a smaller model; stop when the validation loss does.

## When it is wrong
A task whose labels are uncertain has a floor of its own that no model passes on validation. Stale batch-norm statistics raise the
validation loss of a sound model: see the check of that name. Splits whose shares of classes differ are not compared.

## References
Zhang, Bengio, Hardt, Recht, Vinyals 2017 (arXiv 1611.03530): networks fit any training set, whatever they know of others.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, bare, end_of, kind_of_run, multiple, number, percent

LONG = Threshold(
    0.35,
    "share",
    source="tuning half: 0.38 to 0.96 of the run with few records, at most 0.23 in sound runs whose validation loss is as high",
    half="sound runs of small data are warned",
    double="only runs that fit within a few steps are seen",
)
HIGH = Threshold(
    0.12,
    "share",
    source="tuning half: sound runs that fit as long end at 0.06 and below, overfitted ones at 0.15 and above",
    half="sound runs are warned",
    double="models that generalize to six of seven parts pass",
)
FAR = Threshold(
    0.25,
    "share",
    source="a quarter of what ignorance costs is left on validation and nothing on training",
    half="hard tasks fail",
    double="only runs near chance on validation fail",
)
MANY = Threshold(
    100.0,
    "epochs",
    source="the project's own choice: schedules that need more passes train with augmentation, whose records are new each time",
    half="common schedules of 90 epochs count",
    double="runs of 150 passes are only warned",
)
BY_HEART = 0.05
DRIFTED = 0.3
"""The line of the check drifting-splits."""
NEEDS = ("fit.train_share", "fit.validation_best", "fit.fitted_part")
USES = ("run.family", "run.passes", "classes.drift")
CHECKLIST = ("simplify-model",)
FIGURE = "loss"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    if family in ("rl", "gan", "vae"):
        return f"losses of {kind_of_run(family)} do not show overfitting"
    drift = measured.number("classes.drift")
    if drift is not None and drift >= DRIFTED:
        return f"the splits have other shares of classes (an effect of {number(drift, 2)}), so that their losses are not of the same task"
    return ""


def judge(measured: Measured) -> Finding:
    train, best, part = measured["fit.train_share"], measured["fit.validation_best"], measured["fit.fitted_part"]
    passes = measured.number("run.passes")
    ends = end_of(train, multiple)
    seen = f"the training loss {ends} an untrained model's, and the validation loss at best at {bare(best.value)}"
    if part.value and train.value <= BY_HEART:
        seen = f"the training loss is below {percent(BY_HEART)} of an untrained model's for {percent(part.value)} of the run"
        seen += f", and the validation loss never below {bare(best.value)}"
    if part.value < LONG.value or train.value > BY_HEART:
        return Finding("pass", seen, part.value, LONG, part.unit)
    if best.value < HIGH.value:
        return Finding("pass", seen, best.value, HIGH, best.unit)
    if best.value >= FAR.value:
        return Finding("fail", seen, best.value, FAR, best.unit, part.first_step)
    if passes is not None and passes >= MANY.value:
        return Finding("fail", f"{seen}, after {passes:.0f} passes over the data", passes, MANY, MANY.unit, part.first_step)
    return Finding("warn", seen, best.value, HIGH, best.unit, part.first_step)


def _given(train: float, best: float, part: float, passes: float | None = None) -> tuple[Measurement, ...]:
    given = (
        Measurement("fit.train_share", train, "share", "'train/loss' over ln C"),
        Measurement("fit.validation_best", best, "share", "'val/loss' over ln C", 80),
        Measurement("fit.fitted_part", part, "share", "'train/loss'", 60),
    )
    return given if passes is None else (*given, Measurement("run.passes", passes, "epochs", "epoch of the last checkpoint"))


EXAMPLES = (
    Example("forty records", _given(0.0003, 0.57, 0.93), "fail"),
    Example("a large model on 120 records, 200 passes", _given(1e-5, 0.15, 0.96, 200.0), "fail"),
    Example("the same, passes not known", _given(1e-5, 0.15, 0.96), "warn"),
    Example("a sound run that fits early", _given(0.004, 0.024, 0.66), "pass"),
    Example("fitted at the end only", _given(0.04, 0.2, 0.1), "pass"),
    Example(
        "a balanced validation of skewed training data",
        (*_given(0.0004, 0.3, 0.9), Measurement("classes.drift", 0.8, "effect", "train against val")),
        "not-applicable",
    ),
    Example("no validation loss", (), "not-checked"),
)
