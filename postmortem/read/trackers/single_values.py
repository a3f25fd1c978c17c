"""Sets apart what was logged once: one point is no curve, and its step often says nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from postmortem.model import Series
from postmortem.read.words import counted

_MOST_NAMED = 6


def with_single_values_apart(found: Sequence[Series], name: str) -> tuple[tuple[Series, ...], tuple[str, ...]]:
    """The curves, and a note on what is none.

    Both MLflow and Weights & Biases count from 0 where nobody gives a step, so a final score that is logged once stands at step 0. Where
    there are curves, such a point takes the step at which they were when it was written. Where there is none, a single value is only told:
    as a series, a final loss would pass for the first one. A value that is not finite stays a series: that it came is what counts.
    """
    curves = [series for series in found if series.steps.size > 1]
    single = [series for series in found if series.steps.size == 1]
    if not curves:
        kept = tuple(series for series in single if not np.isfinite(series.values[0]))
        told = values_told([(series.tag, float(series.values[0])) for series in single])
        return kept, (f"{name} holds {counted(len(single), 'value')} logged once and no curve: {told}",) if single else ()
    longest = max(curves, key=lambda series: series.steps.size)
    return tuple(_moved(series, longest) if series.steps.size == 1 else series for series in found), ()


def values_told(values: Sequence[tuple[str, float]]) -> str:
    """The first of some named values, for a note."""
    more = f" and {len(values) - _MOST_NAMED} more" if len(values) > _MOST_NAMED else ""
    return ", ".join(f"{tag} {value:.6g}" for tag, value in values[:_MOST_NAMED]) + more


def _moved(series: Series, curve: Series) -> Series:
    """The point at the step that the curve had reached when it was written; as it is where a step or no time is given."""
    written = float(series.wall_seconds[0])
    if series.steps[0] != 0 or not math.isfinite(written):
        return series
    before = curve.wall_seconds <= written
    if not before.any():
        return series
    return replace(series, steps=np.array([int(curve.steps[before].max())], dtype=np.int64))
