"""What the boxes of one tensor of one checkpoint add up to, and the table's entries from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from postmortem.measure.boxes import Box
from postmortem.measure.codes import Array, Format, Marks
from postmortem.measure.fingerprints import fingerprint
from postmortem.measure.kernels import DeltaSums
from postmortem.measure.last_update import UpdateSums
from postmortem.measure.moments import Moments, merged
from postmortem.measure.quantiles import quantiles
from postmortem.measure.table import DeltaStats, Floats, TensorStats, UnitStats
from postmortem.model import Tensor


@dataclass(slots=True, eq=False)
class UnitSums:
    """Per-unit sums; each array is as long as there are units, or empty where there is nothing to sum."""

    pairs: Floats
    """Total of each unit, and then the sum of its squares."""
    projection: Floats
    delta: Floats
    second: Floats

    def add(self, units: slice, other: UnitSums) -> None:
        """Add those of a part of the units."""
        self.pairs[:, units] += other.pairs
        self.projection[units] += other.projection
        if self.delta.size:
            self.delta[units] += other.delta
        if self.second.size:
            self.second[units] += other.second


def unit_sums(height: int, with_delta: bool, with_second: bool) -> UnitSums:
    """Of nothing yet."""
    return UnitSums(np.zeros((2, height)), np.zeros(height), np.zeros(height if with_delta else 0), np.zeros(height if with_second else 0))


@dataclass(slots=True, eq=False)
class Sums:
    """What boxes of one tensor of one checkpoint add up to: those of a span, and then the whole tensor's."""

    units: UnitSums | None
    moments: list[Moments] = field(default_factory=list)
    shape: list[Moments] = field(default_factory=list)
    """Those with third and fourth powers."""
    form: Format | None = None
    """What `marks` are to be read by."""
    marks: Marks = field(default_factory=Marks)
    content: int = 0
    """What the fingerprint is made of."""
    sample: list[Array] = field(default_factory=list)
    squares: float = 0.0
    delta_squares: float = 0.0
    equal: int = 0
    dot_before: float = 0.0
    first_squares: float = 0.0
    update: UpdateSums = field(default_factory=UpdateSums)

    def add_delta(self, delta: DeltaSums) -> None:
        """Add a box's change."""
        self.delta_squares += delta.squares
        self.equal += delta.equal
        self.dot_before += delta.dot_before

    def close(self) -> None:
        """Make one of what a span has many of."""
        self.moments = [merged(self.moments)]
        self.shape = [merged(self.shape)] if self.shape else []
        if len(self.sample) > 1:
            self.sample = [np.concatenate(self.sample)]

    def add_span(self, other: Sums, span: Sequence[Box]) -> None:
        """Add the sums of the next span."""
        self.moments += other.moments
        self.shape += other.shape
        self.form = other.form
        self.marks.add(other.marks)
        self.content += other.content
        self.sample += other.sample
        self.squares += other.squares
        self.delta_squares += other.delta_squares
        self.equal += other.equal
        self.dot_before += other.dot_before
        self.first_squares += other.first_squares
        self.update.add(other.update)
        if self.units is not None and other.units is not None:
            self.units.add(slice(span[0].row, span[-1].row + span[-1].rows), other.units)
        for name in ("inputs_second", "vector_second"):
            found: Floats | None = getattr(other.update, name)
            if found is not None:
                so_far: Floats | None = getattr(self.update, name)
                setattr(self.update, name, found if so_far is None else so_far + found)


def tensor_stats(tensor: Tensor, sums: Sums) -> TensorStats:
    """The table's entry for one tensor."""
    moments, marks = merged(sums.moments), sums.marks
    minimum, maximum = marks.extremes(sums.form)
    mean, variance, kurtosis = moments.mean, moments.variance, merged(sums.shape).kurtosis
    if minimum == maximum:  # a constant: its mean and variance are exact, whatever rounding says
        mean, variance, kurtosis = minimum, 0.0, math.nan
    return TensorStats(
        shape=tensor.shape,
        dtype=tensor.dtype,
        elements=math.prod(tensor.shape),
        nonfinite=marks.nonfinite,
        zeros=marks.zeros,
        mean=mean,
        variance=variance,
        kurtosis=kurtosis,
        minimum=minimum,
        maximum=maximum,
        norm=math.sqrt(sums.squares),
        units=None if sums.units is None else UnitStats(sums.units.pairs[0], sums.units.pairs[1], sums.units.projection),
        subnormal=marks.subnormal,
        clipped=marks.clipped,
        quantiles=quantiles(sums.sample),
        fingerprint=fingerprint(tensor.dtype, tensor.shape, sums.content),
        vector=_vector(tensor, sums),
    )


def _vector(tensor: Tensor, sums: Sums) -> Floats | None:
    """A short tensor's own elements: its sample holds all of them, in order."""
    if len(tensor.shape) != 1 or "float" not in tensor.dtype or not sums.sample:
        return None
    whole = np.concatenate(sums.sample).astype(np.float64)
    return whole if whole.size == tensor.shape[0] else None


def _cosine(product: float, left_squares: float, right_squares: float) -> float:
    size = math.sqrt(left_squares) * math.sqrt(right_squares)
    return max(-1.0, min(1.0, product / size)) if size > 0 and math.isfinite(product) and math.isfinite(size) else math.nan


def delta_stats(sums: Sums, before: Sums, has_before: bool) -> DeltaStats:
    """The table's entry for the change from one checkpoint to the next."""
    # The dot product of two tensors follows from three norms; it needs no pass of its own.
    product = (sums.squares + before.squares - sums.delta_squares) / 2
    return DeltaStats(
        norm=math.sqrt(sums.delta_squares),
        equal=sums.equal,
        cosine_before=_cosine(sums.dot_before, sums.delta_squares, before.delta_squares) if has_before else math.nan,
        cosine_weights=_cosine(product, sums.squares, before.squares),
        units_norm=None if sums.units is None else np.sqrt(sums.units.delta),
    )
