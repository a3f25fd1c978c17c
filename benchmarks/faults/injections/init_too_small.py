"""Weights that start so small that the signal dies on its way through the layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import nn

from faults.nouns import Data, Fault
from faults.plan import Plan
from faults.reach import hidden_matrices, layers, redraw

_NOT_FOR = frozenset({"pretrained", "adversarial", "policy", "batchnorm", "normalized", "transformer", "recurrent"})
"""Normalization restores the scale of a signal, and gates pass it whatever the weights are."""


def _normal(deviation: float, head: bool = False) -> Callable[[nn.Module, Data, Plan], None]:
    def start(model: nn.Module, data: Data, plan: Plan) -> None:
        redraw(hidden_matrices(model), lambda each: nn.init.normal_(each, std=deviation))
        if head:
            redraw([layers(model)[-1].weight], lambda each: nn.init.normal_(each, std=deviation))

    return start


def _times(factor: float) -> Callable[[nn.Module, Data, Plan], None]:
    return lambda model, data, plan: redraw(hidden_matrices(model), lambda each: each.mul_(factor))


def _narrow(model: nn.Module, data: Data, plan: Plan) -> None:
    redraw(hidden_matrices(model), lambda each: nn.init.uniform_(each, -1e-3, 1e-3))


def _sgd(plan: Plan) -> Plan:
    return replace(plan, optimizer="sgd", lr=0.05, momentum=0.9)


def _slow_sgd(plan: Plan) -> Plan:
    return replace(plan, optimizer="sgd", lr=0.02, momentum=0.9)


def _rmsprop(plan: Plan) -> Plan:
    return replace(plan, optimizer="rmsprop", lr=1e-3)


FAULTS = (
    Fault("sgd-normal-0.003", "clear", "Weights start at a deviation of 0.003; SGD with momentum.", base=_sgd,
          model=_normal(0.003), spares=_NOT_FOR | {"variational", "table"}),
    Fault("normal-1e-4", "blatant", "All weights start at a deviation of 0.0001.", model=_normal(1e-4, head=True),
          spares=_NOT_FOR | {"variational"}),
    Fault("tenth-deep", "clear", "Hidden weights start at a tenth of what the twin starts with.", model=_times(0.1),
          wants=frozenset({"deep"}), spares=_NOT_FOR),
    Fault("rmsprop-narrow", "clear", "Hidden weights start within 0.001 of zero; RMSProp.", base=_rmsprop,
          model=_narrow, spares=_NOT_FOR | {"variational"}),
    Fault("sgd-quarter", "subtle", "Hidden weights start at a quarter of what the twin starts with; SGD with momentum.", base=_slow_sgd,
          model=_times(0.25), wants=frozenset({"deep"}), spares=_NOT_FOR),
    Fault("normal-1e-3", "clear", "Hidden weights start at a deviation of 0.001.", model=_normal(1e-3), wants=frozenset({"deep"}),
          spares=_NOT_FOR),
)  # fmt: skip
