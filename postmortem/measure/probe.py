"""A look into checkpoints before the pass: the same few elements of each, enough to tell kin from strangers, copies and exports.

Independent draws of n elements have a correlation that scatters about 0 with a standard deviation of 1 / sqrt(n - 1), whatever their
distribution (it is the variance under permutation); at equal norms they lie sqrt(2) norms apart. What was trained on from a
checkpoint keeps a share of it: decay and updates shrink that share, and only a training that has forgotten its start comes near 0.
Tensors that are constant in either checkpoint (biases at 0, scales at 1, LoRA's second factor) say nothing: strangers share them.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from postmortem.measure.table import Floats
from postmortem.model import Checkpoint, Tensor

Key: TypeAlias = tuple[str, tuple[int, ...]]


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MATRICES, _VECTORS = 24, 8
"""Tensors looked at with two axes or more, and with one. At two places each a few dozen pages of a file are touched."""
_ELEMENTS = 2**14
"""Elements looked at in all: independent draws then correlate within 4 / sqrt(2**14) = 0.03."""
_FEWEST_INFORMATIVE = 16
"""A correlation of fewer elements scatters by more than a quarter."""
_NOISE = 4.0
"""Standard deviations within which a correlation counts as none: one in 16,000 independent tensors lies beyond. At half, one in 20
does; at double, tensors of 1,000 elements count as strangers up to a correlation of 0.25, where training still shows."""
_NO_WEIGHTS = _set(
    "running_mean running_var moving_mean moving_variance num_batches_tracked pe mask attn_mask causal_mask masked_bias inv_freq "
    "original_inv_freq freqs freqs_cis cos_cached sin_cached anchors position_ids relative_position_index total_ops total_params tril "
    "pixel_mean pixel_std weight_u"
)
_MANTISSA_BITS: Mapping[str, tuple[int, int]] = {
    "float64": (52, -1022),
    "float32": (23, -126),
    "float16": (10, -14),
    "bfloat16": (7, -126),
    "float8_e4m3fn": (3, -6),
    "float8_e5m2": (2, -14),
}
"""Type -> bits of the fraction, exponent of the smallest normal number."""


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """A few elements of one checkpoint's weights; the same ones in every checkpoint that holds the tensor in this shape."""

    values: Mapping[Key, Floats]
    dtypes: Mapping[Key, str]

    @property
    def finite(self) -> bool:
        """Whether any element that was looked at is finite."""
        return any(bool(np.isfinite(values).any()) for values in self.values.values())


@dataclass(frozen=True, slots=True, eq=False)
class Kinship:
    """How alike checkpoints are, pair by pair; every array is checkpoints x checkpoints. Row i, column j: j seen from i."""

    elements: Floats
    """Elements in tensors that are finite and not constant in both."""
    correlation: Floats
    """Mean correlation of these tensors, weighted by their elements; NaN where there are none."""
    strangers: Floats
    """Share of these tensors whose correlation is within the noise of independent draws."""
    norm_ratio: Floats
    """Geometric mean of the ratios of their norms, j's over i's."""
    distance: Floats
    """Root mean square of their distances over the geometric mean of both norms: sqrt(2) for independent draws of equal norm."""


def is_weight(name: str, tensor: Tensor) -> bool:
    """Whether a tensor is drawn and trained: floating point, more than one element, no statistic, table or mask by its name."""
    last = name.rsplit(".", 1)[-1]
    return "float" in tensor.dtype and math.prod(tensor.shape) > 1 and last not in _NO_WEIGHTS


def _chosen(checkpoint: Checkpoint, ranks: dict[str, int]) -> list[str]:
    """Names to look at: those with the lowest hash, so that checkpoints with common tensors choose common ones."""
    found: tuple[list[str], list[str]] = ([], [])
    for name, tensor in checkpoint.tensors.items():
        if is_weight(name, tensor):
            found[len(tensor.shape) < 2].append(name)
            if name not in ranks:
                ranks[name] = zlib.crc32(name.encode("utf-8", "surrogatepass"))
    chosen: list[str] = []
    for names, most in zip(found, (_MATRICES, _VECTORS), strict=True):
        chosen += sorted(names, key=lambda name: (ranks[name], name))[:most]
    return chosen


