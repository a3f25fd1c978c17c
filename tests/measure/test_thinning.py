"""Fewer points, the same drawing."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from postmortem.measure.thinning import MAX_NONFINITE, thin


def test_a_short_curve_stays_as_it_is() -> None:
    """Nothing is lost where nothing has to be."""
    steps, values = np.arange(800), np.random.default_rng(0).normal(size=800)
    kept_steps, kept_values = thin(steps, values)
    assert kept_steps is steps
    assert kept_values is values


def test_a_long_curve_keeps_ends_and_extremes_of_each_column() -> None:
    """A spike one point wide in a hundred thousand is kept, and so are the first and the last point."""
    values = np.sin(np.arange(100_000) / 5000)
    values[41_234] = 7.0
    values[70_001] = -7.0
    steps, kept = thin(np.arange(100_000), values, columns=100)
    assert kept.size <= 2 * 100 + 2
    assert {0, 41_234, 70_001, 99_999} <= set(steps.tolist())
    columns = steps // 1000
    for column in range(100):
        inside = values[column * 1000 : (column + 1) * 1000]
        assert kept[columns == column].max() == inside.max()
        assert kept[columns == column].min() == inside.min()


def test_every_value_that_is_no_number_is_kept() -> None:
    """NaN and both infinities, wherever they stand."""
    values = np.zeros(50_000)
    values[[17, 18, 30_000]] = np.nan
    values[12_345] = np.inf
    values[23_456] = -np.inf
    steps, kept = thin(np.arange(50_000), values)
    assert steps[~np.isfinite(kept)].tolist() == [17, 18, 12_345, 23_456, 30_000]


def test_a_curve_that_is_nan_for_long_is_bounded() -> None:
    """Of more non-finite points than can be drawn, the first and last of each kind in each column stay."""
    values = np.zeros(200_000)
    values[100_000:] = np.nan
    values[150_000] = np.inf
    steps, kept = thin(np.arange(200_000), values)
    assert kept.size < 2 * 400 + 4 * 400 + MAX_NONFINITE
    bad = steps[~np.isfinite(kept)]
    assert bad[0] == 100_000
    assert bad[-1] == 199_999
    assert 150_000 in bad


def test_points_at_one_step_are_one_column() -> None:
    """Duplicate steps do not divide by a span of zero."""
    steps, values = thin(np.full(5000, 3), np.arange(5000.0))
    assert steps.tolist() == [3, 3]
    assert values.tolist() == [0.0, 4999.0]


@given(arrays(np.float64, st.integers(1, 300), elements=st.floats()), st.integers(1, 20))
def test_order_and_extremes_survive_whatever_the_values(values: np.ndarray, columns: int) -> None:
    """Kept points are points of the curve in their order, and the highest and lowest are among them."""
    steps, kept = thin(np.arange(values.size), values, columns)
    assert np.all(np.diff(steps) > 0)
    assert np.array_equal(kept, values[steps], equal_nan=True)
    finite = values[np.isfinite(values)]
    if finite.size:
        assert {finite.min(), finite.max()} <= set(kept[np.isfinite(kept)].tolist())
