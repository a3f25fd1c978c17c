"""Tanh or sigmoid units at their extremes

## What happens
Units sit where the activation is flat, so that neither input nor gradient passes.

## How it shows
Most of the mass of activation histograms lies at -1 and 1 (tanh) or 0 and 1 (sigmoid), or the weights predict pre-activations far
beyond the bend.

## What to do
Start with Glorot's initialization where the weights began too large, scale the inputs to mean 0 and variance 1 where they are not, lower
the learning rate where the weights grew; or normalize before the activation.

## How to confirm
Log a histogram of activations on one batch before training.

## When it is wrong
Gates of LSTM and attention, and a final sigmoid, are meant to saturate. Binary codes are, too.

## References
Glorot and Bengio 2010, on saturation with depth.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence, number

PRIOR = 0.02
EVIDENCE = (
    Evidence(5.5, "most units sit at the ends of their activation", alarm=("saturated-units",)),
    Evidence(1.0, "gradients vanish behind saturated units", alarm=("gradient-depth-slope", "saturated-units")),
    Evidence(1.0, "the loss stayed high behind saturated units", alarm=("plateaued-loss", "saturated-units")),
    Evidence(1.0, "the loss stayed flat behind saturated units", alarm=("flat-loss", "saturated-units")),
    Evidence(-2.5, "the recurrence grows what it carries, which drives its units to their ends", alarm=("growing-recurrence",)),
    Evidence(-3.0, "the weights themselves blew up", alarm=("late-divergence", "growing-weights")),
    Evidence(-3.0, "weights were overwritten, which drives units to their ends", alarm=("overwritten-weights", "saturated-units")),
    Evidence(6.0, "biases held most units at their ends from the start", alarm=("offset-initial-units",)),
    Evidence(-4.5, "units are not saturated", passed=("saturated-units",)),
    Evidence(0.5, "the loss stayed high", alarm=("plateaued-loss",)),
    Evidence(0.5, "the loss ends high", alarm=("high-final-loss",)),
)
EXPLAINS = ("vanishing-gradients", "lr-too-low", "dead-relus", "frozen-parameters", "not-training")
USES = ("weights.initial_gain",)


def summary(case: Case) -> str:
    return case.said(
        "saturated-units", "offset-initial-units", "gradient-depth-slope", otherwise="Units sit at the ends of their activation."
    )


def fix(case: Case) -> str:
    gain, advice = case.number("weights.initial_gain"), []
    if _alarmed(case, "large-initial-weights") and gain and gain > 1:
        advice.append(
            f"scale the initial hidden weights down by about {number(gain, 2)}: their deviation is {number(gain, 2)} / sqrt(fan_in), and "
            "1 / sqrt(fan_in) is right before tanh"
        )
    if _alarmed(case, "unscaled-inputs") or _alarmed(case, "uncentred-inputs"):
        advice.append("scale the inputs to mean 0 and variance 1")
    if _alarmed(case, "offset-initial-units"):
        advice.append("start biases at 0")
    if _alarmed(case, "growing-weights"):
        advice.append("lower the learning rate, under which the weights grew")
    if not advice:
        unknown = all(
            id not in case.outcomes or case.outcomes[id].status == "not-checked" for id in ("unscaled-inputs", "uncentred-inputs")
        )
        inputs = ", see that the inputs have mean 0 and variance 1" if unknown else ""
        advice.append(f"initialize with standard deviation sqrt(1 / fan_in){inputs}, or normalize before the activation")
    told = "; ".join(advice)
    return f"{told[0].upper()}{told[1:]}."


def _alarmed(case: Case, id: str) -> bool:
    return id in case.outcomes and case.outcomes[id].alarmed


def confirm(case: Case) -> str:
    return (
        "Log activation histograms on one batch before training: with the change most of the mass should lie between -0.9 and 0.9 (tanh)."
    )


EXAMPLES = (
    CauseExample("all tanh units at the ends", "likely", fail=("saturated-units",)),
    CauseExample("unsaturated units", "unlikely", passed=("saturated-units",)),
    CauseExample("nothing is known", "unlikely"),
)
