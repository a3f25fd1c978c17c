"""Running statistics that arrive, that creep, and that never leave."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from postmortem.measure.batchnorm import linearity
from postmortem.model import Measurement, Missing


def trained(lab: Any, momentum: float, training: bool = True) -> dict[str, Measurement | Missing]:
    """All measurements of a net with batch normalization after 300 steps."""
    torch.manual_seed(0)
    norm = torch.nn.BatchNorm1d(32, momentum=momentum)
    model = torch.nn.Sequential(torch.nn.Linear(20, 32), norm, torch.nn.ReLU(), torch.nn.Linear(32, 10))
    model.train(training)
    found: dict[str, Measurement | Missing] = lab.everything(lab.train(model, torch.optim.Adam(model.parameters(), 1e-3), steps=300))
    return found


def number(found: dict[str, Measurement | Missing], name: str) -> Measurement:
    """The measurement, which must be there."""
    one = found[name]
    assert isinstance(one, Measurement), one
    return one


def test_statistics_that_follow_arrive_at_once(lab: Any) -> None:
    """The usual momentum is there by the first checkpoint; one of 1e-5 walks straight for the whole run."""
    assert number(trained(lab, 0.1), "batchnorm.staleness").value < 0.3
    assert number(trained(lab, 1e-5), "batchnorm.staleness").value > 0.8


def test_statistics_that_never_moved_are_stale(lab: Any) -> None:
    """A net that was never in training mode holds mean 0 and variance 1, and its counter holds no batch."""
    found = trained(lab, 0.1, training=False)
    assert (number(found, "batchnorm.staleness").value, number(found, "batchnorm.staleness").text) == (1, "untouched")
    assert number(found, "batchnorm.tracked").value == 0


def test_counter_holds_one_batch_a_step(lab: Any) -> None:
    """In training mode the counter and the step agree."""
    assert number(trained(lab, 0.1), "batchnorm.tracked").value == 1


def test_linearity_has_two_ends() -> None:
    """Proportional distances are 1, distances that are all there at once are 0."""
    assert linearity([0.25, 0.5, 1.0], [0.25, 0.5, 1.0]) == pytest.approx(1)
    assert linearity([0.25, 0.5, 1.0], [3.0, 3.0, 3.0]) == pytest.approx(0)


def test_net_without_normalization_says_so(lab: Any) -> None:
    """No running variance is a count of zero, so that the check does not apply instead of passing."""
    found = lab.everything([lab.snapshot(lab.mlp(16), None, 5)])
    assert number(found, "batchnorm.layers").value == 0
    assert isinstance(found["batchnorm.staleness"], Missing)
