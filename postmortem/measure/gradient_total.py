"""The norm of the whole gradient, from the optimizer's state or from how far plain SGD moved the weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from postmortem.measure.gaps import ADAPTIVE
from postmortem.measure.kept_state import algorithm_words
from postmortem.measure.table import TensorTable
from postmortem.measure.view import Found, View, at_step, span, view_of
from postmortem.model import Checkpoint, Measurement, Missing, counted

NAME = "gradients.total"


def measure_gradient_total(table: TensorTable, checkpoints: Sequence[Checkpoint], algorithm: str) -> Iterator[Measurement | Missing]:
    """`gradients.total`: norm over all parameters of SGD's averaged gradient, the largest among the checkpoints.

    From momentum buffers times (1 - momentum); without any, the first distance between checkpoints over the learning rates in between.
    An average is shorter than what it is of: by (1 - momentum) / (1 + momentum) under the root, 0.23 at a momentum of 0.9, where
    gradients are pure noise, and not at all where they agree. Items: by checkpoint.
    """
    if not table.rows:
        yield Missing(NAME, "the run has no readable checkpoint", "checkpoint")
    elif algorithm != "sgd":
        if algorithm in ADAPTIVE:
            told = f"{algorithm_words(algorithm)} takes gradients by their own size, so that short ones hold nothing back"
            yield Missing(NAME, told, "", applies=False)
        else:
            told = "neither a checkpoint nor a setting tells an optimizer that is known to keep its gradients' length"
            yield Missing(NAME, told, "optimizer-state")
    else:
        view = view_of(table, checkpoints)
        yield _from_buffers(view) or _from_distance(view)


def _from_buffers(view: View) -> Measurement | None:
    items: dict[str, float] = {}
    for row in view.rows:
        squares = [
            update.gradient_rms**2 * row.tensors[name].elements
            for name, update in row.updates.items()
            if name in row.tensors and math.isfinite(update.gradient_rms)
        ]
        if squares and sum(squares) > 0:
            items[at_step(row)] = math.sqrt(sum(squares))
    if not items:
        return None
    label = max(items, key=lambda name: items[name])
    return Measurement(
        NAME, items[label], "gradient norm", f"momentum buffers at {label}, largest of {counted(len(items), 'checkpoint')}", None, items
    )


def _from_distance(view: View) -> Found:
    for before, after in zip(view.rows, view.rows[1:], strict=False):
        steps = after.step - before.step if after.step is not None and before.step is not None else 0
        rate = 0.5 * (view.rate(before) + view.rate(after))
        squares = [
            delta.norm**2
            for name, delta in after.deltas.items()
            if name in view.layers and view.layers[name].is_parameter and math.isfinite(delta.norm)
        ]
        if steps > 0 and rate > 0 and squares and sum(squares) > 0:
            value = math.sqrt(sum(squares)) / (steps * rate)
            basis = f"distance over {span(before, after)}, {counted(steps, 'step')} at {rate:.3g}"
            return Measurement(NAME, value, "gradient norm", basis, after.step, {at_step(after): value})
    return Missing(NAME, "no momentum buffers, and no two checkpoints of known steps and learning rate that differ", "optimizer-groups")
