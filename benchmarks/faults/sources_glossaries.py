"""Written things by further rules: sentences of a small grammar, derivatives, conjugations, peptides.

As in `sources.py` a seed deals the records out to training and validation; what is made is the same for every seed.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from faults.nouns import Data
from faults.sources import Integers, _encoded, _windows, dealt

_PERSONS = ("baker", "sailor", "widow", "clerk", "painter", "judge", "shepherd", "tailor")
_BEASTS = ("heron", "otter", "badger", "mule", "falcon", "hound", "goose", "weasel")
_THINGS = ("lantern", "ladder", "barrel", "kettle", "basket", "anchor", "ribbon", "mirror")
_WORKS = ("mend", "sell", "carry", "paint", "borrow", "weigh")
_HUNTS = ("chase", "watch", "bite", "follow", "fear", "feed")
_OF_PERSONS, _OF_BEASTS, _OF_THINGS = (
    ("honest", "old", "tired", "proud"),
    ("wild", "hungry", "quick", "tame"),
    ("broken", "new", "heavy", "red"),
)
_PLACES = ("harbour", "mill", "market", "orchard", "tower", "bridge")
_WHEN = ("today", "often", "never", "slowly")
_PLAIN = ("the", "a", "some", "who", "which", "near", "behind", "in", "and", ".")
_NOUNS, _VERBS = (*_PERSONS, *_BEASTS, *_THINGS), (*_WORKS, *_HUNTS)
WORDS = (
    *_PLAIN, *_NOUNS, *(f"{noun}s" for noun in _NOUNS), *_VERBS, *(f"{verb}s" for verb in _VERBS), *_OF_PERSONS, *_OF_BEASTS, *_OF_THINGS,
    *_PLACES, *_WHEN,
)  # fmt: skip
"""104 words; a text holds one character for each."""


def _sentence(draw: np.random.Generator) -> list[str]:
    """A subject that its verb agrees with, an object that the verb allows, and now and then a clause, a place or a time."""

    def one(of: tuple[str, ...]) -> str:
        return of[int(draw.integers(len(of)))]

    def phrase(nouns: tuple[str, ...], traits: tuple[str, ...], many: bool) -> list[str]:
        opened = one(("the", "some")) if many else one(("the", "a"))
        return [opened, *([one(traits)] if draw.random() < 0.4 else []), one(nouns) + "s" * many]

    many = bool(draw.random() < 0.4)
    by_person = bool(draw.random() < 0.5)
    said = phrase(_PERSONS, _OF_PERSONS, many) if by_person else phrase(_BEASTS, _OF_BEASTS, many)
    if draw.random() < 0.3:
        said += ["who" if by_person else "which", one(_HUNTS) + "s" * (not many), *phrase(_BEASTS, _OF_BEASTS, bool(draw.random() < 0.4))]
    said.append(one(_WORKS if by_person else _HUNTS) + "s" * (not many))
    others = bool(draw.random() < 0.4)
    said += phrase(_THINGS, _OF_THINGS, others) if by_person else phrase(_BEASTS, _OF_BEASTS, others)
    if draw.random() < 0.4:
        said += [one(("near", "behind", "in")), "the", one(_PLACES)]
    return [*said, *([one(_WHEN)] if draw.random() < 0.3 else []), "."]


def sentences(seed: int) -> Data:
    """Windows of 24 words of sentences whose verbs agree with their subjects and take objects of one kind: 104 words."""
    draw = np.random.default_rng(311)
    at = {word: chr(0x100 + number) for number, word in enumerate(WORDS)}
    text = "".join(at[word] for _ in range(6500) for word in _sentence(draw))
    return _windows(text, "".join(at.values()), 24, seed)


def derivatives(seed: int) -> Data:
    """Windows of 28 characters of a text of polynomials and their derivatives, such as `4x^3+2x'12x^2+2;`."""
    draw = np.random.default_rng(313)

    def term(factor: int, power: int) -> str:
        return f"{factor}" + ("" if power == 0 else "x" if power == 1 else f"x^{power}")

    said = []
    for _ in range(6500):
        powers = sorted(draw.choice(np.arange(1, 5), size=int(draw.integers(1, 3)), replace=False).tolist(), reverse=True)
        factors = draw.integers(2, 7, size=len(powers)).tolist()
        terms = list(zip(factors, powers, strict=True))
        derived = "+".join(term(factor * power, power - 1) for factor, power in terms)
        said.append("+".join(term(factor, power) for factor, power in terms) + "'" + derived + ";")
    return _windows("".join(said), " +';^x0123456789", 28, seed)


_TENSES = {
    "present": ("o", "as", "at", "amus", "ant"), "past": ("ivi", "isti", "ivit", "imus", "erunt"),
    "future": ("abo", "abis", "abit", "emos", "un"), "wish": ("ei", "eis", "eit", "eimen", "ein"),
    "past-of-past": ("eram", "eras", "erat", "eratis", "eran"), "order": ("a", "ate", "to", "tote", "nto"),
}  # fmt: skip
VERB_LETTERS = " ,;abcdefghijklmnopqrstuvwxyz"
VERB_LENGTH = 16


@cache
def _stems() -> tuple[str, ...]:
    draw = np.random.default_rng(317)
    syllables = [a + b for a in ("b", "c", "d", "f", "l", "m", "n", "p", "r", "s", "t", "v", "br", "cl", "st") for b in "aeiou"]
    return tuple(
        "".join(syllables[at] for at in draw.integers(len(syllables), size=2)) + "bdglmnprtv"[int(draw.integers(10))] for _ in range(140)
    )


def conjugations(seed: int) -> Data:
    """Windows of 30 characters of an invented tongue's verbs: three persons in turn of a tense, such as `bacolo,bacolas,bacolat;`."""
    draw = np.random.default_rng(331)
    stems, tenses = _stems(), tuple(_TENSES.values())
    drawn = zip(*(draw.integers(size, size=4500).tolist() for size in (70, len(tenses), 3)), strict=True)
    text = "".join(",".join(stems[stem] + ending for ending in tenses[tense][at : at + 3]) + ";" for stem, tense, at in drawn)
    return _windows(text, VERB_LETTERS, 30, seed)


