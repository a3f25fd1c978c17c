"""Loss that swings instead of settling

## What it looks for
The deviation of the run's second half about its own trend, in units of the progress made. It alarms where the swings exceed the
progress (1.0), measure at least a quarter of the loss's level, and the level stands above 1.5 times chance. It warns where they
exceed the progress and the level stands above its start, or neighbouring points swing together, as the noise of batches does
not.

## Why it matters
Steps that are too long throw the weights from one wall of the valley to the other. The mean of the loss hides it.

## What to do
Divide the learning rate by ten, or raise the batch size.

## When it is wrong
Batches of one to eight records make a noisy loss without any fault: such noise is independent from point to point and does not
lift the level, and then this passes. Data in a fixed order swings with the period of an epoch.

## References
CS231n, neural-networks-3: a learning rate that is too high. Cohen et al. 2021, gradient descent at the edge of stability (arXiv
2103.00065).
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, multiple, number

WIDE = Threshold(
    1.0,
    "of its progress",
    source="swings as large as all that was learned; drawn healthy curves with batches of 4 stay below 0.4",
    half="noisy small-batch runs come near it",
    double="runs at twice the highest stable rate pass",
)
ABOVE_CHANCE = Threshold(
    1.5,
    "of chance level",
    source="a model that guesses stays at 1; only weights that are thrown about lift the mean above",
    half="every run that has not learned fails",
    double="only diverged runs fail",
)

NEEDS = ("loss.oscillation", "loss.first")
USES = ("run.family", "loss.chance")
CHECKLIST = ("learning-rate",)
DOUBTS_ITEMS = ("learning-rate",)
FIGURE = "loss"

LEAST_OF_LEVEL = 0.25
"""Deviation over the level below which swings are called noise."""
NOISES = 4.0
"""Standard errors by which the correlation of neighbours must differ from none."""
LEAST_LAG1 = 0.2


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return f"the loss of {kind_of_run(family)} swings while the run goes well" if family in ("rl", "gan") else ""


def judge(measured: Measured) -> Finding:
    swings = measured["loss.oscillation"]
    deviation, level = swings.items["deviation"], swings.items["level"]
    lag1, lag1_noise = swings.items["lag1"], swings.items["lag1_noise"]
    seen = f"in its second half the loss swings by {multiple(swings.value)} its progress ({number(deviation)} about {number(level)})"
    if swings.value < WIDE.value or deviation < LEAST_OF_LEVEL * abs(level):
        return Finding("pass", seen, swings.value, WIDE, WIDE.unit)
    chance, first = measured.number("loss.chance"), measured["loss.first"].value
    start = chance if chance is not None else first
    if chance is not None and level > ABOVE_CHANCE.value * chance:
        text = f"{seen}, and stands at {multiple(level / chance)} chance level"
        return Finding("fail", text, level / chance, ABOVE_CHANCE, ABOVE_CHANCE.unit, swings.first_step)
    together = abs(lag1) > max(LEAST_LAG1, NOISES * lag1_noise)
    if together or (start > 0 and level > ABOVE_CHANCE.value * start):
        how = f"neighbouring points are correlated by {number(lag1, 2)}" if together else f"the level is above its start of {number(start)}"
        return Finding("warn", f"{seen}, and {how}", swings.value, WIDE, WIDE.unit, swings.first_step)
    return Finding("pass", f"{seen}, as independent from point to point as the noise of small batches", swings.value, WIDE, WIDE.unit)


def _given(ratio: float, deviation: float, level: float, lag1: float = 0.0, chance: float | None = 2.3026) -> tuple[Measurement, ...]:
    items = {"deviation": deviation, "level": level, "lag1": lag1, "lag1_noise": 0.06}
    given = (
        Measurement("loss.oscillation", ratio, "ratio", "second half of 'train/loss'", 300, items),
        Measurement("loss.first", 2.4, "loss", "'train/loss'", 0),
    )
    return given if chance is None else (*given, Measurement("loss.chance", chance, "nats", "ln(10)"))


EXAMPLES = (
    Example("thrown about at three times chance", _given(4.0, 3.0, 7.0), "fail"),
    Example("swings that hang together", _given(1.5, 0.8, 2.0, lag1=0.6), "warn"),
    Example("batches of four", _given(0.3, 0.5, 0.5), "pass"),
    Example("one record a batch, little to learn", _given(3.0, 1.0, 1.0, lag1=0.02, chance=None), "pass"),
    Example("five points", (), "not-checked"),
)
