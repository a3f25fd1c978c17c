"""Moving averages of the weights beside the model: whether they are sound, follow the model, and ever moved."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from postmortem.measure.layers import layers
from postmortem.measure.pairs import compare
from postmortem.measure.table import CheckpointRow, TensorTable
from postmortem.measure.view import Found, at_step, missing
from postmortem.model import Checkpoint, Measurement, Missing, counted

NAMES = ("averages.nonfinite", "averages.distance", "averages.movement")
_STILL = 1e-12
"""Movement of the model, relative to its norm, below which an average has nothing to follow."""


def measure_averages(table: TensorTable, checkpoints: Sequence[Checkpoint]) -> Iterator[Found]:
    """All `averages.*` measurements of one run. `averages.movement` is 0 where the average stands still while the model moves."""
    rows = {row.source: row for row in (*table.rows, *table.others)}
    told = [checkpoint for checkpoint in checkpoints if checkpoint.averages and checkpoint.source in rows]
    if not told:
        yield from missing(NAMES, "no checkpoint holds a moving average of the weights", "checkpoint", applies=not table.rows)
        return
    yield from _against_the_model(told, rows)
    yield _movement(told, rows)


def _floating(checkpoint: Checkpoint, row: CheckpointRow, key: str) -> list[str]:
    """Parameters that an average holds."""
    return [layer.name for layer in layers(row) if layer.is_parameter and layer.name in checkpoint.averages[key]]


def _against_the_model(told: Sequence[Checkpoint], rows: dict[str, CheckpointRow]) -> Iterator[Found]:
    poisoned: dict[str, float] = {}
    first_step: int | None = None
    distances: dict[str, float] = {}
    for checkpoint in told:
        for key in checkpoint.averages:
            own, squares, size = 0, 0.0, 0.0
            for name in _floating(checkpoint, rows[checkpoint.source], key):
                found = compare(checkpoint.averages[key][name], checkpoint.tensors[name])
                # Where the model is not finite itself, its average cannot be.
                own += found.nonfinite_one if found.nonfinite_two == 0 else 0
                squares, size = squares + found.norm**2, size + found.norm_two**2
            if own:
                first_step = checkpoint.step if not poisoned else first_step
                poisoned[f"{key} at {at_step(rows[checkpoint.source])}"] = float(own)
            if size > 0:
                distances[f"{key} at {at_step(rows[checkpoint.source])}"] = math.sqrt(squares / size)
    basis = (
        f"parameters of {len({key for checkpoint in told for key in checkpoint.averages})} averages in {counted(len(told), 'checkpoint')}"
    )
    yield Measurement(NAMES[0], sum(poisoned.values()), "elements", f"{basis}, where the model is finite", first_step, poisoned)
    if distances:
        last = list(distances.values())[-1]
        yield Measurement(NAMES[1], last, "share", f"{basis}: distance to the model over the model's norm, at the last", None, distances)
    else:
        yield Missing(NAMES[1], "the averages hold no parameter of the model", "checkpoint")


def _movement(told: Sequence[Checkpoint], rows: dict[str, CheckpointRow]) -> Found:
    """How far an average moved between the first and the last checkpoint that hold it, over how far the model moved."""
    name = NAMES[2]
    items: dict[str, float] = {}
    last_step: int | None = None
    for key in dict.fromkeys(key for checkpoint in told for key in checkpoint.averages):
        holders = [checkpoint for checkpoint in told if key in checkpoint.averages]
        first, last = holders[0], holders[-1]
        if len(holders) < 2 or first.step == last.step:
            continue
        moved, model_moved, size = 0.0, 0.0, 0.0
        for parameter in _floating(last, rows[last.source], key):
            before, model_before = first.averages[key].get(parameter), first.tensors.get(parameter)
            after, model_after = last.averages[key][parameter], last.tensors[parameter]
            if before is None or model_before is None or before.shape != after.shape or model_before.shape != model_after.shape:
                continue
            moved += compare(after, before).norm ** 2
            model = compare(model_after, model_before)
            model_moved, size = model_moved + model.norm**2, size + model.norm_one**2
        if model_moved > (_STILL**2) * size and size > 0:
            items[key] = math.sqrt(moved / model_moved)
            last_step = last.step
    if not items:
        return Missing(name, "it takes two checkpoints with an average between which the model moved", "two-checkpoints")
    basis = f"distance of {counted(len(items), 'average')} from its first to its last checkpoint over the distance that the model moved"
    return Measurement(name, min(items.values()), "ratio", basis, last_step, items)
