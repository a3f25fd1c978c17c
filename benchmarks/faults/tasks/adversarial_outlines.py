"""Adversarial pairs on dice, moons, a hive, linked rings and a heart: spectral norms, styles, maxout, dropout, layer normalization."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import spectral_norm

from faults.nouns import Data, Task
from faults.plan import Plan
from faults.sources_outlines import dice, heart, hive, linked, moon
from faults.tasks.adversarial import Game, train
from faults.tasks.adversarial_curves import Named


class GBlock(nn.Module):
    """Twice the rows and columns, beside a way round; the names are those of the paper of spectral normalization."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.b1, self.c1 = nn.BatchNorm2d(before), nn.Conv2d(before, after, 3, padding=1)
        self.b2, self.c2 = nn.BatchNorm2d(after), nn.Conv2d(after, after, 3, padding=1)
        self.c_sc = nn.Conv2d(before, after, 1)
        self.activation = nn.ReLU()

    def forward(self, inner: Tensor) -> Tensor:
        """(records, channels, rows, columns)."""
        change = self.c1(_doubled(self.activation(self.b1(inner))))
        found: Tensor = self.c2(self.activation(self.b2(change))) + self.c_sc(_doubled(inner))
        return found


def _doubled(inner: Tensor) -> Tensor:
    """Each place four times."""
    return inner.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


class ResNetGenerator(nn.Module):
    """A layer, one residual block from 4 x 4 to 8 x 8, and a convolution."""

    def __init__(self, latent: int, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.l1, self.block2 = nn.Linear(latent, 16 * channels), GBlock(channels, channels)
        self.b3, self.c3 = nn.BatchNorm2d(channels), nn.Conv2d(channels, 1, 3, padding=1)
        self.activation = nn.ReLU()
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)

    def forward(self, latent: Tensor) -> Tensor:
        """Latents to images, flat."""
        inner = self.block2(self.l1(latent).unflatten(1, (self.channels, 4, 4)))
        return torch.tanh(self.c3(self.activation(self.b3(inner)))).flatten(1)


class SNDiscriminator(nn.Module):
    """Two convolutions of stride 2 and a layer, each divided by its largest singular value."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.c0 = spectral_norm(nn.Conv2d(1, channels, 4, 2, 1))
        self.c1 = spectral_norm(nn.Conv2d(channels, 2 * channels, 4, 2, 1))
        self.l2 = spectral_norm(nn.Linear(8 * channels, 1))
        self.activation = nn.LeakyReLU(0.1)

    def forward(self, images: Tensor) -> Tensor:
        """Flat images to logits."""
        inner = self.activation(self.c0(images.unflatten(1, (1, 8, 8))))
        found: Tensor = self.l2(self.activation(self.c1(inner)).flatten(1))
        return found


def spectral(data: Data, seed: int) -> nn.Module:
    """A residual generator and a discriminator with spectral normalization."""
    return Named(("generator", ResNetGenerator(24, 16)), ("discriminator", SNDiscriminator(24)))


class Upsampled(nn.Module):
    """A layer and blocks of convolutions, under the names of a widely copied collection of pairs: `l1`, `conv_blocks`."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.l1 = nn.Sequential(nn.Linear(latent, 32 * 4))
        self.conv_blocks = nn.Sequential(
            nn.ConvTranspose2d(32, 32, 4, 2, 1), nn.BatchNorm2d(32, 0.8), nn.LeakyReLU(0.2, inplace=True),
            nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.BatchNorm2d(16, 0.8), nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(16, 1, 3, padding=1), nn.Tanh(),
        )  # fmt: skip

    def forward(self, latent: Tensor) -> Tensor:
        """Latents to images, flat."""
        images: Tensor = self.conv_blocks(self.l1(latent).unflatten(1, (32, 2, 2)))
        return images.flatten(1)


class Judged(nn.Module):
    """Dense layers with dropout, then `adv_layer`."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.Linear(64, 192), nn.LeakyReLU(0.2), nn.Dropout(0.1), nn.Linear(192, 96), nn.LeakyReLU(0.2), nn.Dropout(0.1),
        )  # fmt: skip
        self.adv_layer = nn.Linear(96, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Flat images to scores."""
        found: Tensor = self.adv_layer(self.model(images))
        return found


def dropping(data: Data, seed: int) -> nn.Module:
    """Transposed convolutions with batch normalization; a discriminator with dropout."""
    return Named(("netG", Upsampled(16)), ("netD", Judged()))


