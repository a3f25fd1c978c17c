"""Units that are proved dead from the optimizer's state.

Adam multiplies the second moment v of an element by beta2 at each update and adds (1 - beta2) times the squared gradient.
Over n updates without any gradient v falls by beta2 to the power of n exactly, and any gradient keeps it above. A unit whose weights
and bias all fell so has not had a gradient in the window: under ReLU, it never fired.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from postmortem.measure.deaths import dead_since
from postmortem.measure.gaps import optimizers_of
from postmortem.measure.input_scales import NAMES as INPUT_NAMES
from postmortem.measure.input_scales import convolved_inputs, hidden_scales, input_scales, input_squares
from postmortem.measure.layers import Layer
from postmortem.measure.saturation import measure_saturation
from postmortem.measure.table import CheckpointRow, Floats, TensorTable, UpdateStats
from postmortem.measure.view import ADAM_KIN, Found, View, missing, span, view_of
from postmortem.model import Checkpoint, Histogram, Measurement, Missing, counted

Flags: TypeAlias = "NDArray[np.bool_]"

NAMES = ("units.dead", "units.dead_since", *INPUT_NAMES)

FEWEST_UPDATES = 20
"""Over fewer updates a unit that fires rarely looks dead."""
_RELATIVE_ERROR = 1e-5
_ERROR_PER_UPDATE = 6e-8
"""Half a unit in the last place of float32, which each multiplication by beta2 may add."""
_CLEAR_MOVE = 1e-3
"""A layer that moved by less of its norm loses whole units to rounding."""
_ALIVE_EXCESS = 1e-3
_SMALLEST_NORMAL = 1e-37
_EXACT_TYPES = ("float32", "float64", "")
"""Types in which a moment times beta2 is what it should be; in bfloat16 rounding takes back a thousandth."""
_VANISHED = 1e-6
"""Below this share of the head's gradient a layer's lack of gradients is vanishing, not death."""


def measure_units(
    table: TensorTable, checkpoints: Sequence[Checkpoint], histograms: Sequence[Histogram], activation: str = ""
) -> Iterator[Found]:
    """All `units.*`, `inputs.rms` and `inputs.spread` measurements of one run.

    `activation` is the hidden activation's name where hyper-parameters tell it (`tanh`, `sigmoid`, ...), else empty.
    """
    if not table.rows:
        yield from missing(NAMES, "the run has no readable checkpoint", "checkpoint")
        yield from measure_saturation(None, {}, histograms, activation)
        return
    view = view_of(table, checkpoints)
    yield _dead(view)
    yield dead_since(view)
    inputs, basis, step = input_squares(view)
    yield from input_scales(view, inputs, basis, step)
    yield convolved_inputs(view)
    yield hidden_scales(view, inputs, basis, step)
    rms = {name: float(np.sqrt(np.mean(squares))) for name, squares in inputs.items()}
    yield from measure_saturation(view, rms, histograms, activation)


# --- dead units -------------------------------------------------------------------------------------------------------


def still_units(before: Floats, after: Floats, decay: float, updates: int) -> Flags:
    """Units whose sum of second moments fell by exactly `decay` (or is zero on both sides): no gradient in the window."""
    tolerance = _RELATIVE_ERROR + _ERROR_PER_UPDATE * updates
    expected = before * decay
    exact = np.abs(after - expected) <= tolerance * expected
    # Where the decayed sum is below float32's normal numbers only its smallness can be checked.
    return np.asarray(np.where(expected > _SMALLEST_NORMAL, exact, after <= _SMALLEST_NORMAL))


_NO_RATE = "the optimizer's state names no groups with their decay rates"
_VANISHING = "gradients have all but vanished in the hidden layers, where a dead unit cannot be told from one that they do not reach"


def _window(before: UpdateStats, after: UpdateStats) -> int:
    return (after.step or 0) - (before.step or 0) if before.step is not None and after.step is not None else 0


def _adam_dead(view: View, before: CheckpointRow, after: CheckpointRow) -> tuple[dict[str, float], str]:
    """Hidden layer -> share of dead units in one window under Adam; and why there is none where nothing could be judged."""
    reason = "no hidden layer has Adam's second moments in two consecutive checkpoints"
    found: dict[str, float] = {}
    alive = False
    for layer in view.matrices:
        old, new = before.updates.get(layer.name), after.updates.get(layer.name)
        if old is None or new is None:
            continue
        if (rate := _second_rate(view, after, layer, new)) is None:
            reason = _NO_RATE if new.algorithm in ADAM_KIN else reason
            continue
        if old.units_second is None or new.units_second is None or layer.transposed:
            continue
        updates = _window(old, new)
        if updates < FEWEST_UPDATES:
            reason = f"{max(updates, 0)} updates between the last two checkpoints, {FEWEST_UPDATES} are needed"
            continue
        if new.state_dtype not in _EXACT_TYPES:
            reason = f"second moments of type {new.state_dtype} do not fall exactly"
            continue
        if new.decay_norm == 0 and view.setting(after, layer.name, "weight_decay"):
            reason = "coupled weight decay gives dead units a gradient of its own"
            continue
        decay = rate**updates
        still = still_units(old.units_second, new.units_second, decay, updates)
        still &= _still_bias(view, layer, before, after, decay, updates, len(still))
        alive = alive or _gained(old.units_second, new.units_second, decay) or _bias_gained(layer, before, after, decay)
        if layer.is_hidden and not _fading(view, after, layer, still):
            found[layer.name] = float(np.mean(still))
        elif layer.is_hidden:
            reason = _VANISHING
    if found and not alive:
        return {}, "gradients have all but vanished in every layer, dead units cannot be told from a converged model"
    return ({}, reason) if not found else (_without_vanished(view, after, found), _VANISHING)


def _second_rate(view: View, row: CheckpointRow, layer: Layer, update: UpdateStats) -> float | None:
    """By what a layer's second moments fall at an update without a gradient; None where it has none that do."""
    if update.algorithm == "rmsprop":
        return view.setting(row, layer.name, "alpha")
    betas = view.betas(row, layer.name)
    return betas[1] if update.algorithm in ADAM_KIN and betas is not None else None


