"""What the optimizer's second moments at the head tell of the errors that the model makes on its training records.

The gradient of a head's bias is the mean over the batch of what the model answers less what it should. Averaged over steps, its square is
the variance of these errors over the batch size: the sum over classes, times the batch size, is the Brier score of the training records,
which stands at 1 - 1/C for a model that knows nothing and at 0 for one that is always right. Adam's and RMSprop's running averages of
squares can be taken apart into what each stretch between two checkpoints added, so that a learning curve can be read where no loss was
logged. Row by row the same squares tell how often each class occurs among the errors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from postmortem.measure.epochs import records_a_step
from postmortem.measure.gaps import moments_gap
from postmortem.measure.layers import Layer
from postmortem.measure.smooth import Floats, ratio
from postmortem.measure.table import CheckpointRow, TensorTable
from postmortem.measure.view import ADAM_KIN, Found, View, missing, view_of
from postmortem.model import Checkpoint, Measurement, Missing, Plain, counted

NAMES = ("head.residual_trend", "head.residual", "head.effective_classes")
MOST_UNITS = 1000
"""Wider heads are those of vocabularies, in which most units are rare as they should be."""
LEAST_CLASSES = 3
"""The two units of a head for two classes have the same gradient but for its sign."""
MOST_ELEMENTS = 4_000_000


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """Squares of one tensor's gradients at one checkpoint, as the optimizer averages them."""

    step: int
    squares: Floats
    """One number an output unit of the head."""
    decay: float


def measure_residuals(table: TensorTable, checkpoints: Sequence[Checkpoint], known: Mapping[str, Plain]) -> Iterator[Found]:
    """`head.residual_trend`, `head.residual` and `head.effective_classes`. `known`: the run's settings."""
    if not table.rows:
        yield from missing(NAMES, "the run has no readable checkpoint", "checkpoint")
        return
    view = view_of(table, checkpoints)
    heads = [layer for layer in view.matrices if layer.is_head and layer.is_parameter and not layer.net and layer.name not in view.tied]
    if not heads:
        yield from missing(NAMES, "the checkpoint holds no head", "checkpoint")
        return
    head = heads[-1]
    biases = _states(view, head, head.bias) if head.bias else []
    rows = _states(view, head, head.name)
    yield _trend(view, biases or rows, head)
    yield _residual(biases, head, known)
    yield _effective(view, rows, head)


def windows(states: Sequence[_State]) -> list[tuple[int, Floats]]:
    """Mean square of the gradients between one state and the next, and the step at its end; the first from the beginning on.

    An average of squares with decay b that stood at v and stands n steps later at w has been given (w - b^n v) / (1 - b^n) since.
    """
    found: list[tuple[int, Floats]] = []
    before, last = np.zeros_like(states[0].squares), 0
    for state in states:
        kept = state.decay ** (state.step - last)
        found.append((state.step, np.maximum(state.squares - kept * before, 0.0) / (1 - kept)))
        before, last = state.squares, state.step
    return found


def _states(view: View, head: Layer, name: str) -> list[_State]:
    """States of rising steps at which the optimizer keeps squares of this tensor's gradients."""
    found: list[_State] = []
    for row in view.rows:
        state = _state(view, row, head, name)
        if state is not None and state.step > (found[-1].step if found else 0):
            found.append(state)
    return found


def _state(view: View, row: CheckpointRow, head: Layer, name: str) -> _State | None:
    checkpoint = view.checkpoints.get(row.source)
    for optimizer in checkpoint.optimizers if checkpoint is not None else ():
        slots = optimizer.slots.get(name, {})
        slot, decay = slots.get("exp_avg_sq"), (view.betas(row, name) or (0.9, 0.999))[1]
        if slot is None or optimizer.algorithm not in ADAM_KIN:
            slot, decay = slots.get("square_avg"), view.setting(row, name, "alpha") or 0.99
        step = optimizer.steps.get(name) or row.step
        size = math.prod(slot.shape) if slot is not None else 0
        if slot is None or not step or not 0 < decay < 1 or not 0 < size <= MOST_ELEMENTS or size % head.fan_out:
            continue
        values: Floats = np.asarray(slot.read(0, size), dtype=np.float64)
        if not bool(np.isfinite(values).all()):
            return None
        if values.size > head.fan_out:
            values = values.reshape(-1, head.fan_out).mean(axis=0) if head.transposed else values.reshape(head.fan_out, -1).mean(axis=1)
        return _State(int(step), values, decay)
    return None


