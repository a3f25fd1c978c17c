"""Policies that learn from rewards: REINFORCE with a baseline, and PPO, on four environments that are written here.

Environments run as many at once in arrays. The score is 1 less the mean return of the last tenth of the updates as a share of the best
return there is; untrained is the same of the first rollout. Faults change the algorithm by `settings`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from faults.games import intervals, logged, setting, snapshot, suited, with_roles
from faults.nouns import Data, Fault, Point, Snapshot, Task, Trained
from faults.plan import Plan, Style

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
TAGS = (
    {
        "return": "rollout/ep_rew_mean", "entropy": "train/entropy_loss", "kl": "train/approx_kl", "clipped": "train/clip_fraction",
        "explained": "train/explained_variance", "policy": "train/policy_gradient_loss", "value": "train/value_loss", "std": "train/std",
    },
    {
        "return": "charts/episodic_return", "entropy": "losses/entropy", "kl": "losses/approx_kl", "clipped": "losses/clipfrac",
        "explained": "losses/explained_variance", "policy": "losses/policy_loss", "value": "losses/value_loss",
    },
    {
        "return": "Train/mean_reward", "entropy": "Loss/entropy", "policy": "Loss/surrogate", "value": "Loss/value_function",
        "std": "Policy/mean_noise_std",
    },
    {"return": "Environment/Cumulative Reward", "entropy": "Policy/Entropy", "policy": "Losses/Policy Loss", "value": "Losses/Value Loss"},
)  # fmt: skip
"""What Stable-Baselines3, CleanRL, rsl_rl and ML-Agents call what they log; the first logs minus the entropy."""


class World(Protocol):
    """Many environments at once."""

    def reset(self) -> Floats:
        """First observations."""

    def step(self, action: NDArray[Any]) -> tuple[Floats, Floats, Bools]:
        """Observations, rewards, and which episodes ended; ended ones begin anew."""


@dataclass(slots=True, eq=False)
class Pole:
    """A pole on a cart that is pushed left or right, with the usual constants; 1 for each step that it stands, 200 at most."""

    draw: np.random.Generator
    count: int
    state: Floats = field(init=False)
    age: NDArray[np.int64] = field(init=False)

    def reset(self) -> Floats:
        """Nearly upright."""
        self.state, self.age = self.draw.uniform(-0.05, 0.05, (self.count, 4)), np.zeros(self.count, dtype=np.int64)
        return np.array(self.state)

    def step(self, action: NDArray[Any]) -> tuple[Floats, Floats, Bools]:
        """Euler steps of 0.02 seconds."""
        place, speed, angle, turn = self.state.T
        along = (np.where(action == 1, 10.0, -10.0) + 0.05 * turn**2 * np.sin(angle)) / 1.1
        bend = (9.8 * np.sin(angle) - np.cos(angle) * along) / (0.5 * (4 / 3 - 0.1 * np.cos(angle) ** 2 / 1.1))
        push = along - 0.05 * bend * np.cos(angle) / 1.1
        self.state = np.stack([place + 0.02 * speed, speed + 0.02 * push, angle + 0.02 * turn, turn + 0.02 * bend], axis=1)
        self.age += 1
        ended = (np.abs(self.state[:, 0]) > 2.4) | (np.abs(self.state[:, 2]) > math.radians(12)) | (self.age >= 200)
        self.state[ended] = self.draw.uniform(-0.05, 0.05, (int(ended.sum()), 4))
        self.age[ended] = 0
        return self.state.copy(), np.ones(self.count), ended


@dataclass(slots=True, eq=False)
class Pushed:
    """A point with inertia, pushed towards a goal on the unit sphere of `axes` dimensions; at most 1 a step for being near."""

    draw: np.random.Generator
    count: int
    axes: int
    place: Floats = field(init=False)
    speed: Floats = field(init=False)
    goal: Floats = field(init=False)
    age: int = 0

    def reset(self) -> Floats:
        """At rest in the middle."""
        self.place, self.speed, self.age = np.zeros((self.count, self.axes)), np.zeros((self.count, self.axes)), 0
        goal = self.draw.normal(size=(self.count, self.axes))
        self.goal = goal / np.linalg.norm(goal, axis=1, keepdims=True)
        return self._seen()

    def _seen(self) -> Floats:
        return np.concatenate([self.goal - self.place, self.speed], axis=1)

    def step(self, action: NDArray[Any]) -> tuple[Floats, Floats, Bools]:
        """Pushes are cut at 1; all episodes end together after 40 steps."""
        self.speed = 0.8 * self.speed + 0.1 * np.clip(action, -1, 1)
        self.place = self.place + 0.5 * self.speed
        reward = np.exp(-2 * np.linalg.norm(self.goal - self.place, axis=1) ** 2)
        self.age += 1
        ended = np.full(self.count, self.age >= 40)
        return (self.reset() if ended.all() else self._seen()), reward, ended


@dataclass(slots=True, eq=False)
class Maze:
    """A room of 5 x 5 fields with a goal that is drawn anew; 1 a step at the goal, 24 steps, four ways to go."""

    draw: np.random.Generator
    count: int
    place: NDArray[np.int64] = field(init=False)
    goal: NDArray[np.int64] = field(init=False)
    age: int = 0

    def reset(self) -> Floats:
        """In the middle."""
        self.place, self.age = np.full((self.count, 2), 2), 0
        self.goal = self.draw.integers(0, 5, (self.count, 2))
        return self._seen()

    def _seen(self) -> Floats:
        return np.concatenate([np.eye(5)[self.place].reshape(self.count, 10), np.eye(5)[self.goal].reshape(self.count, 10)], axis=1)

    def step(self, action: NDArray[Any]) -> tuple[Floats, Floats, Bools]:
        """Walls hold; a step at the goal stays there."""
        moved = np.clip(self.place + np.array([[0, 1], [0, -1], [1, 0], [-1, 0]])[action], 0, 4)
        there = (self.place == self.goal).all(axis=1, keepdims=True)
        self.place = np.where(there, self.place, moved)
        self.age += 1
        ended = np.full(self.count, self.age >= 24)
        reward = (self.place == self.goal).all(axis=1).astype(np.float64)
        return (self.reset() if ended.all() else self._seen()), reward, ended


class Agent(nn.Module):
    """An actor and a critic, apart or on one trunk; the actor's last layer starts at a hundredth of the usual scale."""

    def __init__(self, seen: int, actions: int, continuous: bool, width: int, shared: bool) -> None:
        super().__init__()
        kind = nn.ReLU if shared else nn.Tanh
        if shared:
            self.trunk = nn.Sequential(nn.Linear(seen, width), kind(), nn.Linear(width, width), kind())
            self.policy_head, self.value_head = nn.Linear(width, actions), nn.Linear(width, 1)
        else:
            for name, out in (("actor", actions), ("critic", 1)):
                self.add_module(name, nn.Sequential(nn.Linear(seen, width), kind(), nn.Linear(width, width), kind(), nn.Linear(width, out)))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.orthogonal_(module.weight, math.sqrt(2))
                nn.init.zeros_(module.bias)
        last = self.policy_head if shared else self.get_submodule("actor.4")
        assert isinstance(last, nn.Linear)
        nn.init.orthogonal_(last.weight, 0.01)
        self.shared = shared
        self.log_std = nn.Parameter(torch.zeros(actions)) if continuous else None

    def forward(self, seen: Tensor) -> tuple[torch.distributions.Distribution, Tensor]:
        """The distribution of actions, with one log-probability for each observation, and the value."""
        if self.shared:
            inner = self.trunk(seen)
            out, value = self.policy_head(inner), self.value_head(inner)[:, 0]
        else:
            out, value = self.get_submodule("actor")(seen), self.get_submodule("critic")(seen)[:, 0]
        if self.log_std is None:
            return torch.distributions.Categorical(logits=out, validate_args=False), value
        spread = self.log_std.clamp(-20, 10).exp().expand_as(out)
        return torch.distributions.Independent(torch.distributions.Normal(out, spread, validate_args=False), 1, validate_args=False), value