def _gained(before: Floats, after: Floats, decay: float) -> bool:
    """Whether second moments hold a clear share that the window's own gradients brought."""
    return bool(after.sum() - decay * before.sum() > _ALIVE_EXCESS * after.sum())


def _bias_gained(layer: Layer, before: CheckpointRow, after: CheckpointRow, decay: float) -> bool:
    """The same of a layer's bias: behind dead layers it is all that gets gradients."""
    old, new = before.updates.get(layer.bias), after.updates.get(layer.bias)
    if old is None or new is None or old.vector_second is None or new.vector_second is None:
        return False
    return _gained(old.vector_second, new.vector_second, decay)


def _still_bias(view: View, layer: Layer, before: CheckpointRow, after: CheckpointRow, decay: float, updates: int, units: int) -> Flags:
    """Units whose bias had no gradient either. Behind a dead layer weights have none, while the bias is alive."""
    old, new = before.updates.get(layer.bias), after.updates.get(layer.bias)
    if old is None or new is None or old.vector_second is None or new.vector_second is None or len(new.vector_second) != units:
        return np.ones(units, dtype=bool)
    return still_units(old.vector_second, new.vector_second, decay, updates)


def _fading(view: View, row: CheckpointRow, layer: Layer, still: Flags) -> bool:
    """Whether the units of a layer that do get gradients get next to none: the others then do so too, and the squares underflow."""
    second = row.updates[layer.name].units_second
    if second is None or still.all():
        return False
    largest = max((row.updates[other.name].gradient_rms for other in view.matrices if other.name in row.updates), default=0.0)
    # No gradient at all, beside a bias that has one, is what stands behind a dead layer: that is no fading.
    alive = math.sqrt(float(np.mean(second[~still])) / layer.fan_in)
    return 0 < alive < _VANISHED * largest


def _without_vanished(view: View, row: CheckpointRow, found: dict[str, float]) -> dict[str, float]:
    """Leave out layers that have no gradient because those behind them have next to none: that is vanishing."""
    sizes = {layer.name: row.updates[layer.name].gradient_rms for layer in view.matrices if layer.name in row.updates}
    largest = max(sizes.values(), default=0.0)
    names = list(sizes)
    kept: dict[str, float] = {}
    for name, share in found.items():
        behind = next((sizes[later] for later in names[names.index(name) + 1 :] if sizes[later] > 0), largest)
        if share < 1 or behind >= _VANISHED * largest:
            kept[name] = share
    return kept


