"""Gradient scaler shrunk to nothing

## What happens
Every backward pass overflows, so the scaler halves its scale and skips the step, again and again.

## How it shows
The saved or logged loss scale is far below its start, and the optimizer has taken fewer steps than the run.

## What to do
Use bfloat16, lower the learning rate, and find the layer whose activations overflow float16.

## How to confirm
Run one forward pass in float32 and look for activations above 65504.

## When it is wrong
The first ten or so skipped steps, while the scale falls from 65536, are how the scaler finds its range.

## References
Micikevicius et al. 2018 (arXiv 1710.03740); OPT logbook (loss scale hitting its minimum).
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence

PRIOR = 0.01
EVIDENCE = (
    Evidence(8.5, "the gradient scale has collapsed", alarm=("collapsed-loss-scale",)),
    Evidence(4.0, "the optimizer skipped updates all along", alarm=("skipped-updates",)),
    Evidence(2.0, "it skipped them, and the scale has collapsed", alarm=("skipped-updates", "collapsed-loss-scale")),
    Evidence(1.0, "weights are at the ends of half precision's range", alarm=("clipped-weights",)),
    Evidence(-5.0, "the gradient scale is in its usual range", passed=("collapsed-loss-scale",)),
    Evidence(1.0, "the loss stayed flat", alarm=("flat-loss",)),
)
EXPLAINS = ("not-training", "lr-too-low", "exploding-gradients", "dead-relus", "vanishing-gradients")


def summary(case: Case) -> str:
    return case.said("collapsed-loss-scale", "skipped-updates", "flat-loss", otherwise="The gradient scale has collapsed.")


def fix(case: Case) -> str:
    return (
        "Train in bfloat16, or lower the learning rate and keep the layer that overflows (often the logits or a normalization) in float32."
    )


def confirm(case: Case) -> str:
    return "Run one forward and backward pass in float32 and look for values above 65504."


EXAMPLES = (
    CauseExample("a scale of 1e-10", "likely", fail=("collapsed-loss-scale",)),
    CauseExample("nine of ten updates were skipped, and no scale is known", "unlikely", fail=("skipped-updates",)),
    CauseExample(
        "nine of ten updates were skipped at a usual scale", "unlikely", fail=("skipped-updates",), passed=("collapsed-loss-scale",)
    ),
    CauseExample("a usual scale", "unlikely", passed=("collapsed-loss-scale",)),
    CauseExample("nothing is known", "unlikely"),
)
