"""Networks that were trained on something else before: a residual one, a language model, an encoder, an autoencoder's half, a DeiT."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor, nn

from faults import sources_signals, sources_strings
from faults.loop import make_optimizer, shuffled
from faults.losses import LOSSES
from faults.nouns import Data, Kind, Task
from faults.plan import Plan
from faults.tasks import transferred
from faults.tasks.attending import VitBlock, drawn
from faults.tasks.codes import Coded
from faults.tasks.fine_tuning import _kept
from faults.tasks.tables import stack
from faults.tasks.transforming import Bert
from faults.tasks.vision import he


class PreActivation(nn.Module):
    """Normalization and ReLU before each of two convolutions, beside a shortcut that a third may fit."""

    def __init__(self, given: int, made: int, stride: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(given), nn.Conv2d(given, made, 3, stride, 1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(made), nn.Conv2d(made, made, 3, 1, 1, bias=False)
        self.relu = nn.ReLU()
        self.shortcut = nn.Identity() if stride == 1 else nn.Conv2d(given, made, 1, stride, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps of half the side where the stride is 2."""
        inner = self.relu(self.bn1(maps))
        beside = maps if isinstance(self.shortcut, nn.Identity) else self.shortcut(inner)
        after: Tensor = beside + self.conv2(self.relu(self.bn2(self.conv1(inner))))
        return after


class Residual(nn.Module):
    """A strided convolution, three such blocks, the mean of each map."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(1, 16, 3, 2, 1, bias=False)
        self.layer1, self.layer2, self.layer3 = PreActivation(16, 16, 1), PreActivation(16, 24, 2), PreActivation(24, 32, 2)
        self.bn_out, self.relu, self.linear = nn.BatchNorm2d(32), nn.ReLU(), nn.Linear(32, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes)."""
        maps = self.relu(self.bn_out(self.layer3(self.layer2(self.layer1(self.conv_in(images))))))
        logits: Tensor = self.linear(maps.mean(dim=(2, 3)))
        return logits


class Ulmfit(nn.Module):
    """A language model of one LSTM; or a classifier on the last, the largest and the mean of its states."""

    def __init__(self, letters: int, outputs: int, everywhere: bool) -> None:
        super().__init__()
        self.everywhere = everywhere
        self.encoder, self.rnn = nn.Embedding(letters, 32), nn.LSTM(32, 56, batch_first=True)
        self.input_dp, self.output_dp = nn.Dropout(0.1), nn.Dropout(0.3)
        self.decoder = nn.Linear(56 if everywhere else 3 * 56, outputs)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (texts, length, letters) or (texts, classes)."""
        states, _ = self.rnn(self.input_dp(self.encoder(codes)))
        pooled = states if self.everywhere else torch.cat([states[:, -1], states.amax(dim=1), states.mean(dim=1)], dim=1)
        logits: Tensor = self.decoder(self.output_dp(pooled))
        return logits


class Deit(nn.Module):
    """Patches of 4 x 4 pixels behind a token of their own, whose last state is classified."""

    def __init__(self, side: int, classes: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(0.05 * torch.randn(1, 1, 32))
        self.pos_embed = nn.Parameter(0.05 * torch.randn(1, 1 + (side // 4) ** 2, 32))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(1, 32, 4, 4)})
        self.blocks = nn.Sequential(VitBlock(32, 0.1), VitBlock(32, 0.1))
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, classes)
        drawn(self)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes)."""
        patches = self.patch_embed["proj"](images).flatten(2).transpose(1, 2)
        states = torch.cat([self.cls_token.expand(len(images), 1, -1), patches], dim=1) + self.pos_embed
        logits: Tensor = self.head(self.norm(self.blocks(states))[:, 0])
        return logits


class Halved(nn.Module):
    """An autoencoder's encoder, and a classifier on its code."""

    def __init__(self, length: int, classes: int) -> None:
        super().__init__()
        self.encoder, self.act, self.classifier = _encoder(length), nn.ReLU(), nn.Linear(24, classes)

    def forward(self, signals: Tensor) -> Tensor:
        """Logits of shape (signals, classes)."""
        logits: Tensor = self.classifier(self.act(self.encoder(signals)))
        return logits


def _encoder(length: int) -> nn.Sequential:
    return stack(length, (96, 64), 24, "ReLU")


def _fresh_residual(data: Data) -> nn.Module:
    return he(Residual(data.classes))


def _fresh_ulmfit(data: Data) -> nn.Module:
    return Ulmfit(len(sources_strings.TONGUE_LETTERS), data.classes, everywhere=False)


def _fresh_bert(data: Data) -> nn.Module:
    return Bert(4**sources_strings.WORD, max(1, data.classes), data.inputs.shape[1])


def _fresh_halved(data: Data) -> nn.Module:
    return Halved(data.inputs.shape[1], data.classes)


def _fresh_deit(data: Data) -> nn.Module:
    return Deit(data.inputs.shape[-1], data.classes)


