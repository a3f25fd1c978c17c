"""Networks over drawn images and wave forms, as model zoos build them: VGG, separable and dense convolutions, bottlenecks, squeezing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from faults import sources_drawn
from faults.nouns import Data, Task
from faults.plan import Plan
from faults.reach import layers, redraw


def he(net: nn.Module) -> nn.Module:
    """The same network with convolutions and hidden layers drawn as He does."""
    linear = [layer for layer in net.modules() if isinstance(layer, nn.Linear)]
    for layer in net.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d) or layer in linear[:-1]:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return net


class Vgg(nn.Module):
    """Pairs of convolutions and pooling, a classifier with dropout."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(12, 24, 3, padding=1), nn.ReLU(), nn.Conv2d(24, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        self.classifier = nn.Sequential(nn.Linear(24 * 9, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, classes))

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes) of images of 12 x 12 pixels."""
        logits: Tensor = self.classifier(self.features(images).flatten(1))
        return logits


def convolved(given: int, width: int, size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution, its normalization, ReLU."""
    return nn.Sequential(nn.Conv2d(given, width, size, stride, size // 2, groups=groups, bias=False), nn.BatchNorm2d(width), nn.ReLU())


def separable(classes: int) -> nn.Sequential:
    """A stem and three separable convolutions: one a channel, then one over channels."""
    blocks = nn.Sequential(
        convolved(16, 16, 3, groups=16), convolved(16, 24, 1), convolved(24, 24, 3, 2, groups=24), convolved(24, 32, 1),
        convolved(32, 32, 3, groups=32), convolved(32, 32, 1),
    )  # fmt: skip
    net = nn.Sequential()
    net.add_module("stem", convolved(1, 16, 3))
    net.add_module("blocks", blocks)
    net.add_module("pool", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    net.add_module("fc", nn.Linear(32, classes))
    return net


class Grown(nn.Module):
    """Normalized maps to eight more, beside what was given."""

    def __init__(self, given: int) -> None:
        super().__init__()
        self.norm, self.relu, self.conv = nn.BatchNorm2d(given), nn.ReLU(), nn.Conv2d(given, 8, 3, padding=1, bias=False)

    def forward(self, kept: Tensor) -> Tensor:
        """Maps of shape (images, given + 8, ...)."""
        return torch.cat([kept, self.conv(self.relu(self.norm(kept)))], dim=1)


def connected(classes: int) -> nn.Sequential:
    """DenseNet: two blocks of three layers that see all before them, and pooling between."""
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1, bias=False), Grown(12), Grown(20), Grown(28), nn.AvgPool2d(2), Grown(36), Grown(44), Grown(52),
        nn.BatchNorm2d(60), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(60, classes),
    )  # fmt: skip


class Squeezing(nn.Module):
    """A convolution whose maps are weighted by what is in them, beside a shortcut."""

    def __init__(self, given: int, width: int) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(given, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width)
        self.se = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, width // 4), nn.ReLU(), nn.Linear(width // 4, width), nn.Sigmoid()
        )
        self.downsample = nn.Sequential(nn.Conv2d(given, width, 1, 2, bias=False), nn.BatchNorm2d(width))

    def forward(self, kept: Tensor) -> Tensor:
        """Maps of shape (images, width, half the sides)."""
        inner = self.bn(self.conv(kept))
        return torch.relu(inner * self.se(inner)[:, :, None, None] + self.downsample(kept))


class Bottleneck(nn.Module):
    """Fewer maps, a convolution, more maps, beside a shortcut."""

    def __init__(self, given: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(given, width // 2, 1, bias=False), nn.BatchNorm2d(width // 2)
        self.conv2, self.bn2 = nn.Conv2d(width // 2, width // 2, 3, stride, 1, bias=False), nn.BatchNorm2d(width // 2)
        self.conv3, self.bn3 = nn.Conv2d(width // 2, width, 1, bias=False), nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or given != width:
            self.downsample = nn.Sequential(nn.Conv2d(given, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, kept: Tensor) -> Tensor:
        """Maps of shape (images, width, ...)."""
        inner = self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(kept))))))
        after: Tensor = self.relu(self.bn3(self.conv3(inner)) + self.downsample(kept))
        return after


class Zoo(nn.Module):
    """A stem, named layers of blocks, a mean over the image, a head called fc."""

    def __init__(self, classes: int, stem: int, layers: tuple[nn.Sequential, ...], width: int) -> None:
        super().__init__()
        self.conv1, self.bn1, self.relu = nn.Conv2d(1, stem, 3, padding=1, bias=False), nn.BatchNorm2d(stem), nn.ReLU()
        for number, layer in enumerate(layers, start=1):
            self.add_module(f"layer{number}", layer)
        self.fc = nn.Linear(width, classes)
        self.depth = len(layers)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes)."""
        kept = self.relu(self.bn1(self.conv1(images)))
        for number in range(1, self.depth + 1):
            kept = self.get_submodule(f"layer{number}")(kept)
        logits: Tensor = self.fc(kept.mean(dim=(2, 3)))
        return logits


class Dilated(nn.Module):
    """A dilated convolution over time, normalized, beside a shortcut."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.bn, self.relu = nn.BatchNorm1d(width), nn.ReLU()

    def forward(self, kept: Tensor) -> Tensor:
        """Of the same shape (records, width, samples)."""
        after: Tensor = kept + self.relu(self.bn(self.conv(kept)))
        return after


