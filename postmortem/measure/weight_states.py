"""Growth between checkpoints, tables of positions, experts, the head late in a run, and names that differ from what is stored."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from postmortem.measure.gaps import movement_gap
from postmortem.measure.layers import Layer
from postmortem.measure.table import CheckpointRow, TensorTable
from postmortem.measure.view import Found, View, at_step, missing, view_of
from postmortem.model import Checkpoint, Measurement, Missing, counted

NAMES = (
    "weights.doublings",
    "weights.positions",
    "experts.starved",
    "head.late_growth",
    "checkpoints.step_disagreement",
    "checkpoints.renamed",
)
_DOUBLED = 2.0
_FEWEST_ELEMENTS = 64
_POSITIONS = re.compile(
    r"(?:^|[._])(?:wpe|pos_?embed(?:ding)?s?|position(?:al)?_embed(?:ding)?s?|embed_positions|pos_emb|pos_encoder\.pe)(?:[._]|$)"
)
_EXPERT = re.compile(r"(?P<front>.*?experts?)[._](?P<index>\d+)[._](?P<rest>.+)")
_STARVED = 0.01
"""Share of the median expert's movement below which an expert was hardly ever chosen."""
_LATE = 2 / 3
_NAMED_STEP = re.compile(r"(?:^|[^a-z])(?:global[_-]?step|step|iteration|iter)s?[_=-]?0*(\d{1,12})(?!\d)", re.IGNORECASE)
_STORED = ("global_step", "step", "iteration", "iter", "num_steps")


def measure_weight_states(table: TensorTable, checkpoints: Sequence[Checkpoint]) -> Iterator[Found]:
    """The measurements named in `NAMES`."""
    if not table.rows:
        yield from missing(NAMES, "the run has no readable checkpoint", "checkpoint")
        return
    view = view_of(table, checkpoints)
    yield _doublings(view)
    yield _positions(view)
    yield _experts(view)
    yield _late_growth(view)
    yield step_disagreement(checkpoints)
    yield _renamed(table)


def streak(norms: Sequence[float]) -> int:
    """Intervals at the end over each of which a norm doubled."""
    count = 0
    for before, after in reversed(list(pairwise(norms))):
        if not (before > 0 and math.isfinite(after) and after >= _DOUBLED * before):
            break
        count += 1
    return count


def _doublings(view: View) -> Found:
    """Longest streak, at the end, of intervals over which a hidden matrix that no norm follows doubled."""
    name = NAMES[0]
    rows = view.sound_rows
    if len(rows) < 4:
        return Missing(name, f"{counted(len(rows), 'checkpoint')} with finite weights, four are needed", "more-checkpoints")
    items: dict[str, float] = {}
    for layer in view.hidden:
        if layer.elements >= _FEWEST_ELEMENTS and not layer.normalized and all(layer.name in row.tensors for row in rows):
            items[layer.name] = float(streak([row.tensors[layer.name].norm for row in rows]))
    if not items:
        free = [layer for layer in view.hidden if layer.elements >= _FEWEST_ELEMENTS and not layer.normalized]
        if free:
            return Missing(name, f"no hidden matrix stands in all of {counted(len(rows), 'checkpoint')}", "")
        small = f"no hidden matrix of {_FEWEST_ELEMENTS} weights is without a normalization behind it, which makes its scale free"
        return Missing(name, small, "", applies=False)
    longest = max(items.values())
    since = rows[-1 - int(longest)].step if longest else None
    return Measurement(
        name,
        longest,
        "intervals",
        f"norms of {counted(len(items), 'hidden matrix', 'hidden matrices')} in {counted(len(rows), 'checkpoint')}",
        since,
        items,
    )


def _relative(row: CheckpointRow, name: str) -> float | None:
    moved, stats = row.from_first.get(name), row.tensors.get(name)
    return moved / stats.norm if moved is not None and stats is not None and stats.norm > 0 and math.isfinite(moved) else None


def _trained(view: View, row: CheckpointRow, layer: Layer) -> bool:
    """Whether the optimizer lists it; where no optimizer was kept, whether it is a parameter at all."""
    checkpoint = view.checkpoints.get(row.source)
    listed = {name for optimizer in (checkpoint.optimizers if checkpoint else ()) for name in optimizer.group_of}
    return layer.is_parameter and (not listed or layer.name in listed)


def _positions(view: View) -> Found:
    """How far tables of positions moved, relative to their norm, over how far the median matrix did."""
    name = NAMES[1]
    row = view.rows[-1]
    tables = [layer for layer in view.parameters if _POSITIONS.search(layer.name.lower()) and layer.elements >= _FEWEST_ELEMENTS]
    if not tables:
        return Missing(name, "the net has no table of positions", "checkpoint", applies=False)
    tables = [layer for layer in tables if _trained(view, row, layer)]
    if not tables:
        return Missing(name, "the optimizer trains no table of positions", "", applies=False)
    others = [moved for layer in view.matrices if (moved := _relative(row, layer.name)) is not None]
    found = {layer.name: moved for layer in tables if (moved := _relative(row, layer.name)) is not None}
    usual = float(np.median(others)) if others else 0.0
    if not found or not usual > 0:
        return movement_gap(name, view, "no matrix moved from the first checkpoint to the last", 2)
    items = {label: moved / usual for label, moved in found.items()}
    those = counted(len(others), "matrix", "matrices")
    basis = f"relative distance from the first checkpoint over that of {those}, {usual:.3g}, at {at_step(row)}"
    return Measurement(name, min(items.values()), "ratio", basis, row.step, items)


