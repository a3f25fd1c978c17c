"""Schedules that look like trouble: rates that end at zero, or start again."""

from __future__ import annotations

from dataclasses import replace

from faults.nouns import Fault

_COMMON = frozenset({"adversarial", "policy"})
TRAPS = (
    Fault(
        "cosine-to-zero", "clear", "The rate falls to exactly 0 at the planned end.",
        plan=lambda plan: replace(plan, schedule="cosine"), spares=_COMMON,
    ),
    Fault(
        "warm-restarts", "clear", "Cosine with three restarts: the loss rises after each.",
        plan=lambda plan: replace(plan, schedule="restarts"), spares=_COMMON,
    ),
)  # fmt: skip
