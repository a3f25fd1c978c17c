"""Gradients vanish on the way to early layers

## What happens
Each layer on the way back multiplies the gradient by less than one; what reaches the early layers is almost nothing, and they
stay untrained.

## How it shows
The gradient's size, rebuilt from the optimizer's state, falls by a constant factor per layer towards the input, over many orders
of magnitude.

## What to do
Use ReLU-like activations, residual connections or normalization layers, and He initialization.

## How to confirm
Log the gradient norm of each layer for ten steps.

## When it is wrong
Frozen early layers show no gradient either; they are told apart by the optimizer's list. Embeddings and heads have gradients of
another size by nature and do not count.

## References
Hochreiter 1991; Bengio, Simard, Frasconi 1994; Glorot and Bengio 2010.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence

PRIOR = 0.02
EVIDENCE = (
    Evidence(5.0, "gradients fall by orders of magnitude towards the input", alarm=("gradient-depth-slope",)),
    Evidence(1.5, "the loss stayed flat while gradients vanish", alarm=("flat-loss", "gradient-depth-slope")),
    Evidence(1.0, "the loss stayed high while gradients vanish", alarm=("gradient-depth-slope", "plateaued-loss")),
    Evidence(1.5, "updates of most layers are next to nothing while gradients vanish", alarm=("gradient-depth-slope", "small-updates")),
    Evidence(2.0, "the loss stood long before it fell while gradients vanish", alarm=("gradient-depth-slope", "late-start")),
    Evidence(1.5, "both losses settled high while gradients vanish", alarm=("gradient-depth-slope", "settled-high-loss")),
    Evidence(0.5, "the signal shrinks with depth from the start", alarm=("gradient-depth-slope", "unstable-initial-gain")),
    Evidence(-4.5, "gradients reach early layers", passed=("gradient-depth-slope",)),
    Evidence(-2.5, "units are saturated, which kills the gradient", alarm=("saturated-units",)),
    Evidence(-1.5, "weights were far too small from the start", alarm=("small-initial-weights",)),
    Evidence(-2.5, "units never fire, which stops the gradient", alarm=("silent-units",), passed=("unstable-initial-gain",)),
    Evidence(-1.0, "the loss fell all the same", passed=("flat-loss", "plateaued-loss")),
    Evidence(1.0, "the loss stayed flat", alarm=("flat-loss",)),
    Evidence(1.5, "the loss stayed flat while the validation loss jitters", alarm=("flat-loss",), passed=("still-validation",)),
    Evidence(0.5, "the loss took long to start", alarm=("late-start",)),
)
EXPLAINS = ("lr-too-low", "frozen-parameters")


def summary(case: Case) -> str:
    return case.said("gradient-depth-slope", "flat-loss", "plateaued-loss", otherwise="Gradients do not reach early layers.")


def fix(case: Case) -> str:
    return "Replace sigmoid or tanh by ReLU or GELU, add residual connections or normalization every layer, and initialize with He's scale."


def confirm(case: Case) -> str:
    return "Log each layer's gradient norm for ten steps: with the change it should differ by less than a factor of 100 between layers."


EXAMPLES = (
    CauseExample("a deep sigmoid net", "likely", fail=("gradient-depth-slope", "flat-loss")),
    CauseExample("even gradients", "unlikely", passed=("gradient-depth-slope",)),
    CauseExample("nothing is known", "unlikely"),
)
