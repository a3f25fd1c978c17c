"""What the pass counts in stored codes, its fingerprints and its quantiles, against closed forms and torch's own types."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from postmortem.measure import boxes, tensors, workers
from postmortem.measure.codes import FORMATS
from postmortem.measure.tensors import pass_over
from postmortem.model import Checkpoint
from postmortem.read.checkpoints.stored import NUMPY_TYPES, StoredTensor, pulled

Array = NDArray[Any]

TORCH = {
    "float64": torch.float64,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float8_e4m3fn": torch.float8_e4m3fn,
    "float8_e5m2": torch.float8_e5m2,
}
LARGEST = {name: torch.finfo(dtype).max for name, dtype in TORCH.items()}
SMALLEST = {name: torch.finfo(dtype).smallest_normal for name, dtype in TORCH.items()}


def stored(values: torch.Tensor, name: str = "w") -> StoredTensor:
    """A tensor as a reader of files would hold it: codes where numpy has no such type."""
    dtype = str(values.dtype).removeprefix("torch.")
    kind = NUMPY_TYPES[dtype]
    codes = values.contiguous().reshape(-1).view(torch.uint8).numpy().view(kind).reshape(tuple(values.shape))
    return StoredTensor(name, tuple(values.shape), dtype, codes)


def over(*tensors: StoredTensor) -> list[Any]:
    """Statistics of tensors that are no series of each other."""
    held = {f"{index}": tensor.named(f"{index}") for index, tensor in enumerate(tensors)}
    row = pass_over([Checkpoint("a.pt", 1, "test", None, held, "as written", (), {}, 0)]).rows[0]
    return [row.tensors[name] for name in held]


def of_array(array: Array) -> Any:
    """Statistics of an array as it lies."""
    return over(StoredTensor("w", array.shape, array.dtype.newbyteorder("=").name, array))[0]


@pytest.mark.parametrize("dtype", TORCH)
def test_codes_of_every_float_type_stand_for_what_torch_says(dtype: str) -> None:
    """The largest finite, the smallest normal and a dozen random numbers of each type, from their codes."""
    form = FORMATS[dtype]
    assert form.value(form.largest) == LARGEST[dtype] and form.value(-1 - form.largest) == -LARGEST[dtype]
    assert form.value(form.smallest_normal) == SMALLEST[dtype]
    values = torch.linspace(-3, 3, 12).to(TORCH[dtype])
    codes = stored(values).array.view(form.unsigned)
    ranks = [int(code) if code < form.sign else form.sign - 1 - int(code) for code in codes]
    assert [form.value(rank) for rank in ranks] == values.double().tolist()


@pytest.mark.parametrize("dtype", TORCH)
@pytest.mark.parametrize("count", [60, 100_000])
def test_zeros_subnormal_and_clipped_elements_are_counted_exactly(dtype: str, count: int) -> None:
    """Known numbers of each kind among ones, in small and in large tensors: zeros of both signs, both ends, and no false neighbours."""
    values = torch.ones(count, dtype=torch.float64)
    step = SMALLEST[dtype] / 2
    values[0:5] = 0.0
    values[5:7] = -0.0
    values[7:11] = step
    values[11:14] = -step
    values[14:16] = SMALLEST[dtype]
    values[16:18] = -SMALLEST[dtype]
    values[18:24] = LARGEST[dtype]
    values[24:29] = -LARGEST[dtype]
    (stats,) = over(stored(values.to(TORCH[dtype])))
    assert (stats.zeros, stats.subnormal, stats.clipped, stats.nonfinite) == (7, 7, 11, 0)
    assert (stats.minimum, stats.maximum) == (-LARGEST[dtype], LARGEST[dtype])


@pytest.mark.parametrize("dtype", TORCH)
def test_nonfinite_elements_hide_no_count(dtype: str) -> None:
    """NaN of either sign, and infinities where the type has them, are counted and leave zeros, subnormals and extremes as they are."""
    values = torch.ones(50, dtype=torch.float64)
    values[0], values[1], values[2] = 0.0, SMALLEST[dtype] / 2, -3.0
    codes = stored(values.to(TORCH[dtype])).array.copy()
    form = FORMATS[dtype]
    bits = codes.view(form.unsigned)
    bits[10:14] = 2 * form.sign - 1
    bits[14:16] = form.sign - 1
    bad = 6
    if dtype != "float8_e4m3fn":
        bits[16], bits[17] = form.largest + 1, form.sign + form.largest + 1
        bad = 8
    (stats,) = over(StoredTensor("w", codes.shape, dtype, codes))
    assert (stats.nonfinite, stats.zeros, stats.subnormal, stats.clipped) == (bad, 1, 1, 0)
    assert (stats.minimum, stats.maximum) == (-3.0, 1.0)
    assert stats.quantiles is not None and stats.quantiles.sampled == 50 - bad


@pytest.mark.parametrize("values", [[-3.0, -1.0, -2.0], [3.0, 1.0, 2.0], [0.0, 1.0], [-0.0, -1.0], [-1.0, 1.0], [-0.0], [0.0]])
@pytest.mark.parametrize("dtype", TORCH)
def test_extremes_of_one_sign_and_of_both(dtype: str, values: list[float]) -> None:
    """Tensors of only negative, only positive and mixed numbers have numpy's extremes."""
    (stats,) = over(stored(torch.tensor(values).to(TORCH[dtype])))
    assert (stats.minimum, stats.maximum) == (min(values), max(values))


