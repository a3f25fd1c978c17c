"""Initial weights too small

## What happens
Each layer shrinks the signal, so that the output hardly depends on the input and gradients die on the way back.

## How it shows
The standard deviation of initial weights is far below 1/sqrt(fan_in) in hidden layers, the first loss sits exactly at chance, and
the loss stays flat for long.

## What to do
Initialize with standard deviation sqrt(2 / fan_in) before ReLU and sqrt(1 / fan_in) before tanh.

## How to confirm
Re-initialize at that scale and repeat the first steps.

## When it is wrong
Transformers with normalization layers train well from weights of standard deviation 0.02. Heads and residual branches are often
started at or near zero on purpose.

## References
He, Zhang, Ren, Sun 2015 (arXiv 1502.01852). Glorot and Bengio 2010.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence, number

PRIOR = 0.02
EVIDENCE = (
    Evidence(4.0, "hidden weights started far too small", alarm=("small-initial-weights",)),
    Evidence(2.0, "the loss stayed flat from too small weights", alarm=("flat-loss", "small-initial-weights")),
    Evidence(2.0, "the loss stayed high from too small weights", alarm=("plateaued-loss", "small-initial-weights")),
    Evidence(3.0, "the signal shrinks with depth from the start", alarm=("small-initial-weights", "unstable-initial-gain")),
    Evidence(3.0, "the loss did not move at first, behind too small weights", alarm=("late-start", "small-initial-weights")),
    Evidence(1.0, "gradients vanish behind too small weights", alarm=("gradient-depth-slope", "small-initial-weights")),
    Evidence(1.0, "layers of too small weights grew many times over", alarm=("skewed-weight-variance", "small-initial-weights")),
    Evidence(-3.0, "the weights do not differ at all, which is another matter", alarm=("identical-initial-units",)),
    Evidence(-4.0, "hidden weights started large enough", passed=("small-initial-weights",)),
    Evidence(
        -4.0,
        "the loss came down far and settled there, which the signal did not stand against",
        passed=("flat-loss", "high-final-loss", "unfinished-descent"),
    ),
    Evidence(-1.5, "the loss fell all the same", passed=("flat-loss", "plateaued-loss")),
    Evidence(1.0, "the loss stayed flat", alarm=("flat-loss",)),
    Evidence(1.0, "the loss stayed flat and hardly differs between evaluations", alarm=("flat-loss", "still-validation")),
    Evidence(1.0, "the loss took long to start", alarm=("late-start",)),
)
EXPLAINS = ("vanishing-gradients", "lr-too-low", "dead-relus", "lr-too-high", "frozen-parameters")
USES = ("weights.initial_gain",)


def summary(case: Case) -> str:
    return case.said("small-initial-weights", "unstable-initial-gain", "flat-loss", otherwise="The signal dies with depth from the start.")


def fix(case: Case) -> str:
    gain = case.number("weights.initial_gain")
    if gain and 0 < gain < 1:
        return (
            f"Scale the initial hidden weights up by about {number(2**0.5 / gain, 2)}: their deviation is "
            f"{number(gain, 2)} / sqrt(fan_in), and 1.41 / sqrt(fan_in) is right before ReLU, 1 / sqrt(fan_in) before tanh."
        )
    return "Initialize hidden weights with standard deviation sqrt(2 / fan_in) before ReLU, sqrt(1 / fan_in) before tanh."


def confirm(case: Case) -> str:
    return "Print the standard deviation of each layer's activations on one batch before training: it should stay near constant with depth."


EXAMPLES = (
    CauseExample("tiny weights and a flat loss", "likely", fail=("small-initial-weights", "flat-loss")),
    CauseExample("small weights that learned", "unlikely", warn=("small-initial-weights",), passed=("flat-loss", "plateaued-loss")),
    CauseExample("nothing is known", "unlikely"),
)
