"""Loss that is high at the end

## What it looks for
The level of the training loss at the end of the run: 0.7 of chance and more (of the first loss, where chance is not known). It only
warns: what it stands for is told by what else is seen.

## Why it matters
It is what every other symptom is weighed with: weights that hardly moved, or parts that stand still, are no trouble where the loss is
low.

## What to do
Look at the likely causes beside it.

## When it is wrong
Noisy labels, and tasks that are hard, have a high floor. Losses with a large constant part stand high beside their first value.

## References
Karpathy, A Recipe for Training Neural Networks: overfit first.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, loss_end, percent

HIGH = Threshold(
    0.7,
    "of what a guess costs",
    source="the line of plateaued-loss: less than a third of chance was learned away",
    half="well trained models of hard tasks are told",
    double="nothing is told",
)

NEEDS = ("loss.last", "loss.first")
USES = ("loss.last_to_chance", "run.family", "run.goes_on")
FIGURE = "loss"
VITAL = True


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    if family in ("rl", "gan", "contrastive"):
        return f"the level of the loss of {kind_of_run(family)} says nothing"
    if measured.text("run.goes_on") == "true":
        return "the model goes on with what it was trained for before, and may have little left to learn"
    first = measured.number("loss.first")
    if measured.get("loss.last_to_chance") is None and first is not None and first <= 0:
        return "a loss that begins at or below 0 has no level to compare with"
    return ""


def judge(measured: Measured) -> Finding:
    last, end = measured["loss.last"], loss_end(measured)
    level, seen = end.share, end.said
    if level >= HIGH.value:
        return Finding("warn", f"{seen}, above {percent(HIGH.value)}", level, HIGH, HIGH.unit, last.first_step)
    if level < HIGH.value:
        return Finding("pass", seen, level, HIGH, HIGH.unit)
    return Finding("not-checked", "the last level is not a number")


def _given(last: float, to_chance: float | None = None, family: str = "classification") -> tuple[Measurement, ...]:
    given = (
        Measurement("loss.last", last, "loss", "'train/loss'", 600),
        Measurement("loss.first", 2.4, "loss", "'train/loss'", 0),
        Measurement("run.family", float("nan"), "", "tags", text=family),
    )
    return given if to_chance is None else (*given, Measurement("loss.last_to_chance", to_chance, "ratio", "ln 10"))


EXAMPLES = (
    Example("four fifths of chance", _given(1.9, 0.82), "warn"),
    Example("four fifths of the first loss", _given(1.9), "warn"),
    Example("learned", _given(0.2, 0.09), "pass"),
    Example("an adversarial pair", _given(2.0, family="gan"), "not-applicable"),
    Example("five points", (), "not-checked"),
)
