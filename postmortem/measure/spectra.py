"""Numbers that need whole matrices: stable rank, and the size of attention's logits. Only small matrices are read, one at a time.

Stable rank is the squared Frobenius norm over the squared largest singular value: the number of directions that a matrix works in, 1
where it is one direction. The largest singular value comes from power iteration on a fixed start.

A head's logit for inputs x and y is x' Wq' Wk y / sqrt(head width). Over inputs that a norm with scales g has made N(0, g^2) its
deviation is |diag(g) Wq' Wk diag(g)|_F / sqrt(head width); the squares of all heads add up, so that the mean over heads is the whole
matrices' over the root of all their rows, however many heads there are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from postmortem.measure.attention import Pair, pairs
from postmortem.measure.layers import Layer
from postmortem.measure.smooth import Floats
from postmortem.measure.table import CheckpointRow, TensorTable
from postmortem.measure.vectors import vector
from postmortem.measure.view import Found, View, at_step, missing, view_of
from postmortem.model import Checkpoint, Measurement, Missing, counted

NAMES = ("weights.attention", "weights.stable_rank", "weights.stable_rank_kept", "attention.logits", "attention.logits_growth")

LARGEST = 2**20
"""Elements of the largest matrix that is read whole."""
BUDGET = 2**23
"""Elements that are read in all, first and last checkpoint together."""
NARROWEST = 16
"""A matrix with fewer rows or columns has no rank to lose."""
_ROUNDS = 30


def measure_spectra(table: TensorTable, checkpoints: Sequence[Checkpoint]) -> Iterator[Found]:
    """The measurements named in `NAMES`, from the first and the last finite checkpoint."""
    if not table.rows:
        yield from missing(NAMES, "the run has no readable checkpoint", "checkpoint")
        return
    view = view_of(table, checkpoints)
    found = pairs(view)
    named = {name: 1.0 for pair in found for name in (pair.query, pair.key)}
    yield Measurement(NAMES[0], len(found), "layers", "names of tensors that make queries and keys", None, named)
    rows = view.sound_rows
    if len(rows) < 2 or rows[0].step == rows[-1].step:
        yield from missing(NAMES[1:], "one checkpoint with finite weights, two are needed", "two-checkpoints")
        return
    yield from _ranks(view, rows[0], rows[-1])
    yield from _logits(view, found, rows[0], rows[-1])


def matrix(view: View, row: CheckpointRow, name: str) -> Floats | None:
    """A tensor of two axes or more as a matrix, units as rows; None where it is too large, missing or not finite."""
    checkpoint = view.checkpoints.get(row.source)
    tensor = None if checkpoint is None else checkpoint.tensors.get(name)
    if tensor is None or len(tensor.shape) < 2 or not 0 < math.prod(tensor.shape) <= LARGEST:
        return None
    values: Floats = np.asarray(tensor.read(0, math.prod(tensor.shape)), dtype=np.float64).reshape(tensor.shape[0], -1)
    layer = view.layers.get(name)
    if layer is not None and layer.transposed and len(tensor.shape) == 2:
        values = values.T
    return values if bool(np.isfinite(values).all()) else None


def stable_rank(values: Floats) -> float:
    """Squared Frobenius norm over the squared largest singular value; NaN of zeros.

    Power iteration comes from below, so that the result is never too small: in thirty rounds by less than a tenth unless many directions
    are as strong as the strongest, where it matters least.
    """
    scale = float(np.abs(values).max(initial=0.0))
    if scale == 0:
        return math.nan
    unit = values / scale
    direction = 1.0 + 0.5 * np.cos(np.arange(unit.shape[1], dtype=np.float64))
    strongest = 0.0
    for _ in range(_ROUNDS):
        direction /= np.linalg.norm(direction)
        image = unit @ direction
        strongest = float(image @ image)
        direction = unit.T @ image
        if not direction.any():
            return math.nan
    return float(np.sum(unit * unit)) / strongest if strongest > 0 else math.nan


def _within_budget(layers: Sequence[Layer]) -> list[Layer]:
    """Layers that may be read, evenly spread over depth where not all may."""
    small = [layer for layer in layers if layer.elements <= LARGEST]
    while small and 2 * sum(layer.elements for layer in small) > BUDGET:
        small = small[::2] if len(small) > 1 else []
    return small


def _ranks(view: View, first: CheckpointRow, last: CheckpointRow) -> Iterator[Found]:
    """Stable rank of each hidden matrix at the end, and over what it was at the start."""
    names = NAMES[1:3]
    wide = [layer for layer in view.hidden if min(layer.shape[0], layer.elements // max(layer.shape[0], 1)) >= NARROWEST]
    chosen = _within_budget([layer for layer in wide if layer.name in first.tensors and layer.name in last.tensors])
    ends: dict[str, float] = {}
    kept: dict[str, float] = {}
    for layer in chosen:
        before, after = matrix(view, first, layer.name), matrix(view, last, layer.name)
        if before is None or after is None:
            continue
        one, two = stable_rank(before), stable_rank(after)
        if math.isfinite(one) and math.isfinite(two):
            ends[layer.name], kept[layer.name] = two, two / one
    if not ends:
        reason = f"no hidden matrix of {NARROWEST} rows and columns and at most {LARGEST:,} elements stands in two finite checkpoints"
        if not wide:
            reason = f"no hidden matrix of the net has {NARROWEST} rows and columns"
        yield from missing(names, reason, "", applies=bool(wide))
        return
    left_out = len(wide) - len(ends)
    those = counted(len(ends), "hidden matrix", "hidden matrices")
    basis = f"{those} at {at_step(last)}, {left_out} left out by size; 30 rounds of power iteration"
    yield Measurement(names[0], min(ends.values()), "directions", basis, last.step, ends)
    yield Measurement(names[1], min(kept.values()), "ratio", f"over {at_step(first)}; {basis}", last.step, kept)


def logit_deviation(query: Floats, key: Floats, scale: Floats | None) -> float:
    """Root mean square over heads of the deviation of attention's logits; `query` and `key` have as many rows, a column an input."""
    if scale is not None:
        query, key = query * scale, key * scale
    if query.shape[0] <= query.shape[1]:
        # |Wq' Wk|_F^2 is the sum over all elements of (Wq Wq') x (Wk Wk'): the smaller of both ways to it is taken.
        product = float(np.sum((query @ query.T) * (key @ key.T)))
    else:
        product = float(np.sum((query.T @ key) ** 2))
    return math.sqrt(max(product, 0.0) / query.shape[0])


