"""Networks that condense outlines, coins and answers: tanh and sigmoid layers, grouped convolutions, patches left out, Gaussian codes."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from faults import sources_icons, sources_outings
from faults.nouns import Data, Losses, Task
from faults.plan import Plan
from faults.tasks.outings import PooledBlock
from faults.tasks.vision import he

BETA = 2.0


class AutoEncoder(nn.Module):
    """An encoder and a decoder of dense layers, as tutorials write them."""

    def __init__(self, sizes: tuple[int, ...], act: type[nn.Module]) -> None:
        super().__init__()
        self.enc, self.dec = nn.Sequential(), nn.Sequential()
        for part, widths in ((self.enc, sizes), (self.dec, sizes[::-1])):
            for number, (wide, narrow) in enumerate(pairwise(widths)):
                layer = nn.Linear(wide, narrow)
                hidden = part is self.enc or number < len(widths) - 2
                # A sigmoid passes on a quarter of what it is given.
                nn.init.xavier_uniform_(layer.weight, gain=2.0 if hidden and act is nn.Sigmoid else 1.0)
                part.add_module(f"lin{number}", layer)
                if hidden:
                    part.add_module(f"act{number}", act())

    def forward(self, records: Tensor) -> Tensor:
        """What is made of the records, of the same shape."""
        made: Tensor = self.dec(self.enc(records))
        return made


def _squeezing() -> nn.Sequential:
    """(1, 12, 12) to (24, 3, 3), normalized in groups."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 4, stride=2, padding=1), nn.GroupNorm(4, 16), nn.LeakyReLU(0.1),
        nn.Conv2d(16, 24, 4, stride=2, padding=1), nn.GroupNorm(4, 24), nn.LeakyReLU(0.1),
    )  # fmt: skip


class GroupedCoins(nn.Module):
    """Such convolutions to 20 numbers, and back by layers whose maps are shuffled into more pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.to_latent, self.from_latent = _squeezing(), nn.Linear(216, 20), nn.Linear(20, 216)
        self.up = nn.Sequential(
            nn.Conv2d(24, 64, 3, padding=1), nn.PixelShuffle(2), nn.GroupNorm(4, 16), nn.LeakyReLU(0.1),
            nn.Conv2d(16, 48, 3, padding=1), nn.PixelShuffle(2), nn.LeakyReLU(0.1), nn.Conv2d(12, 1, 3, padding=1),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        """Images of the same shape."""
        latent = self.to_latent(self.down(images).flatten(1))
        made: Tensor = self.up(self.from_latent(latent).view(-1, 24, 3, 3))
        return made


class Masked(nn.Module):
    """Patches of which some are hidden behind a learned token; a transformer fills all of them in from the others."""

    def __init__(self, patches: int, size: int, width: int = 32) -> None:
        super().__init__()
        self.size = size
        self.patch_embed, self.mask_token = nn.Linear(size, width), nn.Parameter(0.02 * torch.randn(width))
        self.pos_embed = nn.Parameter(0.2 * torch.randn(patches, width))
        self.blocks, self.norm = nn.Sequential(PooledBlock(width), PooledBlock(width)), nn.LayerNorm(width)
        self.decoder_pred = nn.Linear(width, size)

    def forward(self, signals: Tensor) -> Tensor:
        """Signals of shape (records, length); a quarter of their patches is hidden."""
        patches = self.patch_embed(signals.unflatten(1, (-1, self.size)))
        numbers = torch.arange(patches.shape[1], device=patches.device)
        # The same ones each time where it is measured.
        hidden = torch.rand(patches.shape[:2], device=patches.device) < 0.25 if self.training else numbers % 4 == 1
        patches = torch.where(hidden[..., None], self.mask_token, patches)
        made: Tensor = self.decoder_pred(self.norm(self.blocks(patches + self.pos_embed)))
        return made.flatten(1)


class BetaVae(nn.Module):
    """Convolutions around a Gaussian of eight dimensions, which is weighted more than the bound asks for."""

    def __init__(self, latent: int = 8) -> None:
        super().__init__()
        self.conv_encoder = nn.Sequential(
            nn.Conv2d(1, 16, 4, stride=2, padding=1), nn.ReLU(), nn.Conv2d(16, 24, 4, stride=2, padding=1), nn.ReLU(), nn.Flatten(),
            nn.Linear(216, 64), nn.ReLU(),
        )  # fmt: skip
        self.mu, self.logvar = nn.Linear(64, latent), nn.Linear(64, latent)
        self.decoder_input = nn.Sequential(nn.Linear(latent, 64), nn.ReLU(), nn.Linear(64, 216), nn.ReLU())
        to_pixels = nn.Conv2d(16, 1, 3, padding=1)
        self.conv_decoder = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(24, 16, 3, padding=1), nn.ReLU(),
            nn.Upsample(scale_factor=2, mode="bilinear"), to_pixels,
        )  # fmt: skip
        he(self)
        # None of these is followed by a ReLU.
        for layer in (self.mu, self.logvar, to_pixels):
            nn.init.normal_(layer.weight, std=0.02)

    def forward(self, images: Tensor) -> Tensor:
        """(images, pixels + 2 * latent): pixels, mean, log-variance."""
        inner = self.conv_encoder(images)
        mean, spread = self.mu(inner), self.logvar(inner)
        code = mean + torch.exp(0.5 * spread) * torch.randn_like(mean) if self.training else mean
        made = self.conv_decoder(self.decoder_input(code).view(-1, 24, 3, 3))
        return torch.cat([made.flatten(1), mean, spread], dim=1)


class Kingma(nn.Module):
    """One tanh layer on each side of a Gaussian of five dimensions, and answers as logits."""

    def __init__(self, length: int, latent: int = 5, width: int = 64) -> None:
        super().__init__()
        self.fc1, self.fc21, self.fc22 = nn.Linear(length, width), nn.Linear(width, latent), nn.Linear(width, latent)
        self.fc3, self.fc4, self.tanh = nn.Linear(latent, width), nn.Linear(width, length), nn.Tanh()

    def forward(self, records: Tensor) -> Tensor:
        """(records, length + 2 * latent): logits, mean, log-variance."""
        inner = self.tanh(self.fc1(records))
        mean, spread = self.fc21(inner), self.fc22(inner)
        code = mean + torch.exp(0.5 * spread) * torch.randn_like(mean) if self.training else mean
        return torch.cat([self.fc4(self.tanh(self.fc3(code))), mean, spread], dim=1)


def _parts(model: nn.Module, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """What is made of the inputs, (records, values), and the divergence from a standard normal, in float32."""
    values = inputs.flatten(1).shape[1]
    answers = model(inputs.to(next(model.parameters()).dtype)).float()
    latent = (answers.shape[1] - values) // 2
    made, mean, spread = answers.split((values, latent, latent), dim=1)
    return made, 0.5 * (mean.square() + spread.exp() - 1 - spread).sum(dim=1).mean()


def weighted_bound(model: nn.Module, inputs: Tensor, targets: Tensor, data: Data, plan: Plan) -> Losses:
    """Half the squared error of a record, and twice the divergence: a beta-VAE's."""
    made, divergence = _parts(model, inputs)
    error = 0.5 * (made - inputs.float().flatten(1)).square().sum(dim=1).mean()
    return Losses(error + BETA * divergence, {"reconstruction": error, "kl": divergence})


