"""Resumed runs: the loss is compared with the run's own earlier record of the same steps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from postmortem.measure.resumes import measure_resumes
from postmortem.measure.roles import Roled
from postmortem.model import Measurement, Missing, Resume, Series

STEPS = np.arange(400)


def series(steps: NDArray[np.int64], values: NDArray[np.float64], source: str, tag: str = "loss") -> Series:
    """A curve without times."""
    return Series(tag, "", steps, values, np.full(steps.size, math.nan), source)


def fall(steps: NDArray[np.int64], seed: int, noise: float = 0.02) -> NDArray[np.float64]:
    """From 2 towards 0.5, with noise."""
    return np.asarray(0.5 + 1.5 * np.exp(-steps / 100) + noise * np.random.default_rng(seed).normal(size=steps.size))


def measured(lift: float, overlap: int = 60, noise: float = 0.02) -> dict[str, Measurement | Missing]:
    """A run that died at step 300 and went on `overlap` steps before, higher by `lift`, which it makes good in 100 steps."""
    first = 300 - overlap
    values = fall(STEPS, 1, noise)
    values[first:] += lift * np.exp(-(STEPS[first:] - first) / 100)
    gone = np.arange(first, 300)
    resume = Resume("b", first, (series(gone, fall(gone, 2, noise), "a"), series(gone, np.ones(gone.size), "a", "lr")))
    training = Roled(series(STEPS, values, "a, b"), "training-loss", "train", "words")
    return {found.name: found for found in measure_resumes([resume], training)}


@pytest.mark.parametrize("seed_free_noise", [0.0, 0.02, 0.1])
def test_whole_resume_repeats_itself(seed_free_noise: float) -> None:
    """Another order of the data is noise: no jump, whatever the noise."""
    found = measured(0.0, noise=seed_free_noise)
    assert isinstance(found["resume.loss_jump"], Measurement) and found["resume.loss_jump"].value == 0
    assert isinstance(found["resume.count"], Measurement) and found["resume.count"].items == {"b": 240.0}


def test_jump_is_a_share_of_the_progress() -> None:
    """A loss that stands 0.6 higher and makes it good by and by has lost about 0.36 of the progress of 1.4 over 50 steps."""
    found = measured(0.6)["resume.loss_jump"]
    expected = 0.6 * math.exp(-25 / 100) / (2 - (0.5 + 1.5 * math.exp(-265 / 100)))
    assert isinstance(found, Measurement) and found.value == pytest.approx(expected, rel=0.1) and found.first_step == 240


def test_too_few_shared_steps_are_no_evidence() -> None:
    """Four shared steps, another tag, or no training loss: missing, with the reason."""
    assert isinstance(measured(0.6, overlap=4)["resume.loss_jump"], Missing)
    resume = Resume("b", 10, (series(np.arange(10, 30), np.ones(20), "a", "other"),))
    training = Roled(series(STEPS, fall(STEPS, 1), "a"), "training-loss", "train", "words")
    for given in (training, None):
        found = {one.name: one for one in measure_resumes([resume], given)}
        assert isinstance(found["resume.loss_jump"], Missing)


def test_run_that_was_never_resumed() -> None:
    """None is counted, and that is a number."""
    count, *others = measure_resumes([], None)
    assert isinstance(count, Measurement) and count.value == 0
    assert len(others) == 2 and all(isinstance(other, Missing) for other in others)


def test_lower_loss_after_the_resume_is_no_jump() -> None:
    """A loss that got better, or values that are not finite, raise nothing."""
    found = measured(-0.3)["resume.loss_jump"]
    assert isinstance(found, Measurement) and found.value == 0


def test_jump_without_progress_before_it_is_no_pass() -> None:
    """A curve that had not fallen gives nothing to measure a jump by: missing, not zero."""
    steps = np.arange(200)
    flat = np.ones(200)
    flat[100:] = 2.0
    resume = Resume("b", 100, (series(np.arange(100, 150), np.ones(50), "a"),))
    found = {one.name: one for one in measure_resumes([resume], Roled(series(steps, flat, "a, b"), "training-loss", "train", "words"))}
    assert isinstance(found["resume.loss_jump"], Missing)


@pytest.mark.parametrize(("after", "ratio"), [(1.0, 1.0), (10.0, 10.0), (0.25, 4.0)])
def test_rate_is_held_against_its_own_record_of_the_same_steps(after: float, ratio: float) -> None:
    """A schedule that goes on says the same of the same step; another rate is told by its ratio, whichever is larger."""
    steps = np.arange(0, 200, 10)
    rates = np.full(steps.size, 1e-3)
    rates[steps >= 100] *= after
    resume = Resume("b", 100, (series(np.arange(100, 150, 10), np.full(5, 1e-3), "a", "lr"),))
    found = {one.name: one for one in measure_resumes([resume], None, series(steps, rates, "a, b", "lr"))}["resume.rate_ratio"]
    assert isinstance(found, Measurement)
    assert found.value == pytest.approx(ratio) and found.first_step == 100
    alone = {one.name: one for one in measure_resumes([resume], None, series(steps, rates, "a, b", "learning_rate"))}
    assert isinstance(alone["resume.rate_ratio"], Missing)
