"""Classes so rare, in tasks so noisy, that naming the frequent ones is nearly as good as learning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from faults.nouns import Data, Fault
from faults.plan import Plan, Style

Shares = Callable[[int], torch.Tensor]
"""Number of classes to the relative frequency of each, the first the most frequent."""


def _one_of_all(ratio: float) -> Shares:
    """One frequent class, all others so many times rarer."""
    return lambda classes: torch.tensor([1.0] + [1.0 / ratio] * (classes - 1))


def _half(ratio: float) -> Shares:
    """Half of the classes so many times rarer than the others."""
    return lambda classes: torch.tensor([1.0 if place < (classes + 1) // 2 else 1.0 / ratio for place in range(classes)])


def _tail(ratio: float) -> Shares:
    """Each class rarer than the last by the same factor, the last so many times rarer than the first."""
    return lambda classes: ratio ** -torch.linspace(0.0, 1.0, classes)


def _varied(inputs: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Like records that are there: other noise on numbers, one character of a text changed."""
    if inputs.is_floating_point():
        return inputs + 0.3 * torch.randn(inputs.shape, generator=generator)
    changed = inputs.clone()
    places = torch.randint(inputs.shape[1], (len(inputs),), generator=generator)
    changed[torch.arange(len(inputs)), places] = torch.randint(int(inputs.max()) + 1, (len(inputs),), generator=generator)
    return changed


def _drawn(data: Data, rows: torch.Tensor, shares: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """As many records as `rows`, with other frequencies of classes: rare ones are thinned, frequent ones varied to have enough."""
    inputs, targets = [], []
    for label, wanted in enumerate((shares * len(rows)).round().long().clamp(min=1).tolist()):
        own = rows[data.targets[rows] == label]
        if not len(own):
            continue
        kept = own[torch.randperm(len(own), generator=generator)[:wanted]]
        inputs.append(data.inputs[kept])
        if wanted > len(own):
            more = own[torch.randint(len(own), (wanted - len(own),), generator=generator)]
            inputs.append(_varied(data.inputs[more], generator))
        targets += [label] * wanted
    order = torch.randperm(len(targets), generator=generator)
    return torch.cat(inputs)[order], torch.tensor(targets)[order]


def _skewed(shares: Shares) -> Callable[[Data, Plan], Data]:
    """The same task with other frequencies, in training and in validation alike. Which classes are rare depends on the seed."""

    def change(data: Data, plan: Plan) -> Data:
        generator = torch.Generator().manual_seed(plan.seed + 5)
        frequencies = shares(data.classes)
        frequencies = (frequencies / frequencies.sum())[torch.randperm(data.classes, generator=generator)]
        train = _drawn(data, torch.arange(data.train), frequencies, generator)
        held = _drawn(data, torch.arange(data.train, len(data.inputs)), frequencies, generator)
        return replace(data, inputs=torch.cat([train[0], held[0]]), targets=torch.cat([train[1], held[1]]), train=len(train[0]))

    return change


def _noisy(deviation: float) -> Callable[[Plan], Plan]:
    """Inputs so noisy that a record says little about its class: balanced classes are learned all the same."""
    return lambda plan: replace(plan, augmentation=deviation)


def _short(plan: Plan) -> Plan:
    return replace(plan, optimizer="sgd", lr=0.01, momentum=0.9, weight_decay=0.0, schedule="constant", warm_up=0.0, augmentation=1.0)


def _with_manifest(style: Style) -> Style:
    return style if style.manifest != "none" else replace(style, manifest="csv")


FLOATS = frozenset({"classes"})
FAULTS = (
    Fault(
        "one-class-200-to-1", "blatant", "One class had 200 times the records of each other, under strong noise.",
        base=_noisy(1.8), data=_skewed(_one_of_all(200)), wants=FLOATS, spares=frozenset({"text"}),
    ),
    Fault(
        "half-rare-100-to-1", "clear", "Half of the classes had a hundredth of the records of the other half.",
        base=_noisy(0.7), data=_skewed(_half(100)), wants=FLOATS, spares=frozenset({"text", "table"}), style=_with_manifest,
    ),
    Fault(
        "text-one-class-150-to-1", "clear", "One class of texts had 150 times the records of each other.",
        data=_skewed(_one_of_all(150)), wants=frozenset({"classes", "text"}),
    ),
    Fault(
        "sgd-one-class-120-to-1", "clear", "One class had 120 times the records of each other; SGD with momentum.",
        base=_short, data=_skewed(_one_of_all(120)), wants=FLOATS, spares=frozenset({"text", "saturating", "table"}),
    ),
    Fault(
        "long-tail-200-to-1", "subtle", "Frequencies of classes fell from 200 to 1 by equal factors.",
        base=_noisy(0.7), data=_skewed(_tail(200)), wants=FLOATS, spares=frozenset({"text", "table"}), style=_with_manifest,
    ),
    Fault(
        "one-class-50-to-1", "subtle", "One class had 50 times the records of each other, under noise.",
        base=_noisy(2.0), data=_skewed(_one_of_all(50)), wants=FLOATS, spares=frozenset({"text"}), style=_with_manifest,
    ),
)  # fmt: skip
