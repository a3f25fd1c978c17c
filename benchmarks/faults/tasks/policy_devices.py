"""Policies that run devices, by agents that are laid out, and named, as further libraries and scripts do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, Normal

from faults.nouns import Data, Task
from faults.plan import Plan
from faults.sources_devices import Battery, Flapper, Queues, Tanks
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


@torch.no_grad()
def _columns(module: nn.Module, norm: float) -> None:
    """RLlib's initialization: the weights of each unit have this norm."""
    for each in module.modules():
        if isinstance(each, nn.Linear):
            nn.init.normal_(each.weight)
            each.weight *= norm / each.weight.norm(dim=1, keepdim=True)
            nn.init.zeros_(each.bias)


class Servers(Agent):
    """A small net for each server, what they made of theirs joined, then an actor and a critic, as CleanRL names them."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.network = nn.ModuleList(nn.Sequential(nn.Linear(4, 24), nn.ReLU()) for _ in range(4))
        self.actor = nn.Sequential(nn.Linear(96, 64), nn.ReLU(), nn.Linear(64, 4))
        self.critic = nn.Sequential(nn.Linear(96, 64), nn.ReLU(), nn.Linear(64, 1))
        _orthogonal(self, 2**0.5)
        _orthogonal(self.actor[2], 0.01)
        _orthogonal(self.critic[2], 1.0)
        self.log_std = None

    def forward(self, seen: Tensor) -> tuple[Distribution, Tensor]:
        """As of every agent."""
        inner = torch.cat([net(each) for net, each in zip(self.network, seen.chunk(4, dim=1), strict=True)], dim=1)
        return Categorical(logits=self.actor(inner), validate_args=False), self.critic(inner)[:, 0]


class Based(Agent):
    """Layer normalization and SiLU in one base, under the names of a widely copied script: `base`, `critic_linear`, `dist.linear`."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.base = nn.ModuleDict({
            "main": nn.Sequential(nn.Linear(5, 64), nn.LayerNorm(64), nn.SiLU(), nn.Linear(64, 64), nn.LayerNorm(64), nn.SiLU()),
            "critic_linear": nn.Linear(64, 1),
        })  # fmt: skip
        self.dist = nn.ModuleDict({"linear": nn.Linear(64, 2)})
        _orthogonal(self.base["main"], 2**0.5)
        _orthogonal(self.base["critic_linear"], 1.0)
        _orthogonal(self.dist, 0.01)
        self.log_std = None

    def forward(self, seen: Tensor) -> tuple[Distribution, Tensor]:
        """As of every agent."""
        inner = self.base["main"](seen)
        return Categorical(logits=self.dist["linear"](inner), validate_args=False), self.base["critic_linear"](inner)[:, 0]


class _Slim(nn.Module):
    """One layer and its activation, as RLlib wraps them."""

    def __init__(self, before: int, after: int, kind: type[nn.Module] | None, norm: float) -> None:
        super().__init__()
        self._model = nn.Sequential(nn.Linear(before, after), *([] if kind is None else [kind()]))
        _columns(self, norm)

    def forward(self, inner: Tensor) -> Tensor:
        """Of one layer."""
        found: Tensor = self._model(inner)
        return found


class Branched(Agent):
    """A branch for the actions and one for the value, of 64 SiLU units twice, under the names of RLlib."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.log_std = nn.Parameter(torch.full((2,), -0.5))
        self._hidden_layers = nn.Sequential(_Slim(7, 64, nn.SiLU, 1.0), _Slim(64, 64, nn.SiLU, 1.0))
        self._value_branch_separate = nn.Sequential(_Slim(7, 64, nn.SiLU, 1.0), _Slim(64, 64, nn.SiLU, 1.0))
        self._logits, self._value_branch = _Slim(64, 2, None, 0.01), _Slim(64, 1, None, 0.01)

    def forward(self, seen: Tensor) -> tuple[Distribution, Tensor]:
        """As of every agent."""
        assert self.log_std is not None
        mean = self._logits(self._hidden_layers(seen))
        return _spread(mean, self.log_std), self._value_branch(self._value_branch_separate(seen))[:, 0]


def _nested(*widths: int) -> nn.ModuleDict:
    """ReLU layers as Tianshou nests them: `model.model.0`."""
    layers = [part for before, after in pairwise(widths) for part in (nn.Linear(before, after), nn.ReLU())]
    return nn.ModuleDict({"model": nn.ModuleDict({"model": nn.Sequential(*layers)})})


def _last(width: int) -> nn.ModuleDict:
    return nn.ModuleDict({"model": nn.Sequential(nn.Linear(width, 1))})


class Nested(Agent):
    """Actor and critic of 64 and 48 ReLU units, under the names of Tianshou."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.actor = nn.ModuleDict({"preprocess": _nested(5, 64, 48), "mu": _last(48)})
        self.critic = nn.ModuleDict({"preprocess": _nested(5, 64, 48), "last": _last(48)})
        _orthogonal(self, 2**0.5)
        _orthogonal(self.actor["mu"], 0.01)
        _orthogonal(self.critic["last"], 1.0)
        sigma = nn.Parameter(torch.zeros(1, 1))
        self.actor.register_parameter("sigma_param", sigma)
        # Past the registration of torch, which would save it twice.
        self.__dict__["log_std"] = sigma

    def forward(self, seen: Tensor) -> tuple[Distribution, Tensor]:
        """As of every agent."""
        inner, valued = (net.get_submodule("preprocess.model.model")(seen) for net in (self.actor, self.critic))
        mean, value = self.actor.get_submodule("mu.model")(inner), self.critic.get_submodule("last.model")(valued)
        return _spread(mean, self.__dict__["log_std"]), value[:, 0]


def _maker(agent: Callable[[], Agent]) -> Callable[[Data, int], nn.Module]:
    return lambda data, seed: agent()


GAMES = {
    "queues-ppo": Game(Queues, 16, 4, False, True, 30, 16.6, 3, 0.005),
    "flapper-a2c": Game(Flapper, 5, 2, False, True, 40, 5.0, 1, 0.01),
    "tanks-ppo": Game(Tanks, 7, 2, True, False, 40, 39.2, 4, 0.0),
    "battery-ppo": Game(Battery, 5, 1, True, False, 48, 10.6, 4, 0.0),
}
TASKS = (
    Task(
        "queues-ppo", "fourth", "part-nets-discrete", "policy", no_records, _maker(Servers),
        Plan(steps=60, batch_size=24, lr=2e-3, clip_norm=0.5), 0.6, DISCRETE, train=partial(train, GAMES["queues-ppo"]),
    ),
    Task(
        "flapper-a2c", "fourth", "layernorm-discrete", "policy", no_records, _maker(Based),
        Plan(steps=140, batch_size=32, optimizer="rmsprop", lr=2e-3, clip_norm=0.5), 0.6, DISCRETE,
        train=partial(train, GAMES["flapper-a2c"]),
    ),
    Task(
        "tanks-ppo", "fourth", "branches-continuous", "policy", no_records, _maker(Branched),
        Plan(steps=60, batch_size=24, lr=2e-3, clip_norm=1.0), 0.6, CONTINUOUS, train=partial(train, GAMES["tanks-ppo"]),
    ),
    Task(
        "battery-ppo", "fourth", "nested-continuous", "policy", no_records, _maker(Nested),
        Plan(steps=50, batch_size=24, optimizer="adamw", lr=2e-3, clip_norm=0.5), 0.6, CONTINUOUS,
        train=partial(train, GAMES["battery-ppo"]),
    ),
)  # fmt: skip
