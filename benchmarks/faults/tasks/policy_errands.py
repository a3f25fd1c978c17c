"""Policies that run errands, by agents with attention, convolutions, residuals and dropout, and named as scripts and libraries do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, Normal

from faults.nouns import Data, Task
from faults.plan import Plan
from faults.sources_errands import FLOORS, Crossing, Depot, Drone, Insulin, Lift
from faults.tasks.policy import CONTINUOUS, DISCRETE, Agent, Game, no_records, train


def _spread(mean: Tensor, log_std: Tensor) -> Distribution:
    deviation = log_std.clamp(-20, 10).exp().expand_as(mean)
    return Independent(Normal(mean, deviation, validate_args=False), 1, validate_args=False)


@torch.no_grad()
def _orthogonal(module: nn.Module, gain: float) -> None:
    for each in module.modules():
        if isinstance(each, nn.Linear):
            nn.init.orthogonal_(each.weight, gain)
            nn.init.zeros_(each.bias)


class Lanes(Agent):
    """Attention between the four arms, what comes of it averaged, then two heads."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.lane_embed = nn.Linear(4, 32)
        self.place = nn.Parameter(0.02 * torch.randn(4, 32))
        self.attn = nn.MultiheadAttention(32, 2, batch_first=True)
        self.norm = nn.LayerNorm(32)
        self.ffn = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32))
        self.policy_head, self.value_head = nn.Linear(32, 2), nn.Linear(32, 1)
        nn.init.normal_(self.policy_head.weight, std=0.01)
        nn.init.zeros_(self.policy_head.bias)
        self.log_std = None

    def forward(self, seen: Tensor) -> tuple[Distribution, Tensor]:
        """As of every agent."""
        lanes = self.lane_embed(seen.unflatten(1, (4, 4))) + self.place
        lanes = lanes + self.attn(lanes, lanes, lanes, need_weights=False)[0]
        inner = (lanes + self.ffn(self.norm(lanes))).mean(dim=1)
        return Categorical(logits=self.policy_head(inner), validate_args=False), self.value_head(inner)[:, 0]


class Affine(Agent):
    """One wide layer and two heads, under the names of the example that PyTorch has, with torch's own initialization."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.affine1 = nn.Linear(6, 128)
        self.action_head, self.value_head = nn.Linear(128, 6), nn.Linear(128, 1)
        self.log_std = None

    def forward(self, seen: Tensor) -> tuple[Distribution, Tensor]:
        """As of every agent."""
        inner = torch.relu(self.affine1(seen))
        return Categorical(logits=self.action_head(inner), validate_args=False), self.value_head(inner)[:, 0]


@torch.no_grad()
def _rows(module: nn.Module) -> None:
    """Of norm 1 for each unit, as starter files for small grids have it."""
    for each in module.modules():
        if isinstance(each, nn.Linear):
            nn.init.normal_(each.weight)
            each.weight /= each.weight.square().sum(dim=1, keepdim=True).sqrt()
            nn.init.zeros_(each.bias)


class ACModel(Agent):
    """Two convolutions over the floors, then an actor and a critic of a tanh layer each."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.image_conv = nn.Sequential(
            nn.Conv1d(3, 24, 3, padding=1), nn.ReLU(), nn.Conv1d(24, 24, 3, padding=1), nn.ReLU(), nn.Flatten(),
        )  # fmt: skip
        self.actor = nn.Sequential(nn.Linear(24 * FLOORS, 64), nn.Tanh(), nn.Linear(64, 3))
        self.critic = nn.Sequential(nn.Linear(24 * FLOORS, 64), nn.Tanh(), nn.Linear(64, 1))
        _rows(self)
        self.log_std = None

    def forward(self, seen: Tensor) -> tuple[Distribution, Tensor]:
        """As of every agent."""
        inner = self.image_conv(seen.unflatten(1, (3, FLOORS)))
        return Categorical(logits=self.actor(inner), validate_args=False), self.critic(inner)[:, 0]


