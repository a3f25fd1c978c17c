"""Made signals: heart beats, marked numbers, clouds of points, spectra, sounds, and a table with factors behind it.

As in `sources.py` a seed deals the records out to training and validation; what is made is the same for every seed.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from faults.nouns import Data
from faults.sources import Floats, Integers, dealt

BEATS = ("normal", "early", "wide", "inverted", "blocked")
PULSE_LENGTH = 64


def _bump(time: Floats, place: float, width: float) -> Floats:
    bump: Floats = np.exp(-0.5 * ((time - place) / width) ** 2)
    return bump


@cache
def _drawn_pulses() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(101)
    time = np.arange(PULSE_LENGTH, dtype=np.float64)
    pulses, labels = [], []
    for index in range(4000):
        kind = BEATS[index % len(BEATS)]
        beat = np.zeros(PULSE_LENGTH)
        start, gap = draw.uniform(8, 16), draw.uniform(26, 32)
        for number in range(2):
            at = start + number * gap * (0.62 if kind == "early" else 1.0)
            sharp = 3.2 if kind == "wide" else 1.3
            beat += 0.0 if kind == "blocked" and number else 0.35 * _bump(time, at - 6, 1.8)
            beat += 1.6 * _bump(time, at, sharp) - 0.4 * _bump(time, at + 2.2 * sharp, 1.5)
            beat += (-0.5 if kind == "inverted" else 0.5) * _bump(time, at + 11, 2.8)
        wander = draw.uniform(0, 0.25) * np.sin(2 * np.pi * (draw.uniform(0.3, 1.0) * time / PULSE_LENGTH + draw.uniform()))
        pulses.append(draw.uniform(0.8, 1.2) * beat + wander + 0.12 * draw.standard_normal(PULSE_LENGTH))
        labels.append(index % len(BEATS))
    return np.stack(pulses), np.array(labels, dtype=np.int64)


def pulses(seed: int) -> Data:
    """4,000 pairs of heart beats of five kinds, 64 samples, under noise and a wandering base line."""
    return dealt(*_drawn_pulses(), seed, BEATS)


ADDED = 16


def adding(seed: int) -> Data:
    """6,000 times 16 numbers and then 16 marks, and the sum of the two numbers that are marked: a regression."""
    draw = np.random.default_rng(103)
    values = draw.uniform(-1, 1, size=(6000, ADDED))
    marks = np.zeros_like(values)
    for half in (0, 1):
        np.put_along_axis(marks, draw.integers(0, ADDED // 2, size=(6000, 1)) + half * ADDED // 2, 1.0, axis=1)
    told = (values * marks).sum(axis=1)
    # Both kinds of column at mean 0 and deviation 1.
    inputs = np.concatenate([values / values.std(), (marks - marks.mean()) / marks.std()], axis=1)
    return dealt(inputs, told, seed)


FORMS = ("circle", "square", "cross", "line", "blobs", "arc", "triangle", "spiral")
POINTS = 32


@cache
def _drawn_clouds() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(107)
    clouds, labels = [], []
    for index in range(4000):
        along, side = draw.uniform(0, 1, size=POINTS), draw.integers(0, 4, size=POINTS)
        turn = 2 * np.pi * along
        corner = np.exp(2j * np.pi * (np.arange(3) / 3 + 0.25))
        drawn = {
            "circle": np.exp(1j * turn),
            "square": (2 * along - 1 + 1j) * 1j**side * 0.85,
            "cross": 1.3 * (2 * along - 1) * 1j ** (side % 2),
            "line": 1.5 * (2 * along - 1) + 0j,
            "blobs": np.where(side < 2, 0.9, -0.9) + 0.25 * (draw.standard_normal(POINTS) + 1j * draw.standard_normal(POINTS)),
            "arc": np.exp(1j * turn / 2) - 0.5j,
            "triangle": (1 - along) * corner[side % 3] + along * corner[(side + 1) % 3],
            "spiral": 1.3 * along * np.exp(1.5j * turn),
        }[FORMS[index % len(FORMS)]]
        drawn = drawn * draw.uniform(0.8, 1.2) * np.exp(1j * draw.uniform(-0.4, 0.4)) + complex(*draw.uniform(-0.15, 0.15, size=2))
        points = np.stack([drawn.real, drawn.imag], axis=1) + 0.06 * draw.standard_normal((POINTS, 2))
        clouds.append(points.reshape(-1))
        labels.append(index % len(FORMS))
    return np.stack(clouds), np.array(labels, dtype=np.int64)


def clouds(seed: int) -> Data:
    """4,000 clouds of 32 points of the plane in eight forms: x and y of one point after the other."""
    return dealt(*_drawn_clouds(), seed, FORMS)


RASTER_SIDE = 16


def _raster(seed: int, forms: tuple[str, ...]) -> Data:
    every, labels = _drawn_clouds()
    rows = np.flatnonzero(np.isin(labels, [FORMS.index(form) for form in forms]))
    cells = np.clip(((every[rows].reshape(len(rows), POINTS, 2) + 2) / 4 * RASTER_SIDE).astype(np.int64), 0, RASTER_SIDE - 1)
    images = np.zeros((len(rows), 1, RASTER_SIDE, RASTER_SIDE))
    for at, cloud in enumerate(cells):
        np.add.at(images[at, 0], (cloud[:, 1], cloud[:, 0]), 1.0)
    targets = np.array([forms.index(FORMS[label]) for label in labels[rows]], dtype=np.int64)
    return dealt(np.sqrt(images), targets, seed, forms)


def raster_forms(seed: int) -> Data:
    """Clouds of four forms counted into (1, 16, 16) cells."""
    return _raster(seed, FORMS[1::2])


def other_raster_forms(seed: int) -> Data:
    """Those of the four other forms, as something to learn from beforehand."""
    return _raster(seed, FORMS[::2])


CHANNELS = 64


@cache
def _drawn_spectra() -> Floats:
    draw = np.random.default_rng(109)
    channel = np.arange(CHANNELS, dtype=np.float64)
    spectra = []
    for _ in range(3600):
        lines = sum(draw.gamma(2.0, 0.5) / (1 + ((channel - place) / 2.0) ** 2) for place in (9, 22, 37, 53))
        moving = draw.uniform(0.8, 1.6) * _bump(channel, draw.uniform(12, 52), draw.uniform(2.0, 5.0))
        ground = draw.uniform(0.2, 1.0) * np.exp(-channel / draw.uniform(15, 60))
        spectra.append(lines + moving + ground + 0.08 * draw.standard_normal(CHANNELS))
    return np.stack(spectra)


def spectra(seed: int) -> Data:
    """3,600 spectra of 64 channels: four lines of any height, one that moves, and a falling background."""
    drawn = _drawn_spectra()
    return dealt(drawn, np.zeros(len(drawn), dtype=np.int64), seed)


def factors(seed: int) -> Data:
    """3,600 records of 18 columns, each a smooth function of two of five hidden factors, with noise."""
    draw = np.random.default_rng(113)
    hidden = draw.standard_normal((3600, 5))
    columns = []
    for column in range(18):
        first, second = draw.permutation(5)[:2]
        bent = (np.tanh(1.5 * hidden[:, second]), hidden[:, second] ** 2 - 1, np.sin(2 * hidden[:, second]))[column % 3]
        columns.append(draw.choice([-1.0, 1.0]) * hidden[:, first] + 0.8 * bent + 0.25 * draw.standard_normal(3600))
    names = tuple(f"f{column:02d}" for column in range(18))
    return dealt(np.stack(columns, axis=1), np.zeros(3600, dtype=np.int64), seed, columns=names, per_column=True)


SOUNDS = ("arch", "valley", "vibrato", "trill", "siren", "crossing")
OTHER_SOUNDS = ("rise", "fall", "steady", "chord", "pulsed", "clicks")
SOUND_SIDE = 16


@cache
def _drawn_sounds(chosen: tuple[str, ...]) -> tuple[Floats, Integers]:
    draw = np.random.default_rng(127)
    bands, time = np.mgrid[0:SOUND_SIDE, 0:SOUND_SIDE].astype(np.float64)
    part = time / (SOUND_SIDE - 1)
    images, labels = [], []
    for index in range(1800):
        middle, depth, phase = draw.uniform(6, 9), draw.uniform(3, 5), draw.uniform()
        straight = 2 * depth * (part - 0.5)
        tracks, envelope = {
            "arch": ((depth * (1 - 8 * (part - 0.5) ** 2),), 1.0),
            "valley": ((depth * (8 * (part - 0.5) ** 2 - 1),), 1.0),
            "vibrato": ((0.6 * depth * np.sin(2 * np.pi * (3 * part + phase)),), 1.0),
            "trill": ((depth * np.sign(np.sin(2 * np.pi * (2.5 * part + phase))) * 0.7,), 1.0),
            "siren": ((2 * depth * ((1.8 * part + phase) % 1.0 - 0.5),), 1.0),
            "crossing": ((straight, -straight), 1.0),
            "rise": ((straight,), 1.0),
            "fall": ((-straight,), 1.0),
            "steady": ((0 * part,), 1.0),
            "chord": ((0 * part - depth, 0 * part, 0 * part + depth), 1.0),
            "pulsed": ((0 * part,), (np.sin(2 * np.pi * (3 * part + phase)) > 0) * 1.0),
            "clicks": (tuple(0 * part + offset for offset in range(-6, 7, 2)), (np.sin(2 * np.pi * (2 * part + phase)) > 0.8) * 1.0),
        }[chosen[index % len(chosen)]]
        image = sum(np.exp(-0.5 * ((bands - middle - track) / 0.9) ** 2) for track in tracks)
        images.append(draw.uniform(0.7, 1.3) * envelope * image + 0.3 * draw.standard_normal(bands.shape))
        labels.append(index % len(chosen))
    return np.stack(images)[:, None], np.array(labels, dtype=np.int64)


def sounds(seed: int) -> Data:
    """1,800 spectrograms of six kinds of sound under noise: (1, 16, 16), bands downwards and time to the right."""
    return dealt(*_drawn_sounds(SOUNDS), seed, SOUNDS)


def other_sounds(seed: int) -> Data:
    """Those of six other kinds, as something to learn from beforehand."""
    return dealt(*_drawn_sounds(OTHER_SOUNDS), seed, OTHER_SOUNDS)


def framed_pulses(seed: int) -> Data:
    """Heart beats as something to rebuild: the kinds are forgotten."""
    return replace(pulses(seed), classes=0, class_names=())
