"""Measured courses, simulated: heat on a network of pipes, yield curves, gaits, tides; and drawn pieces of a puzzle.

As in `sources.py` a seed deals the records out to training and validation; what is made is the same for every seed.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from faults.nouns import Data
from faults.sources import Floats, Integers, dealt

QUARTERS = ("north", "east", "south", "west")
NODES = 20


@cache
def pipework() -> Floats:
    """(20, 20) symmetric neighbours of 0 and 1: four quarters of five nodes, dense within, two pipes from each to the next."""
    draw = np.random.default_rng(199)
    quarter = np.arange(NODES) // 5
    near = np.triu((quarter[:, None] == quarter[None, :]) & (draw.random((NODES, NODES)) < 0.7), 1).astype(np.float64)
    for at in range(4):
        for _ in range(2):
            near[at * 5 + draw.integers(5), (at + 1) % 4 * 5 + draw.integers(5)] = 1
    whole: Floats = np.clip(near + near.T, 0, 1)
    return whole


@cache
def _heat() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(211)
    near = pipework()
    spread = 0.5 * np.eye(NODES) + 0.5 * near / near.sum(axis=1, keepdims=True).clip(1)
    labels = np.arange(4000) % 4
    rows = np.zeros((4000, NODES))
    for row, label in enumerate(labels):
        state = np.zeros(NODES)
        state[label * 5 + draw.integers(5)] = draw.uniform(0.8, 1.6) * draw.choice([-1, 1])
        rows[row] = np.linalg.matrix_power(spread, int(draw.integers(0, 4))).T @ state
    return rows + 0.1 * draw.standard_normal(rows.shape), labels.astype(np.int64)


def heat(seed: int) -> Data:
    """4,000 states of a network of 20 pipes, heated or cooled at one place some time ago, under noise, and the quarter of that place."""
    return dealt(*_heat(), seed, QUARTERS)


CURVES = ("rising", "falling", "humped", "sagging", "level")
MATURITIES = 32


@cache
def _yields() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(223)
    time = np.linspace(0.25, 30, MATURITIES)
    labels = np.arange(4500) % len(CURVES)
    slope = np.array([-2.5, 2.5, 0.0, 0.0, 0.0])[labels] + draw.normal(0, 0.7, size=4500)
    bend = np.array([0.0, 0.0, 4.0, -4.0, 0.0])[labels] + draw.normal(0, 1.0, size=4500)
    late = draw.normal(0, 0.8, size=4500)
    level, decay, second = draw.normal(0, 1.2, size=4500), draw.uniform(1.0, 3.0, size=4500), draw.uniform(5, 9, size=4500)
    first, last = time / decay[:, None], time / second[:, None]
    load = (1 - np.exp(-first)) / first
    curve = level[:, None] + slope[:, None] * load + bend[:, None] * (load - np.exp(-first))
    curve += late[:, None] * ((1 - np.exp(-last)) / last - np.exp(-last))
    return curve + 0.12 * draw.standard_normal(curve.shape), labels.astype(np.int64)


def yields(seed: int) -> Data:
    """4,500 yield curves of 32 maturities by Nelson, Siegel and Svensson, with noise, and their form."""
    return dealt(*_yields(), seed, CURVES)


GAITS = ("walk", "run", "limp", "climb", "march")
FRAMES = 32


@cache
def _gaits() -> tuple[Floats, Integers]:
    """(records, 2, frames): hip, then knee."""
    draw = np.random.default_rng(227)
    labels = np.arange(4500) % len(GAITS)
    weight = draw.normal(0, 1, size=(len(GAITS), 2, 3)) * np.array([1.0, 0.6, 0.35])
    shift = draw.uniform(0, 2 * np.pi, size=(len(GAITS), 2, 3))
    turn = 2 * np.pi * np.arange(FRAMES) / 20 * draw.uniform(0.85, 1.15, size=(4500, 1)) + draw.uniform(0, 2 * np.pi, size=(4500, 1))
    phases = np.arange(1, 4)[:, None] * turn[:, None, None, :] + shift[labels][..., None]
    size = weight[labels] * draw.lognormal(0, 0.2, size=(4500, 2, 1))
    angles = (size[..., None] * np.sin(phases)).sum(axis=2) + draw.normal(0, 0.3, size=(4500, 2, 1))
    return angles + 0.15 * draw.standard_normal(angles.shape), labels.astype(np.int64)


def gaits(seed: int) -> Data:
    """4,500 recordings of hip and knee, 32 frames each, of five gaits: (2, 32)."""
    return dealt(*_gaits(), seed, GAITS)


def flat_gaits(seed: int) -> Data:
    """The same as 64 numbers."""
    data = gaits(seed)
    return replace(data, inputs=data.inputs.flatten(1))


HOURS = 28
_PERIODS = (12.42, 12.0, 23.93, 25.82)


def _sea(heights: tuple[float, ...], generator: int, count: int) -> tuple[Floats, Floats]:
    """Hours of the level of the sea, and its level three hours later."""
    draw = np.random.default_rng(generator)
    time = np.arange(HOURS + 3)
    size = np.array(heights) * draw.lognormal(0, 0.35, size=(count, 4))
    turns = 2 * np.pi * (time / np.array(_PERIODS)[:, None] + draw.random((count, 4, 1)))
    level = (size[..., None] * np.cos(turns)).sum(axis=1) + 0.15 * draw.normal(size=(count, 1))
    # Shallow water steepens the rise.
    level = level + 0.12 * level**2
    seen = level + 0.06 * draw.standard_normal(level.shape)
    return seen[:, :HOURS], level[:, -1]


def tides(seed: int) -> Data:
    """3,600 times 28 hours of the tide at a port on an ocean, and the level three hours later: a regression."""
    return dealt(*_sea((1.0, 0.35, 0.15, 0.1), 229, 3600), seed)


def inland_tides(seed: int) -> Data:
    """2,400 of a port on a gulf, where the tide of a day is the larger one."""
    return dealt(*_sea((0.4, 0.15, 0.8, 0.6), 233, 2400), seed)


FOURS = {
    "bar": ("1111",), "box": ("11", "11"), "tee": ("111", "010"), "ess": ("011", "110"), "ell": ("111", "100"),
}  # fmt: skip
FIVES = {
    "pee": ("111", "110"), "cup": ("101", "111"), "cross": ("010", "111", "010"), "vee": ("100", "100", "111"),
    "stair": ("100", "110", "011"), "long": ("11111",),
}  # fmt: skip
BOARD = 12


@cache
def _pieces(five: bool) -> tuple[Floats, Integers]:
    draw = np.random.default_rng(239 + five)
    table = FIVES if five else FOURS
    images = np.zeros((3000, 1, BOARD, BOARD))
    labels = np.arange(3000) % len(table)
    for row, label in enumerate(labels):
        cells = np.array([[int(cell) for cell in line] for line in tuple(table.values())[label]])
        cells = np.rot90(np.kron(cells, np.ones((2, 2))), int(draw.integers(4)))
        down, right = (int(draw.integers(BOARD - side + 1)) for side in cells.shape)
        images[row, 0, down : down + cells.shape[0], right : right + cells.shape[1]] = cells * draw.uniform(0.7, 1.3)
    return images + 0.2 * draw.standard_normal(images.shape), labels.astype(np.int64)


def fours(seed: int) -> Data:
    """3,000 pieces of four squares, of five kinds, turned and moved, under noise: (1, 12, 12)."""
    return dealt(*_pieces(False), seed, tuple(FOURS))


def fives(seed: int) -> Data:
    """3,000 pieces of five squares, of six kinds."""
    return dealt(*_pieces(True), seed, tuple(FIVES))
