"""When units died, from one checkpoint: how long ago each had its last gradient.

Adam's moments fall by beta1 and beta2 at each update without a gradient, so |m| / sqrt(v) falls by beta1 / sqrt(beta2): what is left of
it, beside what it is at a unit that lives, tells the number of updates. A momentum buffer falls by the momentum itself, and is held
against the buffers of units that live. A factor of two in that comparison is 7 updates at the usual rates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from postmortem.measure.layers import Layer
from postmortem.measure.table import CheckpointRow, Floats, UpdateStats
from postmortem.measure.view import ADAM_KIN, Found, View, at_step
from postmortem.model import Measurement, Missing, counted

NAME = "units.dead_since"

LEAST_AGE = 100
"""Updates without a gradient from which on a unit counts as dead: a rarely used one waits for its next record."""
_USUAL_RATIO = 0.5
"""|m_hat| / sqrt(v_hat) of the busiest of a unit's elements where no other unit tells; 0.5 to 0.6 in noise, 1 where gradients agree."""
_LEAST_RATIO = 0.1
_ALIVE_RATIO = 0.02
"""Converged models keep a ratio of a few hundredths at their busiest elements."""
_SMALLEST = 1e-37
"""Below this a float32 moment is no normal number and falls no further by rounding: the unit has been dead for longer than it tells."""
_SPARSE = ("expert", "embed", "lookup")
"""Parts of names of layers whose units wait for their turn by design."""


@dataclass(frozen=True, slots=True, eq=False)
class _Ages:
    """Updates since the last gradient of each unit of one layer."""

    age: Floats
    at_least: bool
    """Moments of some units are too small to fall any further, so that their ages are lower bounds."""
    youngest: Floats
    """Age if the last gradient was as small as gradients are."""
    oldest: Floats
    """Age if the last gradient was a single large one."""


def dead_since(view: View) -> Found:
    """The step at which units of hidden layers had their last gradient, as the last checkpoint with moments tells.

    Items: layer -> median over its dead units. `text` is the interval that holds it; `at most` in front where moments have vanished.
    """
    reason = "no hidden layer has float32 moments, or a momentum buffer, that fall without gradients"
    for row in reversed(view.rows):
        if row.updates and not _any_alive(row):
            return Missing(
                NAME, "gradients have all but vanished everywhere: a dead unit cannot be told from a converged model", "optimizer-state"
            )
        found = {layer.name: ages for layer in view.hidden if (ages := _ages(view, row, layer)) is not None}
        if found:
            return _dated(view, row, found)
    return Missing(NAME, reason, "optimizer-state")


def _dated(view: View, row: CheckpointRow, found: dict[str, _Ages]) -> Measurement:
    each = _steps_per_update(row)
    now = row.step if row.step is not None else max((update.step or 0) for update in row.updates.values())
    items: dict[str, float] = {}
    dead = units = 0
    low, high, at_least = math.inf, -math.inf, False
    for name, ages in found.items():
        old = ages.age >= LEAST_AGE
        units += len(ages.age)
        dead += int(old.sum())
        if not old.any():
            continue
        items[name] = max(0.0, now - float(np.median(ages.age[old])) * each)
        if items[name] <= min(items.values()):
            low = max(0.0, now - float(np.median(ages.oldest[old])) * each)
            high = max(0.0, now - float(np.median(ages.youngest[old])) * each)
            at_least = ages.at_least
    judged = f"{dead} of {units} units in {counted(len(found), 'layer')} had no gradient for {LEAST_AGE} updates"
    basis = f"{at_step(row)}: {judged}, by what is left of their moments"
    if not items:
        return Measurement(NAME, math.nan, "step", basis, None, {}, "none")
    since = min(items.values())
    text = f"at most {high:.0f}" if at_least else f"{low:.0f} to {high:.0f}"
    return Measurement(NAME, since, "step", basis, round(since), items, text)


def _any_alive(row: CheckpointRow) -> bool:
    """Whether some tensor still gets gradients of the size that its moments remember; always where only buffers could tell."""
    ratios = [update.units_ratio for update in row.updates.values() if update.units_ratio is not None]
    return not ratios or any(float(ratio.max(initial=0.0)) > _ALIVE_RATIO for ratio in ratios)


def _steps_per_update(row: CheckpointRow) -> int:
    """Steps of the checkpoint's count that make one update, where gradients are plainly accumulated; else 1."""
    counts = [update.step for update in row.updates.values() if update.step]
    if row.step is None or not counts:
        return 1
    ratio = row.step / max(counts)
    return round(ratio) if ratio > 1.5 and abs(ratio - round(ratio)) < 0.02 else 1


