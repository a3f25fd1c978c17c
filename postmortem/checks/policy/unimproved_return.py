"""Return that did not rise

## What it looks for
The rise of the return of episodes from its start to its last level, in standard errors of the difference, and as a share of its size. It
passes from 5 errors on where that is a tenth of the size; it fails where the return fell by that much; between both it warns.

## Why it matters
The return is what an agent is trained for: its losses need not fall. A return that rose is the proof that it learned.

## What to do
Compare with a random policy; look at the entropy and the size of updates first, then at the reward's sign and scale.

## When it is wrong
A log that begins after the rise shows none. Rewards that are seldom given stay at 0 for long before they rise. Self-play and
curricula make the task harder as the agent gets better.

## References
Henderson et al. 2017 (arXiv 1709.06560): returns have to be judged against their spread.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number, percent

CLEAR = Threshold(
    5,
    "standard errors",
    source="five standard errors; own agents that learned stand at 20 to 46",
    half="a random policy's wobble passes for learning now and then",
    double="slow learners are warned",
)
LEAST_SHARE = 0.1

NEEDS = ("policy.return_gain",)
FIGURE = "loss"
VITAL = True


def judge(measured: Measured) -> Finding:
    gain = measured["policy.return_gain"]
    start, last, share = gain.items["start"], gain.items["last"], gain.items["share"]
    seen = f"the return went from {number(start, 4)} to {number(last, 4)}, {number(gain.value)} standard errors of the difference"
    if gain.value >= CLEAR.value and share >= LEAST_SHARE:
        return Finding("pass", seen, gain.value, CLEAR, CLEAR.unit)
    if gain.value <= -CLEAR.value and share <= -LEAST_SHARE:
        return Finding("fail", f"{seen}: it fell clearly", gain.value, CLEAR, CLEAR.unit, gain.first_step)
    if gain.value >= CLEAR.value:
        told = f"{seen}, but {percent(share)} of its size: no clear rise"
        return Finding("warn", told, gain.value, CLEAR, CLEAR.unit)
    return Finding("warn", f"{seen}: no clear rise", gain.value, CLEAR, CLEAR.unit)


def _given(gain: float, start: float, last: float) -> tuple[Measurement, ...]:
    items = {"start": start, "best": max(start, last), "last": last, "share": (last - start) / max(abs(start), abs(last)), "best_step": 0.0}
    return (Measurement("policy.return_gain", gain, "errors", "'rollout/ep_rew_mean', 100 points", 0, items),)


EXAMPLES = (
    Example("it learned to fail", _given(-275.0, 22.0, 9.4), "fail"),
    Example("no rise", _given(1.2, 22.0, 23.0), "warn"),
    Example("a rise of 2 %", _given(8.0, 500.0, 510.0), "warn"),
    Example("it learned", _given(25.0, 22.0, 187.0), "pass"),
    Example("no return", (), "not-checked"),
)
