"""Ranks hold different parameters

## What happens
What should be one model is several: parameters that every rank of the job should hold alike have drifted apart, or were never made
equal.

## How it shows
The ranks' files disagree in parameters that are not cut over ranks: every weight of data-parallel replicas, norms and summed biases under
tensor parallelism. The loss of rank 0 may look sound for days.

## What to do
Make every rank do the same: broadcast weights at the start, reduce every gradient, clip and skip by a norm that all ranks share, and seed
alike what must be drawn alike. Restart from one rank's file, given to all.

## How to confirm
Print a sum of the named parameters on every rank after each of the first steps: they part at the step that does it.

## When it is wrong
Local SGD and federated training let replicas differ between synchronizations on purpose.

## References
BLOOM's chronicles; DeepSpeed issue 1801; PyTorch issue 104336.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence

PRIOR = 0.01
EVIDENCE = (
    Evidence(12.0, "parameters that should be equal on all ranks are not", alarm=("desynchronized-replicas",)),
    Evidence(-6.0, "all ranks hold the same parameters", passed=("desynchronized-replicas",)),
)
USES = ("replicas.differing_ranks",)


def summary(case: Case) -> str:
    return case.said("desynchronized-replicas", otherwise="Parameters differ between ranks.")


def fix(case: Case) -> str:
    layers = case.where("desynchronized-replicas")
    named = f" ({', '.join(layers[:3])}{', ...' if len(layers) > 3 else ''})" if layers else ""
    return (
        f"Reduce the gradients of every parameter{named} over all ranks, clip and skip steps by a norm that all ranks share, broadcast the "
        "weights of rank 0, and resume from its file."
    )


def confirm(case: Case) -> str:
    return "Print the sum of these parameters on every rank after each of 10 steps: the first step at which they part names the line."


EXAMPLES = (
    CauseExample("ranks far apart", "likely", fail=("desynchronized-replicas",)),
    CauseExample("ranks that differ in the last bits", "likely", warn=("desynchronized-replicas",)),
    CauseExample("ranks that agree", "unlikely", passed=("desynchronized-replicas",)),
    CauseExample("nothing is known", "unlikely"),
)
