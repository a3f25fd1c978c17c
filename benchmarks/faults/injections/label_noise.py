"""Labels that do not follow the inputs: shuffled, shifted by a row, joined wrongly, or partly random."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from faults.nouns import Data, Fault
from faults.plan import Plan

Change = Callable[[Tensor, torch.Generator], Tensor]


def _shuffled(targets: Tensor, generator: torch.Generator) -> Tensor:
    return targets[torch.randperm(len(targets), generator=generator)]


def _shifted(targets: Tensor, generator: torch.Generator) -> Tensor:
    """A header line was read as a record: each record stands beside the label of the one before."""
    return targets.roll(1, dims=0)


def _sorted(targets: Tensor, generator: torch.Generator) -> Tensor:
    """Labels came from a table sorted by label, inputs did not; shuffled later, both together."""
    return targets.sort().values


def _partly(share: float) -> Change:
    """A share of the records gets the label of another record."""

    def change(targets: Tensor, generator: torch.Generator) -> Tensor:
        hit = torch.rand(len(targets), generator=generator) < share
        other = targets[torch.randint(len(targets), (len(targets),), generator=generator)]
        return torch.where(hit if targets.dim() == 1 else hit[:, None], other, targets)

    return change


def _labels(change: Change, held_out_too: bool) -> Callable[[Data, Plan], Data]:
    """Other labels for training records, and for validation where the mistake is made before the split."""

    def changed(data: Data, plan: Plan) -> Data:
        generator = torch.Generator().manual_seed(plan.seed + 11)
        train, held = data.targets[: data.train], data.targets[data.train :]
        train = change(train, generator)
        return replace(data, targets=torch.cat([train, change(held, generator) if held_out_too else held]))

    return changed


def _longer(plan: Plan) -> Plan:
    return replace(plan, steps=plan.steps * 2)


def _sgd(plan: Plan) -> Plan:
    return replace(plan, optimizer="sgd", lr=0.03, momentum=0.9, weight_decay=0.0, schedule="constant", warm_up=0.0)


def _rmsprop(plan: Plan) -> Plan:
    return replace(plan, optimizer="rmsprop", lr=1e-3, weight_decay=0.0)


LABELLED = frozenset({"autoencoder", "variational", "adversarial", "policy"})
FAULTS = (
    Fault(
        "shuffled-before-split", "blatant", "All labels were shuffled, those of validation too.",
        data=_labels(_shuffled, held_out_too=True), spares=LABELLED | {"language"},
    ),
    Fault(
        "shifted-by-a-row", "clear", "Training labels stood one row too far down.", base=_longer,
        data=_labels(_shifted, held_out_too=False), wants=frozenset({"classes"}),
    ),
    Fault(
        "sixty-percent", "clear", "Six of ten labels were those of other records.",
        data=_labels(_partly(0.6), held_out_too=True), spares=LABELLED | {"language"},
    ),
    Fault(
        "sgd-joined-wrongly", "clear", "Inputs were joined with labels that a table had sorted; SGD with momentum.",
        base=_sgd, data=_labels(_sorted, held_out_too=True), wants=frozenset({"classes"}), spares=frozenset({"text", "saturating"}),
    ),
    Fault(
        "rmsprop-shuffled-training", "blatant", "Training labels were shuffled, those of validation were not; RMSprop.",
        base=_rmsprop, data=_labels(_shuffled, held_out_too=False), wants=frozenset({"classes"}), spares=frozenset({"text"}),
    ),
    Fault(
        "thirty-percent", "subtle", "Three of ten training labels were those of other records, validation was clean.", base=_longer,
        data=_labels(_partly(0.35), held_out_too=False), wants=frozenset({"classes"}),
    ),
)  # fmt: skip
