"""Whether the loss is the size of the weights: a penalty inside the loss gives itself away by following their squares from file to file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from postmortem.measure.roles import Roled, main_training_loss
from postmortem.measure.smooth import finite_points
from postmortem.measure.table import CheckpointRow, TensorTable
from postmortem.model import Measurement, Missing, counted

NAME = "loss.per_squares_spread"
FEWEST = 3
NEAR = 0.03
"""A loss logged within this share of the run of a checkpoint is of its weights."""


def measure_penalty_shape(table: TensorTable, roled: Sequence[Roled]) -> Measurement | Missing:
    """Largest over smallest ratio of the training loss to the sum of squared weights, over checkpoints; 1 where the loss is a penalty.

    Items: `range`, largest over smallest sum of squares, without which a ratio that stays says nothing; `weight`, the median ratio, which
    is the penalty's weight in the loss.
    """
    loss = main_training_loss(roled)
    rows = [row for row in table.rows if row.step is not None]
    if loss is None or len(rows) < FEWEST:
        if loss is None:
            return Missing(NAME, "no training loss was logged", "training-loss")
        return Missing(NAME, f"{counted(len(rows), 'checkpoint')} of known steps, three are needed", "more-checkpoints")
    steps, values = finite_points(loss.series)
    if steps.size < FEWEST:
        return Missing(NAME, f"fewer than {FEWEST} finite points of {loss.series.tag!r}", "training-loss")
    reach = NEAR * float(steps[-1] - steps[0])
    beside = [row for row in rows if row.step is not None and float(np.abs(steps - row.step).min()) <= reach]
    losses = np.interp([row.step or 0 for row in beside], steps, values)
    if len(beside) < FEWEST:
        told = f"{counted(len(beside), 'checkpoint has', 'checkpoints have')} a loss logged about its step, three are needed"
        return Missing(NAME, told, "training-loss")
    if not (losses > 0).all():
        return Missing(NAME, f"{loss.series.tag!r} is not above 0, as a sum of squares would be", "", applies=False)
    squares = np.array([_squares(row) for row in beside])
    if not (np.isfinite(squares) & (squares > 0)).all():
        return Missing(NAME, "no three checkpoints of finite weights", "checkpoint")
    ratios = losses / squares
    items = {"range": float(squares.max() / squares.min()), "weight": float(np.median(ratios))}
    basis = f"{loss.series.tag!r} over the squares of all matrices in {counted(len(beside), 'checkpoint')}"
    return Measurement(NAME, float(ratios.max() / ratios.min()), "ratio", basis, beside[0].step, items)


def _squares(row: CheckpointRow) -> float:
    """Sum of squares of all tensors of two axes or more: vectors hold running statistics too, which no penalty counts."""
    return sum(stats.norm**2 for stats in row.tensors.values() if len(stats.shape) >= 2 and "int" not in stats.dtype)
