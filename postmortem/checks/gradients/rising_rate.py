"""Learning rate that is still rising at the end

## What it looks for
The last learning rate beside that in the middle of the run, where it never falls in the second half. From 1.3 on it alarms where that did
harm: 0.3 of chance (of the first loss) or more is left, or the loss became NaN or climbed by 0.5 of its progress and stayed up. It fails
where the run did at least 0.2 of what was planned, and warns where nobody knows what was planned.

## Why it matters
A rate that rises to the end is a warm-up made for a longer run, a test of rates that was left on, or a schedule with the wrong sign: the
run never gets to the rate that was meant, or crosses the one that the model can bear.

## What to do
Make the warm-up a few per cent of the run, and let the rate fall from there to the end. Check the sign and the unit of the schedule.

## When it is wrong
A long warm-up of a run that was stopped, that goes on, or whose log ends early has risen up to its end: nothing is wrong yet, and where
the plan is not known it warns only. A short run that learned under a warm-up as long as itself passes. A range test raises the rate by
many decades to see where the loss breaks: from a factor of 10000 on it passes.

## References
Smith 2017, Cyclical Learning Rates (arXiv 1506.01186): the range test. Godbole et al., Deep Learning Tuning Playbook: warm-up and decay.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, multiple, number, percent

RISES = Threshold(
    1.3,
    "ratio",
    source="a straight warm-up without end gives 2, a schedule that ends or rests at most 1",
    half="every constant rate is told",
    double="warm-ups without end pass",
)
DONE = Threshold(
    0.2,
    "share",
    source="the longest warm-ups in use take a tenth of the run, or two",
    half="long warm-ups that were stopped are judged",
    double="runs that died early under a rising rate pass",
)
HIGH = 0.3
"""Share of chance, or of the first loss, that counts as not learned."""
SWEEP = 1e4
"""A rate that rose by as much from above zero was swept to find the best one."""
DIVERGED = 0.5
DIVERGED_NOISE = 5.0

NEEDS = ("lr.late_rise",)
USES = (
    "lr.first",
    "lr.last",
    "lr.max",
    "steps.done",
    "run.family",
    "loss.last_to_chance",
    "loss.last",
    "loss.first",
    "loss.nonfinite",
    "loss.divergence",
    "loss.divergence_noise",
)
CHECKLIST = ("learning-rate",)
DOUBTS_ITEMS = ("learning-rate",)
FIGURE = "loss"


def _harm(measured: Measured) -> str:
    """What the rate did to the loss; empty where nothing shows."""
    if measured.text("run.family") in ("rl", "gan"):
        return ""
    if (measured.number("loss.nonfinite") or 0) > 0:
        return "the loss became NaN or infinite"
    climbed, noise = measured.number("loss.divergence"), measured.number("loss.divergence_noise")
    if climbed is not None and noise is not None and climbed > DIVERGED and noise > DIVERGED_NOISE:
        return f"the loss gave back {multiple(climbed)} its progress"
    left = measured.number("loss.last_to_chance")
    if left is None:
        last, first = measured.number("loss.last"), measured.number("loss.first")
        left = last / first if last is not None and first is not None and first > 0 else None
    return f"{percent(left)} of the starting loss is left" if left is not None and left >= HIGH else ""


def judge(measured: Measured) -> Finding:
    rise = measured["lr.late_rise"]
    seen = f"the learning rate ends at {multiple(rise.value)} its level in the middle of the run"
    first, last = measured.number("lr.first"), measured.number("lr.last")
    if rise.value < RISES.value:
        return Finding("pass", _not_rising(rise), rise.value, RISES, rise.unit)
    if first and last and last / first >= SWEEP:
        return Finding("pass", f"{seen}, {number(last / first, 1)} times the first one, as in a range test", rise.value, RISES, rise.unit)
    harm, done = _harm(measured), measured.number("steps.done")
    if done is not None and done < DONE.value:
        return Finding("pass", f"{seen}, which may be a warm-up: {percent(done)} of the run was done", rise.value, RISES, rise.unit)
    if not harm:
        return Finding("pass", f"{seen}, which shows no harm in the loss", rise.value, RISES, rise.unit)
    if done is None:
        told = f"{seen}, in a run whose planned length no setting tells, and {harm}"
        return Finding("warn", told, rise.value, RISES, rise.unit, rise.first_step)
    told = f"{seen}, with {percent(done)} of the run done, and {harm}"
    return Finding("fail", told, rise.value, RISES, rise.unit, rise.first_step)


def _not_rising(rise: Measurement) -> str:
    """Both rates as they are: of a rate that falls again the measured rise is 1, which is no ratio of the two."""
    if "middle" not in rise.items:
        return f"the learning rate ends at {multiple(rise.value)} its level in the middle of the run"
    middle, end = rise.items["middle"], rise.items["end"]
    if middle == end:
        return f"the learning rate is {number(end)} in the middle of the run and at its end"
    falls = ", and falls between them" if end > middle * RISES.value else ""
    return f"the learning rate is {number(middle)} in the middle of the run and {number(end)} at its end{falls}"


def _given(rise: float, done: float | None = None, left: float | None = None, swept: float = 10.0) -> tuple[Measurement, ...]:
    given: tuple[Measurement, ...] = (
        Measurement("lr.late_rise", rise, "ratio", "'lr', 100 points", 300),
        Measurement("lr.first", 1e-4, "per step", "'lr'", 0),
        Measurement("lr.last", 1e-4 * swept, "per step", "'lr'", 600),
    )
    if done is not None:
        given = (*given, Measurement("steps.done", done, "share", "setting 'max_steps'"))
    return given if left is None else (*given, Measurement("loss.last_to_chance", left, "ratio", "ln 10"))


EXAMPLES = (
    Example("a warm-up for a run sixty times as long", _given(2.0, 1.0, 0.9), "fail"),
    Example(
        "a rate that rose until the loss was NaN",
        (*_given(1.6, 1.0), Measurement("loss.nonfinite", 20, "points", "'train/loss'", 500)),
        "fail",
    ),
    Example("rising, and learned", _given(2.0, 1.0, 0.05), "pass"),
    Example("rising and high, and no word of the plan", _given(2.0, None, 0.9), "warn"),
    Example("a warm-up that was stopped", _given(2.0, 0.1, 0.9), "pass"),
    Example("a range test", _given(10.0, 1.0, 0.9, swept=1e6), "pass"),
    Example("constant", _given(1.0, 1.0, 0.5), "pass"),
    Example("no learning rate", (), "not-checked"),
)
