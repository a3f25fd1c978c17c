"""Policy that gets no gradient any more

## What it looks for
Adam's first moment over the root of its second, mean magnitude, over the policy's weight matrices at the last checkpoint. Gradients of
pure noise give 0.18 (at a beta1 of 0.9); fails below 0.02, warns below 0.05. Where the return rose and was kept it passes.

## Why it matters
A policy that always takes the same action has a gradient of zero, whatever the rewards are. The second moment still remembers the
gradients of before.

## What to do
Go back to a checkpoint from before, with a lower learning rate and an entropy bonus of 0.01.

## When it is wrong
A burst of one huge gradient makes all later ones look small for a thousand updates. Advantages that are not normalized shrink as the
critic learns.

## References
The noise level follows from Adam's moments: sqrt((1 - beta1) / (1 + beta1)) times sqrt(2 / pi). Own agents.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, multiple, percent

STILL = Threshold(
    0.02,
    "of what Adam remembers",
    source="a ninth of pure noise; own agents: 0.2 and more where they learn, 0.000 to 0.01 where they had collapsed",
    half="collapses of the last few updates pass with a warning",
    double="noisy runs after a burst fail",
)
QUIET = Threshold(
    0.05, "of what Adam remembers", source="a quarter of pure noise", half="as fail", double="usual runs at their end are warned"
)

NEEDS = ("policy.coherence",)
USES = ("policy.learned",)


def judge(measured: Measured) -> Finding:
    left = measured["policy.coherence"]
    seen, usual = f"the policy's last gradients are {multiple(left.value)} what Adam remembers of them", "(pure noise gives 18%)"
    if measured.number("policy.learned") == 1:
        return Finding("pass", f"{seen} {usual}, but its return rose", left.value, STILL, STILL.unit)
    if left.value < STILL.value:
        return Finding("fail", f"{seen}, below {percent(STILL.value)} {usual}", left.value, STILL, STILL.unit)
    if left.value < QUIET.value:
        return Finding("warn", f"{seen}, below {percent(QUIET.value)} {usual}", left.value, QUIET, QUIET.unit)
    return Finding("pass", f"{seen} {usual}", left.value, STILL, STILL.unit)


def _given(left: float, learned: bool | None = None) -> tuple[Measurement, ...]:
    found = Measurement("policy.coherence", left, "ratio", "Adam's moments in 4 checkpoints", 100, {"step 100": left})
    if learned is None:
        return (found,)
    return found, Measurement("policy.learned", float(learned), "", "'rollout/ep_rew_mean', 100 points")


EXAMPLES = (
    Example("a policy of one action", _given(0.0), "fail"),
    Example("a few updates after it stilled", _given(0.04), "warn"),
    Example("it stilled when it had learned", _given(0.001, True), "pass"),
    Example("noise", _given(0.18), "pass"),
    Example("no moments", (), "not-checked"),
)
