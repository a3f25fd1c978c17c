"""Fewer points for a drawing that looks the same: lowest and highest of each pixel column, and everything that is no number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

COLUMNS = 400
"""Pixel columns that a drawing has at most; two points each look like all of them."""
MAX_NONFINITE = 2000
"""Non-finite points that are all kept; of more, the first and last of each kind in each column."""


def thin(steps: NDArray[np.int64], values: NDArray[np.float64], columns: int = COLUMNS) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The points of a curve that a drawing of `columns` columns needs, in order.

    Kept are the first and last point, each column's lowest and highest finite value, and all NaN and Inf. A curve of no more than
    twice as many points as columns stays as it is. Steps must not decrease.
    """
    if values.size <= 2 * columns:
        return steps, values
    span = max(int(steps[-1]) - int(steps[0]), 1)
    column = np.minimum((steps - steps[0]) * columns // span, columns - 1)
    finite = np.isfinite(values)
    kept = np.zeros(values.size, dtype=bool)
    kept[[0, -1]] = True
    kept[_nonfinite(column, values, finite)] = True
    points = np.flatnonzero(finite)
    # Sorted by column and, within it, by value: the first of each column is its lowest, the last its highest.
    points = points[np.lexsort((values[points], column[points]))]
    if points.size:
        border = np.flatnonzero(np.diff(column[points]))
        kept[points[np.append(0, border + 1)]] = True
        kept[points[np.append(border, points.size - 1)]] = True
    return steps[kept], values[kept]


def _nonfinite(column: NDArray[np.int64], values: NDArray[np.float64], finite: NDArray[np.bool_]) -> NDArray[np.intp]:
    points = np.flatnonzero(~finite)
    if points.size <= MAX_NONFINITE:
        return points
    kind = np.where(np.isnan(values[points]), 0, np.sign(values[points])).astype(np.int64)
    group = column[points] * 3 + kind
    _, first = np.unique(group, return_index=True)
    _, last = np.unique(group[::-1], return_index=True)
    chosen: NDArray[np.intp] = points[np.concatenate([first, group.size - 1 - last])]
    return chosen
