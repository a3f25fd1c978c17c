"""What is drawn of layers of which only logs tell."""

from __future__ import annotations

import math

import numpy as np
import pytest

from postmortem.measure.logged_layer_exhibits import build
from postmortem.model import DepthPlot, Exhibit, Heatmap, Histogram, Series

LAYERS = ("fc1.weight", "fc2.weight", "head.weight")


def _series(tag: str, *values: float) -> Series:
    steps = np.arange(len(values), dtype=np.int64) * 10
    return Series(tag, "", steps, np.array(values, dtype=np.float64), np.full(len(values), np.nan), "events")


def _histogram(tag: str, *deviations: float) -> Histogram:
    """Half of the values in the bucket about -deviation and half in that about +deviation, at each step."""
    limits = tuple(np.array([-0.9 * each, 0.9 * each, 1.1 * each]) for each in deviations)
    counts = tuple(np.array([50.0, 0.0, 50.0]) for _ in deviations)
    ends = tuple(-1.1 * each for each in deviations), tuple(1.1 * each for each in deviations)
    return Histogram(tag, "", tuple(range(len(deviations))), limits, counts, *ends, "events")


def _drawn(
    series: tuple[Series, ...] = (), histograms: tuple[Histogram, ...] = (), drawn: frozenset[str] = frozenset()
) -> dict[str, Exhibit]:
    return {exhibit.id: exhibit for exhibit in build(series, histograms, drawn)}


def test_nothing_logged_gives_no_figure() -> None:
    """One layer alone is no depth."""
    assert _drawn() == {}
    assert _drawn((_series("grad_norm/fc1.weight", 1.0, 1.0),)) == {}


def test_gradient_norms_by_layer_are_drawn_early_and_late() -> None:
    """Medians of the first and the last tenth; biases are left out."""
    norms = [_series(f"grad_norm/{name}", *[10.0**at] * 10, *[2 * 10.0**at] * 10) for at, name in enumerate(LAYERS)]
    plot = _drawn((*norms, _series("grad_norm/fc1.bias", 1.0, 1.0)))["gradient-rms"]
    assert isinstance(plot, DepthPlot)
    assert plot.layers == LAYERS
    assert list(plot.values.values()) == [(1.0, 10.0, 100.0), (2.0, 20.0, 200.0)]
    assert plot.title.startswith("Gradient spans 2 decades across 3 layers, least in fc1.weight")


def test_histograms_of_gradients_come_before_their_norms() -> None:
    """The root mean square needs no size of the layer."""
    drawn = [_histogram(f"gradients/{name}", 0.5 * 4.0**at, 0.1) for at, name in enumerate(LAYERS)]
    plot = _drawn(tuple(_series(f"grad_norm/{name}", 7.0) for name in LAYERS), tuple(drawn))["gradient-rms"]
    assert isinstance(plot, DepthPlot)
    assert plot.unit == "gradient rms"
    assert next(iter(plot.values.values())) == pytest.approx((0.5, 2.0, 8.0), rel=0.01)


def test_logged_updates_are_a_map_of_layers_by_steps() -> None:
    """Logarithms are turned into ratios; where a layer has no point at a step there is none; many steps are thinned, and it is said."""
    plot = _drawn((_series("update_ratio/fc1.weight", -3.0, -4.0), _series("update_ratio/fc2.weight", -2.0)))["update-ratio"]
    assert isinstance(plot, Heatmap)
    assert plot.columns == ("step 0", "step 10")
    assert np.array_equal(plot.values, ((1e-3, 1e-4), (1e-2, math.nan)), equal_nan=True)
    many = _drawn(tuple(_series(f"update_ratio/{name}", *[1e-3] * 500) for name in LAYERS))["update-ratio"]
    assert isinstance(many, Heatmap)
    assert len(many.columns) == 60
    assert "60 of 500 steps are shown" in many.caption


def test_what_checkpoints_gave_is_not_drawn_again() -> None:
    """Their figures are exact."""
    series = tuple(_series(f"{tag}/{name}", 1e-3, 1e-3) for tag in ("grad_norm", "update_ratio") for name in LAYERS)
    assert set(_drawn(series)) == {"gradient-rms", "update-ratio"}
    assert _drawn(series, drawn=frozenset({"gradient-rms", "update-ratio"})) == {}


def test_silent_activations_are_shares_by_layer() -> None:
    """As logged at the end; what is no share is left out."""
    series = (
        _series("activations/relu1/zeros", 0.1, 0.95),
        _series("activations/relu2/zeros", 0.1, 0.2),
        _series("activations/relu3/zeros", 3.0),
    )
    plot = _drawn(series)["silent-units"]
    assert isinstance(plot, DepthPlot)
    assert list(plot.values.values()) == [(0.95, 0.2)]
    assert not plot.log
    assert "95%" in plot.title
