"""The one pass over all bytes of all checkpoints: chunk by chunk, each chunk of every checkpoint in turn, each byte read once.

A tensor is cut into chunks that lie at the same place in every checkpoint of the series. For one chunk the checkpoints are gone
through in order, so that a difference needs the chunk before and nothing else, and memory is a few chunk buffers whatever the files
hold. Runs of chunks are handed to threads (numpy lets go of the interpreter's lock); their sums are merged in the order of the
chunks, so that results do not depend on scheduling.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from postmortem.measure.kernels import CHUNK_ELEMENTS, Array, ChunkSums, DeltaSums, Scratch, chunk_sums, delta_sums, difference
from postmortem.measure.last_update import MAX_VECTOR, UpdatePlan, UpdateSums, finished, plan_update, update_sums
from postmortem.measure.membership import find_series
from postmortem.measure.moments import Moments, merged
from postmortem.measure.table import CheckpointRow, DeltaStats, Floats, TensorStats, TensorTable, UnitStats, UpdateStats
from postmortem.model import Checkpoint, Tensor

_SPAN_CHUNKS = 8
"""Chunks that a thread works through before it hands in its sums."""
_SHAPE_ELEMENTS, _SHAPE_EVERY = 2**22, 8
"""The kurtosis of a tensor with more elements than this is taken from every eighth chunk: half a million elements tell it to two digits,
and third and fourth powers cost a quarter of the pass."""
_MAX_UNITS = 2**20
_MAX_THREADS = 4


@dataclass(frozen=True, slots=True)
class _Box:
    """One chunk: whole rows, or a part of one row."""

    row: int
    rows: int
    column: int
    columns: int
    start: int
    """First element in row-major order."""
    with_shape: bool
    """Whether third and fourth powers are summed."""


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


@dataclass(slots=True, eq=False)
class _Unit:
    """Per-unit sums of one span; each array is as long as the span has units."""

    total: Floats
    squares: Floats
    projection: Floats
    delta: Floats
    second: Floats


@dataclass(slots=True, eq=False)
class _Sums:
    """What one span of one tensor of one checkpoint adds up to."""

    moments: list[Moments] = field(default_factory=list)
    shape: list[Moments] = field(default_factory=list)
    nonfinite: int = 0
    zeros: int = 0
    minimum: float = math.nan
    maximum: float = math.nan
    squares: float = 0.0
    delta_squares: float = 0.0
    equal: int = 0
    dot_before: float = 0.0
    first_squares: float = 0.0
    update: UpdateSums = field(default_factory=UpdateSums)
    units: _Unit | None = None

    def add_chunk(self, chunk: ChunkSums) -> None:
        self.moments.append(chunk.moments)
        if chunk.shape is not None:
            self.shape.append(chunk.shape)
        self.nonfinite += chunk.nonfinite
        self.zeros += chunk.zeros
        self.minimum = float(np.fmin(self.minimum, chunk.minimum))
        self.maximum = float(np.fmax(self.maximum, chunk.maximum))
        self.squares += chunk.squares

    def add_delta(self, delta: DeltaSums) -> None:
        self.delta_squares += delta.squares
        self.equal += delta.equal
        self.dot_before += delta.dot_before

    def add_span(self, other: _Sums) -> None:
        self.moments.extend(other.moments)
        self.shape.extend(other.shape)
        self.nonfinite += other.nonfinite
        self.zeros += other.zeros
        self.minimum = float(np.fmin(self.minimum, other.minimum))
        self.maximum = float(np.fmax(self.maximum, other.maximum))
        self.squares += other.squares
        self.delta_squares += other.delta_squares
        self.equal += other.equal
        self.dot_before += other.dot_before
        self.first_squares += other.first_squares
        self.update.add(other.update)


def _boxes(height: int, width: int) -> Iterator[_Box]:
    """Cut a matrix into chunks: as many whole rows as fit, or parts of rows where one does not."""
    every = 1 if height * width <= _SHAPE_ELEMENTS else _SHAPE_EVERY
    step = max(1, CHUNK_ELEMENTS // max(1, width))
    number = 0
    for row in range(0, height, step):
        for column in range(0, width, CHUNK_ELEMENTS):
            columns = min(CHUNK_ELEMENTS, width - column)
            yield _Box(row, min(step, height - row), column, columns, row * width + column, number % every == 0)
            number += 1


def _spans(height: int, width: int) -> Iterator[list[_Box]]:
    span: list[_Box] = []
    for box in _boxes(height, width):
        span.append(box)
        if len(span) == _SPAN_CHUNKS:
            yield span
            span = []
    if span:
        yield span


def _new_units(track: _Track, height: int, position: int) -> _Unit | None:
    if not track.with_units:
        return None
    delta = np.zeros(height if position else 0)
    second = np.zeros(height if track.plans[position] is not None else 0)
    return _Unit(np.zeros(height), np.zeros(height), np.zeros(height), delta, second)


_local = threading.local()


def _scratch() -> Scratch:
    """This thread's buffers."""
    scratch: Scratch | None = getattr(_local, "scratch", None)
    if scratch is None:
        scratch = _local.scratch = Scratch()
    return scratch


