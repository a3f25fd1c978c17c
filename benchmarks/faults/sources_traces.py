"""Traces of sensors worn on the body, simulated: three axes at a wrist, and eight electrodes on a head.

As in `sources.py` a seed deals the records out to training and validation; what is made is the same for every seed.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from faults.nouns import Data
from faults.sources import Floats, Integers, dealt

ACTIVITIES = ("walking", "running", "stairs", "sitting", "waving", "brushing", "cycling")


@cache
def _made_wrists() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(419)
    time = np.arange(64) / 25
    # Beats a second, how much each axis moves at once and at twice the pace, and how much it shakes.
    habits = {
        "walking": (1.9, (0.5, 0.3, 0.6), (0.4, 0.1, 0.3), 0.15), "running": (2.8, (1.4, 0.8, 1.8), (0.6, 0.3, 0.8), 0.3),
        "stairs": (1.5, (0.6, 0.4, 0.5), (0.2, 0.2, 0.5), 0.2), "sitting": (0.3, (0.05, 0.05, 0.05), (0.0, 0.0, 0.0), 0.08),
        "waving": (2.2, (0.3, 1.5, 0.4), (0.1, 0.2, 0.1), 0.15), "brushing": (3.6, (0.8, 0.3, 0.2), (0.1, 0.1, 0.1), 0.25),
        "cycling": (1.2, (0.2, 0.2, 0.2), (0.1, 0.1, 0.1), 0.4),
    }  # fmt: skip
    records, labels = [], []
    for index in range(2800):
        label = index % len(ACTIVITIES)
        pace, once, twice, shaking = habits[ACTIVITIES[label]]
        pace, strong, start = pace * draw.uniform(0.75, 1.25), draw.uniform(0.4, 1.5), draw.uniform(0, 2 * np.pi)
        angles = start + 2 * np.pi * pace * time + draw.normal(0, 0.4, size=(3, 1))
        moved = np.array(once)[:, None] * np.sin(angles) + np.array(twice)[:, None] * np.sin(2 * angles + 1)
        # The watch sits as it sits: a turn about the arm mixes two axes, and the ground pulls along one of them.
        turn = draw.normal(0, 0.3)
        mixed = np.array([[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]])
        pull = np.array([0.1, 0.3, 0.9])[:, None] + draw.normal(0, 0.15, size=(3, 1))
        records.append(mixed @ (strong * moved + pull) + shaking * draw.uniform(0.5, 3) * draw.standard_normal((3, 64)))
        labels.append(label)
    return np.stack(records), np.array(labels, dtype=np.int64)


def wrists(seed: int) -> Data:
    """2,800 stretches of two and a half seconds of acceleration at a wrist, and what was done: (3, 64)."""
    return dealt(*_made_wrists(), seed, ACTIVITIES)


IMAGINED = ("left_hand", "right_hand", "feet", "tongue")


@cache
def _made_thoughts() -> tuple[Floats, Integers]:
    draw = np.random.default_rng(421)
    time = np.arange(64) / 64
    # Where the rhythm of each of four sources is seen, and which of them is hushed by each thought.
    seen = np.abs(draw.normal(0, 0.35, size=(4, 8)))
    seen[np.arange(4), [1, 6, 3, 4]] += 1.2
    hushed = np.array([[1.0, 0.5, 0.9, 1.0], [0.5, 1.0, 0.9, 1.0], [1.0, 1.0, 0.45, 0.8], [0.9, 0.9, 1.0, 0.45]])
    records, labels = [], []
    for index in range(3200):
        label = index % len(IMAGINED)
        beat, start = draw.uniform(9.5, 12.5, size=(4, 1)), draw.uniform(0, 2 * np.pi, size=(4, 1))
        strong = hushed[label][:, None] * draw.uniform(0.75, 1.25, size=(4, 1))
        sources = strong * (np.sin(2 * np.pi * beat * time + start) + 0.4 * np.sin(4 * np.pi * beat * time + 2 * start))
        slow = draw.normal(0, 0.6) * np.sin(2 * np.pi * draw.uniform(0.5, 3) * time + draw.uniform(0, 6))
        records.append(seen.T @ sources + slow + 1.2 * draw.standard_normal((8, 64)))
        labels.append(label)
    return np.stack(records)[:, None], np.array(labels, dtype=np.int64)


def thoughts(seed: int) -> Data:
    """3,200 seconds of eight electrodes while a movement of one of four kinds is imagined: (1, 8, 64)."""
    return dealt(*_made_thoughts(), seed, IMAGINED)
