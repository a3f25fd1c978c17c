"""Kernels of Keras, Flax and TensorFlow with the output unit first.

Dense kernels lie as (inputs, outputs) there, convolutions as (height, width, inputs, outputs). Everything in this program that speaks of
a unit means an index along the first axis, as in torch. So a dense kernel is handed on as (outputs, inputs), a convolution as
(outputs, inputs, height, width), a depthwise one as (inputs * multiplier, 1, height, width), and the kernels of attention, whose outputs
are (heads, width of a head), as (heads * width, inputs). Nothing is copied until it is read; names stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from postmortem.read.checkpoints.raw import Raw, as_tensor
from postmortem.read.checkpoints.stored import NUMPY_TYPES, Array, StoredTensor, pulled

_BLOCK = 64
"""Input units that are turned at a time: a square of 64 by 64 floats fits the first-level cache. Of 16 to 256, 64 was fastest (1.3 GB/s a
core against 0.35 without blocks)."""
_SPLIT_OUTPUTS = frozenset(("query", "key", "value"))
_SPLIT_INPUTS = frozenset(("out", "output", "attention_output", "output_dense"))


@dataclass(frozen=True, slots=True)
class Layout:
    """How a kernel lies, as a box of (positions, inputs, outputs), and the shape that it is handed on in."""

    positions: int
    inputs: int
    outputs: int
    shape: tuple[int, ...]


def is_kernel(name: str) -> bool:
    """Whether a dotted name is that of a weight whose last axis is the output."""
    last = name.rsplit(".", 1)[-1].lower()
    return last == "kernel" or last.endswith("_kernel") or last in ("weights", "depthwise_weights", "pointwise_weights")


def bias_name(name: str) -> str:
    """The name that the bias of this kernel has, if there is one."""
    module, dot, last = name.rpartition(".")
    return f"{module}{dot}{'biases' if last.lower().endswith('weights') else 'bias'}"


def layout_of(name: str, shape: tuple[int, ...], bias: tuple[int, ...] | None, *, depthwise: bool = False) -> Layout | None:
    """Layout of a tensor by its name, shape and the shape of its bias; None where it is no kernel and stays as it is."""
    if not is_kernel(name) or len(shape) < 2:
        return None
    module, _, last = name.lower().rpartition(".")
    own = module.rsplit(".", 1)[-1]
    if len(shape) >= 3 and (depthwise or _is_depthwise(own, last, shape, bias)):
        outputs = shape[-2] * shape[-1]
        return Layout(math.prod(shape[:-2]), 1, outputs, (outputs, 1, *shape[:-2]))
    split = len(bias) if bias is not None and len(bias) > 1 and shape[-len(bias) :] == bias else 1
    if bias is None and len(shape) == 3 and own in _SPLIT_OUTPUTS:
        split = 2
    if 1 < split < len(shape) or (len(shape) == 3 and own in _SPLIT_INPUTS):
        inputs, outputs = math.prod(shape[:-split]), math.prod(shape[-split:])
        return Layout(1, inputs, outputs, (outputs, inputs))
    return Layout(math.prod(shape[:-2]), shape[-2], shape[-1], (shape[-1], shape[-2], *shape[:-2]))


def _is_depthwise(module: str, last: str, shape: tuple[int, ...], bias: tuple[int, ...] | None) -> bool:
    if last.startswith("depthwise"):
        return True
    if bias is not None and bias != (shape[-1],):
        return bias == (shape[-2] * shape[-1],)
    words = module.replace("-", "_").split("_")
    return bias is None and shape[-1] == 1 and len(shape) == 4 and any(word in ("dw", "depthwise") for word in words)


def turned(name: str, raw: Raw, layout: Layout) -> StoredTensor:
    """The kernel, or the optimizer's state of one, with the output unit first."""
    box = raw.array.reshape(layout.positions, layout.inputs, layout.outputs)
    kind = NUMPY_TYPES[raw.dtype]
    row = layout.inputs * layout.positions
    # Copied byte by byte, elements at odd addresses cost no more than others; as elements, numpy takes three times as long for them.
    aligned = raw.array.flags.aligned
    octets = box.view(np.uint8) if not aligned else None
    width = box.itemsize

    def block(position: int, inputs: slice, first: int, last: int) -> Array:
        if octets is None:
            return box[position, inputs, first:last]
        found: Array = octets[position, inputs, first * width : last * width].copy().view(box.dtype)
        return found

    def part_of_row(unit: int, start: int, stop: int) -> Array:
        first, last = start // layout.positions, -(-stop // layout.positions)
        piece: Array = box[:, first:last, unit].T.reshape(-1)
        return piece[start - first * layout.positions : stop - first * layout.positions]

    def whole_rows(first: int, last: int, into: Array) -> None:
        for position in range(layout.positions):
            for start in range(0, layout.inputs, _BLOCK):
                inputs = slice(start, start + _BLOCK)
                into[:, inputs, position] = block(position, inputs, first, last).T

    def pull(start: int, stop: int) -> Array:
        found = np.empty(stop - start, kind)
        at = start
        while at < stop:
            unit, column = divmod(at, row)
            rows = 0 if column else (stop - at) // row
            if rows:
                end = at + rows * row
                whole_rows(unit, unit + rows, found[at - start : end - start].reshape(rows, layout.inputs, layout.positions))
            else:
                end = min(stop, (unit + 1) * row)
                found[at - start : end - start] = part_of_row(unit, column, column + end - at)
            at = end
        return found

    return pulled(name, layout.shape, raw.dtype, pull)


def layouts_of(weights: Mapping[str, Raw], depthwise: Collection[str] = ()) -> dict[str, Layout]:
    """Layout of each tensor that is to be turned, biases of attention (heads, width) among them, which become vectors."""
    found: dict[str, Layout] = {}
    for name, raw in weights.items():
        bias = weights.get(bias_name(name))
        layout = layout_of(name, raw.shape, None if bias is None else bias.shape, depthwise=name in depthwise)
        if layout is None or raw.array.size == 0 or not raw.array.flags.c_contiguous:
            continue
        found[name] = layout
        if bias is not None and len(bias.shape) > 1 and math.prod(bias.shape) == layout.outputs and bias.array.flags.c_contiguous:
            found[bias_name(name)] = Layout(1, 1, layout.outputs, (layout.outputs,))
    return found


def handed_on(name: str, raw: Raw, layout: Layout | None) -> StoredTensor:
    """A tensor in the shape that the program works with."""
    return as_tensor(name, raw) if layout is None else turned(name, raw, layout)
