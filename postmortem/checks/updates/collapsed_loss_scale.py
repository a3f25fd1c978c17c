"""Gradient scaler that shrank to nothing

## What it looks for
The scale that the float16 gradient scaler had reached in the last checkpoint, or where none holds it at the end of the log. Fails below
1, warns below 16; where the log shows it to grow again in its second half, it only warns below 1.

## Why it matters
The scaler halves its scale whenever a gradient is not finite, and skips that update. A scale below 1 means that it has done so
nearly every step: most updates never happened.

## What to do
Find the layer whose gradients overflow (print them unscaled once), use bfloat16, or lower the learning rate.

## When it is wrong
A fixed scale of exactly 1 is no scaler at work. Where the loss is a sum over many tokens, sound scales lie below 1. The first ten
skips, while the scale falls from 65536, are normal.

## References
OPT's logbook, 27 percent update: "loss hitting the minimum loss scale". torch.amp.GradScaler: start 65536, halves on overflow.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Status, Threshold, number, percent

COLLAPSED = Threshold(
    1,
    "",
    source="own: sixteen halvings below the start of 65536",
    half="runs on the brink pass with a warning",
    double="scalers that settled low but work fail",
)
LOW = Threshold(
    16,
    "",
    source="own: twelve halvings below the start of 65536",
    half="a scale that has been halved twelve times passes unseen",
    double="models with large but finite gradients are warned",
)
NO_SCALING = 1.0

NEEDS = ("precision.scale",)
USES = ("precision.scale_first", "precision.scale_grown", "optimizer.step_lag")


def judge(measured: Measured) -> Finding:
    scale, first = measured["precision.scale"], measured.number("precision.scale_first")
    lag = measured.number("optimizer.step_lag")
    since = f" (it began at {number(first, 5)})" if first is not None else ""
    skipped = f", and {percent(lag)} of the updates were skipped" if lag else ""
    seen = f"the gradient scale ends at {number(scale.value)}"
    if scale.value < LOW.value and measured.number("precision.scale_grown"):
        status: Status = "warn" if scale.value < COLLAPSED.value else "pass"
        return Finding(status, f"{seen}{since}, but grew again on the way{skipped}", scale.value, COLLAPSED, scale.unit, scale.first_step)
    if scale.value < COLLAPSED.value:
        return Finding(
            "fail", f"{seen}, below {number(COLLAPSED.value)}{since}{skipped}", scale.value, COLLAPSED, scale.unit, scale.first_step
        )
    if scale.value < LOW.value and scale.value != NO_SCALING:
        return Finding("warn", f"{seen}, below {number(LOW.value)}{since}{skipped}", scale.value, LOW, scale.unit, scale.first_step)
    if scale.value >= NO_SCALING:
        return Finding("pass", f"{seen}{since}{skipped}", scale.value, LOW, scale.unit)
    return Finding("not-checked", "the scale is not a number")


def _scale(value: float) -> Measurement:
    return Measurement("precision.scale", value, "", "gradient scaler in last.pt", 600)


EXAMPLES = (
    Example(
        "a scale of 2 to the power of -44", (_scale(5.7e-14), Measurement("precision.scale_first", 65536, "", "first.pt", 100)), "fail"
    ),
    Example("a scale of 4", (_scale(4.0),), "warn"),
    Example("a scale of a quarter that grows again", (_scale(0.25), Measurement("precision.scale_grown", 9, "times", "log", 900)), "warn"),
    Example("a scale of 4 that grows again", (_scale(4.0), Measurement("precision.scale_grown", 9, "times", "log", 900)), "pass"),
    Example("a fixed scale of 1", (_scale(1.0),), "pass"),
    Example("the usual scale", (_scale(65536.0),), "pass"),
    Example("no scaler state", (), "not-checked"),
)
