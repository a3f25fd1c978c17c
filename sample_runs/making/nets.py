"""The networks of the sample runs, and what is done to their weights before the first step."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from making.data import CONTEXT, Data

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "gelu": nn.GELU}


@dataclass(frozen=True, slots=True)
class NetPlan:
    """Which network, and how it starts."""

    kind: str
    """`mlp`, `convolutional`, `transformer` or `recurrent`."""
    hidden: tuple[int, ...] = (32, 32)
    activation: str = "relu"
    names: str = "plain"
    """What the layers of an MLP are called: `plain` (0.weight), `named` (fc1.weight) or `headed` (backbone.0.weight, head.weight)."""
    outputs: int | None = None
    """Width of the head; None takes the number of classes, or 1 for a regression."""
    gain: float = 1.0
    """All matrices are multiplied by it at the start."""
    hidden_gain: float = 1.0
    """Matrices of hidden layers are multiplied by it at the start."""
    constant: float | None = None
    """All matrices are filled with it at the start, and all biases with 0."""
    hidden_bias: float | None = None
    """Biases of hidden layers are filled with it at the start."""


class Convolutional(nn.Module):
    """Two convolutions with batch normalization, a mean over the image, and a head."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        self.head = nn.Linear(16, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes)."""
        kept = torch.relu(self.bn1(self.conv1(images)))
        kept = torch.relu(self.bn2(self.conv2(kept)))
        logits: Tensor = self.head(kept.mean(dim=(2, 3)))
        return logits


class Block(nn.Module):
    """One pre-norm transformer block with causal attention of two heads."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn_qkv = nn.Linear(width, 3 * width)
        self.attn_out = nn.Linear(width, width)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp_in = nn.Linear(width, 4 * width)
        self.mlp_out = nn.Linear(4 * width, width)

    def forward(self, stream: Tensor) -> Tensor:
        """A stream of the same shape: (windows, characters, width)."""
        windows, length, width = stream.shape
        query, key, value = self.attn_qkv(self.ln_1(stream)).view(windows, length, 3, 2, width // 2).permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(-1, -2) / math.sqrt(width // 2)
        ahead = torch.ones(length, length, dtype=torch.bool).triu(1)
        weights = scores.masked_fill(ahead, float("-inf")).softmax(dim=-1)
        stream = stream + self.attn_out((weights @ value).transpose(1, 2).reshape(windows, length, width))
        passed: Tensor = stream + self.mlp_out(nn.functional.gelu(self.mlp_in(self.ln_2(stream))))
        return passed


class Transformer(nn.Module):
    """A character language model."""

    def __init__(self, letters: int, width: int, depth: int) -> None:
        super().__init__()
        self.wte = nn.Embedding(letters, width)
        self.wpe = nn.Embedding(CONTEXT, width)
        self.h = nn.ModuleList([Block(width) for _ in range(depth)])
        self.ln_f = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, letters, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                deep = name.endswith(("attn_out.weight", "mlp_out.weight"))
                nn.init.normal_(parameter, std=0.08 / math.sqrt(2 * depth) if deep else 0.08)

    def forward(self, letters: Tensor) -> Tensor:
        """Logits of shape (windows, characters, letters)."""
        stream = self.wte(letters) + self.wpe(torch.arange(letters.shape[1]))
        for block in self.h:
            stream = block(stream)
        logits: Tensor = self.lm_head(self.ln_f(stream))
        return logits


class Recurrent(nn.Module):
    """Reads an image two pixels at a time with one leaky-ReLU recurrence, and classifies from its last state."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.input = nn.Linear(2, width)
        self.recurrence = nn.Linear(width, width, bias=False)
        self.head = nn.Linear(width, classes)
        nn.init.eye_(self.recurrence.weight)
        with torch.no_grad():
            self.recurrence.weight.mul_(0.9)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes)."""
        given = self.input(images.view(len(images), -1, 2))
        state = given.new_zeros(len(images), given.shape[2])
        for moment in given.unbind(dim=1):
            state = nn.functional.leaky_relu(moment + self.recurrence(state), 0.2)
        logits: Tensor = self.head(state)
        return logits


def build(plan: NetPlan, data: Data) -> nn.Module:
    """A fresh network as torch's global generator makes it, then changed as the plan says."""
    outputs = plan.outputs or data.classes or 1
    model: nn.Module
    if plan.kind == "mlp":
        model = _mlp(plan, data.inputs.shape[1], outputs)
    elif plan.kind == "convolutional":
        model = Convolutional(outputs)
    elif plan.kind == "transformer":
        model = Transformer(outputs, plan.hidden[0], len(plan.hidden))
    elif plan.kind == "recurrent":
        model = Recurrent(plan.hidden[0], outputs)
    else:
        raise ValueError(f"no network is called {plan.kind!r}")
    _start(model, plan)
    return model


def _mlp(plan: NetPlan, inputs: int, outputs: int) -> nn.Module:
    widths = (inputs, *plan.hidden)
    layers: list[tuple[str, nn.Module]] = []
    for depth, (before, after) in enumerate(pairwise(widths), start=1):
        layers += [(f"fc{depth}", nn.Linear(before, after)), (f"act{depth}", ACTIVATIONS[plan.activation]())]
    head = nn.Linear(widths[-1], outputs)
    if plan.names == "headed":
        return nn.Sequential(OrderedDict([("backbone", nn.Sequential(*(layer for _, layer in layers))), ("head", head)]))
    if plan.names == "named":
        return nn.Sequential(OrderedDict([*layers, (f"fc{len(widths)}", head)]))
    return nn.Sequential(*(layer for _, layer in layers), head)


@torch.no_grad()
def _start(model: nn.Module, plan: NetPlan) -> None:
    matrices = [parameter for parameter in model.parameters() if parameter.dim() >= 2]
    for matrix in matrices:
        matrix.mul_(plan.gain)
        if plan.constant is not None:
            matrix.fill_(plan.constant)
    for matrix in matrices[:-1]:
        matrix.mul_(plan.hidden_gain)
    vectors = [parameter for parameter in model.parameters() if parameter.dim() == 1]
    if plan.constant is not None:
        for vector in vectors:
            vector.zero_()
    if plan.hidden_bias is not None:
        for vector in vectors[:-1]:
            vector.fill_(plan.hidden_bias)
