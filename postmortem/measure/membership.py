"""Which of a run's checkpoints make one series, so that a difference between two of them means training.

A folder of checkpoints need not be one: best and last copies repeat a step, exports are rounded, two trainings lie side by side, other
architectures beside them. What is left out is measured as well, but never subtracted from anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from postmortem.measure.copies import copy_of, is_export
from postmortem.measure.families import called_copy, called_final, only_numbered, stands_beside
from postmortem.measure.trainings import Looked, look_into, trainings
from postmortem.model import Checkpoint, counted

_KINSHIP = 0.5
"""Least share of tensors, by name and shape, that two checkpoints of one series have in common."""


@dataclass(frozen=True, slots=True, eq=False)
class Membership:
    """The series in order of training, and the rest."""

    series: tuple[Checkpoint, ...]
    others: tuple[Checkpoint, ...]
    notes: tuple[str, ...]
    trainings: tuple[tuple[Checkpoint, ...], ...] = ()
    """Other trainings' checkpoints among `others`, one tuple each: they could be analyzed as series of their own."""


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


# --- one checkpoint for each step -------------------------------------------------------------------------------------


def _one_each(looked: Looked, indices: Sequence[int], by_epoch: bool, notes: list[str]) -> list[int]:
    """One checkpoint for each step (or epoch, where steps are unknown), in order."""
    by_step: dict[int, list[int]] = {}
    for index in indices:
        at = looked.checkpoints[index].epoch if by_epoch else looked.at(index)
        by_step.setdefault(at or 0, []).append(index)
    covered = Counter(name for same in by_step.values() for name in {looked.families[index] for index in same})
    with_state = Counter(
        looked.families[index] for index in indices if any(optimizer.slots for optimizer in looked.checkpoints[index].optimizers)
    )

    def preference(index: int) -> tuple[bool, int, int, bool, bool, int]:
        """Trained weights before averages and exports; the family with most steps; optimizer state; a name of its own."""
        one = looked.checkpoints[index]
        no_state = not any(optimizer.slots for optimizer in one.optimizers)
        name = looked.families[index]
        return stands_beside(one) and no_state, -covered[name], -with_state[name], no_state, called_copy(one), index

    kept = []
    for _, same in sorted(by_step.items()):
        originals = [index for index in same if not any(is_export(looked.probes[index], looked.probes[other]) for other in same)]
        chosen = min(originals or same, key=preference)
        kept.append(chosen)
        notes += [_beside(looked, other, chosen) for other in same if other != chosen]
    return kept


def _beside(looked: Looked, other: int, chosen: int) -> str:
    """Why a checkpoint of the same step as another is not compared with it."""
    copy = copy_of(looked.checkpoints[other], looked.probes[other], looked.checkpoints[chosen], looked.probes[chosen])
    if copy:
        return f"{looked.name(other)} is {copy}, of the same step, and is not compared with it"
    return (
        f"{looked.name(other)} is of the same step as {looked.name(chosen)} and is not compared with it ({looked.told(other, chosen)}): "
        "an average, another branch or another net"
    )


def _unplaced(looked: Looked, index: int, series: Sequence[int], others: Sequence[int]) -> str:
    """What can be said of a checkpoint whose step is unknown: whose copy it is, whom it is nearest to."""
    name = looked.name(index)
    # The later one of equals: a copy called last or best is made when it is.
    for other in (*reversed(series), *reversed(others)):
        copy = copy_of(looked.checkpoints[index], looked.probes[index], looked.checkpoints[other], looked.probes[other])
        if copy:
            return f"{name} is {copy}, bears no step of its own (unknown), and is not compared with it"
    nearest = looked.nearest(index, series)
    if nearest is None:
        return f"{name} is not compared with the others: its step is unknown"
    if looked.strangers(index, nearest):
        whose = "and its weights are another training's or another net's, even beside"
    else:
        whose = "and nearest to it is"
    return f"{name} is not compared with the others: its step is unknown, {whose} {looked.name(nearest)} ({looked.told(index, nearest)})"


# --- the order of steps -----------------------------------------------------------------------------------------------


def _steps_mislead(checkpoints: Sequence[Checkpoint], notes: list[str]) -> bool:
    """Whether steps stand still or go back while epochs, all different, go on; then epochs give the order."""
    if any(one.epoch is None or one.step is None for one in checkpoints):
        return False
    pairs = sorted({(one.epoch or 0, one.step or 0) for one in checkpoints})
    steps = [step for _, step in pairs]
    falls = sum(after <= before for before, after in pairwise(steps))
    if not falls or len({epoch for epoch, _ in pairs}) < len(pairs):
        return False
    told = f"is {steps[0]} in all of them" if len(set(steps)) == 1 else f"does not rise with the epoch ({falls} of {len(steps) - 1} times)"
    notes.append(f"the step {told}, so checkpoints were put in order by epoch ({pairs[0][0]} to {pairs[-1][0]}) and count no steps")
    return True


