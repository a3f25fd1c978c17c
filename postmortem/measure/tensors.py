"""The one pass over all bytes of all checkpoints: box by box, each box of every checkpoint in turn, each byte read once.

A tensor is cut into boxes that lie at the same place in every checkpoint of the series. For one box the checkpoints are gone
through in order, so that a difference needs the box before and nothing else, and memory is a few buffers whatever the files
hold. Spans of boxes are handed to processes, or threads; their sums are merged in the order of the boxes, so that results do not
depend on scheduling.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from postmortem.measure.boxes import Box, most_elements, spans
from postmortem.measure.codes import Array, form_of, marks
from postmortem.measure.fingerprints import box_sum, in_words
from postmortem.measure.kernels import LARGE, Scratch, Wanted, change_squares, chunk_sums, delta_sums, difference
from postmortem.measure.last_update import MAX_VECTOR, UpdatePlan, finished, plan_update, update_sums
from postmortem.measure.membership import find_series
from postmortem.measure.quantiles import sample, stride
from postmortem.measure.sums import Sums, delta_stats, tensor_stats, unit_sums
from postmortem.measure.table import CheckpointRow, DeltaStats, TensorStats, TensorTable, UpdateStats
from postmortem.measure.workers import in_processes, in_threads
from postmortem.model import Checkpoint, Tensor

_MAX_UNITS = 2**20
_SMALL = 2**19
"""Most elements of a tensor whose distance from the first checkpoint is measured in every checkpoint, and not in the last only."""
_WORTH_THREADS, _WORTH_PROCESSES = 2**21, 2**24
"""Elements of all checkpoints together from which on sharing the work pays: below, the pass takes some thousandths of a second in
one thread, and some hundredths in threads."""


@dataclass(frozen=True, slots=True, eq=False)
class _Track:
    """One tensor through consecutive checkpoints that hold it in the same shape."""

    name: str
    first_row: int
    """Index, within the rows of the pass, of the first of these checkpoints."""
    tensors: tuple[Tensor, ...]
    plans: tuple[UpdatePlan | None, ...]
    height: int
    """Units; 1 where the tensor has none."""
    width: int
    with_units: bool
    with_inputs: bool
    """It is a matrix whose input units are summed."""
    from_first: bool
    """The first of them is the first of the series."""
    most: int
    """Most elements of a box."""
    stride: int
    """Every so many elements one is kept for the quantiles."""

    @property
    def elements(self) -> int:
        """Of one of them."""
        return self.height * self.width

    def measures_distance(self, position: int) -> bool:
        """Whether that checkpoint's distance from the first is measured."""
        return self.from_first and (position == len(self.tensors) - 1 or self.elements <= _SMALL)

    def new_sums(self, height: int, position: int) -> Sums:
        """Of nothing yet, for so many units of one of the checkpoints."""
        return Sums(unit_sums(height, position > 0, self.plans[position] is not None) if self.with_units else None)


_local = threading.local()


def _scratch() -> Scratch:
    """This thread's buffers."""
    scratch: Scratch | None = getattr(_local, "scratch", None)
    if scratch is None:
        scratch = _local.scratch = Scratch()
    return scratch


def _pass_span(item: tuple[_Track, Sequence[Box]]) -> list[Sums]:
    """Sums of one run of boxes, one entry for each checkpoint of the track."""
    track, span = item
    scratch = _scratch()
    base = span[0].row
    height = span[-1].row + span[-1].rows - base
    sums = [track.new_sums(height, position) for position in range(len(track.tensors))]
    with np.errstate(all="ignore"):
        for box in span:
            _pass_box(track, box, base, sums, scratch)
    for entry in sums:
        entry.close()
    return sums


@dataclass(slots=True, eq=False)
class _Piece:
    """One box of one checkpoint."""

    stored: Array
    """In this machine's byte order."""
    values: Array
    """As numbers: the same, or widened to float32."""


def _piece(tensor: Tensor, box: Box, single: bool, name: str, scratch: Scratch) -> _Piece:
    stored = tensor.stored(box.start, box.start + box.rows * box.columns)
    flags = stored.flags
    if not (flags.c_contiguous and flags.aligned and stored.dtype.isnative):
        stored = np.array(stored, stored.dtype.newbyteorder("="), order="C")
    values = tensor.widen(stored, scratch.singles(name, stored.size))
    if single and values.dtype == np.float16:
        values = scratch.singles(name, stored.size)
        np.copyto(values, stored)
    return _Piece(stored, values)