def _pass_span(track: _Track, span: Sequence[_Box]) -> list[_Sums]:
    """Sums of one run of chunks, one entry for each checkpoint of the track."""
    scratch = _scratch()
    base = span[0].row
    height = span[-1].row + span[-1].rows - base
    sums = [_Sums(units=_new_units(track, height, position)) for position in range(len(track.tensors))]
    with np.errstate(all="ignore"):
        for box in span:
            _pass_chunk(track, box, base, sums, scratch)
    for entry in sums:
        entry.moments = [merged(entry.moments)]
        entry.shape = [merged(entry.shape)]
    return sums


def _pass_chunk(track: _Track, box: _Box, base: int, sums: list[_Sums], scratch: Scratch) -> None:
    length = box.rows * box.columns
    stop = box.start + length
    units = slice(box.row - base, box.row - base + box.rows)
    raw_first: Array | None = None
    raw_before: Array | None = None
    changed_before: Array | None = None
    for position, (tensor, plan, entry) in enumerate(zip(track.tensors, track.plans, sums, strict=True)):
        raw = tensor.read(box.start, stop)
        chunk = chunk_sums(raw, box.columns, box.column, track.with_units, box.with_shape, scratch)
        entry.add_chunk(chunk)
        if entry.units is not None and chunk.units is not None:
            entry.units.total[units] += chunk.units.total
            entry.units.squares[units] += chunk.units.squares
            entry.units.projection[units] += chunk.units.projection
        if raw_before is not None:
            changed = difference(raw, raw_before, f"changed {position % 2}", scratch)
            delta = delta_sums(raw, raw_before, changed, changed_before, box.columns, scratch)
            entry.add_delta(delta)
            if entry.units is not None:
                entry.units.delta[units] += delta.row_squares
            changed_before = changed
        if raw_first is not None and position > 1 and track.from_first:
            away = difference(raw, raw_first, "away", scratch)
            entry.first_squares += delta_sums(raw, raw_first, away, None, box.columns, scratch).squares
        if plan is not None:
            _pass_update(track, plan, box, units, raw, tensor.dtype, entry, scratch)
        raw_first = raw if position == 0 else raw_first
        raw_before = raw


def _pass_update(track: _Track, plan: UpdatePlan, box: _Box, units: slice, raw: Array, dtype: str, entry: _Sums, scratch: Scratch) -> None:
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


# --- merging the spans of one track -----------------------------------------------------------------------------------


def _merge_arrays(track: _Track, whole: _Sums, part: _Sums, span: Sequence[_Box]) -> None:
    """Add a span's arrays to the whole tensor's, in the order of spans."""
    if whole.units is not None and part.units is not None:
        units = slice(span[0].row, span[-1].row + span[-1].rows)
        whole.units.total[units] += part.units.total
        whole.units.squares[units] += part.units.squares
        whole.units.projection[units] += part.units.projection
        if whole.units.delta.size:
            whole.units.delta[units] += part.units.delta
        if whole.units.second.size:
            whole.units.second[units] += part.units.second
    for name in ("inputs_second", "vector_second"):
        found: Floats | None = getattr(part.update, name)
        if found is not None:
            so_far: Floats | None = getattr(whole.update, name)
            setattr(whole.update, name, found if so_far is None else so_far + found)