def _deviation(view: View, row: CheckpointRow, pair: Pair) -> float | None:
    query = matrix(view, row, pair.query)
    key = query if pair.packed else matrix(view, row, pair.key)
    if query is None or key is None:
        return None
    if pair.packed:
        height = query.shape[0] // 3
        query, key = query[:height], query[height : 2 * height]
    if query.shape != key.shape:
        return None
    scale = vector(view, row, pair.scale) if pair.scale else None
    return logit_deviation(query, key, scale)


def _logits(view: View, found: Sequence[Pair], first: CheckpointRow, last: CheckpointRow) -> Iterator[Found]:
    names = NAMES[3:]
    ends: dict[str, float] = {}
    growth: dict[str, float] = {}
    layers = {layer.name for layer in _within_budget([view.layers[pair.query] for pair in found])}
    for pair in found:
        if pair.query not in layers or pair.normalized:
            continue
        before, after = _deviation(view, first, pair), _deviation(view, last, pair)
        if after is not None and before is not None and before > 0:
            ends[pair.query], growth[pair.query] = after, after / before
    if not ends:
        reason = "no small matrices of queries and keys without a norm of their own stand in two finite checkpoints"
        yield from (Missing(name, reason, "two-checkpoints") for name in names)
        return
    basis = f"{len(ends)} of {len(found)} layers of attention at {at_step(last)}, inputs of unit scale times the norm before"
    yield Measurement(names[0], max(ends.values()), "nats", basis, last.step, ends)
    yield Measurement(names[1], max(growth.values()), "ratio", f"over {at_step(first)}; {basis}", last.step, growth)