def _trend(view: View, states: Sequence[_State], head: Layer) -> Found:
    """Mean square of the head's gradients in the last stretch between checkpoints over that in the first one."""
    name = NAMES[0]
    if len(states) < 2:
        return _unknown(name, view, head, len(states))
    sums = [(step, float(squares.sum())) for step, squares in windows(states)]
    if sums[0][1] <= 0:
        return Missing(name, f"no gradient reached {head.name} before step {sums[0][0]}", "", applies=False)
    items = {f"to step {step}": value for step, value in sums}
    told = f"squares of gradients of {head.bias or head.name} in the stretch to step {sums[-1][0]} over those up to step {sums[0][0]}"
    return Measurement(name, ratio(sums[-1][1], sums[0][1]), "ratio", told, sums[-1][0], items, head.name)


def _residual(states: Sequence[_State], head: Layer, known: Mapping[str, Plain]) -> Found:
    """Brier score of the training records in the last stretch, over that of a model that knows nothing."""
    name, batch = NAMES[1], records_a_step(known)
    if not states:
        return Missing(name, "no checkpoint holds squares of the gradients of the head's bias", "optimizer-state")
    if batch is None:
        return Missing(name, "no setting gives the batch size", "batch-size")
    if not 2 <= head.fan_out <= MOST_UNITS:
        return Missing(name, f"a head with {counted(head.fan_out, 'unit')} is none over classes", "", applies=False)
    step, squares = windows(states)[-1]
    brier = float(squares.sum()) * batch[0]
    told = f"squares of gradients of {head.bias} in the stretch to step {step}, times {batch[1]}: a Brier score of {brier:.3g}"
    return Measurement(name, brier / (1 - 1 / head.fan_out), "ratio", told, step, text=head.name)


def _unknown(name: str, view: View, head: Layer, states: int) -> Missing:
    """Why too few checkpoints hold squares of the head's gradients."""
    if states:
        files = counted(states, "checkpoint holds", "checkpoints hold")
        return Missing(name, f"{files} squares of the head's gradients, two are needed", "more-checkpoints")
    told = f"the optimizer's entries could not be joined to {head.name}"
    return moments_gap(name, view, told, ADAM_KIN | {"rmsprop"}, "squares of gradients")


def _effective(view: View, states: Sequence[_State], head: Layer) -> Found:
    """Effective number of classes among the head's errors, exp of their entropy, over the number of units."""
    name = NAMES[2]
    if not states:
        return _unknown(name, view, head, 0)
    if not LEAST_CLASSES <= head.fan_out <= min(MOST_UNITS, head.fan_in):
        told = (
            f"a head of {counted(head.fan_out, 'unit')} on {counted(head.fan_in, 'feature')} is none over {LEAST_CLASSES} classes or more"
        )
        return Missing(name, told, "", applies=False)
    if view.matrices[0].fan_in == head.fan_out or any(
        layer.kind == "embedding" and layer.shape[0] == head.fan_out for layer in view.layers.values()
    ):
        return Missing(name, f"{head.name} gives back as many numbers as come in: its units are no classes", "", applies=False)
    # The first state, before the model has learned some classes better than others: then errors are as frequent as their classes.
    squares = states[0].squares
    if not float(squares.sum()) > 0:
        return Missing(name, f"no gradient reached {head.name}", "", applies=False)
    shares = squares / squares.sum()
    entropy = -float(np.sum(shares[shares > 0] * np.log(shares[shares > 0])))
    items = {f"unit {unit}": float(share) for unit, share in enumerate(shares)}
    told = f"squares of gradients of the {counted(head.fan_out, 'unit')} of {head.name} at step {states[0].step}"
    return Measurement(name, math.exp(entropy) / head.fan_out, "share", told, states[0].step, items, head.name)
