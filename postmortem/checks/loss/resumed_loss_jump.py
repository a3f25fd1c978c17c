"""Loss that jumped where the run was resumed

## What it looks for
Steps that two files of one run hold: before it died, and after it was resumed from an earlier checkpoint. Above 0.1 of the
progress made until then, and beyond 5 standard errors of the noise, the later record standing higher is warned of; above 0.5 of the
progress it fails.

## Why it matters
With weights, optimizer, scheduler and scaler restored, a run repeats its own steps but for the order of the data. A higher loss
says that something was not restored.

## What to do
Save and load the optimizer's, scheduler's and scaler's state with the weights; compare the learning rates on both sides of the
resume.

## When it is wrong
A second stage with new data or another learning rate on purpose jumps too. Where the run goes on right behind its last step,
there are no two records to compare.

## References
PyTorch tutorial: saving and loading a general checkpoint for inference and/or resuming training.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, multiple

LOST = Threshold(
    0.5,
    "of its progress",
    source="the project's own choice: half of all progress lost; resumed healthy runs of the fault corpus lose none",
    half="a resume with a reset learning rate fails",
    double="a resume that starts anew is only warned about",
)
JUMP = Threshold(
    0.1,
    "of its progress",
    source="the project's own choice: a tenth of all progress lost is more than another order of the data brings",
    half="resumes with another seed are warned about",
    double="a resume that loses a seventh of the progress passes",
)

NEEDS = ("resume.loss_jump",)
USES = ("run.family", "resume.count")
CHECKLIST = ()
FIGURE = "loss"


def applies(measured: Measured) -> str:
    if measured.number("resume.count") == 0:
        return "the run was not resumed, as far as its files show"
    family = measured.text("run.family")
    return f"the loss of {kind_of_run(family)} jumps while the run goes well" if family in ("rl", "gan") else ""


def judge(measured: Measured) -> Finding:
    jump = measured["resume.loss_jump"]
    if jump.value <= JUMP.value:
        seen = f"the loss went on where the run was resumed ({jump.basis.rsplit(': ', 1)[-1]} over the same steps)"
        return Finding("pass", seen, jump.value, JUMP, JUMP.unit)
    above = f"the loss stood {multiple(jump.value)} its progress above its own earlier record"
    seen = f"resumed at step {jump.first_step}, {above} ({jump.basis.rsplit(': ', 1)[-1]} over the same steps)"
    if jump.value > LOST.value:
        return Finding("fail", seen, jump.value, LOST, LOST.unit, jump.first_step)
    if jump.value > JUMP.value:
        return Finding("warn", seen, jump.value, JUMP, JUMP.unit, jump.first_step)
    return Finding("not-checked", "the jump of the loss is not a number")


def _given(jump: float, count: float = 1.0) -> tuple[Measurement, ...]:
    return (
        Measurement("resume.loss_jump", jump, "ratio", "20 steps of tag 'loss' from step 300 on", 300),
        Measurement("resume.count", count, "", "files", 300),
    )


EXAMPLES = (
    Example("a layer that was not loaded", _given(0.9), "fail"),
    Example("resumed with a new optimizer", _given(0.4), "warn"),
    Example("resumed with all of its state", _given(0.0), "pass"),
    Example("never resumed", (Measurement("resume.count", 0.0, "", "files"),), "not-applicable"),
    Example("nothing overlaps", (Measurement("resume.count", 1.0, "", "files"),), "not-checked"),
)
