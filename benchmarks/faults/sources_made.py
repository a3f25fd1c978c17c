"""Made records: tables with known rules, series, and strings that follow a grammar.

As in `sources.py` a seed deals the records out to training and validation; what is made is the same for every seed.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from faults.nouns import Data
from faults.sources import Floats, _encoded, _windows, dealt


def _columns(inputs: Floats) -> tuple[str, ...]:
    return tuple(f"c{column:02d}" for column in range(inputs.shape[1]))


def clusters(seed: int) -> Data:
    """2,400 records around five corners of a cube, 20 columns of which twelve tell."""
    from sklearn.datasets import make_classification

    inputs, targets = make_classification(
        2400, 20, n_informative=12, n_redundant=4, n_classes=5, n_clusters_per_class=1, class_sep=1.3, flip_y=0.0, random_state=5
    )
    return dealt(inputs, targets.astype(np.int64), seed, ("one", "two", "three", "four", "five"), _columns(inputs), per_column=True)


def spirals(seed: int) -> Data:
    """2,100 points of the plane on three arms."""
    draw = np.random.default_rng(47)
    labels = np.arange(2100) % 3
    turn = draw.uniform(0.4, 3.0, size=2100)
    angle = 2.0 * turn + labels * 2 * np.pi / 3 + draw.normal(0, 0.12, size=2100)
    inputs = np.stack([turn * np.cos(angle), turn * np.sin(angle)], axis=1)
    return dealt(inputs, labels.astype(np.int64), seed, ("first", "second", "third"), ("x", "y"), per_column=True)


def checkerboard(seed: int) -> Data:
    """2,400 points of a board of three by three fields, black or white."""
    inputs = np.random.default_rng(53).uniform(0, 3, size=(2400, 2))
    labels = np.floor(inputs).sum(axis=1).astype(np.int64) % 2
    return dealt(inputs, labels, seed, ("white", "black"), ("x", "y"), per_column=True)


def display(seed: int) -> Data:
    """2,400 readings of a display of seven segments, each wrong one time in fourteen, among 17 columns that say nothing."""
    lit = ("1110111", "0010010", "1011101", "1011011", "0111010", "1101011", "1101111", "1010010", "1111111", "1111011")
    draw = np.random.default_rng(59)
    labels = np.arange(2400) % 10
    segments = np.array([[int(each) for each in lit[label]] for label in labels])
    segments = np.where(draw.random(segments.shape) < 0.07, 1 - segments, segments)
    inputs = np.concatenate([segments, draw.integers(0, 2, size=(2400, 17))], axis=1).astype(np.float64)
    return dealt(inputs, labels.astype(np.int64), seed, tuple(str(digit) for digit in range(10)), _columns(inputs), per_column=True)


def impedance(seed: int) -> Data:
    """Friedman's second function, the impedance of a circuit, with noise: a regression of 2,000 records."""
    from sklearn.datasets import make_friedman2

    inputs, targets = make_friedman2(n_samples=2000, noise=40.0, random_state=7)
    return dealt(inputs, targets, seed, columns=("resistance", "frequency", "inductance", "capacity"), per_column=True)


def phase(seed: int) -> Data:
    """Friedman's third function, the phase of a circuit, with noise: a regression of 2,000 records."""
    from sklearn.datasets import make_friedman3

    inputs, targets = make_friedman3(n_samples=2000, noise=0.05, random_state=11)
    return dealt(inputs, targets, seed, columns=("resistance", "frequency", "inductance", "capacity"), per_column=True)


def sparse(seed: int) -> Data:
    """2,400 records of 16 columns, of which four and a product of two tell: a regression."""
    draw = np.random.default_rng(61)
    inputs = draw.standard_normal((2400, 16))
    told = 2.0 * inputs[:, 0] - 1.5 * inputs[:, 3] + inputs[:, 7] * inputs[:, 9] + 0.8 * np.tanh(2 * inputs[:, 12])
    return dealt(inputs, told + 0.3 * draw.standard_normal(2400), seed, columns=_columns(inputs), per_column=True)


def uneven(seed: int) -> Data:
    """3,600 records of six columns whose target is noisy where the third column is high: a regression for likelihoods."""
    draw = np.random.default_rng(67)
    inputs = draw.uniform(-1.7, 1.7, size=(3600, 6))
    targets = np.sin(1.5 * inputs[:, 0]) + 0.7 * inputs[:, 1] + np.exp(-2.8 + 0.6 * inputs[:, 2]) * draw.standard_normal(3600)
    return dealt(inputs, targets, seed, columns=_columns(inputs), per_column=True)


SERIES_LENGTH = 24


def series(seed: int) -> Data:
    """4,000 series of 24 values, two tones and a little noise each, and the value that follows: a regression."""
    draw = np.random.default_rng(71)
    time = np.arange(SERIES_LENGTH + 1)
    slow = np.sin(draw.uniform(0.2, 0.4, (4000, 1)) * time + draw.uniform(0, 2 * np.pi, (4000, 1)))
    fast = np.sin(draw.uniform(0.8, 1.1, (4000, 1)) * time + draw.uniform(0, 2 * np.pi, (4000, 1)))
    values = slow + 0.5 * fast + 0.1 * draw.standard_normal((4000, SERIES_LENGTH + 1))
    return dealt(values[:, :-1], values[:, -1], seed)


ROMAN_LETTERS = " ABCDEFGHIJKLMNOPQRSTUVWXYZ"
ROMAN_LENGTH = 15


