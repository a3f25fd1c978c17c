"""Networks of convolutions over traces of worn sensors: a fully convolutional one in time, and EEGNet."""

from __future__ import annotations

from torch import Tensor, nn

from faults import sources_traces
from faults.nouns import Data, Task
from faults.plan import Plan


class ConvBlock(nn.Module):
    """A convolution over time, BatchNorm, ReLU."""

    def __init__(self, given: int, width: int, size: int) -> None:
        super().__init__()
        self.conv, self.bn, self.act = nn.Conv1d(given, width, size, padding=size // 2), nn.BatchNorm1d(width), nn.ReLU()

    def forward(self, maps: Tensor) -> Tensor:
        """Maps of shape (records, width, length)."""
        after: Tensor = self.act(self.bn(self.conv(maps)))
        return after


class Fcn(nn.Module):
    """Three such blocks, the mean over time, a head (Wang et al.)."""

    def __init__(self, axes: int, classes: int) -> None:
        super().__init__()
        self.convblock1, self.convblock2, self.convblock3 = ConvBlock(axes, 16, 7), ConvBlock(16, 32, 5), ConvBlock(32, 16, 3)
        self.gap, self.fc = nn.AdaptiveAvgPool1d(1), nn.Linear(16, classes)

    def forward(self, records: Tensor) -> Tensor:
        """Logits of shape (records, classes)."""
        maps = self.convblock3(self.convblock2(self.convblock1(records)))
        logits: Tensor = self.fc(self.gap(maps).flatten(1))
        return logits


class EegNet(nn.Module):
    """EEGNet: filters in time, then over electrodes one group each, then separable ones; ELU, means for pooling, dropout."""

    def __init__(self, electrodes: int, classes: int) -> None:
        super().__init__()
        self.temporal = nn.Sequential(nn.Conv2d(1, 6, (1, 17), padding=(0, 8), bias=False), nn.BatchNorm2d(6))
        self.spatial = nn.Sequential(
            nn.Conv2d(6, 12, (electrodes, 1), groups=6, bias=False), nn.BatchNorm2d(12), nn.ELU(), nn.AvgPool2d((1, 4)), nn.Dropout(0.2),
        )  # fmt: skip
        self.separable = nn.Sequential(
            nn.Conv2d(12, 12, (1, 7), padding=(0, 3), groups=12, bias=False), nn.Conv2d(12, 16, 1, bias=False), nn.BatchNorm2d(16),
            nn.ELU(), nn.AvgPool2d((1, 4)), nn.Dropout(0.2),
        )  # fmt: skip
        self.flatten, self.classifier = nn.Flatten(), nn.Linear(64, classes)

    def forward(self, records: Tensor) -> Tensor:
        """Logits of shape (records, classes) of records of 64 moments."""
        maps = self.separable(self.spatial(self.temporal(records)))
        logits: Tensor = self.classifier(self.flatten(maps))
        return logits


def fcn(data: Data, seed: int) -> nn.Module:
    """Convolutions over time."""
    return Fcn(data.inputs.shape[1], data.classes)


def eegnet(data: Data, seed: int) -> nn.Module:
    """Convolutions over time and electrodes."""
    return EegNet(data.inputs.shape[2], data.classes)


TASKS = (
    Task(
        "wrists-fcn", "fifth", "fcn-time-series", "classification", sources_traces.wrists, fcn,
        Plan(lr=4e-3, batch_size=32, steps=400, schedule="cosine"), 0.5, frozenset({"classes", "convolutional", "relu", "batchnorm"}),
    ),
    Task(
        "thoughts-eegnet", "fifth", "eegnet", "classification", sources_traces.thoughts, eegnet,
        Plan(lr=3e-3, batch_size=32, steps=400), 0.6, frozenset({"classes", "convolutional", "batchnorm", "dropout"}),
    ),
)  # fmt: skip
