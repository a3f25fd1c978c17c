"""Series and sets, simulated: animals' tracks, appliances, rivers, outlines, jets of particles, questionnaires, ores.

As in `sources.py` a seed deals the records out to training and validation; what is made is the same for every seed.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from faults.nouns import Data
from faults.sources import Floats, Integers, dealt

WALKERS = ("forager", "spiral", "zigzag", "leaper", "homing")
STRIDES = 24


@cache
def _strolls() -> tuple[Floats, Integers]:
    """(records, strides, 2)."""
    draw = np.random.default_rng(401)
    labels = np.arange(4500) % len(WALKERS)
    rows = np.zeros((4500, STRIDES, 2))
    for row, label in enumerate(labels):
        turns, lengths = 0.35 * draw.standard_normal(STRIDES), draw.lognormal(0, 0.25, STRIDES)
        hand = draw.choice([-1, 1])
        if label == 1:
            turns = 0.6 * turns + hand * draw.uniform(0.25, 0.6)
        elif label == 2:
            turns = 0.6 * turns + hand * draw.uniform(0.5, 1.1) * (-1) ** np.arange(STRIDES)
        elif label == 3:
            turns, lengths = 3 * turns, 0.5 * lengths * np.where(draw.random(STRIDES) < 0.15, 5.0, 1.0)
        elif label == 4:
            turns[int(draw.integers(8, 16))] += np.pi
        heading = draw.uniform(0, 2 * np.pi) + np.cumsum(turns)
        rows[row] = lengths[:, None] * np.stack([np.cos(heading), np.sin(heading)], axis=1)
    return rows + 0.15 * draw.standard_normal(rows.shape), labels.astype(np.int64)


def strolls(seed: int) -> Data:
    """4,500 tracks of 24 strides, east and north, of five kinds of walkers: (24, 2)."""
    return dealt(*_strolls(), seed, WALKERS)


APPLIANCES = ("kettle", "fridge", "oven", "charger", "drill", "washer", "dimmer")
MINUTES = 48


@cache
def _loads() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(409)
    labels = np.arange(4900) % len(APPLIANCES)
    time = np.arange(MINUTES)
    rows = np.zeros((4900, 1, MINUTES))
    for row, label in enumerate(labels):
        start, span = int(draw.integers(2, 16)), int(draw.integers(20, 30))
        on = ((time >= start) & (time < start + span)).astype(np.float64)
        since = (time - start).clip(0)
        if label == 0:
            load = 2.4 * ((time >= start + 8) & (time < start + 8 + draw.integers(4, 8)))
        elif label == 1:
            load = 1.2 * ((time + start) % 16 < 7)
        elif label == 2:
            load = on * np.where(since < 9, 1.8, 1.8 * (since % 6 < 3))
        elif label == 3:
            load = on * 1.9 * np.exp(-since / draw.uniform(6, 10))
        elif label == 4:
            load = on * draw.gamma(0.6, 1.6, MINUTES).clip(0, 3)
        elif label == 5:
            load = on * np.where(since < 8, 1.7, 0.7 + 0.5 * np.sin(2 * np.pi * since / draw.uniform(3.5, 5)))
        else:
            load = on * 1.7 * np.minimum(1, since / draw.uniform(12, 18))
        rows[row, 0] = load * draw.lognormal(0, 0.15) + 0.3 * ((time + draw.integers(20)) % 20 < 9)
    return rows + 0.2 * draw.standard_normal(rows.shape), labels.astype(np.int64)


def loads(seed: int) -> Data:
    """4,900 stretches of 48 minutes of a household's load, a fridge behind it, in which one of seven appliances runs: (1, 48)."""
    return dealt(*_loads(), seed, APPLIANCES)


DAYS = 28


def _catchment(generator: int, count: int, quick: float, slow: float, share: float) -> tuple[Floats, Floats]:
    """Rain and flow of 28 days, and the flow of the day after, of a catchment of two stores of water."""
    draw = np.random.default_rng(generator)
    whole = DAYS + 31
    wet = np.zeros((count, whole), dtype=bool)
    for day in range(1, whole):
        wet[:, day] = draw.random(count) < np.where(wet[:, day - 1], 0.6, 0.2)
    rain = wet * draw.gamma(0.9, 1.0, (count, whole))
    upper, lower, flow = np.zeros(count), np.full(count, 0.8), np.zeros((count, whole))
    for day in range(whole):
        # Wet ground lets more run off. What runs off today is in the river tomorrow.
        flow[:, day] = upper / quick + lower / slow
        run_off = rain[:, day] * np.clip(0.25 + 0.12 * lower, 0, 0.9)
        upper += run_off - upper / quick
        lower += share * (rain[:, day] - run_off) - lower / slow
    seen = np.log(flow[:, -DAYS - 1 :] + 0.05)
    both = np.stack([np.sqrt(rain[:, -DAYS - 1 : -1]) - 0.5, 1.5 * seen[:, :-1] + 0.05 * draw.standard_normal((count, DAYS))], axis=2)
    return both, seen[:, -1] - seen[:, -6:-1].mean(axis=1)


