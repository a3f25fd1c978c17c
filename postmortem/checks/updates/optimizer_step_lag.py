"""Optimizer that counts fewer steps than the run

## What it looks for
Steps of the checkpoint that are missing from the optimizer's own counter, as a share of the checkpoint's step. Above 0.01 it
fails where the gap appeared at once and stayed (the optimizer was started anew), and warns above 0.05 where it keeps growing
(updates are skipped).

## Why it matters
An optimizer that starts anew in the middle of a run has lost its moments: Adam's first steps are then as large as the learning
rate allows, and the loss jumps. Skipped updates are steps in which nothing was learned.

## What to do
Save and load the optimizer's, scheduler's and scaler's state together with the weights.

## When it is wrong
With gradient accumulation the optimizer counts one update for several steps; the gap is then a fixed part of the step in all
checkpoints and passes. An optimizer that lists other parameters than the one before is a new one by plan, and passes too; one of
the same parameters counts as that where its base rate (`initial_lr`) is another and no log shows that the job was started
again. One checkpoint alone cannot tell a restart from accumulation. About ten skipped updates are normal while a gradient
scaler finds its scale.

## References
Own run: 400 counted at step 700 of a run that was resumed at step 300. distiller issue 145, the_well issue 77.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

RESTARTED = Threshold(
    0.01,
    "share",
    source="own: ten skips of a gradient scaler are 1 % of a thousand steps",
    half="a gradient scaler's first skips count in short runs",
    double="a restart in the first 2 % of a run passes unseen, and does little harm",
)
SKIPPED = Threshold(
    0.05,
    "share",
    source="own: torch's scaler tries a larger scale every 2000 updates, so a sound one skips far fewer",
    half="harmless skips of float16 training are warned",
    double="a tenth of the run may be lost unseen",
)

NEEDS = ("optimizer.step_lag",)
USES = ("optimizer.settings_changed", "resume.count")
FIGURE = "loss"


def judge(measured: Measured) -> Finding:
    lag = measured["optimizer.step_lag"]
    seen = f"the optimizer's counter lacks {percent(lag.value)} of the steps" if lag.value > 0 else "the optimizer has counted every step"
    if lag.text in {"restart", "constant"} and lag.value > RESTARTED.value and _is_stage(measured):
        return Finding(
            "pass", f"{seen}: one with another base rate has counted since, as in a second stage", lag.value, RESTARTED, RESTARTED.unit
        )
    if lag.text in {"restart", "constant"} and lag.value > RESTARTED.value:
        since = f", as if started anew at step {lag.first_step}" if lag.first_step is not None else ""
        return Finding("fail", f"{seen}{since}", lag.value, RESTARTED, RESTARTED.unit, lag.first_step)
    if lag.text == "growing" and lag.value > SKIPPED.value:
        return Finding("warn", f"{seen}, and more with every checkpoint", lag.value, SKIPPED, SKIPPED.unit, lag.first_step)
    if lag.text == "one checkpoint" and lag.value > RESTARTED.value:
        return Finding("not-checked", f"{seen}, but one checkpoint cannot tell a restart from gradient accumulation")
    if lag.text == "replaced":
        return Finding("pass", f"{seen}: another optimizer, of other parameters, has counted since", lag.value, RESTARTED, RESTARTED.unit)
    accumulated = ", a fixed part, as gradient accumulation makes it" if lag.text == "proportional" else ""
    if lag.text in {"proportional", "none"} or lag.value <= SKIPPED.value:
        return Finding("pass", f"{seen}{accumulated}", lag.value, RESTARTED, RESTARTED.unit)
    return Finding("not-checked", "the optimizer's lag is not a number")


def _is_stage(measured: Measured) -> bool:
    """Whether the script itself began anew: a job that is started again has the settings it had, and its logs overlap."""
    changed = measured.get("optimizer.settings_changed")
    other_rate = changed is not None and any(key.startswith("initial_lr") for key in changed.items)
    return other_rate and not measured.number("resume.count")


def _lag(value: float, kind: str, since: int | None = None) -> Measurement:
    return Measurement("optimizer.step_lag", value, "share", "7 checkpoints", since, {}, kind)


EXAMPLES = (
    Example("resumed at step 300 without the optimizer", (_lag(0.43, "restart", 300),), "fail"),
    Example("the same gap in all checkpoints that were kept", (_lag(0.43, "constant", 300),), "fail"),
    Example("a scaler that skips every third update", (_lag(0.33, "growing"),), "warn"),
    Example("a backbone that was unfrozen with a new optimizer", (_lag(0.5, "replaced"),), "pass"),
    Example(
        "a second stage at a fifth of the rate",
        (
            _lag(0.5, "restart", 250),
            Measurement("optimizer.settings_changed", 1, "settings", "groups", 400, {"initial_lr of group 0": 1.0}),
        ),
        "pass",
    ),
    Example(
        "the same where the logs show a new start",
        (
            _lag(0.5, "restart", 250),
            Measurement("optimizer.settings_changed", 1, "settings", "groups", 400, {"initial_lr of group 0": 1.0}),
            Measurement("resume.count", 1.0, "", "files", 250),
        ),
        "fail",
    ),
    Example("gradient accumulation over four steps", (_lag(0.75, "proportional"),), "pass"),
    Example("a healthy run", (_lag(0.0, "none"),), "pass"),
    Example("one checkpoint far behind", (_lag(0.43, "one checkpoint"),), "not-checked"),
    Example("an optimizer that counts no steps", (), "not-checked"),
)
