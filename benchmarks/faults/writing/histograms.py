"""Histograms as `SummaryWriter.add_histogram` writes them."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from tensorboard.compat.proto.summary_pb2 import HistogramProto
from torch import Tensor


@cache
def _edges() -> NDArray[np.float64]:
    """TensorBoard's buckets: each a tenth wider than the one before it, from 1e-12 to 1e20, of both signs, and 0."""
    above = 1e-12 * 1.1 ** np.arange(774)
    return np.concatenate([-above[::-1], [0.0], above])


def histogram(values: Tensor) -> HistogramProto | None:
    """The histogram of these values; None at what `add_histogram` raises, so that scripts leave it out: NaN, infinity, nothing in reach."""
    numbers = values.flatten().double().numpy()
    if not len(numbers) or not np.isfinite(numbers).all():
        return None
    edges = _edges()
    counts, _ = np.histogram(numbers, bins=edges)
    filled = np.flatnonzero(counts)
    if not len(filled):
        return None
    # One empty bucket stays on the left of what is filled: a bucket tells its right edge only.
    first, last = max(0, int(filled[0]) - 1), int(filled[-1]) + 1
    return HistogramProto(
        min=numbers.min(), max=numbers.max(), num=len(numbers), sum=numbers.sum(), sum_squares=numbers @ numbers,
        bucket_limit=edges[first + 1 : last + 1].tolist(), bucket=counts[first:last].tolist(),
    )  # fmt: skip
