"""Where a run was taken up again, and whether its loss jumped there.

A resumed run that goes back a little has two records of the same steps: what it did before it died, and what it did after. With all of
its state it repeats itself but for the order of the data; without, it stands higher. So the two are compared step by step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from postmortem.measure.roles import Roled
from postmortem.measure.smooth import MEDIAN_TO_MEAN
from postmortem.model import Measurement, Missing, Resume, Series, counted, number

LEAST_SHARED = 5
MOST_SHARED = 50
"""Steps behind the resume that are compared: later the run has made good what it lost."""
SURE = 5.0
"""Standard errors that a jump must stand above; else it is none."""
_MAD_TO_STD = 1.4826

Floats = NDArray[np.float64]


def measure_resumes(resumes: Sequence[Resume], training: Roled | None, rate: Series | None = None) -> Iterator[Measurement | Missing]:
    """`resume.count`, `resume.loss_jump` and `resume.rate_ratio`.

    The jump is how far the training loss stands above its own earlier record, over the progress made; the ratio is by what the learning
    rate differs from its own earlier record of the same steps, the larger over the smaller.
    """
    steps = {resume.source: float(resume.first_step) for resume in resumes}
    basis = "files whose steps begin within those of an earlier file" if resumes else "no file goes on from within the steps of another"
    yield Measurement("resume.count", float(len(resumes)), "", basis, resumes[0].first_step if resumes else None, steps)
    if not resumes:
        yield Missing("resume.loss_jump", "no file shows that the run was resumed", "training-loss")
        yield Missing("resume.rate_ratio", "no file shows that the run was resumed", "learning-rate")
        return
    ratios = [] if rate is None else [found for resume in resumes if (found := _rate_ratio(resume, rate)) is not None]
    if ratios:
        yield max(ratios, key=lambda found: found.value)
    else:
        yield Missing("resume.rate_ratio", "no step of the learning rate stands on both sides of a resume", "learning-rate")
    jumps = [] if training is None else [found for resume in resumes if (found := _jump(resume, training.series)) is not None]
    if not jumps:
        reason = f"fewer than {LEAST_SHARED} steps of the training loss stand on both sides of a resume, or no progress came before it"
        yield Missing("resume.loss_jump", reason, "training-loss")
        return
    yield max(jumps, key=lambda found: found.value)


def _rate_ratio(resume: Resume, later: Series) -> Measurement | None:
    """A schedule says the same of the same step, to the last digit, whether or not the run was resumed before it."""
    earlier = next((one for one in resume.replaced if (one.tag, one.group) == (later.tag, later.group)), None)
    if earlier is None:
        return None
    shared, before, after = np.intersect1d(earlier.steps, later.steps, return_indices=True)
    old, new = earlier.values[before], later.values[after]
    sound = np.isfinite(old) & np.isfinite(new) & (old > 0) & (new > 0)
    if not sound.any():
        return None
    steps, old, new = shared[sound][:MOST_SHARED], old[sound][:MOST_SHARED], new[sound][:MOST_SHARED]
    apart = np.exp(np.abs(np.log(new / old)))
    place = int(np.argsort(apart)[apart.size // 2])  # the median: at the end of a schedule ratios grow without bound
    seen = f"at step {steps[place]} it is {number(new[place])} and was {number(old[place])} before"
    basis = f"{counted(steps.size, 'step')} of tag {later.tag!r} from step {resume.first_step} on, first in {earlier.source}; {seen}"
    return Measurement("resume.rate_ratio", float(apart[place]), "ratio", basis, resume.first_step)


def _jump(resume: Resume, later: Series) -> Measurement | None:
    """The jump at one resume; zero where it does not stand out from the noise."""
    earlier = next((one for one in resume.replaced if (one.tag, one.group) == (later.tag, later.group)), None)
    if earlier is None:
        return None
    _, before, after = np.intersect1d(earlier.steps, later.steps, return_indices=True)
    old, new = earlier.values[before], later.values[after]
    sound = np.isfinite(old) & np.isfinite(new)
    old, new = old[sound][:MOST_SHARED], new[sound][:MOST_SHARED]
    head = later.values[(later.steps < resume.first_step) & np.isfinite(later.values)]
    if old.size < LEAST_SHARED or not head.size:
        return None
    apart = new - old
    jump = float(np.median(apart))
    error = MEDIAN_TO_MEAN * _noise(apart) / math.sqrt(apart.size)
    progress = float(np.median(head[: max(1, head.size // 20)]) - np.median(old))
    if jump <= SURE * error:
        share = 0.0
    elif progress > 0:
        share = jump / progress
    else:
        return None  # higher than before, and nothing to measure it by
    basis = (
        f"{old.size} steps of tag {later.tag!r} from step {resume.first_step} on, as {earlier.source} and {resume.source} hold them: "
        f"medians {float(np.median(old)):.4g} and {float(np.median(new)):.4g}"
    )
    return Measurement("resume.loss_jump", share, "ratio", basis, resume.first_step)


def _noise(values: Floats) -> float:
    """Robust standard deviation around the median."""
    return float(_MAD_TO_STD * np.median(np.abs(values - np.median(values))))
