"""What a script measures layer by layer, at logged steps and only where its style asks for it.

A scalar of a layer has the role `kind@layer`, which `writing/tags.py` turns into what the style calls it. Nothing here changes a training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.Softplus)
OTHERWISE = (nn.Linear, nn.Conv2d)
"""Whose outputs are watched in a network that applies its activations as functions."""


@contextmanager
def activations(model: nn.Module, watched: tuple[str, ...]) -> Iterator[dict[str, float]]:
    """Hooks for the passes within: share of exact zeros, mean and deviation of what each activation gives, of its first call."""
    seen: dict[str, float] = {}
    if "activations" not in watched:
        yield seen
        return
    named = dict(model.named_modules())
    chosen = [name for name, layer in named.items() if isinstance(layer, ACTIVATIONS)]
    chosen = chosen or [name for name, layer in named.items() if isinstance(layer, OTHERWISE)]
    handles = [named[name].register_forward_hook(_listener(name, seen)) for name in chosen]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _listener(name: str, seen: dict[str, float]) -> Callable[[nn.Module, Any, Any], None]:
    def heard(layer: nn.Module, given: Any, made: Any) -> None:
        if f"activation_mean@{name}" not in seen and isinstance(made, Tensor):
            values = made.detach().float()
            seen[f"activation_zeros@{name}"] = float((values == 0).float().mean())
            seen[f"activation_mean@{name}"] = float(values.mean())
            seen[f"activation_std@{name}"] = float(values.std(correction=0))

    return heard


@torch.no_grad()
def norms(model: nn.Module, watched: tuple[str, ...]) -> dict[str, float]:
    """L2 norms of each parameter and of its gradient, as they are now."""
    found: dict[str, float] = {}
    for name, each in model.named_parameters():
        if "gradient-norms" in watched and each.grad is not None:
            found[f"gradient_norm@{name}"] = float(each.grad.float().norm())
        if "weight-norms" in watched:
            found[f"weight_norm@{name}"] = float(each.float().norm())
    return found


def copies(model: nn.Module, watched: tuple[str, ...]) -> dict[str, Tensor]:
    """Weight matrices before an update, for `updates`."""
    if "updates" not in watched:
        return {}
    return {name: each.detach().float().clone() for name, each in model.named_parameters() if each.dim() >= 2}


@torch.no_grad()
def updates(model: nn.Module, before: Mapping[str, Tensor]) -> dict[str, float]:
    """Norm of each matrix's update as a share of its norm before; 0 where it did not move, left out where it was all zeros."""
    found: dict[str, float] = {}
    for name, each in model.named_parameters():
        if name in before and before[name].any():
            found[f"update_ratio@{name}"] = float((each.float() - before[name]).norm() / before[name].norm())
    return found


@torch.no_grad()
def values(model: nn.Module, watched: tuple[str, ...]) -> dict[str, Tensor]:
    """Copies of matrices and of their gradients for histograms, by role: `weights@layer`, `gradients@layer`."""
    found: dict[str, Tensor] = {}
    for name, each in model.named_parameters():
        if each.dim() < 2:
            continue
        if "weight-histograms" in watched:
            found[f"weights@{name}"] = each.detach().float().clone()
        if "gradient-histograms" in watched and each.grad is not None:
            found[f"gradients@{name}"] = each.grad.float().clone()
    return found
