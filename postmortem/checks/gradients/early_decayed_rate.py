"""Learning rate that reached zero too early

## What it looks for
The share of the run, at its end, that was spent at a thousandth of the peak learning rate or less. From 0.2 on it alarms
where the loss still stands at 0.3 of chance (of the first loss, where chance is not known) or more, and warns from 0.1 on.

## Why it matters
Nothing is learned at a learning rate of zero. The steps after that point were paid for and brought nothing.

## What to do
Step the scheduler once an epoch if its period is in epochs, once a batch if it is in batches; set its total to the number of
steps planned.

## When it is wrong
A schedule that ends at zero when the run ends is as it should be: its tail is short. A run that had converged before the rate
died has lost nothing. A log of the learning rate of one parameter group says nothing of the others; a rate of 0
from the start did not decay, and is left to the checks of weights that did not move.

## References
A seeded run of this project: a rate of zero after 6 % of the steps, which one log tool of four saw.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number, percent

DEAD = Threshold(
    0.2,
    "share",
    source="a cosine to zero spends 0.02 of the run below a thousandth of its peak, an exponential decay to 1e-4 a quarter",
    half="schedules that end a little early are judged",
    double="a rate dead for the last third of the run passes",
)
HIGH = Threshold(
    0.3,
    "of what a guess costs",
    source="the project's own choice: a third of what a guess costs is left",
    half="nearly converged runs fail",
    double="runs that came halfway pass with a warning",
)
SOME = Threshold(
    0.1,
    "of what a guess costs",
    source="the project's own choice",
    half="nearly converged runs are warned",
    double="runs with a fifth of the loss left pass",
)

DEAD_LEVEL = 1e-3
"""Of the peak, as `lr.dead_share` has it."""

NEEDS = ("lr.dead_share",)
USES = ("run.family", "loss.last_to_chance", "loss.last", "loss.first", "lr.last", "lr.max", "updates.moved")
CHECKLIST = ("learning-rate",)
DOUBTS_ITEMS = ("learning-rate",)
FIGURE = "loss"


def _left(measured: Measured) -> float | None:
    """What is left of chance, or of the first loss; None where neither is known or the loss is no such thing."""
    if measured.text("run.family") in ("rl", "gan"):
        return None
    to_chance = measured.number("loss.last_to_chance")
    if to_chance is not None:
        return to_chance
    last, first = measured.number("loss.last"), measured.number("loss.first")
    return last / first if last is not None and first is not None and first > 0 else None


def judge(measured: Measured) -> Finding:
    dead = measured["lr.dead_share"]
    if measured.number("lr.max") == 0:
        moved = ", which is not that of the weights that moved" if (measured.number("updates.moved") or 0) > 0 else ": it did not decay"
        return Finding("pass", f"the learning rate is 0 throughout{moved}", None, DEAD, DEAD.unit)
    seen = f"for the last {percent(dead.value)} of the run the learning rate is at most a thousandth of its peak"
    if dead.value < DEAD.value:
        return Finding("pass", seen if dead.value else _alive(measured), dead.value, DEAD, DEAD.unit)
    left = _left(measured)
    if left is None:
        return Finding("warn", f"{seen}, and no loss shows whether that mattered", dead.value, DEAD, DEAD.unit, dead.first_step)
    seen += f", with {percent(max(0.0, left))} of the starting loss left"
    if left >= HIGH.value:
        return Finding("fail", seen, dead.value, DEAD, DEAD.unit, dead.first_step)
    if left >= SOME.value:
        return Finding("warn", seen, dead.value, DEAD, DEAD.unit, dead.first_step)
    return Finding("pass", f"{seen}: the run had converged", dead.value, DEAD, DEAD.unit)


def _alive(measured: Measured) -> str:
    """Of a rate that was dead for no part of the run: whether its last value, alone, is."""
    last, peak = measured.number("lr.last"), measured.number("lr.max")
    if last is not None and peak is not None and last <= DEAD_LEVEL * peak:
        return f"the learning rate fell to a thousandth of its peak only at its last step, to {number(last)}"
    return "the learning rate never fell to a thousandth of its peak"


def _given(dead: float, left: float | None) -> tuple[Measurement, ...]:
    given = (Measurement("lr.dead_share", dead, "share", "'lr', 600 points", 36),)
    return given if left is None else (*given, Measurement("loss.last_to_chance", left, "ratio", "ln 10"))


EXAMPLES = (
    Example("zero after 6 % of the steps", _given(0.94, 0.8), "fail"),
    Example("zero for the last third, a quarter of the loss left", _given(0.33, 0.25), "warn"),
    Example("zero for the last third, no loss", _given(0.33, None), "warn"),
    Example("converged before", _given(0.33, 0.01), "pass"),
    Example("cosine to zero", _given(0.02, 0.6), "pass"),
    Example(
        "the rate of a frozen group was logged",
        (
            *_given(1.0, 0.8),
            Measurement("lr.max", 0.0, "", "'lr', 600 points"),
            Measurement("updates.moved", 0.4, "share", "steps 0 to 600"),
        ),
        "pass",
    ),
    Example("no learning rate", (), "not-checked"),
)
