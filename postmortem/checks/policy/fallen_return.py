"""Return that was lost again

## What it looks for
The share of the highest rise of the return (levels over a tenth of the run) that is gone at the end
and over the last quarter too. Fails from 0.5 on, warns from 0.3
on; only rises of five standard errors and a tenth of the return's size count, and only losses of five standard errors.

## Why it matters
A policy that forgets what it could do took a step that it could not take back: from then on it sees only what its new, worse
actions lead to.

## What to do
Resume from the checkpoint of the best step with smaller updates: a lower learning rate, fewer epochs over each rollout, a clip of 0.2,
a stop where the divergence passes 0.02.

## When it is wrong
Curricula and self-play change the task. Evaluations of few episodes scatter widely.

## References
Schulman et al. 2017 (arXiv 1707.06347). Dohare et al. 2023 (arXiv 2312.01624): policies that collapse after they had learned.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number, percent

LOST = Threshold(
    0.5,
    "share",
    source="own agents: 0.06 at most where they learned, 0.8 to 1.3 where they collapsed",
    half="agents that wander fail",
    double="only those that lost all fail",
)
SOME = Threshold(0.3, "share", source="half of what collapsed agents lose", half="agents that wander are warned", double="as fail")
CLEAR_ERRORS = 5.0

NEEDS = ("policy.return_fall",)
FIGURE = "loss"


def judge(measured: Measured) -> Finding:
    fall = measured["policy.return_fall"]
    best, last = fall.items["best"], fall.items["last"]
    lost = f"losing {percent(max(0.0, fall.value))} of its rise"
    seen = f"the return was at {number(best, 4)} at step {fall.first_step} and ends at {number(last, 4)}, {lost}"
    clear = fall.items["errors"] >= CLEAR_ERRORS
    if fall.value >= LOST.value and clear:
        return Finding("fail", seen, fall.value, LOST, fall.unit, fall.first_step)
    if fall.value >= SOME.value and clear:
        return Finding("warn", seen, fall.value, SOME, fall.unit, fall.first_step)
    return Finding("pass", seen, fall.value, SOME, fall.unit)


def _given(fall: float, errors: float) -> tuple[Measurement, ...]:
    items = {"gain": 150.0, "errors": errors, "best": 180.0, "last": 180.0 - 150.0 * fall}
    return (Measurement("policy.return_fall", fall, "share", "'charts/episodic_return', 100 points", 320, items),)


EXAMPLES = (
    Example("all lost", _given(1.1, 300.0), "fail"),
    Example("a third lost", _given(0.35, 12.0), "warn"),
    Example("a third lost within the noise", _given(0.35, 2.0), "pass"),
    Example("kept", _given(0.02, 0.4), "pass"),
    Example("no return", (), "not-checked"),
)
