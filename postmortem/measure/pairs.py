"""Two tensors that should be one, held against each other chunk by chunk: how many elements differ, and by how much."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from postmortem.measure.boxes import CHUNK_ELEMENTS
from postmortem.model import Tensor


@dataclass(frozen=True, slots=True)
class Difference:
    """What two tensors of one shape have between them. Norms are over elements that are finite in both."""

    elements: int
    differing: int
    """Elements of which neither the value is equal nor both are NaN."""
    largest: float
    """Largest absolute difference; NaN where one side only is not finite."""
    norm: float
    """Euclidean norm of the difference."""
    norm_one: float
    norm_two: float
    nonfinite_one: int
    nonfinite_two: int

    @property
    def distance(self) -> float:
        """Norm of the difference over the larger norm; infinite where finiteness itself differs, 0 where nothing differs."""
        if self.differing == 0:
            return 0.0
        if self.nonfinite_one != self.nonfinite_two or not math.isfinite(self.largest):
            return math.inf
        size = max(self.norm_one, self.norm_two)
        return self.norm / size if size > 0 else math.inf

    @property
    def cosine(self) -> float:
        """Cosine between the two; NaN where one of them is zero."""
        size = self.norm_one * self.norm_two
        return (self.norm_one**2 + self.norm_two**2 - self.norm**2) / (2 * size) if size > 0 else math.nan


def compare(one: Tensor, two: Tensor) -> Difference:
    """Pass over both tensors once. Memory is a few chunks, whatever their size."""
    elements = math.prod(one.shape)
    differing, largest, squares, squares_one, squares_two, bad_one, bad_two = 0, 0.0, 0.0, 0.0, 0.0, 0, 0
    for start in range(0, elements, CHUNK_ELEMENTS):
        stop = min(elements, start + CHUNK_ELEMENTS)
        left, right = one.read(start, stop).astype(np.float64), two.read(start, stop).astype(np.float64)
        finite_left, finite_right = np.isfinite(left), np.isfinite(right)
        bad_one += left.size - int(np.count_nonzero(finite_left))
        bad_two += right.size - int(np.count_nonzero(finite_right))
        with np.errstate(all="ignore"):
            differing += int(np.count_nonzero((left != right) & ~(np.isnan(left) & np.isnan(right))))
            both = finite_left & finite_right
            if not both.all():
                if not np.array_equal(finite_left, finite_right):
                    largest = math.nan
                left, right = np.where(both, left, 0.0), np.where(both, right, 0.0)
            changed = left - right
            largest = max(largest, float(np.abs(changed).max(initial=0.0))) if not math.isnan(largest) else largest
            squares += float(changed @ changed)
            squares_one += float(left @ left)
            squares_two += float(right @ right)
    return Difference(elements, differing, largest, math.sqrt(squares), math.sqrt(squares_one), math.sqrt(squares_two), bad_one, bad_two)
