"""weightwatcher: power laws of the singular values of each weight matrix. Reads weights only."""

from __future__ import annotations

import logging

from rival_tools.findings import Finding, finding
from rival_tools.handed import Handed

CREDIT = {
    # the label that it gives a layer in the column `warning`
    "over-trained": ("overfitting", "lr-too-high", "init-too-large", "label-noise", "exploding-gradients"),
    "under-trained": (
        "underfitting",
        "lr-too-low",
        "not-training",
        "frozen-parameters",
        "vanishing-gradients",
        "pretrained-not-loaded",
        "lr-schedule",
        "init-too-small",
    ),
    # its documentation: layers with such spikes are almost random, may be over-fit, and hold spurious information
    "correlation-trap": ("overfitting", "label-noise", "lr-too-high", "not-training"),
}
LABELS = ("over-trained", "under-trained")
SEED = 0
KERNELS = (2, 4)
"""Dimensions of the tensors that it looks at."""


def findings(handed: Handed) -> list[Finding]:
    """The labels of `analyze()`, as it is set, for the last checkpoint, that of the most layers first; without a label, correlation traps.

    It fails on values that are not finite: then it gets the first checkpoint. To look for traps takes it seconds a layer; they add next to
    nothing to what labels are credited with. A trap is a number of its table and no warning: it does not count as an alarm.
    """
    import matplotlib
    import numpy as np
    import weightwatcher
    from safetensors.torch import load_file

    matplotlib.use("Agg")
    logging.disable(logging.CRITICAL)
    if not handed.weights:
        return []
    weights = load_file(handed.weights[-1])
    if not all(values.isfinite().all() for values in weights.values()):
        weights = load_file(handed.weights[0])
    # It looks for `.weight` alone: matrices of recurrent and other layers go by names of their own.
    shaped = {name: values for name, values in weights.items() if values.dim() in KERNELS}
    named = {name if name.endswith(".weight") else f"{name}.weight": values for name, values in shaped.items()}
    if not named:
        return []
    watcher = weightwatcher.WeightWatcher()
    details = watcher.analyze(model=named)
    said = list(details["warning"]) if "warning" in details else []
    layers = {label: said.count(label) for label in LABELS if label in said}
    if layers:
        return [finding(label, "warning", CREDIT) for label in sorted(layers, key=lambda label: -layers[label])]
    np.random.seed(SEED)  # it shuffles matrices with the global generator
    details = watcher.analyze(model=named, randomize=True)
    traps = "num_traps" in details and bool((details["num_traps"] > 0).any())
    return [finding("correlation-trap", "advice", CREDIT)] if traps else []
