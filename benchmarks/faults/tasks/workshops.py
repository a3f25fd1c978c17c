"""Dense networks over tables of the bench and the counter: gates, products, other units, quantiles, gamma and beta densities."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from faults import sources_emblems, sources_workshops
from faults.nouns import Data, Losses, Task
from faults.plan import Plan


@torch.no_grad()
def drawn(layer: nn.Linear, gain: float, by_both: bool = False) -> nn.Linear:
    """The layer with a deviation of gain / sqrt(inputs), or by the mean of both widths, and no bias at first."""
    inputs = layer.in_features
    nn.init.normal_(layer.weight, std=gain / math.sqrt((inputs + layer.out_features) / 2 if by_both else inputs))
    nn.init.zeros_(layer.bias)
    return layer


def _inputs(data: Data) -> int:
    return data.inputs.shape[1]


def _outputs(data: Data) -> int:
    return max(1, data.classes)


class NormedLayer(nn.Module):
    """A layer, LayerNorm, GELU."""

    def __init__(self, wide: int, narrow: int) -> None:
        super().__init__()
        self.dense, self.norm, self.act = drawn(nn.Linear(wide, narrow), 1.0), nn.LayerNorm(narrow), nn.GELU()

    def forward(self, records: Tensor) -> Tensor:
        """Of shape (records, narrow)."""
        after: Tensor = self.act(self.norm(self.dense(records)))
        return after


class Normed(nn.Module):
    """Hidden layers that normalize each record, as encoders of tables do, and a head."""

    def __init__(self, widths: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.encoder = nn.ModuleDict({f"block_{number}": NormedLayer(*pair) for number, pair in enumerate(pairwise(widths), start=1)})
        self.logits = nn.Linear(widths[-1], classes)

    def forward(self, records: Tensor) -> Tensor:
        """Logits of shape (records, classes)."""
        for block in self.encoder.values():
            records = block(records)
        logits: Tensor = self.logits(records)
        return logits


class Perceptron(nn.Module):
    """Layers in a list called `lins` and one activation for all, as libraries of graphs write their dense part."""

    def __init__(self, widths: tuple[int, ...], outputs: int, activation: nn.Module, gain: float, by_both: bool = False) -> None:
        super().__init__()
        self.lins = nn.ModuleList(drawn(nn.Linear(wide, narrow), gain, by_both) for wide, narrow in pairwise(widths))
        self.act = activation
        self.lin_out = nn.Linear(widths[-1], outputs)

    def forward(self, records: Tensor) -> Tensor:
        """Answers of shape (records, outputs)."""
        for layer in self.lins:
            records = self.act(layer(records))
        answers: Tensor = self.lin_out(records)
        return answers


class Feedforward(nn.Module):
    """A stack called `feature_extractor`, its parts named for what they are, and a `regressor`, small at first where it is `calm`."""

    def __init__(self, widths: tuple[int, ...], outputs: int, unit: Callable[[], nn.Module], gain: float, drop: float, calm: bool) -> None:
        super().__init__()
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        for number, (wide, narrow) in enumerate(pairwise(widths)):
            parts[f"linear{number}"], parts[f"unit{number}"] = drawn(nn.Linear(wide, narrow), gain), unit()
            if drop:
                parts[f"dropout{number}"] = nn.Dropout(drop)
        self.feature_extractor, self.regressor = nn.Sequential(parts), nn.Linear(widths[-1], outputs)
        if calm:
            nn.init.normal_(self.regressor.weight, std=0.02)
            nn.init.zeros_(self.regressor.bias)

    def forward(self, records: Tensor) -> Tensor:
        """Answers of shape (records, outputs)."""
        answers: Tensor = self.regressor(self.feature_extractor(records))
        return answers


class ProductNetwork(nn.Module):
    """Layers over the columns and over products of all pairs of them, through factors of few numbers, with dropout."""

    def __init__(self, columns: int, classes: int, factors: int = 8) -> None:
        super().__init__()
        self.embedding = nn.Embedding(columns, factors)
        nn.init.normal_(self.embedding.weight, std=0.2)
        self.mlp = nn.Sequential(
            drawn(nn.Linear(columns + factors, 64), math.sqrt(2)), nn.ReLU(), nn.Dropout(0.2),
            drawn(nn.Linear(64, 32), math.sqrt(2)), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, classes),
        )  # fmt: skip

    def forward(self, records: Tensor) -> Tensor:
        """Logits of shape (records, classes)."""
        factors = self.embedding.weight
        pairs = 0.5 * ((records @ factors).square() - records.square() @ factors.square())
        logits: Tensor = self.mlp(torch.cat([records, pairs], dim=1))
        return logits


class Gated(nn.Module):
    """Layers of which half says what and the other half how much, and a head."""

    def __init__(self, widths: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.proj = nn.ModuleList(drawn(nn.Linear(wide, 2 * narrow), 1.8) for wide, narrow in pairwise(widths))
        self.gate, self.drop, self.cls = nn.GLU(dim=-1), nn.Dropout(0.1), nn.Linear(widths[-1], classes)

    def forward(self, records: Tensor) -> Tensor:
        """Logits of shape (records, classes)."""
        for layer in self.proj:
            records = self.drop(self.gate(layer(records)))
        logits: Tensor = self.cls(records)
        return logits


def normed(data: Data, seed: int) -> nn.Module:
    """Two layers of 96 with LayerNorm."""
    return Normed((_inputs(data), 96, 96), data.classes)


def perceptron(
    hidden: tuple[int, ...], activation: Callable[[], nn.Module], gain: float, by_both: bool = False
) -> Callable[[Data, int], nn.Module]:
    """Plain hidden layers."""
    return lambda data, seed: Perceptron((_inputs(data), *hidden), _outputs(data), activation(), gain, by_both)


def feedforward(
    hidden: tuple[int, ...], unit: Callable[[], nn.Module], gain: float, outputs: int = 1, drop: float = 0.0, calm: bool = False
) -> Callable[[Data, int], nn.Module]:
    """Plain hidden layers with dropout, for numbers to tell."""
    return lambda data, seed: Feedforward((_inputs(data), *hidden), outputs, unit, gain, drop, calm)


def normalized_behind(data: Data, seed: int) -> nn.Module:
    """BatchNorm behind each activation, by numbers as `Sequential` names them."""
    parts: list[nn.Module] = []
    for wide, narrow in pairwise((_inputs(data), 64, 48)):
        parts += [drawn(nn.Linear(wide, narrow), math.sqrt(2)), nn.ReLU(), nn.BatchNorm1d(narrow)]
    return nn.Sequential(*parts, nn.Linear(48, data.classes))


def product_network(data: Data, seed: int) -> nn.Module:
    """Layers behind products of pairs."""
    return ProductNetwork(_inputs(data), data.classes)


def gated(data: Data, seed: int) -> nn.Module:
    """Two gated layers of 48."""
    return Gated((_inputs(data), 48, 48), data.classes)


def _answers(model: nn.Module, inputs: Tensor) -> Tensor:
    answers: Tensor = model(inputs.to(next(model.parameters()).dtype))
    return answers.float()


def pinball(model: nn.Module, inputs: Tensor, targets: Tensor, data: Data, plan: Plan) -> Losses:
    """Mean loss of the quantile of 0.8: what is too low costs four times as much as what is too high."""
    gap = targets - _answers(model, inputs)[:, 0]
    return Losses(torch.maximum(0.8 * gap, -0.2 * gap).mean())


def gamma(model: nn.Module, inputs: Tensor, targets: Tensor, data: Data, plan: Plan) -> Losses:
    """Mean negative log-likelihood of a gamma density whose logarithmic mean and logarithmic shape are the two answers."""
    log_mean, log_shape = _answers(model, inputs).unbind(dim=1)
    shape, ratio = log_shape.exp(), torch.log(targets) - log_mean
    terms = torch.lgamma(shape) - shape * log_shape + torch.log(targets) - shape * (ratio - ratio.exp())
    return Losses(terms.mean())


def beta(model: nn.Module, inputs: Tensor, targets: Tensor, data: Data, plan: Plan) -> Losses:
    """Mean negative log-likelihood of a beta density whose middle, as a logit, and logarithmic sharpness are the answers: below 0."""
    logit, log_sharp = _answers(model, inputs).unbind(dim=1)
    sharp = 2 * log_sharp.exp()
    one, two = torch.sigmoid(logit) * sharp, torch.sigmoid(-logit) * sharp
    terms = torch.lgamma(one) + torch.lgamma(two) - torch.lgamma(sharp) - (one - 1) * targets.log() - (two - 1) * torch.log1p(-targets)
    return Losses(terms.mean())


CLASSES, TABLE, SATURATING = frozenset({"classes"}), frozenset({"table"}), frozenset({"saturating"})
DENSE, RELU = frozenset({"dense"}), math.sqrt(2)
TASKS = (
    Task(
        "typists-normed", "fourth", "mlp-layernorm", "classification", sources_workshops.typists, normed,
        Plan(optimizer="adamw", lr=1e-3, weight_decay=0.05, batch_size=64, steps=450, schedule="cosine", warm_up=0.05), 0.4,
        CLASSES | TABLE | DENSE | {"normalized"},
    ),
    Task(
        "typists-diamond", "fourth", "deep-relu-diamond", "classification", sources_workshops.typists,
        perceptron((48, 64, 80, 96, 96, 80, 64, 48), nn.ReLU, RELU),
        Plan(optimizer="adamw", lr=3e-4, weight_decay=0.05, batch_size=64, steps=450, schedule="linear"), 0.4,
        CLASSES | TABLE | DENSE | {"relu", "deep"},
    ),
    Task(
        "gases-rising", "fourth", "deep-tanh-rising", "classification", sources_workshops.gases,
        perceptron((24, 32, 40, 48, 56, 64), nn.Tanh, 1.0, by_both=True),
        Plan(lr=1e-3, batch_size=32, steps=700, weight_decay=1e-5), 0.4, CLASSES | TABLE | DENSE | SATURATING | {"tanh", "deep"},
    ),
    Task(
        "gases-gated", "fourth", "mlp-gated", "classification", sources_workshops.gases, gated,
        Plan(lr=2e-3, batch_size=64, steps=500), 0.4, CLASSES | TABLE | DENSE | {"dropout"},
    ),
    Task(
        "semaphores-constant", "fourth", "deep-relu-constant", "classification", sources_emblems.semaphores,
        perceptron((72,) * 9, nn.ReLU, RELU),
        Plan(optimizer="sgd", lr=0.01, weight_decay=5e-4, batch_size=32, steps=600, schedule="cosine", warm_up=0.05), 0.4,
        CLASSES | DENSE | {"relu", "deep"},
    ),
    Task(
        "semaphores-sigmoid", "fourth", "mlp-sigmoid-two", "classification", sources_emblems.semaphores,
        perceptron((80, 48), nn.Sigmoid, 4.0, by_both=True),
        Plan(lr=2e-3, batch_size=64, steps=500), 0.4, CLASSES | DENSE | SATURATING | {"sigmoid"},
    ),
    Task(
        "orbits-tanh", "fourth", "mlp-tanh-single", "regression", sources_workshops.orbits, perceptron((96,), nn.Tanh, 1.0, by_both=True),
        Plan(lr=5e-3, batch_size=32, steps=900, schedule="steps"), 0.4, TABLE | DENSE | SATURATING | {"tanh"},
    ),
    Task(
        "claims-gamma", "fourth", "mlp-gamma", "likelihood", sources_workshops.claims, feedforward((64, 48), nn.ReLU, RELU, 2, calm=True),
        Plan(optimizer="adamw", lr=1e-3, weight_decay=0.02, batch_size=64, steps=600, schedule="linear"), 0.8,
        TABLE | DENSE | {"relu", "negative"}, gamma,
    ),
    Task(
        "solutions-beta", "fourth", "mlp-beta", "likelihood", sources_workshops.solutions,
        feedforward((64, 64), nn.CELU, 1.2, 2, calm=True),
        Plan(lr=1e-3, batch_size=64, steps=600), 0.0, TABLE | DENSE | {"negative"}, beta,
    ),
    Task(
        "deliveries-quantile", "fourth", "mlp-quantile", "regression", sources_workshops.deliveries,
        feedforward((96, 48), nn.ReLU, RELU, drop=0.1),
        Plan(optimizer="adamw", lr=2e-3, weight_decay=0.01, batch_size=128, steps=500, schedule="cosine"), 0.5,
        TABLE | DENSE | {"relu", "dropout"}, pinball,
    ),
    Task(
        "motors-behind", "fourth", "mlp-batchnorm-behind", "classification", sources_workshops.motors, normalized_behind,
        Plan(optimizer="rmsprop", lr=1e-3, batch_size=64, steps=450), 0.4, CLASSES | TABLE | DENSE | {"relu", "batchnorm"},
    ),
    Task(
        "mushrooms-products", "fourth", "product-network", "classification", sources_workshops.mushrooms, product_network,
        Plan(lr=2e-3, batch_size=128, steps=450, weight_decay=1e-4), 0.7, CLASSES | TABLE | {"relu", "dropout"},
    ),
    Task(
        "stars-prelu", "fourth", "mlp-prelu", "classification", sources_workshops.stars, perceptron((48, 48), nn.PReLU, 1.37),
        Plan(optimizer="sgd", lr=0.02, weight_decay=1e-4, batch_size=16, steps=900, schedule="steps"), 0.4, CLASSES | TABLE | DENSE,
    ),
)  # fmt: skip
