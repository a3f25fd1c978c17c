"""Small pictures of a fourth kind: fruits in colour, isobars, pollen, invented glyphs, roads from above, scratches, eyes, moons.

As in `sources.py` a seed deals the records out to training and validation; what is drawn is the same for every seed.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np

from faults.nouns import Data
from faults.sources import Floats, Integers, dealt


def _grid(side: int) -> tuple[Floats, Floats]:
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float64)
    return rows, columns


def _soft(inside: Floats, width: float = 0.6) -> Floats:
    """1 where it is above 0, 0 where it is below, and a soft edge between."""
    clear: Floats = 1 / (1 + np.exp(-(inside / width).clip(-30, 30)))
    return clear


FRUITS = ("apple", "lime", "orange", "banana", "cucumber", "plum", "grapes", "pear")
_PEEL = ((0.8, 0.1, 0.1), (0.4, 0.75, 0.1), (0.95, 0.55, 0.1), (0.95, 0.85, 0.2), (0.15, 0.5, 0.1), (0.4, 0.1, 0.4), (0.4, 0.1, 0.4),
         (0.6, 0.75, 0.2))  # fmt: skip


@cache
def _drawn_fruits() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(367)
    side = 16
    rows, columns = _grid(side)
    images, labels = [], []
    for index in range(2400):
        label = index % len(FRUITS)
        kind, turn, size = FRUITS[label], draw.uniform(0, 2 * np.pi), draw.uniform(0.85, 1.15)
        down, right = rows - 7.5 - draw.uniform(-1.5, 1.5), columns - 7.5 - draw.uniform(-1.5, 1.5)
        along, aside = (down * np.cos(turn) + right * np.sin(turn)) / size, (right * np.cos(turn) - down * np.sin(turn)) / size
        if kind == "banana":
            inside = np.minimum(5.5 - np.hypot(along, aside), np.hypot(along - 2.6, aside) - 4.4)
        elif kind == "cucumber":
            inside = 1.6 * (1 - np.hypot(along / 6.0, aside / 1.9)) * 1.9
        elif kind == "pear":
            inside = np.maximum(3.6 - np.hypot(along - 1.5, aside), 2.2 - np.hypot(along + 2.8, aside))
        elif kind == "grapes":
            places = ((-3.0, -1.7), (-3.0, 1.7), (0.0, -2.4), (0.0, 0.8), (3.0, -0.8), (0.4, 3.6))
            inside = np.max([1.7 - np.hypot(along - one, aside - other) for one, other in places], axis=0)
        else:
            flat = 1.25 if kind == "lime" else 1.0
            inside = {"apple": 4.6, "lime": 3.4, "orange": 4.4, "plum": 3.6}[kind] - np.hypot(along, flat * aside)
        mask = _soft(inside)
        light = draw.uniform(0.7, 1.2) * (1 - 0.06 * (down + right))
        peel = (np.array(_PEEL[label]) + draw.normal(0, 0.08, size=3))[:, None, None]
        ground = draw.uniform(0.3, 0.9, size=(3, 1, 1)) + 0.1 * draw.standard_normal((3, 1, 1)) * rows / side
        images.append(mask * peel * light + (1 - mask) * ground + draw.normal(0, 0.08, size=(3, side, side)))
        labels.append(label)
    return np.stack(images), np.array(labels, dtype=np.int64)


def fruits(seed: int) -> Data:
    """2,400 fruits of eight kinds on tables of any colour, by red, green and blue: (3, 16, 16)."""
    return dealt(*_drawn_fruits(), seed, FRUITS)


SYSTEMS = ("cyclone", "anticyclone", "saddle", "trough", "ridge", "slope")


@cache
def _drawn_isobars() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(373)
    rows, columns = _grid(14)
    images, labels = [], []
    for index in range(3000):
        label = index % len(SYSTEMS)
        turn, size = draw.uniform(0, 2 * np.pi), draw.uniform(4.0, 6.0)
        down, right = rows - 6.5 - draw.uniform(-1.5, 1.5), columns - 6.5 - draw.uniform(-1.5, 1.5)
        along, aside = (down * np.cos(turn) + right * np.sin(turn)) / size, (right * np.cos(turn) - down * np.sin(turn)) / size
        curve = aside + 0.25 * draw.normal() * along**2
        field = {
            "cyclone": -2.0 * np.exp(-(along**2) - aside**2), "anticyclone": 2.0 * np.exp(-(along**2) - aside**2),
            "saddle": 0.9 * (along**2 - aside**2), "trough": -1.8 * np.exp(-2 * curve**2), "ridge": 1.8 * np.exp(-2 * curve**2),
            "slope": 1.2 * curve,
        }[SYSTEMS[label]]  # fmt: skip
        field = field + draw.normal(0, 0.15) * along + draw.normal(0, 0.15) * aside + draw.uniform(-1, 1)
        images.append(np.cos(2 * np.pi * field) * 0.3 + field + 0.25 * draw.standard_normal((14, 14)))
        labels.append(label)
    return np.stack(images)[:, None], np.array(labels, dtype=np.int64)


def isobars(seed: int) -> Data:
    """3,000 fields of pressure with their isobars, and what they show: (1, 14, 14)."""
    return dealt(*_drawn_isobars(), seed, SYSTEMS)


GRAINS = ("smooth", "spiny", "three_pored", "furrowed", "netted", "winged")


@cache
def _drawn_pollen() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(379)
    rows, columns = _grid(16)
    images, labels = [], []
    for index in range(3000):
        label = index % len(GRAINS)
        kind, turn, size = GRAINS[label], draw.uniform(0, 2 * np.pi), draw.uniform(4.2, 5.4)
        down, right = rows - 7.5 - draw.uniform(-1, 1), columns - 7.5 - draw.uniform(-1, 1)
        along, aside = down * np.cos(turn) + right * np.sin(turn), right * np.cos(turn) - down * np.sin(turn)
        far, angle = np.hypot(along, aside * draw.uniform(1.0, 1.15)), np.arctan2(aside, along)
        edge = size + (0.9 * np.cos(11 * angle) if kind == "spiny" else 0.0)
        body = _soft(edge - far, 0.4)
        image = 0.7 * body + 0.5 * np.exp(-(((far - edge + 0.7) / 0.7) ** 2))
        if kind == "three_pored":
            for pore in range(3):
                place = turn + 2 * np.pi * pore / 3
                image -= 0.9 * np.exp(-((down - 0.8 * size * np.cos(place)) ** 2 + (right - 0.8 * size * np.sin(place)) ** 2) / 1.6)
        elif kind == "furrowed":
            image -= 0.7 * body * np.exp(-((aside / 0.9) ** 2))
        elif kind == "netted":
            image += 0.35 * body * np.sign(np.sin(1.7 * along) * np.sin(1.7 * aside))
        elif kind == "winged":
            wings = np.minimum(np.hypot(along - size, aside), np.hypot(along + size, aside))
            image += 0.6 * _soft(2.4 - wings, 0.4)
        images.append(draw.uniform(0.7, 1.2) * image + 0.16 * draw.standard_normal((16, 16)))
        labels.append(label)
    return np.stack(images)[:, None], np.array(labels, dtype=np.int64)


def pollen(seed: int) -> Data:
    """3,000 grains of pollen of six kinds under a microscope: (1, 16, 16)."""
    return dealt(*_drawn_pollen(), seed, GRAINS)


GLYPHS = tuple(f"glyph_{number:02d}" for number in range(30))


@cache
def _drawn_glyphs() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(383)
    side = 14
    rows, columns = _grid(side)
    # An invented alphabet: each letter is a walk of four strokes between points of a lattice.
    walks = [draw.permutation(9)[:5] for _ in GLYPHS]
    images, labels = [], []
    for index in range(6000):
        label = index % len(GLYPHS)
        points = np.column_stack([walks[label] // 3, walks[label] % 3]) - 1.0
        bend = np.eye(2) * draw.uniform(3.6, 4.6) + draw.normal(0, 0.35, size=(2, 2))
        points = points @ bend + 6.5 + draw.uniform(-0.8, 0.8, size=2) + draw.normal(0, 0.5, size=points.shape)
        ink = np.zeros((side, side))
        for start, end in pairwise(points):
            way = end - start
            share = (((rows - start[0]) * way[0] + (columns - start[1]) * way[1]) / (way @ way)).clip(0, 1)
            gap = np.hypot(rows - start[0] - share * way[0], columns - start[1] - share * way[1])
            ink = np.maximum(ink, np.exp(-((gap / 0.8) ** 2)))
        images.append(ink + 0.22 * draw.standard_normal((side, side)))
        labels.append(label)
    return np.stack(images)[:, None], np.array(labels, dtype=np.int64)


def glyphs(seed: int) -> Data:
    """6,000 letters of an invented alphabet of thirty, in different hands: (1, 14, 14)."""
    return dealt(*_drawn_glyphs(), seed, GLYPHS)


ROADS = ("straight", "bend", "fork", "junction", "crossing", "end", "roundabout")


@cache
def _drawn_roads() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(389)
    side = 15
    rows, columns = _grid(side)
    arms = {
        "straight": (0.0, 0.5), "bend": (0.0, 0.25), "fork": (0.5, 0.12, 0.88), "junction": (0.0, 0.25, 0.5),
        "crossing": (0.0, 0.25, 0.5, 0.75), "end": (0.0,), "roundabout": (0.0, 0.33, 0.67),
    }  # fmt: skip
    images, labels = [], []
    for index in range(3500):
        label = index % len(ROADS)
        turn, wide = draw.uniform(0, 1), draw.uniform(0.9, 1.4)
        down, right = rows - 7 - draw.uniform(-1.2, 1.2), columns - 7 - draw.uniform(-1.2, 1.2)
        road = np.zeros((side, side))
        for arm in arms[ROADS[label]]:
            angle = 2 * np.pi * (arm + turn + draw.uniform(-0.03, 0.03))
            along, aside = down * np.cos(angle) + right * np.sin(angle), right * np.cos(angle) - down * np.sin(angle)
            road = np.maximum(road, _soft(np.minimum(wide - np.abs(aside), along + wide), 0.3))
        if ROADS[label] == "roundabout":
            far = np.hypot(down, right)
            road = np.where(far < 3.2, 0, road)
            road = np.maximum(road, _soft(wide - np.abs(far - 3.4), 0.3))
        fields = draw.normal(0, 0.12) * np.sign(np.sin(0.5 * (rows * draw.normal() + columns * draw.normal()) + draw.uniform(0, 6)))
        images.append(road * draw.uniform(0.8, 1.2) + (1 - road) * fields + 0.15 * draw.standard_normal((side, side)))
        labels.append(label)
    return np.stack(images)[:, None], np.array(labels, dtype=np.int64)


def roads(seed: int) -> Data:
    """3,500 roads between fields, seen from above: (1, 15, 15)."""
    return dealt(*_drawn_roads(), seed, ROADS)


@cache
def _drawn_scratches() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(397)
    side = 16
    rows, columns = _grid(side)
    images, labels = [], []
    for index in range(2600):
        label = index % 2
        brushed = draw.standard_normal((side, 1)) + 0.5 * draw.standard_normal((side, side))
        image = 0.4 * brushed + 0.3 * np.sin(0.3 * columns + draw.uniform(0, 6))
        if label:
            angle, middle = draw.uniform(0.3, np.pi - 0.3), draw.uniform(5, 11, size=2)
            along = (rows - middle[0]) * np.sin(angle) + (columns - middle[1]) * np.cos(angle)
            aside = (rows - middle[0]) * np.cos(angle) - (columns - middle[1]) * np.sin(angle) + 0.03 * draw.normal() * along**2
            image += draw.uniform(0.9, 1.6) * np.exp(-((aside / 0.7) ** 2)) * _soft(draw.uniform(3, 6) - np.abs(along))
        images.append(image)
        labels.append(label)
    return np.stack(images)[:, None], np.array(labels, dtype=np.int64)


def scratches(seed: int) -> Data:
    """2,600 pieces of brushed metal, every second one scratched: (1, 16, 16)."""
    return dealt(*_drawn_scratches(), seed, ("sound", "scratched"))


GAZES = tuple(f"{down}_{right}" for down in ("up", "level", "down") for right in ("left", "ahead", "right"))


@cache
def _drawn_eyes() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(401)
    rows, columns = _grid(12)
    images, labels = [], []
    for index in range(2700):
        label = index % len(GAZES)
        middle, size = 5.5 + draw.uniform(-0.8, 0.8, size=2), draw.uniform(0.9, 1.1)
        lid = 1 - np.hypot((rows - middle[0]) / (3.6 * size), (columns - middle[1]) / (5.4 * size))
        white = _soft(3 * lid, 0.4)
        looks = np.array([label // 3 - 1, label % 3 - 1]) * np.array([1.3, 2.2]) * size + draw.normal(0, 0.25, size=2)
        far = np.hypot(rows - middle[0] - looks[0], columns - middle[1] - looks[1])
        image = draw.uniform(0.7, 1.0) * white - draw.uniform(0.7, 1.2) * white * _soft(1.9 - far, 0.4) - 0.3 * _soft(0.8 - far, 0.3)
        images.append(image + draw.uniform(-0.2, 0.3) * (1 - white) + 0.2 * draw.standard_normal((12, 12)))
        labels.append(label)
    return np.stack(images)[:, None], np.array(labels, dtype=np.int64)


def eyes(seed: int) -> Data:
    """2,700 eyes and where they look, of nine directions: (1, 12, 12)."""
    return dealt(*_drawn_eyes(), seed, GAZES)


PHASES = ("new", "waxing_crescent", "first_quarter", "waxing_gibbous", "full", "waning_gibbous", "last_quarter", "waning_crescent")


@cache
def _drawn_moons() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(409)
    rows, columns = _grid(12)
    images, labels = [], []
    for index in range(3200):
        label = index % len(PHASES)
        phase, tilt, size = 2 * np.pi * (label + draw.uniform(-0.2, 0.2)) / 8, draw.normal(0, 0.2), draw.uniform(3.8, 4.8)
        down, right = rows - 5.5 - draw.uniform(-0.7, 0.7), columns - 5.5 - draw.uniform(-0.7, 0.7)
        along, aside = (down * np.cos(tilt) - right * np.sin(tilt)) / size, (right * np.cos(tilt) + down * np.sin(tilt)) / size
        disk, chord = _soft(6 * (1 - np.hypot(along, aside))), np.sqrt((1 - along**2).clip(0))
        # The terminator is half an ellipse, on one side while the moon waxes and on the other while it wanes.
        lit = aside - chord * np.cos(phase) if phase < np.pi else -aside - chord * np.cos(phase)
        image = disk * (0.2 + 0.9 * _soft(size * lit)) - 0.15 * disk * np.sin(3 * along + draw.uniform(0, 6)) * np.sin(3 * aside)
        images.append(draw.uniform(0.8, 1.2) * image + 0.12 * draw.standard_normal((12, 12)))
        labels.append(label)
    return np.stack(images)[:, None], np.array(labels, dtype=np.int64)


def moons(seed: int) -> Data:
    """3,200 moons and their phase, of eight: (1, 12, 12)."""
    return dealt(*_drawn_moons(), seed, PHASES)
