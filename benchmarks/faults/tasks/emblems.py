"""Networks of convolutions over emblems: ShuffleNet, Xception, EfficientNet, ConvMixer, network in network, plain and scaled ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from faults import sources_emblems
from faults.nouns import Data, Task
from faults.plan import Plan
from faults.reach import layers
from faults.tasks.vision import he


class ShuffleUnit(nn.Module):
    """Half of the maps as they are and half through three convolutions, then mixed; at a stride of 2 both halves are new."""

    def __init__(self, given: int, width: int, stride: int) -> None:
        super().__init__()
        self.stride, half = stride, width // 2
        own = given if stride > 1 else given // 2
        self.branch1 = nn.Sequential()
        if stride > 1:
            self.branch1 = nn.Sequential(
                nn.Conv2d(given, given, 3, stride, 1, groups=given, bias=False), nn.BatchNorm2d(given),
                nn.Conv2d(given, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU(inplace=True),
            )  # fmt: skip
        self.branch2 = nn.Sequential(
            nn.Conv2d(own, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU(inplace=True),
            nn.Conv2d(half, half, 3, stride, 1, groups=half, bias=False), nn.BatchNorm2d(half),
            nn.Conv2d(half, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU(inplace=True),
        )  # fmt: skip

    def forward(self, kept: Tensor) -> Tensor:
        """Maps of shape (images, width, ...)."""
        if self.stride > 1:
            both = torch.cat([self.branch1(kept), self.branch2(kept)], dim=1)
        else:
            same, other = kept.chunk(2, dim=1)
            both = torch.cat([same, self.branch2(other)], dim=1)
        count, width, down, right = both.shape
        return both.reshape(count, 2, width // 2, down, right).transpose(1, 2).reshape(count, width, down, right)


class ShuffleNet(nn.Module):
    """A first convolution, two stages, a last convolution, a mean over the image, a head."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(1, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.stage2 = nn.Sequential(ShuffleUnit(8, 24, 2), ShuffleUnit(24, 24, 1))
        self.stage3 = nn.Sequential(ShuffleUnit(24, 24, 1))
        self.conv5 = nn.Sequential(nn.Conv2d(24, 64, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True))
        self.fc = nn.Linear(64, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes)."""
        kept = self.conv5(self.stage3(self.stage2(self.conv1(images))))
        logits: Tensor = self.fc(kept.mean(dim=(2, 3)))
        return logits


class SeparableConv(nn.Module):
    """One convolution a channel, then one over channels."""

    def __init__(self, given: int, width: int) -> None:
        super().__init__()
        self.conv1, self.pointwise = nn.Conv2d(given, given, 3, 1, 1, groups=given, bias=False), nn.Conv2d(given, width, 1, bias=False)

    def forward(self, kept: Tensor) -> Tensor:
        """Maps of shape (images, width, ...)."""
        after: Tensor = self.pointwise(self.conv1(kept))
        return after


class XceptionBlock(nn.Module):
    """Two separable convolutions behind ReLUs and pooling, beside a strided shortcut; without pooling beside what was given."""

    def __init__(self, given: int, width: int, stride: int) -> None:
        super().__init__()
        self.rep = nn.Sequential(
            nn.ReLU(), SeparableConv(given, width), nn.BatchNorm2d(width), nn.ReLU(), SeparableConv(width, width), nn.BatchNorm2d(width),
            *([nn.MaxPool2d(3, stride, 1)] if stride > 1 else []),
        )  # fmt: skip
        self.skip: nn.Module = nn.Identity()
        if stride > 1 or given != width:
            self.skip = nn.Sequential(nn.Conv2d(given, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, kept: Tensor) -> Tensor:
        """Maps of shape (images, width, ...)."""
        after: Tensor = self.rep(kept) + self.skip(kept)
        return after


class Xception(nn.Module):
    """An entry, a middle block, an exit."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 12, 3, 2, 1, bias=False), nn.BatchNorm2d(12)
        self.block1, self.block2 = XceptionBlock(12, 20, 2), XceptionBlock(20, 20, 1)
        self.conv3, self.bn3, self.relu = SeparableConv(20, 64), nn.BatchNorm2d(64), nn.ReLU()
        self.fc = nn.Linear(64, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes)."""
        kept = self.block2(self.block1(self.relu(self.bn1(self.conv1(images)))))
        logits: Tensor = self.fc(self.relu(self.bn3(self.conv3(kept))).mean(dim=(2, 3)))
        return logits


class MbConv(nn.Module):
    """EfficientNet's block: wider, one convolution a channel, maps weighted by what is in them, narrower; a shortcut where shapes allow."""

    def __init__(self, given: int, width: int, stride: int, times: int) -> None:
        super().__init__()
        inner = given * times
        self._expand_conv, self._bn0 = nn.Conv2d(given, inner, 1, bias=False), nn.BatchNorm2d(inner)
        self._depthwise_conv, self._bn1 = nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False), nn.BatchNorm2d(inner)
        self._se_reduce, self._se_expand = nn.Conv2d(inner, max(4, given // 4), 1), nn.Conv2d(max(4, given // 4), inner, 1)
        self._project_conv, self._bn2 = nn.Conv2d(inner, width, 1, bias=False), nn.BatchNorm2d(width)
        self._swish, self.same = nn.SiLU(), stride == 1 and given == width

    def forward(self, kept: Tensor) -> Tensor:
        """Maps of shape (images, width, ...)."""
        inner = self._swish(self._bn0(self._expand_conv(kept)))
        inner = self._swish(self._bn1(self._depthwise_conv(inner)))
        inner = inner * torch.sigmoid(self._se_expand(self._swish(self._se_reduce(inner.mean(dim=(2, 3), keepdim=True)))))
        after: Tensor = self._bn2(self._project_conv(inner))
        return kept + after if self.same else after


class EfficientNet(nn.Module):
    """A stem, two such blocks, a last convolution, dropout, a head."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = nn.Conv2d(1, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8)
        self._blocks = nn.ModuleList([MbConv(8, 12, 1, 2), MbConv(12, 12, 1, 2)])
        self._conv_head, self._bn1 = nn.Conv2d(12, 64, 1, bias=False), nn.BatchNorm2d(64)
        self._dropout, self._fc, self._swish = nn.Dropout(0.2), nn.Linear(64, classes), nn.SiLU()

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes)."""
        kept = self._swish(self._bn0(self._conv_stem(images)))
        for block in self._blocks:
            kept = block(kept)
        kept = self._swish(self._bn1(self._conv_head(kept)))
        logits: Tensor = self._fc(self._dropout(kept.mean(dim=(2, 3))))
        return logits


class Beside(nn.Module):
    """Something beside what it was given."""

    def __init__(self, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, kept: Tensor) -> Tensor:
        """Of the same shape."""
        after: Tensor = self.fn(kept) + kept
        return after


class ScaledTanh(nn.Module):
    """LeCun's unit of 1998: 1.7159 tanh(2 x / 3), which keeps a deviation of 1."""

    def __init__(self) -> None:
        super().__init__()
        self.tanh = nn.Tanh()

    def forward(self, sums: Tensor) -> Tensor:
        """Of the same shape."""
        after: Tensor = 1.7159 * self.tanh(2 / 3 * sums)
        return after


class Blurred(nn.Module):
    """A mean over three by three of binomial weights, every second one kept, so that a shift by a pixel changes little."""

    def __init__(self, width: int) -> None:
        super().__init__()
        line = torch.tensor([0.25, 0.5, 0.25])
        self.width = width
        self.register_buffer("filt", torch.outer(line, line)[None, None].repeat(width, 1, 1, 1))

    def forward(self, kept: Tensor) -> Tensor:
        """Maps of half the sides."""
        return nn.functional.conv2d(kept, self.get_buffer("filt"), stride=2, padding=1, groups=self.width)


def calm(net: nn.Module) -> nn.Module:
    """The same network with a small head, as many start theirs: the first answer is close to even odds."""
    head = layers(net)[-1]
    nn.init.normal_(head.weight, std=0.01)
    if head.bias is not None:
        nn.init.zeros_(head.bias)
    return net


def shufflenet(data: Data, seed: int) -> nn.Module:
    """Shuffled halves."""
    return calm(he(ShuffleNet(data.classes)))


def xception(data: Data, seed: int) -> nn.Module:
    """Separable convolutions beside shortcuts."""
    return calm(he(Xception(data.classes)))


def efficientnet(data: Data, seed: int) -> nn.Module:
    """Inverted blocks with squeezing and SiLU."""
    return he(EfficientNet(data.classes))


def mixer(data: Data, seed: int) -> nn.Module:
    """ConvMixer: patches of three by three, two blocks of a wide convolution a channel and one over channels, BatchNorm behind GELU."""
    width = 20

    def block() -> nn.Sequential:
        spatial = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, groups=width), nn.GELU(), nn.BatchNorm2d(width))
        return nn.Sequential(Beside(spatial), nn.Conv2d(width, width, 1), nn.GELU(), nn.BatchNorm2d(width))

    return nn.Sequential(
        nn.Conv2d(1, width, 3, stride=3), nn.GELU(), nn.BatchNorm2d(width), block(), block(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(width, data.classes),
    )  # fmt: skip


def network_in_network(data: Data, seed: int) -> nn.Module:
    """Each convolution followed by two of single points; the last has a map a class, whose mean is the logit."""

    def part(given: int, width: int, size: int) -> list[nn.Module]:
        return [
            nn.Conv2d(given, width, size, padding=size // 2), nn.ReLU(inplace=True), nn.Conv2d(width, width, 1), nn.ReLU(inplace=True),
        ]  # fmt: skip

    net = nn.Sequential()
    net.add_module("mlpconv1", nn.Sequential(*part(1, 12, 5), nn.MaxPool2d(2), nn.Dropout(0.1)))
    net.add_module("mlpconv2", nn.Sequential(*part(12, 16, 3), nn.MaxPool2d(2), nn.Dropout(0.1)))
    net.add_module("mlpconv3", nn.Sequential(*part(16, 24, 3), nn.Conv2d(24, data.classes, 1)))
    net.add_module("pool", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    he(net)
    nn.init.normal_(net.get_submodule("mlpconv3.4").get_parameter("weight"), std=0.05)
    return net


class Board(nn.Module):
    """Six convolutions at full resolution without normalization, the largest of each map, a layer and a head."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        widths = (1, 16, 16, 16, 16, 16, 32)
        for number in range(1, 7):
            size = 1 if number == 6 else 3
            self.add_module(f"conv{number}", nn.Conv2d(widths[number - 1], widths[number], size, padding=size // 2))
            self.add_module(f"relu{number}", nn.ReLU())
        self.value_fc1, self.value_relu, self.value_fc2 = nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes)."""
        for number in range(1, 7):
            images = self.get_submodule(f"relu{number}")(self.get_submodule(f"conv{number}")(images))
        logits: Tensor = self.value_fc2(self.value_relu(self.value_fc1(images.amax(dim=(2, 3)))))
        return logits


def board(data: Data, seed: int) -> nn.Module:
    """A plain deep stack for boards."""
    return he(Board(data.classes))


def scaled(data: Data, seed: int) -> nn.Module:
    """LeNet as LeCun built it: scaled tanh, means for pooling, weights of deviation 1 / sqrt(inputs)."""
    net = nn.Sequential()
    net.add_module("c1", nn.Sequential(nn.Conv2d(1, 12, 5, padding=2), ScaledTanh()))
    net.add_module("s2", nn.AvgPool2d(2))
    net.add_module("c3", nn.Sequential(nn.Conv2d(12, 24, 3), ScaledTanh()))
    net.add_module("c5", nn.Sequential(nn.Flatten(), nn.Linear(24 * 25, 60), ScaledTanh()))
    net.add_module("f6", nn.Linear(60, data.classes))
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.normal_(layer.weight, std=layer.weight[0].numel() ** -0.5)
            nn.init.zeros_(layer.bias) if layer.bias is not None else None
    return net


def blurred(data: Data, seed: int) -> nn.Module:
    """Normalized convolutions, halved by blurring, a mean over the image, one number."""
    trunk = nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12), nn.ReLU(), Blurred(12), nn.Conv2d(12, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16), nn.ReLU(), Blurred(16), nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
    )  # fmt: skip
    net = nn.Sequential()
    net.add_module("backbone", trunk)
    net.add_module("neck", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    net.add_module("bbox_head", nn.Linear(32, 1))
    return he(net)


IMAGES = frozenset({"classes", "images", "convolutional"})
NORMALIZED = IMAGES | {"batchnorm"}
TASKS = (
    Task(
        "lattices-shufflenet", "fourth", "shufflenet", "classification", sources_emblems.lattices, shufflenet,
        Plan(optimizer="sgd", lr=0.05, weight_decay=1e-4, batch_size=32, steps=280, schedule="cosine"), 0.6,
        NORMALIZED | {"relu", "shortcuts"},
    ),
    Task(
        "galaxies-xception", "fourth", "xception", "classification", sources_emblems.galaxies, xception,
        Plan(optimizer="rmsprop", lr=2e-3, batch_size=32, steps=320, schedule="linear"), 0.5, NORMALIZED | {"relu", "shortcuts"},
    ),
    Task(
        "prints-efficientnet", "fourth", "efficientnet", "classification", sources_emblems.prints, efficientnet,
        Plan(optimizer="adamw", lr=3e-3, weight_decay=0.02, batch_size=32, steps=280, schedule="cosine", warm_up=0.1), 0.5,
        NORMALIZED | {"shortcuts", "dropout"},
    ),
    Task(
        "flags-mixer", "fourth", "conv-mixer", "classification", sources_emblems.flags, mixer,
        Plan(optimizer="adamw", lr=5e-3, weight_decay=0.05, batch_size=32, steps=300, schedule="linear"), 0.5,
        NORMALIZED | {"shortcuts"},
    ),
    Task(
        "boards-plain", "fourth", "cnn-board", "classification", sources_emblems.boards, board,
        Plan(lr=2e-3, batch_size=32, steps=400, schedule="linear"), 0.5, IMAGES | {"relu"},
    ),
    Task(
        "flags-pointwise", "fourth", "network-in-network", "classification", sources_emblems.flags, network_in_network,
        Plan(optimizer="sgd", lr=0.03, weight_decay=5e-4, batch_size=32, steps=500, schedule="steps"), 0.5,
        IMAGES | {"relu", "dropout"},
    ),
    Task(
        "galaxies-scaled", "fourth", "lenet-scaled", "classification", sources_emblems.galaxies, scaled,
        Plan(optimizer="sgd", lr=0.01, weight_decay=1e-3, batch_size=32, steps=600, schedule="linear"), 0.5,
        IMAGES | {"tanh", "saturating"},
    ),
    Task(
        "ripples-blurred", "fourth", "cnn-blurred", "regression", sources_emblems.ripples, blurred,
        Plan(lr=2e-3, batch_size=32, steps=300, schedule="cosine"), 0.4, frozenset({"images", "convolutional", "relu", "batchnorm"}),
    ),
)  # fmt: skip
