"""One-dimensional tensors, read whole: what single channels hold is not in the table of the pass, and they are short."""

from __future__ import annotations

import math

import numpy as np

from postmortem.measure.smooth import Floats
from postmortem.measure.table import CheckpointRow
from postmortem.measure.view import View

LONGEST = 2**16
"""Channels of the widest vector that is read."""


def vector(view: View, row: CheckpointRow, name: str) -> Floats | None:
    """The elements of a vector in one checkpoint; None where it is not there, is no vector, is too long, or is not finite."""
    checkpoint = view.checkpoints.get(row.source)
    tensor = None if checkpoint is None else checkpoint.tensors.get(name)
    if tensor is None or len(tensor.shape) != 1 or not 0 < tensor.shape[0] <= LONGEST:
        return None
    values: Floats = np.asarray(tensor.read(0, tensor.shape[0]), dtype=np.float64)
    return values if bool(np.isfinite(values).all()) else None


def share(flags: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> float:
    """Share of the flags that are up; NaN of none."""
    return float(np.mean(flags)) if flags.size else math.nan
