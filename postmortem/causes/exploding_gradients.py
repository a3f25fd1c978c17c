"""Gradients blow up

## What happens
Now and then, or more and more, the gradient is many times its usual size; one such step throws the weights far away or out of the
range of floats.

## How it shows
Bursts of the gradient norm many times above its median, non-finite optimizer moments, and NaN in loss or weights right after.

## What to do
Clip the gradient norm a little above its median, lower the learning rate, and look at the batch that burst.

## How to confirm
Repeat from the last finite checkpoint with clipping on.

## When it is wrong
Single infinite gradient norms under a float16 gradient scaler are skipped steps and harmless. The first steps of any run have
larger gradients.

## References
Pascanu, Mikolov, Bengio 2013 (arXiv 1211.5063).
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence, number

PRIOR = 0.02
EVIDENCE = (
    Evidence(3.0, "the gradient norm burst", alarm=("gradient-norm-burst",)),
    Evidence(2.0, "the gradient norm kept growing", alarm=("growing-gradient-norm",)),
    Evidence(2.5, "the loss left the range of floats", alarm=("nonfinite-loss",)),
    Evidence(1.0, "the job's log says that it stopped over NaN", alarm=("reported-nan",)),
    Evidence(2.0, "weights left the range of floats", alarm=("nonfinite-weights",)),
    Evidence(2.0, "the optimizer's moments left the range of floats", alarm=("nonfinite-optimizer-state",)),
    Evidence(2.0, "the gradient norm burst before the loss left the range of floats", alarm=("gradient-norm-burst", "nonfinite-loss")),
    Evidence(3.0, "the gradient norm burst and weights were thrown far", alarm=("gradient-norm-burst", "overwritten-weights")),
    Evidence(4.5, "the optimizer remembers gradients far larger than the present ones", alarm=("remembered-burst",)),
    Evidence(7.0, "the optimizer's moments hold gradients that the loss does not explain", alarm=("oversized-moments",)),
    Evidence(-1.0, "gradients are of the order of the loss", passed=("oversized-moments",)),
    Evidence(-5.0, "the inputs are far from unit scale, and gradients with them", alarm=("unscaled-inputs",)),
    Evidence(6.5, "the recurrence grows what it carries", alarm=("growing-recurrence",)),
    Evidence(4.0, "the loss had fallen far before it blew up", alarm=("late-divergence",)),
    Evidence(1.0, "the loss stayed up after it blew up", alarm=("late-divergence", "plateaued-loss")),
    Evidence(1.0, "updates became too large after the loss had fallen", alarm=("large-updates", "late-divergence")),
    Evidence(-2.0, "units died, and gradients with them", alarm=("remembered-burst", "silent-units")),
    Evidence(-2.5, "the gradient scaler collapsed, and norms are infinite where it skips", alarm=("collapsed-loss-scale",)),
    Evidence(0.5, "the targets are far from unit scale, and gradients grow with them", alarm=("unscaled-targets",)),
    Evidence(4.0, "weights were thrown far at a usual learning rate", alarm=("overwritten-weights",), passed=("large-rate",)),
    Evidence(4.0, "the weights grew many times over at a usual learning rate", alarm=("growing-weights",), passed=("large-rate",)),
    Evidence(2.0, "the loss ends above that of a guess at a usual learning rate", alarm=("worse-than-guessing",), passed=("large-rate",)),
    Evidence(2.0, "the loss diverged at a usual learning rate", alarm=("diverged-loss",), passed=("large-rate",)),
    Evidence(-6.0, "the loss was not finite before any update", alarm=("nonfinite-first-loss",)),
    Evidence(-3.0, "the loss jumped once and went on from there", alarm=("lasting-jump",), passed=("oversized-moments", "nonfinite-loss")),
    Evidence(-2.0, "the rate is above the usual range", alarm=("large-rate",)),
    Evidence(-2.5, "the gradient norm never burst", passed=("gradient-norm-burst",)),
    Evidence(-1.0, "loss and weights stayed finite", passed=("nonfinite-loss", "nonfinite-weights")),
    Evidence(-2.0, "updates are too large for the weights at the usual gradient", alarm=("large-updates",)),
    Evidence(-5.0, "weights were too large from the start", alarm=("large-initial-weights",)),
    Evidence(-3.0, "the first loss was off before anything exploded", alarm=("initial-loss-off", "nonfinite-loss")),
)
EXPLAINS = ("loss-spike", "dead-relus", "saturated-activations")
USES = ("gradnorm.median", "weights.nonfinite")


def summary(case: Case) -> str:
    seen = (
        *("gradient-norm-burst", "nonfinite-loss", "nonfinite-weights", "growing-gradient-norm", "nonfinite-optimizer-state"),
        *("oversized-moments", "remembered-burst", "late-divergence", "overwritten-weights", "growing-weights"),
    )
    return case.said(*seen, otherwise="Gradient norms blow up.")


def fix(case: Case) -> str:
    median = case.number("gradnorm.median")
    limit = f"{number(2 * median, 2)} (twice the median of all finite norms, {number(median, 2)})" if median else "about twice its median"
    finite = case.measured.text("weights.nonfinite")
    named = f"{finite}, the last checkpoint" if finite else "the last checkpoint"
    return f"Clip the gradient norm at {limit}, and resume from {named} whose values are all finite."


def confirm(case: Case) -> str:
    return "Repeat from the last finite checkpoint with clipping on and log the norm before clipping: the burst should pass without NaN."


EXAMPLES = (
    CauseExample("a burst, then NaN", "likely", fail=("gradient-norm-burst", "nonfinite-loss", "nonfinite-weights")),
    CauseExample("weights and loss not finite, no norm logged", "likely", fail=("nonfinite-loss", "nonfinite-weights")),
    CauseExample(
        "one outlier of the gradient norm", "unlikely", warn=("gradient-norm-burst",), passed=("nonfinite-loss", "nonfinite-weights")
    ),
    CauseExample("nothing is known", "unlikely"),
)
