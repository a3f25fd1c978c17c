"""Networks of convolutions over vistas: a tutorial's net in colour, deep plain, Darknet, SE-PreResNet, BiT, U-Net, CoordConv, sigmoids."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from faults import sources_vistas
from faults.nouns import Data, Task
from faults.plan import Plan


class Net(nn.Module):
    """The net of the tutorial on colour images: two convolutions with pooling, three layers."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1, self.pool, self.conv2 = nn.Conv2d(3, 12, 5, padding=2), nn.MaxPool2d(2, 2), nn.Conv2d(12, 24, 5)
        self.fc1, self.fc2, self.relu, self.fc3 = nn.Linear(96, 80), nn.Linear(80, 48), nn.ReLU(), nn.Linear(48, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes) of images of 16 x 16 pixels."""
        maps = self.pool(self.relu(self.conv2(self.pool(self.relu(self.conv1(images))))))
        logits: Tensor = self.fc3(self.relu(self.fc2(self.relu(self.fc1(maps.flatten(1))))))
        return logits


class PlainNet(nn.Module):
    """Convolutions with ReLU in three stages of three and nothing else, as ResNet's paper built the nets that it compares with."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        widths = (1, 12, 12, 12, 20, 20, 20, 28, 28, 28)
        self.convs = nn.ModuleList(
            nn.Conv2d(widths[number], widths[number + 1], 3, stride=2 if number in {3, 6} else 1, padding=1) for number in range(9)
        )
        self.relu, self.avgpool, self.fc = nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Linear(28, classes)
        for conv in self.convs:
            nn.init.kaiming_normal_(conv.get_parameter("weight"), mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(conv.get_parameter("bias"))

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes)."""
        for conv in self.convs:
            images = self.relu(conv(images))
        logits: Tensor = self.fc(self.avgpool(images).flatten(1))
        return logits


class ConvolutionalLayer(nn.Module):
    """A convolution, BatchNorm, a leaky unit."""

    def __init__(self, given: int, width: int, size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(given, width, size, padding=size // 2, bias=False)
        self.bn, self.leaky = nn.BatchNorm2d(width), nn.LeakyReLU(0.1)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps of shape (images, width, ...)."""
        after: Tensor = self.leaky(self.bn(self.conv(maps)))
        return after


class SeLayer(nn.Module):
    """Each map weighted by what is in all of them."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.fc1, self.relu, self.fc2, self.sigmoid = nn.Linear(width, inner), nn.ReLU(inplace=True), nn.Linear(inner, width), nn.Sigmoid()

    def forward(self, maps: Tensor) -> Tensor:
        """Of the same shape."""
        weights: Tensor = self.sigmoid(self.fc2(self.relu(self.fc1(maps.mean(dim=(2, 3))))))
        return maps * weights[:, :, None, None]


class PreActBlock(nn.Module):
    """BatchNorm and ReLU before each of two convolutions, squeezing, beside what was given."""

    def __init__(self, given: int, width: int, stride: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(given), nn.Conv2d(given, width, 3, stride, 1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(width), nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.relu, self.se = nn.ReLU(), SeLayer(width, 6)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or given != width:
            self.shortcut = nn.Conv2d(given, width, 1, stride, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps of shape (images, width, ...)."""
        ready = self.relu(self.bn1(maps))
        aside = maps if isinstance(self.shortcut, nn.Identity) else self.shortcut(ready)
        after: Tensor = aside + self.se(self.conv2(self.relu(self.bn2(self.conv1(ready)))))
        return after


class SePreResNet(nn.Module):
    """A first convolution, three such blocks, a last norm, the mean of each map, a head."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 12, 3, padding=1, bias=False)
        self.layer1, self.layer2 = nn.Sequential(PreActBlock(12, 12, 1)), nn.Sequential(PreActBlock(12, 24, 2))
        self.layer3 = nn.Sequential(PreActBlock(24, 32, 2))
        self.bn, self.relu, self.linear = nn.BatchNorm2d(32), nn.ReLU(), nn.Linear(32 * 4, classes)
        self.pool = nn.AdaptiveAvgPool2d(2)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes)."""
        maps = self.layer3(self.layer2(self.layer1(self.conv1(images))))
        logits: Tensor = self.linear(self.pool(self.relu(self.bn(maps))).flatten(1))
        return logits


