"""Optimizer settings that changed in the middle of a run

## What it looks for
Settings of the optimizer's groups that no schedule of the learning rate touches (betas, epsilon, weight decay, momentum, the base
rate `initial_lr`) and that differ from one checkpoint to the next. Where 1 of them or more
changed in exactly one interval it fails if the logs show that the run was resumed, or if the base rate rose 2 times or more over 3
checkpoints or more; it warns otherwise.

## Why it matters
Loading an optimizer's state loads its param_groups as well: what the configuration says is overwritten by what was saved. A
training that goes on with other settings than those of its start is two trainings.

## What to do
After loading the state set the groups' settings again from the configuration, and print both.

## When it is wrong
Schedules of weight decay and of momentum change them again and again: a setting that changes in several intervals passes. Two
checkpoints cannot tell a change from a schedule, unless it is the base rate that changed.

## References
OPT logbook, 10 % update: reinitializing Adam from a checkpoint also reloaded the betas saved before.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted, number

CHANGED = Threshold(
    1,
    "settings",
    source="a setting either changed or it did not: values are compared as they are stored",
    half="the same: settings are counted whole",
    double="a single setting that came back from an old file passes unseen",
)

RISEN = Threshold(
    2.0,
    "ratio",
    source="the project's own choice: second stages and restarts by hand lower the base rate, and no scheduler raises it",
    half="a base rate that was rounded anew fails",
    double="a doubled rate is only warned about",
)

NEEDS = ("optimizer.settings_changed", "checkpoints.steps")
USES = ("resume.count", "optimizer.base_rate_rise")
FIGURE = "loss"


def judge(measured: Measured) -> Finding:
    found = measured["optimizer.settings_changed"]
    if found.value < CHANGED.value:
        return Finding("pass", f"no optimizer setting changed ({found.basis})", found.value, CHANGED, found.unit)
    once = tuple(key for key, times in found.items.items() if times == 1)
    if not found.value >= CHANGED.value:
        return Finding("not-checked", "the number of changed settings is not a number")
    if not once:
        return Finding(
            "pass", f"{counted(found.value, 'setting')} changed again and again, as on a schedule", found.value, CHANGED, found.unit
        )
    if measured["checkpoints.steps"].value < 3 and not any(key.startswith("initial_lr") for key in once):
        return Finding("not-checked", f"{found.text}, but two checkpoints cannot tell a change from a schedule")
    seen = f"{counted(len(once), 'optimizer setting')} changed once and for good: {found.text}"
    if (measured.number("resume.count") or 0) >= 1:
        reason = f"{seen}, in a run that was resumed"
        return Finding("fail", reason, float(len(once)), CHANGED, found.unit, found.first_step, once)
    rise = measured.number("optimizer.base_rate_rise") or 1.0
    if measured["checkpoints.steps"].value >= 3 and rise >= RISEN.value:
        return Finding(
            "fail", f"{seen}, and the base learning rate rose {number(rise)}-fold", rise, RISEN, RISEN.unit, found.first_step, once
        )
    return Finding("warn", seen, float(len(once)), CHANGED, found.unit, found.first_step, once)


def _given(checkpoints: int, **times: float) -> tuple[Measurement, ...]:
    items = {f"{key} of group 0 of optimizer": count for key, count in times.items()}
    text = f"{next(iter(items))} (0.9, 0.98) -> (0.9, 0.999) by step 400" if items else ""
    return (
        Measurement("checkpoints.steps", checkpoints, "checkpoints", "step files"),
        Measurement("optimizer.settings_changed", len(items), "settings", "groups", 400 if items else None, items, text),
    )


def _rise(ratio: float) -> Measurement:
    return Measurement("optimizer.base_rate_rise", ratio, "ratio", "initial_lr of groups in 6 checkpoints", 400)


EXAMPLES = (
    Example("resumed with another rate", (*_given(6, initial_lr=1), Measurement("resume.count", 1.0, "", "files", 400)), "fail"),
    Example("betas that came back from an old checkpoint", _given(6, betas=1), "warn"),
    Example("ten times the base rate from the middle on", (*_given(6, initial_lr=1), _rise(10.0)), "fail"),
    Example("a second stage at a tenth of the rate", (*_given(6, initial_lr=1), _rise(1.0)), "warn"),
    Example("two checkpoints, another base rate", _given(2, initial_lr=1), "warn"),
    Example("weight decay on a schedule", _given(6, weight_decay=5), "pass"),
    Example("a healthy run", _given(6), "pass"),
    Example("two checkpoints of a cycled momentum", _given(2, momentum=1), "not-checked"),
    Example("no optimizer state", (), "not-checked"),
)
