"""Worlds to act in: a ball to catch, a lake that slips, a lane that bends, a car in a valley. Many at once, in arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faults.tasks.policy import Bools, Floats

Fields = NDArray[np.int64]


@dataclass(slots=True, eq=False)
class Catch:
    """Three balls an episode, each falls slantwise through eight rows of seven fields; 1 for each caught, 0.3 for one beside."""

    draw: np.random.Generator
    count: int
    row: int = 0
    balls: int = 0
    ball: Fields = field(init=False)
    before: Fields = field(init=False)
    drift: Fields = field(init=False)
    paddle: Fields = field(init=False)

    def reset(self) -> Floats:
        """A new ball at the top, the paddle in the middle."""
        self.paddle, self.balls = np.full(self.count, 3), 0
        self._drop()
        return self._seen()

    def _drop(self) -> None:
        self.row, self.ball, self.drift = 0, self.draw.integers(0, 7, self.count), self.draw.integers(-1, 2, self.count)
        self.before = np.array(self.ball)

    def _seen(self) -> Floats:
        planes, every = np.zeros((self.count, 3, 8, 7)), np.arange(self.count)
        planes[every, 0, self.row, self.ball] = 1
        planes[every, 1, max(0, self.row - 1), self.before] = 1
        planes[every, 2, 7, self.paddle] = 1
        return planes.reshape(self.count, -1)

    def step(self, action: NDArray[Any]) -> tuple[Floats, Floats, Bools]:
        """Left, stay, right; walls throw the ball back."""
        self.paddle = np.clip(self.paddle + action - 1, 0, 6)
        self.drift = np.where((self.ball + self.drift < 0) | (self.ball + self.drift > 6), -self.drift, self.drift)
        self.before, self.ball, self.row = self.ball, self.ball + self.drift, self.row + 1
        if self.row < 7:
            return self._seen(), np.zeros(self.count), np.zeros(self.count, dtype=np.bool_)
        missed = np.abs(self.ball - self.paddle)
        self.balls += 1
        ended = np.full(self.count, self.balls == 3)
        self._drop()
        return (self.reset() if ended.all() else self._seen()), np.select([missed == 0, missed == 1], [1.0, 0.3], 0.0), ended


LAKE = np.array([list(row) for row in ("....o", ".o...", "...o.", "o....", "..o.G")])
"""Ice, holes, and the goal."""


@dataclass(slots=True, eq=False)
class Lake:
    """A frozen lake of 5 x 5 fields: one step in five goes to a side. From any ice to the goal, which pays 1, within 30 steps."""

    draw: np.random.Generator
    count: int
    place: Fields = field(init=False)
    age: Fields = field(init=False)

    def reset(self) -> Floats:
        """Anywhere on the ice."""
        self.place, self.age = self._starts(self.count), np.zeros(self.count, dtype=np.int64)
        return self._seen()

    def _starts(self, count: int) -> Fields:
        ice = np.argwhere(LAKE == ".")
        return np.asarray(ice[self.draw.integers(0, len(ice), count)])

    def _seen(self) -> Floats:
        return np.asarray(np.eye(25)[5 * self.place[:, 0] + self.place[:, 1]])

    def step(self, action: NDArray[Any]) -> tuple[Floats, Floats, Bools]:
        """Four ways in a circle, so that the next and the one before are the sides; holes and the goal end it."""
        slip = self.draw.choice([0, 1, 3], self.count, p=[0.8, 0.1, 0.1])
        self.place = np.clip(self.place + np.array([[0, 1], [1, 0], [0, -1], [-1, 0]])[(action + slip) % 4], 0, 4)
        self.age += 1
        there = LAKE[self.place[:, 0], self.place[:, 1]]
        ended = (there != ".") | (self.age >= 30)
        self.place[ended], self.age[ended] = self._starts(int(ended.sum())), 0
        return self._seen(), (there == "G").astype(np.float64), ended


@dataclass(slots=True, eq=False)
class Lane:
    """A car on a road that bends: steered and sped up, paid for its speed along the middle of its lane; at most 0.2 a step, 50 steps."""

    draw: np.random.Generator
    count: int
    aside: Floats = field(init=False)
    heading: Floats = field(init=False)
    speed: Floats = field(init=False)
    bend: Floats = field(init=False)
    next_bend: Floats = field(init=False)
    age: int = 0

    def reset(self) -> Floats:
        """Slow, and somewhat off the middle."""
        self.aside, self.heading = self.draw.uniform(-0.6, 0.6, self.count), self.draw.uniform(-0.3, 0.3, self.count)
        self.speed, self.age = np.ones(self.count), 0
        self.bend, self.next_bend = self.draw.uniform(-0.6, 0.6, (2, self.count))
        return self._seen()

    def _seen(self) -> Floats:
        return np.stack([self.aside, 2 * self.heading, self.speed - 2, 2 * self.bend, 2 * self.next_bend], axis=1)

    def step(self, action: NDArray[Any]) -> tuple[Floats, Floats, Bools]:
        """Euler steps of 0.1 seconds; steering turns the car with its speed, the road bends anew every ten steps."""
        steer, throttle = np.clip(action, -1, 1).T
        self.speed = np.clip(self.speed + 0.1 * (2 * throttle - 0.3 * self.speed), 0, 3)
        self.heading = np.clip(self.heading + 0.1 * self.speed * (steer - self.bend), -1.5, 1.5)
        self.aside = np.clip(self.aside + 0.1 * self.speed * np.sin(self.heading), -3, 3)
        reward = self.speed / 15 * np.cos(self.heading) * np.exp(-3 * self.aside**2)
        self.age += 1
        if self.age % 10 == 0:
            self.bend, self.next_bend = self.next_bend, self.draw.uniform(-0.6, 0.6, self.count)
        ended = np.full(self.count, self.age >= 50)
        return (self.reset() if ended.all() else self._seen()), reward, ended


@dataclass(slots=True, eq=False)
class Valley:
    """A car too weak for the hill, which has to swing: paid for the energy it gains, then 0.2 a step at the flag, less effort; 60 steps."""

    draw: np.random.Generator
    count: int
    place: Floats = field(init=False)
    speed: Floats = field(init=False)
    age: int = 0

    def reset(self) -> Floats:
        """At rest near the bottom."""
        self.place, self.speed, self.age = self.draw.uniform(-0.6, -0.4, self.count), np.zeros(self.count), 0
        return self._seen()

    def _seen(self) -> Floats:
        return np.stack([2 * (self.place + 0.5), 40 * self.speed], axis=1)

    def _energy(self) -> Floats:
        return np.asarray(np.sin(3 * self.place) * 0.0025 / 3 + 0.5 * self.speed**2)

    def step(self, action: NDArray[Any]) -> tuple[Floats, Floats, Bools]:
        """A push is held for four of the usual steps; the flag holds the car."""
        before = self._energy()
        for _ in range(4):
            moving = self.place < 0.45
            pushed = self.speed + 0.0015 * np.clip(action[:, 0], -1, 1) - 0.0025 * np.cos(3 * self.place)
            self.speed = np.where(moving, np.clip(pushed, -0.07, 0.07), self.speed)
            self.place = np.where(moving, np.clip(self.place + self.speed, -1.2, 0.6), self.place)
            self.speed = np.where((self.place <= -1.2) & (self.speed < 0), 0.0, self.speed)
        effort = np.clip(action[:, 0], -3, 3) ** 2
        reward = 1500 * (self._energy() - before) + 0.2 * (self.place >= 0.45) - 0.02 * effort
        self.age += 1
        ended = np.full(self.count, self.age >= 60)
        return (self.reset() if ended.all() else self._seen()), reward, ended
