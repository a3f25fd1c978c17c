"""Second moments that remember an explosion

## What it looks for
Adam's first moment over the root of its second, which is 0.18 where gradients are noise of one size. Far below, gradients were
once far larger than they are now. It alarms below 0.01, where they were some 20 times larger, while more than 0.3 of the loss is
still there: a model that has learned has small gradients, one that has not has none of its own to shrink.

## Why it matters
Adam divides each update by that root, which forgets in a thousand steps: after one burst all of them are too small by as much.

## What to do
Clip the gradient norm, look at the batches before the burst, or lower beta2 so that it is forgotten sooner.

## When it is wrong
Losses that end far above zero by nature (languages, noisy labels) shrink their gradients little, and stay above the line. After a
rate that was too high gradients vanish too; updates that are too large for the weights tell it.

## References
Molybog et al. 2023 (arXiv 2304.09871). Own derivation: noise has sqrt((1 - beta1) / (1 + beta1)) sqrt(2 / pi) = 0.183 at beta1 0.9.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number, percent

FORGOTTEN = Threshold(
    0.01,
    "ratio",
    source="18 times below noise; healthy runs whose loss is still there end at 0.05 to 0.25",
    half="bursts of forty times and more only",
    double="runs that are nearly done fail",
)
STILL_THERE = 0.7
"""A run that lost more than this share of its loss may well have small gradients."""

NEEDS = ("gradients.snr", "loss.improvement")
USES = ("run.family",)
CHECKLIST = ("plot-gradients",)
DOUBTS_ITEMS = ("plot-gradients",)


def applies(measured: Measured) -> str:
    return "losses of adversarial and reinforcement runs need not fall" if measured.text("run.family") in ("rl", "gan") else ""


def judge(measured: Measured) -> Finding:
    found, fall = measured["gradients.snr"], measured["loss.improvement"]
    left = max(0.0, 1 - fall.value)
    seen = (
        f"Adam's mean gradient is {number(found.value, 2)} of its root mean square "
        f"(pure noise gives 0.18), with {percent(left)} of the loss left"
    )
    if found.value < FORGOTTEN.value and fall.value < STILL_THERE:
        where = tuple(sorted(found.items, key=lambda name: found.items[name]))[:5]
        told = f"{seen}: below {number(FORGOTTEN.value)} gradients must once have been far larger"
        return Finding("fail", told, found.value, FORGOTTEN, found.unit, found.first_step, where)
    if found.value >= FORGOTTEN.value or fall.value >= STILL_THERE:
        return Finding("pass", seen, found.value, FORGOTTEN, found.unit)
    return Finding("not-checked", "the ratio of the moments is not a number")


def _given(ratio: float, fall: float) -> tuple[Measurement, ...]:
    return (
        Measurement("gradients.snr", ratio, "ratio", "|m| / sqrt(v) at step 400", 400, {"fc1.weight": ratio}),
        Measurement("loss.improvement", fall, "share", "'train/loss'"),
    )


EXAMPLES = (
    Example("gradients 3,000 times the usual now and then", _given(0.001, 0.3), "fail"),
    Example("a run that converged", _given(0.002, 0.99), "pass"),
    Example("noise", _given(0.12, 0.3), "pass"),
    Example("no optimizer state", _given(0.12, 0.3)[1:], "not-checked"),
)
