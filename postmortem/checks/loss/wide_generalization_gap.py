"""Validation loss far above training loss

## What it looks for
The difference between validation and training loss at the end, as a share of chance (of the larger first loss where chance is
not known), where the training data is fitted. It warns from 0.3 on, when the validation loss is at least twice the training
loss; and it fails where, besides, the training loss came to 0.1 of chance or less and the validation loss never below 0.5 of
what the class shares alone give.

## Why it matters
What the model knows of its training records it does not know of others.

## What to do
More data, augmentation, stronger regularization, or a smaller model; look for a difference in how both splits are prepared.

## When it is wrong
A model in training mode during validation, or statistics of batch normalization that are stale, open the same gap. Labels with
noise put a floor under the validation loss that memorized training records do not have.

## References
SageMaker Debugger, Overfit. Zhang et al. 2017, Understanding deep learning requires rethinking generalization (arXiv
1611.03530).
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, end_of, kind_of_run, multiple, percent

WIDE = Threshold(
    0.3,
    "share",
    source="the project's own choice: a third of what a guess costs separates the splits",
    half="many sound runs on small data are warned",
    double="only runs near chance on validation data are warned",
)
UNLEARNED = Threshold(
    0.5,
    "of the class-prior entropy",
    source="the project's own choice: less than half of the task was learned for any record but those learned by heart",
    half="sound models of hard tasks with many classes fail",
    double="only validation at chance fails, which labels without information explain better",
)
BY_HEART = Threshold(
    0.1,
    "ratio",
    source="the project's own choice: nine tenths of the training loss are gone",
    half="runs stopped early in memorizing are only warned",
    double="sound models of noisy tasks fail",
)
TWICE = 2.0

NEEDS = ("validation.gap", "validation.gap_share")
USES = ("run.family", "loss.last_to_chance", "loss.improvement", "loss.validation_to_prior")
CHECKLIST = ("simplify-model",)
LEADS_ITEMS = ("simplify-model",)
FIGURE = "loss"

FITTED = 0.5
"""Training loss over chance, or what is left of the first loss, below which training data counts as fitted."""


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return f"losses of {kind_of_run(family)} do not show overfitting" if family in ("rl", "gan") else ""


def judge(measured: Measured) -> Finding:
    gap, share = measured["validation.gap"], measured["validation.gap_share"]
    to_chance, fall = measured.number("loss.last_to_chance"), measured.number("loss.improvement")
    left = to_chance if to_chance is not None else 1 - fall if fall is not None else None
    seen = f"the validation loss {_ends(gap)} the training loss"
    if share.value > 0:
        seen += f", a gap of {percent(share.value)} of the first level"
    if share.value < WIDE.value or gap.value < TWICE:
        return Finding("pass", seen, share.value, WIDE, WIDE.unit)
    if left is not None and left > FITTED:
        return Finding("pass", f"{seen}, but the training data is not fitted yet", share.value, WIDE, WIDE.unit)
    best = measured.number("loss.validation_to_prior")
    if best is not None and best >= UNLEARNED.value and to_chance is not None and to_chance <= BY_HEART.value:
        told = f"the validation loss {_ends(gap)} the training loss, and never came below {percent(best)} of the "
        told += f"class-prior entropy, above {percent(UNLEARNED.value)}"
        return Finding("fail", told, best, UNLEARNED, UNLEARNED.unit)
    return Finding("warn", f"{seen}, above {percent(WIDE.value)}", share.value, WIDE, WIDE.unit)


def _ends(gap: Measurement) -> str:
    return end_of(gap, lambda share: multiple(share, 3))


def _given(gap: float, share: float, left: float) -> tuple[Measurement, ...]:
    return (
        Measurement("validation.gap", gap, "ratio", "'val/loss', 'train/loss'"),
        Measurement("validation.gap_share", share, "share", "'val/loss', 'train/loss'"),
        Measurement("loss.last_to_chance", left, "ratio", "ln 10"),
    )


EXAMPLES = (
    Example(
        "60 records learned by heart",
        (*_given(800.0, 0.97, 0.001), Measurement("loss.validation_to_prior", 0.77, "ratio", "'val/loss'")),
        "fail",
    ),
    Example(
        "fitted, and validation well below chance",
        (*_given(6.0, 0.35, 0.05), Measurement("loss.validation_to_prior", 0.2, "ratio", "'val/loss'")),
        "warn",
    ),
    Example("memorized, class shares not known", _given(140.0, 0.9, 0.01), "warn"),
    Example("converged, 0.05 against 0.25", _given(5.0, 0.09, 0.02), "pass"),
    Example("batch normalization off, nothing fitted", _given(2.2, 1.1, 0.9), "pass"),
    Example("no validation loss", (), "not-checked"),
)
