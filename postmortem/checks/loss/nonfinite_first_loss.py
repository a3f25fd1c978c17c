"""Loss that was not finite at the very first step

## What it looks for
The number of finite points before the first NaN or infinite loss, and the step of that point. It fails where there is none before and the
point is of step 0 or 1. Where the first point was logged later, steps went by unseen, and nothing is said.

## Why it matters
No update can have done it: the first forward pass gave it, by its weights, its inputs, its targets or its formula. The learning rate and
clipping are out of the question.

## What to do
Evaluate one batch before training, and print the smallest and largest input, target, and output of each layer.

## When it is wrong
Loggers that write NaN for a loss that they do not have yet; the points that follow are finite then.

## References
Karpathy, A Recipe for Training Neural Networks (verify the loss at initialization).
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted, percent

FIRST = Threshold(
    1.0,
    "step",
    source="the loss of a step is of the weights before its update: those of step 0, or of step 1 where steps count from 1",
    half="trainers that count from 1 are not looked at",
    double="one update may have gone by",
)

NEEDS = ("loss.finite_before", "loss.nonfinite_tail")
CHECKLIST = ("initial-cross-entropy",)
DOUBTS_ITEMS = ("initial-cross-entropy",)
FIGURE = "loss"
DECISIVE = True
LASTS = 0.5
"""Share of the end that is not finite, below which the first point is a gap of the log."""


def judge(measured: Measured) -> Finding:
    before, tail = measured["loss.finite_before"], measured["loss.nonfinite_tail"]
    step = before.first_step
    if before.value > 0:
        finite = counted(before.value, "point of the loss was", "points of the loss were")
        seen = (
            "the loss is finite from its first point to its last" if step is None else f"{finite} finite before the first NaN or infinity"
        )
        return Finding("pass", seen)
    if step is None or step > FIRST.value:
        return Finding("not-checked", f"the first point of the loss, of step {step}, is not finite, and what went before was not logged")
    if tail.value <= LASTS:
        return Finding(
            "pass",
            f"the loss of step {step} is NaN or infinite, but {percent(1 - tail.value)} of its last part is finite",
            float(step),
            FIRST,
            FIRST.unit,
        )
    return Finding("fail", f"the loss is NaN or infinite from step {step} on, before any update", float(step), FIRST, FIRST.unit, step)


def _given(before: float, step: int | None, tail: float) -> tuple[Measurement, ...]:
    return (
        Measurement("loss.finite_before", before, "points", "60 points of 1 training-loss tag", step, {"train/loss": before}),
        Measurement("loss.nonfinite_tail", tail, "share", "last 6 points of 'train/loss'"),
    )


EXAMPLES = (
    Example("inputs that overflow", _given(0, 0, 1.0), "fail"),
    Example("steps that count from 1", _given(0, 1, 1.0), "fail"),
    Example("the first logged point, of step 50", _given(0, 50, 1.0), "not-checked"),
    Example("a NaN where nothing was there to log", _given(0, 0, 0.0), "pass"),
    Example("a run that broke later", _given(40, 400, 1.0), "pass"),
    Example("a finite loss", _given(60, None, 0.0), "pass"),
    Example("no loss was logged", (), "not-checked"),
)
