"""Adversarial pairs on outlines, crosses and drawn pieces: batch normalization and residuals, and nets named as projects name them."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn

from faults.nouns import Data, Task
from faults.plan import Plan
from faults.tasks.adversarial import RECORDS, Game, Pair, train


def circles(seed: int) -> Data:
    """Two circles about one middle, three parts of the inner and five of the outer."""
    draw = torch.Generator().manual_seed(seed)
    part = torch.randint(8, (RECORDS,), generator=draw)
    inner = part < 3
    turn = torch.where(inner, part / 3, (part - 3) / 5) + torch.rand(RECORDS, generator=draw) / torch.where(inner, 3, 5)
    points = torch.where(inner, 1.0, 2.0)[:, None] * _along(turn)
    return Data(points + 0.05 * torch.randn(RECORDS, 2, generator=draw), part, RECORDS)


def _along(turn: Tensor) -> Tensor:
    return torch.stack([(2 * math.pi * turn).cos(), (2 * math.pi * turn).sin()], dim=1)


def star(seed: int) -> Data:
    """The outline of a star with five points."""
    draw = torch.Generator().manual_seed(seed)
    side = torch.randint(10, (RECORDS,), generator=draw)
    corners = (1.3 + 0.8 * (torch.arange(11) % 2))[:, None] * _along(torch.arange(11) / 10)
    share = torch.rand(RECORDS, 1, generator=draw)
    points = (1 - share) * corners[side] + share * corners[side + 1]
    return Data(points + 0.05 * torch.randn(RECORDS, 2, generator=draw), side // 2, RECORDS)


def crosses(seed: int) -> Data:
    """Four crosses, one towards each corner, of two strokes each."""
    draw = torch.Generator().manual_seed(seed)
    stroke = torch.randint(8, (RECORDS,), generator=draw)
    middle = torch.tensor([[-1.3, -1.3], [-1.3, 1.3], [1.3, -1.3], [1.3, 1.3]])[stroke // 2]
    along = 1.2 * torch.rand(RECORDS, 1, generator=draw) - 0.6
    points = middle + along * torch.eye(2)[stroke % 2]
    return Data(points + 0.06 * torch.randn(RECORDS, 2, generator=draw), stroke, RECORDS)


PIECES = ("0000111100000000", "0110011000000000", "0100111000000000", "0110110000000000", "1100011000000000", "1000111000000000")
"""Four squares in a row, in a block, as T, S, Z and J: four rows of four."""


def pieces(seed: int) -> Data:
    """Images of 8 x 8 from about -1 to 1: one of six pieces of four squares, up to two pixels down, with noise and of uneven darkness."""
    draw = torch.Generator().manual_seed(seed)
    kind = torch.randint(len(PIECES), (RECORDS,), generator=draw)
    squares = torch.tensor([[float(each) for each in piece] for piece in PIECES]).reshape(-1, 4, 4)
    images = squares.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)[kind]
    down = torch.randint(3, (RECORDS,), generator=draw)
    rows = (torch.arange(8) - down[:, None]) % 8
    images = images.gather(1, rows[:, :, None].expand(-1, -1, 8)) * (0.8 + 0.2 * torch.rand(RECORDS, 1, 1, generator=draw))
    return Data(1.8 * images.flatten(1) - 0.9 + 0.25 * torch.randn(RECORDS, 64, generator=draw), kind, RECORDS)


class Named(Pair):
    """A pair whose nets are saved under other names than `generator` and `discriminator`."""

    def __init__(self, maker: tuple[str, nn.Module], judge: tuple[str, nn.Module]) -> None:
        nn.Module.__init__(self)
        self.add_module(*maker)
        self.add_module(*judge)
        # Past the registration of torch, which would save them twice.
        self.__dict__.update(generator=maker[1], discriminator=judge[1])


def normalized(data: Data, seed: int) -> nn.Module:
    """A generator with batch normalization before each ReLU; no normalization in the discriminator."""
    maker = nn.Sequential(
        nn.Linear(8, 96, bias=False), nn.BatchNorm1d(96), nn.ReLU(),
        nn.Linear(96, 96, bias=False), nn.BatchNorm1d(96), nn.ReLU(),
        nn.Linear(96, 2),
    )  # fmt: skip
    judge = nn.Sequential(nn.Linear(2, 96), nn.LeakyReLU(0.2), nn.Linear(96, 96), nn.LeakyReLU(0.2), nn.Linear(96, 1))
    return Named(("G", maker), ("D", judge))


def upsampling(data: Data, seed: int) -> nn.Module:
    """Transposed convolutions with batch normalization, from 2 x 2 to 8 x 8; a dense discriminator."""
    maker = nn.Sequential(
        nn.Linear(12, 256, bias=False), nn.BatchNorm1d(256), nn.ReLU(), nn.Unflatten(1, (64, 2, 2)),
        nn.ConvTranspose2d(64, 32, 4, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
        nn.ConvTranspose2d(32, 1, 4, 2, 1), nn.Tanh(), nn.Flatten(),
    )  # fmt: skip
    judge = nn.Sequential(nn.Linear(64, 192), nn.LeakyReLU(0.2), nn.Linear(192, 96), nn.LeakyReLU(0.2), nn.Linear(96, 1))
    return Named(("netG", maker), ("netD", judge))


class Residual(nn.Module):
    """Two layers beside a way round them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, inner: Tensor) -> Tensor:
        """Of the same width."""
        change: Tensor = self.fc2(torch.relu(self.fc1(torch.relu(inner))))
        return inner + change


