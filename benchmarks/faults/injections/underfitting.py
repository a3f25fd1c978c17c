"""Models that are too small for their task, or held back by dropout as strong as that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import nn

from faults.nouns import Data, Fault
from faults.plan import Plan
from faults.tasks.autoencoders import Autoencoder
from faults.tasks.dense import Named, perceptron
from faults.tasks.text import Recurrent, Transformer


def _outputs(data: Data) -> int:
    return max(1, data.classes)


def _perceptron(hidden: tuple[int, ...], activation: str) -> Callable[[nn.Module, Data, Plan], nn.Module]:
    """A plain network with these layers in place of the task's."""

    def change(model: nn.Module, data: Data, plan: Plan) -> nn.Module:
        made = Named if isinstance(model, Named) else perceptron
        small: nn.Module = made(data.inputs[0].numel(), hidden, _outputs(data), activation)
        return small if data.inputs.dim() == 2 else nn.Sequential(nn.Flatten(), small)

    return change


def _linear(model: nn.Module, data: Data, plan: Plan) -> nn.Module:
    """No hidden layer at all, and an image averaged to four numbers."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * data.inputs.shape[1], _outputs(data)))


def _few_channels(model: nn.Module, data: Data, plan: Plan) -> nn.Module:
    """One or two maps a layer."""
    small = nn.Sequential()
    small.add_module(
        "features",
        nn.Sequential(
            nn.Conv2d(1, 1, 3, padding=1), nn.BatchNorm2d(1), nn.ReLU(), nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.BatchNorm2d(2),
            nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        ),
    )  # fmt: skip
    small.add_module("classifier", nn.Linear(2, data.classes))
    return small


def _narrow_text(model: nn.Module, data: Data, plan: Plan) -> nn.Module:
    """A network of the same kind with two units in each layer."""
    letters = next(layer.num_embeddings for layer in model.modules() if isinstance(layer, nn.Embedding))
    causal = data.targets.dim() > 1
    gated: list[type[nn.GRU] | type[nn.LSTM]] = [type(layer) for layer in model.modules() if isinstance(layer, nn.GRU | nn.LSTM)]
    if gated and not causal:
        return Recurrent(letters, data.classes, gated[0], width=2)
    return Transformer(letters, data.classes, data.inputs.shape[1], causal, layers=1, width=2)


def _one_number(model: nn.Module, data: Data, plan: Plan) -> nn.Module:
    """An autoencoder that lets one number through."""
    return Autoencoder(data.inputs[0].numel(), 1)


def _dropped(share: float) -> Callable[[nn.Module, Data, Plan], None]:
    """Dropout of this share before every matrix but the first."""

    def change(model: nn.Module, data: Data, plan: Plan) -> None:
        def drop(layer: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
            return (nn.functional.dropout(given[0], share, layer.training), *given[1:])

        inner = [layer for layer in model.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
        for layer in inner[1:]:
            layer.register_forward_pre_hook(drop)

    return change


def _sgd(plan: Plan) -> Plan:
    return replace(plan, optimizer="sgd", lr=0.03, momentum=0.9, weight_decay=0.0, schedule="constant", warm_up=0.0)


def _longer(plan: Plan) -> Plan:
    return replace(plan, steps=plan.steps * 2)


FAULTS = (
    Fault(
        "one-unit", "blatant", "A hidden layer had one unit.", base=_longer, model=_perceptron((1,), "tanh"),
        wants=frozenset({"dense"}), spares=frozenset({"negative", "table"}),
    ),
    Fault(
        "two-channels", "clear", "Convolutions had one and two maps.", base=_longer, model=_few_channels,
        wants=frozenset({"images", "classes"}), spares=frozenset({"pretrained"}),
    ),
    Fault(
        "narrow-text", "clear", "Layers of a text model had two units.", base=_longer, model=_narrow_text,
        wants=frozenset({"text"}), spares=frozenset({"pretrained"}),
    ),
    Fault(
        "linear-on-averages", "clear", "A linear model was trained on images averaged to 2 x 2 pixels; SGD with momentum.", base=_sgd,
        model=_linear, wants=frozenset({"images", "classes"}), spares=frozenset({"pretrained"}),
    ),
    Fault(
        "one-number-code", "clear", "An autoencoder had one number in the middle.", model=_one_number, base=_longer,
        wants=frozenset({"autoencoder"}),
    ),
    Fault(
        "strong-dropout", "clear", "Nine of ten units were dropped before every layer.", model=_dropped(0.9), base=_longer,
        wants=frozenset({"dense"}), spares=frozenset({"negative"}),
    ),
    Fault(
        "two-units", "subtle", "Hidden layers had two units.", base=_longer, model=_perceptron((2, 2), "tanh"),
        wants=frozenset({"dense"}), spares=frozenset({"negative"}),
    ),
)  # fmt: skip
