"""The optimizer's last update of a parameter, summed up chunk by chunk, and what its state says of gradients.

How an update follows from the state is in `update_rules`; weight decay is left out of it and has a number of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from postmortem.measure.kernels import LARGE, SMALLEST_SQUARES, Array, Scratch, dot, nonzero, row_sums, widened
from postmortem.measure.table import Floats, UpdateStats
from postmortem.measure.update_rules import UpdatePlan as UpdatePlan
from postmortem.measure.update_rules import plan_update as plan_update
from postmortem.model import Tensor

MAX_VECTOR = 2**20
"""Longest vector whose second moments are kept element by element, and most input units that are summed."""


@dataclass(slots=True, eq=False)
class UpdateSums:
    """Running sums over the chunks of one parameter, in their order."""

    update_squares: float = 0.0
    second_total: float = 0.0
    finite: int = 0
    ratio_total: float = 0.0
    ratio_count: int = 0
    second_zeros: int = 0
    epsilon_bound: int = 0
    nonfinite: int = 0
    stuck: int = 0
    underflow: int = 0
    peaks: list[tuple[int, Floats]] = field(default_factory=list)
    """First unit of a piece, and the largest |m_hat| / sqrt(v_hat) of each of the piece's units."""
    units_second: Floats | None = None
    inputs_second: Floats | None = None
    vector_second: Floats | None = None

    def add(self, other: UpdateSums) -> None:
        """Add the plain sums of a later piece; the arrays are the caller's."""
        self.update_squares += other.update_squares
        self.second_total += other.second_total
        self.finite += other.finite
        self.ratio_total += other.ratio_total
        self.ratio_count += other.ratio_count
        self.second_zeros += other.second_zeros
        self.epsilon_bound += other.epsilon_bound
        self.nonfinite += other.nonfinite
        self.stuck += other.stuck
        self.underflow += other.underflow
        self.peaks += other.peaks


@dataclass(frozen=True, slots=True, eq=False)
class _Loaded:
    """One chunk of a parameter and its state, all flat and of one precision."""

    weights: Array
    first: Array | None
    second: Array
    bound: Array | None
    slow: Array | None
    take: Callable[[str, int], Array]
    """Buffers of that precision."""


def _as_stored(plan: UpdatePlan, start: int, stop: int, raw: Array, scratch: Scratch) -> _Loaded | None:
    """The chunk as it is stored, where all of it is float32 and large enough for rounding to average out."""
    if plan.second is None or raw.dtype != np.float32 or raw.size < LARGE:
        return None
    slots = [None if tensor is None else tensor.read(start, stop) for tensor in (plan.first, plan.second, plan.bound, plan.slow)]
    first, second, bound, slow = slots
    if second is None or any(slot is not None and slot.dtype != np.float32 for slot in slots):
        return None
    return _Loaded(raw, first, second, bound, slow, scratch.singles)


def _in_float64(plan: UpdatePlan, start: int, stop: int, raw: Array, scratch: Scratch) -> _Loaded:
    def load(tensor: Tensor | None, name: str) -> Floats | None:
        if tensor is None:
            return None
        values = scratch.take(name, stop - start)
        np.copyto(values, tensor.read(start, stop))
        return values

    first, second, bound = load(plan.first, "first"), load(plan.second, "second"), load(plan.bound, "bound")
    slow = load(plan.slow, "slow")
    if second is None:
        second = scratch.take("second", stop - start)
        np.multiply(0.0 if first is None else first, 0.0 if first is None else first, out=second)
    return _Loaded(widened(raw, scratch), first, second, bound, slow, scratch.take)


def update_sums(plan: UpdatePlan, start: int, stop: int, raw: Array, width: int, dtype: str, scratch: Scratch) -> tuple[UpdateSums, Array]:
    """Sums over elements [start, stop) of one parameter, and its second moments there (flat, until the next use of `scratch`).

    `raw` are the weights as stored, in rows of `width`; `units_second` of the result has one entry a row. Must run under
    `np.errstate(all="ignore")`.
    """
    loaded = _as_stored(plan, start, stop, raw, scratch)
    if loaded is not None:
        sums = _sums(plan, loaded, raw, start, width, dtype, scratch)
        if sums is not None:
            return sums, loaded.second
    loaded = _in_float64(plan, start, stop, raw, scratch)
    sums = _sums(plan, loaded, raw, start, width, dtype, scratch)
    if sums is None:
        nonfinite, finite = _set_aside(plan, loaded)
        sums = _sums(plan, loaded, raw, start, width, dtype, scratch) or UpdateSums()
        sums.nonfinite, sums.finite = nonfinite, finite
        sums.second_zeros -= raw.size - finite
    return sums, loaded.second


