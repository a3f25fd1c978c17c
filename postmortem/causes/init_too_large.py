"""Initial weights too large

## What happens
The untrained model is confidently wrong. Training first spends its steps on taking the weights back, which shows as a steep early
drop, the hockey stick.

## How it shows
The first loss is far above ln(classes), most of the fall happens in the first few percent of the run, and initial weights are
several times the He or Glorot scale.

## What to do
Initialize with standard deviation sqrt(2 / fan_in) before ReLU and sqrt(1 / fan_in) before tanh, and the head smaller still.

## How to confirm
Compute the loss of the untrained model on one batch: it should be ln(classes).

## When it is wrong
Inputs far from unit scale lift the first loss in the same way. A loss that is summed instead of averaged starts high as well, at
the batch size times ln(classes).

## References
Karpathy, A Recipe for Training Neural Networks (verify the loss at initialization). CS231n, neural-networks-3.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence, number

PRIOR = 0.03
EVIDENCE = (
    Evidence(4.5, "hidden weights started far too large", alarm=("large-initial-weights",)),
    Evidence(2.5, "the first loss is far above chance", alarm=("initial-loss-off",)),
    Evidence(1.5, "most of the fall was over in the first steps", alarm=("steep-early-drop",)),
    Evidence(1.5, "weights started too large and the first loss shows it", alarm=("initial-loss-off", "large-initial-weights")),
    Evidence(1.0, "the first loss is far above chance and fell steeply", alarm=("initial-loss-off", "steep-early-drop")),
    Evidence(6.5, "recurrent weights started far too large", alarm=("growing-recurrence",)),
    Evidence(4.5, "the first outputs are far larger than what is to be learned", alarm=("large-first-outputs",)),
    Evidence(1.0, "the signal grows with depth from the start", alarm=("large-initial-weights", "unstable-initial-gain")),
    Evidence(
        3.0, "the first loss is far above chance, and the signal grows with depth", alarm=("initial-loss-off", "unstable-initial-gain")
    ),
    Evidence(6.0, "the signal grows with depth until the loss is not finite", alarm=("nonfinite-first-loss", "unstable-initial-gain")),
    Evidence(2.0, "the loss was not finite before any update", alarm=("nonfinite-first-loss",)),
    Evidence(6.0, "weights started too large for a finite loss", alarm=("large-initial-weights", "nonfinite-first-loss")),
    Evidence(-6.0, "the loss follows the squares of the weights: a penalty makes it", alarm=("penalty-shaped-loss",)),
    Evidence(-3.5, "hidden weights started at a usual scale", passed=("large-initial-weights",)),
    Evidence(-2.0, "the first loss is as chance has it", passed=("initial-loss-off",)),
    Evidence(-2.0, "the inputs are far from unit scale, which lifts the first loss too", alarm=("unscaled-inputs",)),
    Evidence(-2.0, "regularization is part of the loss and dominates it", alarm=("dominant-regularization",)),
)
EXPLAINS = ("saturated-activations", "exploding-gradients", "dead-relus", "loss-spike", "vanishing-gradients", "lr-too-high")
USES = ("weights.initial_gain", "loss.first", "loss.chance")


def summary(case: Case) -> str:
    seen = ("large-initial-weights", "initial-loss-off", "nonfinite-first-loss", "unstable-initial-gain", "steep-early-drop")
    return case.said(*seen, otherwise="The untrained model is confidently wrong.")


def fix(case: Case) -> str:
    gain = case.number("weights.initial_gain")
    if gain and gain > 2:
        return (
            f"Scale the initial hidden weights down by about {number(gain / 2**0.5, 2)}: their deviation is "
            f"{number(gain, 2)} / sqrt(fan_in), and 1.41 / sqrt(fan_in) is right before ReLU, 1 / sqrt(fan_in) before tanh."
        )
    return "Initialize hidden weights with standard deviation sqrt(2 / fan_in) before ReLU, sqrt(1 / fan_in) before tanh, the head smaller."


def confirm(case: Case) -> str:
    chance = case.number("loss.chance")
    expected = number(chance) if chance else "ln(classes)"
    return f"Compute the loss of the untrained model on one batch: it should be about {expected}."


EXAMPLES = (
    CauseExample("weights and first loss far too large", "likely", fail=("large-initial-weights", "initial-loss-off", "steep-early-drop")),
    CauseExample("logs only: a hockey stick from far above chance", "likely", fail=("initial-loss-off",), warn=("steep-early-drop",)),
    CauseExample(
        "raw inputs lift the first loss", "unlikely", fail=("initial-loss-off", "unscaled-inputs"), passed=("large-initial-weights",)
    ),
    CauseExample(
        "easy data that is learned at once", "unlikely", warn=("steep-early-drop",), passed=("initial-loss-off", "large-initial-weights")
    ),
    CauseExample("nothing is known", "unlikely"),
)