def _ages(view: View, row: CheckpointRow, layer: Layer) -> _Ages | None:
    """None where this layer's optimizer leaves nothing to date by."""
    update = row.updates.get(layer.name)
    if update is None or layer.transposed or any(part in layer.name.lower() for part in _SPARSE):
        return None
    if update.state_dtype not in ("float32", "float64", "") or update.nonfinite:
        return None
    if update.algorithm in ADAM_KIN:
        return _ages_of_moments(view, row, layer, update)
    return _ages_of_buffers(view, row, layer, update) if update.algorithm == "sgd" else None


def _coupled_decay(view: View, row: CheckpointRow, layer: Layer, update: UpdateStats) -> bool:
    """Whether weight decay is part of the gradient, which then never ends."""
    return bool(view.setting(row, layer.name, "weight_decay")) and update.decay_norm == 0


# --- Adam and its kin -------------------------------------------------------------------------------------------------


def _ages_of_moments(view: View, row: CheckpointRow, layer: Layer, update: UpdateStats) -> _Ages | None:
    betas = view.betas(row, layer.name)
    if betas is None or update.units_ratio is None or update.units_second is None or update.step is None:
        return None
    if update.step < LEAST_AGE or not 0 < betas[0] < 1 or not 0 < betas[1] < 1 or betas[0] ** 2 >= betas[1]:
        return None
    if _coupled_decay(view, row, layer, update):
        return None
    ratio = update.units_ratio.copy()
    second = update.units_second / max(1, layer.fan_in)
    bias = row.updates.get(layer.bias)
    if bias is not None and bias.units_ratio is not None and bias.vector_second is not None and len(bias.units_ratio) == len(ratio):
        ratio = np.fmax(ratio, bias.units_ratio)
        second = np.fmax(second, bias.vector_second)
    with np.errstate(divide="ignore", invalid="ignore"):
        smallest = np.where(second > 0, _SMALLEST / np.sqrt(second), 0.0)
    vanished = (ratio < smallest) & (second > 0)
    ratio = np.maximum(ratio, smallest)
    ages = _moment_ages(ratio, second, update.step, betas, _USUAL_RATIO)
    alive = ratio[(ages < LEAST_AGE / 2) & (ratio > 0)]
    usual = float(np.median(alive)) if alive.size else _USUAL_RATIO
    largest = (1 - betas[0]) / math.sqrt(1 - betas[1])
    return _Ages(
        _moment_ages(ratio, second, update.step, betas, usual),
        bool(vanished.any()),
        _moment_ages(ratio, second, update.step, betas, min(usual, _LEAST_RATIO)),
        _moment_ages(ratio, second, update.step, betas, max(usual, largest)),
    )


def _moment_ages(ratio: Floats, second: Floats, step: int, betas: tuple[float, float], usual: float) -> Floats:
    """Updates since the last gradient, where |m_hat| / sqrt(v_hat) was `usual` at the time; `step` where there never was one."""
    fall = math.log(betas[0]) - 0.5 * math.log(betas[1])

    def bias(at: Floats) -> Floats:
        left: Floats = (1 - betas[0] ** at) / np.sqrt(1 - betas[1] ** at)
        return left

    raw = ratio * float(bias(np.array([float(step)]))[0])
    ages = np.zeros(len(raw))
    with np.errstate(divide="ignore"):
        for _ in range(20):
            ages = np.clip(np.log(raw / (usual * bias(np.maximum(step - ages, 1.0)))) / fall, 0, step - 1)
    return np.where(second > 0, ages, float(step))


# --- SGD with momentum ------------------------------------------------------------------------------------------------


def _ages_of_buffers(view: View, row: CheckpointRow, layer: Layer, update: UpdateStats) -> _Ages | None:
    momentum = view.momentum(row, layer.name)
    if momentum is None or not 0 < momentum < 1 or update.units_second is None or _coupled_decay(view, row, layer, update):
        return None
    size = np.sqrt(update.units_second / max(1, layer.fan_in))
    bias = row.updates.get(layer.bias)
    relative = _relative(size)
    if bias is not None and bias.vector_second is not None and len(bias.vector_second) == len(size):
        relative = np.fmax(relative, _relative(np.sqrt(bias.vector_second)))
    if not np.any(relative > 0):
        return None
    fall = -math.log(momentum)
    ages = np.maximum(0.0, -np.log(np.maximum(relative, _SMALLEST)) / fall)
    # Gradients fall in the course of a run, so that those of the past were rather larger than smaller.
    younger, older = math.log(10) / fall, math.log(100) / fall
    return _Ages(ages, bool(np.any(size < _SMALLEST)), np.maximum(0.0, ages - younger), ages + older)


def _relative(sizes: Floats) -> Floats:
    """Sizes in units of the median of those that live: of those within three decades of the largest."""
    largest = float(sizes.max(initial=0.0))
    if largest == 0:
        return np.zeros(len(sizes))
    usual = float(np.median(sizes[sizes > 1e-3 * largest]))
    return np.maximum(sizes, _SMALLEST) / usual