def _experts(view: View) -> Found:
    """Share of the experts of a layer that moved by less than a hundredth of the median expert."""
    name = NAMES[2]
    row = view.rows[-1]
    moved: dict[str, dict[str, float]] = {}
    for layer in view.parameters:
        match = _EXPERT.fullmatch(layer.name)
        distance = row.from_first.get(layer.name)
        if match is not None and distance is not None and math.isfinite(distance):
            group = moved.setdefault(match["front"], {})
            group[match["index"]] = math.hypot(group.get(match["index"], 0.0), distance)
        delta = row.deltas.get(layer.name)
        if match is None and "experts" in layer.name and len(layer.shape) == 3 and delta is not None and delta.units_norm is not None:
            moved[layer.name] = {str(index): float(norm) for index, norm in enumerate(delta.units_norm)}
    items: dict[str, float] = {}
    for front, group in moved.items():
        usual = float(np.median(list(group.values())))
        if len(group) >= 4 and usual > 0:
            items[front] = sum(distance < _STARVED * usual for distance in group.values()) / len(group)
    if not any(_EXPERT.fullmatch(layer.name) or "experts" in layer.name for layer in view.parameters):
        return Missing(name, "the net has no experts", "two-checkpoints", applies=False)
    if not items:
        return movement_gap(name, view, "no layer has four experts or more that moved between two checkpoints", 2)
    return Measurement(name, max(items.values()), "share", f"experts of {counted(len(items), 'layer')} at {at_step(row)}", row.step, items)


def _late_growth(view: View) -> Found:
    """Norm of the head in the last finite checkpoint over that at two thirds of the run."""
    name = NAMES[3]
    rows = [row for row in view.sound_rows if row.step is not None]
    heads = [layer for layer in view.matrices if layer.is_head and layer.elements >= _FEWEST_ELEMENTS]
    if not heads:
        return Missing(name, f"the net has no head of {_FEWEST_ELEMENTS} weights or more", "", applies=False)
    if len(rows) < 4:
        return Missing(
            name, f"{counted(len(rows), 'checkpoint')} with finite weights and a known step, four are needed", "more-checkpoints"
        )
    begin, end = rows[0].step or 0, rows[-1].step or 0
    middle = min(rows[1:-1], key=lambda row: abs((row.step or 0) - (begin + _LATE * (end - begin))))
    items = {
        layer.name: rows[-1].tensors[layer.name].norm / middle.tensors[layer.name].norm
        for layer in heads
        if layer.name in middle.tensors and layer.name in rows[-1].tensors and middle.tensors[layer.name].norm > 0
    }
    if not items:
        return Missing(name, "the head is zero at two thirds of the run", "")
    basis = f"norm of the head at {at_step(rows[-1])} over that at {at_step(middle)}"
    return Measurement(name, max(items.values()), "ratio", basis, middle.step, items)


def step_disagreement(checkpoints: Sequence[Checkpoint]) -> Found:
    """Checkpoints whose file names another step than they store; a fixed factor between both (micro-batches) is none."""
    name = NAMES[4]
    told: list[tuple[str, int, int]] = []
    for checkpoint in checkpoints:
        match = _NAMED_STEP.search(checkpoint.source.rpartition("/")[2]) or _NAMED_STEP.search(checkpoint.source)
        stored = next((checkpoint.values[key] for key in _STORED if isinstance(checkpoint.values.get(key), int)), None)
        if match is not None and isinstance(stored, int) and not isinstance(stored, bool):
            told.append((checkpoint.source, int(match[1]), stored))
    if not told:
        return Missing(name, "no checkpoint has a step both in its name and in the file", "step-in-checkpoint")
    ratios = {round(named / stored, 3) for _, named, stored in told if stored}
    items = {source: float(named - stored) for source, named, stored in told if abs(named - stored) > 1}
    if len(told) >= 2 and len(ratios) == 1 and len(items) < len(told) + 1 and ratios != {1.0}:
        return Measurement(
            name, 0, "checkpoints", f"names are {ratios.pop():g} times what {counted(len(told), 'file')} store", None, {}, "proportional"
        )
    basis = f"steps in the names of {counted(len(told), 'file')} beside those stored in them"
    first = next((source for source in items), "")
    return Measurement(name, len(items), "checkpoints", basis, None, items, first)


def _suffixes(row: CheckpointRow) -> dict[tuple[str, tuple[int, ...]], str]:
    """Last two parts of a name, and the shape -> name."""
    return {(".".join(name.split(".")[-2:]), stats.shape): name for name, stats in row.tensors.items()}


def _renamed(table: TensorTable) -> Found:
    """Checkpoints that hold what others hold under other names: most endings and shapes agree, hardly a whole name does."""
    name = NAMES[5]
    if len(table.rows) + len(table.others) < 2:
        return Missing(name, "there are fewer than two checkpoints", "two-checkpoints")
    if not table.others:
        return Measurement(name, 0, "checkpoints", f"{counted(len(table.rows), 'checkpoint')} with the same names")
    last = table.rows[-1]
    wanted = _suffixes(last)
    items: dict[str, float] = {}
    example = ""
    for row in table.others:
        mine = _suffixes(row)
        common = wanted.keys() & mine.keys()
        same = row.tensors.keys() & last.tensors.keys()
        if len(wanted) >= 4 and len(common) >= 0.8 * len(wanted) and len(same) < 0.2 * len(wanted):
            items[row.source] = float(len(common))
            key = sorted(common)[0]
            example = example or f"{mine[key]} in {row.source} is {wanted[key]} in {last.source}"
    basis = f"endings and shapes of {counted(len(wanted), 'tensor')} beside {len(table.others)} other checkpoints"
    return Measurement(name, len(items), "checkpoints", basis, None, items, example)