def _tensor_stats(tensor: Tensor, sums: _Sums) -> TensorStats:
    moments = merged(sums.moments)
    mean, variance, kurtosis = moments.mean, moments.variance, merged(sums.shape).kurtosis
    if sums.minimum == sums.maximum:  # a constant: its mean and variance are exact, whatever rounding says
        mean, variance, kurtosis = sums.minimum, 0.0, math.nan
    units = None if sums.units is None else UnitStats(sums.units.total, sums.units.squares, sums.units.projection)
    return TensorStats(
        shape=tensor.shape,
        dtype=tensor.dtype,
        elements=math.prod(tensor.shape),
        nonfinite=sums.nonfinite,
        zeros=sums.zeros,
        mean=mean,
        variance=variance,
        kurtosis=kurtosis,
        minimum=sums.minimum,
        maximum=sums.maximum,
        norm=math.sqrt(sums.squares),
        units=units,
    )


def _cosine(product: float, left_squares: float, right_squares: float) -> float:
    size = math.sqrt(left_squares) * math.sqrt(right_squares)
    return max(-1.0, min(1.0, product / size)) if size > 0 and math.isfinite(product) and math.isfinite(size) else math.nan


def _delta_stats(sums: _Sums, before: _Sums, has_before: bool) -> DeltaStats:
    # The dot product of two tensors follows from three norms; it needs no pass of its own.
    product = (sums.squares + before.squares - sums.delta_squares) / 2
    return DeltaStats(
        norm=math.sqrt(sums.delta_squares),
        equal=sums.equal,
        cosine_before=_cosine(sums.dot_before, sums.delta_squares, before.delta_squares) if has_before else math.nan,
        cosine_weights=_cosine(product, sums.squares, before.squares),
        units_norm=None if sums.units is None else np.sqrt(sums.units.delta),
    )


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


def _fill(rows: Sequence[_Row], track: _Track, sums: Sequence[_Sums]) -> None:
    """Put one track's statistics where they belong."""
    for position, (tensor, entry, plan) in enumerate(zip(track.tensors, sums, track.plans, strict=True)):
        row = rows[track.first_row + position]
        stats = _tensor_stats(tensor, entry)
        row.tensors[track.name] = stats
        if position:
            delta = _delta_stats(entry, sums[position - 1], position > 1)
            row.deltas[track.name] = delta
            if track.from_first:
                row.from_first[track.name] = delta.norm if position == 1 else math.sqrt(entry.first_squares)
        if plan is not None:
            update = finished(plan, entry.update, stats.elements, stats.norm, tensor.dtype)
            row.updates[track.name] = replace(update, units_second=None if entry.units is None else entry.units.second)


def _threads() -> int:
    return max(1, min(_MAX_THREADS, os.cpu_count() or 1))


def _run(tracks: Sequence[_Track], rows: Sequence[_Row]) -> None:
    """Pass over every track, and merge what the threads hand in, in order."""
    work = [(track, span) for track in tracks for span in _spans(track.height, track.width)]
    with ThreadPoolExecutor(_threads()) as pool:
        results = pool.map(lambda item: _pass_span(*item), work)
        position = 0
        for track in tracks:
            whole = [_Sums(units=_new_units(track, track.height, index)) for index in range(len(track.tensors))]
            while position < len(work) and work[position][0] is track:
                span = work[position][1]
                for entry, part in zip(whole, next(results), strict=True):
                    entry.add_span(part)
                    _merge_arrays(track, entry, part, span)
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
    _run(_tracks(members.series, members.others), rows)
    finished_rows = tuple(_row(checkpoint, row) for checkpoint, row in zip(everything, rows, strict=True))
    split = len(members.series)
    order = members.series[-1].order if members.series else "no checkpoints"
    return TensorTable(finished_rows[:split], order, members.notes, finished_rows[split:])
