"""Batch normalization's running statistics: whether they follow the data, and whether they are sane.

With momentum m, n updates move a running statistic by 1 - (1 - m)^n of the way to its target. A sound one has arrived by the second
checkpoint and drifts from there; one that is starved still walks in a straight line, as far in each window as in the last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from postmortem.measure.table import CheckpointRow, TensorTable
from postmortem.measure.view import Found, View, at_step, missing, view_of
from postmortem.model import Checkpoint, Measurement, Missing, counted

NAMES = (
    "batchnorm.layers",
    "batchnorm.tracked",
    "batchnorm.staleness",
    "batchnorm.variance_max",
    "batchnorm.variance_min",
    "batchnorm.stopped",
    "batchnorm.excess",
)

MOST_ELEMENTS = 4_000_000
_VARIANCE, _MEAN, _COUNTER = "running_var", "running_mean", "num_batches_tracked"


def measure_batchnorm(table: TensorTable, checkpoints: Sequence[Checkpoint]) -> Iterator[Found]:
    """All `batchnorm.*` measurements of one run."""
    if not table.rows:
        yield from missing(NAMES, "the run has no readable checkpoint", "checkpoint")
        return
    view = view_of(table, checkpoints)
    variances = [name for name in view.layers if name.endswith(_VARIANCE)]
    yield Measurement("batchnorm.layers", len(variances), "layers", "tensors called running_var")
    if not variances:
        yield from missing(NAMES[1:], "the net has no batch normalization with running statistics", "checkpoint")
        return
    yield _tracked(view)
    yield _staleness(view, variances)
    yield _stopped(view, variances)
    yield _excess(view, variances)
    last = view.rows[-1]
    basis = f"running variances of {counted(len(variances), 'layer')} at {at_step(last)}"
    highest = {name: last.tensors[name].maximum for name in variances}
    lowest = {name: last.tensors[name].minimum for name in variances}
    yield Measurement("batchnorm.variance_max", max(highest.values()), "ratio", basis, last.step, highest)
    yield Measurement("batchnorm.variance_min", min(lowest.values()), "ratio", basis, last.step, lowest)


def _tracked(view: View) -> Found:
    name = "batchnorm.tracked"
    last = view.rows[-1]
    counters = {label: last.tensors[label].mean for label in view.layers if label.endswith(_COUNTER)}
    if not counters:
        return Missing(name, "batch normalization keeps no counter of batches", "checkpoint")
    if not last.step:
        return Missing(name, "the last checkpoint tells no step after 0", "two-checkpoints")
    items = {label: count / last.step for label, count in counters.items()}
    basis = f"batches counted by {counted(len(items), 'layer')} over the steps at {at_step(last)}"
    return Measurement(name, min(items.values()), "ratio", basis, last.step, items)


def _mean_of(variance: str) -> str:
    return variance.removesuffix(_VARIANCE) + _MEAN


def _starts_fresh(row: CheckpointRow, name: str) -> bool:
    """Whether statistics are as torch makes them: variance 1, mean 0."""
    stats = row.tensors.get(name)
    if stats is None or stats.variance != 0:
        return False
    return stats.mean == (1.0 if name.endswith(_VARIANCE) else 0.0)


def linearity(shares_done: Sequence[float], distances: Sequence[float]) -> float:
    """1 where the distance from the start grows in proportion to the share of updates done, 0 where it is all there at once.

    Both sequences leave out the start and end at the last checkpoint (share 1).
    """
    ahead = [distance / distances[-1] - share for share, distance in zip(shares_done[:-1], distances[:-1], strict=True)]
    room = [1 - share for share in shares_done[:-1]]
    return float(np.clip(1 - sum(ahead) / sum(room), 0.0, 1.5))


def _staleness(view: View, variances: Sequence[str]) -> Found:
    """Per layer the smaller of the linearities of mean and variance: a target near the start makes one of them look linear."""
    name = "batchnorm.staleness"
    last = view.rows[-1]
    untouched = [label for label in variances if _starts_fresh(last, label) and _starts_fresh(last, _mean_of(label))]
    if untouched and (last.step or 0) > 0:
        basis = f"{len(untouched)} of {len(variances)} layers still hold mean 0 and variance 1 at {at_step(last)}"
        return Measurement(name, 1.0, "ratio", basis, 0, dict.fromkeys(untouched, 1.0), "untouched")
    steps = [row.step for row in view.rows]
    if len(steps) < 3 or steps[0] is None or any(step is None or step <= steps[0] for step in steps[1:]):
        return Missing(name, "it takes three checkpoints of known, rising steps", "two-checkpoints")
    begin, span = steps[0], (steps[-1] or 0) - steps[0]
    shares = [((step or 0) - begin) / span for step in steps[1:]]
    items: dict[str, float] = {}
    for variance in variances:
        found: list[float] = []
        for label in (variance, _mean_of(variance)):
            distances = [row.from_first.get(label, float("nan")) for row in view.rows[1:]]
            if _starts_fresh(view.rows[0], label) and np.all(np.isfinite(distances)) and distances[-1] > 0:
                found.append(linearity(shares, distances))
        if found:
            items[variance] = min(found)
    if not items:
        return Missing(
            name, "the first checkpoint's statistics are not those of a fresh layer, or they never changed", "initial-checkpoint"
        )
    basis = f"distance from the start against the share of steps, {counted(len(items), 'layer')}, {counted(len(steps), 'checkpoint')}"
    return Measurement(name, float(np.median(list(items.values()))), "ratio", basis, None, items)


def _stopped(view: View, variances: Sequence[str]) -> Found:
    """Layers whose statistics kept every bit between the last two checkpoints although they counted batches and weights moved."""
    name = "batchnorm.stopped"
    if len(view.rows) < 2:
        return Missing(name, "it takes two checkpoints", "two-checkpoints")
    before, last = view.rows[-2], view.rows[-1]
    if not any(last.deltas[layer.name].norm > 0 for layer in view.matrices if layer.name in last.deltas):
        return Missing(name, "no weight moved between the last two checkpoints", "two-checkpoints")
    items: dict[str, float] = {}
    for variance in variances:
        counter = variance.removesuffix(_VARIANCE) + _COUNTER
        if counter not in last.tensors or counter not in before.tensors or not last.tensors[counter].mean > before.tensors[counter].mean:
            continue
        labels = [label for label in (variance, _mean_of(variance)) if label in last.deltas]
        if labels and all(last.deltas[label].equal == view.layers[label].elements for label in labels):
            items[variance] = last.tensors[counter].mean - before.tensors[counter].mean
    basis = f"statistics of {counted(len(variances), 'layer')} between {at_step(before)} and {at_step(last)}"
    return Measurement(name, float(len(items)), "layers", basis, before.step, items)


def _excess(view: View, variances: Sequence[str]) -> Found:
    """Running variance of the first normalization over the most that its matrix can give inputs of unit variance, (sum of |w|)^2.

    The variance of a weighted sum is at most the square of the sum of |weight| times deviation, whatever the correlations. Median over
    units; for the normalization behind the first matrix alone, whose inputs are the records themselves.
    """
    name = "batchnorm.excess"
    last = view.rows[-1]
    first = view.matrices[0] if view.matrices else None
    order = list(view.layers)
    checkpoint = view.checkpoints.get(last.source)
    if first is None or checkpoint is None or first.name not in checkpoint.tensors or first.transposed or len(first.shape) < 2:
        return Missing(name, "the first layer is no plain matrix", "checkpoint")
    behind = [label for label in variances if order.index(label) > order.index(first.name)]
    units = first.fan_out
    if not behind or view.layers[behind[0]].elements != units or first.elements > MOST_ELEMENTS:
        return Missing(name, "no normalization follows the first matrix", "checkpoint")
    weights = np.asarray(checkpoint.tensors[first.name].read(0, first.elements), dtype=np.float64).reshape(units, -1)
    stored = np.asarray(checkpoint.tensors[behind[0]].read(0, units), dtype=np.float64)
    most = np.square(np.abs(weights).sum(axis=1))
    if not bool(np.isfinite(stored).all()) or not bool(np.isfinite(most).all()) or not bool((most > 0).any()):
        return Missing(name, "weights or statistics of the first layer are not finite", "checkpoint")
    value = float(np.median(stored[most > 0] / most[most > 0]))
    basis = f"{behind[0]} over the squared sums of absolute weights of {first.name} at {at_step(last)}"
    return Measurement(name, value, "ratio", basis, last.step, text=behind[0])
