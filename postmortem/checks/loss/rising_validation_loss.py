"""Validation loss that turned up

## What it looks for
The rise of the validation loss from its best level to the end, beyond 3 of its own noises, while the training loss went on
falling. It alarms where the rise is at least 0.5 of the best level, and warns from 0.15 on; where the accuracy (or,
without one, a metric such as mAP, IoU or F1) did not get worse, one degree less, unless the loss doubled (a rise of 1).

## Why it matters
From the best step on the model learned its training records by heart. The last checkpoint is not the best one.

## What to do
Take the checkpoint of the best step; add data, augmentation or regularization, or a smaller model; stop early.

## When it is wrong
A validation loss may rise while the accuracy still grows: the model becomes surer, also where it errs. Small validation sets
are noisy: hence the noise. A rise that is small beside all the progress before it passes. Shuffled labels and stale
normalization statistics look alike: see the checks of those names.

## References
SageMaker Debugger, Overfit and Overtraining. In a survey of 24 public runs, 10 were worse at the end only within noise.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, number, percent

LARGE = Threshold(
    0.5,
    "share",
    source="healthy runs of the project's corpus rise by 0.12 to 0.30 at their ends",
    half="healthy runs with small data fail",
    double="models that learned 1000 records by heart are only warned",
)
DOUBLED = Threshold(
    1.0,
    "share",
    source="the project's own choice: the validation loss is twice its best",
    half="runs whose accuracy still grows fail",
    double="models that learned 100 records by heart are only warned where their accuracy holds",
)
NOTABLE = Threshold(
    0.15,
    "share",
    source="run monitors take 0.05 to 0.15; SageMaker Debugger 0.1",
    half="healthy runs that rise a little at their ends are warned",
    double="clear overfitting in the last third of a run passes",
)
NOISES = Threshold(
    3.0,
    "of its noise",
    source="2 standard deviations are usual; 3 allow for the search of the best point",
    half="rises within noise are warned",
    double="rises in curves of 10 points go unseen",
)

NEEDS = ("validation.rise", "validation.rise_noise")
USES = ("run.family", "validation.rise_progress", "validation.train_fall_after_best", "validation.accuracy_change_after_best")
CHECKLIST = ("simplify-model",)
LEADS_ITEMS = ("simplify-model",)
FIGURE = "loss"

STILL_FALLING = 0.02
"""Relative fall of the training loss after the best step that counts as falling."""
OF_PROGRESS = 0.05
"""A rise below 5 % of the fall before it is nothing, however small the best level."""
WORSE = 0.01
"""Accuracy that fell by one point or more got worse."""


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return f"validation losses of {kind_of_run(family)} do not show overfitting" if family in ("rl", "gan") else ""


def judge(measured: Measured) -> Finding:
    rise, noises = measured["validation.rise"], measured["validation.rise_noise"]
    step, end = rise.first_step, "before it became NaN or infinite" if "lost" in rise.items else "at the end"
    seen = (
        f"{end} the level of the validation loss is {percent(rise.value)} above its best, about step {step}"
        if rise.value
        else "the validation loss ends at its best level"
    )
    if rise.value < NOTABLE.value:
        return Finding("pass", seen, rise.value, NOTABLE, NOTABLE.unit)
    if noises.value < NOISES.value:
        return Finding("pass", f"{seen}, {number(noises.value, 2)} times its noise", noises.value, NOISES, NOISES.unit)
    of_progress = measured.number("validation.rise_progress")
    if of_progress is not None and of_progress < OF_PROGRESS:
        return Finding("pass", f"{seen}, but that is only {percent(of_progress)} of the fall before", rise.value, NOTABLE, NOTABLE.unit)
    falling = measured.number("validation.train_fall_after_best")
    if falling is not None and falling < STILL_FALLING:
        return Finding("pass", f"{seen}, while the training loss did not fall either", rise.value, NOTABLE, NOTABLE.unit, leaves=CHECKLIST)
    if falling is not None:
        seen += f", while the training loss fell by {percent(falling)}"
    degree = 2 if rise.value >= LARGE.value else 1
    line = LARGE if degree == 2 else NOTABLE
    accuracy = measured.number("validation.accuracy_change_after_best")
    if accuracy is not None:
        told = measured.text("validation.accuracy_change_after_best") or "accuracy"
        seen += f", and {told} changed by {accuracy * 100:+.1f} percentage points"
        degree -= accuracy > -WORSE and rise.value < DOUBLED.value
    if degree == 0:
        return Finding("pass", f"{seen}, no worse than before", rise.value, line, line.unit)
    return Finding("fail" if degree == 2 else "warn", seen, rise.value, line, line.unit, step)


def _given(
    rise: float, noises: float, falling: float | None = 0.6, accuracy: float | None = None, progress: float = 0.4
) -> tuple[Measurement, ...]:
    given = [
        Measurement("validation.rise", rise, "share", "'val/loss', 30 points", 120),
        Measurement("validation.rise_noise", noises, "ratio", "'val/loss', 30 points", 120),
        Measurement("validation.rise_progress", progress, "ratio", "'val/loss', 30 points", 120),
    ]
    if falling is not None:
        given.append(Measurement("validation.train_fall_after_best", falling, "share", "'train/loss'", 120))
    if accuracy is not None:
        given.append(Measurement("validation.accuracy_change_after_best", accuracy, "share", "'val/accuracy'", 120))
    return tuple(given)


EXAMPLES = (
    Example("120 records learned by heart", _given(2.1, 40.0), "fail"),
    Example("a loss that doubled while the accuracy held", _given(1.2, 40.0, accuracy=0.0), "fail"),
    Example("a clear rise", _given(0.3, 9.0), "warn"),
    Example("a large rise with the accuracy unharmed", _given(0.8, 12.0, accuracy=0.0), "warn"),
    Example("a rise while the accuracy grows", _given(0.37, 9.0, accuracy=0.02), "pass"),
    Example("a rise within noise", _given(0.3, 1.2), "pass"),
    Example("a tiny best level", _given(0.4, 6.0, progress=0.0001), "pass"),
    Example("both losses rise", _given(0.9, 30.0, falling=-0.8), "pass"),
    Example("no validation loss", (), "not-checked"),
)
