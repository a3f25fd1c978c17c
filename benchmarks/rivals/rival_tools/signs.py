"""What a bare symptom may stand for, whichever tool sees it: every cause whose plain sign it is, the likeliest first.

A finding that names causes is credited with those, even if the run looks the same for another cause: a reader told of overfitting does not
look at batch norm. A finding that names a symptom alone is credited with all of these.
"""

from __future__ import annotations

FLAT = (
    "not-training",
    "lr-too-low",
    "frozen-parameters",
    "label-noise",
    "lr-schedule",
    "vanishing-gradients",
    "dead-relus",
    "symmetric-init",
    "saturated-activations",
    "stalled-low-precision",
    "loss-scale-collapse",
    "init-too-small",
    "underfitting",
)
"""The loss does not fall."""
NOT_FINITE = ("lr-too-high", "exploding-gradients", "loss-scale-collapse", "loss-misconfigured", "inputs-not-normalized", "init-too-large")
"""NaN or infinity in a loss, a gradient norm or weights."""
RISING = ("lr-too-high", "exploding-gradients", "lr-schedule", "loss-spike", "resume-lost-state")
"""The loss rises for long."""
SPIKE = ("loss-spike", "lr-too-high", "exploding-gradients", "lr-schedule")
"""The loss jumps."""
STEEP_GRADIENT = ("exploding-gradients", "lr-too-high", "loss-spike")
"""The gradient norm jumps."""
LARGE_WEIGHTS = ("exploding-gradients", "init-too-large", "lr-too-high")
"""Weights far larger than those of other layers."""


def credited(*causes: str) -> tuple[str, ...]:
    """Causes in the order given, each once: what the tool names, then what the symptom may stand for."""
    return tuple(dict.fromkeys(causes))
