"""Numbers that a model should predict: level, spread, and how much the farthest one weighs. Of a manifest's numeric targets."""

from __future__ import annotations

import math
from collections.abc import Iterator

from postmortem.measure.drift import of_all
from postmortem.model import Manifest, Measurement, Missing, Targets, counted

TARGET_NAMES = (
    "data.target_mean",
    "data.target_deviation",
    "data.target_level",
    "data.target_different",
    "data.target_extreme",
    "data.target_extreme_weight",
    "data.target_far_out",
    "data.target_not_finite",
)

Found = Measurement | Missing


def measure_targets(manifest: Manifest) -> Iterator[Found]:
    """Every measurement of `TARGET_NAMES`. Mean, deviation and level are of what is trained on, where splits tell it apart."""
    targets = manifest.targets
    if targets is None or targets.count < 1:
        what = "its labels are no numbers to predict" if targets is None else "none of its targets is finite"
        yield from (Missing(name, f"{manifest.source}: {what}", "manifest") for name in TARGET_NAMES)
        return
    count, mean, deviation = of_all(targets)
    basis = f"{counted(count, 'target')} of column {manifest.label_column!r} of {manifest.source}"
    yield Measurement("data.target_mean", mean, "units of the target", basis)
    yield Measurement("data.target_deviation", deviation, "units of the target", basis)
    level = f"root mean square: a model that answers 0 begins with a squared error of {mean**2 + deviation**2:.4g}; {basis}"
    yield Measurement("data.target_level", math.hypot(mean, deviation), "units of the target", level)
    whole = f"{targets.count} targets of column {manifest.label_column!r} of {manifest.source}"
    yield Measurement("data.target_different", float(targets.different), "values", whole)
    yield from _extremes(targets, whole)
    if targets.far_out is None:
        yield Missing("data.target_far_out", f"the quartiles of {manifest.source}'s targets were not counted", "manifest")
    else:
        told = f"{targets.far_out} of {whole} lie more than three interquartile ranges beyond the quartiles"
        yield Measurement("data.target_far_out", targets.far_out / targets.count, "share", told)
    everything = targets.count + targets.not_finite
    told = f"{targets.not_finite} of {everything} targets of {manifest.source} are NaN or infinite"
    yield Measurement("data.target_not_finite", targets.not_finite / everything, "share", told)


def _extremes(targets: Targets, basis: str) -> Iterator[Found]:
    """The farthest target in standard deviations, and its share of the sum of all squared deviations (1 / count to 1).

    Items are the smallest and largest target, and the quartiles where they are known.
    """
    farthest = max(targets.maximum - targets.mean, targets.mean - targets.minimum)
    value = targets.maximum if targets.maximum - targets.mean >= targets.mean - targets.minimum else targets.minimum
    items = {"farthest": value, "minimum": targets.minimum, "maximum": targets.maximum}
    if targets.quartiles is not None:
        items |= dict(zip(("lower quartile", "median", "upper quartile"), targets.quartiles, strict=True))
    if not targets.deviation > 0:
        yield Missing("data.target_extreme", "the targets do not vary", "manifest")
        yield Missing("data.target_extreme_weight", "the targets do not vary", "manifest")
        return
    score = farthest / targets.deviation
    yield Measurement("data.target_extreme", score, "standard deviations", f"farthest is {value:.6g}; {basis}", items=items)
    weight = min(1.0, score**2 / targets.count)
    yield Measurement(
        "data.target_extreme_weight", weight, "share", f"of all squared deviations, by {value:.6g} alone; {basis}", items=items
    )