def _places(elements: int, wanted: int) -> tuple[tuple[int, int], ...]:
    """Where to read: all of a small tensor, else two runs about the quarters."""
    if elements <= wanted:
        return ((0, elements),)
    half = wanted // 2
    return tuple((start, start + half) for start in (elements // 4 - half // 2, 3 * elements // 4 - half // 2))


def look(tensor: Tensor, wanted: int) -> Floats:
    """About `wanted` elements of a tensor, widened."""
    with np.errstate(invalid="ignore"):  # a signalling NaN, which damage can leave
        pieces = [tensor.read(start, stop).astype(np.float64) for start, stop in _places(math.prod(tensor.shape), wanted)]
    return np.concatenate(pieces)


def probe(checkpoints: Sequence[Checkpoint]) -> list[Probe]:
    """Look into every checkpoint: at most 16,384 elements of 32 tensors each, whatever the checkpoints hold."""
    ranks: dict[str, int] = {}
    chosen = [_chosen(checkpoint, ranks) for checkpoint in checkpoints]
    most = max((len(names) for names in chosen), default=1)
    wanted = 2 * max(_FEWEST_INFORMATIVE, _ELEMENTS // max(1, most) // 2)
    return [_probe(checkpoint, names, wanted) for checkpoint, names in zip(checkpoints, chosen, strict=True)]


def _probe(checkpoint: Checkpoint, names: Sequence[str], wanted: int) -> Probe:
    tensors = {(name, checkpoint.tensors[name].shape): checkpoint.tensors[name] for name in names}
    return Probe(
        {key: look(tensor, wanted) for key, tensor in tensors.items()},
        {key: tensor.dtype for key, tensor in tensors.items()},
    )


def kinship(probes: Sequence[Probe]) -> Kinship:
    """Compare all checkpoints with all."""
    count = len(probes)
    elements, weighted, tensors, within, ratios, squares = (np.zeros((count, count)) for _ in range(6))
    for key in dict.fromkeys(key for one in probes for key in one.values):
        rows = [index for index, one in enumerate(probes) if key in one.values]
        values = np.stack([probes[index].values[key] for index in rows])
        pairs = np.ix_(rows, rows)
        informative, correlation, logarithms = _correlations(values)
        size = values.shape[1]
        elements[pairs] += size * informative
        weighted[pairs] += size * informative * correlation
        tensors[pairs] += informative
        within[pairs] += informative * (np.abs(correlation) < _NOISE / math.sqrt(size - 1))
        ratios[pairs] += size * informative * logarithms
        squares[pairs] += size * informative * np.maximum(0.0, 2 * np.cosh(np.clip(logarithms, -350, 350)) - 2 * correlation)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return Kinship(
            elements,
            weighted / elements,
            within / tensors,
            np.exp(ratios / elements),
            np.sqrt(squares / elements),
        )


def _correlations(values: Floats) -> tuple[Floats, Floats, Floats]:
    """Of one tensor in several checkpoints, pair by pair: whether it tells (0 or 1), correlation, logarithm of the norms' ratio."""
    tells = np.isfinite(values).all(axis=1) & (values.shape[1] >= _FEWEST_INFORMATIVE)
    values = np.where(tells[:, None], values, 0.0)
    largest = np.abs(values).max(axis=1, initial=0.0, keepdims=True)
    scaled = values / np.where(largest > 0, largest, 1.0)  # squares of what blew up would overflow
    norms = np.sqrt(np.square(scaled).sum(axis=1)) * largest[:, 0]
    centred = scaled - scaled.mean(axis=1, keepdims=True)
    spread = np.sqrt(np.square(centred).sum(axis=1))
    tells &= spread > 1e-6
    units = centred / np.where(tells, spread, 1.0)[:, None]
    logarithms = np.log(np.where(tells, norms, 1.0))
    informative = np.outer(tells, tells).astype(np.float64)
    return informative, np.clip(units @ units.T, -1.0, 1.0) * informative, (logarithms[None, :] - logarithms[:, None]) * informative


def equal_elements(one: Floats, two: Floats) -> int:
    """How many elements are equal; NaN equals NaN here."""
    return int(np.count_nonzero((one == two) | (np.isnan(one) & np.isnan(two))))


def rounded_from(narrow: Floats, dtype: str, wide: Floats, wide_dtype: str) -> int:
    """Elements of `narrow` that are those of `wide` rounded (to nearest, or cut off) to `dtype`; 0 where that is no narrower type."""
    if dtype not in _MANTISSA_BITS or wide_dtype not in _MANTISSA_BITS or _MANTISSA_BITS[dtype][0] >= _MANTISSA_BITS[wide_dtype][0]:
        return 0
    bits, least = _MANTISSA_BITS[dtype]
    with np.errstate(all="ignore"):
        exponent = np.maximum(np.frexp(np.abs(narrow))[1] - 1, least)
        close = np.abs(narrow - wide) <= np.ldexp(1.0, exponent - bits) * (1 - 2.0**-20)
        beyond = ~np.isfinite(narrow) & ((np.abs(wide) > 65504) | (np.isnan(narrow) & np.isnan(wide)))
    return int(np.count_nonzero(close | beyond))