class Mapping(nn.Module):
    """A latent to a style: of norm 1 a unit, then layers."""

    def __init__(self, latent: int, width: int) -> None:
        super().__init__()
        self.fc0, self.fc1 = nn.Linear(latent, width), nn.Linear(width, width)

    def forward(self, latent: Tensor) -> Tensor:
        """(records, width)."""
        scaled = latent * (latent.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()
        return functional.leaky_relu(self.fc1(functional.leaky_relu(self.fc0(scaled), 0.2)), 0.2)


class StyleLayer(nn.Module):
    """A layer whose inputs are scaled by the style, as `affine` makes it."""

    def __init__(self, style: int, before: int, after: int) -> None:
        super().__init__()
        self.affine, self.fc = nn.Linear(style, before), nn.Linear(before, after)
        nn.init.ones_(self.affine.bias)

    def forward(self, inner: Tensor, style: Tensor) -> Tensor:
        """(records, after)."""
        found: Tensor = self.fc(inner * self.affine(style))
        return found


class Synthesis(nn.Module):
    """From a learned constant, by layers that the style scales."""

    def __init__(self, style: int, width: int, out: int) -> None:
        super().__init__()
        self.const = nn.Parameter(torch.randn(1, width))
        self.l0, self.l1 = StyleLayer(style, width, width), StyleLayer(style, width, width)
        self.torgb = StyleLayer(style, width, out)

    def forward(self, style: Tensor) -> Tensor:
        """(records, out)."""
        inner = functional.leaky_relu(self.l0(self.const, style), 0.2)
        found: Tensor = self.torgb(functional.leaky_relu(self.l1(inner, style), 0.2), style)
        return found


class StyleGenerator(nn.Module):
    """A mapping and a synthesis network, as StyleGAN's."""

    def __init__(self, latent: int, style: int, width: int, out: int) -> None:
        super().__init__()
        self.mapping, self.synthesis = Mapping(latent, style), Synthesis(style, width, out)

    def forward(self, latent: Tensor) -> Tensor:
        """Latents to records."""
        found: Tensor = self.synthesis(self.mapping(latent))
        return found


def styled(data: Data, seed: int) -> nn.Module:
    """Styles in the generator, three narrowing layers in the discriminator."""
    judge = nn.Sequential()
    for number, (before, after) in enumerate(((2, 128), (128, 96), (96, 64))):
        judge.add_module(f"fc{number}", nn.Linear(before, after))
        judge.add_module(f"act{number}", nn.LeakyReLU(0.2))
    judge.add_module("out", nn.Linear(64, 1))
    return Named(("G", StyleGenerator(12, 48, 64, 2)), ("D", judge))


class Maxout(nn.Module):
    """The largest of a few layers."""

    def __init__(self, before: int, after: int, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces
        self.linear = nn.Linear(before, after * pieces)

    def forward(self, inner: Tensor) -> Tensor:
        """(records, after)."""
        every: Tensor = self.linear(inner)
        found: Tensor = every.unflatten(1, (-1, self.pieces)).amax(dim=2)
        return found


def maxed(data: Data, seed: int) -> nn.Module:
    """A ReLU generator that sees its latent at each layer, and a critic of maxout units."""
    return Named(("gen", Fed(8, 80, 2, 2)), ("critic", nn.Sequential(Maxout(2, 72, 3), Maxout(72, 72, 3), nn.Linear(72, 1))))


class Fed(nn.Module):
    """Hidden layers that each see the latent again."""

    def __init__(self, latent: int, width: int, layers: int, after: int) -> None:
        super().__init__()
        self.input = nn.Linear(latent, width)
        self.hidden = nn.ModuleList(nn.Linear(latent + width, width) for _ in range(layers))
        self.output = nn.Linear(width, after)
        self.act = nn.ReLU()

    def forward(self, latent: Tensor) -> Tensor:
        """Latents to records."""
        inner = self.act(self.input(latent))
        for layer in self.hidden:
            inner = self.act(layer(torch.cat([inner, latent], dim=1)))
        found: Tensor = self.output(inner)
        return found


def layered(data: Data, seed: int) -> nn.Module:
    """Layer normalization in the critic, as is advised where its slope is penalized record by record; orthogonal weights."""
    maker = nn.Sequential(nn.Linear(6, 96), nn.PReLU(), nn.Linear(96, 96), nn.PReLU(), nn.Linear(96, 2))
    judge = nn.Sequential(
        nn.Linear(2, 96), nn.LayerNorm(96), nn.SiLU(), nn.Linear(96, 96), nn.LayerNorm(96), nn.SiLU(), nn.Linear(96, 1),
    )  # fmt: skip
    for module in (*maker, *judge):
        if isinstance(module, nn.Linear):
            nn.init.orthogonal_(module.weight)
            nn.init.zeros_(module.bias)
    return Named(("G_net", maker), ("D_net", judge))


_ADVERSARIAL = frozenset({"adversarial"})
TASKS = (
    Task(
        "dice-pair", "fifth", "pair-spectral-residual", "adversarial", dice, spectral,
        Plan(steps=400, batch_size=48, lr=1e-3, betas=(0.0, 0.9)), 0.8, _ADVERSARIAL,
        train=partial(train, Game("hinge", 0.0, latent=24)),
    ),
    Task(
        "moon-pair", "fifth", "pair-upsampling-dropout", "adversarial", moon, dropping,
        Plan(steps=500, batch_size=48, lr=1e-3, betas=(0.5, 0.999)), 0.8, _ADVERSARIAL,
        train=partial(train, Game("least-squares", 0.5, latent=16)),
    ),
    Task(
        "hive-pair", "fifth", "pair-styles", "adversarial", hive, styled,
        Plan(steps=900, batch_size=128, lr=1e-3, betas=(0.0, 0.99)), 0.7, _ADVERSARIAL,
        train=partial(train, Game("cross-entropy", 0.1, latent=12)),
    ),
    Task(
        "linked-critic", "fifth", "critic-maxout", "adversarial", linked, maxed,
        Plan(steps=600, batch_size=128, lr=1e-3, betas=(0.5, 0.9)), 0.7, _ADVERSARIAL | {"critic"},
        train=partial(train, Game("wasserstein", 0.3, latent=8, judge_steps=2)),
    ),
    Task(
        "heart-critic", "fifth", "critic-layernorm", "adversarial", heart, layered,
        Plan(steps=600, batch_size=128, optimizer="adamw", lr=1e-3, betas=(0.5, 0.9), weight_decay=1e-3), 0.7,
        _ADVERSARIAL | {"critic"}, train=partial(train, Game("wasserstein", 0.5, latent=6, judge_steps=2)),
    ),
)  # fmt: skip
