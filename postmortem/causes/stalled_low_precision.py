"""Updates rounded away by low precision

## What happens
Weights kept in bfloat16 or float16 cannot hold a change below half a unit in their last place: most updates are rounded to
nothing.

## How it shows
Parameters are 16-bit in the training state itself, the optimizer's updates are below half a unit in the last place for most
elements, and their bits do not change between checkpoints.

## What to do
Keep float32 master weights, or use stochastic rounding or Kahan summation.

## How to confirm
Repeat with float32 weights and the same settings.

## When it is wrong
Checkpoints exported to 16 bit while training kept float32 weights look alike; the optimizer's own state tells them apart.

## References
Zamirai, Zhang, Aberger, De Sa 2020 (arXiv 2010.06192): nearest rounding cancels small updates.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence

PRIOR = 0.02
EVIDENCE = (
    Evidence(8.5, "most updates are below what the weights' precision can hold", alarm=("rounded-updates",)),
    Evidence(0.5, "updates are small beside the weights", alarm=("rounded-updates", "small-updates")),
    Evidence(-5.0, "updates are larger than the weights' precision", passed=("rounded-updates",)),
    Evidence(1.0, "the optimizer's moments are kept in half precision", alarm=("half-precision-moments",)),
    Evidence(2.0, "second moments vanished in half precision", alarm=("underflowed-moments",)),
    Evidence(1.0, "the loss ends high", alarm=("high-final-loss",)),
    Evidence(1.0, "the loss ends high and hardly differs between evaluations", alarm=("high-final-loss", "still-validation")),
)
EXPLAINS = ("lr-too-low", "not-training", "frozen-parameters")
USES = ("lr.max",)


def summary(case: Case) -> str:
    return case.said("rounded-updates", "flat-loss", otherwise="Updates are rounded away.")


def fix(case: Case) -> str:
    return "Keep the weights in float32 (autocast for the arithmetic), or use an optimizer with stochastic rounding for 16-bit weights."


def confirm(case: Case) -> str:
    return "Repeat the first 200 steps with float32 weights and the same settings: the weights should move and the loss fall."


EXAMPLES = (
    CauseExample("bfloat16 weights that do not move", "likely", fail=("rounded-updates", "flat-loss")),
    CauseExample("float32 weights", "unlikely", passed=("rounded-updates",)),
    CauseExample("nothing is known", "unlikely"),
)
