"""Records to train on: scikit-learn's small real sets, drawn shapes, names of characters, and source text of the standard library.

Every function takes a seed, which deals the records out to training and validation, and gives inputs of mean 0 and deviation 1.
"""

from __future__ import annotations

import importlib.util
import unicodedata
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from faults.nouns import Data

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
HELD_OUT = 0.25


def dealt(
    inputs: Floats | Integers,
    targets: Floats | Integers,
    seed: int,
    class_names: tuple[str, ...] = (),
    columns: tuple[str, ...] = (),
    per_column: bool = False,
) -> Data:
    """Shuffle records, hold a quarter out, and standardize by what is left: each column of a table, all pixels of an image alike."""
    order = np.random.default_rng(9000 + seed).permutation(len(inputs))
    inputs, targets = inputs[order], targets[order]
    train = round(len(inputs) * (1 - HELD_OUT))
    if inputs.dtype == np.float64:
        axes = 0 if per_column else None
        inputs = (inputs - inputs[:train].mean(axis=axes)) / inputs[:train].std(axis=axes).clip(1e-9)
    if targets.dtype == np.float64:
        targets = (targets - targets[:train].mean()) / targets[:train].std()
    return Data(
        torch.tensor(inputs, dtype=torch.float32 if inputs.dtype == np.float64 else torch.int64),
        torch.tensor(targets, dtype=torch.float32 if targets.dtype == np.float64 else torch.int64),
        train,
        len(class_names),
        class_names,
        columns,
    )


def digits(seed: int, as_images: bool = False) -> Data:
    """1,797 handwritten digits of 8 x 8 pixels, flat or as (1, 8, 8)."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    shape = (-1, 1, 8, 8) if as_images else (-1, 64)
    return dealt(bunch.data.reshape(shape), bunch.target.astype(np.int64), seed, tuple(str(digit) for digit in range(10)))


def wine(seed: int) -> Data:
    """178 wines of three kinds, 13 columns."""
    from sklearn.datasets import load_wine

    bunch = load_wine()
    columns = tuple(name.replace("/", "_") for name in bunch.feature_names)
    return dealt(bunch.data, bunch.target.astype(np.int64), seed, ("barolo", "grignolino", "barbera"), columns, per_column=True)


def breast_cancer(seed: int) -> Data:
    """569 tumours of two kinds, 30 columns."""
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer()
    columns = tuple(name.replace(" ", "_") for name in bunch.feature_names)
    return dealt(bunch.data, bunch.target.astype(np.int64), seed, ("malignant", "benign"), columns, per_column=True)


def diabetes(seed: int) -> Data:
    """442 patients, 10 columns, and how far the disease went: a regression."""
    from sklearn.datasets import load_diabetes

    bunch = load_diabetes()
    return dealt(bunch.data, bunch.target.astype(np.float64), seed, columns=tuple(bunch.feature_names), per_column=True)


def friedman(seed: int) -> Data:
    """Friedman's first function of ten columns, with noise: a regression of 1,600 records."""
    from sklearn.datasets import make_friedman1

    inputs, targets = make_friedman1(n_samples=1600, n_features=10, noise=0.5, random_state=3)
    return dealt(inputs, targets, seed, columns=tuple(f"x{column}" for column in range(10)), per_column=True)


SHAPES = ("bar", "pillar", "slope", "ring", "cross", "block")
SHAPE_SIDE = 12


@cache
def _drawn_shapes(spread: float) -> tuple[Floats, Integers]:
    draw = np.random.default_rng(17)
    rows, columns = np.mgrid[0:SHAPE_SIDE, 0:SHAPE_SIDE]
    images, labels = [], []
    for index in range(1800):
        label = index % len(SHAPES)
        y, x, size = *draw.uniform(5.5 - spread, 5.5 + spread, size=2), draw.uniform(2.0, 4.0)
        down, right = rows - y, columns - x
        within = (abs(down) <= size) & (abs(right) <= size)
        distance = np.hypot(down, right)
        drawn = {
            "bar": (abs(down) < 1) & within,
            "pillar": (abs(right) < 1) & within,
            "slope": (abs(down - right) < 1.2) & within,
            "ring": abs(distance - size) < 0.8,
            "cross": ((abs(down) < 1) | (abs(right) < 1)) & within,
            "block": (abs(down) <= size * 0.7) & (abs(right) <= size * 0.7),
        }[SHAPES[label]]
        images.append(drawn * draw.uniform(0.7, 1.3) + 0.35 * draw.standard_normal((SHAPE_SIDE, SHAPE_SIDE)))
        labels.append(label)
    return np.stack(images)[:, None], np.array(labels, dtype=np.int64)


