"""Penalties that outweigh the data: squares and absolute values in the loss, weight decay, a divergence weighted too high."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from faults.nouns import Data, Fault, Losses, LossFunction
from faults.plan import Plan


def _penalty(weight: float) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, penalty=weight)


def _with_mild_penalty(plan: Plan) -> Plan:
    return replace(plan, penalty=1e-4)


def _decay(value: float) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, weight_decay=value)


def _adamw(plan: Plan) -> Plan:
    return replace(plan, optimizer="adamw", weight_decay=0.01)


def _sgd(plan: Plan) -> Plan:
    return replace(plan, optimizer="sgd", lr=0.02, momentum=0.9, weight_decay=1e-4, schedule="constant", warm_up=0.0)


def _absolute(weight: float) -> Callable[[LossFunction], LossFunction]:
    """The sum of absolute values of all matrices, added to the loss."""

    def wrap(plain: LossFunction) -> LossFunction:
        def loss(model: nn.Module, inputs: Tensor, targets: Tensor, data: Data, plan: Plan) -> Losses:
            found = plain(model, inputs, targets, data, plan)
            size = torch.stack([each.abs().sum() for each in model.parameters() if each.dim() >= 2]).sum()
            return replace(found, data=found.data + weight * size, parts={**found.parts, "loss/l1": weight * size})

        return loss

    return wrap


def _divergence(weight: float) -> Callable[[LossFunction], LossFunction]:
    """The divergence of a variational autoencoder, so many times what the bound asks for."""

    def wrap(plain: LossFunction) -> LossFunction:
        def loss(model: nn.Module, inputs: Tensor, targets: Tensor, data: Data, plan: Plan) -> Losses:
            found = plain(model, inputs, targets, data, plan)
            weighted = weight * found.parts["kl"]
            return replace(found, data=found.parts["reconstruction"] + weighted, parts={**found.parts, "kl": weighted})

        return loss

    return wrap


PAIRS = frozenset({"adversarial", "policy"})
FAULTS = (
    Fault(
        "squares-times-10", "blatant", "The sum of squares of all matrices was in the loss with weight 10.",
        base=_with_mild_penalty, plan=_penalty(10.0), spares=PAIRS,
    ),
    Fault(
        "adamw-decay-20", "clear", "AdamW's weight decay was 20.", base=_adamw, plan=_decay(20.0),
        spares=PAIRS | {"shortcuts", "batchnorm"},
    ),
    Fault(
        "sgd-decay-0.3", "clear", "SGD's weight decay was 0.3.", base=_sgd, plan=_decay(0.3), wants=frozenset({"classes"}),
        spares=frozenset({"text", "saturating", "batchnorm"}),
    ),
    Fault(
        "absolute-values", "clear", "The sum of absolute values of all matrices was in the loss with weight 0.1.", loss=_absolute(0.1),
        spares=PAIRS | {"variational"},
    ),
    Fault(
        "divergence-times-50", "clear", "The divergence of a variational autoencoder was weighted 50 times.", loss=_divergence(50.0),
        wants=frozenset({"variational"}),
    ),
    Fault(
        "squares-times-half", "subtle", "The sum of squares of all matrices was in the loss with weight 0.5.",
        base=_with_mild_penalty, plan=_penalty(0.5), spares=PAIRS | {"variational"},
    ),
)  # fmt: skip
