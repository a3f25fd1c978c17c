"""Adversarial pairs on charts, letters, leaves and a woven curve: upsampling, dense connections, layer normalization, gates."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from faults.nouns import Data, Task
from faults.plan import Plan
from faults.sources_shapes import charts, leaves, letters, weave
from faults.tasks.adversarial import Game, train
from faults.tasks.adversarial_curves import Named


class Chain(nn.Module):
    """Layers under one name, `main` or `model`, as the usual examples of pairs have them."""

    def __init__(self, name: str, *layers: nn.Module) -> None:
        super().__init__()
        self.name = name
        self.add_module(name, nn.Sequential(*layers))

    def forward(self, inner: Tensor) -> Tensor:
        """Through all of them."""
        found: Tensor = self.get_submodule(self.name)(inner)
        return found


class Joined(nn.Module):
    """Each layer sees the input and what all layers before it made."""

    def __init__(self, before: int, width: int, layers: int, after: int, kind: type[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(before + number * width, width) for number in range(layers))
        self.activation = kind()
        self.out = nn.Linear(before + layers * width, after)

    def forward(self, inner: Tensor) -> Tensor:
        """All that was made goes into the last layer."""
        for layer in self.layers:
            inner = torch.cat([inner, self.activation(layer(inner))], dim=1)
        found: Tensor = self.out(inner)
        return found


class Gated(nn.Module):
    """One half of a layer's outputs gates the other."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.proj = nn.Linear(before, 2 * after)

    def forward(self, inner: Tensor) -> Tensor:
        """Of half the width of the layer."""
        return nn.functional.glu(self.proj(inner), dim=1)


def normalized(data: Data, seed: int) -> nn.Module:
    """Layer normalization and leaky ReLU in the generator, none in the discriminator."""
    maker: list[nn.Module] = []
    for before, after in ((10, 64), (64, 128)):
        maker += [nn.Linear(before, after), nn.LayerNorm(after), nn.LeakyReLU(0.2)]
    judge = [nn.Linear(64, 144), nn.LeakyReLU(0.2), nn.Linear(144, 72), nn.LeakyReLU(0.2), nn.Linear(72, 1)]
    return Named(("generator", Chain("model", *maker, nn.Linear(128, 64), nn.Tanh())), ("discriminator", Chain("model", *judge)))


def upsampled(data: Data, seed: int) -> nn.Module:
    """Convolutions at 4 x 4 and, repeated, at 8 x 8, with batch normalization, at DCGAN's deviation of 0.02; a dense discriminator."""
    maker = Chain(
        "main", nn.Linear(20, 256, bias=False), nn.BatchNorm1d(256), nn.ReLU(), nn.Unflatten(1, (16, 4, 4)),
        nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Upsample(scale_factor=2), nn.Conv2d(16, 1, 3, padding=1), nn.Tanh(), nn.Flatten(),
    )  # fmt: skip
    for module in maker.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.02)
    judge = Chain("main", nn.Linear(64, 160), nn.LayerNorm(160), nn.LeakyReLU(0.2), nn.Linear(160, 80), nn.LeakyReLU(0.2), nn.Linear(80, 1))
    return Named(("netG", maker), ("netD", judge))


def joined(data: Data, seed: int) -> nn.Module:
    """Dense connections in both nets."""
    return Named(("gen", Joined(6, 48, 3, 2, nn.ReLU)), ("critic", Joined(2, 64, 2, 1, nn.Softplus)))


def gated(data: Data, seed: int) -> nn.Module:
    """Gated layers in the generator, Mish in the critic."""
    maker = nn.Sequential(Gated(5, 64), Gated(64, 64), nn.Linear(64, 2))
    judge = nn.Sequential(nn.Linear(2, 96), nn.Mish(), nn.Linear(96, 96), nn.Mish(), nn.Linear(96, 1))
    return Named(("G", maker), ("C", judge))


_ADVERSARIAL = frozenset({"adversarial"})
TASKS = (
    Task(
        "charts-pair", "fourth", "pair-mlp-layernorm", "adversarial", charts, normalized,
        Plan(steps=900, batch_size=64, lr=1e-3, betas=(0.5, 0.99)), 0.8, _ADVERSARIAL,
        train=partial(train, Game("least-squares", 0.5, latent=10)),
    ),
    Task(
        "letters-pair", "fourth", "pair-repeating-batchnorm", "adversarial", letters, upsampled,
        Plan(steps=600, batch_size=48, lr=1e-3, betas=(0.5, 0.999)), 0.8, _ADVERSARIAL,
        train=partial(train, Game("cross-entropy", 1.0, latent=20)),
    ),
    Task(
        "weave-critic", "fourth", "critic-densely-joined", "adversarial", weave, joined,
        Plan(steps=600, batch_size=128, optimizer="adamw", lr=2e-3, betas=(0.5, 0.9), weight_decay=1e-4), 0.7,
        _ADVERSARIAL | {"critic"}, train=partial(train, Game("wasserstein", 0.4, latent=6, judge_steps=2)),
    ),
    Task(
        "leaves-critic", "fourth", "critic-gated", "adversarial", leaves, gated,
        Plan(steps=600, batch_size=128, optimizer="rmsprop", lr=1e-3), 0.7, _ADVERSARIAL | {"critic"},
        train=partial(train, Game("wasserstein", 0.3, latent=5, judge_steps=2)),
    ),
)  # fmt: skip
