"""Gradients that agree while nothing is learned

## What it looks for
The mean of |m| / sqrt(v) over Adam's bias-corrected moments, at the checkpoint with the highest learning rate. Pure noise gives
sqrt((1 - beta1) / (1 + beta1)) x sqrt(2 / pi), which is 0.18 for beta1 = 0.9; gradients that always agree give 1. Warns above
0.35 where the loss is known not to have fallen by half.

## Why it matters
Gradients that point the same way batch after batch say where to go. If the loss stays where it is, the steps are too short.

## What to do
Raise the learning rate tenfold and look again.

## When it is wrong
Training on all data at once, or on a small set, has no noise and a ratio near 1. Gradients that grow lift it above 1, which does not
count. Early in a run gradients agree as well. Tiny batches lower the ratio, so a low one does not clear the learning rate.

## References
Own runs: 0.53 to 0.59 with a learning rate of 1e-6, 0.07 to 0.11 at the end of healthy runs, 0.23 with shuffled
labels.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number

COHERENT = Threshold(
    0.35,
    "ratio",
    source="twice the 0.18 of pure noise; own runs: 0.48 to 0.59 with rates far too low, at most 0.28 in 14 healthy ones",
    half="pure noise is warned",
    double="learning rates a thousand times too low pass unseen",
)
LEARNED = 0.5
GROWING = 1.1

NEEDS = ("gradients.snr",)
USES = ("loss.improvement",)
CHECKLIST = ("learning-rate",)


def judge(measured: Measured) -> Finding:
    snr = measured["gradients.snr"]
    fell = measured.number("loss.improvement")
    if snr.value > GROWING:
        return Finding(
            "pass",
            f"gradients are growing ({number(snr.value)} times their running size), which is not agreement",
            snr.value,
            COHERENT,
            snr.unit,
        )
    seen, scale = f"agreement of successive gradients is {number(snr.value, 2)}", "(pure noise gives 0.18, a constant gradient 1)"
    if snr.value > COHERENT.value and fell is not None and fell < LEARNED:
        where = tuple(sorted(snr.items, key=lambda name: -snr.items[name]))
        return Finding("warn", f"{seen}, above {number(COHERENT.value)} {scale}", snr.value, COHERENT, snr.unit, snr.first_step, where)
    if snr.value > COHERENT.value and fell is None:
        return Finding("not-checked", f"{seen} {scale}, which means something only beside a loss that did not fall")
    if snr.value >= 0:
        return Finding("pass", f"{seen} {scale}", snr.value, COHERENT, snr.unit)
    return Finding("not-checked", "the agreement of the gradients is not a number")


def _snr(value: float) -> Measurement:
    return Measurement("gradients.snr", value, "ratio", "2 matrices at step 100", 100, {"fc1.weight": value})


EXAMPLES = (
    Example("a learning rate of 1e-6", (_snr(0.55), Measurement("loss.improvement", 0.01, "share", "60 points")), "warn"),
    Example("nobody knows whether the loss fell", (_snr(0.55),), "not-checked"),
    Example("full-batch training that learns", (_snr(0.9), Measurement("loss.improvement", 0.9, "share", "60 points")), "pass"),
    Example("gradients that grow", (_snr(1.67),), "pass"),
    Example("a healthy run", (_snr(0.1),), "pass"),
    Example("no optimizer state", (), "not-checked"),
)
