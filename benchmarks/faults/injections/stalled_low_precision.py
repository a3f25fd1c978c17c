"""Weights kept in 16 bits, without a float32 master copy, whose updates are rounded away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from faults.nouns import Fault
from faults.plan import Plan, Style

_SPARES = frozenset({"adversarial", "policy"})


def _slow(optimizer: str, lr: float, steps: int = 1000) -> Callable[[Plan], Plan]:
    """A small rate, at which float32 learns in time."""
    return lambda plan: replace(plan, optimizer=optimizer, lr=lr, steps=steps, schedule="constant", warm_up=0.0, weight_decay=0.0)


def _kept_in(dtype: str) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, weights=dtype)


def _weights(style: Style) -> Style:
    """Checkpoints are there: the fault is in their types."""
    return replace(style, layout="numbered" if style.layout == "none" else style.layout)


FAULTS = (
    Fault(
        "bfloat16-adamw", "blatant", "Weights and AdamW's state in bfloat16, at a rate of 7e-5.",
        base=_slow("adamw", 7e-5), plan=_kept_in("bfloat16"), style=_weights, spares=_SPARES | {"saturating", "language"},
    ),
    Fault(
        "bfloat16-adam", "clear", "Weights and Adam's state in bfloat16, at a rate of 1e-4.",
        base=_slow("adam", 1e-4), plan=_kept_in("bfloat16"), style=_weights, spares=_SPARES | {"saturating"},
    ),
    Fault(
        "bfloat16-sgd", "clear", "Weights and momenta of SGD in bfloat16, at a rate of 0.003.",
        base=_slow("sgd", 3e-3), plan=_kept_in("bfloat16"), style=_weights, wants=frozenset({"classes"}),
        spares=frozenset({"saturating", "text"}),
    ),
    Fault(
        "float16-sgd", "clear", "Weights and momenta of SGD in float16, at a rate of 0.0003.",
        base=_slow("sgd", 3e-4, 1200), plan=_kept_in("float16"), style=_weights, wants=frozenset({"classes", "relu"}),
        spares=frozenset({"saturating", "text"}),
    ),
    Fault(
        "bfloat16-rmsprop", "clear", "Weights and RMSprop's averages in bfloat16, at a rate of 7e-5.",
        base=_slow("rmsprop", 7e-5), plan=_kept_in("bfloat16"), style=_weights, spares=_SPARES | {"saturating", "text"},
    ),
    Fault(
        "bfloat16-warm", "subtle", "Weights in bfloat16 under AdamW at 1.5e-4: small ones moved, large ones did not.",
        base=_slow("adamw", 1.5e-4, 800), plan=_kept_in("bfloat16"), style=_weights, spares=_SPARES | {"saturating"},
    ),
)  # fmt: skip
