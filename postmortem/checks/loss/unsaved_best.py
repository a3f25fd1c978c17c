"""Best step of validation that was not saved

## What it looks for
Steps between the lowest validation loss and the nearest checkpoint, as a share of the run. It warns above 0.1 where the validation loss
ended 0.1 or more above its best.

## Why it matters
The model that one would want is not on disk, and only a new run brings it back.

## What to do
Save whenever the validation loss is lowest, and keep that file apart from those that are rotated away.

## When it is wrong
Files may have been moved away after the run; only those that were given are seen.

## References
Trainer libraries delete older checkpoints by default where a limit is set (save_total_limit).
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

FAR = Threshold(
    0.1,
    "share",
    source="ten checkpoints, evenly spread, leave no step further from one than a twentieth of the run",
    half="runs with ten checkpoints are warned",
    double="a best step that is a fifth of the run away from any file passes",
)
ROSE = 0.1

NEEDS = ("checkpoints.best_distance", "validation.rise")
FIGURE = "loss"


def judge(measured: Measured) -> Finding:
    far, rise = measured["checkpoints.best_distance"], measured["validation.rise"]
    seen = f"validation was best at step {far.first_step}, {percent(far.value)} of the run from the nearest checkpoint ({far.text})"
    if far.value > FAR.value and rise.value > ROSE:
        return Finding("warn", f"{seen}, and ended {percent(rise.value)} above its best", far.value, FAR, far.unit, far.first_step)
    if far.value >= 0 and rise.value <= ROSE:
        above = f", and ended {percent(rise.value)} above its best" if rise.value > 0 else ""
        return Finding("pass", f"{seen}{above}", far.value, FAR, far.unit)
    if far.value <= FAR.value:
        return Finding("pass", seen, far.value, FAR, far.unit)
    return Finding("not-checked", "the distance to the nearest checkpoint is not a number")


def _given(far: float, rise: float) -> tuple[Measurement, ...]:
    return (
        Measurement("checkpoints.best_distance", far, "share", "2 checkpoints", 300, text="step_000600.pt"),
        Measurement("validation.rise", rise, "share", "'val/loss'", 300),
    )


EXAMPLES = (
    Example("only the last was kept of a run that overfitted", _given(0.5, 0.4), "warn"),
    Example("the best was kept", _given(0.0, 0.4), "pass"),
    Example("only the last was kept, which is as good", _given(0.5, 0.01), "pass"),
    Example("no validation", (), "not-checked"),
)
