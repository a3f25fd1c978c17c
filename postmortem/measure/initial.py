"""What the first checkpoint says of the initialization: gains by layer, their product over depth, and whether weights are freshly drawn.

Only a checkpoint from before training, or from so early that the weights have hardly moved, can answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from postmortem.measure.layers import Layer
from postmortem.measure.table import CheckpointRow, TensorStats, TensorTable
from postmortem.measure.view import Found, View, at_step, missing, update_items, updates_done, view_of
from postmortem.model import Checkpoint, Measurement, Missing, counted

NAMES = (
    "weights.initial_gain",
    "weights.initial_gain_min",
    "weights.initial_gain_max",
    "weights.initial_head_gain",
    "weights.initial_depth_gain",
    "weights.fresh",
    "weights.initial_recurrent_gain",
)

STABLE_GAINS = (1.0, math.sqrt(2.0))
"""Gains that keep a signal's scale: 1 through linear and tanh layers (LeCun, Glorot), sqrt(2) through ReLU (He)."""

_EARLY_STEP = 5
_SMALL_MOVE = 0.1
_UNIFORM_KURTOSIS, _CUT_NORMAL_KURTOSIS = 1.8, 2.36
_FEWEST_ELEMENTS = 256
"""Fewer elements than this do not tell a drawn distribution from a trained one."""
_FEWEST_ROWS = 8


def measure_initial(table: TensorTable, checkpoints: Sequence[Checkpoint]) -> Iterator[Found]:
    """All `weights.initial_*` measurements, and `weights.fresh`."""
    if not table.rows:
        yield from missing(NAMES, "the run has no readable checkpoint", "initial-checkpoint")
        return
    view = view_of(table, checkpoints)
    row = view.rows[0]
    if row not in view.sound_rows:
        yield from missing(NAMES, "the first checkpoint holds weights that are not finite", "initial-checkpoint")
        return
    if not is_initial(view, row):
        where = f"the first checkpoint is from step {row.step}" if row.step is not None else "the first checkpoint tells no step"
        yield from missing(NAMES, f"{where}, after the weights had moved", "initial-checkpoint")
        return
    yield from _gains(view, row)
    yield _fresh(view, row)
    yield _recurrent_gain(view, row)


def _recurrent_gain(view: View, row: CheckpointRow) -> Found:
    """Radius of the eigenvalues of random state-to-state weights: std x sqrt(states), each gate's block alone."""
    name = NAMES[6]
    items: dict[str, float] = {}
    for layer in view.layers.values():
        if layer.kind == "recurrent" and ("hh" in layer.name or "recurrent" in layer.name) and layer.name in row.tensors:
            stats = row.tensors[layer.name]
            items[layer.name] = math.sqrt((stats.variance + stats.mean**2) * min(stats.shape))
    if not items:
        return Missing(name, "the net has no recurrence", "initial-checkpoint", applies=False)
    basis = f"root mean square x sqrt(states) at {at_step(row)}, {len(items)} state-to-state matrices"
    return Measurement(name, max(items.values()), "ratio", basis, row.step, items)


def is_initial(view: View, row: CheckpointRow) -> bool:
    """Step 0, or so few and small updates that the weights cannot have moved by a tenth."""
    done = max(updates_done(row) or 0, row.step or 0)
    if row.step is None and not row.updates:
        return False
    if done == 0:
        return True
    moves = [done * update.update_norm / update.weight_norm for _, update in update_items(view, row) if update.weight_norm > 0]
    if moves and not any(math.isnan(move) for move in moves):
        return max(moves) < _SMALL_MOVE
    return done <= _EARLY_STEP


def _gain(stats: TensorStats, layer: Layer) -> float:
    return math.sqrt(stats.variance * layer.fan_in)


def _varies(row: CheckpointRow, layer: Layer) -> bool:
    return layer.name in row.tensors and row.tensors[layer.name].shape == layer.shape and row.tensors[layer.name].variance > 0


