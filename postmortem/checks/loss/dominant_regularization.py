"""Regularization that outweighs the data

## What it looks for
Regularization loss over data loss, and the ratio that a fifth of the run exceeds. It alarms from 10 on and warns from 3, unless
the data loss itself came down to 0.1 of its start or less. A penalty that is 10 times the data loss at the start only alarms
too, where the data loss ends at 0.9 of its own start or more: then it has crushed the weights and gone.

## Why it matters
The optimizer spends its steps on shrinking weights, not on the data. With ten times the data's weight the model is driven to
zero.

## What to do
Divide the weight decay, or the factor of the penalty, by the ratio that was measured.

## When it is wrong
When the data loss has nearly vanished, any penalty outweighs it: that is a run that has converged, and passes. Warm-up of the
divergence term of a variational model is meant to begin high or low: for that family only a warning is given. AdamW's weight
decay is no loss.

## References
The debugging checklist that this project serves: the regularization loss must not overwhelm the data loss. The Deep Checker,
regularization checks.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, multiple, number, percent

DOMINANT = Threshold(
    10.0,
    "of the data loss",
    source="the cause's definition: ten times the data loss or more, for long",
    half="strong but sound weight decay fails",
    double="penalties that halve the weights each epoch are only warned",
)
LARGE = Threshold(
    3.0,
    "of the data loss",
    source="the project's own choice; sound weight decay of small nets stays near 1",
    half="ordinary weight decay at a low data loss is warned",
    double="only failing runs are warned",
)
FITTED = Threshold(
    0.1,
    "share",
    source="a data loss at a tenth of its start was not kept from falling",
    half="converged runs are warned",
    double="runs that are held up at a fifth of their start pass",
)
UNLEARNED = Threshold(
    0.9,
    "share",
    source="a data loss at nine tenths of its start was not learned",
    half="runs that came halfway in spite of a large first penalty fail",
    double="only runs that got worse count",
)

NEEDS = ("regularization.ratio_p80", "regularization.ratio", "regularization.data_share")
USES = ("run.family", "regularization.ratio_start")
CHECKLIST = ("regularization-loss",)
LEADS_ITEMS = ("regularization-loss",)
FIGURE = "regularization"


def judge(measured: Measured) -> Finding:
    high, left = measured["regularization.ratio_p80"], measured["regularization.data_share"]
    seen = f"the regularization loss is at least {multiple(high.value, 3)} the data loss for a fifth of the run"
    start = measured.get("regularization.ratio_start")
    if start is not None and start.value >= DOMINANT.value > high.value and left.value >= UNLEARNED.value:
        begins = (
            f"the regularization loss begins at {number(start.value)} times the data loss, which ends at {percent(left.value)} of its start"
        )
        return Finding(
            "fail", f"{begins}: weights were shrunk, nothing was learned", start.value, DOMINANT, DOMINANT.unit, start.first_step
        )
    if high.value < LARGE.value:
        low = f"for four fifths of the run the regularization loss is at most {multiple(high.value, 3)} the data loss"
        return Finding("pass", low if high.value else "the logged regularization loss is 0", high.value, LARGE, LARGE.unit)
    if left.value <= FITTED.value:
        return Finding("pass", f"{seen}, yet the data loss fell to {percent(left.value)} of its start", left.value, FITTED, FITTED.unit)
    if high.value < DOMINANT.value or measured.text("run.family") in ("vae", "rl", "gan"):
        return Finding("warn", f"{seen}, above {number(LARGE.value)}", high.value, LARGE, LARGE.unit, high.first_step)
    return Finding("fail", f"{seen}, above {number(DOMINANT.value)}", high.value, DOMINANT, DOMINANT.unit, high.first_step)


def _given(middle: float, high: float, left: float) -> tuple[Measurement, ...]:
    return (
        Measurement("regularization.ratio", middle, "ratio", "'reg' over 'data', 60 points", 0),
        Measurement("regularization.ratio_p80", high, "ratio", "'reg' over 'data', 60 points", 0),
        Measurement("regularization.data_share", left, "share", "'data', 60 points"),
    )


EXAMPLES = (
    Example("a penalty of 349 on a loss of 2.3", _given(151.0, 152.0, 1.0), "fail"),
    Example(
        "a penalty of 100 times the data loss that crushed the weights",
        (*_given(0.001, 0.4, 0.99), Measurement("regularization.ratio_start", 103.0, "ratio", "'reg' over 'data'", 0)),
        "fail",
    ),
    Example("a penalty four times the data loss", _given(3.5, 4.4, 0.8), "warn"),
    Example("converged: the data loss has vanished", _given(30.0, 55.0, 0.01), "pass"),
    Example("ordinary weight decay", _given(0.1, 0.4, 0.3), "pass"),
    Example("no regularization loss", (), "not-checked"),
)
