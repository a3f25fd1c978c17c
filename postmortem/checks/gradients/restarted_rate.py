"""Learning rate that came back and set the run back

## What it looks for
A learning rate that had fallen to half of its peak and came back to nine tenths of it, once, with a quarter of the run or more behind
it. By how much of the progress before it the loss ended above the level before it: fails from 0.5 on, warns from 0.1 on.

## Why it matters
A schedule that begins again in the middle of a run throws away what was annealed; where the run does not make it good by its end, all
steps since were lost.

## What to do
Resume with the scheduler's state, and give the schedule the length of the whole run. Go back to the checkpoint before the rate rose.

## When it is wrong
Warm restarts are made of such cycles: several of them are not judged, nor is one that ended below the level before it.

## References
Loshchilov and Hutter 2017 (arXiv 1608.03983), warm restarts. TorchEasyRec issue 664: a schedule that begins again on resume.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, multiple, times

LOST = Threshold(
    0.5,
    "of its progress",
    source="the line that a loss must climb to count as diverged",
    half="runs that were stopped before they made a restart good fail",
    double="only runs that lost all of their progress fail",
)
SOME = Threshold(
    0.1,
    "of its progress",
    source="own: a tenth of the progress, beyond eight standard errors of a level",
    half="noise of slow curves is warned",
    double="restarts that cost a fifth of the progress pass",
)

NEEDS = ("lr.setback",)
USES = ("run.family",)
CHECKLIST = ("learning-rate",)
DOUBTS_ITEMS = ("learning-rate",)
FIGURE = "loss"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return f"the loss of {kind_of_run(family)} need not fall" if family in ("rl", "gan") else ""


def judge(measured: Measured) -> Finding:
    found = measured["lr.setback"]
    restarts = found.items.get("restarts", 0.0)
    if found.text == "cycles":
        return Finding("pass", f"the learning rate came back {times(restarts)}, as in a schedule of cycles", found.value, SOME, SOME.unit)
    if not restarts:
        return Finding("pass", "the learning rate never came back after it had fallen to half of its peak", 0.0, SOME, SOME.unit)
    way = "above" if found.value >= 0 else "below"
    seen = (
        f"the learning rate came back at step {found.first_step}, and the loss ended "
        f"{multiple(abs(found.value))} its progress {way} where it was"
    )
    for status, limit in (("fail", LOST), ("warn", SOME)):
        if found.value >= limit.value:
            return Finding("fail" if status == "fail" else "warn", seen, found.value, limit, limit.unit, found.first_step)
    if found.value < SOME.value:
        return Finding("pass", seen, found.value, SOME, SOME.unit)
    return Finding("not-checked", "the setback is not a number")


def _found(value: float, times: float, text: str = "") -> tuple[Measurement, ...]:
    return (Measurement("lr.setback", value, "ratio", "'lr', 300 points", 300 if times else None, {"restarts": times}, text),)


EXAMPLES = (
    Example("the schedule began again and nothing was won back", _found(0.7, 1.0), "fail"),
    Example("a fifth of the progress was lost", _found(0.2, 1.0), "warn"),
    Example("a warm restart that paid", _found(-0.2, 1.0), "pass"),
    Example("cycles", _found(0.0, 4.0, "cycles"), "pass"),
    Example("a cosine", _found(0.0, 0.0), "pass"),
    Example("no learning rate", (), "not-checked"),
)
