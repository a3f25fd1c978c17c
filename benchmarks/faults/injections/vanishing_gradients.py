"""Gradients that reach the first layers as almost nothing: stacks of sigmoid or tanh units that are too deep, too flat, or both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor, nn

from faults.nouns import Data, Fault
from faults.plan import Plan
from faults.reach import hidden, redraw, swap_activations

_ACTIVATIONS: tuple[type[nn.Module], ...] = (nn.ReLU, nn.Tanh, nn.GELU, nn.Sigmoid)
_NOT_FOR = frozenset({"adversarial", "policy", "variational", "pretrained"})


class Stack(nn.Module):
    """A layer of the network, followed by further ones of the same width with sigmoid or tanh units between."""

    def __init__(self, first: nn.Module, width: int, more: int, activation: type[nn.Module], convolution: bool) -> None:
        super().__init__()
        self.first = first
        made: list[nn.Module] = []
        for _ in range(more):
            made += [activation(), nn.Conv2d(width, width, 3, padding=1) if convolution else nn.Linear(width, width)]
        self.more = nn.Sequential(*made)

    def forward(self, inputs: Tensor) -> Tensor:
        """What the last layer gives, before its activation."""
        given: Tensor = self.more(self.first(inputs))
        return given


def _sigmoids(model: nn.Module, data: Data, plan: Plan) -> None:
    """Sigmoid units everywhere, and torch's default weights, which leave a tenth of a gradient per layer."""
    swap_activations(model, nn.Sigmoid, _ACTIVATIONS)
    for layer in hidden(model):
        layer.reset_parameters()


def _deeper(more: int, activation: type[nn.Module]) -> Callable[[nn.Module, Data, Plan], None]:
    """Further layers behind the first one; all hidden units become of one kind."""

    def start(model: nn.Module, data: Data, plan: Plan) -> None:
        swap_activations(model, activation, _ACTIVATIONS)
        for parent in list(model.modules()):
            for name, child in list(parent.named_children()):
                if child is hidden(model)[0] and isinstance(child, nn.Linear | nn.Conv2d):
                    width = child.out_features if isinstance(child, nn.Linear) else child.out_channels
                    setattr(parent, name, Stack(child, width, more, activation, isinstance(child, nn.Conv2d)))
                    return

    return start


def _damped(model: nn.Module, data: Data, plan: Plan) -> None:
    """Sigmoid units in a deep net whose weights start at Glorot's scale: a quarter of a gradient per layer."""
    swap_activations(model, nn.Sigmoid, _ACTIVATIONS)
    redraw([layer.weight for layer in hidden(model)], nn.init.xavier_normal_)


def _sgd(plan: Plan) -> Plan:
    return replace(plan, optimizer="sgd", lr=0.05, momentum=0.9)


def _gentle_sgd(plan: Plan) -> Plan:
    return replace(plan, optimizer="sgd", lr=0.01, momentum=0.9)


def _rmsprop(plan: Plan) -> Plan:
    return replace(plan, optimizer="rmsprop", lr=1e-3)


FAULTS = (
    Fault("sigmoid-stack", "clear", "A deep plain net was built with sigmoid units.", model=_sigmoids, wants=frozenset({"deep"}),
          accepted=("init-too-small",), spares=_NOT_FOR),
    Fault("twelve-more-sigmoid", "blatant", "Twelve hidden sigmoid layers stand behind the first layer.", model=_deeper(12, nn.Sigmoid),
          accepted=("init-too-small",), spares=_NOT_FOR | {"text", "batchnorm", "deep"}),
    Fault("sgd-six-more-sigmoid", "clear", "Six hidden sigmoid layers stand behind the first layer; SGD with momentum.", base=_sgd,
          model=_deeper(6, nn.Sigmoid), accepted=("init-too-small",), spares=_NOT_FOR | {"text", "batchnorm", "deep", "autoencoder"}),
    Fault("twenty-more-tanh", "clear", "Twenty hidden tanh layers of torch's default weights stand behind the first layer; SGD.", base=_sgd,
          model=_deeper(20, nn.Tanh), accepted=("init-too-small",), spares=_NOT_FOR | {"text", "batchnorm", "deep", "autoencoder"}),
    Fault("glorot-sigmoids", "subtle", "A deep plain net was built with sigmoid units at Glorot's scale; SGD.", base=_gentle_sgd,
          model=_damped, wants=frozenset({"deep"}), spares=_NOT_FOR),
    Fault("rmsprop-ten-more-sigmoid", "subtle", "Ten hidden sigmoid layers stand behind the first layer; RMSProp.", base=_rmsprop,
          model=_deeper(10, nn.Sigmoid), accepted=("init-too-small",), spares=_NOT_FOR | {"text", "batchnorm", "deep"}),
)  # fmt: skip
