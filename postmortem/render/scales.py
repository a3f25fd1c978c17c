"""Scales and their ticks: from data to places on the page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

_HUGE = 1e250
"""Farthest from zero that a scale reaches: beyond it, the range itself would overflow."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps data in [low, high] onto [start, end] on the page, linearly or by logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Position of a value; one that a logarithm cannot take has none (NaN)."""
        if self.log:
            if value <= 0:
                return math.nan
            share = (math.log10(value) - math.log10(self.low)) / (math.log10(self.high) - math.log10(self.low))
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Whether the value lies on the page."""
        return self.low <= value <= self.high and (value > 0 or not self.log)


def ticks(low: float, high: float, count: int) -> list[float]:
    """About `count` round numbers (1, 2 or 5 times a power of ten apart) within [low, high]."""
    if not high > low:
        return [low]
    rough = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    # Multiples of the step, rounded to its digits: 0.30000000000000004 would be printed as it is.
    digits = max(0, 1 - math.floor(math.log10(step)))
    return [round(index * step, digits) for index in range(first, last + 1)]


def log_ticks(low: float, high: float, count: int) -> list[float]:
    """Powers of ten within [low, high], thinned to about `count`; where there are fewer than two, 2 and 5 times them too, or round ones."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last - first < 1:
        rough = [factor * 10.0**exponent for exponent in range(first - 1, last + 1) for factor in (1, 2, 5)]
        held = [tick for tick in rough if low <= tick <= high]
        return held if len(held) > 1 else [tick for tick in ticks(low, high, count) if tick > 0]
    every = math.ceil((last - first + 1) / count)
    return [10.0**exponent for exponent in range(first, last + 1) if exponent % every == 0]


def axis(values: Iterable[float], start: float, end: float, log: bool = False, margin: float = 0.05) -> Scale:
    """A scale that holds all finite values (those above 0 where `log`), with some air around them."""
    shown = [value for value in values if math.isfinite(value) and (value > 0 or not log)]
    low, high = (min(shown), max(shown)) if shown else (0.1, 1.0)
    if log:
        low, high = (min(max(value, 1 / _HUGE), _HUGE) for value in (low, high))
        width = math.log10(high) - math.log10(low)
        air = 10 ** (margin * width if width > 0 else 0.5)
        return Scale(low / air, high * air, start, end, log=True)
    low, high = (min(max(value, -_HUGE), _HUGE) for value in (low, high))
    # Half of the smallest number there is would be nothing.
    least = 1 / _HUGE
    air = margin * (high - low) if high - low > least else 0.5 * (abs(high) if abs(high) > least else 1.0)
    return Scale(low - air, high + air, start, end)


def spread(places: Sequence[float], width: float, end: float) -> list[float]:
    """Centres of things of this width, as near to their places as leaves none over another, and none beyond `end`."""
    order = sorted(range(len(places)), key=lambda index: places[index])
    centres = list(places)
    for before, index in pairwise(order):
        centres[index] = max(centres[index], centres[before] + width)
    limit = end
    for index in reversed(order):
        centres[index] = min(centres[index], limit)
        limit = centres[index] - width
    return centres


def short(position: float) -> str:
    """One decimal is a tenth of a pixel; more would only cost bytes."""
    return f"{position:.1f}".removesuffix(".0")
