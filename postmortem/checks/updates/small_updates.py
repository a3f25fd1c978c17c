"""Updates too small for the weights

## What it looks for
The norm of one update of each weight matrix over the norm of that matrix. It is rebuilt exactly from the optimizer's state, at the
checkpoint with the highest learning rate; without such a state it is bounded by the distance between two checkpoints. Fails where the
median over the matrices is below 1e-5 per step, and warns below 1e-4.

## Why it matters
A weight that moves by a hundred-thousandth of itself per step needs a hundred thousand steps to become another weight. The loss looks
flat, and nothing else is wrong.

## What to do
Raise the learning rate until the ratio is near 1e-3.

## When it is wrong
Late in a schedule that decays to zero the ratio goes to zero as it should: so the checkpoint with the highest learning rate counts.
Fine-tuning of a pre-trained model works with ratios near 1e-5; there it warns at most. SGD's updates shrink with the gradients of a
model that has learned: where the loss fell by half, a failure is a warning and a warning a pass. Weights that have run away make every
update look small: where one has grown 10-fold, the check passes.

## References
CS231n, neural-networks-3 (about 1e-3 is healthy). The Deep Checker (1e-4 to 1e-1).
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number

FAR_TOO_LOW = Threshold(
    1e-5,
    "per step",
    source="two decades below CS231n's 1e-3",
    half="runs that move by 1 % in a thousand steps pass",
    double="slow fine-tuning fails",
)
LOW = Threshold(
    1e-4,
    "per step",
    source="CS231n's 1e-3 less one decade; The Deep Checker's lower bound",
    half="learning rates 20 times too low pass unseen",
    double="careful fine-tuning runs are warned",
)
STRAIGHT = 0.8
"""Cosine between displacements of consecutive checkpoints from which a path is called straight."""
ACCEPTED = 5e-2
"""Up to here an update is not too large for its weights: from there on large-updates warns."""
LEARNED = 0.5
RUNAWAY = 10.0
USUAL = 1e-3

NEEDS = ("updates.ratio_upper", "updates.ratio_lower")
USES = ("updates.displacement_cosine", "loss.improvement", "run.pretrained", "weights.growth", "policy.learned")
CHECKLIST = ("update-ratio", "learning-rate")
LEADS_ITEMS = ("update-ratio",)
FIGURE = "update-ratio"


def judge(measured: Measured) -> Finding:
    lower = measured["updates.ratio_lower"]
    upper = _straight(measured["updates.ratio_upper"], lower, measured.number("updates.displacement_cosine"))
    lowest = tuple(sorted((name for name in upper.items if upper.items[name] < LOW.value), key=lambda name: upper.items[name]))
    exact = measured["updates.ratio_upper"].value == lower.value
    low, high = number(lower.value, 2), number(upper.value, 2)
    told = f"the median last update over weight is {high}{_at(upper)}"
    bounds = f"the median update over weight is between {low} (the distance moved per step) and {high} per step"
    seen, usual = told if exact else bounds, f"(usual: about {number(USUAL)})"
    learned = (measured.number("loss.improvement") or 0) >= LEARNED or measured.number("policy.learned") == 1
    lenient = learned or measured.text("run.pretrained") == "true"
    growth = measured.number("weights.growth") or 0.0
    if growth > RUNAWAY and upper.value < LOW.value:
        return Finding(
            "pass", f"{seen}, but some weights grew {number(growth)}-fold: steps were not too small", upper.value, LOW, upper.unit
        )
    if upper.value < FAR_TOO_LOW.value:
        reason = f"{seen}, below {number(FAR_TOO_LOW.value)} {usual}"
        return Finding("warn" if lenient else "fail", reason, upper.value, FAR_TOO_LOW, upper.unit, upper.first_step, lowest)
    if upper.value < LOW.value:
        told = "" if not lenient else ", yet the run learned" if learned else ", as fine-tuning may be"
        reason = f"{seen}, below {number(LOW.value)} {usual}{told}"
        return Finding("pass" if lenient else "warn", reason, upper.value, LOW, upper.unit, upper.first_step, lowest)
    if lower.value >= LOW.value / 10 or upper.value >= USUAL:
        return Finding("pass", f"{seen}, {_accepted(lower.value, upper.value)} {usual}", upper.value, LOW, upper.unit)
    return Finding("not-checked", f"{seen}, bounds too far apart to tell: save the optimizer's state")


def _accepted(low: float, high: float) -> str:
    """How what is known of the ratio lies to the band that is accepted."""
    band = f"{number(LOW.value)} to {number(ACCEPTED)}"
    if low > ACCEPTED:
        return f"not below {number(LOW.value)}"
    return f"within {band}" if low >= LOW.value and high <= ACCEPTED else f"which overlaps what is accepted, {band}"


def _at(ratio: Measurement) -> str:
    return "" if ratio.first_step is None else f" at step {ratio.first_step}"


def _straight(upper: Measurement, lower: Measurement, cosine: float | None) -> Measurement:
    """Where displacements agree, weights go straight on, and the distance over the steps is the ratio, not a bound below it."""
    if cosine is None or cosine < STRAIGHT or lower.value == upper.value:
        return upper
    items = {name: value / cosine for name, value in lower.items.items()}
    return Measurement(upper.name, lower.value / cosine, upper.unit, f"{lower.basis}; straight on", upper.first_step, items)


def _ratio(value: float, upper: float | None = None) -> tuple[Measurement, ...]:
    items = {"fc1.weight": value, "fc2.weight": value * 2}
    return (
        Measurement("updates.ratio_lower", value, "per step", "Adam state at step 100, 2 matrices", 100, items),
        Measurement("updates.ratio_upper", value if upper is None else upper, "per step", "Adam state at step 100, 2 matrices", 100, items),
    )


def _fell(share: float) -> Measurement:
    return Measurement("loss.improvement", share, "share", "60 points of train/loss")


EXAMPLES = (
    Example("SGD of an MLP with a learning rate of 1e-6", _ratio(4e-7), "fail"),
    Example("plain SGD, known by the distance of two checkpoints", _ratio(2e-8, 2e-7), "fail"),
    Example("a learning rate thirty times too low", _ratio(3e-5), "warn"),
    Example("weights that ran away", (*_ratio(3e-5), Measurement("weights.growth", 2700.0, "ratio", "step 600 over step 0")), "pass"),
    Example("SGD that has learned", (*_ratio(3e-5), _fell(0.9)), "pass"),
    Example("the healthy ratio", _ratio(1.1e-3), "pass"),
    Example(
        "bounds that are far apart, of weights that went straight on",
        (*_ratio(5e-6, 2e-4), Measurement("updates.displacement_cosine", 0.99, "cosine", "2 matrices")),
        "fail",
    ),
    Example("bounds that leave it open", _ratio(5e-6, 2e-4), "not-checked"),
    Example("no optimizer state and one checkpoint", (), "not-checked"),
)
