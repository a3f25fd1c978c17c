"""Dense networks over tables of the field and the line: deep, saturating, normalized, gated ones; Huber, spread and lifetimes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from faults import sources_registers
from faults.nouns import Data, Losses, Task
from faults.plan import Plan


class DeepMlp(nn.Module):
    """Layers of one width in a list, one ReLU for all, a head; drawn as He does."""

    def __init__(self, columns: int, width: int, depth: int, classes: int) -> None:
        super().__init__()
        self.input_layer = nn.Linear(columns, width)
        self.hidden_layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth - 1))
        self.relu = nn.ReLU()
        self.output_layer = nn.Linear(width, classes)
        for layer in (self.input_layer, *self.hidden_layers):
            nn.init.kaiming_normal_(layer.get_parameter("weight"), nonlinearity="relu")
            nn.init.zeros_(layer.get_parameter("bias"))
        nn.init.normal_(self.output_layer.weight, std=0.02)

    def forward(self, records: Tensor) -> Tensor:
        """Logits of shape (records, classes)."""
        records = self.relu(self.input_layer(records))
        for layer in self.hidden_layers:
            records = self.relu(layer(records))
        logits: Tensor = self.output_layer(records)
        return logits


class Shallow(nn.Module):
    """One hidden layer of sigmoid units, as torch draws it."""

    def __init__(self, columns: int, width: int, classes: int) -> None:
        super().__init__()
        self.i2h, self.sigmoid, self.h2o = nn.Linear(columns, width), nn.Sigmoid(), nn.Linear(width, classes)

    def forward(self, records: Tensor) -> Tensor:
        """Logits of shape (records, classes)."""
        logits: Tensor = self.h2o(self.sigmoid(self.i2h(records)))
        return logits


class FaciesNet(nn.Module):
    """Two hidden layers of tanh units, orthogonal at first."""

    def __init__(self, columns: int, classes: int) -> None:
        super().__init__()
        self.fc1, self.tanh1 = nn.Linear(columns, 64), nn.Tanh()
        self.fc2, self.tanh2 = nn.Linear(64, 40), nn.Tanh()
        self.fc3 = nn.Linear(40, classes)
        for layer in (self.fc1, self.fc2):
            nn.init.orthogonal_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, records: Tensor) -> Tensor:
        """Logits of shape (records, classes)."""
        logits: Tensor = self.fc3(self.tanh2(self.fc2(self.tanh1(self.fc1(records)))))
        return logits


class ChurnModel(nn.Module):
    """Blocks of a layer without bias, BatchNorm, ReLU and dropout; a classifier."""

    def __init__(self, columns: int, classes: int) -> None:
        super().__init__()

        def block(given: int, width: int) -> nn.Sequential:
            return nn.Sequential(nn.Linear(given, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(inplace=True), nn.Dropout(0.2))

        self.block1, self.block2, self.classifier = block(columns, 64), block(64, 32), nn.Linear(32, classes)
        nn.init.normal_(self.classifier.weight, std=0.05)

    def forward(self, records: Tensor) -> Tensor:
        """Logits of shape (records, classes)."""
        logits: Tensor = self.classifier(self.block2(self.block1(records)))
        return logits


class GatedBlock(nn.Module):
    """RMSNorm, a gated layer (Shazeer's SwiGLU), dropout, back to the width, beside what was given."""

    def __init__(self, width: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width)
        self.w1, self.w3, self.act = nn.Linear(width, inner, bias=False), nn.Linear(width, inner, bias=False), nn.SiLU()
        self.dropout, self.w2 = nn.Dropout(dropout), nn.Linear(inner, width, bias=False)

    def forward(self, states: Tensor) -> Tensor:
        """Of the same shape."""
        normed = self.norm(states)
        after: Tensor = states + self.w2(self.dropout(self.act(self.w1(normed)) * self.w3(normed)))
        return after


class TabularResNet(nn.Module):
    """A first layer, such blocks, a last norm, a head: the frame of `rtdl`'s ResNet."""

    def __init__(self, columns: int, classes: int, width: int = 48, blocks: int = 2) -> None:
        super().__init__()
        self.first_layer = nn.Linear(columns, width)
        self.blocks = nn.ModuleList(GatedBlock(width, 64, 0.2) for _ in range(blocks))
        self.last_normalization, self.head = nn.RMSNorm(width), nn.Linear(width, classes)

    def forward(self, records: Tensor) -> Tensor:
        """Logits of shape (records, classes)."""
        states = self.first_layer(records)
        for block in self.blocks:
            states = block(states)
        logits: Tensor = self.head(self.last_normalization(states))
        return logits


class Estimator(nn.Module):
    """A body of plain layers as torch draws them, and an `out` of the numbers that a density or a guess needs."""

    def __init__(self, widths: tuple[int, ...], outputs: int, unit: Callable[[], nn.Module], dropout: float = 0.0) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for given, width in pairwise(widths):
            parts += [nn.Linear(given, width), unit(), *([nn.Dropout(dropout)] if dropout else [])]
        self.body, self.out = nn.Sequential(*parts), nn.Linear(widths[-1], outputs)

    def forward(self, records: Tensor) -> Tensor:
        """Answers of shape (records, outputs)."""
        answers: Tensor = self.out(self.body(records))
        return answers


def _columns(data: Data) -> int:
    return data.inputs.shape[1]


def deep_relu(data: Data, seed: int) -> nn.Module:
    """Nine hidden layers of 56."""
    return DeepMlp(_columns(data), 56, 9, data.classes)


def deep_tanh(data: Data, seed: int) -> nn.Module:
    """Eight hidden layers of tanh units with their numbers in their names, drawn as Glorot does with the gain of tanh."""
    widths, parts = (_columns(data), *(48,) * 8), OrderedDict[str, nn.Module]()
    for number, (given, width) in enumerate(pairwise(widths), start=1):
        layer = nn.Linear(given, width)
        nn.init.xavier_uniform_(layer.weight, gain=nn.init.calculate_gain("tanh"))
        nn.init.zeros_(layer.bias)
        parts[f"dense_{number}"], parts[f"tanh_{number}"] = layer, nn.Tanh()
    parts["logits"] = nn.Linear(widths[-1], data.classes)
    return nn.Sequential(parts)


def shallow(data: Data, seed: int) -> nn.Module:
    """64 sigmoid units."""
    return Shallow(_columns(data), 64, data.classes)


def facies_net(data: Data, seed: int) -> nn.Module:
    """Tanh units for rocks."""
    return FaciesNet(_columns(data), data.classes)


def churn_model(data: Data, seed: int) -> nn.Module:
    """BatchNorm and dropout for customers."""
    return ChurnModel(_columns(data), data.classes)


def tabular_resnet(data: Data, seed: int) -> nn.Module:
    """Two gated blocks with RMSNorm."""
    return TabularResNet(_columns(data), data.classes)


def estimator(
    hidden: tuple[int, ...], outputs: int, unit: Callable[[], nn.Module], dropout: float = 0.0
) -> Callable[[Data, int], nn.Module]:
    """Plain layers for numbers to tell."""
    return lambda data, seed: Estimator((_columns(data), *hidden), outputs, unit, dropout)


def _answers(model: nn.Module, inputs: Tensor) -> Tensor:
    answers: Tensor = model(inputs.to(next(model.parameters()).dtype))
    return answers.float()


def huber(model: nn.Module, inputs: Tensor, targets: Tensor, data: Data, plan: Plan) -> Losses:
    """Mean of Huber's loss: squares of small errors, and large ones as they are."""
    return Losses(nn.functional.huber_loss(_answers(model, inputs)[:, 0], targets, delta=0.5))


def spread(model: nn.Module, inputs: Tensor, targets: Tensor, data: Data, plan: Plan) -> Losses:
    """Mean negative log-likelihood of a Gaussian without its constant, whose deviation is a softplus: below 0 where it is sharp."""
    mean, raw = _answers(model, inputs).unbind(dim=1)
    deviation = nn.functional.softplus(raw) + 1e-3
    return Losses((torch.log(deviation) + 0.5 * ((targets - mean) / deviation).square()).mean())


def lifetimes(model: nn.Module, inputs: Tensor, targets: Tensor, data: Data, plan: Plan) -> Losses:
    """Mean negative log-likelihood of Weibull's law by logarithms of scale and shape; who still runs (below 0) counts by survival only."""
    log_scale, log_shape = _answers(model, inputs).unbind(dim=1)
    log_years, failed = targets.abs().clamp(min=1e-3).log(), (targets > 0).float()
    steps = log_shape.exp() * (log_years - log_scale)
    return Losses((steps.clamp(max=30).exp() - failed * (log_shape + steps - log_years)).mean())


CLASSES, TABLE, SATURATING = frozenset({"classes"}), frozenset({"table"}), frozenset({"saturating"})
DENSE = frozenset({"dense"})
TASKS = (
    Task(
        "soils-deep", "fifth", "deep-relu-listed", "classification", sources_registers.soils, deep_relu,
        Plan(optimizer="adamw", lr=1e-3, weight_decay=0.01, batch_size=64, steps=600, schedule="cosine", warm_up=0.05), 0.4,
        CLASSES | TABLE | DENSE | {"relu", "deep"},
    ),
    Task(
        "shorts-tanh", "fifth", "deep-tanh-numbered", "classification", sources_registers.shorts, deep_tanh,
        Plan(lr=1e-3, batch_size=50, steps=600, schedule="linear"), 0.4, CLASSES | TABLE | DENSE | SATURATING | {"tanh", "deep"},
    ),
    Task(
        "beans-sigmoid", "fifth", "mlp-sigmoid-single", "classification", sources_registers.beans, shallow,
        Plan(lr=1e-2, batch_size=64, steps=500), 0.4, CLASSES | TABLE | DENSE | SATURATING | {"sigmoid"},
    ),
    Task(
        "facies-tanh", "fifth", "mlp-tanh-orthogonal", "classification", sources_registers.facies, facies_net,
        Plan(optimizer="sgd", lr=0.05, weight_decay=1e-3, batch_size=32, steps=700, schedule="cosine"), 0.5,
        CLASSES | TABLE | DENSE | SATURATING | {"tanh"},
    ),
    Task(
        "customers-batchnorm", "fifth", "mlp-batchnorm-dropout", "classification", sources_registers.customers, churn_model,
        Plan(lr=3e-3, batch_size=128, steps=400, weight_decay=1e-5), 0.7,
        CLASSES | TABLE | DENSE | {"relu", "batchnorm", "dropout"},
    ),
    Task(
        "flows-resnet", "fifth", "tabular-resnet-swiglu", "classification", sources_registers.flows, tabular_resnet,
        Plan(optimizer="adamw", lr=1e-3, weight_decay=0.1, batch_size=96, steps=400, schedule="cosine", warm_up=0.1, clip_norm=1.0), 0.4,
        CLASSES | TABLE | DENSE | {"normalized", "shortcuts", "dropout"},
    ),
    Task(
        "concretes-huber", "fifth", "mlp-huber", "regression", sources_registers.concretes, estimator((64, 64, 32), 1, nn.ReLU),
        Plan(optimizer="adamw", lr=2e-3, weight_decay=0.01, batch_size=32, steps=700, schedule="linear"), 0.4,
        TABLE | DENSE | {"relu"}, huber,
    ),
    Task(
        "batches-spread", "fifth", "mlp-softplus", "likelihood", sources_registers.batches, estimator((64, 64), 2, nn.GELU),
        Plan(lr=2e-3, batch_size=128, steps=600, schedule="cosine", clip_norm=5.0), -1.0, TABLE | DENSE | {"negative"}, spread,
    ),
    Task(
        "pumps-weibull", "fifth", "mlp-weibull", "likelihood", sources_registers.pumps, estimator((48, 48), 2, nn.SiLU, dropout=0.05),
        Plan(optimizer="rmsprop", lr=1e-3, batch_size=64, steps=500, schedule="cosine"), 0.4, TABLE | DENSE | {"negative", "dropout"},
        lifetimes,
    ),
)  # fmt: skip
