"""Policy that stopped exploring before it had learned

## What it looks for
What is left of the policy's entropy at the end, as a share of its start, or the standard deviation of a continuous policy's actions;
and how much of the return's rise was there when it fell below 0.1 (deviation: below 0.05) for good. Fails where it did so before
the return had made half of its rise, or the return did not rise at all (5 standard errors, a tenth of its size) or was lost again.
Where no return is known it warns if that happened within the first half of the run. It warns too where a deviation grew 3-fold.

## Why it matters
A policy that always does the same sees nothing else, and no gradient tells it of better actions: it stays as it is.

## What to do
Raise the weight of the entropy bonus (0.01 is usual for discrete actions), lower the learning rate, normalize advantages and rewards.

## When it is wrong
A policy that has learned its task may be as sure as it likes: then it passes. A deviation that is held fixed or set small by
plan is no loss.

## References
Williams and Peng 1991, the entropy bonus. Mnih et al. 2016 (arXiv 1602.01783), 4: it discourages premature convergence.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, multiple, number, percent

LEFT = Threshold(
    0.1,
    "of its first value",
    source="own agents: 0.6 and more where they learn, 0.02 and less where they had collapsed",
    half="collapses that leave a little pass",
    double="policies that learn fast and settle fail where their return is noisy",
)
GROWN = Threshold(
    3.0,
    "of its first value",
    source="a deviation of actions starts at 1 where the range of actions is about 1, and falls while a policy learns",
    half="policies that widen for a while are warned",
    double="a policy of noise passes",
)
HALF_RISEN = 0.5
EARLY = 0.5

NEEDS = ("policy.exploration",)
USES = ("policy.learned",)
FIGURE = "loss"


def judge(measured: Measured) -> Finding:
    left = measured["policy.exploration"]
    start, last = left.items["start"], left.items["last"]
    what = "entropy" if left.text == "entropy" else "deviation of its actions"
    seen = f"the policy's {what} went from {number(start)} to {number(last)}, {multiple(left.value)} that"
    if "position" not in left.items:
        if left.text == "deviation" and left.value >= GROWN.value and not _learned(measured):
            return Finding("warn", f"{seen}: its actions are ever more noise", left.value, GROWN, GROWN.unit)
        return Finding("pass", seen, left.value, LEFT, LEFT.unit)
    position = left.items["position"]
    seen += f", for good at step {left.first_step}, {percent(position)} into the run"
    if measured.get("policy.learned") is None:
        if position <= EARLY:
            return Finding("warn", f"{seen}, and no return tells whether it had learned", left.value, LEFT, LEFT.unit, left.first_step)
        return Finding("pass", f"{seen}, and no return tells whether it had learned", left.value, LEFT, LEFT.unit)
    risen = left.items.get("return_share", 0.0)
    if _learned(measured) and risen >= HALF_RISEN:
        return Finding("pass", f"{seen}, when {percent(risen)} of the return's rise was made", left.value, LEFT, LEFT.unit)
    if _learned(measured) and start > 0 and position > EARLY:
        return Finding("warn", f"{seen}, when {percent(risen)} of the return's rise was made", left.value, LEFT, LEFT.unit, left.first_step)
    text = f"{seen}, when {percent(max(0.0, risen))} of the return's rise was made"
    return Finding("fail", text, left.value, LEFT, LEFT.unit, left.first_step)


def _learned(measured: Measured) -> bool:
    """Whether the return rose clearly, and was not lost again."""
    return measured.number("policy.learned") == 1


def _given(left: float, position: float | None, risen: float | None = None, learned: bool | None = None) -> tuple[Measurement, ...]:
    items = {"start": 0.69, "last": 0.69 * left}
    if position is not None:
        items["position"] = position
    if risen is not None:
        items["return_share"] = risen
    given = [Measurement("policy.exploration", left, "share", "'losses/entropy', 100 points", 12, items, "entropy")]
    if learned is not None:
        given.append(Measurement("policy.learned", float(learned), "", "'charts/episodic_return', 100 points"))
    return tuple(given)


def _spread(left: float) -> tuple[Measurement, ...]:
    return (Measurement("policy.exploration", left, "share", "'train/std'", None, {"start": 1.0, "last": left}, "deviation"),)


EXAMPLES = (
    Example("settled in the first tenth, on nothing", _given(0.0, 0.1, 0.0, False), "fail"),
    Example("settled before the return rose, which it did a little", _given(0.02, 0.2, 0.1, True), "fail"),
    Example("settled early, no return", _given(0.01, 0.2), "warn"),
    Example("ever more noise", _spread(4.0), "warn"),
    Example("settled when it had learned", _given(0.02, 0.6, 0.95, True), "pass"),
    Example("still exploring", _given(0.75, None, None, True), "pass"),
    Example("neither entropy nor deviation", (), "not-checked"),
)
