"""Weights that start equal: all zero, all one constant, or so in some layers."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from faults.nouns import Data, Fault
from faults.plan import Plan
from faults.reach import fan_in, hidden_matrices, layers, redraw

_NOT_FOR = frozenset({"pretrained", "adversarial", "policy"})


def _all_zero(model: nn.Module, data: Data, plan: Plan) -> None:
    redraw([layer.weight for layer in layers(model)], nn.init.zeros_)
    redraw(hidden_matrices(model), nn.init.zeros_)
    redraw([layer.bias for layer in layers(model) if layer.bias is not None], nn.init.zeros_)


def _hidden_zero(model: nn.Module, data: Data, plan: Plan) -> None:
    redraw(hidden_matrices(model), nn.init.zeros_)


def _constant(model: nn.Module, data: Data, plan: Plan) -> None:
    redraw(hidden_matrices(model), lambda each: nn.init.constant_(each, 0.05))


def _mean_of_inputs(model: nn.Module, data: Data, plan: Plan) -> None:
    """Every unit of the network takes the mean of its inputs, the head's too."""
    redraw([*hidden_matrices(model), layers(model)[-1].weight], lambda each: nn.init.constant_(each, 1.0 / fan_in(each)))


def _two_layers(model: nn.Module, data: Data, plan: Plan) -> None:
    """Two hidden layers in the middle: units of the first one have equal weights on both sides, and stay equal."""
    matrices = hidden_matrices(model)
    middle = len(matrices) // 2
    redraw(matrices[middle - 1 : middle + 1], lambda each: nn.init.constant_(each, 1.0 / fan_in(each)))


def _copied_units(model: nn.Module, data: Data, plan: Plan) -> None:
    """Each hidden layer was widened by copying one unit's weights to all, as an expansion of a model does without noise."""
    redraw(hidden_matrices(model), lambda each: each.copy_(each[:1].expand_as(each).clone()))


def _sgd(plan: Plan) -> Plan:
    return replace(plan, optimizer="sgd", lr=0.05, momentum=0.9, schedule="constant", warm_up=0.0, weight_decay=0.0)


def _rmsprop(plan: Plan) -> Plan:
    return replace(plan, optimizer="rmsprop", lr=1e-3, schedule="constant", warm_up=0.0, weight_decay=0.0)


FAULTS = (
    Fault("all-zero", "blatant", "All weights start at zero.", model=_all_zero, spares=_NOT_FOR | {"shortcuts"}),
    Fault("constant", "clear", "All hidden weights start at 0.05.", model=_constant, spares=_NOT_FOR),
    Fault("two-layers", "subtle", "Two hidden layers of a deep net start at a constant.", model=_two_layers,
          wants=frozenset({"deep"}), spares=_NOT_FOR),
    Fault("sgd-mean", "blatant", "All weights start at one over the number of inputs; SGD with momentum.", base=_sgd,
          model=_mean_of_inputs, spares=_NOT_FOR | {"text", "deep", "autoencoder", "variational"}),
    Fault("copied-units", "clear", "All units of a hidden layer start as copies of one.", model=_copied_units, spares=_NOT_FOR),
    Fault("rmsprop-hidden-zero", "clear", "Hidden weights start at zero, the head at random; RMSProp.", base=_rmsprop,
          model=_hidden_zero, spares=_NOT_FOR | {"shortcuts", "transformer"}),
)  # fmt: skip
