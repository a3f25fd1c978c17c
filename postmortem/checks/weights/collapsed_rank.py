"""Hidden matrices that work in one direction only

## What it looks for
The stable rank of each hidden matrix (squared Frobenius norm over squared largest singular value) in the last finite checkpoint. It
warns where it is below 1.5 and less than 0.5 of what it was in the first.

## Why it matters
A matrix of stable rank 1 passes one number on, whatever its width. Learning rates far too high end there: one direction grows until it
drowns all others.

## What to do
Lower the learning rate; look at the update:weight ratio of the layers named.

## When it is wrong
Adapters are of low rank by design, and heads of two classes have rank 1: only hidden matrices of 16 rows and columns and more are
looked at. Matrices of more than a million elements are left out.

## References
Own runs: 3.6 to 16 in healthy trainings (from 4 to 24 at the start), 1.1 to 1.5 with 30 times the learning rate in five of nine nets.
torchmortem's line for the fall.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number

ONE = Threshold(
    1.5,
    "directions",
    source="own runs: at most 1.5 where the learning rate was ruinous, at least 3.6 in healthy ones",
    half="no matrix has a rank below 1",
    double="trainings at rates that are just bearable are warned",
)
FELL = Threshold(
    0.5,
    "ratio",
    source="torchmortem",
    half="matrices that began at a low rank and lost half of it pass",
    double="matrices that are of low rank by design are warned",
)

NEEDS = ("weights.stable_rank", "weights.stable_rank_kept")
CHECKLIST = ("weight-variance",)
DOUBTS_ITEMS = ("weight-variance",)


def judge(measured: Measured) -> Finding:
    ranks, kept = measured["weights.stable_rank"], measured["weights.stable_rank_kept"]
    where = sorted(
        (name for name in ranks.items if ranks.items[name] < ONE.value and kept.items.get(name, 1.0) < FELL.value),
        key=lambda name: ranks.items[name],
    )
    if where:
        lowest = ranks.items[where[0]]
        seen = (
            f"{len(where)} of {len(ranks.items)} hidden matrices have a stable rank "
            f"below {number(ONE.value)}, {where[0]} of {number(lowest)}"
        )
        return Finding("warn", seen, lowest, ONE, ranks.unit, ranks.first_step, tuple(where))
    if ranks.value > 0 and kept.value > 0:
        return Finding("pass", f"the lowest stable rank of a hidden matrix is {number(ranks.value)}", ranks.value, ONE, ranks.unit)
    return Finding("not-checked", "a stable rank is not a number")


def _given(rank: float, kept: float) -> tuple[Measurement, ...]:
    return (
        Measurement("weights.stable_rank", rank, "directions", "2 matrices", 600, {"fc1.weight": rank, "fc2.weight": 9.0}),
        Measurement("weights.stable_rank_kept", kept, "ratio", "2 matrices", 600, {"fc1.weight": kept, "fc2.weight": 0.8}),
    )


EXAMPLES = (
    Example("a learning rate 30 times too high", _given(1.2, 0.07), "warn"),
    Example("a matrix that is of rank one by design", _given(1.1, 0.9), "pass"),
    Example("a healthy net", _given(7.0, 0.5), "pass"),
    Example("one checkpoint", (), "not-checked"),
)
