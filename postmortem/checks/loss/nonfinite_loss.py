"""Loss that is NaN or infinite

## What it looks for
Points of any training loss that are not finite numbers. It alarms where more than half (0.5) of the last tenth of the points is
not finite: the run ended there. Where the loss is finite again at the end, it warns.

## Why it matters
One NaN in the loss puts NaN into every weight at the next update. Nothing that follows is training.

## What to do
Resume from the last checkpoint whose tensors are finite. Lower the learning rate or clip gradients where the loss climbed
before; look for log(0), division by zero or a damaged record where it came out of a calm curve; turn to bf16 where training is
in fp16.

## When it is wrong
Some loggers write NaN for steps at which nothing was measured; then the points between are finite and the end is too, and this
only warns.

## References
SageMaker Debugger, ExplodingTensor. The Deep Checker, loss checks.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted, multiple, percent

ENDS_SO = Threshold(
    0.5,
    "share",
    source="the project's own choice: most of the last tenth of the points",
    half="a logger that writes NaN at every second step fails instead of being warned",
    double="no run ever fails",
)

NEEDS = ("loss.nonfinite", "loss.nonfinite_tail")
USES = ("loss.before_nonfinite",)
CHECKLIST = ()
FIGURE = "loss"
DECISIVE = True

CLIMBED = 3.0
"""A loss at three times its early median before it broke had been climbing."""


def judge(measured: Measured) -> Finding:
    bad, tail = measured["loss.nonfinite"], measured["loss.nonfinite_tail"]
    if bad.value == 0:
        return Finding("pass", "every training loss is finite", tail.value, ENDS_SO, tail.unit)
    where = tuple(sorted(bad.items, key=lambda tag: -bad.items[tag]))
    seen = f"{counted(bad.value, 'training loss is', 'training losses are')} NaN or infinite, the first at step {bad.first_step}"
    before = measured.number("loss.before_nonfinite")
    rose = before is not None and before > CLIMBED
    after = f" after {'a climb to' if rose else 'a calm curve at'} {multiple(before)} the early level" if before is not None else ""
    if tail.value > ENDS_SO.value:
        return Finding(
            "fail",
            f"the loss became NaN or infinite at step {bad.first_step}{after}, and ended so: {percent(tail.value)} of its last tenth",
            tail.value,
            ENDS_SO,
            tail.unit,
            bad.first_step,
            where,
        )
    end = "the end is finite" if tail.value == 0 else f"only {percent(tail.value)} of the run's last tenth is so"
    return Finding("warn", f"{seen}{after}, but {end}", tail.value, ENDS_SO, tail.unit, bad.first_step, where)


def _given(points: float, tail: float, before: float | None = None) -> tuple[Measurement, ...]:
    items = {"train/loss": points} if points else {}
    given = (
        Measurement("loss.nonfinite", points, "points", "600 points of 1 training-loss tag", 420 if points else None, items),
        Measurement("loss.nonfinite_tail", tail, "share", "last 60 points of 'train/loss'"),
    )
    return given if before is None else (*given, Measurement("loss.before_nonfinite", before, "ratio", "train/loss", 420))


EXAMPLES = (
    Example("NaN from step 420 to the end", _given(180, 1.0, 40.0), "fail"),
    Example("three NaN points of a logger, finite after", _given(3, 0.0, 1.0), "warn"),
    Example("a finite loss", _given(0, 0.0), "pass"),
    Example("no training loss", (), "not-checked"),
)
