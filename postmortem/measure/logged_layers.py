"""What logs tell layer by layer: gradient norms, updates over weights, silent activations, and histograms of weights and gradients.

Trainers write such tags beside the losses (`grad_2.0_norm/net.0.weight`, `gradients/fc1.weight`, `activations/relu1/zeros`). They stand in
for checkpoints that were not kept: measurements have the names that checkpoints give them, and are made only where these give none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from postmortem.measure.tags import words
from postmortem.measure.view import Found, slope_by_depth
from postmortem.model import Histogram, Measurement, Series, counted

NAMES = (
    "gradients.first_to_last",
    "gradients.depth_slope",
    "updates.ratio_lower",
    "updates.ratio_upper",
    "updates.moved",
    "updates.frozen",
    "units.zero_activation",
    "weights.initial_duplicate_units",
)

Kept = TypeVar("Kept")

_GRADIENT = {"grad", "grads", "gradient", "gradients", "gradnorm", "gnorm"}
_WEIGHT = {"weight", "weights", "param", "params", "parameter", "parameters"}
_UPDATE = {"update", "updates"}
_ACTIVATION = {"activation", "activations", "act", "acts", "dead", "output", "outputs"}
_ZERO = {"zero", "zeros", "dead", "sparsity", "sparse"}
_FAMILY = _GRADIENT | _WEIGHT | _UPDATE | _ACTIVATION | _ZERO
_FAMILY |= {"norm", "norms", "l2", "ratio", "ratios", "to", "of", "fraction", "frac", "share", "rate", "train", "training", "total", "hist"}
_BEHIND = re.compile(r"[._/](grad|gradient)s?$")
_NO_MATRIX = {"bias", "biases", "bn", "ln", "norm", "batchnorm", "layernorm", "embedding", "embeddings", "embed", "wte", "wpe", "log"}
_NUMBERS = re.compile(r"\d+")
_FEWEST_FOR_A_SLOPE = 4
_SMALLEST_MATRIX = 16
_LOGARITHMS = -12.0
"""Ratios of updates are at times logged as logarithms to base 10: all below 0, and none below this."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What a tag is about."""

    kind: str
    """`gradient-norm`, `gradient`, `update`, `zeros`, `weight-norm` or `weight`."""
    layer: str


def measure_logged_layers(series: Sequence[Series], histograms: Sequence[Histogram]) -> Iterator[Found]:
    """Measurements of `NAMES` that the logs tell; those that they do not tell are left to the checkpoints, without a word."""
    scalars = logged_scalars(series)
    drawn = logged_histograms(histograms)
    yield from _gradients(scalars.get("gradient-norm", {}), drawn.get("gradient", {}))
    yield from _ratios(scalars.get("update", {}))
    yield from _moved(drawn.get("weight", {}))
    yield from _zeros(scalars.get("zeros", {}))
    yield from _constant(drawn.get("weight", {}))


# --- tags -------------------------------------------------------------------------------------------------------------


def _told(tag: str) -> _Told | None:
    behind = _BEHIND.search(tag)
    pieces = (tag[: behind.start()] if behind else tag).split("/")
    family: set[str] = {"gradient"} if behind else set()
    layer: list[str] = []
    for piece in pieces:
        said = set(words(piece))
        if said and {word for word in said if not (word.isdigit() and "norm" in said)} <= _FAMILY:
            family |= said
        elif piece:
            layer.append(piece)
    kind = _kind(family)
    if not kind and layer and not family & _FAMILY and layer[-1].endswith((".weight", "_weight", "/kernel")):
        kind = "weight"
    return _Told(kind, "/".join(layer)) if kind and layer else None


def _kind(family: set[str]) -> str:
    if family & _ACTIVATION and family & _ZERO:
        return "zeros"
    if family & _UPDATE and (family & {"ratio", "ratios"} or family & _WEIGHT):
        return "update"
    if family & _GRADIENT:
        return "gradient-norm" if family & {"norm", "norms", "gradnorm", "gnorm"} else "gradient"
    if family & _WEIGHT and not family & _ACTIVATION:
        return "weight-norm" if family & {"norm", "norms"} else "weight"
    return ""


def logged_scalars(series: Sequence[Series]) -> dict[str, dict[str, Series]]:
    """Kind (`gradient-norm`, `update`, `zeros`, ...) -> layer, in the network's order -> its curve; kinds of two layers and more."""
    found: dict[str, dict[str, Series]] = {}
    for one in series:
        told = _told(one.tag)
        if told is not None and one.steps.size:
            found.setdefault(told.kind, {}).setdefault(told.layer, one)
    return {kind: _in_order(layers) for kind, layers in found.items() if len(layers) >= 2}


def logged_histograms(histograms: Sequence[Histogram]) -> dict[str, dict[str, Histogram]]:
    """Kind (`gradient`, `weight`, ...) -> layer, in the network's order -> its histograms; kinds of two layers and more."""
    found: dict[str, dict[str, Histogram]] = {}
    for one in histograms:
        told = _told(one.tag)
        if told is not None and one.steps:
            found.setdefault(told.kind, {}).setdefault(told.layer, one)
    return {kind: _in_order(layers) for kind, layers in found.items() if len(layers) >= 2}


def _in_order(layers: Mapping[str, Kept]) -> dict[str, Kept]:
    """As they were written, which is the network's order; by number where they were written by alphabet."""
    names = list(layers)
    if names == sorted(names):
        names.sort(key=lambda name: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)])
    return {name: layers[name] for name in names}


def is_matrix(name: str) -> bool:
    """Whether a layer's name says no bias, norm or embedding."""
    return not set(words(name)) & _NO_MATRIX


