"""What trainings with loops of their own share: which writers and tags suit them, and how their snapshots and points are made."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import nn

from faults import watching
from faults.nouns import Fault, Point, Snapshot
from faults.plan import Style

_LOGS = frozenset({"tensorboard", "tensors", "lightning-csv", "jsonl", "console", "none"})


def suited(style: Style) -> Style:
    """The style with a writer that takes any tag at any step: Keras' and transformers' files hold losses of supervised runs."""
    return style if style.logs in _LOGS else replace(style, logs="tensorboard")


def with_roles(style: Style, points: tuple[Point, ...]) -> Style:
    """The style that logs all that these points hold."""
    return replace(style, roles=tuple(dict.fromkeys(role for point in points for role in point.values)))


def intervals(style: Style, steps: int) -> tuple[int, int]:
    """Steps from one logged point to the next, and from one checkpoint to the next."""
    return max(1, steps // style.points), max(1, steps // style.checkpoints)


def logged(step: int, values: Mapping[str, float], model: nn.Module, style: Style, log_every: int) -> Point:
    """A point with what the style wants to know of each layer: norms, and now and then histograms, after the step's updates."""
    now = step % (log_every * max(1, round(style.points / style.histograms))) == 0
    return Point(step, 0, {**values, **watching.norms(model, style.watched)}, watching.values(model, style.watched) if now else {})


def setting(fault: Fault | None, name: str, usual: float) -> float:
    """A number that the fault sets, or the usual one."""
    return float(fault.settings.get(name, usual)) if fault is not None else usual


def word(fault: Fault | None, name: str, usual: str) -> str:
    """A word that the fault sets, or the usual one."""
    return str(fault.settings.get(name, usual)) if fault is not None else usual


def snapshot(step: int, model: nn.Module, optimizers: Mapping[str, Any]) -> Snapshot:
    """All that a checkpoint can hold; of several optimizers each stands under its own key."""
    states = {key: copy.deepcopy(optimizer.state_dict()) for key, optimizer in optimizers.items()}
    names = tuple(name for name, _ in model.named_parameters())
    return Snapshot(step, copy.deepcopy(model.state_dict()), states.pop("optimizer", {}), parameters=names, other=states)
