"""Updates that the optimizer skipped

## What it looks for
Steps of the run that the optimizer did not count, where more of them are missing with every checkpoint and not in the fixed ratio of
gradient accumulation. It warns above a share of 0.05, and fails above 0.3.

## Why it matters
A gradient scaler, or a guard against NaN, skips the update of a step whose gradients are not finite. The loss is computed and logged as
ever; the weights do not move.

## What to do
Find the layer or the records whose gradients are not finite: print the names of parameters with such gradients at a skipped step. Use
bfloat16, keep that layer in float32, or lower the learning rate.

## When it is wrong
An accumulation that changes on the way, or several optimizers that take turns, count fewer steps too. About ten skips are normal while a
gradient scaler finds its scale.

## References
torch.amp.GradScaler skips optimizer.step() where gradients are infinite or NaN. DeepSpeed and apex do the same, and print a line.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

SOME = Threshold(
    0.05,
    "share",
    source="own: torch's scaler tries a larger scale every 2000 updates, so that a sound one skips far fewer",
    half="harmless skips of float16 training are warned",
    double="a tenth of the run may be lost unseen",
)
MANY = Threshold(
    0.3,
    "share",
    source="own: a scaler that skips one step in three is in a place of overflow, and halves its scale faster than it can grow",
    half="a bad stretch of records fails",
    double="runs that lost half of their updates only warn",
)

NEEDS = ("optimizer.step_lag",)
USES = ("optimizer.scaler_skips",)
FIGURE = "loss"


def judge(measured: Measured) -> Finding:
    lag, scaler = measured["optimizer.step_lag"], measured.get("optimizer.scaler_skips")
    if lag.text == "one checkpoint":
        return Finding(
            "not-checked", f"{percent(lag.value)} of the steps are not counted, but one checkpoint cannot tell skips from accumulation"
        )
    if lag.text != "growing":
        return Finding("pass", "no step goes missing between checkpoints", 0.0, SOME, lag.unit)
    told = f", at least {scaler.value:.0f} of them skipped by the gradient scaler" if scaler is not None and scaler.value > 0 else ""
    seen = f"{percent(lag.value)} of the steps made no update, more with every checkpoint{told} ({lag.basis})"
    if lag.value > MANY.value:
        return Finding("fail", seen, lag.value, MANY, lag.unit, lag.first_step)
    if lag.value > SOME.value:
        return Finding("warn", seen, lag.value, SOME, lag.unit, lag.first_step)
    if lag.value <= SOME.value:
        return Finding("pass", seen, lag.value, SOME, lag.unit)
    return Finding("not-checked", "the share of skipped updates is not a number")


def _lag(value: float, kind: str) -> Measurement:
    return Measurement("optimizer.step_lag", value, "share", "360 of 400 steps are not in the optimizer's counter", None, {}, kind)


EXAMPLES = (
    Example("nine of ten updates skipped", (_lag(0.9, "growing"),), "fail"),
    Example(
        "one in ten, by the scaler",
        (_lag(0.1, "growing"), Measurement("optimizer.scaler_skips", 38, "updates", "scale from 65536 on", 400)),
        "warn",
    ),
    Example("the first steps of a scaler", (_lag(0.02, "growing"),), "pass"),
    Example("resumed without its state", (_lag(0.4, "restart"),), "pass"),
    Example("a healthy run", (_lag(0.0, "none"),), "pass"),
    Example("one checkpoint far behind", (_lag(0.4, "one checkpoint"),), "not-checked"),
    Example("an optimizer that counts no steps", (), "not-checked"),
)
