"""Saturated and silent activations: measured from histograms, and predicted from the weights where the activation is known."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from postmortem.measure.table import Floats
from postmortem.measure.view import Found, View, at_step
from postmortem.model import Histogram, Measurement, Missing, counted

NAMES = ("units.saturated", "units.zero_activation", "units.preactivation_rms")

TANH_EDGE = 0.95
SIGMOID_EDGE = 0.05
_ACTIVATION_TOKENS = {"act", "acts", "activation", "activations", "tanh", "sigmoid", "hidden", "relu"}
_MEANT_TO_SATURATE = {
    "gate",
    "gates",
    "attn",
    "attention",
    "prob",
    "probs",
    "softmax",
    "output",
    "outputs",
    "forget",
    "mask",
    "preact",
    "pre",
}
_HALF = 0.5
_ZERO = 1e-7
"""TensorBoard's own buckets begin at 1e-12: what lies below this is an exact zero."""
_QUADRATURE = np.polynomial.hermite_e.hermegauss(64)


def measure_saturation(
    view: View | None, input_rms: Mapping[str, float], histograms: Sequence[Histogram], activation: str
) -> Iterator[Found]:
    """Saturation by histogram and by prediction. `input_rms`: Linear layer -> rms of its inputs, where it is known."""
    yield _saturated(histograms, activation)
    yield _zero(histograms)
    yield _preactivations(view, input_rms, activation)


def _tokens(tag: str) -> set[str]:
    return {token for token in re.split(r"[/_\-. \d]+", tag.lower()) if token}


def _kind(histogram: Histogram, activation: str) -> str:
    """`tanh`, `sigmoid`, or empty where the tag is no saturating activation of a hidden layer."""
    tokens = _tokens(histogram.tag)
    if not tokens & _ACTIVATION_TOKENS or tokens & _MEANT_TO_SATURATE or "relu" in tokens or not histogram.steps:
        return ""
    low, high = min(histogram.minimum), max(histogram.maximum)
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    if "sigmoid" in tokens or (activation == "sigmoid" and "tanh" not in tokens):
        return "sigmoid" if low >= 0 and high <= 1 else ""
    # GELU and ELU stay above -0.2 and have no upper bound; a bounded range that reaches well below zero is tanh.
    return "tanh" if -1 <= low < -_HALF and high <= 1 else ""


def mass_between(limits: Floats, counts: Floats, minimum: float, maximum: float, low: float, high: float) -> float:
    """Share of a histogram's values within [low, high], values spread evenly within each bucket."""
    upper = np.minimum(limits, maximum)
    lower = np.maximum(np.concatenate(([minimum], limits[:-1])), minimum)
    width = upper - lower
    inside = np.minimum(upper, high) - np.maximum(lower, low)
    point = ((lower >= low) & (upper <= high)).astype(np.float64)
    share = np.where(width > 0, np.clip(inside / np.where(width > 0, width, 1.0), 0.0, 1.0), point)
    total = float(counts.sum())
    return float((share * counts).sum() / total) if total > 0 else math.nan


def _saturated(histograms: Sequence[Histogram], activation: str) -> Found:
    items: dict[str, float] = {}
    first: list[int] = []
    for histogram in histograms:
        kind = _kind(histogram, activation)
        if not kind:
            continue
        low, high = (-TANH_EDGE, TANH_EDGE) if kind == "tanh" else (SIGMOID_EDGE, 1 - SIGMOID_EDGE)
        shares = [
            1 - mass_between(limits, counts, minimum, maximum, low, high)
            for limits, counts, minimum, maximum in zip(
                histogram.limits, histogram.counts, histogram.minimum, histogram.maximum, strict=True
            )
        ]
        if math.isfinite(shares[-1]):
            items[histogram.tag] = shares[-1]
            first.extend(step for step, share in zip(histogram.steps, shares, strict=True) if share > _HALF)
    if not items:
        return Missing("units.saturated", "no histogram of tanh or sigmoid activations", "activation-histograms")
    ends = f"mass beyond {TANH_EDGE:g} of tanh's range or within {SIGMOID_EDGE:g} of sigmoid's ends"
    basis = f"{ends}, {counted(len(items), 'histogram')}, last step"
    return Measurement("units.saturated", max(items.values()), "share", basis, min(first, default=None), items)


def _zero(histograms: Sequence[Histogram]) -> Found:
    items: dict[str, float] = {}
    for histogram in histograms:
        tokens = _tokens(histogram.tag)
        if (
            not histogram.steps
            or not tokens & {"relu", "act", "acts", "activation", "activations", "hidden"}
            or tokens & _MEANT_TO_SATURATE
        ):
            continue
        limits, counts = histogram.limits[-1], histogram.counts[-1]
        if histogram.minimum[-1] != 0 or counts.sum() <= 0 or "sigmoid" in tokens:
            continue
        small = limits <= _ZERO
        if histogram.maximum[-1] == 0:
            items[histogram.tag] = 1.0
        elif small.any():
            items[histogram.tag] = float(counts[small].sum() / counts.sum())
    if not items:
        return Missing("units.zero_activation", "no histogram of ReLU activations with a bucket of exact zeros", "activation-histograms")
    return Measurement(
        "units.zero_activation",
        max(items.values()),
        "share",
        f"mass at exact zero, {counted(len(items), 'histogram')}, last step",
        None,
        items,
    )


# --- predicted from the weights ---------------------------------------------------------------------------------------


def activated_square(preactivation_rms: float, activation: str) -> float:
    """E[f(z)^2] for z normal with mean 0 and this rms, by Gauss-Hermite quadrature."""
    nodes, weights = _QUADRATURE
    z = nodes * preactivation_rms
    f = np.tanh(z) if activation == "tanh" else 0.5 * (1 + np.tanh(z / 2))
    return float((weights * f**2).sum() / weights.sum())


def _preactivations(view: View | None, input_rms: Mapping[str, float], activation: str) -> Found:
    """Predicted rms of each hidden layer's pre-activations: sqrt(sum of w^2 x E[x^2] + b^2), one layer's output being the next one's input.

    The first layer's input rms comes from the optimizer's state, else it is taken to be 1.
    """
    name = "units.preactivation_rms"
    if activation not in {"tanh", "sigmoid"}:
        if activation:
            return Missing(name, f"the activation is {activation}", "", applies=False)
        return Missing(name, "no setting names the activation function", "activation")
    if view is None or not view.sound_rows:
        return Missing(name, "no checkpoint with finite weights", "checkpoint")
    row = view.sound_rows[-1]
    hidden = [layer for layer in view.hidden if not layer.transposed and layer.name in row.tensors]
    if view.normalizations or not hidden or len({layer.net for layer in hidden}) > 1:
        return Missing(name, "the net is no plain chain of layers without normalization, whose weights would tell", "")
    given = input_rms.get(hidden[0].name)
    square = given**2 if given is not None else 1.0
    items: dict[str, float] = {}
    for layer in hidden:
        stats = row.tensors[layer.name]
        per_unit = stats.norm**2 / layer.fan_out
        bias = row.tensors.get(layer.bias)
        offset = bias.norm**2 / layer.fan_out if bias is not None else 0.0
        items[layer.name] = math.sqrt(per_unit * square + offset)
        square = activated_square(items[layer.name], activation)
    source = "inputs' rms from the optimizer's state" if given is not None else "inputs taken to have rms 1"
    return Measurement(
        name,
        max(items.values()),
        "ratio",
        f"weights at {at_step(row)}, {source}, {counted(len(items), activation + ' layer')}",
        row.step,
        items,
    )
