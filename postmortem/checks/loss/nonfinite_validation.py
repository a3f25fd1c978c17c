"""Validation loss that is NaN or infinite

## What it looks for
Evaluations whose loss is no finite number after one that was, while the training loss stays finite. Fails where that is 0.25 of the
evaluations or more, or the last three of five or more; a few are a warning.

## Why it matters
What training minimizes is finite, and what it makes of records that it does not see is not: the mean over validation cannot be trusted,
and a checkpoint that is chosen by it is chosen by chance. Usual reasons are records that break the loss, half precision in evaluation
only, and running statistics that left their range.

## What to do
Evaluate the last checkpoint record by record in float32, and look at the first that is not finite.

## When it is wrong
Some trainers write NaN where they did not evaluate: before the first finite evaluation none is counted, nor any between finite ones that
stand at one distance from each other.

## References
Micikevicius et al. 2018 (arXiv 1710.03740): float16 ends at 65504.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted, percent

MANY = Threshold(
    0.25,
    "share",
    source="the project's own choice: a fault that comes back, not one record",
    half="one evaluation in eight fails a run",
    double="every second evaluation may be lost",
)
LAST = 3
FEWEST = 5

NEEDS = ("validation.nonfinite", "loss.nonfinite")
FIGURE = "loss"


def judge(measured: Measured) -> Finding:
    bad, training = measured["validation.nonfinite"], measured["loss.nonfinite"]
    evaluations = bad.items["evaluations"]
    share = bad.value / evaluations if evaluations else 0.0
    if bad.value == 0:
        return Finding("pass", "every evaluation's loss is finite", share, MANY, MANY.unit)
    told = f"{bad.value:.0f} of {counted(evaluations, 'evaluation')} ({percent(share)})"
    seen = f"{told} gave NaN or infinity, the first at step {bad.first_step}"
    if training.value > 0:
        return Finding("not-applicable", f"{seen}, and so did training")
    lasting = evaluations >= FEWEST and bad.items["last"] >= LAST
    return Finding("fail" if share >= MANY.value or lasting else "warn", seen, share, MANY, MANY.unit, bad.first_step)


def _given(bad: float, evaluations: float = 30.0, last: float = 0.0, training: float = 0.0) -> tuple[Measurement, ...]:
    items = {"evaluations": evaluations, "last": last}
    return (
        Measurement("validation.nonfinite", bad, "evaluations", "30 evaluations of 'val/loss'", 300 if bad else None, items),
        Measurement("loss.nonfinite", training, "points", "600 points of 1 training-loss tag"),
    )


EXAMPLES = (
    Example("two of three evaluations", _given(20.0, last=2.0), "fail"),
    Example("the last four", _given(4.0, last=4.0), "fail"),
    Example("one record that breaks the loss", _given(1.0), "warn"),
    Example("all finite", _given(0.0), "pass"),
    Example("training is NaN too", _given(20.0, last=5.0, training=40.0), "not-applicable"),
    Example("no validation", (), "not-checked"),
)
