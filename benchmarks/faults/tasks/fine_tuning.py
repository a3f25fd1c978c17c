"""Pre-trained networks with a new head."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import torch
from torch import Tensor, nn

from faults import sources
from faults.loop import make_optimizer, shuffled
from faults.losses import classification
from faults.nouns import Data, Task
from faults.plan import Plan
from faults.tasks.convolutional import Normalized
from faults.tasks.text import TRANSFORMER, Transformer

PRETRAINED_STEPS = 300
FEW = 600
"""Training records of a fine-tuning."""


def _pretrain(model: nn.Module, data: Data, plan: Plan) -> dict[str, Tensor]:
    torch.manual_seed(4242)
    optimizer = make_optimizer(plan, [{"params": list(model.parameters())}])
    batches = shuffled(data.train, plan.batch_size, 4242)
    for _ in range(PRETRAINED_STEPS):
        rows = next(batches)
        optimizer.zero_grad()
        classification(model, data.inputs[rows], data.targets[rows], data, plan).data.backward()
        optimizer.step()
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@cache
def _shapes_backbone() -> dict[str, Tensor]:
    torch.manual_seed(4242)
    data = sources.shapes(4242)
    return _pretrain(Normalized(data.classes), data, Plan(lr=3e-3))


@cache
def _source_backbone() -> dict[str, Tensor]:
    torch.manual_seed(4242)
    data = sources.source_text(4242)
    model = Transformer(data.classes, data.classes, data.inputs.shape[1], causal=True)
    return _pretrain(model, data, Plan(lr=2e-3))


def taken(model: nn.Module, source: dict[str, Tensor]) -> nn.Module:
    """The model with all tensors of the source that fit it by name and shape."""
    own = model.state_dict()
    own.update({name: tensor for name, tensor in source.items() if name in own and own[name].shape == tensor.shape and "head" not in name})
    model.load_state_dict(own)
    return model


def digits_from_shapes(data: Data, seed: int) -> nn.Module:
    """Convolutions that learned shapes, with a new head for ten digits."""
    source = {name: tensor for name, tensor in _shapes_backbone().items() if not name.startswith("fc.")}
    return taken(Normalized(data.classes), source)


def modules_from_language(data: Data, seed: int) -> nn.Module:
    """A classifier on the blocks of a language model."""
    model = Transformer(len(sources.SOURCE_LETTERS), data.classes, data.inputs.shape[1], causal=False)
    return taken(model, _source_backbone())


def _few_digits(seed: int) -> Data:
    data = sources.digits(seed, as_images=True)
    kept = torch.cat([torch.arange(FEW), torch.arange(data.train, len(data.inputs))])
    return replace(data, inputs=data.inputs[kept], targets=data.targets[kept], train=FEW)


TASKS = (
    Task(
        "digits-finetuned", "tuning", "fine-tuning", "classification", _few_digits, digits_from_shapes, Plan(lr=1e-3), 0.5,
        frozenset({"classes", "images", "relu", "batchnorm", "pretrained", "convolutional"}),
    ),
    Task(
        "modules-finetuned", "reporting", "fine-tuning", "classification", sources.modules, modules_from_language,
        replace(TRANSFORMER, lr=1e-3), 0.75, frozenset({"classes", "text", "embedding", "transformer", "pretrained"}),
    ),
)  # fmt: skip
