"""Learning rate that is another after a resume

## What it looks for
Steps that were logged twice, before and after the run was resumed: the larger over the smaller learning rate of the same step, in the
median. It warns above 1.02 and fails above 1.2.

## Why it matters
A schedule says the same of the same step. Where it does not, the run went on without its scheduler's state, or with other settings:
a warm-up or the peak comes again after the rate had been annealed, or the rate has fallen to nothing before its time.

## What to do
Save `scheduler.state_dict()` and load it after the optimizer's state; do not make a new scheduler from the settings alone.

## When it is wrong
Somebody may have changed the rate on purpose when the run was taken up, as with a run that had diverged. Schedules that follow the
validation loss may differ a little.

## References
PyTorch tutorial: saving and loading a general checkpoint for inference and/or resuming training. TorchEasyRec issue 664.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number

SAME = Threshold(
    1.02,
    "ratio",
    source="by definition 1; a schedule that counts one update more or less in a few hundred is 1 % off",
    half="the last digits of a logged rate warn",
    double="schedules that are begun again within their flat part pass",
)
OTHER = Threshold(
    1.2,
    "ratio",
    source="own: a schedule that is off by a few steps is 10 % off at its end, one that began again is so throughout",
    half="schedules that are off by one logging interval fail",
    double="a rate that was halved or doubled on resume only warns",
)

NEEDS = ("resume.count", "resume.rate_ratio")
CHECKLIST = ("learning-rate",)
DOUBTS_ITEMS = ("learning-rate",)
FIGURE = "loss"


def applies(measured: Measured) -> str:
    return "the run was not resumed, as far as its files show" if measured.number("resume.count") == 0 else ""


def judge(measured: Measured) -> Finding:
    ratio = measured["resume.rate_ratio"]
    if ratio.value > OTHER.value:
        reason = f"after the resume the learning rate was off by a factor of {number(ratio.value)} ({_seen(ratio)})"
        return Finding("fail", reason, ratio.value, OTHER, ratio.unit, ratio.first_step)
    if ratio.value > SAME.value:
        reason = f"after the resume the learning rate was off by a factor of {number(ratio.value)} ({_seen(ratio)})"
        return Finding("warn", reason, ratio.value, SAME, ratio.unit, ratio.first_step)
    if ratio.value <= SAME.value:
        return Finding("pass", f"the learning rate went on where the run was resumed ({_seen(ratio)})", ratio.value, SAME, ratio.unit)
    return Finding("not-checked", "the ratio of the rates is not a number")


def _seen(ratio: Measurement) -> str:
    """One step's two rates, without the files they stand in."""
    return ratio.basis.rsplit("; ", 1)[-1]


def _given(ratio: float) -> tuple[Measurement, ...]:
    basis = "12 steps of tag 'lr' from step 320 on; at step 340 it is 0.002 and was 0.0003 before"
    return (
        Measurement("resume.count", 1, "", "files whose steps begin within those of an earlier file", 320),
        Measurement("resume.rate_ratio", ratio, "ratio", basis, 320),
    )


EXAMPLES = (
    Example("the schedule began again", _given(6.7), "fail"),
    Example("off by a few steps", _given(1.05), "warn"),
    Example("the schedule went on", _given(1.0), "pass"),
    Example("never resumed", (Measurement("resume.count", 0, "", "no file goes on from within the steps of another"),), "not-applicable"),
    Example("resumed, and no rate was logged", (Measurement("resume.count", 1, "", "one file"),), "not-checked"),
)
