"""Why checkpoints do not tell what is asked of them: what was not saved, what this optimizer never keeps, and what did not happen."""

from __future__ import annotations

import math
from collections.abc import Iterable

from postmortem.measure.kept_state import algorithm_words
from postmortem.measure.table import CheckpointRow
from postmortem.measure.view import ADAM_KIN, EARLIEST_JUDGED_STEP, View
from postmortem.model import Missing, Optimizer, counted

ADAPTIVE = ADAM_KIN | {"adamax", "prodigy", "dadapt-adam", "ademamix", "adafactor", "lion", "sophia", "muon"}
ADAPTIVE |= {"rmsprop", "adagrad", "adadelta", "rprop"}
"""Algorithms whose steps do not grow with the gradient: they divide it by its own size, or take its sign or directions alone."""
COUPLED = frozenset({"adam", "adamax", "rmsprop", "adagrad", "adadelta"})
"""Algorithms that add weight decay to the gradients."""
_WITHOUT_MOMENTS = frozenset({"sgd", "asgd", "rmsprop", "adagrad", "adadelta", "rprop", "lion", "muon", "adafactor"})
"""Algorithms that do not keep both of Adam's moments. Others are not known well enough to say that they keep none."""
UNKNOWN = frozenset({"", "unknown"})
"""Words for an algorithm that is not known."""


def optimizers_of(view: View) -> tuple[Optimizer, ...]:
    """The optimizers that any checkpoint of the series holds."""
    return tuple(one for row in view.rows if row.source in view.checkpoints for one in view.checkpoints[row.source].optimizers)


def moments_gap(name: str, view: View, otherwise: str, kept_by: Iterable[str] = ADAM_KIN, what: str = "moments as Adam does") -> Missing:
    """Why the optimizer's state does not tell a measure.

    Args:
        otherwise: the reason where the state is there, of the right kind, and not empty; nothing more could have been saved then.
            An empty one means that no step was made only where no matrix moved: else it was left out when it was saved.
        kept_by: algorithms that keep what is asked for.
        what: what they keep, behind "keeps no".
    """
    found = optimizers_of(view)
    kinds = {one.algorithm for one in found}
    if not found:
        return Missing(name, "no checkpoint holds the optimizer's state", "optimizer-state")
    if kinds <= _WITHOUT_MOMENTS - set(kept_by):
        names = " and ".join(map(algorithm_words, sorted(kinds)))
        return Missing(name, f"the optimizer is {names}, which keeps no {what}", "", False)
    late = [row for row in view.rows if row.step is not None and row.step >= EARLIEST_JUDGED_STEP and row.source in view.checkpoints]
    empty = [row for row in late if view.checkpoints[row.source].optimizers and not any(_slots(view, row))]
    if kinds & ADAM_KIN and late and len(empty) == len(late):
        seen = f"the optimizer's state is empty in {counted(len(empty), 'checkpoint')}"
        if _stood_still(view):
            return Missing(name, f"{seen}: it has made no step", "", False)
        return Missing(name, seen, "optimizer-state")
    if not any(_slots(view, row) for row in view.rows):
        return Missing(name, "the optimizer's state is from before the first update", "more-checkpoints")
    return Missing(name, otherwise, "")


def _slots(view: View, row: CheckpointRow) -> tuple[object, ...]:
    checkpoint = view.checkpoints.get(row.source)
    return tuple(slot for one in (checkpoint.optimizers if checkpoint else ()) for slot in one.slots.values())


def _stood_still(view: View) -> bool:
    """Whether no matrix moved between any two checkpoints, of which there are some to compare."""
    deltas = [
        delta.norm for row in view.rows for label, delta in row.deltas.items() if label in view.layers and view.layers[label].is_matrix
    ]
    return bool(deltas) and all(norm == 0 for norm in deltas)


def no_gradient(view: View) -> bool:
    """Whether the optimizer keeps moments of matrices, and every one is zero: no gradient ever reached them."""
    sizes = [
        update.gradient_rms
        for row in view.rows
        for name, update in row.updates.items()
        if name in view.layers and view.layers[name].is_matrix
    ]
    known = [size for size in sizes if math.isfinite(size)]
    return bool(known) and max(known) == 0.0


def movement_gap(name: str, view: View, otherwise: str, least: int) -> Missing:
    """Why consecutive checkpoints do not tell how weights move.

    Args:
        otherwise: the reason where enough finite checkpoints lie between which weights moved.
        least: how many checkpoints the measure takes.
    """
    if len(view.rows) < least:
        return Missing(name, f"{counted(len(view.rows), 'checkpoint')}, {counted(least, 'is', 'are')} needed", "more-checkpoints")
    if _stood_still(view):
        return Missing(name, "no matrix moved between any two checkpoints", "", False)
    if len(view.sound_rows) < len(view.rows):
        return Missing(name, f"{len(view.rows) - len(view.sound_rows)} of {len(view.rows)} checkpoints hold NaN or infinite weights", "")
    return Missing(name, otherwise, "")