@dataclass(frozen=True, slots=True)
class Game:
    """What makes an agent's task, beside its plan."""

    world: Callable[[np.random.Generator, int], World]
    seen: int
    actions: int
    continuous: bool
    shared: bool
    length: int
    """Steps of a rollout in each environment."""
    best: float
    """Mean return of the best policy that was found by hand or by the longest training."""
    epochs: int
    """Passes over a rollout; with one there is one update over all of it, as in REINFORCE."""
    entropy: float
    """Weight of the entropy bonus."""


GAMES = {
    "pole-reinforce": Game(Pole, 4, 2, False, False, 80, 200, 1, 0.005),
    "point-ppo": Game(lambda draw, count: Pushed(draw, count, 2), 4, 2, True, False, 40, 37.2, 4, 0.0),
    "maze-actor-critic": Game(Maze, 20, 4, False, True, 24, 21.0, 2, 0.01),
    "space-ppo": Game(lambda draw, count: Pushed(draw, count, 3), 6, 3, True, True, 40, 37.2, 4, 0.0),
}


# --- training ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """One rollout, flattened."""

    seen: Tensor
    actions: Tensor
    log_probs: Tensor
    returns: Tensor
    advantages: Tensor


def _rollout(
    game: Game, world: World, agent: Agent, seen: Floats, gained: Floats, fault: Fault | None
) -> tuple[Batch, Floats, list[float]]:
    kept: list[tuple[Tensor, Tensor, Tensor]] = []
    rewards, values, ends, finished = [], [], [], []
    scale = setting(fault, "reward_scale", 1.0)
    for _ in range(game.length):
        with torch.no_grad():
            now = torch.tensor(seen, dtype=torch.float32)
            policy, value = agent(now)
            action = policy.sample()
            kept.append((now, action, policy.log_prob(action)))
        seen, reward, ended = world.step(action.numpy())
        gained += reward
        finished += gained[ended].tolist()
        gained[ended] = 0
        rewards.append(reward * scale)
        values.append(value.numpy())
        ends.append(ended)
    with torch.no_grad():
        after = agent(torch.tensor(seen, dtype=torch.float32))[1].numpy().astype(np.float64)
    returns = np.zeros((game.length, len(gained)))
    for at in reversed(range(game.length)):
        after = rewards[at] + 0.97 * np.where(ends[at], 0.0, after)
        returns[at] = after
    advantages = returns - np.stack(values)
    if setting(fault, "normalized", 1.0):
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    flat = [torch.cat(parts) for parts in zip(*kept, strict=True)]
    reached, gain = (torch.tensor(array.reshape(-1), dtype=torch.float32) for array in (returns, advantages))
    return Batch(flat[0], flat[1], flat[2], reached, gain), seen, finished


