"""Table of positions that hardly trains

## What it looks for
How far a trained table of positions moved, relative to its norm, over how far the median matrix did: it warns below 0.01, if it moved at
all.

## Why it matters
A table that starts at a norm many times that of its neighbours moves by next to nothing under the same updates: it is a constant that
one pays for as a parameter.

## What to do
Start it at the scale of the token embedding (0.02), or leave it out of the parameters.

## When it is wrong
Tables that the optimizer does not list are constants by design, and are not judged. Tables that did not move by a bit are told by the
check on layers that never moved.

## References
OPT logbook, 10 % update: learned positions that began at sinusoids of a large norm and did not train.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, multiple, number

IDLE = Threshold(
    0.01,
    "of the median matrix",
    source="the catalogue's line, after the OPT logbook",
    half="tables that all but stand still pass",
    double="tables that train slowly are warned",
)

NEEDS = ("weights.positions",)
CHECKLIST = ("update-ratio",)
DOUBTS_ITEMS = ("update-ratio",)
FIGURE = "tensors"


def judge(measured: Measured) -> Finding:
    found = measured["weights.positions"]
    seen = f"the position table moved {multiple(found.value)} the way of the median matrix, relative to its norm"
    if 0 < found.value < IDLE.value:
        where = tuple(name for name in found.items if found.items[name] < IDLE.value)
        return Finding("warn", f"{seen}, below {number(IDLE.value)}", found.value, IDLE, IDLE.unit, found.first_step, where)
    if found.value >= 0:
        return Finding("pass", seen, found.value, IDLE, IDLE.unit)
    return Finding("not-checked", "the movement of the positions is not a number")


def _found(value: float) -> tuple[Measurement, ...]:
    return (Measurement("weights.positions", value, "ratio", "20 matrices", 600, {"wpe.weight": value}),)


EXAMPLES = (
    Example("sinusoids of a large norm", _found(0.002), "warn"),
    Example("a healthy transformer", _found(0.8), "pass"),
    Example("no table of positions", (), "not-checked"),
)
