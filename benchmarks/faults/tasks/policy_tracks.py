"""Policies in a third set of worlds, by agents that are laid out, and named, as libraries of agents do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, Normal

from faults.nouns import Data, Task
from faults.plan import Plan
from faults.sources_worlds import Catch, Lake, Lane, Valley
from faults.tasks.policy import CONTINUOUS, DISCRETE, Agent, Game, no_records, train


def _spread(mean: Tensor, log_std: Tensor) -> Distribution:
    deviation = log_std.clamp(-20, 10).exp().expand_as(mean)
    return Independent(Normal(mean, deviation, validate_args=False), 1, validate_args=False)


def _layers(kind: type[nn.Module], *widths: int) -> nn.Sequential:
    return nn.Sequential(*(part for before, after in pairwise(widths) for part in (nn.Linear(before, after), kind())))


@torch.no_grad()
def _orthogonal(module: nn.Module, gain: float) -> None:
    for each in module.modules():
        if isinstance(each, nn.Linear | nn.Conv2d):
            nn.init.orthogonal_(each.weight, gain)
            nn.init.zeros_(each.bias if each.bias is not None else torch.zeros(1))


class Pictured(Agent):
    """A convolution and a layer, then one head each: as Stable-Baselines3 does for images."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.features_extractor = nn.ModuleDict({
            "cnn": nn.Sequential(nn.Unflatten(1, (3, 8, 7)), nn.Conv2d(3, 12, 3), nn.ReLU(), nn.Flatten()),
            "linear": _layers(nn.ReLU, 360, 64),
        })  # fmt: skip
        self.action_net, self.value_net = nn.Linear(64, 3), nn.Linear(64, 1)
        _orthogonal(self.features_extractor, 2**0.5)
        _orthogonal(self.action_net, 0.01)
        _orthogonal(self.value_net, 1.0)
        self.log_std = None

    def forward(self, seen: Tensor) -> tuple[Distribution, Tensor]:
        """As of every agent."""
        inner = self.features_extractor["linear"](self.features_extractor["cnn"](seen))
        return Categorical(logits=self.action_net(inner), validate_args=False), self.value_net(inner)[:, 0]


class Apart(Agent):
    """A net for the policy and one for the value, `pi` and `v`, as Spinning Up makes them: tanh, and torch's own initialization."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.pi = nn.ModuleDict({"logits_net": nn.Sequential(*_layers(nn.Tanh, 25, 48, 48), nn.Linear(48, 4))})
        self.v = nn.ModuleDict({"v_net": nn.Sequential(*_layers(nn.Tanh, 25, 48, 48), nn.Linear(48, 1))})
        self.log_std = None

    def forward(self, seen: Tensor) -> tuple[Distribution, Tensor]:
        """As of every agent."""
        return Categorical(logits=self.pi["logits_net"](seen), validate_args=False), self.v["v_net"](seen)[:, 0]


class Extracted(Agent):
    """Two extractors and two heads, as Stable-Baselines3 makes them for what is no image."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.log_std = nn.Parameter(torch.zeros(2))
        self.mlp_extractor = nn.ModuleDict({
            "policy_net": _layers(nn.Tanh, 5, 64, 64), "value_net": _layers(nn.Tanh, 5, 64, 64),
        })  # fmt: skip
        self.action_net, self.value_net = nn.Linear(64, 2), nn.Linear(64, 1)
        _orthogonal(self.mlp_extractor, 2**0.5)
        _orthogonal(self.action_net, 0.01)
        _orthogonal(self.value_net, 1.0)

    def forward(self, seen: Tensor) -> tuple[Distribution, Tensor]:
        """As of every agent."""
        assert self.log_std is not None
        mean = self.action_net(self.mlp_extractor["policy_net"](seen))
        return _spread(mean, self.log_std), self.value_net(self.mlp_extractor["value_net"](seen))[:, 0]


class _Network(nn.Module):
    """Three narrowing ELU layers with both heads on them; `sigma` is a logarithm, as it is in rl_games."""

    def __init__(self) -> None:
        super().__init__()
        self.actor_mlp = _layers(nn.ELU, 2, 96, 64, 32)
        self.mu, self.value, self.sigma = nn.Linear(32, 1), nn.Linear(32, 1), nn.Parameter(torch.zeros(1))
        _orthogonal(self.mu, 0.01)

    def forward(self, seen: Tensor) -> tuple[Distribution, Tensor]:
        """Actions and values."""
        inner = self.actor_mlp(seen)
        return _spread(self.mu(inner), self.sigma), self.value(inner)[:, 0]


class Narrowing(Agent):
    """All in one network, under the names of rl_games."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.a2c_network = _Network()
        # Past the registration of torch, which would save it twice.
        self.__dict__["log_std"] = self.a2c_network.sigma

    def forward(self, seen: Tensor) -> tuple[Distribution, Tensor]:
        """As of every agent."""
        found: tuple[Distribution, Tensor] = self.a2c_network(seen)
        return found


def _maker(agent: Callable[[], Agent]) -> Callable[[Data, int], nn.Module]:
    return lambda data, seed: agent()


GAMES = {
    "catch-ppo": Game(Catch, 168, 3, False, True, 21, 3.0, 4, 0.01),
    "lake-a2c": Game(Lake, 25, 4, False, False, 30, 0.86, 1, 0.01),
    "lane-ppo": Game(Lane, 5, 2, True, False, 50, 9.04, 4, 0.0),
    "valley-ppo": Game(Valley, 2, 1, True, True, 60, 12.0, 4, 0.0),
}
TASKS = (
    Task(
        "catch-ppo", "third", "cnn-discrete", "policy", no_records, _maker(Pictured),
        Plan(steps=60, batch_size=24, lr=2e-3, clip_norm=0.5), 0.6, DISCRETE,
        train=partial(train, GAMES["catch-ppo"]),
    ),
    Task(
        "lake-a2c", "third", "apart-discrete", "policy", no_records, _maker(Apart),
        Plan(steps=120, batch_size=32, optimizer="rmsprop", lr=1e-3, clip_norm=0.5), 0.6, DISCRETE, train=partial(train, GAMES["lake-a2c"]),
    ),
    Task(
        "lane-ppo", "third", "extractors-continuous", "policy", no_records, _maker(Extracted),
        Plan(steps=60, batch_size=24, lr=1e-3, clip_norm=0.5), 0.6, CONTINUOUS, train=partial(train, GAMES["lane-ppo"]),
    ),
    Task(
        "valley-ppo", "third", "elu-continuous", "policy", no_records, _maker(Narrowing),
        Plan(steps=50, batch_size=24, optimizer="adamw", lr=2e-3, clip_norm=1.0), 0.6, CONTINUOUS,
        train=partial(train, GAMES["valley-ppo"]),
    ),
)  # fmt: skip