def _roman(number: int) -> str:
    signs = ((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"),
             (5, "V"), (4, "IV"), (1, "I"))  # fmt: skip
    written = ""
    for value, sign in signs:
        written += sign * (number // value)
        number %= value
    return written


def _roman_digit(seed: int, place: int) -> Data:
    numbers = range(1, 3000)
    inputs = np.array([_encoded(_roman(number), ROMAN_LETTERS, ROMAN_LENGTH) for number in numbers], dtype=np.int64)
    digits = np.array([number // place % 10 for number in numbers], dtype=np.int64)
    return dealt(inputs, digits, seed, tuple(str(digit) for digit in range(10)))


def roman_tens(seed: int) -> Data:
    """Roman numerals below 3,000, 15 characters as numbers, and their tens digit."""
    return _roman_digit(seed, 10)


def roman_hundreds(seed: int) -> Data:
    """The same, and their hundreds digit."""
    return _roman_digit(seed, 100)


WORD_LETTERS = " abcdefghijklmnopqrstuvwxyz-0123456789"
WORD_LENGTH = 32
_ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TENS = ". . twenty thirty forty fifty sixty seventy eighty ninety"
UNITS = ("km", "kg", "lb", "oz", "m", "s", "ft", "mi")


def _spelled(number: int) -> str:
    ones, tens = _ONES.split(), _TENS.split()
    hundred, rest = divmod(number, 100)
    below = ones[rest] if rest < 20 else tens[rest // 10] + (f"-{ones[rest % 10]}" if rest % 10 else "")
    return " ".join([f"{ones[hundred]} hundred"] * (hundred > 0) + [below] * (rest > 0 or not hundred))


@cache
def _quantities() -> tuple[tuple[int, str], ...]:
    draw = np.random.default_rng(73)
    numbers, units = draw.integers(0, 1000, size=3200).tolist(), draw.integers(0, len(UNITS), size=3200).tolist()
    return tuple((number, f"{_spelled(number)} {UNITS[unit]}") for number, unit in zip(numbers, units, strict=True))


def quantities(seed: int) -> Data:
    """3,200 quantities in words, 32 characters as numbers, and the tens digit of each."""
    inputs = np.array([_encoded(text, WORD_LETTERS, WORD_LENGTH) for _, text in _quantities()], dtype=np.int64)
    return dealt(inputs, np.array([number // 10 % 10 for number, _ in _quantities()], dtype=np.int64), seed, tuple("0123456789"))


def quantity_text(seed: int) -> Data:
    """Windows of 33 characters of a text of such quantities: inputs are the first 32, targets the last 32."""
    return _windows(", ".join(text for _, text in _quantities()), WORD_LETTERS, WORD_LENGTH, seed)


BRACKET_LETTERS = " ()[]{}abcdefghijklmnopqrst"
BRACKET_LENGTH = 24


def brackets(seed: int) -> Data:
    """2,800 balanced strings of brackets and letters, 24 characters as numbers, and the kind of bracket that is opened most often."""
    draw = np.random.default_rng(79)
    found: list[list[int]] = []
    labels: list[int] = []
    while len(found) < 2800:
        text, opened = "", [0, 0, 0]
        waiting: list[str] = []
        favoured = int(draw.integers(3))
        while len(text) + len(waiting) < BRACKET_LENGTH - 2:
            turn = draw.random()
            if turn < 0.35:
                kind = favoured if draw.random() < 0.5 else int(draw.integers(3))
                text += "([{"[kind]
                waiting.append(")]}"[kind])
                opened[kind] += 1
            elif turn < 0.6 and waiting:
                text += waiting.pop()
            else:
                text += BRACKET_LETTERS[int(draw.integers(7, len(BRACKET_LETTERS)))]
        if opened.count(max(opened)) == 1:
            found.append(_encoded(text + "".join(reversed(waiting)), BRACKET_LETTERS, BRACKET_LENGTH))
            labels.append(opened.index(max(opened)))
    return dealt(np.array(found, dtype=np.int64), np.array(labels, dtype=np.int64), seed, ("round", "square", "curly"))


def sums(seed: int) -> Data:
    """Windows of 32 characters of a text of sums of two numbers below 20, such as `7+12=19;`."""
    draw = np.random.default_rng(83)
    text = "".join(f"{one}+{two}={one + two};" for one, two in draw.integers(0, 20, size=(6000, 2)).tolist())
    return _windows(text, " 0123456789+=;", 32, seed)


def sorted_letters(seed: int) -> Data:
    """Windows of 32 characters of a text of letters, first as drawn and then in order, such as `dab>abd;`."""
    draw = np.random.default_rng(89)
    drawn = ["".join("abcdefghij"[at] for at in row) for row in draw.integers(0, 10, size=(5000, 4)).tolist()]
    return _windows("".join(f"{word}>{''.join(sorted(word))};" for word in drawn), " abcdefghij>;", 32, seed)


MONTHS = "january february march april may june july august september october november december"


def dates(seed: int) -> Data:
    """Windows of 32 characters of a text of dates, written out and then short, such as `7 may 1987=1987-05-07;`."""
    draw = np.random.default_rng(97)
    drawn = zip(*(draw.integers(low, high, size=3600).tolist() for low, high in ((1, 29), (0, 12), (1900, 2030))), strict=True)
    months = MONTHS.split()
    text = "".join(f"{day} {months[month]} {year}={year}-{month + 1:02d}-{day:02d};" for day, month, year in drawn)
    return _windows(text, " abcdefghijklmnopqrstuvwxyz=-;0123456789", 32, seed)
