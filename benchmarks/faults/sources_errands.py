"""Errands to run: a crossing with lights, a depot, a lift, a drone with two rotors, an insulin pump. Many at once, in arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faults.tasks.policy import Bools, Floats

Whole = NDArray[np.int64]


@dataclass(slots=True, eq=False)
class Crossing:
    """Four arms of a crossing, green for one pair or the other; a change costs a step of yellow. At most 1 a step, less for who waits."""

    draw: np.random.Generator
    count: int
    waiting: Floats = field(init=False)
    rate: Floats = field(init=False)
    green: Whole = field(init=False)
    age: int = 0

    def reset(self) -> Floats:
        """A few cars wait; how many come differs by arm and by day."""
        self.waiting, self.age = self.draw.integers(0, 5, (self.count, 4)).astype(np.float64), 0
        busy = np.where(self.draw.random((self.count, 1)) < 0.5, [[0.5, 0.15, 0.5, 0.15]], [[0.15, 0.5, 0.15, 0.5]])
        self.rate = busy + self.draw.uniform(-0.1, 0.1, (self.count, 4))
        self.green = self.draw.integers(0, 2, self.count)
        return self._seen()

    def _seen(self) -> Floats:
        """Four numbers of each arm: who waits, who comes, whether it has green, how late it is."""
        has = (np.arange(4) % 2 == self.green[:, None]).astype(np.float64)
        parts = (self.waiting / 4 - 1, 4 * self.rate - 1.2, 2 * has - 1, np.full((self.count, 4), self.age / 20 - 1))
        return np.stack(parts, axis=2).reshape(self.count, 16)

    def step(self, action: NDArray[Any]) -> tuple[Floats, Floats, Bools]:
        """A car and now and then two leave each arm with green, unless the lights have only just changed; cars come; 40 steps."""
        turned = action != self.green
        self.green = action.astype(np.int64)
        flows = (np.arange(4) % 2 == self.green[:, None]) & ~turned[:, None]
        self.waiting = np.maximum(self.waiting - 1.2 * flows, 0)
        self.waiting = np.minimum(self.waiting + (self.draw.random((self.count, 4)) < self.rate), 12)
        reward = np.exp(-self.waiting.sum(axis=1) / 8)
        self.age += 1
        ended = np.full(self.count, self.age >= 40)
        return (self.reset() if ended.all() else self._seen()), reward, ended


@dataclass(slots=True, eq=False)
class Depot:
    """A depot that orders 0 to 5 crates a day, which come two days later; paid for what is sold, less for keeping and for ordering."""

    draw: np.random.Generator
    count: int
    shelf: Floats = field(init=False)
    coming: Floats = field(init=False)
    season: Floats = field(init=False)
    age: int = 0

    def reset(self) -> Floats:
        """Some crates are there, none are on their way."""
        self.shelf, self.coming, self.age = self.draw.integers(0, 7, self.count).astype(np.float64), np.zeros((self.count, 2)), 0
        self.season = self.draw.uniform(0, 2 * np.pi, self.count)
        return self._seen()

    def _wanted(self) -> Floats:
        return np.asarray(2.0 + 1.5 * np.sin(self.season + 2 * np.pi * self.age / 15))

    def _seen(self) -> Floats:
        turn = self.season + 2 * np.pi * self.age / 15
        return np.stack([
            self.shelf / 5 - 1, self.coming[:, 0] / 2 - 1, self.coming[:, 1] / 2 - 1, np.sin(turn), np.cos(turn),
            np.full(self.count, self.age / 15 - 1),
        ], axis=1)  # fmt: skip

    def step(self, action: NDArray[Any]) -> tuple[Floats, Floats, Bools]:
        """At most 15 crates fit; 30 days."""
        self.shelf = np.minimum(self.shelf + self.coming[:, 0], 15)
        self.coming = np.stack([self.coming[:, 1], action.astype(np.float64)], axis=1)
        asked = self.draw.poisson(self._wanted()).astype(np.float64)
        sold = np.minimum(asked, self.shelf)
        self.shelf = self.shelf - sold
        reward = (sold - 0.15 * self.shelf - 0.2 * (action > 0) - 0.3 * (asked - sold)) / 2
        self.age += 1
        ended = np.full(self.count, self.age >= 30)
        return (self.reset() if ended.all() else self._seen()), reward, ended


FLOORS = 5


@dataclass(slots=True, eq=False)
class Lift:
    """A lift between five floors that goes down, stays with open doors, or goes up; 1 for each who is let in, 1 for each brought home."""

    draw: np.random.Generator
    count: int
    place: Whole = field(init=False)
    calls: Bools = field(init=False)
    goals: Bools = field(init=False)
    age: int = 0

    def reset(self) -> Floats:
        """Somewhere, empty, with two or three who called."""
        self.place, self.age = self.draw.integers(0, FLOORS, self.count), 0
        self.calls, self.goals = self.draw.random((self.count, FLOORS)) < 0.5, np.zeros((self.count, FLOORS), dtype=np.bool_)
        return self._seen()

    def _seen(self) -> Floats:
        """Three numbers of each floor, one kind after another: whether the lift is here, who called, who wants to go there."""
        here = np.arange(FLOORS) == self.place[:, None]
        return np.concatenate([here, self.calls, self.goals], axis=1).astype(np.float64)

    def step(self, action: NDArray[Any]) -> tuple[Floats, Floats, Bools]:
        """Who gets in wants to another floor; on each floor someone calls now and then; 30 steps."""
        self.place = np.clip(self.place + action - 1, 0, FLOORS - 1)
        every, still = np.arange(self.count), action == 1
        out, into = self.goals[every, self.place] & still, self.calls[every, self.place] & still
        self.goals[every[out], self.place[out]] = False
        self.calls[every[into], self.place[into]] = False
        wish = (self.place + self.draw.integers(1, FLOORS, self.count)) % FLOORS
        self.goals[every[into], wish[into]] = True
        self.calls |= self.draw.random((self.count, FLOORS)) < 0.05
        self.age += 1
        ended = np.full(self.count, self.age >= 30)
        return (self.reset() if ended.all() else self._seen()), out + into.astype(np.float64), ended


@dataclass(slots=True, eq=False)
class Drone:
    """A drone with two rotors in an upright plane, to hover at a point; at most 0.2 a step for being near and level; a crash ends it."""

    draw: np.random.Generator
    count: int
    state: Floats = field(init=False)
    """(count, 6): across, up, angle, and their speeds; the point is at 0."""
    age: Whole = field(init=False)

    def reset(self) -> Floats:
        """Off the point and somewhat aslant."""
        self.state, self.age = self._begun(self.count), np.zeros(self.count, dtype=np.int64)
        return self._seen()

    def _begun(self, number: int) -> Floats:
        return np.asarray(self.draw.uniform(-1, 1, (number, 6)) * np.array([1.0, 1.0, 0.3, 0.2, 0.2, 0.2]))

    def _seen(self) -> Floats:
        return np.asarray(self.state * np.array([1.0, 1.0, 2.0, 1.0, 1.0, 0.7]))

    def step(self, action: NDArray[Any]) -> tuple[Floats, Floats, Bools]:
        """Euler steps of 0.08 seconds; with both actions 0 the rotors carry the weight."""
        push = 0.5 * np.clip(action, -1, 1)
        angle, *speeds = self.state[:, 2:].T
        lifted, turned = 4.9 * (2 + push.sum(axis=1)), 8 * (push[:, 1] - push[:, 0])
        gained = np.stack([-lifted * np.sin(angle), lifted * np.cos(angle) - 9.8, turned], axis=1)
        moving = 0.98 * np.stack(speeds, axis=1) + 0.08 * gained
        self.state = np.concatenate([self.state[:, :3] + 0.08 * moving, moving], axis=1)
        away = np.square(self.state[:, :2]).sum(axis=1)
        reward = 0.2 * np.exp(-1.5 * away - 0.5 * self.state[:, 2] ** 2)
        self.age += 1
        fallen = (away > 9) | (np.abs(self.state[:, 2]) > 1.2)
        ended = fallen | (self.age >= 50)
        self.state[ended], self.age[ended] = self._begun(int(ended.sum())), 0
        return self._seen(), reward, ended


@dataclass(slots=True, eq=False)
class Insulin:
    """Sugar in the blood over a day of half hours with three meals, and a pump that answers late; at most 1 a step for being in range."""

    draw: np.random.Generator
    count: int
    sugar: Floats = field(init=False)
    active: Floats = field(init=False)
    """Insulin under the skin and in the blood, (count, 2)."""
    gut: Floats = field(init=False)
    meals: Floats = field(init=False)
    age: int = 0

    def reset(self) -> Floats:
        """In the morning, somewhat off the range."""
        self.sugar, self.active, self.gut, self.age = (
            self.draw.uniform(5, 11, self.count),
            np.zeros((self.count, 2)),
            np.zeros(self.count),
            0,
        )
        self.meals = self.draw.uniform(2, 7, (self.count, 3))
        return self._seen()

    def _seen(self) -> Floats:
        """Breakfast is announced one step ahead, and so are the other meals."""
        coming = self.meals[:, self.age // 14 % 3] if self.age % 14 == 2 else np.zeros(self.count)
        late = np.full(self.count, self.age / 21 - 1)
        return np.stack([self.sugar / 3 - 2.2, self.active[:, 0] - 0.5, self.active[:, 1] - 0.5, self.gut / 3, coming / 4, late], axis=1)

    def step(self, action: NDArray[Any]) -> tuple[Floats, Floats, Bools]:
        """The dose goes under the skin, then into the blood, and takes sugar out with what there is of it; 42 steps."""
        dose = (np.clip(action[:, 0], -1, 1) + 1) / 2
        if self.age % 14 == 2:
            self.gut = self.gut + self.meals[:, self.age // 14 % 3]
        under, within = self.active.T
        self.active = np.stack([0.6 * under + dose, 0.6 * within + 0.4 * under], axis=1)
        taken = 0.3 * self.gut
        self.gut = self.gut - taken
        self.sugar = np.clip(
            self.sugar + taken + 0.5 - 0.12 * self.sugar * self.active[:, 1] + 0.1 * self.draw.normal(size=self.count), 2, 20
        )
        reward = np.exp(-(((self.sugar - 6.5) / 2) ** 2))
        self.age += 1
        ended = np.full(self.count, self.age >= 42)
        return (self.reset() if ended.all() else self._seen()), reward, ended
