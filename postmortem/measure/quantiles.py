"""Quantiles of a tensor's elements from a sample of fixed places.

At most 8,192 elements are looked at: every s-th one in row-major order, s without a divisor in common with the length of a row, so that
the sample goes through all columns. Tensors of up to 8,192 elements are looked at whole. The rank of a quantile q has a standard error
of sqrt(q (1 - q) / 8192): 0.55 % of the elements for the median, 0.11 % for the 1 % quantile, 0.035 % for the 99.9 % quantile.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postmortem.measure.table import Quantiles

Array = NDArray[Any]

_SHARES, _MAGNITUDE = np.array([0.01, 0.25, 0.5, 0.75, 0.99]), 0.999
SAMPLE = 8192
"""Most elements of one tensor that are looked at."""


def stride(elements: int, width: int) -> int:
    """Distance of the places in a tensor of that many elements, in rows of `width`."""
    step = max(1, math.ceil(elements / SAMPLE))
    while step > 1 and math.gcd(step, width) > 1:
        step += 1
    return step


def sample(values: Array, start: int, step: int) -> Array:
    """The elements of one box, whose first is the tensor's `start`-th, that lie at places; a copy."""
    found: Array = values[-start % step :: step].copy()
    return found


def quantiles(pieces: Sequence[Array]) -> Quantiles | None:
    """Of the samples of all boxes: finite elements only, None where there are none. Between two elements numpy's linear rule."""
    values = (pieces[0] if len(pieces) == 1 else np.concatenate(pieces)) if pieces else np.empty(0)
    values = np.sort(values)  # non-finite ones go to the ends
    if values.size and not math.isfinite(float(values[0]) + float(values[-1])):
        values = values[np.isfinite(values)]
    if not values.size:
        return None
    places = _SHARES * (values.size - 1)
    below = places.astype(np.int64)
    lower = values[below].astype(np.float64)
    found = lower + (places - below) * (values[np.minimum(below + 1, values.size - 1)] - lower)
    # The largest magnitudes lie at the two ends.
    place = _MAGNITUDE * (values.size - 1)
    rest = values.size - int(place)
    ends = values if 2 * rest >= values.size else np.concatenate((values[:rest], values[-rest:]))
    sizes = np.sort(np.abs(ends.astype(np.float64)))[-rest:].tolist()
    magnitude = sizes[0] + (place - int(place)) * (sizes[min(1, rest - 1)] - sizes[0])
    low, quarter, median, three_quarters, high = found.tolist()
    # Over the largest one, so that no sum of float64 overflows.
    largest = max(abs(float(values[0])), abs(float(values[-1])))
    mean_magnitude = float(np.mean(np.abs(values.astype(np.float64)) / largest)) * largest if largest > 0 else 0.0
    return Quantiles(low, quarter, median, three_quarters, high, magnitude, mean_magnitude, values.size)
