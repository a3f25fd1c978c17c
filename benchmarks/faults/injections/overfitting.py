"""Training data learned by heart: too few records, too long, too large a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from faults.nouns import Data, Fault
from faults.plan import Plan
from faults.tasks.dense import perceptron


def _few(records: int) -> Callable[[Data, Plan], Data]:
    """So many training records; validation stays as it is."""

    def change(data: Data, plan: Plan) -> Data:
        kept = torch.cat([torch.arange(min(records, data.train)), torch.arange(data.train, len(data.inputs))])
        return replace(data, inputs=data.inputs[kept], targets=data.targets[kept], train=min(records, data.train))

    return change


def _huge(model: nn.Module, data: Data, plan: Plan) -> nn.Module:
    """A network of a few hundred thousand parameters for a few dozen records."""
    outputs = [layer.out_features for layer in model.modules() if isinstance(layer, nn.Linear)][-1]
    wide = perceptron(data.inputs[0].numel(), (512, 512), outputs, "relu")
    return wide if data.inputs.dim() == 2 else nn.Sequential(nn.Flatten(), wide)


def _longer(times: float) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, steps=int(plan.steps * times), schedule="constant")


def _sgd(plan: Plan) -> Plan:
    return replace(plan, optimizer="sgd", lr=0.03, momentum=0.9, weight_decay=0.0, schedule="constant", warm_up=0.0, steps=plan.steps * 2)


def _rmsprop(plan: Plan) -> Plan:
    return replace(plan, optimizer="rmsprop", lr=5e-4, weight_decay=0.0, schedule="constant", warm_up=0.0)


def _adamw(plan: Plan) -> Plan:
    return replace(plan, optimizer="adamw", weight_decay=0.01, steps=plan.steps * 2)


PAIRS = frozenset({"adversarial", "policy"})
FAULTS = (
    Fault(
        "forty-records", "blatant", "There were 40 training records, and training went on for twice as long.",
        base=_longer(2), data=_few(40), spares=PAIRS | {"language", "variational"},
    ),
    Fault(
        "huge-model", "clear", "A model of several hundred thousand parameters was trained on 120 records.",
        base=_longer(1.5), data=_few(120), model=_huge, wants=frozenset({"dense", "relu"}),
    ),
    Fault(
        "text-too-long", "clear", "A twentieth of the texts, read over and over.",
        base=_longer(2), data=_few(80), wants=frozenset({"text"}),
    ),
    Fault(
        "sgd-hundred-records", "clear", "There were 100 training records; SGD with momentum.",
        base=_sgd, data=_few(100), wants=frozenset({"classes"}), spares=frozenset({"text", "saturating", "table"}),
    ),
    Fault(
        "rmsprop-eighty-records", "clear", "There were 80 training records; RMSprop.",
        base=_rmsprop, data=_few(80), wants=frozenset({"classes"}), spares=frozenset({"text", "table"}),
    ),
    Fault(
        "adamw-two-hundred", "subtle", "There were 200 training records, weight decay did not help.",
        base=_adamw, data=_few(200), spares=PAIRS | {"table", "autoencoder", "variational"},
    ),
)  # fmt: skip
