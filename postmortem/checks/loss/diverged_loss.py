"""Loss that climbed and stayed up

## What it looks for
The rise of the last level over the lowest level, in units of the progress made before. It alarms where half (0.5) of the
progress or more is lost at the end and the rise is 8 times the noise of a level, and warns from 0.25 on. The first step is the
one after which the loss never came back.

## Why it matters
The weights left a region that they had reached. The last checkpoint is worse than an earlier one, and mostly no good at all.

## What to do
Take the checkpoint before the onset; lower the learning rate, clip gradients, or warm up; look at the batches about the onset.

## When it is wrong
A converged loss that bounces near zero can end at many times its minimum: so progress, not the minimum, is the unit. A run that
ends right after a warm restart, or changed its data on the way, looks like this. Losses of reinforcement learning and of
adversarial pairs do not apply, nor do losses that rise from near 0 in a straight line (0.95 of their variance), as a weight under a
schedule does.

## References
Most run monitors test the last loss against 1.5 times the minimum, which fires on converged runs; the progress scale is this
project's answer.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Status, Threshold, kind_of_run, multiple, number, percent

LOST = Threshold(
    0.5,
    "of its progress",
    source="run monitors that use the progress scale take 0.5; drawn falling curves with the noise of batches of 4 stay below 0.21",
    half="the last cycle of warm restarts fails",
    double="only runs that end above their start fail",
)
LOST_SOME = Threshold(
    0.25,
    "of its progress",
    source="half of the line for failing",
    half="slow drifts late in a run are warned",
    double="is the line for failing",
)
NOISES = Threshold(
    8.0,
    "of its noise",
    source="flat drawn curves with heavy noise reach 5",
    half="flat noisy curves are warned",
    double="divergence in curves of 20 points goes unseen",
)

NEEDS = ("loss.divergence", "loss.divergence_noise")
USES = ("run.family", "loss.ramp")
CHECKLIST = ("learning-rate",)
DOUBTS_ITEMS = ("learning-rate",)
LEADS_ITEMS = ("learning-rate",)
FIGURE = "loss"
LOSES_GROUND = True


RAMP = 0.95
"""Share of its variance that a straight line from near 0 tells of a loss whose weight rises step by step; divergence bends, or jumps."""


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    if family not in ("classification", "language-model") and (measured.number("loss.ramp") or 0.0) >= RAMP:
        return "the loss rises from near 0 in a straight line, as one whose weight a schedule raises"
    return f"the loss of {kind_of_run(family)} may rise while the run goes well" if family in ("rl", "gan") else ""


def judge(measured: Measured) -> Finding:
    rise, noises = measured["loss.divergence"], measured["loss.divergence_noise"]
    seen, levels = f"the loss gave back {multiple(rise.value)} its progress", f" ({rise.basis.split(', progress')[0]})"
    if rise.value >= LOST_SOME.value and noises.value >= NOISES.value:
        status: Status = "fail" if rise.value >= LOST.value else "warn"
        line = LOST if status == "fail" else LOST_SOME
        return Finding(status, f"{seen}, above {percent(line.value)}{levels}", rise.value, line, line.unit, rise.first_step)
    if rise.value >= LOST_SOME.value:
        return Finding("pass", f"{seen}, but only {number(noises.value, 2)} times its noise{levels}", noises.value, NOISES, NOISES.unit)
    return Finding("pass", seen if rise.value > 0 else "the loss ends at its lowest level", rise.value, LOST, LOST.unit)


def _given(rise: float, noises: float, family: str = "classification") -> tuple[Measurement, ...]:
    return (
        Measurement(
            "loss.divergence", rise, "ratio", "level 4.1 at the end, lowest level 0.4 about step 210, progress 1.9; 'train/loss'", 240
        ),
        Measurement("loss.divergence_noise", noises, "ratio", "'train/loss'", 240),
        Measurement("run.family", float("nan"), "", "tags", text=family),
    )


EXAMPLES = (
    Example(
        "a weight that rises with the step",
        (*_given(87.0, 900.0, family="unknown"), Measurement("loss.ramp", 0.99, "share", "straight line through 625 points")),
        "not-applicable",
    ),
    Example("divergence at two fifths", _given(1.9, 90.0), "fail"),
    Example("a third of the progress lost", _given(0.35, 20.0), "warn"),
    Example("a converged loss that bounces", _given(0.001, 1.0), "pass"),
    Example("a flat noisy loss", _given(0.6, 3.2), "pass"),
    Example("a policy gradient loss", _given(2.0, 50.0, family="rl"), "not-applicable"),
    Example("five points", (), "not-checked"),
)
