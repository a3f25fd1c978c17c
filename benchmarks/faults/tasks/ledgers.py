"""Networks over tables as offices keep them: residual blocks, wide and deep, counts, prices, deep and saturating stacks."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from faults import sources_ledgers, sources_pictures
from faults.nouns import Data, Losses, Task
from faults.plan import Plan

GAINS: dict[type[nn.Module], float] = {nn.ReLU: 2.0**0.5, nn.Mish: 2.0**0.5, nn.ELU: 1.25, nn.Tanh: 1.0, nn.Sigmoid: 4.0}
"""By which 1 / sqrt(inputs) is multiplied for a signal to keep its size; tanh and sigmoid layers go by the mean of both widths."""


def started(wide: int, narrow: int, activation: type[nn.Module]) -> nn.Linear:
    """A layer before this activation, drawn as is proper to it, without bias at first."""
    layer = nn.Linear(wide, narrow)
    if activation in (nn.Tanh, nn.Sigmoid):
        nn.init.xavier_normal_(layer.weight, gain=GAINS[activation])
    else:
        nn.init.normal_(layer.weight, std=GAINS[activation] / math.sqrt(wide))
    nn.init.zeros_(layer.bias)
    return layer


class Trunk(nn.Module):
    """Blocks of a layer, its activation and dropout in `layers`; `out` behind them, which answers about 0 at first where it is `calm`."""

    def __init__(self, widths: tuple[int, ...], outputs: int, activation: type[nn.Module], dropout: float, calm: bool) -> None:
        super().__init__()
        blocks = []
        for wide, narrow in pairwise(widths):
            parts = [started(wide, narrow, activation), activation(), *([nn.Dropout(dropout)] if dropout else [])]
            blocks.append(nn.Sequential(*parts))
        self.layers, self.out = nn.ModuleList(blocks), nn.Linear(widths[-1], outputs)
        if calm:
            nn.init.normal_(self.out.weight, std=0.01)
            nn.init.zeros_(self.out.bias)

    def forward(self, records: Tensor) -> Tensor:
        """Answers of shape (records, outputs)."""
        for block in self.layers:
            records = block(records)
        answers: Tensor = self.out(records)
        return answers


class Block(nn.Module):
    """Normalized, widened, narrowed, beside a shortcut."""

    def __init__(self, width: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.norm, self.linear_first, self.relu = nn.BatchNorm1d(width), nn.Linear(width, inner), nn.ReLU()
        self.dropout, self.linear_second = nn.Dropout(dropout), nn.Linear(inner, width)

    def forward(self, kept: Tensor) -> Tensor:
        """Of the same shape (records, width)."""
        after: Tensor = kept + self.linear_second(self.dropout(self.relu(self.linear_first(self.norm(kept)))))
        return after


class Residual(nn.Module):
    """The ResNet for tables: a first layer, three blocks, a normalized prediction."""

    def __init__(self, columns: int, outputs: int) -> None:
        super().__init__()
        self.first_layer = nn.Linear(columns, 64)
        self.blocks = nn.Sequential(*(Block(64, 128, 0.15) for _ in range(3)))
        self.prediction = nn.Sequential(nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, outputs))

    def forward(self, records: Tensor) -> Tensor:
        """Logits of shape (records, outputs)."""
        logits: Tensor = self.prediction(self.blocks(self.first_layer(records)))
        return logits


class WideAndDeep(nn.Module):
    """A linear model of all columns, and a network with dropout; their logits are added."""

    def __init__(self, columns: int, outputs: int) -> None:
        super().__init__()
        self.wide = nn.Linear(columns, outputs)
        self.deep = nn.Sequential(
            started(columns, 96, nn.ReLU), nn.ReLU(), nn.Dropout(0.25), started(96, 48, nn.ReLU), nn.ReLU(), nn.Dropout(0.25)
        )
        self.deep_out = nn.Linear(48, outputs)

    def forward(self, records: Tensor) -> Tensor:
        """Logits of shape (records, outputs)."""
        logits: Tensor = self.wide(records) + self.deep_out(self.deep(records))
        return logits


def residual(data: Data, seed: int) -> nn.Module:
    """Residual blocks of a table."""
    return Residual(data.inputs.shape[1], data.classes)


def wide_and_deep(data: Data, seed: int) -> nn.Module:
    """A linear and a deep part."""
    return WideAndDeep(data.inputs.shape[1], data.classes)


def trunk(
    hidden: tuple[int, ...], activation: type[nn.Module], outputs: int = 0, dropout: float = 0.0, calm: bool = False
) -> Callable[[Data, int], nn.Module]:
    """Plain hidden layers; `outputs` of 0 takes the number of classes, or one."""

    def model(data: Data, seed: int) -> nn.Module:
        return Trunk((data.inputs.shape[1], *hidden), outputs or max(1, data.classes), activation, dropout, calm)

    return model


def poisson(model: nn.Module, inputs: Tensor, targets: Tensor, data: Data, plan: Plan) -> Losses:
    """Mean negative log-likelihood of counts whose logarithmic rate is the answer, without the term of the counts alone: below 0."""
    rate = model(inputs.to(next(model.parameters()).dtype)).float()[:, 0]
    return Losses(nn.functional.poisson_nll_loss(rate, targets))


def laplace(model: nn.Module, inputs: Tensor, targets: Tensor, data: Data, plan: Plan) -> Losses:
    """Mean negative log-likelihood of a Laplace density whose middle and logarithmic scale are the two answers."""
    middle, log_scale = model(inputs.to(next(model.parameters()).dtype)).float().unbind(dim=1)
    return Losses(((targets - middle).abs() * torch.exp(-log_scale) + log_scale + math.log(2.0)).mean())


def huber(model: nn.Module, inputs: Tensor, targets: Tensor, data: Data, plan: Plan) -> Losses:
    """Mean of squares of small errors and of the size of large ones."""
    answers = model(inputs.to(next(model.parameters()).dtype)).float()[:, 0]
    return Losses(nn.functional.huber_loss(answers, targets, delta=0.5))


CLASSES, TABLE, SATURATING = frozenset({"classes"}), frozenset({"table"}), frozenset({"saturating"})
DENSE = frozenset({"dense"})
TASKS = (
    Task(
        "terrain-residual", "third", "mlp-residual", "classification", sources_ledgers.terrain, residual,
        Plan(optimizer="adamw", lr=1e-3, weight_decay=0.02, batch_size=128, steps=500, schedule="cosine"), 0.6,
        CLASSES | TABLE | {"relu", "batchnorm", "shortcuts", "dropout"},
    ),
    Task(
        "credit-wide-deep", "third", "wide-and-deep", "classification", sources_ledgers.credit, wide_and_deep,
        Plan(lr=1e-3, batch_size=64, steps=500, weight_decay=1e-4), 0.7, CLASSES | TABLE | {"relu", "dropout"},
    ),
    Task(
        "pipes-mish", "third", "mlp-mish", "regression", sources_ledgers.pipes, trunk((64, 64, 64), nn.Mish),
        Plan(lr=1e-3, batch_size=64, steps=700, schedule="linear"), 0.3, TABLE | DENSE,
    ),
    Task(
        "visits-poisson", "third", "mlp-poisson", "likelihood", sources_ledgers.visits, trunk((64, 64), nn.ELU, calm=True),
        Plan(optimizer="adamw", lr=1e-3, weight_decay=0.02, batch_size=64, steps=600), 0.0, TABLE | DENSE | {"negative"}, poisson,
    ),
    Task(
        "houses-laplace", "third", "mlp-laplace", "likelihood", sources_ledgers.houses, trunk((64, 32), nn.ReLU, outputs=2, calm=True),
        Plan(lr=1e-3, batch_size=64, steps=700, schedule="steps", weight_decay=1e-4), 0.6, TABLE | DENSE | {"relu", "negative"}, laplace,
    ),
    Task(
        "shells-tanh", "third", "mlp-tanh-shallow", "classification", sources_ledgers.shells, trunk((80, 40), nn.Tanh),
        Plan(optimizer="sgd", lr=0.06, weight_decay=1e-4, batch_size=32, steps=1200, schedule="cosine"), 0.65,
        CLASSES | TABLE | DENSE | SATURATING | {"tanh"},
    ),
    Task(
        "turbines-sigmoid", "third", "mlp-huber-sigmoid", "regression", sources_ledgers.turbines, trunk((64, 32), nn.Sigmoid),
        Plan(lr=5e-3, batch_size=32, steps=900, schedule="linear"), 0.4, TABLE | DENSE | SATURATING | {"sigmoid"}, huber,
    ),
    Task(
        "movements-tapering", "third", "deep-relu-tapering", "classification", sources_ledgers.movements,
        trunk((128, 112, 96, 80, 64, 56, 48, 40, 32), nn.ReLU),
        Plan(optimizer="adamw", lr=5e-4, weight_decay=0.02, batch_size=64, steps=320, schedule="cosine"), 0.4,
        CLASSES | TABLE | DENSE | {"relu", "deep"},
    ),
    Task(
        "spectra-tanh", "third", "deep-tanh-narrow", "classification", sources_ledgers.spectra, trunk((40,) * 7, nn.Tanh),
        Plan(lr=7e-4, batch_size=32, steps=600, weight_decay=1e-5), 0.4, CLASSES | DENSE | SATURATING | {"tanh", "deep"},
    ),
    Task(
        "clocks-deep", "third", "deep-relu-wide", "classification", sources_pictures.clocks, trunk((80,) * 10, nn.ReLU),
        Plan(optimizer="sgd", lr=0.01, weight_decay=5e-4, batch_size=32, steps=700, schedule="steps"), 0.4,
        CLASSES | DENSE | {"relu", "deep"},
    ),
    Task(
        "faces-sigmoid", "third", "mlp-sigmoid-wide", "classification", sources_pictures.faces, trunk((96, 64, 32), nn.Sigmoid),
        Plan(optimizer="rmsprop", lr=1e-3, batch_size=32, steps=500), 0.4, CLASSES | DENSE | SATURATING | {"sigmoid"},
    ),
    Task(
        "faces-deep", "third", "deep-relu-hourglass", "classification", sources_pictures.faces,
        trunk((96, 64, 48, 32, 48, 64, 96), nn.ReLU),
        Plan(optimizer="adamw", lr=5e-4, weight_decay=0.05, batch_size=32, steps=400, schedule="cosine"), 0.4,
        CLASSES | DENSE | {"relu", "deep"},
    ),
)  # fmt: skip
