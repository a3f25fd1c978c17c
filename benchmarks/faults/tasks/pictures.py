"""Networks of convolutions over other pictures: AlexNet, Inception, ResNeXt, wide ResNet, MobileNet, ConvNeXt, plain and dilated ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from faults import sources_pictures
from faults.nouns import Data, Task
from faults.plan import Plan
from faults.tasks.vision import he


class AlexNet(nn.Module):
    """Convolutions without normalization, pooling, two wide layers behind dropout."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(16, 24, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(24, 24, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        )  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Dropout(0.4), nn.Linear(216, 96), nn.ReLU(inplace=True), nn.Dropout(0.4), nn.Linear(96, 64), nn.ReLU(inplace=True),
            nn.Linear(64, classes),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes) of images of 12 x 12 pixels."""
        logits: Tensor = self.classifier(torch.flatten(self.features(images), 1))
        return logits


class BasicConv(nn.Module):
    """A convolution, its normalization, ReLU."""

    def __init__(self, given: int, width: int, size: int | tuple[int, int], padding: int | tuple[int, int] = 0) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(given, width, size, padding=padding, bias=False), nn.BatchNorm2d(width, eps=0.001)

    def forward(self, kept: Tensor) -> Tensor:
        """Maps of shape (images, width, ...)."""
        return torch.relu(self.bn(self.conv(kept)))


class Inception(nn.Module):
    """Four branches side by side: a point, a square, a cross of lines, a pooled one."""

    def __init__(self, given: int, width: int) -> None:
        super().__init__()
        self.branch1x1 = BasicConv(given, width, 1)
        self.branch3x3 = nn.Sequential(BasicConv(given, width, 1), BasicConv(width, width, 3, 1))
        self.branch5x5 = nn.Sequential(
            BasicConv(given, width, 1), BasicConv(width, width, (1, 5), (0, 2)), BasicConv(width, width, (5, 1), (2, 0))
        )
        self.branch_pool = nn.Sequential(nn.AvgPool2d(3, stride=1, padding=1), BasicConv(given, width, 1))

    def forward(self, kept: Tensor) -> Tensor:
        """Maps of shape (images, 4 * width, ...)."""
        return torch.cat([self.branch1x1(kept), self.branch3x3(kept), self.branch5x5(kept), self.branch_pool(kept)], dim=1)


class GoogLeNet(nn.Module):
    """A stem and pooling, two such blocks, dropout, a head."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.Conv2d_1a, self.Mixed_2a = BasicConv(1, 8, 3, 1), Inception(8, 4)
        self.maxpool, self.Mixed_3a, self.dropout, self.fc = nn.MaxPool2d(2), Inception(16, 8), nn.Dropout(0.2), nn.Linear(32, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes)."""
        kept = self.Mixed_3a(self.Mixed_2a(self.maxpool(self.Conv2d_1a(images))))
        logits: Tensor = self.fc(self.dropout(kept.mean(dim=(2, 3))))
        return logits


class GroupedBlock(nn.Module):
    """ResNeXt's block: narrower, grouped, wider, beside a shortcut."""

    def __init__(self, given: int, width: int, stride: int, groups: int = 4) -> None:
        super().__init__()
        self.conv_reduce, self.bn_reduce = nn.Conv2d(given, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv_conv, self.bn = nn.Conv2d(width, width, 3, stride, 1, groups=groups, bias=False), nn.BatchNorm2d(width)
        self.conv_expand, self.bn_expand = nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width)
        self.shortcut = nn.Sequential()
        if stride != 1 or given != width:
            self.shortcut.add_module("shortcut_conv", nn.Conv2d(given, width, 1, stride, bias=False))
            self.shortcut.add_module("shortcut_bn", nn.BatchNorm2d(width))

    def forward(self, kept: Tensor) -> Tensor:
        """Maps of shape (images, width, ...)."""
        inner = torch.relu(self.bn_reduce(self.conv_reduce(kept)))
        inner = self.bn_expand(self.conv_expand(torch.relu(self.bn(self.conv_conv(inner)))))
        return torch.relu(self.shortcut(kept) + inner)


class ResNeXt(nn.Module):
    """A stem, three stages, a mean over the image, a classifier."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv_1_3x3, self.bn_1 = nn.Conv2d(1, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16)
        self.stage_1, self.stage_2, self.stage_3 = GroupedBlock(16, 16, 1), GroupedBlock(16, 24, 2), GroupedBlock(24, 32, 1)
        self.classifier = nn.Linear(32, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes)."""
        kept = self.stage_3(self.stage_2(self.stage_1(torch.relu(self.bn_1(self.conv_1_3x3(images))))))
        logits: Tensor = self.classifier(kept.mean(dim=(2, 3)))
        return logits


