"""Learning rate too low

## What happens
Updates are so small beside the weights that the model stays where it started for as long as the run lasts.

## How it shows
The loss is flat or falls along a shallow straight line, the update:weight ratio is far below 1e-3, and consecutive gradients
agree (a high signal-to-noise ratio in Adam's moments, a cosine near 1 between displacements): the way is clear, the steps are too
short.

## What to do
Raise the learning rate until the ratio of updates to weights is near 1e-3.

## How to confirm
Repeat the first few hundred steps with the learning rate that the advice names, or ten times what it was.

## When it is wrong
Frozen or rounded-away weights do not move either; there the update is not small but absent. Weights behind a vanished gradient
get small updates from plain SGD at any usual learning rate. A converged model has a flat loss too, but a low one.

## References
CS231n, neural-networks-3: the ratio of weights to updates. The expected value 0.18 of Adam's signal-to-noise ratio under pure
noise is derived in the check coherent-gradients.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence, number

PRIOR = 0.03
EVIDENCE = (
    Evidence(2.5, "updates are far too small for the weights", alarm=("small-updates",)),
    Evidence(4.0, "the weights ended almost where they started", alarm=("short-travel",)),
    Evidence(4.5, "the loss was still falling steadily at the end", alarm=("unfinished-descent",)),
    Evidence(2.5, "it was still falling while the weights had hardly moved", alarm=("short-travel", "unfinished-descent")),
    Evidence(6.0, "the loss ends high and the weights hardly moved", alarm=("high-final-loss", "short-travel")),
    Evidence(5.0, "the loss ends high although gradients agree from step to step", alarm=("coherent-gradients", "high-final-loss")),
    Evidence(6.0, "the loss ends high and hardly differs between evaluations", alarm=("high-final-loss", "still-validation")),
    Evidence(2.0, "the loss stayed flat and hardly differs between evaluations", alarm=("flat-loss", "still-validation")),
    Evidence(-10.0, "the validation loss has one value throughout, which no rate above zero gives", alarm=("unchanging-validation",)),
    Evidence(-6.0, "the validation loss swings between evaluations", alarm=("swinging-validation",)),
    Evidence(-8.0, "the clip norm is far below the usual ones", alarm=("tight-clip-norm",)),
    Evidence(3.0, "the way was short and so were the steps", alarm=("short-travel", "small-updates")),
    Evidence(-10.0, "parts of the model stand still", alarm=("unmoved-layers",)),
    Evidence(-2.0, "the loss does not end high", passed=("high-final-loss",)),
    Evidence(2.0, "the loss stayed flat while the weights hardly moved", alarm=("flat-loss", "short-travel")),
    Evidence(2.0, "the loss stayed high while the weights hardly moved", alarm=("plateaued-loss", "short-travel")),
    Evidence(4.0, "it was still falling and gradients agree from step to step", alarm=("coherent-gradients", "unfinished-descent")),
    Evidence(1.5, "it was still falling along a straight line of the weights", alarm=("straight-displacement", "unfinished-descent")),
    Evidence(1.5, "the rate is below the usual range", alarm=("small-rate",)),
    Evidence(2.0, "the weights hardly moved at an unusually low rate", alarm=("short-travel", "small-rate")),
    Evidence(6.0, "the loss stayed flat at an unusually low rate", alarm=("flat-loss", "small-rate")),
    Evidence(5.0, "the loss was still falling at an unusually low rate", alarm=("small-rate", "unfinished-descent")),
    Evidence(3.0, "the loss stayed flat while updates were small", alarm=("flat-loss", "small-updates")),
    Evidence(3.0, "the loss was still high at the end while updates were small", alarm=("plateaued-loss", "small-updates")),
    Evidence(2.5, "the loss stayed flat although gradients agree from step to step", alarm=("flat-loss", "coherent-gradients")),
    Evidence(2.0, "the loss stayed flat although the weights moved along a straight line", alarm=("flat-loss", "straight-displacement")),
    Evidence(-1.0, "the rate is within the usual range", passed=("small-rate",)),
    Evidence(-6.0, "the weights hardly moved at a usual rate: gradients are short", alarm=("short-travel",), passed=("small-rate",)),
    Evidence(-3.0, "the loss ends high at a usual rate", alarm=("high-final-loss",), passed=("small-rate",)),
    Evidence(-1.0, "updates are large enough to move the weights", passed=("small-updates",)),
    Evidence(-0.5, "the loss fell", passed=("flat-loss",)),
    Evidence(-1.5, "the weights went a long way", passed=("short-travel",)),
    Evidence(-6.0, "weights were overwritten", alarm=("overwritten-weights",)),
    Evidence(-16.0, "the rate was still on its way up", alarm=("rising-rate",)),
    Evidence(-10.0, "gradients were cut short, which holds any rate back", alarm=("short-gradients",)),
    Evidence(-6.0, "the gradient norm is held at one value by clipping", alarm=("constant-gradient-norm",)),
    Evidence(-20.0, "nothing was updated at all, which no learning rate above zero does", alarm=("unmoved-weights",)),
    Evidence(-20.0, "updates are rounded away by the weights' precision", alarm=("rounded-updates",)),
    Evidence(-8.0, "the learning rate was usual until the schedule ended it", alarm=("early-decayed-rate",)),
    Evidence(-8.0, "gradients die on the way to early layers", alarm=("gradient-depth-slope",)),
    Evidence(-8.0, "units are identical, so that no learning rate tells them apart", alarm=("identical-units",)),
    Evidence(-6.0, "the weights were too small from the start", alarm=("small-initial-weights",)),
    Evidence(-6.0, "the inputs are far from unit scale", alarm=("unscaled-inputs",)),
    Evidence(-8.0, "a penalty outweighs the loss", alarm=("dominant-regularization",)),
    Evidence(-8.0, "the gradient scaler skipped the steps", alarm=("collapsed-loss-scale",)),
    Evidence(0.5, "Adam's epsilon was set as large as gradients", alarm=("epsilon-bound-updates", "odd-optimizer-settings")),
)
USES = ("lr.max", "updates.ratio")


USUAL_RATIO = 1e-3


def summary(case: Case) -> str:
    return case.said(
        "small-updates",
        "short-travel",
        "unfinished-descent",
        "flat-loss",
        "small-rate",
        otherwise="Updates are too small for the weights to move.",
    )


def fix(case: Case) -> str:
    rate, ratio = case.number("lr.max"), case.number("updates.ratio")
    if rate and ratio and 0 < ratio < USUAL_RATIO:
        return (
            f"Raise the learning rate from {number(rate, 2)} to {_advised(rate, ratio)}: in proportion, that brings "
            f"the median last update over weight from {number(ratio, 2)} to about {number(USUAL_RATIO)}."
        )
    if rate:
        return f"Raise the learning rate from {number(rate, 2)} to {_advised(rate, ratio)}, and further while the loss stays flat."
    return "Raise the learning rate tenfold, and again, until the ratio of updates to weights is near 1e-3."


def _advised(rate: float, ratio: float | None) -> str:
    """The rate that the advice names: the one that makes updates usual, else ten times what it was."""
    return f"about {number(rate * USUAL_RATIO / ratio, 1)}" if ratio and 0 < ratio < USUAL_RATIO else number(rate * 10, 2)


def confirm(case: Case) -> str:
    rate, ratio = case.number("lr.max"), case.number("updates.ratio")
    how = f"a learning rate of {_advised(rate, ratio)}" if rate else "ten times the learning rate"
    again = "" if rate and ratio else ", or to fall after another tenfold"
    return f"Repeat the first 200 steps with {how}: the loss should fall at once{again}."


EXAMPLES = (
    CauseExample("a flat loss with tiny updates", "likely", fail=("flat-loss", "small-updates")),
    CauseExample(
        "a flat loss whose gradients agree, updates below usual",
        "likely",
        fail=("flat-loss",),
        warn=("small-updates", "coherent-gradients"),
    ),
    CauseExample("nothing was updated", "unlikely", fail=("flat-loss", "unmoved-weights")),
    CauseExample("careful fine-tuning that learned", "unlikely", warn=("small-updates",), passed=("flat-loss",)),
    CauseExample("nothing is known", "unlikely"),
)
