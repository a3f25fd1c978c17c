"""Tanh and sigmoid units that sit at their ends: by weights, by inputs, by offsets, or by a shock in the first steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from faults.nouns import Data, Fault, Loop
from faults.plan import Plan
from faults.reach import hidden_biases, hidden_matrices, redraw, seen_through

_WANTS = frozenset({"saturating"})


def _times(factor: float) -> Callable[[nn.Module, Data, Plan], None]:
    return lambda model, data, plan: redraw(hidden_matrices(model), lambda each: each.mul_(factor))


def _inputs_times_100(model: nn.Module, data: Data, plan: Plan) -> nn.Module:
    def change(inputs: Tensor) -> Tensor:
        return inputs * 100.0

    return seen_through(model, change)


def _offsets(deviation: float) -> Callable[[nn.Module, Data, Plan], None]:
    """Biases far from zero, as where weight and bias were drawn by the same call of a deviation meant for inputs of another scale."""

    def start(model: nn.Module, data: Data, plan: Plan) -> None:
        drawn = torch.Generator().manual_seed(plan.seed)
        redraw(hidden_biases(model), lambda each: each.copy_(torch.randn(each.shape, generator=drawn).sign() * deviation))

    return start


def _shock(times: float, steps: int) -> Callable[[Loop], None]:
    """The rate of the first steps is far too high: a warm-up that falls instead of rising."""

    def start(loop: Loop) -> None:
        loop.scheduler = torch.optim.lr_scheduler.LambdaLR(loop.optimizer, lambda step: times if step < steps else 1.0)

    return start


def _sgd(plan: Plan) -> Plan:
    return replace(plan, optimizer="sgd", lr=0.05, momentum=0.9)


def _rmsprop(plan: Plan) -> Plan:
    return replace(plan, optimizer="rmsprop", lr=1e-3)


FAULTS = (
    Fault("weights-times-25", "blatant", "Hidden weights of saturating units start 25 times as large as the twin's.",
          model=_times(25.0), accepted=("init-too-large",), also=("vanishing-gradients",), wants=_WANTS),
    Fault("offsets-12", "clear", "Biases of saturating units start at 12 or -12.", model=_offsets(12.0),
          also=("vanishing-gradients", "init-too-large"), wants=_WANTS, spares=frozenset({"recurrent"})),
    Fault("inputs-times-100", "clear", "Inputs of a net of saturating units are a hundred times unit scale.", model=_inputs_times_100,
          accepted=("inputs-not-normalized",), wants=_WANTS, spares=frozenset({"text"})),
    Fault("sgd-weights-times-12", "clear", "Hidden weights start 12 times as large as the twin's; SGD with momentum.", base=_sgd,
          model=_times(12.0), accepted=("init-too-large",), also=("vanishing-gradients",), wants=_WANTS),
    Fault("shock", "subtle", "The first 15 steps have 150 times the usual rate, which drives units to their ends.",
          start=_shock(150.0, 15), accepted=("lr-too-high", "lr-schedule"), wants=_WANTS),
    Fault("rmsprop-offsets-6", "subtle", "Biases of saturating units start at 6 or -6; RMSProp.", base=_rmsprop,
          model=_offsets(6.0), also=("vanishing-gradients", "init-too-large"), wants=_WANTS, spares=frozenset({"recurrent"})),
)  # fmt: skip