def rivers(seed: int) -> Data:
    """4,000 times 28 days of rain and flow, and how far tomorrow's flow departs from the last five days': (28, 2), a regression."""
    return dealt(*_catchment(419, 4000, 2.5, 18.0, 0.6), seed)


ANGLES = 48


@cache
def _outlines() -> Floats:
    draw = np.random.default_rng(431)
    turn = 2 * np.pi * np.arange(ANGLES) / ANGLES
    order = np.arange(1, 7)[None, :, None]
    size = draw.normal(0, 1, (4200, 6, 1)) / order[..., :] ** 0.8
    radii = 0.35 * (size * np.cos(order * turn + draw.uniform(0, 2 * np.pi, (4200, 6, 1)))).sum(axis=1)
    spread: Floats = np.tanh(radii) + draw.normal(0, 0.1, (4200, 1)) + 0.03 * draw.standard_normal((4200, ANGLES))
    return spread


def outlines(seed: int) -> Data:
    """4,200 outlines of pebbles: 48 distances from the middle, made of six waves."""
    return dealt(_outlines(), np.zeros(4200, dtype=np.int64), seed)


JETS = ("quark", "gluon", "boson", "top")
PARTICLES = 16


@cache
def _jets() -> tuple[Floats, Integers]:
    """(records, particles, 3): the logarithm of the share of momentum, and two angles."""
    draw = np.random.default_rng(433)
    labels = np.arange(4800) % len(JETS)
    rows = np.zeros((4800, PARTICLES, 3))
    for row, label in enumerate(labels):
        prongs, wide = ((1, 0.35), (1, 0.6), (2, 0.3), (3, 0.3))[label]
        turn = draw.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(prongs) / max(1, prongs)
        axes = (0.0 if prongs == 1 else draw.uniform(0.55, 1.2)) * np.stack([np.cos(turn), np.sin(turn)], axis=1)
        share = draw.exponential(1, PARTICLES) ** (1.6 if label == 0 else 1.0)
        far = wide * draw.standard_normal((PARTICLES, 2)) / (0.5 + share[:, None])
        rows[row, :, 1:] = axes[draw.integers(prongs, size=PARTICLES)] + far.clip(-1.5, 1.5)
        rows[row, :, 0] = 0.4 * np.log(share / share.sum() + 1e-3) + 1.2
    return rows, labels.astype(np.int64)


def jets(seed: int) -> Data:
    """4,800 jets of 16 particles in any order, each a momentum and two angles, and what the jet came from: (16, 3)."""
    return dealt(*_jets(), seed, JETS)


ITEMS = 40


@cache
def _answers() -> Floats:
    draw = np.random.default_rng(439)
    traits = draw.standard_normal((5000, 4))
    asks = draw.standard_normal((4, ITEMS)) * (draw.random((4, ITEMS)) < 0.5) * 3.5
    logits = traits @ asks + draw.normal(0, 0.6, ITEMS)
    said: Floats = (draw.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(np.float64)
    return said


def questionnaires(seed: int) -> Data:
    """5,000 times 40 answers of yes or no, which follow from four traits; standardized, so that a yes is what lies above 0."""
    return dealt(_answers(), np.zeros(5000, dtype=np.int64), seed)


METALS = ("Cu", "Zn", "Pb", "Ag", "Au", "As", "Sb", "Fe", "Ni", "Co", "Mo", "W", "Sn", "Mn")
DEPOSITS = ("porphyry", "skarn", "massive-sulphide", "epithermal", "placer", "greisen", "laterite", "vein")
OTHER_DEPOSITS = ("sedimentary", "carbonatite", "orogenic", "layered", "roll-front", "breccia")


@cache
def _ores(other: bool) -> tuple[Floats, Integers]:
    # Sixteen fluids and the minerals that they leave are the same on both continents; which two fluids make which deposit is not.
    earth = np.random.default_rng(443)
    minerals, fluids = earth.gamma(0.35, 1.0, (9, len(METALS))), earth.gamma(0.5, 1.0, (16, 9))
    draw = np.random.default_rng(449 + other)
    kinds = len(OTHER_DEPOSITS if other else DEPOSITS)
    labels = np.arange(6000) % kinds
    habits = fluids[draw.permutation(16)[: 2 * kinds]].reshape(kinds, 2, 9)
    amount = habits[labels, draw.integers(2, size=6000)] * draw.lognormal(0, 0.7, (6000, 9))
    grades = amount @ minerals * draw.lognormal(0, 0.3, (6000, 1))
    return np.log(grades + 0.05) + 0.25 * draw.standard_normal(grades.shape), labels.astype(np.int64)


def ores(seed: int) -> Data:
    """6,000 assays of 14 metals, and the kind of deposit, of eight, each left by either of two fluids."""
    return dealt(*_ores(False), seed, DEPOSITS, METALS, per_column=True)


def other_ores(seed: int) -> Data:
    """6,000 of six other kinds, left by the same fluids."""
    return dealt(*_ores(True), seed, OTHER_DEPOSITS, METALS, per_column=True)
