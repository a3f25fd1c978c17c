"""Small pictures of another kind again: semaphores, lattices, galaxies, fingerprints, boards with stones, flags, ripples.

As in `sources.py` a seed deals the records out to training and validation; what is drawn is the same for every seed.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from faults.nouns import Data
from faults.sources import Floats, Integers, dealt


def _grid(side: int) -> tuple[Floats, Floats]:
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float64)
    return rows, columns


def _stacked(images: list[Floats], labels: list[int]) -> tuple[Floats, Integers]:
    return np.stack(images)[:, None], np.array(labels, dtype=np.int64)


SIGNALS = {"a": (5, 4), "c": (7, 4), "e": (1, 4), "g": (3, 4), "i": (5, 7), "k": (5, 0), "m": (5, 2), "o": (6, 7), "q": (6, 1), "s": (6, 3)}
"""Letters and the two arms of the signaller, in eighths of a turn from straight up."""


@cache
def _drawn_semaphores() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(263)
    rows, columns = _grid(11)
    images, labels = [], []
    for index in range(8000):
        label = index % len(SIGNALS)
        image = 0.3 * draw.standard_normal((11, 11))
        middle = 5 + draw.uniform(-0.6, 0.6, size=2)
        for arm in tuple(SIGNALS.values())[label]:
            turn = 2 * np.pi * (arm + draw.uniform(-0.2, 0.2)) / 8
            down, right = -np.cos(turn), np.sin(turn)
            along = (rows - middle[0]) * down + (columns - middle[1]) * right
            aside = (rows - middle[0]) * right - (columns - middle[1]) * down
            image += draw.uniform(0.8, 1.2) * np.exp(-((aside / 0.8) ** 2)) * (along > 0) * (along < 4.6)
        images.append(image)
        labels.append(label)
    return _stacked(images, labels)


def semaphores(seed: int) -> Data:
    """8,000 signallers with two flags and the letter that they show, as 121 numbers."""
    data = dealt(*_drawn_semaphores(), seed, tuple(SIGNALS))
    return replace(data, inputs=data.inputs.flatten(1))


LATTICES = ("square", "hexagonal", "oblong", "honeycomb", "centred")


@cache
def _drawn_lattices() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(269)
    side = 14
    rows, columns = _grid(side)
    cells = np.array([[row, column] for row in range(-9, 10) for column in range(-9, 10)], dtype=np.float64)
    bases = {
        "square": (((1.0, 0.0), (0.0, 1.0)), ((0.0, 0.0),), 3.0),
        "hexagonal": (((1.0, 0.0), (0.5, 0.866)), ((0.0, 0.0),), 3.2),
        "oblong": (((0.72, 0.0), (0.0, 1.4)), ((0.0, 0.0),), 3.0),
        "honeycomb": (((1.732, 0.0), (0.866, 1.5)), ((0.0, 0.0), (1.732, 1.0)), 2.4),
        "centred": (((1.0, 0.0), (0.0, 1.5)), ((0.0, 0.0), (0.5, 0.75)), 3.6),
    }
    images, labels = [], []
    for index in range(2500):
        label = index % len(LATTICES)
        basis, atoms, spacing = bases[LATTICES[label]]
        turn, shift = draw.uniform(0, 2 * np.pi), draw.uniform(0, 4, size=2)
        turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        places = np.concatenate([cells @ np.array(basis) + np.array(atom) for atom in atoms]) * spacing * draw.uniform(0.96, 1.04)
        places = places @ turned.T + shift + 6.5
        places = places[(np.abs(places - 6.5) < 9).all(axis=1)]
        places = places[draw.random(len(places)) > 0.03]
        gaps = (rows[:, :, None] - places[:, 0]) ** 2 + (columns[:, :, None] - places[:, 1]) ** 2
        images.append(np.exp(-gaps / 0.9).sum(axis=2) + 0.15 * draw.standard_normal((side, side)))
        labels.append(label)
    return _stacked(images, labels)


def lattices(seed: int) -> Data:
    """2,500 crystals of five lattices, turned as they lie, an atom in thirty missing: (1, 14, 14)."""
    return dealt(*_drawn_lattices(), seed, LATTICES)


GALAXIES = ("elliptical", "spiral", "barred", "ring", "edge_on", "irregular")


@cache
def _drawn_galaxies() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(271)
    side = 14
    rows, columns = _grid(side)
    images, labels = [], []
    for index in range(3000):
        label = index % len(GALAXIES)
        kind, turn = GALAXIES[label], draw.uniform(0, 2 * np.pi)
        down, right = rows - 6.5 - draw.uniform(-0.8, 0.8), columns - 6.5 - draw.uniform(-0.8, 0.8)
        along, aside = down * np.cos(turn) + right * np.sin(turn), right * np.cos(turn) - down * np.sin(turn)
        far, angle, size = np.hypot(along, aside), np.arctan2(aside, along), draw.uniform(0.85, 1.15)
        core = np.exp(-((far / (1.1 * size)) ** 2))
        if kind == "elliptical":
            image = 1.3 * np.exp(-np.hypot(along / 3.0, aside / 2.2) * 1.3 / size)
        elif kind == "spiral":
            arms = np.cos(2 * angle - draw.choice([-1.0, 1.0]) * 2.6 * np.log(far + 0.8))
            image = core + 1.1 * np.exp(-((far / 4.6 / size) ** 4)) * (arms > 0.35) * (far > 1.0)
        elif kind == "barred":
            image = 1.2 * np.exp(-((aside / 0.9) ** 2)) * (np.abs(along) < 3.4 * size)
            image += 0.9 * np.exp(-((far - 4.2 * size) ** 2)) * (np.abs(np.sin(angle)) < 0.75)
        elif kind == "ring":
            image = 0.8 * core + np.exp(-((far - 3.9 * size) ** 2) / 0.8)
        elif kind == "edge_on":
            image = 1.2 * np.exp(-((aside / 0.8) ** 2) - (along / 4.5 / size) ** 2)
        else:
            image = np.zeros((side, side))
            for _ in range(6):
                at = draw.normal(0, 2.4, size=2)
                image += draw.uniform(0.5, 1.2) * np.exp(-((along - at[0]) ** 2 + (aside - at[1]) ** 2) / draw.uniform(0.8, 2.5))
        images.append(image * draw.uniform(0.8, 1.2) + 0.15 * draw.standard_normal((side, side)))
        labels.append(label)
    return _stacked(images, labels)


def galaxies(seed: int) -> Data:
    """3,000 galaxies of six kinds, seen from any side: (1, 14, 14)."""
    return dealt(*_drawn_galaxies(), seed, GALAXIES)


PRINTS = ("arch", "left_loop", "right_loop", "whorl", "double")


@cache
def _drawn_prints() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(277)
    side = 14
    rows, columns = _grid(side)
    images, labels = [], []
    for index in range(2500):
        label = index % len(PRINTS)
        kind = PRINTS[label]
        down = (rows - 6.5 - draw.uniform(-1.2, 1.2)) / 3.6
        right = (columns - 6.5 - draw.uniform(-1.2, 1.2)) / 3.6
        if kind == "arch":
            height = down + 0.9 * np.exp(-(right**2) / 0.9)
        elif kind == "whorl":
            height = np.hypot(down, 1.1 * right) * 1.1
        elif kind == "double":
            height = np.minimum(np.hypot(down - 0.9, right - 0.3), np.hypot(down + 0.9, right + 0.3)) * 1.2
        else:
            lean = 0.55 * (down - 0.3) * (1 if kind == "left_loop" else -1)
            sunk = (down + 0.6).clip(None, 0)
            height = np.hypot(1.4 * (right + lean), 1.2 * sunk)
        ridges = np.cos(2 * np.pi * (height * draw.uniform(1.1, 1.4) + draw.uniform(0, 1)))
        images.append(ridges + 0.7 * draw.standard_normal((side, side)))
        labels.append(label)
    return _stacked(images, labels)


def prints(seed: int) -> Data:
    """2,500 fingers' ridges of five kinds, of any phase: (1, 14, 14)."""
    return dealt(*_drawn_prints(), seed, PRINTS)


