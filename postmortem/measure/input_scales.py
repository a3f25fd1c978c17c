"""The scale of what layers take in, read off the optimizer's state, and so the scale of the data as the model sees them.

For y = Wx + b a record's gradients are dL/dW[i,j] = d[i] x[j] and dL/db[i] = d[i]. So the expectation of v_W[i,j] is
that of d[i]^2 x[j]^2, that of v_b[i] is that of d[i]^2, and their sums over i have the ratio E[x[j]^2], where d and x are not
correlated. Averaging over a batch leaves the ratio alone as long as gradients are mostly noise between records; where they agree (a
run that has learned nothing yet) the bias's own mean gradient is nearly zero and the result is too high, by a factor of 1.7 in own
trainings. Otherwise it was within a third, for inputs of rms 0.01 to 150, centred or not, after 150 steps. RMSProp's averages and the
squares of momentum buffers do as well. A convolution adds up its positions first: where their gradients agree, the bias' grow with the
number of positions and the weights' with the inputs' mean only, so that the ratio is a lower bound.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import numpy as np

from postmortem.measure.layers import Layer
from postmortem.measure.table import CheckpointRow, Floats
from postmortem.measure.view import ADAM_KIN, Found, View, at_step, missing, updates_done
from postmortem.model import Measurement, Missing, counted

NAMES = ("units.input_rms", "inputs.rms", "inputs.spread", "inputs.rms_at_least", "units.hidden_rms")

FEWEST_UPDATES = 20
"""Over fewer updates averages of squares say little."""
FEWEST_UNITS = 8
ONE_PROPORTION = 4.0
"""In trainings on large inputs units were 1.0 to 1.4 times apart, under penalties in the loss 7 to 13 times."""
_TELLING = ADAM_KIN | {"rmsprop", "sgd"}
"""Algorithms whose state holds squares of gradients, or a mean of gradients whose squares can be taken."""
_ENTRANCES = frozenset({"linear", "conv", "embedding", "recurrent"})
_ADDED = re.compile(r"(^|[._])(pos|position|positional|cls|class|dist|register)_?(s|embed(ding)?s?|emb|tokens?|encoding)?(\.weight)?$")
_PATCHES = "patch"
"""In names of convolutions that cut images into tokens: next stands the first block's own norm, and a residual path leads by it."""
_DECAYED_SHARE = 0.1
_COLLAPSED_TO = 0.1
"""Weights that coupled decay brought down to this share of their start were moved by it more than by the data."""


def _settled(view: View, row: CheckpointRow) -> bool:
    """Whether a checkpoint has updates enough behind it; one that counts none has where it is not the first of its series."""
    done = updates_done(row)
    return done >= FEWEST_UPDATES if done is not None else row is not view.rows[0]


def input_squares(view: View) -> tuple[dict[str, Floats], str, int | None]:
    """Linear layer -> E[x_j^2] for each of its inputs, from the last checkpoint with enough updates."""
    for row in reversed(view.rows):
        if not _settled(view, row):
            continue
        found: dict[str, Floats] = {}
        for layer in view.matrices:
            weight, bias = row.updates.get(layer.name), row.updates.get(layer.bias)
            # A normalization behind the layer leaves its bias without a gradient; so does softmax for keys of attention.
            if layer.kind != "linear" or layer.normalized or layer.transposed or weight is None or bias is None or "k_proj" in layer.name:
                continue
            if weight.algorithm not in _TELLING or weight.inputs_second is None or bias.vector_second is None:
                continue
            outputs = float(bias.vector_second.sum())
            if _decayed(view, row, layer, float(weight.inputs_second.sum())):
                continue
            if outputs > 0 and math.isfinite(outputs) and np.all(np.isfinite(weight.inputs_second)):
                found[layer.name] = weight.inputs_second / outputs
        if found:
            return found, f"second moments of weights over those of biases at {at_step(row)}", row.step
    return {}, "", None


def input_scales(view: View, inputs: dict[str, Floats], basis: str, step: int | None) -> Iterator[Found]:
    """Root mean square of the inputs of each Linear layer, and of the data: level and largest over median. Arguments: `input_squares`."""
    if not inputs:
        reason = f"no Linear layer with a bias has moments or a momentum buffer after {FEWEST_UPDATES} updates"
        yield Missing("units.input_rms", reason, "optimizer-state")
        yield from missing(NAMES[1:3], reason, "input-statistics")
        return
    items = {name: float(np.sqrt(np.mean(squares))) for name, squares in inputs.items()}
    yield Measurement("units.input_rms", max(items.values()), "ratio", f"{basis}, {counted(len(items), 'Linear layer')}", step, items)
    leading = _entrance(view)
    nets = {layer.net for layer in view.matrices}
    if leading is None or leading.name not in inputs or len(nets) > 1:
        yield from missing(NAMES[1:3], "the data do not enter through one Linear layer with a bias and moments", "input-statistics")
        return
    squares = inputs[leading.name]
    if (apart := _units_apart(view, leading, step)) > ONE_PROPORTION:
        yield from missing(NAMES[1:3], _not_of_inputs(leading, apart), "input-statistics")
        return
    yield Measurement(
        "inputs.rms", items[leading.name], "units of the input", f"{basis}, {counted(len(squares), 'input')} of {leading.name}", step
    )
    roots = np.sqrt(squares[squares > 0])
    if roots.size >= 2:
        columns = {f"input {index}": float(np.sqrt(squares[index])) for index in np.argsort(-squares, kind="stable")[:20]}
        basis = f"{basis}, {counted(roots.size, 'input')} of {leading.name} that are not always zero"
        yield Measurement("inputs.spread", float(roots.max() / np.median(roots)), "ratio", basis, step, columns)
    else:
        yield Missing("inputs.spread", "the first layer has fewer than two inputs that vary", "input-statistics")