def vgg(data: Data, seed: int) -> nn.Module:
    """VGG of four convolutions, its head drawn small as torchvision does."""
    net = Vgg(data.classes)
    he(net)
    redraw([layers(net)[-1].weight], lambda each: nn.init.normal_(each, std=0.01))
    return net


def depthwise(data: Data, seed: int) -> nn.Module:
    """Separable convolutions."""
    return he(separable(data.classes))


def densenet(data: Data, seed: int) -> nn.Module:
    """Dense connections."""
    return he(connected(data.classes))


def squeeze(data: Data, seed: int) -> nn.Module:
    """Squeeze and excitation."""
    return he(Zoo(data.classes, 12, (nn.Sequential(Squeezing(12, 16)), nn.Sequential(Squeezing(16, 24))), 24))


def bottleneck(data: Data, seed: int) -> nn.Module:
    """A ResNet of bottlenecks."""
    layers = (nn.Sequential(Bottleneck(12, 24, 1), Bottleneck(24, 24, 1)), nn.Sequential(Bottleneck(24, 32, 2)))
    return he(Zoo(data.classes, 12, layers, 32))


def leaky(data: Data, seed: int) -> nn.Module:
    """Convolutions with leaky units, no normalization."""
    side = data.inputs.shape[-1] // 4 * (data.inputs.shape[-2] // 4)
    return he(nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.LeakyReLU(0.1), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.LeakyReLU(0.1),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * side, 64), nn.LeakyReLU(0.1), nn.Linear(64, data.classes),
    ))  # fmt: skip


def tanh(data: Data, seed: int) -> nn.Module:
    """Three convolutions of tanh units, Glorot's initialization."""
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.Tanh(), nn.Conv2d(16, 16, 3, stride=2, padding=1), nn.Tanh(),
        nn.Conv2d(16, 24, 3, stride=2, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(24 * 9, data.classes),
    )  # fmt: skip
    for layer in net:
        if isinstance(layer, nn.Conv2d):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return net


def grouped(data: Data, seed: int) -> nn.Module:
    """Convolutions with group normalization and SiLU."""
    return he(nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.SiLU(), nn.Conv2d(16, 24, 3, stride=2, padding=1), nn.GroupNorm(4, 24),
        nn.SiLU(), nn.Conv2d(24, 32, 3, stride=2, padding=1), nn.GroupNorm(4, 32), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(32, data.classes),
    ))  # fmt: skip


def temporal(data: Data, seed: int) -> nn.Module:
    """Dilated convolutions over time."""
    return he(nn.Sequential(
        nn.Conv1d(1, 16, 5, padding=2, bias=False), nn.BatchNorm1d(16), nn.ReLU(), Dilated(16, 1), Dilated(16, 2), Dilated(16, 4),
        Dilated(16, 8), nn.AdaptiveAvgPool1d(4), nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, data.classes),
    ))  # fmt: skip


IMAGES = frozenset({"classes", "images", "convolutional"})
NORMALIZED = IMAGES | {"relu", "batchnorm"}
TASKS = (
    Task(
        "letters-vgg", "second", "vgg", "classification", sources_drawn.letters, vgg,
        Plan(optimizer="sgd", lr=0.01, weight_decay=5e-4, schedule="steps", steps=600), 0.4, IMAGES | {"relu", "dropout"},
    ),
    Task(
        "gratings-depthwise", "second", "cnn-depthwise", "classification", sources_drawn.gratings, depthwise,
        Plan(optimizer="adamw", lr=3e-3, weight_decay=0.01, schedule="cosine", steps=240), 0.5, NORMALIZED,
    ),
    Task(
        "bars-densenet", "second", "densenet", "classification", sources_drawn.bars, densenet,
        Plan(optimizer="sgd", lr=0.05, weight_decay=1e-4, schedule="cosine", steps=240), 0.5, NORMALIZED | {"shortcuts"},
    ),
    Task(
        "textures-squeeze", "second", "cnn-squeeze", "classification", sources_drawn.textures, squeeze,
        Plan(optimizer="rmsprop", lr=1e-3, steps=360), 0.5, NORMALIZED | {"shortcuts"},
    ),
    Task(
        "pairs-bottleneck", "second", "resnet-bottleneck", "classification", sources_drawn.pairs, bottleneck,
        Plan(optimizer="sgd", lr=0.05, weight_decay=1e-4, steps=280, schedule="cosine"), 0.6, NORMALIZED | {"shortcuts"},
    ),
    Task(
        "gratings-leaky", "second", "cnn-leaky", "classification", sources_drawn.gratings, leaky,
        Plan(lr=1e-3, steps=400), 0.5, IMAGES,
    ),
    Task(
        "bars-tanh", "second", "cnn-tanh", "classification", sources_drawn.bars, tanh,
        Plan(optimizer="sgd", lr=0.03, steps=600, weight_decay=5e-4, schedule="cosine"), 0.6, IMAGES | {"tanh", "saturating"},
    ),
    Task(
        "letters-grouped", "second", "cnn-groupnorm", "classification", sources_drawn.letters, grouped,
        Plan(lr=3e-3, steps=400), 0.5, IMAGES | {"normalized"},
    ),
    Task(
        "waves-temporal", "second", "temporal-cnn", "classification", sources_drawn.waves, temporal,
        Plan(lr=2e-3, steps=400), 0.5, frozenset({"classes", "relu", "batchnorm", "shortcuts"}),
    ),
)  # fmt: skip