ROWS_OF_FOUR = ("none", "across", "down", "falling", "rising")
_STEPS = {"across": (0, 1), "down": (1, 0), "falling": (1, 1), "rising": (-1, 1)}


def _rows_of_four(board: Floats) -> set[str]:
    """Directions in which four of the first player's stones stand in a row."""
    own = np.pad(board == 1, 3)
    inner = np.arange(3, 11)
    rows, columns = np.meshgrid(inner, inner, indexing="ij")
    return {
        name
        for name, (down, right) in _STEPS.items()
        if np.all([own[rows + k * down, columns + k * right] for k in range(4)], axis=0).any()
    }


@cache
def _drawn_boards() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(281)
    boards: list[Floats] = []
    labels: list[int] = []
    while len(boards) < 6000:
        label = len(boards) % len(ROWS_OF_FOUR)
        board = draw.choice([-1.0, 0.0, 1.0], size=(8, 8), p=[0.22, 0.66, 0.12])
        if label:
            down, right = _STEPS[ROWS_OF_FOUR[label]]
            row = int(draw.integers(3, 8)) if down < 0 else int(draw.integers(0, 8 - 3 * down))
            column = int(draw.integers(0, 8 - 3 * right))
            for k in range(4):
                board[row + k * down, column + k * right] = 1.0
        if _rows_of_four(board) == ({ROWS_OF_FOUR[label]} if label else set()):
            boards.append(board)
            labels.append(label)
    return _stacked(boards, labels)


