"""Drawn records: letters, gratings, textures, moving bars, pairs of digits, wave forms.

As in `sources.py` a seed deals the records out to training and validation; what is drawn is the same for every seed.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from scipy.ndimage import gaussian_filter

from faults.nouns import Data
from faults.sources import Floats, Integers, dealt

GLYPHS = {
    "A": "010101111101101", "C": "011100100100011", "E": "111100110100111", "F": "111100110100100", "H": "101101111101101",
    "J": "001001001101010", "K": "101110100110101", "L": "100100100100111", "P": "110101110100100", "T": "111010010010010",
    "U": "101101101101111", "X": "101101010101101", "B": "110101110101110", "D": "110101101101110", "G": "011100101101011",
    "I": "111010010010111", "N": "110101101101101", "O": "010101101101010", "R": "110101110110101", "S": "011100010001110",
    "V": "101101101101010", "W": "101101111111101", "Y": "101101010010010", "Z": "111001010100111",
}  # fmt: skip
"""Letters of five rows of three pixels."""
LETTERS, OTHER_LETTERS = tuple(GLYPHS)[:12], tuple(GLYPHS)[12:]


@cache
def _drawn_letters(chosen: tuple[str, ...], spread: int, noise: float) -> tuple[Floats, Integers]:
    draw = np.random.default_rng(23)
    images, labels = [], []
    for index in range(200 * len(chosen)):
        label = index % len(chosen)
        glyph = np.array([int(pixel) for pixel in GLYPHS[chosen[label]]], dtype=np.float64).reshape(5, 3).repeat(2, 0).repeat(2, 1)
        image = noise * draw.standard_normal((12, 12))
        down, right = draw.integers(1 - min(spread, 1), 2 + min(spread, 1)), draw.integers(3 - spread, 4 + spread)
        image[down : down + 10, right : right + 6] += draw.uniform(0.7, 1.3) * glyph
        images.append(image)
        labels.append(label)
    return np.stack(images)[:, None], np.array(labels, dtype=np.int64)


def letters(seed: int) -> Data:
    """2,400 letters of twelve kinds, moved by up to three pixels, under noise: (1, 12, 12)."""
    return dealt(*_drawn_letters(LETTERS, 3, 0.3), seed, LETTERS)


def other_letters(seed: int) -> Data:
    """The twelve other letters, as something to learn from beforehand."""
    return dealt(*_drawn_letters(OTHER_LETTERS, 3, 0.3), seed, OTHER_LETTERS)


def centred_letters(seed: int) -> Data:
    """The first twelve in the middle of the image, as 144 numbers."""
    data = dealt(*_drawn_letters(LETTERS, 0, 0.4), seed, LETTERS)
    return replace(data, inputs=data.inputs.flatten(1))


def calm_letters(seed: int) -> Data:
    """The first twelve letters within two pixels of the middle, under little noise: (1, 12, 12)."""
    return dealt(*_drawn_letters(LETTERS, 1, 0.1), seed, LETTERS)


ANGLES = tuple(f"{degrees}deg" for degrees in range(0, 180, 30))
GRATING_SIDE = 12


@cache
def _drawn_gratings(noise: float) -> tuple[Floats, Integers]:
    draw = np.random.default_rng(29)
    rows, columns = np.mgrid[0:GRATING_SIDE, 0:GRATING_SIDE]
    images, labels = [], []
    for index in range(2100):
        label = index % len(ANGLES)
        angle = np.pi * (label / len(ANGLES) + draw.uniform(-0.04, 0.04))
        along = np.cos(angle) * columns + np.sin(angle) * rows
        wave = np.sin(draw.uniform(0.7, 1.6) * along + draw.uniform(0, 2 * np.pi))
        images.append(draw.uniform(0.6, 1.2) * wave + noise * draw.standard_normal(wave.shape))
        labels.append(label)
    return np.stack(images)[:, None], np.array(labels, dtype=np.int64)


def gratings(seed: int) -> Data:
    """2,100 gratings of six directions, any phase and several frequencies, under noise: (1, 12, 12)."""
    return dealt(*_drawn_gratings(0.7), seed, ANGLES)


def calm_gratings(seed: int) -> Data:
    """The same under less noise."""
    return dealt(*_drawn_gratings(0.15), seed, ANGLES)


TEXTURES = ("stripes", "checks", "dots", "clouds", "rings", "grain")
TEXTURE_SIDE = 16


@cache
def _drawn_textures() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(31)
    rows, columns = np.mgrid[0:TEXTURE_SIDE, 0:TEXTURE_SIDE].astype(np.float64)
    images, labels = [], []
    for index in range(2100):
        label = index % len(TEXTURES)
        step, (down, right), angle = draw.uniform(0.9, 1.5), draw.uniform(0, 16, size=2), draw.uniform(0, np.pi)
        along = np.cos(angle) * columns + np.sin(angle) * rows
        across = np.cos(angle) * rows - np.sin(angle) * columns
        drawn = {
            "stripes": np.sin(step * along + down),
            "checks": np.sin(step * along + down) * np.sin(step * across + right),
            "dots": gaussian_filter((draw.random(rows.shape) < 0.04).astype(np.float64), 0.8),
            "clouds": gaussian_filter(draw.standard_normal(rows.shape), 1.6),
            "rings": np.sin(step * np.hypot(rows - down, columns - right)),
            "grain": draw.standard_normal(rows.shape),
        }[TEXTURES[label]]
        drawn = (drawn - drawn.mean()) / drawn.std().clip(1e-9)
        images.append(drawn + 0.4 * draw.standard_normal(rows.shape))
        labels.append(label)
    return np.stack(images)[:, None], np.array(labels, dtype=np.int64)


def textures(seed: int) -> Data:
    """2,100 textures of six kinds and of equal contrast: (1, 16, 16)."""
    return dealt(*_drawn_textures(), seed, TEXTURES)


SPEEDS = (-1.5, -1.0, -0.5, 0.5, 1.0, 1.5)
BAR_SIDE = 12


@cache
def _drawn_bars() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(37)
    times, places = np.mgrid[0:BAR_SIDE, 0:BAR_SIDE]
    images, labels = [], []
    for index in range(2100):
        label = index % len(SPEEDS)
        middle = draw.uniform(0, BAR_SIDE) + (SPEEDS[label] + draw.uniform(-0.1, 0.1)) * times
        gap = abs((places - middle + BAR_SIDE / 2) % BAR_SIDE - BAR_SIDE / 2)
        images.append((gap < 1.2) * draw.uniform(0.8, 1.4) + 0.45 * draw.standard_normal(gap.shape))
        labels.append(label)
    return np.stack(images)[:, None], np.array(labels, dtype=np.int64)


def bars(seed: int) -> Data:
    """2,100 bars that move at six speeds: time downwards, place to the right, (1, 12, 12)."""
    return dealt(*_drawn_bars(), seed, tuple(f"{speed:+.1f}" for speed in SPEEDS))


@cache
def _digit_pairs() -> tuple[Floats, Integers]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    draw = np.random.default_rng(41)
    left, right = draw.permutation(len(bunch.target)), draw.permutation(len(bunch.target))
    images = np.concatenate([bunch.images[left], bunch.images[right]], axis=2)
    labels = 2 * (bunch.target[left] % 2) + bunch.target[right] % 2
    return images[:, None], labels.astype(np.int64)


def pairs(seed: int) -> Data:
    """1,797 pairs of handwritten digits side by side, (1, 8, 16), and which of them are odd."""
    return dealt(*_digit_pairs(), seed, ("even-even", "even-odd", "odd-even", "odd-odd"))


WAVES = ("sine", "square", "saw", "triangle", "chirp", "burst")
WAVE_LENGTH = 64


@cache
def _drawn_waves(noise: float) -> tuple[Floats, Integers]:
    draw = np.random.default_rng(43)
    time = np.linspace(0, 1, WAVE_LENGTH)
    waves, labels = [], []
    for index in range(4800):
        label = index % len(WAVES)
        turns = (draw.uniform(3, 6) * time + draw.uniform()) % 1.0
        drawn = {
            "sine": np.sin(2 * np.pi * turns),
            "square": np.where(turns < 0.5, 1.0, -1.0),
            "saw": 2 * turns - 1,
            "triangle": 4 * abs(turns - 0.5) - 1,
            "chirp": np.sin(2 * np.pi * (draw.uniform(1, 2) * time + draw.uniform(4, 7) * time**2)),
            "burst": np.sin(2 * np.pi * 8 * time) * np.exp(-(((time - draw.uniform(0.25, 0.75)) / 0.12) ** 2)),
        }[WAVES[label]]
        waves.append(drawn / drawn.std() + noise * draw.standard_normal(WAVE_LENGTH))
        labels.append(label)
    return np.stack(waves), np.array(labels, dtype=np.int64)


def waves(seed: int) -> Data:
    """4,800 wave forms of six kinds, a channel of 64 samples: (1, 64)."""
    data = dealt(*_drawn_waves(0.3), seed, WAVES)
    return replace(data, inputs=data.inputs[:, None])


def flat_waves(seed: int) -> Data:
    """The same with less noise, as 64 numbers."""
    return dealt(*_drawn_waves(0.15), seed, WAVES)
