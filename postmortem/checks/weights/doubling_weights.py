"""Weights that double from checkpoint to checkpoint

## What it looks for
The number of intervals at the end of the run over each of which the norm of a hidden matrix doubled. It warns from 3 on, where the
matrix ended with a gain (standard deviation times the square root of fan_in) above 2. Matrices that a norm follows are left out.

## Why it matters
What doubles again and again has no size to settle at: it is on its way out of the range of numbers, however far that still is.

## What to do
Lower the learning rate, or clip gradients; add weight decay where growth is slow.

## When it is wrong
Checkpoints saved ever further apart see doubling in what grows steadily. Weights that started far too small double on their way to a
usual size: so the gain at the end counts too.

## References
The Deep Checker: growth by 2 from one checkpoint to the next.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number

TIMES = Threshold(
    3,
    "intervals",
    source="eightfold growth that goes on; own healthy trainings grow 3.7-fold in all at most",
    half="a first descent between sparse checkpoints is warned",
    double="runaways seen by fewer than seven checkpoints pass",
)
GAIN = 2.0

NEEDS = ("weights.doublings", "weights.final_gain")
FIGURE = "weight-variance"


def judge(measured: Measured) -> Finding:
    found, gains = measured["weights.doublings"], measured["weights.final_gain"]
    where = [name for name in found.items if found.items[name] >= TIMES.value and gains.items.get(name, 0.0) > GAIN]
    if where:
        where.sort(key=lambda name: (-found.items[name], -gains.items[name]))
        times = found.items[where[0]]
        seen = (
            f"{where[0]} doubled over each of the last {times:.0f} intervals between "
            f"checkpoints, to a gain of {number(gains.items[where[0]])}"
        )
        return Finding("warn", seen, times, TIMES, found.unit, found.first_step, tuple(where))
    if found.value >= 0:
        seen = f"no hidden matrix above a gain of {number(GAIN)} doubled over more than {TIMES.value - 1:.0f} intervals at the end"
        return Finding("pass", seen, found.value, TIMES, found.unit)
    return Finding("not-checked", "the number of doublings is not a number")


def _given(times: float, gain: float) -> tuple[Measurement, ...]:
    return (
        Measurement("weights.doublings", times, "intervals", "6 checkpoints", 200, {"fc1.weight": times, "fc2.weight": 0.0}),
        Measurement("weights.final_gain", gain, "ratio", "step 600", 600, {"fc1.weight": gain, "fc2.weight": 1.0}),
    )


EXAMPLES = (
    Example("a runaway", _given(5.0, 80.0), "warn"),
    Example("weights that started too small", _given(4.0, 0.9), "pass"),
    Example("a healthy net", _given(0.0, 0.9), "pass"),
    Example("one checkpoint", (), "not-checked"),
)
