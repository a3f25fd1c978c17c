"""Loss that repeats one value to the last digit

## What it looks for
The stretch of equal values at the end of the training loss, if it is 5 points or longer and much longer than such stretches were
before. It warns where it makes 0.1 of the points or more and the value is above a tenth of the first.

## Why it matters
Batches differ, so that losses differ in their last digits even where nothing is learned. A loss that repeats itself is the same batch
through the same weights: nothing is updated, a learning rate of zero, or a number that is logged and never computed again.

## What to do
Look at the learning rate at that step; log the loss of the batch as it is computed.

## When it is wrong
Loggers that round, or hold a value for several steps, repeat values throughout: only a last stretch that stands out is counted. A loss
that was fitted to zero repeats it. Agents and adversarial pairs log limits and targets as losses, and are not judged.

## References
DeepDiagnosis, rule on a loss whose mean is its maximum. Own reasoning: losses of float32 meet by chance once in millions.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, number, percent

REPEATED = Threshold(
    0.1,
    "share",
    source="own: a tenth of a run is no accident of a log's end",
    half="short repeats at the end of a log are warned",
    double="a run that stood still for a tenth passes unseen",
)
FITTED = 0.1

NEEDS = ("loss.repeated",)
USES = ("run.family",)
FIGURE = "loss"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return f"what {kind_of_run(family)} logs as losses may be constants" if family in ("rl", "gan") else ""


def judge(measured: Measured) -> Finding:
    found = measured["loss.repeated"]
    points, left = found.items.get("points", 0.0), abs(found.items.get("to_first", 1.0))
    if found.value >= REPEATED.value and left > FITTED:
        seen = (
            f"the last {points:.0f} points of the loss, {percent(found.value)} of all, are "
            f"the same number {number(found.items.get('value', 0.0), 6)}"
        )
        return Finding("warn", seen, found.value, REPEATED, found.unit, found.first_step)
    if found.value >= 0:
        return Finding(
            "pass",
            f"{percent(found.value)} of the points repeat one number at the end"
            if found.value
            else "the loss does not repeat one number at the end",
            found.value,
            REPEATED,
            found.unit,
        )
    return Finding("not-checked", "the share of repeated values is not a number")


def _found(share: float, left: float = 0.9) -> tuple[Measurement, ...]:
    items = {"points": 300 * share, "value": 2.07, "to_first": left}
    return (Measurement("loss.repeated", share, "share", "300 points of 'train/loss'", 200 if share else None, items),)


EXAMPLES = (
    Example("one batch through weights that stand still", _found(0.5), "warn"),
    Example("fitted to zero", _found(0.5, 0.0), "pass"),
    Example("a healthy run", _found(0.0), "pass"),
    Example("no loss", (), "not-checked"),
)
