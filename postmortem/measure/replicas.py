"""What should be equal on all ranks and is not: parameters of data-parallel replicas, and those that tensor parallelism leaves whole.

Statistics that each rank keeps of its own batches (batch normalization without synchronization), counters and masks may differ and are
not compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from postmortem.measure.layers import layers
from postmortem.measure.pairs import Difference, compare
from postmortem.measure.table import CheckpointRow, TensorTable
from postmortem.measure.view import Found, at_step, missing
from postmortem.model import Checkpoint, Measurement

NAMES = ("replicas.differing_tensors", "replicas.distance", "replicas.largest_difference", "replicas.differing_ranks")
EPSILON: Mapping[str, float] = {
    "float64": 2.0**-52,
    "float32": 2.0**-23,
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
    "float8_e4m3fn": 2.0**-3,
    "float8_e5m2": 2.0**-2,
}
"""Distance from 1 to the next number of each type."""


def measure_replicas(table: TensorTable, checkpoints: Sequence[Checkpoint]) -> Iterator[Found]:
    """All `replicas.*` measurements of one run."""
    rows = {row.source: row for row in (*table.rows, *table.others)}
    told = [checkpoint for checkpoint in checkpoints if checkpoint.replicas and checkpoint.source in rows]
    if not told:
        yield from missing(NAMES, "no checkpoint holds what other ranks saved", "rank-checkpoints")
        return
    found = {checkpoint.source: _differences(checkpoint, rows[checkpoint.source]) for checkpoint in told}
    compared = {name for differences in found.values() for name, _ in differences}
    if not compared:
        yield from missing(NAMES, "the ranks share no parameter that should be equal", "rank-checkpoints")
        return
    ranks = max(len(checkpoint.replicas) for checkpoint in told) + 1
    basis = f"{len(compared)} parameter tensors on {ranks} ranks, every element, in {len(told)} checkpoint{'s' if len(told) > 1 else ''}"
    unlisted = max(len(_parameters(rows[one.source])) - len(_watched(one, rows[one.source])) for one in told)
    if unlisted:
        basis += f"; {unlisted} others, which no optimizer lists, were not compared"
    worst: dict[str, Difference] = {}
    by_rank: dict[str, float] = {}
    scaled: dict[str, float] = {}
    first_step: int | None = None
    first_seen = False
    for checkpoint in told:
        bad = {key: difference for key, difference in found[checkpoint.source].items() if difference.differing}
        if bad and not first_seen:
            first_step, first_seen = checkpoint.step, True
            basis += f"; first at {at_step(rows[checkpoint.source])}"
        for (name, rank), difference in bad.items():
            epsilon = EPSILON.get(checkpoint.tensors[name].dtype, EPSILON["float32"])
            by_rank[rank] = max(by_rank.get(rank, 0.0), difference.distance / epsilon)
            if name not in worst or difference.distance > worst[name].distance:
                worst[name], scaled[name] = difference, difference.distance / epsilon
    names = sorted(worst, key=lambda name: -scaled[name])
    items = {name: worst[name].distance for name in names}
    yield Measurement(NAMES[0], len(names), "tensors", basis, first_step, items, ", ".join(sorted(by_rank)))
    value = max(scaled.values(), default=0.0)
    yield Measurement(NAMES[1], value, "epsilons", basis, first_step, {name: scaled[name] for name in names})
    largest = {name: worst[name].largest for name in names}
    yield Measurement(NAMES[2], max(largest.values(), default=0.0), "", basis, first_step, largest)
    yield Measurement(NAMES[3], len(by_rank), "ranks", basis, first_step, by_rank)


def _parameters(row: CheckpointRow) -> list[str]:
    return [layer.name for layer in layers(row) if layer.is_parameter]


def _watched(checkpoint: Checkpoint, row: CheckpointRow) -> list[str]:
    """What no optimizer updates (queues, codebooks, memories) is each rank's own, whatever its name sounds like."""
    listed = {name for optimizer in checkpoint.optimizers for name in optimizer.group_of}
    names = _parameters(row)
    return [name for name in names if name in listed] if listed & set(names) else names


def _differences(checkpoint: Checkpoint, row: CheckpointRow) -> dict[tuple[str, str], Difference]:
    """(Parameter, rank) -> what that rank's copy differs by from rank 0's."""
    watched = _watched(checkpoint, row)
    return {
        (name, replica.rank): compare(checkpoint.tensors[name], replica.tensors[name])
        for replica in checkpoint.replicas
        for name in watched
        if name in replica.tensors and replica.tensors[name].shape == checkpoint.tensors[name].shape
    }
