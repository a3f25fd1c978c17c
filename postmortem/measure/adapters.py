"""Low-rank adapters: whether they learn at all, and how far they move what they adapt.

An adapter adds scale x B A to a weight. B starts at zero and A at random, so a first gradient reaches B only: zero in B is as it should be
up to the first update, and says afterwards that no gradient came.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from postmortem.measure.boxes import CHUNK_ELEMENTS
from postmortem.measure.table import CheckpointRow, Floats, TensorTable
from postmortem.measure.view import EARLIEST_JUDGED_STEP, Found, at_step, missing, updates_done
from postmortem.model import Checkpoint, Measurement, Missing, Tensor, counted

NAMES = ("adapters.idle_share", "adapters.ratio")
_DOWN = re.compile(r"(?P<front>.+[._])lora_(?P<kind>A|down|embedding_A)(?P<behind>(?:\.[^.]+)*?)(?P<weight>\.weight)?$")
_UP = {"A": "B", "down": "up", "embedding_A": "embedding_B"}
_MOST_RANKS = 1024


@dataclass(frozen=True, slots=True)
class _Pair:
    """Names of one adapter's tensors."""

    down: str
    up: str
    base: str
    """The weight that it adapts; empty where the checkpoint holds none."""
    label: str
    """Name of the adapter (`default`), where one net holds several."""


def _pairs(tensors: Mapping[str, Tensor]) -> list[_Pair]:
    found = []
    for name in tensors:
        match = _DOWN.fullmatch(name)
        if match is None:
            continue
        front, behind, weight = match["front"], match["behind"], match["weight"] or ""
        up = f"{front}lora_{_UP[match['kind']]}{behind}{weight}"
        if up not in tensors or len(tensors[name].shape) != 2 or len(tensors[up].shape) != 2:
            continue
        bases = (f"{front}base_layer.weight", f"{front}weight", f"{front.rstrip('_')}.weight")
        found.append(_Pair(name, up, next((base for base in bases if base in tensors), ""), behind))
    return found


def measure_adapters(table: TensorTable, checkpoints: Sequence[Checkpoint]) -> Iterator[Found]:
    """All `adapters.*` measurements of one run: at the last checkpoint of the series whose adapters had time to move."""
    by_source = {checkpoint.source: checkpoint for checkpoint in checkpoints}
    holders = [row for row in table.rows if row.source in by_source and _pairs(by_source[row.source].tensors)]
    if not holders:
        yield from missing(NAMES, "no checkpoint holds low-rank adapters", "checkpoint", applies=not table.rows)
        return
    row = holders[-1]
    done = updates_done(row)
    if done is None or done < EARLIEST_JUDGED_STEP:
        reason = "the adapters' step is unknown" if done is None else f"the adapters had {done} updates, too few to leave zero"
        yield from missing(NAMES, reason, "two-checkpoints")
        return
    checkpoint = by_source[row.source]
    present = _pairs(checkpoint.tensors)
    pairs = _in_use(present, row)
    idle = {pair.up: float(row.tensors[pair.up].elements == row.tensors[pair.up].zeros) for pair in pairs}
    still = {name: share for name, share in idle.items() if share}
    basis = f"{counted(len(pairs), 'adapter')} at {at_step(row)}: the second factor is zero throughout"
    if len(pairs) < len(present):
        basis += f"; {len(present) - len(pairs)} of other names, none of which has moved, are not counted"
    yield Measurement(NAMES[0], len(still) / len(pairs), "share", basis, row.step, still)
    yield _ratio(checkpoint, pairs, at_step(row), row.step)


def _in_use(pairs: Sequence[_Pair], row: CheckpointRow) -> Sequence[_Pair]:
    """Those of the named adapters of which at least one has moved; all, where none has: a net may hold adapters for other tasks."""
    awake = {pair.label for pair in pairs if row.tensors[pair.up].elements != row.tensors[pair.up].zeros}
    return [pair for pair in pairs if pair.label in awake] if awake else pairs


def _ratio(checkpoint: Checkpoint, pairs: Sequence[_Pair], when: str, step: int | None) -> Found:
    name = NAMES[1]
    items, how = {}, ""
    for pair in pairs:
        up, down = checkpoint.tensors[pair.up], checkpoint.tensors[pair.down]
        if pair.base and up.shape[1] == down.shape[0] and 0 < down.shape[0] <= _MOST_RANKS:
            size = math.sqrt(_squares(checkpoint.tensors[pair.base]))
            scale, how = _scale(checkpoint, down.shape[0])
            if size > 0:
                items[pair.base] = scale * product_norm(up, down) / size
    if not items:
        return Missing(name, "the weights that the adapters change stand in another file", "checkpoint")
    basis = f"norm of scale x B A over the norm of the weight, {counted(len(items), 'adapter')} at {when}, {how}"
    return Measurement(name, float(np.median(list(items.values()))), "share", basis, step, items)


def _scale(checkpoint: Checkpoint, rank: int) -> tuple[float, str]:
    """Factor of B A by the settings beside the adapter, and how it was found. As peft has it; rank-stabilized adapters use the root."""
    settings = {key.rsplit(".", 1)[-1]: value for key, value in checkpoint.values.items()}
    alpha = settings.get("lora_alpha")
    if not isinstance(alpha, (int, float)) or isinstance(alpha, bool):
        return 1.0, "scale taken as 1, no lora_alpha is known"
    if settings.get("use_rslora") is True:
        return alpha / math.sqrt(rank), "scale = lora_alpha / sqrt(r)"
    return alpha / rank, "scale = lora_alpha / r"


def product_norm(up: Tensor, down: Tensor) -> float:
    """Frobenius norm of B A without forming it: its square is the trace of (B'B)(AA')."""
    return math.sqrt(max(0.0, float(np.sum(_columns_gram(up) * _rows_gram(down)))))


def _columns_gram(tensor: Tensor) -> Floats:
    """X'X of a tall matrix, a few rows at a time."""
    height, width = tensor.shape
    step = max(1, CHUNK_ELEMENTS // max(1, width))
    gram = np.zeros((width, width))
    for row in range(0, height, step):
        rows = tensor.read(row * width, min(height, row + step) * width).astype(np.float64).reshape(-1, width)
        gram += rows.T @ rows
    return gram


def _rows_gram(tensor: Tensor) -> Floats:
    """XX' of a wide matrix of few rows, a few columns at a time."""
    height, width = tensor.shape
    step = max(1, CHUNK_ELEMENTS // max(1, height))
    gram = np.zeros((height, height))
    for column in range(0, width, step):
        stop = min(width, column + step)
        part = np.stack([tensor.read(row * width + column, row * width + stop).astype(np.float64) for row in range(height)])
        gram += part @ part.T
    return gram


def _squares(tensor: Tensor) -> float:
    elements, total = math.prod(tensor.shape), 0.0
    for start in range(0, elements, CHUNK_ELEMENTS):
        values = tensor.read(start, min(elements, start + CHUNK_ELEMENTS)).astype(np.float64)
        total += float(values @ values)
    return total