# --- measurements -----------------------------------------------------------------------------------------------------


def _gradients(norms: Mapping[str, Series], drawn: Mapping[str, Histogram]) -> Iterator[Found]:
    """Of the layers of one kind that are most, without the last of all: the typical gradient of the first over that of the last."""
    if drawn:
        sizes = {name: _rms(one) for name, one in drawn.items() if is_matrix(name)}
        basis = (
            f"histograms of gradients of {counted(len(sizes), 'layer')}, medians over {max(len(one.steps) for one in drawn.values())} steps"
        )
    else:
        sizes = {name: _typical(one) for name, one in norms.items() if is_matrix(name)}
        basis = (
            f"logged gradient norms of {len(sizes)} layers, medians over {max((one.steps.size for one in norms.values()), default=0)} steps"
        )
    hidden = dict(list(sizes.items())[:-1])
    kinds: dict[str, dict[str, float]] = {}
    for name, size in hidden.items():
        if 0 < size < math.inf:
            kinds.setdefault(_NUMBERS.sub("#", name), {})[name] = size
    members = max(kinds.values(), key=len, default={})
    if len(members) < 2:
        return
    values = list(members.values())
    if len(values) >= _FEWEST_FOR_A_SLOPE:
        yield Measurement(NAMES[1], slope_by_depth([math.log10(one) for one in values]), "decades per layer", basis, None, members)
    yield Measurement(NAMES[0], values[0] / values[-1], "ratio", basis, None, members)


def _ratios(logged: Mapping[str, Series]) -> Iterator[Found]:
    items = {name: _typical(one, logarithms=True) for name, one in logged.items() if is_matrix(name)}
    items = {name: value for name, value in items.items() if 0 < value < math.inf}
    if not items:
        return
    basis = f"logged ratios of {counted(len(items), 'layer')}, medians over their steps"
    value = float(np.median(list(items.values())))
    for name in NAMES[2:4]:
        yield Measurement(name, value, "per step", basis, None, items)


def _moved(drawn: Mapping[str, Histogram]) -> Iterator[Found]:
    """Matrices whose histogram is the same at its first and its last step, to each bucket and both ends, did not move."""
    matrices = {name: one for name, one in drawn.items() if len(one.steps) >= 2 and float(one.counts[0].sum()) >= _SMALLEST_MATRIX}
    if not matrices:
        return
    moved = {name: float(not _same(one)) for name, one in matrices.items()}
    still = {name: float(matrices[name].counts[0].sum()) for name, did in moved.items() if not did}
    total = sum(float(one.counts[0].sum()) for one in matrices.values())
    first, last = min(one.steps[0] for one in matrices.values()), max(one.steps[-1] for one in matrices.values())
    basis = f"histograms of {len(matrices)} weight tensors between step {first} and step {last}"
    yield Measurement(NAMES[4], sum(moved.values()) / len(moved), "share", basis, last, moved)
    yield Measurement(NAMES[5], sum(still.values()) / total, "share", basis, last, still)


def _same(one: Histogram) -> bool:
    ends = one.minimum[0] == one.minimum[-1] and one.maximum[0] == one.maximum[-1]
    return ends and np.array_equal(one.limits[0], one.limits[-1]) and np.array_equal(one.counts[0], one.counts[-1])


def _zeros(logged: Mapping[str, Series]) -> Iterator[Found]:
    items = {name: float(np.median(one.values[-max(1, one.values.size // 5) :])) for name, one in logged.items()}
    items = {name: value for name, value in items.items() if 0 <= value <= 1}
    if items:
        basis = f"logged shares of zeros of {counted(len(items), 'layer')}, last fifth of their steps"
        yield Measurement(NAMES[6], max(items.values()), "share", basis, None, items)


def _constant(drawn: Mapping[str, Histogram]) -> Iterator[Found]:
    """Hidden matrices that start with one value for all elements; nothing is told where none does, since rows are not seen."""
    hidden = {name: one for name, one in list(drawn.items())[:-1] if is_matrix(name) and one.counts[0].sum() >= _SMALLEST_MATRIX}
    constant = {name: 1.0 for name, one in hidden.items() if one.steps[0] <= 1 and one.minimum[0] == one.maximum[0]}
    if constant:
        those = counted(len(hidden), "hidden matrix", "hidden matrices")
        basis = f"histograms of {those} at step {min(one.steps[0] for one in hidden.values())}"
        yield Measurement(NAMES[7], len(constant) / len(hidden), "share", basis, 0, constant)


def _typical(one: Series, logarithms: bool = False) -> float:
    values = plain_ratios(one.values) if logarithms else one.values
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else math.nan


def plain_ratios(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ratios as they are where they were logged as logarithms to base 10."""
    finite = values[np.isfinite(values)]
    return 10.0**values if finite.size and finite.max() < 0 and finite.min() >= _LOGARITHMS else values


def _rms(one: Histogram) -> float:
    """Median over steps of the root mean square."""
    found = list(root_mean_squares(one).values())
    return float(np.median(found)) if found else math.nan


def root_mean_squares(one: Histogram) -> dict[int, float]:
    """Step -> root mean square, elements taken at the middle of their buckets; steps with an empty histogram left out."""
    found = {}
    for step, limits, counts, low, high in zip(one.steps, one.limits, one.counts, one.minimum, one.maximum, strict=True):
        lower = np.concatenate([[low], limits[:-1]])
        middle = np.clip(0.5 * (np.clip(lower, low, high) + np.clip(limits, low, high)), low, high)
        if counts.sum() > 0:
            found[step] = math.sqrt(float(counts @ middle**2) / float(counts.sum()))
    return found
