"""Scheduler that lost step with its optimizer

## What it looks for
Checkpoints hold the scheduler's last learning rate beside that of the optimizer's groups: it warns where they differ by more than
0.01 of the larger. They hold the scheduler's count (`last_epoch`): where it falls by 1 or more from one checkpoint to the next it
fails if the logs show that the run was resumed there, and warns otherwise.

## Why it matters
A run that is resumed without its scheduler starts the schedule again: the warm-up comes a second time and the rate goes back to its
peak, or it stays where the saved group left it and the schedule is never followed.

## What to do
Save `scheduler.state_dict()` and load it after the optimizer's state.

## When it is wrong
A second stage may be given a scheduler of its own on purpose: with another base rate, and without a sign of a new start in the
logs, it passes. A rate that is set by hand beside a scheduler differs from it as it
should. Several schedulers in one file are not compared.

## References
TorchEasyRec issue 664 and the_well issue 63: schedulers that were not saved, or not loaded.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted, percent

APART = Threshold(
    0.01,
    "share",
    source="torch writes one number to both places; 1 % is what rounding of a hand-written schedule may make of it",
    half="rates that were rounded when they were written are warned",
    double="a warm-up that is 1 % off its schedule passes, and does no harm",
)
FELL = Threshold(
    1,
    "steps",
    source="a count either fell or it did not",
    half="the same: steps are whole",
    double="a scheduler that fell back by a single epoch passes unseen",
)

NEEDS = ("optimizer.scheduler_gap",)
USES = ("optimizer.scheduler_restart", "optimizer.settings_changed", "resume.count")
FIGURE = "loss"


def judge(measured: Measured) -> Finding:
    gap, restart = measured["optimizer.scheduler_gap"], measured.get("optimizer.scheduler_restart")
    if restart is not None and restart.value >= FELL.value:
        seen = f"the learning-rate scheduler's count went back by {counted(restart.value, 'step')}"
        if (measured.number("resume.count") or 0) >= 1:
            seen += ", in a run that was resumed"
            return Finding("fail", seen, restart.value, FELL, restart.unit, restart.first_step, tuple(restart.items))
        changed = measured.get("optimizer.settings_changed")
        if changed is not None and any(key.startswith("initial_lr") for key in changed.items):
            return Finding("pass", f"{seen} with another base rate, as in a second stage", restart.value, FELL, restart.unit)
        seen += ", and the logs do not show whether the run was resumed"
        return Finding("warn", seen, restart.value, FELL, restart.unit, restart.first_step, tuple(restart.items))
    if gap.value > APART.value:
        seen = f"the optimizer's learning rates differ from the scheduler's by up to {percent(gap.value)}"
        return Finding("warn", seen, gap.value, APART, gap.unit, gap.first_step, tuple(gap.items))
    if gap.value <= APART.value:
        return Finding("pass", "the optimizer's learning rates are those of the scheduler", gap.value, APART, gap.unit)
    return Finding("not-checked", "the gap between the rates is not a number")


def _given(gap: float, fell: float = 0.0, resumed: float | None = None) -> tuple[Measurement, ...]:
    given = (
        Measurement("optimizer.scheduler_gap", gap, "share", "6 checkpoints", 600, {"group 0": gap}),
        Measurement("optimizer.scheduler_restart", fell, "steps", "6 checkpoints", 600, {"step 600": fell}),
    )
    return given if resumed is None else (*given, Measurement("resume.count", resumed, "", "files", 500))


EXAMPLES = (
    Example("resumed without the scheduler", _given(0.0, 400.0, 1.0), "fail"),
    Example("a count that fell, no logs", _given(0.0, 400.0), "warn"),
    Example("a rate that was overridden", _given(0.5), "warn"),
    Example("a healthy run", _given(0.0), "pass"),
    Example("no scheduler in the file", (), "not-checked"),
)
