"""How narrow the narrowest place is that all data must pass, and how soon weight decay forgets a weight."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from postmortem.measure.gaps import COUPLED, optimizers_of
from postmortem.measure.kept_state import algorithm_words
from postmortem.measure.layers import Layer
from postmortem.measure.settings import RATE, number_of
from postmortem.measure.table import TensorTable
from postmortem.measure.view import Found, View, view_of
from postmortem.model import Checkpoint, Measurement, Missing, Plain, counted

DECAYS = ("weight_decay", "wd", "weightdecay")
DECOUPLED = frozenset({"adamw", "lion", "sgd"})
"""Algorithms under which a weight without gradient shrinks by the learning rate times the decay each step."""
BOUNDED = frozenset({"adamw", "lion"})
"""Those whose steps are at most the rate long, so that no weight ends above 1 / decay."""
ENDLESS = 1e12


def measure_capacity(table: TensorTable, checkpoints: Sequence[Checkpoint], known: Mapping[str, Plain]) -> Iterator[Found]:
    """`capacity.narrowest` (units) and `optimizer.decay_memory` (steps). `known`: the run's settings."""
    view = view_of(table, checkpoints) if table.rows else None
    if view is None:
        yield Missing("capacity.narrowest", "the run has no readable checkpoint", "checkpoint")
    else:
        yield _narrowest(view)
    yield _memory(view, known)


def _inputs(layer: Layer) -> int:
    """Units that come into a matrix: channels of a convolution, the inputs of a linear layer."""
    if len(layer.shape) < 2:
        return 0
    return layer.shape[0] if layer.transposed else layer.shape[1]


def _narrowest(view: View) -> Found:
    """Fewest units that one layer hands to a later one of its net: inputs of matrices that an earlier one has as outputs."""
    name = "capacity.narrowest"
    matrices = [layer for layer in view.matrices if layer.is_parameter and layer.kind != "lora"]
    if not matrices:
        return Missing(name, "the checkpoint holds no weight matrix", "checkpoint")
    made = {
        (layer.net, layer.shape[1]): layer.name for layer in view.layers.values() if layer.kind == "embedding" and len(layer.shape) == 2
    }
    items: dict[str, float] = {}
    for layer in view.layers.values():
        if layer.kind == "recurrent" and "weight_hh" in layer.name and len(layer.shape) == 2:
            items[layer.name] = float(layer.shape[1])
    for layer in matrices:
        units = _inputs(layer)
        given = made.get((layer.net, units), "")
        # One map in and as many filters as maps before: each filter has a map of its own, and nothing is narrow.
        apart = units == 1 and len(layer.shape) > 2 and (layer.net, layer.shape[0]) in made
        if given and not apart:
            items[given] = float(units)
        made.setdefault((layer.net, layer.fan_out), layer.name)
    if not items:
        return Missing(name, f"{counted(len(matrices), 'matrix', 'matrices')}, none of which takes what another gives", "checkpoint")
    found = min(items, key=lambda each: items[each])
    return Measurement(name, items[found], "units", f"outputs of {found}, taken by a later layer", None, items, found)


def _memory(view: View | None, known: Mapping[str, Plain]) -> Found:
    """Steps in which decay alone takes a weight to 1/e: 1 / (rate * decay), times 1 - momentum under SGD; of the fastest group.

    Item `bound`: the largest weight that the strongest decay leaves, where the algorithm's steps are at most the rate long.
    """
    name = "optimizer.decay_memory"
    found: list[tuple[float, str]] = []
    bounds: list[float] = []
    for row in view.rows if view is not None else ():
        for optimizer in view.checkpoints[row.source].optimizers if view is not None and row.source in view.checkpoints else ():
            for group in optimizer.groups:
                rate, decay, momentum = (_number(group.get(key)) for key in ("lr", "weight_decay", "momentum"))
                if optimizer.algorithm in DECOUPLED and rate is not None and decay is not None:
                    found.append((_steps(rate, decay, momentum or 0.0), f"rate {rate:g}, decay {decay:g} of {row.source}"))
                    bounds += [1 / decay] if optimizer.algorithm in BOUNDED and decay > 0 else []
    if not found:
        rate_set, decay_set = number_of(known, RATE), number_of(known, DECAYS)
        algorithm = str(known.get("optimizer", known.get("optim", ""))).lower()
        kind = next((one for one in DECOUPLED if one in algorithm), "")
        if rate_set is None or decay_set is None or not kind:
            kinds = {str(one.algorithm) for one in optimizers_of(view)} if view is not None else set()
            coupled = next((one for one in (kinds or {algorithm}) & COUPLED), "") if len(kinds) <= 1 else ""
            if coupled:
                told = f"the optimizer is {algorithm_words(coupled)}, in which weight decay is a part of the gradients"
                return Missing(name, told, "", applies=False)
            told = "neither a checkpoint nor the settings tell the optimizer, its learning rate and its weight decay"
            return Missing(name, told, "optimizer-settings")
        kept = number_of(known, ("momentum",))
        told = f"settings: {kind}, rate {rate_set[1]:g}, decay {decay_set[1]:g}"
        found.append((_steps(rate_set[1], decay_set[1], kept[1] if kept is not None else 0.0), told))
        bounds += [1 / decay_set[1]] if kind in BOUNDED and decay_set[1] > 0 else []
    steps, told = min(found)
    return Measurement(name, steps, "steps", told, items={"bound": min(bounds)} if bounds else {})


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _steps(rate: float, decay: float, momentum: float) -> float:
    each = rate * decay
    return min(ENDLESS, (1 - min(momentum, 0.999)) / each) if each > 0 else ENDLESS
