"""Whether the loss is the size of the weights: a penalty inside the loss gives itself away by following their squares, or their magnitudes,
from file to file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from postmortem.measure.roles import Roled, main_training_loss
from postmortem.measure.smooth import finite_points
from postmortem.measure.table import CheckpointRow, TensorStats, TensorTable
from postmortem.model import Measurement, Missing, counted

NAMES = ("loss.per_squares_spread", "loss.per_magnitudes_spread")
Floats = NDArray[np.float64]
FEWEST = 3
NEAR = 0.03
"""A loss logged within this share of the run of a checkpoint is of its weights."""


def measure_penalty_shape(table: TensorTable, roled: Sequence[Roled]) -> Iterator[Measurement | Missing]:
    """Largest over smallest ratio of the training loss to the sum of squared weights, and to that of weights without their sign, over
    checkpoints; 1 where the loss is a penalty of either kind.

    Items: `range`, largest over smallest sum, without which a ratio that stays says nothing; `weight`, the median ratio, which
    is the penalty's weight in the loss.
    """
    beside = _beside(table, roled)
    if isinstance(beside, Missing):
        yield from (replace(beside, name=name) for name in NAMES)
        return
    rows, losses, tag = beside
    for name, sum_of, called in zip(NAMES, (_squares, _magnitudes), ("squares", "magnitudes"), strict=True):
        yield _spread(name, rows, losses, sum_of, f"{tag!r} over the {called} of all matrices in {counted(len(rows), 'checkpoint')}")


def _beside(table: TensorTable, roled: Sequence[Roled]) -> tuple[list[CheckpointRow], Floats, str] | Missing:
    """Checkpoints with a loss logged about their step, those losses, and their tag."""
    loss, name = main_training_loss(roled), NAMES[0]
    rows = [row for row in table.rows if row.step is not None]
    if loss is None:
        return Missing(name, "no training loss was logged", "training-loss")
    if len(rows) < FEWEST:
        return Missing(name, f"{counted(len(rows), 'checkpoint')} of known steps, three are needed", "more-checkpoints")
    steps, values = finite_points(loss.series)
    if steps.size < FEWEST:
        return Missing(name, f"fewer than {FEWEST} finite points of {loss.series.tag!r}", "training-loss")
    reach = NEAR * float(steps[-1] - steps[0])
    found = [row for row in rows if row.step is not None and float(np.abs(steps - row.step).min()) <= reach]
    losses = np.interp([row.step or 0 for row in found], steps, values)
    if len(found) < FEWEST:
        told = f"{counted(len(found), 'checkpoint has', 'checkpoints have')} a loss logged about its step, three are needed"
        return Missing(name, told, "training-loss")
    if not (losses > 0).all():
        return Missing(name, f"{loss.series.tag!r} is not above 0, as a sum of squares would be", "", applies=False)
    return found, losses, loss.series.tag


def _spread(
    name: str, rows: Sequence[CheckpointRow], losses: Floats, sum_of: Callable[[CheckpointRow], float], basis: str
) -> Measurement | Missing:
    sums = np.array([sum_of(row) for row in rows])
    if not (np.isfinite(sums) & (sums > 0)).all():
        return Missing(name, "no three checkpoints of finite weights", "checkpoint")
    ratios = losses / sums
    items = {"range": float(sums.max() / sums.min()), "weight": float(np.median(ratios))}
    return Measurement(name, float(ratios.max() / ratios.min()), "ratio", basis, rows[0].step, items)


def _matrices(row: CheckpointRow) -> Iterator[TensorStats]:
    """All tensors of two axes or more: vectors hold running statistics too, which no penalty counts."""
    return (stats for stats in row.tensors.values() if len(stats.shape) >= 2 and "int" not in stats.dtype)


def _squares(row: CheckpointRow) -> float:
    return sum(stats.norm**2 for stats in _matrices(row))


def _magnitudes(row: CheckpointRow) -> float:
    return sum(stats.elements * stats.quantiles.mean_magnitude if stats.quantiles else math.nan for stats in _matrices(row))
