"""Validation that gains nothing from training that goes well

## What it looks for
A validation loss that never came below 0.5 of ignorance although training came to 0.25 or less, at an ordinary pace: it did not lie
below 0.05 for 0.3 of the run or longer, as it does where few records are learned by heart. It fails, and only
warns where the number of classes is not known, so that the first loss stands for ignorance. A validation accuracy of 0.5 or more passes.

## Why it matters
What the model knows of training does not arrive in validation. At that pace records are not learned one by one: something differs
between the two modes or the two splits.

## What to do
Validate once in training mode. Compare preprocessing and labels of both splits; look at batch normalization's running statistics.

## When it is wrong
A validation set from elsewhere (another camera, another year) is another task. Few records under strong augmentation are learned
slowly too.

## References
The Deep Checker compares the loss in both modes. Ioffe and Szegedy 2015 (arXiv 1502.03167) for the statistics.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, bare, end_of, kind_of_run, multiple, percent

UNMOVED = Threshold(
    0.5,
    "share",
    source="tuning half: 0.68 to 1.07 with stale statistics and mismatched labels, 0.30 and below in sound runs",
    half="hard tasks fail",
    double="only validation at chance fails",
)
FITTED = Threshold(
    0.25,
    "share",
    source="three quarters of what ignorance costs was learned on training",
    half="runs that ended early pass unseen",
    double="labels that are shuffled fail",
)
BY_HEART = Threshold(
    0.3,
    "share",
    source="tuning half: few records lie below 0.05 of ignorance for 0.38 of the run or longer",
    half="sound paces count as learned by heart",
    double="few records count as another mode",
)
RIGHT = 0.5
"""Accuracy on validation that shows that it gained."""
NEEDS = ("fit.train_share", "fit.validation_best", "fit.fitted_part")
USES = ("run.family", "loss.chance", "accuracy.validation_last")
FIGURE = "loss"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return f"losses of {kind_of_run(family)} do not show it" if family in ("rl", "gan", "vae") else ""


def judge(measured: Measured) -> Finding:
    train, best, part = measured["fit.train_share"], measured["fit.validation_best"], measured["fit.fitted_part"]
    ends = end_of(train, multiple)
    seen = f"the training loss {ends} an untrained model's, the validation loss at best at {bare(best.value)}"
    if best.value < UNMOVED.value:
        return Finding("pass", seen, best.value, UNMOVED, best.unit)
    if train.value > FITTED.value:
        return Finding("pass", f"{seen}: training is not fitted either", train.value, FITTED, train.unit)
    if part.value >= BY_HEART.value:
        return Finding(
            "pass", f"{seen}: training was learned by heart for {percent(part.value)} of the run", part.value, BY_HEART, part.unit
        )
    accuracy = measured.number("accuracy.validation_last")
    if accuracy is not None and accuracy >= RIGHT:
        return Finding("pass", f"{seen}, but validation is right in {percent(accuracy)} of the records", best.value, UNMOVED, best.unit)
    known = measured.number("loss.chance") is not None and measured.text("run.family") in ("classification", "language-model")
    return Finding("fail" if known else "warn", seen, best.value, UNMOVED, best.unit, best.first_step)


def _given(train: float, best: float, part: float) -> tuple[Measurement, ...]:
    return (
        Measurement("fit.train_share", train, "share", "'train/loss' over ln C"),
        Measurement("fit.validation_best", best, "share", "'val/loss' over ln C", 80),
        Measurement("fit.fitted_part", part, "share", "'train/loss'", 60),
    )


def _classes(accuracy: float | None) -> tuple[Measurement, ...]:
    given = (
        Measurement("loss.chance", 2.302585, "nats", "ln(10)"),
        Measurement("run.family", float("nan"), "", "tags", text="classification"),
    )
    return given if accuracy is None else (*given, Measurement("accuracy.validation_last", accuracy, "share", "'val/acc'"))


EXAMPLES = (
    Example("a momentum of 1e-5", (*_given(0.07, 0.74, 0.0), *_classes(None)), "fail"),
    Example("labels of training counted from 1", (*_given(0.05, 1.07, 0.0), *_classes(0.01)), "fail"),
    Example("the number of classes is not known", _given(0.07, 0.74, 0.0), "warn"),
    Example("fine-tuning that begins below ignorance", (*_given(0.06, 0.66, 0.0), *_classes(0.88)), "pass"),
    Example("forty records", _given(0.0003, 0.57, 0.93), "pass"),
    Example("shuffled labels", _given(0.45, 1.0, 0.0), "pass"),
    Example("a sound run", _given(0.07, 0.3, 0.0), "pass"),
    Example("no validation loss", (), "not-checked"),
)
