"""What logs tell layer by layer, in the words of several trainers, against numbers that are known."""

from __future__ import annotations

import numpy as np
import pytest

from postmortem.measure.logged_layers import measure_logged_layers
from postmortem.model import Histogram, Measurement, Series

LAYERS = ("fc1.weight", "fc2.weight", "fc3.weight", "fc4.weight", "fc5.weight", "head.weight")


def drawn(tag: str, *values: float) -> Series:
    """A logged scalar."""
    steps = np.arange(len(values))
    return Series(tag, "", steps, np.array(values, dtype=np.float64), np.full(len(values), np.nan), "events")


def histogram(tag: str, *states: np.ndarray, first: int = 0) -> Histogram:
    """A histogram of 64 buckets at each state, 100 steps apart."""
    limits, counts = [], []
    for state in states:
        edges = np.linspace(state.min(), state.max() + 1e-12, 65)
        counts.append(np.histogram(state, bins=edges)[0].astype(np.float64))
        limits.append(edges[1:])
    steps = tuple(first + 100 * at for at in range(len(states)))
    ends = tuple(float(state.min()) for state in states), tuple(float(state.max()) for state in states)
    return Histogram(tag, "", steps, tuple(limits), tuple(counts), *ends, "events")


def told(series: list[Series], histograms: list[Histogram] | None = None) -> dict[str, Measurement]:
    """Measurements by name."""
    found = measure_logged_layers(series, histograms or [])
    return {one.name: one for one in found if isinstance(one, Measurement)}


@pytest.mark.parametrize("tag", ["grad_norm/{}", "train/grad_norm/{}", "Gradient_norm/{}", "grad_2.0_norm/net.{}", "{}/grad_norm"])
def test_gradient_norms_of_layers_tell_the_slope(tag: str) -> None:
    """A tenth less with every layer towards the input is one decade a layer, whatever the trainer calls it; the head is left out."""
    found = told([drawn(tag.format(name), 10.0**at, 10.0**at) for at, name in enumerate(LAYERS)])
    assert found["gradients.depth_slope"].value == pytest.approx(1.0)
    assert found["gradients.first_to_last"].value == pytest.approx(1e-4)
    assert len(found["gradients.first_to_last"].items) == 5


@pytest.mark.parametrize("tag", ["gradients/{}", "{}.grad", "net.{}_grad", "Gradients/{}"])
def test_histograms_of_gradients_tell_their_size(tag: str) -> None:
    """Root mean squares of buckets' middles are those of the values, to a few parts in a hundred."""
    draw = np.random.default_rng(1)
    values = {name: draw.normal(0, 0.01 * 2.0**at, 4096) for at, name in enumerate(LAYERS)}
    found = told([], [histogram(tag.format(name), value) for name, value in values.items()])["gradients.first_to_last"]
    assert list(found.items.values()) == pytest.approx([float(np.sqrt((one**2).mean())) for one in list(values.values())[:-1]], rel=0.05)


def test_layers_come_by_number_where_the_alphabet_ordered_them() -> None:
    """`layer10` stands behind `layer9`."""
    names = sorted(f"layer{at}.weight" for at in range(12))
    found = told([drawn(f"grad_norm/{name}", 2.0 ** int(name[5:-7])) for name in names])
    assert list(found["gradients.first_to_last"].items)[-1] == "layer10.weight"
    assert found["gradients.first_to_last"].value == pytest.approx(2.0**-10)


def test_biases_and_totals_are_no_layers() -> None:
    """What is no matrix does not enter, and one layer is nothing to compare."""
    assert not told([drawn("grad_norm/total", 3.0), drawn("grad_norm", 3.0), drawn("grad_norm/fc1.bias", 1.0), drawn("loss", 2.0)])


@pytest.mark.parametrize(("values", "expected"), [((2e-3, 1e-3, 1e-3), 1e-3), ((-2.7, -3.0, -3.0), 1e-3)])
def test_ratios_of_updates_are_medians_and_may_be_logarithms(values: tuple[float, ...], expected: float) -> None:
    """Logarithms to base 10 are known by being below zero."""
    found = told([drawn(f"update_to_weight/{name}", *values) for name in LAYERS])
    assert found["updates.ratio_lower"].value == pytest.approx(expected)
    assert found["updates.ratio_upper"].value == pytest.approx(expected)


@pytest.mark.parametrize("tag", ["weights/{}", "parameters/{}", "net.{}"])
def test_a_histogram_that_stays_is_a_layer_that_did_not_move(tag: str) -> None:
    """One of six layers kept its histogram: a sixth of the tensors, and its share of the elements."""
    draw = np.random.default_rng(2)
    before = {name: draw.normal(0, 0.1, 600 if name == "fc2.weight" else 200) for name in LAYERS}
    after = {name: value if name == "fc2.weight" else value + 1e-3 * draw.normal(size=value.size) for name, value in before.items()}
    found = told([], [histogram(tag.format(name), before[name], after[name]) for name in LAYERS])
    assert found["updates.moved"].value == pytest.approx(5 / 6)
    assert found["updates.frozen"].value == pytest.approx(600 / 1600)
    assert [name.removeprefix("net.") for name in found["updates.frozen"].items] == ["fc2.weight"]


@pytest.mark.parametrize("tag", ["activations/{}/zero_fraction", "dead_frac/{}", "act_zeros/net.{}", "Activation_sparsity/{}"])
def test_the_most_silent_layer_counts(tag: str) -> None:
    """The share of zeros of the last fifth, of the layer with most of them."""
    shares = {"relu1": (0.5,) * 10, "relu2": (0.5,) * 8 + (1.0, 1.0)}
    found = told([drawn(tag.format(name), *values) for name, values in shares.items()])["units.zero_activation"]
    assert found.value == 1.0
    assert [name.removeprefix("net.") for name in found.items] == ["relu1", "relu2"]


def test_matrices_that_start_with_one_value_have_equal_units() -> None:
    """Constants are seen in a histogram; where none starts so nothing is told, since rows are not seen."""
    constant, random = np.full(64, 0.1), np.random.default_rng(3).normal(size=64)
    found = told([], [histogram(f"weights/{name}", constant, random) for name in LAYERS])
    assert found["weights.initial_duplicate_units"].value == 1.0
    assert "weights.initial_duplicate_units" not in told([], [histogram(f"weights/{name}", random, random) for name in LAYERS])
    late = told([], [histogram(f"weights/{name}", constant, random, first=500) for name in LAYERS])
    assert "weights.initial_duplicate_units" not in late
