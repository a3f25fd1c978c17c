"""Whether a curve begins at the beginning again, or goes on from within an earlier one, by its steps alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64] | NDArray[np.int64]


def interval(steps: Numbers) -> float:
    """The usual distance of two points; 0 for a single one."""
    return float(np.median(np.diff(np.sort(steps)))) if steps.size > 1 else 0.0


def begins_anew(earlier: Numbers, later: Numbers) -> bool:
    """Whether the later curve is of a training that began at the first step, rather than of one that was taken up again.

    A training that is begun logs its first point one interval in at the latest, wherever other trainings have theirs (step 14 of one, 19
    of another). One that is resumed goes on from within the earlier one's steps: that one has a point an interval before, or more.
    """
    first = float(later.min())
    return first <= float(earlier.min()) or first - interval(later) < float(earlier.min())