def _unmoved_dead(view: View, after: CheckpointRow) -> tuple[dict[str, float], str]:
    """Without any state: units that did not move at all while others of their layer did, which nothing but a gradient of 0 brings about.

    Adam's momentum moves a unit for some 200 updates after its last gradient, and decay for ever: so this misses, and does not mistake.
    """
    listed = any(checkpoint.optimizers for checkpoint in view.checkpoints.values())
    reason = "no hidden layer moved" if listed else "no checkpoint holds the optimizer's state"
    known = listed
    found: dict[str, float] = {}
    for layer in view.hidden:
        delta = after.deltas.get(layer.name)
        decay = view.setting(after, layer.name, "weight_decay")
        if delta is None or delta.units_norm is None or layer.transposed or not math.isfinite(delta.norm):
            continue
        if decay is None and (known or after.tensors[layer.name].dtype not in ("float32", "float64")):
            continue
        if decay is not None and decay > 0:
            reason = "weight decay moves dead units too"
            continue
        weight = after.tensors[layer.name].norm
        still = delta.units_norm == 0
        if still.all() and not known:
            continue  # a layer that nobody trains stands still as well
        if still.all():
            bias = after.deltas.get(layer.bias)
            moved = ((view.layers[name], other) for name, other in after.deltas.items() if name in view.layers)
            # Running statistics move where nothing is trained.
            others = any(layer.is_parameter and other.equal < layer.elements for layer, other in moved)
            if bias is not None and bias.equal == view.layers[layer.bias].elements and others:
                found[layer.name] = 1.0
        elif delta.norm > _CLEAR_MOVE * weight:
            found[layer.name] = float(np.mean(still))
    if not known and not any(found.values()):
        # Whether decay moved them is not known: a unit that moved need not have had a gradient.
        return {}, "no optimizer state, and units that moved may have done so by weight decay"
    return found, reason


BY_NO_CHANCE = 0.75
"""Share of dead units that eight units come to by such chances in one of 240 layers."""
FEWEST_UNITS = 12
"""Of layers whose units die with a chance of one in four each, half are dead in one of 9 with eight units, in one of 18 with twelve."""


def _dead(view: View) -> Found:
    if len(view.rows) < 2:
        return Missing("units.dead", "one checkpoint, two are needed to prove that units had no gradient", "two-checkpoints")
    windows: list[tuple[CheckpointRow, CheckpointRow, dict[str, float], str]] = []
    reason = "the run has no hidden layer"
    for before, after in zip(view.rows, view.rows[1:], strict=False):
        shares, reason = _adam_dead(view, before, after)
        method = "second moments fell by exactly beta2 per update"
        if not shares and not any(update.algorithm in ADAM_KIN | {"rmsprop"} for update in after.updates.values()):
            shares, reason = _momentless(view, after)
            method = "rows that did not move at all"
        if shares:
            windows.append((before, after, shares, method))
    if not windows:
        kept = any(one.slots for one in optimizers_of(view))
        advice = "optimizer-groups" if reason == _NO_RATE else "more-checkpoints" if "are needed" in reason else ""
        return Missing("units.dead", reason, advice if kept else "optimizer-state" if not optimizers_of(view) else "")
    windows = [(start, end, _wide(view, found), how) for start, end, found, how in windows]
    before, after, shares, method = windows[-1]
    worst = max(shares.values())
    since = next((start.step for start, _, earlier, _ in windows if max(earlier.values()) >= worst / 2), None) if worst > 0 else None
    basis = f"{method}, {span(before, after)}, {counted(len(shares), 'hidden layer')}"
    return Measurement("units.dead", worst, "share", basis, since, shares)


def _wide(view: View, shares: dict[str, float]) -> dict[str, float]:
    """Without layers of a few units, half of which die by chance (a squeezing layer of a channel gate), where there are wider ones."""
    return {name: share for name, share in shares.items() if view.layers[name].fan_out >= FEWEST_UNITS or share >= BY_NO_CHANCE} or shares


def _momentless(view: View, after: CheckpointRow) -> tuple[dict[str, float], str]:
    if any(update.algorithm == "sgd" and update.gradient_rms > 0 for update in after.updates.values()):
        return _stale_buffers(view, after)
    return _unmoved_dead(view, after)


def _stale_buffers(view: View, after: CheckpointRow) -> tuple[dict[str, float], str]:
    """For SGD with momentum: units whose buffer has decayed to next to nothing beside their layer's."""
    reason = "no hidden layer has a momentum buffer"
    found: dict[str, float] = {}
    for layer in view.hidden:
        update = after.updates.get(layer.name)
        if update is None or update.units_second is None or layer.transposed:
            continue
        if view.setting(after, layer.name, "weight_decay"):
            reason = "weight decay keeps the momentum of dead units alive"
            continue
        live = update.units_second[update.units_second > 0]
        if live.size:
            still = update.units_second < 1e-12 * np.median(live)
            if not _fading(view, after, layer, still):
                found[layer.name] = float(np.mean(still))
    return found, reason
