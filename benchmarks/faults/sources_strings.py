"""Made and found strings: stretches of DNA, statements of the standard library, Morse, spelled words, progressions, invented tongues.

As in `sources.py` a seed deals the records out to training and validation; what is made is the same for every seed.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import numpy as np

from faults.nouns import Data
from faults.sources import Floats, Integers, _encoded, _windows, dealt

BASES = "ACGT"
MOTIFS = ("TGACTCAG", "CACGTGTT", "GGGCGGAA", "TATAAAGC", "CCAATCGA")
DNA_LENGTH = 48
WORD = 3
"""Letters of a word of DNA, which overlap."""
_STRENGTHS = (1.0, 0.4, -0.3, -0.8, 0.1)


@cache
def _dna() -> tuple[Integers, Integers, Floats]:
    """Letters, the motif that was planted, and how strongly it binds."""
    draw = np.random.default_rng(131)
    letters = draw.integers(0, 4, size=(4000, DNA_LENGTH))
    labels = np.arange(4000) % len(MOTIFS)
    strengths = np.zeros(4000)
    for row, label in enumerate(labels):
        motif = np.array([BASES.index(letter) for letter in MOTIFS[label]])
        kept = draw.random(len(motif)) > 0.06
        start = int(draw.integers(0, DNA_LENGTH - len(motif)))
        place = letters[row, start : start + len(motif)]
        letters[row, start : start + len(motif)] = np.where(kept, motif, place)
        strengths[row] = _STRENGTHS[label] + 2.0 * (np.isin(letters[row], (1, 2)).mean() - 0.5)
    return letters.astype(np.int64), labels.astype(np.int64), strengths


def motifs(seed: int) -> Data:
    """4,000 stretches of 48 letters of DNA, and which of five motifs is somewhere in each, a letter in sixteen wrong."""
    letters, labels, _ = _dna()
    return dealt(letters, labels, seed, MOTIFS)


def _words() -> Integers:
    letters, _, _ = _dna()
    width = DNA_LENGTH - WORD + 1
    words: Integers = sum(4 ** (WORD - 1 - at) * letters[:, at : at + width] for at in range(WORD))
    return words


def motif_words(seed: int) -> Data:
    """The same as 46 overlapping words of three letters, which are 64."""
    return dealt(_words(), _dna()[1], seed, MOTIFS)


def binding(seed: int) -> Data:
    """The same words, and how strongly a protein binds, which depends on the motif and on the share of C and G: a regression."""
    return dealt(_words(), _dna()[2], seed)


STATEMENTS = ("def", "if", "for", "return", "raise", "class")
STATEMENT_LETTERS = " abcdefghijklmnopqrstuvwxyz_()=.,:'\"[]{}#+-*/<>%0123456789"
STATEMENT_LENGTH = 32
_FILES = (
    "ast", "bdb", "calendar", "configparser", "contextlib", "copy", "csv", "dataclasses", "datetime", "difflib", "dis", "doctest", "enum",
    "fractions", "ftplib", "functools", "gettext", "gzip", "hashlib", "imaplib", "inspect", "ipaddress", "mailbox", "optparse", "pdb",
    "pickle", "pickletools", "platform", "plistlib", "pstats", "pydoc", "random", "selectors", "shutil", "smtplib", "socket",
    "socketserver", "ssl", "statistics", "subprocess", "tempfile", "textwrap", "threading", "tokenize", "trace", "traceback", "typing",
    "uuid", "warnings", "weakref", "zipapp",
)  # fmt: skip
_EACH = 440


@cache
def _statements() -> tuple[tuple[int, str], ...]:
    lines: set[str] = set()
    for module in _FILES:
        path = importlib.util.find_spec(module)
        text = Path(path.origin).read_text(encoding="utf-8") if path and path.origin else ""
        lines |= {line.strip().lower() for line in text.splitlines()}
    found = []
    for label, keyword in enumerate(STATEMENTS):
        kept = [line.removeprefix(keyword).strip() for line in sorted(lines) if line.startswith(f"{keyword} ") and len(line) >= 14]
        found += [(label, line) for line in kept[:: max(1, len(kept) // _EACH)][:_EACH]]
    return tuple(found)


def statements(seed: int) -> Data:
    """Statements of the standard library without the keyword that opens them, 32 characters as numbers, and that keyword."""
    inputs = np.array([_encoded(line, STATEMENT_LETTERS, STATEMENT_LENGTH) for _, line in _statements()], dtype=np.int64)
    return dealt(inputs, np.array([label for label, _ in _statements()], dtype=np.int64), seed, STATEMENTS)


_MORSE = {
    "e": ".", "t": "-", "i": "..", "a": ".-", "n": "-.", "m": "--", "s": "...", "u": "..-", "r": ".-.", "w": ".--", "d": "-..", "k": "-.-",
    "g": "--.", "o": "---",
}  # fmt: skip


def morse(seed: int) -> Data:
    """Windows of 32 characters of a text of words and their Morse, such as `tag=- .- --.;`."""
    draw = np.random.default_rng(137)
    drawn = ["".join(tuple(_MORSE)[at] for at in row) for row in draw.integers(0, len(_MORSE), size=(6500, 3)).tolist()]
    text = "".join(f"{word}={' '.join(_MORSE[letter] for letter in word)};" for word in drawn)
    return _windows(text, " .-=;" + "".join(_MORSE), 32, seed)


_SPELLING = (
    "alfa", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliett", "kilo", "lima", "mike", "november",
    "oscar", "papa",
)  # fmt: skip


def spelled(seed: int) -> Data:
    """Windows of 40 characters of a text of words and how a pilot spells them, such as `bad:bravo alfa delta;`."""
    draw = np.random.default_rng(139)
    drawn = [[_SPELLING[at] for at in row] for row in draw.integers(0, len(_SPELLING), size=(4000, 3)).tolist()]
    text = "".join(f"{''.join(word[0] for word in words)}:{' '.join(words)};" for words in drawn)
    return _windows(text, " abcdefghijklmnopqrstuvwxyz:;", 40, seed)


def progressions(seed: int) -> Data:
    """Windows of 32 characters of a text of arithmetic progressions of six terms, such as `4 7 10 13 16 19;`."""
    draw = np.random.default_rng(149)
    drawn = zip(draw.integers(0, 30, size=5600).tolist(), draw.integers(1, 10, size=5600).tolist(), strict=True)
    text = "".join(" ".join(str(first + step * term) for term in range(6)) + ";" for first, step in drawn)
    return _windows(text, " 0123456789;", 32, seed)


TONGUES = ("tavi", "orhun", "seleph", "mokko", "drazh", "yuine")
TONGUE_LETTERS = " abcdefghijklmnopqrstuvwxyz"
TONGUE_LENGTH = 28


@cache
def _tongues() -> tuple[tuple[int, str], ...]:
    """Phrases of invented tongues, each with its own lexicon of words built from syllables that all of them share in part."""
    draw = np.random.default_rng(151)
    syllables = [part.split(" ") for part in ("b d f g h k l m n p r s t v z sh dr y", "a e i o u ui ei", "  n r k l ph")]
    found: list[tuple[int, str]] = []
    for label in range(len(TONGUES)):
        parts = [[str(each) for each in draw.permutation(part)[: len(part) * 2 // 3]] for part in syllables]
        lexicon = ["".join(str(draw.choice(part)) for part in parts * int(draw.integers(1, 3))) for _ in range(120)]
        chances = 1 / np.arange(3, 123)
        phrases = draw.choice(lexicon, size=(600, 8), p=chances / chances.sum())
        found += [(label, " ".join(str(word) for word in phrase)) for phrase in phrases]
    return tuple(found)


def tongues(seed: int) -> Data:
    """3,600 phrases of six invented tongues, 28 characters as numbers, and the tongue."""
    inputs = np.array([_encoded(phrase, TONGUE_LETTERS, TONGUE_LENGTH) for _, phrase in _tongues()], dtype=np.int64)
    return dealt(inputs, np.array([label for label, _ in _tongues()], dtype=np.int64), seed, TONGUES)


def tongue_text(seed: int) -> Data:
    """Windows of 29 characters of such phrases in turn: inputs are the first 28, targets the last 28."""
    order = np.random.default_rng(157).permutation(len(_tongues())).tolist()
    return _windows("  ".join(_tongues()[at][1] for at in order), TONGUE_LETTERS, TONGUE_LENGTH, seed)
