"""Schedule that was cut off and began again

## What it looks for
A learning rate that jumped back to nine tenths of its peak from one point to the next, once, and stood above 0.15 of the peak when it
did. It fails where the logs show that the run was resumed, and warns otherwise.

## Why it matters
A schedule that is made to begin again ends first. One that stands anywhere when it begins again was lost on a resume: the run went on
with weights that had been annealed half of the way, at the rate of its start.

## What to do
Save `scheduler.state_dict()` and load it on a resume, after the optimizer's state.

## When it is wrong
A rate may be raised by hand. Schedules of cycles that are logged at fewer than five points a cycle do not show where they ended; but of
several jumps none is judged.

## References
Own reasoning: of a cosine's period the last of five points stands at 0.1 of the peak. TorchEasyRec issue 664 and the_well issue 63 on
schedulers that were not loaded.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent, times

STOOD = Threshold(
    0.15,
    "share",
    source="the last of five points of a cosine's period stands at 0.1 of the peak, of a line's at 0.2",
    half="single warm restarts that were logged sparsely are warned",
    double="schedules cut off in their last third pass",
)

NEEDS = ("lr.cut",)
USES = ("resume.count",)
CHECKLIST = ("learning-rate",)
DOUBTS_ITEMS = ("learning-rate",)
FIGURE = "loss"


def judge(measured: Measured) -> Finding:
    found = measured["lr.cut"]
    if found.value >= STOOD.value:
        seen = f"the learning rate jumped back to its peak at step {found.first_step}, from {percent(found.value)} of it"
        if (measured.number("resume.count") or 0) >= 1:
            reason = f"{seen}, in a run that was resumed"
            return Finding("fail", reason, found.value, STOOD, found.unit, found.first_step)
        return Finding("warn", seen, found.value, STOOD, found.unit, found.first_step)
    if found.value < STOOD.value:
        jumps = found.items.get("jumps", 0.0)
        seen = "the learning rate never jumped back to its peak"
        if jumps:
            seen = f"the learning rate jumped back to its peak {times(jumps)}, as a schedule of cycles does"
        return Finding("pass", seen, found.value, STOOD, found.unit)
    return Finding("not-checked", "where the learning rate stood is not a number")


def _given(stood: float, jumps: float, resumed: float | None = None) -> tuple[Measurement, ...]:
    given = (Measurement("lr.cut", stood, "share", "100 points of 'lr'", 300 if stood else None, {"jumps": jumps}),)
    return given if resumed is None else (*given, Measurement("resume.count", resumed, "", "files", 300))


EXAMPLES = (
    Example("resumed without the scheduler", _given(0.5, 1.0, 1.0), "fail"),
    Example("a jump in the middle of a cosine", _given(0.5, 1.0), "warn"),
    Example("a warm restart", _given(0.01, 1.0), "pass"),
    Example("cycles", _given(0.0, 3.0), "pass"),
    Example("a cosine", _given(0.0, 0.0), "pass"),
    Example("no learning rate", (), "not-checked"),
)