class WideBlock(nn.Module):
    """Normalized before each convolution, dropout between, beside a shortcut."""

    def __init__(self, given: int, width: int, stride: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(given), nn.Conv2d(given, width, 3, stride, 1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(width), nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.relu, self.drop = nn.ReLU(), nn.Dropout(0.1)
        self.convShortcut = nn.Conv2d(given, width, 1, stride, bias=False)

    def forward(self, kept: Tensor) -> Tensor:
        """Maps of shape (images, width, ...)."""
        first = self.relu(self.bn1(kept))
        inner = self.conv2(self.drop(self.relu(self.bn2(self.conv1(first)))))
        after: Tensor = inner + self.convShortcut(first)
        return after


class WideResNet(nn.Module):
    """A stem, two wide blocks that normalize first, a last normalization, a head."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.block1, self.block2 = WideBlock(8, 16, 1), WideBlock(16, 32, 2)
        self.bn1, self.relu, self.fc = nn.BatchNorm2d(32), nn.ReLU(), nn.Linear(32, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes)."""
        kept = self.relu(self.bn1(self.block2(self.block1(self.conv1(images)))))
        logits: Tensor = self.fc(kept.mean(dim=(2, 3)))
        return logits


class Inverted(nn.Module):
    """MobileNet's second block: wider, one convolution a channel, narrower without a unit behind; a shortcut where shapes allow."""

    def __init__(self, given: int, width: int, stride: int, times: int = 4) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(given, times * given, 1, bias=False), nn.BatchNorm2d(times * given), nn.ReLU6(),
            nn.Conv2d(times * given, times * given, 3, stride, 1, groups=times * given, bias=False), nn.BatchNorm2d(times * given),
            nn.ReLU6(), nn.Conv2d(times * given, width, 1, bias=False), nn.BatchNorm2d(width),
        )  # fmt: skip
        self.use_res_connect = stride == 1 and given == width

    def forward(self, kept: Tensor) -> Tensor:
        """Maps of shape (images, width, ...)."""
        after: Tensor = self.conv(kept)
        return kept + after if self.use_res_connect else after


class MobileNet(nn.Module):
    """A stem, three such blocks, a last convolution, a classifier."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Sequential(nn.Conv2d(1, 12, 3, 2, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU6()),
            Inverted(12, 12, 1, 2), Inverted(12, 16, 2, 3), Inverted(16, 16, 1, 3),
            nn.Sequential(nn.Conv2d(16, 48, 1, bias=False), nn.BatchNorm2d(48), nn.ReLU6()),
        )  # fmt: skip
        self.classifier = nn.Sequential(nn.Dropout(0.1), nn.Linear(48, classes))

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes)."""
        logits: Tensor = self.classifier(self.features(images).mean(dim=(2, 3)))
        return logits


class Next(nn.Module):
    """ConvNeXt's block: a wide convolution a channel, LayerNorm, two layers with GELU between, beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dwconv, self.norm = nn.Conv2d(width, width, 3, padding=1, groups=width), nn.LayerNorm(width, eps=1e-6)
        self.pwconv1, self.act, self.pwconv2 = nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)

    def forward(self, kept: Tensor) -> Tensor:
        """Of the same shape (images, width, ...)."""
        inner = self.norm(self.dwconv(kept).permute(0, 2, 3, 1))
        after: Tensor = kept + self.pwconv2(self.act(self.pwconv1(inner))).permute(0, 3, 1, 2)
        return after


class ConvNeXt(nn.Module):
    """Patches of 3 x 3 pixels, two blocks, a normalized mean, a head; all weights start at a deviation of 0.1, as its authors' at 0.02."""

    def __init__(self, classes: int, width: int = 16) -> None:
        super().__init__()
        self.stem, self.stages = nn.Conv2d(1, width, 3, stride=3), nn.Sequential(Next(width), Next(width))
        self.norm, self.head = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.1)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes)."""
        kept = self.stages(self.stem(images))
        logits: Tensor = self.head(self.norm(kept.mean(dim=(2, 3))))
        return logits


def alexnet(data: Data, seed: int) -> nn.Module:
    """A small AlexNet."""
    return he(AlexNet(data.classes))


def inception(data: Data, seed: int) -> nn.Module:
    """Branches side by side."""
    return he(GoogLeNet(data.classes))


def resnext(data: Data, seed: int) -> nn.Module:
    """Grouped bottlenecks."""
    return he(ResNeXt(data.classes))


def wide_resnet(data: Data, seed: int) -> nn.Module:
    """Wide blocks that normalize first."""
    return he(WideResNet(data.classes))


def mobilenet(data: Data, seed: int) -> nn.Module:
    """Inverted residuals."""
    return he(MobileNet(data.classes))


def convnext(data: Data, seed: int) -> nn.Module:
    """Blocks with LayerNorm and GELU."""
    return ConvNeXt(data.classes)


def all_convolutional(data: Data, seed: int) -> nn.Module:
    """Convolutions alone, without normalization and without biases but the head's, and a mean over the image."""
    return he(nn.Sequential(
        nn.Conv2d(1, 20, 3, padding=1, bias=False), nn.ReLU(), nn.Conv2d(20, 24, 3, stride=2, padding=1, bias=False), nn.ReLU(),
        nn.Conv2d(24, 32, 3, padding=1, bias=False), nn.ReLU(), nn.Conv2d(32, 32, 3, stride=2, padding=1, bias=False), nn.ReLU(),
        nn.Conv2d(32, 48, 1, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(48, data.classes),
    ))  # fmt: skip


def dilated(data: Data, seed: int) -> nn.Module:
    """Convolutions that look ever farther at full resolution, a mean over the image, one number."""
    backend = nn.Sequential(
        nn.Conv2d(12, 12, 3, padding=2, dilation=2), nn.ReLU(), nn.Conv2d(12, 12, 3, padding=3, dilation=3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip
    net = nn.Sequential()
    net.add_module("frontend", nn.Sequential(nn.Conv2d(1, 12, 3, padding=1), nn.ReLU()))
    net.add_module("backend", backend)
    net.add_module("output_layer", nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 1)))
    return he(net)


IMAGES = frozenset({"classes", "images", "convolutional"})
NORMALIZED = IMAGES | {"relu", "batchnorm"}
TASKS = (
    Task(
        "gestures-alexnet", "third", "alexnet", "classification", sources_pictures.gestures, alexnet,
        Plan(optimizer="sgd", lr=0.01, weight_decay=5e-4, batch_size=32, steps=700, schedule="steps"), 0.4, IMAGES | {"relu", "dropout"},
    ),
    Task(
        "cloths-inception", "third", "inception", "classification", sources_pictures.cloths, inception,
        Plan(optimizer="rmsprop", lr=1e-3, batch_size=32, steps=360), 0.5, NORMALIZED | {"dropout"},
    ),
    Task(
        "trails-resnext", "third", "resnext", "classification", sources_pictures.trails, resnext,
        Plan(optimizer="sgd", lr=0.03, weight_decay=5e-4, batch_size=32, steps=320, schedule="cosine"), 0.4, NORMALIZED | {"shortcuts"},
    ),
    Task(
        "cloths-wide-resnet", "third", "wide-resnet", "classification", sources_pictures.cloths, wide_resnet,
        Plan(optimizer="sgd", lr=0.05, weight_decay=5e-4, batch_size=32, steps=240, schedule="cosine"), 0.5,
        NORMALIZED | {"shortcuts", "dropout"},
    ),
    Task(
        "trails-mobilenet", "third", "mobilenet", "classification", sources_pictures.trails, mobilenet,
        Plan(lr=3e-3, batch_size=32, steps=300, weight_decay=1e-5), 0.4, NORMALIZED | {"shortcuts", "dropout"},
    ),
    Task(
        "cells-convnext", "third", "convnext", "classification", sources_pictures.cells, convnext,
        Plan(optimizer="adamw", lr=4e-3, weight_decay=0.05, batch_size=32, steps=500, schedule="cosine", warm_up=0.1), 0.6,
        IMAGES | {"normalized", "shortcuts"},
    ),
    Task(
        "gestures-convolutional", "third", "all-convolutional", "classification", sources_pictures.gestures, all_convolutional,
        Plan(lr=1e-3, batch_size=32, steps=500), 0.4, IMAGES | {"relu"},
    ),
    Task(
        "cells-dilated", "third", "cnn-dilated", "regression", sources_pictures.counted_cells, dilated,
        Plan(optimizer="adamw", lr=3e-3, weight_decay=0.01, batch_size=32, steps=360, schedule="linear"), 0.4,
        frozenset({"images", "convolutional", "relu"}),
    ),
)  # fmt: skip