def test_integers_are_neither_subnormal_nor_clipped() -> None:
    """A counter at the end of its range is a number like others; its extremes are exact."""
    stats = of_array(np.array([-128, 0, 127], np.int8))
    assert (stats.minimum, stats.maximum, stats.zeros, stats.subnormal, stats.clipped) == (-128, 127, 1, 0, 0)
    assert of_array(np.array([2**53, 5], np.int64)).maximum == 2**53


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float8_e5m2", "float8_e4m3fn"])
def test_moments_of_narrow_types_are_those_of_their_values(dtype: str) -> None:
    """Mean, variance, norm and sums per unit of half and eighth precision, large enough to be summed in pieces."""
    values = (torch.randn(300, 700, generator=torch.Generator().manual_seed(3)) * 0.5).to(TORCH[dtype])
    (stats,) = over(stored(values))
    wide = values.double().numpy()
    assert stats.mean == pytest.approx(wide.mean(), abs=1e-8)
    assert stats.variance == pytest.approx(wide.var(), rel=1e-7)
    assert stats.norm == pytest.approx(np.linalg.norm(wide), rel=1e-7)
    np.testing.assert_allclose(stats.units.total, wide.sum(1), atol=1e-4)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float8_e5m2"])
def test_differences_of_narrow_types(dtype: str) -> None:
    """Norm, unchanged elements and distance from the first of three checkpoints in half and eighth precision."""
    draw = torch.Generator().manual_seed(4)
    states = [torch.randn(256, 520, generator=draw).to(TORCH[dtype])]
    for _ in range(2):
        states.append((states[-1].float() + 0.02 * torch.randn(256, 520, generator=draw)).to(TORCH[dtype]))
    rows = pass_over([Checkpoint(f"{k}.pt", k, "test", None, {"w": stored(state)}, "", (), {}, 0) for k, state in enumerate(states)]).rows
    wide = [state.double().numpy() for state in states]
    for k in (1, 2):
        assert rows[k].deltas["w"].norm == pytest.approx(np.linalg.norm(wide[k] - wide[k - 1]), rel=1e-6)
        assert rows[k].deltas["w"].equal == np.count_nonzero(wide[k] == wide[k - 1])
        assert rows[k].from_first["w"] == pytest.approx(np.linalg.norm(wide[k] - wide[0]), rel=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32"])
def test_neither_strides_nor_byte_order_nor_alignment_change_a_number(dtype: str) -> None:
    """A transposed view, a big-endian array and one at an odd address are read like the plain array."""
    plain = np.ascontiguousarray((np.random.default_rng(5).standard_normal((300, 400)) * 100).astype(dtype))
    odd = np.frombuffer(b"x" + plain.tobytes(), np.uint8)[1:].view(plain.dtype).reshape(plain.shape)
    turned = np.ascontiguousarray(plain.T).T
    expected = of_array(plain)
    for other in (odd, turned, plain.astype(plain.dtype.newbyteorder(">"))):
        assert not (other.flags.aligned and other.flags.c_contiguous and other.dtype.isnative)
        found = of_array(other)
        assert (found.mean, found.variance, found.norm, found.minimum) == (
            expected.mean,
            expected.variance,
            expected.norm,
            expected.minimum,
        )
        assert found.fingerprint == expected.fingerprint and found.quantiles == expected.quantiles


# --- fingerprints -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [*TORCH, "int64", "uint8"])
@pytest.mark.parametrize("count", [1, 3, 7, 5000, 70_001])
def test_any_one_changed_element_changes_the_fingerprint(dtype: str, count: int) -> None:
    """Equal tensors have equal fingerprints; one bit of one element, wherever it lies, makes another."""
    codes = np.random.default_rng(6).integers(0, 100, count).astype(NUMPY_TYPES[dtype])
    tensors = [StoredTensor("w", codes.shape, dtype, codes), StoredTensor("w", codes.shape, dtype, codes.copy())]
    for place in {0, count // 2, count - 1}:
        changed = codes.copy()
        changed.view(np.uint8)[place * codes.itemsize] ^= 1
        tensors.append(StoredTensor("w", codes.shape, dtype, changed))
    found = [stats.fingerprint for stats in over(*tensors)]
    assert found[0] == found[1] and len(set(found)) == len(found) - 1


@pytest.mark.parametrize("shape", [(40, 64), (40, 63), (1, 5001), (7, 3, 5, 5)])
@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_fingerprints_do_not_depend_on_the_cut(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], dtype: str) -> None:
    """Large boxes, and small ones that end anywhere, make the same number."""
    array = np.random.default_rng(11).integers(0, 200, shape).astype(dtype)
    whole = of_array(array).fingerprint
    for most in (9, 1000):
        monkeypatch.setattr(boxes, "CHUNK_ELEMENTS", most)
        assert of_array(array).fingerprint == whole


def test_permuted_rows_columns_and_neighbours_have_other_fingerprints() -> None:
    """The same elements in another order are another tensor."""
    array = np.random.default_rng(7).standard_normal((64, 512)).astype(np.float32)
    swapped = array.copy()
    swapped[3, 5], swapped[3, 6] = array[3, 6], array[3, 5]
    variants = [array, array[::-1].copy(), array[:, ::-1].copy(), swapped, array.reshape(512, 64), array.astype(np.float64)]
    found = [of_array(variant).fingerprint for variant in variants]
    assert len(set(found)) == len(found)


def test_fingerprints_are_the_same_on_every_machine() -> None:
    """A fixed tensor has a fixed number, so that saved ones can be compared."""
    assert of_array(np.arange(12, dtype=np.float32).reshape(3, 4)).fingerprint == 11746065564943010075


# --- quantiles --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_quantiles_of_a_small_tensor_are_numpys_own(dtype: str) -> None:
    """Up to 8,192 elements every one counts."""
    values = torch.randn(90, 91, generator=torch.Generator().manual_seed(8)).to(TORCH[dtype])
    found = over(stored(values))[0].quantiles
    wide = values.double().numpy()
    expected = np.quantile(wide, [0.01, 0.25, 0.5, 0.75, 0.99])
    np.testing.assert_allclose([found.low, found.quarter, found.median, found.three_quarters, found.high], expected, rtol=1e-12)
    assert found.magnitude == pytest.approx(np.quantile(np.abs(wide), 0.999)) and found.sampled == wide.size


def test_quantiles_of_a_large_tensor_are_within_their_standard_error() -> None:
    """Of N(0, 1) by more than five standard errors of the rank no quantile is off, and no column is looked at more than others."""
    array = np.random.default_rng(9).standard_normal((1000, 1024)).astype(np.float32)
    found = of_array(array).quantiles
    assert 8000 < found.sampled <= 8192
    shares = {0.01: found.low, 0.25: found.quarter, 0.5: found.median, 0.75: found.three_quarters, 0.99: found.high}
    for share, value in shares.items():
        below = np.count_nonzero(array < value) / array.size
        assert abs(below - share) < 5 * math.sqrt(share * (1 - share) / found.sampled)
    assert abs(np.count_nonzero(np.abs(array) < found.magnitude) / array.size - 0.999) < 5 * math.sqrt(0.001 / found.sampled)
    columns = np.broadcast_to(np.arange(1024, dtype=np.float32), (1000, 1024)).copy()
    assert of_array(columns).quantiles.median == pytest.approx(511.5, abs=30)


def test_nothing_finite_has_no_quantiles() -> None:
    """Empty tensors and tensors of NaN have none; a single number is all of them."""
    assert of_array(np.empty((0, 3), np.float32)).quantiles is None
    assert of_array(np.full(5, np.nan)).quantiles is None
    single = of_array(np.array(7.0)).quantiles
    assert single.low == single.median == single.magnitude == 7 and single.sampled == 1


# --- processes --------------------------------------------------------------------------------------------------------


def test_pulled_tensors_have_the_numbers_of_the_same_tensor_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forked processes read them too."""
    monkeypatch.setattr(tensors, "_WORTH_PROCESSES", 1)
    monkeypatch.setattr(boxes, "CHUNK_ELEMENTS", 1000)
    monkeypatch.setattr(workers, "cores", lambda: 2)
    array = np.random.default_rng(10).standard_normal((200, 300)).astype(np.float32)

    def pull(start: int, stop: int) -> Array:
        return array.reshape(-1)[start:stop]

    inside, outside = over(StoredTensor("w", array.shape, "float32", array), pulled("w", array.shape, "float32", pull))
    assert (inside.mean, inside.norm, inside.fingerprint) == (outside.mean, outside.norm, outside.fingerprint)
