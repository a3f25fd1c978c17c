"""The table that the one streaming pass fills: checkpoint x tensor x statistic, and per unit where a check needs it.

All sums are float64. A unit is an index along a tensor's first axis (an output unit of a Linear or Conv weight, a row of an
embedding); an input unit is an index along the second axis of a matrix. Every other measure about weights, updates, optimizers and
units derives from this table and reads no file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class UnitStats:
    """Sums over each unit (first axis) of a tensor with two axes or more; each array is as long as that axis."""

    total: Floats
    """Sum of the unit's elements."""
    squares: Floats
    """Sum of the squares of the unit's elements."""
    projection: Floats
    """Dot product of the unit's first 256 elements with one fixed vector: equal units have equal total, squares and projection."""


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Quantiles of a tensor's finite elements, from a sample of fixed places; exact for tensors of up to 8,192 elements.

    Beyond, the rank of a quantile q has a standard error of sqrt(q (1 - q) / sampled): 0.11 % of the elements for the 1 % quantile,
    0.55 % for the median.
    """

    low: float
    """1 % of the elements are smaller."""
    quarter: float
    median: float
    three_quarters: float
    high: float
    """99 % are smaller."""
    magnitude: float
    """99.9 % of the elements are smaller than this without their sign."""
    mean_magnitude: float
    """Mean of the elements without their sign; beyond 8,192 elements with a relative standard error of about 1 %."""
    sampled: int
    """Elements that were looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class TensorStats:
    """One tensor of one checkpoint. Moments, norms and extremes are over the finite elements."""

    shape: tuple[int, ...]
    dtype: str
    elements: int
    nonfinite: int
    zeros: int
    mean: float
    variance: float
    """Population variance (divided by n)."""
    kurtosis: float
    """Fourth standardized moment (3 for a normal, 1.8 for a uniform distribution); NaN where the variance is 0. Of
    tensors above a million elements it is taken from evenly spaced parts that hold half a million."""
    minimum: float
    maximum: float
    norm: float
    """Euclidean norm."""
    units: UnitStats | None = None
    """None for tensors with fewer than two axes, of integers, or with more than 2**20 units."""
    subnormal: int = 0
    """Elements that are not zero and yet below the smallest normal number of the stored type (float16: 6.1e-5); 0 for integers."""
    clipped: int = 0
    """Finite elements of the largest magnitude that the stored type holds (float16: 65504); 0 for integers."""
    quantiles: Quantiles | None = None
    """None where no element is finite."""
    fingerprint: int = 0
    """64 bits that stand for content, type and shape: different where tensors differ, short of an arranged meeting; see fingerprints.py."""
    vector: Floats | None = None
    """The elements themselves of a tensor with one axis of at most 8,192 elements (a bias); else None."""


@dataclass(frozen=True, slots=True, eq=False)
class DeltaStats:
    """One tensor between checkpoint k-1 and checkpoint k of a series (same shape in both)."""

    norm: float
    """Euclidean norm of the difference; NaN where either side holds a non-finite element."""
    equal: int
    """Elements whose bits did not change (values equal; NaN equals NaN here)."""
    cosine_before: float
    """Cosine with the difference between k-2 and k-1; NaN where there is none or one of them is zero."""
    cosine_weights: float
    """Cosine between the tensor at k-1 and at k; 1.0 (to rounding) where it only shrank or grew."""
    units_norm: Floats | None
    """Euclidean norm of each unit's difference; None for tensors with fewer than two axes."""


@dataclass(frozen=True, slots=True, eq=False)
class UpdateStats:
    """The optimizer's last update of one parameter, rebuilt from its state and param_group, and what the state says of gradients."""

    algorithm: str
    step: int | None
    lr: float
    update_norm: float
    """Norm of the last update, decoupled weight decay left out; NaN where it cannot be rebuilt."""
    weight_norm: float
    gradient_rms: float
    """Adam: sqrt(mean of bias-corrected exp_avg_sq). SGD with momentum: rms of the buffer times (1 - momentum)."""
    snr: float
    """Adam: mean of |m_hat| / sqrt(v_hat) over elements with v > 0; NaN otherwise."""
    second_moment_zero: int
    """Elements whose exp_avg_sq (or momentum buffer) is exactly 0."""
    epsilon_bound: int
    """Elements with sqrt(v_hat) below the optimizer's epsilon while m is not 0; 0 where there is no epsilon."""
    nonfinite: int
    """Non-finite elements in all slots."""
    units_second: Floats | None
    """Per unit sum of exp_avg_sq (SGD: of the squared buffer); None for fewer than two axes."""
    inputs_second: Floats | None
    """Per input unit (second axis of a matrix) sum of exp_avg_sq (SGD: of the squared buffer); None unless two axes."""
    vector_second: Floats | None
    """The exp_avg_sq (SGD: squared buffer) itself for tensors with one axis of at most 2**20 elements; else None."""
    stuck: int
    """Elements whose rebuilt update is not zero and yet rounds away (half a unit in the last place of the stored weight); -1 where
    unknown."""
    basis: str = ""
    """How the update was rebuilt, or why it could not be; one clause."""
    underflow: int = 0
    """Elements whose second moment is exactly 0 while their first is not: it was too small for its type."""
    decay_norm: float = 0.0
    """Norm of what one step of decoupled weight decay takes off; 0 where decay works through the moments, or there is none."""
    limit: float = math.nan
    """What the norm of an update that cannot be rebuilt cannot pass; NaN where nothing is known, or the update is."""
    slack: float = 0.0
    """By how much of itself `update_norm` may be too short because the last gradient is not kept (Nesterov, NAdam); 0 where exact."""
    units_ratio: Floats | None = None
    """Adam and its kin: the largest |m_hat| / sqrt(v_hat) of each unit (of each element of a vector); None otherwise."""
    state_dtype: str = ""
    """In which type the moments are stored (`float32`, `bfloat16`, `8-bit`, ...); empty where unknown."""


@dataclass(frozen=True, slots=True, eq=False)
class CheckpointRow:
    """All statistics of one checkpoint; `deltas` is empty for the first of a series and for tensors that changed shape."""

    source: str
    step: int | None
    tensors: Mapping[str, TensorStats]
    deltas: Mapping[str, DeltaStats]
    from_first: Mapping[str, float]
    """Tensor -> norm of its difference from the series' first checkpoint; empty for the first. Tensors of more than half a million
    elements are there in the second checkpoint and in the last that holds them."""
    updates: Mapping[str, UpdateStats]
    """By parameter name; empty where the checkpoint holds no optimizer state."""


@dataclass(frozen=True, slots=True, eq=False)
class TensorTable:
    """The pass over one run's checkpoints, in the order of the series."""

    rows: tuple[CheckpointRow, ...]
    order: str
    """How depth order was found."""
    notes: tuple[str, ...] = ()
    """Checkpoints that were left out of the series, and why."""
    others: tuple[CheckpointRow, ...] = ()
    """Checkpoints that were left out of the series: statistics and updates, but no deltas."""