def _outline_notes(series: Sequence[Checkpoint]) -> list[str]:
    """Tensors that come, go or change shape along the series: comparable everywhere else."""
    notes = []
    for before, after in pairwise(series):
        old, new = _outline(before), _outline(after)
        if old == new:
            continue
        names_old, names_new = {name for name, _ in old}, {name for name, _ in new}
        parts = [
            (sorted(name for name, _ in new - old if name in names_old), "changed shape"),
            (sorted(names_new - names_old), "are new"),
            (sorted(names_old - names_new), "are gone"),
        ]
        told = "; ".join(f"{counted(len(names), 'tensor')} {what} ({_listed(names)})" for names, what in parts if names)
        notes.append(
            f"from {before.source} to {after.source} {told}: they are compared only where both have them; {len(old & new)} others are"
        )
    return notes


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


# --- all of it --------------------------------------------------------------------------------------------------------


def _placed(looked: Looked) -> tuple[list[int], list[int]]:
    """Those with a place in time by steps, or by epochs where there are none, or the one that stands for the run; and the rest."""
    everyone = [index for index in range(len(looked.checkpoints)) if not _numbered_export(looked, index)]
    stepped = [index for index in everyone if looked.checkpoints[index].step is not None]
    dated = [index for index in everyone if looked.checkpoints[index].epoch is not None]
    if stepped or dated:
        # Untrained weights tell a step of 0 where the others tell an epoch only: both count from the same start.
        only_start = len(dated) > 1 and len(stepped) == 1 and looked.checkpoints[stepped[0]].step == 0 and stepped[0] in dated
        placed = dated if only_start or not stepped else stepped
    else:
        final = [index for index in everyone if called_final(looked.checkpoints[index])]
        ordered = final or sorted(
            everyone, key=lambda index: (_without_state(looked.checkpoints[index]), called_copy(looked.checkpoints[index]))
        )
        placed = ordered[:1]
    return placed, [index for index in range(len(looked.checkpoints)) if index not in placed]


def _numbered_export(looked: Looked, index: int) -> bool:
    """Whether a checkpoint is another's rounding and nothing but a bare number in its name speaks for a step of its own."""
    return only_numbered(looked.checkpoints[index]) and any(is_export(looked.probes[index], other) for other in looked.probes)


def _without_state(checkpoint: Checkpoint) -> bool:
    return not any(optimizer.slots for optimizer in checkpoint.optimizers)


def _another(looked: Looked, training: Sequence[int], series: Sequence[int]) -> str:
    """What sets another training's checkpoints apart from the series."""
    pairs = [(index, other) for index in training for other in series if looked.kin.elements[index, other] > 0]
    one, two = max(pairs, key=lambda pair: float(looked.kin.correlation[pair]))
    names = [looked.name(index) for index in training]
    told = f"{names[0]} is" if len(names) == 1 else f"{counted(len(names), 'checkpoint')} ({_listed(names)}) are"
    return (
        f"{told} another training's or another net's, and not compared with the series{' nor with one another' if len(names) > 1 else ''}: "
        f"{looked.told(one, two)} between {looked.name(one)} and {looked.name(two)}"
    )


def find_series(checkpoints: Sequence[Checkpoint]) -> Membership:
    """Sort checkpoints into a series and the rest; the notes say why each of the rest was left out.

    Looks at names, steps and shapes, and at a few thousand elements of each checkpoint (`probe`). Where steps stand still while epochs
    go on, the members of the series bear no step.
    """
    notes: list[str] = []
    kept = _akin(checkpoints, notes)
    looked = look_into(kept)
    placed, rest = _placed(looked)
    main, *others = trainings(looked, placed) if len(placed) > 1 else [placed]
    by_epoch = _steps_mislead([kept[index] for index in main], notes)
    members = _one_each(looked, main, by_epoch, notes)
    notes += [_another(looked, training, members) for training in others]
    notes += [_unplaced(looked, index, members, [other for one in others for other in one]) for index in rest]
    series = [kept[index] for index in members]
    notes += _outline_notes(series)
    left = tuple(one for one in checkpoints if not any(one is member for member in series))
    if by_epoch:
        series = [replace(one, step=None, step_basis="unknown") for one in series]
    return Membership(tuple(series), left, tuple(notes), tuple(tuple(kept[index] for index in training) for training in others))
