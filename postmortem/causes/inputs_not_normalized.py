"""Inputs are not centred and scaled

## What happens
Features far from mean 0 and variance 1 make some weights' gradients thousands of times larger than others', and first activations
saturate or overflow.

## How it shows
The optimizer's second moments of the first layer, divided by those of its bias, give the inputs' mean square: far above 1, or
uneven between features. Declared statistics or feature columns of the manifest agree.

## What to do
Subtract the training set's mean and divide by its standard deviation, per feature or channel.

## How to confirm
Print mean and standard deviation of one batch as the model receives it.

## When it is wrong
Columns of a manifest may be scaled later by the loader: they alone are only a hint. Embedding inputs and one-hot codes need no
centring.

## References
LeCun, Bottou, Orr, Mueller 1998, Efficient BackProp, 4.3.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence, number

PRIOR = 0.02
EVIDENCE = (
    Evidence(4.0, "the inputs' scale is far from 1", alarm=("unscaled-inputs",)),
    Evidence(2.0, "the inputs are far from centred", alarm=("uncentred-inputs",)),
    Evidence(2.0, "the loss stayed high with inputs of that scale", alarm=("plateaued-loss", "unscaled-inputs")),
    Evidence(1.5, "the first loss is far above chance with inputs of that scale", alarm=("initial-loss-off", "unscaled-inputs")),
    Evidence(1.5, "the loss diverged or bounced with inputs of that scale", alarm=("diverged-loss", "unscaled-inputs")),
    Evidence(4.0, "the loss left the range of floats with inputs of that scale", alarm=("nonfinite-loss", "unscaled-inputs")),
    Evidence(1.0, "the loss bounced with inputs of that scale", alarm=("oscillating-loss", "unscaled-inputs")),
    Evidence(1.5, "units saturate with inputs of that scale", alarm=("saturated-units", "unscaled-inputs")),
    Evidence(
        4.0,
        "the first loss is far above chance though weights started at a usual scale",
        alarm=("initial-loss-off",),
        passed=("large-initial-weights",),
    ),
    Evidence(
        3.0,
        "the first loss is far above chance though weights started at a usual scale and kept it",
        alarm=("initial-loss-off",),
        passed=("collapsed-weights", "large-initial-weights"),
    ),
    Evidence(
        1.5,
        "the loss stayed high after a first loss that the weights do not explain",
        alarm=("initial-loss-off", "plateaued-loss"),
        passed=("large-initial-weights",),
    ),
    Evidence(1.0, "the loss was not finite before any update", alarm=("nonfinite-first-loss",)),
    Evidence(
        5.0,
        "the loss was not finite before any update though weights started at a usual scale",
        alarm=("nonfinite-first-loss",),
        passed=("large-initial-weights", "unstable-initial-gain"),
    ),
    Evidence(
        4.0,
        "the loss was not finite before any update though weights started at a usual scale, of few layers",
        alarm=("nonfinite-first-loss",),
        passed=("large-initial-weights",),
        inapplicable=("unstable-initial-gain",),
    ),
    Evidence(-9.0, "labels run past the head's rows, which makes the first loss not finite", alarm=("labels-beyond-head",)),
    Evidence(3.0, "units get no gradient with inputs of that scale", alarm=("silent-units", "unscaled-inputs")),
    Evidence(4.0, "a small training set with inputs of that scale is not fitted", alarm=("unfitted-training-data", "unscaled-inputs")),
    Evidence(1.5, "the loss stayed flat with inputs of that scale", alarm=("flat-loss", "unscaled-inputs")),
    Evidence(-6.0, "the loss follows the squares of the weights: a penalty makes it", alarm=("penalty-shaped-loss",)),
    Evidence(-3.0, "updates too large for the weights put the first loss off too", alarm=("initial-loss-off", "large-updates")),
    Evidence(-4.5, "the inputs' scale is near 1", passed=("unscaled-inputs",)),
    Evidence(-2.0, "regularization is part of the loss and dominates it", alarm=("dominant-regularization",)),
    Evidence(-2.0, "weights were too large from the start", alarm=("large-initial-weights",)),
    Evidence(0.5, "the loss stayed flat", alarm=("flat-loss",)),
    Evidence(1.0, "the first loss is off", alarm=("initial-loss-off",)),
)
EXPLAINS = (
    "saturated-activations",
    "dead-relus",
    "exploding-gradients",
    "lr-too-high",
    "init-too-large",
    "loss-spike",
    "vanishing-gradients",
    "lr-too-low",
)
USES = ("inputs.rms",)


def summary(case: Case) -> str:
    return case.said(
        "unscaled-inputs",
        "uncentred-inputs",
        "nonfinite-first-loss",
        "initial-loss-off",
        otherwise="The inputs are not centred and scaled.",
    )


def fix(case: Case) -> str:
    rms = case.number("inputs.rms")
    now = f" (the root mean square of the inputs is now {number(rms)})" if rms else ""
    return f"Subtract the training set's mean from each feature and divide by its standard deviation{now}."


def confirm(case: Case) -> str:
    return "Print mean and standard deviation of one batch as the model receives it: they should be near 0 and 1."


EXAMPLES = (
    CauseExample("raw features, loss stays high", "likely", fail=("unscaled-inputs",), warn=("uncentred-inputs",)),
    CauseExample("a manifest of raw columns, nothing else", "unlikely", warn=("unscaled-inputs", "uncentred-inputs")),
    CauseExample("inputs in order", "unlikely", passed=("unscaled-inputs", "uncentred-inputs")),
    CauseExample("nothing is known", "unlikely"),
)
