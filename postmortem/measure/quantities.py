"""Whole numbers to predict that a manifest's reader took for classes: only the model beside it tells counts and scores from labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from postmortem.measure.data_sets import label_kind
from postmortem.model import Manifest, Targets

LEAST_VALUES = 3
"""Two whole numbers under a head of one unit are a yes and a no."""
FAR_OUT = 3.0
"""Interquartile ranges beyond the outer quartiles (Tukey 1977, `far out`)."""


def as_quantities(manifests: Sequence[Manifest], head_rows: int | None) -> tuple[Manifest, ...]:
    """The same manifests, labels as numeric targets where they are three or more whole numbers and the model's head has one unit.

    Such a head answers with one number: it counts visits or grades from 1 to 10, and tells no classes apart.

    Args:
        head_rows: output units of the model's last matrix, where a checkpoint tells.
    """
    if head_rows != 1:
        return tuple(manifests)
    return tuple(_numeric(manifest) if _counts_something(manifest) else manifest for manifest in manifests)


def _counts_something(manifest: Manifest) -> bool:
    labels = {label for counts in manifest.counts.values() for label, records in counts.items() if records}
    whole = all(label.strip().removeprefix("-").isdecimal() and label.isascii() and len(label) <= 9 for label in labels)
    return label_kind(manifest) == "single" and len(labels) >= LEAST_VALUES and whole and not manifest.classes


def _numeric(manifest: Manifest) -> Manifest:
    counts = {split: _by_value(of) for split, of in manifest.counts.items() if sum(of.values())}
    together: dict[float, int] = {}
    for of in counts.values():
        for value, records in of.items():
            together[value] = together.get(value, 0) + records
    total, mean, deviation = _moments(together)
    first, median, third = _quartiles(together)
    reach = FAR_OUT * (third - first)
    targets = Targets(
        count=total,
        mean=mean,
        deviation=deviation,
        minimum=min(together),
        maximum=max(together),
        different=len(together),
        quartiles=(first, median, third),
        far_out=sum(records for value, records in together.items() if not first - reach <= value <= third + reach),
        splits={split: _moments(of) for split, of in counts.items()},
    )
    return replace(manifest, counts={}, labels="targets", targets=targets)


def _by_value(counts: Mapping[str, int]) -> dict[float, int]:
    """Value -> records; labels such as `3` and `03` are one number."""
    found: dict[float, int] = {}
    for label, records in counts.items():
        if records:
            found[float(label)] = found.get(float(label), 0) + records
    return found


def _moments(counts: Mapping[float, int]) -> tuple[int, float, float]:
    """Records, mean and population standard deviation."""
    values, records = np.array(list(counts), dtype=np.float64), np.array(list(counts.values()), dtype=np.float64)
    mean = float(np.average(values, weights=records))
    return int(records.sum()), mean, float(np.sqrt(np.average((values - mean) ** 2, weights=records)))


def _quartiles(counts: Mapping[float, int]) -> tuple[float, float, float]:
    """The smallest value that a quarter, half and three quarters of the records do not exceed."""
    ordered = sorted(counts.items())
    reached = np.cumsum([records for _, records in ordered])
    first, median, third = (ordered[int(np.searchsorted(reached, share * reached[-1]))][0] for share in (0.25, 0.5, 0.75))
    return first, median, third
