"""Checkpoints of different steps that hold the same weights

## What it looks for
Checkpoints whose parameters are bit for bit those of the one before them in the run. It warns where 1 interval or more is so although
the training loss went on falling, by 0.1 of its start or more: then what was saved is not what was trained.

## Why it matters
A copy of the model that nobody trains, saved again and again, looks like a training that does nothing. The loss tells that another
model was trained, and it is lost.

## What to do
Save the state of the model that the optimizer holds: that after wrapping, compiling and moving to a device.

## When it is wrong
At the end of a schedule that reaches 0 nothing moves any more, and the loss does not fall either. A file that was copied under another
name has the same step and is not counted.

## References
peft issue 353: adapter files with equal hashes at different steps.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

EQUAL = Threshold(
    1,
    "intervals",
    source="weights that moved at all differ in some bit",
    half="the same: intervals are whole",
    double="a run with two checkpoints could not be warned",
)
FELL = Threshold(
    0.1,
    "share",
    source="five times the 2 % that a loss may wander by noise (flat-loss)",
    half="noise of a loss that stands still counts as learning",
    double="slow trainings whose model was not saved pass as not trained",
)

NEEDS = ("checkpoints.equal", "checkpoints.steps")
USES = ("loss.improvement",)
FIGURE = "loss"


def judge(measured: Measured) -> Finding:
    equal, intervals = measured["checkpoints.equal"], measured["checkpoints.steps"].value - 1
    if not equal.value >= 0:
        return Finding("not-checked", "the number of equal checkpoints is not a number")
    seen = f"{equal.value:.0f} of {intervals:.0f} intervals between checkpoints changed no parameter at all"
    seen = seen if equal.value else "every checkpoint differs from the one before it"
    if equal.value < EQUAL.value:
        return Finding("pass", seen, equal.value, EQUAL, equal.unit)
    fell = measured.number("loss.improvement")
    if fell is None:
        return Finding("not-checked", f"{seen}, and no loss tells whether anything was trained meanwhile")
    if fell < FELL.value:
        return Finding("pass", f"{seen}, and the loss fell by only {percent(fell)}", equal.value, EQUAL, equal.unit)
    if equal.value < intervals:
        return Finding("pass", f"{seen}, but the others moved while the loss fell", equal.value, EQUAL, equal.unit)
    reason = f"{seen} while the loss fell by {percent(fell)}"
    return Finding("warn", reason, equal.value, EQUAL, equal.unit, equal.first_step, tuple(equal.items))


def _given(equal: float, checkpoints: float, fell: float | None) -> tuple[Measurement, ...]:
    given = (
        Measurement("checkpoints.equal", equal, "intervals", "bits", 100, {"b.pt = a.pt": 4.0} if equal else {}),
        Measurement("checkpoints.steps", checkpoints, "checkpoints", "step files"),
    )
    return given if fell is None else (*given, Measurement("loss.improvement", fell, "share", "'train/loss'"))


EXAMPLES = (
    Example("a copy that nobody trained was saved", _given(5.0, 6.0, 0.8), "warn"),
    Example("nothing was trained", _given(5.0, 6.0, 0.01), "pass"),
    Example("a schedule that ended before the run", _given(3.0, 6.0, 0.8), "pass"),
    Example("a healthy run", _given(0.0, 6.0, 0.8), "pass"),
    Example("no loss", _given(5.0, 6.0, None), "not-checked"),
    Example("one checkpoint", (), "not-checked"),
)
