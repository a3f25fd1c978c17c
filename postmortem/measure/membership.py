"""Which of a run's checkpoints make one series, so that a difference between two of them means training.

A folder of checkpoints need not be one: best and last copies repeat a step, exports bear no step, other architectures lie beside.
What is left out is measured as well, but never subtracted from anything.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from postmortem.model import Checkpoint

_COPY_NAME = re.compile(r"(?:^|[^a-z])(best|last|latest|final|newest|current|min|top)(?:[^a-z]|$)", re.IGNORECASE)
_FINAL_NAME = re.compile(r"(?:^|[^a-z])(last|latest|final|newest|current)(?:[^a-z]|$)", re.IGNORECASE)
_KINSHIP = 0.5
"""Least share of tensors, by name and shape, that two checkpoints of one series have in common."""


@dataclass(frozen=True, slots=True, eq=False)
class Membership:
    """The series in order of training, and the rest."""

    series: tuple[Checkpoint, ...]
    others: tuple[Checkpoint, ...]
    notes: tuple[str, ...]


def _outline(checkpoint: Checkpoint) -> frozenset[tuple[str, tuple[int, ...]]]:
    return frozenset((name, tensor.shape) for name, tensor in checkpoint.tensors.items())


def _akin(checkpoints: Sequence[Checkpoint], notes: list[str]) -> list[Checkpoint]:
    """Those whose tensors agree with the outline that most of them have (the later one's where there is no most)."""
    outlines = [_outline(checkpoint) for checkpoint in checkpoints]
    counts = Counter(outlines)
    most = max(counts.values(), default=0)
    typical = next((outline for outline in reversed(outlines) if counts[outline] == most), frozenset())
    kept = []
    for checkpoint, outline in zip(checkpoints, outlines, strict=True):
        shared = len(outline & typical)
        if shared >= _KINSHIP * max(len(outline), len(typical)):
            kept.append(checkpoint)
        else:
            notes.append(
                f"{checkpoint.source} is not compared with the others: only {shared} of its {len(outline)} tensors agree in name and shape"
            )
    return kept


def _preference(checkpoint: Checkpoint) -> tuple[bool, bool]:
    """Among copies of one step: with optimizer state first, then a name of its own."""
    return not any(optimizer.slots for optimizer in checkpoint.optimizers), bool(_COPY_NAME.search(checkpoint.source.rsplit("/", 1)[-1]))


def _one_each(checkpoints: Sequence[Checkpoint], notes: list[str]) -> list[Checkpoint]:
    """One checkpoint for each step (or epoch, where steps are unknown), in its order."""
    by_step: dict[int, list[Checkpoint]] = {}
    for checkpoint in checkpoints:
        at = checkpoint.step if checkpoint.step is not None else checkpoint.epoch
        by_step.setdefault(at if at is not None else -1, []).append(checkpoint)
    kept = []
    for _, same in sorted(by_step.items()):
        chosen = min(same, key=_preference)
        kept.append(chosen)
        notes += [
            f"{other.source} is of the same step as {chosen.source} and is not compared with it" for other in same if other is not chosen
        ]
    return kept


def find_series(checkpoints: Sequence[Checkpoint]) -> Membership:
    """Sort checkpoints into a series and the rest; the notes say why each of the rest was left out."""
    notes: list[str] = []
    kept = _akin(checkpoints, notes)
    stepped = [checkpoint for checkpoint in kept if checkpoint.step is not None]
    dated = [checkpoint for checkpoint in kept if checkpoint.epoch is not None]
    if stepped:
        chosen, unknown = stepped, [checkpoint for checkpoint in kept if checkpoint.step is None]
    elif dated:
        chosen, unknown = dated, [checkpoint for checkpoint in kept if checkpoint.epoch is None]
    else:
        final = [checkpoint for checkpoint in kept if _FINAL_NAME.search(checkpoint.source.rsplit("/", 1)[-1])]
        chosen = (final or sorted(kept, key=_preference))[:1]
        unknown = [checkpoint for checkpoint in kept if checkpoint not in chosen]
    notes += [f"{checkpoint.source} is not compared with the others: its step is unknown" for checkpoint in unknown]
    series = _one_each(chosen, notes)
    others = tuple(checkpoint for checkpoint in checkpoints if not any(checkpoint is member for member in series))
    return Membership(tuple(series), others, tuple(notes))
