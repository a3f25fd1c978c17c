"""Written things: words by their endings, papers by their words, melodies, paths of chess pieces, units, clock times, lists.

As in `sources.py` a seed deals the records out to training and validation; what is made is the same for every seed.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from faults.nouns import Data
from faults.sources import Integers, _encoded, _windows, dealt

ENDINGS = {
    "person": ("er", "ist", "or", "ian"), "act": ("tion", "ment", "al", "ance"), "quality": ("ness", "ity", "ous", "ful"),
    "manner": ("ly", "wise", "ward"), "verb": ("ize", "ify", "en", "ate"), "place": ("ery", "ium", "age", "dom"),
}  # fmt: skip
OTHER_ENDINGS = {
    "small": ("let", "kin", "ling", "ette"), "science": ("logy", "nomy", "graphy", "metry"), "illness": ("itis", "osis", "emia", "oma"),
    "stuff": ("ine", "ide", "ose", "ane"), "doctrine": ("ism", "archy", "cracy"),
}  # fmt: skip
ENDING_LETTERS = " abcdefghijklmnopqrstuvwxyz"
ENDING_LENGTH = 18


@cache
def _ended(other: bool) -> tuple[tuple[int, str], ...]:
    draw = np.random.default_rng(163 + other)
    table = OTHER_ENDINGS if other else ENDINGS
    every = [ending for endings in ENDINGS.values() for ending in endings]
    syllables = [a + b + c for a in "bdfgklmnprstvz" for b in "aeiou" for c in ("", "", "n", "r", "l", "s")]
    found = []
    for number in range(4200):
        label = number % len(table)
        endings = tuple(table.values())[label]
        stem = "".join(syllables[at] for at in draw.integers(0, len(syllables), size=int(draw.integers(1, 4))).tolist())
        inner = every[int(draw.integers(len(every)))] if draw.random() < 0.5 else ""
        plural = "s" if draw.random() < 0.3 else ""
        found.append((label, stem + inner + endings[int(draw.integers(len(endings)))] + plural))
    return tuple(found)


def _words(other: bool, seed: int) -> Data:
    rows = [(label, word) for label, word in _ended(other) if len(word) <= ENDING_LENGTH]
    inputs = np.array([_encoded(word, ENDING_LETTERS, ENDING_LENGTH) for _, word in rows], dtype=np.int64)
    return dealt(inputs, np.array([label for label, _ in rows], dtype=np.int64), seed, tuple(OTHER_ENDINGS if other else ENDINGS))


def endings(seed: int) -> Data:
    """4,200 invented words of 18 characters as numbers, and what their last ending makes of them; another ending may stand before it."""
    return _words(False, seed)


def other_endings(seed: int) -> Data:
    """Such words with endings of five other kinds."""
    return _words(True, seed)


SUBJECTS = ("optics", "botany", "law", "harbours", "cooking", "mines", "theatre", "weaving")
VOCABULARY = 320
ABSTRACT_LENGTH = 24


@cache
def _abstracts() -> tuple[Integers, Integers]:
    draw = np.random.default_rng(167)
    common = 1 / np.arange(4, VOCABULARY + 4)
    common /= common.sum()
    topics = draw.dirichlet(np.full(VOCABULARY, 0.06), size=len(SUBJECTS))
    labels = np.arange(4800) % len(SUBJECTS)
    rows = [draw.choice(VOCABULARY, size=ABSTRACT_LENGTH, p=0.72 * common + 0.28 * topics[label]) for label in labels]
    return np.stack(rows).astype(np.int64), labels.astype(np.int64)


def abstracts(seed: int) -> Data:
    """4,800 times 24 words of 320, of which one in four comes from the vocabulary of one of eight subjects."""
    return dealt(*_abstracts(), seed, SUBJECTS)


SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11), "harmonic": (0, 2, 3, 5, 7, 8, 11), "pentatonic": (0, 2, 4, 7, 9), "blues": (0, 3, 5, 6, 7, 10),
    "whole": (0, 2, 4, 6, 8, 10), "byzantine": (0, 1, 4, 5, 7, 8, 11),
}  # fmt: skip
PITCHES = 36
MELODY_LENGTH = 24


@cache
def _melodies() -> tuple[Integers, Integers]:
    draw = np.random.default_rng(173)
    labels = np.arange(4800) % len(SCALES)
    rows = np.zeros((4800, MELODY_LENGTH), dtype=np.int64)
    for row, label in enumerate(labels):
        scale = tuple(SCALES.values())[label]
        notes = [tonic + pitch for tonic in range(int(draw.choice([0, 5])), PITCHES, 12) for pitch in scale if tonic + pitch < PITCHES]
        at = int(draw.integers(len(notes)))
        for place in range(MELODY_LENGTH):
            at = int(np.clip(at + draw.choice([-2, -1, -1, 0, 1, 1, 2, 3, -3]), 0, len(notes) - 1))
            wrong = draw.random() < 0.04
            rows[row, place] = int(draw.integers(PITCHES)) if wrong else notes[at]
    return rows, labels.astype(np.int64)


def melodies(seed: int) -> Data:
    """4,800 melodies of 24 notes of 36, a note in 25 wrong, on two keynotes, and the scale that each keeps to."""
    return dealt(*_melodies(), seed, tuple(SCALES))


PIECES = ("N", "K", "W", "F", "D")
_STRAIGHT, _SLANTED = ((0, 1), (1, 0), (0, -1), (-1, 0)), ((1, 1), (1, -1), (-1, 1), (-1, -1))
_FAR = tuple((2 * a, 2 * b) for a, b in _STRAIGHT)
_JUMPS = tuple((a, b) for a in (-2, -1, 1, 2) for b in (-2, -1, 1, 2) if abs(a) != abs(b))
SQUARE_LETTERS = " ;" + "".join(PIECES) + "abcdefgh12345678"
PATH_LENGTH = 12


def _path(piece: str, squares: int, draw: np.random.Generator) -> str:
    """Squares that a piece visits on an empty board, such as `b1c3d5`."""
    steps = {"N": _JUMPS, "K": _STRAIGHT + _SLANTED, "W": _STRAIGHT, "F": _SLANTED, "D": _FAR}[piece]
    file, rank = draw.integers(0, 8, size=2).tolist()
    path = ""
    for _ in range(squares):
        path += "abcdefgh"[file] + str(rank + 1)
        open_ = [(file + a, rank + b) for a, b in steps if 0 <= file + a < 8 and 0 <= rank + b < 8]
        file, rank = open_[int(draw.integers(len(open_)))]
    return path


def chess_text(seed: int) -> Data:
    """Windows of 24 characters of a text of paths of chess pieces, old ones among them, such as `Nb1c3d5b4;`."""
    draw = np.random.default_rng(179)
    text = "".join(f"{piece}{_path(piece, 4, draw)};" for piece in (PIECES[at] for at in draw.integers(0, 5, size=7000).tolist()))
    return _windows(text, SQUARE_LETTERS, 24, seed)


@cache
def _paths() -> tuple[Integers, Integers]:
    draw = np.random.default_rng(181)
    labels = np.arange(3500) % len(PIECES)
    rows = [_encoded(_path(PIECES[label], PATH_LENGTH // 2, draw), SQUARE_LETTERS, PATH_LENGTH) for label in labels]
    return np.array(rows, dtype=np.int64), labels.astype(np.int64)


def paths(seed: int) -> Data:
    """3,500 paths of six squares, without the piece's letter, and the piece."""
    return dealt(*_paths(), seed, ("knight", "king", "wazir", "fers", "dabbaba"))


