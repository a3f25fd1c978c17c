"""Whether one checkpoint is a copy of another, as it is or rounded to a narrower type."""

from __future__ import annotations

import math

import numpy as np

from postmortem.measure.probe import Probe, equal_elements, is_weight, look, rounded_from
from postmortem.model import Checkpoint, counted

_MOST_TENSORS = 4096
_ELEMENTS_EACH = 32
_EXPORTED = 0.999
"""Share of elements that are another's rounded, from which on one is an export: tied weights and odd tensors may be stored otherwise."""


def _common(one: Probe, two: Probe) -> bool:
    return bool(one.values) and one.values.keys() == two.values.keys()


def is_export(narrow: Probe, wide: Probe) -> bool:
    """Whether one's elements are the other's rounded to a narrower type, in every tensor that is narrower, and equal elsewhere."""
    if narrow is wide or not _common(narrow, wide):
        return False
    looked = close = rounded = 0
    for key, values in narrow.values.items():
        other = wide.values[key]
        looked += values.size
        if narrow.dtypes[key] == wide.dtypes[key]:
            close += equal_elements(values, other)
        else:
            found = rounded_from(values, narrow.dtypes[key], other, wide.dtypes[key])
            close += found
            rounded += found
    return rounded > 0 and close >= _EXPORTED * looked


def same_weights(one: Probe, two: Probe) -> bool:
    """Whether all elements that were looked at are equal."""
    return _common(one, two) and all(equal_elements(values, two.values[key]) == values.size for key, values in one.values.items())


def copy_of(copy: Checkpoint, copy_probe: Probe, original: Checkpoint, original_probe: Probe) -> str:
    """`a copy of X` with what was looked at, or empty. Where the first look finds no difference, every tensor is looked at.

    A frozen backbone is equal in all its tensors while the head trains, so that a look into some of them is not enough.
    """
    if same_weights(copy_probe, original_probe):
        looked = _everywhere_equal(copy, original)
        return f"a copy of {original.source} (equal in all {counted(looked, 'tensor')} that were looked at)" if looked else ""
    if is_export(copy_probe, original_probe):
        types = sorted({dtype for key, dtype in copy_probe.dtypes.items() if dtype != original_probe.dtypes[key]})
        return f"an exported copy of {original.source} (its values are the same, rounded to {', '.join(types)})"
    return ""


def _everywhere_equal(one: Checkpoint, two: Checkpoint) -> int:
    """Tensors looked at, or 0 where one of them differs."""
    # From the head backwards: that is where what has a frozen backbone in common differs.
    names = [name for name, tensor in reversed(tuple(one.tensors.items())) if is_weight(name, tensor)][:_MOST_TENSORS]
    for name in names:
        other = two.tensors.get(name)
        if other is None or math.prod(other.shape) != math.prod(one.tensors[name].shape):
            return 0
        if not np.array_equal(look(one.tensors[name], _ELEMENTS_EACH), look(other, _ELEMENTS_EACH), equal_nan=True):
            return 0
    return len(names)
