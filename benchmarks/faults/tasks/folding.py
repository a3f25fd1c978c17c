"""Networks that fold measured courses into few numbers: sparse, denoising, by sigmoids, by a recurrence, in two storeys."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from faults import sources_swings
from faults.nouns import Data, Task
from faults.plan import Plan
from faults.tasks.codes import Coded, Gaussian
from faults.tasks.tables import stack
from faults.tasks.vision import he


class Largest(nn.Module):
    """Keeps the largest numbers of each record, and sets the others to zero."""

    def __init__(self, kept: int) -> None:
        super().__init__()
        self.kept = kept

    def forward(self, codes: Tensor) -> Tensor:
        """Of the same shape (records, width)."""
        least = codes.topk(self.kept, dim=1).values[:, -1:]
        return codes * (codes >= least)


class Ladder(nn.Module):
    """Two storeys of Gaussians: one read from the first hidden layer, one from the third; both are standard normal beforehand."""

    def __init__(self, length: int, low: int, high: int) -> None:
        super().__init__()
        self.h1, self.h2 = stack(length, (80,), 64, "SiLU"), nn.Sequential(nn.SiLU(), *stack(64, (48,), 40, "SiLU"), nn.SiLU())
        self.q_low, self.q_high = nn.Linear(64, 2 * low), nn.Linear(40, 2 * high)
        self.from_high, self.from_low = nn.Linear(high, 48), nn.Linear(low, 48)
        self.dec = nn.Sequential(nn.SiLU(), *stack(48, (80,), length, "SiLU"))

    def forward(self, records: Tensor) -> Tensor:
        """(records, length + 2 * (low + high)): what is made, means, log-variances."""
        first = self.h1(records)
        below, above = self.q_low(first).chunk(2, dim=1), self.q_high(self.h2(first)).chunk(2, dim=1)
        mean, spread = torch.cat([below[0], above[0]], dim=1), torch.cat([below[1], above[1]], dim=1)
        code = mean + torch.exp(0.5 * spread) * torch.randn_like(mean) if self.training else mean
        low = below[0].shape[1]
        made = self.dec(self.from_low(code[:, :low]) + self.from_high(code[:, low:]))
        return torch.cat([made, mean, spread], dim=1)


class Read(nn.Module):
    """The last state of a GRU over the values of a series."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gru = nn.GRU(2, width, batch_first=True)

    def forward(self, series: Tensor) -> Tensor:
        """(series, width), of two values at each step."""
        _, last = self.gru(series.unflatten(1, (-1, 2)))
        state: Tensor = last[0]
        return state


def gaits_sparse(data: Data, seed: int) -> nn.Module:
    """128 ReLU units, of which the 24 largest speak, and a layer back."""
    length = data.inputs[0].numel()
    return he(Coded(nn.Sequential(nn.Linear(length, 128), nn.ReLU(), Largest(24)), nn.Linear(128, length)))


def gaits_denoising(data: Data, seed: int) -> nn.Module:
    """Strided convolutions over time of noisy recordings, and transposed ones back."""
    to_code = nn.Conv1d(24, 3, 1)
    encoder = nn.Sequential(
        nn.Conv1d(2, 16, 5, stride=2, padding=2), nn.ReLU(), nn.Conv1d(16, 24, 5, stride=2, padding=2), nn.ReLU(), to_code
    )
    to_angles = nn.Conv1d(16, 2, 5, padding=2)
    decoder = nn.Sequential(
        nn.Conv1d(3, 24, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv1d(24, 16, 5, padding=2), nn.ReLU(),
        nn.Upsample(scale_factor=2), to_angles,
    )  # fmt: skip
    net = he(Coded(encoder, decoder, noise=0.3))
    # Neither is followed by a ReLU, and what is enlarged holds every number twice.
    for layer in (to_code, to_angles):
        nn.init.xavier_normal_(layer.weight, gain=0.6)
    return net


def gaits_sigmoid(data: Data, seed: int) -> nn.Module:
    """Tanh layers around a code of 16 sigmoid units."""
    length = data.inputs[0].numel()
    encoder = nn.Sequential(*stack(length, (64,), 16, "Tanh"), nn.Sigmoid())
    return Coded(encoder, stack(16, (64,), length, "Tanh"))


def yields_ladder(data: Data, seed: int) -> nn.Module:
    """Four numbers below and four above."""
    return Ladder(data.inputs[0].numel(), 4, 4)


def tides_gaussian(data: Data, seed: int) -> nn.Module:
    """A GRU before a Gaussian of six dimensions, and dense layers behind it."""
    return Gaussian(Read(48), 48, 6, stack(6, (64, 64), data.inputs[0].numel(), "GELU"))


AUTOENCODER, VARIATIONAL = frozenset({"autoencoder"}), frozenset({"variational"})
TASKS = (
    Task(
        "gaits-sparse", "fourth", "autoencoder-sparse", "reconstruction", sources_swings.flat_gaits, gaits_sparse,
        Plan(lr=1e-3, steps=700, batch_size=64), 0.5, AUTOENCODER | {"relu"},
    ),
    Task(
        "gaits-denoising", "fourth", "autoencoder-convolutional-1d", "reconstruction", sources_swings.gaits, gaits_denoising,
        Plan(optimizer="rmsprop", lr=1e-3, steps=700, schedule="cosine"), 0.5, AUTOENCODER | {"relu", "convolutional"},
    ),
    Task(
        "gaits-sigmoid", "fourth", "autoencoder-sigmoid-code", "reconstruction", sources_swings.flat_gaits, gaits_sigmoid,
        Plan(optimizer="sgd", lr=0.1, steps=1200, schedule="cosine"), 0.5, AUTOENCODER | {"sigmoid", "saturating"},
    ),
    Task(
        "yields-ladder", "fourth", "variational-ladder", "variational", sources_swings.yields, yields_ladder,
        Plan(optimizer="adamw", lr=2e-3, weight_decay=0.01, warm_up=0.05, schedule="cosine", steps=600, batch_size=128), 0.7, VARIATIONAL,
    ),
    Task(
        "tides-variational", "fourth", "variational-recurrent", "variational", sources_swings.tides, tides_gaussian,
        Plan(lr=3e-3, steps=500, schedule="cosine", batch_size=64, clip_norm=5.0), 0.7, VARIATIONAL | {"recurrent"},
    ),
)  # fmt: skip