def _language_model(data: Data) -> nn.Module:
    return Ulmfit(data.classes, data.classes, everywhere=True)


def _autoencoder(data: Data) -> nn.Module:
    length = data.inputs.shape[1]
    return Coded(_encoder(length), nn.Sequential(nn.ReLU(), *stack(24, (64, 96), length, "ReLU")))


@cache
def _learned(fresh: Callable[[Data], nn.Module], records: Callable[[int], Data], kind: Kind, plan: Plan) -> dict[str, Tensor]:
    # Kept from one run to the next: what it draws must not be missing from the second.
    with torch.random.fork_rng():
        torch.manual_seed(4343)
        data = records(4343)
        model = fresh(data)
        optimizer = make_optimizer(plan, [{"params": list(model.parameters())}])
        batches = shuffled(data.train, plan.batch_size, 4343)
        for _ in range(plan.steps):
            rows = next(batches)
            optimizer.zero_grad()
            LOSSES[kind](model, data.inputs[rows], data.targets[rows], data, plan).data.backward()
            optimizer.step()
        return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def sounds_from_others(data: Data, seed: int) -> nn.Module:
    """A residual network that learned six other sounds."""
    source = _learned(_fresh_residual, sources_signals.other_sounds, "classification", Plan(lr=3e-3, steps=250))
    return transferred._with(_fresh_residual(data), source, "linear")


def tongues_from_language(data: Data, seed: int) -> nn.Module:
    """A classifier on the LSTM of a language model of the same tongues."""
    source = _learned(_language_model, sources_strings.tongue_text, "language", Plan(lr=5e-3, steps=400))
    return transferred._with(_fresh_ulmfit(data), source, "decoder")


def binding_from_motifs(data: Data, seed: int) -> nn.Module:
    """An encoder that learned to tell motifs."""
    source = _learned(_fresh_bert, sources_strings.motif_words, "classification", Plan(lr=2e-3, steps=400))
    return transferred._with(_fresh_bert(data), source, "classifier")


def pulses_from_code(data: Data, seed: int) -> nn.Module:
    """The encoder of an autoencoder of heart beats."""
    source = _learned(_autoencoder, sources_signals.framed_pulses, "reconstruction", Plan(lr=2e-3, steps=800))
    return transferred._with(_fresh_halved(data), source, "classifier")


def forms_from_others(data: Data, seed: int) -> nn.Module:
    """A DeiT that learned four other forms."""
    source = _learned(_fresh_deit, sources_signals.other_raster_forms, "classification", Plan(lr=1e-3, steps=400))
    return transferred._with(_fresh_deit(data), source, "head")


FRESH: dict[str, Callable[[Data], nn.Module]] = {
    "sounds-taken-over": _fresh_residual,
    "tongues-taken-over": _fresh_ulmfit,
    "binding-taken-over": _fresh_bert,
    "pulses-taken-over": _fresh_halved,
    "forms-taken-over": _fresh_deit,
}
"""By task, the network before anything was loaded."""


def _few_sounds(seed: int) -> Data:
    return _kept(sources_signals.sounds(seed), 900)


def _few_pulses(seed: int) -> Data:
    return _kept(sources_signals.pulses(seed), 900)


PRETRAINED = frozenset({"pretrained"})
FINE = Plan(optimizer="adamw", lr=5e-4, weight_decay=0.01, warm_up=0.1, schedule="linear", steps=400)
TASKS = (
    Task(
        "sounds-taken-over", "third", "taken-over-resnet", "classification", _few_sounds, sounds_from_others,
        Plan(optimizer="sgd", lr=0.01, weight_decay=1e-4, schedule="cosine", steps=200), 0.5,
        PRETRAINED | {"classes", "images", "relu", "batchnorm", "convolutional", "shortcuts"},
    ),
    Task(
        "tongues-taken-over", "third", "taken-over-lstm", "classification", sources_strings.tongues, tongues_from_language,
        Plan(lr=2e-3, steps=350, schedule="linear", warm_up=0.1), 0.5,
        PRETRAINED | {"classes", "text", "embedding", "recurrent", "dropout"},
    ),
    Task(
        "binding-taken-over", "third", "taken-over-encoder", "regression", sources_strings.binding, binding_from_motifs,
        replace(FINE, steps=250), 0.6, PRETRAINED | {"text", "embedding", "transformer", "dropout"},
    ),
    Task(
        "pulses-taken-over", "third", "taken-over-code", "classification", _few_pulses, pulses_from_code,
        Plan(lr=5e-4, steps=300, weight_decay=1e-4), 0.5, PRETRAINED | {"classes", "dense", "relu"},
    ),
    Task(
        "forms-taken-over", "third", "taken-over-deit", "classification", sources_signals.raster_forms, forms_from_others,
        replace(FINE, steps=300), 0.6, PRETRAINED | {"classes", "images", "transformer", "dropout"},
    ),
)  # fmt: skip