def residual(data: Data, seed: int) -> nn.Module:
    """Two residual blocks of 64 in the generator, one of 96 in the critic."""
    maker = nn.Sequential(nn.Linear(8, 64), Residual(64), Residual(64), nn.ReLU(), nn.Linear(64, 2))
    judge = nn.Sequential(nn.Linear(2, 96), Residual(96), nn.ReLU(), nn.Linear(96, 1))
    return Named(("generator", maker), ("critic", judge))


def narrowing(data: Data, seed: int) -> nn.Module:
    """GELU, three hidden layers in the critic and two in the generator."""
    maker = nn.Sequential(nn.Linear(6, 80), nn.GELU(), nn.Linear(80, 80), nn.GELU(), nn.Linear(80, 2))
    judge = nn.Sequential(nn.Linear(2, 112), nn.GELU(), nn.Linear(112, 80), nn.GELU(), nn.Linear(80, 48), nn.GELU(), nn.Linear(48, 1))
    return Named(("gen", maker), ("critic", judge))


_ADVERSARIAL = frozenset({"adversarial"})
TASKS = (
    Task(
        "circles-pair", "third", "pair-mlp-batchnorm", "adversarial", circles, normalized,
        Plan(steps=900, batch_size=128, optimizer="adamw", lr=1e-3, betas=(0.5, 0.999), weight_decay=1e-4), 0.7, _ADVERSARIAL,
        train=partial(train, Game("least-squares", 0.1, latent=8)),
    ),
    Task(
        "pieces-pair", "third", "pair-upsampling-batchnorm", "adversarial", pieces, upsampling,
        Plan(steps=700, batch_size=64, lr=1e-3, betas=(0.5, 0.999)), 0.8, _ADVERSARIAL,
        train=partial(train, Game("hinge", 0.5, latent=12)),
    ),
    Task(
        "star-critic", "third", "critic-residual", "adversarial", star, residual,
        Plan(steps=600, batch_size=128, lr=1e-3, betas=(0.5, 0.9)), 0.7, _ADVERSARIAL | {"critic"},
        train=partial(train, Game("wasserstein", 0.3, latent=8, judge_steps=2)),
    ),
    Task(
        "crosses-critic", "third", "critic-mlp-gelu", "adversarial", crosses, narrowing,
        Plan(steps=400, batch_size=96, lr=1e-3, betas=(0.0, 0.9)), 0.7, _ADVERSARIAL | {"critic"},
        train=partial(train, Game("wasserstein", 0.5, latent=6, judge_steps=3)),
    ),
)  # fmt: skip