_UNITS = (
    ("km", "m", 1000), ("m", "cm", 100), ("ft", "in", 12), ("h", "min", 60), ("kg", "g", 1000), ("lb", "oz", 16), ("day", "h", 24),
    ("week", "day", 7), ("gross", "pc", 144), ("yd", "ft", 3),
)  # fmt: skip


def units(seed: int) -> Data:
    """Windows of 26 characters of a text of units turned into smaller ones, such as `12ft=144in;`."""
    draw = np.random.default_rng(191)
    drawn = zip(draw.integers(0, len(_UNITS), size=9500).tolist(), draw.integers(1, 60, size=9500).tolist(), strict=True)
    text = "".join(f"{count}{_UNITS[at][0]}={count * _UNITS[at][2]}{_UNITS[at][1]};" for at, count in drawn)
    return _windows(text, "=;0123456789abcdefghijklmnopqrstuvwxyz", 26, seed)


_ONES = (
    "twelve", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen",
    "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip


def _said(hour: int, minute: int) -> str:
    near = minute if minute <= 30 else 60 - minute
    of = _ONES[(hour + (minute > 30)) % 12]
    if minute == 0:
        return f"{of} sharp"
    words = {15: "quarter", 30: "half"}.get(near) or (_ONES[near] if near < 20 else f"twenty {_ONES[near - 20]}" if near > 20 else "twenty")
    return f"{words} {'past' if minute <= 30 else 'to'} {of}"


def clock_times(seed: int) -> Data:
    """Windows of 28 characters of a text of times in figures and in words, such as `7:45 quarter to eight;`."""
    draw = np.random.default_rng(193)
    drawn = zip(draw.integers(0, 12, size=4400).tolist(), draw.integers(0, 60, size=4400).tolist(), strict=True)
    text = "".join(f"{hour}:{minute:02d} {_said(hour, minute)};" for hour, minute in drawn)
    return _windows(text, " :;0123456789abcdefghijklmnopqrstuvwxyz", 28, seed)


_ASKED = "MmFL"
LIST_LETTERS = "()" + _ASKED + "0123456789"
LISTED = 5


@cache
def _lists() -> tuple[Integers, Integers]:
    draw = np.random.default_rng(197)
    rows: list[list[int]] = []
    labels: list[int] = []
    left = [480] * 10
    while any(left):
        asked, digits = _ASKED[int(draw.integers(len(_ASKED)))], draw.integers(0, 10, size=LISTED).tolist()
        answer = {"M": max(digits), "m": min(digits), "F": digits[0], "L": digits[-1]}[asked]
        if left[answer]:
            left[answer] -= 1
            labels.append(answer)
            rows.append(_encoded(f"{asked}({''.join(str(digit) for digit in digits)})", LIST_LETTERS, LISTED + 3))
    return np.array(rows, dtype=np.int64), np.array(labels, dtype=np.int64)


def lists(seed: int) -> Data:
    """4,800 lists of five digits behind a word for the largest, the smallest, the first or the last one, and that digit."""
    return dealt(*_lists(), seed, tuple(str(digit) for digit in range(10)))
