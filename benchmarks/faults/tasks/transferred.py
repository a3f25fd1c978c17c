"""Networks that were trained on something else before: convolutions, transformers over text and patches, a recurrence, a dense one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor, nn

from faults import sources_drawn, sources_made
from faults.nouns import Data, Task
from faults.plan import Plan
from faults.reach import layers, redraw
from faults.tasks.attending import Gpt, Vit
from faults.tasks.fine_tuning import _kept, _pretrain
from faults.tasks.sequences import Both
from faults.tasks.tables import Wrapped, stack
from faults.tasks.vision import convolved, he


class Tuned(nn.Module):
    """A backbone of normalized convolutions and a classifier."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.backbone = nn.Sequential(convolved(1, 12, 3), convolved(12, 24, 3, 2), convolved(24, 24, 3, 2))
        self.classifier = nn.Linear(24 * 9, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes) of images of 12 x 12 pixels."""
        logits: Tensor = self.classifier(self.backbone(images).flatten(1))
        return logits


def _fresh_convolutions(data: Data) -> nn.Module:
    return he(Tuned(data.classes))


def _fresh_gpt(data: Data) -> nn.Module:
    return Gpt(len(sources_made.WORD_LETTERS), data.classes, data.inputs.shape[1], causal=False, blocks=2)


def _fresh_both(data: Data) -> nn.Module:
    return Both(len(sources_made.ROMAN_LETTERS), data.classes)


def _fresh_dense(data: Data) -> nn.Module:
    net = stack(data.inputs[0].numel(), (96, 64, 48), data.classes, "ReLU")
    redraw([layers(net)[-1].weight], lambda each: nn.init.normal_(each, std=0.01))
    return Wrapped(net)


def _fresh_vit(data: Data) -> nn.Module:
    return Vit(data.inputs.shape[-1], data.classes)


@cache
def _learned(fresh: Callable[[Data], nn.Module], records: Callable[[int], Data], plan: Plan) -> dict[str, Tensor]:
    # Kept from one run to the next: what it draws must not be missing from the second.
    with torch.random.fork_rng():
        torch.manual_seed(4242)
        data = records(4242)
        return _pretrain(fresh(data), data, plan)


def _causal_gpt(data: Data) -> nn.Module:
    return Gpt(data.classes, data.classes, data.inputs.shape[1], causal=True, blocks=2)


def _grouped_letters(seed: int) -> Data:
    """Letters by the four groups that their numbers fall in: three of twelve each."""
    data = sources_drawn.centred_letters(seed)
    return replace(data, targets=data.targets // 3, classes=4, class_names=())


def _coarse_gratings(seed: int) -> Data:
    """Gratings enlarged by a rim of zeros, (1, 16, 16), as textures are."""
    data = sources_drawn.gratings(seed)
    return replace(data, inputs=nn.functional.pad(data.inputs, (2, 2, 2, 2)))


def _with(model: nn.Module, source: dict[str, Tensor], head: str) -> nn.Module:
    """The model with all tensors of the source that fit it, its head aside."""
    own = model.state_dict()
    fit = {name: each for name, each in source.items() if name in own and own[name].shape == each.shape and not name.startswith(head)}
    model.load_state_dict({**own, **fit})
    return model


def letters_from_others(data: Data, seed: int) -> nn.Module:
    """Convolutions that learned twelve other letters."""
    return _with(_fresh_convolutions(data), _learned(_fresh_convolutions, sources_drawn.other_letters, Plan(lr=3e-3)), "classifier")


def quantities_from_language(data: Data, seed: int) -> nn.Module:
    """A classifier on the blocks of a GPT of such texts."""
    return _with(_fresh_gpt(data), _learned(_causal_gpt, sources_made.quantity_text, Plan(lr=2e-3)), "lm_head")


def tens_from_hundreds(data: Data, seed: int) -> nn.Module:
    """A GRU that learned the hundreds digit of Roman numerals."""
    return _with(_fresh_both(data), _learned(_fresh_both, sources_made.roman_hundreds, Plan(lr=5e-3)), "classifier")


def letters_from_groups(data: Data, seed: int) -> nn.Module:
    """A dense network that learned which of four groups a letter is in."""
    return _with(_fresh_dense(data), _learned(_fresh_dense, _grouped_letters, Plan(lr=2e-3)), "net.6")


def textures_from_gratings(data: Data, seed: int) -> nn.Module:
    """A ViT that learned gratings."""
    return _with(_fresh_vit(data), _learned(_fresh_vit, _coarse_gratings, Plan(lr=1e-3)), "head")


FRESH: dict[str, Callable[[Data], nn.Module]] = {
    "letters-transferred": _fresh_convolutions,
    "quantities-transferred": _fresh_gpt,
    "roman-transferred": _fresh_both,
    "groups-transferred": _fresh_dense,
    "textures-transferred": _fresh_vit,
}
"""By task, the network before anything was loaded."""


def _few_letters(seed: int) -> Data:
    return _kept(sources_drawn.letters(seed), 900)


def _few_flat_letters(seed: int) -> Data:
    return _kept(sources_drawn.centred_letters(seed), 300)


PRETRAINED = frozenset({"classes", "pretrained"})
FINE = Plan(optimizer="adamw", lr=5e-4, weight_decay=0.01, warm_up=0.1, schedule="linear", steps=400)
TASKS = (
    Task(
        "letters-transferred", "second", "transferred-cnn", "classification", _few_letters, letters_from_others,
        Plan(optimizer="sgd", lr=0.01, schedule="cosine", steps=300), 0.5, PRETRAINED | {"images", "relu", "batchnorm", "convolutional"},
    ),
    Task(
        "quantities-transferred", "second", "transferred-gpt", "classification", sources_made.quantities, quantities_from_language,
        replace(FINE, lr=1e-3, clip_norm=1.0), 0.6, PRETRAINED | {"text", "embedding", "transformer"},
    ),
    Task(
        "roman-transferred", "second", "transferred-gru", "classification", sources_made.roman_tens, tens_from_hundreds,
        Plan(lr=2e-3, steps=400), 0.6, PRETRAINED | {"text", "embedding", "recurrent", "dropout"},
    ),
    Task(
        "groups-transferred", "second", "transferred-mlp", "classification", _few_flat_letters, letters_from_groups,
        Plan(lr=3e-4, steps=300), 0.6, PRETRAINED | {"dense", "relu"},
    ),
    Task(
        "textures-transferred", "second", "transferred-vit", "classification", sources_drawn.textures, textures_from_gratings,
        FINE, 0.6, PRETRAINED | {"images", "transformer"},
    ),
)  # fmt: skip
