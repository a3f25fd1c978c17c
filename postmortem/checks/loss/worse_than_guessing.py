"""Training loss above that of a guess

## What it looks for
A cross-entropy that stands, at the end of the run, at 1.1 times chance or more. Warns at 1.1, fails at 1.5.

## Why it matters
Whoever knows nothing and says so pays ln C. A higher loss is confident and wrong: weights that are thrown about by too large steps,
by a bad batch, or that started far too large. Vanished gradients, dead units or a low learning rate leave a loss at chance, not above.

## What to do
Lower the learning rate, look for the step at which the loss rose, and look at the scale of the first weights.

## When it is wrong
A chance level that is not the loss's own: sums instead of means, weights of classes, added penalties.

## References
CS231n, neural-networks-3: sanity checks of the loss.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, loss_share_end, number, percent

ABOVE = Threshold(
    1.1,
    "of chance level",
    source="a guess pays 1; a tenth for noise, label smoothing and class weights",
    half="every run that has not learned is warned",
    double="only runs that are thrown far off are told",
)
FAR_ABOVE = Threshold(
    1.5,
    "of chance level",
    source="half more than a guess pays",
    half="every run that learned little fails",
    double="runs at twice the highest stable rate are warned only",
)

NEEDS = ("loss.last_to_chance",)
USES = ("run.family",)
FIGURE = "loss"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return f"the loss of {kind_of_run(family)} is no cross-entropy of guesses" if family in ("rl", "gan", "contrastive") else ""


def judge(measured: Measured) -> Finding:
    level = measured["loss.last_to_chance"]
    seen = loss_share_end(measured)
    if level.value >= FAR_ABOVE.value:
        return Finding("fail", f"{seen}, above {number(FAR_ABOVE.value)} times", level.value, FAR_ABOVE, FAR_ABOVE.unit, level.first_step)
    if level.value >= ABOVE.value:
        return Finding("warn", f"{seen}, above {percent(ABOVE.value)}", level.value, ABOVE, ABOVE.unit, level.first_step)
    if level.value < ABOVE.value:
        return Finding("pass", seen, level.value, ABOVE, ABOVE.unit)
    return Finding("not-checked", "the last level is not a number")


def _at(level: float, family: str = "classification") -> tuple[Measurement, ...]:
    return (
        Measurement("loss.last_to_chance", level, "ratio", "ln 10"),
        Measurement("run.family", float("nan"), "", "tags", text=family),
    )


EXAMPLES = (
    Example("thrown far off", _at(3.0), "fail"),
    Example("Adam at 0.1", _at(1.25), "warn"),
    Example("flat at chance", _at(1.0), "pass"),
    Example("learned", _at(0.05), "pass"),
    Example("an adversarial pair", _at(3.0, "gan"), "not-applicable"),
    Example("a regression", (), "not-checked"),
)
