"""Weights that are overwritten between checkpoints

## What it looks for
The distance between two checkpoints beside the weights before, over the square root of the updates between them: the median of the
matrices in the interval where it is largest. Warns above 0.2, fails above 0.5 where the loss fell by
less than half.

## Why it matters
It tells of too large steps without the optimizer's state, and where that state no longer tells: Adam's memory of a huge gradient, or
dead units, make the last update small long after the weights were thrown away.

## What to do
Lower the learning rate: it falls in proportion.

## When it is wrong
Weights that started far too small have to grow many times over. A jump of the loss overwrites weights too, in one interval.

## References
A random walk of steps r with a correlation time of (1 + beta) / (1 - beta) = 19 updates covers r * sqrt(19 n): 0.2 stands for steps of 5 %
of the weights, fifty times CS231n's 1e-3.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number

FAST = Threshold(
    0.2,
    "norms per root of a step",
    source="a random walk with steps of 5 % of the weights, The Deep Checker's upper bound halved; healthy own runs reach 0.14",
    half="fast healthy recurrent networks are warned",
    double="rates thirty times too high pass",
)
FASTEST = Threshold(
    0.5,
    "norms per root of a step",
    source="a random walk with steps of 11 % of the weights, The Deep Checker's upper bound",
    half="runs that still learn something fail",
    double="only divergence fails",
)
LEARNED = 0.9
HALF = 0.5
CAME_BACK = 0.5

NEEDS = ("updates.overwritten",)
USES = ("loss.improvement", "loss.divergence")
CHECKLIST = ("update-ratio", "learning-rate")
DOUBTS_ITEMS = ("learning-rate",)
FIGURE = "tensors"


def judge(measured: Measured) -> Finding:
    pace = measured["updates.overwritten"]
    where = tuple(sorted((name for name, value in pace.items.items() if value > FAST.value), key=lambda name: -pace.items[name]))
    seen = f"weights moved {pace.basis}: {number(pace.value, 2)} norms per root of a step"
    learned = (measured.number("loss.improvement") or 0) >= LEARNED and (measured.number("loss.divergence") or 0) < CAME_BACK
    if learned and pace.value > FAST.value:
        return Finding("pass", f"{seen}, and the run learned", pace.value, FAST, FAST.unit)
    if pace.value > FASTEST.value and (measured.number("loss.improvement") or 0) < HALF:
        return Finding("fail", f"{seen}, above {number(FASTEST.value)}", pace.value, FASTEST, FASTEST.unit, pace.first_step, where)
    if pace.value > FAST.value:
        return Finding("warn", f"{seen}, above {number(FAST.value)}", pace.value, FAST, FAST.unit, pace.first_step, where)
    if pace.value == 0:
        still = "most matrices" if any(pace.items.values()) else "all matrices"
        return Finding("pass", f"{still} stood still between checkpoints, so that they were not overwritten", 0.0, FAST, FAST.unit)
    if pace.value <= FAST.value:
        return Finding("pass", seen, pace.value, FAST, FAST.unit)
    return Finding("not-checked", "the distance is not a number")


def _pace(value: float) -> Measurement:
    return Measurement(
        "updates.overwritten",
        value,
        "per root of step",
        "20 times their norm in 100 updates (steps 0 to 100, 2 matrices)",
        100,
        {"fc1.weight": value},
    )


EXAMPLES = (
    Example("Adam at 0.5", (_pace(2.0),), "fail"),
    Example("RMSprop fifty times too fast", (_pace(0.33),), "warn"),
    Example("a fast start that learned", (_pace(0.3), Measurement("loss.improvement", 0.95, "share", "60 points")), "pass"),
    Example("a healthy run", (_pace(0.03),), "pass"),
    Example("nothing moved", (_pace(0.0),), "pass"),
    Example("one checkpoint", (), "not-checked"),
)
