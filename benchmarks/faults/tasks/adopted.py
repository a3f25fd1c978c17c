"""Networks that were trained on something else before: a plain and a residual one over pictures, an encoder, an LSTM, a table's."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from faults import sources_glossaries, sources_icons, sources_outings
from faults.nouns import Data, Task
from faults.plan import Plan
from faults.reach import layers, redraw
from faults.tasks.fine_tuning import _kept
from faults.tasks.outings import Pooled
from faults.tasks.tables import Wrapped, stack
from faults.tasks.taken_over import _learned
from faults.tasks.transferred import _with


class Plain(nn.Module):
    """Four convolutions without normalization, pooling after two, a hidden layer, a classifier."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 16, 3, stride=2, padding=1)
        self.conv3, self.conv4 = nn.Conv2d(16, 32, 3, padding=1), nn.Conv2d(32, 32, 3, padding=1)
        self.relu, self.pool = nn.ReLU(), nn.MaxPool2d(2)
        self.fc1, self.fc2 = nn.Linear(32 * 9, 48), nn.Linear(48, classes)
        nn.init.normal_(self.fc2.weight, std=0.01)
        nn.init.zeros_(self.fc2.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes) of images of 14 x 14 pixels."""
        maps = self.relu(self.conv2(self.relu(self.conv1(images))))
        maps = self.pool(self.relu(self.conv4(self.relu(self.conv3(maps)))))
        logits: Tensor = self.fc2(self.relu(self.fc1(maps.flatten(1))))
        return logits


class BasicBlock(nn.Module):
    """Two normalized convolutions beside a shortcut that is averaged and fitted where the stride is 2: ResNet-D's."""

    def __init__(self, given: int, made: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(given, made, 3, stride, 1, bias=False), nn.BatchNorm2d(made)
        self.conv2, self.bn2 = nn.Conv2d(made, made, 3, 1, 1, bias=False), nn.BatchNorm2d(made)
        self.act = nn.ReLU(inplace=True)
        self.downsample = nn.Sequential()
        if stride > 1:
            self.downsample = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(given, made, 1, bias=False), nn.BatchNorm2d(made))

    def forward(self, maps: Tensor) -> Tensor:
        """Maps of half the side where the stride is 2."""
        inner = self.bn2(self.conv2(self.act(self.bn1(self.conv1(maps)))))
        after: Tensor = self.act(inner + self.downsample(maps))
        return after


class ResNetD(nn.Module):
    """A strided stem, three such blocks, the mean of each map."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True))
        self.layer1, self.layer2, self.layer3 = BasicBlock(16, 16, 1), BasicBlock(16, 24, 2), BasicBlock(24, 32, 2)
        self.global_pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(32, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes)."""
        maps = self.layer3(self.layer2(self.layer1(self.stem(images))))
        logits: Tensor = self.fc(self.global_pool(maps).flatten(1))
        return logits


