"""Checkpoints of one architecture -> trainings: which descend from one another, as a look into them and their names tell.

A series that is broken by mistake loses evidence, and a training can forget its start entirely (BatchNorm with weight decay, a rate
far too high), so weights that are strangers to each other are taken apart only where something else says so too: they claim the
same or interleaved steps, their names differ in more than numbers, or nothing but a bare number makes them steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from postmortem.measure.families import Family, family, only_numbered
from postmortem.measure.probe import Kinship, Probe, kinship, probe
from postmortem.model import Checkpoint

_STRANGE = 0.95
"""Share of the tensors whose correlation is that of independent draws, from which on two checkpoints are strangers. Own runs: 1.0 for
every pair of trainings from different seeds; at most 0.86 between checkpoints of one training that had not forgotten its start. At
half, trainings at a high rate are strangers to their start; at double nothing ever is."""
FEWEST_ELEMENTS = 256
"""Elements that a verdict on strangers needs: four standard deviations of their correlation are then 0.25."""
_ALIKE = 1.25
"""Norm ratio up to which two checkpoints may be equal draws. Own runs: 0.82 to 1.28 between trainings of one recipe from two seeds. At
half (1.12) ensembles of short trainings stay together; at double (2.5) a collapse may be taken for another training."""
_NOT_DIVERGED = 4.0
"""Norm ratio up to which strangers of different names are two trainings. Beyond, one of them may have diverged or collapsed: own runs
with rates far too high grew 14-fold and 67-fold from their start. At half, trainings of different lengths stay together; at double, a
divergence under a name of its own is split off."""
_GOES_ON = 0.5
"""Correlation from which on one checkpoint clearly descends from another; what lies between them correlates with both as much or more.
At half, chance among trainings that forget may say so; at double, only checkpoints that hardly moved."""
_FORGOTTEN = 1.0
"""Learning rate x weight decay x steps from which on decay alone takes a start's share below 1/e; then strangers may be one training."""


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """Checkpoints of one architecture with what a look into them says."""

    checkpoints: tuple[Checkpoint, ...]
    probes: tuple[Probe, ...]
    kin: Kinship
    families: tuple[Family, ...]

    def at(self, index: int) -> int | None:
        """Step, or epoch where the step is unknown."""
        one = self.checkpoints[index]
        return one.step if one.step is not None else one.epoch

    def name(self, index: int) -> str:
        """Its source."""
        return self.checkpoints[index].source

    def strangers(self, one: int, two: int) -> bool:
        """Whether two checkpoints' weights are surely not each other's past or future, unless everything was forgotten between."""
        kin = self.kin
        elements = kin.elements[one, two]
        return bool(
            elements >= FEWEST_ELEMENTS and kin.strangers[one, two] >= _STRANGE and abs(kin.correlation[one, two]) < 4 / math.sqrt(elements)
        )

    def nearest(self, index: int, among: Iterable[int]) -> int | None:
        """The one that correlates most with it; None where no pair tells anything."""
        told = [other for other in among if other != index and self.kin.elements[index, other] > 0]
        return max(told, key=lambda other: (float(self.kin.correlation[index, other]), -other), default=None)

    def told(self, one: int, two: int) -> str:
        """The figures between two checkpoints, for a note."""
        kin = self.kin
        if not kin.elements[one, two] > 0:
            return "no weights to compare are finite in both"
        figures = f"correlation {kin.correlation[one, two]:.3f} over {int(kin.elements[one, two])} elements"
        return f"{figures}, norm ratio {kin.norm_ratio[two, one]:.2f}, distance {kin.distance[one, two]:.2f}"


def look_into(checkpoints: Sequence[Checkpoint]) -> Looked:
    """Probe checkpoints and compare all with all; one alone is not read."""
    probes = probe(checkpoints) if len(checkpoints) > 1 else [Probe({}, {}) for _ in checkpoints]
    return Looked(tuple(checkpoints), tuple(probes), kinship(probes), tuple(family(one.source) for one in checkpoints))


