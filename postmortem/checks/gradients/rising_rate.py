"""Learning rate that was still rising at the end

## What it looks for
The last learning rate over the first one. From 3 on, where the last is the highest of the run and the run did more than 0.2 of what
was planned, it warns; where the loss became NaN or climbed and stayed up, it fails.

## Why it matters
A schedule that never stops rising crosses the rate that the model can bear sooner or later.

## What to do
End the warm-up after a few percent of the steps, and let the rate fall from there. Check the sign and the unit of the schedule.

## When it is wrong
A long warm-up of a run that was stopped, or whose log ends early, has risen up to its end: nothing is wrong yet. A range test raises
the rate by many decades to see where the loss breaks: from a factor of 10000 on it passes.

## References
Goodfellow, Bengio and Courville, Deep Learning, 11.4.1. The Deep Learning Tuning Playbook on warm-up and decay.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold

RISEN = Threshold(
    3,
    "ratio",
    source="own: a rate that is harmless at first is rarely harmful at less than three times of it",
    half="small corrections of the rate count as rising",
    double="schedules that ruin a run at five times the first rate pass unseen",
)
DONE = Threshold(
    0.2,
    "share",
    source="the longest warm-ups in use take a tenth of the run, or two",
    half="long warm-ups that were stopped are judged",
    double="runs that died early under a rising rate pass",
)
HIGHEST = 0.99
SWEEP = 1e4
"""A rate that rose by as much from above zero was swept to find the best one."""
DIVERGED_NOISE = 5.0
DIVERGED = 0.5

NEEDS = ("lr.first", "lr.last", "lr.max")
USES = ("steps.done", "loss.nonfinite", "loss.divergence", "loss.divergence_noise", "run.family")
CHECKLIST = ("learning-rate",)
FIGURE = "loss"


def _broke(measured: Measured) -> str:
    if (measured.number("loss.nonfinite") or 0) > 0:
        return "the loss became non-finite"
    climbed, noise = measured.number("loss.divergence"), measured.number("loss.divergence_noise")
    if climbed is not None and noise is not None and climbed > DIVERGED and noise > DIVERGED_NOISE:
        return f"the loss climbed by {climbed:.2g} of its progress"
    return ""


def judge(measured: Measured) -> Finding:
    first, last, peak = measured["lr.first"].value, measured["lr.last"].value, measured["lr.max"].value
    if not (first >= 0 and last >= 0 and peak >= 0):
        return Finding("not-checked", "a learning rate is not a number")
    risen = last / first if first > 0 else float("inf") if last > 0 else 1.0
    seen = f"the learning rate went from {first:.3g} to {last:.3g} with a highest of {peak:.3g}"
    if risen < RISEN.value or last < HIGHEST * peak:
        return Finding("pass", seen, min(risen, 1e6), RISEN, "ratio")
    if first > 0 and risen >= SWEEP:
        return Finding("pass", f"{seen}, as in a range test", min(risen, 1e6), RISEN, "ratio")
    broke = "" if measured.text("run.family") in ("gan", "rl") else _broke(measured)
    if broke:
        return Finding("fail", f"{seen} at the end, and {broke}", min(risen, 1e6), RISEN, "ratio", measured["lr.last"].first_step)
    done = measured.number("steps.done")
    if done is None or done < DONE.value:
        told = "how long the run was to be is not known" if done is None else f"{done:.0%} of the run was done"
        return Finding("pass", f"{seen} at the end, which may be a warm-up: {told}", min(risen, 1e6), RISEN, "ratio")
    return Finding("warn", f"{seen} at the end, {done:.0%} of the run being done", min(risen, 1e6), RISEN, "ratio")


def _given(first: float, last: float, peak: float, done: float | None = None, nan: float | None = None) -> tuple[Measurement, ...]:
    given: tuple[Measurement, ...] = (
        Measurement("lr.first", first, "per step", "'lr'", 0),
        Measurement("lr.last", last, "per step", "'lr'", 600),
        Measurement("lr.max", peak, "per step", "'lr'", 600),
    )
    if done is not None:
        given = (*given, Measurement("steps.done", done, "share", "setting 'max_steps'"))
    return given if nan is None else (*given, Measurement("loss.nonfinite", nan, "points", "'train/loss'", 500))


EXAMPLES = (
    Example("a rate that rose until the loss was NaN", _given(1e-3, 1.0, 1.0, 1.0, 20.0), "fail"),
    Example("a rate that rose for the whole run", _given(1e-4, 1e-3, 1e-3, 1.0), "warn"),
    Example("a warm-up that was stopped", _given(1e-5, 1e-3, 1e-3, 0.1), "pass"),
    Example("a rise, and no word of the plan", _given(1e-5, 1e-3, 1e-3), "pass"),
    Example("a range test", _given(1e-7, 1.0, 1.0, 1.0, 20.0), "pass"),
    Example("warm-up and cosine", _given(1e-5, 1e-6, 1e-3, 1.0), "pass"),
    Example("a constant rate", _given(1e-3, 1e-3, 1e-3, 1.0), "pass"),
    Example("no learning rate", (), "not-checked"),
)
