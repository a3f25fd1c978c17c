"""A curve made robust: block medians, rolling levels, and the noise around them.

Everything that is said about a curve's shape rests on levels (medians over a tenth of its points), never on single points, and is
measured in units of the curve's own progress and noise. Losses may be negative; non-finite points are left out here and counted
elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from postmortem.model import Series

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_BLOCKS = 100
MIN_BLOCKS = 10
POINTS_PER_BLOCK = 5
LARGEST = 1e150
"""Finite values beyond this are counted as this, so that squares and differences stay finite."""
MAX_RATIO = 1e6
"""Ratios over a noise of nearly zero are cut here."""
_MAD_TO_STD = 1.4826
MEDIAN_TO_MEAN = 1.2533
"""Standard error of a median over that of a mean, for normal noise."""


@dataclass(frozen=True, slots=True, eq=False)
class Smooth:
    """A curve's finite points and the levels drawn through them."""

    tag: str
    source: str
    steps: Ints
    values: Floats
    """Finite values, one a point, in order of step."""
    block_of: Ints
    """First point of each block; blocks are contiguous and nearly equal in size."""
    block_steps: Ints
    """Step of each block's middle point."""
    blocks: Floats
    """Median of each block."""
    levels: Floats
    """Median over windows of a tenth of the run, one for each position; as long as `blocks` less the window, plus 1."""
    window: int
    """Blocks in one window."""
    noise: float
    """Robust standard deviation from point to point, with the trend taken out."""
    level_noise: float
    """Standard error of one level, with slow wobble counted in."""
    start: float
    """Level at the start: the median of the first twentieth of the points (at least three).

    At least that of the first three points less three noises, and at most the first point and one noise.
    """
    start_noise: float
    """Standard error of `start`."""
    last: float
    """Median of the last tenth of the points, at least three."""
    lowest: float
    """Lowest level; the start only where it lies clearly below all levels."""
    lowest_step: int
    low: float
    """The lowest point as it was logged, of those that the lowest level stands for."""
    low_step: int

    @property
    def points(self) -> int:
        """How many finite points there are."""
        return int(self.values.size)

    @property
    def span(self) -> int:
        """Steps from the first to the last point."""
        return int(self.steps[-1]) - int(self.steps[0])  # the difference of two may need more than 64 bits

    @property
    def size(self) -> float:
        """What a change of the level is compared with where the curve made none: the larger of the start's and lowest level's magnitude."""
        return max(abs(self.start), abs(self.lowest))

    @property
    def progress(self) -> float:
        """Fall from the start to the lowest level; at least 5 % of the size, five level noises and a hair above 0."""
        return max(self.start - self.lowest, 0.05 * self.size, 5.0 * self.level_noise, 1e-300)


def finite_points(series: Series) -> tuple[Ints, Floats]:
    """Steps and values of the finite points, values cut at +-1e150."""
    finite = np.isfinite(series.values)
    return series.steps[finite].astype(np.int64), np.clip(series.values[finite].astype(np.float64), -LARGEST, LARGEST)


def point_noise(values: Floats) -> float:
    """Robust standard deviation of each point about the line through its neighbours; 0 for fewer than 3 points."""
    if values.size < 3:
        return 0.0
    bend = values[1:-1] - 0.5 * (values[:-2] + values[2:])
    return float(_MAD_TO_STD * np.median(np.abs(bend)) / math.sqrt(1.5))


def block_starts(points: int, blocks: int) -> Ints:
    """First point of each of `blocks` contiguous blocks that differ by at most one point in size."""
    return np.arange(blocks, dtype=np.int64) * points // blocks


def block_medians(values: Floats, starts: Ints) -> Floats:
    """Median of each block."""
    ends = np.append(starts[1:], values.size)
    return np.array([np.median(values[begin:end]) for begin, end in zip(starts, ends, strict=True)])


def rolling_median(values: Floats, window: int) -> Floats:
    """Median of each window of that many neighbours; `len(values) - window + 1` of them."""
    return np.asarray(np.median(sliding_window_view(values, window), axis=1))


def smooth(series: Series, least: int) -> Smooth | None:
    """The robust view of a series, or None where it has fewer than `least` finite points."""
    steps, values = finite_points(series)
    points = values.size
    if points < max(least, 3):
        return None
    starts = block_starts(points, int(min(MAX_BLOCKS, max(MIN_BLOCKS, points // POINTS_PER_BLOCK), points)))
    ends = np.append(starts[1:], points)
    blocks = block_medians(values, starts)
    per_block = points / blocks.size
    window = min(blocks.size, max(blocks.size // 10, math.ceil(3 / per_block)))
    levels = rolling_median(blocks, window)
    noise = point_noise(values)
    level_noise = MEDIAN_TO_MEAN * max(noise / math.sqrt(per_block * window), point_noise(blocks) / math.sqrt(window))
    first_points = max(3, points // 20)
    # Not far below the first three points, so that a fast descent counts; not above the first point, so that a jump in the
    # first steps is no start from which a fall back would look like progress.
    level = float(np.median(values[:first_points]))
    start = min(max(level, float(np.median(values[:3])) - 3 * noise), float(values[0]) + noise)
    start_noise = MEDIAN_TO_MEAN * noise / math.sqrt(first_points) if start == level else noise
    last = float(np.median(values[-max(3, points // 10) :]))
    position = int(np.argmin(levels))
    block_steps = steps[(starts + ends - 1) // 2]
    lowest, lowest_step = float(levels[position]), int(block_steps[position + window // 2])
    stands_for = slice(int(starts[position]), int(ends[position + window - 1]))
    if last < lowest:
        lowest, lowest_step, stands_for = last, int(steps[-1]), slice(points - max(3, points // 10), points)
    if start + 3 * start_noise < lowest:
        lowest, lowest_step, stands_for = start, int(steps[0]), slice(0, first_points)
    bottom = stands_for.start + int(np.argmin(values[stands_for]))
    return Smooth(
        tag=series.tag,
        source=series.source,
        steps=steps,
        values=values,
        block_of=starts,
        block_steps=block_steps,
        blocks=blocks,
        levels=levels,
        window=window,
        noise=noise,
        level_noise=level_noise,
        start=start,
        start_noise=start_noise,
        last=last,
        lowest=lowest,
        lowest_step=lowest_step,
        low=float(values[bottom]),
        low_step=int(steps[bottom]),
    )


def ratio(part: float, whole: float) -> float:
    """`part / whole` cut at +-1e6; 0 where both are 0."""
    if part == 0:
        return 0.0
    if abs(whole) * MAX_RATIO <= abs(part):
        return math.copysign(MAX_RATIO, part * (1.0 if whole >= 0 else -1.0))
    return part / whole


def level_near(curve: Smooth, step: int) -> float:
    """Level of the curve about a step: the median of the tenth of its points (at least three) nearest to it in order."""
    middle = int(np.searchsorted(curve.steps, step))
    half = max(3, curve.points // 10) // 2
    begin = min(max(0, middle - half), max(0, curve.points - 2 * half - 1))
    return float(np.median(curve.values[begin : begin + 2 * half + 1]))