@cache
def _verbs(whole: bool) -> tuple[Integers, Integers]:
    draw = np.random.default_rng(337 + whole)
    stems, tenses = _stems(), tuple(_TENSES.values())
    prefixes = ("", "", "re", "in", "per", "sub", "ab")
    rows, labels = np.zeros((4200, VERB_LENGTH), dtype=np.int64), np.zeros(4200, dtype=np.int64)
    for row in range(4200):
        tense, person = row % len(tenses), int(draw.integers(5))
        stem = stems[int(draw.integers(70 if whole else 140))]
        rows[row] = _encoded(prefixes[int(draw.integers(7))] + stem + tenses[tense][person] + ";", VERB_LETTERS, VERB_LENGTH)
        labels[row] = 5 * tense + person if whole else tense
    return rows, labels


def verbs(seed: int) -> Data:
    """4,200 such verbs by themselves, some with a prefix, and their tense."""
    return dealt(*_verbs(False), seed, tuple(_TENSES))


def forms(seed: int) -> Data:
    """4,200 verbs with half as many stems, and their tense and person as one of 30 forms."""
    return dealt(*_verbs(True), seed, tuple(f"{tense} {person}" for tense in _TENSES for person in range(1, 6)))


RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
_OILY = [RESIDUES.index(letter) for letter in "AILMFVWC"]
_WATERY = [at for at in range(len(RESIDUES)) if at not in _OILY]
PEPTIDE_LENGTH = 28
FOLDS = ("helix", "strand", "membrane", "tail", "loop", "pairs")
OTHER_FOLDS = ("triples", "two-membranes", "head", "disordered", "ends")


def _oily(fold: str, draw: np.random.Generator) -> tuple[bool, ...]:
    """Which places look away from the water."""
    place = np.arange(PEPTIDE_LENGTH)
    if fold in ("helix", "strand", "pairs", "triples"):
        period = {"helix": 3.6, "strand": 2.0, "pairs": 4.0, "triples": 6.0}[fold]
        turn = (place + int(draw.integers(2))) / period % 1.0
        return tuple((turn < 0.49).tolist())
    starts = {
        "membrane": (int(draw.integers(3, 10)), 14), "tail": (int(draw.integers(12, 19)), 28), "head": (0, int(draw.integers(10, 16))),
    }  # fmt: skip
    if fold in starts:
        start, span = starts[fold]
        return tuple(((place >= start) & (place < start + span)).tolist())
    if fold == "two-membranes":
        start = int(draw.integers(2, 6))
        return tuple((((place >= start) & (place < start + 7)) | ((place >= start + 13) & (place < start + 20))).tolist())
    if fold == "ends":
        return tuple(((place < draw.integers(5, 9)) | (place > draw.integers(18, 22))).tolist())
    return tuple((draw.random(PEPTIDE_LENGTH) < (0.45 if fold == "loop" else 0.2)).tolist())


@cache
def _peptides(other: bool) -> tuple[Integers, Integers]:
    draw = np.random.default_rng(347 + other)
    folds = OTHER_FOLDS if other else FOLDS
    labels = np.arange(4800) % len(folds)
    rows = np.zeros((4800, PEPTIDE_LENGTH), dtype=np.int64)
    for row, label in enumerate(labels):
        hidden = np.array(_oily(folds[label], draw)) ^ (draw.random(PEPTIDE_LENGTH) < 0.06)
        rows[row] = np.where(hidden, draw.choice(_OILY, size=PEPTIDE_LENGTH), draw.choice(_WATERY, size=PEPTIDE_LENGTH))
    return rows, labels.astype(np.int64)


def peptides(seed: int) -> Data:
    """4,800 peptides of 28 residues of 20, and how each folds, which goes by where its oily residues stand, one in 16 wrong."""
    return dealt(*_peptides(False), seed, FOLDS)


def other_peptides(seed: int) -> Data:
    """4,800 that fold in five other ways."""
    return dealt(*_peptides(True), seed, OTHER_FOLDS)