def boards(seed: int) -> Data:
    """6,000 positions of two players' stones, and the way in which the first has four in a row, if he has: (1, 8, 8)."""
    return dealt(*_drawn_boards(), seed, ROWS_OF_FOUR)


FLAGS = ("bands", "pales", "cross", "saltire", "quarters", "disc", "canton")


@cache
def _drawn_flags() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(283)
    side = 12
    rows, columns = _grid(side)
    images, labels = [], []
    for index in range(3500):
        label = index % len(FLAGS)
        down, right = rows - 5.5 + draw.uniform(-0.8, 0.8), columns - 5.5 + draw.uniform(-0.8, 0.8)
        wide = draw.uniform(0.85, 1.2)
        drawn = {
            "bands": np.abs(down) < 2.0 * wide,
            "pales": np.abs(right) < 2.0 * wide,
            "cross": (np.abs(down) < 1.2 * wide) | (np.abs(right) < 1.2 * wide),
            "saltire": (np.abs(down - right) < 1.6 * wide) | (np.abs(down + right) < 1.6 * wide),
            "quarters": down * right > 0,
            "disc": np.hypot(down, right) < 3.2 * wide,
            "canton": (down < 0) & (right < 0),
        }[FLAGS[label]]
        # Light on dark as often as dark on light.
        contrast = draw.uniform(0.9, 1.5) * draw.choice([-1.0, 1.0])
        images.append(contrast * (drawn - 0.4) + 0.7 * draw.standard_normal((side, side)))
        labels.append(label)
    return _stacked(images, labels)


def flags(seed: int) -> Data:
    """3,500 flags of seven patterns, light on dark or dark on light: (1, 12, 12)."""
    return dealt(*_drawn_flags(), seed, FLAGS)


@cache
def _drawn_ripples() -> tuple[Floats, Floats]:
    draw = np.random.default_rng(293)
    side = 14
    rows, columns = _grid(side)
    images, lengths = [], []
    for _ in range(2600):
        length = draw.uniform(2.6, 7.0)
        source, phase = draw.uniform(-6, side + 5, size=2), draw.uniform(0, 2 * np.pi)
        far = np.hypot(rows - source[0], columns - source[1])
        images.append(np.sin(2 * np.pi * far / length + phase) + 0.5 * draw.standard_normal((side, side)))
        lengths.append(length)
    return np.stack(images)[:, None], np.array(lengths)


def ripples(seed: int) -> Data:
    """2,600 views of waves around a point on the water, and their length: a regression of (1, 14, 14)."""
    return dealt(*_drawn_ripples(), seed)
