"""Networks that squeeze signals and tables through few numbers: tied, recurrent, residual ones, and Gaussian codes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from faults import sources_signals
from faults.nouns import Data, Task
from faults.plan import Plan
from faults.tasks.codes import Gaussian
from faults.tasks.tables import stack


class TiedCode(nn.Module):
    """Leaky layers to a code, and back through the same matrices turned over, with biases of their own."""

    def __init__(self, length: int, inner: int, latent: int) -> None:
        super().__init__()
        self.act, self.enc1, self.enc2 = nn.LeakyReLU(0.1), nn.Linear(length, inner), nn.Linear(inner, latent)
        nn.init.kaiming_normal_(self.enc1.weight, a=0.1)
        nn.init.xavier_normal_(self.enc2.weight)
        # Kept beside the layers, so that the way back holds the same matrices whatever is put in front of a layer.
        self.tied = (self.enc1.weight, self.enc2.weight)
        self.dec_bias1, self.dec_bias2 = nn.Parameter(torch.zeros(inner)), nn.Parameter(torch.zeros(length))

    def forward(self, records: Tensor) -> Tensor:
        """What is made of the records, of their shape."""
        code = self.enc2(self.act(self.enc1(records)))
        wide = self.act(linear(code, self.tied[1].t(), self.dec_bias1))
        return linear(wide, self.tied[0].t(), self.dec_bias2)


class SequenceCode(nn.Module):
    """A GRU reads a signal frame by frame into a code; another is given the code at each step and says the frames."""

    def __init__(self, length: int, frame: int, latent: int) -> None:
        super().__init__()
        self.frame, self.steps = frame, length // frame
        self.encoder, self.to_code = nn.GRU(frame, 40, batch_first=True), nn.Linear(40, latent)
        self.from_code, self.decoder = nn.Linear(latent, 40), nn.GRU(40, 40, batch_first=True)
        self.step_embedding = nn.Parameter(0.3 * torch.randn(self.steps, 40))
        self.readout = nn.Linear(40, frame)

    def forward(self, signals: Tensor) -> Tensor:
        """What is made of the signals, of their shape."""
        _, last = self.encoder(signals.unflatten(1, (self.steps, self.frame)))
        code = self.to_code(last[0])
        states, _ = self.decoder(self.from_code(code)[:, None] + self.step_embedding)
        made: Tensor = self.readout(states).flatten(1)
        return made


class Beside(nn.Module):
    """A normalized layer and a second one beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.fc1, self.act, self.fc2 = nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width)

    def forward(self, states: Tensor) -> Tensor:
        """Of the same shape."""
        after: Tensor = states + self.fc2(self.act(self.fc1(self.norm(states))))
        return after


class ResidualCode(nn.Module):
    """Such blocks before and behind a code."""

    def __init__(self, length: int, width: int, latent: int) -> None:
        super().__init__()
        self.stem, self.down = nn.Linear(length, width), nn.Sequential(Beside(width), Beside(width))
        self.bottleneck, self.grow = nn.Linear(width, latent), nn.Linear(latent, width)
        self.up, self.to_signal = nn.Sequential(Beside(width), Beside(width)), nn.Linear(width, length)

    def forward(self, records: Tensor) -> Tensor:
        """What is made of the records, of their shape."""
        code = self.bottleneck(self.down(self.stem(records)))
        made: Tensor = self.to_signal(self.up(self.grow(code)))
        return made


def _length(data: Data) -> int:
    return data.inputs[0].numel()


def spectra_tied(data: Data, seed: int) -> nn.Module:
    """Tied layers of 96 around 12 numbers."""
    return TiedCode(_length(data), 96, 12)


def pulses_sequence(data: Data, seed: int) -> nn.Module:
    """Frames of eight samples, and 12 numbers between."""
    return SequenceCode(_length(data), 8, 12)


def spectra_residual(data: Data, seed: int) -> nn.Module:
    """Four blocks of width 48 around 10 numbers."""
    return ResidualCode(_length(data), 48, 10)


def factors_gaussian(data: Data, seed: int) -> nn.Module:
    """One ReLU layer on each side of a Gaussian of six dimensions."""
    encoder = nn.Sequential(*stack(_length(data), (96,), 64, "ReLU"), nn.ReLU())
    return Gaussian(encoder, 64, 6, stack(6, (64, 96), _length(data), "ReLU"))


def spectra_gaussian(data: Data, seed: int) -> nn.Module:
    """Three SiLU layers on each side of a Gaussian of eight dimensions."""
    encoder = nn.Sequential(*stack(_length(data), (96, 96), 48, "SiLU"), nn.SiLU())
    return Gaussian(encoder, 48, 8, stack(8, (48, 96, 96), _length(data), "SiLU"))


AUTOENCODER, VARIATIONAL = frozenset({"autoencoder"}), frozenset({"variational"})
TASKS = (
    Task(
        "spectra-tied", "third", "autoencoder-tied", "reconstruction", sources_signals.spectra, spectra_tied,
        Plan(optimizer="sgd", lr=0.05, steps=1000, schedule="cosine", weight_decay=1e-4), 0.5, AUTOENCODER,
    ),
    Task(
        "pulses-sequence", "third", "autoencoder-recurrent", "reconstruction", sources_signals.framed_pulses, pulses_sequence,
        Plan(lr=4e-3, steps=500, schedule="cosine", clip_norm=1.0), 0.6, AUTOENCODER | {"recurrent"},
    ),
    Task(
        "spectra-residual", "third", "autoencoder-residual", "reconstruction", sources_signals.spectra, spectra_residual,
        Plan(optimizer="adamw", lr=2e-3, weight_decay=0.02, steps=500, warm_up=0.05, schedule="cosine"), 0.5,
        AUTOENCODER | {"shortcuts", "normalized"},
    ),
    Task(
        "factors-variational", "third", "variational-table", "variational", sources_signals.factors, factors_gaussian,
        Plan(lr=1e-3, steps=700, batch_size=64), 0.75, VARIATIONAL | {"relu"},
    ),
    Task(
        "spectra-variational", "third", "variational-deep", "variational", sources_signals.spectra, spectra_gaussian,
        Plan(optimizer="adamw", lr=1e-3, weight_decay=0.01, steps=700, schedule="linear", warm_up=0.1, batch_size=64), 0.7, VARIATIONAL,
    ),
)  # fmt: skip
