"""Devices to run: servers with queues, a bird between walls, two tanks with pumps, a battery on a market. Many at once, in arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faults.tasks.policy import Bools, Floats

SPEEDS = np.array([1.0, 0.8, 0.5, 0.3])
"""Work that each of four servers gets done in a step."""


@dataclass(slots=True, eq=False)
class Queues:
    """Each step a job arrives, and one of four servers gets it; at most 1 a job, less the longer it takes till it is done; 30 jobs."""

    draw: np.random.Generator
    count: int
    backlog: Floats = field(init=False)
    job: Floats = field(init=False)
    age: int = 0

    def reset(self) -> Floats:
        """Some work waits everywhere."""
        self.backlog, self.age = self.draw.uniform(0, 2, (self.count, 4)), 0
        return self._seen()

    def _seen(self) -> Floats:
        """Four numbers of each server: what waits, its speed, the job, how late it is."""
        self.job = self.draw.uniform(0.4, 4.0, self.count)
        parts = (self.backlog / 3 - 1, 2 * SPEEDS - 1, self.job[:, None] / 2 - 1, np.array(self.age / 15 - 1))
        return np.stack([np.broadcast_to(part, (self.count, 4)) for part in parts], axis=2).reshape(self.count, 16)

    def step(self, action: NDArray[Any]) -> tuple[Floats, Floats, Bools]:
        """The job joins a queue, then all servers work."""
        every = np.arange(self.count)
        self.backlog[every, action] += self.job
        reward = np.exp(-self.backlog[every, action] / SPEEDS[action] / 5)
        self.backlog = np.maximum(self.backlog - SPEEDS, 0)
        self.age += 1
        ended = np.full(self.count, self.age >= 30)
        return (self.reset() if ended.all() else self._seen()), reward, ended


@dataclass(slots=True, eq=False)
class Flapper:
    """A bird that falls unless it flaps, and five walls with a gap, eight steps apart; 1 for each wall passed, the first hit ends it."""

    draw: np.random.Generator
    count: int
    height: Floats = field(init=False)
    speed: Floats = field(init=False)
    gap: Floats = field(init=False)
    age: NDArray[np.int64] = field(init=False)

    def reset(self) -> Floats:
        """In the middle, eight steps before a wall."""
        self.height, self.speed, self.age = np.full(self.count, 0.5), np.zeros(self.count), np.zeros(self.count, dtype=np.int64)
        self.gap = self.draw.uniform(0.2, 0.8, self.count)
        return self._seen()

    def _seen(self) -> Floats:
        left = (8 - self.age % 8) / 4 - 1
        return np.stack([2 * self.height - 1, 10 * self.speed, 3 * (self.gap - self.height), left, self.age / 20 - 1], axis=1)

    def step(self, action: NDArray[Any]) -> tuple[Floats, Floats, Bools]:
        """A flap sets the speed; floor and ceiling hold."""
        self.speed = np.where(action == 1, 0.08, self.speed - 0.025)
        moved = self.height + self.speed
        self.height = np.clip(moved, 0, 1)
        self.speed = np.where(self.height == moved, self.speed, 0.0)
        self.age += 1
        wall = self.age % 8 == 0
        passed = wall & (np.abs(self.height - self.gap) < 0.15)
        ended = (wall & ~passed) | (self.age >= 40)
        self.height[ended], self.speed[ended], self.age[ended] = 0.5, 0.0, 0
        self.gap[wall] = self.draw.uniform(0.2, 0.8, int(wall.sum()))
        return self._seen(), passed.astype(np.float64), ended


@dataclass(slots=True, eq=False)
class Tanks:
    """Two joined tanks with a slow pump each, to be filled to a level of their own; at most 1 a step for both being near, 40 steps."""

    draw: np.random.Generator
    count: int
    level: Floats = field(init=False)
    flow: Floats = field(init=False)
    goal: Floats = field(init=False)
    age: int = 0

    def reset(self) -> Floats:
        """Half full, the pumps at half."""
        self.level, self.flow = self.draw.uniform(0.3, 0.6, (self.count, 2)), np.full((self.count, 2), 0.5)
        self.goal, self.age = self.draw.uniform(0.3, 0.9, (self.count, 2)), 0
        return self._seen()

    def _seen(self) -> Floats:
        late = np.full((self.count, 1), self.age / 20 - 1)
        return np.concatenate([3 * (self.goal - self.level), 3 * self.level - 1.8, 2 * self.flow - 1, late], axis=1)

    def step(self, action: NDArray[Any]) -> tuple[Floats, Floats, Bools]:
        """What runs out goes with the root of the level, what runs across with the difference."""
        self.flow = 0.6 * self.flow + 0.4 * (np.clip(action, -1, 1) + 1) / 2
        across = 0.1 * (self.level - self.level[:, ::-1])
        self.level = np.clip(self.level + 0.2 * self.flow - 0.1 * np.sqrt(self.level) - across, 0.01, 1.2)
        reward = np.exp(-15 * ((self.goal - self.level) ** 2).sum(axis=1))
        self.age += 1
        ended = np.full(self.count, self.age >= 40)
        return (self.reset() if ended.all() else self._seen()), reward, ended


@dataclass(slots=True, eq=False)
class Battery:
    """A battery that buys and sells at a price that swings twice in 48 hours; paid what it earns, its stock counted at the mean price."""

    draw: np.random.Generator
    count: int
    stock: Floats = field(init=False)
    start: Floats = field(init=False)
    noise: Floats = field(init=False)
    age: int = 0

    def reset(self) -> Floats:
        """Half full, at any hour."""
        self.stock, self.age = np.full(self.count, 0.5), 0
        self.start, self.noise = self.draw.uniform(0, 2 * np.pi, self.count), np.zeros(self.count)
        return self._seen()

    def _phase(self) -> Floats:
        return np.asarray(self.start + 2 * np.pi * self.age / 24)

    def _price(self) -> Floats:
        return np.asarray(5 + 3 * np.sin(self._phase()) + self.noise)

    def _seen(self) -> Floats:
        hour, late = self._phase(), np.full(self.count, self.age / 24 - 1)
        return np.stack([3 * self.stock - 1.5, (self._price() - 5) / 2, np.sin(hour), np.cos(hour), late], axis=1)

    def step(self, action: NDArray[Any]) -> tuple[Floats, Floats, Bools]:
        """At most a fifth of it an hour, and a tenth of what is bought is lost."""
        wanted = 0.2 * np.clip(action[:, 0], -1, 1)
        moved = np.clip(self.stock + wanted, 0, 1) - self.stock
        bought, sold = np.maximum(moved, 0) / 0.9, np.maximum(-moved, 0)
        reward = self._price() * (sold - bought) + 5 * moved
        self.stock = self.stock + moved
        self.noise = 0.8 * self.noise + 0.4 * self.draw.normal(size=self.count)
        self.age += 1
        ended = np.full(self.count, self.age >= 48)
        return (self.reset() if ended.all() else self._seen()), reward, ended