def _gains(view: View, row: CheckpointRow) -> Iterator[Found]:
    gains = {layer.name: _gain(row.tensors[layer.name], layer) for layer in view.matrices if _varies(row, layer)}
    heads = {layer.name: gains[layer.name] for layer in view.matrices if layer.is_head and layer.name in gains}
    if heads:
        yield Measurement(
            "weights.initial_head_gain", max(heads.values()), "ratio", f"std x sqrt(fan_in) at {at_step(row)}", row.step, heads
        )
    else:
        yield Missing("weights.initial_head_gain", "the last matrix is constant at the start", "", applies=False)
    hidden = {layer.name: gains[layer.name] for layer in view.hidden if layer.name in gains}
    if not hidden:
        told = "every hidden matrix is constant at the start"
        yield from missing(NAMES[:3], told, "", applies=False)
        yield Missing("weights.initial_depth_gain", told, "")
        return
    basis = f"std x sqrt(fan_in) at {at_step(row)}, {counted(len(hidden), 'hidden matrix', 'hidden matrices')} that are not constant"
    mean = math.exp(float(np.mean([math.log(value) for value in hidden.values()])))
    yield Measurement(NAMES[0], mean, "ratio", basis, row.step, hidden)
    low, high = _scaled(view, row, hidden, max), _scaled(view, row, hidden, min)
    wide = f"std x sqrt of the larger of fan_in and fan_out at {at_step(row)}, {counted(len(low), 'hidden matrix', 'hidden matrices')}"
    narrow = f"std x sqrt of the smaller of fan_in and fan_out at {at_step(row)}, {counted(len(high), 'hidden matrix', 'hidden matrices')}"
    yield Measurement(NAMES[1], min(low.values()), "ratio", wide, row.step, low)
    yield Measurement(NAMES[2], max(high.values()), "ratio", narrow, row.step, high)
    yield _depth_gain(view, row, hidden)


def _scaled(view: View, row: CheckpointRow, names: Iterable[str], pick: Callable[[int, int], int]) -> dict[str, float]:
    """std x sqrt(fan), by the fan that makes the layer look least unusual: initializations scale by either, or by both."""
    fans = {name: pick(view.layers[name].fan_in, outgoing_fan(view.layers[name])) for name in names}
    return {name: math.sqrt(row.tensors[name].variance * fan) for name, fan in fans.items()}


def _depth_gain(view: View, row: CheckpointRow, hidden: dict[str, float]) -> Found:
    """Decades by which a signal shrinks (below 0) or grows (above 0) from the first hidden layer to the last, whatever the activation.

    Per layer, only the distance from the stable range counts. Several nets are chains of their own; the worst one is reported.
    """
    decades: dict[str, dict[str, float]] = {}
    for layer in view.hidden:
        if layer.name in hidden:
            decades.setdefault(layer.net, {})[layer.name] = _distance(hidden[layer.name])
    worst = max(decades.values(), key=lambda chain: abs(sum(chain.values())))
    low, high = STABLE_GAINS
    those = counted(len(worst), "hidden matrix", "hidden matrices")
    basis = f"log10 of the gains' distance from {low:g} to {high:.2f}, summed over {those} at {at_step(row)}"
    return Measurement("weights.initial_depth_gain", sum(worst.values()), "decades", basis, row.step, worst)


def _distance(value: float) -> float:
    low, high = STABLE_GAINS
    return math.log10(value / low) if value < low else math.log10(value / high) if value > high else 0.0


