"""The optimizer's last update of a parameter, rebuilt from its state, and what that state says of gradients.

Adam and AdamW: lr * m_hat / (sqrt(v_hat) + eps), with the group's betas and the parameter's own step. SGD with momentum: lr * buffer.
Weight decay is left out: coupled decay is within the moments, decoupled decay is no update by the gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from postmortem.measure.kernels import LARGE, SMALLEST_SQUARES, Array, Scratch, dot, nonzero, row_sums, widened
from postmortem.measure.table import Floats, UpdateStats
from postmortem.model import Checkpoint, Optimizer, Tensor

MAX_VECTOR = 2**20
"""Longest vector whose second moments are kept element by element, and most input units that are summed."""


@dataclass(frozen=True, slots=True, eq=False)
class UpdatePlan:
    """How one parameter's last update is rebuilt."""

    algorithm: str
    basis: str
    step: int | None
    lr: float
    rule: Literal["adam", "momentum", "none"]
    first: Tensor | None
    """First moment, or momentum buffer."""
    second: Tensor | None
    """Second moment; None where the squared buffer stands for it."""
    bound: Tensor | None
    """Running maximum of the second moment (amsgrad)."""
    first_scale: float
    """1 / (1 - beta1^t)."""
    second_scale: float
    """1 / (1 - beta2^t)."""
    epsilon: float
    gradient_scale: float
    """Mean of the second moments times this is the mean square of gradients."""


def _number(settings: Mapping[str, object], key: str, default: float) -> float:
    value = settings.get(key)
    return float(value) if isinstance(value, (int, float)) else default


def _betas(settings: Mapping[str, object]) -> tuple[float, float]:
    value = settings.get("betas")
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(beta, (int, float)) for beta in value):
        return float(value[0]), float(value[1])
    return 0.9, 0.999


def _unbias(beta: float, step: int | None) -> float:
    """1 / (1 - beta^t); 1 where the step is not known."""
    if step is None or step < 1:
        return 1.0
    left = 1.0 - beta**step
    return 1.0 / left if left > 0 else 1.0


def _plan(optimizer: Optimizer, name: str, shape: tuple[int, ...]) -> UpdatePlan | None:
    """How to rebuild the update of one parameter; None where the state holds nothing of its shape."""
    slots = {slot: tensor for slot, tensor in optimizer.slots.get(name, {}).items() if tensor.shape == shape}
    group = optimizer.group_of.get(name)
    settings: Mapping[str, object] = optimizer.groups[group] if group is not None and group < len(optimizer.groups) else {}
    lr = _number(settings, "lr", math.nan)
    step = optimizer.steps.get(name)
    plan = UpdatePlan(optimizer.algorithm, "", step, lr, "none", None, None, None, 1.0, 1.0, 0.0, 1.0)
    if "exp_avg_sq" in slots and "exp_avg" in slots:
        beta1, beta2 = _betas(settings)
        scale = _unbias(beta2, step)
        known = optimizer.algorithm in ("adam", "adamw")
        basis = "lr * m_hat / (sqrt(v_hat) + eps)" + ("" if step is not None else ", without bias correction: the step is unknown")
        return replace(
            plan,
            basis=basis if known else "two moments of an optimizer that steps in its own way",
            rule="adam" if known else "none",
            first=slots["exp_avg"],
            second=slots["exp_avg_sq"],
            bound=slots.get("max_exp_avg_sq"),
            first_scale=_unbias(beta1, step),
            second_scale=scale,
            epsilon=_number(settings, "eps", 1e-8),
            gradient_scale=scale,
        )
    momentum = _number(settings, "momentum", 0.9)
    if "square_avg" in slots:
        rule: Literal["momentum", "none"] = "momentum" if "momentum_buffer" in slots else "none"
        basis = "lr * momentum buffer" if rule == "momentum" else "the last gradient is not kept"
        scale = _unbias(_number(settings, "alpha", 0.99), step)
        return replace(
            plan,
            basis=basis,
            rule=rule,
            first=slots.get("momentum_buffer"),
            second=slots["square_avg"],
            second_scale=scale,
            gradient_scale=scale,
        )
    if "sum" in slots:
        return replace(plan, basis="the last gradient is not kept", second=slots["sum"], gradient_scale=1.0 / step if step else 1.0)
    if "momentum_buffer" in slots:
        nesterov = " (Nesterov adds the last gradient, which is not kept)" if settings.get("nesterov") is True else ""
        return replace(
            plan,
            basis=f"lr * momentum buffer{nesterov}",
            rule="momentum" if optimizer.algorithm == "sgd" else "none",
            first=slots["momentum_buffer"],
            gradient_scale=(1.0 - momentum) ** 2,
        )
    return None


