"""Training below a guess, and validation not

## What it looks for
A classification or language model that has learned little: training loss at 0.7 of a guess's or more, and below it by 0.3 % and three
standard errors. It fails where the validation loss ends at a guess's or above, short by at most a tenth of what training gained, and
was never better than 0.98. It passes where validation shares half of the gain or more. A guess's loss is ln C, or the entropy of the
class shares where a manifest tells them.

## Why it matters
What little is learned of labels that say nothing is single records by heart. A model that is too small, or that is held back by its
gradients, learns little as well, but what it learns holds for records that it never saw.

## What to do
Print 20 records with their labels as the loader delivers them; check every join, sort and shuffle between inputs and labels.

## When it is wrong
Validation data of another kind than the training data, and statistics of batch normalization that do not fit, keep validation from a
gain that is real.

## References
Zhang, Bengio, Hardt, Recht, Vinyals 2017 (arXiv 1611.03530): random labels are learned by heart, slowly. Arpit et al. 2017 (arXiv
1706.05394): what is common to records is learned before what is not.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, level, percent

LEAST = Threshold(
    0.003,
    "of a guess's loss",
    source="own: what the shares of classes in small training sets differ by from even ones is below it",
    half="class shares that differ between the splits are taken for it",
    double="slow learning by heart is missed",
)
LITTLE = 0.7
"""Training loss over a guess's below which other checks tell learning by heart."""
NEVER = 0.98
ERRORS = 3.0
SHORT_BY, SHARED = 0.1, 0.5
"""Shares of what training gained that validation gained as well: at most, to fail, and at least, to pass."""

NEEDS = ("fit.train_share", "fit.validation_last", "fit.validation_best", "loss.chance")
USES = ("run.family", "loss.last_to_prior")
CHECKLIST = ("overfit-small-set",)
DOUBTS_ITEMS = ("overfit-small-set",)
FIGURE = "loss"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return "" if family in ("", "classification", "language-model") else f"{kind_of_run(family)} has no guess to compare with"


def judge(measured: Measured) -> Finding:
    train, last, best = measured["fit.train_share"], measured["fit.validation_last"], measured["fit.validation_best"]
    to_prior = measured.number("loss.last_to_prior")
    # The same loss over the entropy of the class shares is as much larger as that is smaller than ln C.
    scale = max(1.0, to_prior / train.value) if to_prior is not None and train.value > 0 else 1.0
    gain, validation = 1 - train.value * scale, last.value * scale
    seen = f"training ends at {level(1 - gain, 3)} of a guess's loss, validation at {level(validation, 3)}"
    if not max(LEAST.value, ERRORS * train.items.get("noise", 0.0) * scale) <= gain <= 1 - LITTLE:
        return Finding("not-applicable", f"training ends at {level(1 - gain, 3)} of a guess's loss: too much or too little to compare")
    if validation >= 1 - SHORT_BY * gain and best.value * scale >= NEVER:
        told = f"{seen}: a gain of {percent(gain)} that no other record shares"
        return Finding("fail", told, gain, LEAST, LEAST.unit, last.first_step)
    if validation <= 1 - SHARED * gain:
        return Finding("pass", f"{seen}: both gained, training {percent(gain)}", gain, LEAST, LEAST.unit)
    return Finding("not-applicable", f"{seen}, which tells neither way")


def _given(train: float, validation: float, best: float, to_prior: float | None = None) -> tuple[Measurement, ...]:
    given = (
        Measurement("fit.train_share", train, "share", "'train/loss' over ln C", 600, {"noise": 5e-4}),
        Measurement("fit.validation_last", validation, "share", "'val/loss' over ln C", 600, {"noise": 2e-4}),
        Measurement("fit.validation_best", best, "share", "'val/loss' over ln C", 100),
        Measurement("loss.chance", 2.302585, "nats", "ln(10)"),
    )
    return given if to_prior is None else (*given, Measurement("loss.last_to_prior", to_prior, "ratio", "'train/loss'"))


EXAMPLES = (
    Example("labels one row too far down", _given(0.955, 1.023, 1.005), "fail"),
    Example("shuffled labels of uneven classes", _given(0.66, 0.705, 0.7, 0.66 / 0.7), "fail"),
    Example("a model that is too small", _given(0.92, 0.914, 0.913), "pass"),
    Example("nothing is learned", _given(1.0, 1.0004, 1.0), "not-applicable"),
    Example("learned", _given(0.05, 0.2, 0.2), "not-applicable"),
    Example("learned, then by heart", _given(0.72, 1.01, 0.8), "not-applicable"),
    Example("no validation loss", (), "not-checked"),
)
