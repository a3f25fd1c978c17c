"""What the head's second moments tell, beside trainings and beside numbers worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from postmortem.measure.residuals import measure_residuals
from postmortem.measure.tensors import pass_over
from postmortem.model import Checkpoint, Measurement, Missing

CLASSES = 4


def trained(lab: Any, labels: torch.Tensor, stops: Sequence[int], batch: int = 20) -> list[Checkpoint]:
    """Checkpoints of a net that learned these labels of the lab's inputs with Adam."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(lab.inputs.shape[1], 32), nn.ReLU(), nn.Linear(32, CLASSES))
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    draw = torch.Generator().manual_seed(1)
    found = [lab.snapshot(net, optimizer, 0)]
    for step in range(1, stops[-1] + 1):
        rows = torch.randint(len(labels), (batch,), generator=draw)
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(lab.inputs[rows]), labels[rows]).backward()
        optimizer.step()
        if step in stops:
            found.append(lab.snapshot(net, optimizer, step))
    return found


def measured(checkpoints: list[Checkpoint], **known: float) -> dict[str, Measurement | Missing]:
    """All that is measured of them, by name."""
    return {one.name: one for one in measure_residuals(pass_over(checkpoints), checkpoints, known)}


def test_labels_that_follow_shrink_the_errors_and_shuffled_ones_do_not(lab: Any) -> None:
    """The same net, the same inputs: the Brier score falls towards 0 for one, and stays near ignorance for the other."""
    labels = lab.inputs[:, :CLASSES].argmax(dim=1)
    shuffled = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(2))]
    sound, sick = (measured(trained(lab, each, (100, 200, 300)), batch_size=20) for each in (labels, shuffled))
    for name, least in (("head.residual_trend", 0.6), ("head.residual", 0.75)):
        assert isinstance(sound[name], Measurement) and isinstance(sick[name], Measurement)
        assert sound[name].value < 0.5 < least < sick[name].value  # type: ignore[union-attr]


def test_a_rare_class_takes_a_small_share_of_the_squares(lab: Any) -> None:
    """Even classes are nearly all in effect; with one class of 60 to 1 few are."""
    even = lab.inputs[:, :CLASSES].argmax(dim=1)
    skewed = torch.where(torch.arange(len(even)) % 20 == 0, even, torch.zeros_like(even))
    values = []
    for labels in (even, skewed):
        found = measured(trained(lab, labels, (40,)))["head.effective_classes"]
        assert isinstance(found, Measurement)
        values.append(found.value)
    assert values[0] > 0.9 and values[1] < 0.7


def test_windows_take_an_average_of_squares_apart() -> None:
    """Squares of 4 for 50 steps and of 1 for 100 more are found again from the two averages."""
    from postmortem.measure.residuals import _State, windows

    decay, average, states = 0.99, 0.0, []
    for step in range(1, 151):
        average = decay * average + (1 - decay) * (4.0 if step <= 50 else 1.0)
        if step in (50, 150):
            states.append(_State(step, np.array([average]), decay))
    found = windows(states)
    assert [step for step, _ in found] == [50, 150]
    assert [float(squares[0]) for _, squares in found] == pytest.approx([4.0, 1.0])


def test_nothing_is_said_without_an_optimizer_that_averages_squares(lab: Any) -> None:
    """Weights alone tell none of it."""
    tensors = {"fc1.weight": np.ones((8, 4), np.float32), "fc2.weight": np.eye(CLASSES, 8, dtype=np.float32)}
    found = measured([lab.bare(step, tensors) for step in (0, 100)])
    assert all(isinstance(one, Missing) for one in found.values()) and len(found) == 3
    assert not any(math.isnan(one.value) for one in found.values() if isinstance(one, Measurement))