def plan_update(checkpoint: Checkpoint, name: str) -> UpdatePlan | None:
    """How to rebuild the last update of one parameter of a checkpoint; None where no optimizer of it holds its state."""
    shape = checkpoint.tensors[name].shape
    for optimizer in checkpoint.optimizers:
        if name in optimizer.slots:
            return _plan(optimizer, name, shape)
    return None


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


@dataclass(frozen=True, slots=True, eq=False)
class _Loaded:
    """One chunk of a parameter and its state, all flat and of one precision."""

    weights: Array
    first: Array | None
    second: Array
    bound: Array | None
    take: Callable[[str, int], Array]
    """Buffers of that precision."""


def _as_stored(plan: UpdatePlan, start: int, stop: int, raw: Array, scratch: Scratch) -> _Loaded | None:
    """The chunk as it is stored, where all of it is float32 and large enough for rounding to average out."""
    if plan.second is None or raw.dtype != np.float32 or raw.size < LARGE:
        return None
    slots = [None if tensor is None else tensor.read(start, stop) for tensor in (plan.first, plan.second, plan.bound)]
    first, second, bound = slots
    if second is None or any(slot is not None and slot.dtype != np.float32 for slot in slots):
        return None
    return _Loaded(raw, first, second, bound, scratch.singles)


def _in_float64(plan: UpdatePlan, start: int, stop: int, raw: Array, scratch: Scratch) -> _Loaded:
    def load(tensor: Tensor | None, name: str) -> Floats | None:
        if tensor is None:
            return None
        values = scratch.take(name, stop - start)
        np.copyto(values, tensor.read(start, stop))
        return values

    first, second, bound = load(plan.first, "first"), load(plan.second, "second"), load(plan.bound, "bound")
    if second is None:
        second = scratch.take("second", stop - start)
        np.multiply(0.0 if first is None else first, 0.0 if first is None else first, out=second)
    return _Loaded(widened(raw, scratch), first, second, bound, scratch.take)


def update_sums(plan: UpdatePlan, start: int, stop: int, raw: Array, width: int, dtype: str, scratch: Scratch) -> tuple[UpdateSums, Array]:
    """Sums over elements [start, stop) of one parameter, and its second moments there (flat, until the next use of `scratch`).

    `raw` are the weights as stored, in rows of `width`; `units_second` of the result has one entry a row. Must run under
    `np.errstate(all="ignore")`.
    """
    loaded = _as_stored(plan, start, stop, raw, scratch)
    if loaded is not None:
        sums = _sums(plan, loaded, raw, width, dtype, scratch)
        if sums is not None:
            return sums, loaded.second
    loaded = _in_float64(plan, start, stop, raw, scratch)
    sums = _sums(plan, loaded, raw, width, dtype, scratch)
    if sums is None:
        nonfinite, finite = _set_aside(plan, loaded)
        sums = _sums(plan, loaded, raw, width, dtype, scratch) or UpdateSums()
        sums.nonfinite, sums.finite = nonfinite, finite
        sums.second_zeros -= raw.size - finite
    return sums, loaded.second


