"""How far a smooth schedule of the learning rate had come when the run ended: the decay is fitted, and its end extrapolated."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from postmortem.measure.rates import logged_rate
from postmortem.measure.roles import Roled
from postmortem.measure.smooth import Floats
from postmortem.model import Measurement, Missing, counted, number

NAME = "lr.schedule_done"
FEWEST = 8
"""Different values of the rate on its way down: steps of a staircase are few."""
MISFIT = 0.01
"""Largest distance of a value from the curve, as a share of the peak: logged rates are exact but for their rounding."""


def measure_schedule(roled: Sequence[Roled]) -> Measurement | Missing:
    """Share of a cosine or linear decay to zero that had gone by at the last logged rate; 1 where it had come to its end.

    `first_step` is the step at which it would have ended. A cosine half-wave of length T stands at (1 + cos(pi t / T)) / 2 of its peak
    after t steps (Loshchilov and Hutter 2017, arXiv 1608.03983), a line at 1 - t / T.
    """
    found = logged_rate(roled)
    if found is None:
        return Missing(NAME, "no learning rate was logged", "learning-rate")
    steps, values = found
    peak = float(values.max(initial=0.0))
    begin = int(np.flatnonzero(values == peak)[-1]) if peak > 0 else 0
    shares, since = values[begin:] / peak if peak > 0 else values[:0], (steps[begin:] - steps[begin : begin + 1]).astype(np.float64)
    if len(np.unique(shares)) < FEWEST or (np.diff(shares) > 0).any() or since[-1] <= 0:
        return _no_decay(values)
    last = float(shares[-1])
    basis = f"{counted(values.size, 'logged rate')}, the last at {last:.0%} of the peak"
    passed = since / since[-1]
    half_wave, line = math.acos(max(-1.0, 2 * last - 1)) / math.pi, 1 - last
    fits: tuple[tuple[str, float, Floats], ...] = (
        ("cosine", half_wave, (1 + np.cos(math.pi * half_wave * passed)) / 2),
        ("linear", line, 1 - line * passed),
    )
    for form, done, fitted in fits:
        if done > 0 and float(np.abs(fitted - shares).max()) <= MISFIT:
            end = int(steps[begin] + round(float(since[-1]) / done))
            return Measurement(NAME, done, "share", f"{basis}, on a {form} decay to zero at step {end}", end, text=form)
    # Steps and exponential decays have no end of their own that a run could miss.
    return Missing(NAME, "the learning rate's fall is no cosine and no line to zero", "", applies=False)


def _no_decay(values: Floats) -> Missing:
    """Why a rate tells of no smooth decay that could have been cut short."""
    if values.size < FEWEST:
        return Missing(NAME, f"only {counted(values.size, 'learning rate')} logged", "learning-rate")
    if float(np.ptp(values)) == 0:
        return Missing(NAME, f"the learning rate is {number(float(values[0]))} throughout: nothing decays", "", applies=False)
    return Missing(NAME, "the learning rate does not fall smoothly from its peak", "", applies=False)