def outgoing_fan(layer: Layer) -> int:
    """Outputs that one input feeds: output units times the positions of the kernel."""
    return layer.fan_out * max(layer.elements // max(layer.shape[0] * layer.shape[1], 1), 1)


# --- fresh or trained -------------------------------------------------------------------------------------------------


def known_deviations(layer: Layer) -> tuple[float, ...]:
    """Standard deviations that the usual initializations give this shape."""
    fan_in, fan_out = layer.fan_in, outgoing_fan(layer)
    relative = (1.0, math.sqrt(2.0), math.sqrt(1 / 3), 5 / 3)
    """LeCun, He, torch's default, He with tanh's gain."""
    scaled = [factor / math.sqrt(fan) for factor in relative for fan in (fan_in, fan_out)]
    glorot = [factor * math.sqrt(2 / (fan_in + fan_out)) for factor in (1.0, math.sqrt(2.0), 5 / 3)]
    orthogonal = [factor / math.sqrt(max(fan_in, layer.fan_out)) for factor in (1.0, math.sqrt(2.0))]
    truncated = 0.87963
    """What is left of a normal's deviation when it is cut at two deviations."""
    if layer.kind == "recurrent":
        # torch draws all of a recurrence from one over the root of its width; 1, 3 or 4 gates are stacked in its rows.
        scaled += [1 / math.sqrt(3 * layer.shape[0] / gates) for gates in (1, 3, 4)]
    fixed = [0.02, 0.01, 0.001, 0.05, 1.0, 0.02 * truncated]
    return tuple(dict.fromkeys([*scaled, *glorot, *orthogonal, *fixed, *(value * truncated for value in scaled)]))


def looks_fresh(stats: TensorStats, layer: Layer, bias: TensorStats | None = None) -> bool:
    """Whether a matrix is what a usual initialization draws: mean 0, a known deviation, and a uniform's or a normal's shape.

    A little training hardly moves the moments. So a uniform draw must also keep within its bounds, which trained weights leave, and
    beside a normal draw the bias must not have moved: it is constant, or within the bounds that torch draws biases from.
    """
    count, deviation = stats.elements, math.sqrt(stats.variance)
    if deviation == 0 or abs(stats.mean) > 5 * deviation / math.sqrt(count):
        return False
    # Sampling errors: of the deviation sqrt((kurtosis - 1) / 4n), relative; of the kurtosis sqrt(1.32 / n) for a uniform and
    # sqrt(24 / n) for a normal distribution. Five of each.
    tolerance = 5 * math.sqrt(max(stats.kurtosis - 1, 0.0) / (4 * count)) + 1e-3
    close = [known for known in known_deviations(layer) if abs(deviation / known - 1) < tolerance]
    if abs(stats.kurtosis - _UNIFORM_KURTOSIS) < 5 * math.sqrt(1.32 / count):
        reach = max(abs(stats.minimum), abs(stats.maximum))
        # Of n uniform draws the largest lies within 12 / n of the bound but once in 160,000 times.
        bounds = [math.sqrt(3.0) * known for known in close]
        return any(bound * (1 - 12 / count) <= reach <= bound * (1 + 1e-6) for bound in bounds)
    drawn = min(abs(stats.kurtosis - kurtosis) for kurtosis in (_CUT_NORMAL_KURTOSIS, 3.0)) < 5 * math.sqrt(24 / count) + 0.02
    return drawn and bool(close) and _unmoved(bias, layer) and _even_rows(stats)


def _unmoved(bias: TensorStats | None, layer: Layer) -> bool:
    """Whether a bias is constant, or as torch draws it: within 1 / sqrt(fan-in), with a uniform's deviation."""
    if bias is None or bias.variance == 0:
        return True
    bound = 1 / math.sqrt(layer.fan_in)
    deviation = math.sqrt(bias.variance) / (bound / math.sqrt(3.0))
    return max(abs(bias.minimum), abs(bias.maximum)) <= bound * (1 + 1e-6) and abs(deviation - 1) < 5 * math.sqrt(0.8 / (4 * bias.elements))


def _even_rows(stats: TensorStats) -> bool:
    """Whether rows differ in norm and mean by no more than rows of independent draws do; training makes some longer and tilts others."""
    if stats.units is None or stats.units.squares.size < _FEWEST_ROWS or stats.variance <= 0:
        return True
    rows, width = stats.units.squares.size, stats.elements / stats.units.squares.size
    # Variances over n rows have a relative error of sqrt(2 / n), a little more for the skewed squares. Five of each.
    tolerance = 1 + 5 * math.sqrt(2 / rows) * math.sqrt(1 + 6 / width)
    squares = float(stats.units.squares.var()) / (stats.variance**2 * (stats.kurtosis - 1) * width)
    means = float(stats.units.total.var()) / (stats.variance * width)
    return squares <= tolerance and means <= tolerance


def _is_recurrent(layer: Layer) -> bool:
    return layer.kind == "recurrent" and layer.is_parameter and len(layer.shape) == 2


def _beside_learned_norms(view: View, row: CheckpointRow) -> frozenset[str]:
    """Matrices of a block, or right in front of a normalization, whose scale varies, which no initialization draws: loaded together.

    Beside a normalization weights may learn at a rate so low for their norm that their moments stay those of the draw.
    """
    scales = [layer.name for layer in view.layers.values() if layer.kind == "norm-scale" and layer.name in row.tensors]
    learned = {name for name in scales if row.tensors[name].variance > 0}
    blocks = {_block(name) for name in learned} - {""}
    in_front = {layer.name for layer, following in pairwise(view.layers.values()) if layer.normalized and following.name in learned}
    return frozenset(in_front | {name for name in view.layers if _block(name) in blocks})


def _block(name: str) -> str:
    """The numbered part of the model that a tensor belongs to, `layers.3` or `stage1`; empty where no module with parts is numbered.

    A number right before the tensor's own name (`features.0.weight`) counts layers and no blocks.
    """
    parts = name.split(".")
    place = next((place for place, part in enumerate(parts[:-2]) if any(letter.isdigit() for letter in part)), None)
    return "" if place is None else ".".join(parts[: place + 1])


def _fresh(view: View, row: CheckpointRow) -> Found:
    hidden = {layer.name for layer in view.hidden}
    drawn = [layer for layer in view.layers.values() if layer.name in hidden or _is_recurrent(layer)]
    judged = [layer for layer in drawn if layer.elements >= _FEWEST_ELEMENTS and _varies(row, layer)]
    if not judged:
        return Missing("weights.fresh", f"no hidden matrix has {_FEWEST_ELEMENTS} elements that vary", "initial-checkpoint")
    learned = _beside_learned_norms(view, row)
    items = {
        layer.name: float(layer.name not in learned and looks_fresh(row.tensors[layer.name], layer, row.tensors.get(layer.bias)))
        for layer in judged
    }
    share = sum(layer.elements for layer in judged if items[layer.name]) / sum(layer.elements for layer in judged)
    basis = f"moments of {counted(len(judged), 'hidden matrix', 'hidden matrices')} at {at_step(row)} beside the usual initializations'"
    return Measurement("weights.fresh", share, "share", basis, row.step, items)
