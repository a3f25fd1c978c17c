"""The fit of evidence: its slope is right, and knowledge bounds it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scoring.corpus import Truth
from scoring.fitting import Table, _data_loss, fit

NONE: frozenset[str] = frozenset()


def _truth(cause: str, also: frozenset[str] = NONE) -> Truth:
    return Truth("run", "tuning", cause, NONE, also, "", "clear", "fault", "task", "mlp")


def _table(cause: str, start: list[float], given: list[list[float]]) -> Table:
    keys = ("prior", *(f"evidence-{number}" for number in range(len(start) - 1)))
    none = np.zeros((0, len(start)))
    return Table(cause, keys, np.array(start), np.array(given, dtype=np.float64), none, np.zeros(0, dtype=np.bool_))


def test_the_slope_is_that_of_the_loss() -> None:
    """Central differences of the loss agree with its slope, with a consequence that does not count and a run that is healthy."""
    draw = np.random.default_rng(1)
    scores = draw.normal(size=(3, 4))
    right = np.array([[True, False, False, False], [False, True, True, False], [False, False, False, False]])
    injected = np.array([[True, False, False, False], [False, True, False, False], [False, False, False, False]])
    counted = np.array([[True, False, True, True], [True, True, False, True], [True, True, True, True]])
    weights = np.array([1.0, 0.5, 2.0])
    _, slope = _data_loss(scores, right, injected, counted, weights)
    for at in np.ndindex(scores.shape):
        step = np.zeros_like(scores)
        step[at] = 1e-6
        up, _ = _data_loss(scores + step, right, injected, counted, weights)
        down, _ = _data_loss(scores - step, right, injected, counted, weights)
        assert abs((up - down) / 2e-6 - slope[at]) < 1e-6


def test_evidence_that_tells_grows_and_evidence_that_misleads_shrinks() -> None:
    """Evidence seen with its cause alone gains weight; evidence seen on healthy runs alone loses it, and keeps its sign."""
    truths = [_truth("a")] * 30 + [_truth("")] * 60
    given = [[1.0, 1.0, 0.0]] * 30 + [[1.0, 0.0, 1.0]] * 60
    fitted = fit([_table("a", [-3.0, 2.0, 2.0], given)], truths, np.ones(90))["a"]
    assert 2.5 < fitted["evidence-0"] <= 4.0
    assert 0.2 <= fitted["evidence-1"] < 1.0


def test_consequences_are_not_unlearned() -> None:
    """Evidence of a cause that is true as a consequence of another keeps its weight."""
    truths = [_truth("a", also=frozenset({"b"}))] * 40
    rows = [[1.0, 1.0]] * 40
    fitted = fit([_table("a", [-3.0, 4.0], rows), _table("b", [-3.0, 4.0], rows)], truths, np.ones(40))
    assert fitted["b"]["evidence-0"] == 4.0
    assert fitted["a"]["evidence-0"] > 4.0


def test_an_earlier_fit_is_held_and_newer_evidence_is_not() -> None:
    """Runs that say that evidence misleads move a weight that was fitted before less than one that its author alone gave."""
    truths = [_truth("a")] * 5 + [_truth("")] * 6
    plain = _table("a", [-3.0, 2.0, 2.0], [[1.0, 1.0, 1.0]] * 11)
    held = fit([replace(plain, before=np.array([-3.0, 2.5, np.nan]))], truths, np.ones(11))["a"]
    assert 0 < 2.5 - held["evidence-0"] < 0.15 * (2.0 - held["evidence-1"])
