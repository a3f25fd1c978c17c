"""Dead ReLU units

## What happens
Units whose pre-activation is negative for every input give zero, get no gradient, and never come back.

## How it shows
Rows of a hidden layer get no gradient any more: their second moments decay by exactly beta2 per step, or their weights stand
still while others move.

## What to do
Lower the learning rate or the shock that killed them, start biases at 0, use LeakyReLU or GELU.

## How to confirm
Count units that are zero on every record of one epoch.

## When it is wrong
Two or three percent of dead units are usual. Rows of embeddings and experts that were not met are silent by nature.

## References
Lu, Shin, Su, Karniadakis 2019 (arXiv 1903.06733); SageMaker Debugger's DeadRelu (more than half of a layer).
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence

PRIOR = 0.02
EVIDENCE = (
    Evidence(5.5, "a large share of a layer's units gets no gradient any more", alarm=("silent-units",)),
    Evidence(1.0, "the loss stayed high with dead units", alarm=("plateaued-loss", "silent-units")),
    Evidence(1.0, "the loss stayed flat with dead units", alarm=("flat-loss", "silent-units")),
    Evidence(4.5, "units start where a ReLU never fires", alarm=("silenced-initial-units",)),
    Evidence(2.5, "units start silent, and layers before them never moved", alarm=("silenced-initial-units", "unmoved-layers")),
    Evidence(2.5, "channels are silent, and layers before them never moved", alarm=("silent-channels", "unmoved-layers")),
    Evidence(3.0, "the loss stayed flat where units start silent", alarm=("flat-loss", "silenced-initial-units")),
    Evidence(3.0, "the loss stayed flat with silent channels", alarm=("flat-loss", "silent-channels")),
    Evidence(2.0, "the loss ends high with silent channels", alarm=("high-final-loss", "silent-channels")),
    Evidence(2.0, "both losses settled high with silent channels", alarm=("settled-high-loss", "silent-channels")),
    Evidence(3.0, "matrices only shrink by decay before silent channels", alarm=("decay-only-layers", "silent-channels")),
    Evidence(2.0, "the loss stayed flat with channels that do not vary", alarm=("constant-channels", "flat-loss")),
    Evidence(2.5, "a group of the optimizer has a far higher rate, and units died", alarm=("silent-units", "spread-group-rates")),
    Evidence(-3.5, "the units are bounded, and sit at their ends", alarm=("saturated-units",)),
    Evidence(-2.5, "the signal is so small from the start that biases decide which units fire", alarm=("small-initial-weights",)),
    Evidence(-4.5, "units are alive", passed=("silent-units",)),
    Evidence(-3.0, "the loss follows the order of the records, which throws the weights about", alarm=("epoch-patterned-loss",)),
    Evidence(-3.0, "units are identical from the start, which silences them together", alarm=("identical-units",)),
    Evidence(4.0, "scale and shift of norms keep most channels of a layer below zero", alarm=("silent-channels",)),
    Evidence(2.5, "channels behind a layer do not vary", alarm=("constant-channels",)),
    Evidence(-4.0, "units start identical, which silences them together", alarm=("identical-initial-units",)),
    Evidence(4.0, "units that start silent leave short gradients", alarm=("short-gradients", "silenced-initial-units")),
    Evidence(2.5, "layers before silent units never moved", alarm=("silent-units", "unmoved-layers")),
    Evidence(-3.0, "gradients were cut short, so that units are where they started", alarm=("short-gradients",)),
    Evidence(0.5, "the loss stayed flat", alarm=("flat-loss",)),
    Evidence(1.5, "the loss stayed flat and hardly differs between evaluations", alarm=("flat-loss", "still-validation")),
    Evidence(1.0, "the loss ends high and hardly differs between evaluations", alarm=("high-final-loss", "still-validation")),
)
EXPLAINS = ("underfitting", "vanishing-gradients", "frozen-parameters", "lr-too-low")


def summary(case: Case) -> str:
    return case.said(
        "silent-units", "silenced-initial-units", "plateaued-loss", "flat-loss", otherwise="A large share of ReLU units never fires."
    )


def fix(case: Case) -> str:
    layers = case.where("silent-units", "silenced-initial-units")
    named = f" in {', '.join(layers[:3])}" if layers else ""
    return f"Re-initialize the dead units{named}, start biases at 0, and lower the learning rate; LeakyReLU or GELU keep a gradient."


def confirm(case: Case) -> str:
    return (
        "Over one epoch, count the units that are zero for every record; repeat the first 200 steps with LeakyReLU: the loss should fall."
    )


EXAMPLES = (
    CauseExample("most of a layer is silent", "likely", fail=("silent-units", "plateaued-loss")),
    CauseExample("all units alive", "unlikely", passed=("silent-units",)),
    CauseExample("nothing is known", "unlikely"),
)
