"""Symmetric initialization

## What happens
Units of a layer start equal, get equal gradients, and stay equal: however wide, the layer works as one unit.

## How it shows
Rows of hidden weight matrices are the same before training and after it began, often all zero or all one constant. The loss moves
only as far as the biases of the head can take it.

## What to do
Initialize hidden weights at random, He for ReLU, Glorot for tanh; zeros belong to biases and to the last layer of a residual
branch only.

## How to confirm
Re-initialize at random and repeat the first steps.

## When it is wrong
LoRA's B matrices, zero-initialized heads and residual scales are zero at step 0 by design, and leave it at once. Pruned models
have zero rows.

## References
Goodfellow, Bengio and Courville, Deep Learning, 8.4: parameter initialization has to break symmetry.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence

PRIOR = 0.02
EVIDENCE = (
    Evidence(6.5, "units of a hidden layer are identical after training", alarm=("identical-units",)),
    Evidence(8.0, "most hidden units start with the weights of another", alarm=("identical-initial-units",)),
    Evidence(-1.0, "most hidden units start with weights of their own", passed=("identical-initial-units",)),
    Evidence(0.5, "the loss stayed high", alarm=("identical-units", "plateaued-loss")),
    Evidence(1.0, "whole matrices are zero", alarm=("identical-units", "zero-matrices")),
    Evidence(-3.0, "the units of every hidden layer differ", passed=("identical-units",)),
    Evidence(0.5, "the loss stayed flat", alarm=("flat-loss",)),
    Evidence(1.0, "the loss stayed flat and hardly differs between evaluations", alarm=("flat-loss", "still-validation")),
    Evidence(1.0, "the loss took long to start and ends high", alarm=("high-final-loss", "late-start")),
)
EXPLAINS = ("vanishing-gradients", "frozen-parameters", "dead-relus", "underfitting", "not-training")


def summary(case: Case) -> str:
    return case.said(
        "identical-units", "identical-initial-units", "flat-loss", "plateaued-loss", otherwise="Units of a layer are identical."
    )


def fix(case: Case) -> str:
    layers = case.where("identical-units", "identical-initial-units")
    named = f" of {', '.join(layers[:3])}" if layers else ""
    return f"Initialize the weights{named} at random: standard deviation sqrt(2 / fan_in) before ReLU, sqrt(1 / fan_in) before tanh."


def confirm(case: Case) -> str:
    return "Re-initialize these layers at random and repeat the first 200 steps: the loss should leave its plateau."


EXAMPLES = (
    CauseExample("identical rows in every layer", "likely", fail=("identical-units", "plateaued-loss")),
    CauseExample("identical rows that a random head set apart", "likely", fail=("identical-initial-units",), passed=("identical-units",)),
    CauseExample("a healthy run", "unlikely", passed=("identical-units", "identical-initial-units")),
    CauseExample("nothing is known", "unlikely"),
)
