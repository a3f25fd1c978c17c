"""Things of the household, made: Roman numerals, knitting patterns, a table of what is in foods.

As in `sources.py` a seed deals the records out to training and validation; what is made is the same for every seed.
"""

from __future__ import annotations

import numpy as np

from faults.nouns import Data
from faults.sources import _windows, dealt

_ROMAN = (
    (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"),
    (4, "IV"), (1, "I"),
)  # fmt: skip
ROMAN_LETTERS = "=;0123456789CDILMVX"
STITCHES = ("k", "p", "yo", "ssk")
KNIT_LETTERS = " ;:*0123456789kopsyR"


def _numeral(number: int) -> str:
    found = ""
    for worth, letters in _ROMAN:
        while number >= worth:
            found, number = found + letters, number - worth
    return found


def numerals(seed: int) -> Data:
    """Windows of 30 characters of a text of numbers and what a Roman makes of them, such as `1994=MCMXCIV;`."""
    draw = np.random.default_rng(331)
    return _windows("".join(f"{each}={_numeral(each)};" for each in draw.integers(1, 2400, size=7500).tolist()), ROMAN_LETTERS, 30, seed)


def _row(number: int, draw: np.random.Generator) -> str:
    """A group of stitches, said three times: what is knit on one side is purled on the other."""
    group = [
        f"{STITCHES[at]}{count}" for at, count in zip(draw.permutation(4)[:3].tolist(), draw.integers(1, 7, size=3).tolist(), strict=True)
    ]
    return f"R{number}: " + " * ".join([" ".join(group)] * 3) + ";"


def knitting(seed: int) -> Data:
    """Windows of 40 characters of a text of rows of a pattern, each of a group that comes three times: `R4: k2 p3 yo1 * k2 ...;`."""
    draw = np.random.default_rng(337)
    return _windows("".join(_row(number % 10, draw) for number in range(2400)), KNIT_LETTERS, 40, seed)


NUTRIENTS = (
    "energy", "water", "protein", "fat", "saturated", "starch", "sugar", "fibre", "salt", "calcium", "iron", "zinc", "magnesium",
    "potassium", "vitamin_a", "vitamin_c", "vitamin_d", "vitamin_e", "folate", "b12", "cholesterol", "price",
)  # fmt: skip


def foods(seed: int) -> Data:
    """4,000 foods and 22 columns of what is in them, which a few things decide: shares of water, protein, fat and starch, salt."""
    draw = np.random.default_rng(347)
    water, protein, fat, starch, sugar = draw.dirichlet((3.0, 1.2, 1.0, 1.5, 0.8), size=4000).T
    animal, green, salted = draw.beta(0.6, 0.6, size=4000), draw.beta(1.2, 1.2, size=4000), draw.gamma(1.5, 0.5, size=4000)
    plant = 1 - animal
    columns = [
        17 * (protein + starch + sugar) + 37 * fat, water, protein, fat, fat * (0.2 + 0.4 * animal), starch, sugar, 0.3 * plant * (1 - fat),
        salted, animal * (0.3 + fat) + 0.2 * green, 0.6 * protein + 0.5 * green * plant, protein * (0.4 + animal), plant * (0.3 + protein),
        water * (0.3 + green), np.sqrt(fat * (0.1 + green)), green * plant * water, fat * animal, fat * plant, green * plant,
        animal * protein, animal * np.sqrt(fat), 1 + 3 * protein + 2 * green * water - starch,
    ]  # fmt: skip
    table = np.stack(columns, axis=1)
    table = table + 0.12 * table.std(axis=0) * draw.standard_normal(table.shape)
    return dealt(table, np.zeros(4000, dtype=np.int64), seed, columns=NUTRIENTS, per_column=True)
