"""Dense networks over made tables, series and flat drawings: other activations, other optimizers, deeper stacks."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn

from faults import sources_drawn, sources_made
from faults.nouns import Data, Task
from faults.plan import Plan

GAINS = {"SELU": 1.0, "ReLU": 2.0**0.5, "SiLU": 2.0**0.5, "GELU": 2.0**0.5, "Tanh": 1.0, "Sigmoid": 4.0}
"""By which a weight's deviation of 1 / sqrt(inputs) is multiplied for a signal to keep its size."""


def stack(inputs: int, hidden: tuple[int, ...], outputs: int, activation: str, dropout: float = 0.0) -> nn.Sequential:
    """Layers of an activation of torch by its name; sigmoid and tanh layers start as Glorot, the others by their inputs alone."""
    layers: list[nn.Module] = []
    for wide, narrow in pairwise((inputs, *hidden)):
        layer = nn.Linear(wide, narrow)
        if activation in ("Tanh", "Sigmoid"):
            nn.init.xavier_uniform_(layer.weight, gain=GAINS[activation])
        else:
            nn.init.normal_(layer.weight, std=GAINS[activation] / wide**0.5)
        nn.init.zeros_(layer.bias)
        layers += [layer, getattr(nn, activation)(), *([nn.Dropout(dropout)] if dropout else [])]
    return nn.Sequential(*layers, nn.Linear(hidden[-1], outputs))


class Wrapped(nn.Module):
    """A stack called `net`, as those write it who derive a module from a template."""

    def __init__(self, net: nn.Sequential) -> None:
        super().__init__()
        self.net = net

    def forward(self, inputs: Tensor) -> Tensor:
        """Answers of shape (records, outputs)."""
        answers: Tensor = self.net(inputs)
        return answers


def _outputs(data: Data) -> int:
    return max(1, data.classes)


def dense(hidden: tuple[int, ...], activation: str, dropout: float = 0.0, outputs: int = 0) -> Callable[[Data, int], nn.Module]:
    """A plain stack; `outputs` of 0 takes the number of classes, or one."""

    def model(data: Data, seed: int) -> nn.Module:
        return stack(data.inputs[0].numel(), hidden, outputs or _outputs(data), activation, dropout)

    return model


def wrapped(hidden: tuple[int, ...], activation: str, outputs: int = 0) -> Callable[[Data, int], nn.Module]:
    """The same as `net` of a module."""

    def model(data: Data, seed: int) -> nn.Module:
        return Wrapped(stack(data.inputs[0].numel(), hidden, outputs or _outputs(data), activation))

    return model


CLASSES, TABLE = frozenset({"classes", "dense"}), frozenset({"dense", "table"})
SATURATING = frozenset({"saturating"})
TASKS = (
    Task(
        "clusters-selu", "second", "mlp-selu", "classification", sources_made.clusters, wrapped((64, 64, 64), "SELU"),
        Plan(optimizer="sgd", lr=0.01, weight_decay=1e-4, schedule="cosine", steps=600), 0.4, CLASSES | TABLE,
    ),
    Task(
        "spirals-relu", "second", "mlp-wide", "classification", sources_made.spirals, dense((96, 96), "ReLU"),
        Plan(lr=3e-3, batch_size=64, steps=600), 0.5, CLASSES | TABLE | {"relu"},
    ),
    Task(
        "checkerboard-tanh", "second", "mlp-tanh", "classification", sources_made.checkerboard, wrapped((64, 64, 64), "Tanh"),
        Plan(lr=5e-3, batch_size=64, steps=1200, schedule="cosine"), 0.6, CLASSES | TABLE | SATURATING | {"tanh"},
    ),
    Task(
        "display-sigmoid", "second", "mlp-sigmoid", "classification", sources_made.display, dense((64, 48, 48, 32), "Sigmoid"),
        Plan(lr=2e-3, steps=500), 0.6, CLASSES | TABLE | SATURATING | {"sigmoid"},
    ),
    Task(
        "impedance-relu", "second", "mlp-regressor", "regression", sources_made.impedance, wrapped((64, 64), "ReLU"),
        Plan(optimizer="adamw", lr=2e-3, weight_decay=0.01, batch_size=64, steps=500), 0.4, TABLE | {"relu"},
    ),
    Task(
        "phase-silu", "second", "mlp-silu", "regression", sources_made.phase, dense((64, 64, 64), "SiLU"),
        Plan(lr=2e-3, batch_size=64, steps=600, schedule="linear"), 0.4, TABLE,
    ),
    Task(
        "sparse-sigmoid", "second", "mlp-regressor-sigmoid", "regression", sources_made.sparse, dense((64, 48), "Sigmoid"),
        Plan(lr=3e-3, steps=600), 0.4, TABLE | SATURATING | {"sigmoid"},
    ),
    Task(
        "sparse-dropout", "second", "mlp-dropout", "regression", sources_made.sparse, dense((128, 128), "ReLU", dropout=0.1),
        Plan(optimizer="rmsprop", lr=1e-3, batch_size=64, steps=500), 0.45, TABLE | {"relu", "dropout"},
    ),
    Task(
        "uneven-likelihood", "second", "mlp-gaussian", "likelihood", sources_made.uneven, wrapped((64, 64), "ReLU", outputs=2),
        Plan(lr=1e-3, batch_size=64, steps=500, schedule="cosine", weight_decay=1e-4), 0.6, TABLE | {"relu", "negative"},
    ),
    Task(
        "series-likelihood", "second", "mlp-forecast", "likelihood", sources_made.series, dense((48, 48), "Tanh", outputs=2),
        Plan(lr=2e-3, steps=500, weight_decay=1e-4, schedule="cosine"), 0.6, SATURATING | {"dense", "tanh", "negative"},
    ),
    Task(
        "letters-deep", "second", "deep-relu", "classification", sources_drawn.centred_letters, wrapped((64,) * 12, "ReLU"),
        Plan(optimizer="sgd", lr=0.01, steps=600, schedule="linear", weight_decay=1e-4), 0.5, CLASSES | {"relu", "deep"},
    ),
    Task(
        "waves-deep", "second", "deep-tanh", "classification", sources_drawn.flat_waves, dense((64,) * 8, "Tanh"),
        Plan(optimizer="adamw", lr=5e-4, weight_decay=0.05, steps=700, batch_size=64), 0.6, CLASSES | SATURATING | {"tanh", "deep"},
    ),
    Task(
        "letters-deep-gelu", "second", "deep-gelu", "classification", sources_drawn.centred_letters, dense((96,) * 8, "GELU"),
        Plan(optimizer="adamw", lr=5e-4, weight_decay=0.05, schedule="cosine", warm_up=0.05, steps=500), 0.5, CLASSES | {"deep"},
    ),
)  # fmt: skip
