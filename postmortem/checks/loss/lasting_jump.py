"""Loss that jumped and stayed up

## What it looks for
The highest rise between two neighbouring levels of the training loss (medians of a twentieth of its points), over all that had been
learned before. Warns from 0.25, fails from 0.5. Rises with the learning rate do not count, nor those from which the loss came back.

## Why it matters
A loss that falls, and at one step loses half of what it had learned, was hit by something at that step: a batch, a burst of
gradients, a shard in another order, a damaged weight. A learning rate that is too high does not wait for it.

## What to do
Look at the batches about that step. Resume from the checkpoint before it.

## When it is wrong
Runs that learn their data in stages jump where a stage begins, as do resumed runs that lost their state.

## References
PaLM (arXiv 2204.02311), section 5.1. stas00/ml-engineering, training instabilities.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, number, percent

HALF_LOST = Threshold(
    0.5,
    "of its progress",
    source="the project's own choice: half of what was learned is gone at once",
    half="jumps between stages of data fail",
    double="jumps that lose nearly all are warned only",
)
QUARTER_LOST = Threshold(
    0.25,
    "of its progress",
    source="the line from which a spike that stays is one (spiky-loss)",
    half="wobbles of a settled loss are warned",
    double="below the line for failing",
)

CAME_BACK = 0.25
"""Share of the rise, and of what was learned before, that may be left at the end of a run that has come back."""

NEEDS = ("loss.jump",)
USES = ("run.family",)
FIGURE = "loss"
LOSES_GROUND = True


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return f"the loss of {kind_of_run(family)} jumps while the run goes well" if family in ("rl", "gan") else ""


def judge(measured: Measured) -> Finding:
    jump = measured["loss.jump"]
    if jump.value <= 0:
        return Finding("pass", "the loss never jumped to a lasting higher level", 0.0, QUARTER_LOST, QUARTER_LOST.unit)
    before, after = jump.items["before"], jump.items["after"]
    seen = (
        f"at step {jump.first_step} the loss jumped from {number(before)} to {number(after)}, losing {percent(jump.value)} of its progress"
    )
    learned = (after - before) / jump.value
    if jump.items["end"] < before + CAME_BACK * min(after - before, learned):
        return Finding("pass", f"{seen}, and came back", jump.value, QUARTER_LOST, QUARTER_LOST.unit)
    if jump.value >= HALF_LOST.value:
        return Finding("fail", seen, jump.value, HALF_LOST, HALF_LOST.unit, jump.first_step)
    if jump.value >= QUARTER_LOST.value:
        return Finding("warn", seen, jump.value, QUARTER_LOST, QUARTER_LOST.unit, jump.first_step)
    return Finding("pass", seen, jump.value, QUARTER_LOST, QUARTER_LOST.unit)


def _given(rise: float, family: str = "classification", end: float | None = None) -> tuple[Measurement, ...]:
    items = {"before": 0.5, "after": 0.5 + 1.8 * rise, "end": 0.5 + 1.8 * rise if end is None else end} if rise else {}
    return (
        Measurement("loss.jump", rise, "ratio", "'train/loss', 100 points", 240 if rise else None, items),
        Measurement("run.family", float("nan"), "", "tags", text=family),
    )


EXAMPLES = (
    Example("a burst that lost all", _given(1.2), "fail"),
    Example("a third was lost", _given(0.33), "warn"),
    Example("the next task of several, learned as the first", _given(1.2, end=0.4), "pass"),
    Example("a wobble", _given(0.1), "pass"),
    Example("a calm curve", _given(0.0), "pass"),
    Example("a policy", _given(2.0, "rl"), "not-applicable"),
    Example("five points", (), "not-checked"),
)
