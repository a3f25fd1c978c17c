"""What the initial weights make of a signal, worked out without running the net: layer by layer, from sums over each unit's weights.

A unit's pre-activation is z = sum of w x + b. Its inputs are taken as independent, of one mean c and one mean square q; then z has mean
c * sum(w) + b and variance (q - c^2) * sum(w^2), and is near normal where there are many inputs. That is exact at random initial
weights up to the spread of single inputs (Poole et al. 2016, arXiv 1606.05340), and no statement about trained ones. The data enter
with mean 0 and mean square 1 unless the optimizer's state tells another.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from postmortem.measure.initial import is_initial
from postmortem.measure.layers import Layer
from postmortem.measure.table import CheckpointRow, Floats, TensorTable
from postmortem.measure.view import Found, View, at_step, missing, view_of
from postmortem.model import Checkpoint, Measurement, Missing, counted

NAMES = ("signal.silenced", "signal.preactivation_rms", "signal.relu_output_rms", "signal.final_preactivation_rms", "signal.offset")

NEVER = -3.0
"""A unit whose mean is this many deviations below 0 fires for one input in 740."""
FAR_OFFSET = 4.0
"""A bias at which the slope of tanh is 0.0013 of its largest, and that of a sigmoid 0.07 of its largest."""
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(32)
_SHARES = _WEIGHTS / _WEIGHTS.sum()


def measure_signal(table: TensorTable, checkpoints: Sequence[Checkpoint], input_rms: float | None) -> Iterator[Found]:
    """All `signal.*` measurements of one run. `input_rms`: of the data as the model sees them, None where it is not known."""
    if not table.rows:
        yield from missing(NAMES, "the run has no readable checkpoint", "initial-checkpoint")
        return
    view = view_of(table, checkpoints)
    yield _final(view, input_rms)
    row = view.rows[0]
    if row not in view.sound_rows or not is_initial(view, row):
        yield from missing((*NAMES[:3], NAMES[4]), "no checkpoint from before the first steps", "initial-checkpoint")
        return
    yield _offset(view, row)
    recurrent = _recurrent(view, row)
    chain = _chain(view, row)
    if not chain:
        reason, applies = _no_chain(view)
        yield from missing((NAMES[0], NAMES[2]), reason, "", applies)
        yield recurrent or Missing(NAMES[1], reason, "", applies)
        return
    square = 1.0 if input_rms is None else input_rms**2
    source = "inputs taken to have rms 1" if input_rms is None else f"inputs of rms {input_rms:.3g}"
    basis = f"weights and biases at {at_step(row)}, {source}, {counted(len(chain), 'hidden layer')}"
    silenced, output = _through_relu(view, row, chain, square)
    yield Measurement(NAMES[0], max(silenced.values()), "share", f"{basis} of ReLU units", row.step, silenced)
    rms = _through_tanh(row, chain, square)
    yield recurrent or Measurement(NAMES[1], max(rms.values()), "ratio", f"{basis} of bounded units", row.step, rms)
    if output is None:
        yield Missing(NAMES[2], "no last matrix of its own", "initial-checkpoint")
    else:
        yield Measurement(NAMES[2], output, "ratio", f"{basis} of ReLU units, and the last matrix", row.step)


def _offset(view: View, row: CheckpointRow) -> Found:
    """Largest share of a layer's units whose first bias is 4 or more from 0, and 3 deviations of what inputs of rms 1 add to it.

    Text: on which side of 0 these biases lie, `below`, `above`, or `both` where each side has a fifth of them.
    """
    name = NAMES[4]
    if view.normalizations:
        return Missing(name, "normalization layers take the mean out of what biases add", "", applies=False)
    items: dict[str, float] = {}
    sides: dict[str, str] = {}
    for layer in view.hidden:
        units, bias = row.tensors[layer.name].units if layer.name in row.tensors else None, row.tensors.get(layer.bias)
        if units is None or bias is None or bias.vector is None or len(bias.vector) != len(units.squares):
            continue
        least = np.maximum(FAR_OFFSET, -NEVER * np.sqrt(units.squares))
        above, below = float(np.mean(bias.vector >= least)), float(np.mean(bias.vector <= -least))
        items[layer.name] = above + below
        mixed = min(above, below) >= _EACH_SIDE * (above + below)
        sides[layer.name] = "both" if mixed else "above" if above > below else "below"
    if not items:
        return Missing(name, "no hidden layer has biases of its own", "", applies=False)
    worst = max(items, key=lambda each: items[each])
    basis = f"biases of {counted(len(items), 'hidden layer')} at {at_step(row)}, inputs taken to have rms 1"
    return Measurement(name, items[worst], "share", basis, row.step, items, sides[worst] if items[worst] else "")


_EACH_SIDE = 0.2


def _final(view: View, input_rms: float | None) -> Found:
    """Pre-activations that the last finite weights predict of bounded units; of trained weights right to a factor of two at best."""
    name, rows = NAMES[3], view.sound_rows
    if not rows:
        return Missing(name, "no checkpoint with finite weights", "checkpoint")
    if (recurrent := _recurrent(view, rows[-1])) is not None:
        return replace(recurrent, name=name)
    chain = _chain(view, rows[-1])
    if not chain:
        reason, applies = _no_chain(view)
        return Missing(name, reason, "", applies)
    items = _through_tanh(rows[-1], chain, 1.0 if input_rms is None else input_rms**2)
    basis = f"weights and biases at {at_step(rows[-1])}, {counted(len(chain), 'hidden layer')} of bounded units"
    return Measurement(name, max(items.values()), "ratio", basis, rows[-1].step, items)


def _chain(view: View, row: CheckpointRow) -> list[Layer]:
    """Hidden layers that follow each other with nothing but activations between, as far as names and shapes tell; else none."""
    hidden = [layer for layer in view.hidden if layer.name in row.tensors and row.tensors[layer.name].units is not None]
    first = next((layer for layer in view.layers.values() if layer.kind in {"linear", "conv", "embedding", "recurrent"}), None)
    plain = not view.normalizations and not view.skips and len({layer.net for layer in hidden}) == 1
    others = any(layer.kind in {"embedding", "recurrent", "lora"} for layer in view.layers.values())
    fits = plain and not others and first is not None and bool(hidden) and first.name == hidden[0].name
    fits = fits and all(_follows(before, after) for before, after in pairwise(hidden))
    return hidden if fits and not any(layer.transposed for layer in hidden) else []


def _no_chain(view: View) -> tuple[str, bool]:
    """Why weights alone do not tell what the layers give, and whether it is a question all the same."""
    if view.normalizations:
        return f"{counted(view.normalizations, 'normalization layer sets', 'normalization layers set')} the scale of the signal", False
    return "the layers do not follow each other as a plain chain, so that their weights do not tell the signal", True


def _follows(before: Layer, after: Layer) -> bool:
    """Whether one layer can take what the other gives: two heads of one trunk, such as mean and log-variance, do not follow each other."""
    given, taken = before.shape[0], after.shape[1]
    return taken == given or (before.kind == "conv" and after.kind == "linear" and taken % given == 0)


def _moments(row: CheckpointRow, layer: Layer, mean: float, square: float) -> tuple[Floats, Floats]:
    """Mean and deviation of each unit's pre-activation."""
    units, bias = row.tensors[layer.name].units, row.tensors.get(layer.bias)
    assert units is not None
    offset: Floats | float = 0.0
    if bias is not None:
        offset = bias.vector if bias.vector is not None and len(bias.vector) == len(units.total) else bias.mean
    return mean * units.total + offset, np.sqrt(np.maximum(square - mean**2, 0.0) * units.squares)