def _entrance(view: View) -> Layer | None:
    """The layer that the data enter through: learned positions and class tokens, which often stand before it, are no such layer."""
    return next((layer for layer in view.layers.values() if layer.kind in _ENTRANCES and not _ADDED.search(layer.name.lower())), None)


def _decayed(view: View, row: CheckpointRow, layer: Layer, outputs: float) -> bool:
    """Whether weight decay that is part of the gradients is a tenth of a layer's second moments or more."""
    update, decay = row.updates[layer.name], view.setting(row, layer.name, "weight_decay")
    if not decay or update.decay_norm != 0 or not math.isfinite(norm := row.tensors[layer.name].norm):
        return False
    start = view.rows[0].tensors.get(layer.name)
    if start is not None and norm < _COLLAPSED_TO * start.norm:
        return True
    # A buffer adds up what decay brings at each step.
    momentum = (view.setting(row, layer.name, "momentum") or 0.0) if update.algorithm == "sgd" else 0.0
    # Multiplied out: a momentum of 1, of which files may speak, gathers without end.
    return bool((decay * norm) ** 2 > _DECAYED_SHARE * outputs * (1 - momentum) ** 2)


def _units_apart(view: View, layer: Layer, step: int | None) -> float:
    """The 9th decile over the 1st of weights' second moments over their bias's, unit by unit; 1 where too few units tell.

    Inputs reach all units alike: large ones make them alike whatever the errors are. A penalty in the loss adds the weights themselves
    to the gradients, which outweighs units of small errors.
    """
    row = next(row for row in reversed(view.rows) if row.step == step and layer.name in row.updates)
    weight, bias = row.updates[layer.name], row.updates[layer.bias]
    # A momentum buffer is a mean, whose square says nothing of one unit.
    if weight.algorithm == "sgd" or weight.units_second is None or bias.vector_second is None:
        return 1.0
    if len(weight.units_second) != len(bias.vector_second):
        return 1.0
    heard = (bias.vector_second > 0) & (weight.units_second > 0)
    if heard.sum() < FEWEST_UNITS:
        return 1.0
    low, high = np.quantile(weight.units_second[heard] / bias.vector_second[heard], (0.1, 0.9))
    return float(high / low)


def _not_of_inputs(layer: Layer, apart: float) -> str:
    return f"moments of the units of {layer.name} are {apart:.2g} times apart beside their biases', as a penalty in the loss makes them"


def convolved_inputs(view: View) -> Found:
    """What the inputs' root mean square is at least, by a first convolution with a bias and no normalization behind it."""
    name = "inputs.rms_at_least"
    leading = _entrance(view)
    normalized = leading is not None and leading.normalized and _PATCHES not in leading.name.lower()
    if leading is None or leading.kind != "conv" or normalized or leading.transposed or len({one.net for one in view.matrices}) > 1:
        return Missing(name, "the data do not enter through one convolution with a bias that is not normalized", "input-statistics")
    for row in reversed(view.rows):
        weight, bias = row.updates.get(leading.name), row.updates.get(leading.bias)
        if not _settled(view, row) or weight is None or bias is None:
            continue
        if weight.algorithm not in _TELLING or weight.units_second is None or bias.vector_second is None:
            continue
        outputs, total = float(bias.vector_second.sum()), float(weight.units_second.sum())
        if _decayed(view, row, leading, total):
            return Missing(name, "weight decay is part of the gradients, and a good part of them", "input-statistics")
        if outputs > 0 and math.isfinite(outputs) and math.isfinite(total):
            if (apart := _units_apart(view, leading, row.step)) > ONE_PROPORTION:
                return Missing(name, _not_of_inputs(leading, apart), "input-statistics")
            basis = f"second moments of {leading.name} over those of its bias at {at_step(row)}, a lower bound"
            return Measurement(name, math.sqrt(total / leading.fan_in / outputs), "units of the input", basis, row.step)
    return Missing(name, f"no state of the first convolution and its bias after {FEWEST_UPDATES} updates", "optimizer-state")


def hidden_scales(view: View, inputs: dict[str, Floats], basis: str, step: int | None) -> Found:
    """Rms of what hidden units give, by the layers behind them: at most 1 where units are tanh or sigmoid, and 1 where all are saturated.

    Normalization sets it to 1 by itself, so that it says nothing there.
    """
    name = "units.hidden_rms"
    first = _entrance(view)
    items = {layer: float(np.sqrt(np.mean(squares))) for layer, squares in inputs.items() if first is None or layer != first.name}
    if view.normalizations or not items:
        why = "normalization sets the scale of hidden units" if view.normalizations else "no second Linear layer with a bias has moments"
        return Missing(name, why, "optimizer-state")
    return Measurement(name, min(items.values()), "ratio", f"{basis}, {counted(len(items), 'layer')} behind the first", step, items)
