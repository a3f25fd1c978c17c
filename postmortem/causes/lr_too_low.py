"""Learning rate too low

## What happens
Updates are so small beside the weights that the model stays where it started for as long as the run lasts.

## How it shows
The loss is flat or falls along a shallow straight line, the update:weight ratio is far below 1e-3, and consecutive gradients agree
(a high signal-to-noise ratio in Adam's moments, a cosine near 1 between displacements): the way is clear, the steps are too short.

## What to do
Raise the learning rate until the update:weight ratio is near 1e-3.

## How to confirm
Repeat the first few hundred steps with a learning rate ten times higher.

## When it is wrong
Frozen or rounded-away weights do not move either; there the update is not small but absent. A converged model has a flat loss too, but a
low one.

## References
CS231n, neural-networks-3: the ratio of weights to updates.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence

PRIOR = 0.03
EVIDENCE = (
    Evidence(3.0, "updates are far too small for the weights", alarm=("small-updates",)),
    Evidence(3.0, "the loss did not fall while updates were small", alarm=("flat-loss", "small-updates")),
    Evidence(-2.5, "updates are large enough to move the weights", passed=("small-updates",)),
    Evidence(-2.0, "the loss fell", passed=("flat-loss",)),
)
USES = ("lr.max", "updates.ratio")

USUAL_RATIO = 1e-3


def summary(case: Case) -> str:
    return case.said("small-updates", "flat-loss") or "Updates are too small for the weights to move."


def fix(case: Case) -> str:
    rate, ratio = case.number("lr.max"), case.number("updates.ratio")
    if rate and ratio and 0 < ratio < USUAL_RATIO:
        return f"Raise the learning rate from {rate:.2g} to about {rate * USUAL_RATIO / ratio:.1g}, which brings the update:weight ratio to {USUAL_RATIO:g}."
    return "Raise the learning rate tenfold, and again, until the update:weight ratio is near 1e-3."


def confirm(case: Case) -> str:
    return "Repeat the first 200 steps with ten times the learning rate: the loss should fall at once."


EXAMPLES = (
    CauseExample("a flat loss with tiny updates", "likely", fail=("flat-loss", "small-updates")),
    CauseExample("a healthy run", "unlikely", passed=("flat-loss", "small-updates")),
    CauseExample("nothing is known", "unlikely"),
)
