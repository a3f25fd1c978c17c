"""The nets of one checkpoint that play against or beside each other, and how much gradient each still gets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from postmortem.measure.table import CheckpointRow, UpdateStats
from postmortem.measure.view import ADAM_KIN, View, update_items, updates_done


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


JUDGES = _set("discriminator disc dis d netd dnet critic c netc cnet")
MAKERS = _set("generator gen g netg gnet")
_ACTORS = _set("actor policy pi actionnet policynet actormean actorhead policyhead logits mu actornet actorfc")
_CRITICS = _set("critic critics value vf valuenet valuehead criticnet qf qf1 qf2 qnet v vhead baseline valuefn target criticfc")
LEAST_UPDATES = 20
"""Before, the moments of few gradients tell nothing."""


def _parts(name: str) -> list[str]:
    parts = name.lower().split(".")
    return [part.replace("_", "") for part in parts] + [part.removeprefix("net_") for part in parts]


def side_of_pair(name: str) -> str:
    """`judge` or `maker` by the first part of a parameter's name that tells; empty where none does."""
    for part in _parts(name):
        if part in JUDGES:
            return "judge"
        if part in MAKERS:
            return "maker"
    return ""


def side_of_agent(name: str) -> str:
    """`critic`, or `actor` for a net that is called so; `shared` where nothing tells."""
    for part in reversed(_parts(name)):
        if part in _CRITICS:
            return "critic"
        if part in _ACTORS:
            return "actor"
    return "shared"


def by_side(view: View, row: CheckpointRow, side_of: Callable[[str], str]) -> dict[str, list[UpdateStats]]:
    """The updates of the weight matrices of each side."""
    found: dict[str, list[UpdateStats]] = {}
    for layer, update in update_items(view, row):
        side = side_of(layer.name)
        if side:
            found.setdefault(side, []).append(update)
    return found


def coherence(updates: list[UpdateStats]) -> float:
    """Median over matrices of Adam's mean |m| / sqrt(v); NaN where none is known.

    Gradients of pure noise and steady size give sqrt((1 - beta1) / (1 + beta1)) * sqrt(2 / pi), 0.183 for beta1 = 0.9. Less is only
    there where gradients are far smaller than those that the second moment remembers.
    """
    known = [update.snr for update in updates if update.algorithm in ADAM_KIN and math.isfinite(update.snr)]
    return float(np.median(known)) if known else math.nan


def gradient_size(updates: list[UpdateStats]) -> float:
    """Median over matrices of the root mean square of gradients that the optimizer remembers; NaN where none is known."""
    known = [update.gradient_rms for update in updates if math.isfinite(update.gradient_rms)]
    return float(np.median(known)) if known else math.nan


def judged_rows(view: View) -> tuple[CheckpointRow, ...]:
    """Checkpoints with an optimizer's state of enough updates."""
    return tuple(row for row in view.rows if row.updates and (updates_done(row) or 0) >= LEAST_UPDATES)


def known(values: Mapping[str, float]) -> dict[str, float]:
    """The numbers among them."""
    return {name: value for name, value in values.items() if math.isfinite(value)}