class TwoStoreyLstm(nn.Module):
    """Two LSTMs over letters, and a classifier on the state at the last letter."""

    def __init__(self, letters: int, classes: int) -> None:
        super().__init__()
        self.emb = nn.Embedding(letters, 24)
        self.rnns = nn.LSTM(24, 48, num_layers=2, batch_first=True, dropout=0.1)
        self.dropout, self.classifier = nn.Dropout(0.1), nn.Linear(48, classes)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (words, classes); 0 stands for no letter."""
        states, _ = self.rnns(self.emb(codes))
        last = (codes != 0).sum(dim=1).clamp(min=1) - 1
        logits: Tensor = self.classifier(self.dropout(states[torch.arange(len(codes)), last]))
        return logits


def _fresh_plain(data: Data) -> nn.Module:
    return Plain(data.classes)


def _fresh_residual(data: Data) -> nn.Module:
    return ResNetD(data.classes)


def _fresh_pooled(data: Data) -> nn.Module:
    return Pooled(len(sources_glossaries.RESIDUES), data.classes, data.inputs.shape[1], width=32)


def _fresh_lstm(data: Data) -> nn.Module:
    return TwoStoreyLstm(len(sources_glossaries.VERB_LETTERS), data.classes)


def _fresh_table(data: Data) -> nn.Module:
    net = stack(data.inputs.shape[1], (96, 96, 64), data.classes, "ReLU")
    redraw([layers(net)[-1].weight], lambda each: nn.init.normal_(each, std=0.01))
    return Wrapped(net)


def icons_from_others(data: Data, seed: int) -> nn.Module:
    """Plain convolutions that learned other icons."""
    source = _learned(_fresh_plain, sources_icons.other_icons, "classification", Plan(lr=1e-3, weight_decay=1e-3, steps=700))
    return _with(_fresh_plain(data), source, "fc2")


def tracks_from_others(data: Data, seed: int) -> nn.Module:
    """A residual network that learned other events."""
    source = _learned(_fresh_residual, sources_icons.other_tracks, "classification", Plan(lr=3e-3, steps=500))
    return _with(_fresh_residual(data), source, "fc")


def peptides_from_others(data: Data, seed: int) -> nn.Module:
    """An encoder that learned six other folds."""
    source = _learned(_fresh_pooled, sources_glossaries.peptides, "classification", Plan(lr=2e-3, steps=600))
    return _with(_fresh_pooled(data), source, "classifier")


def verbs_from_forms(data: Data, seed: int) -> nn.Module:
    """Two LSTMs that learned all forms of verbs."""
    source = _learned(_fresh_lstm, sources_glossaries.forms, "classification", Plan(lr=4e-3, steps=700))
    return _with(_fresh_lstm(data), source, "classifier")


def ores_from_others(data: Data, seed: int) -> nn.Module:
    """Dense layers that learned the deposits of another continent."""
    source = _learned(_fresh_table, sources_outings.ores, "classification", Plan(lr=1e-3, steps=2500, batch_size=64, weight_decay=1e-5))
    return _with(_fresh_table(data), source, "net.6")


FRESH: dict[str, Callable[[Data], nn.Module]] = {
    "icons-adopted": _fresh_plain,
    "tracks-adopted": _fresh_residual,
    "peptides-adopted": _fresh_pooled,
    "verbs-adopted": _fresh_lstm,
    "ores-adopted": _fresh_table,
}
"""By task, the network before anything was loaded."""


def _few_icons(seed: int) -> Data:
    return _kept(sources_icons.icons(seed), 1400)


def _few_tracks(seed: int) -> Data:
    return _kept(sources_icons.tracks(seed), 1200)


def _few_peptides(seed: int) -> Data:
    return _kept(sources_glossaries.other_peptides(seed), 1500)


def _few_verbs(seed: int) -> Data:
    return _kept(sources_glossaries.verbs(seed), 1200)


def _few_ores(seed: int) -> Data:
    return _kept(sources_outings.other_ores(seed), 800)


PRETRAINED = frozenset({"pretrained", "classes"})
TASKS = (
    Task(
        "icons-adopted", "fifth", "adopted-cnn", "classification", _few_icons, icons_from_others,
        Plan(lr=5e-4, steps=300, schedule="linear", weight_decay=1e-4), 0.5, PRETRAINED | {"images", "relu", "convolutional"},
    ),
    Task(
        "tracks-adopted", "fifth", "adopted-resnet-d", "classification", _few_tracks, tracks_from_others,
        Plan(optimizer="sgd", lr=0.01, weight_decay=5e-4, schedule="cosine", warm_up=0.05, steps=220), 0.5,
        PRETRAINED | {"images", "relu", "batchnorm", "convolutional", "shortcuts"},
    ),
    Task(
        "peptides-adopted", "fifth", "adopted-encoder", "classification", _few_peptides, peptides_from_others,
        Plan(optimizer="adamw", lr=7e-4, weight_decay=0.05, warm_up=0.1, schedule="linear", clip_norm=1.0, steps=300), 0.6,
        PRETRAINED | {"text", "embedding", "transformer", "relu", "dropout"},
    ),
    Task(
        "verbs-adopted", "fifth", "adopted-lstm", "classification", _few_verbs, verbs_from_forms,
        Plan(lr=2e-3, steps=350, schedule="cosine", clip_norm=1.0), 0.5, PRETRAINED | {"text", "embedding", "recurrent", "dropout"},
    ),
    Task(
        "ores-adopted", "fifth", "adopted-mlp", "classification", _few_ores, ores_from_others,
        Plan(optimizer="adamw", lr=3e-4, steps=300, weight_decay=0.02), 0.6, PRETRAINED | {"dense", "relu", "table"},
    ),
)  # fmt: skip
