"""Weights that no training makes

## What it looks for
Parameters that are not finite in one checkpoint and sound in the next, and a few elements (at most 64 of a tensor) that are 30 times
as large as the largest of the files before and after, or 10,000 times as large as that of the file before where none comes after. More
than 0 of them is a failure.

## Why it matters
What is not a number stays so in training, and a weight does not leave and return by itself. So the file was spoiled, by a disk, a
transfer or memory, while the training was sound: whoever loads it gets a broken model.

## What to do
Do not use this file; take the one before or after it. Compare sizes and checksums with the source, and test the machine's memory
where it happens again.

## When it is wrong
A run that broke, and was taken up again from an earlier checkpoint under new names, leaves a broken file in the middle too.

## References
Row N11 of the symptom catalogue in this project's design. Meta and Google on silent data corruption: Dixit et al. 2021 (arXiv 2102.11245).
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted

ANY = Threshold(
    0,
    "elements",
    source="own: no update makes a number of what is none",
    half="the same: there is no half of no element",
    double="the same: one element is enough",
)

NEEDS = ("weights.healed", "weights.leaps")
USES = ("loss.nonfinite", "resume.count")


def judge(measured: Measured) -> Finding:
    healed, leaps = measured["weights.healed"], measured["weights.leaps"]
    if healed.value > ANY.value:
        where = tuple(healed.items)
        seen = f"{counted(healed.value, 'weight is', 'weights are')} NaN or infinite in {healed.basis} ({where[0]} first)"
        # The loss was NaN as well: then training did break, and was taken up from an earlier file.
        broke = (measured.number("loss.nonfinite") or 0) > 0 or (measured.number("resume.count") or 0) > 0
        return Finding("warn" if broke else "fail", seen, healed.value, ANY, healed.unit, healed.first_step, where)
    if leaps.value > ANY.value:
        where = tuple(leaps.items)
        seen = f"about {counted(leaps.value, 'weight')} of {where[0]} leapt far out of all that the tensor ever held ({leaps.basis})"
        return Finding("fail", seen, leaps.value, ANY, leaps.unit, leaps.first_step, where)
    if healed.value == 0 and leaps.value == 0:
        return Finding("pass", f"no tensor is spoiled in one file alone ({healed.basis})", 0.0, ANY, healed.unit)
    return Finding("not-checked", "the counts are not numbers")


def _given(healed: float, leaps: float) -> tuple[Measurement, ...]:
    items = {"conv1.weight": healed or leaps} if healed or leaps else {}
    told = "step_000266.pt, while step_000399.pt is sound" if healed else "14 tensors in 4 checkpoints"
    return (
        Measurement("weights.healed", healed, "elements", told, 266 if healed else None, items if healed else {}),
        Measurement("weights.leaps", leaps, "elements", "step 266, beside step_000133.pt", 266 if leaps else None, items if leaps else {}),
    )


EXAMPLES = (
    Example("a row of NaN in one file", _given(9, 0), "fail"),
    Example("the same, and the loss was NaN too", (*_given(9, 0), Measurement("loss.nonfinite", 3, "points", "60 points")), "warn"),
    Example("a turned bit", _given(0, 1), "fail"),
    Example("sound files", _given(0, 0), "pass"),
    Example("one checkpoint", (), "not-checked"),
)