class StdConv2d(nn.Conv2d):
    """A convolution whose weights are standardized, map by map, wherever they are used (Qiao et al.)."""

    def forward(self, input: Tensor) -> Tensor:
        """Maps as of every convolution."""
        spread, mean = torch.var_mean(self.weight, dim=(1, 2, 3), keepdim=True, unbiased=False)
        return conv2d(input, (self.weight - mean) / torch.sqrt(spread + 1e-6), self.bias, self.stride, self.padding)


class BitUnit(nn.Module):
    """GroupNorm and ReLU before each of two standardized convolutions, beside what was given."""

    def __init__(self, given: int, width: int, stride: int) -> None:
        super().__init__()
        self.gn1, self.conv1 = nn.GroupNorm(4, given), StdConv2d(given, width, 3, stride, 1, bias=False)
        self.gn2, self.conv2, self.relu = nn.GroupNorm(4, width), StdConv2d(width, width, 3, 1, 1, bias=False), nn.ReLU()
        self.downsample = StdConv2d(given, width, 1, stride, bias=False) if stride > 1 or given != width else None

    def forward(self, maps: Tensor) -> Tensor:
        """Maps of shape (images, width, ...)."""
        ready = self.relu(self.gn1(maps))
        aside = maps if self.downsample is None else self.downsample(ready)
        after: Tensor = aside + self.conv2(self.relu(self.gn2(self.conv1(ready))))
        return after


class DoubleConv(nn.Module):
    """Twice a convolution, BatchNorm and ReLU."""

    def __init__(self, given: int, width: int) -> None:
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv2d(given, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
        )  # fmt: skip

    def forward(self, maps: Tensor) -> Tensor:
        """Maps of shape (images, width, ...)."""
        after: Tensor = self.double_conv(maps)
        return after


class UNet(nn.Module):
    """A U-Net of two storeys, whose maps at full resolution are classified by the largest and the mean of each."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.inc, self.down1, self.down2 = DoubleConv(1, 8), DoubleConv(8, 12), DoubleConv(12, 16)
        self.pool, self.up = nn.MaxPool2d(2), nn.Upsample(scale_factor=2)
        self.up1, self.up2, self.outc = DoubleConv(28, 12), DoubleConv(20, 8), nn.Linear(16, classes)
        nn.init.normal_(self.outc.weight, std=0.02)
        nn.init.zeros_(self.outc.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes)."""
        wide = self.inc(images)
        half = self.down1(self.pool(wide))
        maps = self.up1(torch.cat([half, self.up(self.down2(self.pool(half)))], dim=1))
        maps = self.up2(torch.cat([wide, self.up(maps)], dim=1))
        logits: Tensor = self.outc(torch.cat([maps.amax(dim=(2, 3)), maps.mean(dim=(2, 3))], dim=1))
        return logits


class AddCoords(nn.Module):
    """Two maps more, which say where each pixel is, from -1 to 1."""

    def forward(self, images: Tensor) -> Tensor:
        """Of shape (images, maps + 2, ...)."""
        count, _, high, wide = images.shape
        down = torch.linspace(-1, 1, high, dtype=images.dtype)[:, None].expand(count, 1, high, wide)
        right = torch.linspace(-1, 1, wide, dtype=images.dtype).expand(count, 1, high, wide)
        return torch.cat([images, down, right], dim=1)


def tutorial(data: Data, seed: int) -> nn.Module:
    """Colour images and torch's own initialization."""
    return Net(data.classes)


def plain(data: Data, seed: int) -> nn.Module:
    """Nine convolutions without normalization."""
    return PlainNet(data.classes)


