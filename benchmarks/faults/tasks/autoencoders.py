"""Autoencoders, plain and variational."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from faults import sources
from faults.nouns import Data, Task
from faults.plan import Plan


class Autoencoder(nn.Module):
    """Pixels to a few numbers and back, ReLU between."""

    def __init__(self, pixels: int, latent: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(pixels, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, latent))
        self.decoder = nn.Sequential(nn.Linear(latent, 32), nn.ReLU(), nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, pixels))

    def forward(self, records: Tensor) -> Tensor:
        """Pixels of shape (records, pixels)."""
        made: Tensor = self.decoder(self.encoder(records))
        return made


class Variational(nn.Module):
    """The same with a Gaussian between, whose mean and log-variance follow the pixels in the answer."""

    def __init__(self, pixels: int, latent: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(pixels, 64), nn.ReLU())
        self.mu, self.logvar = nn.Linear(64, latent), nn.Linear(64, latent)
        self.decoder = nn.Sequential(nn.Linear(latent, 64), nn.ReLU(), nn.Linear(64, pixels))

    def forward(self, records: Tensor) -> Tensor:
        """(records, pixels + 2 * latent): pixels, mean, log-variance."""
        inner = self.encoder(records)
        mean, log_variance = self.mu(inner), self.logvar(inner)
        drawn = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean) if self.training else mean
        return torch.cat([self.decoder(drawn), mean, log_variance], dim=1)


def plain(data: Data, seed: int) -> nn.Module:
    """To 12 numbers and back."""
    return Autoencoder(data.inputs[0].numel(), 12)


def variational(data: Data, seed: int) -> nn.Module:
    """With a Gaussian of 8 dimensions between."""
    return Variational(data.inputs[0].numel(), 8)


TASKS = (
    Task(
        "digits-autoencoder", "first", "autoencoder", "reconstruction", sources.digits, plain, Plan(lr=3e-3), 0.6,
        frozenset({"relu", "autoencoder"}),
    ),
    Task(
        "shapes-variational", "first", "variational", "variational", sources.shapes, variational, Plan(lr=2e-3), 0.9,
        frozenset({"relu", "variational"}),
    ),
    Task(
        "shapes-autoencoder", "first", "autoencoder", "reconstruction", sources.shapes, plain, Plan(lr=3e-3), 0.8,
        frozenset({"relu", "autoencoder"}),
    ),
    Task(
        "digits-variational", "first", "variational", "variational", sources.digits, variational, Plan(lr=2e-3), 0.85,
        frozenset({"relu", "variational"}),
    ),
)  # fmt: skip