class Shared(Agent):
    """Two ELU layers with three ends, under the names that skrl gives to a model of both."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.log_std = None
        self.log_std_parameter = nn.Parameter(torch.full((2,), -0.5))
        self.net_container = nn.Sequential(nn.Linear(6, 64), nn.ELU(), nn.Linear(64, 64), nn.ELU())
        self.policy_layer, self.value_layer = nn.Linear(64, 2), nn.Linear(64, 1)
        # Past the registration of torch, which would save it twice.
        self.__dict__["log_std"] = self.log_std_parameter

    def forward(self, seen: Tensor) -> tuple[Distribution, Tensor]:
        """As of every agent."""
        inner = self.net_container(seen)
        return _spread(self.policy_layer(inner), self.log_std_parameter), self.value_layer(inner)[:, 0]


class _Residual(nn.Module):
    """Layer normalization and two layers beside a way round them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.fc1, self.fc2 = nn.LayerNorm(width), nn.Linear(width, width), nn.Linear(width, width)
        self.act = nn.SiLU()

    def forward(self, inner: Tensor) -> Tensor:
        """Of the same width."""
        change: Tensor = self.fc2(self.act(self.fc1(self.norm(inner))))
        return inner + change


class _Distribution(nn.Module):
    """Means by a layer, deviations of their own: Sample Factory's `action_parameterization`."""

    def __init__(self, before: int, actions: int) -> None:
        super().__init__()
        self.distribution_linear, self.learned_stddev = nn.Linear(before, actions), nn.Parameter(torch.zeros(actions))


class ActorCritic(Agent):
    """An encoder with two residual blocks and both ends on it, under names as Sample Factory's."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.encoder = nn.Sequential(nn.Linear(6, 48), _Residual(48), _Residual(48), nn.LayerNorm(48), nn.SiLU())
        self.critic_linear = nn.Linear(48, 1)
        self.action_parameterization = _Distribution(48, 1)
        _orthogonal(self, 1.0)
        _orthogonal(self.action_parameterization, 0.01)
        self.__dict__["log_std"] = self.action_parameterization.learned_stddev

    def forward(self, seen: Tensor) -> tuple[Distribution, Tensor]:
        """As of every agent."""
        inner, ends = self.encoder(seen), self.action_parameterization
        return _spread(ends.distribution_linear(inner), ends.learned_stddev), self.critic_linear(inner)[:, 0]


def _maker(agent: Callable[[], Agent]) -> Callable[[Data, int], nn.Module]:
    return lambda data, seed: agent()


GAMES = {
    "crossing-ppo": Game(Crossing, 16, 2, False, True, 40, 22.1, 4, 0.005),
    "depot-a2c": Game(Depot, 6, 6, False, True, 30, 18.0, 1, 0.01),
    "lift-ppo": Game(Lift, 15, 3, False, True, 30, 13.4, 3, 0.01),
    "drone-ppo": Game(Drone, 6, 2, True, True, 50, 8.9, 5, 0.0),
    "insulin-ppo": Game(Insulin, 6, 1, True, True, 42, 37.0, 4, 0.0),
}
TASKS = (
    Task(
        "crossing-ppo", "fifth", "attention-discrete", "policy", no_records, _maker(Lanes),
        Plan(steps=70, batch_size=16, lr=3e-3, clip_norm=0.5), 0.6, DISCRETE, train=partial(train, GAMES["crossing-ppo"]),
    ),
    Task(
        "depot-a2c", "fifth", "wide-discrete", "policy", no_records, _maker(Affine),
        Plan(steps=200, batch_size=32, lr=5e-3, clip_norm=0.5), 0.6, DISCRETE, train=partial(train, GAMES["depot-a2c"]),
    ),
    Task(
        "lift-ppo", "fifth", "conv1d-discrete", "policy", no_records, _maker(ACModel),
        Plan(steps=80, batch_size=32, lr=2e-3, clip_norm=0.5), 0.6, DISCRETE, train=partial(train, GAMES["lift-ppo"]),
    ),
    Task(
        "drone-ppo", "fifth", "ends-continuous", "policy", no_records, _maker(Shared),
        Plan(steps=70, batch_size=24, lr=1e-3, clip_norm=1.0), 0.6, CONTINUOUS, train=partial(train, GAMES["drone-ppo"]),
    ),
    Task(
        "insulin-ppo", "fifth", "residual-continuous", "policy", no_records, _maker(ActorCritic),
        Plan(steps=60, batch_size=24, optimizer="adamw", lr=1e-3, clip_norm=0.5), 0.6, CONTINUOUS,
        train=partial(train, GAMES["insulin-ppo"]),
    ),
)  # fmt: skip
