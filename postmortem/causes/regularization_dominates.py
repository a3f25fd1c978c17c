"""Regularization dominates the data

## What happens
The optimizer serves the regularizer: weights go to zero and the model forgets the data.

## How it shows
Regularization loss ten times the data loss or more for a good part of the run; weights shrink to a fraction of their first norm;
the data loss goes back to chance.

## What to do
Lower the regularization weight until its loss is at most as large as the data loss.

## How to confirm
Repeat the first steps without regularization.

## When it is wrong
The KL term of a variational autoencoder is large early by design; auxiliary losses of detectors are not regularization.

## References
The debugging checklist's item: regularization loss of ten times the data loss.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence, number

PRIOR = 0.02
EVIDENCE = (
    Evidence(5.5, "regularization loss is ten times the data loss or more", alarm=("dominant-regularization",)),
    Evidence(5.5, "weights collapsed towards zero", alarm=("collapsed-weights",)),
    Evidence(6.0, "weight decay makes the optimizer forget its weights within a hundred steps", alarm=("short-weight-memory",)),
    Evidence(4.0, "the penalty is small because the weights are gone", alarm=("collapsed-weights",), passed=("dominant-regularization",)),
    Evidence(-4.0, "regularization loss is well below the data loss", passed=("dominant-regularization",)),
    Evidence(-1.5, "weights kept their size", passed=("collapsed-weights",)),
    Evidence(-4.0, "units that are saturated get no gradient, and any decay shrinks them", alarm=("collapsed-weights", "saturated-units")),
    Evidence(-3.0, "no gradient reaches what decay shrinks", alarm=("collapsed-weights", "gradient-depth-slope")),
    Evidence(-5.0, "weights grew many times over, and what weighs them with them", alarm=("dominant-regularization", "growing-weights")),
    Evidence(-4.0, "the rate is far above the usual range, and decay works through it", alarm=("large-rate", "short-weight-memory")),
    Evidence(9.0, "the loss follows the squares of the weights", alarm=("penalty-shaped-loss",)),
    Evidence(-4.0, "the signal shrinks with depth from the start, and gradients too", alarm=("collapsed-weights", "unstable-initial-gain")),
    Evidence(2.5, "scales of norms went to nothing", alarm=("vanished-norm-scales",)),
    Evidence(1.5, "norms are decayed ten times as strongly as is usual", alarm=("decayed-vectors",)),
    Evidence(0.5, "the loss stayed flat", alarm=("flat-loss",)),
    Evidence(
        3.0,
        "the first loss is off, and the validation loss hardly differs between evaluations",
        alarm=("initial-loss-off", "still-validation"),
    ),
    Evidence(
        2.0,
        "the loss stays far above that of a guess and hardly differs between evaluations",
        alarm=("still-validation", "worse-than-guessing"),
    ),
)
EXPLAINS = ("lr-too-high", "vanishing-gradients", "dead-relus")
USES = ("regularization.ratio_start", "regularization.ratio_p80")
SHARE = 0.1
"""What is left to a penalty beside the data loss."""


def summary(case: Case) -> str:
    seen = ("dominant-regularization", "penalty-shaped-loss", "short-weight-memory", "collapsed-weights")
    return case.said(*seen, otherwise="Regularization outweighs the data.")


def fix(case: Case) -> str:
    start = case.measured.get("regularization.ratio_start")
    # The penalty shrinks the weights and so itself: only its start tells what it would be beside weights that are to learn.
    if start is not None and start.value > 1 and start.first_step is not None:
        return (
            f"Divide the regularization weight by about {number(start.value / SHARE, 2)}: at the start, from step {start.first_step} on, "
            f"its loss is {number(start.value, 2)} times the data loss, and should begin at a tenth of it."
        )
    high = case.number("regularization.ratio_p80")
    if high and high > 1:
        return (
            f"Divide the regularization weight by about {number(high / SHARE, 2)}: for a fifth of the run its loss is at least "
            f"{number(high, 2)} times the data loss, and should be a tenth of it."
        )
    return "Lower the regularization weight until its loss is a tenth of the data loss."


def confirm(case: Case) -> str:
    return "Repeat the first 200 steps with regularization off: the data loss should fall below chance."


EXAMPLES = (
    CauseExample("regularization 150 times the data loss", "likely", fail=("dominant-regularization", "collapsed-weights")),
    CauseExample("a mild penalty", "unlikely", passed=("dominant-regularization", "collapsed-weights")),
    CauseExample("nothing is known", "unlikely"),
)