def _sums(plan: UpdatePlan, loaded: _Loaded, raw: Array, width: int, dtype: str, scratch: Scratch) -> UpdateSums | None:
    """All sums over one chunk; None where something in it is not finite, or too small to be squared in its precision."""
    first, second, bound = loaded.first, loaded.second, loaded.bound
    length = second.size
    by_row = row_sums(second.reshape(-1, width))
    sums = UpdateSums(finite=length, units_second=by_row, second_total=float(np.add.reduce(by_row)))
    others = [float(row_sums(values.reshape(1, -1))[0]) for values in (first, bound) if values is not None]
    if not math.isfinite(sums.second_total + sum(others)):
        return None
    sums.second_zeros = length - nonzero(second)
    if first is None or plan.rule == "none":
        return sums
    update = loaded.take("update", length)
    if plan.rule == "adam":
        _adam_update(plan, loaded, first, update, sums, scratch)
    else:
        np.multiply(first, plan.lr, out=update)
    sums.update_squares = dot(update, update)
    if update.dtype == np.float32 and not SMALLEST_SQUARES * length < sums.update_squares < math.inf:
        return None
    sums.stuck = _stuck(raw, loaded, update, dtype, scratch)
    return sums


def _set_aside(plan: UpdatePlan, loaded: _Loaded) -> tuple[int, int]:
    """Zero every element for which a slot is not finite; the number of such slot elements, and of elements left."""
    first, second, bound = loaded.first, loaded.second, loaded.bound
    bad = np.zeros(second.size, np.bool_)
    count = 0
    for stored, values in ((plan.first, first), (plan.second, second), (plan.bound, bound)):
        if stored is not None and values is not None:
            wrong = ~np.isfinite(values)
            count += int(np.count_nonzero(wrong))
            bad |= wrong
    bad |= ~np.isfinite(second)  # finite buffers whose squares are not
    for values in (first, second, bound):
        if values is not None:
            values[bad] = 0.0
    return count, int(bad.size - np.count_nonzero(bad))


def _adam_update(plan: UpdatePlan, loaded: _Loaded, first: Array, update: Array, sums: UpdateSums, scratch: Scratch) -> None:
    """Write the update of Adam, and count its signal-to-noise ratio and the elements that epsilon holds back."""
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
    if np.minimum.reduce(root) < plan.epsilon:
        held = np.less(root, plan.epsilon, out=scratch.bools(length))
        sums.epsilon_bound = int(np.count_nonzero(held & (first != 0)))
    if loaded.bound is not None:
        np.multiply(loaded.bound, plan.second_scale, out=root)
        np.sqrt(root, out=root)
    root += plan.epsilon
    np.divide(size, root, out=update)
    update *= plan.lr
    if plan.epsilon == 0:
        np.nan_to_num(update, copy=False)


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


def finished(plan: UpdatePlan, sums: UpdateSums, elements: int, weight_norm: float, dtype: str) -> UpdateStats:
    """The table's entry from the sums over a whole parameter."""
    rebuilt = plan.rule != "none" and not math.isnan(plan.lr)
    finite = max(1, sums.finite)
    known = rebuilt and dtype in ("float64", "float32", "float16", "bfloat16")
    return UpdateStats(
        algorithm=plan.algorithm,
        step=plan.step,
        lr=plan.lr,
        update_norm=math.sqrt(sums.update_squares) if rebuilt else math.nan,
        weight_norm=weight_norm,
        gradient_rms=math.sqrt(max(0.0, sums.second_total / finite * plan.gradient_scale)),
        snr=sums.ratio_total / sums.ratio_count if sums.ratio_count else math.nan,
        second_moment_zero=sums.second_zeros,
        epsilon_bound=sums.epsilon_bound,
        nonfinite=sums.nonfinite,
        units_second=sums.units_second,
        inputs_second=sums.inputs_second,
        vector_second=sums.vector_second,
        stuck=sums.stuck if known else -1,
        basis=plan.basis,
    )
