"""Small pictures once more: icons, tracks in a chamber, overlapping coins.

As in `sources.py` a seed deals the records out to training and validation; what is made is the same for every seed.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from faults.nouns import Data
from faults.sources import Floats, Integers, dealt

ICONS = ("ring", "cross", "triangle", "dumbbell", "star", "window")
OTHER_ICONS = ("disc", "square", "crescent", "tee", "flower", "bars", "wedge")
ICON = 14
CHAMBER = 16


def _icon(name: str, across: Floats, down: Floats) -> Floats:
    """How much of each pixel it covers, in coordinates from about -2 to 2."""
    far, turn = np.hypot(across, down), np.arctan2(down, across)
    box, low = np.maximum(np.abs(across), np.abs(down)), np.minimum(np.abs(across), np.abs(down))
    edge = {
        "ring": 0.28 - np.abs(far - 0.8),
        "cross": np.minimum(0.3 - low, 1.1 - box),
        "triangle": np.minimum(down + 0.6, 0.75 - 0.5 * down - 0.87 * np.abs(across)),
        "dumbbell": np.maximum(0.45 - np.hypot(np.abs(across) - 0.75, down), np.minimum(0.16 - np.abs(down), 0.8 - np.abs(across))),
        "star": 0.62 + 0.38 * np.cos(5 * turn) - far,
        "window": np.minimum(1.05 - box, np.maximum(box - 0.7, 0.18 - low)),
        "disc": 0.85 - far,
        "square": 0.8 - box,
        "crescent": np.minimum(0.95 - far, np.hypot(across - 0.45, down) - 0.7),
        "tee": np.maximum(
            np.minimum(0.25 - np.abs(down + 0.75), 0.95 - np.abs(across)), np.minimum(0.25 - np.abs(across), 0.95 - np.abs(down))
        ),
        "flower": 0.7 + 0.35 * np.cos(3 * turn) - far,
        "bars": np.minimum(0.24 - np.abs(np.abs(across) - 0.55), 1.0 - np.abs(down)),
        "wedge": np.minimum(1.0 - far, 0.6 - np.abs(turn)),
    }[name]  # fmt: skip
    covered: Floats = 1 / (1 + np.exp(-edge / 0.08))
    return covered


@cache
def _icons(other: bool) -> tuple[Floats, Integers]:
    draw = np.random.default_rng(457 + other)
    names = OTHER_ICONS if other else ICONS
    count = 3500
    labels = np.arange(count) % len(names)
    rows, columns = np.mgrid[0:ICON, 0:ICON]
    images = np.zeros((count, 1, ICON, ICON))
    for row, label in enumerate(labels):
        across, down = (columns - 6.5 - draw.uniform(-1.5, 1.5)) / 4.2, (rows - 6.5 - draw.uniform(-1.5, 1.5)) / 4.2
        angle, size = draw.uniform(0, 2 * np.pi), draw.uniform(0.85, 1.2)
        turned = np.cos(angle) * across - np.sin(angle) * down, np.sin(angle) * across + np.cos(angle) * down
        images[row, 0] = draw.uniform(0.7, 1.2) * _icon(names[label], turned[0] / size, turned[1] / size)
    return images + 0.2 * draw.standard_normal(images.shape), labels.astype(np.int64)


def icons(seed: int) -> Data:
    """3,500 icons of six kinds, turned, moved, of several sizes, under noise: (1, 14, 14)."""
    return dealt(*_icons(False), seed, ICONS)


def other_icons(seed: int) -> Data:
    """3,500 of seven other kinds."""
    return dealt(*_icons(True), seed, OTHER_ICONS)


EVENTS = ("muon", "curl", "shower", "pair", "decay")
OTHER_EVENTS = ("kink", "fork", "broken", "bend", "star")


def _hits(name: str, draw: np.random.Generator) -> Floats:
    """Places of hits, (hits, 2), around the middle of the chamber, before they are turned."""
    along = np.linspace(-7, 7, 40)
    straight: Floats = np.stack([along, np.zeros(40)], axis=1)
    half = np.stack([np.linspace(0, 7, 20), np.zeros(20)], axis=1)
    if name == "curl":
        turn = np.linspace(0, 1.7 * np.pi, 60)
        curled: Floats = (2 + turn / 1.7)[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
        return curled
    if name == "shower":
        far = np.abs(draw.uniform(0, 12, 26))
        return np.stack([far - 6, 0.28 * far * draw.uniform(-1, 1, 26)], axis=1)
    if name == "pair":
        return np.concatenate([straight + np.array([0, 2]), straight - np.array([0, 2])])
    if name in ("decay", "fork", "kink", "star"):
        angles = {"decay": (0.45, -0.45), "fork": (np.pi, 0.5, -0.5), "kink": (np.pi, 0.9), "star": (0.0, 2.1, 4.2)}[name]
        arms = [np.stack([np.cos(a) * half[:, 0], np.sin(a) * half[:, 0]], axis=1) for a in angles]
        parted: Floats = np.concatenate(arms) - np.array([3.5 if name == "decay" else 0.0, 0.0])
        return parted
    if name == "broken":
        return straight[np.abs(straight[:, 0] - draw.uniform(-2, 2)) > 1.8]
    if name == "bend":
        return np.stack([along, 0.09 * along**2 - 2], axis=1)
    return straight


@cache
def _tracks(other: bool) -> tuple[Floats, Integers]:
    draw = np.random.default_rng(461 + other)
    names = OTHER_EVENTS if other else EVENTS
    count = 3000
    labels = np.arange(count) % len(names)
    images = np.zeros((count, 1, CHAMBER, CHAMBER))
    for row, label in enumerate(labels):
        hits, angle = _hits(names[label], draw), draw.uniform(0, 2 * np.pi)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        at = np.round(hits @ turn.T + 7.5 + draw.uniform(-1.5, 1.5, 2)).astype(int)
        at = at[((at >= 0) & (at < CHAMBER)).all(axis=1) & (draw.random(len(at)) < 0.85)]
        images[row, 0, at[:, 0], at[:, 1]] = draw.uniform(0.8, 1.4, len(at))
    return images + 0.2 * draw.standard_normal(images.shape), labels.astype(np.int64)


def tracks(seed: int) -> Data:
    """3,000 pictures of a chamber with five kinds of events: (1, 16, 16)."""
    return dealt(*_tracks(False), seed, EVENTS)


def other_tracks(seed: int) -> Data:
    """3,000 of five other kinds."""
    return dealt(*_tracks(True), seed, OTHER_EVENTS)


@cache
def _coins() -> Floats:
    draw = np.random.default_rng(463)
    rows, columns = np.mgrid[0:12, 0:12]
    images = np.zeros((3600, 1, 12, 12))
    for _ in range(2):
        middle, radius = draw.uniform(2.5, 8.5, (3600, 2, 1, 1)), draw.uniform(1.5, 3.2, (3600, 1, 1))
        far = np.hypot(rows - middle[:, 0], columns - middle[:, 1])
        cover = 1 / (1 + np.exp((far - radius) / 0.5))
        images[:, 0] = images[:, 0] * (1 - cover) + draw.uniform(0.5, 1.5, (3600, 1, 1)) * cover
    spread: Floats = images + 0.05 * draw.standard_normal(images.shape)
    return spread


def coins(seed: int) -> Data:
    """3,600 views of two coins, one perhaps over the other: (1, 12, 12)."""
    return dealt(_coins(), np.zeros(3600, dtype=np.int64), seed)
