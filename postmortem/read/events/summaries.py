"""Turns the values of event records into plain numbers: scalars stored as tensors, and histograms.

Works on the protobuf classes that TensorBoard ships. Whatever a half-corrupt message holds, functions here answer None instead of raising.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import HistogramProto
    from tensorboard.compat.proto.tensor_pb2 import TensorProto

HPARAMS_PLUGIN = "hparams"
HISTOGRAM_PLUGIN = "histograms"

# TensorFlow's `types.proto` number -> numpy dtype of `tensor_content`, and the repeated field that holds values otherwise.
_DTYPES: dict[int, tuple[str, str]] = {
    1: ("<f4", "float_val"),
    2: ("<f8", "double_val"),
    3: ("<i4", "int_val"),
    4: ("<u1", "int_val"),
    5: ("<i2", "int_val"),
    6: ("<i1", "int_val"),
    9: ("<i8", "int64_val"),
    10: ("?", "bool_val"),
    17: ("<u2", "int_val"),
    19: ("<f2", "half_val"),
    22: ("<u4", "uint32_val"),
    23: ("<u8", "uint64_val"),
}
_FLOAT, _STRING, _BFLOAT16, _HALF = 1, 7, 14, 19

Buckets = tuple[NDArray[np.float64], NDArray[np.float64], float, float]
"""Upper limits, counts, smallest and largest value."""


def tensor_values(tensor: TensorProto) -> NDArray[np.float64] | None:
    """All elements of a numeric tensor, flat, as float64; None for other dtypes and for tensors that contradict themselves."""
    shape = [int(axis.size) for axis in tensor.tensor_shape.dim]
    if any(axis < 0 for axis in shape):
        return None
    elements = math.prod(shape)
    stored = _stored(tensor)
    if stored is None:
        return None
    if stored.size == elements:
        return stored
    # TensorFlow leaves out trailing repeats: the last value stands for all that follow.
    if 0 < stored.size < elements <= 1 << 24 and not tensor.tensor_content:
        return np.concatenate([stored, np.full(elements - stored.size, stored[-1])])
    return None


def _stored(tensor: TensorProto) -> NDArray[np.float64] | None:
    content = tensor.tensor_content
    if tensor.dtype == _BFLOAT16:
        bits = np.frombuffer(content[: len(content) // 2 * 2], dtype="<u2") if content else np.array(tensor.half_val, dtype=np.int64)
        widened: NDArray[np.float64] = (bits.astype(np.uint32) << np.uint32(16)).view(np.float32).astype(np.float64)
        return widened
    if tensor.dtype not in _DTYPES:
        return None
    dtype, field = _DTYPES[tensor.dtype]
    if content:
        if len(content) % np.dtype(dtype).itemsize:
            return None
        return np.frombuffer(content, dtype=dtype).astype(np.float64)
    if tensor.dtype == _HALF:
        return np.array(tensor.half_val, dtype=np.int64).astype(np.uint16).view(np.float16).astype(np.float64)
    return np.array(getattr(tensor, field), dtype=np.float64)


def scalar_of(tensor: TensorProto) -> float | None:
    """The one number of a numeric tensor with one element; None for anything else."""
    if tensor.dtype == _FLOAT and not tensor.tensor_shape.dim:  # all of TF2, Keras and `new_style=True`: worth a short way
        if len(tensor.float_val) == 1:
            return float(tensor.float_val[0])
        if len(tensor.tensor_content) == 4:
            return float(np.frombuffer(tensor.tensor_content, dtype="<f4")[0])
    values = tensor_values(tensor)
    return float(values[0]) if values is not None and values.size == 1 else None


def histogram_of(histogram: HistogramProto) -> Buckets | None:
    """Buckets of a histogram message; None where limits and counts do not belong together."""
    limits = np.array(histogram.bucket_limit, dtype=np.float64)
    counts = np.array(histogram.bucket, dtype=np.float64)
    return sound_buckets(limits, counts, float(histogram.min), float(histogram.max))


def tensor_histogram_of(tensor: TensorProto, named: bool) -> Buckets | None:
    """Buckets of a TF2 histogram, a [buckets, 3] tensor of left edge, right edge and count; None where it is none.

    `named` says that the tag's plugin is `histograms`; without it the columns must look like edges and counts.
    """
    shape = [int(axis.size) for axis in tensor.tensor_shape.dim]
    if len(shape) != 2 or shape[1] != 3:
        return None
    values = tensor_values(tensor)
    return None if values is None or values.size != shape[0] * 3 else sound_triples(values.reshape(-1, 3), named)


def sound_buckets(limits: NDArray[np.float64], counts: NDArray[np.float64], minimum: float, maximum: float) -> Buckets | None:
    """The same as buckets; None where there are not as many limits as counts, limits fall, or a count is negative."""
    if limits.size != counts.size or bool((limits[1:] < limits[:-1]).any()) or bool((counts < 0).any()):
        return None
    return limits, counts, minimum, maximum


def sound_triples(triples: NDArray[np.float64], named: bool) -> Buckets | None:
    """Buckets of a [buckets, 3] array of left edges, right edges and counts; None where these contradict each other (see above)."""
    left, right, counts = triples[:, 0], triples[:, 1], triples[:, 2]
    if bool((left > right).any()):
        return None
    if not named and (left.size < 2 or not np.array_equal(left[1:], right[:-1])):
        return None
    return sound_buckets(right, counts, float(left[0]) if left.size else math.nan, float(right[-1]) if right.size else math.nan)


def is_numeric(tensor: TensorProto) -> bool:
    """Whether elements of this type are read at all."""
    return tensor.dtype in _DTYPES or tensor.dtype == _BFLOAT16


def is_text(tensor: TensorProto) -> bool:
    """Whether the tensor holds strings."""
    return bool(tensor.dtype == _STRING)
