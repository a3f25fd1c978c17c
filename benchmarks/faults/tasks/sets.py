"""Networks over sets: PointNet in small, over the points of a cloud in any order."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from faults import sources_signals
from faults.nouns import Data, Task
from faults.plan import Plan
from faults.tasks.vision import he


class PointNet(nn.Module):
    """The same layers for each point, the largest and the mean answer over all of them, and a classifier."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.mlp1 = nn.Sequential(nn.Linear(2, 48), nn.ReLU(), nn.Linear(48, 64), nn.ReLU())
        self.mlp2 = nn.Sequential(nn.Linear(128, 48), nn.ReLU())
        self.cls = nn.Linear(48, classes)

    def forward(self, clouds: Tensor) -> Tensor:
        """Logits of shape (clouds, classes), of x and y of one point after the other."""
        points = self.mlp1(clouds.unflatten(1, (-1, 2)))
        logits: Tensor = self.cls(self.mlp2(torch.cat([points.amax(dim=1), points.mean(dim=1)], dim=1)))
        return logits


def clouds_pointnet(data: Data, seed: int) -> nn.Module:
    """PointNet over clouds."""
    return he(PointNet(data.classes))


TASKS = (
    Task(
        "clouds-pointnet", "third", "pointnet", "classification", sources_signals.clouds, clouds_pointnet,
        Plan(optimizer="sgd", lr=0.03, steps=700, schedule="steps", weight_decay=1e-4, batch_size=32), 0.5, frozenset({"classes", "relu"}),
    ),
)  # fmt: skip
