"""Checkpoints whose step is nothing but a number in a name: steps of one training, or models that are numbered.

Seeds, folds, members of an ensemble and settings of a sweep are numbered as steps are. Steps go on from one another, so that of one
training at least some lie nearer to each other than draws of two generators do. Where no two that differ in the number do, the number
orders nothing: neither is one of them the start of another, nor was anything learned or lost between them.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from postmortem.measure.families import family, only_numbered
from postmortem.measure.trainings import FEWEST_ELEMENTS, Looked, forgotten, look_into
from postmortem.model import Checkpoint, counted

_FAR, _FARTHEST = 1.25, 1.6
"""Distance over the geometric mean of both norms between independent weights: sqrt(2) for equal norms, 1.34 at a correlation of 0.1
(layers of biases and scales, which every training moves alike, have one), 1.58 where one norm is twice the other. Sweeps and seeds
in public: 1.34 to 1.42. With half the lower bound, checkpoints of a fast training are models; with twice the upper, a divergence is."""

_SAVED_STATE = re.compile(r"(?:^|[^a-z])(?:ckpts?|checkpoints?|chkpt|cp|snapshots?)[_=.-]?\d", re.IGNORECASE)


def without_numbers(checkpoints: Sequence[Checkpoint]) -> tuple[tuple[Checkpoint, ...], tuple[str, ...]]:
    """The same checkpoints, without the steps that are but numbers of models; and notes that say so, one a folder."""
    by_folder: dict[str, list[Checkpoint]] = defaultdict(list)
    for one in checkpoints:
        if _may_be_model(one):
            in_file = one.step_basis == "number in the file name"
            by_folder[one.source.rpartition("/")[0] if in_file else ""].append(one)
    notes: list[str] = []
    models: list[Checkpoint] = []
    for numbered in by_folder.values():
        if told := _told(numbered):
            names = ", ".join(one.source for one in numbered[:3]) + (f" and {len(numbered) - 3} more" if len(numbered) > 3 else "")
            taken = "is taken for the number of a model" if len(numbered) == 1 else "are taken for numbers of models"
            what = "the number" if len(numbered) == 1 else "numbers"
            notes.append(f"{what} in the names of {counted(len(numbered), 'checkpoint')} ({names}) {taken}, not for steps: {told}")
            models += numbered
    kept = (replace(one, step=None, step_basis="unknown") if any(one is each for each in models) else one for one in checkpoints)
    return tuple(kept), tuple(notes)


def _may_be_model(checkpoint: Checkpoint) -> bool:
    """Whether nothing but a number makes it a step, and no word right before it says that states of a training are numbered."""
    return only_numbered(checkpoint) and not _SAVED_STATE.search(checkpoint.source)


def _told(numbered: Sequence[Checkpoint]) -> str:
    """Why the numbers count no steps; empty where they may."""
    if {one.step for one in numbered} == {0} and all(family(one.source.rpartition("/")[2]) for one in numbered):
        # Whoever counts models begins at 0; of a training whose start was saved more is left.
        return "no other number stands beside it"
    if len({one.step for one in numbered}) < 2:
        return ""
    looked = look_into(numbered)
    pairs = [(one, two) for one, two in combinations(range(len(numbered)), 2) if numbered[one].step != numbered[two].step]
    if not all(_apart(looked, one, two, len(pairs) > 1) for one, two in pairs) or forgotten(looked, pairs):
        return ""
    near = [looked.kin.distance[pair] for pair in pairs if looked.kin.elements[pair] >= FEWEST_ELEMENTS]
    far = f"between any two lie {min(near):.2f} to {max(near):.2f} times their norms, as between independent trainings" if near else ""
    return far or "they differ in shape"


def _apart(looked: Looked, one: int, two: int, several: bool) -> bool:
    """Whether two of different numbers have nothing to do with each other. `several`: all other pairs are asked too."""
    if looked.kin.elements[one, two] < FEWEST_ELEMENTS:
        return _other_shapes(looked.checkpoints[one], looked.checkpoints[two])
    independent = _FAR <= float(looked.kin.distance[one, two]) <= _FARTHEST
    return independent and (several or looked.strangers(one, two))


def _other_shapes(one: Checkpoint, two: Checkpoint) -> bool:
    """Whether most of the weights of two nets have other names or shapes."""
    shapes = {name: tensor.shape for name, tensor in one.tensors.items()}
    equal = sum(math.prod(tensor.shape) for name, tensor in two.tensors.items() if shapes.get(name) == tensor.shape)
    return 2 * equal < max(sum(math.prod(tensor.shape) for tensor in each.tensors.values()) for each in (one, two))
