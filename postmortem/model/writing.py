"""Numbers as a person would write them in a sentence: one way for every check, cause and report."""

from __future__ import annotations

import math

PLAIN_FROM, PLAIN_BELOW = 1e-3, 1e6
"""Between these a number is written out; beyond them with an exponent (`4.1e-7`, `1.2e9`)."""
GROUPED_FROM = 10_000
"""From here on thousands are set apart: `18,400`, but `2400`."""
EXPONENT_DIGITS = 3
"""Digits of a number with an exponent, at most: more are never read."""
TIMES_FROM = 1.5
"""A level above this multiple of another is told in times, below it as per cent."""

_KINDS = {
    "classification": "a classifier",
    "language-model": "a language model",
    "regression": "a regression",
    "detection": "a detector",
    "segmentation": "a segmentation model",
    "gan": "an adversarial pair",
    "rl": "a reinforcement-learning run",
    "vae": "a variational autoencoder",
    "physics-informed": "a physics-informed network",
    "contrastive": "a contrastive model",
}


def number(value: float, digits: int = 3) -> str:
    """A number in at most so many significant digits: `0.34`, `2.3`, `18,400`, `1e-5`; never `3.4e-01`."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "infinity" if value > 0 else "-infinity"
    rounded = float(f"{value:.{digits}g}")
    if rounded == 0:
        return "0"
    if PLAIN_FROM <= abs(rounded) < PLAIN_BELOW:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
        return _without_zeros(f"{rounded:,.{decimals}f}" if abs(rounded) >= GROUPED_FROM else f"{rounded:.{decimals}f}")
    mantissa, exponent = f"{value:.{min(digits, EXPONENT_DIGITS) - 1}e}".split("e")
    return f"{_without_zeros(mantissa)}e{int(exponent)}"


def percent(share: float, digits: int = 2) -> str:
    """A share as per cent: `34%`, `3.8%`, `0.42%`. What is neither none nor all is never rounded to 0 or 100."""
    if not math.isfinite(share):
        return number(share)
    hundredths = share * 100
    if 0 < abs(hundredths) < 0.1:
        return "less than 0.1%"
    if 99.9 < hundredths < 100:
        return "more than 99.9%"
    whole = 0 if abs(hundredths) < 1 else 1 if abs(hundredths) < 10 else 2 if abs(hundredths) < 100 else 3
    decimals = max(digits - whole, 1 if 99 < hundredths < 100 else 0)
    return f"{_without_zeros(f'{hundredths:,.{decimals}f}')}%"


def multiple(value: float, digits: int = 2) -> str:
    """A level as a multiple of what is named next: `84% of`, `7 times`, `4.4e-5 of`."""
    if 0 < abs(value) < PLAIN_FROM:
        return f"{number(value, digits)} of"
    return f"{level(value, digits)} of" if value < TIMES_FROM else f"{number(value, digits)} times"


def bare(value: float, digits: int = 2) -> str:
    """A level as a multiple of what was named before: `84%`, `7 times`."""
    return level(value, digits) if value < TIMES_FROM else f"{number(value, digits)} times"


def level(value: float, digits: int = 2) -> str:
    """A level as per cent of another, of which 100 is no bound: `100%` for 0.9996, where `percent` says that it is not quite all."""
    return f"{value * 100:,.0f}%" if value > 0.99 else percent(value, digits)


def share_of(share: float, of: str, start: float) -> str:
    """A loss beside what it is compared with, `84% of chance level`; of one that ended below 0 where it came from.

    Args:
        of: what `share` is a share of.
        start: the first loss, which is told instead where the share is negative: less than nothing of it is left.
    """
    return f"{multiple(share)} {of}" if share >= 0 else f"across 0 from {number(start)} at first"


def times(count: float) -> str:
    """How often: `once`, `twice`, `3 times`."""
    return {1: "once", 2: "twice"}.get(round(count), f"{round(count):,} times") if math.isfinite(count) else f"{number(count)} times"


def counted(count: float, noun: str, plural: str = "") -> str:
    """A count with its noun: `1 jump`, `3 jumps`, `2 matrices`.

    Args:
        plural: the noun where there is not one; by default with an s behind.
    """
    named = noun if count == 1 else plural or f"{noun}s"
    return f"{round(count):,} {named}" if math.isfinite(count) else f"{number(count)} {named}"


def kind_of_run(family: str) -> str:
    """What a run of one of the families of `run.family` is called: `a language model`, `a run of unknown kind`."""
    return _KINDS.get(family, "a run of unknown kind")


def _without_zeros(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