def darknet(data: Data, seed: int) -> nn.Module:
    """Wide convolutions and such of single points in turn, pooling between, a map a class at the end."""
    return nn.Sequential(
        ConvolutionalLayer(1, 12, 3), nn.MaxPool2d(2), ConvolutionalLayer(12, 24, 3), ConvolutionalLayer(24, 12, 1),
        ConvolutionalLayer(12, 24, 3), nn.MaxPool2d(2), ConvolutionalLayer(24, 40, 3), nn.Conv2d(40, data.classes, 1),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip


def se_preresnet(data: Data, seed: int) -> nn.Module:
    """Pre-activation and squeezing for many classes."""
    return SePreResNet(data.classes)


def bit(data: Data, seed: int) -> nn.Module:
    """Big Transfer's ResNet in small, its head at zero but for a little."""
    net = nn.Sequential()
    net.add_module("root", nn.Sequential(StdConv2d(1, 12, 3, 1, 1, bias=False)))
    net.add_module("body", nn.Sequential(BitUnit(12, 16, 2), BitUnit(16, 16, 1), BitUnit(16, 24, 2)))
    head = nn.Linear(24, data.classes)
    nn.init.trunc_normal_(head.weight, std=0.02)
    nn.init.zeros_(head.bias)
    net.add_module("head", nn.Sequential(nn.GroupNorm(4, 24), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head))
    return net


def unet(data: Data, seed: int) -> nn.Module:
    """Down and up again."""
    return UNet(data.classes)


def coordconv(data: Data, seed: int) -> nn.Module:
    """Places as maps, then convolutions and pooling to a vector."""
    net = nn.Sequential()
    net.add_module("coords", AddCoords())
    net.add_module("features", nn.Sequential(
        nn.Conv2d(3, 16, 1), nn.ReLU(), nn.Conv2d(16, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(16, 24, 3, stride=2, padding=1),
        nn.ReLU(),
    ))  # fmt: skip
    net.add_module("avgpool", nn.AdaptiveAvgPool2d(3))
    net.add_module("classifier", nn.Sequential(nn.Flatten(), nn.Linear(216, 48), nn.ReLU(), nn.Linear(48, data.classes)))
    return net


def sigmoids(data: Data, seed: int) -> nn.Module:
    """LeNet as textbooks write it today: sigmoid units, means for pooling, Glorot's initialization of hidden layers."""
    net = nn.Sequential(
        nn.Conv2d(1, 8, 5, padding=2), nn.Sigmoid(), nn.AvgPool2d(2, 2), nn.Conv2d(8, 16, 3), nn.Sigmoid(), nn.AvgPool2d(2, 2),
        nn.Flatten(), nn.Linear(64, 64), nn.Sigmoid(), nn.Linear(64, data.classes),
    )  # fmt: skip
    for layer in list(net)[:-1]:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
    return net


IMAGES = frozenset({"classes", "images", "convolutional"})
NORMALIZED = IMAGES | {"batchnorm"}
TASKS = (
    # Not `images`: what asks for that builds networks of one channel.
    Task(
        "fruits-tutorial", "fifth", "cnn-tutorial", "classification", sources_vistas.fruits, tutorial,
        Plan(optimizer="sgd", lr=0.01, batch_size=32, steps=500, schedule="cosine"), 0.5, frozenset({"classes", "convolutional", "relu"}),
    ),
    Task(
        "isobars-plain", "fifth", "cnn-deep-plain", "classification", sources_vistas.isobars, plain,
        Plan(lr=1e-3, batch_size=32, steps=400, weight_decay=1e-5, schedule="linear"), 0.5, IMAGES | {"relu", "deep"},
    ),
    Task(
        "pollen-darknet", "fifth", "darknet", "classification", sources_vistas.pollen, darknet,
        Plan(optimizer="sgd", lr=0.02, weight_decay=5e-4, batch_size=32, steps=300, schedule="linear", warm_up=0.05), 0.5, NORMALIZED,
    ),
    Task(
        "glyphs-preresnet", "fifth", "se-preresnet", "classification", sources_vistas.glyphs, se_preresnet,
        Plan(optimizer="adamw", lr=3e-3, weight_decay=0.02, batch_size=32, steps=350, schedule="cosine"), 0.5,
        NORMALIZED | {"relu", "shortcuts"},
    ),
    Task(
        "roads-bit", "fifth", "bit-resnet", "classification", sources_vistas.roads, bit,
        Plan(optimizer="sgd", lr=0.05, weight_decay=1e-4, batch_size=32, steps=350, schedule="cosine", warm_up=0.1), 0.5,
        IMAGES | {"relu", "normalized", "shortcuts"},
    ),
    Task(
        "scratches-unet", "fifth", "unet-classifier", "classification", sources_vistas.scratches, unet,
        Plan(lr=2e-3, batch_size=16, steps=280, schedule="cosine"), 0.6, NORMALIZED | {"relu", "shortcuts"},
    ),
    Task(
        "eyes-coordconv", "fifth", "coordconv", "classification", sources_vistas.eyes, coordconv,
        Plan(optimizer="rmsprop", lr=1e-3, batch_size=32, steps=450, schedule="cosine"), 0.5, IMAGES | {"relu"},
    ),
    Task(
        "moons-sigmoid", "fifth", "lenet-sigmoid", "classification", sources_vistas.moons, sigmoids,
        Plan(lr=5e-3, batch_size=64, steps=600), 0.5, IMAGES | {"sigmoid", "saturating"},
    ),
)  # fmt: skip
