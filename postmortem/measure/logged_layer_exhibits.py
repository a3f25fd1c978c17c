"""What a report draws of layers where only logs tell of them: gradients, updates and silent activations, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from postmortem.measure.figure_titles import gradient_title, units_title, update_title
from postmortem.measure.layer_exhibits import MAX_ROWS, USUAL_RATIOS, rounded, spread
from postmortem.measure.logged_layers import is_matrix, logged_histograms, logged_scalars, plain_ratios, root_mean_squares
from postmortem.model import DepthPlot, Exhibit, Heatmap, Histogram, Series

Logged = TypeVar("Logged", Histogram, Series)

ENDS = 0.1
"""The first and the last column of a chart are the medians of so large a share of a curve's points."""


def build(series: Sequence[Series], histograms: Sequence[Histogram], drawn: Set[str]) -> Iterator[Exhibit]:
    """Gradients by depth and updates over weights, unless checkpoints gave them (`drawn`: ids of these), and silent activations."""
    scalars = logged_scalars(series)
    if "update-ratio" not in drawn:
        yield from _updates(_matrices(scalars.get("update", {})))
    if "gradient-rms" not in drawn:
        yield from _gradients(_matrices(logged_histograms(histograms).get("gradient", {})), _matrices(scalars.get("gradient-norm", {})))
    yield from _silent(scalars.get("zeros", {}))


def _matrices(layers: Mapping[str, Logged]) -> dict[str, Logged]:
    return {name: one for name, one in list(layers.items())[:MAX_ROWS] if is_matrix(name)}


def _updates(layers: Mapping[str, Series]) -> Iterator[Heatmap]:
    curves = {name: _by_step(one, plain_ratios(one.values)) for name, one in layers.items()}
    steps = spread(sorted({step for curve in curves.values() for step in curve}))
    values = tuple(tuple(rounded(curve.get(step, math.nan)) for step in steps) for curve in curves.values())
    if not any(math.isfinite(value) for row in values for value in row):
        return
    every = {step for curve in curves.values() for step in curve}
    caption = "Update over weight as the run logged it."
    if len(steps) < len(every):
        caption += f" {len(steps)} of {len(every)} steps are shown, evenly chosen."
    columns = tuple(f"step {step}" for step in steps)
    title = update_title("update over weight", columns, values, USUAL_RATIOS["usual"])
    yield Heatmap("update-ratio", "layers", title, caption, "per step", tuple(curves), columns, values, USUAL_RATIOS)


def _by_step(one: Series, values: NDArray[np.float64]) -> dict[int, float]:
    return dict(zip(one.steps.tolist(), values.tolist(), strict=True))


def _gradients(drawn: Mapping[str, Histogram], logged: Mapping[str, Series]) -> Iterator[DepthPlot]:
    sizes = {name: root_mean_squares(one) for name, one in drawn.items()}
    caption, unit = (
        "Root mean square of each layer's gradient, from its histograms, in the order of the network.",
        "gradient rms",
    )
    if not any(sizes.values()):
        sizes = {name: _by_step(one, one.values) for name, one in logged.items()}
        caption, unit = "Norm of each layer's gradient as the run logged it, in the order of the network.", "gradient norm"
    found = {name: [value for _, value in sorted(curve.items())] for name, curve in sizes.items() if curve}
    if len(found) < 2:
        return
    names = tuple(found)
    columns = {
        "first tenth of the run": tuple(rounded(_median(values[: _tenth(values)])) for values in found.values()),
        "last tenth": tuple(rounded(_median(values[-_tenth(values) :])) for values in found.values()),
    }
    title = gradient_title(names, *next(iter(columns.items())))
    yield DepthPlot("gradient-rms", "layers", title, caption, unit, names, columns)


def _tenth(values: Sequence[float]) -> int:
    return max(1, int(len(values) * ENDS))


def _median(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return float(np.median(finite)) if finite else math.nan


def _silent(layers: Mapping[str, Series]) -> Iterator[DepthPlot]:
    ends = {name: _median(one.values[-_tenth(one.values.tolist()) :].tolist()) for name, one in list(layers.items())[:MAX_ROWS]}
    shares = {name: rounded(value) for name, value in ends.items() if 0 <= value <= 1}
    if shares:
        caption = "Share of each layer's activations that are zero, as the run logged it, in the last tenth of its steps."
        title = units_title("zero", "activations", shares)
        yield DepthPlot("silent-units", "layers", title, caption, "share", tuple(shares), {"zero": tuple(shares.values())}, log=False)
