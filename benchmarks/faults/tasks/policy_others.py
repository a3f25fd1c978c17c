"""Policies in other worlds: arms that pay by what is seen, a corridor with a key, a jointed arm that reaches, a rod held upright."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faults.nouns import Task
from faults.plan import Plan
from faults.tasks.policy import CONTINUOUS, DISCRETE, Bools, Floats, Game, maker, no_records, train

TASTES = np.random.default_rng(11).normal(size=(6, 5))
"""What each of five arms makes of the six numbers that are seen: the same in every run."""


@dataclass(slots=True, eq=False)
class Bandit:
    """Ten pulls an episode; the arm that suits best what is seen pays 1, the second best 0.5."""

    draw: np.random.Generator
    count: int
    seen: Floats = field(init=False)
    age: int = 0

    def reset(self) -> Floats:
        """Six numbers to choose by."""
        self.seen = self.draw.normal(size=(self.count, 6))
        return np.array(self.seen)

    def step(self, action: NDArray[Any]) -> tuple[Floats, Floats, Bools]:
        """New numbers after every pull."""
        order = np.argsort(-(self.seen @ TASTES), axis=1)
        reward = (action == order[:, 0]) + 0.5 * (action == order[:, 1])
        self.age += 1
        return self.reset(), reward, np.full(self.count, self.age % 10 == 0)


@dataclass(slots=True, eq=False)
class Corridor:
    """Seven fields in a row: a key lies on one, the door is at an end. 1 for the key, then 1 a step at the door; 24 steps."""

    draw: np.random.Generator
    count: int
    place: NDArray[np.int64] = field(init=False)
    key: NDArray[np.int64] = field(init=False)
    door: NDArray[np.int64] = field(init=False)
    held: Bools = field(init=False)
    age: int = 0

    def reset(self) -> Floats:
        """In the middle, without the key."""
        self.place, self.held, self.age = np.full(self.count, 3), np.zeros(self.count, dtype=np.bool_), 0
        self.key, self.door = self.draw.integers(0, 7, self.count), 6 * self.draw.integers(0, 2, self.count)
        return self._seen()

    def _seen(self) -> Floats:
        flags = np.stack([self.held, self.door > 0], axis=1).astype(np.float64)
        return np.concatenate([np.eye(7)[self.place], np.eye(7)[self.key], flags], axis=1)

    def step(self, action: NDArray[Any]) -> tuple[Floats, Floats, Bools]:
        """Left, right, or take what lies here."""
        self.place = np.clip(self.place + np.array([-1, 1, 0])[action], 0, 6)
        taken = (action == 2) & (self.place == self.key) & ~self.held
        reward = taken + (self.held & (self.place == self.door)).astype(np.float64)
        self.held |= taken
        self.age += 1
        ended = np.full(self.count, self.age >= 24)
        return (self.reset() if ended.all() else self._seen()), reward, ended


@dataclass(slots=True, eq=False)
class Arm:
    """An arm of two joints that turns them towards a goal within its reach; at most 1 a step for being near, 30 steps."""

    draw: np.random.Generator
    count: int
    joints: Floats = field(init=False)
    goal: Floats = field(init=False)
    age: int = 0

    def reset(self) -> Floats:
        """Half bent."""
        self.joints, self.age = np.tile([0.5, 1.0], (self.count, 1)), 0
        angle, reach = self.draw.uniform(-1.0, 2.5, self.count), self.draw.uniform(0.8, 1.8, self.count)
        self.goal = np.stack([reach * np.cos(angle), reach * np.sin(angle)], axis=1)
        return self._seen()

    def _hand(self) -> Floats:
        shoulder, both = self.joints[:, 0], self.joints.sum(axis=1)
        return np.stack([np.cos(shoulder) + np.cos(both), np.sin(shoulder) + np.sin(both)], axis=1)

    def _seen(self) -> Floats:
        return np.concatenate([np.cos(self.joints), np.sin(self.joints), self.goal, self.goal - self._hand()], axis=1)

    def step(self, action: NDArray[Any]) -> tuple[Floats, Floats, Bools]:
        """Turns are cut at 0.2 a step."""
        self.joints = self.joints + 0.2 * np.clip(action, -1, 1)
        reward = np.exp(-3 * ((self.goal - self._hand()) ** 2).sum(axis=1))
        self.age += 1
        ended = np.full(self.count, self.age >= 30)
        return (self.reset() if ended.all() else self._seen()), reward, ended


@dataclass(slots=True, eq=False)
class Rod:
    """A rod that starts aslant and is held upright by a torque at its foot; at most 1 a step, 50 steps."""

    draw: np.random.Generator
    count: int
    angle: Floats = field(init=False)
    turn: Floats = field(init=False)
    age: int = 0

    def reset(self) -> Floats:
        """Up to half a radian off, and slow."""
        self.angle, self.turn, self.age = self.draw.uniform(-0.5, 0.5, self.count), self.draw.uniform(-0.5, 0.5, self.count), 0
        return self._seen()

    def _seen(self) -> Floats:
        return np.stack([np.cos(self.angle), np.sin(self.angle), 0.3 * self.turn], axis=1)

    def step(self, action: NDArray[Any]) -> tuple[Floats, Floats, Bools]:
        """Euler steps of 0.05 seconds; the torque is cut at what holds it at about a radian."""
        self.turn = np.clip(self.turn + 0.05 * (9.8 * np.sin(self.angle) + 8 * np.clip(action[:, 0], -1, 1)), -8, 8)
        self.angle = self.angle + 0.05 * self.turn
        reward = np.exp(-4 * (1 - np.cos(self.angle)))
        self.age += 1
        ended = np.full(self.count, self.age >= 50)
        return (self.reset() if ended.all() else self._seen()), reward, ended


GAMES = {
    "bandit-reinforce": Game(Bandit, 6, 5, False, False, 20, 10.0, 1, 0.005),
    "corridor-ppo": Game(Corridor, 16, 3, False, False, 24, 20.2, 4, 0.01),
    "arm-ppo": Game(Arm, 8, 2, True, False, 30, 26.8, 4, 0.0),
    "rod-ppo": Game(Rod, 3, 1, True, True, 50, 49.4, 6, 0.0),
}
TASKS = (
    Task(
        "bandit-reinforce", "second", "bandit-discrete", "policy", no_records, maker(GAMES["bandit-reinforce"]),
        Plan(steps=150, batch_size=32, lr=5e-3, clip_norm=0.5), 0.6, DISCRETE, train=partial(train, GAMES["bandit-reinforce"]),
    ),
    Task(
        "corridor-ppo", "second", "corridor-discrete", "policy", no_records, maker(GAMES["corridor-ppo"]),
        Plan(steps=70, batch_size=32, lr=2e-3, clip_norm=0.5), 0.6, DISCRETE, train=partial(train, GAMES["corridor-ppo"]),
    ),
    Task(
        "arm-ppo", "second", "arm-continuous", "policy", no_records, maker(GAMES["arm-ppo"]),
        Plan(steps=70, batch_size=24, lr=1e-3, clip_norm=0.5), 0.6, CONTINUOUS, train=partial(train, GAMES["arm-ppo"]),
    ),
    Task(
        "rod-ppo", "second", "rod-continuous", "policy", no_records, maker(GAMES["rod-ppo"]),
        Plan(steps=60, batch_size=16, lr=3e-3, clip_norm=0.5), 0.6, CONTINUOUS, train=partial(train, GAMES["rod-ppo"]),
    ),
)  # fmt: skip
