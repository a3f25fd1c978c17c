"""Pre-trained networks with a new head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor, nn

from faults import sources
from faults.loop import make_optimizer, shuffled
from faults.losses import classification
from faults.nouns import Data, Task
from faults.plan import Plan
from faults.tasks.convolutional import Normalized, Residual
from faults.tasks.dense import Named
from faults.tasks.text import TRANSFORMER, Recurrent, Transformer

PRETRAINED_STEPS = 300
FEW = 600
"""Training records of a fine-tuning."""
FEWER = 150
"""Where the old task is so near to the new one that a few records do."""


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
    # Kept from one run to the next: what it draws must not be missing from the second.
    with torch.random.fork_rng():
        torch.manual_seed(4242)
        data = sources.shapes(4242)
        return _pretrain(Normalized(data.classes), data, Plan(lr=3e-3))


@cache
def _shapes_residual() -> dict[str, Tensor]:
    torch.manual_seed(4242)
    data = sources.shapes(4242)
    return _pretrain(Residual(data.classes), data, Plan(lr=3e-3))


@cache
def _source_backbone() -> dict[str, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(4242)
        data = sources.source_text(4242)
        model = Transformer(data.classes, data.classes, data.inputs.shape[1], causal=True)
        return _pretrain(model, data, Plan(lr=2e-3))


@cache
def _names_backbone() -> dict[str, Tensor]:
    torch.manual_seed(4242)
    data = sources.names(4242)
    model = Transformer(data.classes, data.classes, data.inputs.shape[1], causal=True)
    return _pretrain(model, data, Plan(lr=2e-3))


@cache
def _next_letter_recurrent(kind: type[nn.GRU] | type[nn.LSTM], text: Callable[[int], Data]) -> dict[str, Tensor]:
    torch.manual_seed(4242)
    data = text(4242)
    windows = replace(data, targets=data.targets[:, -1])
    return _pretrain(Recurrent(data.classes, data.classes, kind), windows, Plan(lr=5e-3, batch_size=64))


@cache
def _grouped_dense(records: Callable[[int], Data], hidden: tuple[int, ...]) -> dict[str, Tensor]:
    """Weights that learned which of four groups the class is in: odd or even, first or second half."""
    torch.manual_seed(4242)
    data = records(4242)
    grouped = replace(data, targets=data.targets % 2 + 2 * (data.targets >= data.classes / 2).long())
    return _pretrain(Named(data.inputs[0].numel(), hidden, 4, "relu"), grouped, Plan(lr=2e-3))


def taken(model: nn.Module, source: dict[str, Tensor]) -> nn.Module:
    """The model with all tensors of the source that fit it by name and shape."""
    own = model.state_dict()
    own.update({name: tensor for name, tensor in source.items() if name in own and own[name].shape == tensor.shape and "head" not in name})
    model.load_state_dict(own)
    return model


DIGITS_HIDDEN, SHAPES_HIDDEN = (96, 64, 48), (96, 96, 64, 48)


def _fresh_normalized(data: Data) -> nn.Module:
    return Normalized(data.classes)


def _fresh_residual(data: Data) -> nn.Module:
    return Residual(data.classes)


def _fresh_scripts(data: Data) -> nn.Module:
    return Transformer(len(sources.NAME_LETTERS), data.classes, data.inputs.shape[1], causal=False)


def _fresh_modules(data: Data) -> nn.Module:
    return Transformer(len(sources.SOURCE_LETTERS), data.classes, data.inputs.shape[1], causal=False)


def _fresh_gru(data: Data) -> nn.Module:
    return Recurrent(len(sources.NAME_LETTERS), data.classes, nn.GRU)


def _fresh_lstm(data: Data) -> nn.Module:
    return Recurrent(len(sources.SOURCE_LETTERS), data.classes, nn.LSTM)


def _fresh_digits_dense(data: Data) -> nn.Module:
    return Named(data.inputs[0].numel(), DIGITS_HIDDEN, data.classes, "relu")


def _fresh_shapes_dense(data: Data) -> nn.Module:
    return Named(data.inputs[0].numel(), SHAPES_HIDDEN, data.classes, "relu")


FRESH: dict[str, Callable[[Data], nn.Module]] = {
    "digits-finetuned": _fresh_normalized,
    "scripts-finetuned": _fresh_scripts,
    "names-finetuned": _fresh_gru,
    "groups-finetuned": _fresh_digits_dense,
    "modules-finetuned": _fresh_modules,
    "resnet-finetuned": _fresh_residual,
    "lines-finetuned": _fresh_lstm,
    "halves-finetuned": _fresh_shapes_dense,
}
"""By task, the network before anything was loaded."""


def digits_from_shapes(data: Data, seed: int) -> nn.Module:
    """Convolutions that learned shapes, with a new head for ten digits."""
    source = {name: tensor for name, tensor in _shapes_backbone().items() if not name.startswith("fc.")}
    return taken(_fresh_normalized(data), source)


def digits_from_residual(data: Data, seed: int) -> nn.Module:
    """A small ResNet that learned shapes, with a new head for ten digits."""
    source = {name: tensor for name, tensor in _shapes_residual().items() if not name.startswith("fc.")}
    return taken(_fresh_residual(data), source)


def modules_from_language(data: Data, seed: int) -> nn.Module:
    """A classifier on the blocks of a language model."""
    return taken(_fresh_modules(data), _source_backbone())


def scripts_from_language(data: Data, seed: int) -> nn.Module:
    """A classifier of names on the blocks of a language model of names."""
    return taken(_fresh_scripts(data), _names_backbone())


def scripts_from_letters(data: Data, seed: int) -> nn.Module:
    """A GRU that learned to guess the next letter of names."""
    return taken(_fresh_gru(data), _next_letter_recurrent(nn.GRU, sources.names))


def modules_from_letters(data: Data, seed: int) -> nn.Module:
    """An LSTM that learned to guess the next letter of source."""
    return taken(_fresh_lstm(data), _next_letter_recurrent(nn.LSTM, sources.source_text))


def digits_from_groups(data: Data, seed: int) -> nn.Module:
    """A dense network that learned which of four groups a digit is in."""
    return taken(_fresh_digits_dense(data), _grouped_dense(sources.digits, DIGITS_HIDDEN))


def shapes_from_groups(data: Data, seed: int) -> nn.Module:
    """A dense network that learned which of four groups a shape is in."""
    return taken(_fresh_shapes_dense(data), _grouped_dense(_flat_shapes, SHAPES_HIDDEN))


def _kept(data: Data, few: int) -> Data:
    rows = torch.cat([torch.arange(few), torch.arange(data.train, len(data.inputs))])
    return replace(data, inputs=data.inputs[rows], targets=data.targets[rows], train=few)


def _few_digits(seed: int) -> Data:
    return _kept(sources.digits(seed, as_images=True), FEW)


def _fewer_digits(seed: int) -> Data:
    return _kept(sources.digits(seed), FEWER)


def _flat_shapes(seed: int) -> Data:
    data = sources.centred_shapes(seed)
    return replace(data, inputs=data.inputs.flatten(1))


def _fewer_shapes(seed: int) -> Data:
    return _kept(_flat_shapes(seed), FEWER)


IMAGES = frozenset({"classes", "images", "relu", "batchnorm", "pretrained", "convolutional"})
TEXT = frozenset({"classes", "text", "embedding", "pretrained"})
DENSE = frozenset({"classes", "dense", "relu", "pretrained"})
TASKS = (
    Task(
        "digits-finetuned", "first", "fine-tuning", "classification", _few_digits, digits_from_shapes, Plan(lr=1e-3), 0.5, IMAGES,
    ),
    Task(
        "scripts-finetuned", "first", "fine-tuned-transformer", "classification", sources.scripts, scripts_from_language,
        replace(TRANSFORMER, lr=5e-4, steps=300), 0.6, TEXT | {"transformer"},
    ),
    Task(
        "names-finetuned", "first", "fine-tuned-recurrent", "classification", sources.scripts, scripts_from_letters,
        Plan(lr=1e-3, steps=300), 0.6, TEXT | {"recurrent"},
    ),
    Task(
        "groups-finetuned", "first", "fine-tuned-mlp", "classification", _fewer_digits, digits_from_groups, Plan(lr=3e-4, steps=300), 0.6,
        DENSE,
    ),
    Task(
        "modules-finetuned", "first", "fine-tuning", "classification", sources.modules, modules_from_language,
        replace(TRANSFORMER, lr=1e-3), 0.75, TEXT | {"transformer"},
    ),
    Task(
        "resnet-finetuned", "first", "fine-tuned-resnet", "classification", _few_digits, digits_from_residual, Plan(lr=1e-3), 0.5,
        IMAGES | {"shortcuts"},
    ),
    Task(
        "lines-finetuned", "first", "fine-tuned-lstm", "classification", sources.modules, modules_from_letters,
        Plan(lr=2e-3), 0.85, TEXT | {"recurrent"},
    ),
    Task(
        "halves-finetuned", "first", "fine-tuned-dense", "classification", _fewer_shapes, shapes_from_groups,
        Plan(lr=3e-4, steps=300), 0.7, DENSE,
    ),
)  # fmt: skip
