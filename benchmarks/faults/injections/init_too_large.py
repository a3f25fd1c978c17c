"""Weights that start so large that the untrained network is confidently wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import nn

from faults.nouns import Data, Fault
from faults.plan import Plan
from faults.reach import hidden_matrices, layers, redraw

_NOT_FOR = frozenset({"pretrained", "adversarial", "policy", "saturating"})
_NORMALIZED = frozenset({"batchnorm", "normalized", "transformer", "recurrent"})


def _standard_normal(model: nn.Module, data: Data, plan: Plan) -> None:
    redraw([*hidden_matrices(model), layers(model)[-1].weight], nn.init.normal_)


def _times(factor: float) -> Callable[[nn.Module, Data, Plan], None]:
    return lambda model, data, plan: redraw(hidden_matrices(model), lambda each: each.mul_(factor))


def _head(factor: float) -> Callable[[nn.Module, Data, Plan], None]:
    return lambda model, data, plan: redraw([layers(model)[-1].weight], lambda each: each.mul_(factor))


def _wide(model: nn.Module, data: Data, plan: Plan) -> None:
    redraw([*hidden_matrices(model), layers(model)[-1].weight], lambda each: nn.init.uniform_(each, -1.0, 1.0))


def _sgd(plan: Plan) -> Plan:
    return replace(plan, optimizer="sgd", lr=0.02, momentum=0.9)


def _rmsprop(plan: Plan) -> Plan:
    return replace(plan, optimizer="rmsprop", lr=1e-3, schedule="constant", warm_up=0.0, weight_decay=0.0)


_CONSEQUENCES = ("saturated-activations", "exploding-gradients", "dead-relus", "lr-too-high")
FAULTS = (
    Fault("standard-normal", "blatant", "All weights start as standard normal numbers.", model=_standard_normal, also=_CONSEQUENCES,
          spares=_NOT_FOR | {"batchnorm"}),
    Fault("times-8", "clear", "Hidden weights start 8 times as large as the twin's.", model=_times(8.0), also=_CONSEQUENCES,
          spares=_NOT_FOR | _NORMALIZED),
    Fault("head-times-80", "clear", "The head starts 80 times as large as the twin's.", model=_head(80.0), also=_CONSEQUENCES,
          spares=_NOT_FOR),
    Fault("sgd-times-5", "clear", "Hidden weights start 5 times as large as the twin's; SGD with momentum.", base=_sgd,
          model=_times(5.0), also=_CONSEQUENCES, spares=_NOT_FOR | _NORMALIZED | {"autoencoder", "variational"}),
    Fault("rmsprop-uniform", "blatant", "All weights start uniform between -1 and 1; RMSProp.", base=_rmsprop,
          model=_wide, also=_CONSEQUENCES, spares=_NOT_FOR | {"batchnorm", "transformer"}),
    Fault("times-4", "subtle", "Hidden weights start 4 times as large as the twin's.", model=_times(4.0), also=_CONSEQUENCES,
          spares=_NOT_FOR | _NORMALIZED | {"autoencoder", "variational"}),
    Fault("tanh-times-12", "clear", "Hidden weights of a net of tanh or sigmoid units start 12 times as large as the twin's.",
          model=_times(12.0), accepted=("saturated-activations",), wants=frozenset({"saturating"})),
)  # fmt: skip