def _learn(game: Game, plan: Plan, agent: Agent, optimizer: torch.optim.Optimizer, batch: Batch, fault: Fault | None) -> dict[str, float]:
    """One rollout's updates; what such trainings log of them, by role."""
    clip = setting(fault, "clip", 0.2)
    bonus = setting(fault, "entropy", game.entropy)
    epochs = int(setting(fault, "epochs", game.epochs))
    told: dict[str, list[float]] = {}
    for _ in range(epochs):
        for chosen in torch.randperm(len(batch.seen)).chunk(1 if epochs == 1 else 4):
            policy, value = agent(batch.seen[chosen])
            ratio = (policy.log_prob(batch.actions[chosen]) - batch.log_probs[chosen]).exp()
            gain = batch.advantages[chosen]
            aimed = -torch.minimum(ratio * gain, ratio.clamp(1 - clip, 1 + clip) * gain).mean()
            missed = (value - batch.returns[chosen]).square().mean()
            entropy = policy.entropy().mean()
            optimizer.zero_grad()
            (aimed + 0.5 * missed - bonus * entropy).backward()
            if plan.clip_norm is not None:
                nn.utils.clip_grad_norm_(agent.parameters(), plan.clip_norm, foreach=False)
            optimizer.step()
            seen = {"policy": aimed, "value": missed, "entropy": entropy, "clipped": ((ratio - 1).abs() > clip).float().mean()}
            for role, one in seen.items():
                told.setdefault(role, []).append(float(one.detach()))
    with torch.no_grad():
        policy, value = agent(batch.seen)
        change = policy.log_prob(batch.actions) - batch.log_probs
        told["kl"] = [float((change.exp() - 1 - change).clamp(max=1e6).mean())]
        told["explained"] = [1 - float((batch.returns - value).var() / batch.returns.var().clamp(min=1e-12))]
        if agent.log_std is not None:
            told["std"] = [float(agent.log_std.exp().mean())]
    return {role: float(np.mean(values)) for role, values in told.items()}


def _optimizer(plan: Plan, agent: Agent) -> torch.optim.Optimizer:
    if plan.optimizer == "rmsprop":
        return torch.optim.RMSprop(agent.parameters(), lr=plan.lr, eps=1e-5, foreach=False)
    kind = torch.optim.AdamW if plan.optimizer == "adamw" else torch.optim.Adam
    return kind(agent.parameters(), lr=plan.lr, eps=1e-5, foreach=False)


