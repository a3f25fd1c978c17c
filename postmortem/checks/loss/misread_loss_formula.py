"""A loss that fits the formula of a mistake

## What it looks for
Whether the loss lies on ln(e + C - 1) - accuracy, within 0.12 on average over the second half of the run, which is what softmax applied
twice gives; whether the first loss is ln B of the batch size, within 0.05 of it, and 1.3 times ln C or more (a warning where no setting
gives B and the first loss is the logarithm of a usual one); whether it is B times ln C, within 0.1 of it, and less than half of it was
learned; and whether it is below 0.2 of ln C while the accuracy ends short of 0.9. Each of them fails, the first only where the accuracy
came to 0.75 and less than 0.2 of the loss' fall was brought by the last third of the run; else it warns.

## Why it matters
Such a loss falls and looks like learning. It ends high whatever the model knows, or trains on another question than the one asked.

## What to do
Give the loss function logits, over the axis of the classes, and let it average once: check with two records whose loss is known.

## When it is wrong
Dropout and augmentation that leave a model unsure: then validation loss is well below training loss, and it passes. A model whose errors
are as sure as its hits may lie on the first formula by accident at one point, not along half of a run. A first loss
far below chance is right for a model that was trained before.

## References
Cross-entropy of probabilities p taken for logits: ln sum exp(p) - p of the class. Own derivation for p of 0 and 1.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, multiple, number, percent

ON_FORMULA = Threshold(
    0.12,
    "nats",
    source="tuning half: 0.1 with softmax applied twice, closer the surer the model; sound runs lie 0.3 and more from the formula",
    half="runs that are not yet sure pass",
    double="slow sound runs of few classes come near",
)
NEAR = Threshold(
    0.05,
    "share",
    source="the first loss of small heads lies within a few percent of the logarithm",
    half="larger first weights hide it",
    double="losses that are off for other reasons are called by this name",
)
SUMMED = Threshold(
    0.1,
    "share",
    source="as for one record, added up: the first loss of small heads lies within a few percent of ln C each",
    half="sums over larger first outputs pass",
    double="first losses that are off for other reasons are called by this name one time in five",
)
TINY = Threshold(
    0.2,
    "of chance level",
    source="a mean that is divided by a batch of 5 or more once again",
    half="batches of 5 to 9 pass",
    double="means over a first epoch of quick learning fail",
)
APART = 1.3
LEARNED = 0.9
FLOOR = 0.9
HINDERED = 0.9
"""Validation loss over training loss below which training is held back by dropout or augmentation, which leave a model unsure."""
SMALLEST_SUM = 8
LEARNED_SHARE = 0.5
"""A sum that is learned all the same is a rate that fits it."""
AT_CHANCE = 0.01
STILL_FALLING = 0.2
"""Share of its fall that the last third of the run brought, from which on a loss may only be passing by the formula."""
SURE = 0.75
"""A model that is right so often is sure of itself, and its loss is far below the formula; an unsure one may pass by it on its way down."""

NEEDS = ("run.family",)
USES = (
    "accuracy.validation_last",
    "loss.doubled_softmax",
    "loss.first_to_batch",
    "loss.first_to_chance",
    "loss.last_to_chance",
    "accuracy.train_last",
    "run.pretrained",
    "run.goes_on",
    "loss.first",
    "loss.last",
    "loss.improvement",
    "run.batch_size",
    "validation.gap",
    "fit.late_progress",
)
FIGURE = "loss"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return "" if family in ("classification", "language-model") else f"the loss of {kind_of_run(family)} is no cross-entropy over classes"


def judge(measured: Measured) -> Finding:
    doubled, to_batch = measured.get("loss.doubled_softmax"), measured.get("loss.first_to_batch")
    to_chance, accuracy = measured.get("loss.first_to_chance"), measured.number("accuracy.train_last")
    hindered = (measured.number("validation.gap") or 1.0) < HINDERED
    if doubled is not None and doubled.value <= ON_FORMULA.value and doubled.text != "below" and not hindered:
        told = f"the loss lies within {number(doubled.value, 2)} of what softmax applied twice gives at this accuracy ({doubled.basis})"
        known_to_be_sure = max(accuracy or 0.0, measured.number("accuracy.validation_last") or 0.0) >= SURE
        passing_by = (measured.number("fit.late_progress") or 0.0) >= STILL_FALLING
        return Finding("fail" if known_to_be_sure and not passing_by else "warn", told, doubled.value, ON_FORMULA, ON_FORMULA.unit)
    near = to_batch is not None and abs(to_batch.value - 1) <= NEAR.value and not _at_chance(measured)
    if to_batch is not None and to_chance is not None and near and to_chance.value >= APART and not _below_floor(measured):
        told = (
            f"the first loss is within {percent(abs(to_batch.value - 1))} of {_batch_of(to_batch)} and {number(to_chance.value)} "
            "times chance level (ln C): the softmax runs over the records of a batch"
        )
        assumed = to_batch.text == "assumed"
        return Finding("warn" if assumed else "fail", told, abs(to_batch.value - 1), NEAR, NEAR.unit, to_batch.first_step)
    batch = measured.number("run.batch_size")
    apart = abs(to_chance.value / batch - 1) if to_chance is not None and batch is not None and batch >= SMALLEST_SUM else 1.0
    if to_chance is not None and apart <= SUMMED.value and (measured.number("loss.improvement") or 0.0) < LEARNED_SHARE:
        told = (
            f"the first loss is {multiple(to_chance.value)} chance level (ln C), within {percent(apart)} of the batch size, "
            "as a sum over the batch is, and it was not learned"
        )
        return Finding("fail", told, apart, SUMMED, SUMMED.unit, to_chance.first_step)
    known = measured.text("run.pretrained") == "true" or measured.text("run.goes_on") == "true"
    if to_chance is not None and to_chance.value < TINY.value and not known and accuracy is not None and accuracy < LEARNED:
        told = (
            f"the first loss is {multiple(to_chance.value)} chance level, which nothing "
            "but a loss that is divided twice gives an untrained model"
        )
        return Finding("fail", told, to_chance.value, TINY, TINY.unit, to_chance.first_step)
    if doubled is None and to_chance is None:
        return Finding("not-checked", "neither an accuracy beside the loss nor a first loss with a known number of classes was logged")
    if doubled is not None:
        told = f"the loss lies {number(doubled.value, 2)} from what softmax applied twice gives at this accuracy"
        return Finding("pass", told, doubled.value, ON_FORMULA, ON_FORMULA.unit)
    return Finding("pass", "the first loss is that of no mistake that is known here")


def _at_chance(measured: Measured) -> bool:
    """Whether the loss came to rest at ln C, where a softmax over classes rests that tells nothing; one over records has no such level."""
    level = measured.number("loss.last_to_chance")
    return level is not None and abs(level - 1) <= AT_CHANCE


def _batch_of(to_batch: Measurement) -> str:
    """The logarithm that the first loss is near to; where no setting gives the batch size, the usual one that it is near to."""
    return to_batch.basis.rpartition(" over ")[2].partition(";")[0] if to_batch.text == "assumed" else "ln(batch size)"


def _below_floor(measured: Measured) -> bool:
    """Whether the loss fell below what a softmax over the batch can reach: records of one class share theirs, so ln(B / C) is left."""
    first, last = measured.number("loss.first"), measured.number("loss.last")
    to_batch, to_chance = measured.number("loss.first_to_batch"), measured.number("loss.first_to_chance")
    if first is None or last is None or not to_batch or not to_chance:
        return False
    return last < FLOOR * first * (1 / to_batch - 1 / to_chance)


def _family(word: str = "classification") -> Measurement:
    return Measurement("run.family", float("nan"), "", "tags", text=word)


def _first(to_chance: float, to_batch: float) -> tuple[Measurement, ...]:
    return (
        Measurement("loss.first_to_chance", to_chance, "ratio", "'train/loss'", 0),
        Measurement("loss.first_to_batch", to_batch, "ratio", "first loss 3.5 over ln(32)", 0),
    )


_SUM = (
    _family(),
    Measurement("loss.first_to_chance", 33.0, "ratio", "'train/loss'", 0),
    Measurement("run.batch_size", 32.0, "", "setting"),
)
EXAMPLES = (
    Example("a sum over the batch that became NaN", _SUM, "fail"),
    Example("one that was learned", (*_SUM, Measurement("loss.improvement", 0.9, "share", "'train/loss'")), "pass"),
    Example(
        "softmax twice",
        (
            _family(),
            Measurement("loss.doubled_softmax", 0.02, "nats", "'val/loss' beside 'val/acc'"),
            Measurement("accuracy.validation_last", 0.93, "share", "'val/acc'"),
        ),
        "fail",
    ),
    Example(
        "a slow run that is not sure yet",
        (
            _family(),
            Measurement("loss.doubled_softmax", 0.08, "nats", "'val/loss' beside 'val/acc'"),
            Measurement("accuracy.validation_last", 0.64, "share", "'val/acc'"),
        ),
        "warn",
    ),
    Example("softmax over the batch", (_family(), *_first(1.95, 1.01)), "fail"),
    Example(
        "a pre-trained body whose first loss lies there by accident",
        (
            _family(),
            *_first(1.53, 1.02),
            Measurement("loss.first", 3.53, "", "'train/loss'", 0),
            Measurement("loss.last", 0.2, "", "'train/loss'", 400),
        ),
        "pass",
    ),
    Example(
        "a mean divided again",
        (_family(), *_first(0.03, 0.02), Measurement("accuracy.train_last", 0.4, "share", "'train/acc'")),
        "fail",
    ),
    Example(
        "a first loss at ln B by chance, and a last one at ln C",
        (_family(), *_first(1.63, 1.002), Measurement("loss.last_to_chance", 1.002, "ratio", "'train/loss'")),
        "pass",
    ),
    Example(
        "a slow run that passes by the formula",
        (
            _family(),
            Measurement("loss.doubled_softmax", 0.04, "nats", "'train/loss' beside 'train/acc'"),
            Measurement("accuracy.train_last", 0.76, "share", "'train/acc'"),
            Measurement("fit.late_progress", 0.25, "share", "'train/loss'"),
        ),
        "warn",
    ),
    Example("a sound run", (_family(), Measurement("loss.doubled_softmax", 1.2, "nats", "'val/loss' beside 'val/acc'")), "pass"),
    Example("a first loss at chance", (_family(), *_first(1.02, 0.66)), "pass"),
    Example("a regression", (_family("regression"), *_first(1.02, 0.66)), "not-applicable"),
    Example("nothing to compare", (_family(),), "not-checked"),
)
