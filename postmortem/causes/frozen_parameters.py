"""Parameters that should train do not

## What happens
Part of the model keeps its first values: it was left out of the optimizer, detached from the loss, or has requires_grad off.

## How it shows
Some tensors have equal bits in all checkpoints, have no entry or only zeros in the optimizer's state, and the loss stays higher
than it would with all of the model at work.

## What to do
Give the optimizer all parameters, switch requires_grad on, and remove detach() or no_grad() from the path of the loss.

## How to confirm
List the parameters whose gradient is None after one backward pass.

## When it is wrong
Freezing a backbone on purpose looks the same: it is named here only where the loss is poor as well.

## References
TorchCheck; PyTorch documentation of requires_grad and Optimizer.add_param_group.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence

PRIOR = 0.03
EVIDENCE = (
    Evidence(6.5, "some parameters never changed", alarm=("unmoved-layers",)),
    Evidence(6.0, "some parameters never changed and the loss stayed high", alarm=("plateaued-loss", "unmoved-layers")),
    Evidence(6.0, "some parameters never changed and the loss stayed flat", alarm=("flat-loss", "unmoved-layers")),
    Evidence(2.0, "the optimizer of what stands still never stepped", alarm=("empty-optimizer-state", "unmoved-layers")),
    Evidence(7.0, "low-rank adapters are still at their first values", alarm=("idle-adapters",)),
    Evidence(2.0, "layers only shrink by weight decay, without a gradient", alarm=("decay-only-layers",)),
    Evidence(-5.0, "every parameter changed", passed=("unmoved-layers",)),
    Evidence(-5.0, "no parameter changed at all, so that none stands out", alarm=("unmoved-weights",)),
    Evidence(-4.0, "identical units pass no gradient on", alarm=("identical-units",)),
    Evidence(-3.0, "dead units pass no gradient on", alarm=("silent-units",)),
    Evidence(-6.0, "units that never fire leave layers before them without a gradient", alarm=("silent-units", "unmoved-layers")),
    Evidence(-4.0, "units that start silent pass no gradient on", alarm=("silenced-initial-units",)),
    Evidence(-3.0, "channels that are silent pass no gradient on", alarm=("silent-channels", "unmoved-layers")),
    Evidence(-3.0, "the learning rate was gone", alarm=("early-decayed-rate",)),
    Evidence(2.0, "a group of the optimizer has next to no learning rate", alarm=("spread-group-rates",)),
    Evidence(1.0, "a table of positions hardly moved beside the matrices", alarm=("idle-positions",)),
    Evidence(-2.0, "what stood still are experts that were not chosen", alarm=("starved-experts", "unmoved-layers")),
    Evidence(1.0, "the loss stayed high", alarm=("plateaued-loss",)),
    Evidence(0.5, "the loss ends high", alarm=("high-final-loss",)),
)
EXPLAINS = ("underfitting",)


def summary(case: Case) -> str:
    signs = ("unmoved-layers", "idle-adapters", "decay-only-layers", "plateaued-loss", "flat-loss")
    return case.said(*signs, otherwise="Part of the model does not train.")


def fix(case: Case) -> str:
    layers = case.where("unmoved-layers", "idle-adapters", "decay-only-layers")
    named = f" ({', '.join(layers[:3])}{', ...' if len(layers) > 3 else ''})" if layers else ""
    return f"Put these parameters{named} into the optimizer with requires_grad on, and keep them on the path of the loss."


def confirm(case: Case) -> str:
    return "After one backward pass, list the parameters whose .grad is None or zero: they should be none but those frozen on purpose."


EXAMPLES = (
    CauseExample("most layers stand still and the loss is poor", "likely", fail=("plateaued-loss",), warn=("unmoved-layers",)),
    CauseExample("adapters that are still zero", "likely", fail=("idle-adapters",)),
    CauseExample("a frozen backbone that works", "unlikely", warn=("unmoved-layers",), passed=("flat-loss", "plateaued-loss")),
    CauseExample("everything moved", "unlikely", passed=("unmoved-layers",)),
    CauseExample("nothing is known", "unlikely"),
)
