"""Gradients that blow up: at single batches, more and more, or through a recurrence that grows what it carries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from faults.nouns import Data, Fault, Loop
from faults.plan import Plan

_NOT_FOR = frozenset({"adversarial", "policy"})


def _scaled(loop: Loop, factor: float) -> None:
    for each in loop.model.parameters():
        if each.grad is not None:
            each.grad.mul_(factor)


def _bursts(factor: float, every: int) -> Callable[[Loop], None]:
    """Every so many steps a batch gives gradients `factor` times the usual, as a record far out of range does."""

    def gradients(loop: Loop) -> None:
        if loop.step and loop.step % every == 0:
            _scaled(loop, factor)

    return gradients


def _once(factor: float, place: float) -> Callable[[Loop], None]:
    """One batch, at this share of the run, gives gradients `factor` times the usual."""

    def gradients(loop: Loop) -> None:
        if loop.step == round(place * loop.plan.steps):
            _scaled(loop, factor)

    return gradients


def _overflow(loop: Loop) -> None:
    """From two fifths of the run on the gradient grows by half at each step, until it leaves the range of floats."""
    beyond = loop.step - int(0.4 * loop.plan.steps)
    if beyond > 0:
        _scaled(loop, 1.5**beyond)


def _kept(loop: Loop) -> None:
    """Gradients are never set to zero: each step adds its own to all that came before."""
    kept = loop.notes.setdefault("gradients", {})
    for name, each in loop.model.named_parameters():
        if each.grad is not None:
            kept[name] = kept.get(name, torch.zeros_like(each)) + each.grad
            each.grad.copy_(kept[name])


def _growing_recurrence(model: nn.Module, data: Data, plan: Plan) -> None:
    """Recurrent weights start at ten times their scale, and nothing clips."""
    for layer in model.modules():
        if isinstance(layer, nn.RNN | nn.GRU | nn.LSTM):
            with torch.no_grad():
                dict(layer.named_parameters())["weight_hh_l0"].mul_(6.0)


def _unclipped(plan: Plan) -> Plan:
    return replace(plan, clip_norm=None)


def _sgd(plan: Plan) -> Plan:
    return replace(plan, optimizer="sgd", lr=0.05, momentum=0.9, clip_norm=None, weight_decay=0.0, schedule="constant")


def _gentle_sgd(plan: Plan) -> Plan:
    return replace(plan, optimizer="sgd", lr=0.01, momentum=0.9, clip_norm=None, weight_decay=0.0, schedule="constant")


def _adam(plan: Plan) -> Plan:
    return replace(plan, optimizer="adam", clip_norm=None, weight_decay=0.0, schedule="constant", warm_up=0.0)


_SPIKES = ("loss-spike",)
FAULTS = (
    Fault("bursts-3000", "clear", "Every 60 steps a batch gives gradients 3,000 times the usual; nothing clips.", base=_unclipped,
          gradients=_bursts(3000.0, 60), accepted=_SPIKES, spares=_NOT_FOR | {"recurrent"}),
    Fault("sgd-bursts-300", "blatant", "Every 50 steps a batch gives gradients 300 times the usual; SGD with momentum.", base=_gentle_sgd,
          gradients=_bursts(300.0, 50), accepted=_SPIKES, also=("dead-relus",), spares=_NOT_FOR | {"transformer"}),
    Fault("overflow", "blatant", "From two fifths of the run on the gradient grows without bound.", base=_gentle_sgd,
          gradients=_overflow, spares=_NOT_FOR | {"transformer", "recurrent"}),
    Fault("never-zeroed", "clear", "Gradients are never set to zero and add up from step to step; SGD with momentum.", base=_gentle_sgd,
          gradients=_kept, accepted=("lr-too-high",), spares=_NOT_FOR | {"transformer"}),
    Fault("one-burst", "subtle", "One early batch gave gradients a million times the usual; Adam remembers it.", base=_adam,
          gradients=_once(1e6, 0.08), accepted=_SPIKES, spares=_NOT_FOR),
    Fault("growing-recurrence", "clear", "Recurrent weights start at six times their scale, and nothing clips; SGD.", base=_sgd,
          model=_growing_recurrence, accepted=("init-too-large",), wants=frozenset({"recurrent"})),
)  # fmt: skip
