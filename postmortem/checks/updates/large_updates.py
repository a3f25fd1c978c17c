"""Updates too large for the weights

## What it looks for
The norm of one update of each weight matrix over the norm of that matrix, rebuilt exactly from the optimizer's state at the
checkpoint with the highest learning rate; without such a state, the distance between two checkpoints over the steps between them,
which is a lower bound. Fails where the median over the matrices is above 1e-1 per step, and warns above 5e-2.

## Why it matters
Weights that change by a tenth per step forget in ten steps what they had learned. The loss jumps about or climbs.

## What to do
Lower the learning rate until the ratio is near 1e-3.

## When it is wrong
Weights that start very small take large relative steps until they have grown. Matrices that start at zero, vectors and tiny
matrices are left out. Weights that have run away make every later update look small: where one has grown 10-fold to a gain above
5, the distance per step counts instead. Where the loss fell by half and did not come back up, a failure is a warning and a
warning a pass.

## References
CS231n, neural-networks-3 (about 1e-3 is healthy). The Deep Checker (1e-4 to 1e-1).
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number

FAR_TOO_HIGH = Threshold(
    1e-1,
    "per step",
    source="The Deep Checker's upper bound",
    half="fast starts of small nets under Adam fail",
    double="runs that diverge within twenty steps pass with a warning",
)
HIGH = Threshold(
    5e-2,
    "per step",
    source="half The Deep Checker's upper bound; six times the largest ratio of 14 healthy own runs",
    half="Adam's first steps on weights of deviation 0.02 are warned",
    double="only runs that fail are told",
)
USUAL = 1e-3
"""The ratio of updates to weights that is aimed at, for the reader to compare with."""
LEARNED = 0.5
CAME_BACK = 0.5
RUNAWAY = 10.0
RUNAWAY_GAIN = 5.0

NEEDS = ("updates.ratio_lower",)
USES = (
    *("loss.improvement", "loss.divergence", "weights.growth", "weights.final_gain"),
    *("updates.displacement_low", "updates.ratio", "policy.learned"),
)
ASIDES = ("updates.ratio",)
CHECKLIST = ("update-ratio", "learning-rate")
FIGURE = "update-ratio"


def judge(measured: Measured) -> Finding:
    ratio = _at_worst(measured)
    highest = tuple(sorted((name for name in ratio.items if ratio.items[name] > HIGH.value), key=lambda name: -ratio.items[name]))
    exact = measured.get("updates.ratio") is not None and ratio is measured["updates.ratio_lower"]
    what, where_at = (
        ("last update", _at(ratio)) if exact else ("distance moved per step", _between(measured.get("updates.displacement_low")))
    )
    seen = f"the median {what} over weight is {number(ratio.value, 2)}{where_at}"
    usual = f"(usual: about {number(USUAL)})"
    learned = (measured.number("loss.improvement") or 0) >= LEARNED and (measured.number("loss.divergence") or 0) < CAME_BACK
    learned = learned or measured.number("policy.learned") == 1
    if ratio.value > FAR_TOO_HIGH.value:
        reason = f"{seen}, above {number(FAR_TOO_HIGH.value)} {usual}"
        return Finding("warn" if learned else "fail", reason, ratio.value, FAR_TOO_HIGH, ratio.unit, ratio.first_step, highest)
    if ratio.value > HIGH.value and not learned:
        return Finding("warn", f"{seen}, above {number(HIGH.value)} {usual}", ratio.value, HIGH, ratio.unit, ratio.first_step, highest)
    if ratio.value <= FAR_TOO_HIGH.value:
        told = (
            f"not above {number(HIGH.value)} {usual}" if ratio.value <= HIGH.value else f"above {number(HIGH.value)}, yet the run learned"
        )
        return Finding("pass", f"{seen}, {told}", ratio.value, HIGH, ratio.unit)
    return Finding("not-checked", "the ratio of updates to weights is not a number")


def _at(ratio: Measurement) -> str:
    return "" if ratio.first_step is None else f" at step {ratio.first_step}"


def _between(moved: Measurement | None) -> str:
    """Between which checkpoints the distance was taken, as its basis begins."""
    return "" if moved is None else f" over {moved.basis.split(',')[0]}"


def _at_worst(measured: Measured) -> Measurement:
    """The ratio at the checkpoint; or, where weights ran away before it, their mean distance per step beside the weights of before."""
    ratio, moved = measured["updates.ratio_lower"], measured.get("updates.displacement_low")
    growth, gains = measured.get("weights.growth"), measured.get("weights.final_gain")
    if moved is None or growth is None or gains is None or not moved.value > ratio.value:
        return ratio
    away = any(growth.items[name] > RUNAWAY and gains.items.get(name, 0.0) > RUNAWAY_GAIN for name in growth.items)
    return moved if away else ratio


def _ratio(value: float) -> Measurement:
    items = {"fc1.weight": value, "fc2.weight": value * 2}
    return Measurement("updates.ratio_lower", value, "per step", "Adam state at step 100, 2 matrices", 100, items)


def _run_away(growth: float, gain: float) -> tuple[Measurement, ...]:
    return (
        Measurement(
            "updates.displacement_low", growth / 100, "per step", "step 0 to step 100, 100 updates", 100, {"fc1.weight": growth / 100}
        ),
        Measurement("weights.growth", growth, "ratio", "step 600 over step 0", 600, {"fc1.weight": growth}),
        Measurement("weights.final_gain", gain, "ratio", "step 600", 600, {"fc1.weight": gain}),
    )


EXAMPLES = (
    Example("a learning rate of 1.2 with momentum", (_ratio(0.4),), "fail"),
    Example("a learning rate on the brink", (_ratio(0.07),), "warn"),
    Example("weights that ran away before the first checkpoint", (_ratio(1e-3), *_run_away(2700.0, 1550.0)), "fail"),
    Example("weights that started too small and grew", (_ratio(1e-3), *_run_away(40.0, 1.6)), "pass"),
    Example("a fast start that learned", (_ratio(0.07), Measurement("loss.improvement", 0.9, "share", "60 points")), "pass"),
    Example("the healthy ratio", (_ratio(1.1e-3),), "pass"),
    Example("no optimizer state and one checkpoint", (), "not-checked"),
)