def bernoulli_bound(model: nn.Module, inputs: Tensor, targets: Tensor, data: Data, plan: Plan) -> Losses:
    """Cross-entropy of a record's answers, of which those above 0 are a yes, and the divergence."""
    made, divergence = _parts(model, inputs)
    error = binary_cross_entropy_with_logits(made, (inputs.flatten(1) > 0).float(), reduction="sum") / len(inputs)
    return Losses(error + divergence, {"reconstruction": error, "kl": divergence})


def outlines_tanh(data: Data, seed: int) -> nn.Module:
    """Three tanh layers to 14 numbers and back."""
    return AutoEncoder((data.inputs.shape[1], 72, 40, 14), nn.Tanh)


def answers_sigmoid(data: Data, seed: int) -> nn.Module:
    """Sigmoid layers to eight numbers and back."""
    return AutoEncoder((data.inputs.shape[1], 48, 8), nn.Sigmoid)


def coins_grouped(data: Data, seed: int) -> nn.Module:
    """Convolutions normalized in groups over coins."""
    return GroupedCoins()


def outlines_masked(data: Data, seed: int) -> nn.Module:
    """Twelve patches of four distances."""
    return Masked(data.inputs.shape[1] // 4, 4)


def coins_beta(data: Data, seed: int) -> nn.Module:
    """A beta-VAE over coins."""
    return BetaVae()


def answers_bernoulli(data: Data, seed: int) -> nn.Module:
    """Kingma's network over answers."""
    return Kingma(data.inputs.shape[1])


AUTOENCODER, VARIATIONAL = frozenset({"autoencoder"}), frozenset({"variational"})
TASKS = (
    Task(
        "outlines-tanh", "fifth", "autoencoder-tanh-three", "reconstruction", sources_outings.outlines, outlines_tanh,
        Plan(lr=2e-3, steps=800, batch_size=64, schedule="cosine"), 0.5, AUTOENCODER | {"tanh", "saturating"},
    ),
    Task(
        "answers-sigmoid", "fifth", "autoencoder-sigmoid-one", "reconstruction", sources_outings.questionnaires, answers_sigmoid,
        Plan(lr=1e-2, steps=600, batch_size=64, schedule="linear"), 0.7, AUTOENCODER | {"sigmoid", "saturating"},
    ),
    Task(
        "coins-grouped", "fifth", "autoencoder-groupnorm", "reconstruction", sources_icons.coins, coins_grouped,
        Plan(optimizer="adamw", lr=2e-3, weight_decay=0.01, steps=400, schedule="cosine"), 0.5,
        AUTOENCODER | {"convolutional", "normalized"},
    ),
    Task(
        "outlines-masked", "fifth", "autoencoder-masked", "reconstruction", sources_outings.outlines, outlines_masked,
        Plan(optimizer="adamw", lr=2e-3, betas=(0.9, 0.95), weight_decay=0.05, warm_up=0.1, schedule="cosine", steps=500), 0.5,
        AUTOENCODER | {"transformer", "relu", "dropout"},
    ),
    Task(
        "coins-beta", "fifth", "variational-beta", "variational", sources_icons.coins, coins_beta,
        Plan(lr=1.5e-3, steps=600, schedule="cosine"), 0.8, VARIATIONAL | {"relu", "convolutional"}, loss=weighted_bound,
    ),
    Task(
        "answers-bernoulli", "fifth", "variational-bernoulli", "variational", sources_outings.questionnaires, answers_bernoulli,
        Plan(lr=3e-3, steps=700, batch_size=64), 0.85, VARIATIONAL | {"tanh", "saturating"}, loss=bernoulli_bound,
    ),
)  # fmt: skip
