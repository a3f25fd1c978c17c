"""Numbers about the weights themselves: finite or not, equal units, growth, variance by depth. No optimizer needed.

A layer's gain is std x sqrt(fan_in): the factor by which a linear layer stretches centred inputs of scale 1. It makes layers of
different widths comparable (He's initialization has 1.41, Glorot's and LeCun's about 1, torch's default 0.58).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from postmortem.measure.initial import is_initial, measure_initial, outgoing_fan
from postmortem.measure.layers import Layer, layers
from postmortem.measure.table import CheckpointRow, Floats, TensorStats, TensorTable, UnitStats
from postmortem.measure.view import Found, View, at_step, missing, slope_by_depth, view_of
from postmortem.model import Checkpoint, Measurement, Missing, counted

NAMES = (
    "checkpoints.steps",
    "checkpoints.first_step",
    "weights.nonfinite",
    "weights.variance_by_depth",
    "weights.variance_by_depth_first",
    "weights.variance_slope",
    "weights.final_gain",
    "weights.normalization",
    "weights.duplicate_units",
    "weights.initial_duplicate_units",
    "weights.zero_share",
    "weights.growth",
    "weights.shrinkage",
    "weights.head_rows",
    "weights.parameters",
    "weights.depth",
    "weights.decay_penalty",
)

_EQUAL = 1e-4
"""Units whose sums agree to this share of their norm are equal: symmetric units drift apart by rounding only."""
_FEWEST_ELEMENTS = 64
"""Fewer elements than this do not tell a variance."""


def measure_weights(table: TensorTable, checkpoints: Sequence[Checkpoint]) -> Iterator[Found]:
    """All `weights.*` and `checkpoints.*` measurements of one run."""
    yield from measure_initial(table, checkpoints)
    if not table.rows:
        yield from missing(NAMES, "the run has no readable checkpoint", "checkpoint")
        return
    view = view_of(table, checkpoints)
    steps = [row.step for row in view.rows if row.step is not None]
    yield Measurement("checkpoints.steps", len(view.rows), "checkpoints", f"{counted(len(view.rows), 'checkpoint')} in one series")
    if steps:
        yield Measurement("checkpoints.first_step", steps[0], "steps", view.rows[0].source, steps[0])
    else:
        yield Missing("checkpoints.first_step", "no checkpoint tells its step", "checkpoint")
    yield _nonfinite(view, table.others)
    yield from _sizes(view)
    sound = view.sound_rows
    if not sound:
        names = tuple(
            name for name in NAMES[3:] if name not in {"weights.normalization", "weights.head_rows", "weights.parameters", "weights.depth"}
        )
        yield from missing(names, "no checkpoint holds finite weights throughout", "initial-checkpoint")
        return
    yield from _variance(view, sound[0], sound[-1])
    yield _duplicates(view, sound)
    yield _initial_duplicates(view)
    yield _zeros(view, sound[-1])
    yield from _growth(view, sound)
    yield _decay_penalty(view, sound)


def _nonfinite(view: View, others: Sequence[CheckpointRow]) -> Found:
    """Over every checkpoint, those that are not compared with the series (`others`: copies, unknown steps) included.

    The text names the last finite checkpoint before the first that is not.
    """
    watched = [layer.name for layer in view.layers.values() if layer.is_parameter or layer.kind == "running-stat"]
    found = [(row, _bad(row, watched)) for row in view.rows]
    found += [
        (row, _bad(row, [layer.name for layer in layers(row) if layer.is_parameter or layer.kind == "running-stat"])) for row in others
    ]
    bad = [(row, items) for row, items in found if items]
    if not bad:
        return Measurement("weights.nonfinite", 0, "elements", f"{counted(len(watched), 'tensor')} in {counted(len(found), 'checkpoint')}")
    first, items = bad[0]
    before, last = "no finite checkpoint before it", ""
    if first in view.rows and (position := view.rows.index(first)):
        last = view.rows[position - 1].source
        before = f"last finite checkpoint: {last}"
    return Measurement("weights.nonfinite", sum(items.values()), "elements", f"{first.source}; {before}", first.step, items, last)


def _bad(row: CheckpointRow, watched: Sequence[str]) -> dict[str, float]:
    """Non-finite elements by tensor, where there are any."""
    return {name: float(row.tensors[name].nonfinite) for name in watched if name in row.tensors and row.tensors[name].nonfinite}


def _sizes(view: View) -> Iterator[Found]:
    parameters = view.parameters
    elements = sum(layer.elements for layer in parameters)
    yield Measurement("weights.parameters", elements, "elements", f"{counted(len(parameters), 'tensor')}, tied ones counted once")
    matrices = view.matrices
    yield Measurement("weights.depth", len(matrices), "layers", "linear and convolution weights")
    heads = [layer for layer in matrices if layer.is_head]
    if heads and len({layer.net for layer in heads}) == 1:
        head = heads[-1]
        yield Measurement(
            "weights.head_rows",
            head.fan_out,
            "rows",
            f"last weight matrix in order: {head.name}",
            None,
            {head.name: head.fan_out},
            head.name,
        )
    else:
        reason = "the checkpoint holds several nets" if heads else "the checkpoint holds no weight matrix"
        yield Missing("weights.head_rows", reason, "num-classes")
    word = "normalization" if view.normalizations else "skip connections" if view.skips else "none"
    yield Measurement(
        "weights.normalization", view.normalizations or float(view.skips), "layers", "one-dimensional scales and module names", text=word
    )


def gain(stats: TensorStats, layer: Layer) -> float:
    """std x sqrt(fan_in) of a weight matrix."""
    return math.sqrt(stats.variance * layer.fan_in)


def _families(view: View, row: CheckpointRow) -> list[list[Layer]]:
    """Hidden layers that do the same work at different depths, by family; constant and tiny ones left out."""
    found: dict[str, list[Layer]] = {}
    for layer in view.hidden:
        stats = row.tensors.get(layer.name)
        if stats is not None and stats.variance > 0 and layer.elements >= _FEWEST_ELEMENTS:
            found.setdefault(_work(layer), []).append(layer)
    return [members for members in found.values() if len(members) >= 2]


def _work(layer: Layer) -> str:
    return f"{layer.net}|{layer.kind}|{layer.family}"


def _spread(row: CheckpointRow, members: Sequence[Layer]) -> float:
    """Largest over smallest variance x fan, by the fan that makes the layers most alike: initializations use either, or their mean."""
    spreads: list[float] = []
    for share in (1.0, 0.5, 0.0):
        scaled = [row.tensors[layer.name].variance * (share * layer.fan_in + (1 - share) * outgoing_fan(layer)) for layer in members]
        spreads.append(max(scaled) / min(scaled))
    return min(spreads)


def _scaled(row: CheckpointRow, members: Sequence[Layer]) -> dict[str, float]:
    return {layer.name: row.tensors[layer.name].variance * layer.fan_in for layer in members}


def _variance(view: View, first: CheckpointRow, last: CheckpointRow) -> Iterator[Found]:
    names = ("weights.variance_by_depth", "weights.variance_by_depth_first")
    for name, row in zip(names, (last, first), strict=True):
        families = _families(view, row)
        if not families:
            # A net without such layers has nothing to compare, whatever is saved of it.
            alike = Counter(_work(layer) for layer in view.hidden if layer.elements >= _FEWEST_ELEMENTS)
            deep = max(alike.values(), default=2) >= 2
            known = [row.tensors[layer.name].variance for layer in view.hidden if layer.name in row.tensors]
            constant = sum(value == 0 for value in known)
            told = "no two hidden layers do the same work at different depths"
            if deep and constant:
                alone = f"{constant} of {counted(len(known), 'hidden matrix', 'hidden matrices')}"
                told = f"{alone} {'is' if constant == 1 else 'are'} constant at {at_step(row)}: there is no variance to compare"
            elif deep:
                told = f"no two hidden layers of one kind are finite at {at_step(row)}"
            yield Missing(name, told, "", applies=deep and not constant)
            continue
        spreads = [_spread(row, members) for members in families]
        widest = families[spreads.index(max(spreads))]
        items = {label: value for members in families for label, value in _scaled(row, members).items()}
        basis = f"variance x fan_in at {at_step(row)}, {counted(len(widest), 'layer')} like {widest[0].name}"
        yield Measurement(name, max(spreads), "ratio", basis, row.step, items)
    yield _variance_slope(view, last)
    gains = {layer.name: gain(last.tensors[layer.name], layer) for layer in view.matrices if layer.name in last.tensors}
    if gains:
        basis = f"std x sqrt(fan_in) at {at_step(last)}, {counted(len(gains), 'matrix', 'matrices')}"
        yield Measurement("weights.final_gain", float(np.median(list(gains.values()))), "ratio", basis, last.step, gains)
    else:
        yield Missing("weights.final_gain", "the checkpoint holds no weight matrix", "checkpoint")


def _variance_slope(view: View, last: CheckpointRow) -> Found:
    long = [_scaled(last, members) for members in _families(view, last) if len(members) >= 3]
    if not long:
        return Missing("weights.variance_slope", "fewer than 3 hidden layers of one family", "checkpoint")
    slopes = [slope_by_depth([math.log10(value) for value in scaled.values()]) for scaled in long]
    steepest = max(range(len(long)), key=lambda index: abs(slopes[index]))
    basis = f"Theil-Sen over {len(long[steepest])} layers at {at_step(last)}"
    return Measurement("weights.variance_slope", slopes[steepest], "decades per layer", basis, last.step, long[steepest])


def duplicate_share(units: UnitStats, elements_per_unit: int) -> float:
    """1 - distinct units / units. All-zero units count only where the whole tensor is zero (others were pruned or decayed)."""
    squares = units.squares
    alive: Floats = np.flatnonzero(squares > 0).astype(np.float64)
    if alive.size == 0:
        return 1.0 - 1.0 / squares.size
    index = alive.astype(np.int64)
    order = index[np.argsort(units.projection[index], kind="stable")]
    norm = np.sqrt(squares[order])
    scale = np.minimum(norm[1:], norm[:-1])
    # A random projection vector's entries are of order 1, so equal units agree to a share of their norm.
    same = np.abs(np.diff(units.projection[order])) <= _EQUAL * scale
    same &= np.abs(np.diff(units.total[order])) <= _EQUAL * scale * math.sqrt(elements_per_unit)
    same &= np.abs(np.diff(squares[order])) <= 2 * _EQUAL * scale**2
    return float(np.count_nonzero(same)) / squares.size


def _called_weights(view: View, layer: Layer) -> bool:
    """Whether a tensor is called weights, or none of its net is: tables of rates, frequencies and the like may begin alike in all rows."""
    named = _WEIGHTS.search(layer.name.rpartition(".")[2].lower()) is not None
    return named or not any(_WEIGHTS.search(other.name.rpartition(".")[2].lower()) for other in view.matrices)


_WEIGHTS = re.compile(r"weight|kernel|matrix|proj|original|^w\d*$|^w_|_w$")


def _duplicates(view: View, sound: Sequence[CheckpointRow]) -> Found:
    trained = [row for row in sound if row.step is None or row.step > 0]
    if not trained:
        return Missing("weights.duplicate_units", "the only checkpoint is from before the first update", "two-checkpoints")
    row = trained[-1]
    items: dict[str, float] = {}
    for layer in view.hidden:
        stats = row.tensors.get(layer.name)
        if not _called_weights(view, layer):
            continue
        # Units with few inputs (depthwise kernels, single channels) are alike by chance.
        if stats is None or stats.units is None or layer.fan_in < 4 or layer.transposed:
            continue
        items[layer.name] = duplicate_share(stats.units, stats.elements // stats.shape[0])
    if not items:
        return Missing("weights.duplicate_units", "no hidden layer is wide enough to compare units", "checkpoint")
    basis = f"rows of {counted(len(items), 'hidden matrix', 'hidden matrices')} at {at_step(row)}, equal to {_EQUAL:g} of their norm"
    return Measurement("weights.duplicate_units", max(items.values()), "share", basis, row.step, items)


def _initial_duplicates(view: View) -> Found:
    """Share of equal units before training, over all hidden and recurrent matrices: a few that are zero on purpose hardly count."""
    name = "weights.initial_duplicate_units"
    row = view.rows[0]
    if not is_initial(view, row):
        return Missing(name, "no checkpoint from before the first steps", "initial-checkpoint")
    items: dict[str, float] = {}
    equal = units = 0.0
    for layer in view.layers.values():
        stats = row.tensors.get(layer.name)
        if not (layer.is_hidden or layer.kind == "recurrent") or stats is None or stats.units is None or stats.nonfinite:
            continue
        if not _called_weights(view, layer):
            continue
        if layer.fan_in < 4 or layer.transposed or len(stats.units.total) < 4:
            continue
        share = duplicate_share(stats.units, stats.elements // stats.shape[0])
        items[layer.name] = share
        equal += share * len(stats.units.total)
        units += len(stats.units.total)
    if not units:
        return Missing(name, "no hidden layer is wide enough to compare units", "initial-checkpoint")
    basis = f"rows of {len(items)} hidden and recurrent matrices at {at_step(row)}, equal to {_EQUAL:g} of their norm"
    return Measurement(name, equal / units, "share", basis, row.step, items)


def _zeros(view: View, row: CheckpointRow) -> Found:
    items = {
        layer.name: row.tensors[layer.name].zeros / layer.elements
        for layer in view.matrices
        if layer.name in row.tensors and layer.elements
    }
    if not items:
        return Missing("weights.zero_share", "the checkpoint holds no weight matrix", "checkpoint")
    return Measurement("weights.zero_share", max(items.values()), "share", f"exact zeros at {at_step(row)}", row.step, items)


def _growth(view: View, sound: Sequence[CheckpointRow]) -> Iterator[Found]:
    names = ("weights.growth", "weights.shrinkage")
    if len(sound) < 2:
        yield from missing(names, "one checkpoint with finite weights, two are needed", "two-checkpoints")
        return
    first, last = sound[0], sound[-1]
    recurrent = [layer for layer in view.layers.values() if layer.kind == "recurrent" and layer.is_parameter and len(layer.shape) == 2]
    for name, judged, pick in ((names[0], view.hidden, max), (names[1], (*view.hidden, *recurrent), min)):
        items = {
            layer.name: last.tensors[layer.name].norm / first.tensors[layer.name].norm
            for layer in judged
            if layer.elements >= _FEWEST_ELEMENTS
            and layer.name in last.tensors
            and layer.name in first.tensors
            and first.tensors[layer.name].norm > 0
        }
        if not items:
            yield Missing(name, "no hidden matrix is nonzero in the first checkpoint", "two-checkpoints")
            continue
        basis = f"norm at {at_step(last)} over norm at {at_step(first)}, {counted(len(items), 'hidden matrix', 'hidden matrices')}"
        yield Measurement(name, pick(items.values()), "ratio", basis, last.step, items)


def _decay_penalty(view: View, sound: Sequence[CheckpointRow]) -> Found:
    items: dict[str, float] = {}
    for row in sound:
        decays = {name: view.setting(row, name, "weight_decay") for name in row.tensors}
        if any(decay is not None for decay in decays.values()):
            items[at_step(row)] = sum((decay or 0.0) / 2 * row.tensors[name].norm ** 2 for name, decay in decays.items())
    if not items:
        return Missing("weights.decay_penalty", "no checkpoint holds the optimizer's param_groups", "optimizer-state")
    value = list(items.values())[-1]
    return Measurement("weights.decay_penalty", value, "loss", "sum of weight_decay / 2 x squared norm over the parameters", None, items)
