"""Kernels with the output unit first: which tensors are turned, and into what."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from postmortem.read.checkpoints.kernel_layout import Layout, handed_on, layout_of, layouts_of
from postmortem.read.checkpoints.raw import Raw

SHAPES: dict[str, tuple[str, tuple[int, ...], tuple[int, ...] | None, tuple[int, ...] | None]] = {
    "dense": ("fc.kernel", (5, 3), (3,), (3, 5)),
    "convolution": ("c.kernel", (3, 2, 5, 4), (4,), (4, 5, 3, 2)),
    "convolution of one axis": ("c.kernel", (7, 5, 4), (4,), (4, 5, 7)),
    "depthwise by its bias": ("c.kernel", (3, 3, 5, 2), (10,), (10, 1, 3, 3)),
    "depthwise by its name": ("c.depthwise_kernel", (3, 3, 5, 2), None, (10, 1, 3, 3)),
    "depthwise by its layer": ("conv_dw_1.kernel", (3, 3, 5, 1), None, (5, 1, 3, 3)),
    "one output": ("last.kernel", (3, 3, 5, 1), None, (1, 5, 3, 3)),
    "recurrent": ("lstm.recurrent_kernel", (4, 16), (16,), (16, 4)),
    "slim": ("conv1.weights", (3, 2, 5, 4), (4,), (4, 5, 3, 2)),
    "query": ("att.query.kernel", (6, 2, 4), (2, 4), (8, 6)),
    "query without bias": ("att.query.kernel", (6, 2, 4), None, (8, 6)),
    "attention's output": ("att.out.kernel", (2, 4, 6), (6,), (6, 8)),
    "embedding": ("emb.embedding", (10, 4), None, None),
    "torch's weight": ("fc.weight", (3, 5), (3,), None),
    "vector": ("x.kernel", (5,), None, None),
}


@pytest.mark.parametrize("name", list(SHAPES))
def test_shapes(name: str) -> None:
    """The shape that each kind of kernel is handed on in; None for what stays as it is."""
    full, shape, bias, expected = SHAPES[name]
    layout = layout_of(full, shape, bias)
    assert (None if layout is None else layout.shape) == expected


def test_a_convolution_is_torchs(tmp_path: object) -> None:
    """The same outputs follow from the turned kernel in torch as from the definition with (height, width, inputs, outputs)."""
    random = np.random.default_rng(0)
    kernel, image = random.normal(size=(2, 3, 4, 5)), random.normal(size=(2, 3, 4))
    tensor = handed_on("c.kernel", Raw(kernel, "float64"), layout_of("c.kernel", kernel.shape, None))
    weight = torch.from_numpy(tensor.read(0, tensor.elements).reshape(tensor.shape).copy())
    found = torch.nn.functional.conv2d(torch.from_numpy(image.transpose(2, 0, 1).copy())[None], weight)
    np.testing.assert_allclose(found.reshape(-1).numpy(), np.einsum("hwi,hwio->o", image, kernel))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.integers(1, 150), st.integers(1, 90), st.data())
def test_any_range_is_that_of_the_turned_array(positions: int, inputs: int, outputs: int, data: st.DataObject) -> None:
    """Ranges that begin and end anywhere, over blocks and rows."""
    stored = np.arange(positions * inputs * outputs, dtype=np.float32).reshape(positions, inputs, outputs)
    tensor = handed_on("k", Raw(stored, "float32"), Layout(positions, inputs, outputs, (outputs, inputs, positions)))
    flat = stored.transpose(2, 1, 0).reshape(-1)
    start = data.draw(st.integers(0, flat.size))
    stop = data.draw(st.integers(start, flat.size))
    np.testing.assert_array_equal(tensor.read(start, stop), flat[start:stop])


def test_types_that_numpy_lacks_are_turned_as_codes() -> None:
    """bfloat16 is turned by its bytes and widened when it is read."""
    codes = np.array([[0x3F80, 0x4000], [0x4040, 0x4080], [0x40A0, 0x40C0]], np.uint16)
    raw = Raw(codes, "bfloat16")
    tensor = handed_on("fc.kernel", raw, layouts_of({"fc.kernel": raw})["fc.kernel"])
    assert tensor.dtype == "bfloat16" and tensor.read(0, 6).tolist() == [1, 3, 5, 2, 4, 6]