def _groups(looked: Looked, indices: Sequence[int]) -> list[list[int]]:
    """Checkpoints joined to one another by content; one that tells nothing (NaN throughout) joins the group nearest in name."""
    telling = [index for index in indices if any(looked.kin.elements[index, other] > 0 for other in indices if other != index)]
    groups: list[list[int]] = []
    for index in telling:
        kin = [group for group in groups if any(_joined(looked, index, member) for member in group)]
        joined = [member for group in kin for member in group]
        groups = [group for group in groups if group not in kin]
        groups.append([*joined, index])
    if not groups:
        return [list(indices)]
    for index in (index for index in indices if index not in telling):
        mine = [group for group in groups if any(looked.families[member] == looked.families[index] for member in group)]
        max(mine or groups, key=len).append(index)
    return [sorted(group) for group in groups]


def _joined(looked: Looked, one: int, two: int) -> bool:
    return bool(looked.kin.elements[one, two] > 0) and not looked.strangers(one, two)


def _apart(looked: Looked, one: Sequence[int], two: Sequence[int]) -> bool:
    """Whether two groups of strangers are two trainings, by what else is known of them."""
    ratios = [looked.kin.norm_ratio[left, right] for left in one for right in two if looked.kin.elements[left, right] > 0]
    alike, close = (any(1 / limit <= ratio <= limit for ratio in ratios) for limit in (_ALIKE, _NOT_DIVERGED))
    if close and not {looked.families[index] for index in one} & {looked.families[index] for index in two}:
        return True
    left, right = ({at for index in group if (at := looked.at(index)) is not None} for group in (one, two))
    if left & right:
        return True
    if alike and (_within(looked, one, two) or _within(looked, two, one)):
        return True
    weak = all(only_numbered(looked.checkpoints[index]) for index in (*one, *two))
    return weak and alike and _decayed(looked, one, two) < _FORGOTTEN


def _within(looked: Looked, strangers: Sequence[int], group: Sequence[int]) -> bool:
    """Whether a stranger's step lies between those of two checkpoints of a group that clearly go on from one another."""
    at = {index: looked.at(index) for index in (*strangers, *group)}
    return any(
        (at[before] or 0) < (at[index] or 0) < (at[after] or 0) and bool(looked.kin.correlation[before, after] >= _GOES_ON)
        for before in group
        for after in group
        for index in strangers
    )


def _decayed(looked: Looked, one: Sequence[int], two: Sequence[int]) -> float:
    """Learning rate x weight decay x steps between two groups, where an optimizer's state tells both; else 0."""
    gaps = [abs((looked.at(index) or 0) - (looked.at(other) or 0)) for index in one for other in two]
    rates = [
        _number(group.get("lr")) * _number(group.get("weight_decay")) / max(1e-3, 1 - _number(group.get("momentum")))
        for index in (*one, *two)
        for optimizer in looked.checkpoints[index].optimizers
        for group in optimizer.groups
    ]
    return min(gaps) * max(rates, default=0.0)


def forgotten(looked: Looked, pairs: Iterable[tuple[int, int]]) -> bool:
    """Whether decay alone may have made strangers of two checkpoints of one training, for any of these pairs."""
    return any(_decayed(looked, (one,), (two,)) >= _FORGOTTEN for one, two in pairs)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0


def trainings(looked: Looked, indices: Sequence[int]) -> list[list[int]]:
    """Groups of checkpoints that are one training each, the main one first.

    The main one has most steps, then most checkpoints with optimizer state, then comes latest, then is first by name.
    """
    found: list[list[int]] = []
    for group in _groups(looked, indices):
        same = [other for other in found if not _apart(looked, other, group)]
        found = [other for other in found if other not in same]
        found.append(sorted([*group, *(index for other in same for index in other)]))

    def rank(group: list[int]) -> tuple[int, int, int, int]:
        steps = {looked.at(index) for index in group}
        with_state = sum(any(optimizer.slots for optimizer in looked.checkpoints[index].optimizers) for index in group)
        return -len(steps), -with_state, -max(looked.at(index) or 0 for index in group), group[0]

    return sorted(found, key=rank)
