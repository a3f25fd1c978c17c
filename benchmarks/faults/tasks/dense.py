"""Fully connected networks: shallow and deep, with and without activations that saturate."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn

from faults import sources
from faults.nouns import Data, Task
from faults.plan import Plan

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "gelu": nn.GELU}


def perceptron(inputs: int, hidden: tuple[int, ...], outputs: int, activation: str) -> nn.Sequential:
    """A plain network. ReLU layers start as He, saturating ones as Glorot; the head starts as torch does."""
    layers: list[nn.Module] = []
    for wide, narrow in pairwise((inputs, *hidden)):
        layer = nn.Linear(wide, narrow)
        if activation in ("relu", "gelu"):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        else:
            nn.init.xavier_normal_(layer.weight, gain=4.0 if activation == "sigmoid" else 1.0)
        nn.init.zeros_(layer.bias)
        layers += [layer, ACTIVATIONS[activation]()]
    return nn.Sequential(*layers, nn.Linear(hidden[-1], outputs))


class Named(nn.Module):
    """The same with layers called fc1, fc2 ... and head, as many write it."""

    def __init__(self, inputs: int, hidden: tuple[int, ...], outputs: int, activation: str) -> None:
        super().__init__()
        plain = perceptron(inputs, hidden, outputs, activation)
        linear = [layer for layer in plain if isinstance(layer, nn.Linear)]
        for number, layer in enumerate(linear[:-1], start=1):
            self.add_module(f"fc{number}", layer)
        self.head = linear[-1]
        self.act = ACTIVATIONS[activation]()

    def forward(self, inputs: Tensor) -> Tensor:
        """Answers of shape (records, outputs)."""
        for name, layer in self.named_children():
            if name.startswith("fc"):
                inputs = self.act(layer(inputs))
        answers: Tensor = self.head(inputs)
        return answers


def _width(data: Data) -> int:
    return math.prod(data.inputs.shape[1:])


def _flat(net: nn.Module, data: Data) -> nn.Module:
    return net if data.inputs.dim() == 2 else nn.Sequential(nn.Flatten(), net)


def digits_relu(data: Data, seed: int) -> nn.Module:
    """Two hidden ReLU layers of 64."""
    return perceptron(_width(data), (64, 64), data.classes, "relu")


def digits_tanh(data: Data, seed: int) -> nn.Module:
    """Six hidden tanh layers of 48."""
    return perceptron(_width(data), (48,) * 6, data.classes, "tanh")


def shapes_relu(data: Data, seed: int) -> nn.Module:
    """Eight hidden ReLU layers of 64."""
    return _flat(Named(_width(data), (64,) * 8, data.classes, "relu"), data)


def wine_sigmoid(data: Data, seed: int) -> nn.Module:
    """Two hidden sigmoid layers of 32."""
    return Named(_width(data), (32, 32), data.classes, "sigmoid")


def cancer_relu(data: Data, seed: int) -> nn.Module:
    """Three hidden ReLU layers of 48."""
    return Named(_width(data), (48, 48, 48), data.classes, "relu")


def digits_deep_relu(data: Data, seed: int) -> nn.Module:
    """Ten hidden ReLU layers of 64."""
    return perceptron(_width(data), (64,) * 10, data.classes, "relu")


def digits_sigmoid(data: Data, seed: int) -> nn.Module:
    """Three hidden sigmoid layers of 64."""
    return perceptron(_width(data), (64, 64, 64), data.classes, "sigmoid")


def shapes_tanh(data: Data, seed: int) -> nn.Module:
    """Five hidden tanh layers of 64."""
    return _flat(Named(_width(data), (64,) * 5, data.classes, "tanh"), data)


def friedman_relu(data: Data, seed: int) -> nn.Module:
    """Three hidden ReLU layers of 64, one number out."""
    return perceptron(_width(data), (64, 64, 64), 1, "relu")


def diabetes_relu(data: Data, seed: int) -> nn.Module:
    """Two hidden ReLU layers of 24, one number out."""
    return Named(_width(data), (24, 24), 1, "relu")


def friedman_likelihood(data: Data, seed: int) -> nn.Module:
    """Two hidden GELU layers of 48; mean and log-variance out."""
    return perceptron(_width(data), (48, 48), 2, "gelu")


CLASSES = frozenset({"classes", "dense"})
TASKS = (
    Task("digits-mlp", "first", "mlp", "classification", sources.digits, digits_relu, Plan(), 0.4, CLASSES | {"relu"}),
    Task(
        "digits-tanh", "first", "deep-plain", "classification", sources.digits, digits_tanh, Plan(lr=1e-3), 0.4,
        CLASSES | {"tanh", "deep", "saturating"},
    ),
    Task(
        "shapes-deep", "first", "deep-plain", "classification", sources.centred_shapes, shapes_relu, Plan(lr=1e-3, steps=500), 0.6,
        CLASSES | {"relu", "deep"},
    ),
    Task(
        "wine-sigmoid", "first", "mlp", "classification", sources.wine, wine_sigmoid, Plan(lr=3e-3, batch_size=16), 0.4,
        CLASSES | {"sigmoid", "saturating", "table"},
    ),
    Task(
        "friedman-mlp", "first", "mlp", "regression", sources.friedman, friedman_relu, Plan(lr=2e-3), 0.4,
        frozenset({"dense", "relu", "table"}),
    ),
    Task(
        "cancer-mlp", "first", "mlp", "classification", sources.breast_cancer, cancer_relu, Plan(lr=1e-3, steps=160), 0.4,
        CLASSES | {"relu", "table"},
    ),
    Task(
        "digits-deep", "first", "deep-plain", "classification", sources.digits, digits_deep_relu, Plan(lr=1e-3), 0.5,
        CLASSES | {"relu", "deep"},
    ),
    Task(
        "digits-sigmoid", "first", "mlp", "classification", sources.digits, digits_sigmoid, Plan(lr=3e-3), 0.4,
        CLASSES | {"sigmoid", "saturating"},
    ),
    Task(
        "shapes-tanh", "first", "deep-plain", "classification", sources.centred_shapes, shapes_tanh, Plan(lr=1e-3, steps=500), 0.6,
        CLASSES | {"tanh", "deep", "saturating"},
    ),
    Task(
        "diabetes-mlp", "first", "mlp", "regression", sources.diabetes, diabetes_relu, Plan(lr=1e-3, batch_size=16, steps=300), 0.75,
        frozenset({"dense", "relu", "table"}),
    ),
    Task(
        "friedman-likelihood", "first", "mlp", "likelihood", sources.friedman, friedman_likelihood, Plan(lr=2e-3), 0.7,
        frozenset({"dense", "table", "negative"}),
    ),
)  # fmt: skip
