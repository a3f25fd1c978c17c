"""Upper tail of the chi-square distribution, so that one p-value does not cost the import of scipy. Standard library only."""

from __future__ import annotations

import math

_TERMS = 2000
"""Far more than the series and the fraction take for the degrees of freedom that classes give."""
_TINY = 1e-300


def upper_tail(statistic: float, degrees: int) -> float:
    """Probability that a chi-square variable with these degrees of freedom exceeds the statistic; exact to about 12 digits.

    The regularized incomplete gamma function Q(degrees / 2, statistic / 2), by its series below the mean and by Lentz's continued fraction
    above it (Abramowitz & Stegun 6.5.29 and 6.5.31). Beyond 1,000 degrees the cube-root normal approximation (Wilson & Hilferty 1931)
    stands in: there its error is below 1e-4. Tails below 1e-300 come out as 0.
    """
    if degrees < 1 or math.isnan(statistic):
        return math.nan
    if statistic <= 0:
        return 1.0
    if degrees > 1000:
        spread = 2 / (9 * degrees)
        return 0.5 * math.erfc(((statistic / degrees) ** (1 / 3) - (1 - spread)) / math.sqrt(2 * spread))
    a, x = degrees / 2, statistic / 2
    scale = math.exp(max(-745.0, a * math.log(x) - x - math.lgamma(a)))
    return min(1.0, 1 - scale * _series(a, x)) if x < a + 1 else scale * _fraction(a, x)


def _series(a: float, x: float) -> float:
    term = total = 1 / a
    for k in range(1, _TERMS):
        term *= x / (a + k)
        total += term
        if term < total * 1e-16:
            break
    return total


def _fraction(a: float, x: float) -> float:
    b = x + 1 - a
    c, d = 1 / _TINY, 1 / b
    value = d
    for k in range(1, _TERMS):
        step = -k * (k - a)
        b += 2
        d = step * d + b
        c = b + step / c
        d = 1 / (d if abs(d) > _TINY else _TINY)
        c = c if abs(c) > _TINY else _TINY
        change = c * d
        value *= change
        if abs(change - 1) < 1e-15:
            break
    return value
