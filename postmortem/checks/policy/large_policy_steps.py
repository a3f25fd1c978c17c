"""Policy that changes too much at each update

## What it looks for
The divergence of the policy after an update from the one before it (approximate KL), and the share of samples whose probability
ratio was clipped: the highest level over a tenth of the run. Fails above 0.2 nats or a clipped share of 0.6, warns where half of all
updates lie above 0.05 nats or 0.4. Where the return rose and was kept, all of it passes below 2 nats.

## Why it matters
The advantages were measured under the old policy. Far from it they say nothing, and one bad update leads to a policy that collects
only bad experience.

## What to do
Lower the learning rate, take fewer epochs over each rollout, clip at 0.2, and end the epochs where the divergence passes 0.02.

## When it is wrong
Runs that fine-tune a language model often log the divergence from a reference model under the same name, which is meant to grow;
tags that say so are left out. Single updates may lie high in a run that goes well: only levels count.

## References
Schulman et al. 2015 (arXiv 1502.05477): steps of 0.01 nats. Andrychowicz et al. 2020 (arXiv 2006.05990).
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number

FAR = Threshold(
    0.2,
    "nats",
    source="twenty times TRPO's step of 0.01; own agents: 0.01 where they learned, 0.9 and more where they collapsed",
    half="agents that learn in large steps fail",
    double="slow collapses pass with a warning",
)
WIDE = Threshold(
    0.05,
    "nats",
    source="five times TRPO's step; trainers stop an epoch at 0.015 to 0.05",
    half="usual runs of PPO are warned",
    double="as fail",
)
MOST_CLIPPED = Threshold(
    0.6,
    "share",
    source="own agents: 0.05 to 0.1 where they learned, 0.7 and more where they collapsed; 0.1 to 0.3 is usual",
    half="busy runs that learn fail",
    double="nothing can fail",
)
MANY_CLIPPED = Threshold(0.4, "share", source="above the usual 0.1 to 0.3", half="usual runs are warned", double="as fail")
BEYOND_DOUBT = Threshold(
    2.0,
    "nats",
    source="a policy that gives what it did an e^2 = 7 times smaller probability after one update, 200 times TRPO's step",
    half="agents that learn in leaps fail",
    double="agents that learned half of what they could pass",
)

NEEDS = ("policy.divergence",)
USES = ("policy.clip_fraction", "policy.learned")
CHECKLIST = ("learning-rate",)


def judge(measured: Measured) -> Finding:
    found = [(measured["policy.divergence"], "the policy's divergence at an update", FAR, WIDE)]
    clipped = measured.get("policy.clip_fraction")
    if clipped is not None:
        found.append((clipped, "the clipped share of samples", MOST_CLIPPED, MANY_CLIPPED))
    learned = _learned(measured)
    told = [_one(value, what, far, wide, learned) for value, what, far, wide in found]
    return min(told, key=lambda finding: ("fail", "warn", "pass").index(finding.status))


def _one(found: Measurement, what: str, far: Threshold, wide: Threshold, learned: bool) -> Finding:
    seen = f"{what} came to {number(found.value, 2)} or more over a tenth of the run (median {number(found.items['median'], 2)})"
    if found.value > far.value:
        if learned and (far is MOST_CLIPPED or found.value <= BEYOND_DOUBT.value):
            line = far if far is MOST_CLIPPED else BEYOND_DOUBT
            return Finding("pass", f"{seen}, yet the return rose and was kept", found.value, line, found.unit)
        return Finding("fail", f"{seen}, above {number(far.value)}", found.value, far, found.unit, found.first_step)
    if found.value > wide.value and found.items["median"] > wide.value and not learned:
        return Finding("warn", f"{seen}, above {number(wide.value)}", found.value, wide, found.unit, found.first_step)
    return Finding("pass", seen, found.value, wide, found.unit)


def _learned(measured: Measured) -> bool:
    """Whether the return rose clearly, and was not lost again."""
    return measured.number("policy.learned") == 1


def _given(divergence: float, clipped: float | None = None, learned: bool | None = None) -> tuple[Measurement, ...]:
    given = [
        Measurement("policy.divergence", divergence, "nats", "'train/approx_kl'", 3, {"median": divergence / 2, "largest": divergence})
    ]
    if clipped is not None:
        items = {"median": clipped / 2, "largest": clipped}
        given.append(Measurement("policy.clip_fraction", clipped, "share", "'train/clip_fraction'", 3, items))
    if learned is not None:
        given.append(Measurement("policy.learned", float(learned), "", "'rollout/ep_rew_mean', 100 points"))
    return tuple(given)


EXAMPLES = (
    Example("a hundred times the learning rate", _given(132.0, 0.76), "fail"),
    Example("most samples clipped", _given(0.03, 0.7), "fail"),
    Example("wide steps", _given(0.14), "warn"),
    Example("some wide steps", _given(0.09), "pass"),
    Example("leaps that led somewhere", _given(30.0, 0.3, True), "fail"),
    Example("far steps that led somewhere", _given(0.5, 0.3, True), "pass"),
    Example("wide steps that led somewhere", _given(0.08, 0.2, True), "pass"),
    Example("most samples clipped, and a return that rose", _given(0.03, 0.7, True), "pass"),
    Example("usual steps", _given(0.01, 0.1), "pass"),
    Example("not logged", (), "not-checked"),
)
