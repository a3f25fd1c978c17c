"""Drawn pictures of another kind than those of `sources_drawn.py`: clock hands, faces, gestures of a pen, cloth, moving dots, cells.

As in `sources.py` a seed deals the records out to training and validation; what is drawn is the same for every seed.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from scipy.ndimage import gaussian_filter

from faults.nouns import Data
from faults.sources import Floats, Integers, dealt

SIDE = 12
_ROWS, _COLUMNS = np.mgrid[0:SIDE, 0:SIDE].astype(np.float64)


def _inked(path: Floats, width: float = 0.7) -> Floats:
    """A line through points of shape (points, 2), each (down, right), as a soft pen draws it."""
    gaps = (_ROWS[:, :, None] - path[:, 0]) ** 2 + (_COLUMNS[:, :, None] - path[:, 1]) ** 2
    drawn: Floats = np.exp(-gaps.min(axis=2) / (2 * width**2))
    return drawn


def _line(start: tuple[float, float], end: tuple[float, float]) -> Floats:
    return np.linspace(start, end, 12)


HOURS = tuple(f"{hour}h" for hour in range(1, 13))


@cache
def _drawn_clocks() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(139)
    images, labels = [], []
    for index in range(4800):
        label = index % len(HOURS)
        angle = 2 * np.pi * (label + 1 + draw.uniform(-0.25, 0.25)) / 12
        middle, long = 5.5 + draw.uniform(-0.4, 0.4, size=2), draw.uniform(4.0, 5.2)
        hand = _line((middle[0], middle[1]), (middle[0] - long * np.cos(angle), middle[1] + long * np.sin(angle)))
        rim = np.exp(-((np.hypot(_ROWS - middle[0], _COLUMNS - middle[1]) - 5.4) ** 2))
        images.append(draw.uniform(0.8, 1.3) * _inked(hand) + 0.5 * rim + 0.25 * draw.standard_normal((SIDE, SIDE)))
        labels.append(label)
    return np.stack(images)[:, None], np.array(labels, dtype=np.int64)


def clocks(seed: int) -> Data:
    """4,800 clocks with one hand and the hour that it shows, as 144 numbers."""
    data = dealt(*_drawn_clocks(), seed, HOURS)
    return replace(data, inputs=data.inputs.flatten(1))


MOODS = ("calm", "happy", "sad", "angry", "sleepy", "surprised")


@cache
def _drawn_faces() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(149)
    images, labels = [], []
    across = np.linspace(-2.2, 2.2, 12)
    for index in range(4200):
        label = index % len(MOODS)
        mood, (down, right) = MOODS[label], 5.5 + draw.uniform(-0.5, 0.5, size=2)
        bend = {"happy": -0.35, "sad": 0.35}.get(mood, 0.0) * draw.uniform(0.8, 1.2)
        mouth = np.stack([down + 2.6 + bend * (across**2 - 2.5), right + across], axis=1)
        if mood == "surprised":
            around = np.linspace(0, 2 * np.pi, 12)
            mouth = np.stack([down + 2.6 + 1.3 * np.sin(around), right + 1.3 * np.cos(around)], axis=1)
        parts = [mouth]
        for side in (-1, 1):
            at = right + 2.4 * side
            parts.append(_line((down - 1.8, at - 1), (down - 1.8, at + 1)) if mood == "sleepy" else np.array([[down - 1.8, at]]))
            if mood == "angry":
                parts.append(_line((down - 4.2, at + 1.2 * side), (down - 3.0, at - 1.2 * side)))
        drawn = _inked(np.concatenate(parts))
        images.append(draw.uniform(0.8, 1.2) * drawn + 0.25 * draw.standard_normal((SIDE, SIDE)))
        labels.append(label)
    return np.stack(images)[:, None], np.array(labels, dtype=np.int64)


def faces(seed: int) -> Data:
    """4,200 faces of six moods, as 144 numbers."""
    data = dealt(*_drawn_faces(), seed, MOODS)
    return replace(data, inputs=data.inputs.flatten(1))


GESTURES = ("tick", "zigzag", "hook", "loop", "arch", "spiral", "wave", "caret")
_TIME = np.linspace(0, 1, 28)


def _gesture(kind: str) -> Floats:
    """Points of a stroke within -1 to 1, (down, right)."""
    turn = 2 * np.pi * _TIME
    down, right = {
        "tick": (np.interp(_TIME, [0, 0.35, 1], [0.0, 0.8, -0.9]), np.interp(_TIME, [0, 0.35, 1], [-0.9, -0.3, 0.9])),
        "zigzag": (np.interp(3 * _TIME, range(4), [-0.8, -0.8, 0.8, 0.8]), np.interp(3 * _TIME, range(4), [-0.8, 0.8, -0.8, 0.8])),
        "hook": (np.where(_TIME < 0.5, 3 * _TIME - 0.9, 0.6 - 0.4 * np.sin(turn)), np.where(_TIME < 0.5, 0.4, -0.4 * np.cos(turn))),
        "loop": (0.8 * np.sin(turn), 0.8 * np.cos(turn)),
        "arch": (0.6 - 1.3 * np.sin(turn / 2), -0.9 * np.cos(turn / 2)),
        "spiral": (0.95 * _TIME * np.sin(2.2 * turn), 0.95 * _TIME * np.cos(2.2 * turn)),
        "wave": (0.6 * np.sin(1.5 * turn), 1.9 * _TIME - 0.95),
        "caret": (abs(1.8 * _TIME - 0.9) * 1.6 - 0.8, 1.8 * _TIME - 0.9),
    }[kind]  # fmt: skip
    return np.stack([down, right], axis=1)


@cache
def _drawn_gestures() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(151)
    images, labels = [], []
    for index in range(2400):
        label = index % len(GESTURES)
        lean = draw.uniform(-0.25, 0.25)
        turned = _gesture(GESTURES[label]) @ np.array([[np.cos(lean), np.sin(lean)], [-np.sin(lean), np.cos(lean)]])
        path = 5.5 + draw.uniform(-1, 1, size=2) + turned * draw.uniform(3.2, 4.6, size=2)
        images.append(draw.uniform(0.8, 1.2) * _inked(path, 0.6) + 0.3 * draw.standard_normal((SIDE, SIDE)))
        labels.append(label)
    return np.stack(images)[:, None], np.array(labels, dtype=np.int64)


def gestures(seed: int) -> Data:
    """2,400 strokes of a pen of eight kinds: (1, 12, 12)."""
    return dealt(*_drawn_gestures(), seed, GESTURES)


CLOTHS = ("felt", "fleece", "ribbed", "corded", "twill", "knit")


@cache
def _drawn_cloths() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(157)
    images, labels = [], []
    for index in range(2400):
        label = index % len(CLOTHS)
        noise = draw.standard_normal((20, 20))
        soft = draw.uniform(0.85, 1.15)
        filtered = {
            "felt": gaussian_filter(noise, 0.6 * soft),
            "fleece": gaussian_filter(noise, 1.6 * soft),
            "ribbed": gaussian_filter(noise, (0.5, 2.2 * soft)),
            "corded": gaussian_filter(noise, (2.2 * soft, 0.5)),
            "twill": sum((np.roll(noise, (shift, shift), (0, 1)) for shift in range(-3, 4)), np.zeros((20, 20))),
            "knit": gaussian_filter(noise, 0.8 * soft) - gaussian_filter(noise, 1.6 * soft),
        }[CLOTHS[label]][4 : 4 + SIDE, 4 : 4 + SIDE]
        images.append((filtered - filtered.mean()) / filtered.std() + 0.3 * draw.standard_normal((SIDE, SIDE)))
        labels.append(label)
    return np.stack(images)[:, None], np.array(labels, dtype=np.int64)


def cloths(seed: int) -> Data:
    """2,400 patches of filtered noise of six kinds and of equal contrast: (1, 12, 12)."""
    return dealt(*_drawn_cloths(), seed, CLOTHS)


COURSES = ("north", "northeast", "southeast", "south", "southwest", "northwest")


@cache
def _drawn_trails() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(163)
    images, labels = [], []
    for index in range(2400):
        label = index % len(COURSES)
        angle = 2 * np.pi * (label + draw.uniform(-0.15, 0.15)) / len(COURSES)
        way = np.array([-np.cos(angle), np.sin(angle)])
        head = draw.uniform(3.5, 7.5, size=2) + 2.0 * way
        image = 0.2 * draw.standard_normal((SIDE, SIDE))
        for back in range(5):
            at = head - 1.2 * back * way
            image += 1.5 * 0.6**back * np.exp(-((_ROWS - at[0]) ** 2 + (_COLUMNS - at[1]) ** 2) / 1.2)
        images.append(image)
        labels.append(label)
    return np.stack(images)[:, None], np.array(labels, dtype=np.int64)


def trails(seed: int) -> Data:
    """2,400 long exposures of a dot that moves to one of six sides, fainter where it was earlier: (1, 12, 12)."""
    return dealt(*_drawn_trails(), seed, COURSES)


NUMBERS = ("one", "two", "three", "four", "five")


@cache
def _drawn_cells() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(167)
    images, labels = [], []
    for index in range(2500):
        label = index % len(NUMBERS)
        image = 0.2 * draw.standard_normal((SIDE, SIDE))
        middles: list[Floats] = []
        while len(middles) <= label:
            middle = draw.uniform(0.8, SIDE - 1.8, size=2)
            if all(np.hypot(*(middle - other)) > 2.9 for other in middles):
                middles.append(middle)
                image += draw.uniform(0.8, 1.2) * np.exp(-((_ROWS - middle[0]) ** 2 + (_COLUMNS - middle[1]) ** 2) / draw.uniform(1.0, 1.6))
        images.append(image)
        labels.append(label)
    return np.stack(images)[:, None], np.array(labels, dtype=np.int64)


def cells(seed: int) -> Data:
    """2,500 views of one to five cells that do not touch, and how many there are: (1, 12, 12)."""
    return dealt(*_drawn_cells(), seed, NUMBERS)


def counted_cells(seed: int) -> Data:
    """The same, and their number as a number: a regression."""
    images, labels = _drawn_cells()
    return dealt(images, labels.astype(np.float64), seed)