def train(game: Game, task: Task, plan: Plan, style: Style, fault: Fault | None) -> Trained:
    """Collect, learn, and so on; a step is one rollout with its updates. The job dies where the weights are no numbers any more."""
    style = suited(style)
    torch.manual_seed(plan.seed)
    world = game.world(np.random.default_rng(plan.seed), plan.batch_size)
    agent = task.model(task.data(plan.seed), plan.seed)
    assert isinstance(agent, Agent)
    if agent.log_std is not None and fault is not None and "log_std" in fault.settings:
        nn.init.constant_(agent.log_std, float(fault.settings["log_std"]))
    optimizer = _optimizer(plan, agent)
    seen, gained = world.reset(), np.zeros(plan.batch_size)
    tags = TAGS[plan.seed % len(TAGS)]
    log_every, save_every = intervals(style, plan.steps)
    points: list[Point] = []
    saved: list[Snapshot] = []
    scores: list[float] = []
    for step in range(plan.steps + 1):
        if step % save_every == 0 and (step or style.first):
            saved.append(snapshot(step, agent, {"optimizer": optimizer}))
        if step == plan.steps or not all(bool(torch.isfinite(each).all()) for each in agent.parameters()):
            break
        batch, seen, finished = _rollout(game, world, agent, seen, gained, fault)
        told = _learn(game, plan, agent, optimizer, batch, fault)
        scores += [float(np.mean(finished))] if finished else scores[-1:]
        if step % log_every == 0 and scores:
            values = {tags[role]: value for role, value in told.items() if role in tags}
            if tags is TAGS[0]:
                values[tags["entropy"]] *= -1
            points.append(logged(step, {tags["return"]: scores[-1], **values}, agent, style, log_every))
    kept = tuple(points)
    last = scores[-max(1, len(scores) // 10) :]
    settings: dict[str, str | float | bool] = {
        "algorithm": "ppo" if game.epochs > 1 else "reinforce",
        "lr": plan.lr,
        "max_steps": plan.steps,
    }
    trained = Trained(
        plan, with_roles(style, kept), task.data(plan.seed), kept, tuple(saved), 1 - float(np.mean(last)) / game.best,
        1 - scores[0] / game.best, settings,
    )  # fmt: skip
    return fault.trained(trained) if fault and fault.trained else trained


def no_records(seed: int) -> Data:
    """An agent has no records: a stand-in whose length makes an epoch of the usual size."""
    return Data(torch.zeros(256, 1), torch.zeros(256, dtype=torch.int64), 256)


def maker(game: Game) -> Callable[[Data, int], nn.Module]:
    """Of the agent that plays a game."""
    return lambda data, seed: Agent(game.seen, game.actions, game.continuous, 64, game.shared)


CONTINUOUS = frozenset({"policy", "continuous"})
DISCRETE = frozenset({"policy", "discrete"})
TASKS = (
    Task(
        "pole-reinforce", "first", "actor-critic-discrete", "policy", no_records, maker(GAMES["pole-reinforce"]),
        Plan(steps=130, batch_size=16, lr=3e-3, clip_norm=0.5), 0.6, DISCRETE, train=partial(train, GAMES["pole-reinforce"]),
    ),
    Task(
        "point-ppo", "first", "actor-critic-continuous", "policy", no_records, maker(GAMES["point-ppo"]),
        Plan(steps=50, batch_size=24, lr=1e-3, clip_norm=0.5), 0.5, CONTINUOUS, train=partial(train, GAMES["point-ppo"]),
    ),
    Task(
        "maze-actor-critic", "first", "trunk-discrete", "policy", no_records, maker(GAMES["maze-actor-critic"]),
        Plan(steps=80, batch_size=32, lr=2e-3, clip_norm=0.5), 0.6, DISCRETE, train=partial(train, GAMES["maze-actor-critic"]),
    ),
    Task(
        "space-ppo", "first", "trunk-continuous", "policy", no_records, maker(GAMES["space-ppo"]),
        Plan(steps=60, batch_size=24, lr=1e-3, clip_norm=0.5), 0.5, CONTINUOUS, train=partial(train, GAMES["space-ppo"]),
    ),
)  # fmt: skip