def _sums(plan: UpdatePlan, loaded: _Loaded, raw: Array, start: int, width: int, dtype: str, scratch: Scratch) -> UpdateSums | None:
    """All sums over one chunk; None where something in it is not finite, or too small to be squared in its precision."""
    first, second = loaded.first, loaded.second
    length = second.size
    by_row = row_sums(second.reshape(-1, width))
    sums = UpdateSums(finite=length, units_second=by_row, second_total=float(np.add.reduce(by_row)))
    others = [float(row_sums(values.reshape(1, -1))[0]) for values in (first, loaded.bound, loaded.slow) if values is not None]
    if not math.isfinite(sums.second_total + sum(others)):
        return None
    sums.second_zeros = length - nonzero(second)
    if first is None or plan.rule == "none":
        return sums
    if sums.second_zeros and plan.second is not None and plan.rule != "sized":
        sums.underflow = int(np.count_nonzero((second == 0) & (first != 0)))
    update = _update(plan, loaded, first, start, width, sums, scratch)
    sums.update_squares = dot(update, update)
    if update.dtype == np.float32 and not SMALLEST_SQUARES * length < sums.update_squares < math.inf:
        return None
    sums.stuck = _stuck(raw, loaded, update, dtype, scratch)
    return sums


def _set_aside(plan: UpdatePlan, loaded: _Loaded) -> tuple[int, int]:
    """Zero every element for which a slot is not finite; the number of such slot elements, and of elements left."""
    first, second, bound, slow = loaded.first, loaded.second, loaded.bound, loaded.slow
    bad = np.zeros(second.size, np.bool_)
    count = 0
    for stored, values in ((plan.first, first), (plan.second, second), (plan.bound, bound), (plan.slow, slow)):
        if stored is not None and values is not None:
            wrong = ~np.isfinite(values)
            count += int(np.count_nonzero(wrong))
            bad |= wrong
    bad |= ~np.isfinite(second)  # finite buffers whose squares are not
    for values in (first, second, bound, slow):
        if values is not None:
            values[bad] = 0.0
    return count, int(bad.size - np.count_nonzero(bad))


def _update(plan: UpdatePlan, loaded: _Loaded, first: Array, start: int, width: int, sums: UpdateSums, scratch: Scratch) -> Array:
    """The update of every element, its sign as it is taken off the weight; see `update_rules` for the rules."""
    update = loaded.take("update", first.size)
    if plan.rule == "ratio":
        _ratio_update(plan, loaded, first, update, start, width, sums, scratch)
    elif plan.rule == "straight":
        np.multiply(first, plan.rate, out=update)
    elif plan.rule == "sign":
        np.sign(first, out=update)
        update *= plan.rate
    elif plan.rule == "sized":
        np.sign(first, out=update)
        update *= loaded.second
    else:
        np.multiply(first, plan.first_scale * plan.rate, out=update)
        np.divide(update, loaded.second, out=update)
        if sums.second_zeros:
            update[loaded.second == 0] = 0.0
    return update


def _ratio_update(
    plan: UpdatePlan, loaded: _Loaded, first: Array, update: Array, start: int, width: int, sums: UpdateSums, scratch: Scratch
) -> None:
    """Write the update of Adam and its kin, and count its signal-to-noise ratio and the elements that epsilon holds back."""
    second, length = loaded.second, first.size
    root = np.multiply(second, plan.second_scale, out=loaded.take("root", length))
    np.sqrt(root, out=root)
    size = np.multiply(first, plan.first_scale, out=update)
    ratio = np.divide(size, root, out=loaded.take("ratio", length))
    np.abs(ratio, out=ratio)
    if sums.second_zeros:
        ratio[second == 0] = 0.0
    sums.ratio_count = length - sums.second_zeros
    sums.ratio_total = float(row_sums(ratio.reshape(1, -1))[0])
    _keep_peaks(plan, ratio, start, width, sums)
    if np.minimum.reduce(root) < plan.epsilon:
        held = np.less(root, plan.epsilon, out=scratch.bools(length))
        sums.epsilon_bound = int(np.count_nonzero(held & (first != 0)))
    if loaded.bound is not None:
        np.multiply(loaded.bound, plan.second_scale, out=root)
        np.sqrt(root, out=root)
    root += plan.epsilon
    if loaded.slow is not None:
        size += np.multiply(loaded.slow, plan.slow_scale, out=ratio)
    np.divide(size, root, out=update)
    update *= plan.rate
    if plan.epsilon == 0:
        np.nan_to_num(update, copy=False)


