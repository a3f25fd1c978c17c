"""Networks that squeeze records through few numbers: convolutional, denoising, deep and saturating ones, and Gaussian codes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from faults import sources_drawn
from faults.nouns import Data, Task
from faults.plan import Plan
from faults.tasks.tables import stack
from faults.tasks.vision import he


class Coded(nn.Module):
    """An encoder and a decoder; noise on what is encoded, in training, where `noise` says so."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, noise: float = 0.0) -> None:
        super().__init__()
        self.encoder, self.decoder, self.noise = encoder, decoder, noise

    def forward(self, records: Tensor) -> Tensor:
        """What is made of the records, flat."""
        seen = records + self.noise * torch.randn_like(records) if self.training and self.noise else records
        made: Tensor = self.decoder(self.encoder(seen)).flatten(1)
        return made


class Gaussian(nn.Module):
    """The same with a Gaussian between, whose mean and log-variance follow the pixels in the answer."""

    def __init__(self, encoder: nn.Module, width: int, latent: int, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.fc_mu, self.fc_var = nn.Linear(width, latent), nn.Linear(width, latent)
        self.decoder = decoder

    def forward(self, records: Tensor) -> Tensor:
        """(records, pixels + 2 * latent): pixels, mean, log-variance."""
        inner = self.encoder(records).flatten(1)
        mean, spread = self.fc_mu(inner), self.fc_var(inner)
        code = mean + torch.exp(0.5 * spread) * torch.randn_like(mean) if self.training else mean
        return torch.cat([self.decoder(code).flatten(1), mean, spread], dim=1)


def _narrowing() -> nn.Sequential:
    """(1, 12, 12) to (16, 3, 3)."""
    return nn.Sequential(nn.Conv2d(1, 12, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(12, 16, 3, stride=2, padding=1), nn.ReLU())


def _widening() -> tuple[nn.Module, ...]:
    """(16, 3, 3) to (1, 12, 12)."""
    return (
        nn.Upsample(scale_factor=2), nn.Conv2d(16, 12, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2),
        nn.Conv2d(12, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 1, 3, padding=1),
    )  # fmt: skip


def convolutional(data: Data, seed: int) -> nn.Module:
    """Strided convolutions to 24 numbers, and back through convolutions between enlargements."""
    encoder = nn.Sequential(*_narrowing(), nn.Flatten(), nn.Linear(144, 24))
    return he(Coded(encoder, nn.Sequential(nn.Linear(24, 144), nn.ReLU(), nn.Unflatten(1, (16, 3, 3)), *_widening())))


def denoising(data: Data, seed: int) -> nn.Module:
    """Samples of a wave, noise added, to 12 numbers, and back to what they were with less noise."""
    length = data.inputs[0].numel()
    return Coded(stack(length, (96, 48), 12, "ReLU"), stack(12, (48, 96), length, "ReLU"), noise=0.3)


def sigmoid(data: Data, seed: int) -> nn.Module:
    """Deep sigmoid layers to 16 numbers and back."""
    length = data.inputs[0].numel()
    return Coded(stack(length, (96, 48), 16, "Sigmoid"), stack(16, (48, 96), length, "Sigmoid"))


def tanh(data: Data, seed: int) -> nn.Module:
    """Tanh layers to 16 numbers and back."""
    length = data.inputs[0].numel()
    return Coded(stack(length, (96, 64), 16, "Tanh"), stack(16, (64, 96), length, "Tanh"))


def normalized_gaussian(data: Data, seed: int) -> nn.Module:
    """Dense layers with batch normalization around a Gaussian of 8 dimensions."""
    length = data.inputs[0].numel()
    encoder = nn.Sequential(
        nn.Flatten(), nn.Linear(length, 96), nn.BatchNorm1d(96), nn.ReLU(), nn.Linear(96, 48), nn.BatchNorm1d(48), nn.ReLU()
    )
    decoder = nn.Sequential(
        nn.Linear(8, 48), nn.BatchNorm1d(48), nn.ReLU(), nn.Linear(48, 96), nn.BatchNorm1d(96), nn.ReLU(), nn.Linear(96, length)
    )
    return Gaussian(encoder, 48, 8, decoder)


def convolutional_gaussian(data: Data, seed: int) -> nn.Module:
    """Convolutions around a Gaussian of 8 dimensions."""
    decoder = nn.Sequential(nn.Linear(8, 144), nn.ReLU(), nn.Unflatten(1, (16, 3, 3)), *_widening())
    return he(Gaussian(_narrowing(), 144, 8, decoder))


def smooth_gaussian(data: Data, seed: int) -> nn.Module:
    """Dense GELU layers around a Gaussian of 6 dimensions."""
    length = data.inputs[0].numel()
    encoder = nn.Sequential(*stack(length, (96,), 64, "GELU"), nn.GELU())
    return Gaussian(encoder, 64, 6, stack(6, (64, 96), length, "GELU"))


AUTOENCODER, VARIATIONAL = frozenset({"autoencoder"}), frozenset({"variational"})
TASKS = (
    Task(
        "gratings-convolutional", "second", "autoencoder-convolutional", "reconstruction", sources_drawn.calm_gratings, convolutional,
        Plan(lr=2e-3, steps=500), 0.7, AUTOENCODER | {"relu", "convolutional"},
    ),
    Task(
        "waves-denoising", "second", "autoencoder-denoising", "reconstruction", sources_drawn.flat_waves, denoising,
        Plan(lr=2e-3, steps=600, schedule="cosine"), 0.7, AUTOENCODER | {"relu"},
    ),
    Task(
        "letters-sigmoid", "second", "autoencoder-sigmoid", "reconstruction", sources_drawn.centred_letters, sigmoid,
        Plan(lr=3e-3, steps=800), 0.8, AUTOENCODER | {"sigmoid", "saturating"},
    ),
    Task(
        "waves-tanh", "second", "autoencoder-tanh-wide", "reconstruction", sources_drawn.flat_waves, tanh,
        Plan(lr=1e-3, steps=600, batch_size=64), 0.7, AUTOENCODER | {"tanh", "saturating"},
    ),
    Task(
        "letters-variational", "second", "variational-batchnorm", "variational", sources_drawn.centred_letters, normalized_gaussian,
        Plan(lr=2e-3, steps=500), 0.9, VARIATIONAL | {"relu", "batchnorm"},
    ),
    Task(
        "glyphs-variational", "second", "variational-convolutional", "variational", sources_drawn.calm_letters, convolutional_gaussian,
        Plan(lr=2e-3, steps=600), 0.9, VARIATIONAL | {"relu", "convolutional"},
    ),
    Task(
        "waves-variational", "second", "variational-gelu", "variational", sources_drawn.flat_waves, smooth_gaussian,
        Plan(optimizer="adamw", lr=2e-3, weight_decay=0.01, schedule="cosine", steps=600), 0.9, VARIATIONAL,
    ),
)  # fmt: skip
