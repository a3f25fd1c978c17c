"""What an injection changes in a network that it does not know: hidden matrices, biases, activations, what reaches the first layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d)
RECURRENT = (nn.RNN, nn.GRU, nn.LSTM)


def layers(model: nn.Module) -> list[nn.Linear | nn.Conv1d | nn.Conv2d]:
    """Linear and convolutional layers in the order in which they were made, the head last."""
    return [layer for layer in model.modules() if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d)]


def hidden(model: nn.Module) -> list[nn.Linear | nn.Conv1d | nn.Conv2d]:
    """The same without the head."""
    return layers(model)[:-1]


def hidden_matrices(model: nn.Module) -> list[Tensor]:
    """Weights of hidden layers and of recurrences; not of the head, of embeddings and of normalization layers."""
    found: list[Tensor] = []
    head = layers(model)[-1]
    for layer in model.modules():
        if isinstance(layer, WEIGHTED) and layer is not head:
            found.append(layer.weight)
        elif isinstance(layer, RECURRENT):
            found += [each for name, each in layer.named_parameters() if name.startswith("weight")]
    return found


def hidden_biases(model: nn.Module) -> list[Tensor]:
    """Biases of hidden layers that have any, and the shifts of batch normalization."""
    found: list[Tensor] = [layer.bias for layer in hidden(model) if layer.bias is not None]
    return found + [layer.bias for layer in model.modules() if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]


def fan_in(weight: Tensor) -> int:
    """Inputs that one unit adds up."""
    return math.prod(weight.shape[1:])


@torch.no_grad()
def redraw(weights: Sequence[Tensor], draw: Callable[[Tensor], object]) -> None:
    """Fill every one anew by `draw`, which works in place."""
    for each in weights:
        draw(each)


def swap_activations(model: nn.Module, made: Callable[[], nn.Module], kinds: tuple[type[nn.Module], ...]) -> None:
    """Put another activation in the place of each of these kinds."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, kinds):
                setattr(parent, name, made())


def seen_through(model: nn.Module, change: Callable[[Tensor], Tensor]) -> nn.Module:
    """The network behind inputs that are changed on their way in, in training and wherever it is scored: names of tensors stay."""

    def on_the_way(_: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (change(given[0]), *given[1:])

    model.register_forward_pre_hook(on_the_way)
    return model
