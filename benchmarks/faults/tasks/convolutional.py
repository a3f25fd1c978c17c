"""Networks of convolutions, with and without batch normalization, and with shortcuts."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from faults import sources
from faults.nouns import Data, Task
from faults.plan import Plan


class Normalized(nn.Module):
    """Three convolutions with batch normalization, a mean over the image, a head."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12)
        self.conv2, self.bn2 = nn.Conv2d(12, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16)
        self.conv3, self.bn3 = nn.Conv2d(16, 24, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(24)
        self.fc = nn.Linear(24, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes)."""
        kept = torch.relu(self.bn1(self.conv1(images)))
        kept = torch.relu(self.bn2(self.conv2(kept)))
        kept = torch.relu(self.bn3(self.conv3(kept)))
        logits: Tensor = self.fc(kept.mean(dim=(2, 3)))
        return logits


class Block(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, given: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(given, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or given != width:
            self.downsample = nn.Sequential(nn.Conv2d(given, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, kept: Tensor) -> Tensor:
        """Maps of shape (images, width, ...)."""
        inner = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(kept)))))
        return torch.relu(inner + self.downsample(kept))


class Residual(nn.Module):
    """A stem, three blocks, a mean over the image, a head."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.layer1 = Block(8, 8, 1)
        self.layer2 = Block(8, 16, 2)
        self.layer3 = Block(16, 24, 2)
        self.fc = nn.Linear(24, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes)."""
        kept = self.layer3(self.layer2(self.layer1(torch.relu(self.bn1(self.conv1(images))))))
        logits: Tensor = self.fc(kept.mean(dim=(2, 3)))
        return logits


def normalized(data: Data, seed: int) -> nn.Module:
    """Convolutions with batch normalization."""
    return Normalized(data.classes)


def residual(data: Data, seed: int) -> nn.Module:
    """A small ResNet."""
    return Residual(data.classes)


def plain(data: Data, seed: int) -> nn.Module:
    """Convolutions without normalization, as `features` and `classifier`, He's initialization."""
    net = nn.Sequential()
    net.add_module(
        "features",
        nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 24, 3, padding=1), nn.ReLU(),
            nn.Conv2d(24, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        ),
    )  # fmt: skip
    net.add_module("classifier", nn.Sequential(nn.Linear(96, 48), nn.ReLU(), nn.Linear(48, data.classes)))
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return net


def _digit_images(seed: int) -> Data:
    return sources.digits(seed, as_images=True)


def _cropped(seed: int) -> Data:
    """Shapes without their rim: 8 x 8 pixels, as digits have."""
    data = sources.shapes(seed)
    return replace(data, inputs=data.inputs[:, :, 2:10, 2:10].contiguous())


IMAGES = frozenset({"classes", "images", "relu", "convolutional"})
TASKS = (
    Task(
        "shapes-batchnorm", "first", "cnn-batchnorm", "classification", sources.shapes, normalized, Plan(lr=3e-3), 0.5,
        IMAGES | {"batchnorm"},
    ),
    Task(
        "shapes-plain", "first", "cnn", "classification", _cropped, plain, Plan(lr=2e-3), 0.5, IMAGES,
    ),
    Task("digits-plain", "first", "cnn", "classification", _digit_images, plain, Plan(lr=2e-3), 0.4, IMAGES),
    Task(
        "digits-resnet", "first", "resnet", "classification", _digit_images, residual, Plan(lr=3e-3, steps=240), 0.4,
        IMAGES | {"batchnorm", "shortcuts"},
    ),
    Task(
        "digits-batchnorm", "first", "cnn-batchnorm", "classification", _digit_images, normalized, Plan(lr=3e-3), 0.5,
        IMAGES | {"batchnorm"},
    ),
)  # fmt: skip