def shapes(seed: int) -> Data:
    """1,800 drawn shapes of six kinds under noise, (1, 12, 12)."""
    return dealt(*_drawn_shapes(2.0), seed, SHAPES)


def centred_shapes(seed: int) -> Data:
    """The same in the middle of the image, which a network without convolutions can learn."""
    return dealt(*_drawn_shapes(0.4), seed, SHAPES)


SCRIPTS = ("latin", "greek", "cyrillic", "arabic", "hebrew", "katakana", "tibetan", "mongolian")
NAME_LETTERS = " ABCDEFGHIJKLMNOPQRSTUVWXYZ-0123456789"
NAME_LENGTH = 24


@cache
def _names() -> tuple[tuple[str, str], ...]:
    """First word and the rest of the names of all characters of Unicode 3.2, which no version of Python changes."""
    known = unicodedata.ucd_3_2_0
    found = []
    for code in range(0x20, 0x3000):
        words = known.name(chr(code), "").split(" ", 1)
        if len(words) == 2:
            found.append((words[0].lower(), words[1]))
    return tuple(found)


def _encoded(text: str, letters: str, length: int) -> list[int]:
    kept = [letters.index(letter) for letter in text[:length] if letter in letters]
    return kept + [0] * (length - len(kept))


def scripts(seed: int) -> Data:
    """Names of characters without their first word, 24 characters as numbers, and the script that the word names."""
    chosen = [(SCRIPTS.index(script), name) for script, name in _names() if script in SCRIPTS]
    inputs = np.array([_encoded(name, NAME_LETTERS, NAME_LENGTH) for _, name in chosen], dtype=np.int64)
    return dealt(inputs, np.array([script for script, _ in chosen], dtype=np.int64), seed, SCRIPTS)


def names(seed: int) -> Data:
    """Windows of 25 characters of a text of character names: inputs are the first 24, targets the last 24."""
    text = " ".join(name for script, name in _names() if script in SCRIPTS)
    return _windows(text, NAME_LETTERS, NAME_LENGTH, seed)


MODULES = ("argparse", "tarfile", "_pydecimal", "turtle", "pydoc_data.topics", "locale")
SOURCE_LETTERS = " abcdefghijklmnopqrstuvwxyz_()=.,:'\"[]#+-*/0123456789"
SOURCE_LENGTH = 32


@cache
def _lines() -> tuple[tuple[int, str], ...]:
    found = []
    for label, module in enumerate(MODULES):
        path = importlib.util.find_spec(module)
        text = Path(path.origin).read_text(encoding="utf-8") if path and path.origin else ""
        lines = {line.strip().lower() for line in text.splitlines()}
        # Every k-th line of the sorted ones, so that they do not all begin with the same word.
        kept = [line for line in sorted(lines) if len(line) >= 20]
        found += [(label, line) for line in kept[:: max(1, len(kept) // 400)][:400]]
    return tuple(found)


def modules(seed: int) -> Data:
    """Lines of eight modules of the standard library, 32 characters as numbers, and the module that they stand in."""
    inputs = np.array([_encoded(line, SOURCE_LETTERS, SOURCE_LENGTH) for _, line in _lines()], dtype=np.int64)
    return dealt(inputs, np.array([label for label, _ in _lines()], dtype=np.int64), seed, MODULES)


def source_text(seed: int) -> Data:
    """Windows of 33 characters of the same lines: inputs are the first 32, targets the last 32."""
    return _windows("  ".join(line for _, line in _lines()), SOURCE_LETTERS, SOURCE_LENGTH, seed)


def _windows(text: str, letters: str, length: int, seed: int) -> Data:
    codes = np.array([letters.index(letter) for letter in text if letter in letters], dtype=np.int64)[:90_000]
    starts = np.arange(0, len(codes) - length - 1, length // 2)
    rows = np.stack([codes[start : start + length + 1] for start in starts])
    # Whole stretches are held out, so that no window of validation overlaps one of training by much.
    blocks = np.array_split(rows, 40)
    order = np.random.default_rng(9000 + seed).permutation(len(blocks))
    held = round(len(blocks) * HELD_OUT)
    parted = np.concatenate([blocks[at] for at in (*order[held:], *order[:held])])
    train = sum(len(blocks[at]) for at in order[held:])
    return Data(torch.tensor(parted[:, :-1]), torch.tensor(parted[:, 1:]), train, len(letters))
