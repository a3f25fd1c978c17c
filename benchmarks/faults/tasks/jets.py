"""Networks over sets of particles: Deep Sets added up over a jet, and a set transformer that pools by asking."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from faults import sources_outings
from faults.nouns import Data, Task
from faults.plan import Plan
from faults.tasks.vision import he


class ParticleFlow(nn.Module):
    """A net on each particle, the mean over the jet, a net on that: an energy flow network's shape."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.phi = nn.Sequential(nn.Linear(features, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 48), nn.ReLU())
        self.rho = nn.Sequential(nn.Linear(48, 64), nn.ReLU(), nn.Linear(64, classes))
        he(self)

    def forward(self, jets: Tensor) -> Tensor:
        """Logits of shape (jets, classes), of jets of shape (jets, particles, features)."""
        logits: Tensor = self.rho(self.phi(jets).mean(dim=1))
        return logits


class Mab(nn.Module):
    """Attention of one set on another, and a ReLU layer, each normalized after its shortcut: what set transformers are made of."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc_q, self.fc_k, self.fc_v = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)
        self.ln0, self.ln1 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.fc_o, self.relu = nn.Linear(width, width), nn.ReLU()

    def forward(self, asking: Tensor, asked: Tensor) -> Tensor:
        """Of the shape of those that ask, (jets, askers, width)."""
        queries = self.fc_q(asking)
        parted = [each.unflatten(2, (4, -1)).transpose(1, 2) for each in (queries, self.fc_k(asked), self.fc_v(asked))]
        states = self.ln0(queries + scaled_dot_product_attention(*parted).transpose(1, 2).flatten(2))
        after: Tensor = self.ln1(states + self.relu(self.fc_o(states)))
        return after


class SetTransformer(nn.Module):
    """Particles that ask each other, one learned seed that asks them all, a classifier."""

    def __init__(self, features: int, classes: int, width: int = 40) -> None:
        super().__init__()
        self.embed, self.enc1, self.enc2 = nn.Linear(features, width), Mab(width), Mab(width)
        self.seed_vectors, self.pma, self.dec = nn.Parameter(0.3 * torch.randn(1, 1, width)), Mab(width), nn.Linear(width, classes)

    def forward(self, jets: Tensor) -> Tensor:
        """Logits of shape (jets, classes)."""
        states = self.embed(jets)
        for layer in (self.enc1, self.enc2):
            states = layer(states, states)
        pooled = self.pma(self.seed_vectors.expand(len(jets), -1, -1), states)
        logits: Tensor = self.dec(pooled[:, 0])
        return logits


def jets_deep_sets(data: Data, seed: int) -> nn.Module:
    """Deep Sets over jets."""
    return ParticleFlow(data.inputs.shape[2], data.classes)


def jets_attended(data: Data, seed: int) -> nn.Module:
    """A set transformer over jets."""
    return SetTransformer(data.inputs.shape[2], data.classes)


TASKS = (
    Task(
        "jets-deep-sets", "fifth", "deep-sets", "classification", sources_outings.jets, jets_deep_sets,
        Plan(optimizer="sgd", lr=0.03, weight_decay=1e-4, steps=800, schedule="cosine"), 0.5, frozenset({"classes", "relu"}),
    ),
    Task(
        "jets-attended", "fifth", "set-transformer", "classification", sources_outings.jets, jets_attended,
        Plan(lr=1e-3, steps=500, warm_up=0.05, schedule="cosine", clip_norm=5.0), 0.5,
        frozenset({"classes", "transformer", "relu"}),
    ),
)  # fmt: skip
