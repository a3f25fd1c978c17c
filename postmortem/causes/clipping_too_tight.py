"""Gradient clipping always on

## What happens
Every gradient is cut to the same length, so that the effective learning rate is a fraction of the one that was set.

## How it shows
The logged gradient norm is constant at its maximum, or lies above the clipping limit at almost every step, and the loss falls too
slowly.

## What to do
Raise the limit above the median gradient norm.

## How to confirm
Repeat the first steps without clipping.

## When it is wrong
A norm that is logged after clipping is constant by construction; that alone says little, and it is named here only where the loss
is poor as well. Large language models are often clipped most of the time and learn well.

## References
Godbole et al., Deep Learning Tuning Playbook: clipping in more than half of the steps calls for a lower learning rate instead.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence

PRIOR = 0.02
EVIDENCE = (
    Evidence(2.0, "the gradient norm sits at one value", alarm=("constant-gradient-norm",)),
    Evidence(6.0, "the gradient norm sits at one value and the loss stayed flat", alarm=("constant-gradient-norm", "flat-loss")),
    Evidence(6.0, "the gradient norm sits at one value and the loss stayed high", alarm=("constant-gradient-norm", "plateaued-loss")),
    Evidence(9.0, "the gradients that SGD kept are as short as the clip norm", alarm=("short-gradients",)),
    Evidence(3.0, "the clip norm is far below the usual ones", alarm=("tight-clip-norm",)),
    Evidence(6.0, "the loss ends high under a clip norm far below the usual ones", alarm=("high-final-loss", "tight-clip-norm")),
    Evidence(4.0, "the loss hardly differs between evaluations under such a clip norm", alarm=("still-validation", "tight-clip-norm")),
    Evidence(4.0, "the gradient norm sits at one value and the loss ends high", alarm=("constant-gradient-norm", "high-final-loss")),
    Evidence(4.0, "the loss ends high while they were", alarm=("high-final-loss", "short-gradients")),
    Evidence(2.0, "the loss was still falling while they were", alarm=("short-gradients", "unfinished-descent")),
    Evidence(2.0, "the loss stayed high while they were", alarm=("plateaued-loss", "short-gradients")),
    Evidence(2.0, "the weights hardly moved while they were", alarm=("short-gradients", "short-travel")),
    Evidence(4.0, "the gradient norm sits at one value, the loss still fell", alarm=("constant-gradient-norm", "unfinished-descent")),
    Evidence(3.0, "the gradient norm sits at one value and gradients are short", alarm=("constant-gradient-norm", "short-gradients")),
    Evidence(
        5.0,
        "the weights hardly moved at a usual rate while the loss ends high",
        alarm=("high-final-loss", "short-travel"),
        passed=("small-rate",),
    ),
    Evidence(
        3.0,
        "the loss hardly differs between evaluations at a usual rate",
        alarm=("high-final-loss", "still-validation"),
        passed=("small-rate",),
    ),
    Evidence(-8.0, "units that start silent pass no gradient on", alarm=("silenced-initial-units",)),
    Evidence(-4.0, "dead units pass no gradient on", alarm=("silent-units",)),
    Evidence(-4.0, "parts of the net never moved, for want of a gradient", alarm=("unmoved-layers",)),
    Evidence(-10.0, "the validation loss has one value throughout: nothing was updated at all", alarm=("unchanging-validation",)),
    Evidence(-10.0, "the weights stand still: short updates would move them", alarm=("unmoved-weights",)),
    Evidence(-4.0, "the gradients that SGD kept are long enough", passed=("short-gradients",)),
    Evidence(-6.0, "the gradient scaler skipped steps, which leaves short gradients", alarm=("collapsed-loss-scale",)),
    Evidence(-4.0, "the gradient norm varies", passed=("constant-gradient-norm",)),
    Evidence(-2.0, "updates are large enough", passed=("small-updates",)),
    Evidence(1.0, "the loss stayed flat and hardly differs between evaluations", alarm=("flat-loss", "still-validation")),
)
EXPLAINS = ("lr-too-low",)
USES = ("gradnorm.median",)


def summary(case: Case) -> str:
    return case.said(
        "short-gradients",
        "constant-gradient-norm",
        "tight-clip-norm",
        "short-travel",
        "flat-loss",
        "plateaued-loss",
        otherwise="Clipping is active nearly always.",
    )


def fix(case: Case) -> str:
    return "Raise the clipping limit to twice the median norm before clipping, or switch clipping off."


def confirm(case: Case) -> str:
    return "Log the gradient norm before clipping for 200 steps: the limit should lie above most of them."


EXAMPLES = (
    CauseExample("always clipped and flat", "likely", fail=("constant-gradient-norm", "flat-loss")),
    CauseExample(
        "logged after clipping, learns well", "unlikely", warn=("constant-gradient-norm",), passed=("flat-loss", "plateaued-loss")
    ),
    CauseExample("nothing is known", "unlikely"),
)
