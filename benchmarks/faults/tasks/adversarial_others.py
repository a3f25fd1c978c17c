"""Adversarial pairs on other data and with other nets: spirals, two moons, soft spots by convolutions."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn

from faults.nouns import Data, Task
from faults.plan import Plan
from faults.tasks.adversarial import RECORDS, Game, Pair, train


def spirals(seed: int) -> Data:
    """Two arms that wind around each other once, in four parts each."""
    draw = torch.Generator().manual_seed(seed)
    arm = torch.randint(2, (RECORDS,), generator=draw)
    along = torch.rand(RECORDS, generator=draw)
    angle = 2 * math.pi * along + math.pi * arm
    radius = 0.5 + 1.5 * along
    points = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)
    return Data(points + 0.08 * torch.randn(RECORDS, 2, generator=draw), 4 * arm + (4 * along).long(), RECORDS)


def moons(seed: int) -> Data:
    """Two half circles that reach into one another, in three parts each."""
    draw = torch.Generator().manual_seed(seed)
    moon = torch.randint(2, (RECORDS,), generator=draw)
    along = torch.rand(RECORDS, generator=draw)
    side = 1.0 - 2.0 * moon
    points = torch.stack([side * (math.pi * along).cos() + moon - 0.5, side * (math.pi * along).sin() + 0.5 * moon - 0.25], dim=1)
    return Data(1.5 * points + 0.1 * torch.randn(RECORDS, 2, generator=draw), 3 * moon + (3 * along).long(), RECORDS)


def spots(seed: int) -> Data:
    """Images of 8 x 8 from about -1 to 1: a soft spot at one of six places, up to half a pixel off, with noise."""
    draw = torch.Generator().manual_seed(seed)
    place = torch.randint(6, (RECORDS,), generator=draw)
    middle = torch.cartesian_prod(torch.tensor([1.75, 5.25]), torch.tensor([1.0, 3.5, 6.0]))[place]
    middle = middle + torch.rand(RECORDS, 2, generator=draw) - 0.5
    pixels = torch.cartesian_prod(torch.arange(8.0), torch.arange(8.0))
    images = 1.8 * (-torch.cdist(middle, pixels).square() / 4).exp() - 0.9
    return Data(images + 0.3 * torch.randn(RECORDS, 64, generator=draw), place, RECORDS)


def tapering(data: Data, seed: int) -> nn.Module:
    """A generator that widens and a discriminator that narrows."""
    maker = nn.Sequential(nn.Linear(6, 48), nn.ELU(), nn.Linear(48, 96), nn.ELU(), nn.Linear(96, 2))
    judge = nn.Sequential(nn.Linear(2, 128), nn.LeakyReLU(0.2), nn.Linear(128, 48), nn.LeakyReLU(0.2), nn.Linear(48, 1))
    return Pair(maker, judge)


def smooth(data: Data, seed: int) -> nn.Module:
    """Three hidden layers of 80 with SiLU in both nets."""

    def layers(before: int, after: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Linear(before, 80), nn.SiLU(), nn.Linear(80, 80), nn.SiLU(), nn.Linear(80, 80), nn.SiLU(), nn.Linear(80, after)
        )

    return Pair(layers(8, 2), layers(2, 1))


class Patches(nn.Module):
    """Four neighbours become one place with four times the channels: (records, rows, columns, channels), both halved."""

    def forward(self, images: Tensor) -> Tensor:
        """With a Linear after it, a convolution whose kernel and stride are 2."""
        records, rows, columns, channels = images.shape
        parted = images.reshape(records, rows // 2, 2, columns // 2, 2, channels)
        return parted.transpose(2, 3).reshape(records, rows // 2, columns // 2, 4 * channels)


class Spread(nn.Module):
    """One place becomes four neighbours with a quarter of the channels."""

    def forward(self, images: Tensor) -> Tensor:
        """With a Linear before it, a transposed convolution whose kernel and stride are 2."""
        records, rows, columns, channels = images.shape
        parted = images.reshape(records, rows, columns, 2, 2, channels // 4)
        return parted.transpose(2, 3).reshape(records, 2 * rows, 2 * columns, channels // 4)


def convolutions(data: Data, seed: int) -> nn.Module:
    """From 2 x 2 places to 8 x 8 and back. Convolutions are written as matrices, whose second derivatives are ten times as fast here."""
    maker = nn.Sequential(
        nn.Linear(16, 256), nn.ReLU(), nn.Unflatten(1, (2, 2, 64)),
        nn.Linear(64, 128), nn.ReLU(), Spread(),
        nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 4), Spread(), nn.Tanh(), nn.Flatten(),
    )  # fmt: skip
    judge = nn.Sequential(
        nn.Unflatten(1, (8, 8, 1)), Patches(), nn.Linear(4, 32), nn.LeakyReLU(0.2),
        Patches(), nn.Linear(128, 64), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(256, 1),
    )  # fmt: skip
    return Pair(maker, judge)


_ADVERSARIAL = frozenset({"adversarial"})
_FLAT = Plan(steps=900, batch_size=128, lr=1e-3, betas=(0.5, 0.999))
TASKS = (
    Task(
        "spirals-pair", "second", "pair-mlp-tapering", "adversarial", spirals, tapering, _FLAT, 0.7, _ADVERSARIAL,
        train=partial(train, Game("least-squares", 0.1, latent=6)),
    ),
    Task(
        "moons-critic", "second", "critic-mlp-silu", "adversarial", moons, smooth,
        Plan(steps=500, batch_size=128, lr=1e-3, betas=(0.5, 0.999)), 0.7, _ADVERSARIAL | {"critic"},
        train=partial(train, Game("wasserstein", 0.3, latent=8, judge_steps=2)),
    ),
    Task(
        "spots-pair", "second", "pair-cnn", "adversarial", spots, convolutions,
        Plan(steps=1200, batch_size=64, lr=2e-3, betas=(0.5, 0.999)), 0.85, _ADVERSARIAL,
        train=partial(train, Game("cross-entropy", 1.0)),
    ),
)  # fmt: skip
