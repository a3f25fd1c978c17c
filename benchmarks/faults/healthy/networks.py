"""Networks that look broken and are not: frozen on purpose, adapters, branches from zero, tied weights, dead units, wide embeddings."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from faults.nouns import Data, Fault
from faults.plan import Plan
from faults.tasks.text import Transformer

_COMMON = frozenset({"adversarial", "policy"})
_RANK = 4


def _head(model: nn.Module) -> str:
    return [name for name, each in model.named_parameters() if each.dim() >= 2][-1].rpartition(".")[0]


def _frozen(model: nn.Module, data: Data, plan: Plan) -> None:
    """Everything but the head and the norms stays as it was pre-trained."""
    head = _head(model)
    for name, each in model.named_parameters():
        each.requires_grad_(name.startswith(head) or "bn" in name or "ln" in name)


class _Adapted(nn.Module):
    """A frozen linear layer with a low-rank addition, whose second factor starts at zero."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base
        self.lora_A = nn.Linear(base.in_features, _RANK, bias=False)
        self.lora_B = nn.Linear(_RANK, base.out_features, bias=False)
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, inputs: Tensor) -> Tensor:
        """As the linear layer, and a little more."""
        answers: Tensor = self.base(inputs) + 2.0 * self.lora_B(self.lora_A(inputs))
        return answers


def _adapted(model: nn.Module, data: Data, plan: Plan) -> None:
    """Low-rank adapters on all linear layers but the head; the rest is frozen."""
    head = _head(model)
    for each in model.parameters():
        each.requires_grad_(False)
    for name, module in list(model.named_modules()):
        for own, child in list(module.named_children()):
            path = f"{name}.{own}" if name else own
            if isinstance(child, nn.Linear) and path != head and not isinstance(module, _Adapted):
                setattr(module, own, _Adapted(child))
    for name, each in model.named_parameters():
        if "lora_" in name or name.startswith(head) or "ln" in name:
            each.requires_grad_(True)


@torch.no_grad()
def _zero_branches(model: nn.Module, data: Data, plan: Plan) -> None:
    """The last layer of each residual branch starts at zero, and so does the head."""
    for name, module in model.named_modules():
        norm = isinstance(module, nn.BatchNorm2d) and name.endswith("bn2")
        if norm or (isinstance(module, nn.Linear) and name.endswith(("proj", "fc_out"))):
            nn.init.zeros_(module.weight)
    head = _head(model)
    for name, each in model.named_parameters():
        if name.startswith(head):
            each.zero_()


@torch.no_grad()
def _few_dead(model: nn.Module, data: Data, plan: Plan) -> None:
    """Three units of the first hidden layer never fire."""
    first = next(each for each in model.modules() if isinstance(each, nn.Linear | nn.Conv2d) and each.bias is not None)
    if first.bias is not None:
        first.bias[:3] = -40.0


@torch.no_grad()
def _outliers(model: nn.Module, data: Data, plan: Plan) -> None:
    """Two channels of every norm are 20 times as large as the rest, as in large language models."""
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.weight[:2] *= 20.0


def _wide(model: nn.Module, data: Data, plan: Plan) -> None:
    """An embedding of 4,000 rows, of which the text uses a few dozen."""
    for module in model.modules():
        for own, child in list(module.named_children()):
            if isinstance(child, nn.Embedding) and child.num_embeddings > data.inputs.shape[1] and own != "wpe":
                wide = nn.Embedding(4000, child.embedding_dim)
                with torch.no_grad():
                    wide.weight.mul_(float(child.weight.std()))
                    wide.weight[: child.num_embeddings] = child.weight
                setattr(module, own, wide)


def _tied(model: nn.Module, data: Data, plan: Plan) -> nn.Module:
    """The head's matrix is the embedding's."""
    return Transformer(data.classes, data.classes, data.inputs.shape[1], causal=True, tied=True)


def _dropout(model: nn.Module, data: Data, plan: Plan) -> None:
    """Half of the units are left out in training, behind every activation."""
    for module in list(model.modules()):
        if isinstance(module, nn.Sequential):
            for own, child in list(module.named_children()):
                if isinstance(child, nn.ReLU | nn.GELU | nn.Tanh):
                    setattr(module, own, nn.Sequential(child, nn.Dropout(0.3)))


class _WithMemory(nn.Module):
    """A network beside a buffer of logits' offsets that training never touches, and a mask of minus infinity."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.register_buffer("attn_mask", torch.triu(torch.full((16, 16), -torch.inf), diagonal=1))
        self.register_buffer("position_ids", torch.arange(16))

    def forward(self, inputs: Tensor) -> Tensor:
        """As the body answers."""
        answers: Tensor = self.body(inputs)
        return answers


def _masked(model: nn.Module, data: Data, plan: Plan) -> nn.Module:
    return _WithMemory(model)


TRAPS = (
    Fault(
        "frozen-backbone",
        "clear",
        "Only the head and the norms of a pre-trained network are trained, on purpose.",
        model=_frozen,
        plan=lambda plan: replace(plan, lr=5e-3, steps=500),
        wants=frozenset({"pretrained"}),
        spares=_COMMON,
    ),
    Fault(
        "adapters",
        "clear",
        "Low-rank adapters on a frozen network, whose second factors start at zero.",
        model=_adapted,
        plan=lambda plan: replace(plan, lr=5e-3, steps=600),
        wants=frozenset({"transformer", "classes", "pretrained"}),
        spares=_COMMON,
    ),
    Fault(
        "zero-branches",
        "clear",
        "Residual branches and the head start at zero.",
        model=_zero_branches,
        wants=frozenset({"transformer"}),
        spares=_COMMON | {"pretrained"},
    ),
    Fault(
        "few-dead-units",
        "clear",
        "Three units of a layer never fire; the rest learns.",
        model=_few_dead,
        wants=frozenset({"relu"}),
        spares=_COMMON | {"pretrained", "batchnorm"},
    ),
    Fault(
        "outlier-channels",
        "clear",
        "Two channels of every norm are 20 times as large as the others.",
        model=_outliers,
        wants=frozenset({"transformer"}),
        spares=_COMMON,
    ),
    Fault(
        "rare-embedding-rows",
        "clear",
        "4,000 rows of an embedding, of which most are never looked up.",
        model=_wide,
        wants=frozenset({"embedding"}),
        spares=_COMMON | {"language"},
    ),
    Fault(
        "tied-weights",
        "clear",
        "The head of a language model is its embedding.",
        model=_tied,
        wants=frozenset({"language"}),
        spares=_COMMON,
    ),
    Fault(
        "dropout",
        "clear",
        "Three in ten units are left out in training.",
        model=_dropout,
        wants=frozenset({"dense"}),
        spares=_COMMON | {"saturating", "deep"},
    ),
    Fault(
        "masks-of-infinity",
        "clear",
        "A buffer of minus infinities beside the weights.",
        model=_masked,
        wants=frozenset({"classes"}),
        spares=_COMMON,
    ),
)
