"""Central moments of pieces, and their exact merge (Chan, Golub and LeVeque 1983; Pébay 2008), in float64.

A piece's moments are taken about its own mean, so that a tensor whose mean is far larger than its spread loses nothing to cancellation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, mean and the sums of the 2nd to 4th powers of deviations from the mean."""

    count: int
    mean: float
    second: float
    third: float
    fourth: float

    @property
    def variance(self) -> float:
        """Population variance; NaN of nothing."""
        return self.second / self.count if self.count else math.nan

    @property
    def kurtosis(self) -> float:
        """Fourth standardized moment; NaN where the variance is 0."""
        square = self.second * self.second
        return self.count * self.fourth / square if square > 0 and math.isfinite(square) else math.nan


NOTHING = Moments(0, math.nan, 0.0, 0.0, 0.0)


def about_mean(count: int, shift: float, sums: tuple[float, float, float, float]) -> Moments:
    """Moments from the sums of the 1st to 4th powers of (element - shift). Precise where the shift is within a few spreads of the mean."""
    if count == 0:
        return NOTHING
    first, second, third, fourth = sums
    offset = first / count
    square = offset * offset
    return Moments(
        count,
        shift + offset,
        max(0.0, second - count * square),
        third - 3 * offset * second + 2 * count * offset * square,
        max(0.0, fourth - 4 * offset * third + 6 * square * second - 3 * count * square * square),
    )


def merged(pieces: Sequence[Moments]) -> Moments:
    """Moments of the union, the same for the same pieces in the same order."""
    filled = [piece for piece in pieces if piece.count]
    if len(filled) <= 1:
        return filled[0] if filled else NOTHING
    table = np.array([(piece.count, piece.mean, piece.second, piece.third, piece.fourth) for piece in filled], np.float64)
    counts, means, second, third, fourth = table.T
    count = sum(piece.count for piece in filled)
    # Means are averaged about the first of them, so that their common offset costs no digits.
    mean = float(means[0] + np.add.reduce(counts * (means - means[0])) / count)
    away = means - mean
    square = away * away
    return Moments(
        count,
        mean,
        float(np.add.reduce(second + counts * square)),
        float(np.add.reduce(third + 3 * away * second + counts * away * square)),
        float(np.add.reduce(fourth + 4 * away * third + 6 * square * second + counts * square * square)),
    )