def _pass_box(track: _Track, box: Box, base: int, sums: Sequence[Sums], scratch: Scratch) -> None:
    units = slice(box.row - base, box.row - base + box.rows)
    single = track.elements >= LARGE
    wanted = Wanted(box.columns, box.column, track.with_units, box.with_shape, single)
    first: Array | None = None
    before: Array | None = None
    changed_before: Array | None = None
    for position, (tensor, plan, entry) in enumerate(zip(track.tensors, track.plans, sums, strict=True)):
        piece = _piece(tensor, box, single, f"values {position % 2}" if position else "values first", scratch)
        values = piece.values
        _add_box(entry, track, tensor.dtype, piece, box, units, wanted, scratch)
        if before is not None:
            changed = difference(values, before, single, f"changed {position % 2}", scratch)
            delta = delta_sums(values, before, changed, changed_before, box.columns, scratch)
            entry.add_delta(delta)
            if entry.units is not None:
                entry.units.delta[units] += delta.row_squares
            changed_before = changed
        if first is None:
            first = values
        elif position > 1 and track.measures_distance(position):
            away = difference(values, first, single, "away", scratch)
            _, squares = change_squares(values, first, away, box.columns, scratch)
            entry.first_squares += squares if math.isfinite(squares) else math.nan
        if plan is not None:
            raw = piece.stored if piece.stored.dtype.kind == "f" else values
            _pass_update(track, plan, box, units, raw, tensor.dtype, entry, scratch)
        before = values


def _add_box(entry: Sums, track: _Track, dtype: str, piece: _Piece, box: Box, units: slice, wanted: Wanted, scratch: Scratch) -> None:
    """The statistics of one box of one checkpoint."""
    entry.form = form_of(dtype, piece.stored)
    found = marks(piece.values if entry.form is None else piece.stored, entry.form)
    chunk = chunk_sums(piece.values, found, wanted, scratch)
    entry.marks.add(found)
    entry.moments.append(chunk.moments)
    if wanted.shape:
        entry.shape.append(chunk.moments)
    entry.squares += chunk.squares
    entry.content += box_sum(piece.stored, box.start, in_words(track.width * piece.stored.dtype.itemsize))
    entry.sample.append(sample(piece.values, box.start, track.stride))
    if entry.units is not None and chunk.projection is not None:
        entry.units.pairs[:, units] += chunk.rows
        entry.units.projection[units] += chunk.projection


def _pass_update(track: _Track, plan: UpdatePlan, box: Box, units: slice, raw: Array, dtype: str, entry: Sums, scratch: Scratch) -> None:
    """The same chunk's share of the optimizer's state."""
    update, second = update_sums(plan, box.start, box.start + raw.size, raw, box.columns, dtype, scratch)
    entry.update.add(update)
    if entry.units is not None and update.units_second is not None:
        entry.units.second[units] += update.units_second
    if track.with_inputs:
        if entry.update.inputs_second is None:
            entry.update.inputs_second = np.zeros(track.width)
        inputs = np.add.reduce(second.reshape(-1, box.columns), axis=0, dtype=np.float64)
        entry.update.inputs_second[box.column : box.column + box.columns] += inputs
    if len(track.tensors[0].shape) == 1 and track.width <= MAX_VECTOR:
        if entry.update.vector_second is None:
            entry.update.vector_second = np.zeros(track.width)
        entry.update.vector_second[box.start : box.start + second.size] = second


# --- tracks -----------------------------------------------------------------------------------------------------------


def _track(name: str, first_row: int, checkpoints: Sequence[Checkpoint], from_first: bool) -> _Track:
    tensors = tuple(checkpoint.tensors[name] for checkpoint in checkpoints)
    shape = tensors[0].shape
    elements = math.prod(shape)
    floating = all("float" in tensor.dtype for tensor in tensors)
    with_units = floating and len(shape) >= 2 and 0 < shape[0] <= _MAX_UNITS and elements > 0
    height = shape[0] if with_units else min(1, elements)
    width = elements // height if height else 0
    plans = tuple(plan_update(checkpoint, name) for checkpoint in checkpoints)
    return _Track(
        name,
        first_row,
        tensors,
        plans,
        height,
        width,
        with_units,
        with_inputs=with_units and len(shape) == 2 and width <= MAX_VECTOR,
        from_first=from_first,
        most=most_elements({tensor.dtype for tensor in tensors}),
        stride=stride(elements, width),
    )