def _activated(mean: Floats, deviation: Floats, relu: bool) -> tuple[float, float]:
    """Mean and mean square of what a layer of such units gives, all units together."""
    z = mean[:, None] + deviation[:, None] * _NODES[None, :]
    given = np.maximum(z, 0.0) if relu else np.tanh(z)
    return float((given @ _SHARES).mean()), float((given**2 @ _SHARES).mean())


def _through_relu(view: View, row: CheckpointRow, chain: Sequence[Layer], square: float) -> tuple[dict[str, float], float | None]:
    """Share of units of each layer that never fire, and rms of what the last matrix gives."""
    mean = 0.0
    silenced: dict[str, float] = {}
    with np.errstate(over="ignore", invalid="ignore"):
        for layer in chain:
            centre, deviation = _moments(row, layer, mean, square)
            silenced[layer.name] = float(np.mean((deviation > 0) & (centre <= NEVER * deviation)))
            mean, square = _activated(centre, deviation, relu=True)
        heads = [
            layer for layer in view.matrices if layer.is_head and layer.name in row.tensors and row.tensors[layer.name].units is not None
        ]
        if len(heads) != 1 or not math.isfinite(square):
            return silenced, None
        _, deviation = _moments(row, heads[0], 0.0, square)
        return silenced, float(np.sqrt(np.mean(deviation**2)))


def _through_tanh(row: CheckpointRow, chain: Sequence[Layer], square: float) -> dict[str, float]:
    """Rms of the pre-activations of each layer's median unit, where every output stays within 1: a few units far out saturate no layer."""
    mean = 0.0
    items: dict[str, float] = {}
    for layer in chain:
        centre, deviation = _moments(row, layer, mean, square)
        items[layer.name] = float(np.median(np.hypot(centre, deviation)))
        mean, square = _activated(centre, deviation, relu=False)
    return items


def _recurrent(view: View, row: CheckpointRow) -> Measurement | None:
    """Rms of what the units of recurrences see in their first steps: by their weights, states taken as 0.5 and inputs by the embedding."""
    cells: Mapping[str, Layer] = {
        layer.name: layer for layer in view.layers.values() if layer.kind == "recurrent" and layer.name in row.tensors
    }
    if not cells:
        return None
    embedding = next(
        (row.tensors[layer.name] for layer in view.layers.values() if layer.kind == "embedding" and layer.name in row.tensors), None
    )
    square = embedding.norm**2 / embedding.elements if embedding is not None else 1.0
    items: dict[str, float] = {}
    for name, layer in cells.items():
        stats = row.tensors[name]
        carried = "hh" in name or "recurrent" in name
        items[name] = stats.norm / math.sqrt(max(1, layer.fan_out)) * (_HALF_STATE if carried else math.sqrt(square))
    basis = f"recurrent weights at {at_step(row)}, {counted(len(items), 'matrix', 'matrices')}, states taken as {_HALF_STATE:g}"
    return Measurement(NAMES[1], max(items.values()), "ratio", basis, row.step, items, "recurrent cells")


_HALF_STATE = 0.5
"""Root mean square of the states of a recurrence that is neither silent nor saturated."""