def _keep_peaks(plan: UpdatePlan, ratio: Array, start: int, width: int, sums: UpdateSums) -> None:
    """Keep the largest ratio of each unit: what tells how long ago it had its last gradient."""
    units = plan.shape[0] if plan.shape else 0
    if not 0 < units <= MAX_VECTOR:
        return
    if len(plan.shape) == 1:
        sums.peaks.append((start, ratio.astype(np.float64)))
    else:
        rows = np.maximum.reduce(ratio.reshape(-1, width), axis=1)
        sums.peaks.append((start // math.prod(plan.shape[1:]), rows.astype(np.float64)))


def _stuck(raw: Array, loaded: _Loaded, update: Array, dtype: str, scratch: Scratch) -> int:
    """Elements whose update is not zero and yet leaves the stored weight as it is."""
    length = update.size
    moved = np.subtract(loaded.weights, update, out=loaded.take("root", length))
    if dtype == "float64":
        same = np.equal(moved, loaded.weights, out=scratch.bools(length))
    elif dtype in ("float32", "float16"):
        same = np.equal(moved.astype(raw.dtype, copy=False), raw, out=scratch.bools(length))
    elif dtype == "bfloat16":
        bits = moved.astype(np.float32, copy=False).view(np.uint32)
        rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
        rounded &= np.uint32(0xFFFF0000)
        same = np.equal(rounded.view(np.float32), raw, out=scratch.bools(length))
    else:
        return 0
    return int(np.count_nonzero(same & (update != 0))) if same.any() else 0


def _peaks_by_unit(plan: UpdatePlan, sums: UpdateSums) -> Floats | None:
    if not sums.peaks or plan.scaled_ratio:
        return None
    found = np.zeros(plan.shape[0])
    for unit, peaks in sums.peaks:
        part = found[unit : unit + len(peaks)]
        np.fmax(part, peaks, out=part)
    return found


def _limit(plan: UpdatePlan, sums: UpdateSums, elements: int, weight_norm: float) -> float:
    """What the update's norm cannot pass, where it cannot be rebuilt; NaN where nothing is known."""
    limit = plan.limit * math.sqrt(max(0, elements - sums.second_zeros))
    if plan.limit_floor is not None:
        limit *= max(plan.limit_floor, weight_norm / math.sqrt(max(1, elements)))
    return limit


def finished(plan: UpdatePlan, sums: UpdateSums, elements: int, weight_norm: float, dtype: str) -> UpdateStats:
    """The table's entry from the sums over a whole parameter."""
    rebuilt = plan.rule != "none" and not math.isnan(plan.rate)
    finite = max(1, sums.finite)
    known = rebuilt and not plan.trust and dtype in ("float64", "float32", "float16", "bfloat16")
    norm = math.sqrt(sums.update_squares) if rebuilt else math.nan
    if rebuilt and plan.trust and norm > 0 and weight_norm > 0:
        norm = plan.lr * weight_norm
    return UpdateStats(
        algorithm=plan.algorithm,
        step=plan.step,
        lr=plan.lr,
        update_norm=norm,
        weight_norm=weight_norm,
        gradient_rms=math.sqrt(max(sums.second_total / finite * plan.gradient_scale, 0.0)),
        snr=sums.ratio_total / sums.ratio_count if sums.ratio_count and not plan.scaled_ratio else math.nan,
        second_moment_zero=sums.second_zeros,
        epsilon_bound=sums.epsilon_bound,
        nonfinite=sums.nonfinite,
        units_second=sums.units_second,
        inputs_second=sums.inputs_second,
        vector_second=sums.vector_second,
        stuck=sums.stuck if known else -1,
        basis=plan.basis,
        underflow=sums.underflow,
        decay_norm=plan.decay * weight_norm,
        limit=math.nan if rebuilt else _limit(plan, sums, elements, weight_norm),
        slack=plan.slack if rebuilt else 0.0,
        units_ratio=_peaks_by_unit(plan, sums),
        state_dtype=plan.state_dtype,
    )
