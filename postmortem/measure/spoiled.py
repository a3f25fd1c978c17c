"""Weights that no training makes: not finite in one file and sound in the next, or a few elements that leap out of their tensor and back.

What is not a number stays so: no update makes it finite again. So where a later file of the same training is sound, the file in between
was spoiled, on the disk or in memory, and not the training. The same holds of single elements that are many times as large as all
others of their tensor ever were, which is what a turned bit of an exponent does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from postmortem.measure.table import CheckpointRow, TensorStats, TensorTable
from postmortem.measure.view import Found, View, at_step, missing, view_of
from postmortem.model import Checkpoint, Measurement, counted

NAMES = ("weights.healed", "weights.leaps")

_FEW = 64.0
"""Elements that leapt, at most: a divergence takes whole tensors with it, a block of damaged bytes holds a few numbers."""
_THERE_AND_BACK = 30.0
"""Times the largest element of any other file, where one comes after."""
_THERE = 1e4
"""Times the largest element of any file before, where none comes after: half of the bits of an exponent make it larger than that."""
_CALM = 10.0
"""Times that no other tensor of the file may have grown."""


def measure_spoiled(table: TensorTable, checkpoints: Sequence[Checkpoint]) -> Iterator[Found]:
    """All measurements named in `NAMES`; items of both are elements by tensor, in the first file that has any."""
    if len(table.rows) < 2:
        yield from missing(NAMES, "fewer than two checkpoints: nothing shows what the weights were before or after", "two-checkpoints")
        return
    view = view_of(table, checkpoints)
    yield _healed(view)
    yield _leaps(view)


def _healed(view: View) -> Found:
    names = [layer.name for layer in view.parameters]
    basis = f"{counted(len(names), 'tensor')} in {counted(len(view.rows), 'checkpoint')}"
    for row, after in zip(view.rows, view.rows[1:], strict=False):
        bad = {name: float(row.tensors[name].nonfinite) for name in names if name in row.tensors and row.tensors[name].nonfinite}
        healed = {name: count for name, count in bad.items() if name in after.tensors and after.tensors[name].nonfinite == 0}
        if healed:
            told = f"{row.source}, while {after.source} is sound"
            return Measurement(NAMES[0], sum(healed.values()), "elements", told, row.step, healed, row.source)
    return Measurement(NAMES[0], 0, "elements", basis)


def _leaps(view: View) -> Found:
    names = [layer.name for layer in view.parameters]
    for place, row in enumerate(view.rows[1:], start=1):
        after = view.rows[place + 1] if place + 1 < len(view.rows) else None
        leapt = {name: count for name in names if (count := _leapt(name, view.rows[:place], row, view.rows[place + 1 :])) > 0}
        if leapt and len(leapt) <= max(1, len(names) // 4) and _others_calm(names, leapt, view.rows[place - 1], row):
            told = f"{at_step(row)}, beside {view.rows[place - 1].source}" + (f" and {after.source}" if after else "")
            return Measurement(NAMES[1], sum(leapt.values()), "elements", told, row.step, leapt, row.source)
    return Measurement(
        NAMES[1], 0, "elements", f"largest elements of {counted(len(names), 'tensor')} in {counted(len(view.rows), 'checkpoint')}"
    )


def _largest(stats: TensorStats) -> float:
    return max(abs(stats.minimum), abs(stats.maximum))


def _leapt(name: str, before: Sequence[CheckpointRow], row: CheckpointRow, later: Sequence[CheckpointRow]) -> float:
    """About how many elements leapt: what the norm holds of the largest; 0 where they are many, or no leap.

    Held against the largest that the tensor ever was: what decay shrank to nothing may grow a thousandfold and be nothing still.
    """
    if name not in row.tensors or name not in before[-1].tensors or (later and name not in later[0].tensors):
        return 0.0
    now = row.tensors[name]
    usual = max(_largest(each.tensors[name]) for each in (*before, *later) if name in each.tensors)
    largest = _largest(now)
    if now.nonfinite or not usual > 0 or not largest > (_THERE_AND_BACK if later else _THERE) * usual:
        return 0.0
    elements = (now.norm / largest) ** 2
    return max(1.0, round(elements)) if elements <= _FEW else 0.0


def _others_calm(names: Sequence[str], leapt: dict[str, float], before: CheckpointRow, row: CheckpointRow) -> bool:
    pairs = [
        (before.tensors[name], row.tensors[name]) for name in names if name in before.tensors and name in row.tensors and name not in leapt
    ]
    return all(_largest(new) <= _CALM * _largest(old) or _largest(old) == 0 for old, new in pairs)
