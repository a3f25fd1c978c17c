"""Loss that has settled high on both splits

## What it looks for
A classification or language model whose training loss ends at 0.45 of ignorance or more, whose validation loss agrees with it (0.75 to
1.5 times), and whose last third of the steps brought less than 0.2 of its fall. It only warns, since a hard task looks
the same, but fails where training stands at 0.75 or more and validation from 0.5 to 0.95 of it: then training is made harder than
validation.

## Why it matters
Where both splits stay high together and more steps bring little, the model cannot hold more of the task, or is kept from it.

## What to do
Try to learn 100 records by heart. If that fails: more units, more layers, less dropout and augmentation, weaker regularization.

## When it is wrong
Labels that are uncertain put a floor under every model. A rate that was decayed to nothing settles the loss wherever it is.

## References
Karpathy, A Recipe for Training Neural Networks: overfit one batch first. Goodfellow, Bengio, Courville, Deep Learning, 5.2.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, bare, end_of, kind_of_run, multiple, percent

HIGH = Threshold(
    0.45,
    "share",
    source="nearly half of what ignorance costs is left",
    half="sound models of hard tasks are warned",
    double="nothing is above it",
)
SLOW = Threshold(
    0.2,
    "share",
    source="a fall at an even pace brings a third in the last third of the steps",
    half="models of one unit that still creep are missed",
    double="runs that were only too short are warned",
)
HELD_BACK = Threshold(
    0.75,
    "share",
    source="tuning half: 0.94 with nine of ten units dropped, 0.61 under label smoothing that was learned: half way between",
    half="sound runs with augmentation fail",
    double="nothing is above it",
)
EASIER = 0.95
LOWEST, HIGHEST = 0.75, 1.5
"""Validation over training loss within which both agree."""
LOWEST_HELD_BACK = 0.5
"""The same where training stands at HELD_BACK or more: of nine units in ten that are dropped in training validation has all."""
NEEDS = ("fit.train_share", "fit.validation_best", "fit.late_progress", "loss.chance")
USES = ("run.family",)
CHECKLIST = ("overfit-small-set",)
DOUBTS_ITEMS = ("overfit-small-set",)
FIGURE = "loss"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return "" if family in ("", "classification", "language-model") else f"{kind_of_run(family)} has no usual level of its loss"


def judge(measured: Measured) -> Finding:
    train, best, going = measured["fit.train_share"], measured["fit.validation_best"], measured["fit.late_progress"]
    ends = end_of(train, multiple)
    seen = f"the training loss {ends} an untrained model's, the validation loss at best at {bare(best.value)}"
    seen += f", and {_brought(going.value)}"
    if train.value < HIGH.value:
        return Finding("pass", seen, train.value, HIGH, train.unit)
    lowest = LOWEST_HELD_BACK if train.value >= HELD_BACK.value else LOWEST
    if going.value >= SLOW.value or not lowest <= best.value / train.value <= HIGHEST:
        return Finding("pass", seen, going.value, SLOW, going.unit)
    if train.value >= HELD_BACK.value and best.value < EASIER * train.value:
        told = f"{seen}: validation is the easier of both, as where dropout or augmentation hold training back"
        return Finding("fail", told, train.value, HELD_BACK, train.unit)
    return Finding("warn", seen, train.value, HIGH, train.unit)


def _brought(share: float) -> str:
    """What the last third brought of the fall; before it the loss may have been higher than at its start."""
    if share > 1:
        return "only the last third of the run brought a fall"
    return f"the last third of the run brought {percent(share) if share > 0 else 'nothing'} of the fall"


def _given(train: float, best: float, going: float) -> tuple[Measurement, ...]:
    return (
        Measurement("fit.train_share", train, "share", "'train/loss' over ln C"),
        Measurement("fit.validation_best", best, "share", "'val/loss' over ln C", 80),
        Measurement("fit.late_progress", going, "share", "'train/loss'"),
        Measurement("loss.chance", 2.302585, "nats", "ln(10)"),
    )


EXAMPLES = (
    Example("two units a layer", _given(0.55, 0.58, 0.03), "warn"),
    Example("nine of ten units dropped", _given(0.94, 0.84, 0.005), "fail"),
    Example("nine of ten units dropped, which validation hardly misses", _given(0.92, 0.66, 0.004), "fail"),
    Example("still falling", _given(0.54, 0.46, 0.29), "pass"),
    Example("labels that are shuffled", _given(0.46, 1.01, 0.1), "pass"),
    Example("learned", _given(0.03, 0.1, 0.02), "pass"),
    Example("no validation loss", (), "not-checked"),
)
