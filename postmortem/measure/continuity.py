"""Whether weights go on from checkpoint to checkpoint: layers drawn anew in between, equal checkpoints, ties that come undone.

All of it follows from the table of the pass, over every element; what `membership` looks into beforehand is a sample.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise

import numpy as np

from postmortem.measure.initial import looks_fresh
from postmortem.measure.layers import Layer
from postmortem.measure.table import CheckpointRow, TensorTable
from postmortem.measure.view import Found, View, at_step, missing, view_of
from postmortem.model import Checkpoint, Measurement, counted

NAMES = (
    "weights.redrawn",
    "weights.redrawn_inside",
    "weights.tied",
    "weights.tie_split",
    "checkpoints.equal",
    "checkpoints.types",
    "checkpoints.copies",
)

_FEWEST_ELEMENTS = 256
_FEWEST_TO_BREAK = 64
"""Fewer elements tell that they were drawn anew only where they went on before and after."""
_NO_RELATION = 0.05
"""Cosine within which a tensor has nothing to do with what it was; or 4 / sqrt(elements), where noise alone reaches further."""
_BROKEN = 0.5
"""Cosine within which a tensor was drawn anew if it went on before and goes on after: what is trained beside layers that expect the old
one grows back towards it. A turn of 60 degrees beside turns of less than 26. Own runs: 0.06 to 0.36 after fifty steps; trainings at ten
times the usual rate stay above 0.9."""
_GOES_ON = 0.9
"""Cosine from which on a tensor goes on from what it was. Own runs: 0.91 to 1.00 between checkpoints once a training is under way."""
_NORM_RATIO = 4.0
"""Between the norms of a trained tensor and of a new draw; what blew up or decayed between checkpoints lies further apart."""


def measure_continuity(table: TensorTable, checkpoints: Sequence[Checkpoint]) -> Iterator[Found]:
    """All measurements of how weights go on along the series."""
    yield _copies(table)
    view = view_of(table, checkpoints)
    if len(view.rows) < 2:
        yield from missing(NAMES[:-1], "there are fewer than two checkpoints of one series", "two-checkpoints")
        return
    yield from _redrawn(view)
    yield from _ties(view)
    yield _equal(view)
    yield _types(view)


def _cosines(view: View, before: CheckpointRow, after: CheckpointRow) -> dict[str, float]:
    """Cosine between two rows, by matrix or table that is large enough and varies in both."""
    found = {}
    for layer in view.parameters:
        delta = after.deltas.get(layer.name)
        if delta is None or layer.elements < _FEWEST_TO_BREAK or len(layer.shape) < 2 or not math.isfinite(delta.cosine_weights):
            continue
        if before.tensors[layer.name].variance > 0 and after.tensors[layer.name].variance > 0:
            found[layer.name] = delta.cosine_weights
    return found


def _is_new(layer: Layer, before: CheckpointRow, after: CheckpointRow, cosine: float, around: Sequence[float]) -> bool:
    """Whether a tensor was drawn between two checkpoints; `around`: its cosines over the stretch before and the one after."""
    old, new = before.tensors[layer.name], after.tensors[layer.name]
    unrelated = abs(cosine) < max(_NO_RELATION, 4 / math.sqrt(layer.elements)) and layer.elements >= _FEWEST_ELEMENTS
    broken = abs(cosine) < _BROKEN and bool(around) and min(around) > _GOES_ON
    if not (unrelated or broken) or not 1 / _NORM_RATIO <= new.norm / old.norm <= _NORM_RATIO:
        return False
    if broken and len(around) == 2:
        return True
    # What was as freshly drawn before had nothing to lose: a first stretch at a high rate turns it anywhere.
    return not (layer.is_matrix and looks_fresh(old, layer, before.tensors.get(layer.bias)))


def _redrawn(view: View) -> Iterator[Found]:
    """Tensors that were drawn anew between two checkpoints while the others went on; or all, between stretches that went on."""
    turns = [(before, after, _cosines(view, before, after)) for before, after in pairwise(view.rows)]
    goes_on = [bool(cosines) and float(np.median(list(cosines.values()))) > _GOES_ON for _, _, cosines in turns]
    judged = 0
    for position, (before, after, cosines) in enumerate(turns):
        if before.step == 0 or not cosines:
            continue
        judged += 1
        beside = [place for place in (position - 1, position + 1) if 0 <= place < len(turns) and turns[place][0].step != 0]
        new = {}
        for name, cosine in cosines.items():
            around = [turns[place][2].get(name, 0.0) for place in beside]
            if _is_new(view.layers[name], before, after, cosine, around):
                new[name] = cosine
        others = [cosine for name, cosine in cosines.items() if name not in new]
        everything = not others and len(new) >= 2 and bool(beside) and all(goes_on[place] for place in beside)
        if new and (everything or (others and float(np.median(others)) > _GOES_ON)):
            told = f"cosine between {before.source} and {after.source}"
            rest = f"median of {len(others)} others: {np.median(others):.3f}" if others else "no tensor goes on"
            basis = f"{told}; {rest}"
            yield Measurement("weights.redrawn", len(new), "tensors", basis, after.step, new, before.source)
            inner = _before_others(view, cosines, new)
            yield Measurement("weights.redrawn_inside", len(inner), "tensors", basis, after.step, inner)
            return
    if not judged:
        reason = "no two checkpoints after the start share weight matrices"
        yield from missing(("weights.redrawn", "weights.redrawn_inside"), reason, "two-checkpoints")
        return
    basis = f"cosines of weight matrices over {counted(judged, 'interval')} between checkpoints"
    yield Measurement("weights.redrawn", 0, "tensors", basis, view.rows[-1].step)
    yield Measurement("weights.redrawn_inside", 0, "tensors", basis, view.rows[-1].step)


def _before_others(view: View, cosines: Mapping[str, float], new: Mapping[str, float]) -> dict[str, float]:
    """Redrawn tensors that are no head and have one behind them, in depth order, that went on: it was fed with noise from then on."""
    order = [name for name in view.layers if name in cosines]
    last = max((place for place, name in enumerate(order) if name not in new), default=len(order))
    return {name: new[name] for place, name in enumerate(order) if name in new and place < last and not view.layers[name].is_head}


def _tied_pairs(view: View, row: CheckpointRow) -> set[tuple[str, str]]:
    """Tensors of one checkpoint that are equal, pair by pair."""
    alike: dict[tuple[object, ...], list[str]] = {}
    for layer in view.layers.values():
        stats = row.tensors.get(layer.name)
        if stats is None or not layer.is_parameter or len(layer.shape) < 2 or not stats.variance > 0:
            continue
        key = (stats.shape, stats.norm, stats.mean, stats.minimum, stats.maximum, stats.zeros)
        alike.setdefault(key, []).append(layer.name)
    return {pair for names in alike.values() if len(names) <= 8 for pair in combinations(names, 2)}


def _moved(row: CheckpointRow, pair: tuple[str, str]) -> bool:
    return all(name in row.deltas and row.deltas[name].norm > 0 for name in pair)


def _ties(view: View) -> Iterator[Found]:
    """Tied: equal in two checkpoints between which both moved; layers that are copied at the start are equal only there."""
    pairs = [_tied_pairs(view, row) for row in view.rows]
    tied: dict[tuple[str, str], int] = {}
    for position in range(1, len(view.rows)):
        for pair in sorted(pairs[position - 1] & pairs[position]):
            if _moved(view.rows[position], pair):
                tied.setdefault(pair, position)
    told = ", ".join(f"{two} = {one}" for one, two in tied)
    basis = f"tensors equal in two of {counted(len(view.rows), 'checkpoint')} between which they moved"
    yield Measurement("weights.tied", len(tied), "pairs", basis, view.rows[-1].step, {two: 1.0 for _, two in tied}, told)
    split: dict[tuple[str, str], int] = {}
    for pair, since in tied.items():
        for position in range(since + 1, len(view.rows)):
            there = all(name in view.rows[position].tensors for name in pair)
            if there and pair not in pairs[position]:
                split.setdefault(pair, position)
    first = min(split.values(), default=None)
    step = None if first is None else view.rows[first].step
    told = ", ".join(f"{two} was {one} until {at_step(view.rows[position - 1])}" for (one, two), position in split.items())
    yield Measurement("weights.tie_split", len(split), "pairs", f"of {len(tied)} tied pairs", step, {two: 1.0 for _, two in split}, told)


def _equal(view: View) -> Found:
    """Checkpoints whose parameters are bit for bit those of the one before."""
    items = {}
    for before, after in pairwise(view.rows):
        watched = [layer.name for layer in view.parameters if layer.name in after.deltas]
        if watched and all(after.deltas[name].equal == after.tensors[name].elements for name in watched):
            items[f"{after.source} = {before.source}"] = float(len(watched))
    first = next((after for before, after in pairwise(view.rows) if f"{after.source} = {before.source}" in items), None)
    basis = f"bits of all parameters, {len(view.rows) - 1} intervals"
    return Measurement("checkpoints.equal", len(items), "intervals", basis, first.step if first else None, items, ", ".join(items))


def _copies(table: TensorTable) -> Found:
    """Checkpoints, of the series or not, whose tensors have the content of another's, by the fingerprints of all of them."""
    rows = (*table.rows, *table.others)
    if len(rows) < 2:
        return next(missing(("checkpoints.copies",), "there are fewer than two checkpoints", "two-checkpoints"))
    first: dict[tuple[tuple[str, int], ...], str] = {}
    items = {}
    for row in rows:
        content = tuple(sorted((name, stats.fingerprint) for name, stats in row.tensors.items()))
        original = first.setdefault(content, row.source)
        if original != row.source:
            items[f"{row.source} = {original}"] = float(len(content))
    basis = f"fingerprints of all tensors of {counted(len(rows), 'checkpoint')}"
    return Measurement("checkpoints.copies", len(items), "checkpoints", basis, None, items, ", ".join(items))


def _types(view: View) -> Found:
    """Element types of the parameters along the series; a change within it makes differences of rounding."""
    by_row = []
    for row in view.rows:
        found = {row.tensors[layer.name].dtype for layer in view.parameters if layer.name in row.tensors}
        by_row.append(", ".join(sorted(found)))
    changed = next((after for (before, after) in pairwise(range(len(by_row))) if by_row[before] != by_row[after]), None)
    step = None if changed is None else view.rows[changed].step
    changes = sum(one != two for one, two in pairwise(by_row))
    return Measurement(
        "checkpoints.types", changes, "changes", "element types of parameters", step, text=" -> ".join(dict.fromkeys(by_row))
    )