def _tracks(series: Sequence[Checkpoint], others: Sequence[Checkpoint]) -> list[_Track]:
    """Every tensor of every checkpoint, once: through the series where shapes agree, alone elsewhere. In depth order of the last."""
    names = dict.fromkeys(name for checkpoint in reversed(series) for name in checkpoint.tensors)
    tracks = []
    for name in names:
        start = 0
        while start < len(series):
            if name not in series[start].tensors:
                start += 1
                continue
            shape = series[start].tensors[name].shape
            stop = start + 1
            while stop < len(series) and name in series[stop].tensors and series[stop].tensors[name].shape == shape:
                stop += 1
            tracks.append(_track(name, start, series[start:stop], from_first=start == 0))
            start = stop
    for index, checkpoint in enumerate(others, start=len(series)):
        tracks += [_track(name, index, [checkpoint], from_first=False) for name in checkpoint.tensors]
    return tracks


@dataclass(slots=True, eq=False)
class _Row:
    """One checkpoint's statistics while they come in."""

    tensors: dict[str, TensorStats] = field(default_factory=dict)
    deltas: dict[str, DeltaStats] = field(default_factory=dict)
    from_first: dict[str, float] = field(default_factory=dict)
    updates: dict[str, UpdateStats] = field(default_factory=dict)


def _fill(rows: Sequence[_Row], track: _Track, sums: Sequence[Sums]) -> None:
    """Put one track's statistics where they belong."""
    for position, (tensor, entry, plan) in enumerate(zip(track.tensors, sums, track.plans, strict=True)):
        row = rows[track.first_row + position]
        stats = tensor_stats(tensor, entry)
        row.tensors[track.name] = stats
        if position:
            delta = delta_stats(entry, sums[position - 1], position > 1)
            row.deltas[track.name] = delta
            if track.from_first:
                if position == 1:
                    row.from_first[track.name] = delta.norm
                elif track.measures_distance(position):
                    row.from_first[track.name] = math.sqrt(entry.first_squares)
        if plan is not None:
            update = finished(plan, entry.update, stats.elements, stats.norm, tensor.dtype)
            row.updates[track.name] = replace(update, units_second=None if entry.units is None else entry.units.second)


def _run(tracks: Sequence[_Track], rows: Sequence[_Row]) -> None:
    """Pass over every track, and merge what the workers hand in, in order."""
    work = [(track, span) for track in tracks for span in spans(track.height, track.width, track.most)]
    elements = sum(track.elements * len(track.tensors) for track in tracks)
    if elements >= _WORTH_PROCESSES:
        results = in_processes(_pass_span, work)
    else:
        results = in_threads(_pass_span, work) if elements >= _WORTH_THREADS else map(_pass_span, work)
    position = 0
    for track in tracks:
        whole = [track.new_sums(track.height, index) for index in range(len(track.tensors))]
        while position < len(work) and work[position][0] is track:
            span = work[position][1]
            for entry, part in zip(whole, next(results), strict=True):
                entry.add_span(part, span)
            position += 1
        _fill(rows, track, whole)


def _in_order(checkpoint: Checkpoint, found: Mapping[str, TensorStats]) -> dict[str, TensorStats]:
    return {name: found[name] for name in checkpoint.tensors}


def _row(checkpoint: Checkpoint, row: _Row) -> CheckpointRow:
    return CheckpointRow(
        checkpoint.source,
        checkpoint.step,
        _in_order(checkpoint, row.tensors),
        {name: row.deltas[name] for name in checkpoint.tensors if name in row.deltas},
        {name: row.from_first[name] for name in checkpoint.tensors if name in row.from_first},
        {name: row.updates[name] for name in checkpoint.tensors if name in row.updates},
    )


def pass_over(checkpoints: Sequence[Checkpoint]) -> TensorTable:
    """Read every byte of every checkpoint once, and tabulate what all measures of weights, updates and units are derived from.

    The rows are the checkpoints that make one series, in order; those that do not (copies of a step, unknown steps, other
    architectures) stand in `others`, and `notes` say why. Results are the same to the last bit however threads are scheduled.
    """
    members = find_series(checkpoints)
    everything = [*members.series, *members.others]
    rows = [_Row() for _ in everything]
    tracks = _tracks(members.series, members.others)
    _run(tracks, rows)
    finished_rows = tuple(_row(checkpoint, row) for checkpoint, row in zip(everything, rows, strict=True))
    split = len(members.series)
    order = members.series[-1].order if members.series else "no checkpoints"
    return TensorTable(finished_rows[:split], order, members.notes, finished_rows[split:])
